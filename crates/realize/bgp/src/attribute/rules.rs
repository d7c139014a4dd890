//! The attributes this speaker knows: code, flags, lengths, and what RFC 7606 (or the attribute's own RFC) says to do when
//! one is malformed. This table is the only place where that is said; decoder and torture corpus both read it.

use crate::message::Disposition::{self, Discard, TreatAsWithdraw};

pub const ORIGIN: u8 = 1;
pub const AS_PATH: u8 = 2;
pub const NEXT_HOP: u8 = 3;
pub const MULTI_EXIT_DISC: u8 = 4;
pub const LOCAL_PREF: u8 = 5;
pub const ATOMIC_AGGREGATE: u8 = 6;
pub const AGGREGATOR: u8 = 7;
pub const COMMUNITIES: u8 = 8;
pub const ORIGINATOR_ID: u8 = 9;
pub const CLUSTER_LIST: u8 = 10;
pub const MP_REACH_NLRI: u8 = 14;
pub const MP_UNREACH_NLRI: u8 = 15;
pub const EXTENDED_COMMUNITIES: u8 = 16;
pub const AS4_PATH: u8 = 17;
pub const AS4_AGGREGATOR: u8 = 18;
pub const PMSI_TUNNEL: u8 = 22;
pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
pub const LARGE_COMMUNITIES: u8 = 32;
pub const ONLY_TO_CUSTOMER: u8 = 35;

/// Attribute flags (RFC 4271 4.3).
pub mod flag {
    pub const OPTIONAL: u8 = 0x80;
    pub const TRANSITIVE: u8 = 0x40;
    pub const PARTIAL: u8 = 0x20;
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

/// What the Optional and Transitive bits must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    WellKnown = flag::TRANSITIVE,
    OptionalTransitive = flag::OPTIONAL | flag::TRANSITIVE,
    OptionalNonTransitive = flag::OPTIONAL,
}

/// Lengths of a value that can be right, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// The content decides.
    Any,
    Exactly(usize),
    /// Non-zero and a multiple.
    MultipleOf(usize),
    AtLeast(usize),
    /// AGGREGATOR: with 2-octet and with 4-octet AS numbers.
    ByAsSize(usize, usize),
}

impl Lengths {
    pub const fn allow(self, length: usize, as4: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exact) => length == exact,
            Self::MultipleOf(unit) => length != 0 && length.is_multiple_of(unit),
            Self::AtLeast(least) => length >= least,
            Self::ByAsSize(two, four) => length == if as4 { four } else { two },
        }
    }
}

/// From whom the attribute means something; from others it is discarded unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Everyone,
    /// Peers of our own AS (RFC 7606 7.5, 7.9, 7.10).
    Internal,
    /// Peers that speak 2-octet AS numbers (RFC 6793 6).
    TwoOctetSpeakers,
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    pub code: u8,
    pub name: &'static str,
    pub class: Class,
    pub lengths: Lengths,
    pub scope: Scope,
    /// When the flags conflict with `class` (RFC 7606 3 c, and 3 f for the two aggregation attributes).
    pub on_flags: Disposition,
    /// When length or content is wrong. For the MP attributes this is `None`: family disable or session reset.
    pub on_malformed: Option<Disposition>,
    pub source: &'static str,
}

