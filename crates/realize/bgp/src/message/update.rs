//! UPDATE (RFC 4271 4.3, RFC 4760): the cutting of its body into fields, all of whose routes are known to be readable.
//! Attributes are decoded apart from it, because most updates repeat attributes that were decoded before.

use super::{CodecContext, Disposition, Fault, FaultKind, UpdateError};
use crate::Family;
use crate::attribute::decode::{self, Need, RawAttribute, RawAttributes};
use crate::attribute::rules::{self, flag};
use crate::attribute::{Attributes, NextHop};
use crate::family::AfiSafi;
use crate::nlri::decode::check;
use crate::nlri::{Route, RouteIter};
use crate::wire::Reader;
use std::hash::{BuildHasher, Hasher};

/// MP_REACH_NLRI of a negotiated family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpReach<'a> {
    pub family: Family,
    pub next_hop: NextHop,
    pub nlri: &'a [u8],
    pub add_path: bool,
    /// AFI, SAFI and next hop as sent: with the shared attributes they decide what is decoded.
    head: &'a [u8],
}

/// MP_UNREACH_NLRI of a negotiated family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpUnreach<'a> {
    pub family: Family,
    pub nlri: &'a [u8],
    pub add_path: bool,
}

/// The fields of an UPDATE. Every NLRI field in it has been checked to its end, so its routes come without errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateParts<'a> {
    pub withdrawn: &'a [u8],
    /// All of them, MP attributes included.
    pub attributes: &'a [u8],
    pub nlri: &'a [u8],
    pub mp_reach: Option<MpReach<'a>>,
    pub mp_unreach: Option<MpUnreach<'a>>,
    /// A family that was not negotiated, or is disabled: its MP attribute, or the classic fields, were passed over.
    pub ignored: Option<AfiSafi>,
    /// EVPN routes that will be passed over (RFC 7606 5.4).
    pub skipped: u32,
    /// IPv4 unicast of the classic fields has path identifiers.
    add_path: bool,
    /// The attributes without the MP ones: before, between and after them.
    shared: [&'a [u8]; 3],
}

/// Which routes of an UPDATE are meant: their next hops may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Those of the NLRI field, with NEXT_HOP.
    Classic,
    /// Those of MP_REACH_NLRI, with the next hop there.
    Multiprotocol,
}

/// What decoding gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// `None`: the routes are to be treated as withdrawn (RFC 7606 2).
    pub attributes: Option<Attributes>,
    pub faults: Vec<Fault>,
}

/// Cuts the body of an UPDATE (RFC 4271 4.3) and checks what RFC 7606 5 asks of its routes.
pub fn split<'a>(body: &'a [u8], context: &CodecContext) -> Result<UpdateParts<'a>, UpdateError> {
    let (mut withdrawn, attributes, mut nlri) = fields(body).ok_or_else(|| {
        UpdateError::reset(Fault {
            attribute: None,
            kind: FaultKind::Fields,
            disposition: Disposition::TreatAsWithdraw,
            bytes: body[..body.len().min(256)].into(),
        })
    })?;
    let family = Family::Ipv4Unicast;
    let add_path = context.add_path_rx.contains(family);
    let announces = !nlri.is_empty();
    let mut ignored = None;
    if !context.families.contains(family) && (announces || !withdrawn.is_empty()) {
        // Passed over, as an MP attribute of such a family is.
        ignored = Some(family.into());
        (withdrawn, nlri) = (&[], &[]);
    }
    for field in [withdrawn, nlri] {
        check(Family::Ipv4Unicast, add_path, field).map_err(|error| {
            UpdateError::reset(Fault {
                attribute: None,
                kind: FaultKind::Nlri(error),
                disposition: Disposition::TreatAsWithdraw,
                bytes: field[..field.len().min(256)].into(),
            })
        })?;
    }
    let mut parts = UpdateParts {
        withdrawn,
        attributes,
        nlri,
        mp_reach: None,
        mp_unreach: None,
        ignored,
        skipped: 0,
        add_path,
        shared: [attributes, &[], &[]],
    };
    let reaches = parts.multiprotocol(context)? || announces;
    if !reaches {
        parts.check_without_routes(context)?;
    }
    Ok(parts)
}

fn fields(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut reader = Reader::new(body);
    let length = reader.u16()?;
    let withdrawn = reader.take(usize::from(length))?;
    let length = reader.u16()?;
    let attributes = reader.take(usize::from(length))?;
    Some((withdrawn, attributes, reader.rest()))
}

