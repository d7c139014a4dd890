//! Random packets at random places of a [`World`], most of them nearly right.

use super::frames::{self, Cut, Ip};
use super::world::{Station, TUNNELS, VNIS, World};
use datapath::test_run::Entry;
use forwarding::Origin;
use model::Mac;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame and where it comes in. `station` is whose port it is, if it is a known one's.
pub struct Case {
    pub entry: Entry,
    pub station: Option<usize>,
    pub frame: Vec<u8>,
}

/// Two parties and their ports, so that packets meet again.
#[derive(Debug, Clone, Copy)]
struct Talk {
    here: usize,
    there: usize,
    is_ipv6: bool,
    protocol: u8,
    here_port: u16,
    there_port: u16,
}

pub struct Packets {
    talks: Vec<Talk>,
}

impl Packets {
    pub fn new(world: &mut World) -> Self {
        let talks = (0..8).map(|_| talk(world)).collect();
        Self { talks }
    }

    pub fn next(&mut self, world: &mut World) -> Case {
        if world.rng.random_bool(0.01) {
            let at = world.rng.random_range(0..self.talks.len());
            self.talks[at] = talk(world);
        }
        let talk = *self.talks.choose(&mut world.rng).expect("a talk");
        let tunneled = world.rng.random_bool(0.12);
        let outward = !tunneled && world.rng.random_bool(0.5);
        let mut frame = match world.rng.random_range(0..100) {
            0..72 => self.conversation(world, talk, outward),
            72..80 => request(world, talk),
            80..88 => discovery(world, talk),
            88..92 => service(world, talk),
            92..94 => flood(world, talk),
            _ => strange(world, talk),
        };
        mutate(&mut world.rng, &mut frame);
        if tunneled {
            return tunnel(world, talk, frame);
        }
        place(world, talk, outward, frame)
    }

    fn conversation(&self, world: &mut World, talk: Talk, outward: bool) -> Vec<u8> {
        let (here, there) = (
            world.stations[talk.here].clone(),
            world.stations[talk.there].clone(),
        );
        let rng = &mut world.rng;
        let (local, remote) = (
            address(rng, &here, talk.is_ipv6),
            address(rng, &there, talk.is_ipv6),
        );
        let (source, destination) = if outward {
            (local, remote)
        } else {
            (remote, local)
        };
        let ports = if outward {
            (talk.here_port, talk.there_port)
        } else {
            (talk.there_port, talk.here_port)
        };
        let macs = if outward {
            (there.mac, here.mac)
        } else {
            (here.mac, there.mac)
        };
        let mut ip = Ip::new(source, destination, talk.protocol);
        decorate(rng, &mut ip);
        let body = if rng.random_bool(0.08) {
            error(rng, &mut ip, ports)
        } else {
            body(rng, &ip, ports, talk.here_port)
        };
        frames::ethernet(macs.0, macs.1, ip.ethertype(), &ip.packet(&body))
    }
}

fn place(world: &mut World, talk: Talk, outward: bool, frame: Vec<u8>) -> Case {
    let here = world.stations[talk.here].clone();
    let rng = &mut world.rng;
    let known = rng.random_bool(0.995).then_some(()).and(here.ifindex);
    let ifindex = known.unwrap_or(999);
    let origin = match rng.random_range(0..50) {
        0 => Origin::Host,
        1 => Origin::Agent,
        _ => Origin::Forwarded,
    };
    Case {
        entry: if outward {
            Entry::FromPort { ifindex }
        } else {
            Entry::ToPort { ifindex, origin }
        },
        station: known.map(|_| talk.here),
        frame,
    }
}

/// Mostly from the host of the other party.
fn tunnel(world: &mut World, talk: Talk, frame: Vec<u8>) -> Case {
    let there = world.stations[talk.there].clone();
    let rng = &mut world.rng;
    let of_host = TUNNELS
        .iter()
        .find(|(name, _)| *name == there.host.as_str());
    let remote = match (rng.random_range(0..12), of_host) {
        (0, _) => Ipv4Addr::new(192, 0, 2, 99),
        (1, _) | (_, None) => TUNNELS.choose(rng).expect("a tunnel").1,
        (_, Some((_, address))) => *address,
    };
    let vni = match rng.random_range(0..10) {
        0 => *[100, 200, 300].choose(rng).expect("a VNI"),
        _ => VNIS[there.network],
    };
    Case {
        entry: Entry::FromTunnel { vni, remote },
        station: None,
        frame,
    }
}