const fn rule(
    (code, name): (u8, &'static str),
    class: Class,
    lengths: Lengths,
    scope: Scope,
    dispositions: (Disposition, Option<Disposition>),
    source: &'static str,
) -> Rule {
    Rule {
        code,
        name,
        class,
        lengths,
        scope,
        on_flags: dispositions.0,
        on_malformed: dispositions.1,
        source,
    }
}

const WITHDRAW: (Disposition, Option<Disposition>) = (TreatAsWithdraw, Some(TreatAsWithdraw));
const DISCARD: (Disposition, Option<Disposition>) = (Discard, Some(Discard));
const WITHDRAW_OR_DISCARD: (Disposition, Option<Disposition>) = (TreatAsWithdraw, Some(Discard));
const STRONGER: (Disposition, Option<Disposition>) = (TreatAsWithdraw, None);

use Class::{OptionalNonTransitive, OptionalTransitive, WellKnown};
use Lengths::{Any, AtLeast, ByAsSize, Exactly, MultipleOf};
use Scope::{Everyone, Internal, TwoOctetSpeakers};

/// Every known attribute, by code.
#[rustfmt::skip]
pub const RULES: &[Rule] = &[
    rule((ORIGIN, "ORIGIN"), WellKnown, Exactly(1), Everyone, WITHDRAW, "RFC 7606 7.1"),
    rule((AS_PATH, "AS_PATH"), WellKnown, Any, Everyone, WITHDRAW, "RFC 7606 7.2, RFC 7607 2"),
    rule((NEXT_HOP, "NEXT_HOP"), WellKnown, Exactly(4), Everyone, WITHDRAW, "RFC 7606 7.3"),
    rule((MULTI_EXIT_DISC, "MULTI_EXIT_DISC"), OptionalNonTransitive, Exactly(4), Everyone, WITHDRAW, "RFC 7606 7.4"),
    rule((LOCAL_PREF, "LOCAL_PREF"), WellKnown, Exactly(4), Internal, WITHDRAW, "RFC 7606 7.5"),
    rule((ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE"), WellKnown, Exactly(0), Everyone, DISCARD, "RFC 7606 7.6"),
    rule((AGGREGATOR, "AGGREGATOR"), OptionalTransitive, ByAsSize(6, 8), Everyone, DISCARD, "RFC 7606 7.7, RFC 7607 2"),
    rule((COMMUNITIES, "COMMUNITIES"), OptionalTransitive, MultipleOf(4), Everyone, WITHDRAW, "RFC 7606 7.8"),
    rule((ORIGINATOR_ID, "ORIGINATOR_ID"), OptionalNonTransitive, Exactly(4), Internal, WITHDRAW, "RFC 7606 7.9"),
    rule((CLUSTER_LIST, "CLUSTER_LIST"), OptionalNonTransitive, MultipleOf(4), Internal, WITHDRAW, "RFC 7606 7.10"),
    rule((MP_REACH_NLRI, "MP_REACH_NLRI"), OptionalNonTransitive, AtLeast(5), Everyone, STRONGER, "RFC 7606 5.3, 7.11"),
    rule((MP_UNREACH_NLRI, "MP_UNREACH_NLRI"), OptionalNonTransitive, AtLeast(3), Everyone, STRONGER, "RFC 7606 5.3, 7.12"),
    rule((EXTENDED_COMMUNITIES, "EXTENDED_COMMUNITIES"), OptionalTransitive, MultipleOf(8), Everyone, WITHDRAW, "RFC 7606 7.14"),
    rule((AS4_PATH, "AS4_PATH"), OptionalTransitive, Any, TwoOctetSpeakers, WITHDRAW_OR_DISCARD, "RFC 6793 6"),
    rule((AS4_AGGREGATOR, "AS4_AGGREGATOR"), OptionalTransitive, Exactly(8), TwoOctetSpeakers, WITHDRAW_OR_DISCARD, "RFC 6793 6"),
    rule((PMSI_TUNNEL, "PMSI_TUNNEL"), OptionalTransitive, AtLeast(5), Everyone, WITHDRAW, "RFC 6514 5"),
    rule((IPV6_EXTENDED_COMMUNITIES, "IPV6_EXTENDED_COMMUNITIES"), OptionalTransitive, MultipleOf(20), Everyone, WITHDRAW, "RFC 7606 7.15"),
    rule((LARGE_COMMUNITIES, "LARGE_COMMUNITIES"), OptionalTransitive, MultipleOf(12), Everyone, WITHDRAW, "RFC 8092 6"),
    rule((ONLY_TO_CUSTOMER, "ONLY_TO_CUSTOMER"), OptionalTransitive, Exactly(4), Everyone, WITHDRAW, "RFC 9234 5"),
];

/// The rule of a code, or `None` if this speaker does not know it.
pub const fn rule_of(code: u8) -> Option<&'static Rule> {
    let index = INDEX[code as usize];
    if index == UNKNOWN {
        return None;
    }
    Some(&RULES[index as usize])
}

const UNKNOWN: u8 = 0xff;

/// Code to place in [`RULES`].
const INDEX: [u8; 256] = {
    let mut index = [UNKNOWN; 256];
    let mut at = 0;
    while at < RULES.len() {
        index[RULES[at].code as usize] = at as u8;
        at += 1;
    }
    index
};
