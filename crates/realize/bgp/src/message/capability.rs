//! Capabilities of an OPEN (RFC 5492). What has a known code but a form its RFC does not allow is kept as
//! [`Capability::Unknown`], that is, as not announced: no RFC asks to refuse a session for it.

use crate::Asn;
use crate::family::AfiSafi;
use crate::text::write_hex;
use crate::wire::Reader;
use std::fmt;

/// What a speaker says it can do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Capability {
    /// 1 (RFC 4760 8)
    Multiprotocol(AfiSafi),
    /// 2 (RFC 2918)
    RouteRefresh,
    /// 5 (RFC 8950)
    ExtendedNextHop(Vec<ExtendedNextHop>),
    /// 6 (RFC 8654)
    ExtendedMessage,
    /// 9 (RFC 9234 4.1)
    Role(Role),
    /// 64 (RFC 4724 3, N bit: RFC 8538 2)
    GracefulRestart {
        /// R: the speaker has restarted; wait for no End-of-RIB of it.
        restarting: bool,
        /// N: NOTIFICATION and hold timer expiry keep routes too.
        notification: bool,
        /// Seconds, 0 to 4,095.
        restart_time: u16,
        families: Vec<Preserved>,
    },
    /// 65 (RFC 6793)
    FourOctetAs(Asn),
    /// 69 (RFC 7911 4)
    AddPath(Vec<(AfiSafi, AddPathMode)>),
    /// 70 (RFC 7313)
    EnhancedRouteRefresh,
    /// 71 (RFC 9494 3)
    LongLivedGracefulRestart(Vec<StalePreserved>),
    /// 73 (draft-walton-bgp-hostname-capability)
    Fqdn {
        host: String,
        domain: String,
    },
    /// 75 (draft-ietf-idr-software-version-capability)
    SoftwareVersion(String),
    Unknown {
        code: u8,
        value: Box<[u8]>,
    },
}

/// RFC 8950 4: NLRI of `family` may have next hops of `next_hop_afi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtendedNextHop {
    /// The SAFI field has two octets there; values past one octet name no family and drop the entry.
    pub family: AfiSafi,
    pub next_hop_afi: u16,
}

/// A family under graceful restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Preserved {
    pub family: AfiSafi,
    /// F: forwarding state was kept over the restart.
    pub forwarding: bool,
}

/// A family under long-lived graceful restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StalePreserved {
    pub family: AfiSafi,
    pub forwarding: bool,
    /// Seconds, 24 bits.
    pub stale_time: u32,
}

/// What a speaker can do with path identifiers in a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum AddPathMode {
    Receive = 1,
    Send = 2,
    Both = 3,
}

impl AddPathMode {
    pub const fn receives(self) -> bool {
        matches!(self, Self::Receive | Self::Both)
    }

    pub const fn sends(self) -> bool {
        matches!(self, Self::Send | Self::Both)
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Receive),
            2 => Some(Self::Send),
            3 => Some(Self::Both),
            _ => None,
        }
    }
}

impl fmt::Display for AddPathMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Send => "send",
            Self::Both => "both",
        })
    }
}

/// What the *sender* of the capability is to the receiver (RFC 9234 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    Provider = 0,
    RouteServer = 1,
    RouteServerClient = 2,
    Customer = 3,
    Peer = 4,
}

impl Role {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Provider,
            1 => Self::RouteServer,
            2 => Self::RouteServerClient,
            3 => Self::Customer,
            4 => Self::Peer,
            _ => return None,
        })
    }

    /// The only role the other side may have (RFC 9234 4.2, table 2).
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::RouteServer => "route-server",
            Self::RouteServerClient => "route-server-client",
            Self::Customer => "customer",
            Self::Peer => "peer",
        })
    }
}

