//! Ports as the Neutron API has them.

use crate::error::ApiError;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Filter, Guard, Preset};
use crate::resource::input::Input;
use crate::resource::kind::{Kind, NAME_MAX};
use crate::resource::standard::{attributes, name};
use auth::Identity;
use ipnet::IpNet;
use model::{
    Family, FixedIp, HostName, Mac, NetworkId, Port, PortId, SubnetId, VIF_TYPE_BOUND,
    VIF_TYPE_UNBOUND,
};
use operations::ports::{
    self, AddressPairRequest, DhcpOptionRequest, FixedIpRequest, NewPort, PortChanges,
};
use operations::tables::{
    BY_DEVICE, BY_GROUP, BY_HOST, BY_ID, BY_MAC, BY_PROJECT, Networks, Ports,
};
use operations::{Context, Expect, OpError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use store::{Row, Snapshot, Tx};
use uuid::Uuid;

pub(crate) struct PortResource;

const ATTRIBUTES: &[Attribute<Port>] = attributes![
    name(),
    Attribute::new("network_id", Kind::Uuid, |p: &Port| p
        .network_id
        .to_string()
        .into())
    .required()
    .filter(Filter::Parent)
    .sort(),
    Attribute::new("mac_address", Kind::Mac, |p: &Port| p
        .mac_address
        .to_string()
        .into())
    .optional(Preset::Chosen)
    .update()
    .filter(Filter::Index(BY_MAC))
    .sort(),
    Attribute::new("admin_state_up", Kind::Bool, |p: &Port| p
        .admin_state_up
        .into())
    .optional(Preset::True)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new(
        "status",
        Kind::OneOf(&["ACTIVE", "DOWN", "BUILD", "ERROR"]),
        |p: &Port| p.status.to_string().into(),
    )
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("fixed_ips", Kind::FixedIps, |p: &Port| json!(p.fixed_ips))
        .nullable()
        .optional(Preset::Chosen)
        .update()
        .filter(Filter::Scan),
    Attribute::new("device_id", Kind::Text(NAME_MAX), |p: &Port| p
        .device_id
        .as_str()
        .into())
    .optional(Preset::Text(""))
    .update()
    .filter(Filter::Index(BY_DEVICE))
    .sort(),
    Attribute::new("device_owner", Kind::Text(NAME_MAX), |p: &Port| {
        p.device_owner.as_str().into()
    })
    .optional(Preset::Text(""))
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("allowed_address_pairs", Kind::AddressPairs, |p: &Port| {
        p.allowed_address_pairs.iter().map(address_pair).collect()
    })
    .optional(Preset::EmptyList)
    .update(),
    Attribute::new("port_security_enabled", Kind::Bool, |p: &Port| p
        .port_security_enabled
        .into())
    .optional(Preset::Chosen)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("security_groups", Kind::Uuids, |p: &Port| json!(
        p.security_groups
    ))
    .nullable()
    .optional(Preset::Chosen)
    .update()
    .filter(Filter::Index(BY_GROUP)),
    Attribute::new("extra_dhcp_opts", Kind::DhcpOptions, |p: &Port| {
        p.extra_dhcp_opts.iter().map(dhcp_option).collect()
    })
    .nullable()
    .optional(Preset::EmptyList)
    .update(),
    Attribute::new("binding:vnic_type", Kind::OneOf(&["normal"]), |p: &Port| {
        p.binding.vnic_type.as_str().into()
    })
    .optional(Preset::Text(ports::VNIC_TYPE_NORMAL))
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("binding:host_id", Kind::Text(NAME_MAX), |p: &Port| {
        p.binding.host.as_ref().map_or("", HostName::as_str).into()
    })
    .nullable()
    .optional(Preset::Text(""))
    .update()
    .filter(Filter::Index(BY_HOST))
    .sort()
    .guard(Guard::AdminOnly),
    Attribute::new("binding:profile", Kind::Object, |p: &Port| {
        Value::Object(p.binding.profile.clone())
    })
    .nullable()
    .optional(Preset::EmptyObject)
    .update()
    .guard(Guard::AdminOnly),
    Attribute::new("binding:vif_type", Kind::Text(NAME_MAX), |p: &Port| {
        vif_type(p).into()
    })
    .filter(Filter::Scan)
    .sort()
    .guard(Guard::AdminOnly),
    Attribute::new("binding:vif_details", Kind::Object, vif_details).guard(Guard::AdminOnly),
];

fn vif_type(port: &Port) -> &'static str {
    match port.binding.host {
        Some(_) => VIF_TYPE_BOUND,
        None => VIF_TYPE_UNBOUND,
    }
}

