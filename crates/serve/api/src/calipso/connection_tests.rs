//! Connection tests: posted as a request, answered later. Kept in memory, the newest of them, and never with a secret.

use super::answer::Answer;
use super::documents::Query;
use super::environment;
use super::maps::{Document, Maps};
use super::writes::{environment_of, refusal};
use discovery::environment::{Config, Credentials, Probe, ProbeResult, Right};
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use topology::Environment;

/// Older tests are forgotten.
const KEPT: usize = 200;

/// Tests as documents, oldest first.
#[derive(Clone, Default)]
pub(crate) struct ConnectionTests(Arc<Mutex<VecDeque<Document>>>);

impl ConnectionTests {
    fn add(&self, document: Document) {
        let mut all = self.0.lock();
        if all.len() == KEPT {
            all.pop_front();
        }
        all.push_back(document);
    }

    fn ended(&self, id: &str, outcome: Document) {
        let mut all = self.0.lock();
        if let Some(document) = all.iter_mut().find(|document| document["id"] == id) {
            document.extend(outcome);
        }
    }
}

/// Every target needs a section, and all sections what they need.
pub(super) fn check(document: &Document) -> Result<(), Answer> {
    let bad = |message: String| Err(Answer::refuse(400, message));
    let sections = environment::sections(document, "targets_configuration")?;
    environment::complete(&sections)?;
    for target in targets(document) {
        if !sections.iter().any(|(name, _)| *name == target) {
            return bad(format!(
                "targets_configuration should contain an entry for target '{target}'"
            ));
        }
    }
    Ok(())
}

fn targets(document: &Document) -> impl Iterator<Item = &str> {
    let all = document.get("test_targets").and_then(Value::as_array);
    all.into_iter().flatten().filter_map(Value::as_str)
}

fn probe(target: &str) -> Option<Probe> {
    Some(match target {
        "OpenStack" => Probe::Openstack,
        "mysql" => Probe::Sql,
        "CLI" => Probe::Ssh,
        "AMQP" => Probe::Amqp,
        "ACI" => Probe::Aci,
        "Kubernetes" => Probe::Kubernetes,
        _ => return None,
    })
}

impl Maps {
    /// Tests of an environment the asker may change, with what is asked for of their targets.
    pub(super) fn connection_tests(&self, query: &Query) -> Vec<Document> {
        let Some(environment) =
            Self::environment(query).filter(|name| self.asker.may(name, Right::Edit))
        else {
            return Vec::new();
        };
        let all = self.connection_tests.0.lock();
        all.iter()
            .filter(|document| document["environment"] == environment.as_str())
            .filter_map(|document| narrowed(document, query))
            .collect()
    }

    /// Begins a test. Its answer is read later, under the id.
    pub(super) fn write_connection_test(
        &self,
        document: &Document,
    ) -> Result<String, (u16, String)> {
        let bad = |message: String| (400, message);
        let name = environment_of(document).map_err(refusal)?;
        let (config, credentials) =
            environment::test_settings(name.as_str(), document).map_err(bad)?;
        let config: Config =
            serde_json::from_value(config).map_err(|error| bad(error.to_string()))?;
        let credentials: Credentials =
            serde_json::from_value(credentials).map_err(|error| bad(error.to_string()))?;
        let id = uuid::Uuid::new_v4().simple().to_string()[..24].to_owned();
        self.connection_tests.add(requested(&id, &name, document));
        let targets: Vec<String> = targets(document).map(str::to_owned).collect();
        let (inventory, tests) = (self.asker.inventory.clone(), self.connection_tests.clone());
        let (done, secrets) = (id.clone(), self.asker.secrets());
        tokio::spawn(async move {
            let started = Instant::now();
            let mut results = Vec::new();
            for probe in targets.iter().filter_map(|target| probe(target)) {
                let tested = inventory
                    .probe(&config, credentials.clone(), Some(probe), secrets)
                    .await;
                results.extend(tested.unwrap_or_default());
            }
            tests.ended(&done, response(&targets, &results, started));
        });
        Ok(id)
    }
}

/// The document of a test that was asked for. Of its configuration it holds the names of the sections.
fn requested(id: &str, environment: &Environment, document: &Document) -> Document {
    let sections = document
        .get("targets_configuration")
        .and_then(Value::as_array);
    let names: Vec<Value> = sections
        .into_iter()
        .flatten()
        .map(|section| json!({"name": section["name"]}))
        .collect();
    let requested = json!({
        "id": id,
        "environment": environment,
        "test_targets": document.get("test_targets"),
        "targets_configuration": names,
        "test_results": {},
        "status": "request",
        "submit_timestamp": Timestamp::now(),
    });
    requested.as_object().cloned().unwrap_or_default()
}

/// What is added when it has ended.
fn response(targets: &[String], results: &[ProbeResult], started: Instant) -> Document {
    let of = |target: &str| {
        let probe = probe(target)?;
        results.iter().find(|result| result.target == probe)
    };
    let (mut reached, mut told) = (Map::new(), Vec::new());
    for target in targets {
        let result = of(target);
        reached.insert(target.clone(), result.is_some_and(|r| r.reached).into());
        let detail = result.map_or("nothing here could be tested", |r| r.detail.as_str());
        told.push(format!("{target}: {detail}"));
    }
    let response = json!({
        "test_results": reached,
        "status": "response",
        "response_timestamp": Timestamp::now(),
        "response_time": started.elapsed().as_secs_f64(),
        "last_response_message": told.join("; "),
    });
    response.as_object().cloned().unwrap_or_default()
}

/// Only the targets, and of them those with the result, that are asked for; nothing if none is left.
fn narrowed(document: &Document, query: &Query) -> Option<Document> {
    let mut document = document.clone();
    let results = document.get("test_results").cloned().unwrap_or_default();
    let asked = query.all_of.get("test_targets");
    let wanted = query.filters.get("test_results");
    let keeps = |target: &str| {
        asked.is_none_or(|asked| asked.iter().any(|asked| asked == target))
            && wanted.is_none_or(|wanted| results.get(target) == Some(wanted))
    };
    if let Some(Value::Array(targets)) = document.get_mut("test_targets") {
        targets.retain(|target| target.as_str().is_some_and(keeps));
        if targets.is_empty() {
            return None;
        }
    }
    if let Some(Value::Array(sections)) = document.get_mut("targets_configuration") {
        sections.retain(|section| section["name"].as_str().is_some_and(keeps));
    }
    if let Some(Value::Object(results)) = document.get_mut("test_results") {
        results.retain(|target, _| keeps(target));
    }
    Some(document)
}
