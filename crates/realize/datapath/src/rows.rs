//! The keys and values of the maps as bytes: the agent's side of `bpf/abi.h`.
//!
//! Everything the layout of the maps decides is in this file; the sizes are compared with the kernel's when the
//! maps are opened, the meaning by the tests that run packets through the programs.

use crate::tables::{Map, Row};
use ipnet::IpNet;
use model::{Direction, Family, IcmpMatch, L4Match, Mac, Remote, SecurityGroupId, Vni};
use plan::Rule;
use std::net::IpAddr;
use uuid::Uuid;

pub(crate) const RULES_PER_CHUNK: usize = 16;
pub(crate) const MAX_CHUNKS: usize = 64;
pub(crate) const MAX_GROUPS: usize = 32;

pub(crate) const NETWORK_UP: u32 = 1;
pub(crate) const NETWORK_DHCPV4: u32 = 2;
pub(crate) const NETWORK_DHCPV6: u32 = 4;
pub(crate) const NETWORK_RA: u32 = 8;
pub(crate) const PORT_UP: u32 = 1;
pub(crate) const PORT_SECURITY: u32 = 2;
pub(crate) const FLAGS_OF_NETWORK: [(u32, &str); 4] = [
    (NETWORK_UP, "up"),
    (NETWORK_DHCPV4, "dhcpv4"),
    (NETWORK_DHCPV6, "dhcpv6"),
    (NETWORK_RA, "ra"),
];
pub(crate) const FLAGS_OF_PORT: [(u32, &str); 2] = [(PORT_UP, "up"), (PORT_SECURITY, "security")];
pub(crate) const MARK_AGENT: u32 = 0x4e57_0002;
pub(crate) const COUNT_TO_WORKLOAD: u32 = 0;
pub(crate) const COUNT_FROM_WORKLOAD: u32 = 255;
pub(crate) const PUNT_HEADER: usize = 8;

pub(crate) const MEMBER_LOCAL: u32 = 1;
pub(crate) const MEMBER_REMOTE: u32 = 2;
pub(crate) const MEMBER_PAIR: u32 = 3;
pub(crate) const SOURCE_MAC: u32 = 1;
pub(crate) const SOURCE_ADDRESS: u32 = 2;
pub(crate) const SOURCE_MAC_BITS: u32 = 80;
pub(crate) const SOURCE_BITS: u32 = 96;
pub(crate) const SET_BITS: u32 = 128;
pub(crate) const PAIR_BITS: u32 = 64;

/// A map's key and value sizes in bytes.
pub(crate) fn sizes(map: Map) -> (usize, usize) {
    match map {
        Map::Tunnels => (8, 20),
        Map::Vteps => (20, 4),
        Map::SetAddresses => (36, 4),
        Map::SetPrefixes4 => (24, 4),
        Map::SetPrefixes6 => (36, 4),
        Map::Rules => (24, 8 + 32 * RULES_PER_CHUNK),
        Map::Networks => (4, 8),
        Map::Members => (12, 16),
        Map::Neighbours => (24, 8),
        Map::PairPrefixes => (28, 4),
        Map::Flood => (16, 16),
        Map::Sources => (32, 4),
        Map::PortGroups => (8, 16),
        Map::Ports => (4, 24),
    }
}

/// Bytes in the order of a C struct's fields.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_ne_bytes())
    }

    fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }

    fn mac(self, mac: Mac) -> Self {
        self.bytes(&mac.0)
    }

    fn uuid(self, id: Uuid) -> Self {
        self.bytes(id.as_bytes())
    }

    /// 16 bytes; IPv4 takes the first four.
    fn address(self, address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => self.bytes(&v4.octets()).bytes(&[0; 12]),
            IpAddr::V6(v6) => self.bytes(&v6.octets()),
        }
    }

    fn zeros(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    fn into_row(self, map: Map) -> Row {
        Row {
            map,
            key: self.0.into(),
        }
    }

    fn into_value(self) -> Box<[u8]> {
        self.0.into()
    }
}

fn new() -> Bytes {
    Bytes::default()
}

fn family(address: IpAddr) -> u8 {
    Family::of(address).version()
}

pub(crate) type RowAndValue = (Row, Box<[u8]>);

fn member_of(map: Map, key: Bytes) -> RowAndValue {
    (key.into_row(map), new().u32(1).into_value())
}

/// FNV-1a 64: short, and the same in every build. Host names are an operator's, not an attacker's.
pub(crate) fn host_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

pub(crate) fn tunnel(host: u64, address: IpAddr) -> RowAndValue {
    let value = new().u32(family(address).into()).address(address);
    (new().u64(host).into_row(Map::Tunnels), value.into_value())
}

pub(crate) fn vtep(address: IpAddr) -> RowAndValue {
    member_of(
        Map::Vteps,
        new().u32(family(address).into()).address(address),
    )
}