fn talk(world: &mut World) -> Talk {
    let here = world.rng.random_range(0..world.stations.len() / 2);
    let network = world.rng.random_range(0..2) * 8;
    let here = here % 5 + network;
    let there = if world.rng.random_bool(0.97) {
        network + world.rng.random_range(0..8)
    } else {
        world.rng.random_range(0..world.stations.len())
    };
    let is_ipv6 = world.rng.random_bool(0.5);
    let icmp = if is_ipv6 { 58 } else { 1 };
    let protocol = *[6, 6, 6, 17, 17, icmp, icmp, 132, 136, 33, 47, 50, 1, 58, 59]
        .choose(&mut world.rng)
        .expect("a protocol");
    Talk {
        here,
        there,
        is_ipv6,
        protocol,
        here_port: world.rng.random_range(20..110),
        there_port: world.rng.random_range(20..110),
    }
}

fn address(rng: &mut StdRng, station: &Station, is_ipv6: bool) -> IpAddr {
    let odd: [IpAddr; 2] = [
        Ipv4Addr::new(10, 0, 0, rng.random()).into(),
        Ipv6Addr::new(
            0x2001,
            0xdb8,
            rng.random_range(0..2),
            0,
            0,
            0,
            0,
            rng.random(),
        )
        .into(),
    ];
    if rng.random_bool(0.03) {
        return odd[usize::from(is_ipv6)];
    }
    if is_ipv6 && rng.random_bool(0.1) {
        return station.mac.link_local().into();
    }
    let own = station.addresses.iter().find(|a| a.is_ipv6() == is_ipv6);
    own.copied().unwrap_or(odd[usize::from(is_ipv6)])
}

/// Fragments, options, extension headers.
fn decorate(rng: &mut StdRng, ip: &mut Ip) {
    if rng.random_bool(0.12) {
        ip.cut = Some(Cut {
            offset: *[0, 0, 0, 1, 5, 100, 8190].choose(rng).expect("an offset"),
            more: rng.random_bool(0.6),
            id: rng.random_range(0..4),
        });
    }
    if rng.random_bool(0.1) {
        let count = *[1, 1, 2, 3, 8, 9].choose(rng).expect("a count");
        for at in 0..count {
            let number = if at == 0 && rng.random_bool(0.5) {
                0
            } else {
                *[60, 60, 60, 43, 44, 0].choose(rng).expect("a header")
            };
            let kind = rng.random_range(0..4);
            let header = frames::extension(rng.random_range(1..3), kind);
            ip.extensions
                .push((number, if number == 44 { vec![0; 7] } else { header }));
        }
    }
    if rng.random_bool(0.02) {
        ip.hop_limit = 64;
    }
}

fn data(rng: &mut StdRng) -> Vec<u8> {
    let length = *[0, 0, 0, 8, 16, 24, 100, 380, 1440]
        .choose(rng)
        .expect("a length");
    vec![0xab; length]
}

fn body(rng: &mut StdRng, ip: &Ip, ports: (u16, u16), echo_id: u16) -> Vec<u8> {
    let data = data(rng);
    match ip.protocol {
        6 => {
            const FLAGS: [u8; 14] = [
                0x02, 0x02, 0x12, 0x10, 0x10, 0x10, 0x18, 0x11, 0x11, 0x04, 0x14, 0x00, 0x03, 0x29,
            ];
            let flags = *FLAGS.choose(rng).expect("flags");
            let extra = *[0, 0, 0, 0, 0, 0x20, 0x40, 0xc0]
                .choose(rng)
                .expect("flags");
            frames::tcp(ports.0, ports.1, flags | extra, &data)
        }
        17 => frames::udp(ports.0, ports.1, &data),
        1 | 58 => icmp(rng, ip, echo_id, &data),
        132 | 136 | 33 => {
            let mut body = frames::udp(ports.0, ports.1, &data);
            body.extend([0; 4]);
            body.truncate(body.len() - rng.random_range(0..5));
            body
        }
        _ => data,
    }
}

fn icmp(rng: &mut StdRng, ip: &Ip, echo_id: u16, data: &[u8]) -> Vec<u8> {
    let (request, reply, errors) = if ip.source.is_ipv4() {
        (8, 0, [3, 11, 4, 12])
    } else {
        (128, 129, [1, 2, 3, 4])
    };
    let id = echo_id.to_be_bytes();
    match rng.random_range(0..10) {
        0..3 => frames::icmp(request, 0, [id[0], id[1], 0, 1], data),
        3..5 => frames::icmp(reply, 0, [id[0], id[1], 0, 1], data),
        5..9 => {
            let quoted = quoted(rng, ip, echo_id);
            let kind = *errors.choose(rng).expect("an error");
            frames::icmp(kind, 0, [0; 4], &quoted)
        }
        _ => frames::icmp(rng.random(), rng.random_range(0..2), [0; 4], data),
    }
}

