//! Which versions are kept, and what a tenant is told of the difference between two.

use crate::support::{at, draft, environment, map, object, reading, scan};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use topology::{CheckResult, Declarations, Map, Profile, Retention, StatusLevel, Subject, Target};

#[test]
fn a_busy_day_leaves_the_year_as_it_is() {
    let mut map = map();
    let seconds = |seconds| jiff::SignedDuration::from_secs(seconds);
    let policy = Retention {
        all: seconds(10),
        sparse: seconds(1000),
        step: seconds(100),
        at_most: 3,
    };
    for second in [150, 250, 350, 441, 442, 443, 444, 445, 446] {
        map.apply(&scan(second, vec![reading("ssh", second, Vec::new())]))
            .expect("sound");
    }
    map.retain(&policy, at(446));
    let kept: Vec<i64> = map
        .history()
        .iter()
        .map(|(version, _)| version.at.as_second())
        .collect();
    assert_eq!(kept, [0, 150, 250, 350, 443, 444, 445, 446]);
}

const SWITCHES: &str = r#"
[[type]]
name = "switch"
label = "Switch"
tenant = ["project"]
[[link]]
type = "switch-switch"
match = [{ each_source = "cables", source = "{item.to}", target = "{id}" }]
"#;

/// `a` and `b` are one tenant's, `c` is another's. New cables go from `a` to both, and `b`, which stays as it was, fails.
#[test]
fn a_tenant_is_told_of_its_own_links_and_health() {
    let declarations = Declarations::load_only(&[("switches.toml", SWITCHES)])
        .unwrap_or_else(|errors| panic!("{errors}"));
    let mut map = Map::new(Profile::new(environment()), Arc::new(declarations), at(0));
    let switch = |id: &str, project: &str, to: &[&str]| {
        let cables: Vec<_> = to.iter().map(|to| json!({ "to": to })).collect();
        draft(
            "switch",
            id,
            json!({ "project": project, "cables": cables }),
        )
    };
    let first = vec![
        switch("a", "t1", &[]),
        switch("b", "t1", &[]),
        switch("c", "t2", &[]),
    ];
    map.apply(&scan(1, vec![reading("ssh", 1, first)]))
        .expect("sound");
    let before = map.head().clone();
    let cabled = vec![switch("a", "t1", &["b", "c"])];
    map.apply(&scan(2, vec![reading("ssh", 2, cabled)]))
        .expect("sound");
    let failing = |id: &str| CheckResult {
        target: Target::Object {
            object: object("switch", id),
            part: None,
        },
        check: "ping".into(),
        level: StatusLevel::Error,
        text: "no answer".into(),
        at: at(3),
        source: "test".into(),
        valid_for: None,
        withdrawn: false,
    };
    let after = map.check(&[failing("b"), failing("c")], at(3)).version;
    let diff = before.diff(&after);
    assert_eq!((diff.links.len(), diff.health.len()), (2, 2));
    let told = |tenant: &str| {
        let diff = diff.of_tenants(&before, &after, &BTreeSet::from([Arc::from(tenant)]));
        let objects = diff.objects.iter().map(|change| change.key.to_string());
        let links = diff.links.iter().map(|link| link.key.to_string());
        let health = diff.health.iter().map(|change| match &change.subject {
            Subject::Object(object) => object.to_string(),
            Subject::Link(link) => link.to_string(),
        });
        objects.chain(links).chain(health).collect::<Vec<_>>()
    };
    let (one, two) = (told("t1"), told("t2"));
    let own =
        diff.links.iter().map(|link| &link.key).find(|link| {
            link.source == object("switch", "b") || link.target == object("switch", "b")
        });
    let own = own.expect("a link of two ends of one tenant").to_string();
    assert_eq!(one, ["switch/a".to_owned(), own, "switch/b".to_owned()]);
    assert_eq!(two, ["switch/c"]);
}
