//! A store with the tables of taken things, subnets to allocate from, and repeatable random numbers.

use ipam::tables::{Addresses, Cursors, Macs, Vnis};
use model::{
    AddressRange, AllocationStrategy, Meta, NetworkId, PortId, Subnet, SubnetId, Timestamp,
};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Options, Schema, Store, TransactError, Tx};

pub(crate) fn schema() -> Schema {
    Schema::new()
        .table::<Addresses>()
        .table::<Cursors>()
        .table::<Macs>()
        .table::<Vnis>()
}

pub(crate) fn in_memory() -> Store {
    Store::in_memory(schema(), Options::default())
}

/// Commits what `f` does, or hands back why it was refused.
pub(crate) async fn commit<R, E: std::fmt::Debug + std::fmt::Display + 'static>(
    store: &Store,
    f: impl Fn(&mut Tx) -> Result<R, E> + Send,
) -> Result<R, E> {
    match store.transact(f).await {
        Ok(committed) => Ok(committed.value),
        Err(TransactError::Refused(error)) => Err(error),
        Err(TransactError::Store(error)) => panic!("the store failed: {error}"),
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn port(number: u128) -> PortId {
    PortId(uuid(number))
}

pub(crate) fn network(number: u128) -> NetworkId {
    NetworkId(uuid(number))
}

fn uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

pub(crate) fn subnet(cidr: &str, pools: &[(&str, &str)], strategy: AllocationStrategy) -> Subnet {
    let range = |(start, end): &(&str, &str)| AddressRange::new(ip(start), ip(end));
    Subnet {
        id: SubnetId(uuid(1)),
        network_id: network(1),
        meta: Meta::new(
            "p".parse().expect("a project"),
            String::new(),
            String::new(),
            Timestamp::UNIX_EPOCH,
        ),
        cidr: cidr.parse().expect("a CIDR"),
        gateway_ip: None,
        allocation_pools: pools.iter().map(|p| range(p).expect("a range")).collect(),
        enable_dhcp: true,
        dns_nameservers: Vec::new(),
        host_routes: Vec::new(),
        ipv6_ra_mode: None,
        ipv6_address_mode: None,
        allocation_strategy: strategy,
    }
}

/// Random numbers that a seed repeats (SplitMix64).
pub(crate) struct Seeded(AtomicU64);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
