//! EVPN type 5 in a table of the kernel: the route, the neighbour and the forwarding entry that make packets of a VRF go
//! through VXLAN to another router, and come back.

use crate::lab::{Netns, Running, until};
use crate::sessions::pair;
use crate::vtep::{Frr, TABLE, config, host_addresses, ours, prefixes, router_mac};

/// What of ours the kernel has: routes, neighbours, forwarding entries of the router MAC of VTEP `n`.
#[derive(Debug, PartialEq, Eq)]
struct Kernel {
    routes: Vec<String>,
    neighbors: usize,
    forwards: usize,
}

fn kernel(netns: &Netns, n: u8) -> Kernel {
    let routes = ["-4", "-6"].map(|family| {
        let shown = netns.exec(&format!("ip {family} route show table {TABLE} proto 179"));
        shown.unwrap_or_default()
    });
    let routes = routes.iter().flat_map(|shown| shown.lines());
    let routes = routes.filter(|line| line.starts_with(|first: char| first.is_ascii_digit()));
    let mac = router_mac(n);
    let neighbors = netns.must("ip neigh show dev br1 nud permanent");
    let forwards = netns.must("bridge fdb show dev vx1");
    // A bridge that knows VLANs shows one for each.
    let has = |table: &str| {
        let mut lines = forwards.lines();
        lines.any(|line| line.contains(&mac) && line.split(' ').any(|word| word == table))
    };
    Kernel {
        routes: routes
            .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
            .collect(),
        neighbors: neighbors.lines().filter(|line| line.contains(&mac)).count(),
        forwards: ["self", "master"]
            .into_iter()
            .filter(|table| has(table))
            .count(),
    }
}

/// Both families' routes to VTEP `n`; its neighbour under both names; its MAC in the device's table and in the bridge's.
fn complete(n: u8) -> Kernel {
    Kernel {
        routes: prefixes(n).to_vec(),
        neighbors: 2,
        forwards: 2,
    }
}

const NOTHING: Kernel = Kernel {
    routes: Vec::new(),
    neighbors: 0,
    forwards: 0,
};

fn wait(netns: &Netns, n: u8, what: &str, expected: &Kernel) {
    until(&format!("{what}: {expected:?}"), || {
        (kernel(netns, n) == *expected).then_some(())
    });
}

fn ping(from: &Netns, to: u8) {
    for address in host_addresses(to) {
        until(&format!("{address} answers"), || {
            from.exec(&format!("ping -c 1 -W 1 {address}")).ok()
        });
    }
}

#[test]
fn prefix_routes_of_frr_carry_packets_of_the_vrf_both_ways() {
    let (left, right) = pair();
    let host = ours(&left, 1);
    let (frr, _far_host) = Frr::vtep(&right, 2);
    let daemon = Running::start(&left, &config(1, "shutdown"));
    daemon.wait_up("192.0.2.2");
    wait(&left, 2, "FRR's prefixes in the VRF's table", &complete(2));
    ping(&host, 2);
    // FRR has no more to say of the VRF: nothing is left of it.
    frr.vrf.must("ip link set tap1 down");
    wait(&left, 2, "FRR's prefixes are gone", &NOTHING);
    frr.vrf.must("ip link set tap1 up");
    frr.vrf
        .must("ip addr replace 2001:db8:2::1/64 dev tap1 nodad");
    wait(&left, 2, "FRR's prefixes are back", &complete(2));
    ping(&host, 2);
    drop(daemon);
    assert_eq!(kernel(&left, 2), NOTHING);
}

/// Symmetric IRB (RFC 9135 5.2): the address of a host in a far L2 domain is a host route of the VRF.
#[test]
fn an_address_that_frr_finds_in_its_l2_domain_is_a_host_route_of_the_vrf() {
    let (left, right) = pair();
    let host = ours(&left, 1);
    let (frr, far_host) = Frr::irb(&right, 2);
    let daemon = Running::start(&left, &config(1, "shutdown"));
    daemon.wait_up("192.0.2.2");
    wait(&left, 2, "FRR's prefixes in the VRF's table", &complete(2));
    ping(&host, 2);
    let [address, _] = host_addresses(2);
    until("the address has a route of its own", || {
        let shown = left.must(&format!("ip route show {address} table {TABLE} proto 179"));
        shown.contains("via 192.0.2.2 dev br1").then_some(())
    });
    ping(&host, 2);
    // The host goes; the prefix stays.
    far_host.must("ip link set eth0 down");
    frr.vrf.must(&format!("ip neigh flush dev br2 {address}"));
    frr.vrf.must("ip link set tap1 down");
    until("the route of the address is gone", || {
        let shown = left.must(&format!("ip route show {address} table {TABLE} proto 179"));
        shown.is_empty().then_some(())
    });
    assert!(kernel(&left, 2).routes.contains(&prefixes(2)[0]));
}

