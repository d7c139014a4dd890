//! `netwright env`: which clouds are mapped, and how they are reached.

use super::{Common, rows, segment};
use crate::Answer;
use crate::output::{List as Rows, table};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// List environments with their last version and listener.
    List(Common),
    /// Show one, with its settings; secrets are only named.
    Show(Named),
    /// Add an environment from a TOML file.
    Add(FromFile),
    /// Replace the settings of an environment; credentials that are not given stay.
    Update(FromFile),
    /// Try every way an environment is reached, and say what to do where one fails.
    Test(Named),
    /// Take an environment, its credentials and its map away.
    Remove(Named),
}

#[derive(Args)]
pub(crate) struct Named {
    name: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
#[command(
    after_help = "The file: the settings, and the secrets in a table of their own, which is sealed and never shown again:\n\n\
  name = \"prod\"\n\
  facts = { environment_type = \"OpenStack\", mechanism_drivers = [\"OVS\"] }\n\
  openstack = { url = \"https://keystone:5000\", user = \"netwright\", project = \"admin\" }\n\
  ssh = { user = \"netwright\", known_hosts = \"/etc/netwright/known_hosts\", sudo = true }\n\n\
  [credentials]\n\
  openstack_password = \"…\"\n\
  ssh_key = \"-----BEGIN OPENSSH PRIVATE KEY-----…\""
)]
pub(crate) struct FromFile {
    /// The settings, in TOML.
    #[arg(long, short)]
    file: PathBuf,
    /// Test the connections first, and change nothing if one fails.
    #[arg(long)]
    test: bool,
    #[command(flatten)]
    common: Common,
}

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::List(common) => {
            let answer = common.get("/environments", &[]).await?;
            common.output.list(&answer, &list(&answer))?;
            Ok(Answer::Yes)
        }
        Verb::Show(Named { name, common }) => {
            let answer = common
                .get(&format!("/environments/{}", segment(&name)), &[])
                .await?;
            common
                .output
                .print(&answer, |answer| one(&answer["environment"]))?;
            Ok(Answer::Yes)
        }
        Verb::Add(from) => put(from, Method::POST).await,
        Verb::Update(from) => put(from, Method::PUT).await,
        Verb::Test(Named { name, common }) => {
            let path = format!("/environments/{}/test", segment(&name));
            tested(
                &common,
                &common.send(Method::POST, &path, Some(&json!({}))).await?,
            )
        }
        Verb::Remove(Named { name, common }) => {
            common
                .send(
                    Method::DELETE,
                    &format!("/environments/{}", segment(&name)),
                    None,
                )
                .await?;
            common
                .output
                .done(|| format!("environment {name} is removed"));
            Ok(Answer::Yes)
        }
    }
}

async fn put(from: FromFile, method: Method) -> Result<Answer> {
    let FromFile { file, test, common } = from;
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let mut config: Value =
        toml::from_str(&text).with_context(|| format!("{} is not valid TOML", file.display()))?;
    let credentials = config
        .as_object_mut()
        .and_then(|config| config.remove("credentials"))
        .unwrap_or_else(|| json!({}));
    let body = json!({"config": config, "credentials": credentials});
    let name = config["name"].as_str().context("the file has no 'name'")?;
    let path = match method {
        Method::POST => "/environments".to_owned(),
        _ => format!("/environments/{}", segment(name)),
    };
    let mut tests = Value::Null;
    if test {
        let path = match method {
            Method::POST => "/test".to_owned(),
            _ => format!("{path}/test"),
        };
        let mut tried = common.send(Method::POST, &path, Some(&body)).await?;
        if !all_reached(&tried) {
            return tested(&common, &tried);
        }
        tests = tried["results"].take();
    }
    let mut answer = common.send(method, &path, Some(&body)).await?;
    if test {
        answer["tests"] = tests;
    }
    common.output.print(&answer, |answer| {
        format!(
            "environment {} is kept; netwright scan run --env {0} reads it",
            answer["environment"]["name"].as_str().unwrap_or_default()
        )
    })?;
    Ok(Answer::Yes)
}

fn tested(common: &Common, answer: &Value) -> Result<Answer> {
    const COLUMNS: &[(&str, &str)] = &[
        ("Target", "target"),
        ("Reached", "reached"),
        ("ms", "milliseconds"),
        ("Detail", "detail"),
    ];
    let list = Rows {
        columns: COLUMNS,
        rows: rows(answer, "results"),
        nothing: "nothing to test: the settings say no way to reach it",
        foot: String::new(),
    };
    common.output.list(answer, &list)?;
    Ok(match all_reached(answer) {
        true => Answer::Yes,
        false => Answer::No,
    })
}

fn all_reached(answer: &Value) -> bool {
    let results = rows(answer, "results");
    results.iter().all(|result| result["reached"] == true)
}

fn list(answer: &Value) -> Rows<'static> {
    let mut environments = rows(answer, "environments");
    for environment in &mut environments {
        environment["kind"] = environment["facts"]["environment_type"].clone();
        environment["listening"] = environment["listener"]["state"].clone();
        if environment["version"] == 0 {
            environment["at"] = "never".into();
        }
    }
    Rows {
        columns: &[
            ("Name", "name"),
            ("Kind", "kind"),
            ("Objects", "objects"),
            ("Version", "version"),
            ("Changed (UTC)", "at"),
            ("Listener", "listening"),
        ],
        rows: environments,
        nothing: "no environment; netwright env add --help says how to add one",
        foot: String::new(),
    }
}

/// One environment: what it is, how it is reached, which secrets are kept (their names).
fn one(environment: &Value) -> String {
    let mut facts: Vec<Value> = Vec::new();
    let mut put = |name: &str, value: &Value| {
        let empty = matches!(value, Value::Null)
            || value == ""
            || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            facts.push(json!({"name": name, "value": value}));
        }
    };
    for name in ["version", "objects", "at", "changed_at"] {
        put(name, &environment[name]);
    }
    for (name, value) in environment["facts"].as_object().into_iter().flatten() {
        put(name, value);
    }
    let config = environment["config"].as_object().into_iter().flatten();
    for (name, value) in config.filter(|(name, _)| !matches!(name.as_str(), "facts" | "name")) {
        match value.as_object() {
            Some(members) => members
                .iter()
                .for_each(|(member, value)| put(&format!("{name}.{member}"), value)),
            None => put(name, value),
        }
    }
    put("credentials", &environment["credentials"]);
    put("listener", &environment["listener"]["state"]);
    table(&[("Setting", "name"), ("Value", "value")], &facts)
}
