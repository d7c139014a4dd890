//! Promises that hold for any history: links follow objects, order and repetition do not matter, errors change nothing, disks forget nothing.

use crate::cloud;
use crate::support::{at, declarations, environment, key, map, reading, scan, source};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use topology::{Batch, Cause, Coverage, Draft, Map, ObjectType, Profile, Reading, Scope, Version};

/// One thing that may happen to the small cloud.
#[derive(Debug, Clone)]
enum Step {
    Host(u8),
    Network(u8, bool),
    Pnic(u8, bool),
    Port(u8, u8, u8),
    Vm(u8, u8, u8),
    Edge(u8, Vec<u8>),
    Tunnel(u8),
    Switch(u8, u8),
    GoneHost(u8),
    GoneVm(u8),
    /// A complete reading of all instances that finds only these.
    OnlyVms(Vec<u8>),
    Unreadable(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let host = 1u8..4;
    let vm = 1u8..6;
    let net = 1u8..4;
    prop_oneof![
        host.clone().prop_map(Step::Host),
        (net.clone(), any::<bool>()).prop_map(|(n, renamed)| Step::Network(n, renamed)),
        (host.clone(), any::<bool>()).prop_map(|(h, up)| Step::Pnic(h, up)),
        (vm.clone(), host.clone(), net.clone()).prop_map(|(v, h, n)| Step::Port(v, h, n)),
        (vm.clone(), host.clone(), net).prop_map(|(v, h, n)| Step::Vm(v, h, n)),
        (host.clone(), prop::collection::vec(vm.clone(), 0..4)).prop_map(|(h, v)| Step::Edge(h, v)),
        host.clone().prop_map(Step::Tunnel),
        (1u8..3, host.clone()).prop_map(|(s, h)| Step::Switch(s, h)),
        host.clone().prop_map(Step::GoneHost),
        vm.clone().prop_map(Step::GoneVm),
        prop::collection::vec(vm, 0..4).prop_map(Step::OnlyVms),
        host.prop_map(Step::Unreadable),
    ]
}

fn object_type(name: &str) -> ObjectType {
    ObjectType::new(name).expect("valid")
}

fn take(step: &Step, second: i64) -> Reading {
    let of = |drafts: Vec<Draft>| reading("ssh", second, drafts);
    let gone = |key| Reading {
        gone: vec![key],
        ..Reading::named(source("event", second))
    };
    match step {
        Step::Host(n) => of(vec![cloud::host(*n)]),
        Step::Network(n, renamed) => of(vec![cloud::network(
            *n,
            if *renamed { "new" } else { "old" },
        )]),
        Step::Pnic(n, up) => of(vec![cloud::pnic(*n, *up)]),
        Step::Port(n, host, net) => of(vec![cloud::port(*n, *host, *net)]),
        Step::Vm(n, host, net) => of(vec![
            cloud::instance(*n, *host, *net),
            cloud::vnic(*n, *host),
            cloud::bridge(*n, *host),
        ]),
        Step::Edge(host, plugged) => of(vec![cloud::edge(*host, plugged)]),
        Step::Tunnel(host) => of(vec![cloud::tunnel(*host)]),
        Step::Switch(n, host) => of(vec![cloud::switch(*n), cloud::switch_port(*n, *host)]),
        Step::GoneHost(n) => gone(cloud::host_key(*n)),
        Step::GoneVm(n) => gone(key("instance", &format!("vm{n}"))),
        Step::OnlyVms(found) => Reading {
            scope: Scope::All {
                types: vec![object_type("instance"), object_type("vnic")],
                within: None,
            },
            ..of(found.iter().map(|n| cloud::instance(*n, 1, 1)).collect())
        },
        Step::Unreadable(n) => Reading {
            scope: Scope::All {
                types: vec![
                    object_type("instance"),
                    object_type("vedge"),
                    object_type("host_pnic"),
                ],
                within: Some(cloud::host_key(*n)),
            },
            coverage: Coverage::Incomplete {
                reason: "no answer".into(),
            },
            ..of(Vec::new())
        },
    }
}

/// Everything a version says, in comparable form.
fn facts(version: &Version) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let objects = version
        .objects()
        .map(|(_, object)| (object.key.to_string(), format!("{object:?}")));
    let links = version.links().map(|link| {
        let mut link = link.clone();
        let key = version.link_key(&link).expect("both ends are there");
        (link.source, link.target) = (topology::Handle(0), topology::Handle(0));
        format!("{key} {link:?}")
    });
    (objects.collect(), links.collect())
}

