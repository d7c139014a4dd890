//! Readings: whose word counts, what is stale, what is gone, what moved.

use crate::cloud;
use crate::support::{at, draft, environment, key, map, object, reading, scan, source};
use serde_json::json;
use topology::{
    ChangeKind, Coverage, Draft, Environment, ObjectKey, ObjectType, Reading, Scope, TopologyError,
};

fn vms_of(host: u8, second: i64, coverage: Coverage, drafts: Vec<Draft>) -> Reading {
    Reading {
        scope: Scope::All {
            types: vec![ObjectType::new("instance").expect("valid")],
            within: Some(cloud::host_key(host)),
        },
        coverage,
        ..reading("nova", second, drafts)
    }
}

#[test]
fn the_declared_source_is_believed_and_the_other_kept_in_sight() {
    let mut map = map();
    let said = |kind: &str, second, mtu: u32| {
        reading(
            kind,
            second,
            vec![draft("network", "n", json!({ "mtu": mtu }))],
        )
    };
    map.apply(&scan(
        1,
        vec![said("neutron", 1, 1450), said("ssh", 2, 1500)],
    ))
    .expect("sound");
    let version = map.head();
    let network = version.get(&object("network", "n")).expect("known");
    let mtu = network.attribute("mtu").expect("said");
    assert_eq!(mtu.believed.value, 1450);
    assert_eq!(mtu.believed.origin.kind.as_str(), "neutron");
    assert_eq!(mtu.others[0].value, 1500);
    assert!(mtu.in_conflict());
    // An event has the rank of the API it comes from, and is newer.
    map.apply(&scan(3, vec![said("event", 3, 1400)]))
        .expect("sound");
    let version = map.head();
    let mtu = version
        .get(&object("network", "n"))
        .expect("known")
        .attribute("mtu")
        .expect("said")
        .clone();
    assert_eq!((mtu.believed.value, mtu.believed.at), (json!(1400), at(3)));
    // Saying the same again is no news, but is remembered as being said.
    map.apply(&scan(9, vec![said("event", 9, 1400)]))
        .expect("sound");
    let version = map.head();
    let handle = version.find(&object("network", "n")).expect("known");
    let mtu = version
        .object(handle)
        .expect("known")
        .attribute("mtu")
        .expect("said");
    assert_eq!(mtu.believed.at, at(3));
    assert_eq!(version.read_at(handle, "mtu", &mtu.believed), at(9));
}

#[test]
fn an_attribute_its_source_no_longer_gives_is_gone() {
    let mut map = map();
    let said = |second, attributes| reading("ssh", second, vec![draft("vnic", "v", attributes)]);
    map.apply(&scan(
        1,
        vec![said(1, json!({ "IP Address": "10.0.0.1", "state": "UP" }))],
    ))
    .expect("sound");
    map.apply(&scan(2, vec![said(2, json!({ "state": "UP" }))]))
        .expect("sound");
    let vnic = map.head().get(&object("vnic", "v")).expect("known").clone();
    assert_eq!(vnic.get("IP Address"), None);
    assert_eq!(vnic.get("state"), Some(&json!("UP")));
}

#[test]
fn what_cannot_be_read_is_stale_and_what_is_missing_from_a_complete_reading_is_gone() {
    let mut map = map();
    map.apply(&scan(1, vec![reading("ssh", 1, cloud::small())]))
        .expect("sound");
    let silent = Coverage::Incomplete {
        reason: "h1 does not answer".into(),
    };
    map.apply(&scan(2, vec![vms_of(1, 2, silent, vec![])]))
        .expect("sound");
    let stale = |map: &topology::Map, id: &str| {
        map.head()
            .get(&object("instance", id))
            .expect("known")
            .stale
            .clone()
    };
    assert_eq!(
        stale(&map, "vm1").expect("stale").reason.as_ref(),
        "h1 does not answer"
    );
    assert_eq!(stale(&map, "vm2"), None);
    map.apply(&scan(
        3,
        vec![reading("ssh", 3, vec![cloud::instance(1, 1, 1)])],
    ))
    .expect("sound");
    assert_eq!(stale(&map, "vm1"), None);
    let committed = map
        .apply(&scan(4, vec![vms_of(1, 4, Coverage::Complete, vec![])]))
        .expect("sound");
    assert_eq!(
        committed.changes.removed,
        [object("instance", "vm1"), object("vnic", "h1-tap1")]
    );
    assert!(map.head().get(&object("instance", "vm2")).is_some());
}

#[test]
fn an_event_after_the_scan_was_read_is_not_undone_by_it() {
    let mut map = map();
    map.apply(&scan(1, vec![reading("ssh", 1, cloud::small())]))
        .expect("sound");
    map.apply(&scan(
        2,
        vec![reading("event", 20, vec![cloud::instance(9, 1, 1)])],
    ))
    .expect("sound");
    // The scan asked Nova at 10, before vm9 was made, and is taken in only now.
    let committed = map
        .apply(&scan(3, vec![vms_of(1, 10, Coverage::Complete, vec![])]))
        .expect("sound");
    assert!(map.head().get(&object("instance", "vm9")).is_some());
    assert!(
        committed
            .changes
            .removed
            .contains(&object("instance", "vm1"))
    );
}

