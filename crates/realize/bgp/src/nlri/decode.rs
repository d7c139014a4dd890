//! NLRI from the wire, one route at a time, without allocating. What cannot be told apart from its neighbours is an
//! [`NlriError`]; what can be (EVPN routes have a length) but is not understood is skipped and counted (RFC 7606 5.4).

use super::{
    Label, Nlri, Payload, Route, RouteDistinguisher, RouteTarget, RtMembership, evpn_wire,
};
use crate::Family;
use crate::wire::Reader;
use ipnet::{Ipv4Net, Ipv6Net};
use thiserror::Error;

/// Why a field of NLRI cannot be parsed (RFC 7606 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NlriError {
    #[error("a route of {0} runs past the end of its field")]
    Truncated(Family),
    #[error("a route of {family} has a length of {bits} bits, which that family cannot have")]
    Length { family: Family, bits: u8 },
}

/// The routes of one field.
#[derive(Clone)]
pub struct RouteIter<'a> {
    reader: Reader<'a>,
    family: Family,
    add_path: bool,
    skipped: u32,
}

impl<'a> RouteIter<'a> {
    pub const fn new(family: Family, add_path: bool, bytes: &'a [u8]) -> Self {
        Self {
            reader: Reader::new(bytes),
            family,
            add_path,
            skipped: 0,
        }
    }

    /// EVPN routes passed over so far: of a type that is not known, or with a content that is none of their type.
    pub const fn skipped(&self) -> u32 {
        self.skipped
    }

    /// The octets not yet read.
    pub const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    fn route(&mut self) -> Result<Option<Route>, NlriError> {
        let truncated = NlriError::Truncated(self.family);
        let path_id = if self.add_path {
            self.reader.u32().ok_or(truncated)?
        } else {
            0
        };
        let read = match self.family {
            Family::Ipv4Unicast => {
                let net = ipv4(&mut self.reader, 0, self.family)?;
                Some((Nlri::Ipv4(net.2), Payload::None))
            }
            Family::Ipv6Unicast => {
                let net = ipv6(&mut self.reader, 0, self.family)?;
                Some((Nlri::Ipv6(net.2), Payload::None))
            }
            Family::Ipv4Labeled => {
                let (label, _, net) = ipv4(&mut self.reader, 24, self.family)?;
                Some((Nlri::LabeledIpv4(net), Payload::Label(label)))
            }
            Family::Ipv6Labeled => {
                let (label, _, net) = ipv6(&mut self.reader, 24, self.family)?;
                Some((Nlri::LabeledIpv6(net), Payload::Label(label)))
            }
            Family::Vpnv4 => {
                let (label, rd, net) = ipv4(&mut self.reader, 88, self.family)?;
                Some((Nlri::Vpnv4(rd, net), Payload::Label(label)))
            }
            Family::Vpnv6 => {
                let (label, rd, net) = ipv6(&mut self.reader, 88, self.family)?;
                Some((Nlri::Vpnv6(rd, net), Payload::Label(label)))
            }
            Family::Evpn => {
                let [kind, length] = self.reader.array().ok_or(truncated)?;
                let value = self.reader.take(usize::from(length)).ok_or(truncated)?;
                evpn_wire::decode(kind, value)
                    .map(|(nlri, payload)| (Nlri::Evpn(nlri), Payload::Evpn(payload)))
            }
            Family::RouteTarget => {
                let membership = route_target(&mut self.reader)?;
                Some((Nlri::RouteTarget(membership), Payload::None))
            }
        };
        Ok(read.map(|(nlri, payload)| Route {
            nlri,
            path_id,
            payload,
        }))
    }
}