impl Capability {
    /// Its code (IANA "Capability Codes").
    pub const fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol(_) => 1,
            Self::RouteRefresh => 2,
            Self::ExtendedNextHop(_) => 5,
            Self::ExtendedMessage => 6,
            Self::Role(_) => 9,
            Self::GracefulRestart { .. } => 64,
            Self::FourOctetAs(_) => 65,
            Self::AddPath(_) => 69,
            Self::EnhancedRouteRefresh => 70,
            Self::LongLivedGracefulRestart(_) => 71,
            Self::Fqdn { .. } => 73,
            Self::SoftwareVersion(_) => 75,
            Self::Unknown { code, .. } => *code,
        }
    }

    pub(super) fn decode(code: u8, value: &[u8]) -> Self {
        let mut reader = Reader::new(value);
        known(code, &mut reader)
            .filter(|_| reader.is_empty())
            .unwrap_or_else(|| Self::Unknown {
                code,
                value: value.into(),
            })
    }

    /// Appends the value, without code and length.
    pub(super) fn encode_value(&self, out: &mut Vec<u8>) {
        match self {
            Self::Multiprotocol(family) => {
                out.extend_from_slice(&family.afi.to_be_bytes());
                out.extend_from_slice(&[0, family.safi]);
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::ExtendedNextHop(entries) => {
                for entry in entries {
                    out.extend_from_slice(&entry.family.afi.to_be_bytes());
                    out.extend_from_slice(&[0, entry.family.safi]);
                    out.extend_from_slice(&entry.next_hop_afi.to_be_bytes());
                }
            }
            Self::Role(role) => out.push(*role as u8),
            Self::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            } => {
                let flags = u16::from(*restarting) << 15 | u16::from(*notification) << 14;
                out.extend_from_slice(&(flags | restart_time & 0xfff).to_be_bytes());
                for entry in families {
                    family_and_forwarding(out, entry.family, entry.forwarding);
                }
            }
            Self::FourOctetAs(asn) => out.extend_from_slice(&asn.to_be_bytes()),
            Self::AddPath(families) => {
                for (family, mode) in families {
                    out.extend_from_slice(&family.afi.to_be_bytes());
                    out.extend_from_slice(&[family.safi, *mode as u8]);
                }
            }
            Self::LongLivedGracefulRestart(families) => {
                for entry in families {
                    family_and_forwarding(out, entry.family, entry.forwarding);
                    out.extend_from_slice(&entry.stale_time.to_be_bytes()[1..]);
                }
            }
            Self::Fqdn { host, domain } => {
                text(out, host, 100);
                text(out, domain, 100);
            }
            Self::SoftwareVersion(version) => text(out, version, 64),
            Self::Unknown { value, .. } => out.extend_from_slice(value),
        }
    }
}

impl fmt::Display for Capability {
    /// One line for a neighbour's summary: the name, and what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let forwarding = |forwarding: bool| if forwarding { "+forwarding" } else { "" };
        match self {
            Self::Multiprotocol(family) => write!(f, "multiprotocol {family}"),
            Self::RouteRefresh => f.write_str("route-refresh"),
            Self::ExtendedNextHop(entries) => {
                f.write_str("extended-next-hop")?;
                entries
                    .iter()
                    .try_for_each(|one| write!(f, " {}", one.family))
            }
            Self::ExtendedMessage => f.write_str("extended-message"),
            Self::Role(role) => write!(f, "role {role}"),
            Self::GracefulRestart {
                restarting,
                notification,
                restart_time,
                families,
            } => {
                write!(f, "graceful-restart {restart_time} s")?;
                f.write_str(if *restarting { ", restarting" } else { "" })?;
                f.write_str(if *notification { ", notification" } else { "" })?;
                families
                    .iter()
                    .try_for_each(|one| write!(f, " {}{}", one.family, forwarding(one.forwarding)))
            }
            Self::FourOctetAs(asn) => write!(f, "4-octet-as {asn}"),
            Self::AddPath(families) => {
                f.write_str("add-path")?;
                families
                    .iter()
                    .try_for_each(|(family, mode)| write!(f, " {family} {mode}"))
            }
            Self::EnhancedRouteRefresh => f.write_str("enhanced-route-refresh"),
            Self::LongLivedGracefulRestart(families) => {
                f.write_str("long-lived-graceful-restart")?;
                families.iter().try_for_each(|one| {
                    let kept = forwarding(one.forwarding);
                    write!(f, " {}{kept} {} s", one.family, one.stale_time)
                })
            }
            Self::Fqdn { host, domain } => write!(f, "fqdn {host:?} {domain:?}"),
            Self::SoftwareVersion(version) => write!(f, "software-version {version:?}"),
            Self::Unknown { code, value } => {
                write!(f, "capability {code} ")?;
                write_hex(f, value)
            }
        }
    }
}

