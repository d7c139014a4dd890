//! A cloud in memory that is changed through `operations`, for tests to follow.

use model::{
    Direction, Family, HostName, Mtu, NetworkId, PortId, PortStatus, ProjectId, SecurityGroupId,
    Timestamp,
};
use operations::networks::{NetworkChanges, NewNetwork};
use operations::ports::{AddressPairRequest, NewPort, PortChanges};
use operations::rules::NewRule;
use operations::security_groups::{NewSecurityGroup, SecurityGroupChanges};
use operations::subnets::{NewSubnet, SubnetChanges};
use operations::tables::{Hosts, Networks, Ports, Rules, SecurityGroups, Subnets};
use operations::{Context, Defaults, Expect, OpError};
use operations::{hosts, networks, ports, rules, security_groups, subnets};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use store::{Options, Snapshot, Store, Table, Tx, Watch, WatchEvent};

/// One thing that is done to the cloud. Numbers choose among what there is, modulo its count.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Network,
    ChangeNetwork(usize, u16, bool),
    DeleteNetwork(usize),
    Subnet(usize, u8),
    ChangeSubnet(usize, bool),
    DeleteSubnet(usize),
    Group,
    ChangeGroup(usize, bool),
    DeleteGroup(usize),
    /// With the remote group, if any.
    Rule(usize, Option<usize>),
    DeleteRule(usize),
    /// Network, host, groups by bit.
    Port(usize, Option<usize>, u8),
    Bind(usize, Option<usize>),
    Regroup(usize, u8),
    Pairs(usize, u8),
    AdminPort(usize, bool),
    Rename(usize, u8),
    Acknowledge(usize),
    DeletePort(usize),
    /// Host and the last byte of its tunnel address.
    Host(usize, u8),
    DeleteHost(usize),
}

pub(crate) const HOSTS: usize = 4;

pub(crate) fn host(number: usize) -> HostName {
    format!("h{}", number % HOSTS).parse().expect("a host name")
}

pub(crate) fn project() -> ProjectId {
    "p".parse().expect("a project id")
}

pub(crate) struct Cloud {
    pub(crate) store: Store,
    watch: Watch,
    seed: AtomicU64,
    defaults: Defaults,
}

impl Cloud {
    pub(crate) fn new() -> Self {
        let store = Store::in_memory(operations::schema(), Options::default());
        Self {
            watch: store.watch(store.snapshot().revision()),
            store,
            seed: AtomicU64::new(1),
            defaults: Defaults::default(),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.store.snapshot()
    }

    /// Runs one transaction; `None` if it was refused.
    pub(crate) async fn transact<R>(
        &self,
        f: impl Fn(&mut Tx, &Context) -> Result<R, OpError> + Send + Sync,
    ) -> Option<R> {
        // SplitMix64, so that a history has the same ids each time it runs.
        let next = || {
            let mut z = self
                .seed
                .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let context = Context {
            random: &next,
            ..Context::new(Timestamp::UNIX_EPOCH, project(), true, &self.defaults)
        };
        let done = self.store.transact(|tx| f(tx, &context)).await;
        done.ok().map(|committed| committed.value)
    }

    /// All of them in one transaction if they go together, otherwise each by itself.
    pub(crate) async fn run(&self, ops: &[Op]) {
        let together = self.transact(|tx, ctx| ops.iter().try_for_each(|op| op.run(tx, ctx)));
        if together.await.is_none() {
            for op in ops {
                let _ = self.transact(|tx, ctx| op.run(tx, ctx)).await;
            }
        }
    }

    /// The events up to the store's present revision.
    pub(crate) async fn events(&mut self) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        while self.watch.seen() < self.store.snapshot().revision() {
            events.push(self.watch.next().await.expect("the store is open"));
        }
        events
    }
}

fn pick<T: Table>(tx: &Tx, number: usize) -> Option<T::Key>
where
    (): store::Prefix<T::Key>,
{
    let rows = tx.scan::<T>(());
    let count = rows.len();
    rows.into_iter()
        .nth(number.checked_rem(count)?)
        .map(|row| row.key.clone())
}

fn groups(tx: &Tx, mask: u8) -> BTreeSet<SecurityGroupId> {
    let rows = tx.scan::<SecurityGroups>(()).enumerate();
    rows.filter(|(at, _)| mask & (1 << (at % 8)) != 0)
        .map(|(_, row)| row.key)
        .collect()
}

impl Op {
    /// Does nothing when there is nothing to do it to.
    pub(crate) fn run(&self, tx: &mut Tx, ctx: &Context) -> Result<(), OpError> {
        self.try_run(tx, ctx).unwrap_or(Ok(()))
    }

    fn try_run(&self, tx: &mut Tx, ctx: &Context) -> Option<Result<(), OpError>> {
        let any = Expect::default();
        Some(match self {
            Self::Network | Self::ChangeNetwork(..) | Self::DeleteNetwork(_) => {
                return self.on_network(tx, ctx);
            }
            Self::Subnet(..) | Self::ChangeSubnet(..) | Self::DeleteSubnet(_) => {
                return self.on_subnet(tx, ctx);
            }
            Self::Group
            | Self::ChangeGroup(..)
            | Self::DeleteGroup(_)
            | Self::Rule(..)
            | Self::DeleteRule(_) => return self.on_group(tx, ctx),
            Self::Port(network, on, mask) => {
                let new = NewPort {
                    host: on.map(host),
                    security_groups: Some(groups(tx, *mask)),
                    ..NewPort::new(pick::<Networks>(tx, *network)?)
                };
                ports::create(tx, ctx, new).map(drop)
            }
            Self::Acknowledge(number) => {
                let port = pick::<Ports>(tx, *number)?;
                let on = tx.get::<Ports>(&port)?.value.binding.host.clone()?;
                ports::report(tx, ctx.now, &[(port.1, on, PortStatus::Active)]);
                Ok(())
            }
            Self::DeletePort(number) => ports::delete(tx, pick::<Ports>(tx, *number)?.1, any),
            Self::Host(number, byte) => {
                let address = [192, 0, 2, *byte].into();
                hosts::register(tx, ctx, &host(*number), address).map(drop)
            }
            Self::DeleteHost(number) => hosts::delete(tx, &pick::<Hosts>(tx, *number)?),
            Self::Bind(number, _)
            | Self::Regroup(number, _)
            | Self::Pairs(number, _)
            | Self::AdminPort(number, _)
            | Self::Rename(number, _) => {
                let port = pick::<Ports>(tx, *number)?.1;
                let changes = self.port_changes(tx);
                ports::update(tx, ctx, port, any, changes).map(drop)
            }
        })
    }