/// `port_filter`: security groups are enforced here, the hypervisor must not do it again.
fn vif_details(port: &Port) -> Value {
    match port.binding.host {
        Some(_) => json!({
            "port_filter": true,
            "connectivity": "l2",
            "bound_drivers": {"0": "netwright"},
            "tap_device": Port::device_name(port.id),
        }),
        None => json!({}),
    }
}

/// A prefix of full length is shown as the address it is.
fn address_pair(pair: &model::AddressPair) -> Value {
    let whole = pair.ip_address.prefix_len() == pair.ip_address.max_prefix_len();
    let address = match whole {
        true => pair.ip_address.addr().to_string(),
        false => pair.ip_address.to_string(),
    };
    json!({"ip_address": address, "mac_address": pair.mac_address})
}

fn dhcp_option(option: &model::DhcpOption) -> Value {
    json!({
        "opt_name": option.name,
        "opt_value": option.value,
        "ip_version": option.family.version(),
    })
}

#[derive(Deserialize)]
struct FixedIpText {
    subnet_id: Option<SubnetId>,
    ip_address: Option<IpAddr>,
}

fn fixed_ip(text: FixedIpText) -> Option<FixedIpRequest> {
    match (text.subnet_id, text.ip_address) {
        (Some(subnet_id), Some(ip_address)) => Some(FixedIpRequest::Exactly(FixedIp {
            subnet_id,
            ip_address,
        })),
        (Some(subnet_id), None) => Some(FixedIpRequest::OfSubnet(subnet_id)),
        (None, Some(ip_address)) => Some(FixedIpRequest::Address(ip_address)),
        (None, None) => None,
    }
}

fn take_fixed_ips(input: &mut Input) -> Result<Option<Vec<FixedIpRequest>>, ApiError> {
    let texts: Option<Vec<FixedIpText>> = input.take("fixed_ips")?;
    Ok(texts.map(|texts| texts.into_iter().filter_map(fixed_ip).collect()))
}

#[derive(Deserialize)]
struct AddressPairText {
    ip_address: IpNet,
    mac_address: Option<Mac>,
}

fn take_pairs(input: &mut Input) -> Result<Option<Vec<AddressPairRequest>>, ApiError> {
    let texts: Option<Vec<AddressPairText>> = input.take("allowed_address_pairs")?;
    let request = |text: AddressPairText| AddressPairRequest {
        ip_address: text.ip_address,
        mac_address: text.mac_address,
    };
    Ok(texts.map(|texts| texts.into_iter().map(request).collect()))
}

#[derive(Deserialize)]
struct DhcpOptionText {
    opt_name: String,
    opt_value: Option<String>,
    ip_version: u8,
}

fn take_options(input: &mut Input) -> Result<Option<Vec<DhcpOptionRequest>>, ApiError> {
    let texts: Option<Option<Vec<DhcpOptionText>>> = input.take_nullable("extra_dhcp_opts")?;
    let request = |text: DhcpOptionText| DhcpOptionRequest {
        name: text.opt_name,
        value: text.opt_value,
        family: if text.ip_version == 6 {
            Family::V6
        } else {
            Family::V4
        },
    };
    Ok(texts.map(|texts| texts.unwrap_or_default().into_iter().map(request).collect()))
}

/// The empty text and null both mean no host.
fn take_host(input: &mut Input) -> Result<Option<Option<HostName>>, ApiError> {
    let text: Option<Option<String>> = input.take_nullable("binding:host_id")?;
    let parse = |text: String| {
        text.parse::<HostName>()
            .map_err(|error| ApiError::InvalidAttribute {
                attribute: "binding:host_id".to_owned(),
                reason: error.to_string(),
            })
    };
    text.map(|text| text.filter(|text| !text.is_empty()).map(parse).transpose())
        .transpose()
}

