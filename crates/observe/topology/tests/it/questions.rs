//! What is asked of a version: search, tree, ways, impact, causes, pictures, reports, history.

use crate::cloud;
use crate::support::{at, map, object, reading, scan};
use std::collections::BTreeSet;
use topology::{
    ChangeKind, CheckResult, Layout, Map, Match, ObjectRef, OverviewQuery, Place, Reach, Report,
    Retention, Row, SearchQuery, StatusLevel, Target, Version,
};

fn small() -> Map {
    let mut map = map();
    map.apply(&scan(1, vec![reading("ssh", 1, cloud::small())]))
        .expect("sound");
    map
}

fn found(version: &Version, text: &str) -> Vec<(String, Match)> {
    let query = SearchQuery {
        text: text.into(),
        limit: 20,
        ..Default::default()
    };
    let hits = version.search(&query, |_| true).hits;
    hits.iter()
        .map(|hit| {
            (
                version.object(hit.handle).expect("known").key.to_string(),
                hit.matched,
            )
        })
        .collect()
}

fn check(object: ObjectRef, level: StatusLevel, second: i64) -> CheckResult {
    CheckResult {
        target: Target::Object { object, part: None },
        check: "test".into(),
        level,
        text: "as tested".into(),
        at: at(second),
        source: "test".into(),
        valid_for: None,
        withdrawn: false,
    }
}

#[test]
fn each_version_finds_its_own_texts_in_the_index_all_share() {
    let mut map = small();
    let mut versions = vec![(map.head().clone(), "front".to_owned())];
    for second in 2..40 {
        let name = format!("renamed-{second}-times");
        let network = cloud::network(1, &name);
        map.apply(&scan(second, vec![reading("ssh", second, vec![network])]))
            .expect("sound");
        versions.push((map.head().clone(), name));
    }
    let expected = [("network/net1".to_owned(), Match::Exact)];
    for (version, name) in &versions {
        assert_eq!(found(version, name), expected);
        let others = versions.iter().filter(|(_, other)| other != name);
        for (_, other) in others {
            assert!(
                found(version, other).is_empty(),
                "{name} is found as {other}"
            );
        }
    }
}

