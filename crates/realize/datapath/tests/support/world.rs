//! Small random plans: two networks with equal addresses, ports here and elsewhere, groups that refer to each other.

use datapath::{Compiler, Device};
use ipnet::IpNet;
use model::{
    AddressPair, Direction, Family, HostName, IcmpMatch, Ipv6Mode, L4Match, Mac, Mtu, NetworkId,
    PortId, PortRange, Remote, RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Delta, Endpoint, EndpointAddress, Member, Rule, RuleSet, Segment, SetMember, SubnetServices,
    Tunnel, Unit, UnitKey,
};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use uuid::Uuid;

pub const TUNNELS: [(&str, Ipv4Addr); 2] = [
    ("h2", Ipv4Addr::new(192, 0, 2, 2)),
    ("h3", Ipv4Addr::new(192, 0, 2, 3)),
];
/// A host that has members and no tunnel.
pub const LOST_HOST: &str = "h4";
pub const VNIS: [u32; 2] = [100, 200];
pub const GROUPS: u128 = 5;

/// A port as the packets of a test need it.
#[derive(Debug, Clone)]
pub struct Station {
    pub id: PortId,
    pub network: usize,
    pub mac: Mac,
    pub addresses: Vec<IpAddr>,
    pub pairs: Vec<AddressPair>,
    /// The device's index; `None` if it is elsewhere or unplugged.
    pub ifindex: Option<u32>,
    pub host: HostName,
}

pub struct World {
    pub rng: StdRng,
    pub compiler: Compiler,
    pub stations: Vec<Station>,
    pub unplugged: BTreeSet<PortId>,
}

pub fn network(index: usize) -> NetworkId {
    NetworkId(Uuid::from_u128(0x1000 + index as u128))
}

pub fn group(index: u128) -> SecurityGroupId {
    SecurityGroupId(Uuid::from_u128(0x2000 + index))
}

fn host(name: &str) -> HostName {
    name.parse().expect("a host name")
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut world = Self {
            rng: StdRng::seed_from_u64(seed),
            compiler: Compiler::default(),
            stations: Vec::new(),
            unplugged: BTreeSet::new(),
        };
        let mut units = Vec::new();
        for (name, address) in TUNNELS {
            units.push(Unit::Tunnel(Tunnel {
                host: host(name),
                address: address.into(),
            }));
        }
        for index in 0..GROUPS {
            units.push(world.rule_set(index));
        }
        for index in 0..VNIS.len() {
            units.push(world.segment(index));
            for number in 0..8 {
                world.station(index, number, &mut units);
            }
        }
        world.apply(units, Vec::new());
        world
    }

    pub fn apply(&mut self, units: Vec<Unit>, deletes: Vec<UnitKey>) {
        let delta = Delta {
            upserts: units.into_iter().map(Arc::new).collect(),
            deletes,
        };
        self.compiler.apply(&delta);
    }

    fn segment(&mut self, index: usize) -> Unit {
        let subnet = |cidr: &str, gateway, dhcp, modes: Option<Ipv6Mode>| SubnetServices {
            subnet: SubnetId(Uuid::from_u128(0x3000 + index as u128)),
            cidr: cidr.parse().expect("a CIDR"),
            gateway,
            enable_dhcp: dhcp,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ra_mode: modes,
            address_mode: modes,
        };
        let mode = *[None, Some(Ipv6Mode::Slaac), Some(Ipv6Mode::Dhcpv6Stateful)]
            .choose(&mut self.rng)
            .expect("a mode");
        // Nobody's, a port's, a pair's.
        let gateway = *[None, Some(1), Some(1), Some(12), Some(200)]
            .choose(&mut self.rng)
            .expect("a gateway");
        let gateway = gateway.map(|last| Ipv4Addr::new(10, 0, 0, last).into());
        Unit::Segment(Segment {
            network: network(index),
            vni: Vni::new(VNIS[index]).expect("a VNI"),
            mtu: Mtu::new(self.rng.random_range(1000..1500)).expect("an MTU"),
            admin_up: self.rng.random_bool(0.97),
            subnets: vec![
                subnet("10.0.0.0/24", gateway, self.rng.random_bool(0.7), None),
                subnet("2001:db8::/64", None, true, mode),
            ],
        })
    }

    fn station(&mut self, index: usize, number: u8, units: &mut Vec<Unit>) {
        let rng = &mut self.rng;
        let id = PortId(Uuid::from_u128(
            0x4000 + (index as u128) * 256 + u128::from(number),
        ));
        let mac = Mac([0xfa, 0x16, 0x3e, 0, index as u8, number]);
        let mut addresses: Vec<IpAddr> = vec![Ipv4Addr::new(10, 0, 0, 10 + number).into()];
        if rng.random_bool(0.8) {
            addresses
                .push(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10 + u16::from(number)).into());
        }
        let pairs = pairs(rng, mac);
        let is_local = number < 5;
        let ifindex = (is_local && rng.random_bool(0.9))
            .then_some(10 + 100 * index as u32 + u32::from(number));
        let place = if is_local {
            "h1"
        } else {
            *["h2", "h3", LOST_HOST].choose(rng).expect("a host")
        };
        let groups: Vec<_> = (0..GROUPS).filter(|_| rng.random_bool(0.5)).collect();
        units.push(Unit::Member(Member {
            network: network(index),
            port: id,
            host: host(place),
            mac,
            addresses: addresses.clone(),
            pairs: pairs.clone(),
        }));
        for each in &groups {
            units.push(set_member(*each, id, &addresses, &pairs));
        }
        if is_local {
            let subnet = SubnetId(Uuid::from_u128(0x3000));
            let of = |address: &IpAddr| EndpointAddress {
                address: *address,
                subnet,
            };
            units.push(Unit::Endpoint(Endpoint {
                port: id,
                network: network(index),
                device: format!("tap{number}"),
                mac,
                admin_up: rng.random_bool(0.95),
                port_security: rng.random_bool(0.8),
                addresses: addresses.iter().map(of).collect(),
                pairs: pairs.clone(),
                groups: groups.iter().map(|each| group(*each)).collect(),
                dhcp_options: Vec::new(),
            }));
        }
        match ifindex {
            Some(ifindex) => drop(self.compiler.plug(id, Device { ifindex })),
            None if is_local => drop(self.unplugged.insert(id)),
            None => {}
        }
        self.stations.push(Station {
            id,
            network: index,
            mac,
            addresses,
            pairs,
            ifindex,
            host: host(place),
        });
    }

    pub fn rule_set(&mut self, index: u128) -> Unit {
        let count = *[0, 1, 3, 6, 20, 40].choose(&mut self.rng).expect("a count");
        let rules = (0..count).map(|number| rule(&mut self.rng, index, number));
        let rules = rules.collect();
        Unit::RuleSet(RuleSet {
            group: group(index),
            stateful: self.rng.random_bool(0.7),
            rules,
        })
    }
}