fn known(code: u8, reader: &mut Reader<'_>) -> Option<Capability> {
    Some(match code {
        1 => {
            let afi = reader.u16()?;
            let [_reserved, safi] = reader.array()?;
            Capability::Multiprotocol(AfiSafi { afi, safi })
        }
        2 => Capability::RouteRefresh,
        5 => Capability::ExtendedNextHop(extended_next_hops(reader)?),
        6 => Capability::ExtendedMessage,
        9 => Capability::Role(Role::from_code(reader.u8()?)?),
        64 => {
            let head = reader.u16()?;
            Capability::GracefulRestart {
                restarting: head & 0x8000 != 0,
                notification: head & 0x4000 != 0,
                restart_time: head & 0xfff,
                families: entries(reader, |reader| {
                    let (family, forwarding) = family_flag(reader)?;
                    Some(Preserved { family, forwarding })
                })?,
            }
        }
        65 => Capability::FourOctetAs(reader.u32()?),
        69 => {
            let families = entries(reader, |reader| {
                let (afi, safi) = (reader.u16()?, reader.u8()?);
                Some((AfiSafi { afi, safi }, reader.u8()?))
            })?;
            // RFC 7911 4: other modes of a family are to be ignored, not the capability.
            let usable = |(family, mode)| Some((family, AddPathMode::from_code(mode)?));
            Capability::AddPath(families.into_iter().filter_map(usable).collect())
        }
        70 => Capability::EnhancedRouteRefresh,
        71 => Capability::LongLivedGracefulRestart(entries(reader, |reader| {
            let (family, forwarding) = family_flag(reader)?;
            Some(StalePreserved {
                family,
                forwarding,
                stale_time: reader.u24()?,
            })
        })?),
        73 => Capability::Fqdn {
            host: read_text(reader)?,
            domain: read_text(reader)?,
        },
        75 => Capability::SoftwareVersion(read_text(reader)?),
        _ => return None,
    })
}

fn entries<T>(
    reader: &mut Reader<'_>,
    mut entry: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut all = Vec::new();
    while !reader.is_empty() {
        all.push(entry(reader)?);
    }
    Some(all)
}

fn extended_next_hops(reader: &mut Reader<'_>) -> Option<Vec<ExtendedNextHop>> {
    let all = entries(reader, |reader| {
        Some((reader.u16()?, reader.u16()?, reader.u16()?))
    })?;
    let usable = |(afi, safi, next_hop_afi)| {
        let safi = u8::try_from(safi).ok()?;
        Some(ExtendedNextHop {
            family: AfiSafi { afi, safi },
            next_hop_afi,
        })
    };
    Some(all.into_iter().filter_map(usable).collect())
}

fn family_flag(reader: &mut Reader<'_>) -> Option<(AfiSafi, bool)> {
    let afi = reader.u16()?;
    let [safi, flags] = reader.array()?;
    Some((AfiSafi { afi, safi }, flags & 0x80 != 0))
}

fn family_and_forwarding(out: &mut Vec<u8>, family: AfiSafi, forwarding: bool) {
    out.extend_from_slice(&family.afi.to_be_bytes());
    out.extend_from_slice(&[family.safi, u8::from(forwarding) << 7]);
}

/// A length octet and UTF-8; a peer's text is only for people, so what is not UTF-8 is replaced.
fn read_text(reader: &mut Reader<'_>) -> Option<String> {
    let length = reader.u8()?;
    let octets = reader.take(usize::from(length))?;
    Some(String::from_utf8_lossy(octets).into_owned())
}

fn text(out: &mut Vec<u8>, text: &str, longest: usize) {
    let text = &text[..text.floor_char_boundary(longest.min(255))];
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}
