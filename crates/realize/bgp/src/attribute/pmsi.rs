//! PMSI_TUNNEL (RFC 6514 5) as EVPN uses it (RFC 7432 11.2, RFC 9574).

use std::net::IpAddr;

/// The registered tunnel types; the tunnel identifier of each has its own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TunnelKind {
    None,
    RsvpTe,
    MldpP2mp,
    PimSsm,
    PimSm,
    PimBidir,
    /// The identifier is the address of the PE.
    IngressReplication,
    MldpMp2mp,
    AssistedReplication,
    Bier,
    Other(u8),
}

/// PMSI_TUNNEL, as sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pmsi {
    pub flags: u8,
    pub tunnel_type: u8,
    /// 24 bits: a label in the upper 20 or a VNI in all.
    pub label: u32,
    pub tunnel: Box<[u8]>,
}

impl Pmsi {
    const INGRESS_REPLICATION: u8 = 6;

    /// Ingress replication to `address` with a VNI (RFC 8365 9).
    pub fn ingress_replication(address: IpAddr, vni: u32) -> Self {
        Self {
            flags: 0,
            tunnel_type: Self::INGRESS_REPLICATION,
            label: vni & 0xff_ffff,
            tunnel: match address {
                IpAddr::V4(address) => address.octets().into(),
                IpAddr::V6(address) => address.octets().into(),
            },
        }
    }

    pub const fn kind(&self) -> TunnelKind {
        match self.tunnel_type {
            0 => TunnelKind::None,
            1 => TunnelKind::RsvpTe,
            2 => TunnelKind::MldpP2mp,
            3 => TunnelKind::PimSsm,
            4 => TunnelKind::PimSm,
            5 => TunnelKind::PimBidir,
            Self::INGRESS_REPLICATION => TunnelKind::IngressReplication,
            7 => TunnelKind::MldpMp2mp,
            10 => TunnelKind::AssistedReplication,
            11 => TunnelKind::Bier,
            other => TunnelKind::Other(other),
        }
    }

    /// The far end of ingress or assisted replication.
    pub fn endpoint(&self) -> Option<IpAddr> {
        if !matches!(
            self.kind(),
            TunnelKind::IngressReplication | TunnelKind::AssistedReplication
        ) {
            return None;
        }
        let octets = &*self.tunnel;
        let ipv4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
        ipv4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
            .ok()
    }

    pub const fn mpls_label(&self) -> u32 {
        self.label >> 4
    }

    pub const fn vni(&self) -> u32 {
        self.label
    }

    /// The L bit (RFC 6514 5).
    pub const fn leaf_information_required(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether the identifier has a form of its type (RFC 6514 5). Types this speaker does not use are passed on as they are:
    /// a reflector is not the one to refuse a tunnel type that is newer than it.
    pub(crate) fn well_formed(&self) -> bool {
        match self.kind() {
            TunnelKind::None => self.tunnel.is_empty(),
            TunnelKind::IngressReplication | TunnelKind::AssistedReplication => {
                self.endpoint().is_some()
            }
            _ => true,
        }
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = crate::wire::Reader::new(value);
        Some(Self {
            flags: reader.u8()?,
            tunnel_type: reader.u8()?,
            label: reader.u24()?,
            tunnel: reader.rest().into(),
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.flags, self.tunnel_type]);
        out.extend_from_slice(&self.label.to_be_bytes()[1..]);
        out.extend_from_slice(&self.tunnel);
    }
}
