//! UPDATEs to the wire: attributes encoded once, routes packed behind them until a message is full.

use super::header::{begin, finish, set_u16};
use super::{EncodeContext, MessageKind};
use crate::Family;
use crate::attribute::rules::{self, flag};
use crate::attribute::{Attributes, NextHop, encode};
use crate::nlri::Route;
use thiserror::Error;

/// Attributes as they go into every UPDATE of a context. Made once per attribute set, used for any number of routes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EncodedAttributes {
    octets: Vec<u8>,
    /// NEXT_HOP belongs before this octet.
    middle: usize,
    next_hop: Option<NextHop>,
}

impl EncodedAttributes {
    pub fn new(attributes: &Attributes, context: &EncodeContext) -> Self {
        let mut octets = Vec::with_capacity(128);
        encode::before_next_hop(attributes, context, &mut octets);
        let middle = octets.len();
        encode::after_next_hop(attributes, context, &mut octets);
        Self {
            octets,
            middle,
            next_hop: attributes.next_hop,
        }
    }

    /// The same attributes with another next hop: cheaper than encoding them again for each of a group's next hops.
    #[must_use]
    pub fn with_next_hop(mut self, next_hop: NextHop) -> Self {
        self.next_hop = Some(next_hop);
        self
    }
}

/// A route whose attributes leave no room for it in a message of the peer: it cannot be announced (RFC 4271 9.2) and must
/// be withdrawn from that peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "attributes of {attributes} octets leave no room for a route in a message of {max_message}"
)]
pub struct TooLong {
    pub attributes: usize,
    pub max_message: usize,
}

/// How routes are laid out in the message being filled.
#[derive(Clone, Copy)]
enum Layout<'a> {
    /// Routes in the NLRI field, after the attributes.
    Classic,
    /// Routes in MP_REACH_NLRI, which comes first (RFC 7606 5.1); the attributes follow.
    Reach(&'a [u8]),
    /// Routes in the Withdrawn Routes field.
    Withdrawn,
    /// Routes in MP_UNREACH_NLRI, the only attribute.
    Unreach,
}

/// Packs routes that share family and attributes into as few messages as hold them.
///
/// `push` routes, then `finish`; dropping it without `finish` leaves an unfinished message in the buffer.
pub struct UpdateBuilder<'a> {
    context: &'a EncodeContext,
    out: &'a mut Vec<u8>,
    family: Family,
    layout: Layout<'a>,
    attributes: Option<&'a EncodedAttributes>,
    /// Where the open message starts, if one is open.
    message: Option<usize>,
    /// Where the attribute's or field's own length is.
    length_at: usize,
    /// Where the routes of the open message start.
    routes_at: usize,
    messages: usize,
}

impl<'a> UpdateBuilder<'a> {
    /// Announces routes of `family`. IPv4 unicast with an IPv4 next hop goes into the classic fields, all else into MP_REACH_NLRI.
    pub fn announce(
        family: Family,
        attributes: &'a EncodedAttributes,
        context: &'a EncodeContext,
        out: &'a mut Vec<u8>,
    ) -> Self {
        let classic = family == Family::Ipv4Unicast
            && matches!(attributes.next_hop, None | Some(NextHop::Ipv4(_)));
        let layout = if classic {
            Layout::Classic
        } else {
            Layout::Reach(&attributes.octets)
        };
        Self::new(family, layout, Some(attributes), context, out)
    }

    /// Withdraws routes of `family`.
    pub fn withdraw(family: Family, context: &'a EncodeContext, out: &'a mut Vec<u8>) -> Self {
        let layout = match family {
            Family::Ipv4Unicast => Layout::Withdrawn,
            _ => Layout::Unreach,
        };
        Self::new(family, layout, None, context, out)
    }

