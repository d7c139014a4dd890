//! BMP messages from the wire.

use super::{
    BmpError, HEADER, Information, InformationKind, MAX_MESSAGE, Message, Peer, PeerDown,
    Statistic, TerminationReason, VERSION,
};
use crate::wire::Reader;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first message of `buffer` and its length, or `None` if more octets must come.
pub fn frame(buffer: &[u8]) -> Result<Option<(Message<'_>, usize)>, BmpError> {
    match buffer.first() {
        None => return Ok(None),
        Some(&VERSION) => {}
        Some(&other) => return Err(BmpError::Version(other)),
    }
    let mut reader = Reader::new(buffer.get(1..).unwrap_or_default());
    let Some(length) = reader.u32() else {
        return Ok(None);
    };
    let whole = usize::try_from(length)
        .ok()
        .filter(|whole| (HEADER..=MAX_MESSAGE).contains(whole))
        .ok_or(BmpError::Length(length))?;
    let (Some(code), Some(bytes)) = (reader.u8(), buffer.get(..whole)) else {
        return Ok(None);
    };
    Ok(Some((message(code, &bytes[HEADER..])?, whole)))
}

fn message(code: u8, body: &[u8]) -> Result<Message<'_>, BmpError> {
    let mut reader = Reader::new(body);
    let mut peer = || Peer::decode(&mut reader);
    Ok(match code {
        0 => Message::RouteMonitoring {
            peer: peer()?,
            update: bgp_message(&mut reader).ok_or(BmpError::Truncated("route monitoring"))?,
        },
        1 => {
            let peer = peer()?;
            let values = statistics(reader).ok_or(BmpError::Truncated("statistics report"))?;
            Message::Statistics { peer, values }
        }
        2 => Message::PeerDown {
            peer: peer()?,
            reason: peer_down(reader)?,
        },
        3 => {
            let peer = peer()?;
            peer_up(peer, reader).ok_or(BmpError::Truncated("peer up"))?
        }
        4 => Message::Initiation(texts(reader).ok_or(BmpError::Truncated("initiation"))?),
        5 => termination(reader).ok_or(BmpError::Truncated("termination"))?,
        6 => Message::RouteMirroring {
            peer: peer()?,
            tlvs: reader.rest(),
        },
        other => return Err(BmpError::Type(other)),
    })
}

fn peer_down(mut reader: Reader<'_>) -> Result<PeerDown<'_>, BmpError> {
    let truncated = BmpError::Truncated("peer down");
    let reason = reader.u8().ok_or(truncated)?;
    let mut notification = || bgp_message(&mut reader).ok_or(truncated);
    Ok(match reason {
        1 => PeerDown::LocalNotification(notification()?),
        2 => PeerDown::LocalEvent(reader.u16().ok_or(truncated)?),
        3 => PeerDown::RemoteNotification(notification()?),
        4 => PeerDown::RemoteClosed,
        5 => PeerDown::Deconfigured,
        6 => PeerDown::TableClosed(texts(reader).ok_or(truncated)?),
        other => return Err(BmpError::PeerDownReason(other)),
    })
}

fn peer_up<'a>(peer: Peer, mut reader: Reader<'a>) -> Option<Message<'a>> {
    let octets: [u8; 16] = reader.array()?;
    let [.., a, b, c, d] = octets;
    let local_address = if peer.address.is_ipv6() {
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    Some(Message::PeerUp {
        peer,
        local_address,
        local_port: reader.u16()?,
        remote_port: reader.u16()?,
        sent_open: bgp_message(&mut reader)?,
        received_open: bgp_message(&mut reader)?,
        information: texts(reader)?,
    })
}

fn termination(mut reader: Reader<'_>) -> Option<Message<'_>> {
    let (mut reason, mut information) = (None, Vec::new());
    while !reader.is_empty() {
        let (code, value) = tlv(&mut reader)?;
        match code {
            1 => {
                let code = u16::from_be_bytes(value.try_into().ok()?);
                reason = Some(TerminationReason::from_code(code));
            }
            other => information.push(text(other, value)),
        }
    }
    Some(Message::Termination {
        reason,
        information,
    })
}

/// A BGP message whose header tells its length; its content is not looked at.
fn bgp_message<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.rest().get(16..18)?;
    let length = u16::from_be_bytes(length.try_into().ok()?);
    if usize::from(length) < crate::message::HEADER {
        return None;
    }
    reader.take(usize::from(length))
}

fn statistics(mut reader: Reader<'_>) -> Option<Vec<Statistic>> {
    let count = reader.u32()?;
    let mut values = Vec::new();
    for _ in 0..count {
        let (code, value) = tlv(&mut reader)?;
        values.push(Statistic::decode(code, value));
    }
    Some(values)
}

fn texts(mut reader: Reader<'_>) -> Option<Vec<Information>> {
    let mut information = Vec::new();
    while !reader.is_empty() {
        let (code, value) = tlv(&mut reader)?;
        information.push(text(code, value));
    }
    Some(information)
}

fn text(code: u16, value: &[u8]) -> Information {
    Information {
        kind: InformationKind::from_code(code),
        text: String::from_utf8_lossy(value).into_owned(),
    }
}

fn tlv<'a>(reader: &mut Reader<'a>) -> Option<(u16, &'a [u8])> {
    let (code, length) = (reader.u16()?, reader.u16()?);
    Some((code, reader.take(usize::from(length))?))
}
