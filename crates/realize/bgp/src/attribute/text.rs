//! The text form of attributes.

use super::{
    Aggregator, AsPath, Community, Encapsulation, ExtendedCommunity, ExtendedKind, LargeCommunity,
    NextHop, Origin, SegmentKind, as_path,
};
use crate::Asn;
use crate::nlri::RouteTarget;
use crate::text::{ParseError, TextKind, hex, serde_as_text, write_hex};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

serde_as_text!(
    AsPath,
    Community,
    LargeCommunity,
    ExtendedCommunity,
    NextHop
);

impl fmt::Display for AsPath {
    /// Sequences bare, sets in `{}`, confederation sequences in `()`, confederation sets in `[]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, segment) in self.segments().enumerate() {
            let (open, between, close) = match segment.kind {
                SegmentKind::Sequence => ("", " ", ""),
                SegmentKind::Set => ("{", ",", "}"),
                SegmentKind::ConfedSequence => ("(", " ", ")"),
                SegmentKind::ConfedSet => ("[", ",", "]"),
            };
            if place > 0 {
                f.write_str(" ")?;
            }
            f.write_str(open)?;
            for (place, asn) in segment.asns().enumerate() {
                if place > 0 {
                    f.write_str(between)?;
                }
                write!(f, "{asn}")?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.asn(), self.value()),
        }
    }
}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Community {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let named = Self::WELL_KNOWN.iter().find(|(_, name)| *name == text);
        if let Some((community, _)) = named {
            return Ok(*community);
        }
        let halves = text
            .split_once(':')
            .and_then(|(asn, value)| Some(Self::new(asn.parse().ok()?, value.parse().ok()?)));
        halves.ok_or_else(|| ParseError::new(TextKind::Community, text))
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl fmt::Debug for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LargeCommunity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut parts = text.split(':').map(|part| part.parse::<Asn>().ok());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(global)), Some(Some(local1)), Some(Some(local2)), None) => Ok(Self {
                global,
                local1,
                local2,
            }),
            _ => Err(ParseError::new(TextKind::LargeCommunity, text)),
        }
    }
}

impl FromStr for AsPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(TextKind::AsPath, text);
        let mut octets = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (kind, inside, after) = segment(rest).ok_or_else(error)?;
            let words = inside.split([' ', ',']).filter(|word| !word.is_empty());
            let asns: Option<Vec<Asn>> = words.map(|word| word.parse().ok()).collect();
            let asns = asns.filter(|asns| !asns.is_empty() && !asns.contains(&0));
            for chunk in asns.ok_or_else(error)?.chunks(255) {
                as_path::push_segment(&mut octets, kind, chunk.iter().copied());
            }
            rest = after.trim_start();
        }
        Ok(Self::keep(&octets))
    }
}

/// The first segment of a text: its kind, what it holds, what follows.
fn segment(text: &str) -> Option<(SegmentKind, &str, &str)> {
    let (kind, close) = match text.as_bytes().first()? {
        b'{' => (SegmentKind::Set, '}'),
        b'(' => (SegmentKind::ConfedSequence, ')'),
        b'[' => (SegmentKind::ConfedSet, ']'),
        _ => {
            let end = text.find(['{', '(', '[']).unwrap_or(text.len());
            let (inside, after) = text.split_at(end);
            return Some((SegmentKind::Sequence, inside, after));
        }
    };
    let (inside, after) = text.get(1..)?.split_once(close)?;
    Some((kind, inside, after))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Igp => "igp",
            Self::Egp => "egp",
            Self::Incomplete => "incomplete",
        })
    }
}

impl FromStr for Origin {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        [Self::Igp, Self::Egp, Self::Incomplete]
            .into_iter()
            .find(|origin| origin.to_string() == text)
            .ok_or_else(|| ParseError::new(TextKind::Origin, text))
    }
}

impl fmt::Display for Aggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.asn, self.address)
    }
}

impl fmt::Display for NextHop {
    /// The address, and the link-local one after a space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address())?;
        match self.link_local() {
            Some(address) => write!(f, " {address}"),
            None => Ok(()),
        }
    }
}

impl FromStr for NextHop {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new(TextKind::NextHop, text);
        let mut words = text.split_whitespace();
        let address: IpAddr = words
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or_else(error)?;
        let second = words.next().map(|word| word.parse().map_err(|_| error()));
        match (address, second.transpose()?, words.next()) {
            (address, None, None) => Ok(address.into()),
            (IpAddr::V6(global), link_local @ Some(_), None) => {
                Ok(Self::Ipv6 { global, link_local })
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Encapsulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES
            .iter()
            .find(|(encapsulation, _)| encapsulation == self);
        match known {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.code()),
        }
    }
}

const NAMES: &[(Encapsulation, &str)] = &[
    (Encapsulation::Gre, "gre"),
    (Encapsulation::Vxlan, "vxlan"),
    (Encapsulation::Nvgre, "nvgre"),
    (Encapsulation::Mpls, "mpls"),
    (Encapsulation::MplsOverGre, "mpls-over-gre"),
    (Encapsulation::VxlanGpe, "vxlan-gpe"),
    (Encapsulation::MplsOverUdp, "mpls-over-udp"),
    (Encapsulation::Geneve, "geneve"),
];

fn encapsulation(text: &str) -> Option<Encapsulation> {
    let named = NAMES.iter().find(|(_, name)| *name == text);
    let coded = || Some(Encapsulation::from_code(text.parse().ok()?));
    named
        .map(|(encapsulation, _)| *encapsulation)
        .or_else(coded)
}

