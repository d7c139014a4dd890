//! Patterns of rules and their text: prefix ranges, communities with wildcards.

use crate::attribute::{Community, ExtendedCommunity, LargeCommunity};
use ipnet::IpNet;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Why a pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is no {expected}")]
pub struct PatternError {
    pub text: String,
    pub expected: &'static str,
}

fn fault(text: &str, expected: &'static str) -> PatternError {
    PatternError {
        text: text.to_owned(),
        expected,
    }
}

/// Prefixes that lie in `net` and whose length is in `ge..=le`. `10.0.0.0/8` alone is exactly that prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixRange {
    pub net: IpNet,
    pub ge: u8,
    pub le: u8,
}

impl PrefixRange {
    pub fn contains(&self, prefix: &IpNet) -> bool {
        (self.ge..=self.le).contains(&prefix.prefix_len()) && self.net.contains(prefix)
    }
}

impl FromStr for PrefixRange {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let expected = "prefix range such as `10.0.0.0/8 ge 16 le 24`";
        let wrong = || fault(text, expected);
        let mut words = text.split_whitespace();
        let net: IpNet = words
            .next()
            .ok_or_else(wrong)?
            .parse()
            .map_err(|_| wrong())?;
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let bound = match word {
                "ge" => &mut ge,
                "le" => &mut le,
                _ => return Err(wrong()),
            };
            let length = words.next().ok_or_else(wrong)?.parse::<u8>();
            *bound = Some(length.map_err(|_| wrong())?);
        }
        let low = ge.unwrap_or(net.prefix_len());
        let high = match (ge, le) {
            (_, Some(le)) => le,
            (Some(_), None) => net.max_prefix_len(),
            (None, None) => net.prefix_len(),
        };
        if low < net.prefix_len() || low > high || high > net.max_prefix_len() {
            return Err(wrong());
        }
        Ok(Self {
            net: net.trunc(),
            ge: low,
            le: high,
        })
    }
}

impl fmt::Display for PrefixRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.net)?;
        if self.ge != self.net.prefix_len() {
            write!(f, " ge {}", self.ge)?;
        }
        if self.le != self.ge {
            write!(f, " le {}", self.le)?;
        }
        Ok(())
    }
}

/// A number or `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<T> {
    Any,
    Is(T),
}

impl<T: PartialEq> Part<T> {
    fn holds(&self, value: T) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => *wanted == value,
        }
    }
}

impl<T: FromStr> Part<T> {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        text.parse().ok().map(Self::Is)
    }
}

impl<T: fmt::Display> fmt::Display for Part<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Is(value) => value.fmt(f),
        }
    }
}

/// A community such as `65000:100` or `no-export`, either half may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommunityPattern {
    high: Part<u16>,
    low: Part<u16>,
}

impl CommunityPattern {
    pub fn matches(&self, community: Community) -> bool {
        self.high.holds(community.asn()) && self.low.holds(community.value())
    }

    /// The one community it stands for; none with a wildcard.
    pub const fn exact(&self) -> Option<Community> {
        match (self.high, self.low) {
            (Part::Is(high), Part::Is(low)) => Some(Community::new(high, low)),
            _ => None,
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || {
            fault(
                text,
                "community such as `65000:100`, `65000:*` or `no-export`",
            )
        };
        if let Ok(community) = text.parse::<Community>() {
            return Ok(Self {
                high: Part::Is(community.asn()),
                low: Part::Is(community.value()),
            });
        }
        let (high, low) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            high: Part::parse(high).ok_or_else(wrong)?,
            low: Part::parse(low).ok_or_else(wrong)?,
        })
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exact().and_then(Community::name) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.high, self.low),
        }
    }
}

/// A large community such as `65000:1:2`, any part may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargePattern([Part<u32>; 3]);

impl LargePattern {
    pub fn matches(&self, community: LargeCommunity) -> bool {
        let parts = [community.global, community.local1, community.local2];
        self.0
            .iter()
            .zip(parts)
            .all(|(part, value)| part.holds(value))
    }

