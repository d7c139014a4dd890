//! The per-peer header (RFC 7854 4.2, RFC 8671 4, RFC 9069 4).

use super::BmpError;
use crate::nlri::RouteDistinguisher;
use crate::wire::Reader;
use crate::{Asn, RouterId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whose routes a message is about, and in which view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Peer {
    pub instance: Instance,
    pub view: RibView,
    /// Unspecified IPv6 for Loc-RIB.
    pub address: IpAddr,
    pub asn: Asn,
    pub router_id: RouterId,
    /// AS_PATHs of the UPDATEs inside have 2-octet AS numbers.
    pub two_octet_as: bool,
    pub timestamp: Timestamp,
}

/// Where the peer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Instance {
    Global,
    /// In a VRF.
    Vrf(RouteDistinguisher),
    /// In something local that has a number.
    Local([u8; 8]),
    /// No peer but a table: the default one (zeros) or that of a VRF.
    Table(RouteDistinguisher),
}

/// Which of the peer's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RibView {
    AdjRibIn {
        post_policy: bool,
    },
    AdjRibOut {
        post_policy: bool,
    },
    /// For [`Instance::Table`]; `filtered`: not all of its routes are shown (RFC 9069 4.2).
    LocRib {
        filtered: bool,
    },
}

/// Since the epoch; zeros: unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Timestamp {
    pub seconds: u32,
    /// Below 1,000,000.
    pub microseconds: u32,
}

mod flag {
    pub(super) const IPV6: u8 = 0x80;
    pub(super) const POST_POLICY: u8 = 0x40;
    pub(super) const TWO_OCTET_AS: u8 = 0x20;
    pub(super) const ADJ_RIB_OUT: u8 = 0x10;
    /// In Loc-RIB's own flags.
    pub(super) const FILTERED: u8 = 0x80;
}

impl Peer {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, BmpError> {
        let mut fields = || {
            let [kind, flags] = reader.array()?;
            let distinguisher: [u8; 8] = reader.array()?;
            let address: [u8; 16] = reader.array()?;
            let (asn, router_id) = (reader.u32()?, reader.array::<4>()?);
            let timestamp = Timestamp {
                seconds: reader.u32()?,
                microseconds: reader.u32()?,
            };
            Some((
                kind,
                flags,
                distinguisher,
                address,
                asn,
                router_id,
                timestamp,
            ))
        };
        let (kind, flags, distinguisher, address, asn, router_id, timestamp) =
            fields().ok_or(BmpError::Truncated("per-peer header"))?;
        let instance = match kind {
            0 => Instance::Global,
            1 => Instance::Vrf(RouteDistinguisher(distinguisher)),
            2 => Instance::Local(distinguisher),
            3 => Instance::Table(RouteDistinguisher(distinguisher)),
            other => return Err(BmpError::PeerType(other)),
        };
        let table = matches!(instance, Instance::Table(_));
        let post_policy = flags & flag::POST_POLICY != 0;
        let view = match flags & flag::ADJ_RIB_OUT != 0 {
            _ if table => RibView::LocRib {
                filtered: flags & flag::FILTERED != 0,
            },
            true => RibView::AdjRibOut { post_policy },
            false => RibView::AdjRibIn { post_policy },
        };
        let [.., a, b, c, d] = address;
        let address = if table || flags & flag::IPV6 != 0 {
            IpAddr::V6(Ipv6Addr::from(address))
        } else {
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        };
        Ok(Self {
            instance,
            view,
            address,
            asn,
            router_id: router_id.into(),
            two_octet_as: !table && flags & flag::TWO_OCTET_AS != 0,
            timestamp,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let (kind, distinguisher) = match self.instance {
            Instance::Global => (0, [0; 8]),
            Instance::Vrf(rd) => (1, rd.0),
            Instance::Local(number) => (2, number),
            Instance::Table(rd) => (3, rd.0),
        };
        out.extend_from_slice(&[kind, self.flags()]);
        out.extend_from_slice(&distinguisher);
        out.extend_from_slice(&padded(self.address));
        out.extend_from_slice(&self.asn.to_be_bytes());
        out.extend_from_slice(&self.router_id.octets());
        out.extend_from_slice(&self.timestamp.seconds.to_be_bytes());
        out.extend_from_slice(&self.timestamp.microseconds.to_be_bytes());
    }

    fn flags(&self) -> u8 {
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        if let Instance::Table(_) = self.instance {
            let filtered = matches!(self.view, RibView::LocRib { filtered: true });
            return bit(filtered, flag::FILTERED);
        }
        let (out, post_policy) = match self.view {
            RibView::AdjRibIn { post_policy } => (false, post_policy),
            RibView::AdjRibOut { post_policy } => (true, post_policy),
            RibView::LocRib { .. } => (false, false),
        };
        bit(self.address.is_ipv6(), flag::IPV6)
            | bit(post_policy, flag::POST_POLICY)
            | bit(self.two_octet_as, flag::TWO_OCTET_AS)
            | bit(out, flag::ADJ_RIB_OUT)
    }
}

/// An address in 16 octets, an IPv4 one at their end.
pub(super) fn padded(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[12..].copy_from_slice(&address.octets());
            octets
        }
    }
}
