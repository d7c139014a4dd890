//! The text form of routes and of what is in them. A route of a VPN or of EVPN has its route distinguisher in front; EVPN
//! routes have the bracketed form of FRR. Labels, ESIs of prefixes and gateways are no part of a route's key, nor of its text.

use super::{Esi, EvpnNlri, Label, Mac, Nlri, RouteDistinguisher, RouteTarget, RtMembership};
use crate::text::{ParseError, TextKind, colons, hex, serde_as_text, write_colons, write_hex};
use crate::{Asn, Family};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

serde_as_text!(
    Esi,
    Mac,
    RouteDistinguisher,
    RouteTarget,
    RtMembership,
    EvpnNlri
);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_colons(f, &self.0)
    }
}

impl FromStr for Mac {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        colons(text)
            .map(Self)
            .ok_or_else(|| ParseError::new(TextKind::Mac, text))
    }
}

impl fmt::Display for Esi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_colons(f, &self.0)
    }
}

impl FromStr for Esi {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        colons(text)
            .map(Self)
            .ok_or_else(|| ParseError::new(TextKind::Esi, text))
    }
}

impl fmt::Display for Label {
    /// The number in its field: a VNI as it is, an MPLS label times 16 with its bits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field())
    }
}

/// Administrator and assigned number, in the three forms that distinguishers and targets share (RFC 4364 4.2, RFC 4360 3).
fn write_administered(f: &mut fmt::Formatter<'_>, form: u8, octets: [u8; 6]) -> fmt::Result {
    let [a, b, c, d, e, g] = octets;
    match form {
        0 => {
            let number = u32::from_be_bytes([c, d, e, g]);
            write!(f, "{}:{number}", u16::from_be_bytes([a, b]))
        }
        1 => {
            let number = u16::from_be_bytes([e, g]);
            write!(f, "{}:{number}", Ipv4Addr::new(a, b, c, d))
        }
        _ => {
            // A small number in the long form is marked, as it would otherwise read back in the short one.
            let (asn, number) = (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, g]));
            let mark = if asn <= u32::from(u16::MAX) { "L" } else { "" };
            write!(f, "{asn}{mark}:{number}")
        }
    }
}

fn administered(text: &str) -> Option<(u8, [u8; 6])> {
    let (administrator, number) = text.split_once(':')?;
    if let Ok(address) = administrator.parse::<Ipv4Addr>() {
        let ([a, b, c, d], [e, f]) = (address.octets(), number.parse::<u16>().ok()?.to_be_bytes());
        return Some((1, [a, b, c, d, e, f]));
    }
    let (asn, marked) = match administrator.strip_suffix('L') {
        Some(asn) => (asn, true),
        None => (administrator, false),
    };
    let asn: Asn = asn.parse().ok()?;
    match u16::try_from(asn) {
        Ok(asn) if !marked => {
            let ([a, b], [c, d, e, f]) =
                (asn.to_be_bytes(), number.parse::<u32>().ok()?.to_be_bytes());
            Some((0, [a, b, c, d, e, f]))
        }
        _ => {
            let ([a, b, c, d], [e, f]) =
                (asn.to_be_bytes(), number.parse::<u16>().ok()?.to_be_bytes());
            Some((2, [a, b, c, d, e, f]))
        }
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [0, form @ 0..=2, rest @ ..] => write_administered(f, form, rest),
            octets => write_hex(f, &octets),
        }
    }
}

impl FromStr for RouteDistinguisher {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let administered =
            administered(text).map(|(form, [a, b, c, d, e, f])| Self([0, form, a, b, c, d, e, f]));
        administered
            .or_else(|| hex(text).map(Self))
            .ok_or_else(|| ParseError::new(TextKind::RouteDistinguisher, text))
    }
}

/// A target without the word in front.
pub(crate) struct Bare(RouteTarget);

impl RouteTarget {
    pub(crate) const fn bare(self) -> Bare {
        Bare(self)
    }
}

