//! What is encoded decodes to the same; what is not ours never panics and is refused by name.

use ipnet::IpNet;
use model::{
    AddressPair, DhcpOption, Direction, Family, HostName, HostRoute, IcmpMatch, Ipv6Mode, L4Match,
    Mac, Mtu, NetworkId, PortId, PortRange, Remote, RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SetMember, SubnetServices, Tunnel,
    Unit, UnitKey,
};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;
use std::net::IpAddr;
use uuid::Uuid;
use wire::{
    AgentFrame, ControllerFrame, Counter, DecodeError, Delta, Digest, GoAwayReason, Hello,
    Inventory, PortCounters, PortState, PortStatus, Reject, RejectCode, Snapshot, Welcome,
    decode_unit, digest, encode_unit, proto,
};

fn id() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn host() -> impl Strategy<Value = HostName> {
    "[a-z0-9._-]{1,20}".prop_map(|text| text.parse().expect("a host name"))
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(Mac)
}

fn prefix() -> impl Strategy<Value = IpNet> {
    (any::<IpAddr>(), 0..=128_u8).prop_map(|(address, length)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        IpNet::new(address, length.min(longest)).expect("a prefix")
    })
}

fn pairs() -> impl Strategy<Value = Vec<AddressPair>> {
    let pair = (prefix(), mac()).prop_map(|(ip_address, mac_address)| AddressPair {
        ip_address,
        mac_address,
    });
    btree_set(pair, 0..4).prop_map(|set| set.into_iter().collect())
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn mode() -> impl Strategy<Value = Option<Ipv6Mode>> {
    option::of(prop_oneof![
        Just(Ipv6Mode::Slaac),
        Just(Ipv6Mode::Dhcpv6Stateful),
        Just(Ipv6Mode::Dhcpv6Stateless),
    ])
}

fn l4() -> impl Strategy<Value = L4Match> {
    prop_oneof![
        Just(L4Match::Any),
        any::<(u16, u16)>().prop_map(|(a, b)| {
            L4Match::Ports(PortRange::new(a.min(b), a.max(b)).expect("a range"))
        }),
        any::<(u8, Option<u8>)>().prop_map(|(kind, code)| L4Match::Icmp(IcmpMatch { kind, code })),
    ]
}

fn remote() -> impl Strategy<Value = Remote> {
    prop_oneof![
        Just(Remote::Any),
        prefix().prop_map(Remote::Prefix),
        id().prop_map(|id| Remote::Group(SecurityGroupId(id))),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
    (
        id(),
        direction,
        family(),
        any::<Option<u8>>(),
        l4(),
        remote(),
    )
        .prop_map(|(id, direction, family, protocol, l4, remote)| Rule {
            id: RuleId(id),
            direction,
            family,
            protocol,
            l4,
            remote,
        })
}

fn subnet() -> impl Strategy<Value = SubnetServices> {
    let route = (prefix(), any::<IpAddr>()).prop_map(|(destination, nexthop)| HostRoute {
        destination,
        nexthop,
    });
    (
        id(),
        prefix(),
        any::<Option<IpAddr>>(),
        any::<bool>(),
        vec(any::<IpAddr>(), 0..3),
        vec(route, 0..3),
        mode(),
        mode(),
    )
        .prop_map(
            |(subnet, cidr, gateway, enable_dhcp, dns, routes, ra, address)| SubnetServices {
                subnet: SubnetId(subnet),
                cidr,
                gateway,
                enable_dhcp,
                dns_nameservers: dns,
                host_routes: routes,
                ra_mode: ra,
                address_mode: address,
            },
        )
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    let address = (any::<IpAddr>(), id()).prop_map(|(address, subnet)| EndpointAddress {
        address,
        subnet: SubnetId(subnet),
    });
    let dhcp = ("\\PC{0,8}", "\\PC{0,8}", family()).prop_map(|(name, value, family)| DhcpOption {
        name,
        value,
        family,
    });
    (
        (id(), id(), mac(), any::<bool>(), any::<bool>()),
        btree_set(address, 0..4),
        pairs(),
        btree_set(id().prop_map(SecurityGroupId), 0..4),
        vec(dhcp, 0..3),
    )
        .prop_map(
            |((port, network, mac, admin_up, secure), addresses, pairs, groups, dhcp)| Endpoint {
                port: PortId(port),
                network: NetworkId(network),
                device: model::Port::device_name(PortId(port)),
                mac,
                admin_up,
                port_security: secure,
                addresses: addresses.into_iter().collect(),
                pairs,
                groups: groups.into_iter().collect(),
                dhcp_options: dhcp,
            },
        )
}

fn unit() -> impl Strategy<Value = Unit> {
    let rules = vec(rule(), 0..5).prop_map(|mut rules| {
        rules.sort_by_key(|rule| rule.id);
        rules.dedup_by_key(|rule| rule.id);
        rules
    });
    let subnets = vec(subnet(), 0..3).prop_map(|mut subnets| {
        subnets.sort_by_key(|subnet| subnet.subnet);
        subnets.dedup_by_key(|subnet| subnet.subnet);
        subnets
    });
    let member = (
        id(),
        id(),
        host(),
        mac(),
        btree_set(any::<IpAddr>(), 0..4),
        pairs(),
    );
    prop_oneof![
        (host(), any::<IpAddr>())
            .prop_map(|(host, address)| Unit::Tunnel(Tunnel { host, address })),
        (id(), id(), btree_set(prefix(), 1..4)).prop_map(|(group, port, prefixes)| {
            Unit::SetMember(SetMember {
                group: SecurityGroupId(group),
                port: PortId(port),
                prefixes: prefixes.into_iter().collect(),
            })
        }),
        (id(), any::<bool>(), rules).prop_map(|(group, stateful, rules)| {
            Unit::RuleSet(RuleSet {
                group: SecurityGroupId(group),
                stateful,
                rules,
            })
        }),
        (id(), 1..=Vni::MAX, 68..=65535_u32, any::<bool>(), subnets).prop_map(
            |(network, vni, mtu, admin_up, subnets)| {
                Unit::Segment(Segment {
                    network: NetworkId(network),
                    vni: Vni::new(vni).expect("a VNI"),
                    mtu: Mtu::new(mtu).expect("an MTU"),
                    admin_up,
                    subnets,
                })
            }
        ),
        member.prop_map(|(network, port, host, mac, addresses, pairs)| {
            Unit::Member(Member {
                network: NetworkId(network),
                port: PortId(port),
                host,
                mac,
                addresses: addresses.into_iter().collect(),
                pairs,
            })
        }),
        endpoint().prop_map(Unit::Endpoint),
    ]
}

fn key() -> impl Strategy<Value = UnitKey> {
    unit().prop_map(|unit| unit.key())
}

fn agent_frame() -> impl Strategy<Value = AgentFrame> {
    let state = prop_oneof![
        Just(PortState::Up),
        Just(PortState::Down),
        Just(PortState::Error)
    ];
    let status =
        (id(), state, "\\PC{0,12}", any::<u64>()).prop_map(|(port, state, reason, revision)| {
            PortStatus {
                port: PortId(port),
                state,
                reason,
                revision,
            }
        });
    let counter =
        ("[a-z_]{1,12}", any::<u64>(), any::<u64>()).prop_map(|(name, packets, bytes)| Counter {
            name,
            packets,
            bytes,
        });
    let counters = (id(), vec(counter, 0..3)).prop_map(|(port, counters)| PortCounters {
        port: PortId(port),
        counters,
    });
    let entry = (key(), any::<[u8; 16]>()).prop_map(|(key, bytes)| (key, Digest(bytes)));
    let hello = (
        any::<u32>(),
        host(),
        "\\PC{0,8}",
        id(),
        any::<IpAddr>(),
        any::<u64>(),
    );
    prop_oneof![
        hello.prop_map(
            |(protocol, host, agent_version, boot_id, address, applied)| {
                AgentFrame::Hello(Hello {
                    protocol,
                    host,
                    agent_version,
                    boot_id,
                    tunnel_address: address,
                    applied,
                })
            }
        ),
        (vec(entry, 0..5), any::<bool>())
            .prop_map(|(entries, last)| AgentFrame::Inventory(Inventory { entries, last })),
        any::<u32>().prop_map(AgentFrame::Credit),
        any::<u64>().prop_map(AgentFrame::Applied),
        vec(status, 0..4).prop_map(AgentFrame::Status),
        vec(counters, 0..4).prop_map(AgentFrame::Counters),
    ]
}

fn controller_frame() -> impl Strategy<Value = ControllerFrame> {
    let code = prop_oneof![
        Just(RejectCode::Protocol),
        Just(RejectCode::Identity),
        Just(RejectCode::Malformed),
        Just(RejectCode::Registration),
        Just(RejectCode::ForeignPort),
    ];
    prop_oneof![
        (any::<u32>(), id(), "\\PC{0,8}").prop_map(|(protocol, epoch, controller_version)| {
            ControllerFrame::Welcome(Welcome {
                protocol,
                epoch,
                controller_version,
            })
        }),
        any::<(u64, u64, u64)>().prop_map(|(revision, upserts, deletes)| {
            ControllerFrame::Snapshot(Snapshot {
                revision,
                upserts,
                deletes,
            })
        }),
        (vec(unit(), 0..4), vec(key(), 0..4)).prop_map(|(units, deletes)| {
            ControllerFrame::Delta(Delta {
                upserts: units.iter().map(encode_unit).collect(),
                deletes,
            })
        }),
        any::<u64>().prop_map(ControllerFrame::End),
        (code, "\\PC{0,20}")
            .prop_map(|(code, message)| ControllerFrame::Reject(Reject { code, message })),
        Just(ControllerFrame::GoAway(GoAwayReason::Draining)),
        Just(ControllerFrame::GoAway(GoAwayReason::Replaced)),
    ]
}

proptest! {
    #[test]
    fn units_survive_the_wire(unit in unit()) {
        let bytes = encode_unit(&unit);
        prop_assert_eq!(decode_unit(&bytes), Ok(unit.clone()));
        prop_assert_eq!(digest(&bytes), digest(&encode_unit(&unit)));
    }

    #[test]
    fn keys_survive_the_wire(key in key()) {
        let message = proto::UnitKey::from(&key);
        prop_assert_eq!(UnitKey::try_from(&message), Ok(key));
    }

    #[test]
    fn agent_frames_survive_the_wire(frame in agent_frame()) {
        let bytes = proto::AgentFrame::from(&frame).encode_to_vec();
        let message = proto::AgentFrame::decode(bytes.as_slice()).expect("a message");
        prop_assert_eq!(AgentFrame::try_from(message), Ok(frame));
    }

    #[test]
    fn controller_frames_survive_the_wire(frame in controller_frame()) {
        let bytes = proto::ControllerFrame::from(&frame).encode_to_vec();
        let message = proto::ControllerFrame::decode(bytes.as_slice()).expect("a message");
        prop_assert_eq!(ControllerFrame::try_from(message), Ok(frame));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode_unit(&bytes);
        let _ = proto::AgentFrame::decode(bytes.as_slice()).map(AgentFrame::try_from);
        let _ = proto::ControllerFrame::decode(bytes.as_slice()).map(ControllerFrame::try_from);
    }

    /// Nearly valid bytes reach further into the decoder than random ones.
    #[test]
    fn a_flipped_byte_never_panics(unit in unit(), at in any::<prop::sample::Index>(), by in 1..=255_u8) {
        let mut bytes = encode_unit(&unit).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        if let Ok(decoded) = decode_unit(&bytes) {
            prop_assert_eq!(decode_unit(&encode_unit(&decoded)), Ok(decoded));
        }
    }

    #[test]
    fn truncated_units_never_panic(unit in unit(), at in any::<prop::sample::Index>()) {
        let bytes = encode_unit(&unit);
        let _ = decode_unit(&bytes[..at.index(bytes.len())]);
    }

    /// A newer peer may add fields: number 1000, length-delimited, here at the end of the unit.
    #[test]
    fn unknown_fields_are_ignored(unit in unit(), extra in vec(any::<u8>(), 0..20)) {
        let mut bytes = encode_unit(&unit).to_vec();
        bytes.extend([0xc2, 0x3e, extra.len() as u8]);
        bytes.extend(extra);
        prop_assert_eq!(decode_unit(&bytes), Ok(unit));
    }
}

fn sample_rule() -> proto::Rule {
    proto::Rule::from(&Rule {
        id: RuleId(Uuid::from_u128(1)),
        direction: Direction::Ingress,
        family: Family::V4,
        protocol: None,
        l4: L4Match::Any,
        remote: Remote::Any,
    })
}

/// Each way a rule can be less than a rule, and the field that is named.
#[test]
fn absence_never_permits() {
    type Spoil = fn(&mut proto::Rule);
    let cases: [(&str, Spoil); 6] = [
        ("rule.remote is missing", |rule| rule.remote = None),
        ("rule.l4 is missing", |rule| rule.l4 = None),
        ("rule.protocol is missing", |rule| rule.protocol = None),
        ("rule.direction is 0, not a known direction", |rule| {
            rule.direction = 0
        }),
        ("rule.family is 7, not a known family", |rule| {
            rule.family = 7
        }),
        ("rule.protocol is 257, not in 0..=256", |rule| {
            rule.protocol = Some(257)
        }),
    ];
    for (message, spoil) in cases {
        let mut rule = sample_rule();
        spoil(&mut rule);
        let error = Rule::try_from(&rule).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let bare = proto::Endpoint {
        port: vec![1; 16],
        network: vec![2; 16],
        device: "tap0".into(),
        mac: vec![2, 0, 0, 0, 0, 1],
        ..Default::default()
    };
    let endpoint = Endpoint::try_from(&bare).expect("an endpoint");
    assert!(endpoint.port_security && !endpoint.admin_up);
}

#[test]
fn errors_name_field_and_value() {
    let mut rule = sample_rule();
    rule.l4 = Some(proto::rule::L4::Ports(proto::PortRange { min: 9, max: 3 }));
    let message = "rule.ports is 9-3, port range 9-3 is inverted";
    assert_eq!(
        Rule::try_from(&rule).expect_err(message).to_string(),
        message
    );
    rule.l4 = Some(proto::rule::L4::Ports(proto::PortRange {
        min: 9,
        max: 70_000,
    }));
    let message = "rule.ports.max is 70000, not in 0..=65535";
    assert_eq!(
        Rule::try_from(&rule).expect_err(message).to_string(),
        message
    );

    let short = proto::Tunnel {
        host: "h1".into(),
        address: vec![10, 0, 0],
    };
    assert_eq!(
        Tunnel::try_from(&short),
        Err(DecodeError::Length {
            field: "tunnel.address",
            length: 3,
            accepted: "4 or 16"
        })
    );
    let set = proto::SetMember {
        group: vec![1; 16],
        port: vec![1; 16],
        prefixes: vec![vec![10, 0, 0, 2, 32], vec![10, 0, 0, 1, 32]],
    };
    assert_eq!(
        SetMember::try_from(&set),
        Err(DecodeError::Order {
            field: "set_member.prefixes"
        })
    );
    let long = proto::SetMember {
        prefixes: vec![vec![10, 0, 0, 1, 33]],
        ..set
    };
    assert_eq!(
        SetMember::try_from(&long)
            .expect_err("too long")
            .to_string(),
        "set_member.prefixes is 10.0.0.1/33, longer than the address"
    );
    let endpoint = proto::Endpoint {
        port: vec![1; 16],
        network: vec![2; 16],
        device: "../../etc".into(),
        ..Default::default()
    };
    let error = Endpoint::try_from(&endpoint).expect_err("a path is no device");
    assert!(
        error
            .to_string()
            .starts_with("endpoint.device is \"../../etc\"")
    );
}

/// The largest security group the API accepts must fit a frame, whatever its rules.
#[test]
fn ten_thousand_rules_fit_a_frame() {
    let rules = (0..10_000).map(|number| Rule {
        id: RuleId(Uuid::from_u128(number)),
        direction: Direction::Egress,
        family: Family::V6,
        protocol: None,
        l4: L4Match::Ports(PortRange {
            min: 65_534,
            max: 65_535,
        }),
        remote: Remote::Prefix("2001:db8::/128".parse().expect("a prefix")),
    });
    let unit = Unit::RuleSet(RuleSet {
        group: SecurityGroupId(Uuid::nil()),
        stateful: true,
        rules: rules.collect(),
    });
    assert!(encode_unit(&unit).len() < wire::FRAME_TARGET);
}

/// The bytes on the wire are a contract: this is SHA-256 of a known unit, computed elsewhere.
#[test]
fn a_unit_has_these_bytes() {
    let unit = Unit::Tunnel(Tunnel {
        host: "h1".parse().expect("a host name"),
        address: IpAddr::from([192, 0, 2, 1]),
    });
    let bytes = encode_unit(&unit);
    assert_eq!(
        bytes.as_ref(),
        [0x0a, 0x0a, 0x0a, 0x02, b'h', b'1', 0x12, 0x04, 192, 0, 2, 1]
    );
    assert_eq!(
        format!("{:?}", digest(&bytes)),
        "Digest(802c4c8177505c36ba2cacbc050f500e)"
    );
}
