//! What a change of configuration costs.

use super::parse;
use bgp::config::{Config, Cost, Endpoint, Part};

const NEIGHBOR: &str = "[[neighbors]]\naddress = \"192.0.2.2\"\nremote-as = 1\n";

fn costs(old: &str, new: &str) -> Vec<(Part, Cost)> {
    let diff = Config::diff(&parse(old), &parse(new));
    let changes = diff.changes.into_iter();
    changes.map(|change| (change.part, change.cost)).collect()
}

fn neighbor() -> Part {
    Part::Neighbor(Endpoint::Address([192, 0, 2, 2].into(), None))
}

#[test]
fn nothing_costs_nothing() {
    assert_eq!(costs(NEIGHBOR, NEIGHBOR), []);
    assert!(Config::diff(&super::sample(), &super::sample()).is_empty());
}

#[test]
fn only_what_the_protocol_fixes_resets_a_session() {
    let is_reset = |cost: Cost| matches!(cost, Cost::Reset(_) | Cost::Reconnect(_));
    let table = [
        ("description = \"x\"", false),
        ("hold-time = 30", false),
        ("passive = true", false),
        ("bfd = {}", false),
        ("next-hop = \"self\"", false),
        ("allow-own-as = 1", false),
        ("remove-private = true", false),
        ("graceful-restart.restart-time = 10", false),
        ("long-lived-graceful-restart.enabled = false", false),
        ("families.ipv4-unicast.max-prefix.limit = 10", false),
        ("ebgp-requires-policy = false", false),
        ("families = [\"evpn\"]", true),
        ("families.ipv4-unicast.add-path = \"both\"", true),
        ("local-as = 7", true),
        ("password = \"x\"", true),
        ("ttl-security = 1", true),
        ("role = \"peer\"", true),
        ("shutdown = true", true),
    ];
    for (line, reset) in table {
        let costs = costs(NEIGHBOR, &format!("{NEIGHBOR}{line}\n"));
        assert!(!costs.is_empty(), "{line}");
        assert!(
            costs.iter().all(|(part, _)| *part == neighbor()),
            "{line}: {costs:?}"
        );
        assert_eq!(
            costs.iter().any(|(_, cost)| is_reset(*cost)),
            reset,
            "{line}: {costs:?}"
        );
    }
    let with = |password: &str| format!("{NEIGHBOR}password = \"{password}\"\n");
    let changed = costs(&with("x"), &with("y"));
    assert_eq!(changed, [(neighbor(), Cost::Nothing)]);
}

#[test]
fn parts_are_told_apart() {
    let old = format!("{NEIGHBOR}[policies.a]\n[policies.b]\n[vrfs.v]\nrd = \"1:1\"\n");
    let new = "[policies.a]\ndefault = \"accept\"\n[policies.c]\n[vrfs.v]\nrd = \"1:2\"\n";
    let policy = |name: &str| Part::Policy(name.to_owned());
    let expected = [
        (neighbor(), Cost::Reset("it is not configured any more")),
        (policy("a"), Cost::PolicyRun),
        (policy("c"), Cost::PolicyRun),
        (policy("b"), Cost::PolicyRun),
        (Part::Vrf("v".to_owned()), Cost::PolicyRun),
    ];
    assert_eq!(costs(&old, new), expected);
}

#[test]
fn a_vrf_and_a_mac_vrf_may_have_one_name() {
    let l3 = "[vrfs.v]\nrd = \"1:1\"\n";
    let both = format!("{l3}[mac-vrfs.v]\nrd = \"1:2\"\nvni = 7\n");
    assert_eq!(costs(&both, &both), []);
    let mac_vrf = (Part::MacVrf("v".to_owned()), Cost::PolicyRun);
    assert_eq!(costs(&both, l3), std::slice::from_ref(&mac_vrf));
    assert_eq!(costs(&both, &both.replace("vni = 7", "vni = 8")), [mac_vrf]);
}

#[test]
fn values_are_shown_as_they_are_written() {
    let what = |line: &str| {
        let new = parse(&format!("{NEIGHBOR}{line}\n"));
        let diff = Config::diff(&parse(NEIGHBOR), &new);
        diff.changes[0].what.clone()
    };
    for (line, expected) in [
        ("hold-time = 30", "hold-time 90 → 30"),
        ("description = \"x\"", "description none → x"),
        ("ttl-security = 1", "ttl none → ttl-security 1"),
        ("role = \"peer\"", "role none → peer"),
        ("password = \"hunter2\"", "password changed"),
        (
            "families = [\"evpn\", \"vpnv4\"]",
            "families ipv4-unicast → vpnv4, evpn",
        ),
        (
            "graceful-restart.restart-time = 10",
            "graceful-restart.restart-time 120 → 10",
        ),
    ] {
        assert_eq!(what(line), expected);
    }
    let external = NEIGHBOR.replace("= 1", "= \"external\"");
    let diff = Config::diff(&parse(NEIGHBOR), &parse(&external));
    assert_eq!(diff.changes[0].what, "remote-as 1 → external");
}
