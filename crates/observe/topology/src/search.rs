//! Finds objects by whatever is pasted: part of a name, an id with or without punctuation, a MAC in any notation, an address, a CIDR.
//!
//! An index over three-letter pieces and exact identifiers names the objects that may match. All versions share one and it only grows: an
//! older version finds in it what newer ones put there, and so every hit is checked against the version that is asked. A change costs
//! what it touches; only when most entries are of texts nobody has any more is the index made anew.

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
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use text::{identifier, network, texts};

/// The index as a state carries it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search(Arc<RwLock<SearchIndex>>);

/// An index is not made anew while it has fewer entries than this.
const FEW: usize = 8192;

impl Search {
    // A writer that panicked left an index that lacks entries at worst.
    fn read(&self) -> RwLockReadGuard<'_, SearchIndex> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, SearchIndex> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note that these objects changed.
    pub(crate) fn changed(state: &mut State, handles: impl Iterator<Item = u32>) {
        let outdated = state.search.read().entries > 3 * state.objects.len().max(FEW);
        if outdated {
            state.search = Self::default();
            let all = state.objects.iter().map(|(handle, _)| handle);
            state.search.insert(state, all);
        } else {
            state.search.insert(state, handles);
        }
    }

    fn insert(&self, state: &State, handles: impl Iterator<Item = u32>) {
        let mut index = self.write();
        for handle in handles {
            if let Some(object) = state.object(Handle(handle)) {
                index.insert(&state.declarations, handle, object);
            }
        }
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

    /// Objects that may match; `None` if the index cannot say.
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
        let indexed = needle.candidates(&self.state.search.read());
        let candidates: Box<dyn Iterator<Item = u32>> = match indexed {
            Some(indexed) => Box::new(indexed.into_iter()),
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