impl<'a> UpdateParts<'a> {
    /// Finds the MP attributes; whether there was an MP_REACH_NLRI, of any family.
    fn multiprotocol(&mut self, context: &CodecContext) -> Result<bool, UpdateError> {
        let (mut reach, mut unreach) = (false, false);
        let (mut found, mut start, mut end) = (0, 0, 0);
        for raw in RawAttributes::new(self.attributes) {
            let Ok(raw) = raw else { break };
            let at = end;
            end += raw.bytes.len();
            let seen = match raw.code {
                rules::MP_REACH_NLRI => &mut reach,
                rules::MP_UNREACH_NLRI => &mut unreach,
                _ => continue,
            };
            if std::mem::replace(seen, true) {
                // RFC 7606 3 g.
                return Err(UpdateError::reset(mp_fault(raw, FaultKind::Duplicate)));
            }
            self.shared[found] = &self.attributes[start..at];
            self.shared[found + 1] = &self.attributes[end..];
            (found, start) = (found + 1, end);
            if raw.code == rules::MP_REACH_NLRI {
                self.reach(raw, context)?;
            } else {
                self.unreach(raw, context)?;
            }
        }
        Ok(reach)
    }

    fn reach(&mut self, raw: RawAttribute<'a>, context: &CodecContext) -> Result<(), UpdateError> {
        let mut reader = Reader::new(raw.value);
        let codes = family_of(&mut reader, raw)?;
        let Some(family) = self.negotiated(codes, context) else {
            return Ok(());
        };
        let fault = |kind| UpdateError::DisableFamily {
            family,
            fault: mp_fault(raw, kind),
        };
        check_head(raw).map_err(fault)?;
        let mut next_hop = || {
            let length = reader.u8()?;
            reader.take(usize::from(length))
        };
        let octets = next_hop().ok_or_else(|| fault(FaultKind::Length(raw.value.len())))?;
        let extended = context.extended_next_hop.contains(family);
        let next_hop = NextHop::decode(family, octets, extended)
            .ok_or_else(|| fault(FaultKind::NextHopLength(octets.len())))?;
        // RFC 4760 3: reserved, ignored (it once counted SNPAs).
        reader
            .u8()
            .ok_or_else(|| fault(FaultKind::Length(raw.value.len())))?;
        let nlri = reader.rest();
        let add_path = context.add_path_rx.contains(family);
        let skipped =
            check(family, add_path, nlri).map_err(|error| fault(FaultKind::Nlri(error)))?;
        self.skipped += skipped;
        self.mp_reach = Some(MpReach {
            family,
            next_hop,
            nlri,
            add_path,
            head: &raw.value[..4 + octets.len()],
        });
        Ok(())
    }

    fn unreach(
        &mut self,
        raw: RawAttribute<'a>,
        context: &CodecContext,
    ) -> Result<(), UpdateError> {
        let mut reader = Reader::new(raw.value);
        let codes = family_of(&mut reader, raw)?;
        let Some(family) = self.negotiated(codes, context) else {
            return Ok(());
        };
        let fault = |kind| UpdateError::DisableFamily {
            family,
            fault: mp_fault(raw, kind),
        };
        check_head(raw).map_err(fault)?;
        let nlri = reader.rest();
        let add_path = context.add_path_rx.contains(family);
        let skipped =
            check(family, add_path, nlri).map_err(|error| fault(FaultKind::Nlri(error)))?;
        self.skipped += skipped;
        self.mp_unreach = Some(MpUnreach {
            family,
            nlri,
            add_path,
        });
        Ok(())
    }

    /// The family, if its routes are to be read; else it is noted as ignored.
    fn negotiated(&mut self, codes: AfiSafi, context: &CodecContext) -> Option<Family> {
        let family = codes
            .family()
            .filter(|family| context.families.contains(*family));
        if family.is_none() {
            self.ignored = Some(codes);
        }
        family
    }

    /// RFC 7606 5.2: attributes without a route they could belong to. A fault in them that is more than a discard leaves
    /// doubt whether routes were missed.
    fn check_without_routes(&self, context: &CodecContext) -> Result<(), UpdateError> {
        for piece in self.shared.iter().filter(|piece| !piece.is_empty()) {
            let (_, faults) = decode::decode(piece, Need::Nothing, context);
            let strong = faults
                .into_iter()
                .find(|fault| fault.disposition > Disposition::Discard);
            if let Some(fault) = strong {
                return Err(UpdateError::reset(fault));
            }
        }
        Ok(())
    }

