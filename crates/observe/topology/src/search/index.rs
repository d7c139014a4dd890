//! An index: which objects hold which three letters, identifiers, addresses and networks. It only grows; hits are checked by its user.

use super::text::{identifier, network, texts};
use crate::AttributeKind;
use crate::declare::Declarations;
use crate::object::Object;
use foldhash::fast::FixedState;
use ipnet::IpNet;
use roaring::RoaringBitmap;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

#[derive(Debug, Default)]
pub(crate) struct SearchIndex {
    grams: HashMap<[u8; 3], RoaringBitmap, FixedState>,
    identifiers: HashMap<Box<str>, Vec<u32>, FixedState>,
    addresses: BTreeMap<IpAddr, Vec<u32>>,
    networks: BTreeMap<IpNet, Vec<u32>>,
    /// How often an object brought something new; more than there are objects, the more is out of date.
    pub(super) entries: usize,
}

impl SearchIndex {
    pub(super) fn insert(&mut self, declarations: &Declarations, handle: u32, object: &Object) {
        let mut new = false;
        let mut found: Vec<[u8; 3]> = Vec::with_capacity(256);
        texts(declarations, object, |_, kind, text| {
            let lower = text.to_lowercase();
            found.extend(grams(&lower));
            if let Some(identifier) = identifier(&lower) {
                new |= push(self.identifiers.entry(identifier).or_default(), handle);
            }
            match (kind, network(&lower)) {
                (AttributeKind::Ip, Some(net)) => {
                    new |= push(self.addresses.entry(net.addr()).or_default(), handle);
                }
                (AttributeKind::Cidr, Some(net)) => {
                    new |= push(self.networks.entry(net.trunc()).or_default(), handle);
                }
                _ => {}
            }
        });
        // Ids share most of their letters, so a good part is saved by looking only once.
        found.sort_unstable();
        found.dedup();
        for gram in found {
            new |= self.grams.entry(gram).or_default().insert(handle);
        }
        self.entries += usize::from(new);
    }

    /// Objects that may hold the text; `None` if it is too short to say.
    pub(super) fn containing(&self, text: &str) -> Option<RoaringBitmap> {
        let mut sets = Vec::new();
        for gram in grams(text) {
            match self.grams.get(&gram) {
                Some(set) => sets.push(set),
                None => return Some(RoaringBitmap::new()),
            }
        }
        sets.sort_by_key(|set| set.len());
        let (first, rest) = sets.split_first()?;
        let mut out = RoaringBitmap::clone(first);
        for set in rest {
            out &= *set;
        }
        Some(out)
    }

    pub(super) fn identified(&self, identifier: &str) -> RoaringBitmap {
        self.identifiers
            .get(identifier)
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    /// Objects with the address, and those with a network that holds it.
    pub(super) fn around(&self, address: IpAddr) -> RoaringBitmap {
        let mut out: RoaringBitmap = self
            .addresses
            .get(&address)
            .into_iter()
            .flatten()
            .copied()
            .collect();
        let mut net = IpNet::from(address);
        loop {
            out.extend(
                self.networks
                    .get(&net.trunc())
                    .into_iter()
                    .flatten()
                    .copied(),
            );
            match net.supernet() {
                Some(wider) => net = wider,
                None => return out,
            }
        }
    }

    /// Objects with an address in the network, and those with a network that overlaps it.
    pub(super) fn within(&self, asked: &IpNet) -> RoaringBitmap {
        let mut out = self.around(asked.network());
        let inside = self.addresses.range(asked.network()..=asked.broadcast());
        out.extend(inside.flat_map(|(_, handles)| handles).copied());
        let overlapping = self
            .networks
            .iter()
            .filter(|(net, _)| asked.contains(&net.network()) || net.contains(&asked.network()));
        out.extend(overlapping.flat_map(|(_, handles)| handles).copied());
        out
    }
}

/// Puts a handle into a sorted list; false if it was there.
fn push(list: &mut Vec<u32>, handle: u32) -> bool {
    match list.binary_search(&handle) {
        Ok(_) => false,
        Err(place) => {
            list.insert(place, handle);
            true
        }
    }
}

fn grams(text: &str) -> impl Iterator<Item = [u8; 3]> {
    text.as_bytes().windows(3).map(|w| [w[0], w[1], w[2]])
}
