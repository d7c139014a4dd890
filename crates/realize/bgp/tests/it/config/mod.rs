//! Configuration files: the sample, inheritance, and every kind of mistake with the line it is on.

mod diff;
mod mistakes;

use bgp::Family;
use bgp::config::{AtLimit, Config, Endpoint, GracefulMode, Hops, Neighbor, RemoteAs};
use bgp::message::{AddPathMode, Role};
use bgp::rib::NextHopMode;

const SAMPLE: &str = include_str!("../../../../../../docs/bgp-sample.toml");
const MANUAL: &str = include_str!("../../../../../../docs/bgp.md");

fn sample() -> Config {
    Config::parse(SAMPLE).unwrap_or_else(|errors| panic!("the sample:\n{errors}"))
}

fn parse(text: &str) -> Config {
    let global = "[global]\nasn = 65000\nrouter-id = \"192.0.2.1\"\n";
    Config::parse(&format!("{global}{text}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn neighbor<'c>(config: &'c Config, endpoint: &str) -> &'c Neighbor {
    let mut neighbors = config.neighbors.iter();
    let found = neighbors.find(|neighbor| neighbor.endpoint.to_string() == endpoint);
    found.unwrap_or_else(|| panic!("no neighbor {endpoint}"))
}

#[test]
fn the_sample_says_what_it_looks_like() {
    let config = sample();
    assert_eq!(config.global.asn, 65000);
    assert_eq!(config.neighbors.len(), 5);
    let carrier = neighbor(&config, "198.51.100.1");
    assert_eq!(carrier.hops, Hops::Security(1));
    assert_eq!(carrier.role, Some(Role::Customer));
    let limit = carrier.families[&Family::Ipv4Unicast]
        .max_prefix
        .expect("a limit");
    assert_eq!(
        (limit.limit, limit.at_limit),
        (1_200_000, AtLimit::Restart(30))
    );
    assert!(
        carrier.families.contains_key(&Family::Ipv6Unicast),
        "from the group"
    );
    let down = neighbor(&config, "2001:db8:ffff::1");
    assert!(!down.families.contains_key(&Family::Ipv4Unicast));
    assert_eq!(
        down.shutdown.as_deref(),
        Some("until their router is replaced")
    );
    let leaf = neighbor(&config, "swp1");
    assert_eq!(leaf.endpoint, Endpoint::Interface("swp1".to_owned()));
    assert_eq!(
        leaf.bfd.map(|bfd| (bfd.interval, bfd.multiplier)),
        Some((300, 3))
    );
    let clients = neighbor(&config, "192.0.2.0/24");
    assert!(clients.passive && clients.export.rr_client);
    assert_eq!(
        (clients.limit, clients.remote_as),
        (500, RemoteAs::Internal)
    );
    let paths = clients.families[&Family::Ipv4Unicast].add_path;
    assert_eq!(paths, Some(AddPathMode::Both));
    let gateway = neighbor(&config, "203.0.113.7");
    assert_eq!(gateway.graceful_restart.restart_time, 60);
    assert_eq!(gateway.timers.hold, 30);
    assert_eq!(gateway.export.next_hop, NextHopMode::OnlySelf);
    assert_eq!(config.policies.0.len(), 3);
    assert_eq!(
        (
            config.vrfs.len(),
            config.mac_vrfs.len(),
            config.networks.len()
        ),
        (1, 1, 3)
    );
    assert_eq!(config.vrfs[0].import.len(), 2);
    assert_eq!((config.kernel.len(), config.bmp.len()), (2, 1));
}

#[test]
fn three_lines_and_a_neighbor_are_enough() {
    let config = parse("[[neighbors]]\naddress = \"2001:db8::2\"\nremote-as = 65001\n");
    let one = neighbor(&config, "2001:db8::2");
    assert_eq!(
        one.family_set().iter().collect::<Vec<_>>(),
        [Family::Ipv6Unicast]
    );
    assert_eq!(
        one.graceful_restart.mode,
        GracefulMode::Full,
        "on by default"
    );
    assert!(one.long_lived.enabled && one.require_policy);
    assert_eq!(config.global.cluster_id, config.global.router_id);
}

/// Each example of the manual stands for itself, beside a head and what its names stand for.
#[test]
fn the_examples_of_the_manual_are_valid() {
    let mut examples = 0;
    let blocks = MANUAL.split("```toml\n").skip(1);
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let mut text = String::new();
        if !block.contains("[global]") {
            text += "[global]\nasn = 65000\nrouter-id = \"192.0.2.1\"\n";
        }
        if block.contains("\"ours\"") && !block.contains("[policies.ours]") {
            text += "[policies.ours]\ndefault = \"accept\"\n";
        }
        text += block;
        Config::parse(&text).unwrap_or_else(|errors| panic!("{block}\n{errors}"));
        examples += 1;
    }
    assert!(examples >= 7, "{examples} examples");
}

#[test]
fn a_neighbor_overrides_its_group_and_a_group_the_global_values() {
    let config = parse(
        r#"
        hold-time = 60
        graceful-restart.restart-time = 50
        [groups.g]
        hold-time = 30
        families.evpn.max-prefix.limit = 10
        [[neighbors]]
        address = "192.0.2.2"
        remote-as = 1
        [[neighbors]]
        address = "192.0.2.3"
        group = "g"
        remote-as = 2
        [[neighbors]]
        address = "192.0.2.4"
        group = "g"
        remote-as = 3
        hold-time = 9
        graceful-restart.notification = false
        families.evpn.max-prefix.warning = 50
        families.vpnv4 = {}
        "#,
    );
    let holds = config.neighbors.iter().map(|neighbor| neighbor.timers.hold);
    assert_eq!(holds.collect::<Vec<_>>(), [60, 30, 9]);
    let keepalives = config
        .neighbors
        .iter()
        .map(|neighbor| neighbor.timers.keepalive);
    assert_eq!(
        keepalives.collect::<Vec<_>>(),
        [20, 10, 3],
        "a third of the hold time"
    );
    let last = neighbor(&config, "192.0.2.4");
    assert_eq!(last.graceful_restart.restart_time, 50);
    assert!(!last.graceful_restart.notification);
    let limit = last.families[&Family::Evpn]
        .max_prefix
        .expect("from the group");
    assert_eq!((limit.limit, limit.warning), (10, 50));
    assert!(last.families.contains_key(&Family::Vpnv4));
}

#[test]
fn a_password_is_never_shown() {
    let text = "[[neighbors]]\naddress = \"192.0.2.2\"\nremote-as = 1\npassword = \"hunter2\"\n";
    let config = parse(text);
    assert!(config.neighbors[0].password.is_some());
    assert!(!format!("{config:?}").contains("hunter2"));
    let long = text.replace("hunter2", &"hunter2".repeat(20));
    let global = "[global]\nasn = 65000\nrouter-id = \"192.0.2.1\"\n";
    let errors = Config::parse(&format!("{global}{long}")).expect_err("it is too long");
    assert!(errors.to_string().contains("1 to 80 octets"), "{errors}");
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
}