pub fn set_member(index: u128, port: PortId, addresses: &[IpAddr], pairs: &[AddressPair]) -> Unit {
    let prefixes = addresses.iter().map(|address| IpNet::from(*address));
    let mut prefixes: Vec<_> = prefixes
        .chain(pairs.iter().map(|pair| pair.ip_address))
        .collect();
    prefixes.sort();
    prefixes.dedup();
    Unit::SetMember(SetMember {
        group: group(index),
        port,
        prefixes,
    })
}

fn pairs(rng: &mut StdRng, mac: Mac) -> Vec<AddressPair> {
    let pair = |prefix: &str, mac: Mac| AddressPair {
        ip_address: prefix.parse().expect("a prefix"),
        mac_address: mac,
    };
    let vrrp = Mac([0, 0, 0x5e, 0, 1, 7]);
    match rng.random_range(0..10) {
        0 => vec![pair("10.0.0.200/32", mac), pair("10.0.0.201/32", vrrp)],
        1 => vec![pair("172.16.0.0/12", mac)],
        2 => vec![pair("2001:db8:1::/48", mac), pair("::/0", vrrp)],
        3 => vec![pair("0.0.0.0/0", mac)],
        _ => Vec::new(),
    }
}

fn rule(rng: &mut StdRng, group_index: u128, number: u128) -> Rule {
    let family = *[Family::V4, Family::V6].choose(rng).expect("a family");
    let (echo, icmp) = match family {
        Family::V4 => (8, 1),
        Family::V6 => (128, 58),
    };
    let ports = PortRange::new(20, rng.random_range(20..100)).expect("a range");
    let (protocol, l4) = match rng.random_range(0..14) {
        0 | 10..14 => (None, L4Match::Any),
        1 | 2 => (Some(6), L4Match::Ports(ports)),
        3 => (Some(6), L4Match::Any),
        4 => (Some(17), L4Match::Ports(ports)),
        5 => (Some(17), L4Match::Any),
        6 => (Some(icmp), L4Match::Any),
        7 => {
            let code = rng.random_bool(0.5).then_some(0);
            (Some(icmp), L4Match::Icmp(IcmpMatch { kind: echo, code }))
        }
        8 => (Some(132), L4Match::Ports(ports)),
        _ => (Some(47), L4Match::Any),
    };
    let prefix = match family {
        Family::V4 => ["10.0.0.0/24", "10.0.0.8/29", "0.0.0.0/0", "10.0.0.13/32"],
        Family::V6 => [
            "2001:db8::/64",
            "2001:db8::10/125",
            "::/0",
            "2001:db8:1::/48",
        ],
    };
    let remote = match rng.random_range(0..6) {
        0 | 1 => Remote::Any,
        2 | 3 => Remote::Prefix(
            prefix
                .choose(rng)
                .expect("a prefix")
                .parse()
                .expect("a CIDR"),
        ),
        _ => Remote::Group(group(rng.random_range(0..GROUPS))),
    };
    Rule {
        id: RuleId(Uuid::from_u128(0x5000 + group_index * 256 + number)),
        direction: *[Direction::Egress, Direction::Ingress]
            .choose(rng)
            .expect("a direction"),
        family,
        protocol,
        l4,
        remote,
    }
}
