//! Next hops that routes share, and the ways they come to.

use super::next_hop::NextHop;
use super::wire::Hop;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Next hops that routes share.
#[derive(Debug)]
pub(super) struct HopSet {
    pub(super) next_hops: Vec<(NextHop, u16)>,
    pub(super) ways: Vec<(Hop, u16)>,
    pub(super) routes: usize,
    pub(super) group: Option<u32>,
    /// The group that an earlier run used for it, as a route in the kernel shows.
    pub(super) adopt: Option<u32>,
}

/// The same for the same hops in any order.
pub(super) fn hash(hops: &[(Hop, u16)]) -> u64 {
    let mut hops = hops.to_vec();
    hops.sort_unstable();
    let mut hasher = DefaultHasher::new();
    hops.hash(&mut hasher);
    hasher.finish()
}

/// The ways to next hops, each once, with the weights of those that share it added.
pub(super) fn ways_to(
    next_hops: &[(NextHop, u16)],
    resolve: impl Fn(&NextHop) -> Vec<(Hop, u16)>,
) -> Vec<(Hop, u16)> {
    let mut ways = BTreeMap::<Hop, u16>::new();
    for (next_hop, weight) in next_hops {
        for (hop, share) in resolve(next_hop) {
            let sum = ways.entry(hop).or_default();
            *sum = sum.saturating_add(weight.saturating_mul(share)).min(256);
        }
    }
    ways.into_iter().collect()
}
