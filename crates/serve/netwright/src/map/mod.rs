//! The operator's commands about maps; each is a call of `/netwright/v1/topology` and a way to show the answer.

pub(crate) mod env;
pub(crate) mod scan;
pub(crate) mod snapshot;
pub(crate) mod topology;

use crate::output::Output;
use crate::remote::Remote;
use anyhow::Result;
use clap::Args;
use reqwest::Method;
use serde_json::Value;

/// What every command about a map takes.
#[derive(Args)]
pub(crate) struct Common {
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    output: Output,
}

/// The environment a command is about.
#[derive(Args)]
pub(crate) struct Which {
    /// The environment.
    #[arg(long, short, env = "NETWRIGHT_ENVIRONMENT")]
    env: String,
    /// As it was: a version's number, a snapshot's name, or a time (RFC 3339).
    #[arg(long)]
    at: Option<String>,
}

impl Common {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.remote
            .get(&format!("/netwright/v1/topology{path}"), query)
            .await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let path = format!("/netwright/v1/topology{path}");
        self.remote.send(method, &path, &[], body).await
    }

    async fn text(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        let path = format!("/netwright/v1/topology{path}");
        self.remote.text(Method::GET, &path, query, None).await
    }
}

impl Which {
    /// The path of something in the environment.
    fn path(&self, rest: &str) -> String {
        format!("/environments/{}/{rest}", segment(&self.env))
    }

    /// `query` with the version asked for.
    fn at<'q>(&'q self, mut query: Vec<(&'q str, &'q str)>) -> Vec<(&'q str, &'q str)> {
        query.extend(self.at.as_deref().map(|at| ("at", at)));
        query
    }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The list under a name.
fn rows(answer: &Value, name: &str) -> Vec<Value> {
    answer[name].as_array().cloned().unwrap_or_default()
}
