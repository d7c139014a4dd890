//! Rows for people: `map field=value … = field=value …`, in the terms of the plan. Must never lose anything: what
//! is not exactly as `rows` writes it is shown as raw bytes, so that a damaged row looks damaged.

use crate::rows::{
    FLAGS_OF_NETWORK, FLAGS_OF_PORT, MEMBER_LOCAL, MEMBER_PAIR, MEMBER_REMOTE, PAIR_BITS, SET_BITS,
    SOURCE_ADDRESS, SOURCE_BITS, SOURCE_MAC, SOURCE_MAC_BITS,
};
use crate::tables::{Map, Row, Tables};
use ipnet::IpNet;
use model::Mac;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

impl Tables {
    /// One line per row, in the order of the maps.
    pub fn describe(&self) -> Vec<String> {
        let hosts = Hosts::of(self);
        self.iter().map(|row| hosts.line(row)).collect()
    }

    /// One line per row that `other` does not hold with the same value.
    pub fn describe_missing_in(&self, other: &Tables) -> Vec<String> {
        let hosts = Hosts::of(self);
        self.iter()
            .filter(|(row, value)| other.get(row) != Some(value))
            .map(|row| hosts.line(row))
            .collect()
    }
}

/// Host keys are hashes; what an operator knows of a host is its tunnel address.
struct Hosts(BTreeMap<u64, IpAddr>);

impl Hosts {
    fn of(tables: &Tables) -> Self {
        let tunnels = tables.iter().filter(|(row, _)| row.map == Map::Tunnels);
        let read = |(row, value): (&Row, &[u8])| {
            let host = Reader(&row.key).u64()?;
            Some((host, Reader(value).wide_address()?))
        };
        Self(tunnels.filter_map(read).collect())
    }

    fn name(&self, host: u64) -> String {
        match self.0.get(&host) {
            Some(address) => address.to_string(),
            None => format!("unknown:{host:016x}"),
        }
    }

    fn line(&self, (row, value): (&Row, &[u8])) -> String {
        let text = self.key(row).zip(self.value(row.map, value));
        match text {
            Some((key, value)) if value.is_empty() => format!("{} {key}", row.map.name()),
            Some((key, value)) => format!("{} {key} = {value}", row.map.name()),
            None => format!(
                "{} {} = {}",
                row.map.name(),
                hexadecimal(&row.key),
                hexadecimal(value)
            ),
        }
    }

    fn key(&self, row: &Row) -> Option<String> {
        let mut key = Reader(&row.key);
        let text = match row.map {
            Map::Tunnels => format!("host_key={:016x}", key.u64()?),
            Map::Vteps => format!("address={}", key.wide_address()?),
            Map::SetAddresses => format!("group={} address={}", key.uuid()?, key.wide_address()?),
            Map::SetPrefixes4 | Map::SetPrefixes6 => {
                let bits = key.u32()?.checked_sub(SET_BITS)?;
                let group = key.uuid()?;
                let family = if row.map == Map::SetPrefixes4 { 4 } else { 6 };
                let address = match family {
                    4 => Ipv4Addr::from(key.take()?).into(),
                    _ => key.address(6)?,
                };
                format!("group={group} prefix={}", prefix(address, bits)?)
            }
            Map::Rules => {
                let group = key.uuid()?;
                let direction = ["ingress", "egress"].get(key.u32()? as usize)?;
                format!("group={group} direction={direction} chunk={}", key.u32()?)
            }
            Map::Networks => format!("vni={}", key.u32()?),
            Map::Members => {
                let text = format!("vni={} mac={}", key.u32()?, key.mac()?);
                key.zeros(2)?;
                text
            }
            Map::Neighbours => format!("vni={} address={}", key.u32()?, key.wide_address()?),
            Map::PairPrefixes => {
                let bits = key.u32()?.checked_sub(PAIR_BITS)?;
                let vni = key.u32()?;
                format!("vni={vni} prefix={}", prefix(key.wide_address()?, bits)?)
            }
            Map::Flood => format!("vni={} after={}", key.u32()?, self.target(&mut key, 0)?),
            Map::Sources => source(&mut key)?,
            Map::PortGroups => format!("ifindex={} slot={}", key.u32()?, key.u32()?),
            Map::Ports => format!("ifindex={}", key.u32()?),
        };
        key.end()?;
        Some(text)
    }