impl fmt::Display for Bare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.0 {
            [form @ 0..=2, 2, rest @ ..] => write_administered(f, form, rest),
            octets => write_hex(f, &octets),
        }
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target:{}", self.bare())
    }
}

impl FromStr for RouteTarget {
    type Err = ParseError;

    /// With or without `target:` in front.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bare = text.strip_prefix("target:").unwrap_or(text);
        let administered =
            administered(bare).map(|(form, [a, b, c, d, e, f])| Self([form, 2, a, b, c, d, e, f]));
        administered
            .or_else(|| hex(bare).map(Self))
            .ok_or_else(|| ParseError::new(TextKind::RouteTarget, text))
    }
}

impl fmt::Display for RtMembership {
    /// `default`, `ORIGIN:target:…`, or `ORIGIN:0x…/BITS` where not all of the target is given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Target {
                origin,
                target,
                bits: 64,
            } => write!(f, "{origin}:{target}"),
            Self::Target {
                origin,
                target,
                bits,
            } => {
                write!(f, "{origin}:")?;
                write_hex(f, &target.0)?;
                write!(f, "/{bits}")
            }
        }
    }
}

impl FromStr for RtMembership {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        membership(text).ok_or_else(|| ParseError::new(TextKind::Nlri, text))
    }
}

fn membership(text: &str) -> Option<RtMembership> {
    if text == "default" {
        return Some(RtMembership::Default);
    }
    let (origin, rest) = text.split_once(':')?;
    let origin = origin.parse().ok()?;
    Some(match rest.split_once('/') {
        None => RtMembership::Target {
            origin,
            target: rest.parse().ok()?,
            bits: 64,
        },
        Some((target, bits)) => {
            let bits = bits.parse().ok().filter(|bits| *bits <= 64)?;
            RtMembership::target(origin, RouteTarget(hex(target)?), bits)
        }
    })
}

impl fmt::Display for EvpnNlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[{}]", self.rd(), self.route_type())?;
        match self {
            Self::AutoDiscovery { esi, tag, .. } => write!(f, ":[{tag}]:[{esi}]"),
            Self::MacIp { tag, mac, ip, .. } => {
                write!(f, ":[{tag}]:[48]:[{mac}]")?;
                ip.map_or(Ok(()), |ip| write_address(f, ip))
            }
            Self::InclusiveMulticast {
                tag, originator, ..
            } => {
                write!(f, ":[{tag}]")?;
                write_address(f, *originator)
            }
            Self::EthernetSegment {
                esi, originator, ..
            } => {
                write!(f, ":[{esi}]")?;
                write_address(f, *originator)
            }
            Self::IpPrefix { tag, prefix, .. } => {
                write!(f, ":[{tag}]:[{}]:[{}]", prefix.prefix_len(), prefix.addr())
            }
            Self::SelectiveMulticast {
                tag,
                source,
                group,
                originator,
                ..
            } => {
                write!(f, ":[{tag}]")?;
                for address in [source, group] {
                    match address {
                        Some(address) => write!(f, ":[{address}]")?,
                        None => f.write_str(":[*]")?,
                    }
                }
                write!(f, ":[{originator}]")
            }
        }
    }
}

fn write_address(f: &mut fmt::Formatter<'_>, address: IpAddr) -> fmt::Result {
    write!(f, ":[{}]:[{address}]", bits(address))
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl FromStr for EvpnNlri {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        evpn(text).ok_or_else(|| ParseError::new(TextKind::Nlri, text))
    }
}

