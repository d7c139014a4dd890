//! What the caller's routing table says about next hops.

use super::config::Reach;
use crate::Family;
use hashbrown::HashMap;
use std::net::IpAddr;

/// Reachability by next hop.
#[derive(Debug, Default)]
pub(crate) struct NextHops {
    known: HashMap<IpAddr, Reach, foldhash::fast::RandomState>,
}

impl NextHops {
    /// Whether anything changed.
    pub(crate) fn set(&mut self, address: IpAddr, reach: Reach) -> bool {
        let old = if reach == Reach::Metric(0) {
            self.known.remove(&address)
        } else {
            self.known.insert(address, reach)
        };
        old.unwrap_or(Reach::Metric(0)) != reach
    }

    pub(crate) fn metric(&self, address: IpAddr) -> u32 {
        match self.reach(address) {
            Reach::Metric(metric) | Reach::Tunnel(metric) => metric,
            // Paths that need the next hop are not compared at all; those that do not are not judged by it.
            Reach::Unreachable => 0,
        }
    }

    /// Whether routes of a family cannot be used for their next hop.
    pub(crate) fn rejects(&self, family: Family, address: IpAddr) -> bool {
        let to_tunnel = matches!(family, Family::Vpnv4 | Family::Vpnv6 | Family::Evpn);
        match self.reach(address) {
            // A membership leads nowhere (RFC 4684).
            _ if family == Family::RouteTarget => false,
            Reach::Metric(_) => false,
            Reach::Tunnel(_) => !to_tunnel,
            Reach::Unreachable => true,
        }
    }

    fn reach(&self, address: IpAddr) -> Reach {
        if self.known.is_empty() {
            return Reach::Metric(0);
        }
        self.known
            .get(&address)
            .copied()
            .unwrap_or(Reach::Metric(0))
    }
}
