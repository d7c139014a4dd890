//! Objects, links and their health as JSON.

use super::access::Seen;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use topology::{
    Attribute, Handle, Layout, Link, LinkState, Object, ObjectRef, RootCauses, Status, StatusLevel,
};

/// The short form: what a row of a list or a node of a picture needs.
pub(super) fn brief(
    seen: &Seen,
    handle: Handle,
    causes: &RootCauses,
) -> Option<Map<String, Value>> {
    let version = &seen.version;
    let object = version.object(handle)?;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("key", json!(object.key.to_string()));
    put("type", json!(object.key.object_type));
    put("id", json!(object.key.id));
    put("name", json!(object.name()));
    put(
        "parent",
        json!(object.parent.as_ref().map(ToString::to_string)),
    );
    put("host", json!(version.place(handle)));
    put("tenant", json!(version.tenant(handle)));
    put("status", json!(version.level_with_causes(handle, causes)));
    put("stale", json!(object.stale));
    Some(out)
}

/// A node of a picture, which may stand for several objects, at its place.
pub(super) fn node(node: &impl Serialize, key: &ObjectRef, layout: &Layout) -> Value {
    let mut out = json!(node);
    out["key"] = json!(key.to_string());
    out["type"] = json!(key.object_type);
    out["id"] = json!(key.id);
    out["position"] = json!(layout.positions.get(key));
    out
}

/// What there is between two nodes of a picture.
pub(super) fn edge(edge: &impl Serialize, source: &ObjectRef, target: &ObjectRef) -> Value {
    let mut out = json!(edge);
    out["source"] = json!(source.to_string());
    out["target"] = json!(target.to_string());
    out
}

/// Everything there is to tell of an object.
pub(super) fn full(seen: &Seen, handle: Handle) -> Option<Value> {
    let version = &seen.version;
    let object = version.object(handle)?;
    let causes = version.root_causes(seen.now);
    let mut out = brief(seen, handle, &causes)?;
    out.insert("id_path".to_owned(), json!(version.id_path(handle)));
    out.insert("name_path".to_owned(), json!(version.name_path(handle)));
    let attributes: Map<String, Value> = object
        .attributes()
        .map(|attribute| (attribute.name.to_string(), claimed(seen, handle, attribute)))
        .collect();
    out.insert("attributes".to_owned(), Value::Object(attributes));
    out.insert(
        "checks".to_owned(),
        version
            .status(handle)
            .map_or(json!([]), |status| checks(status, seen.now)),
    );
    let visible = |handle: &Handle| seen.sees(*handle);
    let why: Vec<Value> = causes
        .of(handle)
        .filter(|root| root.cause != handle && seen.sees(root.cause))
        .map(|root| {
            let chain = root.chain(handle);
            json!({
                "cause": key(seen, root.cause),
                "because": root.because,
                "effect": root.effect,
                "chain": chain.iter().filter(|handle| visible(handle)).map(|handle| key(seen, *handle)).collect::<Vec<_>>(),
            })
        })
        .collect();
    out.insert("causes".to_owned(), Value::Array(why));
    let links: Vec<Value> = version
        .links_at(handle)
        .filter(|link| seen.sees(link.source) && seen.sees(link.target))
        .filter_map(|found| link(seen, found))
        .collect();
    out.insert("links".to_owned(), Value::Array(links));
    let focal = version.is_focal_type(&object.key.object_type);
    out.insert(
        "has_clique".to_owned(),
        json!(focal && !version.cliques(handle).is_empty()),
    );
    Some(Value::Object(out))
}

/// An attribute with who says so, since when, and who says otherwise.
fn claimed(seen: &Seen, handle: Handle, attribute: &Attribute) -> Value {
    let told = |claim: &topology::Claim| {
        json!({
            "value": claim.value,
            "source": claim.origin.kind,
            "from": claim.origin.detail,
            "since": claim.at,
            "read_at": seen.version.read_at(handle, &attribute.name, claim),
        })
    };
    let mut out = told(&attribute.believed);
    if attribute.in_conflict() {
        out["others"] = attribute.others.iter().map(told).collect();
    }
    out
}

fn checks(status: &Status, now: Timestamp) -> Value {
    let rows = status.checks.iter().map(|(name, check)| {
        json!({
            "check": name,
            "status": check.level,
            "text": check.text,
            "at": check.at,
            "source": check.source,
            "stale": check.is_stale(now),
        })
    });
    rows.collect()
}

pub(super) fn link(seen: &Seen, link: &Link) -> Option<Value> {
    let version = &seen.version;
    let key = version.link_key(link)?;
    Some(json!({
        "type": link.link_type,
        "source": key.source.to_string(),
        "target": key.target.to_string(),
        "distinct": link.distinct,
        "name": link.name,
        "source_name": version.object(link.source).map(Object::name),
        "target_name": version.object(link.target).map(Object::name),
        "source_label": link.source_label,
        "target_label": link.target_label,
        "state": state(link.state),
        "status": version.link_level(link, seen.now),
        "implicit": link.implicit,
        "host": link.place,
        "attributes": link.attributes,
    }))
}

fn state(state: LinkState) -> &'static str {
    match state {
        LinkState::Up => "up",
        LinkState::Down => "down",
        LinkState::Unknown => "unknown",
    }
}

pub(super) fn key(seen: &Seen, handle: Handle) -> Option<String> {
    seen.version
        .object(handle)
        .map(|object| object.key.to_string())
}

/// How many of the visible objects there are of each level.
pub(super) fn levels(levels: impl Iterator<Item = StatusLevel>) -> Value {
    let (mut ok, mut warning, mut error, mut unknown) = (0, 0, 0, 0);
    for level in levels {
        match level {
            StatusLevel::Ok => ok += 1,
            StatusLevel::Warning => warning += 1,
            StatusLevel::Error => error += 1,
            StatusLevel::Unknown => unknown += 1,
        }
    }
    json!({"ok": ok, "warning": warning, "error": error, "unknown": unknown})
}
