//! Packets written by hand with the verdict they must get, from the programs and from the model alike.
//!
//! Needs root (bpf(2)). Port 1 is here and has a stateful group: TCP and ICMP out, SSH in. Port 2 is here and has no
//! port security. Port 3 is elsewhere and may use 10.0.0.200 with a VRRP MAC.

mod support;

use datapath::test_run::{Entry, Outcome, TestRun, host_key};
use datapath::{Compiler, Device};
use forwarding::{Connections, DropReason, Host, Origin, Verdict};
use model::{
    AddressPair, Direction, Family, L4Match, Mac, Mtu, NetworkId, PortId, PortRange, Remote,
    RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Delta, Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SubnetServices, Tunnel, Unit,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use support::frames::{self, Cut, Ip};
use uuid::Uuid;

const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));
const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(2));
const VNI: u32 = 77;
const FIN: u8 = 0x11;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const RST: u8 = 0x04;
const VRRP: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);
const SENT: Outcome = Outcome::Deliver { ifindex: 12 };

fn port(number: u8) -> PortId {
    PortId(Uuid::from_u128(0x10 + u128::from(number)))
}

fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

fn v6(number: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number).into()
}

fn rule_set(stateful: bool, with_ssh: bool) -> Unit {
    let mut rules = Vec::new();
    let mut add = |direction, family, protocol, l4| {
        rules.push(Rule {
            id: RuleId(Uuid::from_u128(rules.len() as u128)),
            direction,
            family,
            protocol: Some(protocol),
            l4,
            remote: Remote::Any,
        });
    };
    for (family, icmp) in [(Family::V4, 1), (Family::V6, 58)] {
        add(Direction::Egress, family, 6, L4Match::Any);
        add(Direction::Egress, family, 17, L4Match::Any);
        add(Direction::Egress, family, icmp, L4Match::Any);
        if with_ssh {
            let ssh = PortRange::new(22, 22).expect("a range");
            add(Direction::Ingress, family, 6, L4Match::Ports(ssh));
        }
    }
    Unit::RuleSet(RuleSet {
        group: GROUP,
        stateful,
        rules,
    })
}

/// The gateway is nobody's.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

fn segment() -> Segment {
    Segment {
        network: NETWORK,
        vni: Vni::new(VNI).expect("a VNI"),
        mtu: Mtu::DEFAULT,
        admin_up: true,
        subnets: vec![SubnetServices {
            subnet: SubnetId(Uuid::nil()),
            cidr: "10.0.0.0/24".parse().expect("a CIDR"),
            gateway: Some(GATEWAY.into()),
            enable_dhcp: true,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ra_mode: None,
            address_mode: None,
        }],
    }
}

fn port_units(number: u8) -> Vec<Unit> {
    let addresses = vec![v4(number), v6(number.into())];
    let pairs = match number {
        3 => vec![AddressPair {
            ip_address: "10.0.0.200/32".parse().expect("a prefix"),
            mac_address: VRRP,
        }],
        _ => Vec::new(),
    };
    let member = Unit::Member(Member {
        network: NETWORK,
        port: port(number),
        host: if number == 3 { "two" } else { "one" }
            .parse()
            .expect("a host"),
        mac: mac(number),
        addresses: addresses.clone(),
        pairs,
    });
    let of = |address| EndpointAddress {
        address,
        subnet: SubnetId(Uuid::nil()),
    };
    let endpoint = Unit::Endpoint(Endpoint {
        port: port(number),
        network: NETWORK,
        device: format!("tap{number}"),
        mac: mac(number),
        admin_up: true,
        port_security: number == 1,
        addresses: addresses.into_iter().map(of).collect(),
        pairs: Vec::new(),
        groups: vec![GROUP],
        dhcp_options: Vec::new(),
    });
    if number == 3 {
        vec![member]
    } else {
        vec![member, endpoint]
    }
}

/// The programs and the model side by side.
struct Both {
    run: TestRun,
    compiler: Compiler,
    connections: Connections,
    now: u32,
}

