//! HTTP for sources: JSON in and out, certificates checked, redirects not followed, answers bounded in size and time.

use crate::error::chain;
use crate::{Error, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;
use std::time::Duration;

/// Bytes one answer may have.
const MAX_BODY: usize = 128 << 20;
const REQUEST_WITHIN: Duration = Duration::from_secs(60);

/// How a server's certificate is checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// Against the system's authorities.
    #[default]
    System,
    /// Against these authorities (PEM), and no other.
    Only(String),
}

/// A client of one server.
#[derive(Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    base: Url,
}

/// An answer that was a success.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Http {
    pub(crate) fn new(base: &str, trust: &Trust) -> Result<Self> {
        let fault = |reason: String| Error::Http {
            url: base.chars().take(200).collect(),
            reason,
        };
        let base = Url::parse(base).map_err(|error| fault(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(fault("only http and https are spoken".to_owned()));
        }
        // Already installed where the program did it first; both are the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(REQUEST_WITHIN)
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Trust::Only(pem) = trust {
            let authorities =
                reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| {
                    fault(format!("the authorities' certificates: {}", chain(&error)))
                })?;
            builder = builder.tls_certs_only(authorities);
        }
        let client = builder.build().map_err(|error| fault(chain(&error)))?;
        Ok(Self { client, base })
    }

    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of a path below the base, with the query's pairs.
    pub(crate) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        let prefix = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{prefix}/{}", path.trim_start_matches('/')));
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(crate) async fn get(&self, url: Url, headers: &[(&str, &str)]) -> Result<Answer> {
        self.send(Method::GET, url, headers, None).await
    }

    pub(crate) async fn post(
        &self,
        url: Url,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Answer> {
        self.send(Method::POST, url, headers, Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let shown = shown(&url);
        let mut response = self.start(method, url, headers, body).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let fault = |reason: String| Error::Http {
            url: shown.clone(),
            reason,
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| fault(chain(&error)))?
        {
            if bytes.len() + chunk.len() > MAX_BODY {
                return Err(fault(format!("the answer has more than {MAX_BODY} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        if !status.is_success() {
            return Err(refused(&shown, status, &bytes));
        }
        let body = match bytes.as_slice() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes)
                .map_err(|error| fault(format!("the answer is no JSON: {error}")))?,
        };
        Ok(Answer { headers, body })
    }

    /// Sends a request and gives the response before its body was read.
    pub(crate) async fn start(
        &self,
        method: Method,
        url: Url,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<reqwest::Response> {
        let shown = shown(&url);
        let fault = |reason: String| Error::Http {
            url: shown.clone(),
            reason,
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| fault("a header".to_owned()))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                fault(format!(
                    "the header {name} has a character that is not allowed"
                ))
            })?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        let mut request = self.client.request(method, url).headers(map);
        if let Some(body) = body {
            request = request.json(body);
        }
        // The error's own text would hold the URL with its query.
        request
            .send()
            .await
            .map_err(|error| fault(chain(&error.without_url())))
    }
}

/// The URL without query and user information: neither belongs into a message.
fn shown(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    let host = url.host_str().unwrap_or("");
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

fn refused(url: &str, status: StatusCode, body: &[u8]) -> Error {
    let text = crate::parse::text::clean(body);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let message = [
        &value["error"]["message"],
        &value["message"],
        &value["NeutronError"]["message"],
        &value["imdata"][0]["error"]["attributes"]["text"],
    ]
    .into_iter()
    .find_map(Value::as_str)
    .unwrap_or(&text);
    Error::Status {
        url: url.to_owned(),
        status: status.as_u16(),
        reason: message.chars().take(200).collect(),
    }
}
