//! What OpenStack's notifications make of the map.
//!
//! Each notification touches only what it speaks of. What it does not hold is asked for as a [`Rescan`], as small as possible. Duplicates
//! and late news are harmless: readings carry the time the thing happened. A notification about something unknown is retried when that
//! something may still come, and its deletion is remembered, in case its creation comes after it.

mod instance;
mod network;
mod port;
mod router;

use crate::notification::{Effect, Notification, Related, Rescan, Verdict};
use crate::object::{Handle, Object, ObjectRef};
use crate::search::{Match, SearchQuery};
use crate::version::Version;
use crate::{Draft, ObjectKey, ObjectType, Reading, Source, SourceKind, TopologyError};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The readings, rescans and verdict that follow from a notification.
pub fn effect(version: &Version, notification: &Notification) -> Effect {
    let event = Event {
        version,
        notification,
    };
    event.dispatch().unwrap_or_else(|refusal| {
        let verdict = match refusal {
            Refusal::Payload(reason) => Verdict::Refused(reason),
            Refusal::NotYet(reason) => Verdict::Retry(reason),
            Refusal::Nothing(reason) => Verdict::Ignored(reason),
        };
        Effect {
            verdict,
            readings: Vec::new(),
            rescans: Vec::new(),
            related: None,
        }
    })
}

/// Event types that have a handler, without their `.end`.
pub const HANDLED: &[&str] = &[
    "compute.instance.create",
    "compute.instance.rebuild",
    "compute.instance.update",
    "compute.instance.delete",
    "compute.instance.shutdown",
    "compute.instance.power_off",
    "compute.instance.power_on",
    "compute.instance.suspend",
    "compute.instance.resume",
    "compute.instance.pause",
    "compute.instance.unpause",
    "compute.instance.live_migration._post",
    "compute.instance.finish_resize",
    "servergroup.create",
    "servergroup.update",
    "servergroup.addmember",
    "servergroup.delete",
    "network.create",
    "network.update",
    "network.delete",
    "subnet.create",
    "subnet.update",
    "subnet.delete",
    "port.create",
    "port.update",
    "port.delete",
    "router.create",
    "router.update",
    "router.delete",
    "router.interface.create",
    "router.interface.delete",
];

enum Refusal {
    /// It will never make sense.
    Payload(String),
    /// It may make sense later.
    NotYet(String),
    /// There is nothing to do.
    Nothing(String),
}

impl From<TopologyError> for Refusal {
    fn from(error: TopologyError) -> Self {
        Self::Payload(error.to_string())
    }
}

type Outcome = Result<Effect, Refusal>;

struct Event<'e> {
    version: &'e Version,
    notification: &'e Notification,
}

impl<'e> Event<'e> {
    fn dispatch(&self) -> Outcome {
        let event_type = &self.notification.event_type;
        let phase = event_type.strip_suffix(".end").unwrap_or(event_type);
        match phase {
            "compute.instance.create" | "compute.instance.rebuild" => self.instance_add(),
            "compute.instance.update" => self.instance_update(),
            "compute.instance.delete" => self.instance_delete(),
            "compute.instance.live_migration._post" | "compute.instance.finish_resize" => {
                self.instance_moved()
            }
            "compute.instance.shutdown" | "compute.instance.power_off" => {
                self.instance_state("stopped")
            }
            "compute.instance.power_on"
            | "compute.instance.resume"
            | "compute.instance.unpause" => self.instance_state("active"),
            "compute.instance.suspend" => self.instance_state("suspended"),
            "compute.instance.pause" => self.instance_state("paused"),
            "servergroup.create" | "servergroup.update" => self.server_group(),
            "servergroup.addmember" => self.server_group_member(),
            "servergroup.delete" => self.server_group_delete(),
            "network.create" => self.network_add(),
            "network.update" => self.network_update(),
            "network.delete" => self.network_delete(),
            "subnet.create" => self.subnet_add(),
            "subnet.update" => self.subnet_update(),
            "subnet.delete" => self.subnet_delete(),
            "port.create" => self.port_add(),
            "port.update" => self.port_update(),
            "port.delete" => self.port_delete(),
            "router.create" => self.router_add(),
            "router.update" => self.router_update(),
            "router.delete" => self.router_delete(),
            "router.interface.create" => self.interface_add(),
            "router.interface.delete" => self.interface_delete(),
            _ => Err(Refusal::Nothing(format!("no handler for '{event_type}'"))),
        }
    }

