//! Ports: appear with their MAC and addresses in one commit and give them back in one. A port create only
//! reads its network, subnets, groups and host, so that any number of them commit side by side.

mod addresses;
mod dhcp_options;
mod security;

use crate::attributes::set;
use crate::context::room_for_one;
use crate::tables::{BY_ID, BY_PROJECT, Hosts, Ports};
use crate::{Context, Expect, OpError, error::Quota, networks};
use ipnet::IpNet;
use model::{
    Binding, Family, FixedIp, HostName, Mac, Meta, Network, NetworkId, Port, PortId, PortStatus,
    ProjectId, SecurityGroupId, SubnetId, Timestamp,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use store::{Row, Tx};

/// `binding:vnic_type` of a port that asks for none.
pub const VNIC_TYPE_NORMAL: &str = "normal";

/// One entry of `fixed_ips` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FixedIpRequest {
    /// Any free address of this subnet.
    OfSubnet(SubnetId),
    /// This address, of whichever subnet of the network has it.
    Address(IpAddr),
    Exactly(FixedIp),
}

/// One entry of `allowed_address_pairs` in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressPairRequest {
    pub ip_address: IpNet,
    /// The port's own when not given.
    pub mac_address: Option<Mac>,
}

/// One entry of `extra_dhcp_opts` in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhcpOptionRequest {
    pub name: String,
    /// `None` removes the option.
    pub value: Option<String>,
    pub family: Family,
}

#[derive(Debug, Clone)]
pub struct NewPort {
    /// The caller's own when not given.
    pub project_id: Option<ProjectId>,
    pub network_id: NetworkId,
    pub name: String,
    pub description: String,
    /// True when not given.
    pub admin_state_up: Option<bool>,
    /// A generated one when not given.
    pub mac_address: Option<Mac>,
    /// Not given: one IPv4 and one IPv6 address if the network has such subnets. An empty list: none at all.
    /// Unless the list is empty, one address of each auto-addressed subnet is added.
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    pub device_id: String,
    pub device_owner: String,
    pub host: Option<HostName>,
    pub vnic_type: Option<String>,
    pub profile: serde_json::Map<String, serde_json::Value>,
    pub allowed_address_pairs: Vec<AddressPairRequest>,
    /// What the network says when not given.
    pub port_security_enabled: Option<bool>,
    /// The project's default group when not given and port security is enabled.
    pub security_groups: Option<BTreeSet<SecurityGroupId>>,
    pub extra_dhcp_opts: Vec<DhcpOptionRequest>,
    pub tags: BTreeSet<String>,
}

impl NewPort {
    /// A port with everything else as if not given.
    pub fn new(network_id: NetworkId) -> Self {
        Self {
            project_id: None,
            network_id,
            name: String::new(),
            description: String::new(),
            admin_state_up: None,
            mac_address: None,
            fixed_ips: None,
            device_id: String::new(),
            device_owner: String::new(),
            host: None,
            vnic_type: None,
            profile: serde_json::Map::new(),
            allowed_address_pairs: Vec::new(),
            port_security_enabled: None,
            security_groups: None,
            extra_dhcp_opts: Vec::new(),
            tags: BTreeSet::new(),
        }
    }
}

/// `None` leaves an attribute as it is.
#[derive(Debug, Clone, Default)]
pub struct PortChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub admin_state_up: Option<bool>,
    pub mac_address: Option<Mac>,
    /// The whole new list, read as in [`NewPort::fixed_ips`]; addresses that fit it stay.
    pub fixed_ips: Option<Vec<FixedIpRequest>>,
    pub device_id: Option<String>,
    pub device_owner: Option<String>,
    /// `Some(None)` unbinds.
    pub host: Option<Option<HostName>>,
    pub vnic_type: Option<String>,
    pub profile: Option<serde_json::Map<String, serde_json::Value>>,
    pub allowed_address_pairs: Option<Vec<AddressPairRequest>>,
    pub port_security_enabled: Option<bool>,
    pub security_groups: Option<BTreeSet<SecurityGroupId>>,
    /// Sets or removes the options it names; others stay.
    pub extra_dhcp_opts: Option<Vec<DhcpOptionRequest>>,
    pub tags: Option<BTreeSet<String>>,
}

/// What became of a batch of agents' reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reported {
    /// Ports whose status is another now.
    pub changed: Vec<PortId>,
    /// Ports that do not exist or are not bound to the reporting host. Nothing was written about them.
    pub refused: Vec<PortId>,
}

pub fn get(tx: &Tx, id: PortId) -> Result<Arc<Row<Ports>>, OpError> {
    tx.lookup::<Ports>(BY_ID, &id.to_string())
        .next()
        .ok_or(OpError::PortNotFound(id))
}