/// One prefix of a group's address set: single addresses in a hash, others in a trie.
pub(crate) fn set_prefix(set: SecurityGroupId, prefix: IpNet) -> RowAndValue {
    let bits = u32::from(prefix.prefix_len());
    let address = prefix.network();
    if prefix.prefix_len() == prefix.max_prefix_len() {
        let key = new().uuid(set.0).u32(family(address).into());
        return member_of(Map::SetAddresses, key.address(address));
    }
    let key = new().u32(SET_BITS + bits).uuid(set.0);
    match address {
        IpAddr::V4(v4) => member_of(Map::SetPrefixes4, key.bytes(&v4.octets())),
        IpAddr::V6(_) => member_of(Map::SetPrefixes6, key.address(address)),
    }
}

pub(crate) fn rules(
    group: SecurityGroupId,
    direction: Direction,
    chunk: usize,
    stateful: bool,
    rules: &[&Rule],
) -> RowAndValue {
    let egress = u32::from(direction == Direction::Egress);
    let key = new().uuid(group.0).u32(egress).u32(chunk as u32);
    let mut value = new().u32(rules.len() as u32).u32(stateful.into());
    for each in rules {
        value = rule(value, each);
    }
    let value = value.zeros(32 * (RULES_PER_CHUNK - rules.len()));
    (key.into_row(Map::Rules), value.into_value())
}

fn rule(bytes: Bytes, rule: &Rule) -> Bytes {
    let (l4, low, high) = match rule.l4 {
        L4Match::Any => (0, 0, 0),
        L4Match::Ports(range) => (1, range.min, range.max),
        L4Match::Icmp(IcmpMatch { kind, code: None }) => (2, kind.into(), 0),
        L4Match::Icmp(IcmpMatch {
            kind,
            code: Some(code),
        }) => (3, kind.into(), code.into()),
    };
    let bytes = bytes
        .u8(rule.family.version())
        .u8(rule.protocol.is_none().into())
        .u8(rule.protocol.unwrap_or(0))
        .u8(l4)
        .u16(low)
        .u16(high);
    match rule.remote {
        Remote::Any => bytes.u8(0).u8(0).zeros(6 + 16),
        // A prefix of the other family matches nothing: family 0 is no packet's.
        Remote::Prefix(prefix) if Family::of(prefix.addr()) != rule.family => {
            let mut bytes = bytes;
            let at = bytes.0.len() - 8;
            bytes.0[at] = 0;
            bytes.zeros(8 + 16)
        }
        Remote::Prefix(prefix) => bytes
            .u8(1)
            .u8(prefix.prefix_len())
            .zeros(6)
            .address(prefix.network()),
        Remote::Group(group) => bytes.u8(2).u8(0).zeros(6).uuid(group.0),
    }
}

pub(crate) fn network(vni: Vni, mtu: u16, flags: u32) -> RowAndValue {
    let value = new().u32(mtu.into()).u32(flags);
    (
        new().u32(vni.get()).into_row(Map::Networks),
        value.into_value(),
    )
}

/// Where a MAC is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// On this host; index 0 while the port has no device.
    Local(u32),
    Remote(u64),
    /// Only address pairs claim it.
    Pair,
}

pub(crate) fn member(vni: Vni, mac: Mac, place: Place) -> RowAndValue {
    let (kind, ifindex, host) = match place {
        Place::Local(ifindex) => (MEMBER_LOCAL, ifindex, 0),
        Place::Remote(host) => (MEMBER_REMOTE, 0, host),
        Place::Pair => (MEMBER_PAIR, 0, 0),
    };
    let key = new().u32(vni.get()).mac(mac).zeros(2);
    let value = new().u32(kind).u32(ifindex).u64(host);
    (key.into_row(Map::Members), value.into_value())
}

/// Who has an address.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Holder {
    Member,
    /// The network's services, where no member has the address and no address pair claims it.
    Service,
}

pub(crate) fn neighbour(vni: Vni, address: IpAddr, mac: Mac, holder: Holder) -> RowAndValue {
    let key = new()
        .u32(vni.get())
        .u32(family(address).into())
        .address(address);
    let is_service = matches!(holder, Holder::Service);
    let value = new().mac(mac).u8(is_service.into()).zeros(1);
    (key.into_row(Map::Neighbours), value.into_value())
}

pub(crate) fn pair_prefix(vni: Vni, prefix: IpNet) -> RowAndValue {
    let address = prefix.network();
    let key = new()
        .u32(PAIR_BITS + u32::from(prefix.prefix_len()))
        .u32(vni.get())
        .u32(family(address).into());
    member_of(Map::PairPrefixes, key.address(address))
}

/// A place in the list of a network's flood targets. The order is that of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Head,
    Port(u32),
    Host(u64),
    End,
}

