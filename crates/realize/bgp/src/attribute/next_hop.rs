//! Next hops: NEXT_HOP and the next hop field of MP_REACH_NLRI, whose length says what it is (RFC 2545, 4364, 8950).

use crate::Family;
use crate::wire::Reader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// NEXT_HOP or the next hop of MP_REACH_NLRI. A VPN next hop's RD (always zero) is dropped by the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    Ipv4(Ipv4Addr),
    Ipv6 {
        /// A link-local address if the peer has no other (unnumbered).
        global: Ipv6Addr,
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Ipv4(address) => IpAddr::V4(address),
            Self::Ipv6 { global, .. } => IpAddr::V6(global),
        }
    }

    pub const fn link_local(self) -> Option<Ipv6Addr> {
        match self {
            Self::Ipv4(_) => None,
            Self::Ipv6 { link_local, .. } => link_local,
        }
    }

    /// Whether a host can have this address (RFC 4271 6.3).
    pub fn is_host(self) -> bool {
        match self {
            Self::Ipv4(address) => {
                !address.is_unspecified() && !address.is_multicast() && !address.is_broadcast()
            }
            Self::Ipv6 { global, .. } => !global.is_unspecified() && !global.is_multicast(),
        }
    }

    /// The next hop field of a family; `None` if its length is not one of that family's.
    pub(crate) fn decode(family: Family, octets: &[u8], extended: bool) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let (rd, ipv4, ipv6) = form(family, extended);
        let half = if rd { 8 } else { 0 };
        let next_hop = match octets.len() {
            length if ipv4 && length == half + 4 => {
                reader.take(half)?;
                Self::Ipv4(reader.array::<4>()?.into())
            }
            length if ipv6 && (length == half + 16 || length == 2 * (half + 16)) => {
                reader.take(half)?;
                let global = Ipv6Addr::from(reader.array::<16>()?);
                let mut second = || {
                    reader.take(half)?;
                    reader.array::<16>().map(Ipv6Addr::from)
                };
                let link_local = second().filter(Ipv6Addr::is_unicast_link_local);
                match link_local {
                    // Some unnumbered peers leave the global half empty.
                    Some(address) if global.is_unspecified() => Self::Ipv6 {
                        global: address,
                        link_local: None,
                    },
                    link_local => Self::Ipv6 { global, link_local },
                }
            }
            _ => return None,
        };
        Some(next_hop)
    }

    /// Appends the field with its length octet.
    pub(crate) fn encode(self, family: Family, out: &mut Vec<u8>) {
        let rd: &[u8] = match family {
            Family::Vpnv4 | Family::Vpnv6 => &[0; 8],
            _ => &[],
        };
        let at = out.len();
        out.push(0);
        out.extend_from_slice(rd);
        match self {
            // RFC 4659 3.2.1.2, RFC 4798 2: IPv6 families carry an IPv4 next hop as a mapped address.
            Self::Ipv4(address) if is_ipv6(family) => {
                out.extend_from_slice(&address.to_ipv6_mapped().octets());
            }
            Self::Ipv4(address) => out.extend_from_slice(&address.octets()),
            Self::Ipv6 { global, link_local } => {
                out.extend_from_slice(&global.octets());
                // EVPN and RTC have no such pair.
                if let Some(address) = link_local
                    && !matches!(family, Family::Evpn | Family::RouteTarget)
                {
                    out.extend_from_slice(rd);
                    out.extend_from_slice(&address.octets());
                }
            }
        }
        // At most 48.
        out[at] = (out.len() - at - 1) as u8;
    }
}

const fn is_ipv6(family: Family) -> bool {
    matches!(
        family,
        Family::Ipv6Unicast | Family::Ipv6Labeled | Family::Vpnv6
    )
}

/// With an RD before each address; an IPv4 address is right; one or two IPv6 addresses are right.
const fn form(family: Family, extended: bool) -> (bool, bool, bool) {
    match family {
        Family::Ipv4Unicast | Family::Ipv4Labeled => (false, true, extended),
        Family::Ipv6Unicast | Family::Ipv6Labeled => (false, false, true),
        Family::Vpnv4 => (true, true, extended),
        Family::Vpnv6 => (true, false, true),
        Family::Evpn | Family::RouteTarget => (false, true, true),
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(global) => Self::Ipv6 {
                global,
                link_local: None,
            },
        }
    }
}
