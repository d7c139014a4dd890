//! A corpus of malformed and unusual UPDATEs, each with what the RFCs say becomes of it. It is made from rules, not from
//! recordings, so it is the same every time and grows with [`crate::attribute::rules`].
//!
//! Every message is whole and, up to its one fault, what an ordinary neighbour on an IPv4 session would send. So it serves
//! three ends: the decoder's own tests, the speaker's simulation, and a bench that sends it to real daemons over TCP. A
//! daemon is judged like this: announce [`Case::good`], send [`Case::message`], then see whether the session lives and
//! whether the route is there, and ask [`Case::passes`].

mod attributes;
mod contents;
mod message;
mod multiprotocol;
mod routes;

use crate::message::{CodecContext, NotificationCode};
use crate::nlri::Nlri;
use crate::{Asn, Family, FamilySet};
use ipnet::Ipv4Net;
use message::Draft;
use std::net::Ipv4Addr;

/// Who the sender of the corpus is to the one under test, and what they negotiated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The sender's AS: first in every AS_PATH if `ebgp`.
    pub asn: Asn,
    pub ebgp: bool,
    pub as4: bool,
    /// An address the one under test can resolve.
    pub next_hop: Ipv4Addr,
    /// Families negotiated; cases of others are left out, except where being not negotiated is the case.
    pub families: FamilySet,
    /// Families whose IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: FamilySet,
    /// The /24 of the first case; each case takes the one after.
    pub first_prefix: Ipv4Net,
}

impl Session {
    /// An eBGP session for IPv4 unicast.
    pub fn external(asn: Asn, next_hop: Ipv4Addr) -> Self {
        Self {
            asn,
            ebgp: true,
            as4: true,
            next_hop,
            families: FamilySet::from_iter([Family::Ipv4Unicast]),
            extended_next_hop: FamilySet::EMPTY,
            first_prefix: Ipv4Net::new_assert(Ipv4Addr::new(44, 0, 0, 0), 24),
        }
    }

    /// What our own decoder needs to read the corpus.
    pub const fn context(&self) -> CodecContext {
        CodecContext {
            as4: self.as4,
            extended_message: false,
            ebgp: self.ebgp,
            families: self.families,
            add_path_rx: FamilySet::EMPTY,
            extended_next_hop: self.extended_next_hop,
        }
    }
}

/// What becomes of a message, from mildest to strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// Nothing is wrong with it.
    Accept,
    /// An attribute is dropped, the routes are used (RFC 7606 2, "attribute discard").
    Discard,
    /// The routes are withdrawn.
    Withdraw,
    /// The family is ignored from here on, or the session is reset: RFC 7606 leaves the choice; ours is the first.
    Disable(Family),
    /// Nothing less than a NOTIFICATION of this code is right.
    Reset(NotificationCode),
}

impl Expected {
    /// Whether the session must live.
    pub const fn session_stays(self) -> bool {
        matches!(self, Self::Accept | Self::Discard | Self::Withdraw)
    }

    /// Whether the case's route must be there afterwards.
    pub const fn route_stays(self) -> bool {
        matches!(self, Self::Accept | Self::Discard)
    }
}

/// One message of the corpus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What is done to what: unique within a corpus.
    pub name: String,
    /// The section the expectation comes from.
    pub source: &'static str,
    /// The attribute it is about.
    pub attribute: Option<u8>,
    /// The route it announces, or whose fate it decides; `None` where it is about no route.
    pub route: Option<Nlri>,
    /// A valid announcement of the same route, to be sent before.
    pub good: Vec<u8>,
    /// The whole message, header included.
    pub message: Vec<u8>,
    pub expected: Expected,
    /// What a sound reading of the RFCs allows as well; ours does `expected`.
    pub arguable: Option<Expected>,
}

impl Case {
    /// Whether what became of session and route is right. A session that ended took its routes along, whatever the reason.
    pub fn passes(&self, session_lives: bool, route_is_there: bool) -> bool {
        let matches = |expected: Expected| match expected {
            Expected::Reset(_) => !session_lives,
            Expected::Disable(_) => !session_lives || !route_is_there,
            _ => {
                session_lives && (self.route.is_none() || route_is_there == expected.route_stays())
            }
        };
        matches(self.expected) || self.arguable.is_some_and(matches)
    }
}

/// Collects cases; each gets a prefix of its own.
struct Corpus<'a> {
    session: &'a Session,
    cases: Vec<Case>,
}

impl Corpus<'_> {
    /// The prefix of the case to be made next.
    fn prefix(&self) -> Ipv4Net {
        let first = u32::from(self.session.first_prefix.network());
        let step = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        let address = first.wrapping_add(step.wrapping_mul(256));
        Ipv4Net::new_assert(address.into(), 24)
    }

    /// A valid announcement of the next case's prefix, to be spoilt.
    fn draft(&self) -> Draft {
        Draft::valid(self.session, self.prefix())
    }

    /// A case about an attribute of an IPv4 unicast route.
    fn add(
        &mut self,
        name: String,
        attribute: Option<u8>,
        source: &'static str,
        draft: &Draft,
        expected: Expected,
    ) -> &mut Case {
        self.cases.push(Case {
            name,
            source,
            attribute,
            route: Some(Nlri::Ipv4(self.prefix())),
            good: self.draft().message(),
            message: draft.message(),
            expected,
            arguable: None,
        });
        let last = self.cases.len() - 1;
        &mut self.cases[last]
    }
}

/// Every case that makes sense on this session, in a fixed order.
pub fn corpus(session: &Session) -> Vec<Case> {
    let mut corpus = Corpus {
        session,
        cases: Vec::new(),
    };
    attributes::lengths(&mut corpus);
    attributes::flags(&mut corpus);
    attributes::duplicates(&mut corpus);
    attributes::overruns(&mut corpus);
    attributes::missing(&mut corpus);
    contents::all(&mut corpus);
    routes::all(&mut corpus);
    multiprotocol::all(&mut corpus);
    corpus.cases
}
