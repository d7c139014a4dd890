//! Asking a controller's API on behalf of an operator.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;
use std::net::IpAddr;
use std::time::Duration;

/// Where the controller is and who asks.
#[derive(Args)]
pub(crate) struct Remote {
    /// The controller's API.
    #[arg(long, env = "NETWRIGHT_URL", default_value = "http://127.0.0.1:9696")]
    url: String,
    /// A Keystone token; without Keystone, the project to act as.
    #[arg(long, env = "OS_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Remote {
    /// Reads a path with query parameters; an error answer becomes its message.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.send(reqwest::Method::GET, path, query, None).await
    }

    /// Sends a request, with a JSON body if there is one; an empty answer is `null`.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let text = self.text(method, path, query, body).await?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| {
            format!(
                "{} answered no JSON; is it a Netwright controller?",
                self.url
            )
        })
    }

    /// The answer as it came, for reports.
    pub(crate) async fn text(
        &self,
        method: reqwest::Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<String> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()?;
        let url = reqwest::Url::parse_with_params(
            &format!("{}{path}", self.url.trim_end_matches('/')),
            query,
        )
        .with_context(|| format!("'{}' is not a URL", self.url))?;
        let mut request = http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.token {
            request = request.header("x-auth-token", token);
        }
        let response = request
            .send()
            .await
            .with_context(|| format!("no answer from {}; is the controller up?", self.url))?;
        let status = response.status();
        let text = response.text().await?;
        if status.is_success() {
            return Ok(text);
        }
        let answer: Value = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} answered {status} and no JSON; is it a Netwright controller?",
                self.url
            )
        })?;
        let error = answer.get("error").or_else(|| answer.get("NeutronError"));
        bail!(
            "{}",
            error.and_then(|e| e["message"].as_str()).unwrap_or(&text)
        );
    }

    /// The id of the one port that has this id, address, MAC or name.
    pub(crate) async fn port(&self, text: &str) -> Result<String> {
        if text.parse::<model::PortId>().is_ok() {
            return Ok(text.to_owned());
        }
        let by_address = format!("ip_address={text}");
        let filter = if text.parse::<IpAddr>().is_ok() {
            ("fixed_ips", by_address.as_str())
        } else if text.parse::<model::Mac>().is_ok() {
            ("mac_address", text)
        } else {
            ("name", text)
        };
        let answer = self.get("/v2.0/ports", &[filter, ("fields", "id")]).await?;
        let ports = answer["ports"].as_array().into_iter().flatten();
        let ids: Vec<&str> = ports.filter_map(|port| port["id"].as_str()).collect();
        match ids.as_slice() {
            [] => bail!("no port has the name, MAC, address or id '{text}'"),
            [id] => Ok((*id).to_owned()),
            several => bail!(
                "'{text}' means {} ports; take one of the ids {}",
                several.len(),
                several.join(", ")
            ),
        }
    }
}
