//! Path attributes to the wire, in ascending order of their codes (RFC 4271 5), NEXT_HOP and the MP attributes left out:
//! they depend on the family and on the routes, so [`crate::message::UpdateBuilder`] writes them.

use super::decode::AS_TRANS;
use super::rules::{self, Class, flag};
use super::{AsPath, Attributes};
use crate::Asn;
use crate::message::EncodeContext;
use std::net::Ipv4Addr;

/// Appends the attributes that go before NEXT_HOP.
pub(crate) fn before_next_hop(attributes: &Attributes, context: &EncodeContext, out: &mut Vec<u8>) {
    put(out, rules::ORIGIN, &[attributes.origin as u8]);
    if context.as4 {
        put(out, rules::AS_PATH, attributes.as_path.as_bytes());
    } else {
        put(out, rules::AS_PATH, &narrowed(&attributes.as_path));
    }
}

/// Appends the attributes that go after NEXT_HOP.
pub(crate) fn after_next_hop(attributes: &Attributes, context: &EncodeContext, out: &mut Vec<u8>) {
    if let Some(med) = attributes.med {
        put(out, rules::MULTI_EXIT_DISC, &med.to_be_bytes());
    }
    if let Some(local_pref) = attributes.local_pref {
        put(out, rules::LOCAL_PREF, &local_pref.to_be_bytes());
    }
    if attributes.atomic_aggregate {
        put(out, rules::ATOMIC_AGGREGATE, &[]);
    }
    let rare = &attributes.rare;
    if let Some(one) = rare.aggregator {
        let address = one.address.octets();
        if context.as4 {
            put_parts(out, rules::AGGREGATOR, &[&one.asn.to_be_bytes(), &address]);
        } else {
            put_parts(out, rules::AGGREGATOR, &[&short(one.asn), &address]);
        }
    }
    let communities = &attributes.communities;
    put_list(out, rules::COMMUNITIES, communities, |one| {
        one.0.to_be_bytes()
    });
    if let Some(id) = rare.originator_id {
        put(out, rules::ORIGINATOR_ID, &id.octets());
    }
    put_list(
        out,
        rules::CLUSTER_LIST,
        &rare.cluster_list,
        Ipv4Addr::octets,
    );
    put_list(
        out,
        rules::EXTENDED_COMMUNITIES,
        &attributes.extended,
        |one| one.0,
    );
    if !context.as4 {
        for_old_speakers(attributes, out);
    }
    if let Some(pmsi) = &rare.pmsi {
        put_with(out, rules::PMSI_TUNNEL, |out| pmsi.encode(out));
    }
    let ipv6 = &rare.ipv6_extended;
    put_list(out, rules::IPV6_EXTENDED_COMMUNITIES, ipv6, |one| one.0);
    let large = &attributes.large;
    put_list(out, rules::LARGE_COMMUNITIES, large, |one| one.octets());
    if let Some(asn) = rare.only_to_customer {
        put(out, rules::ONLY_TO_CUSTOMER, &asn.to_be_bytes());
    }
    // RFC 4271 5: passed on by one that did not understand them. After the known ones: their order is only a "should".
    for unknown in &rare.unknown {
        let flags = unknown.flags | flag::PARTIAL;
        header_and(out, flags, unknown.code, |out| {
            out.extend_from_slice(&unknown.value);
        });
    }
}

/// AS4_PATH and AS4_AGGREGATOR, where 2 octets did not say it all (RFC 6793 4.2.2).
fn for_old_speakers(attributes: &Attributes, out: &mut Vec<u8>) {
    let wide = |asn: Asn| asn > Asn::from(u16::MAX);
    if attributes.as_path.asns().any(wide) {
        let path = attributes.as_path.without_confederations();
        put(out, rules::AS4_PATH, path.as_bytes());
    }
    if let Some(aggregator) = attributes.rare.aggregator
        && wide(aggregator.asn)
    {
        let address = aggregator.address.octets();
        put_parts(
            out,
            rules::AS4_AGGREGATOR,
            &[&aggregator.asn.to_be_bytes(), &address],
        );
    }
}

fn short(asn: Asn) -> [u8; 2] {
    let fallback = AS_TRANS as u16;
    u16::try_from(asn).unwrap_or(fallback).to_be_bytes()
}

fn narrowed(path: &AsPath) -> Vec<u8> {
    let mut octets = Vec::with_capacity(path.as_bytes().len());
    for segment in path.segments() {
        octets.extend_from_slice(&[segment.kind as u8, segment.len() as u8]);
        segment
            .asns()
            .for_each(|asn| octets.extend_from_slice(&short(asn)));
    }
    octets
}

fn flags_of(code: u8) -> u8 {
    rules::rule_of(code).map_or(Class::OptionalTransitive as u8, |rule| rule.class as u8)
}

fn put(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    put_with(out, code, |out| out.extend_from_slice(value));
}

fn put_parts(out: &mut Vec<u8>, code: u8, parts: &[&[u8]]) {
    put_with(out, code, |out| {
        parts.iter().for_each(|part| out.extend_from_slice(part))
    });
}

fn put_list<T, const N: usize>(
    out: &mut Vec<u8>,
    code: u8,
    list: &[T],
    octets: impl Fn(&T) -> [u8; N],
) {
    if !list.is_empty() {
        put_with(out, code, |out| {
            list.iter()
                .for_each(|one| out.extend_from_slice(&octets(one)));
        });
    }
}

fn put_with(out: &mut Vec<u8>, code: u8, value: impl FnOnce(&mut Vec<u8>)) {
    header_and(out, flags_of(code), code, value);
}

/// Appends an attribute; the length takes two octets only if one is too few.
pub(crate) fn header_and(out: &mut Vec<u8>, flags: u8, code: u8, value: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[flags, code, 0]);
    value(out);
    let length = out.len() - start - 3;
    match u8::try_from(length) {
        Ok(length) => out[start + 2] = length,
        Err(_) => {
            out[start] |= flag::EXTENDED_LENGTH;
            out.insert(start + 2, 0);
            crate::message::set_u16(out, start + 2, length);
        }
    }
}
