//! What leaves a host: packets that are yet to be segmented, against the network's MTU, and tunnels over IPv6.
//!
//! Needs root.

mod support;

use datapath::Counted;
use forwarding::DropReason;
use model::Mtu;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use support::cloud::*;

/// Bytes per packet that workload `number` has received.
fn received_size(cloud: &Cloud, number: usize) -> u64 {
    let host = &cloud.hosts[HOST_OF[number - 1]];
    let counters = host.datapath.counters().expect("counters are read");
    let received = counters
        .iter()
        .find(|c| c.port == Some(port(number)) && c.counted == Counted::ToWorkload)
        .expect("packets were received");
    received.bytes / received.packets
}

/// Segmented once, by the receiver's link, and so counted larger than any frame on a wire.
fn stays_unsegmented(underlay: [&'static str; 2]) {
    let cloud = Cloud::on(underlay);
    for address in [ipv4(3), ipv6(3)] {
        assert!(cloud.pings(1, address), "{address}");
        talks_tcp(&cloud, 1, 3, address);
    }
    let size = received_size(&cloud, 3);
    assert!(size > 1464, "{size} bytes per packet");
}

#[test]
fn a_stream_crosses_an_ipv4_underlay_unsegmented() {
    stays_unsegmented(UNDERLAY);
}

#[test]
fn a_stream_crosses_an_ipv6_underlay_unsegmented() {
    stays_unsegmented(["2001:db8:ffff::1", "2001:db8:ffff::2"]);
}

/// Sends more than fits into one packet, once connected, and reads nothing.
fn sends_much(cloud: &Cloud, from: usize, address: IpAddr, listener: &TcpListener) -> TcpStream {
    let target = SocketAddr::new(address, 5001);
    let mut stream = cloud
        .workload(from)
        .within(|| TcpStream::connect_timeout(&target, Duration::from_secs(5)).expect("connects"));
    listener.accept().expect("a client");
    stream.write_all(&[7; 16 << 10]).expect("fits the buffer");
    stream
}

#[test]
fn segments_above_the_networks_mtu_are_dropped_before_they_are_cut() {
    let mut cloud = Cloud::new();
    for to in [2, 3] {
        let listen = || TcpListener::bind((ipv4(to), 5001)).expect("a listener");
        let listener = cloud.workload(to).within(listen);
        // The workloads' links have an MTU of 1450.
        for (mtu, fits) in [(1450, true), (1449, false)] {
            let mtu = Mtu::new(mtu).expect("an MTU");
            for index in 0..2 {
                cloud.apply(index, &upserts([segment_of(mtu)]));
            }
            let before = cloud.count(1, Counted::Dropped(DropReason::PacketTooBig));
            if fits {
                talks_tcp(&cloud, 1, to, ipv6(to));
                let after = cloud.count(1, Counted::Dropped(DropReason::PacketTooBig));
                assert_eq!(before, after, "to {to}");
            } else {
                cloud.expect_drop(1, DropReason::PacketTooBig, || {
                    drop(sends_much(&cloud, 1, ipv4(to), &listener));
                });
            }
        }
    }
}
