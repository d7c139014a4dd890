//! What the kernel tells and takes as values: routes and next-hop objects (include/uapi/linux/{rtnetlink,nexthop}.h).

use super::netlink::{
    Message, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, attributes, u16_at, u32_at,
};
use ipnet::IpNet;
use std::net::IpAddr;

pub(super) const RTM_NEWROUTE: u16 = 24;
pub(super) const RTM_DELROUTE: u16 = 25;
pub(super) const RTM_GETROUTE: u16 = 26;
pub(super) const RTM_NEWNEXTHOP: u16 = 104;
pub(super) const RTM_DELNEXTHOP: u16 = 105;
pub(super) const RTM_GETNEXTHOP: u16 = 106;

/// The bits of RTNLGRP_LINK, IPV4_ROUTE and IPV6_ROUTE for bind(2); RTNLGRP_NEXTHOP is beyond them.
pub(super) const GROUPS: u32 = 1 << 0 | 1 << 6 | 1 << 10;
pub(super) const GROUP_NEXTHOP: u32 = 32;

pub(crate) const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_NOWHERE: u8 = 255;
const RTM_F_CLONED: u32 = 0x200;

/// `RTA_*`.
const DST: u16 = 1;
const OIF: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const MULTIPATH: u16 = 9;
const TABLE: u16 = 15;
const VIA: u16 = 18;
const NH_ID: u16 = 30;
/// `RTNH_F_*`.
const DEAD: u8 = 1;
const ONLINK: u8 = 4;
const LINKDOWN: u8 = 16;
/// `NHA_*`.
const NHA_ID: u16 = 1;
const NHA_GROUP: u16 = 2;
const NHA_OIF: u16 = 5;
const NHA_GATEWAY: u16 = 6;

/// What the kernel does with a packet that a route matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum RouteKind {
    Unicast,
    /// Dropped in silence (`RTN_BLACKHOLE`).
    Blackhole,
    /// An address of this host.
    Local,
    /// One of the kernel's other kinds: broadcast, unreachable, …
    Other(u8),
}

impl RouteKind {
    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Unicast,
            2 => Self::Local,
            6 => Self::Blackhole,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Unicast => 1,
            Self::Local => 2,
            Self::Blackhole => 6,
            Self::Other(code) => code,
        }
    }
}

/// One way out: a gateway on an interface, or the interface itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Hop {
    pub(crate) gateway: Option<IpAddr>,
    /// Zero: the kernel finds it.
    pub(crate) interface: u32,
    /// The gateway is on the link although no address says so.
    pub(crate) onlink: bool,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Hops with their weights, 1 to 256; none for a route that drops.
    Hops(Vec<(Hop, u16)>),
    /// A next-hop object.
    Object(u32),
}

/// What tells the kernel's routes apart, as far as we make them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    pub(crate) table: u32,
    pub(crate) prefix: IpNet,
    pub(crate) metric: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) key: RouteKey,
    pub(crate) protocol: u8,
    pub(crate) kind: RouteKind,
    pub(crate) way: Way,
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(super) const fn family_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => bytes
            .first_chunk::<16>()
            .map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

impl Route {
    /// Makes the route; with `replace`, in place of the one with its key, whoever made that.
    pub(super) fn set(&self, replace: bool) -> Message {
        let scope = match (&self.way, self.kind) {
            (Way::Hops(hops), RouteKind::Unicast)
                if hops.iter().all(|(hop, _)| hop.gateway.is_none())
                    && self.key.prefix.addr().is_ipv4() =>
            {
                SCOPE_LINK
            }
            _ => SCOPE_UNIVERSE,
        };
        let mode = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
        let message = self.header(RTM_NEWROUTE, NLM_F_CREATE | mode, scope, self.kind);
        match &self.way {
            Way::Object(id) => message.u32(NH_ID, *id),
            Way::Hops(hops) => match hops.as_slice() {
                [] => message,
                [(hop, _)] => hop.attributes(message, self.key.prefix.addr()),
                several => {
                    message.attribute(MULTIPATH, &multipath(several, self.key.prefix.addr()))
                }
            },
        }
    }

    pub(super) fn delete(&self) -> Message {
        self.header(RTM_DELROUTE, 0, SCOPE_NOWHERE, RouteKind::Other(0))
    }

