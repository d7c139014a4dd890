//! Subnets: disjoint address blocks of a network. What one subnet can say about itself is checked in
//! `validate`; here stands what it means to its network, its neighbours and the ports that hold its addresses.

mod validate;

use crate::attributes::{set, without_host_bits};
use crate::context::{room_for_one, within};
use crate::tables::{BY_ID, BY_PROJECT, BY_SUBNET, Ports, Subnets};
use crate::{Context, Expect, OpError, error::Quota, networks, ports};
use ipam::Owner;
use ipnet::IpNet;
use model::{
    AddressRange, AllocationStrategy, FixedIp, HostRoute, Ipv6Mode, Meta, Network, NetworkId,
    ProjectId, Subnet, SubnetId, first_host,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use store::{Row, Tx};

#[derive(Debug, Clone)]
pub struct NewSubnet {
    /// The caller's own when not given.
    pub project_id: Option<ProjectId>,
    pub network_id: NetworkId,
    pub name: String,
    pub description: String,
    pub cidr: IpNet,
    /// Not given: the first host address. `Some(None)`: no gateway.
    pub gateway_ip: Option<Option<IpAddr>>,
    /// Not given: all host addresses but the gateway.
    pub allocation_pools: Option<Vec<AddressRange>>,
    /// True when not given.
    pub enable_dhcp: Option<bool>,
    pub dns_nameservers: Vec<IpAddr>,
    pub host_routes: Vec<HostRoute>,
    pub ipv6_ra_mode: Option<Ipv6Mode>,
    pub ipv6_address_mode: Option<Ipv6Mode>,
    pub allocation_strategy: AllocationStrategy,
    pub tags: BTreeSet<String>,
}

impl NewSubnet {
    /// A subnet with everything else as if not given.
    pub fn new(network_id: NetworkId, cidr: IpNet) -> Self {
        Self {
            project_id: None,
            network_id,
            name: String::new(),
            description: String::new(),
            cidr,
            gateway_ip: None,
            allocation_pools: None,
            enable_dhcp: None,
            dns_nameservers: Vec::new(),
            host_routes: Vec::new(),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            allocation_strategy: AllocationStrategy::default(),
            tags: BTreeSet::new(),
        }
    }
}

/// `None` leaves an attribute as it is. The CIDR, the network and the IPv6 modes of a subnet never change.
#[derive(Debug, Clone, Default)]
pub struct SubnetChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    /// `Some(None)` removes the gateway.
    pub gateway_ip: Option<Option<IpAddr>>,
    pub allocation_pools: Option<Vec<AddressRange>>,
    pub enable_dhcp: Option<bool>,
    pub dns_nameservers: Option<Vec<IpAddr>>,
    pub host_routes: Option<Vec<HostRoute>>,
    pub allocation_strategy: Option<AllocationStrategy>,
    pub tags: Option<BTreeSet<String>>,
}

pub fn get(tx: &Tx, id: SubnetId) -> Result<Arc<Row<Subnets>>, OpError> {
    tx.lookup::<Subnets>(BY_ID, &id.to_string())
        .next()
        .ok_or(OpError::SubnetNotFound(id))
}

pub fn create(tx: &mut Tx, ctx: &Context, new: NewSubnet) -> Result<Subnet, OpError> {
    let network = networks::get_usable(tx, ctx, new.network_id)?;
    if !ctx.owns(&network.value.meta) {
        return Err(OpError::NotNetworkOwner {
            network: new.network_id,
            attribute: "subnets",
        });
    }
    let subnet = build(ctx, new)?;
    validate::subnet(&ctx.defaults.limits, &subnet)?;
    check_room(tx, ctx, &subnet)?;
    check_network(tx, &network.value, &subnet)?;
    tx.put::<Subnets>((subnet.network_id, subnet.id), subnet.clone());
    networks::touch(tx, ctx, &network.value);
    if subnet.is_auto_addressed() {
        address_existing_ports(tx, ctx, &subnet)?;
    }
    Ok(subnet)
}

pub fn update(
    tx: &mut Tx,
    ctx: &Context,
    id: SubnetId,
    expect: Expect,
    changes: SubnetChanges,
) -> Result<Subnet, OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    let mut subnet = row.value.clone();
    changes.apply(&mut subnet);
    if subnet == row.value {
        return Ok(subnet);
    }
    validate::subnet(&ctx.defaults.limits, &subnet)?;
    subnet.meta.touch(ctx.now);
    tx.put::<Subnets>(row.key, subnet.clone());
    Ok(subnet)
}

/// Deletes a subnet of which no port has an address. Addresses that ports made from their MAC go with it.
pub fn delete(tx: &mut Tx, ctx: &Context, id: SubnetId, expect: Expect) -> Result<(), OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    let holders: Vec<_> = tx.lookup::<Ports>(BY_SUBNET, &id.to_string()).collect();
    for holder in holders {
        if !row.value.is_auto_addressed() {
            return Err(in_use(id, &holder));
        }
        let mut port = holder.value.clone();
        for fixed in port.fixed_ips.extract_if(.., |fixed| fixed.subnet_id == id) {
            ipam::release_address(tx, id, fixed.ip_address);
        }
        port.meta.touch(ctx.now);
        tx.put::<Ports>(holder.key, port);
    }
    let network = networks::get(tx, row.value.network_id)?;
    networks::touch(tx, ctx, &network.value);
    ipam::forget_subnet(tx, id);
    tx.delete::<Subnets>(&row.key);
    Ok(())
}

