//! The rows of intent and how they are found beside their key.
//!
//! A row nests under its parent, so that "the network has no ports" is one range. A row nested under a
//! parent is found by its own id through the index [`BY_ID`].

use model::{
    Host, HostName, Meta, Network, NetworkId, Port, PortId, ProjectId, RuleId, SecurityGroup,
    SecurityGroupId, SecurityGroupRule, Subnet, SubnetId,
};
use store::{Schema, Table};

pub use ipam::tables::{Addresses, Cursors, Macs, Vnis};

pub const BY_ID: &str = "id";
pub const BY_PROJECT: &str = "project";
pub const BY_NAME: &str = "name";
/// Networks with `shared`, under the key "true".
pub const BY_SHARED: &str = "shared";
/// Ports by the host they are bound to.
pub const BY_HOST: &str = "host";
pub const BY_DEVICE: &str = "device";
pub const BY_MAC: &str = "mac";
/// Ports by each of their addresses.
pub const BY_IP: &str = "ip";
/// Ports by each of their security groups.
pub const BY_GROUP: &str = "group";
/// Ports by each subnet they have an address of.
pub const BY_SUBNET: &str = "subnet";
/// Rules by the security group they name as remote.
pub const BY_REMOTE_GROUP: &str = "remote_group";
/// Hosts by tunnel address.
pub const BY_TUNNEL: &str = "tunnel";

type Emit<'a> = &'a mut dyn FnMut(&'static str, String);

fn index_meta(meta: &Meta, emit: Emit) {
    emit(BY_PROJECT, meta.project_id.to_string());
    emit(BY_NAME, meta.name.clone());
}

pub struct Networks;

impl Table for Networks {
    const NAME: &'static str = "networks";
    type Key = NetworkId;
    type Value = Network;
    const INDEXES: &'static [&'static str] = &[BY_PROJECT, BY_NAME, BY_SHARED];

    fn index(network: &Network, emit: Emit) {
        index_meta(&network.meta, emit);
        if network.shared {
            emit(BY_SHARED, "true".to_owned());
        }
    }
}

pub struct Subnets;

impl Table for Subnets {
    const NAME: &'static str = "subnets";
    type Key = (NetworkId, SubnetId);
    type Value = Subnet;
    const INDEXES: &'static [&'static str] = &[BY_ID, BY_PROJECT, BY_NAME];

    fn index(subnet: &Subnet, emit: Emit) {
        emit(BY_ID, subnet.id.to_string());
        index_meta(&subnet.meta, emit);
    }
}

pub struct Ports;

impl Table for Ports {
    const NAME: &'static str = "ports";
    type Key = (NetworkId, PortId);
    type Value = Port;
    const INDEXES: &'static [&'static str] = &[
        BY_ID, BY_PROJECT, BY_NAME, BY_HOST, BY_DEVICE, BY_MAC, BY_IP, BY_GROUP, BY_SUBNET,
    ];

    fn index(port: &Port, emit: Emit) {
        emit(BY_ID, port.id.to_string());
        index_meta(&port.meta, emit);
        if let Some(host) = &port.binding.host {
            emit(BY_HOST, host.to_string());
        }
        if !port.device_id.is_empty() {
            emit(BY_DEVICE, port.device_id.clone());
        }
        emit(BY_MAC, port.mac_address.to_string());
        for fixed in &port.fixed_ips {
            emit(BY_IP, fixed.ip_address.to_string());
            emit(BY_SUBNET, fixed.subnet_id.to_string());
        }
        for group in &port.security_groups {
            emit(BY_GROUP, group.to_string());
        }
    }
}

pub struct SecurityGroups;

impl Table for SecurityGroups {
    const NAME: &'static str = "security-groups";
    type Key = SecurityGroupId;
    type Value = SecurityGroup;
    const INDEXES: &'static [&'static str] = &[BY_PROJECT, BY_NAME];

    fn index(group: &SecurityGroup, emit: Emit) {
        index_meta(&group.meta, emit);
    }
}

/// The default security group of each project; a key of its own makes it unique.
pub struct DefaultGroups;

impl Table for DefaultGroups {
    const NAME: &'static str = "default-security-groups";
    type Key = ProjectId;
    type Value = SecurityGroupId;
}

pub struct Rules;

impl Table for Rules {
    const NAME: &'static str = "security-group-rules";
    type Key = (SecurityGroupId, RuleId);
    type Value = SecurityGroupRule;
    const INDEXES: &'static [&'static str] = &[BY_ID, BY_PROJECT, BY_REMOTE_GROUP];

    fn index(rule: &SecurityGroupRule, emit: Emit) {
        emit(BY_ID, rule.id.to_string());
        emit(BY_PROJECT, rule.meta.project_id.to_string());
        if let model::Remote::Group(group) = rule.remote {
            emit(BY_REMOTE_GROUP, group.to_string());
        }
    }
}

pub struct Hosts;

impl Table for Hosts {
    const NAME: &'static str = "hosts";
    type Key = HostName;
    type Value = Host;
    const INDEXES: &'static [&'static str] = &[BY_ID, BY_TUNNEL];

    fn index(host: &Host, emit: Emit) {
        emit(BY_ID, host.agent_id.to_string());
        emit(BY_TUNNEL, host.tunnel_address.to_string());
    }
}

/// Every table of intent; what a store is opened with.
pub fn schema() -> Schema {
    Schema::new()
        .table::<Networks>()
        .table::<Subnets>()
        .table::<Ports>()
        .table::<SecurityGroups>()
        .table::<DefaultGroups>()
        .table::<Rules>()
        .table::<Hosts>()
        .table::<Addresses>()
        .table::<Cursors>()
        .table::<Macs>()
        .table::<Vnis>()
}
