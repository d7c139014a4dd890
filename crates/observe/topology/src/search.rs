//! Finds objects by whatever is pasted: part of a name, an id with or without punctuation, a MAC in any notation, an address, a CIDR.
//!
//! A shared base index over three-letter pieces and exact identifiers is right about everything but the objects that changed since it was
//! made. Those are in a second, smaller index, and the last few in none: they are looked through one by one. An index may name objects
//! that no longer match, so every hit is checked against the version that is asked. Versions share the indexes, so adding to one copies
//! it; with two of them the small one is copied often and the large one seldom, and no event waits long.

mod index;
mod text;

pub(crate) use index::SearchIndex;

use crate::object::{Handle, Object};
use crate::state::State;
use crate::version::Version;
use crate::{AttributeKind, ObjectType};
use ipnet::IpNet;
use roaring::RoaringBitmap;
use std::net::IpAddr;
use std::sync::Arc;
use text::{identifier, network, texts};

/// The indexes as a state carries them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    base: Arc<SearchIndex>,
    /// Objects that changed since the base was made.
    later: Arc<SearchIndex>,
    /// Objects that changed since `later` was made.
    recent: imbl::OrdSet<u32>,
}

/// How many objects may be looked through one by one: at least this, or a 64th of all.
const RECENT: usize = 1024;

/// How many entries the second index may have: at least this, or an eighth of all objects.
const LATER: usize = 8 * RECENT;

impl Search {
    /// Takes note that these objects changed.
    pub(crate) fn changed(state: &mut State, handles: impl Iterator<Item = u32>) {
        state.search.recent.extend(handles);
        let objects = state.objects.len();
        if state.search.recent.len() <= RECENT.max(objects / 64) {
            return;
        }
        let mut search = std::mem::take(&mut state.search);
        if search.base.entries > 3 * objects.max(RECENT) {
            search = Self::default();
            search
                .recent
                .extend(state.objects.iter().map(|(handle, _)| handle));
        }
        let recent = std::mem::take(&mut search.recent);
        let index = if search.later.entries + recent.len() > LATER.max(objects / 8) {
            let later = std::mem::take(&mut search.later);
            let base = Arc::make_mut(&mut search.base);
            base.absorb(&later);
            base
        } else {
            Arc::make_mut(&mut search.later)
        };
        for handle in recent {
            if let Some(object) = state.object(Handle(handle)) {
                index.insert(&state.declarations, handle, object);
            }
        }
        state.search = search;
    }
}

/// What is looked for, and among what.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery {
    pub text: String,
    /// Empty: all types.
    pub types: Vec<ObjectType>,
    /// At most this many hits; 0 means none, but they are still counted.
    pub limit: usize,
}

/// Why an object was found, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    /// The whole of an identifier, name or address.
    Exact,
    /// An address in the CIDR asked for, or a CIDR that holds the address asked for.
    Contained,
    Prefix,
    Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    pub handle: Handle,
    pub matched: Match,
    /// The attribute that matched.
    pub field: Arc<str>,
}

/// The best hits and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchResult {
    pub hits: Vec<Hit>,
    pub total: usize,
}

struct Needle {
    text: String,
    identifier: Option<Box<str>>,
    address: Option<IpAddr>,
    network: Option<IpNet>,
}

impl Needle {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let bare = text.trim_matches(['[', ']']);
        let address = bare.parse().ok();
        let network = bare.parse().ok().filter(|_| address.is_none());
        (!text.is_empty()).then(|| Self {
            identifier: identifier(&text),
            address,
            network,
            text,
        })
    }

    /// Objects that may match, by one index; `None` if it cannot say.
    fn candidates(&self, index: &SearchIndex) -> Option<RoaringBitmap> {
        let mut out = index.containing(&self.text)?;
        if let Some(identifier) = &self.identifier {
            out |= index.identified(identifier);
        }
        if let Some(address) = self.address {
            out |= index.around(address);
        }
        if let Some(network) = &self.network {
            out |= index.within(network);
        }
        Some(out)
    }

    fn matches(&self, version: &Version, object: &Object) -> Option<(Match, Arc<str>)> {
        let mut best: Option<(Match, Arc<str>)> = None;
        texts(version.declarations(), object, |field, kind, text| {
            let found = self.matches_text(kind, text);
            if let Some(found) = found
                && best.as_ref().is_none_or(|(best, _)| found < *best)
            {
                best = Some((found, field.clone()));
            }
        });
        best
    }

    fn matches_text(&self, kind: AttributeKind, text: &str) -> Option<Match> {
        let lower = text.to_lowercase();
        if lower == self.text
            || (self.identifier.is_some() && identifier(&lower) == self.identifier)
        {
            return Some(Match::Exact);
        }
        if matches!(kind, AttributeKind::Ip | AttributeKind::Cidr)
            && let Some(net) = network(&lower)
        {
            if self
                .address
                .is_some_and(|a| net.addr() == a && kind == AttributeKind::Ip)
            {
                return Some(Match::Exact);
            }
            let holds = match (kind, self.address, &self.network) {
                (AttributeKind::Cidr, Some(address), _) => net.contains(&address),
                (AttributeKind::Cidr, _, Some(asked)) => {
                    asked.contains(&net.network()) || net.contains(&asked.network())
                }
                (_, _, Some(asked)) => asked.contains(&net.addr()),
                _ => false,
            };
            if holds {
                return Some(Match::Contained);
            }
        }
        match lower.find(&self.text) {
            Some(0) => Some(Match::Prefix),
            Some(_) => Some(Match::Part),
            None => None,
        }
    }
}

impl Version {
    /// Objects that match, best first, then by type and name. `visible` leaves out what the asker may not see.
    pub fn search(&self, query: &SearchQuery, visible: impl Fn(Handle) -> bool) -> SearchResult {
        let Some(needle) = Needle::parse(&query.text) else {
            return SearchResult::default();
        };
        let search = &self.state.search;
        let indexed = needle
            .candidates(&search.base)
            .zip(needle.candidates(&search.later));
        let candidates: Box<dyn Iterator<Item = u32>> = match indexed {
            Some((base, later)) => {
                let recent: RoaringBitmap = search.recent.iter().copied().collect();
                Box::new((base | later | recent).into_iter())
            }
            None => Box::new(self.state.objects.iter().map(|(handle, _)| handle)),
        };
        let mut found: Vec<Hit> = candidates
            .map(Handle)
            .filter_map(|handle| {
                let object = self.object(handle)?;
                if !query.types.is_empty() && !query.types.contains(&object.key.object_type) {
                    return None;
                }
                let (matched, field) = needle.matches(self, object)?;
                visible(handle).then_some(Hit {
                    handle,
                    matched,
                    field,
                })
            })
            .collect();
        let total = found.len();
        let order = |hit: &Hit| {
            let object = self.object(hit.handle);
            let name =
                object.map(|object| (&object.key.object_type, object.name(), &object.key.id));
            (hit.matched, name)
        };
        if query.limit < total && query.limit > 0 {
            found.select_nth_unstable_by(query.limit - 1, |a, b| order(a).cmp(&order(b)));
        }
        found.truncate(query.limit);
        found.sort_by(|a, b| order(a).cmp(&order(b)));
        SearchResult { hits: found, total }
    }
}