impl SubnetChanges {
    fn apply(self, subnet: &mut Subnet) {
        set(&mut subnet.meta.name, self.name);
        set(&mut subnet.meta.description, self.description);
        set(&mut subnet.meta.tags, self.tags);
        set(&mut subnet.gateway_ip, self.gateway_ip);
        set(
            &mut subnet.allocation_pools,
            self.allocation_pools.map(sorted),
        );
        set(&mut subnet.enable_dhcp, self.enable_dhcp);
        set(&mut subnet.dns_nameservers, self.dns_nameservers);
        set(&mut subnet.host_routes, self.host_routes);
        set(&mut subnet.allocation_strategy, self.allocation_strategy);
    }
}

fn sorted(mut pools: Vec<AddressRange>) -> Vec<AddressRange> {
    pools.sort_unstable();
    pools
}

fn build(ctx: &Context, new: NewSubnet) -> Result<Subnet, OpError> {
    let cidr = without_host_bits(new.cidr)?;
    let gateway_ip = new.gateway_ip.unwrap_or(Some(first_host(cidr)));
    let allocation_pools = match new.allocation_pools {
        Some(pools) => sorted(pools),
        None => validate::default_pools(cidr, gateway_ip),
    };
    let mut subnet = Subnet {
        id: SubnetId(ctx.new_id()),
        network_id: new.network_id,
        meta: Meta::new(
            ctx.owner(new.project_id)?,
            new.name,
            new.description,
            ctx.now,
        ),
        cidr,
        gateway_ip,
        allocation_pools,
        enable_dhcp: new.enable_dhcp.unwrap_or(true),
        dns_nameservers: new.dns_nameservers,
        host_routes: new.host_routes,
        ipv6_ra_mode: new.ipv6_ra_mode,
        ipv6_address_mode: new.ipv6_address_mode,
        allocation_strategy: new.allocation_strategy,
    };
    subnet.meta.tags = new.tags;
    Ok(subnet)
}

fn check_room(tx: &Tx, ctx: &Context, subnet: &Subnet) -> Result<(), OpError> {
    let limits = &ctx.defaults.limits;
    room_for_one(limits.subnets_per_project, Quota::Subnet, || {
        tx.lookup::<Subnets>(BY_PROJECT, subnet.meta.project_id.as_str())
            .count()
    })?;
    within(limits.subnets_per_network, Quota::SubnetsPerNetwork, || {
        tx.scan::<Subnets>(&subnet.network_id).count() + 1
    })
}

/// The network must carry the family, and no other subnet of it may share an address with this one.
fn check_network(tx: &Tx, network: &Network, subnet: &Subnet) -> Result<(), OpError> {
    if subnet.cidr.network().is_ipv6() {
        networks::check_ipv6_mtu(network.mtu)?;
    }
    let overlapping = tx.scan::<Subnets>(&network.id).find(|other| {
        let cidr = other.value.cidr;
        cidr.contains(&subnet.cidr) || subnet.cidr.contains(&cidr)
    });
    match overlapping {
        Some(other) => Err(OpError::SubnetOverlap {
            cidr: subnet.cidr,
            network: network.id,
            other: other.value.id,
            other_cidr: other.value.cidr,
        }),
        None => Ok(()),
    }
}

/// Hosts on the network form an address from the prefix as soon as it is advertised, so their ports hold it
/// from the same commit on. Router ports do not listen to advertisements.
fn address_existing_ports(tx: &mut Tx, ctx: &Context, subnet: &Subnet) -> Result<(), OpError> {
    let rows: Vec<_> = tx.scan::<Ports>(&subnet.network_id).collect();
    for row in rows {
        if ports::is_router_owned(&row.value.device_owner) {
            continue;
        }
        let mut port = row.value.clone();
        let ip_address = ipam::eui64_address(subnet, port.mac_address)?;
        ipam::claim_address(tx, subnet, ip_address, Owner::Port(port.id))?;
        port.fixed_ips.push(FixedIp {
            subnet_id: subnet.id,
            ip_address,
        });
        port.meta.touch(ctx.now);
        tx.put::<Ports>(row.key, port);
    }
    Ok(())
}

fn in_use(subnet: SubnetId, holder: &Row<Ports>) -> OpError {
    let port = &holder.value;
    let address = port
        .fixed_ips
        .iter()
        .find(|fixed| fixed.subnet_id == subnet)
        .map(|fixed| fixed.ip_address)
        .expect("invariant: the index lists ports with an address of the subnet");
    OpError::SubnetInUse {
        subnet,
        port: port.id,
        address,
    }
}
