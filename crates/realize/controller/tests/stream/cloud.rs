//! A store with a network, and what tests do to it.

use controller::{Config, Controller, Fleet, FleetEvent};
use model::{HostName, NetworkId, PortId, PortStatus, SecurityGroupId, Timestamp};
use operations::networks::NewNetwork;
use operations::ports::{FixedIpRequest, NewPort, PortChanges};
use operations::subnets::NewSubnet;
use operations::tables::{BY_ID, Ports};
use operations::{Context, Defaults, Expect, OpError};
use operations::{hosts, networks, ports, security_groups, subnets};
use std::collections::BTreeSet;
use store::{Options, Revision, Store, Tx};

pub(crate) struct Cloud {
    pub(crate) store: Store,
    pub(crate) controller: Controller,
    pub(crate) network: NetworkId,
    pub(crate) group: SecurityGroupId,
}

pub(crate) fn host(name: &str) -> HostName {
    name.parse().expect("a host name")
}

pub(crate) async fn start(store: &Store) -> Controller {
    let config = Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        tls: None,
    };
    let started = Controller::start(store.clone(), config).await;
    started.expect("a controller")
}

pub(crate) async fn transact<R>(
    store: &Store,
    f: impl Fn(&mut Tx, &Context) -> Result<R, OpError> + Send + Sync,
) -> (R, Revision) {
    let defaults = Defaults::default();
    let project = "p".parse().expect("a project");
    let context = Context::new(Timestamp::now(), project, true, &defaults);
    let done = store
        .transact(|tx| f(tx, &context))
        .await
        .expect("a commit");
    (done.value, done.revision)
}

impl Cloud {
    /// With hosts h1 to h3 registered and nothing bound.
    pub(crate) async fn new() -> Self {
        Self::on(Store::in_memory(operations::schema(), Options::default())).await
    }

    pub(crate) async fn on(store: Store) -> Self {
        let ((network, group), _) = transact(&store, |tx, ctx| {
            for number in 1..=3 {
                let name = host(&format!("h{number}"));
                hosts::register(tx, ctx, &name, [192, 0, 2, number].into())?;
            }
            let network = networks::create(tx, ctx, NewNetwork::default())?.id;
            let cidr = "10.0.0.0/16".parse().expect("a prefix");
            subnets::create(tx, ctx, NewSubnet::new(network, cidr))?;
            let group = security_groups::default_of(tx, ctx, &ctx.project)?;
            Ok((network, group))
        })
        .await;
        Self {
            controller: start(&store).await,
            store,
            network,
            group,
        }
    }

    pub(crate) fn fleet(&self) -> Fleet {
        self.controller.fleet()
    }

    /// A port on a host.
    pub(crate) async fn port(&self, on: &str, address: &str) -> (PortId, u64) {
        let new = NewPort {
            host: Some(host(on)),
            fixed_ips: Some(vec![FixedIpRequest::Address(
                address.parse().expect("an address"),
            )]),
            security_groups: Some(BTreeSet::from([self.group])),
            ..NewPort::new(self.network)
        };
        let (port, revision) =
            transact(&self.store, |tx, ctx| ports::create(tx, ctx, new.clone())).await;
        (port.id, revision.0)
    }

    pub(crate) async fn update(&self, port: PortId, changes: PortChanges) -> u64 {
        let update = |tx: &mut Tx, ctx: &Context| {
            ports::update(tx, ctx, port, Expect::default(), changes.clone())
        };
        transact(&self.store, update).await.1.0
    }

    pub(crate) async fn bind(&self, port: PortId, to: Option<&str>) -> u64 {
        let changes = PortChanges {
            host: Some(to.map(host)),
            ..PortChanges::default()
        };
        self.update(port, changes).await
    }

    pub(crate) async fn delete(&self, port: PortId) -> u64 {
        transact(&self.store, |tx, _| {
            ports::delete(tx, port, Expect::default())
        })
        .await
        .1
        .0
    }

    pub(crate) fn status(&self, port: PortId) -> PortStatus {
        let snapshot = self.store.snapshot();
        let mut rows = snapshot.lookup::<Ports>(BY_ID, &port.to_string());
        rows.next().expect("the port").value.status
    }

    /// Until the port has this status in the store.
    pub(crate) async fn until_status(&self, port: PortId, status: PortStatus) {
        let mut watch = self.store.watch(self.store.snapshot().revision());
        while self.status(port) != status {
            watch.next().await.expect("the store is open");
        }
    }

    pub(crate) fn expected(&self, on: &str) -> plan::HostPlan {
        self.controller
            .with_planner(|planner| planner.host_plan(&host(on)))
    }
}

/// Until what the fleet says satisfies the condition.
pub(crate) async fn until(fleet: &Fleet, condition: impl Fn(&Fleet) -> bool) {
    let mut events = fleet.subscribe();
    while !condition(fleet) {
        let _: FleetEvent = events.recv().await.expect("an event");
    }
}
