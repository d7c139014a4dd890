//! Single fields: how an id, an address, a prefix, a MAC stand on the wire, and back.

use crate::DecodeError;
use ipnet::IpNet;
use model::{HostName, Mac};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use uuid::Uuid;

pub(crate) fn put_uuid(id: Uuid) -> Vec<u8> {
    id.into_bytes().to_vec()
}

pub(crate) fn uuid(field: &'static str, bytes: &[u8]) -> Result<Uuid, DecodeError> {
    Ok(Uuid::from_bytes(fixed(field, bytes, "16")?))
}

pub(crate) fn put_mac(mac: Mac) -> Vec<u8> {
    mac.0.to_vec()
}

pub(crate) fn mac(field: &'static str, bytes: &[u8]) -> Result<Mac, DecodeError> {
    Ok(Mac(fixed(field, bytes, "6")?))
}

pub(crate) fn put_address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

pub(crate) fn address(field: &'static str, bytes: &[u8]) -> Result<IpAddr, DecodeError> {
    parse_address(bytes).ok_or(DecodeError::Length {
        field,
        length: bytes.len(),
        accepted: "4 or 16",
    })
}

/// Host bits, if there are any, are kept.
pub(crate) fn put_prefix(prefix: IpNet) -> Vec<u8> {
    let mut bytes = put_address(prefix.addr());
    bytes.push(prefix.prefix_len());
    bytes
}

pub(crate) fn prefix(field: &'static str, bytes: &[u8]) -> Result<IpNet, DecodeError> {
    let (address, length) = bytes
        .split_last()
        .and_then(|(length, address)| Some((parse_address(address)?, *length)))
        .ok_or(DecodeError::Length {
            field,
            length: bytes.len(),
            accepted: "5 or 17",
        })?;
    IpNet::new(address, length).map_err(|_| {
        DecodeError::value(
            field,
            format!("{address}/{length}"),
            "longer than the address",
        )
    })
}

pub(crate) fn host(field: &'static str, text: &str) -> Result<HostName, DecodeError> {
    text.parse()
        .map_err(|error| DecodeError::value(field, format!("{text:?}"), error))
}

/// A number that must fit a smaller type.
pub(crate) fn narrow<T: TryFrom<u32>>(
    field: &'static str,
    value: u32,
    problem: &str,
) -> Result<T, DecodeError> {
    T::try_from(value).map_err(|_| DecodeError::value(field, value, problem))
}

/// Repeated fields that are sets stand in ascending order, so that equal units have equal bytes.
pub(crate) fn ascending<T: Ord>(field: &'static str, items: Vec<T>) -> Result<Vec<T>, DecodeError> {
    if items.is_sorted_by(|a, b| a < b) {
        Ok(items)
    } else {
        Err(DecodeError::Order { field })
    }
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Missing { field })
}

pub(crate) fn fixed<const N: usize>(
    field: &'static str,
    bytes: &[u8],
    accepted: &'static str,
) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Length {
        field,
        length: bytes.len(),
        accepted,
    })
}

fn parse_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(v6).into())
}
