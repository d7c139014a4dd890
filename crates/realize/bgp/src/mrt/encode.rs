//! MRT records to octets.

use super::{Body, Path, PeerIndex, Record, Rib, Session, code};
use crate::Family;
use crate::attribute::rules::{self, flag};
use crate::attribute::{Attributes, NextHop, encode};
use crate::family::AfiSafi;
use crate::message::{EncodeContext, set_u16};
use crate::nlri::Route;
use std::net::IpAddr;

impl Record<'_> {
    /// Appends the record. Lists longer than their count can say are cut, as are attributes of a path beyond 65,535 octets,
    /// which no session can have brought.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let (kind, subtype) = self.codes();
        out.extend_from_slice(&self.seconds.to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&subtype.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        let body = out.len();
        if kind == code::BGP4MP_ET {
            out.extend_from_slice(&self.microseconds.unwrap_or_default().to_be_bytes());
        }
        match &self.body {
            Body::Peers(index) => peers(index, out),
            Body::Rib(rib) => table_entry(rib, out),
            Body::Message {
                session: between,
                message,
                ..
            } => {
                session(between, out);
                out.extend_from_slice(message);
            }
            Body::StateChange {
                session: between,
                old,
                new,
            } => {
                session(between, out);
                out.extend_from_slice(&old.to_be_bytes());
                out.extend_from_slice(&new.to_be_bytes());
            }
            Body::Other { octets, .. } => out.extend_from_slice(octets),
        }
        let length = u32::try_from(out.len() - body).unwrap_or(u32::MAX);
        out[start + 8..start + 12].copy_from_slice(&length.to_be_bytes());
    }

    fn codes(&self) -> (u16, u16) {
        let bgp4mp = match self.microseconds {
            Some(_) => code::BGP4MP_ET,
            None => code::BGP4MP,
        };
        match &self.body {
            Body::Peers(_) => (code::TABLE_DUMP_V2, code::PEER_INDEX_TABLE),
            Body::Rib(rib) => (code::TABLE_DUMP_V2, rib_code(rib)),
            Body::Message {
                session,
                local,
                add_path,
                ..
            } => {
                let wanted = (session.as4, *local, *add_path);
                let known = code::MESSAGES
                    .iter()
                    .find(|(_, as4, local, add_path)| (*as4, *local, *add_path) == wanted);
                (bgp4mp, known.map_or(code::MESSAGE, |(code, ..)| *code))
            }
            Body::StateChange { session, .. } if session.as4 => (bgp4mp, code::STATE_CHANGE_AS4),
            Body::StateChange { .. } => (bgp4mp, code::STATE_CHANGE),
            Body::Other { kind, subtype, .. } => (*kind, *subtype),
        }
    }
}

fn rib_code(rib: &Rib) -> u16 {
    match (rib.route.nlri.family(), rib.add_path) {
        (Family::Ipv4Unicast, false) => code::RIB_IPV4_UNICAST,
        (Family::Ipv4Unicast, true) => code::RIB_IPV4_UNICAST_ADDPATH,
        (Family::Ipv6Unicast, false) => code::RIB_IPV6_UNICAST,
        (Family::Ipv6Unicast, true) => code::RIB_IPV6_UNICAST_ADDPATH,
        (_, false) => code::RIB_GENERIC,
        (_, true) => code::RIB_GENERIC_ADDPATH,
    }
}

/// A count of two octets, and how many that is.
fn count(length: usize, out: &mut Vec<u8>) -> usize {
    let count = u16::try_from(length).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    count.into()
}

fn peers(index: &PeerIndex, out: &mut Vec<u8>) {
    out.extend_from_slice(&index.collector.octets());
    let view = &index.view[..index.view.floor_char_boundary(usize::from(u16::MAX))];
    count(view.len(), out);
    out.extend_from_slice(view.as_bytes());
    let listed = count(index.peers.len(), out);
    for peer in &index.peers[..listed] {
        // Bit 0: IPv6; bit 1: AS number of 4 octets, which are written always.
        out.push(2 | u8::from(peer.address.is_ipv6()));
        out.extend_from_slice(&peer.router_id.octets());
        address(peer.address, out);
        out.extend_from_slice(&peer.asn.to_be_bytes());
    }
}

fn table_entry(rib: &Rib, out: &mut Vec<u8>) {
    let family = rib.route.nlri.family();
    out.extend_from_slice(&rib.sequence.to_be_bytes());
    if !matches!(family, Family::Ipv4Unicast | Family::Ipv6Unicast) {
        let AfiSafi { afi, safi } = family.into();
        out.extend_from_slice(&afi.to_be_bytes());
        out.push(safi);
    }
    // RFC 8050 4: path identifiers are with the paths, not with the route.
    Route {
        path_id: 0,
        ..rib.route
    }
    .encode(false, false, out);
    let listed = count(rib.paths.len(), out);
    for path in &rib.paths[..listed] {
        table_path(path, family, rib.add_path, out);
    }
}

fn table_path(path: &Path, family: Family, add_path: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&path.peer.to_be_bytes());
    out.extend_from_slice(&path.originated.to_be_bytes());
    if add_path {
        out.extend_from_slice(&path.path_id.to_be_bytes());
    }
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    attributes(&path.attributes, family, out);
    out.truncate(at + 2 + usize::from(u16::MAX));
    let length = out.len() - at - 2;
    set_u16(out, at, length);
}

fn attributes(attributes: &Attributes, family: Family, out: &mut Vec<u8>) {
    let context = EncodeContext::default();
    encode::before_next_hop(attributes, &context, out);
    match attributes.next_hop {
        None => {}
        Some(NextHop::Ipv4(address)) if family == Family::Ipv4Unicast => {
            let code = rules::NEXT_HOP;
            encode::header_and(out, flag::TRANSITIVE, code, |out| {
                out.extend_from_slice(&address.octets());
            });
        }
        // RFC 6396 4.3.4: only the next hop and its length.
        Some(next_hop) => {
            let code = rules::MP_REACH_NLRI;
            encode::header_and(out, flag::OPTIONAL, code, |out| {
                next_hop.encode(family, out)
            });
        }
    }
    encode::after_next_hop(attributes, &context, out);
}

fn session(session: &Session, out: &mut Vec<u8>) {
    for asn in [session.peer_asn, session.local_asn] {
        if session.as4 {
            out.extend_from_slice(&asn.to_be_bytes());
        } else {
            // RFC 6793 9: AS_TRANS where 2 octets do not say it.
            let asn = u16::try_from(asn).unwrap_or(23456);
            out.extend_from_slice(&asn.to_be_bytes());
        }
    }
    out.extend_from_slice(&session.interface.to_be_bytes());
    let afi: u16 = if session.peer_address.is_ipv6() { 2 } else { 1 };
    out.extend_from_slice(&afi.to_be_bytes());
    address(session.peer_address, out);
    address(session.local_address, out);
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}
