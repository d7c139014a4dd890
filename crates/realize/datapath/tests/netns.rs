//! Real packets between real namespaces: two hosts joined by an underlay, three workloads of one network.
//!
//! Needs root.

mod support;

use datapath::{Counted, Datapath, SyncReport, Tables, compile};
use forwarding::DropReason;
use model::{Direction, Mac};
use plan::{Delta, UnitKey};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;
use support::cloud::*;
use support::frames;
use support::lab::eventually;

#[test]
fn workloads_reach_each_other_on_one_host_and_across() {
    let cloud = Cloud::new();
    for to in [2, 3] {
        assert!(cloud.pings(1, ipv4(to)), "IPv4 to {to}");
        assert!(cloud.pings(1, ipv6(to)), "IPv6 to {to}");
        talks_tcp(&cloud, 1, to, ipv4(to));
        talks_tcp(&cloud, 1, to, ipv6(to));
    }
    assert!(cloud.count(1, Counted::FromWorkload) > 0);
    assert!(cloud.count(1, Counted::ToWorkload) > 0);
    // ARP for nobody's address is answered by nobody.
    cloud.expect_drop(1, DropReason::NeighbourUnknown, || {
        assert!(!cloud.pings(1, ipv4(99)));
    });
}

#[test]
fn hostile_and_malformed_frames_are_dropped_and_counted() {
    let cloud = Cloud::new();
    let tap = cloud.workload(1).tap();
    let (IpAddr::V4(own), IpAddr::V4(other)) = (ipv4(1), ipv4(2)) else {
        unreachable!("both are IPv4");
    };
    let ip =
        |source: IpAddr| frames::Ip::new(source, other.into(), 17).packet(&frames::udp(1, 2, b"x"));
    let good = ip(own.into());
    let from = |source: Mac, to: Mac, ethertype, payload: &[u8]| {
        frames::ethernet(to, source, ethertype, payload)
    };
    let (me, peer) = (mac(1), mac(2));
    let stranger = Mac([2, 0, 0, 0, 0, 9]);
    let cases = [
        (
            DropReason::UnknownUnicast,
            from(me, stranger, 0x0800, &good),
        ),
        (DropReason::SpoofedMac, from(stranger, peer, 0x0800, &good)),
        (
            DropReason::SpoofedIpv4,
            from(me, peer, 0x0800, &ip(ipv4(9))),
        ),
        (
            DropReason::SpoofedArp,
            from(
                me,
                Mac::BROADCAST,
                0x0806,
                &frames::arp(2, (me, other), (me, own)),
            ),
        ),
        (
            DropReason::Ipv4Truncated,
            from(me, peer, 0x0800, &good[..12]),
        ),
        (
            DropReason::Ipv6Truncated,
            from(me, peer, 0x86dd, &[0x60; 30]),
        ),
        (DropReason::VlanTagged, from(me, peer, 0x8100, &good)),
        (DropReason::EtherType, from(me, peer, 0x88b5, &good)),
        (DropReason::Hairpin, from(me, me, 0x0800, &good)),
    ];
    for (reason, frame) in cases {
        cloud.expect_drop(1, reason, || tap.send(&frame));
    }
    let seen = cloud.workload(2).tap();
    // The good one arrives, to show that the others were not dropped for another reason.
    tap.send(&from(me, peer, 0x0800, &good));
    seen.expect(|frame| frame.ends_with(&good));
}

#[test]
fn a_broadcast_reaches_each_member_once() {
    let cloud = Cloud::new();
    let (here, there) = (cloud.workload(2).tap(), cloud.workload(3).tap());
    let own = cloud.workload(1).tap();
    let ip = frames::Ip::new(ipv4(1), Ipv4Addr::BROADCAST.into(), 17);
    let frame = |mark: &[u8]| {
        let packet = ip.packet(&frames::udp(4000, 4000, mark));
        frames::ethernet(Mac::BROADCAST, mac(1), 0x0800, &packet)
    };
    own.drain();
    own.send(&frame(b"the first"));
    own.send(&frame(b"the second"));
    for tap in [&here, &there] {
        // What comes before the second broadcast is every copy of the first.
        let mut copies = 0;
        tap.expect(|frame| {
            copies += usize::from(frame.ends_with(b"the first"));
            frame.ends_with(b"the second")
        });
        assert_eq!(copies, 1);
    }
    assert!(
        !own.drain()
            .iter()
            .any(|frame| frame.ends_with(b"the first") && frame[..6] != [0xff; 6])
    );
}

