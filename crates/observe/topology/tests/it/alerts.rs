//! Alerts and results of newer monitoring systems, and messages over a restart.

use crate::cloud;
use crate::support::{at, declarations, environment, map, object, reading, scan};
use serde_json::json;
use topology::monitoring::{MonitoringError, alerts, sensu_result};
use topology::{Map, Message, MessageQuery, Messages, Profile, Record, StatusLevel, Target};

fn small() -> Map {
    let mut map = map();
    map.apply(&scan(1, vec![reading("ssh", 1, cloud::small())]))
        .expect("sound");
    map
}

#[test]
fn alertmanager_alerts_find_their_objects_and_clear_when_resolved() {
    let mut map = small();
    let body = |status: &str| {
        json!({ "version": "4", "alerts": [
            { "status": status, "labels": { "alertname": "LinkDown", "severity": "critical", "instance": "h1:9100", "device": "eth0" },
              "annotations": { "summary": "eth0 is down" }, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:05:00Z" },
            { "status": status, "labels": { "alertname": "Slow", "object_type": "instance", "object_id": "vm2" },
              "startsAt": "2026-01-01T00:00:00Z" },
            { "status": status, "labels": { "alertname": "Lost", "instance": "elsewhere:9100" }, "startsAt": "2026-01-01T00:00:00Z" },
            { "status": status, "labels": {} },
        ] })
    };
    let results = alerts(map.head(), &body("firing"));
    let good: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().ok().cloned())
        .collect();
    let nic = object("host_pnic", "eth0-02:00:00:00:00:01");
    assert_eq!(
        good[0].target,
        Target::Object {
            object: nic.clone(),
            part: None
        }
    );
    assert_eq!(
        (good[0].level, good[0].text.as_ref()),
        (StatusLevel::Error, "eth0 is down")
    );
    assert_eq!(good[1].level, StatusLevel::Warning);
    assert_eq!(results[2], Err(MonitoringError::Unknown("Lost".into())));
    assert!(matches!(results[3], Err(MonitoringError::Field { .. })));
    let version = map.check(&good, at(5)).version;
    let handle = version.find(&nic).expect("known");
    assert_eq!(version.level(handle, version.at), StatusLevel::Error);
    let before = version;
    let resolved: Vec<_> = alerts(map.head(), &body("resolved"))
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    let version = map.check(&resolved, at(6)).version;
    assert_eq!(version.level(handle, version.at), StatusLevel::Unknown);
    let diff = before.diff(&version);
    assert_eq!(diff.health.len(), 2);
    assert_eq!(alerts(map.head(), &json!([])).len(), 1);
}

/// Two of one name that differ in a label stand side by side; one for information says nothing of health.
#[test]
fn alerts_of_one_name_are_told_apart_and_information_is_no_health() {
    let mut map = small();
    let alert = |status: &str, mount: &str, severity: &str, fingerprint: Option<&str>| {
        let mut alert = json!({ "status": status, "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-01-01T00:01:00Z",
            "labels": { "alertname": "DiskFull", "severity": severity, "host": "h1", "mount": mount } });
        if let Some(fingerprint) = fingerprint {
            alert["fingerprint"] = json!(fingerprint);
        }
        alerts(map.head(), &json!({ "alerts": [alert] })).remove(0)
    };
    let firing = [
        alert("firing", "/", "critical", None).expect("understood"),
        alert("firing", "/var", "critical", None).expect("understood"),
        alert("firing", "/srv", "critical", Some("f1")).expect("understood"),
        alert("firing", "/opt", "critical", Some("f2")).expect("understood"),
    ];
    assert_eq!(
        &*firing[0].check,
        "DiskFull{host=\"h1\",mount=\"/\",severity=\"critical\"}"
    );
    assert_eq!(&*firing[2].check, "DiskFull@f1");
    let resolved = alert("resolved", "/", "critical", None).expect("understood");
    let informing = alert("firing", "/", "info", None);
    assert_eq!(
        informing,
        Err(MonitoringError::Informative("DiskFull".into()))
    );
    let now = resolved.at;
    map.check(&firing, now);
    let version = map.check(&[resolved], now).version;
    let host = version.find(&object("host", "h1")).expect("known");
    let checks = &version.status(host).expect("checked").checks;
    assert_eq!(checks.len(), 3);
    assert_eq!(version.level(host, now), StatusLevel::Error);
}

#[test]
fn sensu_go_names_its_checks_elsewhere() {
    let map = small();
    let event = json!({ "entity": { "metadata": { "name": "h1" } },
        "check": { "metadata": { "name": "link_vedge-otep_h1-ovs_h1-otep" }, "status": 1, "output": "late\n", "executed": 100, "interval": 15 } });
    let result = sensu_result(map.head(), &event).expect("understood");
    assert!(matches!(&result.target, Target::Link(key) if key.link_type.as_str() == "vedge-otep"));
    assert_eq!(
        (result.level, result.text.as_ref(), result.valid_for),
        (StatusLevel::Warning, "late", Some(45))
    );
    let fault = |name: &str| {
        sensu_result(
            map.head(),
            &json!({ "check": { "name": name, "status": 0, "executed": 1 } }),
        )
        .expect_err("refused")
    };
    assert_eq!(
        fault("toaster_1"),
        MonitoringError::Name("toaster_1".into())
    );
    assert_eq!(fault("host_h9"), MonitoringError::Unknown("host_h9".into()));
}

#[test]
fn messages_and_forgotten_versions_survive_a_restart() {
    let mut map = small();
    let mut messages = Messages::default();
    let result = alerts(map.head(), &json!({ "alerts": [{ "labels": { "alertname": "A", "host": "h1" }, "startsAt": "2026-01-01T00:00:00Z" }] }))
        .remove(0)
        .expect("understood");
    let mut log = Vec::new();
    let again = map
        .apply(&scan(2, vec![reading("ssh", 2, cloud::small())]))
        .expect("sound");
    for record in map.checkpoint() {
        log.push(record.to_bytes().expect("JSON"));
    }
    let checked = map.check(std::slice::from_ref(&result), at(3));
    log.push(checked.record.expect("changed").to_bytes().expect("JSON"));
    let message = messages.add(Message::of_check(&result, at(3))).clone();
    messages.view(message.id);
    let records = [
        Record::Message(Box::new(message.clone())),
        Record::MessageViewed(message.id),
        Record::Forgotten(vec![again.version.number]),
    ];
    log.extend(
        records
            .iter()
            .map(|record| record.to_bytes().expect("JSON")),
    );
    let replayed = Map::replay(
        Profile::new(environment()),
        declarations(),
        at(0),
        log.iter().map(Vec::as_slice),
    )
    .expect("sound");
    let query = MessageQuery {
        objects: vec![object("host", "h1")],
        limit: 5,
        ..Default::default()
    };
    let (found, _) = replayed.messages.find(&query);
    assert_eq!((found.len(), found[0].viewed), (1, true));
    assert!(
        replayed
            .map
            .history()
            .version(again.version.number)
            .is_err()
    );
    let host = replayed
        .map
        .head()
        .find(&object("host", "h1"))
        .expect("known");
    assert_eq!(replayed.map.head().level(host, at(3)), StatusLevel::Warning);
}