impl Target {
    fn parts(self) -> (u32, u64) {
        match self {
            Self::Head => (0, 0),
            Self::Port(ifindex) => (1, ifindex.into()),
            Self::Host(host) => (2, host),
            Self::End => (u32::MAX, 0),
        }
    }
}

pub(crate) fn flood_row(vni: Vni, at: Target) -> Row {
    let (kind, target) = at.parts();
    new()
        .u32(vni.get())
        .u32(kind)
        .u64(target)
        .into_row(Map::Flood)
}

pub(crate) fn flood_next(next: Target) -> Box<[u8]> {
    let (kind, target) = next.parts();
    new().u32(kind).u32(0).u64(target).into_value()
}

/// The MAC is the port's.
pub(crate) fn source_mac(ifindex: u32, mac: Mac) -> RowAndValue {
    let key = new().u32(SOURCE_MAC_BITS).u32(ifindex).mac(mac).zeros(18);
    (
        key.into_row(Map::Sources),
        new().u32(SOURCE_MAC).into_value(),
    )
}

/// The port may send from the prefix with the MAC.
pub(crate) fn source_prefix(ifindex: u32, mac: Mac, prefix: IpNet) -> RowAndValue {
    let address = prefix.network();
    let key = new()
        .u32(SOURCE_BITS + u32::from(prefix.prefix_len()))
        .u32(ifindex)
        .mac(mac)
        .u8(family(address))
        .u8(0)
        .address(address);
    (
        key.into_row(Map::Sources),
        new().u32(SOURCE_ADDRESS).into_value(),
    )
}

pub(crate) fn port_group(ifindex: u32, slot: usize, group: SecurityGroupId) -> RowAndValue {
    let key = new().u32(ifindex).u32(slot as u32);
    (
        key.into_row(Map::PortGroups),
        new().uuid(group.0).into_value(),
    )
}

pub(crate) fn port(ifindex: u32, vni: Vni, flags: u32, id: Uuid) -> RowAndValue {
    let value = new().u32(vni.get()).u32(flags).uuid(id);
    (new().u32(ifindex).into_row(Map::Ports), value.into_value())
}

/// The port's id and device from its row.
pub(crate) fn read_port(key: &[u8], value: &[u8]) -> Option<(u32, Uuid)> {
    let id = Uuid::from_bytes(*value.get(8..)?.first_chunk()?);
    Some((u32::from_ne_bytes(*key.first_chunk()?), id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forwarding::DropReason;
    use std::collections::BTreeMap;

    /// The programs count drops under the numbers that `forwarding` gives the reasons.
    #[test]
    fn reasons_are_numbered_alike() {
        let header = include_str!("../bpf/reasons.h");
        let lines = header
            .lines()
            .filter_map(|line| line.strip_prefix("#define DROP_"));
        let programs: BTreeMap<_, _> = lines.filter_map(|line| line.split_once(' ')).collect();
        let name = |reason: &DropReason| reason.as_str().to_uppercase().replace('-', "_");
        let model: BTreeMap<_, _> = DropReason::ALL
            .iter()
            .map(|reason| (name(reason), (*reason as u8).to_string()))
            .collect();
        let model = model
            .iter()
            .map(|(name, number)| (name.as_str(), number.as_str()));
        assert_eq!(programs, model.collect());
    }

    #[test]
    fn rows_have_the_sizes_of_their_maps() {
        let vni = Vni::new(1).expect("a VNI");
        let group = SecurityGroupId(Uuid::nil());
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let v4: IpNet = "10.0.0.0/8".parse().expect("a prefix");
        let v6: IpNet = "2001:db8::/32".parse().expect("a prefix");
        let single: IpNet = "10.0.0.1/32".parse().expect("a prefix");
        let rule = Rule {
            id: model::RuleId(Uuid::nil()),
            direction: Direction::Egress,
            family: Family::V4,
            protocol: None,
            l4: L4Match::Any,
            // Of the other family: it must take its place without matching anything.
            remote: Remote::Prefix(v6),
        };
        let rows = [
            tunnel(1, v4.addr()),
            vtep(v6.addr()),
            set_prefix(group, v4),
            set_prefix(group, v6),
            set_prefix(group, single),
            rules(group, Direction::Egress, 0, true, &[&rule, &rule]),
            network(vni, 1450, 0),
            member(vni, mac, Place::Pair),
            neighbour(vni, v6.addr(), mac, Holder::Member),
            pair_prefix(vni, v4),
            (flood_row(vni, Target::Head), flood_next(Target::End)),
            source_mac(1, mac),
            source_prefix(1, mac, v6),
            port_group(1, 0, group),
            port(1, vni, 0, Uuid::nil()),
        ];
        for (row, value) in rows {
            assert_eq!(
                (row.key.len(), value.len()),
                sizes(row.map),
                "{:?}",
                row.map
            );
        }
    }
}