    fn port_changes(&self, tx: &Tx) -> PortChanges {
        let none = PortChanges::default();
        match self {
            Self::Bind(_, on) => PortChanges {
                host: Some(on.map(host)),
                ..none
            },
            Self::Regroup(_, mask) => PortChanges {
                security_groups: Some(groups(tx, *mask)),
                ..none
            },
            Self::Pairs(_, byte) => {
                let pairs = (0..byte % 3).map(|number| AddressPairRequest {
                    ip_address: format!("198.51.100.{}/32", byte.wrapping_add(number))
                        .parse()
                        .expect("a prefix"),
                    mac_address: None,
                });
                PortChanges {
                    allowed_address_pairs: Some(pairs.collect()),
                    ..none
                }
            }
            Self::AdminPort(_, up) => PortChanges {
                admin_state_up: Some(*up),
                ..none
            },
            Self::Rename(_, number) => PortChanges {
                name: Some(format!("name-{number}")),
                ..none
            },
            _ => none,
        }
    }

    fn on_network(&self, tx: &mut Tx, ctx: &Context) -> Option<Result<(), OpError>> {
        let any = Expect::default();
        Some(match self {
            Self::Network => networks::create(tx, ctx, NewNetwork::default()).map(drop),
            Self::ChangeNetwork(number, mtu, up) => {
                let changes = NetworkChanges {
                    mtu: Mtu::new(1280 + u32::from(*mtu % 100)).ok(),
                    admin_state_up: Some(*up),
                    ..NetworkChanges::default()
                };
                let network: NetworkId = pick::<Networks>(tx, *number)?;
                networks::update(tx, ctx, network, any, changes).map(drop)
            }
            Self::DeleteNetwork(number) => {
                networks::delete(tx, pick::<Networks>(tx, *number)?, any)
            }
            _ => return None,
        })
    }

    fn on_subnet(&self, tx: &mut Tx, ctx: &Context) -> Option<Result<(), OpError>> {
        let any = Expect::default();
        Some(match self {
            Self::Subnet(number, byte) => {
                let cidr = match byte % 2 {
                    0 => format!("10.0.{byte}.0/24"),
                    _ => format!("2001:db8:{byte}::/64"),
                };
                let network = pick::<Networks>(tx, *number)?;
                let cidr = cidr.parse().expect("a prefix");
                subnets::create(tx, ctx, NewSubnet::new(network, cidr)).map(drop)
            }
            Self::ChangeSubnet(number, dhcp) => {
                let changes = SubnetChanges {
                    enable_dhcp: Some(*dhcp),
                    ..SubnetChanges::default()
                };
                let subnet = pick::<Subnets>(tx, *number)?.1;
                subnets::update(tx, ctx, subnet, any, changes).map(drop)
            }
            Self::DeleteSubnet(number) => {
                subnets::delete(tx, ctx, pick::<Subnets>(tx, *number)?.1, any)
            }
            _ => return None,
        })
    }

    fn on_group(&self, tx: &mut Tx, ctx: &Context) -> Option<Result<(), OpError>> {
        let any = Expect::default();
        Some(match self {
            Self::Group => {
                let new = NewSecurityGroup {
                    name: "group".into(),
                    ..NewSecurityGroup::default()
                };
                security_groups::create(tx, ctx, new).map(drop)
            }
            Self::ChangeGroup(number, stateful) => {
                let changes = SecurityGroupChanges {
                    stateful: Some(*stateful),
                    ..SecurityGroupChanges::default()
                };
                let group = pick::<SecurityGroups>(tx, *number)?;
                security_groups::update(tx, ctx, group, any, changes).map(drop)
            }
            Self::DeleteGroup(number) => {
                security_groups::delete(tx, ctx, pick::<SecurityGroups>(tx, *number)?, any)
            }
            Self::Rule(number, remote) => {
                let remote = remote.and_then(|remote| pick::<SecurityGroups>(tx, remote));
                let group = pick::<SecurityGroups>(tx, *number)?;
                rules::create(tx, ctx, allow_from(group, remote)).map(drop)
            }
            Self::DeleteRule(number) => rules::delete(tx, ctx, pick::<Rules>(tx, *number)?.1, any),
            _ => return None,
        })
    }
}

/// Ingress IPv4 from a group or from anywhere.
pub(crate) fn allow_from(group: SecurityGroupId, remote: Option<SecurityGroupId>) -> NewRule {
    NewRule {
        security_group_id: group,
        project_id: None,
        description: String::new(),
        direction: Direction::Ingress,
        family: Family::V4,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_group_id: remote,
        remote_ip_prefix: None,
    }
}

/// The id of the port with this name.
pub(crate) fn port_named(snapshot: &Snapshot, name: &str) -> PortId {
    let mut rows = snapshot.lookup::<Ports>(operations::tables::BY_NAME, name);
    rows.next().expect("a port of that name").value.id
}
