//! Declarations: all faults at once, and new kinds without a change of the engine.

use crate::support::{at, draft, environment, object, reading, scan};
use serde_json::json;
use std::sync::Arc;
use topology::{Declarations, Map, Profile, StatusLevel};

#[test]
fn what_is_shipped_is_sound() {
    let declarations = Declarations::embedded().unwrap_or_else(|errors| panic!("{errors}"));
    assert!(declarations.object_types().count() >= 25);
    assert!(declarations.link_rules().count() >= 18);
}

#[test]
fn all_faults_are_listed_with_file_line_and_reason() {
    let first = r#"
[[type]]
name = "disk"
label = "Disk"
colour = "red"

[[type]]
name = "Volume"
label = "Volume"

[[link]]
type = "instance-disk"
match = [{ source = "{id}", target = "{instance}" }]

[[clique]]
name = "odd"
focal = "instance"
environment = "ANY"
links = ["vnic-vconnector", "instance-vnic", "instance-tape"]
"#;
    let second = r#"
[[link]]
type = "instance-vnic"
match = [{ source = "{id", target = "{x}" }]
name = "{sauce.name}"

[[cause]]
name = "bad"
type = "host"
statuses = ["broken"]
follow = []
effect = "error"
because = "x"

[[teapot]]
short = true
"#;
    let errors = Declarations::load(&[("a.toml", first), ("b.toml", second)]).expect_err("faulty");
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let has = |start: &str, part: &str| {
        assert!(
            texts
                .iter()
                .any(|text| text.starts_with(start) && text.contains(part)),
            "no '{start}' with '{part}' in:\n{}",
            texts.join("\n")
        );
    };
    has("a.toml:5:", "colour");
    has("a.toml:7:", "'Volume' is not a valid object type");
    has("a.toml:11:", "object type 'disk' is not declared");
    has(
        "a.toml:15:",
        "step 'vnic-vconnector' starts at 'vnic', which no step before it reaches",
    );
    has(
        "a.toml:15:",
        "step 'instance-tape' is no declared link type",
    );
    has("b.toml:2:", "'{' is not closed");
    has("b.toml:2:", "'sauce.name' starts with none of");
    has("b.toml:7:", "status 'broken'");
    has("b.toml:15:", "unknown section 'teapot'");
}

#[test]
fn rules_that_read_each_other_are_refused() {
    let toml = r#"
[[type]]
name = "a"
label = "A"
[[type]]
name = "b"
label = "B"
[[stamp]]
type = "a"
attribute = "x"
link = "a-b"
value = "x"
[[link]]
type = "a-b"
match = [{ source = "{x}", target = "{id}" }]
"#;
    let errors = Declarations::load_only(&[("c.toml", toml)]).expect_err("faulty");
    assert_eq!(
        errors.to_string(),
        "c.toml:13: link 'a-b' reads links that read it: a-b"
    );
}

/// A storage cluster, which nothing in the engine knows of: types, links, a clique, a cause and health come from one file.
#[test]
fn a_new_kind_needs_a_file_and_nothing_else() {
    let toml = r#"
[[type]]
name = "disk"
label = "Disk"
layer = 6
folder = [{ name = "disks", text = "Disks" }]
attributes = { wwn = "id" }

[[type]]
name = "osd"
label = "OSD"
layer = 5
folder = [{ name = "osds", text = "OSDs" }]

[[link]]
type = "osd-disk"
match = [{ each_source = "devices", source = "{host}/{item}", target = "{host}/{device}" }]
name = "{source.name} on {target.device}"
depends = "source"

[[clique]]
name = "osd"
focal = "disk"
environment = "ANY"
links = ["disk-osd"]

[[cause]]
name = "disk failing"
type = "disk"
statuses = ["error"]
follow = ["disk-osd"]
same = ["host"]
effect = "error"
because = "disk {name} fails"
"#;
    let declarations =
        Declarations::load(&[("ceph.toml", toml)]).unwrap_or_else(|errors| panic!("{errors}"));
    let mut map = Map::new(Profile::new(environment()), Arc::new(declarations), at(0));
    let host = crate::cloud::host_key(1);
    let drafts = vec![
        crate::cloud::host(1),
        draft(
            "disk",
            "h1-sda",
            json!({ "host": "h1", "device": "sda", "wwn": "5000-c500-a1b2-c3d4" }),
        )
        .under(host.clone()),
        draft(
            "osd",
            "osd.0",
            json!({ "host": "h1", "devices": ["sda", "sdb"] }),
        )
        .under(host),
    ];
    map.apply(&scan(1, vec![reading("ssh", 1, drafts)]))
        .expect("sound");
    let version = map.head().clone();
    let link = version.links().next().expect("one link");
    assert_eq!(link.name.as_deref(), Some("osd.0 on sda"));
    let disk = version.find(&object("disk", "h1-sda")).expect("known");
    let osd = version.find(&object("osd", "osd.0")).expect("known");
    assert_eq!(version.cliques(disk)[0].nodes, [disk, osd]);
    assert_eq!(version.id_path(disk), "/ENV/h1/h1-disks/h1-sda");
    let failing = topology::CheckResult {
        target: topology::Target::Object {
            object: object("disk", "h1-sda"),
            part: None,
        },
        check: "smart".into(),
        level: StatusLevel::Error,
        text: "reallocated sectors".into(),
        at: at(5),
        source: "test".into(),
        valid_for: None,
        withdrawn: false,
    };
    let version = map.check(&[failing], at(5)).version;
    let causes = version.root_causes(at(5));
    assert_eq!(causes[0].because, "disk h1-sda fails");
    assert_eq!(version.level_with_causes(osd, &causes), StatusLevel::Error);
}

/// Two cables between one pair of ends are two links, told apart by what the rule says.
#[test]
fn a_pair_may_have_parallel_links() {
    let toml = r#"
[[type]]
name = "switch"
label = "Switch"
[[link]]
type = "switch-switch"
match = [{ each_source = "cables", source = "{item.to}", target = "{id}" }]
distinct = "{source_item.port}"
name = "port {source_item.port}"
weight = "{source_item.cost}"
"#;
    let declarations = Declarations::load_only(&[("cables.toml", toml)])
        .unwrap_or_else(|errors| panic!("{errors}"));
    let mut map = Map::new(Profile::new(environment()), Arc::new(declarations), at(0));
    let cable = |port: u32, cost: u32| json!({ "to": "b", "port": port, "cost": cost });
    let switch = |cables: Vec<serde_json::Value>| draft("switch", "a", json!({ "cables": cables }));
    let first = vec![
        switch(vec![cable(1, 10), cable(2, 20)]),
        draft("switch", "b", json!({})),
    ];
    map.apply(&scan(1, vec![reading("ssh", 1, first)]))
        .expect("sound");
    let mut links: Vec<(String, i32)> = map
        .head()
        .links()
        .map(|link| {
            (
                link.name.as_deref().unwrap_or_default().to_owned(),
                link.weight,
            )
        })
        .collect();
    links.sort();
    assert_eq!(
        links,
        [("port 1".to_owned(), 10), ("port 2".to_owned(), 20)]
    );
    let second = vec![switch(vec![cable(2, 25)])];
    let changes = map
        .apply(&scan(2, vec![reading("ssh", 2, second)]))
        .expect("sound")
        .changes;
    assert_eq!(changes.links_removed[0].distinct.as_deref(), Some("1"));
    assert_eq!(changes.links_changed[0].distinct.as_deref(), Some("2"));
}
