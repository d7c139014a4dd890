//! Talking to the daemon: HTTP over its Unix socket, or over TCP with a token.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// The prefix of every path.
const ROOT: &str = "/bgp/v1";
/// An event is a line; a longer one is not from our daemon.
const LONGEST_EVENT: usize = 1 << 20;

/// Where the daemon is.
#[derive(Args)]
pub(crate) struct Daemon {
    /// The daemon's socket.
    #[arg(long, env = "NETWRIGHT_BGP_SOCKET", default_value = bgp_daemon::SOCKET)]
    socket: PathBuf,
    /// The daemon's API over TCP, instead of its socket: http://HOST:PORT.
    #[arg(long, env = "NETWRIGHT_BGP_URL")]
    url: Option<String>,
    /// The token of the API over TCP.
    #[arg(long, env = "NETWRIGHT_BGP_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Daemon {
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let http = self.http()?.timeout(Duration::from_secs(60)).build()?;
        self.answer(http.get(self.address(path, query)?)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        // Loading or testing a million routes takes a while.
        let http = self.http()?.timeout(Duration::from_secs(600)).build()?;
        self.answer(http.post(self.address(path, &[])?).json(body))
            .await
    }

    pub(crate) async fn delete(&self, path: &str, body: &Value) -> Result<Value> {
        let http = self.http()?.timeout(Duration::from_secs(60)).build()?;
        self.answer(http.delete(self.address(path, &[])?).json(body))
            .await
    }

    /// Gives `each` the events of a stream, until the daemon stops.
    pub(crate) async fn follow(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut each: impl FnMut(Value) -> Result<()>,
    ) -> Result<()> {
        let http = self.http()?.build()?;
        let request = self.authorized(http.get(self.address(path, query)?));
        let mut response = request.send().await.with_context(|| self.silent())?;
        if !response.status().is_success() {
            bail!("{}", refusal(&response.text().await?));
        }
        let mut line = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            for octet in chunk {
                if octet != b'\n' {
                    line.push(octet);
                    anyhow::ensure!(
                        line.len() <= LONGEST_EVENT,
                        "the event stream makes no sense"
                    );
                    continue;
                }
                if let Some(event) = line.strip_prefix(b"data: ") {
                    each(serde_json::from_slice(event)?)?;
                }
                line.clear();
            }
        }
        Ok(())
    }

    fn http(&self) -> Result<reqwest::ClientBuilder> {
        let builder = reqwest::Client::builder();
        Ok(match &self.url {
            Some(_) => builder,
            None => builder.unix_socket(self.socket.as_path()),
        })
    }

    fn address(&self, path: &str, query: &[(&str, &str)]) -> Result<reqwest::Url> {
        let base = self.url.as_deref().unwrap_or("http://localhost");
        let text = format!("{}{ROOT}{path}", base.trim_end_matches('/'));
        let url = match query {
            [] => reqwest::Url::parse(&text),
            query => reqwest::Url::parse_with_params(&text, query),
        };
        url.with_context(|| format!("'{base}' is not a URL"))
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let response = self
            .authorized(request)
            .send()
            .await
            .with_context(|| self.silent())?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{}", refusal(&text));
        }
        serde_json::from_str(&text)
            .with_context(|| format!("the daemon answered {status} and no JSON"))
    }

    fn silent(&self) -> String {
        match &self.url {
            Some(url) => format!("no answer from {url}; is the BGP daemon up?"),
            None => format!(
                "no answer at {}; is the BGP daemon up, and may you read its socket?",
                self.socket.display()
            ),
        }
    }
}

/// The message of an error answer.
fn refusal(text: &str) -> String {
    let answer: Option<Value> = serde_json::from_str(text).ok();
    let message = answer
        .as_ref()
        .and_then(|answer| answer["error"]["message"].as_str());
    message.unwrap_or(text).to_owned()
}
