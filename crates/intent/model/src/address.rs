//! Arithmetic on addresses and address ranges, the same for IPv4 and IPv6.

use crate::ModelError;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    #[serde(rename = "IPv4")]
    V4,
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// 4 or 6, as the `ip_version` attribute writes it.
    pub fn version(self) -> u8 {
        match self {
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }
}

/// As the `ethertype` attribute writes it.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IPv{}", self.version())
    }
}

/// An inclusive range of addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
pub struct AddressRange {
    pub start: IpAddr,
    pub end: IpAddr,
}

/// A range as it is written, before it is known to be one.
#[derive(Deserialize)]
struct Bounds {
    start: IpAddr,
    end: IpAddr,
}

impl TryFrom<Bounds> for AddressRange {
    type Error = ModelError;

    fn try_from(bounds: Bounds) -> Result<Self, ModelError> {
        Self::new(bounds.start, bounds.end)
    }
}

impl AddressRange {
    pub fn new(start: IpAddr, end: IpAddr) -> Result<Self, ModelError> {
        if start.is_ipv4() != end.is_ipv4() || start > end {
            return Err(ModelError::AddressRange(start, end));
        }
        Ok(Self { start, end })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.start.is_ipv4() && self.start <= address && address <= self.end
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.start) || other.contains(self.start)
    }

    /// How many addresses the range holds, at most `u128::MAX`.
    pub fn size(&self) -> u128 {
        (number(self.end) - number(self.start)).saturating_add(1)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// The address `offset` places after `base`; `None` past the end of the family.
pub fn nth_address(base: IpAddr, offset: u128) -> Option<IpAddr> {
    let value = number(base).checked_add(offset)?;
    match base {
        IpAddr::V4(_) => u32::try_from(value).ok().map(|v| Ipv4Addr::from(v).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from(value).into()),
    }
}

/// How many places `address` lies after `base`; `None` before it or in the other family.
pub fn offset_in(base: IpAddr, address: IpAddr) -> Option<u128> {
    if base.is_ipv4() != address.is_ipv4() {
        return None;
    }
    number(address).checked_sub(number(base))
}

/// The first address a host may take: after the network address (IPv4) or the subnet-router anycast
/// address (IPv6, RFC 4291 2.6.1); /31, /32, /127 and /128 have no address to spare.
pub fn first_host(cidr: IpNet) -> IpAddr {
    let spare = u128::from(cidr.max_prefix_len() - cidr.prefix_len() > 1);
    nth_address(cidr.network(), spare).unwrap_or(cidr.network())
}

/// The last address a host may take: before the broadcast address in IPv4, the very last one in IPv6.
pub fn last_host(cidr: IpNet) -> IpAddr {
    match cidr {
        IpNet::V4(v4) if v4.prefix_len() < 31 => {
            Ipv4Addr::from(u32::from(v4.broadcast()) - 1).into()
        }
        IpNet::V4(v4) => v4.broadcast().into(),
        IpNet::V6(v6) => v6.broadcast().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bounds() {
        for (cidr, first, last) in [
            ("10.0.0.0/24", "10.0.0.1", "10.0.0.254"),
            ("10.0.0.0/31", "10.0.0.0", "10.0.0.1"),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7"),
            (
                "2001:db8::/64",
                "2001:db8::1",
                "2001:db8::ffff:ffff:ffff:ffff",
            ),
            ("2001:db8::/127", "2001:db8::", "2001:db8::1"),
        ] {
            let cidr: IpNet = cidr.parse().expect("a CIDR");
            assert_eq!(first_host(cidr).to_string(), first, "{cidr}");
            assert_eq!(last_host(cidr).to_string(), last, "{cidr}");
        }
    }

    #[test]
    fn ranges_of_two_families_or_inverted_are_refused() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(AddressRange::new(ip("10.0.0.2"), ip("10.0.0.1")).is_err());
        assert!(AddressRange::new(ip("10.0.0.2"), ip("::ffff")).is_err());
        let written = serde_json::json!({"start": "10.0.0.2", "end": "10.0.0.1"});
        let error = serde_json::from_value::<AddressRange>(written).expect_err("inverted");
        assert!(error.to_string().contains("10.0.0.2-10.0.0.1"), "{error}");
        let whole = AddressRange::new(ip("::"), ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
        assert_eq!(whole.map(|r| r.size()), Ok(u128::MAX));
    }
}