#[test]
fn anything_pasted_is_found() {
    let mut map = small();
    let version = map.head().clone();
    let macs = [
        "fa:16:3e:00:00:01",
        "FA-16-3E-00-00-01",
        "fa16.3e00.0001",
        "fa163e000001",
    ];
    let expected = [
        ("port/port1".to_owned(), Match::Exact),
        ("vnic/h1-tap1".to_owned(), Match::Exact),
    ];
    for mac in macs {
        assert_eq!(found(&version, mac), expected, "{mac}");
    }
    let inside = |text: &str| {
        found(&version, text)
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(inside("10.1.0.1"), ["port/port1", "network/net1"]);
    assert_eq!(inside("10.2.0.0/24"), ["network/net2", "port/port2"]);
    assert_eq!(
        found(&version, "front"),
        [("network/net1".to_owned(), Match::Exact)]
    );
    assert_eq!(
        found(&version, "ron"),
        [("network/net1".to_owned(), Match::Part)]
    );
    assert_eq!(
        found(&version, "vm1")[0],
        ("instance/vm1".to_owned(), Match::Exact)
    );
    assert!(found(&version, "  ").is_empty());
    assert!(found(&version, "no such thing").is_empty());
    // What changes is found under its new name at once, and under the old one in the old version.
    map.apply(&scan(
        2,
        vec![reading("ssh", 2, vec![cloud::network(1, "renamed")])],
    ))
    .expect("sound");
    assert!(found(map.head(), "front").is_empty());
    assert_eq!(found(map.head(), "renamed").len(), 1);
    assert_eq!(found(&version, "front").len(), 1);
    let hidden = version.search(
        &SearchQuery {
            text: "net".into(),
            limit: 9,
            ..Default::default()
        },
        |_| false,
    );
    assert_eq!((hidden.total, hidden.hits.len()), (0, 0));
}

#[test]
fn the_tree_has_folders_where_something_lies_in_them() {
    let mut map = small();
    let service = |id: &str, kind: &str| {
        let draft = crate::support::draft(
            "vservice",
            id,
            serde_json::json!({ "host": "h1", "service_type": kind }),
        );
        draft.under(cloud::host_key(1))
    };
    let drafts = vec![
        service("h1-qdhcp-net1", "dhcp"),
        service("h1-qrouter-r", "router"),
        service("h1-x", "strange"),
    ];
    map.apply(&scan(2, vec![reading("ssh", 2, drafts)]))
        .expect("sound");
    let version = map.head();
    let host = Place {
        object: Some(object("host", "h1")),
        folders: vec![],
    };
    let rows = version.rows(&host);
    let folders: Vec<(String, usize)> = rows
        .iter()
        .filter_map(|row| match row {
            Row::Folder { id, count, .. } => Some((id.clone(), *count)),
            Row::Object { .. } => None,
        })
        .collect();
    let expected = [
        ("h1-instances", 1),
        ("h1-vservices", 3),
        ("h1-host_pnics", 1),
        ("h1-vconnectors", 1),
        ("h1-vedges", 1),
    ];
    let mut expected: Vec<_> = expected.map(|(id, n)| (id.to_owned(), n)).to_vec();
    let mut folders_sorted = folders.clone();
    expected.sort();
    folders_sorted.sort();
    assert_eq!(folders_sorted, expected);
    let services = Place {
        folders: vec!["vservices".into()],
        ..host
    };
    let below: Vec<String> = version
        .rows(&services)
        .iter()
        .map(|row| match row {
            Row::Folder { id, text, .. } => format!("{id} {text}"),
            Row::Object { .. } => "object".into(),
        })
        .collect();
    assert_eq!(
        below,
        [
            "h1-vservices-dhcps DHCP servers",
            "h1-vservices-routers Gateways",
            "h1-vservices-miscellaneous Miscellaneous"
        ]
    );
    let router = version
        .find(&object("vservice", "h1-qrouter-r"))
        .expect("known");
    assert_eq!(
        version.name_path(router),
        "/ENV/h1/Vservices/Gateways/h1-qrouter-r"
    );
}

#[test]
fn a_way_leads_from_the_instance_to_the_switch() {
    let map = small();
    let version = map.head();
    let from = version.find(&object("instance", "vm1")).expect("known");
    let to = version.find(&object("switch", "leaf1")).expect("known");
    let paths = version.paths(from, to, 5);
    let types: Vec<&str> = paths[0]
        .iter()
        .map(|link| link.link_type.as_str())
        .collect();
    assert_eq!(
        types,
        [
            "instance-vnic",
            "vnic-vconnector",
            "vconnector-vedge",
            "vedge-otep",
            "otep-host_pnic",
            "host_pnic-switch_pnic",
            "switch-switch_pnic"
        ]
    );
    let reach = Reach {
        depth: 2,
        ..Reach::default()
    };
    let around = version.neighbours(&[from], &reach);
    assert_eq!(around.nodes.len(), 3);
    assert_eq!(around.links.len(), 2);
}

#[test]
fn a_switch_hits_everything_behind_it_and_counts_by_tenant_host_and_network() {
    let map = small();
    let version = map.head();
    let switch = version.find(&object("switch", "leaf1")).expect("known");
    let impact = version.impact(&[switch]);
    let counts = version.impact_counts(&impact);
    assert_eq!(counts.by_type[&object("instance", "x").object_type], 2);
    assert_eq!(
        counts
            .by_tenant
            .keys()
            .map(AsRef::as_ref)
            .collect::<Vec<&str>>(),
        ["t0", "t1"]
    );
    assert!(counts.by_place["h1"] >= 6 && counts.by_place["h2"] >= 6);
    assert!(counts.by_network["front"] >= 2, "{counts:?}");
    let vm = version.find(&object("instance", "vm1")).expect("known");
    let chain: Vec<String> = version
        .impact_chain(&impact, vm)
        .iter()
        .map(|handle| {
            version
                .object(*handle)
                .expect("known")
                .key
                .object_type
                .to_string()
        })
        .collect();
    assert_eq!(
        chain,
        [
            "switch",
            "switch_pnic",
            "host_pnic",
            "otep",
            "vedge",
            "vconnector",
            "vnic",
            "instance"
        ]
    );
    // One host's NIC hits that host's instance only; a network hits its clique.
    let nic = version
        .find(&object("host_pnic", "eth0-02:00:00:00:00:01"))
        .expect("known");
    let hit = |handle| {
        version
            .impact(&[handle])
            .hit
            .iter()
            .map(|h| h.handle)
            .collect::<BTreeSet<_>>()
    };
    let other = version.find(&object("instance", "vm2")).expect("known");
    assert!(hit(nic).contains(&vm) && !hit(nic).contains(&other));
    let network = version.find(&object("network", "net1")).expect("known");
    assert!(hit(network).contains(&vm) && !hit(network).contains(&other));
    let report = Report::of_impact(version, &impact);
    assert!(report.to_markdown().contains("## By tenant"));
    assert!(report.to_csv().contains("By tenant,t1,"));
}

#[test]
fn the_one_object_to_blame_is_named_and_recovery_clears_it() {
    let mut map = small();
    let switch_port = object("switch_pnic", "leaf1-eth1__1");
    let nic = object("host_pnic", "eth0-02:00:00:00:00:01");
    let results = [
        check(switch_port.clone(), StatusLevel::Error, 10),
        check(nic.clone(), StatusLevel::Error, 11),
        check(object("otep", "h1-otep"), StatusLevel::Error, 12),
    ];
    let version = map.check(&results, at(12)).version;
    let causes = version.root_causes(at(12));
    assert_eq!(causes.len(), 1, "{causes:?}");
    let blamed = version.object(causes[0].cause).expect("known");
    assert_eq!(blamed.key, switch_port);
    assert_eq!(causes[0].because, "switch port leaf1-eth1__1 is down");
    let vm = version.find(&object("instance", "vm1")).expect("known");
    let chain = causes[0].chain(vm);
    assert_eq!(
        (chain[0], *chain.last().expect("long")),
        (causes[0].cause, vm)
    );
    assert_eq!(version.level_with_causes(vm, &causes), StatusLevel::Warning);
    let other = version.find(&object("instance", "vm2")).expect("known");
    assert!(causes.of(other).next().is_none());
    // The switch port recovers: the NIC is to blame now. It recovers too: the endpoint is left.
    let version = map
        .check(&[check(switch_port, StatusLevel::Ok, 20)], at(20))
        .version;
    assert_eq!(
        version
            .object(version.root_causes(at(20))[0].cause)
            .expect("known")
            .key,
        nic
    );
    let version = map
        .check(&[check(nic, StatusLevel::Ok, 21)], at(21))
        .version;
    assert_eq!(
        version.root_causes(at(21))[0].because,
        "tunnels of h1-otep fail"
    );
    let version = map
        .check(
            &[check(object("otep", "h1-otep"), StatusLevel::Ok, 22)],
            at(22),
        )
        .version;
    assert!(version.root_causes(at(22)).is_empty());
    // A link of a failing end is a warning, of two failing ends an error.
    let link = |version: &Version| {
        version
            .links()
            .find(|l| l.link_type.as_str() == "vedge-otep")
            .expect("there")
            .clone()
    };
    assert_eq!(
        version.link_level(&link(&version), at(22)),
        StatusLevel::Unknown
    );
}

#[test]
fn versions_are_kept_named_compared_and_forgotten() {
    let mut map = small();
    map.snapshot("as designed", true, at(2)).expect("free");
    assert!(map.snapshot("as designed", false, at(3)).is_err());
    for second in 4..20 {
        let drafts = vec![cloud::pnic(1, second % 2 == 0)];
        map.apply(&scan(second, vec![reading("ssh", second, drafts)]))
            .expect("sound");
    }
    assert_eq!(map.history().at(at(5)).expect("kept").at, at(5));
    assert_eq!(map.history().at(at(-1)).map(|version| version.number), None);
    let designed = map.history().named("as designed").expect("kept").clone();
    let diff = designed.diff(map.head());
    let attribute = &diff.objects[0].attributes[0];
    assert_eq!(
        (diff.objects.len(), attribute.name.as_ref()),
        (1, "Link detected")
    );
    assert_eq!(
        diff.links
            .iter()
            .filter(|link| link.kind == ChangeKind::Changed)
            .count(),
        2
    );
    let (cliques, more) = designed.clique_changes(map.head(), &diff, 100);
    assert!(
        cliques.is_empty() && !more,
        "the same links, so the same cliques: {cliques:?}"
    );
    let policy = Retention {
        all: jiff::SignedDuration::from_secs(3),
        sparse: jiff::SignedDuration::from_secs(10),
        step: jiff::SignedDuration::from_secs(5),
        at_most: 100,
    };
    let gone = map.retain(&policy, at(19));
    assert!(!gone.is_empty());
    assert!(map.history().named("as designed").is_some());
    let kept: Vec<i64> = map
        .history()
        .iter()
        .map(|(version, _)| version.at.as_second())
        .collect();
    assert_eq!(kept, [2, 9, 14, 16, 17, 18, 19]);
    // A clique that lost a link is told of, by its focal object.
    let before = map.head().clone();
    map.apply(&scan(
        30,
        vec![reading("ssh", 30, vec![cloud::edge(1, &[])])],
    ))
    .expect("sound");
    let diff = before.diff(map.head());
    let (cliques, _) = before.clique_changes(map.head(), &diff, 100);
    let focals: Vec<String> = cliques
        .iter()
        .map(|change| change.focal.to_string())
        .collect();
    assert!(
        focals.contains(&"instance/vm1".to_owned()) && focals.contains(&"switch/leaf1".to_owned())
    );
    assert!(!focals.contains(&"instance/vm2".to_owned()));
    let report = Report::of_diff(&before, map.head(), &diff, &cliques);
    assert!(report.to_html().starts_with("<!doctype html>"));
    assert!(report.to_json().expect("JSON").contains("instance/vm1"));
}

#[test]
fn pictures_stay_small_and_still() {
    let mut map = small();
    let query = OverviewQuery {
        budget: 6,
        open: BTreeSet::new(),
        tenants: None,
    };
    let before = map.head().overview(&query, at(5), None);
    assert_eq!(before.nodes.len(), 5, "switch, two networks, two hosts");
    assert!(before.nodes.iter().all(|node| node.closed));
    let unchecked = |node: &topology::Supernode| node.level == StatusLevel::Unknown;
    assert!(
        before.nodes.iter().all(unchecked),
        "nothing is healthy without a check"
    );
    let total: usize = before
        .nodes
        .iter()
        .flat_map(|node| node.counts.values())
        .sum();
    assert_eq!(total, map.head().object_count());
    assert!(!before.edges.is_empty());
    assert_eq!(map.head().overview(&query, at(5), None), before);
    map.apply(&scan(
        2,
        vec![reading(
            "ssh",
            2,
            vec![cloud::host(3), cloud::pnic(3, true)],
        )],
    ))
    .expect("sound");
    let after = map.head().overview(&query, at(5), Some(&before.layout));
    for (key, position) in &before.layout.positions {
        assert_eq!(after.layout.positions[key], *position);
    }
    let open = OverviewQuery {
        budget: 6,
        open: BTreeSet::from([object("host", "h1")]),
        tenants: None,
    };
    let opened = map.head().overview(&open, at(5), None);
    assert!(
        opened
            .nodes
            .iter()
            .any(|node| node.key == object("instance", "vm1"))
    );
    let version = map.head();
    let vm = version.find(&object("instance", "vm1")).expect("known");
    let clique = &version.cliques(vm)[0];
    let layout = Layout::layered(version, &clique.nodes, &clique.links, None);
    assert_eq!(layout.positions.len(), clique.nodes.len());
    assert!(
        layout.positions[&object("instance", "vm1")].y
            < layout.positions[&object("vedge", "h1-ovs")].y
    );
}

#[test]
fn an_overview_of_tenants_is_as_if_there_were_no_others() {
    let map = small();
    let version = map.head();
    let tenants: BTreeSet<std::sync::Arc<str>> = version
        .objects()
        .filter_map(|(handle, _)| version.tenant(handle))
        .collect();
    let tenant = tenants.first().cloned().expect("a tenant");
    let query = OverviewQuery {
        budget: 100,
        open: BTreeSet::new(),
        tenants: Some(BTreeSet::from([tenant.clone()])),
    };
    let overview = version.overview(&query, at(5), None);
    let shown: BTreeSet<&ObjectRef> = overview.nodes.iter().map(|node| &node.key).collect();
    let own: BTreeSet<&ObjectRef> = version
        .objects()
        .filter(|(handle, _)| version.tenant(*handle).as_ref() == Some(&tenant))
        .map(|(_, object)| &object.key)
        .collect();
    assert!(!own.is_empty() && own.len() < version.object_count());
    assert_eq!(shown, own);
}

/// Whatever the budget, no change is left out: what has no node of its own is counted in one above it.
#[test]
fn a_picture_of_changes_has_all_of_them_within_its_budget() {
    let mut map = small();
    let before = map.head().clone();
    let hosts: Vec<_> = (10..40)
        .flat_map(|n| [cloud::host(n), cloud::pnic(n, true)])
        .collect();
    map.apply(&scan(2, vec![reading("ssh", 2, hosts)]))
        .expect("sound");
    let after = map.head();
    let diff = before.diff(after);
    for budget in [1, 5, 30, 45, 1000] {
        let query = OverviewQuery {
            budget,
            open: BTreeSet::new(),
            tenants: None,
        };
        let picture = before.changes_picture(after, &diff, &query);
        let told: usize = picture
            .nodes
            .iter()
            .flat_map(|node| node.changes.values())
            .sum();
        assert_eq!(told, diff.objects.len(), "budget {budget}");
        let roots = 34;
        assert!(
            picture.nodes.len() <= budget.max(roots),
            "{} of {budget}",
            picture.nodes.len()
        );
        assert_eq!(picture.layout.positions.len(), picture.nodes.len());
        let keys: BTreeSet<&ObjectRef> = picture.nodes.iter().map(|node| &node.key).collect();
        assert!(
            picture
                .edges
                .iter()
                .all(|edge| keys.contains(&edge.source) && keys.contains(&edge.target))
        );
        let hidden = picture.nodes.iter().any(|node| node.closed);
        assert_eq!(hidden, budget < diff.objects.len(), "budget {budget}");
    }
}

/// A bond carries the address; its members hang on the switches.
#[test]
fn a_switch_reaches_instances_through_a_bond() {
    let mut map = small();
    let bond = crate::support::draft(
        "host_pnic",
        "bond0-02:00:00:00:00:01",
        serde_json::json!({ "host": "h1", "local_name": "bond0", "IP Address": "10.0.0.1", "mac_address": "02:00:00:00:00:01",
            "members": { "eth0": { "name": "eth0", "id": "eth0-02:00:00:00:00:01" } } }),
    );
    let mut bond = bond.under(cloud::host_key(1));
    bond.name = Some("bond0".into());
    let mut member = cloud::pnic(1, true);
    member.attributes.remove("IP Address");
    map.apply(&scan(2, vec![reading("ssh", 2, vec![bond, member])]))
        .expect("sound");
    let version = map.head();
    let link = version
        .links()
        .find(|link| link.link_type.as_str() == "host_pnic-host_pnic")
        .expect("joined");
    assert_eq!(link.name.as_deref(), Some("bond0-eth0"));
    let vm = version.find(&object("instance", "vm1")).expect("known");
    let switch = version.find(&object("switch", "leaf1")).expect("known");
    assert!(version.cliques(switch)[0].nodes.contains(&vm));
    assert!(
        version
            .impact(&[switch])
            .hit
            .iter()
            .any(|hurt| hurt.handle == vm)
    );
}
