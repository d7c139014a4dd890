//! A small cloud: a store, projects that act on it, and a check after every step that all rows agree and that
//! a refused step wrote nothing.

use crate::invariants;
use model::{Host, Network, NetworkId, Port, PortId, SecurityGroup, Subnet, Timestamp};
use operations::networks::NewNetwork;
use operations::ports::{NewPort, PortChanges};
use operations::security_groups::NewSecurityGroup;
use operations::subnets::NewSubnet;
use operations::{
    Context, Defaults, Expect, OpError, hosts, networks, ports, schema, security_groups, subnets,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::fmt::{Debug, Display};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use store::{Options, Snapshot, Store, TransactError, Tx};
use tempfile::TempDir;

pub(crate) struct Cloud {
    pub(crate) store: Store,
    pub(crate) defaults: Defaults,
    random: Mutex<StdRng>,
    seconds: AtomicI64,
    _dir: Option<TempDir>,
}

impl Cloud {
    /// A cloud on disk.
    pub(crate) fn new() -> Self {
        Self::with(Defaults::default())
    }

    pub(crate) fn with(defaults: Defaults) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), schema(), Options::default()).expect("a store");
        Self::on(store, defaults, 1, Some(dir))
    }

    pub(crate) fn in_memory(seed: u64) -> Self {
        let store = Store::in_memory(schema(), Options::default());
        Self::on(store, Defaults::default(), seed, None)
    }

    fn on(store: Store, defaults: Defaults, seed: u64, dir: Option<TempDir>) -> Self {
        Self {
            store,
            defaults,
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            seconds: AtomicI64::new(0),
            _dir: dir,
        }
    }

    pub(crate) fn user<'a>(&'a self, project: &'a str) -> User<'a> {
        User {
            cloud: self,
            project,
            admin: false,
        }
    }

    pub(crate) fn admin(&self) -> User<'_> {
        User {
            cloud: self,
            project: "admin",
            admin: true,
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    pub(crate) fn port(&self, id: PortId) -> Port {
        let snapshot = self.snapshot();
        let row = snapshot
            .lookup::<operations::tables::Ports>("id", &id.to_string())
            .next();
        row.expect("the port").value.clone()
    }
}

#[derive(Clone, Copy)]
pub(crate) struct User<'a> {
    pub(crate) cloud: &'a Cloud,
    project: &'a str,
    admin: bool,
}

impl User<'_> {
    /// Runs one transaction as this user and checks the cloud afterwards.
    pub(crate) fn run<R>(
        &self,
        f: impl Fn(&mut Tx, &Context) -> Result<R, OpError> + Sync,
    ) -> Result<R, OpError> {
        let cloud = self.cloud;
        let second = cloud.seconds.fetch_add(1, Ordering::Relaxed);
        let random = || cloud.random.lock().expect("no test panicked").next_u64();
        let ctx = Context {
            now: Timestamp::from_second(second).expect("a time"),
            project: parse(self.project),
            admin: self.admin,
            defaults: &cloud.defaults,
            random: &random,
        };
        let before = cloud.snapshot().revision();
        let outcome = block_on(cloud.store.transact(|tx| f(tx, &ctx)));
        let after = cloud.snapshot();
        invariants::check(&after);
        match outcome {
            Ok(committed) => Ok(committed.value),
            Err(TransactError::Refused(error)) => {
                assert_eq!(
                    after.revision(),
                    before,
                    "a refusal wrote something: {error}"
                );
                Err(error)
            }
            Err(TransactError::Store(error)) => panic!("the store failed: {error}"),
        }
    }

    pub(crate) fn network(&self) -> Network {
        self.new_network(NewNetwork::default()).expect("a network")
    }

    pub(crate) fn shared_network(&self) -> Network {
        self.new_network(NewNetwork {
            shared: true,
            ..NewNetwork::default()
        })
        .expect("a network")
    }

    pub(crate) fn new_network(&self, new: NewNetwork) -> Result<Network, OpError> {
        self.run(|tx, ctx| networks::create(tx, ctx, new.clone()))
    }

    pub(crate) fn subnet(&self, network: &Network, cidr: &str) -> Subnet {
        self.new_subnet(NewSubnet::new(network.id, parse(cidr)))
            .expect("a subnet")
    }

    /// An auto-addressed IPv6 subnet.
    pub(crate) fn slaac(&self, network: &Network, cidr: &str) -> Subnet {
        self.new_subnet(NewSubnet {
            ipv6_ra_mode: Some(model::Ipv6Mode::Slaac),
            ipv6_address_mode: Some(model::Ipv6Mode::Slaac),
            ..NewSubnet::new(network.id, parse(cidr))
        })
        .expect("a subnet")
    }

    pub(crate) fn new_subnet(&self, new: NewSubnet) -> Result<Subnet, OpError> {
        self.run(|tx, ctx| subnets::create(tx, ctx, new.clone()))
    }

    pub(crate) fn port(&self, network: NetworkId) -> Port {
        self.new_port(NewPort::new(network)).expect("a port")
    }

    pub(crate) fn new_port(&self, new: NewPort) -> Result<Port, OpError> {
        self.run(|tx, ctx| ports::create(tx, ctx, new.clone()))
    }

    pub(crate) fn change_port(&self, port: &Port, changes: PortChanges) -> Result<Port, OpError> {
        self.run(|tx, ctx| ports::update(tx, ctx, port.id, ANY, changes.clone()))
    }

    pub(crate) fn delete_port(&self, port: &Port) -> Result<(), OpError> {
        self.run(|tx, _| ports::delete(tx, port.id, ANY))
    }

    pub(crate) fn group(&self, name: &str) -> SecurityGroup {
        let new = NewSecurityGroup {
            name: name.to_owned(),
            ..NewSecurityGroup::default()
        };
        self.run(|tx, ctx| security_groups::create(tx, ctx, new.clone()))
            .expect("a group")
    }

    pub(crate) fn host(&self, name: &str, tunnel_address: &str) -> Host {
        self.run(|tx, ctx| hosts::register(tx, ctx, &parse(name), parse(tunnel_address)))
            .expect("a host")
    }
}

/// Whatever revision the object has.
pub(crate) const ANY: Expect = Expect {
    revision_number: None,
};

/// A value from its text form.
pub(crate) fn parse<T: FromStr<Err: Debug> + Display>(text: &str) -> T {
    text.parse().expect("a value in the test")
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
