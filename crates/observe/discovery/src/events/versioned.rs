//! Nova's versioned notifications (`versioned_notifications`), in the form of the unversioned ones, which the map knows. Pure.
//!
//! Their payloads are serialized objects, each wrapped with its name and version; their event types lack the service's name.

use serde_json::{Map, Value};
use std::sync::Arc;

const DATA: &str = "nova_object.data";

/// Wrappers in each other; Nova's payloads have some five.
const MAX_DEPTH: usize = 32;

/// Is this the payload of a versioned notification?
pub(super) fn is(payload: &Value) -> bool {
    payload.get(DATA).is_some_and(Value::is_object)
}

/// The event type and the payload as the unversioned notification would have them.
pub(super) fn unversioned(event_type: &str, payload: Value) -> (Arc<str>, Value) {
    let Value::Object(mut data) = unwrapped(payload, 0) else {
        return (event_type.into(), Value::Null);
    };
    if let Some(rest) = event_type.strip_prefix("instance.") {
        instance(&mut data);
        let (action, phase) = rest
            .split_once('.')
            .map_or((rest, None), |(a, p)| (a, Some(p)));
        let action = match action {
            "live_migration_post" => "live_migration._post",
            "resize_finish" => "finish_resize",
            other => other,
        };
        let phase = phase.map_or(String::new(), |phase| format!(".{phase}"));
        let event_type = format!("compute.instance.{action}{phase}");
        return (event_type.into(), Value::Object(data));
    }
    let event_type = match event_type.strip_prefix("server_group.") {
        Some(action) => {
            rename(&mut data, "uuid", "server_group_id");
            format!("servergroup.{}", action.replace("add_member", "addmember"))
        }
        None => event_type.to_owned(),
    };
    (event_type.into(), Value::Object(data))
}

fn instance(data: &mut Map<String, Value>) {
    rename(data, "uuid", "instance_id");
    if let Some(Value::Object(flavor)) = data.get("flavor").cloned() {
        for (from, to) in [
            ("memory_mb", "memory_mb"),
            ("vcpus", "vcpus"),
            ("root_gb", "disk_gb"),
        ] {
            if let Some(value) = flavor.get(from) {
                data.insert(to.to_owned(), value.clone());
            }
        }
    }
    // An update says which way the state went.
    if let Some(Value::Object(update)) = data.remove("state_update") {
        for name in ["old_state", "state"] {
            if let Some(value) = update.get(name).filter(|value| !value.is_null()) {
                data.insert(name.to_owned(), value.clone());
            }
        }
    }
}

fn rename(data: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = data.remove(from) {
        data.insert(to.to_owned(), value);
    }
}

/// Without the wrappers, however deep.
fn unwrapped(value: Value, depth: usize) -> Value {
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    match value {
        Value::Object(mut map) => match map.remove(DATA) {
            Some(data) => unwrapped(data, depth + 1),
            None => Value::Object(
                map.into_iter()
                    .map(|(name, value)| (name, unwrapped(value, depth + 1)))
                    .collect(),
            ),
        },
        Value::Array(list) => {
            let list = list.into_iter();
            list.map(|value| unwrapped(value, depth + 1)).collect()
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrapped(name: &str, data: Value) -> Value {
        json!({"nova_object.name": name, "nova_object.namespace": "nova", "nova_object.version": "1.8", DATA: data})
    }

    #[test]
    fn instances_are_told_as_before() {
        let payload = wrapped(
            "InstanceUpdatePayload",
            json!({"uuid": "i1", "display_name": "web", "tenant_id": "p1", "host": "cmp-1", "state": "active",
                   "flavor": wrapped("FlavorPayload", json!({"vcpus": 2, "memory_mb": 512, "root_gb": 1})),
                   "state_update": wrapped("InstanceStateUpdatePayload", json!({"old_state": "building", "state": "active"}))}),
        );
        assert!(is(&payload));
        let (event_type, payload) = unversioned("instance.update", payload);
        assert_eq!(&*event_type, "compute.instance.update");
        assert_eq!(payload["instance_id"], "i1");
        assert_eq!(payload["old_state"], "building");
        assert_eq!(
            (&payload["vcpus"], &payload["disk_gb"]),
            (&json!(2), &json!(1))
        );
        for (versioned, before) in [
            ("instance.create.end", "compute.instance.create.end"),
            (
                "instance.live_migration_post.end",
                "compute.instance.live_migration._post.end",
            ),
            (
                "instance.resize_finish.end",
                "compute.instance.finish_resize.end",
            ),
            ("server_group.create", "servergroup.create"),
            ("server_group.add_member", "servergroup.addmember"),
            ("service.update", "service.update"),
        ] {
            let (event_type, _) = unversioned(versioned, wrapped("P", json!({"uuid": "x"})));
            assert_eq!(&*event_type, before);
        }
    }

    #[test]
    fn wrappers_without_end_are_cut_off() {
        let mut payload = json!({"uuid": "x"});
        for _ in 0..200 {
            payload = wrapped("P", payload);
        }
        assert_eq!(unversioned("instance.update", payload).1, Value::Null);
    }
}
