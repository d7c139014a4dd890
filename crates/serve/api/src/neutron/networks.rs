//! Networks as the Neutron API has them.

use crate::error::ApiError;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Filter, Guard, Preset};
use crate::resource::input::Input;
use crate::resource::kind::Kind;
use crate::resource::standard::{attributes, name};
use auth::Identity;
use model::{Network, NetworkId, Vni};
use operations::networks::{self, NetworkChanges, NewNetwork};
use operations::tables::{BY_PROJECT, BY_SHARED, Networks, Subnets};
use operations::{Context, Expect, OpError};
use serde_json::Value;
use std::sync::Arc;
use store::{Row, Snapshot, Tx};
use uuid::Uuid;

pub(crate) struct NetworkResource;

const ATTRIBUTES: &[Attribute<Network>] = attributes![
    name(),
    Attribute::new("admin_state_up", Kind::Bool, |n: &Network| n
        .admin_state_up
        .into())
    .optional(Preset::True)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("status", Kind::OneOf(&["ACTIVE", "DOWN"]), |n: &Network| {
        status(n).into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("shared", Kind::Bool, |n: &Network| n.shared.into())
        .optional(Preset::False)
        .update()
        .filter(Filter::Scan)
        .sort()
        .guard(Guard::AdminWrites),
    Attribute::new("mtu", Kind::Integer(68, 65_535), |n: &Network| n
        .mtu
        .get()
        .into())
    .optional(Preset::Chosen)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("port_security_enabled", Kind::Bool, |n: &Network| {
        n.port_security_enabled.into()
    })
    .optional(Preset::True)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("router:external", Kind::False, |_| false.into())
        .optional(Preset::False)
        .update()
        .filter(Filter::Scan),
    Attribute::new("provider:network_type", Kind::OneOf(&["vxlan"]), |_| {
        "vxlan".into()
    })
    .optional(Preset::Chosen)
    .filter(Filter::Scan)
    .guard(Guard::AdminOnly),
    Attribute::new("provider:physical_network", Kind::OneOf(&[]), |_| {
        Value::Null
    })
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .guard(Guard::AdminOnly),
    Attribute::new(
        "provider:segmentation_id",
        Kind::Integer(1, Vni::MAX as i64),
        |n: &Network| n.vni.get().into(),
    )
    .nullable()
    .optional(Preset::Chosen)
    .filter(Filter::Scan)
    .guard(Guard::AdminOnly),
    Attribute::joined("subnets", Kind::Uuids, subnets),
];

fn status(network: &Network) -> &'static str {
    if network.admin_state_up {
        "ACTIVE"
    } else {
        "DOWN"
    }
}

fn subnets(network: &Network, snapshot: &Snapshot) -> Value {
    let subnets = snapshot.scan::<Subnets>(&network.id);
    subnets.map(|row| row.value.id.to_string()).collect()
}

impl Resource for NetworkResource {
    type Table = Networks;
    type Model = Network;
    type New = NewNetwork;
    type Changes = NetworkChanges;

    const SINGULAR: &'static str = "network";
    const COLLECTION: &'static str = "networks";
    const PATH: &'static str = "networks";
    const NOT_FOUND: &'static str = "NetworkNotFound";
    const ATTRIBUTES: &'static [Attribute<Network>] = ATTRIBUTES;

    fn key(network: &Network) -> NetworkId {
        network.id
    }

    fn not_found(id: &str) -> String {
        format!("Network {id} could not be found.")
    }

    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<Networks>>> {
        snapshot.get::<Networks>(&NetworkId(id))
    }

    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<Networks>>> {
        let own = snapshot.lookup::<Networks>(BY_PROJECT, who.project.as_str());
        let shared = snapshot.lookup::<Networks>(BY_SHARED, "true");
        own.chain(shared.filter(|row| row.value.meta.project_id != who.project))
            .collect()
    }

    fn is_shared(network: &Network, _: &Snapshot, _: &Identity) -> bool {
        network.shared
    }

    fn new(mut input: Input) -> Result<NewNetwork, ApiError> {
        Ok(NewNetwork {
            project_id: input.take("project_id")?,
            name: input.need("name")?,
            description: input.need("description")?,
            admin_state_up: input.take("admin_state_up")?,
            shared: input.need("shared")?,
            mtu: input.take("mtu")?,
            port_security_enabled: input.take("port_security_enabled")?,
            vni: input.take("provider:segmentation_id")?,
            tags: input.need("tags")?,
        })
    }

    fn changes(mut input: Input) -> Result<NetworkChanges, ApiError> {
        Ok(NetworkChanges {
            name: input.take("name")?,
            description: input.take("description")?,
            admin_state_up: input.take("admin_state_up")?,
            shared: input.take("shared")?,
            mtu: input.take("mtu")?,
            port_security_enabled: input.take("port_security_enabled")?,
            tags: input.take("tags")?,
        })
    }

    fn create(tx: &mut Tx, ctx: &Context, new: NewNetwork) -> Result<Network, OpError> {
        networks::create(tx, ctx, new)
    }

    fn update(
        tx: &mut Tx,
        ctx: &Context,
        network: &Network,
        expect: Expect,
        changes: NetworkChanges,
    ) -> Result<Network, OpError> {
        networks::update(tx, ctx, network.id, expect, changes)
    }

    fn delete(tx: &mut Tx, _: &Context, network: &Network, expect: Expect) -> Result<(), OpError> {
        networks::delete(tx, network.id, expect)
    }
}
