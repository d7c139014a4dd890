//! Health over time: evidence that gets too old, comes too late, is said again, or is dated ahead.

use crate::cloud;
use crate::support::{at, map, object, reading, scan};
use topology::{
    CheckResult, Handle, LinkKey, Map, ObjectRef, OverviewQuery, Report, StatusLevel, Subject,
    Target, Version,
};

fn small() -> Map {
    let mut map = map();
    map.apply(&scan(1, vec![reading("ssh", 1, cloud::small())]))
        .expect("sound");
    map
}

/// A result that says something for a minute.
fn check(target: Target, level: StatusLevel, second: i64) -> CheckResult {
    CheckResult {
        target,
        check: "ping".into(),
        level,
        text: format!("{level} at {second}").into(),
        at: at(second),
        source: "test".into(),
        valid_for: Some(60),
        withdrawn: false,
    }
}

fn of(object: &ObjectRef) -> Target {
    Target::Object {
        object: object.clone(),
        part: None,
    }
}

fn handle(version: &Version, key: &ObjectRef) -> Handle {
    version.find(key).expect("known")
}

/// A switch port that fails and a link that is fine, both by checks that hold until second 70.
fn checked() -> (Map, ObjectRef, LinkKey) {
    let mut map = small();
    let port = object("switch_pnic", "leaf1-eth1__1");
    let link = map
        .head()
        .links()
        .find(|link| link.link_type.as_str() == "vedge-otep")
        .and_then(|link| map.head().link_key(link))
        .expect("there");
    let results = [
        check(of(&port), StatusLevel::Error, 10),
        check(Target::Link(link.clone()), StatusLevel::Ok, 10),
    ];
    map.check(&results, at(10));
    (map, port, link)
}

#[test]
fn what_is_too_old_says_nothing_anywhere() {
    let (map, port, link) = checked();
    let version = map.head();
    let port_handle = handle(version, &port);
    let vm = handle(version, &object("instance", "vm1"));
    let link = version.link(&link).expect("there");
    let levels = |second| {
        let causes = version.root_causes(at(second));
        (
            version.level(port_handle, at(second)),
            version.level_with_causes(vm, &causes),
            version.link_level(link, at(second)),
            causes.len(),
        )
    };
    use StatusLevel::{Error, Ok, Unknown, Warning};
    assert_eq!(levels(70), (Error, Warning, Ok, 1));
    assert_eq!(levels(71), (Unknown, Unknown, Unknown, 0));
    let query = OverviewQuery {
        budget: 500,
        open: Default::default(),
        tenants: None,
    };
    let worst = |second| {
        let overview = version.overview(&query, at(second), None);
        overview.nodes.iter().map(|node| node.level).max()
    };
    assert_eq!(
        [worst(20), worst(71), worst(20)],
        [Some(Error), Some(Unknown), Some(Error)]
    );
    let trouble = |second| {
        Report::of_inventory(version, at(second)).sections[3]
            .rows
            .len()
    };
    assert_eq!([trouble(70), trouble(71)], [1, 0]);
}

#[test]
fn a_difference_tells_of_evidence_that_became_too_old() {
    let (mut map, port, link) = checked();
    let before = map.head().clone();
    let again = scan(100, vec![reading("ssh", 100, cloud::small())]);
    let after = map.apply(&again).expect("sound").version;
    let mut subjects: Vec<Subject> = before
        .diff(&after)
        .health
        .into_iter()
        .map(|change| {
            assert_eq!((change.after, &*change.text), (StatusLevel::Unknown, ""));
            change.subject
        })
        .collect();
    subjects.sort();
    assert_eq!(subjects, [Subject::Object(port), Subject::Link(link)]);
}

#[test]
fn what_is_dated_ahead_is_of_now() {
    let mut map = small();
    let port = object("switch_pnic", "leaf1-eth1__1");
    let ahead = check(of(&port), StatusLevel::Ok, 1_000_000);
    let version = map.check(&[ahead], at(10)).version;
    let handle = handle(&version, &port);
    assert_eq!(version.level(handle, at(70)), StatusLevel::Ok);
    assert_eq!(version.level(handle, at(71)), StatusLevel::Unknown);
    let version = map
        .check(&[check(of(&port), StatusLevel::Error, 20)], at(20))
        .version;
    assert_eq!(version.level(handle, at(20)), StatusLevel::Error);
}

#[test]
fn a_check_that_says_the_same_again_renews_its_evidence_and_tells_nobody() {
    let (mut map, port, _) = checked();
    let again = |map: &mut Map, level, second| {
        let committed = map.check(&[check(of(&port), level, second)], at(second));
        let (told, ignored) = (committed.changes.checked.len(), committed.changes.ignored);
        (
            committed.version.number,
            told,
            ignored,
            committed.record.is_some(),
        )
    };
    let number = map.head().number;
    for second in [40, 70, 100] {
        let said = again(&mut map, StatusLevel::Error, second);
        assert_eq!(said, (number, 0, 0, false));
    }
    let version = map.head().clone();
    let handle = handle(&version, &port);
    assert_eq!(version.level(handle, at(160)), StatusLevel::Error);
    // The same after a silence is news, and so is another level.
    let said = again(&mut map, StatusLevel::Error, 161);
    assert_eq!(said, (number + 1, 1, 0, true));
    let said = again(&mut map, StatusLevel::Ok, 170);
    assert_eq!(said, (number + 2, 1, 0, true));
    assert_eq!(map.head().level(handle, at(230)), StatusLevel::Ok);
}

#[test]
fn a_result_from_before_its_withdrawal_does_not_bring_the_check_back() {
    let (mut map, port, _) = checked();
    let withdrawn = CheckResult {
        withdrawn: true,
        ..check(of(&port), StatusLevel::Error, 30)
    };
    map.check(&[withdrawn], at(30));
    let late = map.check(&[check(of(&port), StatusLevel::Error, 30)], at(31));
    assert_eq!((late.changes.ignored, late.record.is_none()), (1, true));
    let handle = handle(map.head(), &port);
    assert_eq!(map.head().level(handle, at(31)), StatusLevel::Unknown);
    let anew = map.check(&[check(of(&port), StatusLevel::Error, 32)], at(32));
    assert_eq!(anew.version.level(handle, at(32)), StatusLevel::Error);
    // A withdrawal may come before the result it is of.
    let other = object("switch_pnic", "leaf1-eth1__2");
    let withdrawn = CheckResult {
        withdrawn: true,
        ..check(of(&other), StatusLevel::Error, 30)
    };
    let first = map.check(&[withdrawn], at(33));
    assert_eq!((first.changes.checked.len(), first.changes.ignored), (0, 0));
    let late = map.check(&[check(of(&other), StatusLevel::Error, 20)], at(34));
    assert_eq!(late.changes.ignored, 1);
}
