//! MACs are unique within a network, VNIs within the cloud.

use crate::lab::{Seeded, block_on, commit, in_memory, network, port, schema};
use ipam::tables::{Macs, Vnis};
use ipam::{IpamError, VniRange};
use model::{Mac, Vni};
use proptest::prelude::*;
use std::collections::BTreeSet;
use store::{Options, Store};

fn vni(value: u32) -> Vni {
    Vni::new(value).expect("a VNI")
}

#[tokio::test]
async fn generated_macs_carry_the_prefix_and_skip_taken_ones() {
    let store = in_memory();
    let same = || 7;
    let one: Result<Mac, IpamError> = commit(&store, |tx| {
        ipam::allocate_mac(tx, network(1), port(1), &same)
    })
    .await;
    let one = one.expect("a MAC");
    assert!(one.to_string().starts_with("fa:16:3e:"), "{one}");
    let stuck = commit(&store, |tx| {
        ipam::allocate_mac(tx, network(1), port(2), &same)
    })
    .await;
    let refused = IpamError::MacsExhausted {
        network: network(1),
        attempts: 64,
    };
    assert_eq!(stuck, Err(refused));
    let elsewhere = commit(&store, |tx| {
        ipam::allocate_mac(tx, network(2), port(2), &same)
    })
    .await;
    assert_eq!(elsewhere, Ok(one));
    assert_eq!(store.snapshot().len::<Macs>(), 2);
}

#[tokio::test]
async fn a_mac_has_one_holder_per_network() {
    let store = in_memory();
    let mac: Mac = "fa:16:3e:00:00:01".parse().expect("a MAC");
    let claim = |n, p| {
        let store = store.clone();
        async move { commit(&store, |tx| ipam::claim_mac(tx, network(n), mac, port(p))).await }
    };
    assert_eq!(claim(1, 1).await, Ok(()));
    let taken = IpamError::MacTaken {
        mac,
        network: network(1),
        holder: port(1),
    };
    assert_eq!(claim(1, 2).await, Err(taken));
    assert_eq!(claim(2, 2).await, Ok(()));
    let freed: Result<(), IpamError> = commit(&store, |tx| {
        ipam::release_mac(tx, network(1), mac);
        Ok(())
    })
    .await;
    assert_eq!(freed, Ok(()));
    assert_eq!(claim(1, 2).await, Ok(()));
    for text in [
        "01:00:5e:00:00:01",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
    ] {
        let mac = text.parse().expect("a MAC");
        let outcome = commit(&store, |tx| ipam::claim_mac(tx, network(1), mac, port(3))).await;
        assert_eq!(outcome, Err(IpamError::MacNotUnicast(mac)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_vni_range_is_exhausted_exactly(first in 1_u32..=Vni::MAX, size in 1_u32..20, seed: u64) {
        let last = (first + size - 1).min(Vni::MAX);
        let size = last - first + 1;
        let range = VniRange::between(vni(last), vni(first));
        let seed = Seeded::new(seed);
        let random = || seed.next();
        let outcome: Result<(), TestCaseError> = block_on(async {
            let store = in_memory();
            let mut got = BTreeSet::new();
            for n in 0..size {
                let taken = commit(&store, |tx| {
                    ipam::allocate_vni(tx, range, network(n.into()), &random)
                });
                got.insert(taken.await?.get());
            }
            prop_assert_eq!(got, (first..=last).collect());
            let refused = IpamError::VnisExhausted { first: vni(first), last: vni(last) };
            let more = commit(&store, |tx| ipam::allocate_vni(tx, range, network(99), &random));
            prop_assert_eq!(more.await, Err(refused));
            Ok(())
        });
        outcome?;
    }
}

#[tokio::test]
async fn a_named_vni_may_lie_outside_of_the_range_and_has_one_holder() {
    let store = in_memory();
    let claim = |n| {
        let store = store.clone();
        async move { commit(&store, |tx| ipam::claim_vni(tx, vni(5), network(n))).await }
    };
    assert_eq!(claim(1).await, Ok(()));
    let taken = IpamError::VniTaken {
        vni: vni(5),
        holder: network(1),
    };
    assert_eq!(claim(2).await, Err(taken));
    let freed: Result<(), IpamError> = commit(&store, |tx| {
        ipam::release_vni(tx, vni(5));
        Ok(())
    })
    .await;
    assert_eq!(freed, Ok(()));
    assert_eq!(claim(2).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_never_share_a_vni() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), schema(), Options::default()).expect("a store");
    let range = VniRange::between(vni(100), vni(149));
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..50 {
        let store = store.clone();
        tasks.spawn(async move {
            let seed = Seeded::new(n);
            let random = || seed.next();
            commit(&store, |tx| {
                ipam::allocate_vni(tx, range, network(n.into()), &random)
            })
            .await
        });
    }
    let got: BTreeSet<_> = tasks
        .join_all()
        .await
        .into_iter()
        .map(|outcome| outcome.expect("50 of 50").get())
        .collect();
    assert_eq!(got, (100..=149).collect());
    assert_eq!(store.snapshot().len::<Vnis>(), 50);
    store.close().await;
}
