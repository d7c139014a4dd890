//! AS_PATH (RFC 4271 5.1.2, RFC 6793): segments of 4-octet AS numbers, and what is done with them.

use crate::Asn;
use crate::wire::Reader;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The type of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SegmentKind {
    Set = 1,
    Sequence = 2,
    /// RFC 5065: of internal neighbors accepted and shown, counts as no hop; of others malformed (RFC 5065 5).
    ConfedSequence = 3,
    ConfedSet = 4,
}

impl SegmentKind {
    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Set,
            2 => Self::Sequence,
            3 => Self::ConfedSequence,
            4 => Self::ConfedSet,
            _ => return None,
        })
    }
}

/// One segment of a path; never empty.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    pub kind: SegmentKind,
    octets: &'a [u8],
}

impl<'a> Segment<'a> {
    pub fn asns(self) -> impl ExactSizeIterator<Item = Asn> + Clone + 'a {
        let (asns, _) = self.octets.as_chunks();
        asns.iter().map(|octets| Asn::from_be_bytes(*octets))
    }

    pub const fn len(self) -> usize {
        self.octets.len() / 4
    }

    pub const fn is_empty(self) -> bool {
        self.octets.is_empty()
    }
}

/// Octets of a path that are kept in place: five hops in one sequence, which most paths are.
const INLINE: usize = 22;

#[derive(Clone)]
enum Octets {
    Inline { length: u8, octets: [u8; INLINE] },
    Boxed(Box<[u8]>),
}

/// AS_PATH as its wire segments with 4-octet ASNs: `(type, count, count × u32)*`, always well-formed. Empty for routes of our own AS.
/// The merge with AS4_PATH (RFC 6793 4.2.3) is done by the decoder.
#[derive(Clone)]
pub struct AsPath(Octets);

impl AsPath {
    pub const EMPTY: Self = Self(Octets::Inline {
        length: 0,
        octets: [0; INLINE],
    });

    /// One sequence (more, if it needs more than 255 places).
    pub fn sequence(asns: &[Asn]) -> Self {
        let mut octets = Vec::with_capacity(2 + 4 * asns.len());
        for chunk in asns.chunks(255) {
            push_segment(&mut octets, SegmentKind::Sequence, chunk.iter().copied());
        }
        Self::keep(&octets)
    }

    /// From wire segments; `None` if they are malformed (RFC 7606 7.2) or name AS 0 (RFC 7607).
    pub fn from_segments(octets: &[u8]) -> Option<Self> {
        well_formed(octets).then(|| Self::keep(octets))
    }

    /// From segments known to be well-formed.
    pub(crate) fn keep(octets: &[u8]) -> Self {
        match u8::try_from(octets.len()) {
            Ok(length) if octets.len() <= INLINE => {
                let mut inline = [0; INLINE];
                inline[..octets.len()].copy_from_slice(octets);
                Self(Octets::Inline {
                    length,
                    octets: inline,
                })
            }
            _ => Self(Octets::Boxed(octets.into())),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Octets::Inline { length, octets } => &octets[..usize::from(*length)],
            Octets::Boxed(octets) => octets,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        Segments(Reader::new(self.as_bytes()))
    }

    /// Every AS number, sets and confederation segments included, from the neighbour to the origin.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + Clone + '_ {
        self.segments().flat_map(Segment::asns)
    }