pub fn create(tx: &mut Tx, ctx: &Context, new: NewPort) -> Result<Port, OpError> {
    let project = ctx.owner(new.project_id.clone())?;
    let network = networks::get_usable(tx, ctx, new.network_id)?;
    check_network_owner(ctx, &network.value, new.owner_only())?;
    room_for_one(ctx.defaults.limits.ports_per_project, Quota::Port, || {
        tx.lookup::<Ports>(BY_PROJECT, project.as_str()).count()
    })?;
    if let Some(host) = &new.host {
        check_host(tx, host)?;
    }
    let id = PortId(ctx.new_id());
    let mac_address = match new.mac_address {
        Some(mac) => {
            ipam::claim_mac(tx, new.network_id, mac, id)?;
            mac
        }
        None => ipam::allocate_mac(tx, new.network_id, id, ctx.random)?,
    };
    let port_security_enabled = !is_network_owned(&new.device_owner)
        && new
            .port_security_enabled
            .unwrap_or(network.value.port_security_enabled);
    let mut port = Port {
        id,
        network_id: new.network_id,
        meta: Meta::new(project, new.name, new.description, ctx.now),
        mac_address,
        admin_state_up: new.admin_state_up.unwrap_or(true),
        fixed_ips: Vec::new(),
        device_id: new.device_id,
        device_owner: new.device_owner,
        binding: Binding {
            host: new.host,
            vnic_type: new.vnic_type.unwrap_or_else(|| VNIC_TYPE_NORMAL.to_owned()),
            profile: new.profile,
        },
        allowed_address_pairs: Vec::new(),
        port_security_enabled,
        security_groups: BTreeSet::new(),
        extra_dhcp_opts: Vec::new(),
        status: PortStatus::Down,
    };
    port.meta.tags = new.tags;
    port.fixed_ips = addresses::assign_new(tx, ctx, &port, new.fixed_ips.as_deref())?;
    port.allowed_address_pairs =
        security::address_pairs(ctx, mac_address, &new.allowed_address_pairs)?;
    port.security_groups = security::groups_of_new(tx, ctx, &port, new.security_groups)?;
    security::check(&port, true)?;
    dhcp_options::merge(&mut port.extra_dhcp_opts, new.extra_dhcp_opts)?;
    tx.put::<Ports>((port.network_id, id), port.clone());
    Ok(port)
}

pub fn update(
    tx: &mut Tx,
    ctx: &Context,
    id: PortId,
    expect: Expect,
    changes: PortChanges,
) -> Result<Port, OpError> {
    let row = get(tx, id)?;
    let old = &row.value;
    expect.check(&old.meta)?;
    let network = networks::get(tx, old.network_id)?;
    check_network_owner(ctx, &network.value, changes.owner_only(old))?;
    let mut port = old.clone();
    set(&mut port.meta.name, changes.name);
    set(&mut port.meta.description, changes.description);
    set(&mut port.meta.tags, changes.tags);
    set(&mut port.admin_state_up, changes.admin_state_up);
    set(&mut port.device_id, changes.device_id);
    set(&mut port.device_owner, changes.device_owner);
    set(&mut port.binding.vnic_type, changes.vnic_type);
    set(&mut port.binding.profile, changes.profile);
    if let Some(mac) = changes.mac_address {
        change_mac(tx, &mut port, mac)?;
    }
    if changes.fixed_ips.is_some() || port.mac_address != old.mac_address {
        port.fixed_ips = addresses::reassign(tx, ctx, &port, changes.fixed_ips.as_deref())?;
    }
    if let Some(host) = changes.host {
        bind(tx, &mut port, host)?;
    }
    set(
        &mut port.port_security_enabled,
        changes.port_security_enabled,
    );
    if let Some(pairs) = &changes.allowed_address_pairs {
        port.allowed_address_pairs = security::address_pairs(ctx, port.mac_address, pairs)?;
    }
    let groups_given = changes.security_groups.is_some();
    if let Some(groups) = changes.security_groups {
        security::check_added(tx, ctx, &port, &groups)?;
        port.security_groups = groups;
    }
    security::check(&port, groups_given)?;
    if let Some(options) = changes.extra_dhcp_opts {
        dhcp_options::merge(&mut port.extra_dhcp_opts, options)?;
    }
    if port != *old {
        port.meta.touch(ctx.now);
        tx.put::<Ports>(row.key, port.clone());
    }
    Ok(port)
}

pub fn delete(tx: &mut Tx, id: PortId, expect: Expect) -> Result<(), OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    for fixed in &row.value.fixed_ips {
        ipam::release_address(tx, fixed.subnet_id, fixed.ip_address);
    }
    ipam::release_mac(tx, row.value.network_id, row.value.mac_address);
    tx.delete::<Ports>(&row.key);
    Ok(())
}

