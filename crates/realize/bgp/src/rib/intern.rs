//! Attribute sets, kept once each whatever the number of routes that have them, by id and counted: a set lives exactly as
//! long as a path or a caller refers to it. In front of it a small cache from raw attribute octets to ids, so that an
//! UPDATE that repeats recent attributes is not decoded again; the cache refers to nothing and so keeps nothing alive.

use super::slab::Slab;
use crate::attribute::{Attributes, Community, ExtendedCommunity, Origin};
use crate::message::{AttributeKey, CodecContext};
use crate::{Asn, RouterId};
use hashbrown::HashTable;
use std::collections::HashSet;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr};

/// An attribute set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SetId(pub(crate) u32);

impl SetId {
    /// Of a path that import rejected.
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

/// What the decision process and the export rules ask of a set often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// 0: none.
    pub(crate) neighbor_as: Asn,
    /// Mobility sequence number (RFC 7432 7.7), 0 without the community.
    pub(crate) mobility: u32,
    pub(crate) path_length: u16,
    pub(crate) cluster_length: u16,
    /// From import policy; never sent.
    pub(crate) weight: u16,
    /// How often our own AS stands in the path, at most 255.
    pub(crate) own_as: u8,
    flags: u8,
}

const STICKY: u8 = 1;
const DEFAULT_GATEWAY: u8 = 2;
const LLGR_STALE: u8 = 4;
const NO_LLGR: u8 = 8;
const NO_ADVERTISE: u8 = 16;
const NO_EXPORT: u8 = 32;
const CLUSTER_LOOP: u8 = 64;
const GRACEFUL_SHUTDOWN: u8 = 128;

impl Summary {
    fn new(attributes: &Attributes, weight: u16, own: &Identity) -> Self {
        let path = &attributes.as_path;
        let (mobility, sticky) = attributes.mac_mobility().unwrap_or_default();
        let mut flags = if sticky { STICKY } else { 0 };
        if attributes.has_extended(ExtendedCommunity::DEFAULT_GATEWAY) {
            flags |= DEFAULT_GATEWAY;
        }
        for community in &attributes.communities {
            flags |= match *community {
                Community::LLGR_STALE => LLGR_STALE,
                Community::NO_LLGR => NO_LLGR,
                Community::NO_ADVERTISE => NO_ADVERTISE,
                Community::NO_EXPORT | Community::NO_EXPORT_SUBCONFED => NO_EXPORT,
                Community::GRACEFUL_SHUTDOWN => GRACEFUL_SHUTDOWN,
                _ => 0,
            };
        }
        if attributes.cluster_list().contains(&own.cluster_id) {
            flags |= CLUSTER_LOOP;
        }
        Self {
            neighbor_as: path.first_as().unwrap_or(0),
            mobility,
            path_length: path.hops().min(usize::from(u16::MAX)) as u16,
            cluster_length: attributes.cluster_list().len() as u16,
            weight,
            own_as: path.occurrences(own.asn).min(255) as u8,
            flags,
        }
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) const fn sticky(&self) -> bool {
        self.has(STICKY)
    }

    pub(crate) const fn default_gateway(&self) -> bool {
        self.has(DEFAULT_GATEWAY)
    }

    pub(crate) const fn llgr_stale(&self) -> bool {
        self.has(LLGR_STALE)
    }

    pub(crate) const fn no_llgr(&self) -> bool {
        self.has(NO_LLGR)
    }

    pub(crate) const fn no_advertise(&self) -> bool {
        self.has(NO_ADVERTISE)
    }

    /// NO_EXPORT, or NO_EXPORT_SUBCONFED, which is the same without confederations.
    pub(crate) const fn no_export(&self) -> bool {
        self.has(NO_EXPORT)
    }

    pub(crate) const fn cluster_loop(&self) -> bool {
        self.has(CLUSTER_LOOP)
    }

    pub(crate) const fn graceful_shutdown(&self) -> bool {
        self.has(GRACEFUL_SHUTDOWN)
    }
}

/// What of our own identity goes into summaries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity {
    pub(crate) asn: Asn,
    pub(crate) router_id: RouterId,
    pub(crate) cluster_id: Ipv4Addr,
}

/// An interned set.
#[derive(Debug)]
pub(crate) struct AttributeSet {
    pub(crate) attributes: Attributes,
    pub(crate) summary: Summary,
    references: u32,
    /// Grows when the id is used for another set.
    generation: u32,
    hash: u64,
}

impl AttributeSet {
    /// One that nobody else has: for what is only tried.
    pub(crate) fn alone(attributes: Attributes, weight: u16, own: &Identity) -> Self {
        Self {
            summary: Summary::new(&attributes, weight, own),
            attributes,
            references: 0,
            generation: 0,
            hash: 0,
        }
    }

    /// The default of LOCAL_PREF where it is absent, as on every route from outside.
    pub(crate) fn local_pref(&self) -> u32 {
        self.attributes.local_pref.unwrap_or(100)
    }
}

/// All attribute sets in use.
#[derive(Debug)]
pub(crate) struct AttributeSets {
    sets: Slab<AttributeSet>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    own: Identity,
    recent: Vec<Option<Recent>>,
    /// `None`: nobody wants to know of them.
    next_hops: Option<SeenNextHops>,
}