    fn header(&self, message: u16, flags: u16, scope: u8, kind: RouteKind) -> Message {
        let RouteKey {
            table,
            prefix,
            metric,
        } = self.key;
        let short = u8::try_from(table).unwrap_or(0);
        let onlink = match &self.way {
            Way::Hops(hops) => matches!(hops.as_slice(), [(hop, _)] if hop.onlink),
            Way::Object(_) => false,
        };
        let mut header = vec![family_of(prefix.addr()), prefix.prefix_len(), 0, 0];
        header.extend([short, self.protocol, scope, kind.code()]);
        header.extend(if onlink { u32::from(ONLINK) } else { 0 }.to_ne_bytes());
        Message::new(message, flags, &header)
            .attribute(DST, &octets(prefix.addr()))
            .u32(TABLE, table)
            .u32(PRIORITY, metric)
    }

    /// All routes of a family; of a protocol only, if the kernel filters.
    pub(super) fn dump(v6: bool, protocol: u8) -> Message {
        let family = if v6 { libc::AF_INET6 } else { libc::AF_INET } as u8;
        let header = [family, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0];
        Message::new(RTM_GETROUTE, 0, &header)
    }

    /// Of a notification or a dump; `None` if it is no route of ours to know: a cached one, a broadcast address, a multicast
    /// route, or one with what we do not read.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (family, length) = (*payload.first()?, *payload.get(1)?);
        let kind = RouteKind::from_code(*payload.get(7)?);
        let flags = u32_at(payload, 8)?;
        let mut table = u32::from(*payload.get(4)?);
        let (mut prefix, mut metric, mut way) = (None, 0, Way::Hops(Vec::new()));
        let mut single = Hop {
            gateway: None,
            interface: 0,
            onlink: flags & u32::from(ONLINK) != 0,
        };
        for (attribute, value) in attributes(payload.get(12..)?) {
            match attribute {
                DST => prefix = Some(address(value)?),
                TABLE => table = u32_at(value, 0)?,
                PRIORITY => metric = u32_at(value, 0)?,
                OIF => single.interface = u32_at(value, 0)?,
                GATEWAY => single.gateway = Some(address(value)?),
                VIA => single.gateway = Some(address(value.get(2..)?)?),
                MULTIPATH => way = Way::Hops(read_multipath(value)?),
                NH_ID => way = Way::Object(u32_at(value, 0)?),
                _ => {}
            }
        }
        let any: IpAddr = match i32::from(family) {
            libc::AF_INET => [0; 4].into(),
            libc::AF_INET6 => [0; 16].into(),
            _ => return None,
        };
        if flags & RTM_F_CLONED != 0 || (table == TABLE_LOCAL && kind != RouteKind::Local) {
            return None;
        }
        if way == Way::Hops(Vec::new()) && (single.interface != 0 || single.gateway.is_some()) {
            way = Way::Hops(vec![(single, 1)]);
        }
        let prefix = IpNet::new(prefix.unwrap_or(any), length).ok()?;
        Some(Self {
            key: RouteKey {
                table,
                prefix,
                metric,
            },
            protocol: *payload.get(5)?,
            kind,
            way,
        })
    }
}

impl Hop {
    fn attributes(&self, message: Message, destination: IpAddr) -> Message {
        let message = match self.gateway {
            // An IPv4 prefix by an IPv6 neighbour (RFC 8950), `struct rtvia`.
            Some(gateway) if family_of(gateway) != family_of(destination) => {
                message.attribute(VIA, &via(gateway))
            }
            Some(gateway) => message.attribute(GATEWAY, &octets(gateway)),
            None => message,
        };
        match self.interface {
            0 => message,
            interface => message.u32(OIF, interface),
        }
    }
}

fn via(gateway: IpAddr) -> Vec<u8> {
    let mut bytes = u16::from(family_of(gateway)).to_ne_bytes().to_vec();
    bytes.extend(octets(gateway));
    bytes
}

