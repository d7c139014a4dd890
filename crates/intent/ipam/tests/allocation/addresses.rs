//! Addresses are handed out as their strategy says, to one owner at a time, until none is left.

use crate::lab::{Seeded, block_on, commit, in_memory, ip, port, schema, subnet};
use ipam::tables::Addresses;
use ipam::{IpamError, Owner};
use model::{AllocationStrategy, Subnet, SubnetId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use store::{Options, Store};

/// 9 addresses in two pools of a /28.
const POOLS: &[(&str, &str)] = &[("10.0.0.2", "10.0.0.5"), ("10.0.0.8", "10.0.0.12")];

async fn allocate(
    store: &Store,
    subnet: &Subnet,
    owner: Owner,
    seed: &Seeded,
) -> Result<IpAddr, IpamError> {
    let random = || seed.next();
    commit(store, |tx| {
        ipam::allocate_address(tx, subnet, owner, &random)
    })
    .await
}

async fn claim(
    store: &Store,
    subnet: &Subnet,
    address: IpAddr,
    owner: Owner,
) -> Result<(), IpamError> {
    commit(store, |tx| ipam::claim_address(tx, subnet, address, owner)).await
}

async fn release(store: &Store, subnet: SubnetId, address: IpAddr) {
    let done: Result<(), IpamError> = commit(store, |tx| {
        ipam::release_address(tx, subnet, address);
        Ok(())
    })
    .await;
    done.expect("a release is never refused");
}

fn pool_addresses() -> Vec<IpAddr> {
    let last = |range: std::ops::RangeInclusive<u8>| range.map(|n| IpAddr::from([10, 0, 0, n]));
    last(2..=5).chain(last(8..=12)).collect()
}

fn strategies() -> impl Strategy<Value = AllocationStrategy> {
    prop_oneof![
        Just(AllocationStrategy::Random),
        Just(AllocationStrategy::Sequential),
        Just(AllocationStrategy::Lowest),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Allocate,
    /// The last byte of an address in or around the subnet.
    Claim(u8),
    /// Which of the held addresses.
    Release(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => Just(Step::Allocate),
        1 => (0_u8..20).prop_map(Step::Claim),
        3 => any::<prop::sample::Index>().prop_map(Step::Release),
    ];
    prop::collection::vec(step, 1..60)
}

/// What should be there, kept the naive way.
#[derive(Default)]
struct Expected {
    held: BTreeMap<IpAddr, Owner>,
    last: Option<IpAddr>,
}

impl Expected {
    fn free(&self) -> Vec<IpAddr> {
        let mut pool = pool_addresses();
        pool.retain(|address| !self.held.contains_key(address));
        pool
    }

    /// The addresses that the strategy may hand out now.
    fn choices(&self, strategy: AllocationStrategy) -> Vec<IpAddr> {
        let free = self.free();
        let after_last = |a: &&IpAddr| self.last.is_none_or(|last| **a > last);
        match strategy {
            AllocationStrategy::Random => free,
            AllocationStrategy::Lowest => free.first().copied().into_iter().collect(),
            AllocationStrategy::Sequential => {
                let next = free.iter().find(after_last).or(free.first());
                next.copied().into_iter().collect()
            }
        }
    }
}

async fn run(
    strategy: AllocationStrategy,
    seed: u64,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let store = in_memory();
    let subnet = subnet("10.0.0.0/28", POOLS, strategy);
    let seed = Seeded::new(seed);
    let mut expected = Expected::default();
    for (number, step) in steps.into_iter().enumerate() {
        let owner = Owner::Port(port(number as u128));
        match step {
            Step::Allocate => {
                let choices = expected.choices(strategy);
                match allocate(&store, &subnet, owner, &seed).await {
                    Ok(address) => {
                        prop_assert!(choices.contains(&address), "{address} of {choices:?}");
                        expected.held.insert(address, owner);
                        expected.last = Some(address);
                    }
                    Err(error) => {
                        prop_assert_eq!(&choices, &Vec::<IpAddr>::new());
                        let size = 9;
                        let (subnet, cidr) = (subnet.id, subnet.cidr);
                        prop_assert_eq!(error, IpamError::SubnetExhausted { subnet, cidr, size });
                    }
                }
            }
            Step::Claim(last) => {
                let address = IpAddr::from([10, 0, 0, last]);
                let outcome = claim(&store, &subnet, address, owner).await;
                let (subnet, cidr) = (subnet.id, subnet.cidr);
                let should = match (last, expected.held.get(&address)) {
                    (16.., _) => Err(IpamError::AddressOutside {
                        address,
                        subnet,
                        cidr,
                    }),
                    (0 | 15, _) => Err(IpamError::AddressNotAssignable {
                        address,
                        subnet,
                        cidr,
                    }),
                    (_, Some(holder)) => {
                        let holder = *holder;
                        Err(IpamError::AddressTaken {
                            address,
                            subnet,
                            holder,
                        })
                    }
                    (_, None) => Ok(()),
                };
                prop_assert_eq!(&outcome, &should);
                if outcome.is_ok() {
                    expected.held.insert(address, owner);
                }
            }
            Step::Release(index) => {
                if !expected.held.is_empty() {
                    let held: Vec<_> = expected.held.keys().copied().collect();
                    let address = *index.get(&held);
                    release(&store, subnet.id, address).await;
                    expected.held.remove(&address);
                }
            }
        }
        let rows: BTreeMap<_, _> = store
            .snapshot()
            .scan::<Addresses>(&subnet.id)
            .map(|row| (row.key.1, row.value))
            .collect();
        prop_assert_eq!(&rows, &expected.held);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_history_agrees_with_a_naive_allocator(
        strategy in strategies(),
        seed: u64,
        steps in steps(),
    ) {
        block_on(run(strategy, seed, steps))?;
    }

    #[test]
    fn a_pool_is_exhausted_exactly(strategy in strategies(), seed: u64) {
        let outcome: Result<(), TestCaseError> = block_on(async {
            let store = in_memory();
            let subnet = subnet("10.0.0.0/28", POOLS, strategy);
            let seed = Seeded::new(seed);
            let owner = Owner::Port(port(1));
            let mut got = BTreeSet::new();
            for _ in 0..9 {
                got.insert(allocate(&store, &subnet, owner, &seed).await?);
            }
            prop_assert_eq!(got, pool_addresses().into_iter().collect());
            prop_assert!(allocate(&store, &subnet, owner, &seed).await.is_err());
            release(&store, subnet.id, ip("10.0.0.9")).await;
            prop_assert_eq!(allocate(&store, &subnet, owner, &seed).await?, ip("10.0.0.9"));
            Ok(())
        });
        outcome?;
    }
}

/// Many tasks empty a /26 at once, on disk: each address goes to one of them, the rest learn it is full.
async fn race(strategy: AllocationStrategy) {
    const POOL: usize = 60;
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), schema(), Options::default()).expect("a store");
    let subnet = subnet("10.0.0.0/26", &[("10.0.0.2", "10.0.0.61")], strategy);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..POOL + 10 {
        let (store, subnet) = (store.clone(), subnet.clone());
        tasks.spawn(async move {
            let seed = Seeded::new(number as u64);
            allocate(&store, &subnet, Owner::Port(port(number as u128)), &seed).await
        });
    }
    let outcomes = tasks.join_all().await;
    let got: BTreeSet<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
    let refused = outcomes
        .iter()
        .filter(|o| matches!(o, Err(IpamError::SubnetExhausted { .. })));
    assert_eq!(got.len(), POOL, "each address once");
    assert_eq!(refused.count(), 10, "and nobody else gets one");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_never_share_an_address() {
    for strategy in [
        AllocationStrategy::Random,
        AllocationStrategy::Sequential,
        AllocationStrategy::Lowest,
    ] {
        race(strategy).await;
    }
}

#[tokio::test]
async fn an_ipv6_pool_is_too_large_to_count_and_still_served() {
    let store = in_memory();
    let seed = Seeded::new(7);
    let whole = ("2001:db8::2", "2001:db8::ffff:ffff:ffff:ffff");
    for (strategy, expected) in [
        (AllocationStrategy::Lowest, ["2001:db8::2", "2001:db8::3"]),
        (
            AllocationStrategy::Sequential,
            ["2001:db8::4", "2001:db8::5"],
        ),
    ] {
        let subnet = subnet("2001:db8::/64", &[whole], strategy);
        for address in expected {
            let got = allocate(&store, &subnet, Owner::Port(port(1)), &seed).await;
            assert_eq!(got, Ok(ip(address)), "{strategy:?}");
        }
    }
    let subnet = subnet("2001:db8::/64", &[whole], AllocationStrategy::Random);
    for _ in 0..100 {
        let got = allocate(&store, &subnet, Owner::Port(port(1)), &seed).await;
        assert!(got.is_ok_and(|address| subnet.cidr.contains(&address)));
    }
    assert_eq!(store.snapshot().len::<Addresses>(), 104);
}

#[test]
fn eui64_needs_an_ipv6_64() {
    let mac = "fa:16:3e:00:00:01".parse().expect("a MAC");
    let slaac = subnet("2001:db8::/64", &[], AllocationStrategy::Random);
    let address = ipam::eui64_address(&slaac, mac);
    assert_eq!(address, Ok(ip("2001:db8::f816:3eff:fe00:1")));
    for cidr in ["10.0.0.0/24", "2001:db8::/65", "2001:db8::/48"] {
        let other = subnet(cidr, &[], AllocationStrategy::Random);
        let refused = IpamError::NotForEui64 {
            subnet: other.id,
            cidr: other.cidr,
        };
        assert_eq!(ipam::eui64_address(&other, mac), Err(refused));
    }
}

#[tokio::test]
async fn no_pool_means_no_address() {
    let store = in_memory();
    for strategy in [
        AllocationStrategy::Random,
        AllocationStrategy::Sequential,
        AllocationStrategy::Lowest,
    ] {
        let subnet = subnet("10.0.0.0/24", &[], strategy);
        let got = allocate(&store, &subnet, Owner::Port(port(1)), &Seeded::new(1)).await;
        let (subnet, cidr, size) = (subnet.id, subnet.cidr, 0);
        assert_eq!(got, Err(IpamError::SubnetExhausted { subnet, cidr, size }));
    }
}