/// A leaf of a fabric: its VTEP is a loopback that eBGP carries, and EVPN is between the loopbacks.
fn leaf(n: u8, announced: bool) -> String {
    let spine = if n == 1 { 2 } else { 6 };
    let overlay = config(n, "shutdown")
        .replace("on-stop", "ebgp-requires-policy = false\non-stop")
        .replace(
            "connect-retry = 1",
            &format!("connect-retry = 1\nlocal-address = \"192.0.2.{n}\""),
        );
    let network = match announced {
        true => format!("[[networks]]\nprefix = \"192.0.2.{n}/32\"\n"),
        false => String::new(),
    };
    format!(
        "{overlay}[[neighbors]]\naddress = \"198.51.100.{spine}\"\nremote-as = 65009\nallow-own-as = 1\nconnect-retry = 1\n\
         [[kernel]]\ntable = 254\n{network}"
    )
}

#[test]
fn vteps_may_be_loopbacks_that_bgp_itself_has_found() {
    let [left, spine, right] = ["left", "spine", "right"].map(Netns::new);
    left.join("eth0", &spine, "eth1");
    right.join("eth0", &spine, "eth2");
    for (netns, n) in [(&left, 1), (&right, 2)] {
        netns.must(&format!("ip addr add 192.0.2.{n}/32 dev lo"));
    }
    left.must("ip addr add 198.51.100.1/30 dev eth0");
    spine.must("ip addr add 198.51.100.2/30 dev eth1");
    right.must("ip addr add 198.51.100.5/30 dev eth0");
    spine.must("ip addr add 198.51.100.6/30 dev eth2");
    let (host, _far_host) = (ours(&left, 1), ours(&right, 2));
    let between = "[global]\nasn = 65009\nrouter-id = \"10.0.0.9\"\nebgp-requires-policy = false\n\
        [[kernel]]\ntable = 254\n\
        [[neighbors]]\naddress = \"198.51.100.1\"\nremote-as = 65000\nconnect-retry = 1\n\
        [[neighbors]]\naddress = \"198.51.100.5\"\nremote-as = 65000\nconnect-retry = 1\n";
    let _spine = Running::start(&spine, between);
    let a = Running::start(&left, &leaf(1, true));
    let b = Running::start(&right, &leaf(2, true));
    a.wait_up("192.0.2.2");
    wait(&left, 2, "the other leaf's prefixes", &complete(2));
    ping(&host, 2);
    // Without a way to the loopback there is none into the tunnel, whatever the session is told.
    b.reload(&leaf(2, false)).expect("valid");
    wait(&left, 2, "no way to the other leaf", &NOTHING);
    b.reload(&leaf(2, true)).expect("valid");
    wait(&left, 2, "the way is back", &complete(2));
    ping(&host, 2);
}

#[test]
fn entries_of_tunnels_are_repaired_follow_their_device_and_outlive_a_restart() {
    let (left, right) = pair();
    let (host, far_host) = (ours(&left, 1), ours(&right, 2));
    let a = Running::start(&left, &config(1, "restart"));
    let b = Running::start(&right, &config(2, "restart"));
    wait(&left, 2, "the other's prefixes", &complete(2));
    wait(&right, 1, "the other's prefixes", &complete(1));
    ping(&host, 2);
    ping(&far_host, 1);
    // Another program takes an entry of each kind.
    left.must("ip neigh del 192.0.2.2 dev br1");
    left.must(&format!("bridge fdb del {} dev vx1 self", router_mac(2)));
    left.must(&format!("bridge fdb del {} dev vx1 master", router_mac(2)));
    wait(&left, 2, "they are put back", &complete(2));
    until("the repairs are counted", || {
        (a.get("/summary")["kernel"]["repaired"].as_u64()? >= 2).then_some(())
    });
    // The device goes, and with it everything of ours; it comes back.
    left.must("ip link set vx1 down");
    wait(&left, 2, "no way into the tunnel", &NOTHING);
    b.wait_routes("family=ipv4-unicast&vrf=blue&prefix=10.1.0.0/24", 0);
    left.must("ip link set vx1 up");
    wait(&left, 2, "the way is back", &complete(2));
    let directory = a.stop();
    assert_eq!(kernel(&left, 2), complete(2), "a restart keeps it");
    let a = Running::start_in(&left, &config(1, "shutdown"), directory);
    a.wait_up("192.0.2.2");
    until("routes are chosen again", || {
        (a.get("/summary")["deferring"] == false).then_some(())
    });
    a.wait_routes("family=ipv4-unicast&vrf=blue&prefix=10.2.0.0/24", 1);
    assert_eq!(kernel(&left, 2), complete(2), "the restart lost some");
    drop(a.stop());
    assert_eq!(kernel(&left, 2), NOTHING, "what the last run left is known");
    drop(b);
}
