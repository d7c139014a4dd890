//! Who reaches whom.

use crate::cloud::{endpoint, segment};
use crate::lab::Lab;
use model::Ipv6Mode;

#[test]
fn workloads_of_one_network_talk_and_those_of_another_do_not() {
    let mut lab = Lab::new();
    lab.start();
    let (mine, theirs) = (segment(1, Ipv6Mode::Slaac), segment(2, Ipv6Mode::Slaac));
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&mine, 10)),
        (lab.one.name.clone(), endpoint(&mine, 11)),
        (lab.two.name.clone(), endpoint(&mine, 12)),
        (lab.one.name.clone(), endpoint(&theirs, 10)),
        (lab.two.name.clone(), endpoint(&theirs, 13)),
    ];
    cloud.segments = vec![mine, theirs];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    workloads.iter().for_each(|workload| workload.configure());
    let [a, b, c, x, y] = &workloads[..] else {
        panic!("five workloads");
    };
    assert!(a.netns.reaches(b.v4()), "one host, IPv4");
    assert!(a.netns.reaches(b.v6()), "one host, IPv6");
    assert!(a.netns.reaches(c.v4()), "two hosts, IPv4");
    assert!(c.netns.reaches(a.v6()), "two hosts, IPv6");
    assert!(x.netns.reaches(y.v4()), "the other network, same addresses");
    assert!(!a.netns.leaks_to(y.v4()), "between networks");
    assert!(!a.netns.leaks_to(lab.one.address), "to the host");
    assert!(
        c.netns.reaches("10.0.0.10"),
        "a, not x, though both have the address"
    );
    lab.controller
        .until(&lab.one.name, "counters of a", |heard| {
            let rx = heard
                .counters
                .get(&a.endpoint.port)
                .and_then(|counters| counters.get("rx"));
            rx.is_some_and(|packets| *packets > 0)
        });
}

#[test]
fn large_packets_cross_the_tunnel() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    cloud.ports = vec![
        (lab.one.name.clone(), endpoint(&network, 10)),
        (lab.two.name.clone(), endpoint(&network, 11)),
    ];
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    workloads.iter().for_each(|workload| workload.configure());
    // 1422 bytes of data, 8 of ICMP, 20 of IPv4: exactly the network's MTU, and no fragments.
    let full = format!(
        "ping -n -c 3 -i 0.2 -W 1 -M do -s 1422 {}",
        workloads[1].v4()
    );
    workloads[0].netns.must(&full);
    let link = workloads[0].netns.must("ip -o link show eth0");
    assert!(link.contains("mtu 1450"), "{link}");
    let device = &workloads[0].endpoint.device;
    let link = lab.one.netns.must(&format!("ip -o link show {device}"));
    assert!(link.contains("mtu 1450"), "{link}");
}

#[test]
fn a_removed_port_goes_dark_and_its_neighbour_does_not() {
    let mut lab = Lab::new();
    lab.start();
    let network = segment(1, Ipv6Mode::Slaac);
    let mut cloud = lab.cloud();
    for n in 10..13 {
        cloud
            .ports
            .push((lab.one.name.clone(), endpoint(&network, n)));
    }
    cloud.segments = vec![network];
    lab.apply(&cloud);
    let workloads = lab.plug_all(&cloud);
    workloads.iter().for_each(|workload| workload.configure());
    let [a, b, c] = &workloads[..] else {
        panic!("three workloads");
    };
    assert!(a.netns.reaches(b.v4()));
    cloud.ports.retain(|port| port.1.port != b.endpoint.port);
    lab.apply(&cloud);
    assert!(!a.netns.leaks_to(b.v4()), "the port is gone");
    assert!(a.netns.reaches(c.v4()), "its neighbour is not");
    assert!(
        lab.one
            .status()
            .ports
            .iter()
            .all(|port| port.port != b.endpoint.port)
    );
    assert!(lab.one.dump().difference.is_empty());
}
