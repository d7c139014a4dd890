//! Path attributes from the wire, with the dispositions of RFC 7606 as [`super::rules`] lists them.

use super::rules::{self, Rule, Scope, flag};
use super::{
    Aggregator, AsPath, Attributes, Community, ExtendedCommunity, Ipv6ExtendedCommunity,
    LargeCommunity, NextHop, Origin, Pmsi, UnknownAttribute, as_path,
};
use crate::message::{CodecContext, Disposition, Fault, FaultKind};
use crate::wire::Reader;
use std::net::Ipv4Addr;

/// One attribute, not yet understood.
#[derive(Clone, Copy)]
pub(crate) struct RawAttribute<'a> {
    pub(crate) flags: u8,
    pub(crate) code: u8,
    pub(crate) value: &'a [u8],
    /// Header included.
    pub(crate) bytes: &'a [u8],
}

/// The attribute that runs past the end: what is left of the attributes.
pub(crate) struct Overrun<'a>(pub(crate) &'a [u8]);

/// Cuts attributes; ends after an overrun (RFC 7606 4).
pub(crate) struct RawAttributes<'a>(Reader<'a>);

impl<'a> RawAttributes<'a> {
    pub(crate) const fn new(attributes: &'a [u8]) -> Self {
        Self(Reader::new(attributes))
    }
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = Result<RawAttribute<'a>, Overrun<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.0.rest();
        if start.is_empty() {
            return None;
        }
        let mut cut = || {
            let [flags, code] = self.0.array()?;
            let length = if flags & flag::EXTENDED_LENGTH == 0 {
                usize::from(self.0.u8()?)
            } else {
                usize::from(self.0.u16()?)
            };
            let value = self.0.take(length)?;
            Some(RawAttribute {
                flags,
                code,
                value,
                bytes: &start[..start.len() - self.0.len()],
            })
        };
        let cut = cut();
        if cut.is_none() {
            self.0 = Reader::new(&[]);
        }
        Some(cut.ok_or(Overrun(start)))
    }
}

/// What the routes of a message need of its attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// ORIGIN, AS_PATH and NEXT_HOP.
    Classic,
    /// ORIGIN and AS_PATH; the next hop came in MP_REACH_NLRI, and NEXT_HOP is ignored (RFC 4760 3).
    Multiprotocol(NextHop),
    /// Nothing: only faults are asked for (RFC 7606 5.2), or the attributes have no routes of their own (MRT).
    Nothing,
}

/// Faults of one message that are kept.
const MOST_FAULTS: usize = 64;

/// Attributes while they are being read.
struct Decoder<'a> {
    context: &'a CodecContext,
    attributes: Attributes,
    faults: Vec<Fault>,
    seen: [u64; 4],
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
    unknown: Vec<UnknownAttribute>,
}

/// Decodes all attributes but MP_REACH_NLRI and MP_UNREACH_NLRI, which [`crate::message::split`] has read.
pub(crate) fn decode(bytes: &[u8], need: Need, context: &CodecContext) -> (Attributes, Vec<Fault>) {
    let next_hop = match need {
        Need::Multiprotocol(next_hop) => Some(next_hop),
        Need::Classic | Need::Nothing => None,
    };
    let mut decoder = Decoder {
        context,
        attributes: Attributes::new(Origin::Incomplete, next_hop),
        faults: Vec::new(),
        seen: [0; 4],
        as4_path: None,
        as4_aggregator: None,
        unknown: Vec::new(),
    };
    for raw in RawAttributes::new(bytes) {
        match raw {
            Ok(raw) => decoder.attribute(raw, need),
            Err(Overrun(rest)) => decoder.note(Fault {
                attribute: rest.get(1).copied(),
                kind: FaultKind::Overrun,
                disposition: Disposition::TreatAsWithdraw,
                bytes: rest[..rest.len().min(256)].into(),
            }),
        }
    }
    decoder.finish(need)
}