/// An ICMP error about the packet of the talk that went the other way; the packet becomes one.
fn error(rng: &mut StdRng, ip: &mut Ip, ports: (u16, u16)) -> Vec<u8> {
    let inner = Ip::new(ip.destination, ip.source, ip.protocol);
    let quoted = inner.packet(&frames::udp(ports.1, ports.0, &[]));
    ip.protocol = if ip.source.is_ipv4() { 1 } else { 58 };
    frames::icmp(
        *[3, 3, 1, 11].choose(rng).expect("an error"),
        0,
        [0; 4],
        &quoted,
    )
}

/// The packet an error from `ip.source` is about: what `ip.destination` sent it.
fn quoted(rng: &mut StdRng, ip: &Ip, echo_id: u16) -> Vec<u8> {
    let icmp = if ip.source.is_ipv4() { 1 } else { 58 };
    let protocol = *[6, 17, icmp, 132, 47, 1].choose(rng).expect("a protocol");
    let mut inner = Ip::new(ip.destination, ip.source, protocol);
    if rng.random_bool(0.1) {
        decorate(rng, &mut inner);
    }
    let request = if ip.source.is_ipv4() { 8 } else { 128 };
    let kind = *[request, request, request ^ 1, 0]
        .choose(rng)
        .expect("a type");
    let id = echo_id.to_be_bytes();
    let body = match protocol {
        1 | 58 => frames::icmp(kind, 0, [id[0], id[1], 0, 0], &[]),
        _ => frames::udp(rng.random_range(20..110), rng.random_range(20..110), &[]),
    };
    let mut packet = inner.packet(&body);
    if rng.random_bool(0.1) {
        packet.truncate(rng.random_range(0..packet.len()));
    }
    packet
}

const ZERO: Mac = Mac([0; 6]);

/// ARP, right and wrong.
fn request(world: &mut World, talk: Talk) -> Vec<u8> {
    let (here, there) = (
        world.stations[talk.here].clone(),
        world.stations[talk.there].clone(),
    );
    let rng = &mut world.rng;
    let v4 = |rng: &mut StdRng, station: &Station| match address(rng, station, false) {
        IpAddr::V4(v4) => v4,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    };
    let sender = match rng.random_range(0..8) {
        0 => Ipv4Addr::UNSPECIFIED,
        1 => Ipv4Addr::new(10, 0, 0, 200),
        _ => v4(rng, &here),
    };
    let target = match rng.random_range(0..8) {
        0 => Ipv4Addr::new(10, 0, 0, 200),
        1 => sender,
        2 => Ipv4Addr::new(172, 20, 0, 1),
        3 => Ipv4Addr::new(10, 0, 0, 1),
        _ => v4(rng, &there),
    };
    let sender_mac = if rng.random_bool(0.95) {
        here.mac
    } else {
        there.mac
    };
    let operation = *[1, 1, 1, 1, 2, 2, 3].choose(rng).expect("an operation");
    let mut packet = frames::arp(operation, (sender_mac, sender), (ZERO, target));
    packet.extend(std::iter::repeat_n(0, rng.random_range(0..20)));
    let destination = if rng.random_bool(0.8) {
        Mac::BROADCAST
    } else {
        there.mac
    };
    frames::ethernet(destination, here.mac, 0x0806, &packet)
}

/// Neighbour discovery and MLD, right and wrong.
fn discovery(world: &mut World, talk: Talk) -> Vec<u8> {
    let (here, there) = (
        world.stations[talk.here].clone(),
        world.stations[talk.there].clone(),
    );
    let rng = &mut world.rng;
    let v6 = |rng: &mut StdRng, station: &Station| match address(rng, station, true) {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(_) => Ipv6Addr::UNSPECIFIED,
    };
    let source = match rng.random_range(0..6) {
        0 => Ipv6Addr::UNSPECIFIED,
        1 => here.mac.link_local(),
        _ => v6(rng, &here),
    };
    let target = match rng.random_range(0..10) {
        0 => source,
        1 => "2001:db8:1::7".parse().expect("an address"),
        2 => "2001:db8::dead".parse().expect("an address"),
        3 => "ff02::1".parse().expect("an address"),
        4 | 5 => there.mac.link_local(),
        _ => v6(rng, &there),
    };
    let kind = *[135, 135, 135, 135, 136, 136, 133, 134, 143, 131, 130]
        .choose(rng)
        .expect("a type");
    let claimed = if rng.random_bool(0.9) {
        here.mac
    } else {
        there.mac
    };
    let option = rng
        .random_bool(0.7)
        .then_some((if kind == 136 { 2 } else { 1 }, claimed));
    let mut message = frames::neighbour(kind, target, option);
    if kind == 133 || kind == 134 {
        // Their options begin where others have the rest of the target.
        message.drain(8..if kind == 133 { 24 } else { 16 });
    }
    if rng.random_bool(0.1) {
        let count = *[1, 7, 8].choose(rng).expect("a count");
        for _ in 0..count {
            message.extend([
                14,
                *[1, 1, 1, 0, 9].choose(rng).expect("a length"),
                0,
                0,
                0,
                0,
                0,
                0,
            ]);
        }
    }
    let mut ip = Ip::new(source.into(), "ff02::1".parse().expect("an address"), 58);
    if rng.random_bool(0.1) {
        decorate(rng, &mut ip);
    }
    let destination = match rng.random_range(0..4) {
        0 => there.mac,
        _ => Mac([0x33, 0x33, 0xff, 0, 0, 1]),
    };
    frames::ethernet(destination, here.mac, 0x86dd, &ip.packet(&message))
}

