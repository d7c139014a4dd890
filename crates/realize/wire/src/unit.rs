//! Units on the wire.

use crate::field::{
    address, ascending, host, mac, prefix, put_address, put_mac, put_prefix, put_uuid, required,
    uuid,
};
use crate::rule::{decode_family, encode_family};
use crate::{DecodeError, proto};
use bytes::Bytes;
use model::{
    AddressPair, DhcpOption, HostRoute, Ipv6Mode, Mtu, NetworkId, PortId, SecurityGroupId,
    SubnetId, Vni,
};
use plan::{
    Endpoint, EndpointAddress, Member, RuleSet, Segment, SetMember, SubnetServices, Tunnel, Unit,
};
use prost::Message;
use proto::unit::Unit as Kind;
use std::net::IpAddr;

/// The bytes of a unit; equal units have equal bytes.
pub fn encode_unit(unit: &Unit) -> Bytes {
    proto::Unit::from(unit).encode_to_vec().into()
}

/// The unit behind bytes of any origin.
pub fn decode_unit(bytes: &[u8]) -> Result<Unit, DecodeError> {
    Unit::try_from(&proto::Unit::decode(bytes)?)
}

impl From<&Unit> for proto::Unit {
    fn from(unit: &Unit) -> Self {
        let kind = match unit {
            Unit::Tunnel(unit) => Kind::Tunnel(unit.into()),
            Unit::SetMember(unit) => Kind::SetMember(unit.into()),
            Unit::RuleSet(unit) => Kind::RuleSet(unit.into()),
            Unit::Segment(unit) => Kind::Segment(unit.into()),
            Unit::Member(unit) => Kind::Member(unit.into()),
            Unit::Endpoint(unit) => Kind::Endpoint(unit.into()),
        };
        Self { unit: Some(kind) }
    }
}

impl TryFrom<&proto::Unit> for Unit {
    type Error = DecodeError;

    fn try_from(unit: &proto::Unit) -> Result<Self, DecodeError> {
        Ok(match required("unit.unit", unit.unit.as_ref())? {
            Kind::Tunnel(unit) => Self::Tunnel(unit.try_into()?),
            Kind::SetMember(unit) => Self::SetMember(unit.try_into()?),
            Kind::RuleSet(unit) => Self::RuleSet(unit.try_into()?),
            Kind::Segment(unit) => Self::Segment(unit.try_into()?),
            Kind::Member(unit) => Self::Member(unit.try_into()?),
            Kind::Endpoint(unit) => Self::Endpoint(unit.try_into()?),
        })
    }
}

impl From<&Tunnel> for proto::Tunnel {
    fn from(unit: &Tunnel) -> Self {
        Self {
            host: unit.host.to_string(),
            address: put_address(unit.address),
        }
    }
}

impl TryFrom<&proto::Tunnel> for Tunnel {
    type Error = DecodeError;

    fn try_from(unit: &proto::Tunnel) -> Result<Self, DecodeError> {
        Ok(Self {
            host: host("tunnel.host", &unit.host)?,
            address: address("tunnel.address", &unit.address)?,
        })
    }
}

impl From<&SetMember> for proto::SetMember {
    fn from(unit: &SetMember) -> Self {
        Self {
            group: put_uuid(unit.group.0),
            port: put_uuid(unit.port.0),
            prefixes: unit.prefixes.iter().copied().map(put_prefix).collect(),
        }
    }
}

impl TryFrom<&proto::SetMember> for SetMember {
    type Error = DecodeError;

    fn try_from(unit: &proto::SetMember) -> Result<Self, DecodeError> {
        const PREFIXES: &str = "set_member.prefixes";
        if unit.prefixes.is_empty() {
            return Err(DecodeError::Missing { field: PREFIXES });
        }
        Ok(Self {
            group: SecurityGroupId(uuid("set_member.group", &unit.group)?),
            port: PortId(uuid("set_member.port", &unit.port)?),
            prefixes: each(PREFIXES, &unit.prefixes, |bytes| prefix(PREFIXES, bytes))?,
        })
    }
}

