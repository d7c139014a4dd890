//! From rows to drafts. Pure.

use super::text;
use crate::openstack::drafts::distinct;
use serde_json::Value;
use std::collections::BTreeSet;
use topology::{Draft, Environment, ObjectKey};

/// Aggregates, and a reference to each of their hosts.
pub fn aggregates(
    environment: &Environment,
    region: Option<&ObjectKey>,
    rows: &[Value],
    hosts: &[Value],
) -> Vec<Draft> {
    let aggregates = rows.iter().filter_map(|row| {
        let id = text(row, "id")?;
        let key = ObjectKey::new(environment, "aggregate", &id).ok()?;
        let mut draft = Draft::whole(key, text(row, "name").unwrap_or(id));
        draft.parent = region.cloned();
        Some(draft)
    });
    let references = hosts.iter().filter_map(|row| {
        let (aggregate, host) = (text(row, "aggregate_name")?, text(row, "host")?);
        reference(environment, &text(row, "aggregate_id")?, &aggregate, &host)
    });
    aggregates.chain(references).collect()
}

/// A host in an aggregate, which refers to the host itself.
pub fn reference(
    environment: &Environment,
    aggregate_id: &str,
    aggregate: &str,
    host: &str,
) -> Option<Draft> {
    let id = format!("aggregate-{aggregate}-{host}");
    Some(
        Draft::whole(ObjectKey::new(environment, "host_ref", id).ok()?, host)
            .under(ObjectKey::new(environment, "aggregate", aggregate_id).ok()?)
            .with("ref_id", host),
    )
}

/// The rows of the instances the API told of; all where it told of none.
pub fn joined(known: &BTreeSet<&str>, rows: &[Value]) -> Vec<Value> {
    rows.iter()
        .filter(|row| {
            known.is_empty() || text(row, "id").is_some_and(|id| known.contains(id.as_str()))
        })
        .cloned()
        .collect()
}

/// Instances with Nova's cache of their network information, which is JSON in a text.
pub fn instances(environment: &Environment, rows: &[Value]) -> Vec<Draft> {
    rows.iter()
        .filter_map(|row| {
            let id = text(row, "id")?;
            let host = text(row, "host")?;
            let info: Value = match &row["network_info"] {
                Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
                other => other.clone(),
            };
            let info = info.as_array().cloned().unwrap_or_default();
            let networks = distinct(info.iter().map(|one| one["network"]["id"].clone()));
            let key = ObjectKey::new(environment, "instance", &id).ok()?;
            let mut draft = Draft::whole(key, text(row, "name").unwrap_or_else(|| id.clone()))
                .under(ObjectKey::new(environment, "host", &host).ok()?)
                .with("host", host)
                .with("uuid", id)
                .with("network", networks)
                .with("network_info", info);
            if let Some(project) = text(row, "project") {
                draft = draft.with(format!("in_project-{project}"), "1");
            }
            Some(draft)
        })
        .collect()
}
