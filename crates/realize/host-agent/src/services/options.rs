//! `extra_dhcp_opts` of a port: an option by its number, which `model` knows, and its value as text, turned into
//! bytes. An option that makes no sense is left out of replies; it never spoils the rest.

use model::{DhcpOption, Family};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a value is written on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// IPv4 or IPv6 addresses, whichever the family is.
    Addresses,
    Text,
    /// Domain names in the uncompressed form of RFC 1035 section 3.1.
    Domains,
    U8,
    U16,
    U32,
    /// Destination and next hop pairs (RFC 3442).
    Routes,
    /// Guessed from the text as dnsmasq does for options it has no name for.
    Guess,
}

use Form::{Addresses, Domains, Guess, Routes, Text, U8, U16, U32};

/// RFC 2132, RFC 3397 (119), RFC 3442 (121), RFC 4578 (93), RFC 4833 (100, 101), RFC 5859 (150).
fn form_v4(code: u16) -> Form {
    match code {
        1
        | 3
        | 6
        | 7
        | 9
        | 16
        | 21
        | 28
        | 32
        | 33
        | 41
        | 42
        | 44
        | 45
        | 48
        | 49
        | 65
        | 68..=71
        | 74
        | 150
        | DhcpOption::SERVER_IP_ADDRESS => Addresses,
        12 | 15 | 17 | 18 | 40 | 47 | 60 | 64 | 66 | 67 | 77 | 100 | 101 => Text,
        19 | 20 | 23 | 27 | 31 | 34 | 36 | 37 | 46 => U8,
        13 | 22 | 26 | 93 => U16,
        2 | 35 | 38 | 51 | 58 | 59 => U32,
        119 => Domains,
        121 => Routes,
        _ => Guess,
    }
}

/// RFC 8415 section 21 and the IANA registry.
fn form_v6(code: u16) -> Form {
    match code {
        22 | 23 | 27 | 28 | 31 => Addresses,
        21 | 24 | 29 | 30 => Domains,
        32 => U32,
        59 => Text,
        _ => Guess,
    }
}

/// The options of `family` as (code, bytes), in the order given; those that cannot be encoded are missing. In DHCPv4
/// a code above 254 is a field of the header.
pub(super) fn encode(options: &[DhcpOption], family: Family) -> Vec<(u16, Vec<u8>)> {
    options
        .iter()
        .filter(|option| option.family == family)
        .filter_map(|option| {
            let code = option.code()?;
            let form = match family {
                Family::V4 => form_v4(code),
                Family::V6 => form_v6(code),
            };
            Some((code, value(form, option.value.trim(), family)?))
        })
        .collect()
}

fn value(form: Form, text: &str, family: Family) -> Option<Vec<u8>> {
    match form {
        Addresses => addresses(text, family),
        Text => (!text.is_empty()).then(|| text.as_bytes().to_vec()),
        Domains => list(text)
            .map(domain)
            .collect::<Option<Vec<_>>>()
            .map(|all| all.concat()),
        U8 => Some(vec![text.parse().ok()?]),
        U16 => Some(text.parse::<u16>().ok()?.to_be_bytes().to_vec()),
        U32 => Some(text.parse::<u32>().ok()?.to_be_bytes().to_vec()),
        Routes => routes(text),
        Guess => guess(text, family),
    }
    .filter(|bytes| bytes.len() <= 1024)
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

fn addresses(text: &str, family: Family) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for address in list(text) {
        // dnsmasq writes IPv6 addresses in brackets.
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        match (bare.parse().ok()?, family) {
            (IpAddr::V4(address), Family::V4) => bytes.extend(address.octets()),
            (IpAddr::V6(address), Family::V6) => bytes.extend(address.octets()),
            _ => return None,
        }
    }
    Some(bytes)
}

fn domain(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        let len = u8::try_from(label.len())
            .ok()
            .filter(|len| (1..=63).contains(len))?;
        bytes.push(len);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    Some(bytes)
}

fn routes(text: &str) -> Option<Vec<u8>> {
    let parts: Vec<&str> = list(text).collect();
    let (pairs, rest) = parts.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    for [destination, nexthop] in pairs {
        let destination = match destination.contains('/') {
            true => destination.parse().ok()?,
            false => ipnet::Ipv4Net::from(destination.parse::<Ipv4Addr>().ok()?),
        };
        classless_route(&mut bytes, destination, nexthop.parse().ok()?);
    }
    Some(bytes)
}