impl Both {
    fn new(stateful: bool) -> Self {
        let mut both = Self {
            run: TestRun::new().expect("the programs load (needs root)"),
            compiler: Compiler::default(),
            connections: Connections::default(),
            now: 1000,
        };
        let tunnel = Unit::Tunnel(Tunnel {
            host: "two".parse().expect("a host"),
            address: Ipv4Addr::new(192, 0, 2, 2).into(),
        });
        for number in [1, 2] {
            let ifindex = 10 + u32::from(number);
            both.compiler.plug(port(number), Device { ifindex });
        }
        let units = [tunnel, Unit::Segment(segment()), rule_set(stateful, true)];
        both.apply(units.into_iter().chain((1..=3).flat_map(port_units)));
        both
    }

    fn apply(&mut self, units: impl IntoIterator<Item = Unit>) {
        self.compiler.apply(&Delta {
            upserts: units.into_iter().map(Arc::new).collect(),
            deletes: Vec::new(),
        });
        self.run
            .set(self.compiler.tables())
            .expect("the maps take the tables");
    }

    fn ifindexes(&self, ports: &BTreeSet<PortId>) -> Vec<u32> {
        ports
            .iter()
            .map(|port| self.compiler.devices()[port].ifindex)
            .collect()
    }

    fn model(&mut self, entry: Entry, frame: &[u8]) -> Outcome {
        let host = Host::new(self.compiler.plan());
        let now = self.now.into();
        let of = |ifindex: u32| port((ifindex - 10) as u8);
        let connections = &mut self.connections;
        let decision = match entry {
            Entry::FromPort { ifindex } => host.from_port(of(ifindex), frame, connections, now),
            Entry::ToPort { ifindex, origin } => {
                host.to_port(of(ifindex), frame, origin, connections, now)
            }
            Entry::FromTunnel { vni, remote } => host.from_tunnel(vni, remote.into(), frame),
        };
        match decision.verdict {
            Verdict::Accept => Outcome::Accept,
            Verdict::Drop { reason } => Outcome::Drop(reason),
            Verdict::Deliver { port } => Outcome::Deliver {
                ifindex: self.compiler.devices()[&port].ifindex,
            },
            Verdict::Tunnel { host, vni } => Outcome::Tunnel {
                host: host_key(host.as_str()),
                vni: vni.get(),
            },
            Verdict::Flood { ports, hosts, vni } => Outcome::Flood {
                ports: self.ifindexes(&ports),
                hosts: hosts.iter().map(|host| host_key(host.as_str())).collect(),
                vni: vni.get(),
            },
            Verdict::Reply { frame } => Outcome::Reply { frame },
            Verdict::Punt { .. } => Outcome::Punt,
        }
    }

    #[track_caller]
    fn expect(&mut self, entry: Entry, frame: &[u8], wanted: Outcome) {
        let actual = self
            .run
            .run(entry, frame, self.now)
            .expect("the program runs");
        assert_eq!(actual, wanted, "the programs");
        assert_eq!(self.model(entry, frame), wanted, "the model");
    }

    /// Port 1 sends.
    #[track_caller]
    fn out(&mut self, ip: &Ip, body: &[u8], wanted: Outcome) {
        let frame = frames::ethernet(mac(2), mac(1), ip.ethertype(), &ip.packet(body));
        self.expect(Entry::FromPort { ifindex: 11 }, &frame, wanted);
    }

    /// Port 1 is sent.
    #[track_caller]
    fn inward(&mut self, ip: &Ip, body: &[u8], wanted: Outcome) {
        let frame = frames::ethernet(mac(1), mac(2), ip.ethertype(), &ip.packet(body));
        let origin = Origin::Forwarded;
        self.expect(
            Entry::ToPort {
                ifindex: 11,
                origin,
            },
            &frame,
            wanted,
        );
    }
}

/// From port 1 to port 2 and back.
fn ways(is_ipv6: bool, protocol: u8) -> (Ip, Ip) {
    let (one, two) = if is_ipv6 {
        (v6(1), v6(2))
    } else {
        (v4(1), v4(2))
    };
    (Ip::new(one, two, protocol), Ip::new(two, one, protocol))
}

const REFUSED: Outcome = Outcome::Drop(DropReason::SecurityGroupIngress);
const INVALID: Outcome = Outcome::Drop(DropReason::ConnectionInvalid);

