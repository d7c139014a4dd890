//! Notifications that come twice, late and in any order leave the map as if they had come once and in order.

use crate::support::{at, draft, map, object, reading, scan};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use topology::{Batch, Cause, Map, Notification, Verdict, effect};

fn notification(second: i64, event_type: &str, payload: Value) -> Notification {
    Notification {
        event_type: event_type.into(),
        message_id: format!("m{second}").into(),
        publisher_id: "network.net-1".into(),
        timestamp: at(100 + second),
        project_id: Some("p1".into()),
        project_name: Some("red".into()),
        payload,
    }
}

fn network(id: &str, name: &str) -> Value {
    json!({"network": {"id": id, "name": name, "tenant_id": "p1", "admin_state_up": true, "mtu": 1450}})
}

fn subnet(id: &str, cidr: &str, name: &str) -> Value {
    json!({"subnet": {"id": id, "network_id": "n1", "cidr": cidr, "name": name, "enable_dhcp": false, "tenant_id": "p1"}})
}

fn port(id: &str, name: &str, up: bool) -> Value {
    json!({"port": {"id": id, "network_id": "n1", "name": name, "admin_state_up": up, "mac_address": "fa:16:3e:00:00:01",
                    "device_owner": "", "device_id": "", "fixed_ips": []}})
}

fn instance(name: &str, host: &str, old: &str, state: &str) -> Value {
    json!({"instance_id": "vm1", "display_name": name, "host": host, "tenant_id": "p1", "old_state": old, "state": state})
}

/// A day in the life of a small cloud.
fn story() -> Vec<Notification> {
    let told = [
        ("network.create.end", network("n1", "green")),
        ("subnet.create.end", subnet("s1", "10.0.1.0/24", "one")),
        ("network.update.end", network("n1", "blue")),
        ("subnet.create.end", subnet("s2", "10.0.2.0/24", "two")),
        ("port.create.end", port("a", "first", true)),
        ("port.create.end", port("b", "second", true)),
        ("subnet.update.end", subnet("s1", "10.0.1.0/24", "uno")),
        (
            "compute.instance.create.end",
            instance("web", "h1", "", "active"),
        ),
        ("port.update.end", port("a", "premier", false)),
        (
            "compute.instance.update",
            instance("shop", "h1", "active", "active"),
        ),
        (
            "compute.instance.suspend.end",
            instance("shop", "h1", "active", "suspended"),
        ),
        ("subnet.create.end", subnet("s3", "10.0.3.0/24", "three")),
        ("subnet.delete.end", json!({"subnet_id": "s2"})),
        ("port.delete.end", json!({"port_id": "b"})),
        ("network.create.end", network("n2", "short-lived")),
        ("network.delete.end", json!({"network_id": "n2"})),
        (
            "servergroup.create",
            json!({"server_group_id": "g", "name": "group", "project_id": "p1", "members": []}),
        ),
        (
            "servergroup.addmember",
            json!({"server_group_id": "g", "instance_uuids": ["vm1"]}),
        ),
        (
            "servergroup.addmember",
            json!({"server_group_id": "g", "instance_uuids": ["vm2"]}),
        ),
    ];
    (0..)
        .zip(told)
        .map(|(second, (event_type, payload))| notification(second, event_type, payload))
        .collect()
}

fn start() -> Map {
    let mut map = map();
    let project = draft("project", "p1", json!({}));
    let host = draft("host", "h1", json!({"host": "h1"}));
    map.apply(&scan(1, vec![reading("keystone", 1, vec![project, host])]))
        .expect("sound");
    map
}

