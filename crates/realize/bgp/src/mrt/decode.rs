//! MRT records from octets.

use super::{
    Body, HEADER, MAX_RECORD, MrtError, Path, Peer, PeerIndex, Record, Rib, Session, code,
};
use crate::attribute::NextHop;
use crate::attribute::decode::{self, Need, RawAttributes};
use crate::attribute::{Attributes, rules};
use crate::family::AfiSafi;
use crate::message::{CodecContext, Disposition};
use crate::nlri::{Route, RouteIter};
use crate::wire::Reader;
use crate::{Family, FamilySet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first record of `buffer` and its length, or `None` if more octets must come. `Err` inside: the record is whole but
/// malformed, and reading can go on behind it; outside: nothing behind it can be read.
#[expect(
    clippy::type_complexity,
    reason = "two errors of one kind, told apart by where reading can go on"
)]
pub fn frame(buffer: &[u8]) -> Result<Option<(Result<Record<'_>, MrtError>, usize)>, MrtError> {
    let mut reader = Reader::new(buffer);
    let mut header = || Some((reader.u32()?, reader.u16()?, reader.u16()?, reader.u32()?));
    let Some((seconds, kind, subtype, length)) = header() else {
        return Ok(None);
    };
    let body = usize::try_from(length)
        .ok()
        .filter(|body| HEADER + body <= MAX_RECORD)
        .ok_or(MrtError::Length(length))?;
    Ok(reader
        .take(body)
        .map(|octets| (record(seconds, kind, subtype, octets), HEADER + body)))
}

/// The records of a whole dump. Ends at its end, or behind the first octets that are no record.
pub fn records(dump: &[u8]) -> impl Iterator<Item = Result<Record<'_>, MrtError>> {
    let mut rest = dump;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        match frame(rest) {
            Ok(Some((record, length))) => {
                rest = &rest[length..];
                Some(record)
            }
            Ok(None) => {
                rest = &[];
                Some(Err(MrtError::Truncated("the last one")))
            }
            Err(error) => {
                rest = &[];
                Some(Err(error))
            }
        }
    })
}

fn record(seconds: u32, kind: u16, subtype: u16, octets: &[u8]) -> Result<Record<'_>, MrtError> {
    let mut reader = Reader::new(octets);
    let microseconds = match kind {
        code::BGP4MP_ET => {
            let truncated = MrtError::Truncated("extended timestamp");
            Some(reader.u32().ok_or(truncated)?)
        }
        _ => None,
    };
    let body = match kind {
        code::TABLE_DUMP_V2 => table_dump(subtype, reader)?,
        code::BGP4MP | code::BGP4MP_ET => bgp4mp(subtype, reader)?,
        _ => None,
    };
    Ok(Record {
        seconds,
        microseconds,
        body: body.unwrap_or(Body::Other {
            kind,
            subtype,
            octets: reader.rest(),
        }),
    })
}

fn table_dump(subtype: u16, reader: Reader<'_>) -> Result<Option<Body<'_>>, MrtError> {
    let unicast = |family, add_path| {
        let truncated = MrtError::Truncated("RIB");
        let mut reader = reader;
        let sequence = reader.u32().ok_or(truncated)?;
        rib(sequence, family, add_path, reader)
    };
    Ok(Some(match subtype {
        code::PEER_INDEX_TABLE => {
            let index = peer_index(reader).ok_or(MrtError::Truncated("peer index"))?;
            Body::Peers(index)
        }
        code::RIB_IPV4_UNICAST => unicast(Family::Ipv4Unicast, false)?,
        code::RIB_IPV6_UNICAST => unicast(Family::Ipv6Unicast, false)?,
        code::RIB_IPV4_UNICAST_ADDPATH => unicast(Family::Ipv4Unicast, true)?,
        code::RIB_IPV6_UNICAST_ADDPATH => unicast(Family::Ipv6Unicast, true)?,
        code::RIB_GENERIC => generic(false, reader)?,
        code::RIB_GENERIC_ADDPATH => generic(true, reader)?,
        _ => return Ok(None),
    }))
}

fn generic<'a>(add_path: bool, mut reader: Reader<'a>) -> Result<Body<'a>, MrtError> {
    let mut head = || {
        let sequence = reader.u32()?;
        let (afi, safi) = (reader.u16()?, reader.u8()?);
        Some((sequence, AfiSafi { afi, safi }))
    };
    let (sequence, codes) = head().ok_or(MrtError::Truncated("RIB_GENERIC"))?;
    let family = codes.family().ok_or(MrtError::Family(codes))?;
    rib(sequence, family, add_path, reader)
}

fn peer_index(mut reader: Reader<'_>) -> Option<PeerIndex> {
    let collector = reader.array::<4>()?.into();
    let length = reader.u16()?;
    let view = reader.take(usize::from(length))?;
    let count = reader.u16()?;
    let mut peers = Vec::new();
    for _ in 0..count {
        let kind = reader.u8()?;
        peers.push(Peer {
            router_id: reader.array::<4>()?.into(),
            address: address(&mut reader, kind & 1 != 0)?,
            asn: if kind & 2 != 0 {
                reader.u32()?
            } else {
                reader.u16()?.into()
            },
        });
    }
    Some(PeerIndex {
        collector,
        view: String::from_utf8_lossy(view).into_owned(),
        peers,
    })
}