#[test]
fn a_tcp_connection_from_handshake_to_reuse() {
    for is_ipv6 in [false, true] {
        let both = &mut Both::new(true);
        let (go, back) = ways(is_ipv6, 6);
        let out = |flags| frames::tcp(4000, 80, flags, b"");
        let answer = |flags| frames::tcp(80, 4000, flags, b"");
        both.inward(&back, &answer(SYN_ACK), REFUSED);
        both.out(&go, &out(SYN_ACK), INVALID);
        both.out(&go, &out(SYN), SENT);
        both.inward(&back, &answer(SYN_ACK), Outcome::Accept);
        both.out(&go, &out(ACK), SENT);
        // Established: a day of silence is no end.
        both.now += 86_400;
        both.inward(&back, &answer(ACK), Outcome::Accept);
        both.out(&go, &out(FIN), SENT);
        both.inward(&back, &answer(FIN), Outcome::Accept);
        both.out(&go, &out(ACK), SENT);
        // Closed: forgotten after 30 seconds, and a stray packet is no beginning.
        both.now += 31;
        both.inward(&back, &answer(ACK), REFUSED);
        both.out(&go, &out(FIN), INVALID);
        both.out(&go, &out(SYN), SENT);
        both.inward(&back, &answer(RST | ACK), Outcome::Accept);
        // Reset: a new SYN on the same ports begins anew; the other side's does not.
        both.inward(&back, &answer(SYN), REFUSED);
        both.out(&go, &out(SYN), SENT);
        both.now += 60;
        both.inward(&back, &answer(SYN_ACK), Outcome::Accept);
    }
}

#[test]
fn removing_the_rule_ends_the_connection() {
    let both = &mut Both::new(true);
    let (go, back) = ways(false, 6);
    let asked = |flags| frames::tcp(5000, 22, flags, b"");
    let answered = |flags| frames::tcp(22, 5000, flags, b"");
    both.inward(&back, &asked(SYN), Outcome::Accept);
    both.out(&go, &answered(SYN_ACK), SENT);
    both.apply([rule_set(true, false)]);
    both.inward(&back, &asked(ACK), REFUSED);
    // The answer is no reply to anything now, and no connection begins with it.
    both.out(&go, &answered(SYN_ACK), INVALID);
}

#[test]
fn a_stateless_group_lets_no_answer_in() {
    let both = &mut Both::new(false);
    let (go, back) = ways(false, 17);
    both.out(&go, &frames::udp(4000, 53, b"?"), SENT);
    both.inward(&back, &frames::udp(53, 4000, b"!"), REFUSED);
    let (_, back) = ways(false, 6);
    // Each packet stands alone: even a SYN+ACK is allowed by the rule.
    both.inward(&back, &frames::tcp(9, 22, SYN_ACK, b""), Outcome::Accept);
}

#[test]
fn udp_and_echo_answers_pass_for_half_a_minute() {
    for is_ipv6 in [false, true] {
        let both = &mut Both::new(true);
        let (go, back) = ways(is_ipv6, 17);
        both.out(&go, &frames::udp(4000, 53, b"?"), SENT);
        both.now += 30;
        both.inward(&back, &frames::udp(53, 4000, b"!"), Outcome::Accept);
        both.now += 120;
        both.inward(&back, &frames::udp(53, 4000, b"!"), Outcome::Accept);
        both.now += 121;
        both.inward(&back, &frames::udp(53, 4000, b"!"), REFUSED);

        let (protocol, request, reply) = if is_ipv6 { (58, 128, 129) } else { (1, 8, 0) };
        let (go, back) = ways(is_ipv6, protocol);
        let echo = |kind, id| frames::icmp(kind, 0, [0, id, 0, 1], b"payload");
        both.inward(&back, &echo(reply, 7), REFUSED);
        both.out(&go, &echo(request, 7), SENT);
        both.inward(&back, &echo(reply, 7), Outcome::Accept);
        both.inward(&back, &echo(reply, 8), REFUSED);
        // The other end's request under the same id is another matter.
        both.inward(&back, &echo(request, 7), REFUSED);
        both.now += 31;
        both.inward(&back, &echo(reply, 7), REFUSED);
    }
}

