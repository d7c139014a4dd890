//! Writers that do not touch the same thing do not wait for each other.

use crate::invariants;
use crate::lab::{block_on, parse};
use model::{NetworkId, SecurityGroupId, Timestamp};
use operations::networks::NewNetwork;
use operations::ports::NewPort;
use operations::subnets::NewSubnet;
use operations::tables::{DefaultGroups, Ports, SecurityGroups};
use operations::{Context, Defaults, OpError, networks, ports, schema, security_groups, subnets};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Options, Store, TransactError, Tx};

const WRITERS: usize = 64;

fn transact<R>(
    store: &Store,
    f: impl Fn(&mut Tx, &Context) -> Result<R, OpError> + Sync,
) -> Result<R, TransactError<OpError>> {
    let defaults = Defaults::default();
    let ctx = Context::new(Timestamp::UNIX_EPOCH, parse("red"), false, &defaults);
    block_on(store.transact(|tx| f(tx, &ctx))).map(|committed| committed.value)
}

/// A network whose subnet is large enough that two random addresses of it are never the same in practice.
fn network(store: &Store) -> NetworkId {
    transact(store, |tx, ctx| {
        let network = networks::create(tx, ctx, NewNetwork::default())?;
        let wide = NewSubnet::new(network.id, parse("2001:db8::/64"));
        subnets::create(tx, ctx, wide)?;
        Ok(network.id)
    })
    .expect("a network")
}

#[test]
fn port_creates_on_one_network_never_conflict() {
    let dir = tempfile::tempdir().expect("a directory");
    // A single attempt: any conflict is an error.
    let options = Options {
        max_attempts: 1,
        ..Options::default()
    };
    let store = Store::open(dir.path(), schema(), options).expect("a store");
    let network = network(&store);
    transact(&store, |tx, ctx| {
        security_groups::default_of(tx, ctx, &ctx.project)
    })
    .expect("a default group");
    let all_have_read = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for n in 0..WRITERS {
            let (store, all_have_read) = (&store, &all_have_read);
            scope.spawn(move || {
                let created = transact(store, |tx, ctx| {
                    let [a, b] = (n as u16).to_be_bytes();
                    let new = NewPort {
                        mac_address: Some(model::Mac([0xfa, 0x16, 0x3e, 0, a, b])),
                        ..NewPort::new(network)
                    };
                    let port = ports::create(tx, ctx, new);
                    all_have_read.wait();
                    port
                });
                created.expect("no conflict with the other writers");
            });
        }
    });
    assert_eq!(store.snapshot().len::<Ports>(), WRITERS);
    invariants::check(&store.snapshot());
}

#[test]
fn a_project_gets_one_default_group_however_many_need_it_first() {
    let store = Store::in_memory(schema(), Options::default());
    let all_have_read = Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (store, all_have_read) = (&store, &all_have_read);
            scope.spawn(move || {
                let first = AtomicBool::new(true);
                let default: Result<SecurityGroupId, _> = transact(store, |tx, ctx| {
                    let default = security_groups::default_of(tx, ctx, &ctx.project);
                    if first.swap(false, Ordering::Relaxed) {
                        all_have_read.wait();
                    }
                    default
                });
                default.expect("a default group");
            });
        }
    });
    assert_eq!(store.snapshot().len::<SecurityGroups>(), 1);
    assert_eq!(store.snapshot().len::<DefaultGroups>(), 1);
    invariants::check(&store.snapshot());
}

#[test]
fn a_network_is_not_deleted_under_a_port_being_created() {
    for _ in 0..20 {
        let store = Store::in_memory(schema(), Options::default());
        let network = network(&store);
        let both_have_read = Barrier::new(2);
        let meet_once = |first: &AtomicBool| {
            if first.swap(false, Ordering::Relaxed) {
                both_have_read.wait();
            }
        };
        let (created, deleted) = std::thread::scope(|scope| {
            let create = scope.spawn(|| {
                let first = AtomicBool::new(true);
                transact(&store, |tx, ctx| {
                    let port = ports::create(tx, ctx, NewPort::new(network));
                    meet_once(&first);
                    port
                })
            });
            let delete = scope.spawn(|| {
                let first = AtomicBool::new(true);
                transact(&store, |tx, _| {
                    let done = networks::delete(tx, network, Default::default());
                    meet_once(&first);
                    done
                })
            });
            let join = "no panic";
            (create.join().expect(join), delete.join().expect(join))
        });
        assert_ne!(created.is_ok(), deleted.is_ok(), "{created:?} {deleted:?}");
        invariants::check(&store.snapshot());
    }
}
