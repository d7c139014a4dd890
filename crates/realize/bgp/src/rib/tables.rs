//! The tables by family, and the way from a family named at run time to its table's code.

use super::key::{
    EvpnSpace, Key, Labeled4, Labeled6, Membership, Space, Unicast4, Unicast6, Vpn4, Vpn6,
};
use super::shard::Shard;

/// A table in shards. Keys of one prefix block are in one shard, so the routes of one UPDATE mostly are.
#[derive(Debug)]
pub(crate) struct Table<S: Space> {
    pub(crate) shards: Vec<Shard<S>>,
}

impl<S: Space> Table<S> {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
        }
    }

    pub(crate) fn shard_of(&self, key: &S::Key) -> usize {
        if self.shards.len() == 1 {
            return 0;
        }
        // Spreads neighbouring blocks; the constant is that of Fibonacci hashing.
        let spread = key.block().wrapping_mul(0x9e37_79b9);
        ((u64::from(spread) * self.shards.len() as u64) >> 32) as usize
    }

    pub(crate) fn shard(&mut self, key: &S::Key) -> &mut Shard<S> {
        let at = self.shard_of(key);
        &mut self.shards[at]
    }
}

/// The tables that are exchanged with peers.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) ipv4: Table<Unicast4>,
    pub(crate) ipv6: Table<Unicast6>,
    pub(crate) labeled4: Table<Labeled4>,
    pub(crate) labeled6: Table<Labeled6>,
    pub(crate) vpn4: Table<Vpn4>,
    pub(crate) vpn6: Table<Vpn6>,
    pub(crate) evpn: Table<EvpnSpace>,
    pub(crate) memberships: Table<Membership>,
}

impl Tables {
    pub(crate) fn new(shards: usize) -> Self {
        Self {
            ipv4: Table::new(shards),
            ipv6: Table::new(shards),
            labeled4: Table::new(shards),
            labeled6: Table::new(shards),
            vpn4: Table::new(shards),
            vpn6: Table::new(shards),
            evpn: Table::new(shards),
            memberships: Table::new(1),
        }
    }
}

/// Runs an expression with the table of a family.
macro_rules! with_table {
    ($tables:expr, $family:expr, $table:ident => $body:expr) => {
        match $family {
            $crate::Family::Ipv4Unicast => {
                let $table = &mut $tables.ipv4;
                $body
            }
            $crate::Family::Ipv6Unicast => {
                let $table = &mut $tables.ipv6;
                $body
            }
            $crate::Family::Ipv4Labeled => {
                let $table = &mut $tables.labeled4;
                $body
            }
            $crate::Family::Ipv6Labeled => {
                let $table = &mut $tables.labeled6;
                $body
            }
            $crate::Family::Vpnv4 => {
                let $table = &mut $tables.vpn4;
                $body
            }
            $crate::Family::Vpnv6 => {
                let $table = &mut $tables.vpn6;
                $body
            }
            $crate::Family::Evpn => {
                let $table = &mut $tables.evpn;
                $body
            }
            $crate::Family::RouteTarget => {
                let $table = &mut $tables.memberships;
                $body
            }
        }
    };
}

/// The same, for reading.
macro_rules! read_table {
    ($tables:expr, $family:expr, $table:ident => $body:expr) => {
        match $family {
            $crate::Family::Ipv4Unicast => {
                let $table = &$tables.ipv4;
                $body
            }
            $crate::Family::Ipv6Unicast => {
                let $table = &$tables.ipv6;
                $body
            }
            $crate::Family::Ipv4Labeled => {
                let $table = &$tables.labeled4;
                $body
            }
            $crate::Family::Ipv6Labeled => {
                let $table = &$tables.labeled6;
                $body
            }
            $crate::Family::Vpnv4 => {
                let $table = &$tables.vpn4;
                $body
            }
            $crate::Family::Vpnv6 => {
                let $table = &$tables.vpn6;
                $body
            }
            $crate::Family::Evpn => {
                let $table = &$tables.evpn;
                $body
            }
            $crate::Family::RouteTarget => {
                let $table = &$tables.memberships;
                $body
            }
        }
    };
}

pub(crate) use {read_table, with_table};
