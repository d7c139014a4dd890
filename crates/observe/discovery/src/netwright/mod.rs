//! Netwright itself as a source: what the cloud asked for and what the agents report, from its own API. No host is logged in to.

pub mod drafts;
pub mod facts;

use crate::http::{Http, Trust};
use crate::scan::{Context, Source, reading_of, source};
use crate::secret::Secret;
use crate::{Error, Result};
use facts::{Host, Network, Port};
use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use topology::{Environment, Reading};

/// Where the controller is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `http://<controller>:9696`.
    pub url: String,
    /// A token with the role `admin`, where Keystone guards the API.
    pub token: Option<Secret>,
    pub trust: Trust,
}

pub struct Netwright {
    http: Http,
    token: Option<Secret>,
}

impl Netwright {
    /// # Errors
    /// The URL or the authorities' certificates are not usable.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            http: Http::new(&settings.url, &settings.trust)?,
            token: settings.token,
        })
    }

    /// # Errors
    /// It does not answer or refuses the token.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let token = self
            .token
            .as_ref()
            .map(|token| ("x-auth-token", token.reveal()));
        let headers: Vec<(&str, &str)> = token.into_iter().collect();
        Ok(self
            .http
            .get(self.http.url(path, query), &headers)
            .await?
            .body)
    }

    /// All rows of a list that is read by marker.
    async fn list(&self, name: &str) -> Result<Vec<Value>> {
        let path = format!("/netwright/v1/{name}");
        let mut rows = Vec::new();
        let mut markers = BTreeSet::new();
        let mut marker = String::new();
        loop {
            let mut query = vec![("limit", "1000")];
            if !marker.is_empty() {
                query.push(("marker", marker.as_str()));
            }
            let page = self.get(&path, &query).await?;
            let fault = |reason: &str| Error::Paging {
                url: path.clone(),
                reason: reason.to_owned(),
            };
            let found = page[name].as_array().ok_or_else(|| fault("no such list"))?;
            rows.extend(found.iter().cloned());
            let Some(next) = page["next"].as_str() else {
                return Ok(rows);
            };
            if !markers.insert(next.to_owned()) {
                return Err(fault("a page repeats"));
            }
            next.clone_into(&mut marker);
        }
    }
}

impl Source for Netwright {
    fn name(&self) -> &str {
        "Netwright"
    }

    fn readers(&self) -> &'static [&'static str] {
        &["netwright"]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            if reader != "netwright" {
                return Err(Error::no_reader(self.name(), reader));
            }
            let hosts: Vec<Host> = parsed(self.list("hosts").await?)?;
            let networks: Vec<Network> = parsed(self.list("networks").await?)?;
            let ports: Vec<Port> = parsed(self.list("ports").await?)?;
            let drafts = all(context.environment, &hosts, &networks, &ports)
                .map_err(|error| unusable(&error))?;
            let detail = self.http.base().as_str();
            Ok(vec![reading_of(
                source("netwright", detail),
                &drafts::TYPES,
                None,
                drafts,
                None,
            )])
        })
    }
}

/// Rows as facts. One that is not understood fails the reading: left out, it would pass for gone.
fn parsed<T: DeserializeOwned>(rows: Vec<Value>) -> Result<Vec<T>> {
    let parsed: serde_json::Result<Vec<T>> = rows.into_iter().map(serde_json::from_value).collect();
    parsed.map_err(|error| unusable(&error))
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    Error::Answer {
        source_name: "Netwright".to_owned(),
        reason: format!("{error}; nothing of this answer is used"),
    }
}

/// The whole cloud.
fn all(
    environment: &Environment,
    hosts: &[Host],
    networks: &[Network],
    ports: &[Port],
) -> drafts::Drafts {
    let mut held: BTreeMap<&str, Vec<&Port>> = BTreeMap::new();
    for port in ports {
        if let Some(instance) = port.instance() {
            held.entry(instance).or_default().push(port);
        }
    }
    let mut found = Vec::new();
    for host in hosts {
        found.extend(drafts::host(environment, host)?);
    }
    for network in networks {
        found.extend(drafts::network(environment, network)?);
    }
    for (id, ports) in held {
        found.extend(drafts::instance(environment, id, ports)?);
    }
    for port in ports {
        found.extend(drafts::port(environment, port)?);
    }
    Ok(found)
}
