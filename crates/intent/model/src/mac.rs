//! MAC addresses (IEEE 802) and the IPv6 addresses made from them.

use crate::ModelError;
use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A 48-bit MAC address, written `fa:16:3e:00:00:01`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    pub const BROADCAST: Mac = Mac([0xff; 6]);

    /// True for an address that one interface can own: not multicast, not all zero.
    pub fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// The modified EUI-64 interface identifier (RFC 4291 appendix A) under a prefix of at most 64 bits.
    pub fn eui64(self, prefix: Ipv6Net) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let interface = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        let network = u128::from(prefix.network()) & !u128::from(u64::MAX);
        Ipv6Addr::from(network | u128::from(interface))
    }

    /// The link-local address an interface with this MAC configures by itself (RFC 4862 5.3).
    pub fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let interface = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
        Ipv6Addr::from((0xfe80_u128 << 112) | u128::from(interface))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

impl FromStr for Mac {
    type Err = ModelError;

    /// Accepts six pairs of hexadecimal digits with ':' or '-' between them, one separator throughout.
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let invalid = || ModelError::Mac(text.to_owned());
        let separator = text
            .chars()
            .nth(2)
            .filter(|c| matches!(c, ':' | '-'))
            .ok_or_else(invalid)?;
        let mut mac = [0; 6];
        let mut pairs = text.split(separator);
        for byte in &mut mac {
            let pair = pairs.next().ok_or_else(invalid)?;
            if pair.len() != 2 || !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(invalid());
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        if pairs.next().is_some() {
            return Err(invalid());
        }
        Ok(Self(mac))
    }
}

impl TryFrom<String> for Mac {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        mac.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn eui64_as_rfc_4291_appendix_a_gives_it() {
        let mac: Mac = "34:56:78:9A:BC:DE".parse().expect("a MAC");
        let prefix = "2001:db8::/64".parse().expect("a prefix");
        assert_eq!(
            mac.eui64(prefix).to_string(),
            "2001:db8::3656:78ff:fe9a:bcde"
        );
        assert_eq!(mac.link_local().to_string(), "fe80::3656:78ff:fe9a:bcde");
    }

    #[test]
    fn malformed_texts_are_refused() {
        for text in [
            "",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:01:02",
            "fa:16:3e:00:00:+1",
            "fa:16-3e:00:00:01",
            "fa163e000001",
            "fa:16:3e:00:00:0g",
        ] {
            assert_eq!(
                text.parse::<Mac>(),
                Err(ModelError::Mac(text.to_owned())),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(bytes: [u8; 6]) {
            prop_assert_eq!(Mac(bytes).to_string().parse(), Ok(Mac(bytes)));
        }

        #[test]
        fn parse_never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<Mac>();
        }
    }
}
