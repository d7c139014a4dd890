//! The classic fields: their lengths and the routes in them (RFC 4271 6.3, RFC 7606 5).

use super::message::{Draft, Raw, nlri};
use super::{Corpus, Expected};
use crate::attribute::rules;
use crate::message::NotificationCode;

pub(super) fn all(corpus: &mut Corpus<'_>) {
    fields(corpus);
    prefixes(corpus);
    without_routes(corpus);
    unusual_but_valid(corpus);
}

/// The two lengths of the message itself.
fn fields(corpus: &mut Corpus<'_>) {
    const SOURCE: &str = "RFC 4271 6.3, RFC 7606 3";
    let expected = Expected::Reset(NotificationCode::MALFORMED_ATTRIBUTES);
    for beyond in [1000, 4000, 65_535] {
        let mut draft = corpus.draft();
        draft.withdrawn_length = Some(beyond);
        let name = format!("withdrawn routes of {beyond} octets that are not there");
        corpus.add(name, None, SOURCE, &draft, expected);
        let mut draft = corpus.draft();
        draft.attributes_length = Some(beyond);
        let name = format!("attributes of {beyond} octets that are not there");
        corpus.add(name, None, SOURCE, &draft, expected);
    }
}

/// RFC 7606 5.3.
fn prefixes(corpus: &mut Corpus<'_>) {
    const SOURCE: &str = "RFC 7606 5.3";
    let expected = Expected::Reset(NotificationCode::INVALID_NETWORK);
    let spoilt: [(&[u8], &str); 6] = [
        (&[33, 44, 0, 0, 0, 0], "a prefix of 33 bits"),
        (&[128, 44, 0, 0, 0, 0], "a prefix of 128 bits"),
        (&[255, 44, 0, 0, 0, 0], "a prefix of 255 bits"),
        (&[32, 44, 0, 0], "a prefix cut off by one octet"),
        (&[24], "a length without a prefix"),
        (&[8], "a length of 8 without its octet"),
    ];
    for (octets, what) in spoilt {
        for first in [false, true] {
            let place = if first { "only" } else { "behind a good one" };
            let mut draft = corpus.draft();
            if first {
                draft.nlri.clear();
            }
            draft.nlri.extend_from_slice(octets);
            let name = format!("{what} announced, {place}");
            corpus.add(name, None, SOURCE, &draft, expected);
            let mut draft = corpus.draft();
            if !first {
                draft.withdrawn = nlri(corpus.prefix());
            }
            draft.withdrawn.extend_from_slice(octets);
            let name = format!("{what} withdrawn, {place}");
            corpus.add(name, None, SOURCE, &draft, expected);
        }
    }
}

/// RFC 7606 5.2: a fault in attributes that belong to no route leaves doubt.
fn without_routes(corpus: &mut Corpus<'_>) {
    const SOURCE: &str = "RFC 7606 5.2";
    let mut draft = corpus.draft();
    draft.nlri.clear();
    draft.set(Raw::new(rules::ORIGIN, vec![9]));
    let name = "an invalid ORIGIN and no route".to_owned();
    let expected = Expected::Reset(NotificationCode::INVALID_ORIGIN);
    corpus.add(name, Some(rules::ORIGIN), SOURCE, &draft, expected);
    let mut draft = corpus.draft();
    draft.nlri.clear();
    draft.tail = vec![0xc0];
    let name = "an octet behind the attributes and no route".to_owned();
    let expected = Expected::Reset(NotificationCode::MALFORMED_ATTRIBUTES);
    corpus.add(name, None, SOURCE, &draft, expected);
    let mut draft = corpus.draft();
    draft.nlri.clear();
    draft.set(Raw::new(rules::ATOMIC_AGGREGATE, vec![1]));
    let name = "a fault that is only a discard, and no route".to_owned();
    corpus.add(
        name,
        Some(rules::ATOMIC_AGGREGATE),
        SOURCE,
        &draft,
        Expected::Discard,
    );
}

fn unusual_but_valid(corpus: &mut Corpus<'_>) {
    const SOURCE: &str = "RFC 4271 4.3";
    let mut draft = corpus.draft();
    draft.nlri.clear();
    let name = "valid attributes and no route".to_owned();
    corpus.add(name, None, SOURCE, &draft, Expected::Accept);
    let name = "nothing at all: End-of-RIB".to_owned();
    corpus.add(name, None, "RFC 4724 2", &Draft::empty(), Expected::Accept);
    let mut draft = corpus.draft();
    draft.nlri = [draft.nlri.clone(), draft.nlri.clone()].concat();
    let name = "the same prefix twice".to_owned();
    corpus.add(name, None, SOURCE, &draft, Expected::Accept);
    let mut draft = corpus.draft();
    draft.withdrawn = draft.nlri.clone();
    let name = "a prefix withdrawn and announced at once".to_owned();
    corpus.add(name, None, SOURCE, &draft, Expected::Accept);
    let mut draft = corpus.draft();
    let network = corpus.prefix().network().octets();
    draft
        .nlri
        .extend_from_slice(&[25, network[0], network[1], network[2], 0x7f]);
    let name = "a prefix with host bits".to_owned();
    corpus.add(name, None, SOURCE, &draft, Expected::Accept);
}
