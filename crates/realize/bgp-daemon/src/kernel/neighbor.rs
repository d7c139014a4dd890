//! Neighbour and forwarding (FDB) entries as the kernel tells and takes them (include/uapi/linux/neighbour.h).

use super::netlink::{Message, NLM_F_CREATE, NLM_F_REPLACE, attributes, u16_at, u32_at};
use super::wire::{address, family_of, octets};
use bgp::nlri::Mac;
use std::net::IpAddr;

pub(super) const RTM_NEWNEIGH: u16 = 28;
pub(super) const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
/// RTNLGRP_NEIGH.
pub(super) const GROUP_NEIGHBOR: u32 = 3;

/// `NDA_*`.
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NDA_VNI: u16 = 7;
const NDA_IFINDEX: u16 = 8;
const NDA_MASTER: u16 = 9;
const NDA_PROTOCOL: u16 = 12;
/// `NTF_*`: in the device's own table, in its bridge's, told by a control plane.
const SELF: u8 = 0x02;
const MASTER: u8 = 0x04;
const EXT_LEARNED: u8 = 0x10;
/// `NUD_*`.
const REACHABLE: u16 = 0x02;
const NOARP: u16 = 0x40;
const PERMANENT: u16 = 0x80;

const BRIDGE: u8 = libc::AF_BRIDGE as u8;

/// `struct ndmsg`.
fn message(kind: u16, family: u8, interface: u32, state: u16, flags: u8) -> Message {
    let mut header = vec![family, 0, 0, 0];
    header.extend(interface.to_ne_bytes());
    header.extend(state.to_ne_bytes());
    header.extend([flags, 0]);
    let mode = match kind {
        RTM_NEWNEIGH => NLM_F_CREATE | NLM_F_REPLACE,
        _ => 0,
    };
    Message::new(kind, mode, &header)
}

const fn is_fixed(state: u16) -> bool {
    state & (PERMANENT | NOARP) != 0
}

fn mac(value: &[u8]) -> Option<Mac> {
    value.try_into().ok().map(Mac)
}

/// The MAC of an address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Neighbor {
    pub(crate) interface: u32,
    pub(crate) address: IpAddr,
    /// `None`: not known, or not any more.
    pub(crate) mac: Option<Mac>,
    /// Linux 5.2.
    pub(crate) protocol: u8,
    /// Somebody's own, not found out by asking on the link.
    pub(crate) fixed: bool,
}

impl Neighbor {
    /// Makes the entry, in place of one with its address.
    pub(super) fn set(&self) -> Message {
        let family = family_of(self.address);
        let message = message(RTM_NEWNEIGH, family, self.interface, PERMANENT, EXT_LEARNED)
            .attribute(NDA_DST, &octets(self.address))
            .attribute(NDA_PROTOCOL, &[self.protocol]);
        match self.mac {
            Some(mac) => message.attribute(NDA_LLADDR, &mac.0),
            None => message,
        }
    }

    pub(super) fn delete(&self) -> Message {
        message(RTM_DELNEIGH, family_of(self.address), self.interface, 0, 0)
            .attribute(NDA_DST, &octets(self.address))
    }

    /// All of a family.
    pub(super) fn dump(v6: bool) -> Message {
        let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
        message(RTM_GETNEIGH, family as u8, 0, 0, 0)
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let family = i32::from(*payload.first()?);
        if family != libc::AF_INET && family != libc::AF_INET6 {
            return None;
        }
        let (mut to, mut lladdr, mut protocol) = (None, None, 0);
        for (attribute, value) in attributes(payload.get(12..)?) {
            match attribute {
                NDA_DST => to = address(value),
                NDA_LLADDR => lladdr = mac(value),
                NDA_PROTOCOL => protocol = *value.first()?,
                _ => {}
            }
        }
        Some(Self {
            interface: u32_at(payload, 4)?,
            address: to?,
            mac: lladdr,
            protocol,
            fixed: is_fixed(u16_at(payload, 8)?),
        })
    }
}