fn run(map: &mut Map, steps: &[Step]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let second = 10 + n as i64;
        let committed = map
            .apply(&scan(second, vec![take(step, second)]))
            .expect("sound");
        let record = committed.record.expect("a scan makes a version");
        records.push(record.to_bytes().expect("a record is JSON"));
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn links_kept_as_objects_change_are_those_derived_anew(steps in prop::collection::vec(step(), 1..25)) {
        let mut map = map();
        run(&mut map, &steps);
        let kept = facts(map.head());
        let changes = map.redeclare(declarations(), at(1000)).changes;
        prop_assert!(changes.links_added.is_empty(), "{:?}", changes.links_added);
        prop_assert!(changes.links_removed.is_empty(), "{:?}", changes.links_removed);
        prop_assert!(changes.links_changed.is_empty(), "{:?}", changes.links_changed);
        prop_assert_eq!(facts(map.head()), kept);
    }

    #[test]
    fn records_read_back_are_the_same_versions_and_a_cut_log_is_an_earlier_one(
        steps in prop::collection::vec(step(), 1..20),
        cut in 0usize..20,
    ) {
        let mut map = map();
        let records = run(&mut map, &steps);
        let cut = cut.min(records.len());
        let profile = || Profile::new(environment());
        let read = |records: &[Vec<u8>]| {
            Map::replay(profile(), declarations(), at(0), records.iter().map(Vec::as_slice)).expect("sound").map
        };
        let back = read(&records[..cut]);
        for (version, _) in back.history().iter() {
            let original = map.history().version(version.number).expect("kept");
            prop_assert_eq!(facts(version), facts(original));
            prop_assert!(original.diff(version).is_empty());
        }
        prop_assert_eq!(back.head().number, cut as u64);
        // What was read back goes on as if nothing had happened.
        let mut back = read(&records);
        let mut on = map;
        let step = Step::Vm(1, 2, 3);
        let batch = scan(900, vec![take(&step, 900)]);
        on.apply(&batch).expect("sound");
        back.apply(&batch).expect("sound");
        prop_assert_eq!(facts(back.head()), facts(on.head()));
        let checkpoint: Vec<Vec<u8>> = back.checkpoint().iter().map(|r| r.to_bytes().expect("JSON")).collect();
        let again = read(&checkpoint);
        for (version, _) in again.history().iter() {
            prop_assert_eq!(facts(version), facts(back.history().version(version.number).expect("kept")));
        }
    }

    #[test]
    fn news_in_any_order_and_twice_end_the_same(
        steps in prop::collection::vec((1u8..4, 1u8..4, any::<bool>()), 1..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let news: Vec<Reading> = steps
            .iter()
            .enumerate()
            .map(|(n, (vm, host, gone))| {
                let second = 100 + n as i64;
                let id = key("instance", &format!("vm{vm}"));
                if *gone {
                    Reading { gone: vec![id], ..Reading::named(source("event", second)) }
                } else {
                    reading("event", second, vec![cloud::instance(*vm, *host, 1)])
                }
            })
            .collect();
        let facts_of = |readings: Vec<&Reading>| {
            let mut map = map();
            let hosts = (1..4).map(cloud::host).collect();
            map.apply(&scan(1, vec![reading("ssh", 1, hosts)])).expect("sound");
            for reading in readings {
                let batch = Batch { cause: Cause::Events, at: at(500), readings: vec![reading.clone()] };
                map.apply(&batch).expect("sound");
            }
            let head = map.head().clone();
            head.objects()
                .map(|(_, o)| format!("{} {:?} {:?}", o.key, o.get("host"), o.parent))
                .collect::<BTreeSet<_>>()
        };
        let in_order = facts_of(news.iter().collect());
        let mut mixed: Vec<&Reading> = order.iter().map(|index| index.get(&news)).collect();
        mixed.extend(news.iter().rev());
        prop_assert_eq!(facts_of(mixed), in_order);
    }

    #[test]
    fn a_refused_batch_changes_nothing(steps in prop::collection::vec(step(), 1..10), fault in 0usize..5) {
        let mut map = map();
        run(&mut map, &steps);
        let before = facts(map.head());
        let number = map.head().number;
        let good = cloud::instance(5, 1, 1);
        let bad = match fault {
            0 => vec![cloud::host(1).under(key("instance", "vm5")), good.under(cloud::host_key(1))],
            1 => vec![good.clone(), good.under(cloud::host_key(2))],
            2 => vec![good, Draft::whole(key("undeclared", "x"), "x")],
            3 => vec![good.with("huge", "x".repeat(2 << 20))],
            _ => {
                let twice = |uuid: &str| cloud::host(3).with("system_uuid", uuid);
                vec![good, twice("a"), twice("b")]
            }
        };
        let refused = map.apply(&scan(900, vec![reading("ssh", 900, bad)]));
        prop_assert!(refused.is_err());
        prop_assert_eq!(map.head().number, number);
        prop_assert_eq!(facts(map.head()), before);
        // And the next good batch is derived as if the bad one had never been.
        map.apply(&scan(901, vec![take(&Step::Vm(4, 1, 2), 901)])).expect("sound");
        let changes = map.redeclare(declarations(), at(1000)).changes;
        prop_assert!(changes.links_added.is_empty() && changes.links_removed.is_empty() && changes.links_changed.is_empty());
    }

    #[test]
    fn a_diff_is_what_differs(steps in prop::collection::vec(step(), 2..20), split in 1usize..19) {
        let mut map = map();
        run(&mut map, &steps);
        let split = (split as u64).min(map.head().number);
        let before = map.history().version(split).expect("kept").clone();
        let after = map.head();
        let diff = before.diff(after);
        let said = |version: &Version| -> BTreeMap<String, String> {
            version
                .objects()
                .map(|(_, o)| {
                    let values: Vec<_> = o.attributes().map(|a| (&a.name, &a.believed.value)).collect();
                    (o.key.to_string(), format!("{:?} {:?} {values:?}", o.parent, o.stale.is_some()))
                })
                .collect()
        };
        let (old, new) = (said(&before), said(after));
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let differing: BTreeSet<String> = keys.into_iter().filter(|k| old.get(*k) != new.get(*k)).cloned().collect();
        let found: BTreeSet<String> = diff.objects.iter().map(|change| change.key.to_string()).collect();
        prop_assert_eq!(found, differing);
        let links = |version: &Version| facts(version).1;
        prop_assert_eq!(diff.links.is_empty(), links(&before) == links(after));
        prop_assert!(before.diff(&before).is_empty());
    }

    #[test]
    fn damaged_records_are_refused_or_read_but_never_end_the_program(
        steps in prop::collection::vec(step(), 1..6),
        which in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        flip in 1u8..=255,
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let mut map = map();
        let mut records = run(&mut map, &steps);
        let record = which.index(records.len());
        let place = byte.index(records[record].len());
        records[record][place] ^= flip;
        records.push(noise);
        let profile = Profile::new(environment());
        let read = Map::replay(profile, declarations(), at(0), records.iter().map(Vec::as_slice));
        prop_assert!(read.is_err(), "noise is no record");
    }
}
