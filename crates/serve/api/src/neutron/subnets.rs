//! Subnets as the Neutron API has them. `allocation_strategy` is an attribute of ours.

use crate::error::ApiError;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Filter, Preset};
use crate::resource::input::Input;
use crate::resource::kind::Kind;
use crate::resource::standard::{attributes, name};
use auth::Identity;
use ipnet::IpNet;
use model::{AllocationStrategy, Family, NetworkId, Subnet, SubnetId};
use operations::subnets::{self, NewSubnet, SubnetChanges};
use operations::tables::{BY_ID, BY_PROJECT, BY_SHARED, Networks, Subnets};
use operations::{Context, Expect, OpError};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Row, Snapshot, Tx};
use uuid::Uuid;

pub(crate) struct SubnetResource;

const IPV6_MODES: Kind = Kind::OneOf(&["slaac", "dhcpv6-stateful", "dhcpv6-stateless"]);

const ATTRIBUTES: &[Attribute<Subnet>] = attributes![
    name(),
    Attribute::new("network_id", Kind::Uuid, |s: &Subnet| s
        .network_id
        .to_string()
        .into())
    .required()
    .filter(Filter::Parent)
    .sort(),
    Attribute::new("ip_version", Kind::IpVersion, |s: &Subnet| s
        .family()
        .version()
        .into())
    .required()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("cidr", Kind::Cidr, |s: &Subnet| s.cidr.to_string().into())
        .required()
        .filter(Filter::Scan)
        .sort(),
    Attribute::new("gateway_ip", Kind::Ip, |s: &Subnet| plain(&s.gateway_ip))
        .nullable()
        .optional(Preset::Chosen)
        .update()
        .filter(Filter::Scan)
        .sort(),
    Attribute::new("allocation_pools", Kind::Pools, |s: &Subnet| plain(
        &s.allocation_pools
    ))
    .nullable()
    .optional(Preset::Chosen)
    .update(),
    Attribute::new("enable_dhcp", Kind::Bool, |s: &Subnet| s.enable_dhcp.into())
        .optional(Preset::True)
        .update()
        .filter(Filter::Scan)
        .sort(),
    Attribute::new("dns_nameservers", Kind::Nameservers, |s: &Subnet| plain(
        &s.dns_nameservers
    ))
    .nullable()
    .optional(Preset::EmptyList)
    .update(),
    Attribute::new("host_routes", Kind::HostRoutes, |s: &Subnet| plain(
        &s.host_routes
    ))
    .nullable()
    .optional(Preset::EmptyList)
    .update(),
    Attribute::new("ipv6_ra_mode", IPV6_MODES, |s: &Subnet| plain(
        &s.ipv6_ra_mode
    ))
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("ipv6_address_mode", IPV6_MODES, |s: &Subnet| plain(
        &s.ipv6_address_mode
    ))
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("subnetpool_id", Kind::Uuid, |_| Value::Null)
        .nullable()
        .filter(Filter::Scan),
    Attribute::new(
        "allocation_strategy",
        Kind::OneOf(&["random", "sequential", "lowest"]),
        |s: &Subnet| plain(&s.allocation_strategy),
    )
    .optional(Preset::Text("random"))
    .update()
    .filter(Filter::Scan)
    .sort(),
];

fn plain<T: Serialize>(value: &T) -> Value {
    json!(value)
}

impl Resource for SubnetResource {
    type Table = Subnets;
    type Model = Subnet;
    type New = NewSubnet;
    type Changes = SubnetChanges;

    const SINGULAR: &'static str = "subnet";
    const COLLECTION: &'static str = "subnets";
    const PATH: &'static str = "subnets";
    const NOT_FOUND: &'static str = "SubnetNotFound";
    const ATTRIBUTES: &'static [Attribute<Subnet>] = ATTRIBUTES;

    fn key(subnet: &Subnet) -> (NetworkId, SubnetId) {
        (subnet.network_id, subnet.id)
    }

    fn not_found(id: &str) -> String {
        format!("Subnet {id} could not be found.")
    }

    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<Subnets>>> {
        snapshot.lookup::<Subnets>(BY_ID, &id.to_string()).next()
    }

    fn under(snapshot: &Snapshot, parent: Uuid) -> Vec<Arc<Row<Subnets>>> {
        snapshot.scan::<Subnets>(&NetworkId(parent)).collect()
    }

    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<Subnets>>> {
        let own = snapshot.lookup::<Subnets>(BY_PROJECT, who.project.as_str());
        let shared = snapshot
            .lookup::<Networks>(BY_SHARED, "true")
            .flat_map(|network| snapshot.scan::<Subnets>(&network.key).collect::<Vec<_>>());
        own.chain(shared.filter(|row| row.value.meta.project_id != who.project))
            .collect()
    }

    fn is_shared(subnet: &Subnet, snapshot: &Snapshot, _: &Identity) -> bool {
        snapshot
            .get::<Networks>(&subnet.network_id)
            .is_some_and(|network| network.value.shared)
    }

    fn new(mut input: Input) -> Result<NewSubnet, ApiError> {
        let cidr: IpNet = input.need("cidr")?;
        let family = match input.need::<u8>("ip_version")? {
            4 => Family::V4,
            _ => Family::V6,
        };
        if Family::of(cidr.addr()) != family {
            return Err(ApiError::Operation(OpError::FamilyMismatch {
                attribute: "cidr",
                value: cidr.to_string(),
                expected: family,
            }));
        }
        Ok(NewSubnet {
            project_id: input.take("project_id")?,
            network_id: input.need("network_id")?,
            name: input.need("name")?,
            description: input.need("description")?,
            cidr,
            gateway_ip: input.take_nullable("gateway_ip")?,
            allocation_pools: input.take("allocation_pools")?,
            enable_dhcp: input.take("enable_dhcp")?,
            dns_nameservers: input.take("dns_nameservers")?.unwrap_or_default(),
            host_routes: input.take("host_routes")?.unwrap_or_default(),
            ipv6_ra_mode: input.take("ipv6_ra_mode")?,
            ipv6_address_mode: input.take("ipv6_address_mode")?,
            allocation_strategy: input
                .take::<AllocationStrategy>("allocation_strategy")?
                .unwrap_or_default(),
            tags: input.need("tags")?,
        })
    }

    fn changes(mut input: Input) -> Result<SubnetChanges, ApiError> {
        Ok(SubnetChanges {
            name: input.take("name")?,
            description: input.take("description")?,
            gateway_ip: input.take_nullable("gateway_ip")?,
            allocation_pools: input.take("allocation_pools")?,
            enable_dhcp: input.take("enable_dhcp")?,
            dns_nameservers: input
                .take_nullable("dns_nameservers")?
                .map(Option::unwrap_or_default),
            host_routes: input
                .take_nullable("host_routes")?
                .map(Option::unwrap_or_default),
            allocation_strategy: input.take("allocation_strategy")?,
            tags: input.take("tags")?,
        })
    }

    fn create(tx: &mut Tx, ctx: &Context, new: NewSubnet) -> Result<Subnet, OpError> {
        subnets::create(tx, ctx, new)
    }

    fn update(
        tx: &mut Tx,
        ctx: &Context,
        subnet: &Subnet,
        expect: Expect,
        changes: SubnetChanges,
    ) -> Result<Subnet, OpError> {
        subnets::update(tx, ctx, subnet.id, expect, changes)
    }

    fn delete(tx: &mut Tx, ctx: &Context, subnet: &Subnet, expect: Expect) -> Result<(), OpError> {
        subnets::delete(tx, ctx, subnet.id, expect)
    }
}