    fn new(
        family: Family,
        layout: Layout<'a>,
        attributes: Option<&'a EncodedAttributes>,
        context: &'a EncodeContext,
        out: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            context,
            out,
            family,
            layout,
            attributes,
            message: None,
            length_at: 0,
            routes_at: 0,
            messages: 0,
        }
    }

    /// Appends a route; begins a new message if the open one has no room. A route of another family than the builder's is a
    /// bug of the caller.
    pub fn push(&mut self, route: &Route) -> Result<(), TooLong> {
        debug_assert_eq!(route.nlri.family(), self.family);
        let start = match self.message {
            Some(start) => start,
            None => self.open(),
        };
        if self.append(start, route) {
            return Ok(());
        }
        if self.out.len() > self.routes_at {
            self.close();
            let start = self.open();
            if self.append(start, route) {
                return Ok(());
            }
        }
        // Not even alone: take the empty message back.
        self.out.truncate(self.message.take().unwrap_or_default());
        self.messages -= 1;
        Err(TooLong {
            attributes: self.attributes.map_or(0, |encoded| encoded.octets.len()),
            max_message: self.context.max_message,
        })
    }

    /// Ends the open message; returns how many messages were appended.
    pub fn finish(mut self) -> usize {
        self.close();
        self.messages
    }

    /// Whether the route fitted; if not, nothing is left of it.
    fn append(&mut self, start: usize, route: &Route) -> bool {
        let before = self.out.len();
        let withdraw = matches!(self.layout, Layout::Withdrawn | Layout::Unreach);
        let add_path = self.context.add_path_tx.contains(self.family);
        route.encode(add_path, withdraw, self.out);
        let behind = match self.layout {
            Layout::Classic | Layout::Unreach => 0,
            Layout::Reach(attributes) => attributes.len(),
            // The length of the attributes, none.
            Layout::Withdrawn => 2,
        };
        let fits = self.out.len() - start + behind <= self.context.max_message;
        if !fits {
            self.out.truncate(before);
        }
        fits
    }

    /// Begins a message up to where its routes go.
    fn open(&mut self) -> usize {
        let start = begin(self.out, MessageKind::Update);
        self.messages += 1;
        self.message = Some(start);
        match self.layout {
            Layout::Classic => self.open_classic(),
            Layout::Withdrawn => {
                self.length_at = self.out.len();
                self.out.extend_from_slice(&[0, 0]);
            }
            Layout::Reach(_) => {
                self.open_mp(rules::MP_REACH_NLRI);
                let next_hop = self.attributes.and_then(|encoded| encoded.next_hop);
                match next_hop {
                    Some(next_hop) => next_hop.encode(self.family, self.out),
                    None => self.out.push(0),
                }
                self.out.push(0);
            }
            Layout::Unreach => self.open_mp(rules::MP_UNREACH_NLRI),
        }
        self.routes_at = self.out.len();
        start
    }

    fn open_classic(&mut self) {
        self.out.extend_from_slice(&[0, 0]);
        let at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        if let Some(encoded) = self.attributes {
            let (before, after) = encoded.octets.split_at(encoded.middle);
            self.out.extend_from_slice(before);
            if let Some(NextHop::Ipv4(address)) = encoded.next_hop {
                let [a, b, c, d] = address.octets();
                self.out
                    .extend_from_slice(&[flag::TRANSITIVE, rules::NEXT_HOP, 4, a, b, c, d]);
            }
            self.out.extend_from_slice(after);
        }
        let length = self.out.len() - at - 2;
        set_u16(self.out, at, length);
    }

    /// No withdrawn routes, the attributes' length, and the header of an MP attribute up to its family.
    fn open_mp(&mut self, code: u8) {
        let (afi, safi) = self.family.codes();
        let [high, low] = afi.to_be_bytes();
        let flags = flag::OPTIONAL | flag::EXTENDED_LENGTH;
        self.out
            .extend_from_slice(&[0, 0, 0, 0, flags, code, 0, 0, high, low, safi]);
        self.length_at = self.out.len() - 5;
    }

    /// Ends the open message, if there is one.
    fn close(&mut self) {
        let Some(start) = self.message.take() else {
            return;
        };
        let length = self.out.len() - self.length_at - 2;
        match self.layout {
            Layout::Classic => {}
            Layout::Withdrawn => {
                set_u16(self.out, self.length_at, length);
                self.out.extend_from_slice(&[0, 0]);
            }
            Layout::Reach(attributes) => {
                set_u16(self.out, self.length_at, length);
                self.out.extend_from_slice(attributes);
            }
            Layout::Unreach => set_u16(self.out, self.length_at, length),
        }
        if matches!(self.layout, Layout::Reach(_) | Layout::Unreach) {
            // The attributes begin four octets before the MP attribute's own length: flags, code and their length.
            let attributes = self.out.len() - (self.length_at - 2);
            set_u16(self.out, self.length_at - 4, attributes);
        }
        finish(self.out, start);
    }

    /// Appends the End-of-RIB marker of a family (RFC 4724 2).
    pub fn end_of_rib(family: Family, out: &mut Vec<u8>) {
        let start = begin(out, MessageKind::Update);
        let (afi, safi) = family.codes();
        let [high, low] = afi.to_be_bytes();
        match family {
            Family::Ipv4Unicast => out.extend_from_slice(&[0, 0, 0, 0]),
            _ => out.extend_from_slice(&[
                0,
                0,
                0,
                6,
                flag::OPTIONAL,
                rules::MP_UNREACH_NLRI,
                3,
                high,
                low,
                safi,
            ]),
        }
        finish(out, start);
    }
}
