//! Security group rules as the Neutron API has them: created and deleted, never updated.

use crate::error::ApiError;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Filter, Preset};
use crate::resource::input::Input;
use crate::resource::kind::Kind;
use crate::resource::standard::attributes;
use auth::Identity;
use model::{L4Match, Remote, RuleId, SecurityGroupId, SecurityGroupRule};
use operations::rules::{self, NewRule};
use operations::tables::{BY_ID, BY_PROJECT, BY_REMOTE_GROUP, Rules, SecurityGroups};
use operations::{Context, Expect, OpError};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Row, Snapshot, Tx};
use uuid::Uuid;

pub(crate) struct RuleResource;

const ATTRIBUTES: &[Attribute<SecurityGroupRule>] = attributes![
    Attribute::new("security_group_id", Kind::Uuid, |r: &SecurityGroupRule| {
        r.security_group_id.to_string().into()
    })
    .required()
    .filter(Filter::Parent)
    .sort(),
    Attribute::new(
        "direction",
        Kind::OneOf(&["ingress", "egress"]),
        |r: &SecurityGroupRule| json!(r.direction),
    )
    .required()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new(
        "ethertype",
        Kind::OneOf(&["IPv4", "IPv6"]),
        |r: &SecurityGroupRule| json!(r.family),
    )
    .optional(Preset::Text("IPv4"))
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("protocol", Kind::Protocol, |r: &SecurityGroupRule| json!(
        r.protocol
    ))
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .sort(),
    Attribute::new(
        "port_range_min",
        Kind::Integer(0, 65_535),
        |r: &SecurityGroupRule| { json!(range(r).0) }
    )
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .sort(),
    Attribute::new(
        "port_range_max",
        Kind::Integer(0, 65_535),
        |r: &SecurityGroupRule| { json!(range(r).1) }
    )
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Scan)
    .sort(),
    Attribute::new(
        "remote_group_id",
        Kind::Uuid,
        |r: &SecurityGroupRule| match r.remote {
            Remote::Group(group) => group.to_string().into(),
            _ => Value::Null,
        }
    )
    .nullable()
    .optional(Preset::Null)
    .filter(Filter::Index(BY_REMOTE_GROUP))
    .sort(),
    Attribute::new("remote_ip_prefix", Kind::Prefix, prefix)
        .nullable()
        .optional(Preset::Null)
        .filter(Filter::Scan)
        .sort(),
    Attribute::new("normalized_cidr", Kind::Prefix, prefix).nullable(),
    Attribute::joined(
        "belongs_to_default_sg",
        Kind::Bool,
        |r: &SecurityGroupRule, snapshot| {
            snapshot
                .get::<SecurityGroups>(&r.security_group_id)
                .is_some_and(|group| group.value.is_default)
                .into()
        }
    )
    .filter(Filter::Scan),
];

/// The ICMP type and code stand where other protocols have the range of ports.
fn range(rule: &SecurityGroupRule) -> (Option<u16>, Option<u16>) {
    match rule.l4 {
        L4Match::Any => (None, None),
        L4Match::Ports(ports) => (Some(ports.min), Some(ports.max)),
        L4Match::Icmp(icmp) => (Some(icmp.kind.into()), icmp.code.map(u16::from)),
    }
}

fn prefix(rule: &SecurityGroupRule) -> Value {
    match rule.remote {
        Remote::Prefix(prefix) => prefix.to_string().into(),
        _ => Value::Null,
    }
}

impl Resource for RuleResource {
    type Table = Rules;
    type Model = SecurityGroupRule;
    type New = NewRule;
    /// There are no changes of a rule.
    type Changes = std::convert::Infallible;

    const SINGULAR: &'static str = "security_group_rule";
    const COLLECTION: &'static str = "security_group_rules";
    const PATH: &'static str = "security-group-rules";
    const NOT_FOUND: &'static str = "SecurityGroupRuleNotFound";
    const ATTRIBUTES: &'static [Attribute<SecurityGroupRule>] = ATTRIBUTES;

    fn key(rule: &SecurityGroupRule) -> (SecurityGroupId, RuleId) {
        (rule.security_group_id, rule.id)
    }

    fn not_found(id: &str) -> String {
        format!("Security group rule {id} does not exist")
    }

    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<Rules>>> {
        snapshot.lookup::<Rules>(BY_ID, &id.to_string()).next()
    }

    fn under(snapshot: &Snapshot, parent: Uuid) -> Vec<Arc<Row<Rules>>> {
        snapshot.scan::<Rules>(&SecurityGroupId(parent)).collect()
    }

    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<Rules>>> {
        snapshot
            .lookup::<Rules>(BY_PROJECT, who.project.as_str())
            .collect()
    }

    fn new(mut input: Input) -> Result<NewRule, ApiError> {
        Ok(NewRule {
            security_group_id: input.need("security_group_id")?,
            project_id: input.take("project_id")?,
            description: input.need("description")?,
            direction: input.need("direction")?,
            family: input.need("ethertype")?,
            protocol: input.take("protocol")?,
            port_range_min: input.take("port_range_min")?,
            port_range_max: input.take("port_range_max")?,
            remote_group_id: input.take("remote_group_id")?,
            remote_ip_prefix: input.take("remote_ip_prefix")?,
        })
    }

    fn changes(_: Input) -> Result<Self::Changes, ApiError> {
        Err(ApiError::BadRequest(
            "A security group rule cannot be updated".to_owned(),
        ))
    }

    fn create(tx: &mut Tx, ctx: &Context, new: NewRule) -> Result<SecurityGroupRule, OpError> {
        rules::create(tx, ctx, new)
    }

    fn update(
        _: &mut Tx,
        _: &Context,
        _: &SecurityGroupRule,
        _: Expect,
        changes: Self::Changes,
    ) -> Result<SecurityGroupRule, OpError> {
        match changes {}
    }

    fn delete(
        tx: &mut Tx,
        ctx: &Context,
        rule: &SecurityGroupRule,
        expect: Expect,
    ) -> Result<(), OpError> {
        rules::delete(tx, ctx, rule.id, expect)
    }
}
