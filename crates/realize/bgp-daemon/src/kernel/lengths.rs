//! How many prefixes of each length a table has, so that a look-up tries only lengths there are.

use ipnet::IpNet;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

/// By table and family (IPv6 or not).
#[derive(Debug, Default)]
pub(super) struct Lengths(HashMap<(u32, bool), BTreeMap<u8, usize>>);

impl Lengths {
    pub(super) fn add(&mut self, table: u32, prefix: IpNet) {
        let lengths = self.0.entry(key(table, prefix)).or_default();
        *lengths.entry(prefix.prefix_len()).or_default() += 1;
    }

    pub(super) fn remove(&mut self, table: u32, prefix: IpNet) {
        let Some(lengths) = self.0.get_mut(&key(table, prefix)) else {
            return;
        };
        if let Some(count) = lengths.get_mut(&prefix.prefix_len()) {
            *count -= 1;
            if *count == 0 {
                lengths.remove(&prefix.prefix_len());
            }
        }
    }

    /// The prefixes that cover an address and may be there, the longest first.
    pub(super) fn covering(&self, table: u32, address: IpAddr) -> impl Iterator<Item = IpNet> {
        let lengths = self.0.get(&(table, address.is_ipv6()));
        let lengths = lengths.into_iter().flat_map(|lengths| lengths.keys().rev());
        lengths.filter_map(move |length| Some(IpNet::new(address, *length).ok()?.trunc()))
    }
}

const fn key(table: u32, prefix: IpNet) -> (u32, bool) {
    (table, matches!(prefix, IpNet::V6(_)))
}