/// `struct rtnexthop` for each hop.
fn multipath(hops: &[(Hop, u16)], destination: IpAddr) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (hop, weight) in hops {
        let (kind, gateway) = match hop.gateway {
            Some(gateway) if family_of(gateway) != family_of(destination) => (VIA, via(gateway)),
            Some(gateway) => (GATEWAY, octets(gateway)),
            None => (0, Vec::new()),
        };
        let attribute = match gateway.len() {
            0 => 0,
            length => (4 + length).next_multiple_of(4),
        };
        bytes.extend(((8 + attribute) as u16).to_ne_bytes());
        bytes.push(if hop.onlink { ONLINK } else { 0 });
        bytes.push(weight.saturating_sub(1) as u8);
        bytes.extend(hop.interface.to_ne_bytes());
        if attribute > 0 {
            bytes.extend(((4 + gateway.len()) as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(&gateway);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

fn read_multipath(mut bytes: &[u8]) -> Option<Vec<(Hop, u16)>> {
    let mut hops = Vec::new();
    while let Some(length) = u16_at(bytes, 0).map(usize::from) {
        let this = bytes.get(..length)?;
        let flags = *this.get(2)?;
        let mut hop = Hop {
            gateway: None,
            interface: u32_at(this, 4)?,
            onlink: flags & ONLINK != 0,
        };
        for (attribute, value) in attributes(this.get(8..)?) {
            match attribute {
                GATEWAY => hop.gateway = Some(address(value)?),
                VIA => hop.gateway = Some(address(value.get(2..)?)?),
                _ => {}
            }
        }
        if flags & (DEAD | LINKDOWN) == 0 {
            hops.push((hop, u16::from(*this.get(3)?) + 1));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(hops)
}

/// A next-hop object (Linux 5.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) id: u32,
    pub(crate) protocol: u8,
    pub(crate) content: ObjectContent,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum ObjectContent {
    Hop(Hop),
    /// Members with their weights, 1 to 256, sorted by id.
    Group(Vec<(u32, u16)>),
}

impl Object {
    pub(super) fn set(&self) -> Message {
        let family = match &self.content {
            ObjectContent::Group(_) => libc::AF_UNSPEC as u8,
            ObjectContent::Hop(hop) => hop.gateway.map_or(libc::AF_INET as u8, family_of),
        };
        let onlink = matches!(&self.content, ObjectContent::Hop(hop) if hop.onlink);
        let mut header = vec![family, 0, self.protocol, 0];
        header.extend(if onlink { u32::from(ONLINK) } else { 0 }.to_ne_bytes());
        let message = Message::new(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE, &header)
            .u32(NHA_ID, self.id);
        match &self.content {
            ObjectContent::Group(members) => message.attribute(NHA_GROUP, &group(members)),
            ObjectContent::Hop(hop) => {
                let message = match hop.gateway {
                    Some(gateway) => message.attribute(NHA_GATEWAY, &octets(gateway)),
                    None => message,
                };
                message.u32(NHA_OIF, hop.interface)
            }
        }
    }

    pub(super) fn delete(id: u32) -> Message {
        Message::new(RTM_DELNEXTHOP, 0, &[0; 8]).u32(NHA_ID, id)
    }

    pub(super) fn dump() -> Message {
        Message::new(RTM_GETNEXTHOP, 0, &[0; 8])
    }

    /// `None` for kinds of objects that we do not make.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let flags = u32_at(payload, 4)?;
        let (mut id, mut members) = (None, None);
        let mut hop = Hop {
            gateway: None,
            interface: 0,
            onlink: flags & u32::from(ONLINK) != 0,
        };
        for (attribute, value) in attributes(payload.get(8..)?) {
            match attribute {
                NHA_ID => id = u32_at(value, 0),
                NHA_GROUP => members = Some(read_group(value)),
                NHA_OIF => hop.interface = u32_at(value, 0)?,
                NHA_GATEWAY => hop.gateway = Some(address(value)?),
                _ => {}
            }
        }
        Some(Self {
            id: id?,
            protocol: *payload.get(2)?,
            content: members.map_or(ObjectContent::Hop(hop), ObjectContent::Group),
        })
    }
}

/// `struct nexthop_grp` for each member.
fn group(members: &[(u32, u16)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(members.len() * 8);
    for (id, weight) in members {
        bytes.extend(id.to_ne_bytes());
        bytes.push(weight.saturating_sub(1) as u8);
        bytes.extend([0; 3]);
    }
    bytes
}

fn read_group(bytes: &[u8]) -> Vec<(u32, u16)> {
    let members = bytes
        .chunks_exact(8)
        .filter_map(|member| Some((u32_at(member, 0)?, u16::from(*member.get(4)?) + 1)));
    let mut members: Vec<_> = members.collect();
    members.sort_unstable();
    members
}
