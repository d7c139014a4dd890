//! A small cloud as plans: what the planner would make of a few networks and ports.

use ipnet::IpNet;
use model::{
    Direction, Family, HostName, Ipv6Mode, L4Match, Mac, Mtu, NetworkId, Port, PortId, Remote,
    RuleId, SecurityGroupId, SubnetId, Vni,
};
use plan::{
    Endpoint, EndpointAddress, HostPlan, Member, Rule, RuleSet, Segment, SetMember, SubnetServices,
    Tunnel, Unit,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Debug, Clone, Default)]
pub(crate) struct Cloud {
    pub(crate) hosts: Vec<(HostName, IpAddr)>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) ports: Vec<(HostName, Endpoint)>,
}

/// Every port is in it: egress to all, ingress from its members.
pub(crate) const GROUP: SecurityGroupId = SecurityGroupId(Uuid::from_u128(0x5ec));

pub(crate) fn host(name: &str) -> HostName {
    name.parse().expect("a host name")
}

pub(crate) fn network(n: u8) -> NetworkId {
    NetworkId(Uuid::from_u128(
        0xa000_0000_4000_8000_0000_0000_0000_0000 + u128::from(n),
    ))
}

fn subnet_id(n: u8, family: u128) -> SubnetId {
    SubnetId(Uuid::from_u128(0xb000 + u128::from(n) * 16 + family))
}

/// The same addresses in every network: 10.0.0.0/24 and 2001:db8::/64.
pub(crate) fn segment(n: u8, mode: Ipv6Mode) -> Segment {
    let subnet = |family, cidr: &str, gateway: &str, dns: &str, mode| SubnetServices {
        subnet: subnet_id(n, family),
        cidr: cidr.parse::<IpNet>().expect("a prefix"),
        gateway: Some(gateway.parse().expect("an address")),
        enable_dhcp: true,
        dns_nameservers: vec![dns.parse().expect("an address")],
        host_routes: Vec::new(),
        ra_mode: mode,
        address_mode: mode,
    };
    Segment {
        network: network(n),
        vni: Vni::new(1000 + u32::from(n)).expect("a VNI"),
        mtu: Mtu::DEFAULT,
        admin_up: true,
        subnets: vec![
            subnet(4, "10.0.0.0/24", "10.0.0.1", "10.0.0.53", None),
            subnet(
                6,
                "2001:db8::/64",
                "2001:db8::1",
                "2001:db8::53",
                Some(mode),
            ),
        ],
    }
}

/// A port with 10.0.0.N; on a stateful network with 2001:db8::N, else with its EUI-64 address.
pub(crate) fn endpoint(segment: &Segment, n: u8) -> Endpoint {
    let id = segment.network.0.as_u128() as u8;
    let port = PortId(Uuid::from_u128(
        (0xc000_0000_4000_8000_0000_0000_0000_0000 + (u128::from(id) << 96))
            + (u128::from(n) << 104)
            + u128::from(n),
    ));
    let mac = Mac([0xfa, 0x16, 0x3e, id, 0, n]);
    let prefix: ipnet::Ipv6Net = "2001:db8::/64".parse().expect("a prefix");
    let v6 = match segment.subnets[1].address_mode {
        Some(Ipv6Mode::Dhcpv6Stateful) => format!("2001:db8::{n}").parse().expect("an address"),
        _ => mac.eui64(prefix),
    };
    let address = |address: IpAddr, family| EndpointAddress {
        address,
        subnet: subnet_id(id, family),
    };
    Endpoint {
        port,
        network: segment.network,
        device: Port::device_name(port),
        mac,
        admin_up: true,
        port_security: true,
        addresses: vec![address([10, 0, 0, n].into(), 4), address(v6.into(), 6)],
        pairs: Vec::new(),
        groups: vec![GROUP],
        dhcp_options: Vec::new(),
    }
}

impl Cloud {
    pub(crate) fn plan(&self, host: &HostName) -> HostPlan {
        let mut units = Vec::new();
        let local: Vec<&Endpoint> = self
            .ports
            .iter()
            .filter(|port| port.0 == *host)
            .map(|port| &port.1)
            .collect();
        let networks: BTreeSet<NetworkId> = local.iter().map(|endpoint| endpoint.network).collect();
        units.extend(
            local
                .iter()
                .map(|endpoint| Unit::Endpoint((*endpoint).clone())),
        );
        for segment in self
            .segments
            .iter()
            .filter(|segment| networks.contains(&segment.network))
        {
            units.push(Unit::Segment(segment.clone()));
        }
        let mut peers = BTreeSet::new();
        for (on, endpoint) in &self.ports {
            units.push(Unit::SetMember(set_member(endpoint)));
            if networks.contains(&endpoint.network) {
                peers.insert(on.clone());
                units.push(Unit::Member(member(on, endpoint)));
            }
        }
        for (name, address) in self
            .hosts
            .iter()
            .filter(|(name, _)| name != host && peers.contains(name))
        {
            units.push(Unit::Tunnel(Tunnel {
                host: name.clone(),
                address: *address,
            }));
        }
        if local.is_empty() {
            return HostPlan::default();
        }
        units.push(Unit::RuleSet(rule_set()));
        units.into_iter().map(Arc::new).collect()
    }
}

fn set_member(endpoint: &Endpoint) -> SetMember {
    let mut prefixes: Vec<IpNet> = endpoint
        .addresses
        .iter()
        .map(|address| address.address.into())
        .collect();
    prefixes.sort();
    SetMember {
        group: GROUP,
        port: endpoint.port,
        prefixes,
    }
}

fn member(host: &HostName, endpoint: &Endpoint) -> Member {
    let mut addresses: Vec<IpAddr> = endpoint
        .addresses
        .iter()
        .map(|address| address.address)
        .collect();
    addresses.sort();
    Member {
        network: endpoint.network,
        port: endpoint.port,
        host: host.clone(),
        mac: endpoint.mac,
        addresses,
        pairs: Vec::new(),
    }
}

fn rule_set() -> RuleSet {
    let rule = |id, direction, family, remote| Rule {
        id: RuleId(Uuid::from_u128(id)),
        direction,
        family,
        protocol: None,
        l4: L4Match::Any,
        remote,
    };
    RuleSet {
        group: GROUP,
        stateful: true,
        rules: vec![
            rule(1, Direction::Egress, Family::V4, Remote::Any),
            rule(2, Direction::Egress, Family::V6, Remote::Any),
            rule(3, Direction::Ingress, Family::V4, Remote::Group(GROUP)),
            rule(4, Direction::Ingress, Family::V6, Remote::Group(GROUP)),
        ],
    }
}