impl fmt::Display for ExtendedCommunity {
    /// `name:value`, or `0x` and 16 digits for what has no name, or has bits that its name does not say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        if Self::from(kind) != *self {
            return write_hex(f, &self.0);
        }
        match kind {
            ExtendedKind::RouteTarget(target) => write!(f, "{target}"),
            ExtendedKind::SiteOfOrigin(RouteTarget(octets)) => {
                write!(f, "origin:{}", RouteTarget(octets).bare())
            }
            ExtendedKind::Color { flags: 0, color } => write!(f, "color:{color}"),
            ExtendedKind::Encapsulation(one) => write!(f, "encapsulation:{one}"),
            ExtendedKind::DefaultGateway => f.write_str("default-gateway"),
            ExtendedKind::LinkBandwidth {
                transitive,
                asn,
                octets_per_second,
            } if octets_per_second.is_finite() => {
                let name = if transitive {
                    "transitive-bandwidth"
                } else {
                    "bandwidth"
                };
                write!(f, "{name}:{asn}:{octets_per_second}")
            }
            ExtendedKind::MacMobility { sticky, sequence } => {
                write!(f, "mac-mobility:{sequence}{}", flag(sticky, ":sticky"))
            }
            ExtendedKind::EsiLabel {
                single_active,
                label,
            } => write!(
                f,
                "esi-label:{label}{}",
                flag(single_active, ":single-active")
            ),
            ExtendedKind::EsImport(mac) => write!(f, "es-import:{mac}"),
            ExtendedKind::RouterMac(mac) => write!(f, "router-mac:{mac}"),
            ExtendedKind::Layer2 { control, mtu } => write!(f, "layer2:{control}:{mtu}"),
            ExtendedKind::ETree { leaf, label } => {
                write!(f, "e-tree:{label}{}", flag(leaf, ":leaf"))
            }
            ExtendedKind::MulticastFlags(flags) => write!(f, "multicast-flags:{flags}"),
            ExtendedKind::Color { .. }
            | ExtendedKind::LinkBandwidth { .. }
            | ExtendedKind::DesignatedForwarder(_)
            | ExtendedKind::Opaque { .. }
            | ExtendedKind::Other(_) => write_hex(f, &self.0),
        }
    }
}

const fn flag(set: bool, text: &'static str) -> &'static str {
    if set { text } else { "" }
}

impl FromStr for ExtendedCommunity {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        extended(text).ok_or_else(|| ParseError::new(TextKind::ExtendedCommunity, text))
    }
}

fn extended(text: &str) -> Option<ExtendedCommunity> {
    if let Some(octets) = hex(text) {
        return Some(ExtendedCommunity(octets));
    }
    if text == "default-gateway" {
        return Some(ExtendedCommunity::DEFAULT_GATEWAY);
    }
    let (name, value) = text.split_once(':')?;
    // A bare target is one; a number is no name.
    let kind = named(name, value).or_else(|| text.parse().ok().map(ExtendedKind::RouteTarget))?;
    Some(kind.into())
}

fn named(name: &str, value: &str) -> Option<ExtendedKind> {
    let label = |flag| flagged(value, flag).filter(|(label, _)| *label < 1 << 24);
    Some(match name {
        "target" => ExtendedKind::RouteTarget(value.parse().ok()?),
        "origin" => ExtendedKind::SiteOfOrigin(value.parse().ok()?),
        "color" => ExtendedKind::Color {
            flags: 0,
            color: value.parse().ok()?,
        },
        "encapsulation" => ExtendedKind::Encapsulation(encapsulation(value)?),
        "bandwidth" => bandwidth(value, false)?,
        "transitive-bandwidth" => bandwidth(value, true)?,
        "mac-mobility" => {
            let (sequence, sticky) = flagged(value, "sticky")?;
            ExtendedKind::MacMobility { sticky, sequence }
        }
        "esi-label" => {
            let (label, single_active) = label("single-active")?;
            ExtendedKind::EsiLabel {
                single_active,
                label,
            }
        }
        "es-import" => ExtendedKind::EsImport(value.parse().ok()?),
        "router-mac" => ExtendedKind::RouterMac(value.parse().ok()?),
        "layer2" => {
            let (control, mtu) = value.split_once(':')?;
            ExtendedKind::Layer2 {
                control: control.parse().ok()?,
                mtu: mtu.parse().ok()?,
            }
        }
        "e-tree" => {
            let (label, leaf) = label("leaf")?;
            ExtendedKind::ETree { leaf, label }
        }
        "multicast-flags" => ExtendedKind::MulticastFlags(value.parse().ok()?),
        _ => return None,
    })
}

/// A number, and whether the flag's name follows it.
fn flagged(text: &str, flag: &str) -> Option<(u32, bool)> {
    match text.split_once(':') {
        None => Some((text.parse().ok()?, false)),
        Some((number, word)) if word == flag => Some((number.parse().ok()?, true)),
        Some(_) => None,
    }
}

fn bandwidth(text: &str, transitive: bool) -> Option<ExtendedKind> {
    let (asn, rate) = text.split_once(':')?;
    Some(ExtendedKind::LinkBandwidth {
        transitive,
        asn: asn.parse().ok()?,
        octets_per_second: rate.parse().ok().filter(|rate: &f32| rate.is_finite())?,
    })
}

impl fmt::Debug for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