    pub const fn exact(&self) -> Option<LargeCommunity> {
        match self.0 {
            [Part::Is(global), Part::Is(local1), Part::Is(local2)] => Some(LargeCommunity {
                global,
                local1,
                local2,
            }),
            _ => None,
        }
    }
}

impl FromStr for LargePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = || fault(text, "large community such as `65000:1:2` or `65000:*:2`");
        let parts: Vec<_> = text.split(':').map(Part::parse).collect();
        match parts[..] {
            [Some(a), Some(b), Some(c)] => Ok(Self([a, b, c])),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for LargePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = &self.0;
        write!(f, "{a}:{b}:{c}")
    }
}

/// An extended community: `target:65000:1`, `origin:192.0.2.1:7`, sixteen hexadecimal digits after `0x`, of which any
/// may be `*`, or a kind and `*`, such as `target:*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedPattern {
    value: u64,
    mask: u64,
}

impl ExtendedPattern {
    pub const fn matches(&self, community: ExtendedCommunity) -> bool {
        u64::from_be_bytes(community.0) & self.mask == self.value
    }

    pub const fn exact(&self) -> Option<ExtendedCommunity> {
        if self.mask == u64::MAX {
            Some(ExtendedCommunity(self.value.to_be_bytes()))
        } else {
            None
        }
    }

    fn hexadecimal(digits: &str) -> Option<Self> {
        if digits.len() != 16 {
            return None;
        }
        let (mut value, mut mask) = (0, 0);
        for digit in digits.chars() {
            let (nibble, known) = match digit {
                '*' => (0, 0),
                _ => (u64::from(digit.to_digit(16)?), 0xf),
            };
            value = value << 4 | nibble;
            mask = mask << 4 | known;
        }
        Some(Self { value, mask })
    }

    /// `administrator:number` behind a transitive type with this subtype (RFC 4360 4, RFC 5668).
    fn administered(subtype: u64, text: &str) -> Option<Self> {
        if text == "*" {
            // Types 0, 1 and 2, whatever the administrator; the mask leaves types 3, 0x40 and above out.
            return Some(Self {
                value: subtype << 48,
                mask: 0xfc_ff << 48,
            });
        }
        let (administrator, number) = text.rsplit_once(':')?;
        let (kind, body) = if let Ok(address) = administrator.parse::<std::net::Ipv4Addr>() {
            let number: u16 = number.parse().ok()?;
            (1, u64::from(address.to_bits()) << 16 | u64::from(number))
        } else {
            let asn: u32 = administrator.parse().ok()?;
            match u16::try_from(asn) {
                Ok(asn) => (
                    0,
                    u64::from(asn) << 32 | u64::from(number.parse::<u32>().ok()?),
                ),
                Err(_) => (
                    2,
                    u64::from(asn) << 16 | u64::from(number.parse::<u16>().ok()?),
                ),
            }
        };
        Some(Self {
            value: kind << 56 | subtype << 48 | body,
            mask: u64::MAX,
        })
    }
}

impl FromStr for ExtendedPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let expected =
            "extended community such as `target:65000:1`, `target:*` or `0x0002fde8********`";
        let read = match text.split_once(':') {
            Some(("target" | "rt", rest)) => Self::administered(2, rest),
            Some(("origin" | "soo", rest)) => Self::administered(3, rest),
            _ => text.strip_prefix("0x").and_then(Self::hexadecimal),
        };
        read.ok_or_else(|| fault(text, expected))
    }
}

impl fmt::Display for ExtendedPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mask == 0xfc_ff << 48 {
            return match self.value >> 48 {
                2 => f.write_str("target:*"),
                _ => f.write_str("origin:*"),
            };
        }
        f.write_str("0x")?;
        (0..16).rev().try_for_each(|digit| {
            if self.mask >> (4 * digit) & 0xf == 0 {
                f.write_str("*")
            } else {
                write!(f, "{:x}", self.value >> (4 * digit) & 0xf)
            }
        })
    }
}

crate::text::serde_as_text!(PrefixRange, CommunityPattern, LargePattern, ExtendedPattern);
