//! What `trace` says about a small cloud: two hosts, three ports of one network, one group.

use forwarding::{Connections, DropReason, Host, Origin, Outcome, Query, Target, Verdict, trace};
use model::{
    AddressPair, Direction, Family, HostName, L4Match, Mac, Mtu, NetworkId, PortId, PortRange,
    Remote, RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Endpoint, EndpointAddress, HostPlan, Member, Rule, RuleSet, Segment, SetMember, SubnetServices,
    Tunnel, Unit, UnitKey,
};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use uuid::Uuid;

const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));
const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(2));
const SSH: RuleId = RuleId(Uuid::from_u128(3));

fn port(number: u8) -> PortId {
    PortId(Uuid::from_u128(0x10 + u128::from(number)))
}

fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

fn host(name: &str) -> HostName {
    name.parse().expect("a host name")
}

fn subnet() -> SubnetServices {
    SubnetServices {
        subnet: SubnetId(Uuid::nil()),
        cidr: "10.0.0.0/24".parse().expect("a prefix"),
        gateway: None,
        enable_dhcp: false,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        ra_mode: None,
        address_mode: None,
    }
}

/// Ports 1 and 2 are on host `one`, 3 on `two`. Everything may leave; SSH from members may enter.
fn plan(local: &str, ports: &[u8]) -> HostPlan {
    let rule = |id, direction, protocol, l4, remote| Rule {
        id,
        direction,
        family: Family::V4,
        protocol,
        l4,
        remote,
    };
    let ssh = L4Match::Ports(PortRange::new(22, 22).expect("a range"));
    let out = RuleId(Uuid::from_u128(4));
    let mut units = vec![
        Unit::RuleSet(RuleSet {
            group: GROUP,
            stateful: true,
            rules: vec![
                rule(SSH, Direction::Ingress, Some(6), ssh, Remote::Group(GROUP)),
                rule(out, Direction::Egress, None, L4Match::Any, Remote::Any),
            ],
        }),
        Unit::Segment(Segment {
            network: NETWORK,
            vni: Vni::new(7).expect("a VNI"),
            mtu: Mtu::DEFAULT,
            admin_up: true,
            subnets: vec![subnet()],
        }),
    ];
    for (name, octet) in [("one", 1), ("two", 2)] {
        if name != local {
            units.push(Unit::Tunnel(Tunnel {
                host: host(name),
                address: Ipv4Addr::new(192, 0, 2, octet).into(),
            }));
        }
    }
    for number in [1, 2, 3] {
        units.extend(port_units(number, ports.contains(&number)));
    }
    units.into_iter().map(Arc::new).collect()
}

fn port_units(number: u8, is_local: bool) -> Vec<Unit> {
    let pairs = vec![AddressPair {
        ip_address: "10.0.0.128/25".parse().expect("a prefix"),
        mac_address: mac(number),
    }];
    let pairs = if number == 3 { pairs } else { Vec::new() };
    let mut units = vec![
        Unit::SetMember(SetMember {
            group: GROUP,
            port: port(number),
            prefixes: vec![address(number).into()],
        }),
        Unit::Member(Member {
            network: NETWORK,
            port: port(number),
            host: host(if number == 3 { "two" } else { "one" }),
            mac: mac(number),
            addresses: vec![address(number)],
            pairs: pairs.clone(),
        }),
    ];
    if is_local {
        units.push(Unit::Endpoint(Endpoint {
            port: port(number),
            network: NETWORK,
            device: format!("tap{number}"),
            mac: mac(number),
            admin_up: true,
            port_security: true,
            addresses: vec![EndpointAddress {
                address: address(number),
                subnet: SubnetId(Uuid::nil()),
            }],
            pairs,
            groups: vec![GROUP],
            dhcp_options: Vec::new(),
        }));
    }
    units
}

fn query(to: Target, protocol: u8, destination_port: u16) -> Query {
    Query {
        from: port(1),
        to,
        source: None,
        protocol,
        source_port: 40_000,
        destination_port,
    }
}

fn follow(query: &Query) -> forwarding::Trace {
    let plan_of = |name: &HostName| (name.as_str() == "two").then(|| plan("two", &[3]));
    trace(&plan("one", &[1, 2]), plan_of, query)
}

