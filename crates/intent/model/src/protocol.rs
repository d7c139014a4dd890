//! IP protocols by name or number, as security group rules write them.

use crate::ModelError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Names the Neutron API accepts, with their numbers (IANA "Assigned Internet Protocol Numbers").
const NAMES: &[(&str, u8)] = &[
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("icmpv6", 58),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("vrrp", 112),
];

/// An IP protocol, remembering how the request wrote it so that the answer can say the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Protocol {
    pub number: u8,
    text: String,
}

impl PartialEq for Protocol {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Protocol {}

impl Protocol {
    pub const TCP: u8 = 6;
    pub const UDP: u8 = 17;
    pub const ICMP: u8 = 1;
    pub const ICMPV6: u8 = 58;
    pub const SCTP: u8 = 132;
    pub const DCCP: u8 = 33;
    pub const UDPLITE: u8 = 136;

    /// True when the header starts with a source and a destination port.
    pub fn has_ports(&self) -> bool {
        matches!(
            self.number,
            Self::TCP | Self::UDP | Self::SCTP | Self::DCCP | Self::UDPLITE
        )
    }

    pub fn is_icmp(&self) -> bool {
        matches!(self.number, Self::ICMP | Self::ICMPV6)
    }

    /// The name of a protocol number, if it has one; the first in the alphabet if it has several.
    pub fn name_of(number: u8) -> Option<&'static str> {
        NAMES
            .iter()
            .find(|(_, known)| *known == number)
            .map(|(name, _)| *name)
    }

    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Protocol {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let lower = text.to_ascii_lowercase();
        let number = match NAMES.iter().find(|(name, _)| *name == lower) {
            Some((_, number)) => *number,
            None => lower
                .parse()
                .map_err(|_| ModelError::Protocol(text.to_owned()))?,
        };
        Ok(Self {
            number,
            text: lower,
        })
    }
}

impl TryFrom<String> for Protocol {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> String {
        protocol.text
    }
}
