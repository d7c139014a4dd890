//! Values of a right length that say something wrong, and unusual ones that say nothing wrong.

use super::attributes::{in_scope, malformed, unread};
use super::message::{Raw, as_number, path};
use super::{Case, Corpus, Expected};
use crate::attribute::rules::{self, Rule, flag};
use crate::message::NotificationCode;

pub(super) fn all(corpus: &mut Corpus<'_>) {
    origins(corpus);
    paths(corpus);
    confederations(corpus);
    next_hops(corpus);
    zero_as(corpus);
    tunnels(corpus);
    unknown(corpus);
    several_faults(corpus);
    unusual_but_valid(corpus);
}

fn spoil(corpus: &mut Corpus<'_>, code: u8, octets: Vec<u8>, what: &str) {
    let Some(rule) = rules::rule_of(code) else {
        return;
    };
    let mut draft = corpus.draft();
    draft.set(Raw::new(code, octets));
    let expected = malformed(rule, corpus.session);
    let name = format!("{} {what}", rule.name);
    let case = corpus.add(name, Some(code), rule.source, &draft, expected);
    case.arguable = unread(rule);
}

fn origins(corpus: &mut Corpus<'_>) {
    for value in [3, 4, 127, 255] {
        spoil(
            corpus,
            rules::ORIGIN,
            vec![value],
            &format!("of value {value}"),
        );
    }
}

/// RFC 7606 7.2: of AS_PATH and, towards 2-octet speakers, of AS4_PATH.
fn paths(corpus: &mut Corpus<'_>) {
    for code in [rules::AS_PATH, rules::AS4_PATH] {
        let session = corpus.session;
        let wide = code == rules::AS4_PATH || session.as4;
        let number = |asn: u32| {
            if wide {
                asn.to_be_bytes().to_vec()
            } else {
                as_number(session, asn)
            }
        };
        let segment = |kind: u8, count: u8, asns: &[u32]| {
            let mut octets = vec![kind, count];
            asns.iter().for_each(|asn| octets.extend(number(*asn)));
            octets
        };
        let asn = session.asn;
        let cases = [
            (segment(2, 0, &[]), "with an empty segment"),
            (
                [segment(2, 1, &[asn]), segment(2, 0, &[])].concat(),
                "with an empty second segment",
            ),
            (segment(0, 1, &[asn]), "with a segment of type 0"),
            (segment(5, 1, &[asn]), "with a segment of type 5"),
            (segment(255, 1, &[asn]), "with a segment of type 255"),
            (segment(2, 2, &[asn]), "with a segment one AS too long"),
            (
                segment(2, 255, &[asn]),
                "with a segment of 255 that has one AS",
            ),
            (
                [segment(2, 1, &[asn]), vec![2]].concat(),
                "with one octet behind it",
            ),
            (
                [segment(2, 1, &[asn]), vec![0, 0]].concat(),
                "with two zero octets behind it",
            ),
            (
                [segment(2, 1, &[asn]), vec![2, 1]].concat(),
                "with a segment cut off",
            ),
            (vec![2], "of one octet"),
            (segment(2, 2, &[asn, 0]), "with AS 0"),
            (
                [segment(2, 1, &[asn]), segment(1, 1, &[0])].concat(),
                "with AS 0 in a set",
            ),
        ];
        for (octets, what) in cases {
            spoil(corpus, code, octets, what);
        }
    }
}

/// RFC 5065 5: from a neighbor that is in no confederation with us.
fn confederations(corpus: &mut Corpus<'_>) {
    if !corpus.session.ebgp {
        return;
    }
    for (kind, what) in [(3, "a confederation sequence"), (4, "a confederation set")] {
        let mut own = vec![2, 1];
        own.extend(as_number(corpus.session, corpus.session.asn));
        let mut member = vec![kind, 1];
        member.extend(as_number(corpus.session, 64_512));
        for (octets, place) in [
            ([&own[..], &member].concat(), "at its end"),
            ([&member[..], &own].concat(), "at its beginning"),
        ] {
            spoil(
                corpus,
                rules::AS_PATH,
                octets,
                &format!("with {what} {place}"),
            );
        }
    }
}

/// RFC 4271 6.3 calls these syntactically wrong; RFC 7606 7.3 withdraws.
fn next_hops(corpus: &mut Corpus<'_>) {
    for (octets, what) in [
        ([0, 0, 0, 0], "of zeros"),
        ([224, 0, 0, 5], "of a multicast group"),
        ([255, 255, 255, 255], "of all ones"),
    ] {
        spoil(corpus, rules::NEXT_HOP, octets.to_vec(), what);
    }
}

/// RFC 7607 2.
fn zero_as(corpus: &mut Corpus<'_>) {
    let mut aggregator = as_number(corpus.session, 0);
    aggregator.extend_from_slice(&[198, 51, 100, 1]);
    spoil(corpus, rules::AGGREGATOR, aggregator, "with AS 0");
    let aggregator = vec![0, 0, 0, 0, 198, 51, 100, 1];
    spoil(corpus, rules::AS4_AGGREGATOR, aggregator, "with AS 0");
}

/// RFC 6514 5.
fn tunnels(corpus: &mut Corpus<'_>) {
    for length in [0, 1, 3, 5, 15, 17] {
        let mut octets = vec![0, 6, 0, 0, 10];
        octets.resize(5 + length, 7);
        let what = format!("of ingress replication to an address of {length} octets");
        spoil(corpus, rules::PMSI_TUNNEL, octets, &what);
    }
}