/// As a listener does: one after the other, what is premature again later.
fn take(told: impl IntoIterator<Item = Notification>) -> Map {
    let mut map = start();
    let mut waiting: VecDeque<(Notification, u32)> = told.into_iter().map(|n| (n, 0)).collect();
    while let Some((notification, tries)) = waiting.pop_front() {
        let effect = effect(map.head(), &notification);
        match effect.verdict {
            Verdict::Retry(_) if tries < 40 => waiting.push_back((notification, tries + 1)),
            Verdict::Refused(reason) => panic!("{}: {reason}", notification.event_type),
            _ => {
                let batch = Batch {
                    cause: Cause::Events,
                    at: notification.timestamp,
                    readings: effect.readings,
                };
                map.apply(&batch).expect("sound");
            }
        }
    }
    map
}

/// What is there, without the order of lists.
fn facts(map: &Map) -> BTreeMap<String, Value> {
    let version = map.head();
    let value = |value: &Value| match value {
        Value::Array(list) => {
            let mut sorted = list.clone();
            sorted.sort_by_key(Value::to_string);
            Value::Array(sorted)
        }
        other => other.clone(),
    };
    version
        .objects()
        .flat_map(|(_, object)| {
            object.attributes().map(move |attribute| {
                let name = format!("{} {}", object.key, attribute.name);
                (name, value(&attribute.believed.value))
            })
        })
        .collect()
}

#[test]
fn the_story_ends_as_it_should() {
    let map = take(story());
    let network = map
        .head()
        .get(&object("network", "n1"))
        .expect("there")
        .clone();
    assert_eq!(network.name(), "blue");
    assert_eq!(
        network.get("cidrs"),
        Some(&json!(["10.0.1.0/24", "10.0.3.0/24"]))
    );
    let group = map
        .head()
        .get(&object("server_group", "g"))
        .expect("there")
        .clone();
    assert_eq!(group.get("members"), Some(&json!(["vm1", "vm2"])));
    for (kind, id) in [("network", "n2"), ("port", "b"), ("subnet", "s2")] {
        let gone = object(kind, id);
        assert!(map.head().get(&gone).is_none(), "{gone}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn order_and_repetition_do_not_matter(
        shuffled in Just(story()).prop_shuffle(),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut told = shuffled;
        for index in again {
            let copy = index.get(&told).clone();
            told.push(copy);
        }
        let (ours, expected) = (facts(&take(told)), facts(&take(story())));
        prop_assert_eq!(ours, expected);
    }
}

/// What an event says of an instance's state and what a scan says of it are the same attributes: the newer word counts.
#[test]
fn states_of_instances_follow_events_and_scans() {
    let mut map = start();
    let told = |map: &mut Map, notification: Notification| {
        let effect = effect(map.head(), &notification);
        assert_eq!(effect.verdict, Verdict::Applied);
        map.apply(&Batch {
            cause: Cause::Events,
            at: notification.timestamp,
            readings: effect.readings,
        })
        .expect("sound");
    };
    let states = |map: &Map| {
        let vm = map.head().get(&object("instance", "vm1")).expect("known");
        let text = |name| vm.get(name).and_then(Value::as_str).unwrap_or_default();
        (text("vm_state").to_owned(), text("status").to_owned())
    };
    let of = |vm: &str, status: &str| (vm.to_owned(), status.to_owned());
    let created = instance("web", "h1", "", "active");
    told(
        &mut map,
        notification(0, "compute.instance.create.end", created),
    );
    assert_eq!(states(&map), of("active", "ACTIVE"));
    let failed = instance("web", "h1", "active", "error");
    told(&mut map, notification(1, "compute.instance.update", failed));
    assert_eq!(states(&map), of("error", "ERROR"));
    let scanned = json!({"host": "h1", "vm_state": "active", "status": "ACTIVE"});
    let server = draft("instance", "vm1", scanned);
    map.apply(&scan(110, vec![reading("nova", 110, vec![server])]))
        .expect("sound");
    assert_eq!(states(&map), of("active", "ACTIVE"));
    let stopped = json!({"instance_id": "vm1"});
    told(
        &mut map,
        notification(20, "compute.instance.power_off.end", stopped),
    );
    assert_eq!(states(&map), of("stopped", "SHUTOFF"));
}
