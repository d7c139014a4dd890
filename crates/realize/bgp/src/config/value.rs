//! What a TOML value may be read as. The error says what is accepted; the caller adds key, line and value.

use crate::{Asn, Family};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use toml::de::DeValue;

pub(super) trait FromToml: Sized {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String>;
}

impl FromToml for bool {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        value
            .as_bool()
            .ok_or_else(|| "must be true or false".to_owned())
    }
}

impl FromToml for u64 {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let fault = || "must be a whole number, not negative".to_owned();
        let integer = value.as_integer().ok_or_else(fault)?;
        Self::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| fault())
    }
}

macro_rules! unsigned {
    ($($type:ty),*) => {$(
        impl FromToml for $type {
            fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
                Self::try_from(u64::from_toml(value)?)
                    .map_err(|_| format!("must be at most {}", Self::MAX))
            }
        }
    )*};
}
unsigned!(u8, u16);

/// Also an AS number or a community half: `65536` or, as a string, `"1.0"` (RFC 5396).
impl FromToml for Asn {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if let Some(text) = value.as_str() {
            return asn(text).ok_or_else(|| "must be a number like 65000 or \"1.10\"".to_owned());
        }
        Self::try_from(u64::from_toml(value)?).map_err(|_| format!("must be at most {}", Self::MAX))
    }
}

/// `65000` or `1.10`.
pub(super) fn asn(text: &str) -> Option<Asn> {
    match text.split_once('.') {
        Some((high, low)) => {
            let (high, low): (u16, u16) = (high.parse().ok()?, low.parse().ok()?);
            Some(Asn::from(high) << 16 | Asn::from(low))
        }
        None => text.parse().ok(),
    }
}

impl FromToml for String {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let text = value.as_str().ok_or("must be a string in quotes")?;
        Ok(text.to_owned())
    }
}

macro_rules! from_text {
    ($($type:ty => $expected:literal),* $(,)?) => {$(
        impl FromToml for $type {
            fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
                let text = value.as_str().ok_or(concat!("must be ", $expected))?;
                text.parse().map_err(|_| concat!("must be ", $expected).to_owned())
            }
        }
    )*};
}
pub(super) use from_text;

from_text! {
    IpAddr => "an address in quotes, like \"192.0.2.1\" or \"2001:db8::1\"",
    Ipv4Addr => "an IPv4 address in quotes, like \"192.0.2.1\"",
    Ipv6Addr => "an IPv6 address in quotes, like \"2001:db8::1\"",
    SocketAddr => "an address with its port in quotes, like \"192.0.2.1:1790\" or \"[2001:db8::1]:1790\"",
}

macro_rules! prefix {
    ($($type:ident => $expected:literal),*) => {$(
        /// Host bits are a mistake more often than a habit, so they are refused.
        impl FromToml for $type {
            fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
                let expected = concat!("must be a prefix in quotes, like ", $expected);
                let text = value.as_str().ok_or(expected)?;
                let net: Self = text.parse().map_err(|_| expected.to_owned())?;
                if net != net.trunc() {
                    return Err(format!("has bits set below its length: write \"{}\"", net.trunc()));
                }
                Ok(net)
            }
        }
    )*};
}
prefix!(IpNet => "\"192.0.2.0/24\"", Ipv4Net => "\"192.0.2.0/24\"", Ipv6Net => "\"2001:db8::/32\"");

/// A word of a fixed set.
pub(super) fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, String> {
    let text = value.as_str();
    let known = words.iter().find(|(word, _)| Some(*word) == text);
    known.map(|(_, read)| *read).ok_or_else(|| {
        let all: Vec<String> = words
            .iter()
            .map(|(word, _)| format!("\"{word}\""))
            .collect();
        format!("must be one of {}", all.join(", "))
    })
}

impl FromToml for Family {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let words = Self::ALL.map(|family| (family.name(), family));
        word(value, &words)
    }
}
