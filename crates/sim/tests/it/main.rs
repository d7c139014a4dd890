//! The lab itself: its probes must see what is there, or nothing it shows means anything.

mod bgp;

use sim::lab::{Flow, Namespace, name_server, remove_leftovers, run, who};
use std::net::IpAddr;
use std::time::{Duration, Instant};

const A: &str = "198.18.255.1";
const B: &str = "198.18.255.2";

/// Two namespaces joined by a veth.
fn joined(tag: &str) -> (Namespace, Namespace) {
    let pid = std::process::id();
    let [a, b] =
        ["a", "b"].map(|end| Namespace::create(format!("nw{pid}{tag}{end}")).expect("a namespace"));
    run(
        "ip",
        &[
            "-n",
            a.name(),
            "link",
            "add",
            "v",
            "type",
            "veth",
            "peer",
            "name",
            "v",
            "netns",
            b.name(),
        ],
    )
    .expect("a veth");
    for (end, address) in [(&a, A), (&b, B)] {
        end.run("ip", &["addr", "add", &format!("{address}/24"), "dev", "v"])
            .expect("an address");
        end.run("ip", &["link", "set", "v", "up"]).expect("up");
    }
    (a, b)
}

fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{what} did not happen"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_flow_counts_what_is_lost() {
    if !is_root() {
        return;
    }
    let (a, b) = joined("flow");
    let target: IpAddr = B.parse().expect("an address");
    let flow = Flow::start(&a, &b, target, 1000).expect("a flow");
    eventually("the flow", || flow.returned() > 200);
    let count = flow.finish();
    assert_eq!(count.lost(), 0, "{count:?}");

    let flow = Flow::start(&a, &b, target, 1000).expect("a flow");
    eventually("the flow", || flow.returned() > 100);
    b.run("ip", &["link", "set", "v", "down"]).expect("down");
    let sent = flow.sent();
    eventually("packets into the void", || flow.sent() > sent + 100);
    assert!(flow.finish().lost() > 0);
}

#[test]
fn names_are_told_where_they_are_served() {
    if !is_root() {
        return;
    }
    let (a, b) = joined("who");
    name_server(&b, "beta").expect("a server");
    let target: IpAddr = B.parse().expect("an address");
    assert_eq!(
        who(&a, target, Duration::from_secs(20)).expect("a try"),
        Some("beta".to_owned())
    );
    b.run("ip", &["link", "set", "v", "down"]).expect("down");
    let silence = who(&a, target, Duration::from_millis(300)).expect("a try");
    assert_eq!(silence, None);
}

#[test]
fn a_refusal_or_a_missing_route_is_no_proof_of_isolation() {
    if !is_root() {
        return;
    }
    let (a, _b) = joined("no");
    let try_to = |address: &str| {
        let target: IpAddr = address.parse().expect("an address");
        who(&a, target, Duration::from_secs(20))
    };
    assert!(try_to(B).is_err(), "nobody listens there: refused");
    assert!(try_to("203.0.113.1").is_err(), "there is no route");
}

#[test]
fn leftovers_of_the_dead_are_removed_and_the_living_kept() {
    if !is_root() {
        return;
    }
    // No process has this id: the kernel's limit is 2^22.
    run("ip", &["netns", "add", "nw4194399dead"]).expect("a namespace");
    let alive = Namespace::create(format!("nw{}alive", std::process::id())).expect("a namespace");
    remove_leftovers();
    let listed = run("ip", &["netns", "list"]).expect("a list");
    assert!(!listed.contains("nw4194399dead"), "{listed}");
    assert!(listed.contains(alive.name()), "{listed}");
}
