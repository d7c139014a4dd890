//! How fast the codec is, on one core: `cargo run --release -p bgp --example codec_speed`. It prints one line a figure; it
//! asserts nothing, as durations are for people to judge.

use bgp::attribute::{AsPath, Attributes, Community, NextHop, Origin};
use bgp::message::{
    CodecContext, EncodeContext, EncodedAttributes, Section, UpdateBuilder, frame, split,
};
use bgp::nlri::{EvpnNlri, EvpnPayload, Label, Mac, Nlri, Payload, Route, RouteDistinguisher};
use bgp::{Family, FamilySet};
use ipnet::Ipv4Net;
use std::hint::black_box;
use std::time::Instant;

const ROUTES: u32 = 1_000_000;

fn attributes(number: u32) -> Attributes {
    let mut attributes = Attributes::new(Origin::Igp, Some(NextHop::Ipv4([192, 0, 2, 1].into())));
    attributes.as_path = AsPath::sequence(&[65001, 3356, 1299, 64512 + number % 1000, number + 1]);
    attributes.med = Some(number);
    attributes.communities = [Community::new(65001, 100), Community(number)].into();
    attributes
}

fn context() -> CodecContext {
    CodecContext {
        as4: true,
        extended_message: false,
        ebgp: true,
        families: FamilySet::ALL,
        add_path_rx: FamilySet::EMPTY,
        extended_next_hop: FamilySet::EMPTY,
    }
}

fn ipv4(number: u32) -> Ipv4Net {
    Ipv4Net::new_assert((0x1400_0000 + number * 256).into(), 24)
}

fn route(family: Family, number: u32) -> Route {
    let rd = RouteDistinguisher([0, 0, 0xfd, 0xe8, 0, 0, 0, 1]);
    match family {
        Family::Vpnv4 => Route {
            nlri: Nlri::Vpnv4(rd, ipv4(number)),
            path_id: 0,
            payload: Payload::Label(Label::from_mpls(number)),
        },
        Family::Evpn => {
            let [a, b, c, d] = number.to_be_bytes();
            let payload = EvpnPayload {
                label: Label::from_vni(number),
                ..EvpnPayload::default()
            };
            let mac = Mac([2, 0, a, b, c, d]);
            Route {
                nlri: Nlri::Evpn(EvpnNlri::MacIp {
                    rd,
                    tag: 0,
                    mac,
                    ip: None,
                }),
                path_id: 0,
                payload: Payload::Evpn(payload),
            }
        }
        _ => Route::bare(Nlri::Ipv4(ipv4(number))),
    }
}

/// Messages of `per` routes each; each set of attributes is its own.
fn messages(family: Family, per: u32) -> Vec<u8> {
    let context = EncodeContext::default();
    let mut out = Vec::new();
    for first in (0..ROUTES).step_by(per as usize) {
        let encoded = EncodedAttributes::new(&attributes(first), &context);
        let mut builder = UpdateBuilder::announce(family, &encoded, &context, &mut out);
        for number in first..first + per {
            if builder.push(&route(family, number)).is_err() {
                return out;
            }
        }
        builder.finish();
    }
    out
}

fn report(what: &str, count: u32, start: Instant) {
    let elapsed = start.elapsed().as_secs_f64();
    let (each, rate) = (
        elapsed * 1e9 / f64::from(count),
        f64::from(count) / elapsed / 1e6,
    );
    println!("{what:<58} {each:>8.1} ns each {rate:>8.2} M/s");
}

/// Splits every message and walks its routes; decodes its attributes if asked for.
fn read(buffer: &[u8], decode: bool) -> u32 {
    let context = context();
    let (mut rest, mut seen) = (buffer, 0);
    while let Ok(Some(frame)) = frame(rest, 4096) {
        if let Ok(parts) = split(frame.body, &context) {
            let section = match parts.mp_reach {
                Some(reach) => {
                    seen += reach
                        .routes()
                        .map(|route| black_box(route).path_id + 1)
                        .sum::<u32>();
                    Section::Multiprotocol
                }
                None => {
                    seen += parts
                        .announced()
                        .map(|route| black_box(route).path_id + 1)
                        .sum::<u32>();
                    Section::Classic
                }
            };
            if decode {
                black_box(parts.decode_attributes(section, &context));
            }
        }
        rest = &rest[frame.bytes.len()..];
    }
    seen
}

fn main() {
    memory();
    println!(
        "Attributes: {} octets; Route: {} octets",
        size_of::<Attributes>(),
        size_of::<Route>()
    );
    for (family, per) in [
        (Family::Ipv4Unicast, 10),
        (Family::Ipv4Unicast, 1000),
        (Family::Vpnv4, 100),
        (Family::Evpn, 50),
    ] {
        let start = Instant::now();
        let buffer = messages(family, per);
        report(
            &format!("{family}, {per} a message: encode, attributes included"),
            ROUTES,
            start,
        );
        let start = Instant::now();
        let seen = read(&buffer, false);
        report(
            &format!("{family}, {per} a message: split and walk"),
            seen,
            start,
        );
        let start = Instant::now();
        let seen = read(&buffer, true);
        report(
            &format!("{family}, {per} a message: and decode attributes"),
            seen,
            start,
        );
    }
    let buffer = messages(Family::Ipv4Unicast, 1);
    let start = Instant::now();
    let seen = read(&buffer, true);
    report("attribute sets decoded, one route a message", seen, start);
    ten_prefixes();
}

fn ten_prefixes() {
    let context = EncodeContext::default();
    let encoded = EncodedAttributes::new(&attributes(7), &context);
    let routes: Vec<Route> = (0..10)
        .map(|number| route(Family::Ipv4Unicast, number))
        .collect();
    let mut out = Vec::with_capacity(1 << 16);
    let start = Instant::now();
    for _ in 0..ROUTES {
        out.clear();
        let mut builder =
            UpdateBuilder::announce(Family::Ipv4Unicast, &encoded, &context, &mut out);
        for route in &routes {
            if builder.push(black_box(route)).is_err() {
                return;
            }
        }
        black_box(builder.finish());
    }
    report(
        "update of 10 prefixes, attributes encoded before",
        ROUTES,
        start,
    );
}

/// What 100,000 distinct sets take, shared as the RIB shares them.
fn memory() {
    let resident = || -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
        Some(pages * 4)
    };
    let before = resident().unwrap_or_default();
    let sets: Vec<_> = (0..100_000)
        .map(|number| std::sync::Arc::new(attributes(number)))
        .collect();
    let after = resident().unwrap_or_default();
    println!(
        "{} attribute sets: {} KiB resident",
        black_box(sets).len(),
        after.saturating_sub(before)
    );
}