    /// Its length for the decision (RFC 4271 9.1.2.2 a): a set counts as one, confederation segments as none (RFC 5065 5.3).
    pub fn hops(&self) -> usize {
        let hops = |segment: Segment<'_>| match segment.kind {
            SegmentKind::Sequence => segment.len(),
            SegmentKind::Set => 1,
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => 0,
        };
        self.segments().map(hops).sum()
    }

    /// The leftmost AS if a sequence comes first: the neighbour that sent it.
    pub fn first_as(&self) -> Option<Asn> {
        let mut segments = self
            .segments()
            .filter(|segment| matches!(segment.kind, SegmentKind::Sequence | SegmentKind::Set));
        let first = segments.next()?;
        match first.kind {
            SegmentKind::Sequence => first.asns().next(),
            _ => None,
        }
    }

    /// The rightmost AS if a sequence comes last: the originator.
    pub fn origin_as(&self) -> Option<Asn> {
        let last = self.segments().last()?;
        match last.kind {
            SegmentKind::Sequence => last.asns().last(),
            _ => None,
        }
    }

    pub fn contains(&self, asn: Asn) -> bool {
        self.asns().any(|one| one == asn)
    }

    /// How often an AS occurs: the loop check with a tolerance.
    pub fn occurrences(&self, asn: Asn) -> usize {
        self.asns().filter(|one| *one == asn).count()
    }

    /// With `asn` put before it `count` times (RFC 4271 5.1.2): into the first sequence while it has room.
    #[must_use]
    pub fn prepended(&self, asn: Asn, count: usize) -> Self {
        let old = self.as_bytes();
        let (mut first, rest): (Vec<Asn>, &[u8]) = match self.segments().next() {
            Some(segment) if segment.kind == SegmentKind::Sequence => {
                (segment.asns().collect(), &old[2 + segment.octets.len()..])
            }
            _ => (Vec::new(), old),
        };
        let mut asns = vec![asn; count];
        asns.append(&mut first);
        let mut octets = Vec::with_capacity(old.len() + 4 * count + 4);
        // The head takes what is beyond a multiple of 255, so that what follows stays full.
        let (head, tail) = asns.split_at(asns.len() % 255);
        if !head.is_empty() {
            push_segment(&mut octets, SegmentKind::Sequence, head.iter().copied());
        }
        for chunk in tail.chunks(255) {
            push_segment(&mut octets, SegmentKind::Sequence, chunk.iter().copied());
        }
        octets.extend_from_slice(rest);
        Self::keep(&octets)
    }

    /// With every `from` turned into `to`: as-override.
    #[must_use]
    pub fn replaced(&self, from: Asn, to: Asn) -> Self {
        self.mapped(|asn| Some(if asn == from { to } else { asn }))
    }

    /// Without private AS numbers (RFC 6996, AS_TRANS is none).
    #[must_use]
    pub fn without_private(&self) -> Self {
        self.mapped(|asn| (!is_private(asn)).then_some(asn))
    }

    /// With private AS numbers turned into `by`.
    #[must_use]
    pub fn private_replaced(&self, by: Asn) -> Self {
        self.mapped(|asn| Some(if is_private(asn) { by } else { asn }))
    }

    /// Whether there are confederation segments.
    pub fn has_confederations(&self) -> bool {
        let mut kinds = self.segments().map(|segment| segment.kind);
        kinds.any(|kind| matches!(kind, SegmentKind::ConfedSequence | SegmentKind::ConfedSet))
    }

    /// Without confederation segments (RFC 5065 4: never sent outside).
    #[must_use]
    pub fn without_confederations(&self) -> Self {
        let mut octets = Vec::with_capacity(self.as_bytes().len());
        for segment in self.segments() {
            if matches!(segment.kind, SegmentKind::Set | SegmentKind::Sequence) {
                push_segment(&mut octets, segment.kind, segment.asns());
            }
        }
        Self::keep(&octets)
    }

    fn mapped(&self, map: impl Fn(Asn) -> Option<Asn>) -> Self {
        let mut octets = Vec::with_capacity(self.as_bytes().len());
        for segment in self.segments() {
            push_segment(&mut octets, segment.kind, segment.asns().filter_map(&map));
        }
        Self::keep(&octets)
    }
}

/// RFC 6996 5.
pub const fn is_private(asn: Asn) -> bool {
    matches!(asn, 64512..=65534 | 4_200_000_000..=4_294_967_294)
}

/// Appends a segment of at most 255 places; nothing if it would be empty.
pub(crate) fn push_segment(out: &mut Vec<u8>, kind: SegmentKind, asns: impl Iterator<Item = Asn>) {
    let start = out.len();
    out.extend_from_slice(&[kind as u8, 0]);
    asns.for_each(|asn| out.extend_from_slice(&asn.to_be_bytes()));
    match u8::try_from((out.len() - start - 2) / 4) {
        Ok(count @ 1..) => out[start + 1] = count,
        _ => out.truncate(start),
    }
}

/// Whether these are segments of known types, none empty, none with AS 0, that end where the octets end.
pub(crate) fn well_formed(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    while let Some([kind, count]) = reader.array() {
        let Some(asns) = reader.take(4 * usize::from(count)) else {
            return false;
        };
        let (asns, _) = asns.as_chunks::<4>();
        if asns.is_empty() || SegmentKind::from_code(kind).is_none() || asns.contains(&[0; 4]) {
            return false;
        }
    }
    reader.is_empty()
}

/// The same path with AS numbers of 4 octets instead of 2; `None` if a segment is cut off.
pub(crate) fn widened(octets: &[u8]) -> Option<Vec<u8>> {
    let mut wide = Vec::with_capacity(2 * octets.len());
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        let [kind, count] = reader.array()?;
        wide.extend_from_slice(&[kind, count]);
        let (asns, _) = reader.take(2 * usize::from(count))?.as_chunks::<2>();
        for [high, low] in asns {
            wide.extend_from_slice(&[0, 0, *high, *low]);
        }
    }
    Some(wide)
}

#[derive(Clone)]
struct Segments<'a>(Reader<'a>);

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let [kind, count] = self.0.array()?;
        Some(Segment {
            kind: SegmentKind::from_code(kind)?,
            octets: self.0.take(4 * usize::from(count))?,
        })
    }
}

impl Default for AsPath {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for AsPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for AsPath {}

impl Hash for AsPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for AsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsPath({self})")
    }
}