#[test]
fn an_allowed_packet_is_delivered_and_the_rule_named() {
    for (to, number) in [
        (Target::Port(port(2)), 2),
        (Target::Port(port(3)), 3),
        (Target::Address(address(3)), 3),
        (Target::Address(address(200)), 3),
    ] {
        let trace = follow(&query(to, 6, 22));
        assert_eq!(
            trace.outcome,
            Outcome::Delivered { port: port(number) },
            "{trace:#?}"
        );
        let by_rule = trace.steps.iter().find(|step| step.step.rule == Some(SSH));
        let by_rule = by_rule.expect("the ingress rule is named");
        assert_eq!(by_rule.step.unit, Some(UnitKey::RuleSet(GROUP)));
        assert_eq!(by_rule.host, (number == 3).then(|| host("two")));
    }
}

#[test]
fn a_missing_rule_is_named() {
    let trace = follow(&query(Target::Port(port(3)), 6, 80));
    let Outcome::Dropped { reason, because } = trace.outcome else {
        panic!("{trace:#?}");
    };
    assert_eq!(reason, DropReason::SecurityGroupIngress);
    assert_eq!(
        because,
        "none of the port's security groups has an ingress rule for IPv4 tcp to port 80 from 10.0.0.1"
    );
    let last = trace.steps.last().expect("steps");
    assert_eq!(last.step.check, "security groups, ingress");
    assert_eq!(last.step.detail, because, "it ends at what refused it");
}

#[test]
fn what_cannot_be_followed_says_why() {
    let nobody = follow(&query(Target::Address(address(9)), 6, 22));
    assert!(
        matches!(&nobody.outcome, Outcome::Dropped { reason: DropReason::NeighbourUnknown, because }
            if because.contains("has 10.0.0.9")),
        "{nobody:?}"
    );
    assert_eq!(nobody.steps.len(), 1, "the step that failed is told");
    for everyone in ["255.255.255.255", "10.0.0.255", "224.0.0.1"] {
        let to = Target::Address(everyone.parse().expect("an address"));
        let flooded = follow(&query(to, 17, 53));
        assert!(
            matches!(&flooded.outcome, Outcome::Unknown { because } if because.contains("every port")),
            "{everyone}: {flooded:?}"
        );
    }
    let other_family = follow(&query(Target::Port(port(2)), 58, 0));
    assert!(
        matches!(&other_family.outcome, Outcome::Unknown { because } if because.contains("no address")),
        "ICMPv6 to a port that has IPv4 only: {other_family:?}"
    );
    let stranger = Query {
        from: port(3),
        ..query(Target::Port(port(1)), 6, 22)
    };
    assert!(matches!(
        follow(&stranger).outcome,
        Outcome::Dropped {
            reason: DropReason::PortUnknown,
            ..
        }
    ));
    let spoofed = Query {
        source: Some(address(7)),
        ..query(Target::Port(port(2)), 6, 22)
    };
    assert!(matches!(
        follow(&spoofed).outcome,
        Outcome::Dropped {
            reason: DropReason::SpoofedIpv4,
            ..
        }
    ));
    let unknown = trace(
        &plan("one", &[1, 2]),
        |_| None,
        &query(Target::Port(port(3)), 1, 0),
    );
    assert!(
        matches!(&unknown.outcome, Outcome::Unknown { because } if because.contains("host two"))
    );
    let json = serde_json::to_value(&nobody).expect("a trace is JSON");
    assert_eq!(json["outcome"], "dropped");
    assert_eq!(json["reason"], "neighbour-unknown");
}

proptest! {
    /// Any bytes get a verdict at every hook; none of them a panic.
    #[test]
    fn any_bytes_get_a_verdict(
        ethertype in prop_oneof![Just(0x0800_u16), Just(0x86dd), Just(0x0806), any::<u16>()],
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let plan = plan("one", &[1, 2]);
        let host = Host::new(&plan);
        let mut frame = [mac(2).0, mac(1).0].concat();
        frame.extend(ethertype.to_be_bytes());
        frame.extend(body);
        let connections = &mut Connections::default();
        let sent = host.from_port(port(1), &frame, connections, 0);
        prop_assert!(!matches!(sent.verdict, Verdict::Accept));
        let received = host.to_port(port(1), &frame, Origin::Forwarded, connections, 0);
        let is_final = matches!(received.verdict, Verdict::Accept | Verdict::Drop { .. });
        prop_assert!(is_final);
        host.from_tunnel(7, Ipv4Addr::new(192, 0, 2, 2).into(), &frame);
    }
}