/// DHCP in both directions, by clients and by those who should not.
fn service(world: &mut World, talk: Talk) -> Vec<u8> {
    let here = world.stations[talk.here].clone();
    let rng = &mut world.rng;
    let (source, destination): (IpAddr, IpAddr) = if rng.random_bool(0.5) {
        let sources = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), here.addresses[0]];
        (
            *sources.choose(rng).expect("a source"),
            Ipv4Addr::BROADCAST.into(),
        )
    } else {
        (
            here.mac.link_local().into(),
            "ff02::1:2".parse().expect("an address"),
        )
    };
    let is_ipv4 = source.is_ipv4();
    let ports = match (is_ipv4, rng.random_bool(0.7)) {
        (true, true) => (68, 67),
        (true, false) => (67, 68),
        (false, true) => (546, 547),
        (false, false) => (547, 546),
    };
    let mut ip = Ip::new(source, destination, 17);
    if rng.random_bool(0.1) {
        decorate(rng, &mut ip);
    }
    let mac = if is_ipv4 {
        Mac::BROADCAST
    } else {
        Mac([0x33, 0x33, 0, 1, 0, 2])
    };
    let body = frames::udp(ports.0, ports.1, &[0; 240]);
    frames::ethernet(mac, here.mac, ip.ethertype(), &ip.packet(&body))
}

fn flood(world: &mut World, talk: Talk) -> Vec<u8> {
    let here = world.stations[talk.here].clone();
    let rng = &mut world.rng;
    let source = address(rng, &here, false);
    let destinations = [Ipv4Addr::BROADCAST, Ipv4Addr::new(224, 0, 0, 251)];
    let destination = *destinations.choose(rng).expect("a destination");
    let ip = Ip::new(source, destination.into(), 17);
    let macs = [
        Mac::BROADCAST,
        Mac([0, 0, 0x5e, 0, 1, 7]),
        Mac([1, 0, 0x5e, 0, 0, 0xfb]),
    ];
    let body = frames::udp(talk.here_port, talk.there_port, &[1; 32]);
    let mac = *macs.choose(rng).expect("a MAC");
    frames::ethernet(mac, here.mac, 0x0800, &ip.packet(&body))
}

/// Tags, other protocols, groups that bridges keep, noise.
fn strange(world: &mut World, talk: Talk) -> Vec<u8> {
    let (here, there) = (
        world.stations[talk.here].clone(),
        world.stations[talk.there].clone(),
    );
    let rng = &mut world.rng;
    let mut payload = vec![0; rng.random_range(0..200)];
    rng.fill_bytes(&mut payload);
    match rng.random_range(0..5) {
        0 => frames::ethernet(there.mac, here.mac, 0x8100, &payload),
        1 => frames::ethernet(there.mac, here.mac, 0x88cc, &payload),
        2 => frames::ethernet(Mac([1, 0x80, 0xc2, 0, 0, 0x0e]), here.mac, 0x88cc, &payload),
        3 => frames::ethernet(there.mac, Mac([1, 0, 0, 0, 0, 1]), 0x0800, &payload),
        _ => {
            let ethertype = *[0x0800, 0x86dd, 0x0806].choose(rng).expect("a type");
            frames::ethernet(there.mac, here.mac, ethertype, &payload)
        }
    }
}

/// One time in five: a changed byte, a cut, or padding.
fn mutate(rng: &mut StdRng, frame: &mut Vec<u8>) {
    match rng.random_range(0..20) {
        0 | 1 => {
            let at = rng.random_range(0..frame.len().min(100));
            frame[at] = rng.random();
        }
        2 => {
            let at = rng
                .random_range(12..frame.len().clamp(13, 60))
                .min(frame.len() - 1);
            frame[at] ^= 1 << rng.random_range(0..8);
        }
        3 => frame.truncate(rng.random_range(14..=frame.len().max(14))),
        4 => frame.extend(std::iter::repeat_n(0x55, rng.random_range(0..40))),
        _ => {}
    }
}