    /// Routes of the Withdrawn Routes field: IPv4 unicast.
    pub fn withdrawn(&self) -> impl Iterator<Item = Route> + Clone + 'a {
        routes(Family::Ipv4Unicast, self.add_path, self.withdrawn)
    }

    /// Routes of the NLRI field: IPv4 unicast.
    pub fn announced(&self) -> impl Iterator<Item = Route> + Clone + 'a {
        routes(Family::Ipv4Unicast, self.add_path, self.nlri)
    }

    /// The family whose End-of-RIB marker this is (RFC 4724 2).
    pub fn end_of_rib(&self) -> Option<Family> {
        if self.mp_reach.is_some()
            || self.ignored.is_some()
            || !self.withdrawn.is_empty()
            || !self.nlri.is_empty()
            || self.shared.iter().any(|piece| !piece.is_empty())
        {
            return None;
        }
        match self.mp_unreach {
            None => Some(Family::Ipv4Unicast),
            Some(unreach) => unreach.nlri.is_empty().then_some(unreach.family),
        }
    }

    /// What decoding the attributes of a section depends on beside the context, to be looked up in a cache.
    pub fn key(&self, section: Section) -> AttributeKey<'a> {
        let [before, between, after] = self.shared;
        let head = match (section, self.mp_reach) {
            (Section::Multiprotocol, Some(reach)) => reach.head,
            _ => &[],
        };
        AttributeKey {
            pieces: [head, before, between, after],
        }
    }

    /// Decodes the attributes of a section's routes.
    pub fn decode_attributes(&self, section: Section, context: &CodecContext) -> Decoded {
        let need = match (section, self.mp_reach) {
            (Section::Multiprotocol, Some(reach)) => Need::Multiprotocol(reach.next_hop),
            _ => Need::Classic,
        };
        let (attributes, faults) = decode::decode(self.attributes, need, context);
        let withdraw = faults
            .iter()
            .any(|fault| fault.disposition == Disposition::TreatAsWithdraw);
        Decoded {
            attributes: (!withdraw).then_some(attributes),
            faults,
        }
    }
}

impl<'a> MpReach<'a> {
    pub fn routes(&self) -> impl Iterator<Item = Route> + Clone + use<'a> {
        routes(self.family, self.add_path, self.nlri)
    }
}

impl<'a> MpUnreach<'a> {
    pub fn routes(&self) -> impl Iterator<Item = Route> + Clone + use<'a> {
        routes(self.family, self.add_path, self.nlri)
    }
}

/// Routes of a field that was checked.
fn routes(family: Family, add_path: bool, field: &[u8]) -> impl Iterator<Item = Route> + Clone {
    RouteIter::new(family, add_path, field).map_while(Result::ok)
}

fn mp_fault(raw: RawAttribute<'_>, kind: FaultKind) -> Fault {
    Fault::new(raw.code, kind, Disposition::TreatAsWithdraw, raw.bytes)
}

fn family_of(reader: &mut Reader<'_>, raw: RawAttribute<'_>) -> Result<AfiSafi, UpdateError> {
    let mut codes = || {
        let (afi, safi) = (reader.u16()?, reader.u8()?);
        Some(AfiSafi { afi, safi })
    };
    codes().ok_or_else(|| UpdateError::reset(mp_fault(raw, FaultKind::Length(raw.value.len()))))
}

/// RFC 7606 5.3: wrong flags or a length too short make the whole attribute unreadable.
fn check_head(raw: RawAttribute<'_>) -> Result<(), FaultKind> {
    let Some(rule) = rules::rule_of(raw.code) else {
        return Ok(());
    };
    if raw.flags & (flag::OPTIONAL | flag::TRANSITIVE) != rule.class as u8 {
        return Err(FaultKind::Flags(raw.flags));
    }
    if !rule.lengths.allow(raw.value.len(), true) {
        return Err(FaultKind::Length(raw.value.len()));
    }
    Ok(())
}

/// The octets that decide what decoding gives, in the same context. Equal keys decode to equal attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeKey<'a> {
    /// The head of MP_REACH_NLRI (empty for the classic section), then the attributes but the MP ones.
    pieces: [&'a [u8]; 4],
}

impl AttributeKey<'_> {
    /// One octet for the length of the head, then all pieces.
    pub fn to_bytes(&self) -> Box<[u8]> {
        let length = 1 + self.pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length);
        bytes.push(self.head());
        self.pieces
            .iter()
            .for_each(|piece| bytes.extend_from_slice(piece));
        bytes.into()
    }

    fn head(&self) -> u8 {
        // AFI, SAFI, length and at most 48 octets of next hop.
        self.pieces[0].len() as u8
    }

    /// Whether `bytes` came from an equal key's `to_bytes`.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let Some((&head, mut rest)) = bytes.split_first() else {
            return false;
        };
        head == self.head()
            && self.pieces.iter().all(|piece| {
                let Some(after) = rest.strip_prefix(*piece) else {
                    return false;
                };
                rest = after;
                true
            })
            && rest.is_empty()
    }

    /// A hash to look the key up by. It is the hash of the pieces as they lie in the message: a sender that moves its MP
    /// attributes around costs a second entry, nothing else. Keep it with the entry; it cannot be had from `to_bytes`.
    pub fn hash(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        for piece in self.pieces {
            hasher.write(piece);
        }
        hasher.finish()
    }
}