#[test]
fn removing_a_rule_cuts_its_connections_and_no_others() {
    let mut cloud = Cloud::new();
    let socket = |cloud: &Cloud, number: usize| {
        let socket = cloud
            .workload(number)
            .within(|| UdpSocket::bind((ipv4(number), 7000)).expect("binds"));
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a timeout");
        socket
    };
    let (one, two, three) = (socket(&cloud, 1), socket(&cloud, 2), socket(&cloud, 3));
    let mut buffer = [0; 64];
    // Two asks one, one asks three: both are answered.
    two.send_to(b"ask", (ipv4(1), 7000)).expect("sent");
    let (_, asker) = one.recv_from(&mut buffer).expect("two's question");
    one.send_to(b"answer", asker).expect("sent");
    two.recv_from(&mut buffer).expect("the answer");
    one.send_to(b"ask", (ipv4(3), 7000)).expect("sent");
    let (_, asker) = three.recv_from(&mut buffer).expect("one's question");
    three.send_to(b"answer", asker).expect("sent");
    one.recv_from(&mut buffer).expect("the answer");

    let only_egress = rules()
        .into_iter()
        .filter(|rule| rule.direction == Direction::Egress);
    let report = cloud.apply(0, &upserts([rule_set(only_egress.collect())]));
    assert_eq!(
        report,
        SyncReport {
            writes: 0,
            deletes: 1
        }
    );

    // Two's packets to one were let in by the removed rule; one's to three were not.
    cloud.expect_drop(1, DropReason::SecurityGroupIngress, || {
        two.send_to(b"again", (ipv4(1), 7000)).expect("sent");
    });
    three.send_to(b"more", (ipv4(1), 7000)).expect("sent");
    let (length, from) = one.recv_from(&mut buffer).expect("three's packet");
    assert_eq!((&buffer[..length], from.ip()), (&b"more"[..], ipv4(3)));
}

#[test]
fn requests_for_the_agent_reach_it_and_its_answers_the_workload() {
    let cloud = Cloud::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let host = &cloud.hosts[0];
    let mut punt = host
        .namespace
        .within(|| runtime.block_on(async { host.datapath.punt() }))
        .expect("the channel");
    assert!(
        runtime.block_on(async { host.datapath.punt() }).is_err(),
        "there is one channel"
    );

    let tap = cloud.workload(1).tap();
    let ip = frames::Ip::new(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::BROADCAST.into(), 17);
    let packet = ip.packet(&frames::udp(68, 67, &[1; 250]));
    let discover = frames::ethernet(Mac::BROADCAST, mac(1), 0x0800, &packet);
    for _ in 0..3 {
        tap.send(&discover);
        let received = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(5), punt.recv()).await });
        let (ifindex, frame) = received.expect("in time").expect("the ring works");
        assert_eq!((ifindex, &frame[..]), (cloud.devices[0], &discover[..]));
    }
    let answer = frames::ethernet(
        mac(1),
        Mac([2, 0, 0, 0, 0, 1]),
        0x0800,
        b"an offer that no rule allows",
    );
    punt.send(cloud.devices[0], &answer)
        .expect("the workload is there");
    tap.expect(|frame| frame == answer);
}

#[test]
fn a_new_process_adopts_and_repairs() {
    let cloud = Cloud::new();
    let host = &cloud.hosts[0];
    let tables = cloud.compilers[0].tables();
    assert!(cloud.pings(1, ipv4(2)));

    let (again, adoption) = host
        .namespace
        .within(|| Datapath::open(&host.config))
        .expect("opens");
    assert!(adoption.maps && adoption.programs, "{adoption:?}");
    assert_eq!(
        again.dump().expect("maps are read").describe(),
        tables.describe()
    );
    assert_eq!(
        again.sync(tables).expect("nothing to do"),
        SyncReport::default()
    );
    assert!(
        again
            .is_attached(cloud.devices[0])
            .expect("filters are read")
    );
    assert!(!again.attach(cloud.devices[0]).expect("nothing to do"));

    // Someone empties the maps: nothing passes. Someone removes the filters and the tunnel device.
    let removed = host
        .datapath
        .sync(&Tables::default())
        .expect("rows are deleted");
    assert_eq!(removed.deletes, tables.len());
    assert!(!cloud.pings(1, ipv4(2)));
    host.namespace
        .within(|| support::lab::run("tc qdisc del dev tap1 clsact"));
    host.namespace.ip("link del nwvxlan");
    assert!(
        !again
            .is_attached(cloud.devices[0])
            .expect("filters are read")
    );

    assert_eq!(again.sync(tables).expect("repaired").writes, tables.len());
    assert!(again.attach(cloud.devices[0]).expect("attached again"));
    assert!(again.repair_tunnel_device().expect("made again"));
    assert!(!again.repair_tunnel_device().expect("nothing to do"));
    assert!(cloud.pings(1, ipv4(2)));
    assert!(cloud.pings(1, ipv4(3)));

    assert!(again.detach(cloud.devices[0]).expect("detached"));
    assert!(!again.detach(cloud.devices[0]).expect("nothing to do"));
    assert!(again.attach(9999).is_err(), "no such device");
}

#[test]
fn an_attached_port_without_a_plan_passes_nothing() {
    let mut cloud = Cloud::new();
    let delta = Delta {
        upserts: Vec::new(),
        deletes: vec![UnitKey::Endpoint(port(1))],
    };
    assert!(cloud.apply(0, &delta).deletes > 0);
    assert!(!cloud.pings(1, ipv4(2)));
    let compiler = &cloud.compilers[0];
    assert_eq!(
        compiler.tables(),
        &compile(compiler.plan(), compiler.devices())
    );
    assert_eq!(
        &cloud.hosts[0].datapath.dump().expect("maps are read"),
        compiler.tables()
    );
    cloud.apply(0, &upserts([endpoint(1)]));
    // The workload's own resolver is still giving up on the address for a moment.
    eventually("a ping passes again", || cloud.pings(1, ipv4(2)));
}
