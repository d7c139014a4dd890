//! Every attribute with every length, every flag, twice, and running past the end.

use super::message::{Raw, value};
use super::{Corpus, Expected, Session};
use crate::attribute::rules::{self, Lengths, RULES, Rule, Scope, flag};
use crate::message::{Disposition, NotificationCode};

impl From<Disposition> for Expected {
    fn from(disposition: Disposition) -> Self {
        match disposition {
            Disposition::Discard => Self::Discard,
            Disposition::TreatAsWithdraw => Self::Withdraw,
        }
    }
}

/// What the table says about a malformed value; out of its scope an attribute is discarded whatever it holds.
pub(super) fn malformed(rule: &Rule, session: &Session) -> Expected {
    match rule.on_malformed {
        _ if !in_scope(rule, session) => Expected::Discard,
        Some(disposition) => disposition.into(),
        None => Expected::Reset(NotificationCode::OPTIONAL_ATTRIBUTE),
    }
}

/// What is right as well for a speaker that does not know an attribute: it passes it on, or over, unread (RFC 4271 5).
pub(super) fn unread(rule: &Rule) -> Option<Expected> {
    matches!(
        rule.code,
        rules::PMSI_TUNNEL | rules::IPV6_EXTENDED_COMMUNITIES | rules::ONLY_TO_CUSTOMER
    )
    .then_some(Expected::Accept)
}

fn well_formed(rule: &Rule, session: &Session) -> Expected {
    if in_scope(rule, session) {
        Expected::Accept
    } else {
        Expected::Discard
    }
}

pub(super) fn in_scope(rule: &Rule, session: &Session) -> bool {
    match rule.scope {
        Scope::Everyone => true,
        Scope::Internal => !session.ebgp,
        Scope::TwoOctetSpeakers => !session.as4,
    }
}

/// All but the MP attributes, which have cases of their own.
fn plain() -> impl Iterator<Item = &'static Rule> {
    RULES
        .iter()
        .filter(|rule| !matches!(rule.code, rules::MP_REACH_NLRI | rules::MP_UNREACH_NLRI))
}

/// RFC 7606 7: each attribute with lengths around and far from the right ones.
pub(super) fn lengths(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    for rule in plain() {
        if rule.lengths == Lengths::Any {
            continue;
        }
        let valid = value(rule.code, session);
        for length in (0..=26).chain([32, 40, 60, 120, 254, 255, 256, 257, 1200]) {
            let right = rule.lengths.allow(length, session.as4);
            if right && matches!(rule.lengths, Lengths::AtLeast(_)) && length != valid.len() {
                // What is right beyond the least length is for the content to say.
                continue;
            }
            let octets = valid.iter().copied().cycle().take(length).collect();
            let octets = if valid.is_empty() {
                vec![0; length]
            } else {
                octets
            };
            let mut draft = corpus.draft();
            draft.set(Raw::new(rule.code, octets));
            let expected = if right {
                well_formed(rule, session)
            } else {
                malformed(rule, session)
            };
            let name = format!("{} of {length} octets", rule.name);
            let case = corpus.add(name, Some(rule.code), rule.source, &draft, expected);
            case.arguable = unread(rule);
        }
    }
}

/// RFC 7606 3 c (and 3 f, which is read here as the stronger word on the two aggregation attributes): every combination of the eight bits that matter or must not matter.
pub(super) fn flags(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    for rule in plain() {
        for bits in 0..=15u8 {
            for low in [0u8, 0x0f] {
                let flags = bits << 4 | low;
                let mut draft = corpus.draft();
                draft.set(Raw {
                    flags,
                    ..Raw::new(rule.code, value(rule.code, session))
                });
                let right = flags & (flag::OPTIONAL | flag::TRANSITIVE) == rule.class as u8;
                let expected = if right || !in_scope(rule, session) {
                    well_formed(rule, session)
                } else {
                    rule.on_flags.into()
                };
                let name = format!("{} with flags {flags:#04x}", rule.name);
                let case = corpus.add(name, Some(rule.code), "RFC 7606 3 c, 3 f", &draft, expected);
                if !right && expected == Expected::Discard {
                    case.arguable = Some(Expected::Withdraw);
                } else if flags & flag::OPTIONAL != 0 {
                    case.arguable = unread(rule);
                }
            }
        }
    }
}

/// RFC 7606 3 g: the first is used, whatever the second holds.
pub(super) fn duplicates(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    let unknown = [(99, "unknown attribute 99")];
    let known = plain().map(|rule| (rule.code, rule.name));
    for (code, name) in known.chain(unknown) {
        let octets = value(code, session);
        for (second, what) in [
            (octets.clone(), "the same"),
            (vec![0xff; octets.len() + 1], "a malformed one"),
        ] {
            for last in [false, true] {
                let mut draft = corpus.draft();
                draft.set(Raw::new(code, octets.clone()));
                let again = Raw::new(code, second.clone());
                let first = draft.attributes.iter().position(|one| one.code == code);
                let after = first.map_or(0, |at| at + 1);
                let at = if last { draft.attributes.len() } else { after };
                draft.attributes.insert(at, again);
                let place = if last { "at the end" } else { "at once" };
                let name = format!("{name} twice, {what} {place}");
                corpus.add(name, Some(code), "RFC 7606 3 g", &draft, Expected::Discard);
            }
        }
    }
}

/// RFC 7606 4: an attribute whose length, or whose header, is past the end of all attributes.
pub(super) fn overruns(corpus: &mut Corpus<'_>) {
    let session = corpus.session;
    let known = plain().map(|rule| (rule.code, rule.name));
    for (code, name) in known.chain([(99, "unknown attribute 99")]) {
        let octets = value(code, session);
        for beyond in [1, 2, 100, 200, 4000, 60_000] {
            let mut draft = corpus.draft();
            draft.remove(code);
            let mut raw = Raw::new(code, octets.clone());
            raw.length = Some(octets.len() + beyond);
            draft.attributes.push(raw);
            let name = format!("{name} running {beyond} octets past the end");
            corpus.add(name, Some(code), "RFC 7606 4", &draft, Expected::Withdraw);
        }
    }
    for (tail, what) in [
        (&[0xc0][..], "one octet"),
        (&[0xc0, 99][..], "two octets"),
        (&[0xd0, 99, 0][..], "three octets of a header of four"),
        (&[0xff][..], "one octet of all ones"),
    ] {
        let mut draft = corpus.draft();
        draft.tail = tail.to_vec();
        let name = format!("{what} behind the last attribute");
        corpus.add(name, None, "RFC 7606 4", &draft, Expected::Withdraw);
    }
}

/// RFC 7606 3 d: without one or several of the mandatory ones.
pub(super) fn missing(corpus: &mut Corpus<'_>) {
    let mandatory = [
        (rules::ORIGIN, "ORIGIN"),
        (rules::AS_PATH, "AS_PATH"),
        (rules::NEXT_HOP, "NEXT_HOP"),
    ];
    for absent in 1..8u8 {
        let mut draft = corpus.draft();
        let mut names = Vec::new();
        for (place, (code, name)) in mandatory.into_iter().enumerate() {
            if absent & 1 << place != 0 {
                draft.remove(code);
                names.push(name);
            }
        }
        let name = format!("without {}", names.join(" and "));
        corpus.add(name, None, "RFC 7606 3 d", &draft, Expected::Withdraw);
    }
    let mut draft = corpus.draft();
    draft.attributes.clear();
    let name = "a route without any attribute".to_owned();
    corpus.add(name, None, "RFC 7606 3 d", &draft, Expected::Withdraw);
}
