//! A cluster as a real kube-apiserver answered: pages, an expired page, a refusal, and a watch whose version is gone.

use crate::fake::{Asked, Fake};
use anyhow::{Context as _, Result, ensure};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use discovery::environment::{Config, CredentialName, Credentials, Probe};
use discovery::kubernetes::watch::{Collection, follow};
use discovery::kubernetes::{Kubernetes, Settings};
use discovery::scan::{Context, Source};
use discovery::{Secret, Trust};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use topology::{Coverage, Draft, Environment, Scope};

/// Answers by name, as they came; the file says from where.
#[derive(Clone)]
struct Captures(Arc<Value>);

impl Captures {
    fn read() -> Result<Self> {
        let text = include_str!("captures/kubernetes.json");
        let value: Value = serde_json::from_str(text)?;
        Ok(Self(Arc::new(value["answers"].clone())))
    }

    fn answer(&self, name: &str) -> Response {
        let captured = &self.0[name];
        let status = captured["status"]
            .as_u64()
            .and_then(|status| u16::try_from(status).ok());
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let body = captured["body"].as_str().unwrap_or_default().to_owned();
        (status.expect("a status"), body).into_response()
    }

    /// What leads from this page to the next.
    fn after(&self, name: &str) -> Result<String> {
        let body = self.0[name]["body"].as_str().context("a body")?;
        let page: Value = serde_json::from_str(body)?;
        let token = page["metadata"]["continue"].as_str();
        Ok(token.context("there is a next page")?.to_owned())
    }

    /// A cluster whose second page expires so often before it is given.
    async fn cluster(&self, expiries: u32) -> Result<Fake> {
        let (second, third) = (self.after("page-1")?, self.after("page-2")?);
        let left = Arc::new(AtomicU32::new(expiries));
        let captures = self.clone();
        Fake::start(move |asked| {
            let name = match (asked.path.as_str(), pair(asked, "continue")) {
                ("/api/v1/nodes", _) => "nodes",
                ("/apis/networking.k8s.io/v1/networkpolicies", _) => "policies-forbidden",
                ("/api/v1/namespaces", _) => "unauthorized",
                _ if pair(asked, "watch").is_some() => {
                    // Where the list ended something happened; where that ended, too much.
                    let listed = pair(asked, "resourceVersion") == Some("223");
                    if listed { "watch" } else { "watch-expired" }
                }
                (_, None) => "page-1",
                (_, Some(token)) if token == second => {
                    let expired = left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                    if expired.is_ok() {
                        "page-expired"
                    } else {
                        "page-2"
                    }
                }
                (_, Some(token)) if token == third => "page-3",
                _ => "nothing was captured",
            };
            captures.answer(name)
        })
        .await
    }
}

fn pair<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let mut pairs = asked.query.iter();
    let found = pairs.find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

fn kubernetes(fake: &Fake) -> Result<Kubernetes> {
    Ok(Kubernetes::new(Settings {
        url: fake.url.clone(),
        token: Secret::new("t"),
        trust: Trust::System,
    })?)
}

/// What a reader makes of it: drafts of a complete reading.
async fn read(fake: &Fake, reader: &str) -> Result<Vec<Draft>> {
    let environment = Environment::new("env")?;
    let context = Context {
        environment: &environment,
        readings: &[],
    };
    let mut readings = kubernetes(fake)?.read(reader, context).await?;
    let reading = readings.pop().context("a reading")?;
    ensure!(reading.coverage == Coverage::Complete);
    Ok(reading.drafts)
}

fn pods(drafts: &[Draft]) -> Vec<&str> {
    let pods = drafts
        .iter()
        .filter(|draft| draft.key.object_type.as_str() == "pod");
    let mut names: Vec<&str> = pods.filter_map(|draft| draft.name.as_deref()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_anew_when_one_expired() -> Result<()> {
    let captures = Captures::read()?;
    let expected = ["web-1", "web-2", "web-3", "web-4", "web-5"];
    for expiries in [0, 1] {
        let fake = captures.cluster(expiries).await?;
        let drafts = read(&fake, "kubernetes-pods").await?;
        ensure!(pods(&drafts) == expected, "{:?}", pods(&drafts));
        let web = drafts
            .iter()
            .find(|draft| draft.name.as_deref() == Some("web-2"));
        let web = web.context("web-2")?;
        ensure!(
            web.attributes["pod_ip"] == "10.244.1.12",
            "{:?}",
            web.attributes
        );
        ensure!(web.attributes["host"] == "node-1");
    }
    // A server that never gets further is not asked for ever.
    let fault = read(&captures.cluster(9).await?, "kubernetes-pods").await;
    let fault = fault.err().context("half a list was taken")?.to_string();
    ensure!(
        fault.contains("410") && fault.contains("continue"),
        "{fault}"
    );
    Ok(())
}

#[tokio::test]
async fn nodes_have_their_addresses_and_what_is_forbidden_is_told_in_the_servers_words()
-> Result<()> {
    let fake = Captures::read()?.cluster(0).await?;
    let nodes = read(&fake, "kubernetes-nodes").await?;
    let mut found: Vec<(&str, &Value)> = nodes
        .iter()
        .map(|node| (node.key.id.as_str(), &node.attributes["ip_address"]))
        .collect();
    found.sort_unstable_by_key(|(id, _)| *id);
    ensure!(
        found
            == [
                ("node-1", &"192.0.2.1".into()),
                ("node-2", &"192.0.2.2".into())
            ],
        "{found:?}"
    );
    let fault = read(&fake, "kubernetes-policies")
        .await
        .err()
        .context("it was read")?;
    let fault = fault.to_string();
    ensure!(
        fault.contains("403")
            && fault.contains(r#"User "reader" cannot list resource "networkpolicies""#),
        "{fault}"
    );
    let fault = read(&fake, "kubernetes-namespaces")
        .await
        .err()
        .context("it was read")?;
    ensure!(fault.to_string().contains("401: Unauthorized"), "{fault}");
    // A test of the connection asks for nodes alone.
    let config: Config = serde_json::from_value(
        serde_json::json!({"name": "env", "kubernetes": {"url": fake.url}}),
    )?;
    let mut credentials = Credentials::default();
    credentials.set(CredentialName::KubernetesToken, Secret::new("t"));
    let tested = config.probe(&credentials, Probe::Kubernetes).await;
    ensure!(tested.reached && tested.detail == "2 nodes", "{tested:?}");
    Ok(())
}

#[tokio::test]
async fn a_watch_tells_changes_until_its_version_is_gone_and_lists_again() -> Result<()> {
    let fake = Captures::read()?.cluster(0).await?;
    let cluster = kubernetes(&fake)?;
    let environment = Environment::new("env")?;
    let (sender, mut readings) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(async move {
        let mut version = String::new();
        let followed = follow(
            &cluster,
            Collection::Pods,
            &environment,
            &mut version,
            &sender,
        );
        followed.await
    });
    let (mut lists, mut added, mut gone) = (0, 0, 0);
    while lists < 2 {
        let reading = readings.recv().await.context("the watch ended early")?;
        match reading.scope {
            Scope::All { .. } => {
                lists += 1;
                ensure!(pods(&reading.drafts).len() == 5);
            }
            _ if reading.gone.is_empty() => {
                added += 1;
                ensure!(pods(&reading.drafts).len() == 1);
            }
            _ => {
                gone += reading
                    .gone
                    .iter()
                    .filter(|key| key.object_type.as_str() == "pod")
                    .count()
            }
        }
    }
    following.abort();
    ensure!(added >= 2 && gone == 1, "{added} changes, {gone} gone");
    Ok(())
}