impl From<&RuleSet> for proto::RuleSet {
    fn from(unit: &RuleSet) -> Self {
        Self {
            group: put_uuid(unit.group.0),
            stateful: unit.stateful,
            rules: unit.rules.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&proto::RuleSet> for RuleSet {
    type Error = DecodeError;

    fn try_from(unit: &proto::RuleSet) -> Result<Self, DecodeError> {
        let rules: Vec<plan::Rule> = unit
            .rules
            .iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        if !rules.is_sorted_by(|a, b| a.id < b.id) {
            let field = "rule_set.rules";
            return Err(DecodeError::Order { field });
        }
        Ok(Self {
            group: SecurityGroupId(uuid("rule_set.group", &unit.group)?),
            stateful: unit.stateful,
            rules,
        })
    }
}

impl From<&Segment> for proto::Segment {
    fn from(unit: &Segment) -> Self {
        Self {
            network: put_uuid(unit.network.0),
            vni: unit.vni.get(),
            mtu: unit.mtu.get().into(),
            admin_up: unit.admin_up,
            subnets: unit.subnets.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&proto::Segment> for Segment {
    type Error = DecodeError;

    fn try_from(unit: &proto::Segment) -> Result<Self, DecodeError> {
        let subnets: Vec<SubnetServices> = unit
            .subnets
            .iter()
            .map(TryInto::try_into)
            .collect::<Result<_, _>>()?;
        if !subnets.is_sorted_by(|a, b| a.subnet < b.subnet) {
            let field = "segment.subnets";
            return Err(DecodeError::Order { field });
        }
        Ok(Self {
            network: NetworkId(uuid("segment.network", &unit.network)?),
            vni: Vni::new(unit.vni)
                .map_err(|error| DecodeError::value("segment.vni", unit.vni, error))?,
            mtu: Mtu::new(unit.mtu)
                .map_err(|error| DecodeError::value("segment.mtu", unit.mtu, error))?,
            admin_up: unit.admin_up,
            subnets,
        })
    }
}

impl From<&SubnetServices> for proto::SubnetServices {
    fn from(subnet: &SubnetServices) -> Self {
        Self {
            subnet: put_uuid(subnet.subnet.0),
            cidr: put_prefix(subnet.cidr),
            gateway: subnet.gateway.map(put_address),
            enable_dhcp: subnet.enable_dhcp,
            dns_nameservers: put_addresses(&subnet.dns_nameservers),
            host_routes: subnet
                .host_routes
                .iter()
                .map(|route| proto::HostRoute {
                    destination: put_prefix(route.destination),
                    nexthop: put_address(route.nexthop),
                })
                .collect(),
            ra_mode: subnet.ra_mode.map(|mode| encode_mode(mode).into()),
            address_mode: subnet.address_mode.map(|mode| encode_mode(mode).into()),
        }
    }
}

impl TryFrom<&proto::SubnetServices> for SubnetServices {
    type Error = DecodeError;

    fn try_from(subnet: &proto::SubnetServices) -> Result<Self, DecodeError> {
        let host_routes = subnet.host_routes.iter().map(|route| {
            Ok(HostRoute {
                destination: prefix("host_route.destination", &route.destination)?,
                nexthop: address("host_route.nexthop", &route.nexthop)?,
            })
        });
        let servers = subnet.dns_nameservers.iter();
        Ok(Self {
            subnet: SubnetId(uuid("subnet.subnet", &subnet.subnet)?),
            cidr: prefix("subnet.cidr", &subnet.cidr)?,
            gateway: subnet
                .gateway
                .as_deref()
                .map(|bytes| address("subnet.gateway", bytes))
                .transpose()?,
            enable_dhcp: subnet.enable_dhcp,
            dns_nameservers: servers
                .map(|bytes| address("subnet.dns_nameservers", bytes))
                .collect::<Result<_, DecodeError>>()?,
            host_routes: host_routes.collect::<Result<_, DecodeError>>()?,
            ra_mode: decode_mode("subnet.ra_mode", subnet.ra_mode)?,
            address_mode: decode_mode("subnet.address_mode", subnet.address_mode)?,
        })
    }
}

fn encode_mode(mode: Ipv6Mode) -> proto::Ipv6Mode {
    match mode {
        Ipv6Mode::Slaac => proto::Ipv6Mode::Slaac,
        Ipv6Mode::Dhcpv6Stateful => proto::Ipv6Mode::Dhcpv6Stateful,
        Ipv6Mode::Dhcpv6Stateless => proto::Ipv6Mode::Dhcpv6Stateless,
    }
}

fn decode_mode(field: &'static str, mode: Option<i32>) -> Result<Option<Ipv6Mode>, DecodeError> {
    let Some(mode) = mode else { return Ok(None) };
    match proto::Ipv6Mode::try_from(mode) {
        Ok(proto::Ipv6Mode::Slaac) => Ok(Some(Ipv6Mode::Slaac)),
        Ok(proto::Ipv6Mode::Dhcpv6Stateful) => Ok(Some(Ipv6Mode::Dhcpv6Stateful)),
        Ok(proto::Ipv6Mode::Dhcpv6Stateless) => Ok(Some(Ipv6Mode::Dhcpv6Stateless)),
        Ok(proto::Ipv6Mode::Unspecified) | Err(_) => {
            Err(DecodeError::value(field, mode, "not a known mode"))
        }
    }
}

impl From<&Member> for proto::Member {
    fn from(unit: &Member) -> Self {
        Self {
            network: put_uuid(unit.network.0),
            port: put_uuid(unit.port.0),
            host: unit.host.to_string(),
            mac: put_mac(unit.mac),
            addresses: put_addresses(&unit.addresses),
            pairs: put_pairs(&unit.pairs),
        }
    }
}

impl TryFrom<&proto::Member> for Member {
    type Error = DecodeError;

    fn try_from(unit: &proto::Member) -> Result<Self, DecodeError> {
        const ADDRESSES: &str = "member.addresses";
        Ok(Self {
            network: NetworkId(uuid("member.network", &unit.network)?),
            port: PortId(uuid("member.port", &unit.port)?),
            host: host("member.host", &unit.host)?,
            mac: mac("member.mac", &unit.mac)?,
            addresses: each(ADDRESSES, &unit.addresses, |bytes| {
                address(ADDRESSES, bytes)
            })?,
            pairs: pairs("member.pairs", &unit.pairs)?,
        })
    }
}

impl From<&Endpoint> for proto::Endpoint {
    fn from(unit: &Endpoint) -> Self {
        Self {
            port: put_uuid(unit.port.0),
            network: put_uuid(unit.network.0),
            device: unit.device.clone(),
            mac: put_mac(unit.mac),
            admin_up: unit.admin_up,
            port_security_disabled: !unit.port_security,
            addresses: unit
                .addresses
                .iter()
                .map(|entry| proto::EndpointAddress {
                    address: put_address(entry.address),
                    subnet: put_uuid(entry.subnet.0),
                })
                .collect(),
            pairs: put_pairs(&unit.pairs),
            groups: unit.groups.iter().map(|group| put_uuid(group.0)).collect(),
            dhcp_options: unit
                .dhcp_options
                .iter()
                .map(|option| proto::DhcpOption {
                    name: option.name.clone(),
                    value: option.value.clone(),
                    family: encode_family(option.family).into(),
                })
                .collect(),
        }
    }
}

impl TryFrom<&proto::Endpoint> for Endpoint {
    type Error = DecodeError;

    fn try_from(unit: &proto::Endpoint) -> Result<Self, DecodeError> {
        let dhcp_options = unit.dhcp_options.iter().map(|option| {
            Ok(DhcpOption {
                name: option.name.clone(),
                value: option.value.clone(),
                family: decode_family("dhcp_option.family", option.family)?,
            })
        });
        Ok(Self {
            port: PortId(uuid("endpoint.port", &unit.port)?),
            network: NetworkId(uuid("endpoint.network", &unit.network)?),
            device: device(&unit.device)?,
            mac: mac("endpoint.mac", &unit.mac)?,
            admin_up: unit.admin_up,
            port_security: !unit.port_security_disabled,
            addresses: each("endpoint.addresses", &unit.addresses, |entry| {
                Ok(EndpointAddress {
                    address: address("endpoint.addresses.address", &entry.address)?,
                    subnet: SubnetId(uuid("endpoint.addresses.subnet", &entry.subnet)?),
                })
            })?,
            pairs: pairs("endpoint.pairs", &unit.pairs)?,
            groups: each("endpoint.groups", &unit.groups, |bytes| {
                uuid("endpoint.groups", bytes).map(SecurityGroupId)
            })?,
            dhcp_options: dhcp_options.collect::<Result<_, DecodeError>>()?,
        })
    }
}

/// An interface name the kernel takes: 1 to 15 bytes, no '/', no space (`dev_valid_name`, net/core/dev.c).
fn device(name: &str) -> Result<String, DecodeError> {
    let valid = |c: u8| c.is_ascii_graphic() && !matches!(c, b'/' | b':');
    if matches!(name.len(), 1..=15) && name.bytes().all(valid) && !matches!(name, "." | "..") {
        return Ok(name.to_owned());
    }
    let problem = "not an interface name of 1 to 15 printable characters";
    Err(DecodeError::value(
        "endpoint.device",
        format!("{name:?}"),
        problem,
    ))
}

fn put_addresses(addresses: &[IpAddr]) -> Vec<Vec<u8>> {
    addresses.iter().copied().map(put_address).collect()
}

fn put_pairs(pairs: &[AddressPair]) -> Vec<proto::AddressPair> {
    pairs
        .iter()
        .map(|pair| proto::AddressPair {
            prefix: put_prefix(pair.ip_address),
            mac: put_mac(pair.mac_address),
        })
        .collect()
}

fn pairs(
    field: &'static str,
    pairs: &[proto::AddressPair],
) -> Result<Vec<AddressPair>, DecodeError> {
    each(field, pairs, |pair| {
        Ok(AddressPair {
            ip_address: prefix("address_pair.prefix", &pair.prefix)?,
            mac_address: mac("address_pair.mac", &pair.mac)?,
        })
    })
}

/// Decodes a repeated field that is a set.
fn each<W, T: Ord>(
    field: &'static str,
    items: &[W],
    decode: impl FnMut(&W) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    ascending(field, items.iter().map(decode).collect::<Result<_, _>>()?)
}
