//! The two ways a lab speaks to the API: the stock `openstack` client, and plain HTTP for polling.

use super::process::finish;
use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// The `openstack` command line client, acting as one project.
#[derive(Debug, Clone)]
pub struct Openstack {
    program: PathBuf,
    /// Who it acts as, as global options.
    identity: Vec<String>,
}

impl Openstack {
    /// Without Keystone: with authentication `none` the token names the project.
    pub fn new(program: PathBuf, url: &str, project: &str) -> Self {
        let identity = [
            "--os-auth-type",
            "admin_token",
            "--os-token",
            project,
            "--os-endpoint",
            url,
        ];
        Self {
            program,
            identity: identity.map(str::to_owned).to_vec(),
        }
    }

    /// A user of a Keystone, in the default domain.
    pub fn with_password(
        program: PathBuf,
        auth_url: &str,
        user: &str,
        password: &str,
        project: &str,
    ) -> Self {
        let auth_url = format!("{auth_url}/v3");
        let identity = [
            ["--os-auth-url", &auth_url],
            ["--os-username", user],
            ["--os-password", password],
            ["--os-project-name", project],
            ["--os-user-domain-name", "Default"],
            ["--os-project-domain-name", "Default"],
            ["--os-identity-api-version", "3"],
        ];
        Self {
            program,
            identity: identity.concat().into_iter().map(str::to_owned).collect(),
        }
    }

    /// Runs a command without a result, like `port set` or `security group rule delete`. Words are parted by spaces.
    pub fn run(&self, words: &str) -> Result<()> {
        finish(self.command().args(words.split_whitespace())).map(drop)
    }

    /// Runs a command that shows or creates one object and returns it.
    pub fn object(&self, words: &str) -> Result<Value> {
        let text = finish(
            self.command()
                .args(words.split_whitespace())
                .args(["-f", "json"]),
        )?;
        serde_json::from_str(&text).with_context(|| format!("openstack {words} printed {text}"))
    }

    /// Like [`Self::object`], but only the id.
    pub fn create(&self, words: &str) -> Result<String> {
        let object = self.object(words)?;
        object["id"]
            .as_str()
            .map(str::to_owned)
            .with_context(|| format!("openstack {words} printed no id: {object}"))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.identity).env("PYTHONWARNINGS", "ignore");
        command
    }
}

/// The HTTP API, for what a lab asks often.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    url: String,
    project: String,
}

impl Api {
    pub fn new(url: &str, project: &str) -> Result<Self> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        Ok(Self {
            http,
            url: url.to_owned(),
            project: project.to_owned(),
        })
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.request(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.request(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        self.request(Method::PUT, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.request(Method::DELETE, path, None).await
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.url))
            .header("x-auth-token", &self.project);
        if let Some(body) = &body {
            request = request.json(body);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("{method} {path}"))?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{method} {path}: {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{method} {path} answered {text}"))
    }

    /// Asks until `accept` finds what it wants; the error tells the last answer.
    pub async fn wait<R>(
        &self,
        path: &str,
        what: &str,
        accept: impl Fn(&Value) -> Option<R>,
    ) -> Result<R> {
        let started = Instant::now();
        loop {
            let answer = self.get(path).await;
            if let Some(found) = answer.as_ref().ok().and_then(&accept) {
                return Ok(found);
            }
            if started.elapsed() > Duration::from_secs(30) {
                bail!("{what} did not happen within 30 s; last answer of {path}: {answer:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
