//! The operator's commands about maps; each is a call of `/netwright/v1/topology` and a way to show the answer.

pub(crate) mod env;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod schedule;
pub(crate) mod snapshot;
pub(crate) mod topology;

use crate::output::Output;
use crate::remote::Remote;
use anyhow::Result;
use clap::{Args, ValueEnum};
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
pub(crate) struct Of {
    /// The environment.
    #[arg(long, short, env = "NETWRIGHT_ENVIRONMENT")]
    env: String,
}

/// The environment and the version of it a command is about.
#[derive(Args)]
pub(crate) struct Which {
    #[command(flatten)]
    of: Of,
    /// As it was: a version's number, a snapshot's name, or a time (RFC 3339).
    #[arg(long)]
    at: Option<String>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ReportFormat {
    Csv,
    Markdown,
    Html,
    Json,
}

impl ReportFormat {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Json => "json",
        }
    }
}

/// Rows the API gives at once.
const PAGE: usize = 1000;

impl Common {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.remote
            .get(&format!("/netwright/v1/topology{path}"), query)
            .await
    }

    /// A list of at most `most` rows, read page by page: the first page's answer, with the rows of all under `name`.
    async fn pages(
        &self,
        path: &str,
        query: &[(&str, &str)],
        name: &str,
        most: usize,
    ) -> Result<Value> {
        let mut whole: Option<Value> = None;
        let mut all: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let limit = (most - all.len()).clamp(1, PAGE).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &limit));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = self.get(path, &query).await?;
            let next = page["next"].as_str().map(str::to_owned);
            if let Value::Array(rows) = page[name].take() {
                all.extend(rows);
            }
            let answer = whole.get_or_insert(page);
            if next.is_none() || all.len() >= most {
                answer[name] = Value::Array(all);
                answer["next"] = next.into();
                return Ok(answer.take());
            }
            cursor = next;
        }
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

impl Of {
    /// The path of something in the environment.
    fn path(&self, rest: &str) -> String {
        format!("/environments/{}/{rest}", segment(&self.env))
    }
}

impl Which {
    fn path(&self, rest: &str) -> String {
        self.of.path(rest)
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

/// A document as it came, with one end of line.
fn print_document(text: &str) {
    println!("{}", text.trim_end_matches(['\n', '\r']));
}