impl Iterator for RouteIter<'_> {
    type Item = Result<Route, NlriError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        while !self.reader.is_empty() {
            match self.route() {
                Ok(Some(route)) => return Some(Ok(route)),
                Ok(None) => self.skipped = self.skipped.saturating_add(1),
                Err(error) => {
                    self.reader = Reader::new(&[]);
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

/// Whether a field can be parsed to its end, and how many of its routes will be skipped.
pub(crate) fn check(family: Family, add_path: bool, bytes: &[u8]) -> Result<u32, NlriError> {
    let (before, address) = match family {
        Family::Ipv4Unicast => (0, 32),
        Family::Ipv6Unicast => (0, 128),
        Family::Ipv4Labeled => (24, 32),
        Family::Ipv6Labeled => (24, 128),
        Family::Vpnv4 => (88, 32),
        Family::Vpnv6 => (88, 128),
        Family::Evpn | Family::RouteTarget => {
            let mut routes = RouteIter::new(family, add_path, bytes);
            routes.try_for_each(|route| route.map(|_| ()))?;
            return Ok(routes.skipped());
        }
    };
    let path_id = if add_path { 4 } else { 0 };
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(&bits) = rest.get(path_id) else {
            return Err(NlriError::Truncated(family));
        };
        if bits < before || u16::from(bits) > u16::from(before) + address {
            return Err(NlriError::Length { family, bits });
        }
        let whole = path_id + 1 + usize::from(bits).div_ceil(8);
        rest = rest.get(whole..).ok_or(NlriError::Truncated(family))?;
    }
    Ok(0)
}

type Prefixed<T> = (Label, RouteDistinguisher, T);

/// A prefix of an address of `N` octets, after `before` bits of label (24) and RD (64); what is behind its length is noise.
#[inline]
fn prefix<const N: usize>(
    reader: &mut Reader<'_>,
    before: u8,
    family: Family,
) -> Result<Prefixed<([u8; N], u8)>, NlriError> {
    let truncated = NlriError::Truncated(family);
    let bits = reader.u8().ok_or(truncated)?;
    let length = bits
        .checked_sub(before)
        .filter(|length| usize::from(*length) <= 8 * N)
        .ok_or(NlriError::Length { family, bits })?;
    let mut head = || {
        let label = if before >= 24 { reader.u24()? } else { 0 };
        let rd = if before == 88 {
            reader.array()?
        } else {
            [0; 8]
        };
        Some((Label::from_field(label), RouteDistinguisher(rd)))
    };
    let (label, rd) = head().ok_or(truncated)?;
    let behind = reader.rest();
    let octets = reader
        .take(usize::from(length).div_ceil(8))
        .ok_or(truncated)?;
    // Read whole where the field goes on: the caller clears what is not of the prefix. A copy of a fixed size is a move.
    let address = behind.first_chunk().copied().unwrap_or_else(|| {
        let mut address = [0; N];
        address[..octets.len()].copy_from_slice(octets);
        address
    });
    Ok((label, rd, (address, length)))
}

#[inline]
fn ipv4(
    reader: &mut Reader<'_>,
    before: u8,
    family: Family,
) -> Result<Prefixed<Ipv4Net>, NlriError> {
    let (label, rd, (address, length)) = prefix::<4>(reader, before, family)?;
    Ok((label, rd, ipv4_net(address, length)))
}

#[inline]
fn ipv6(
    reader: &mut Reader<'_>,
    before: u8,
    family: Family,
) -> Result<Prefixed<Ipv6Net>, NlriError> {
    let (label, rd, (address, length)) = prefix::<16>(reader, before, family)?;
    Ok((label, rd, ipv6_net(address, length)))
}

/// Host bits are cleared (RFC 4271 4.3: their value is irrelevant). The length is at most 32.
pub(super) fn ipv4_net(address: [u8; 4], length: u8) -> Ipv4Net {
    let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
    Ipv4Net::new_assert((u32::from_be_bytes(address) & mask).into(), length)
}

/// The same; the length is at most 128.
pub(super) fn ipv6_net(address: [u8; 16], length: u8) -> Ipv6Net {
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    Ipv6Net::new_assert((u128::from_be_bytes(address) & mask).into(), length)
}

fn route_target(reader: &mut Reader<'_>) -> Result<RtMembership, NlriError> {
    let family = Family::RouteTarget;
    let truncated = NlriError::Truncated(family);
    let bits = reader.u8().ok_or(truncated)?;
    if bits == 0 {
        return Ok(RtMembership::Default);
    }
    // RFC 4684 4: 0, or 32 to 96.
    let target_bits = bits
        .checked_sub(32)
        .filter(|bits| *bits <= 64)
        .ok_or(NlriError::Length { family, bits })?;
    let origin = reader.u32().ok_or(truncated)?;
    let octets = reader
        .take(usize::from(target_bits).div_ceil(8))
        .ok_or(truncated)?;
    let mut target = [0; 8];
    target[..octets.len()].copy_from_slice(octets);
    Ok(RtMembership::target(
        origin,
        RouteTarget(target),
        target_bits,
    ))
}