#[test]
fn an_instance_that_moves_keeps_its_identity_and_both_places_are_shown() {
    let mut map = map();
    map.apply(&scan(1, vec![reading("nova", 1, cloud::small())]))
        .expect("sound");
    let before = map.head().clone();
    let readings = vec![
        vms_of(1, 2, Coverage::Complete, vec![]),
        vms_of(
            2,
            2,
            Coverage::Complete,
            vec![cloud::instance(1, 2, 1), cloud::instance(2, 2, 2)],
        ),
    ];
    map.apply(&scan(2, readings)).expect("sound");
    let diff = before.diff(map.head());
    let moved = diff
        .objects
        .iter()
        .find(|change| change.key == object("instance", "vm1"))
        .expect("told of");
    assert_eq!(moved.kind, ChangeKind::Moved);
    assert_eq!(moved.place_before.as_deref(), Some("host/h1"));
    assert_eq!(moved.place_after.as_deref(), Some("host/h2"));
    let timeline = map.history().timeline(&object("instance", "vm1"));
    let told: Vec<_> = timeline
        .iter()
        .map(|moment| (moment.at, moment.kind))
        .collect();
    assert_eq!(
        told,
        [(at(1), ChangeKind::Added), (at(2), ChangeKind::Moved)]
    );
}

#[test]
fn a_child_may_be_read_before_its_parent() {
    let mut map = map();
    map.apply(&scan(
        1,
        vec![reading("ssh", 1, vec![cloud::instance(1, 1, 1)])],
    ))
    .expect("sound");
    assert_eq!(map.head().orphans().len(), 1);
    map.apply(&scan(2, vec![reading("ssh", 2, vec![cloud::host(1)])]))
        .expect("sound");
    assert!(map.head().orphans().is_empty());
    let handle = map.head().find(&object("instance", "vm1")).expect("known");
    assert_eq!(map.head().id_path(handle), "/ENV/h1/h1-instances/vm1");
}

#[test]
fn what_is_wrong_is_said_precisely() {
    let mut map = map();
    let mut fault = |drafts: Vec<Draft>| {
        let refused = map.apply(&scan(1, vec![reading("ssh", 1, drafts)]));
        refused.expect_err("refused").to_string()
    };
    let circle = vec![
        cloud::host(1).under(key("host", "h2")),
        cloud::host(2).under(key("host", "h1")),
    ];
    assert_eq!(
        fault(circle),
        "parents form a circle: host/h1 under host/h2 under host/h1"
    );
    let named = |uuid: &str| draft("host", "cmp", json!({ "system_uuid": uuid }));
    assert_eq!(
        fault(vec![named("4c4c"), named("5d5d")]),
        "two things go by the name host/cmp: system_uuid is \"4c4c\" (test) and \"5d5d\" (test); give one of them another name"
    );
    let twice = vec![cloud::instance(1, 1, 1), cloud::instance(1, 2, 1)];
    assert_eq!(
        fault(twice),
        "instance/vm1 is put in two places at once: under host/h1 and under host/h2"
    );
    assert_eq!(
        fault(vec![Draft::whole(key("toaster", "t"), "t")]),
        "object type 'toaster' is not declared: add a [[type]] entry for it to the declarations"
    );
    let huge = draft("host", "big", json!({ "dump": "x".repeat(1 << 21) }));
    assert_eq!(
        fault(vec![huge]),
        "host/big: attribute 'dump' is 2097158 large, the limit is 1048576"
    );
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(
        fault(vec![draft("host", "deep", json!({ "nest": deep }))]),
        "host/deep: attribute 'nest' is nested deeper than 64"
    );
    let other = Environment::new("elsewhere").expect("valid");
    let foreign = Draft::whole(ObjectKey::new(&other, "host", "h").expect("valid"), "h");
    assert!(fault(vec![foreign]).contains("is of environment 'elsewhere', this map is of 'ENV'"));
    assert_eq!(map.head().object_count(), 0);
    assert!(matches!(
        ObjectKey::new(&environment(), "Host", "x"),
        Err(TopologyError::Name { .. })
    ));
    let _ = source("ssh", 1);
}

#[test]
fn two_tenants_may_use_one_cidr() {
    let mut map = map();
    let net = |n: u8, tenant: &str| {
        let mut draft = cloud::network(n, "same")
            .with("tenant_id", tenant)
            .with("cidrs", json!(["10.9.0.0/24"]));
        draft.name = Some(format!("net of {tenant}").into());
        draft
    };
    let instance = |n: u8, net: u8| {
        vec![
            cloud::host(n),
            cloud::instance(n, n, net),
            cloud::vnic(n, n).with("IP Address", "10.9.0.7"),
        ]
    };
    let mut drafts = vec![net(1, "a"), net(2, "b")];
    drafts.extend(instance(1, 1));
    drafts.extend(instance(2, 2));
    map.apply(&scan(1, vec![reading("ssh", 1, drafts)]))
        .expect("sound");
    let version = map.head();
    for n in [1, 2] {
        let vnic = version
            .find(&object("vnic", &format!("h{n}-tap{n}")))
            .expect("known");
        assert_eq!(
            version.value(vnic, "network").as_deref(),
            Some(&json!(format!("net{n}")))
        );
    }
    let query = topology::SearchQuery {
        text: "10.9.0.7".into(),
        limit: 10,
        ..Default::default()
    };
    let found = version.search(&query, |_| true);
    assert_eq!(found.total, 4, "both vNICs and both networks");
}
