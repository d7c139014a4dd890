//! Alerts as Prometheus' Alertmanager posts them to a webhook (version 4).
//!
//! An alert names its object by `object_type` and `object_id`, or by what Prometheus knows: the host in `instance`, `node` or `host`, and a
//! device in `device` or `interface`. One for information (`severity` info, none or debug) says nothing of health and is refused.

use super::MonitoringError;
use crate::health::{CheckResult, StatusLevel, Target};
use crate::object::ObjectRef;
use crate::version::Version;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Each alert of a posted body: a result, or why it is not one. A body that is no list of alerts is one refusal.
pub fn alerts(version: &Version, body: &Value) -> Vec<Result<CheckResult, MonitoringError>> {
    match body.get("alerts").and_then(Value::as_array) {
        Some(alerts) => alerts.iter().map(|alert| result(version, alert)).collect(),
        None => vec![Err(MonitoringError::Field {
            field: "alerts",
            expected: "a list",
        })],
    }
}

fn result(version: &Version, alert: &Value) -> Result<CheckResult, MonitoringError> {
    let missing = |field, expected| MonitoringError::Field { field, expected };
    let label = |name: &str| {
        let value = alert.get("labels")?.get(name)?.as_str()?;
        (!value.is_empty()).then_some(value)
    };
    let name = label("alertname").ok_or(missing("labels.alertname", "a text"))?;
    let time = |field: &str| alert.get(field)?.as_str()?.parse::<Timestamp>().ok();
    let resolved = alert.get("status").and_then(Value::as_str) == Some("resolved");
    let started = time("startsAt").ok_or(missing("startsAt", "a time"))?;
    let at = if resolved {
        time("endsAt").unwrap_or(started).max(started)
    } else {
        started
    };
    let level = match label("severity") {
        Some("critical" | "error" | "page") => StatusLevel::Error,
        Some("info" | "none" | "debug") if !resolved => {
            return Err(MonitoringError::Informative(name.to_owned()));
        }
        _ => StatusLevel::Warning,
    };
    let text = ["summary", "description", "message"]
        .iter()
        .find_map(|field| alert.get("annotations")?.get(*field)?.as_str())
        .unwrap_or(name);
    let object = named(version, &label)
        .or_else(|| known(version, &label))
        .ok_or_else(|| MonitoringError::Unknown(name.to_owned()))?;
    Ok(CheckResult {
        target: Target::Object { object, part: None },
        check: check_name(name, alert),
        level,
        text: text.into(),
        at,
        source: "Alertmanager".into(),
        valid_for: None,
        withdrawn: resolved,
    })
}

/// Alerts of one name differ in their labels, which the fingerprint stands for.
fn check_name(name: &str, alert: &Value) -> Arc<str> {
    let fingerprint = alert.get("fingerprint").and_then(Value::as_str);
    if let Some(fingerprint) = fingerprint.filter(|text| !text.is_empty()) {
        return format!("{name}@{fingerprint}").into();
    }
    let labels = alert.get("labels").and_then(Value::as_object);
    let others: BTreeMap<&String, &Value> = labels
        .into_iter()
        .flatten()
        .filter(|(label, _)| *label != "alertname")
        .collect();
    let others: Vec<String> = others
        .into_iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    format!("{name}{{{}}}", others.join(",")).into()
}

fn named<'l>(version: &Version, label: &impl Fn(&str) -> Option<&'l str>) -> Option<ObjectRef> {
    let key = ObjectRef::new(label("object_type")?, label("object_id")?).ok()?;
    version.find(&key).map(|_| key)
}

/// A device on a host, or the host.
fn known<'l>(version: &Version, label: &impl Fn(&str) -> Option<&'l str>) -> Option<ObjectRef> {
    let host = ["node", "host", "hostname", "nodename", "instance"]
        .iter()
        .find_map(|name| {
            let value = label(name)?;
            let bare = value.rsplit_once(':').map_or(value, |(host, _)| host);
            [value, bare]
                .into_iter()
                .filter_map(|host| ObjectRef::new("host", host).ok())
                .find(|key| version.find(key).is_some())
        })?;
    let device = label("device").or_else(|| label("interface"));
    let on_host = device.and_then(|device| {
        version
            .children(Some(&host))
            .into_iter()
            .filter_map(|child| version.object(child))
            .find(|object| object.name() == device)
            .map(|object| object.key.clone())
    });
    Some(on_host.unwrap_or(host))
}
