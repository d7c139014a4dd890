//! The operator's text form of attributes, both ways: what the CLI prints, the configuration accepts and the API carries.

use super::{AsPath, Community, LargeCommunity, SegmentKind};
use crate::Asn;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// What a text was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    AsPath,
    Community,
    LargeCommunity,
    ExtendedCommunity,
    RouteTarget,
    RouteDistinguisher,
    Mac,
    Esi,
    Nlri,
    NextHop,
}

impl TextKind {
    const fn expected(self) -> &'static str {
        match self {
            Self::AsPath => "AS path (65001 65002 {65003,65004})",
            Self::Community => "community (65000:100, or a name like no-export)",
            Self::LargeCommunity => "large community (65000:1:2)",
            Self::ExtendedCommunity => {
                "extended community (target:65000:1, encapsulation:vxlan, 0x030c000000000008)"
            }
            Self::RouteTarget => "route target (65000:1, 192.0.2.1:7, 4200000000:1)",
            Self::RouteDistinguisher => "route distinguisher (65000:1, 192.0.2.1:7, 4200000000:1)",
            Self::Mac => "MAC address (02:00:00:00:00:01)",
            Self::Esi => "Ethernet segment identifier (ten octets, 00:11:22:33:44:55:66:77:88:99)",
            Self::Nlri => "route (203.0.113.0/24, [2]:[0]:[48]:[02:00:00:00:00:01])",
            Self::NextHop => "next hop (192.0.2.1, 2001:db8::1)",
        }
    }
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no {}", kind.expected())]
pub struct ParseError {
    pub kind: TextKind,
    pub text: String,
}

impl ParseError {
    pub(crate) fn new(kind: TextKind, text: &str) -> Self {
        Self {
            kind,
            text: text.chars().take(128).collect(),
        }
    }
}

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
