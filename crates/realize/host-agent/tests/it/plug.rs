//! Plugging by itself, without an agent.

use crate::cloud::{endpoint, segment};
use crate::lab::Netns;
use host_agent::{Plug, plug, unplug};
use model::{Ipv6Mode, Mtu};

fn request(netns: &Netns) -> Plug {
    let endpoint = endpoint(&segment(1, Ipv6Mode::Slaac), 10);
    Plug {
        port: endpoint.port,
        netns: netns.name.clone(),
        mac: endpoint.mac,
        mtu: Mtu::new(1400).expect("an MTU"),
        interface: "eth0".into(),
    }
}

#[test]
fn the_workload_gets_its_interface_and_the_host_its_device() {
    let (host, workload) = (Netns::new("h"), Netns::new("w"));
    let request = request(&workload);
    let device = model::Port::device_name(request.port);
    host.inside(|| plug(&request)).expect("plugged");
    let inside = workload.must("ip -o link show eth0");
    for part in ["mtu 1400", "fa:16:3e:01:00:0a", ",UP"] {
        assert!(inside.contains(part), "{part}: {inside}");
    }
    assert!(
        inside.contains("NO-CARRIER"),
        "the agent has not brought the host's end up: {inside}"
    );
    let outside = host.must(&format!("ip -o link show {device}"));
    assert!(
        outside.contains("mtu 1400") && outside.contains("state DOWN"),
        "{outside}"
    );

    host.inside(|| unplug(request.port)).expect("unplugged");
    assert!(host.exec(&format!("ip link show {device}")).is_err());
    assert!(workload.exec("ip link show eth0").is_err());
    host.inside(|| unplug(request.port)).expect("nothing to do");
}

#[test]
fn a_plug_that_fails_says_why_and_leaves_nothing() {
    let (host, workload) = (Netns::new("h"), Netns::new("w"));
    let mut request = request(&workload);
    let device = model::Port::device_name(request.port);
    workload.must("ip link add eth0 type veth peer name other");
    let error = host
        .inside(|| plug(&request))
        .expect_err("the name is taken");
    assert!(
        error.to_string().contains("make the veth pair for port"),
        "{error}"
    );
    assert!(host.exec(&format!("ip link show {device}")).is_err());
    request.netns = "nowhere-at-all".into();
    let error = host
        .inside(|| plug(&request))
        .expect_err("no such namespace");
    assert!(
        error.to_string().contains("/run/netns/nowhere-at-all"),
        "{error}"
    );
}
