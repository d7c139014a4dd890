//! The operator's text form: what the CLI prints, the configuration accepts and the API carries. Each type says its own
//! form; here is what they share. Everything reads back what it prints.

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
    Origin,
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
            Self::Origin => "origin (igp, egp, incomplete)",
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

/// Makes types travel through serde as their text.
macro_rules! serde_as_text {
    ($($type:ty),* $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
pub(crate) use serde_as_text;

/// `0x` and exactly 2 N digits.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.strip_prefix("0x")?;
    if digits.len() != 2 * N || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    pairs(digits.as_bytes().chunks(2))
}

/// N pairs of hexadecimal digits with `:` between them.
pub(crate) fn colons<const N: usize>(text: &str) -> Option<[u8; N]> {
    pairs(text.split(':').map(str::as_bytes))
}

fn pairs<'a, const N: usize>(mut pairs: impl Iterator<Item = &'a [u8]>) -> Option<[u8; N]> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut octets = [0; N];
    for octet in &mut octets {
        let [high, low] = *pairs.next()? else {
            return None;
        };
        *octet = u8::try_from(digit(high)? << 4 | digit(low)?).ok()?;
    }
    pairs.next().is_none().then_some(octets)
}

/// Octets with `:` between them.
pub(crate) fn write_colons(f: &mut std::fmt::Formatter<'_>, octets: &[u8]) -> std::fmt::Result {
    for (place, octet) in octets.iter().enumerate() {
        let between = if place > 0 { ":" } else { "" };
        write!(f, "{between}{octet:02x}")?;
    }
    Ok(())
}

/// `0x` and two digits for each octet.
pub(crate) fn write_hex(f: &mut std::fmt::Formatter<'_>, octets: &[u8]) -> std::fmt::Result {
    f.write_str("0x")?;
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