fn address(reader: &mut Reader<'_>, ipv6: bool) -> Option<IpAddr> {
    Some(if ipv6 {
        Ipv6Addr::from(reader.array::<16>()?).into()
    } else {
        Ipv4Addr::from(reader.array::<4>()?).into()
    })
}

fn rib<'a>(
    sequence: u32,
    family: Family,
    add_path: bool,
    mut reader: Reader<'a>,
) -> Result<Body<'a>, MrtError> {
    let truncated = || MrtError::Truncated("RIB");
    let mut routes = RouteIter::new(family, false, reader.rest());
    let route = first_alone(&mut routes).ok_or(MrtError::Route)?;
    let read = reader.len() - routes.rest().len();
    reader.take(read).ok_or_else(truncated)?;
    let count = reader.u16().ok_or_else(truncated)?;
    let mut paths = Vec::new();
    for _ in 0..count {
        let mut fields = || {
            let (peer, originated) = (reader.u16()?, reader.u32()?);
            let path_id = if add_path { reader.u32()? } else { 0 };
            let length = reader.u16()?;
            let attributes = reader.take(usize::from(length))?;
            Some((peer, originated, path_id, attributes))
        };
        let (peer, originated, path_id, octets) = fields().ok_or_else(truncated)?;
        paths.push(Path {
            peer,
            originated,
            path_id,
            attributes: attributes(family, octets)?,
        });
    }
    Ok(Body::Rib(Rib {
        sequence,
        route,
        add_path,
        paths,
    }))
}

/// The first route, if it comes before anything that is passed over.
fn first_alone(routes: &mut RouteIter<'_>) -> Option<Route> {
    let route = routes.next()?.ok()?;
    (routes.skipped() == 0).then_some(route)
}

/// Attributes of a path. MP_REACH_NLRI holds only a next hop with its length (RFC 6396 4.3.4), but some writers put the whole
/// attribute there: its first octet, the high one of the AFI, is then 0.
fn attributes(family: Family, octets: &[u8]) -> Result<Attributes, MrtError> {
    let context = CodecContext {
        as4: true,
        extended_message: true,
        ebgp: false,
        families: FamilySet::ALL,
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::ALL,
    };
    let (mut attributes, faults) = decode::decode(octets, Need::Nothing, &context);
    if let Some(fault) = faults
        .iter()
        .find(|fault| fault.disposition == Disposition::TreatAsWithdraw)
    {
        return Err(MrtError::Attributes(fault.to_string()));
    }
    let reach = RawAttributes::new(octets)
        .flatten()
        .find(|raw| raw.code == rules::MP_REACH_NLRI);
    if let Some(raw) = reach {
        let next_hop = match raw.value {
            [0, _, _, length, rest @ ..] => rest.get(..usize::from(*length)),
            [length, rest @ ..] => rest.get(..usize::from(*length)),
            [] => None,
        };
        let next_hop = next_hop
            .and_then(|octets| NextHop::decode(family, octets, true))
            .ok_or_else(|| MrtError::Attributes("a next hop that is none of its family".into()))?;
        attributes.next_hop = Some(next_hop);
    }
    Ok(attributes)
}

fn bgp4mp(subtype: u16, mut reader: Reader<'_>) -> Result<Option<Body<'_>>, MrtError> {
    if let code::STATE_CHANGE | code::STATE_CHANGE_AS4 = subtype {
        let session = session(subtype == code::STATE_CHANGE_AS4, &mut reader)?;
        let truncated = || MrtError::Truncated("state change");
        return Ok(Some(Body::StateChange {
            session,
            old: reader.u16().ok_or_else(truncated)?,
            new: reader.u16().ok_or_else(truncated)?,
        }));
    }
    let known = code::MESSAGES.iter().find(|(code, ..)| *code == subtype);
    let Some(&(_, as4, local, add_path)) = known else {
        return Ok(None);
    };
    Ok(Some(Body::Message {
        session: session(as4, &mut reader)?,
        local,
        add_path,
        message: reader.rest(),
    }))
}

fn session(as4: bool, reader: &mut Reader<'_>) -> Result<Session, MrtError> {
    let truncated = || MrtError::Truncated("BGP4MP");
    let mut head = || {
        let mut asn = || {
            if as4 {
                reader.u32()
            } else {
                reader.u16().map(u32::from)
            }
        };
        let (peer_asn, local_asn) = (asn()?, asn()?);
        Some((peer_asn, local_asn, reader.u16()?, reader.u16()?))
    };
    let (peer_asn, local_asn, interface, afi) = head().ok_or_else(truncated)?;
    let ipv6 = match afi {
        1 => false,
        2 => true,
        other => return Err(MrtError::Addresses(other)),
    };
    Ok(Session {
        as4,
        peer_asn,
        local_asn,
        interface,
        peer_address: address(reader, ipv6).ok_or_else(truncated)?,
        local_address: address(reader, ipv6).ok_or_else(truncated)?,
    })
}