#[test]
fn an_icmp_error_about_a_known_connection_passes() {
    for is_ipv6 in [false, true] {
        let both = &mut Both::new(true);
        let (go, _) = ways(is_ipv6, 17);
        let sent = frames::udp(4000, 53, b"?");
        let (icmp, kind) = if is_ipv6 { (58, 1) } else { (1, 3) };
        // From a router, not from the other end.
        let router = if is_ipv6 { v6(99) } else { v4(99) };
        let error = Ip::new(router, go.source, icmp);
        let about = |body: &[u8]| frames::icmp(kind, 0, [0; 4], &go.packet(body));
        both.inward(&error, &about(&sent), REFUSED);
        both.out(&go, &sent, SENT);
        both.inward(&error, &about(&sent), Outcome::Accept);
        both.inward(&error, &about(&frames::udp(4001, 53, b"?")), REFUSED);
        // Cut off in the quoted ports.
        let mut cut = about(&sent);
        cut.truncate(cut.len() - sent.len() + 4);
        both.inward(&error, &cut, REFUSED);
    }
}

#[test]
fn later_fragments_follow_an_allowed_first_one() {
    for is_ipv6 in [false, true] {
        let both = &mut Both::new(true);
        let (go, _) = ways(is_ipv6, 17);
        let part = |offset, more, id| Ip {
            cut: Some(Cut { offset, more, id }),
            ..go.clone()
        };
        let unknown = Outcome::Drop(DropReason::FragmentUnknown);
        let mut first = frames::udp(4000, 53, &[0; 8]);
        first[5] = 200;
        both.out(&part(2, false, 5), &[0; 20], unknown.clone());
        both.out(&part(0, true, 5), &first, SENT);
        both.out(&part(2, false, 5), &[0; 20], SENT);
        both.out(&part(2, false, 6), &[0; 20], unknown.clone());
        both.now += 31;
        both.out(&part(2, false, 5), &[0; 20], unknown);
        // Not a multiple of 8 with more to follow; past the largest packet; a first part without its ports.
        let malformed = Outcome::Drop(DropReason::FragmentMalformed);
        both.out(&part(0, true, 7), &first[..15], malformed.clone());
        both.out(&part(8191, false, 7), &[0; 20], malformed);
        let truncated = Outcome::Drop(DropReason::TransportTruncated);
        let tcp = Ip {
            protocol: 6,
            ..part(0, true, 7)
        };
        both.out(&tcp, &first, truncated);
    }
}

#[test]
fn extension_headers_are_followed_to_the_ports() {
    let both = &mut Both::new(true);
    let (go, _) = ways(true, 6);
    let with = |extensions: &[(u8, Vec<u8>)]| Ip {
        extensions: extensions.to_vec(),
        ..go.clone()
    };
    let options = |number| (number, frames::extension(2, 4));
    let syn = frames::tcp(4000, 80, SYN, b"");
    both.out(&with(&[options(0), options(60), options(43)]), &syn, SENT);
    both.out(&with(&vec![options(60); 8]), &syn, SENT);
    let too_many = Outcome::Drop(DropReason::Ipv6ExtensionChain);
    both.out(&with(&vec![options(60); 9]), &syn, too_many);
    let misplaced = Outcome::Drop(DropReason::Ipv6Extension);
    both.out(&with(&[options(60), options(0)]), &syn, misplaced);
    let source_routed = Outcome::Drop(DropReason::Ipv6RoutingHeader);
    both.out(&with(&[(43, frames::extension(1, 0))]), &syn, source_routed);
}