fn take_profile(input: &mut Input) -> Result<Option<Map<String, Value>>, ApiError> {
    let given: Option<Option<Map<String, Value>>> = input.take_nullable("binding:profile")?;
    Ok(given.map(Option::unwrap_or_default))
}

impl Resource for PortResource {
    type Table = Ports;
    type Model = Port;
    type New = NewPort;
    type Changes = PortChanges;

    const SINGULAR: &'static str = "port";
    const COLLECTION: &'static str = "ports";
    const PATH: &'static str = "ports";
    const NOT_FOUND: &'static str = "PortNotFound";
    const ATTRIBUTES: &'static [Attribute<Port>] = ATTRIBUTES;

    fn key(port: &Port) -> (NetworkId, PortId) {
        (port.network_id, port.id)
    }

    fn not_found(id: &str) -> String {
        format!("Port {id} could not be found.")
    }

    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<Ports>>> {
        snapshot.lookup::<Ports>(BY_ID, &id.to_string()).next()
    }

    fn under(snapshot: &Snapshot, parent: Uuid) -> Vec<Arc<Row<Ports>>> {
        snapshot.scan::<Ports>(&NetworkId(parent)).collect()
    }

    /// A project's ports, and those that others have on its networks.
    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<Ports>>> {
        let project = who.project.as_str();
        let own = snapshot.lookup::<Ports>(BY_PROJECT, project);
        let guests = snapshot
            .lookup::<Networks>(BY_PROJECT, project)
            .flat_map(|network| snapshot.scan::<Ports>(&network.key).collect::<Vec<_>>());
        own.chain(guests.filter(|row| row.value.meta.project_id != who.project))
            .collect()
    }

    fn is_shared(port: &Port, snapshot: &Snapshot, who: &Identity) -> bool {
        snapshot
            .get::<Networks>(&port.network_id)
            .is_some_and(|network| network.value.meta.project_id == who.project)
    }

    fn new(mut input: Input) -> Result<NewPort, ApiError> {
        Ok(NewPort {
            project_id: input.take("project_id")?,
            network_id: input.need("network_id")?,
            name: input.need("name")?,
            description: input.need("description")?,
            admin_state_up: input.take("admin_state_up")?,
            mac_address: input.take("mac_address")?,
            fixed_ips: take_fixed_ips(&mut input)?,
            device_id: input.need("device_id")?,
            device_owner: input.need("device_owner")?,
            host: take_host(&mut input)?.flatten(),
            vnic_type: input.take("binding:vnic_type")?,
            profile: take_profile(&mut input)?.unwrap_or_default(),
            allowed_address_pairs: take_pairs(&mut input)?.unwrap_or_default(),
            port_security_enabled: input.take("port_security_enabled")?,
            security_groups: input.take("security_groups")?,
            extra_dhcp_opts: take_options(&mut input)?.unwrap_or_default(),
            tags: input.need("tags")?,
        })
    }

    fn changes(mut input: Input) -> Result<PortChanges, ApiError> {
        Ok(PortChanges {
            name: input.take("name")?,
            description: input.take("description")?,
            admin_state_up: input.take("admin_state_up")?,
            mac_address: input.take("mac_address")?,
            fixed_ips: take_fixed_ips(&mut input)?,
            device_id: input.take("device_id")?,
            device_owner: input.take("device_owner")?,
            host: take_host(&mut input)?,
            vnic_type: input.take("binding:vnic_type")?,
            profile: take_profile(&mut input)?,
            allowed_address_pairs: take_pairs(&mut input)?,
            port_security_enabled: input.take("port_security_enabled")?,
            security_groups: input
                .take_nullable("security_groups")?
                .map(Option::unwrap_or_default),
            extra_dhcp_opts: take_options(&mut input)?,
            tags: input.take("tags")?,
        })
    }

    fn create(tx: &mut Tx, ctx: &Context, new: NewPort) -> Result<Port, OpError> {
        ports::create(tx, ctx, new)
    }

    fn update(
        tx: &mut Tx,
        ctx: &Context,
        port: &Port,
        expect: Expect,
        changes: PortChanges,
    ) -> Result<Port, OpError> {
        ports::update(tx, ctx, port.id, expect, changes)
    }

    fn delete(tx: &mut Tx, _: &Context, port: &Port, expect: Expect) -> Result<(), OpError> {
        ports::delete(tx, port.id, expect)
    }
}