/// One route of option 121: the prefix length and only as many bytes of it as are significant (RFC 3442).
pub(super) fn classless_route(bytes: &mut Vec<u8>, to: ipnet::Ipv4Net, nexthop: Ipv4Addr) {
    bytes.push(to.prefix_len());
    let significant = usize::from(to.prefix_len()).div_ceil(8);
    bytes.extend(&to.network().octets()[..significant]);
    bytes.extend(nexthop.octets());
}

fn guess(text: &str, family: Family) -> Option<Vec<u8>> {
    if let Some(bytes) = addresses(text, family) {
        return Some(bytes);
    }
    if let Ok(number) = text.parse::<u32>() {
        let bytes = number.to_be_bytes();
        let skip = match number {
            0..=0xff => 3,
            0x100..=0xffff => 2,
            _ => 0,
        };
        return Some(bytes[skip..].to_vec());
    }
    let pairs: Option<Vec<u8>> = text
        .split(':')
        .map(|pair| match pair.len() {
            1 | 2 => u8::from_str_radix(pair, 16).ok(),
            _ => None,
        })
        .collect();
    match pairs {
        Some(bytes) if text.contains(':') => Some(bytes),
        _ => value(Text, text, family),
    }
}

/// Adds IPv6 addresses to `bytes`, leaving out those of IPv4.
pub(super) fn v6_addresses(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv6Addr> + '_ {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    })
}

/// Of `addresses`, those of IPv4.
pub(super) fn v4_addresses(addresses: &[IpAddr]) -> impl Iterator<Item = Ipv4Addr> + '_ {
    addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(name: &str, value: &str, family: Family) -> Option<(u16, Vec<u8>)> {
        let option = DhcpOption {
            name: name.into(),
            value: value.into(),
            family,
        };
        encode(&[option], family).pop()
    }

    #[test]
    fn names_and_numbers_mean_the_same() {
        let expected = Some((42, vec![10, 0, 0, 1, 10, 0, 0, 2]));
        assert_eq!(
            one("ntp-server", "10.0.0.1, 10.0.0.2", Family::V4),
            expected
        );
        assert_eq!(one("42", "10.0.0.1,10.0.0.2", Family::V4), expected);
        let server = Some((DhcpOption::SERVER_IP_ADDRESS, vec![10, 0, 0, 9]));
        assert_eq!(one("server-ip-address", "10.0.0.9", Family::V4), server);
    }

    #[test]
    fn values_take_the_form_of_their_option() {
        for (name, value, code, bytes) in [
            ("bootfile-name", "pxelinux.0", 67, b"pxelinux.0".to_vec()),
            ("mtu", "1400", 26, vec![5, 0x78]),
            (
                "domain-search",
                "a.example,b",
                119,
                b"\x01a\x07example\0\x01b\0".to_vec(),
            ),
            (
                "121",
                "10.1.0.0/16,10.0.0.9",
                121,
                vec![16, 10, 1, 10, 0, 0, 9],
            ),
            ("0xnot-a-name", "", 0, vec![]),
            ("224", "de:ad:be:ef", 224, vec![0xde, 0xad, 0xbe, 0xef]),
            ("224", "300", 224, vec![1, 44]),
            ("224", "text", 224, b"text".to_vec()),
        ] {
            let expected = (code != 0).then_some((code, bytes));
            assert_eq!(one(name, value, Family::V4), expected, "{name}={value}");
        }
        let dns = "2001:db8::1".parse::<Ipv6Addr>().expect("an address");
        assert_eq!(
            one("dns-server", "[2001:db8::1]", Family::V6),
            Some((23, dns.octets().to_vec()))
        );
    }

    #[test]
    fn nonsense_is_left_out() {
        for (name, value) in [
            ("mtu", "70000"),
            ("router", "2001:db8::1"),
            ("router", "10.0.0"),
            ("53", "1"),
            ("54", "10.0.0.1"),
            ("domain-search", "a..b"),
            ("121", "10.0.0.0/8"),
            ("255", "10.0.0.9"),
            ("300", "1"),
        ] {
            assert_eq!(one(name, value, Family::V4), None, "{name}={value}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_encoded_or_left_out(name in "(\\PC{0,12}|[0-9]{1,3}|domain-search|121)", value in "\\PC{0,64}") {
            for family in [Family::V4, Family::V6] {
                if let Some((_, bytes)) = one(&name, &value, family) {
                    prop_assert!(bytes.len() <= 1024);
                }
            }
        }
    }
}