#[test]
fn neighbours_are_answered_and_duplicates_told() {
    let both = &mut Both::new(true);
    let (IpAddr::V4(one), IpAddr::V4(three), IpAddr::V6(six)) = (v4(1), v4(3), v6(3)) else {
        unreachable!("as written above");
    };
    let entry = Entry::FromPort { ifindex: 11 };
    let ask = |sender, target| {
        let packet = frames::arp(1, (mac(1), sender), (Mac([0; 6]), target));
        frames::ethernet(Mac::BROADCAST, mac(1), 0x0806, &packet)
    };
    let reply = |target, asker| {
        let packet = frames::arp(2, (mac(3), target), (mac(1), asker));
        Outcome::Reply {
            frame: frames::ethernet(mac(1), mac(3), 0x0806, &packet),
        }
    };
    let everyone = || Outcome::Flood {
        ports: vec![12],
        hosts: vec![host_key("two")],
        vni: VNI,
    };
    both.expect(entry, &ask(one, three), reply(three, one));
    // A probe (RFC 5227) for another's address is answered, for its own it is not.
    both.expect(
        entry,
        &ask(Ipv4Addr::UNSPECIFIED, three),
        reply(three, Ipv4Addr::UNSPECIFIED),
    );
    both.expect(entry, &ask(Ipv4Addr::UNSPECIFIED, one), everyone());
    // Only the workloads know who holds an address pair.
    both.expect(entry, &ask(one, Ipv4Addr::new(10, 0, 0, 200)), everyone());
    let nobody = Outcome::Drop(DropReason::NeighbourUnknown);
    both.expect(entry, &ask(one, Ipv4Addr::new(10, 0, 0, 9)), nobody);
    // Clients renew their lease by unicast to the gateway, whether there is one or not.
    let service = segment().service_mac();
    let packet = frames::arp(2, (service, GATEWAY), (mac(1), one));
    let answer = Outcome::Reply {
        frame: frames::ethernet(mac(1), service, 0x0806, &packet),
    };
    both.expect(entry, &ask(one, GATEWAY), answer);
    // Duplicate address detection: the answer goes to all nodes, unsolicited (RFC 4861 section 7.2.4).
    let solicit = frames::neighbour(135, six, None);
    let ip = Ip::new(
        Ipv6Addr::UNSPECIFIED.into(),
        "ff02::1:ff00:3".parse().expect("a group"),
        58,
    );
    let group = Mac([0x33, 0x33, 0xff, 0, 0, 3]);
    let frame = frames::ethernet(group, mac(1), 0x86dd, &ip.packet(&solicit));
    let Outcome::Reply { frame: answer } = both.run.run(entry, &frame, 0).expect("runs") else {
        panic!("the holder is known");
    };
    assert_eq!(
        both.model(entry, &frame),
        Outcome::Reply {
            frame: answer.clone()
        }
    );
    assert_eq!(
        answer[38..54],
        *"ff02::1"
            .parse::<Ipv6Addr>()
            .expect("all nodes")
            .octets()
            .as_slice()
    );
    assert_eq!((answer[54], answer[58]), (136, 0x20));
}

#[test]
fn a_frame_to_an_address_pairs_mac_reaches_everyone() {
    let both = &mut Both::new(true);
    let (go, _) = ways(false, 6);
    let frame = frames::ethernet(
        VRRP,
        mac(1),
        0x0800,
        &go.packet(&frames::tcp(1, 2, SYN, b"")),
    );
    let everyone = Outcome::Flood {
        ports: vec![12],
        hosts: vec![host_key("two")],
        vni: VNI,
    };
    both.expect(Entry::FromPort { ifindex: 11 }, &frame, everyone);
    let frame = frames::ethernet(
        mac(3),
        mac(1),
        0x0800,
        &go.packet(&frames::tcp(1, 2, SYN, b"")),
    );
    let away = Outcome::Tunnel {
        host: host_key("two"),
        vni: VNI,
    };
    both.expect(Entry::FromPort { ifindex: 11 }, &frame, away);
}

#[test]
fn what_port_security_forbids_passes_without_it() {
    let both = &mut Both::new(true);
    let strange = frames::ethernet(mac(2), mac(9), 0x88b5, b"anything");
    let spoofed = Outcome::Drop(DropReason::SpoofedMac);
    both.expect(Entry::FromPort { ifindex: 11 }, &strange, spoofed);
    let from_two = frames::ethernet(mac(1), mac(9), 0x88b5, b"anything");
    let delivered = Outcome::Deliver { ifindex: 11 };
    both.expect(Entry::FromPort { ifindex: 12 }, &from_two, delivered);
    let entry = |ifindex| Entry::ToPort {
        ifindex,
        origin: Origin::Forwarded,
    };
    both.expect(entry(12), &strange, Outcome::Accept);
    both.expect(entry(11), &from_two, Outcome::Drop(DropReason::EtherType));
}