    /// Empty if being there is all that the row says.
    fn value(&self, map: Map, value: &[u8]) -> Option<String> {
        let mut value = Reader(value);
        let text = match map {
            Map::Tunnels => format!("address={}", value.wide_address()?),
            Map::Vteps
            | Map::SetAddresses
            | Map::SetPrefixes4
            | Map::SetPrefixes6
            | Map::PairPrefixes => (value.u32()? == 1).then(String::new)?,
            Map::Rules => rules(&mut value)?,
            Map::Networks => {
                let mtu = value.u32()?;
                format!(
                    "mtu={mtu} flags={}",
                    flags(value.u32()?, &FLAGS_OF_NETWORK)?
                )
            }
            Map::Members => match (value.u32()?, value.u32()?, value.u64()?) {
                (MEMBER_LOCAL, 0, 0) => "kind=local device=none".into(),
                (MEMBER_LOCAL, ifindex, 0) => format!("kind=local ifindex={ifindex}"),
                (MEMBER_REMOTE, 0, host) => format!("kind=remote host={}", self.name(host)),
                (MEMBER_PAIR, 0, 0) => "kind=pair".into(),
                _ => return None,
            },
            Map::Neighbours => {
                let mac = value.mac()?;
                let of = ["member", "service"].get(usize::from(value.u8()?))?;
                value.zeros(1)?;
                format!("mac={mac} of={of}")
            }
            Map::Flood => format!("next={}", self.target(&mut value, 4)?),
            Map::Sources => match value.u32()? {
                SOURCE_MAC => "allows=mac".into(),
                SOURCE_ADDRESS => "allows=address".into(),
                _ => return None,
            },
            Map::PortGroups => format!("group={}", value.uuid()?),
            Map::Ports => {
                let (vni, set) = (value.u32()?, value.u32()?);
                let flags = flags(set, &FLAGS_OF_PORT)?;
                format!("port={} vni={vni} flags={flags}", value.uuid()?)
            }
        };
        value.end()?;
        Some(text)
    }

    /// A place in a flood list; `pad` zeros are between its kind and its target.
    fn target(&self, reader: &mut Reader<'_>, pad: usize) -> Option<String> {
        let kind = reader.u32()?;
        reader.zeros(pad)?;
        Some(match (kind, reader.u64()?) {
            (0, 0) => "head".into(),
            (1, ifindex) => format!("ifindex:{ifindex}"),
            (2, host) => format!("host:{}", self.name(host)),
            (u32::MAX, 0) => "end".into(),
            _ => return None,
        })
    }
}

fn source(key: &mut Reader<'_>) -> Option<String> {
    let bits = key.u32()?;
    let text = format!("ifindex={} mac={}", key.u32()?, key.mac()?);
    if bits == SOURCE_MAC_BITS {
        key.zeros(18)?;
        return Some(text);
    }
    let family = key.u8()?;
    key.zeros(1)?;
    let prefix = prefix(key.address(family.into())?, bits.checked_sub(SOURCE_BITS)?)?;
    Some(format!("{text} prefix={prefix}"))
}

fn rules(value: &mut Reader<'_>) -> Option<String> {
    let count = value.u32()?;
    let stateful = match value.u32()? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let mut text = format!("stateful={stateful}");
    for _ in 0..count {
        // Writing to a String cannot fail.
        let _ = write!(text, " [{}]", rule(value)?);
    }
    value.zeros(value.0.len())?;
    Some(text)
}

fn rule(value: &mut Reader<'_>) -> Option<String> {
    let family = value.u8()?;
    let protocol = match (value.u8()?, value.u8()?) {
        (1, 0) => "any".into(),
        (0, protocol) => protocol.to_string(),
        _ => return None,
    };
    let l4 = match (value.u8()?, value.u16()?, value.u16()?) {
        (0, 0, 0) => String::new(),
        (1, low, high) if low == high => format!(" port={low}"),
        (1, low, high) => format!(" ports={low}-{high}"),
        (2, kind, 0) => format!(" icmp_type={kind}"),
        (3, kind, code) => format!(" icmp_type={kind} icmp_code={code}"),
        _ => return None,
    };
    let (remote, bits) = (value.u8()?, value.u8()?);
    value.zeros(6)?;
    let remote = match (remote, bits) {
        (0, 0) => {
            value.zeros(16)?;
            "any".into()
        }
        (1, bits) => prefix(value.address(family.into())?, bits.into())?.to_string(),
        (2, 0) => format!("group:{}", value.uuid()?),
        _ => return None,
    };
    let family = match family {
        // Of a rule whose prefix is of the other family.
        0 => "nothing",
        4 => "IPv4",
        6 => "IPv6",
        _ => return None,
    };
    Some(format!(
        "family={family} protocol={protocol}{l4} remote={remote}"
    ))
}

fn prefix(address: IpAddr, bits: u32) -> Option<IpNet> {
    IpNet::new(address, bits.try_into().ok()?).ok()
}

fn flags(set: u32, names: &[(u32, &str)]) -> Option<String> {
    let known = names.iter().fold(0, |known, (bit, _)| known | bit);
    let names: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| set & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    match (set & !known, set) {
        (0, 0) => Some("none".into()),
        (0, _) => Some(names.join(",")),
        _ => None,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Fields of a row from its start; `None` where the bytes are not such a field.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_ne_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_ne_bytes)
    }

    fn mac(&mut self) -> Option<Mac> {
        self.take().map(Mac)
    }

    fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid::from_bytes)
    }

    fn zeros(&mut self, count: usize) -> Option<()> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        field.iter().all(|byte| *byte == 0).then_some(())
    }

    /// 16 bytes; IPv4 takes the first four.
    fn address(&mut self, family: u32) -> Option<IpAddr> {
        match family {
            4 => {
                let address = Ipv4Addr::from(self.take::<4>()?);
                self.zeros(12)?;
                Some(address.into())
            }
            6 => Some(Ipv6Addr::from(self.take::<16>()?).into()),
            _ => None,
        }
    }

    /// A family in four bytes and its address.
    fn wide_address(&mut self) -> Option<IpAddr> {
        let family = self.u32()?;
        self.address(family)
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests;