/// The far end of a VXLAN tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Remote {
    pub(crate) vtep: IpAddr,
    /// `None`: the device's own.
    pub(crate) vni: Option<u32>,
}

/// Where frames to a MAC go that a VXLAN device is to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forward {
    /// The VXLAN device.
    pub(crate) interface: u32,
    pub(crate) mac: Mac,
    pub(crate) leads: Leads,
    /// Told by a control plane.
    pub(crate) external: bool,
    /// Not learnt from packets.
    pub(crate) fixed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// In the device's table: into a tunnel.
    Into(Remote),
    /// In its bridge's table: out of this port.
    Out,
}

impl Forward {
    /// Makes the entry of the device's table and, of a port, the one of its bridge's.
    pub(super) fn set(interface: u32, mac: Mac, remote: Remote, port: bool) -> Message {
        // Neither table ages it: a bridge looks at NOARP for that, and VXLAN takes no entry without REACHABLE.
        let tables = if port { SELF | MASTER } else { SELF };
        let (state, flags) = (NOARP | REACHABLE, tables | EXT_LEARNED);
        let message = message(RTM_NEWNEIGH, BRIDGE, interface, state, flags)
            .attribute(NDA_LLADDR, &mac.0)
            .attribute(NDA_DST, &octets(remote.vtep));
        match remote.vni {
            Some(vni) => message.u32(NDA_VNI, vni),
            None => message,
        }
    }

    /// Of one table: that of the device, or of the bridge it is a port of. Of both at once the kernel would leave the second
    /// if there is no first.
    pub(super) fn delete(interface: u32, mac: Mac, port: bool) -> Message {
        let table = if port { MASTER } else { SELF };
        message(RTM_DELNEIGH, BRIDGE, interface, 0, table).attribute(NDA_LLADDR, &mac.0)
    }

    /// All of a device, in both tables.
    pub(super) fn dump(interface: u32) -> Message {
        message(RTM_GETNEIGH, BRIDGE, 0, 0, 0).u32(NDA_IFINDEX, interface)
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        if *payload.first()? != BRIDGE {
            return None;
        }
        let (mut lladdr, mut vtep, mut vni, mut is_port) = (None, None, None, false);
        for (attribute, value) in attributes(payload.get(12..)?) {
            match attribute {
                NDA_LLADDR => lladdr = mac(value),
                NDA_DST => vtep = address(value),
                NDA_VNI => vni = u32_at(value, 0),
                NDA_MASTER => is_port = true,
                _ => {}
            }
        }
        let leads = match vtep {
            _ if is_port => Leads::Out,
            vtep => Leads::Into(Remote { vtep: vtep?, vni }),
        };
        Some(Self {
            interface: u32_at(payload, 4)?,
            mac: lladdr?,
            leads,
            external: *payload.get(10)? & EXT_LEARNED != 0,
            fixed: is_fixed(u16_at(payload, 8)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::Link;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn entries_are_read_as_they_are_written() {
        let neighbor = Neighbor {
            interface: 7,
            address: [192, 0, 2, 2].into(),
            mac: Some(Mac([2, 0, 0, 0, 5, 2])),
            protocol: 179,
            fixed: true,
        };
        assert_eq!(Neighbor::read(neighbor.set().payload()), Some(neighbor));
        let remote = Remote {
            vtep: neighbor.address,
            vni: Some(51),
        };
        let mac = Mac([2, 0, 0, 0, 5, 2]);
        let forward = Forward {
            interface: 8,
            mac,
            leads: Leads::Into(remote),
            external: true,
            fixed: true,
        };
        let message = Forward::set(8, mac, remote, true);
        assert_eq!(Forward::read(message.payload()), Some(forward));
        assert_eq!(Neighbor::read(message.payload()), None);
    }

    proptest! {
        #[test]
        fn no_message_is_too_broken(bytes in proptest::collection::vec(any::<u8>(), 0..120), family in 0..12_u8) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = family;
            }
            let _ = (Neighbor::read(&bytes), Forward::read(&bytes), Link::read(&bytes));
        }
    }
}