impl Decoder<'_> {
    fn attribute(&mut self, raw: RawAttribute<'_>, need: Need) {
        if matches!(raw.code, rules::MP_REACH_NLRI | rules::MP_UNREACH_NLRI) {
            return;
        }
        let (word, bit) = (usize::from(raw.code >> 6), 1 << (raw.code & 63));
        if self.seen[word] & bit != 0 {
            return self.fault(raw, FaultKind::Duplicate, Disposition::Discard);
        }
        self.seen[word] |= bit;
        let Some(rule) = rules::rule_of(raw.code) else {
            return self.unknown(raw);
        };
        match rule.scope {
            Scope::Internal if self.context.ebgp => {
                return self.fault(raw, FaultKind::FromExternal, Disposition::Discard);
            }
            Scope::TwoOctetSpeakers if self.context.as4 => {
                return self.fault(raw, FaultKind::FromNewSpeaker, Disposition::Discard);
            }
            _ => {}
        }
        if raw.flags & (flag::OPTIONAL | flag::TRANSITIVE) != rule.class as u8 {
            return self.fault(raw, FaultKind::Flags(raw.flags), rule.on_flags);
        }
        let malformed = rule.on_malformed.unwrap_or(Disposition::TreatAsWithdraw);
        if !rule.lengths.allow(raw.value.len(), self.context.as4) {
            return self.fault(raw, FaultKind::Length(raw.value.len()), malformed);
        }
        if let Err(what) = self.value(rule, raw.value, need) {
            self.fault(raw, FaultKind::Value(what), malformed);
        }
    }

    fn fault(&mut self, raw: RawAttribute<'_>, kind: FaultKind, disposition: Disposition) {
        self.note(Fault::new(raw.code, kind, disposition, raw.bytes));
    }

    /// Keeps the first faults, and one of the strongest: a hostile message can hold a thousand, and each is logged.
    fn note(&mut self, fault: Fault) {
        if self.faults.len() < MOST_FAULTS {
            return self.faults.push(fault);
        }
        let strongest = self.faults.iter().map(|fault| fault.disposition).max();
        if strongest < Some(fault.disposition)
            && let Some(last) = self.faults.last_mut()
        {
            *last = fault;
        }
    }

    fn unknown(&mut self, raw: RawAttribute<'_>) {
        if raw.flags & flag::OPTIONAL == 0 {
            // RFC 4271 6.3 resets the session here. The routes can be told, so they are withdrawn instead, as for every other
            // conflict between flags and definition (RFC 7606 3 c): no definition makes an unknown attribute well-known.
            return self.fault(
                raw,
                FaultKind::UnrecognizedWellKnown,
                Disposition::TreatAsWithdraw,
            );
        }
        if raw.flags & flag::TRANSITIVE != 0 {
            self.unknown.push(UnknownAttribute {
                flags: raw.flags & !flag::EXTENDED_LENGTH,
                code: raw.code,
                value: raw.value.into(),
            });
        }
    }

    /// The value of a known attribute whose length its rule allows.
    fn value(&mut self, rule: &Rule, value: &[u8], need: Need) -> Result<(), &'static str> {
        let attributes = &mut self.attributes;
        match rule.code {
            rules::ORIGIN => {
                attributes.origin = match value {
                    [0] => Origin::Igp,
                    [1] => Origin::Egp,
                    [2] => Origin::Incomplete,
                    _ => return Err("has an undefined value"),
                };
            }
            rules::AS_PATH => {
                attributes.as_path = path(value, self.context.as4)?;
                if self.context.ebgp && attributes.as_path.has_confederations() {
                    return Err("has segments of a confederation, which are for its members");
                }
            }
            rules::NEXT_HOP if !matches!(need, Need::Multiprotocol(_)) => {
                let next_hop = NextHop::Ipv4(word(value).into());
                if !next_hop.is_host() {
                    return Err("is no address of a host");
                }
                attributes.next_hop = Some(next_hop);
            }
            rules::NEXT_HOP => {}
            rules::MULTI_EXIT_DISC => attributes.med = Some(word(value)),
            rules::LOCAL_PREF => attributes.local_pref = Some(word(value)),
            rules::ATOMIC_AGGREGATE => attributes.atomic_aggregate = true,
            rules::AGGREGATOR => attributes.rare.aggregator = Some(aggregator(value)?),
            rules::COMMUNITIES => {
                attributes.communities =
                    list(value, |octets| Community(u32::from_be_bytes(octets)));
            }
            rules::ORIGINATOR_ID => attributes.rare.originator_id = Some(word(value).into()),
            rules::CLUSTER_LIST => {
                attributes.rare.cluster_list = list::<_, 4>(value, Ipv4Addr::from);
            }
            rules::EXTENDED_COMMUNITIES => attributes.extended = list(value, ExtendedCommunity),
            rules::AS4_PATH => self.as4_path = Some(path(value, true)?),
            rules::AS4_AGGREGATOR => self.as4_aggregator = Some(aggregator(value)?),
            rules::PMSI_TUNNEL => {
                let pmsi = Pmsi::decode(value).filter(Pmsi::well_formed);
                let pmsi = pmsi.ok_or("has a tunnel identifier that is not one of its type")?;
                attributes.rare.pmsi = Some(Box::new(pmsi));
            }
            rules::IPV6_EXTENDED_COMMUNITIES => {
                attributes.rare.ipv6_extended = list(value, Ipv6ExtendedCommunity);
            }
            rules::LARGE_COMMUNITIES => {
                attributes.large = without_repeats(list(value, LargeCommunity::decode));
            }
            rules::ONLY_TO_CUSTOMER => {
                attributes.rare.only_to_customer = Some(word(value));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(mut self, need: Need) -> (Attributes, Vec<Fault>) {
        let mandatory: &[u8] = match need {
            Need::Classic => &[rules::ORIGIN, rules::AS_PATH, rules::NEXT_HOP],
            Need::Multiprotocol(_) => &[rules::ORIGIN, rules::AS_PATH],
            Need::Nothing => &[],
        };
        for code in mandatory {
            if self.seen[0] & (1 << code) == 0 {
                self.note(Fault::new(
                    *code,
                    FaultKind::Missing,
                    Disposition::TreatAsWithdraw,
                    &[],
                ));
            }
        }
        if let Need::Multiprotocol(next_hop) = need
            && !next_hop.is_host()
        {
            self.note(Fault::new(
                rules::MP_REACH_NLRI,
                FaultKind::Value("has a next hop that is no address of a host"),
                Disposition::TreatAsWithdraw,
                &[],
            ));
        }
        if !self.context.as4 {
            self.merge_as4();
        }
        if !self.unknown.is_empty() {
            self.attributes.rare.unknown = self.unknown.into();
        }
        (self.attributes, self.faults)
    }

    /// RFC 6793 4.2.3.
    fn merge_as4(&mut self) {
        let attributes = &mut self.attributes;
        if let (Some(aggregator), Some(real)) = (attributes.rare.aggregator, self.as4_aggregator) {
            if aggregator.asn != AS_TRANS {
                // An old speaker aggregated after the last new one: what new ones said is out of date.
                return;
            }
            attributes.rare.aggregator = Some(real);
        }
        if let Some(real) = &self.as4_path {
            attributes.as_path = merged(&attributes.as_path, &real.without_confederations());
        }
    }
}

/// What stands for an AS number of 4 octets where there is only room for 2.
pub(crate) const AS_TRANS: u32 = 23456;

/// The leading AS numbers of `short` that `long` lacks, before `long`; `short` alone if it has fewer hops (RFC 6793 4.2.3).
fn merged(short: &AsPath, long: &AsPath) -> AsPath {
    let Some(mut missing) = short.hops().checked_sub(long.hops()) else {
        return short.clone();
    };
    let mut octets = Vec::new();
    for segment in short.segments() {
        let hops = match segment.kind {
            super::SegmentKind::Sequence => segment.len(),
            super::SegmentKind::Set => 1,
            // Confederation segments count as none: those in front stay in front.
            _ => 0,
        };
        if hops > 0 && missing == 0 {
            break;
        }
        let taken = match segment.kind {
            super::SegmentKind::Sequence => segment.len().min(missing),
            _ => segment.len(),
        };
        as_path::push_segment(&mut octets, segment.kind, segment.asns().take(taken));
        missing = missing.saturating_sub(hops);
    }
    octets.extend_from_slice(long.as_bytes());
    AsPath::keep(&octets)
}

fn path(value: &[u8], as4: bool) -> Result<AsPath, &'static str> {
    const MALFORMED: &str = "has a malformed segment or AS 0";
    if as4 {
        return AsPath::from_segments(value).ok_or(MALFORMED);
    }
    as_path::widened(value)
        .and_then(|octets| AsPath::from_segments(&octets))
        .ok_or(MALFORMED)
}