fn evpn(text: &str) -> Option<EvpnNlri> {
    let (rd, rest) = text.split_once(":[")?;
    let rd = rd.parse().ok()?;
    let fields: Vec<&str> = rest.strip_suffix(']')?.split("]:[").collect();
    let sized = |length: &str, address: &str| {
        let address: IpAddr = address.parse().ok()?;
        (length == bits(address).to_string()).then_some(address)
    };
    let any = |address: &str| match address {
        "*" => Some(None),
        address => address.parse().ok().map(Some),
    };
    Some(match fields[..] {
        ["1", tag, esi] => EvpnNlri::AutoDiscovery {
            rd,
            esi: esi.parse().ok()?,
            tag: tag.parse().ok()?,
        },
        ["2", tag, "48", mac, ref ip @ ..] => EvpnNlri::MacIp {
            rd,
            tag: tag.parse().ok()?,
            mac: mac.parse().ok()?,
            ip: match ip {
                [] => None,
                [length, address] => Some(sized(length, address)?),
                _ => return None,
            },
        },
        ["3", tag, length, originator] => EvpnNlri::InclusiveMulticast {
            rd,
            tag: tag.parse().ok()?,
            originator: sized(length, originator)?,
        },
        ["4", esi, length, originator] => EvpnNlri::EthernetSegment {
            rd,
            esi: esi.parse().ok()?,
            originator: sized(length, originator)?,
        },
        ["5", tag, length, address] => {
            let prefix = IpNet::new(address.parse().ok()?, length.parse().ok()?).ok()?;
            EvpnNlri::IpPrefix {
                rd,
                tag: tag.parse().ok()?,
                prefix: prefix.trunc(),
            }
        }
        ["6", tag, source, group, originator] => EvpnNlri::SelectiveMulticast {
            rd,
            tag: tag.parse().ok()?,
            source: any(source)?,
            group: any(group)?,
            originator: originator.parse().ok()?,
        },
        _ => return None,
    })
}

impl fmt::Display for Nlri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(net) | Self::LabeledIpv4(net) => write!(f, "{net}"),
            Self::Ipv6(net) | Self::LabeledIpv6(net) => write!(f, "{net}"),
            Self::Vpnv4(rd, net) => write!(f, "{rd}:{net}"),
            Self::Vpnv6(rd, net) => write!(f, "{rd}:{net}"),
            Self::Evpn(nlri) => write!(f, "{nlri}"),
            Self::RouteTarget(membership) => write!(f, "{membership}"),
        }
    }
}

impl Nlri {
    /// Reads what `Display` prints. The family must be said: a prefix of a labeled family looks like any other.
    pub fn parse(family: Family, text: &str) -> Result<Self, ParseError> {
        parse(family, text).ok_or_else(|| ParseError::new(TextKind::Nlri, text))
    }
}

fn parse(family: Family, text: &str) -> Option<Nlri> {
    Some(match family {
        Family::Ipv4Unicast => Nlri::Ipv4(ipv4(text)?),
        Family::Ipv6Unicast => Nlri::Ipv6(ipv6(text)?),
        Family::Ipv4Labeled => Nlri::LabeledIpv4(ipv4(text)?),
        Family::Ipv6Labeled => Nlri::LabeledIpv6(ipv6(text)?),
        Family::Vpnv4 => {
            let (rd, prefix) = distinguished(text)?;
            Nlri::Vpnv4(rd, ipv4(prefix)?)
        }
        Family::Vpnv6 => {
            let (rd, prefix) = distinguished(text)?;
            Nlri::Vpnv6(rd, ipv6(prefix)?)
        }
        Family::Evpn => Nlri::Evpn(text.parse().ok()?),
        Family::RouteTarget => Nlri::RouteTarget(text.parse().ok()?),
    })
}

/// A prefix without host bits: a route with some is refused rather than silently another.
fn ipv4(text: &str) -> Option<Ipv4Net> {
    text.parse()
        .ok()
        .filter(|net: &Ipv4Net| *net == net.trunc())
}

fn ipv6(text: &str) -> Option<Ipv6Net> {
    text.parse()
        .ok()
        .filter(|net: &Ipv6Net| *net == net.trunc())
}

/// The route distinguisher and what follows it: two fields and a colon, or `0x…` and a colon.
fn distinguished(text: &str) -> Option<(RouteDistinguisher, &str)> {
    let first = text.find(':')?;
    let end = if text.starts_with("0x") {
        first
    } else {
        first + 1 + text[first + 1..].find(':')?
    };
    Some((text[..end].parse().ok()?, &text[end + 1..]))
}
