//! Interfaces as the kernel tells of them (include/uapi/linux/if_link.h).

use super::netlink::{Message, attributes, u32_at};
use super::wire::address;
use bgp::nlri::Mac;
use std::net::IpAddr;

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_LOCAL6: u16 = 17;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    /// Administratively up, with a carrier.
    pub(crate) up: bool,
    pub(crate) mac: Option<Mac>,
    /// The interface it is a port of.
    pub(crate) master: Option<u32>,
    pub(crate) kind: LinkKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkKind {
    Bridge,
    /// Of one VNI; the address its packets come from, if it has one.
    Vxlan {
        vni: u32,
        local: Option<IpAddr>,
    },
    Other,
}

impl Link {
    pub(super) fn dump() -> Message {
        Message::new(RTM_GETLINK, 0, &[0; 16])
    }

    /// `None` for what bridges tell of their ports, which is of another family and says less.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        if i32::from(*payload.first()?) != libc::AF_UNSPEC {
            return None;
        }
        let flags = u32_at(payload, 8)?;
        let wanted = (libc::IFF_UP | libc::IFF_RUNNING) as u32;
        let mut link = Self {
            index: u32_at(payload, 4)?,
            name: String::new(),
            up: flags & wanted == wanted,
            mac: None,
            master: None,
            kind: LinkKind::Other,
        };
        for (attribute, value) in attributes(payload.get(16..)?) {
            match attribute {
                IFLA_IFNAME => {
                    let text = value.strip_suffix(b"\0").unwrap_or(value);
                    link.name = String::from_utf8_lossy(text).into_owned();
                }
                IFLA_ADDRESS => link.mac = value.try_into().ok().map(Mac),
                IFLA_MASTER => link.master = u32_at(value, 0),
                IFLA_LINKINFO => link.kind = LinkKind::read(value),
                _ => {}
            }
        }
        (!link.name.is_empty()).then_some(link)
    }
}

impl LinkKind {
    fn read(info: &[u8]) -> Self {
        let find = |wanted| {
            attributes(info)
                .find(|(kind, _)| *kind == wanted)
                .map_or(&[] as &[u8], |(_, value)| value)
        };
        match find(IFLA_INFO_KIND) {
            b"bridge\0" => Self::Bridge,
            b"vxlan\0" => {
                let (mut vni, mut local) = (0, None);
                for (attribute, value) in attributes(find(IFLA_INFO_DATA)) {
                    match attribute {
                        IFLA_VXLAN_ID => vni = u32_at(value, 0).unwrap_or(0),
                        IFLA_VXLAN_LOCAL | IFLA_VXLAN_LOCAL6 => local = address(value),
                        _ => {}
                    }
                }
                Self::Vxlan {
                    vni,
                    local: local.filter(|local| !local.is_unspecified()),
                }
            }
            _ => Self::Other,
        }
    }
}