fn aggregator(value: &[u8]) -> Result<Aggregator, &'static str> {
    let mut reader = Reader::new(value);
    let asn = if value.len() == 8 {
        reader.u32()
    } else {
        reader.u16().map(u32::from)
    };
    match (asn, reader.array::<4>()) {
        (Some(0), _) => Err("names AS 0"),
        (Some(asn), Some(address)) => Ok(Aggregator {
            asn,
            address: address.into(),
        }),
        _ => Err("is cut off"),
    }
}

/// Four octets; the rule has checked that they are four.
fn word(value: &[u8]) -> u32 {
    value
        .first_chunk()
        .map_or(0, |octets| u32::from_be_bytes(*octets))
}

/// RFC 8092 3: repeated values are removed in silence.
fn without_repeats(list: Box<[LargeCommunity]>) -> Box<[LargeCommunity]> {
    let mut sorted = list.clone();
    sorted.sort_unstable();
    if sorted.windows(2).all(|pair| pair[0] != pair[1]) {
        return list;
    }
    let mut seen = hashbrown::HashSet::with_hasher(foldhash::fast::RandomState::default());
    let mut kept = list.into_vec();
    kept.retain(|one| seen.insert(*one));
    kept.into()
}

fn list<T, const N: usize>(value: &[u8], item: impl Fn([u8; N]) -> T) -> Box<[T]> {
    let (items, _) = value.as_chunks();
    items.iter().map(|octets| item(*octets)).collect()
}
