//! Watching a cluster: each change is a reading of what it touches and nothing else.
//!
//! A watch goes on from the resource version it has seen last. A server that no longer keeps that version (410) is listed anew: the
//! list says what is there and, being complete, what is gone.

use super::{ENDPOINT_SLICES, Kubernetes, drafts, networks};
use crate::scan::{reading_of, source};
use crate::{Error, Result};
use serde_json::Value;
use tokio::sync::mpsc;
use topology::{Draft, Environment, ObjectKey, Reading, Source};

/// Bytes one event may have.
const MAX_LINE: usize = 8 << 20;

/// A watched collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    Nodes,
    Namespaces,
    Pods,
    Services,
    /// Where services lead; a service may have several, so that a change of one asks for all of its service's.
    EndpointSlices,
}

impl Collection {
    pub const ALL: [Self; 5] = [
        Self::Nodes,
        Self::Namespaces,
        Self::Pods,
        Self::Services,
        Self::EndpointSlices,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Nodes => "/api/v1/nodes",
            Self::Namespaces => "/api/v1/namespaces",
            Self::Pods => "/api/v1/pods",
            Self::Services => "/api/v1/services",
            Self::EndpointSlices => ENDPOINT_SLICES,
        }
    }

    fn types(self) -> &'static [&'static str] {
        match self {
            Self::Nodes => &["host"],
            Self::Namespaces => &["namespace"],
            Self::Pods => &["pod", "container"],
            Self::Services | Self::EndpointSlices => &["vservice"],
        }
    }

    fn drafts(self, environment: &Environment, object: &Value) -> Vec<topology::Draft> {
        match self {
            Self::Nodes => drafts::node(environment, object),
            Self::Namespaces => drafts::namespace(environment, object),
            Self::Pods => drafts::pod(environment, object),
            Self::Services => {
                let mut found = drafts::service(environment, object, &[]);
                // Told by the endpoint slices.
                for draft in &mut found {
                    draft.attributes.remove("pods");
                    draft.attributes.remove("endpoints");
                }
                found
            }
            Self::EndpointSlices => Vec::new(),
        }
    }
}

/// A service, as its endpoint slices name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    namespace: String,
    service: String,
    uid: String,
}

impl Backend {
    fn of(slice: &Value) -> Option<Self> {
        let metadata = &slice["metadata"];
        let owners = metadata["ownerReferences"].as_array()?;
        let owner = owners.iter().find(|owner| owner["kind"] == "Service")?;
        Some(Self {
            namespace: metadata["namespace"].as_str()?.to_owned(),
            service: owner["name"].as_str()?.to_owned(),
            uid: owner["uid"].as_str()?.to_owned(),
        })
    }

    /// Where it leads now.
    async fn read(&self, cluster: &Kubernetes, environment: &Environment) -> Result<Reading> {
        let (namespace, service) = (&self.namespace, &self.service);
        let path = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
        // Dated before it is asked: what is said meanwhile is newer.
        let mut reading = Reading::named(source("event", cluster.url()));
        let slices = cluster.list(&path).await?.items;
        if let Ok(key) = ObjectKey::new(environment, "vservice", &self.uid) {
            let part = Draft::part(key)
                .with("pods", drafts::pods_of(namespace, service, &slices))
                .with(
                    "endpoints",
                    networks::endpoints(namespace, service, &slices),
                );
            reading.drafts.push(part);
        }
        Ok(reading)
    }
}

/// What one line of a watch says.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Apply this.
    Reading(Box<Reading>),
    /// This service leads elsewhere now.
    Endpoints(Backend),
    /// Nothing but a newer version.
    Bookmark,
    /// The version is gone from the server: list again.
    Expired,
}

