//! Networks: created with a VNI of their own, deleted with their subnets, never while they have ports.

use crate::attributes::set;
use crate::context::room_for_one;
use crate::tables::{BY_PROJECT, Networks, Ports, Subnets};
use crate::{Context, Expect, OpError, error::Quota};
use model::{Meta, Mtu, Network, NetworkId, ProjectId, Vni};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Row, Tx};

/// The smallest MTU of an IPv6 link (RFC 8200 section 5).
const IPV6_MIN_MTU: u16 = 1280;

#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    /// The caller's own when not given.
    pub project_id: Option<ProjectId>,
    pub name: String,
    pub description: String,
    /// True when not given.
    pub admin_state_up: Option<bool>,
    pub shared: bool,
    pub mtu: Option<Mtu>,
    /// True when not given.
    pub port_security_enabled: Option<bool>,
    /// `provider:segmentation_id`; a free one is taken when not given.
    pub vni: Option<Vni>,
    pub tags: BTreeSet<String>,
}

/// `None` leaves an attribute as it is.
#[derive(Debug, Clone, Default)]
pub struct NetworkChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub admin_state_up: Option<bool>,
    pub shared: Option<bool>,
    pub mtu: Option<Mtu>,
    pub port_security_enabled: Option<bool>,
    pub tags: Option<BTreeSet<String>>,
}

pub fn get(tx: &Tx, id: NetworkId) -> Result<Arc<Row<Networks>>, OpError> {
    tx.get::<Networks>(&id).ok_or(OpError::NetworkNotFound(id))
}

/// The network if the caller may use it: its own, a shared one, or any for an admin.
pub(crate) fn get_usable(
    tx: &Tx,
    ctx: &Context,
    id: NetworkId,
) -> Result<Arc<Row<Networks>>, OpError> {
    let row = get(tx, id)?;
    match row.value.shared || ctx.owns(&row.value.meta) {
        true => Ok(row),
        false => Err(OpError::NetworkNotFound(id)),
    }
}

pub fn create(tx: &mut Tx, ctx: &Context, new: NewNetwork) -> Result<Network, OpError> {
    let project = ctx.owner(new.project_id)?;
    room_for_one(
        ctx.defaults.limits.networks_per_project,
        Quota::Network,
        || tx.lookup::<Networks>(BY_PROJECT, project.as_str()).count(),
    )?;
    let id = NetworkId(ctx.new_id());
    let vni = match new.vni {
        Some(vni) => {
            ipam::claim_vni(tx, vni, id)?;
            vni
        }
        None => ipam::allocate_vni(tx, ctx.defaults.vnis, id, ctx.random)?,
    };
    let mut network = Network {
        id,
        meta: Meta::new(project, new.name, new.description, ctx.now),
        admin_state_up: new.admin_state_up.unwrap_or(true),
        shared: new.shared,
        mtu: new.mtu.unwrap_or(ctx.defaults.mtu),
        port_security_enabled: new.port_security_enabled.unwrap_or(true),
        vni,
    };
    network.meta.tags = new.tags;
    check_mtu(ctx, network.mtu)?;
    tx.put::<Networks>(id, network.clone());
    Ok(network)
}

pub fn update(
    tx: &mut Tx,
    ctx: &Context,
    id: NetworkId,
    expect: Expect,
    changes: NetworkChanges,
) -> Result<Network, OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    let mut network = row.value.clone();
    changes.apply(&mut network);
    if network == row.value {
        return Ok(network);
    }
    if network.mtu != row.value.mtu {
        check_mtu(ctx, network.mtu)?;
        if tx
            .scan::<Subnets>(&id)
            .any(|s| s.value.cidr.network().is_ipv6())
        {
            check_ipv6_mtu(network.mtu)?;
        }
    }
    if row.value.shared && !network.shared {
        check_unshare(tx, &network)?;
    }
    network.meta.touch(ctx.now);
    tx.put::<Networks>(id, network.clone());
    Ok(network)
}

pub fn delete(tx: &mut Tx, id: NetworkId, expect: Expect) -> Result<(), OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    if let Some(port) = tx.scan::<Ports>(&id).next() {
        return Err(OpError::NetworkInUse {
            network: id,
            port: port.value.id,
        });
    }
    let subnets: Vec<_> = tx.scan::<Subnets>(&id).map(|s| s.value.id).collect();
    for subnet in subnets {
        ipam::forget_subnet(tx, subnet);
        tx.delete::<Subnets>(&(id, subnet));
    }
    ipam::release_vni(tx, row.value.vni);
    tx.delete::<Networks>(&id);
    Ok(())
}

/// Counts a change of what the network shows of its subnets as a change of the network.
pub(crate) fn touch(tx: &mut Tx, ctx: &Context, network: &Network) {
    let mut network = network.clone();
    network.meta.touch(ctx.now);
    tx.put::<Networks>(network.id, network);
}

impl NetworkChanges {
    fn apply(self, network: &mut Network) {
        set(&mut network.meta.name, self.name);
        set(&mut network.meta.description, self.description);
        set(&mut network.meta.tags, self.tags);
        set(&mut network.admin_state_up, self.admin_state_up);
        set(&mut network.shared, self.shared);
        set(&mut network.mtu, self.mtu);
        set(
            &mut network.port_security_enabled,
            self.port_security_enabled,
        );
    }
}

fn check_mtu(ctx: &Context, mtu: Mtu) -> Result<(), OpError> {
    let max = ctx.defaults.max_mtu;
    match mtu > max {
        true => Err(OpError::MtuTooLarge { mtu, max }),
        false => Ok(()),
    }
}

pub(crate) fn check_ipv6_mtu(mtu: Mtu) -> Result<(), OpError> {
    match mtu.get() < IPV6_MIN_MTU {
        true => Err(OpError::MtuTooSmallForIpv6(mtu)),
        false => Ok(()),
    }
}

/// Ports of other projects would stay on a network that they can no longer see.
fn check_unshare(tx: &Tx, network: &Network) -> Result<(), OpError> {
    let foreign = tx
        .scan::<Ports>(&network.id)
        .find(|port| port.value.meta.project_id != network.meta.project_id);
    match foreign {
        Some(port) => Err(OpError::NetworkSharedInUse {
            network: network.id,
            port: port.value.id,
            project: port.value.meta.project_id.clone(),
        }),
        None => Ok(()),
    }
}