fn unknown(corpus: &mut Corpus<'_>) {
    let with = |corpus: &mut Corpus<'_>, flags: u8, length: usize, expected: Expected| {
        let mut draft = corpus.draft();
        draft.set(Raw {
            flags,
            ..Raw::new(99, vec![7; length])
        });
        let name = format!("unknown attribute 99 of {length} octets with flags {flags:#04x}");
        let case = corpus.add(name, Some(99), "RFC 4271 5, RFC 7606 3 c", &draft, expected);
        if expected == Expected::Withdraw {
            // RFC 4271 6.3 as it stands.
            let reset = Expected::Reset(NotificationCode::UNRECOGNIZED_WELL_KNOWN);
            case.arguable = Some(reset);
        }
    };
    for length in [0, 1, 255, 256, 2000] {
        for flags in [0x80, 0xa0, 0xc0, 0xe0] {
            with(corpus, flags, length, Expected::Accept);
        }
        for flags in [0x00, 0x40] {
            with(corpus, flags, length, Expected::Withdraw);
        }
    }
    let mut draft = corpus.draft();
    for code in (40..=255).filter(|code| rules::rule_of(*code).is_none()) {
        draft.set(Raw::new(code, vec![1, 2, 3]));
    }
    let name = "every unknown code from 40 to 255 at once".to_owned();
    // 128 (ATTR_SET) and a few others are known to others and malformed for them; to us they are opaque.
    corpus.add(name, None, "RFC 4271 5", &draft, Expected::Accept);
}

/// RFC 7606 3 h: the strongest disposition wins.
fn several_faults(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    let spoilt = |rule: &Rule| Raw::new(rule.code, vec![1, 2, 3]);
    let rules = || {
        rules::RULES
            .iter()
            .filter(|rule| rule.on_malformed.is_some())
    };
    for first in rules() {
        for second in rules().filter(|second| second.code > first.code) {
            let mut draft = corpus.draft();
            draft.set(spoilt(first));
            draft.set(spoilt(second));
            let stronger = |both: [Expected; 2]| {
                if both.contains(&Expected::Withdraw) {
                    Expected::Withdraw
                } else {
                    Expected::Discard
                }
            };
            let both = [first, second];
            let expected = stronger(both.map(|rule| malformed(rule, session)));
            let read = |rule| unread(rule).unwrap_or_else(|| malformed(rule, session));
            let unread = stronger(both.map(read));
            let name = format!("{} and {}, both of 3 octets", first.name, second.name);
            let case = corpus.add(name, Some(first.code), "RFC 7606 3 h", &draft, expected);
            case.arguable = (unread != expected).then_some(unread);
        }
    }
}

/// What is rare on the wire but right: a decoder that refuses it breaks sessions for nothing.
fn unusual_but_valid(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    let own = |place: u32| {
        if place == 0 {
            session.asn
        } else {
            1000 + place
        }
    };
    let long: Vec<u32> = (0..700).map(own).collect();
    let again: Vec<u32> = (0..250).map(|_| session.asn).collect();
    let cases = [
        (
            rules::AS_PATH,
            path(session, &long),
            "an AS_PATH of 700 hops",
        ),
        (
            rules::AS_PATH,
            path(session, &again),
            "an AS_PATH of 250 times the sender",
        ),
        (
            rules::COMMUNITIES,
            [0xfd, 0xe7, 0, 1].repeat(900),
            "900 communities",
        ),
        (rules::COMMUNITIES, vec![0; 4], "a community of zeros"),
        (
            rules::EXTENDED_COMMUNITIES,
            vec![0xff; 80],
            "extended communities of all ones",
        ),
        (
            rules::LARGE_COMMUNITIES,
            vec![0; 12 * 300],
            "300 large communities",
        ),
        (
            rules::CLUSTER_LIST,
            [198, 51, 100, 2].repeat(60),
            "60 clusters",
        ),
    ];
    for (code, octets, what) in cases {
        unusual(corpus, code, octets, what);
    }
    let mut octets = path(session, &[session.asn]);
    octets.extend_from_slice(&[1, 2]);
    octets.extend(as_number(session, 64_996));
    octets.extend(as_number(session, 64_997));
    let case = unusual(
        corpus,
        rules::AS_PATH,
        octets,
        "an AS_PATH that ends in a set",
    );
    // RFC 9774 4 withdraws them.
    case.arguable = Some(Expected::Withdraw);
    let mut draft = corpus.draft();
    draft.attributes.reverse();
    let name = "attributes in descending order".to_owned();
    corpus.add(name, None, "RFC 4271 5", &draft, Expected::Accept);
    let mut draft = corpus.draft();
    for raw in &mut draft.attributes {
        raw.flags |= flag::EXTENDED_LENGTH;
    }
    let name = "every attribute with a length of two octets".to_owned();
    corpus.add(name, None, "RFC 7606 4", &draft, Expected::Accept);
}

fn unusual<'a>(corpus: &'a mut Corpus<'_>, code: u8, octets: Vec<u8>, what: &str) -> &'a mut Case {
    let mut draft = corpus.draft();
    draft.set(Raw::new(code, octets));
    let expected = match rules::rule_of(code) {
        Some(rule) if !in_scope(rule, corpus.session) => Expected::Discard,
        _ => Expected::Accept,
    };
    let name = what.to_owned();
    corpus.add(name, Some(code), "RFC 4271 4.3", &draft, expected)
}