/// Reads one line; the version to go on from is told with it.
///
/// # Errors
/// The line is no event, or the server says what is wrong.
pub fn change(
    collection: Collection,
    environment: &Environment,
    url: &str,
    line: &[u8],
) -> Result<(Change, Option<String>)> {
    let fault = |reason: String| Error::Answer {
        source_name: format!("the watch of {}", collection.path()),
        reason,
    };
    let event: Value = serde_json::from_slice(line).map_err(|error| fault(error.to_string()))?;
    let object = &event["object"];
    let version = object["metadata"]["resourceVersion"]
        .as_str()
        .map(str::to_owned);
    let change = match event["type"].as_str() {
        Some("ADDED" | "MODIFIED" | "DELETED") if collection == Collection::EndpointSlices => {
            Backend::of(object).map_or(Change::Bookmark, Change::Endpoints)
        }
        Some("ADDED" | "MODIFIED") => {
            let mut reading = Reading::named(source("event", url));
            reading.drafts = collection.drafts(environment, object);
            Change::Reading(Box::new(reading))
        }
        Some("DELETED") => {
            let mut reading = Reading::named(source("event", url));
            let drafts = collection.drafts(environment, object);
            let gone: Vec<ObjectKey> = drafts.into_iter().map(|draft| draft.key).collect();
            reading.gone = gone;
            Change::Reading(Box::new(reading))
        }
        Some("BOOKMARK") => Change::Bookmark,
        Some("ERROR") if object["code"] == 410 => Change::Expired,
        Some("ERROR") => {
            return Err(fault(
                object["message"].as_str().unwrap_or("ERROR").to_owned(),
            ));
        }
        other => return Err(fault(format!("the event type {other:?}"))),
    };
    Ok((change, version))
}

/// Follows a collection until the receiver is gone or the watch fails; the caller decides when to follow it again, from the
/// version left in `version`. An empty version lists first.
///
/// # Errors
/// The server does not answer or says something that is no event.
pub async fn follow(
    cluster: &Kubernetes,
    collection: Collection,
    environment: &Environment,
    version: &mut String,
    readings: &mpsc::Sender<Reading>,
) -> Result<()> {
    loop {
        if version.is_empty() {
            // Dated before it is asked: what the other watches say meanwhile is newer.
            let source = source("kubernetes", cluster.url());
            let list = cluster.list(collection.path()).await?;
            *version = list.resource_version;
            let listed = listed(cluster, collection, environment, source, &list.items).await?;
            if let Some(reading) = listed
                && readings.send(reading).await.is_err()
            {
                return Ok(());
            }
        }
        match watch_once(cluster, collection, environment, version, readings).await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(Error::Status { status: 410, .. }) => version.clear(),
            Err(error) => return Err(error),
        }
    }
}

/// What a list says. That of the endpoint slices is told with the services.
async fn listed(
    cluster: &Kubernetes,
    collection: Collection,
    environment: &Environment,
    source: Source,
    items: &[Value],
) -> Result<Option<Reading>> {
    let drafts = match collection {
        Collection::EndpointSlices => return Ok(None),
        Collection::Services => {
            let slices = cluster.list(ENDPOINT_SLICES).await?.items;
            let drafts = |item| drafts::service(environment, item, &slices);
            items.iter().flat_map(drafts).collect()
        }
        _ => items
            .iter()
            .flat_map(|item| collection.drafts(environment, item))
            .collect(),
    };
    let reading = reading_of(source, collection.types(), None, drafts, None);
    Ok(Some(reading))
}

/// One watch until the server ends it; false when nobody listens any more.
async fn watch_once(
    cluster: &Kubernetes,
    collection: Collection,
    environment: &Environment,
    version: &mut String,
    readings: &mpsc::Sender<Reading>,
) -> Result<bool> {
    let mut response = cluster.watch(collection.path(), version).await?;
    let mut buffer = Vec::new();
    let broken = |reason: String| Error::Http {
        url: collection.path().to_owned(),
        reason,
    };
    loop {
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(true),
            // A quiet watch that ran into the request's time-out goes on like one that the server ended.
            Err(error) if error.is_timeout() => return Ok(true),
            Err(error) => return Err(broken(crate::error::chain(&error.without_url()))),
        };
        buffer.extend_from_slice(&chunk);
        if buffer.len() > MAX_LINE {
            return Err(broken(format!("an event of more than {MAX_LINE} bytes")));
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let (change, seen) = change(collection, environment, cluster.url(), &line)?;
            match change {
                Change::Reading(reading) => {
                    if readings.send(*reading).await.is_err() {
                        return Ok(false);
                    }
                }
                Change::Endpoints(backend) => {
                    let reading = backend.read(cluster, environment).await?;
                    if readings.send(reading).await.is_err() {
                        return Ok(false);
                    }
                }
                Change::Bookmark => {}
                Change::Expired => {
                    version.clear();
                    return Ok(true);
                }
            }
            if let Some(seen) = seen {
                *version = seen;
            }
        }
    }
}