    /// A map in the payload.
    fn part(&self, name: &str) -> Result<&'e Map<String, Value>, Refusal> {
        self.notification
            .payload
            .get(name)
            .and_then(Value::as_object)
            .ok_or_else(|| Refusal::Payload(format!("the payload has no '{name}'")))
    }

    /// The id of what was deleted, however this event writes it.
    fn deleted_id(&self, kind: &str) -> Result<&'e str, Refusal> {
        let payload = &self.notification.payload;
        payload
            .get(format!("{kind}_id"))
            .or_else(|| payload.get(kind)?.get("id"))
            .and_then(Value::as_str)
            .ok_or_else(|| Refusal::Payload(format!("the payload has no '{kind}_id'")))
    }

    fn key(&self, object_type: &str, id: &str) -> Result<ObjectKey, Refusal> {
        Ok(ObjectKey::new(&self.version.profile.name, object_type, id)?)
    }

    fn key_of(&self, object: &ObjectRef) -> ObjectKey {
        ObjectKey {
            environment: self.version.profile.name.clone(),
            object_type: object.object_type.clone(),
            id: object.id.clone(),
        }
    }

    fn known(&self, object_type: &str, id: &str) -> Option<&'e Object> {
        let key = ObjectRef::new(object_type, id).ok()?;
        self.version.get(&key)
    }

    /// A host by the name in `publisher_id`.
    fn publisher(&self) -> Option<&'e str> {
        let (_, host) = self.notification.publisher_id.split_once('.')?;
        Some(host)
    }

    /// A reading of this event, with nothing in it yet.
    fn reading(&self) -> Result<Reading, Refusal> {
        Ok(Reading::named(Source {
            kind: SourceKind::new("event")?,
            detail: self.notification.publisher_id.clone(),
            read_at: self.notification.timestamp,
        }))
    }

    /// Is this event's word on an object newer than what other events said of all of it, and than its end?
    fn is_news(&self, key: &ObjectRef) -> bool {
        let at = self.notification.timestamp;
        let buried = self.version.state.tombs.get(key);
        let told = self.version.find(key).is_some_and(|handle| {
            let mut seen = self.version.seen(handle);
            seen.any(|(kind, seen)| kind.as_str() == "event" && seen > at)
        });
        !told && buried.is_none_or(|gone| *gone < at)
    }

    /// A reading of what follows from the event and from what is known of an object, a list with one more member say: it is as new as the
    /// newer of the two.
    fn consequence(&self, known: &Object) -> Result<Reading, Refusal> {
        let mut reading = self.reading()?;
        let claims = known
            .all
            .iter()
            .flat_map(|attribute| std::iter::once(&attribute.believed).chain(&attribute.others));
        let words = self.version.find(&known.key).into_iter();
        let repeated = words
            .flat_map(|handle| self.version.state.words(handle))
            .filter(|word| word.attribute.is_some())
            .map(|word| word.at);
        let known = claims.map(|claim| claim.at).chain(repeated);
        reading.source.read_at = known.fold(reading.source.read_at, jiff::Timestamp::max);
        Ok(reading)
    }

    fn rescan(&self, start: ObjectKey, types: &[&str]) -> Result<Rescan, Refusal> {
        let types = types
            .iter()
            .map(ObjectType::new)
            .collect::<Result<_, _>>()?;
        Ok(Rescan { start, types })
    }

    /// Objects of a type that have this very text as one of their identifiers or searchable attributes.
    fn by_identifier(&self, text: &str, object_type: &str) -> Vec<Handle> {
        let Ok(object_type) = ObjectType::new(object_type) else {
            return Vec::new();
        };
        let query = SearchQuery {
            text: text.to_owned(),
            types: vec![object_type],
            limit: 1_000,
        };
        let found = self.version.search(&query, |_| true).hits;
        found
            .into_iter()
            .filter(|hit| hit.matched == Match::Exact)
            .map(|hit| hit.handle)
            .collect()
    }

    /// vServices of a namespace (`qrouter-<id>`), on whatever host.
    fn services(&self, namespace: &str) -> Vec<ObjectRef> {
        let Ok(vservice) = ObjectType::new("vservice") else {
            return Vec::new();
        };
        let query = SearchQuery {
            text: namespace.to_owned(),
            types: vec![vservice],
            limit: 1_000,
        };
        let found = self.version.search(&query, |_| true).hits;
        found
            .into_iter()
            .filter_map(|hit| self.version.object(hit.handle))
            .map(|object| object.key.clone())
            .filter(|key| key.id.as_str().ends_with(namespace))
            .collect()
    }
}

fn string<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    map.get(name)?.as_str().filter(|text| !text.is_empty())
}

/// The attributes of a payload, without those that are kept otherwise.
fn attributes(draft: &mut Draft, payload: &Map<String, Value>, except: &[&str]) {
    for (name, value) in payload {
        if !except.contains(&name.as_str()) {
            draft
                .attributes
                .insert(Arc::from(name.as_str()), value.clone());
        }
    }
}

fn list(object: Option<&Object>, name: &str) -> Vec<Value> {
    object
        .and_then(|object| object.get(name)?.as_array().cloned())
        .unwrap_or_default()
}

fn applied(
    readings: Vec<Reading>,
    rescans: Vec<Rescan>,
    object: ObjectKey,
    context: ObjectKey,
) -> Effect {
    Effect {
        verdict: Verdict::Applied,
        readings,
        rescans,
        related: Some(Related { object, context }),
    }
}