/// Next hops that sets have, or had.
#[derive(Debug, Default)]
struct SeenNextHops {
    all: HashSet<IpAddr>,
    changed: bool,
}

impl SeenNextHops {
    fn see(&mut self, attributes: &Attributes) {
        if let Some(next_hop) = attributes.next_hop {
            self.changed |= self.all.insert(next_hop.address());
        }
    }
}

/// Raw octets decoded lately.
#[derive(Debug)]
struct Recent {
    octets: Box<[u8]>,
    /// The same octets mean something else to a session that negotiated something else.
    codec: CodecContext,
    set: SetId,
    generation: u32,
}

/// Places of the cache of raw octets.
const RECENT: usize = 1024;

impl AttributeSets {
    pub(crate) fn new(own: Identity) -> Self {
        Self {
            sets: Slab::default(),
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            own,
            recent: (0..RECENT).map(|_| None).collect(),
            next_hops: None,
        }
    }

    /// Next hops of all sets, if there are others than at the last call. Some may be of sets that are gone, but not many more
    /// than there are sets.
    pub(crate) fn changed_next_hops(&mut self) -> Option<HashSet<IpAddr>> {
        let slack = 1_024 + 2 * self.sets.len();
        let seen = self.next_hops.take();
        let mut seen = match seen.filter(|seen| seen.all.len() <= slack) {
            Some(seen) => seen,
            None => {
                let mut seen = SeenNextHops::default();
                let sets = (0..self.sets.bound()).map(|id| &self.sets[id]);
                sets.filter(|set| set.references > 0)
                    .for_each(|set| seen.see(&set.attributes));
                seen
            }
        };
        let changed = std::mem::take(&mut seen.changed).then(|| seen.all.clone());
        self.next_hops = Some(seen);
        changed
    }

    pub(crate) const fn own(&self) -> &Identity {
        &self.own
    }

    /// The set with these attributes; the caller holds one reference to it.
    pub(crate) fn intern(&mut self, attributes: Attributes, weight: u16) -> SetId {
        let hash = self.hasher.hash_one((&attributes, weight));
        let found = self.index.find(hash, |id| {
            let set = &self.sets[*id];
            set.hash == hash && set.summary.weight == weight && set.attributes == attributes
        });
        if let Some(id) = found {
            self.sets[*id].references += 1;
            return SetId(*id);
        }
        let summary = Summary::new(&attributes, weight, &self.own);
        if let Some(seen) = &mut self.next_hops {
            seen.see(&attributes);
        }
        let set = AttributeSet {
            attributes,
            summary,
            references: 1,
            generation: 0,
            hash,
        };
        let id = self.store(set);
        self.index.insert_unique(hash, id, |id| self.sets[*id].hash);
        SetId(id)
    }

    fn store(&mut self, mut set: AttributeSet) -> u32 {
        match self.sets.reuse() {
            Some(id) => {
                set.generation = self.sets[id].generation.wrapping_add(1);
                self.sets[id] = set;
                id
            }
            None => self.sets.insert(set),
        }
    }

    pub(crate) fn get(&self, id: SetId) -> &AttributeSet {
        &self.sets[id.0]
    }

    pub(crate) fn retain(&mut self, id: SetId, references: u32) {
        if id != SetId::NONE {
            self.sets[id.0].references += references;
        }
    }

    pub(crate) fn release(&mut self, id: SetId, references: u32) {
        if id == SetId::NONE {
            return;
        }
        let set = &mut self.sets[id.0];
        set.references -= references;
        if set.references > 0 {
            return;
        }
        let hash = set.hash;
        // Only the heap is given back; the place waits for another set.
        set.attributes = Attributes::new(Origin::Incomplete, None);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == id.0) {
            entry.remove();
        }
        self.sets.remove(id.0);
    }

    /// Sets in use.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// A number that tells an id from the same id used for another set.
    pub(crate) fn generation(&self, id: SetId) -> u32 {
        self.sets[id.0].generation
    }

    /// The set that an UPDATE with the same octets was decoded to lately; the caller holds one reference to it.
    pub(crate) fn recall(&mut self, key: &AttributeKey<'_>, codec: &CodecContext) -> Option<SetId> {
        let place = self.place(key);
        let recent = self.recent[place].as_ref()?;
        if recent.codec != *codec || !key.matches(&recent.octets) {
            return None;
        }
        let id = recent.set;
        let set = &mut self.sets[id.0];
        if set.references == 0 || set.generation != recent.generation {
            return None;
        }
        set.references += 1;
        Some(id)
    }

    pub(crate) fn remember(&mut self, key: &AttributeKey<'_>, codec: &CodecContext, set: SetId) {
        /// Longer ones are rare, and would make the cache large.
        const LONGEST: usize = 512;
        let octets = key.to_bytes();
        if octets.len() > LONGEST {
            return;
        }
        let place = self.place(key);
        self.recent[place] = Some(Recent {
            octets,
            codec: *codec,
            set,
            generation: self.sets[set.0].generation,
        });
    }

    fn place(&self, key: &AttributeKey<'_>) -> usize {
        key.hash(&self.hasher) as usize % RECENT
    }
}