/// Takes what agents acknowledged. A report counts only while its port is bound to the host it comes from.
pub fn report(tx: &mut Tx, now: Timestamp, reports: &[(PortId, HostName, PortStatus)]) -> Reported {
    let mut outcome = Reported::default();
    for (id, host, status) in reports {
        match get(tx, *id) {
            Ok(row) if row.value.binding.host.as_ref() == Some(host) => {
                if row.value.status != *status {
                    let mut port = row.value.clone();
                    port.status = *status;
                    port.meta.touch(now);
                    tx.put::<Ports>(row.key, port);
                    outcome.changed.push(*id);
                }
            }
            _ => outcome.refused.push(*id),
        }
    }
    outcome
}

impl NewPort {
    /// Which given attribute, if any, only the network's owner may set.
    fn owner_only(&self) -> Option<&'static str> {
        first_given([
            ("mac_address", self.mac_address.is_some()),
            ("fixed_ips", names_address(self.fixed_ips.as_deref(), &[])),
            (
                "port_security_enabled",
                self.port_security_enabled.is_some(),
            ),
            (
                "allowed_address_pairs",
                !self.allowed_address_pairs.is_empty(),
            ),
            ("device_owner", is_network_owned(&self.device_owner)),
        ])
    }
}

impl PortChanges {
    fn owner_only(&self, old: &Port) -> Option<&'static str> {
        let security = self.port_security_enabled;
        let pairs = self.allowed_address_pairs.as_ref();
        let device_owner = self.device_owner.as_ref();
        first_given([
            (
                "mac_address",
                self.mac_address.is_some_and(|mac| mac != old.mac_address),
            ),
            (
                "fixed_ips",
                names_address(self.fixed_ips.as_deref(), &old.fixed_ips),
            ),
            (
                "port_security_enabled",
                security.is_some_and(|enabled| enabled != old.port_security_enabled),
            ),
            (
                "allowed_address_pairs",
                pairs.is_some_and(|pairs| !pairs.is_empty()),
            ),
            (
                "device_owner",
                device_owner.is_some_and(|o| *o != old.device_owner && is_network_owned(o)),
            ),
        ])
    }
}

fn first_given<const N: usize>(attributes: [(&'static str, bool); N]) -> Option<&'static str> {
    attributes
        .into_iter()
        .find_map(|(name, given)| given.then_some(name))
}

/// True when the request names an address that the port does not hold yet.
fn names_address(requests: Option<&[FixedIpRequest]>, held: &[FixedIp]) -> bool {
    requests.unwrap_or_default().iter().any(|request| {
        let (FixedIpRequest::Address(address)
        | FixedIpRequest::Exactly(FixedIp {
            ip_address: address,
            ..
        })) = request
        else {
            return false;
        };
        !held.iter().any(|fixed| fixed.ip_address == *address)
    })
}

/// What could take another's traffic on a shared network is for the network's owner.
fn check_network_owner(
    ctx: &Context,
    network: &Network,
    attribute: Option<&'static str>,
) -> Result<(), OpError> {
    match attribute {
        Some(attribute) if !ctx.owns(&network.meta) => Err(OpError::NotNetworkOwner {
            network: network.id,
            attribute,
        }),
        _ => Ok(()),
    }
}

fn check_host(tx: &Tx, host: &HostName) -> Result<(), OpError> {
    match tx.get::<Hosts>(host) {
        Some(_) => Ok(()),
        None => Err(OpError::UnknownHost(host.clone())),
    }
}

/// A port that moves is down until the agent of its new host has acknowledged it.
fn bind(tx: &Tx, port: &mut Port, host: Option<HostName>) -> Result<(), OpError> {
    if port.binding.host == host {
        return Ok(());
    }
    if let Some(host) = &host {
        check_host(tx, host)?;
    }
    port.binding.host = host;
    port.status = PortStatus::Down;
    Ok(())
}

fn change_mac(tx: &mut Tx, port: &mut Port, mac: Mac) -> Result<(), OpError> {
    if mac == port.mac_address {
        return Ok(());
    }
    if let Some(host) = &port.binding.host {
        return Err(OpError::PortBound {
            port: port.id,
            mac: port.mac_address,
            host: host.clone(),
        });
    }
    ipam::claim_mac(tx, port.network_id, mac, port.id)?;
    ipam::release_mac(tx, port.network_id, port.mac_address);
    port.mac_address = mac;
    Ok(())
}

/// Ports of the cloud's own network services, such as routers and DHCP servers.
fn is_network_owned(device_owner: &str) -> bool {
    device_owner.starts_with("network:")
}

pub(crate) fn is_router_owned(device_owner: &str) -> bool {
    device_owner.starts_with("network:router_")
        || device_owner == "network:ha_router_replicated_interface"
}
