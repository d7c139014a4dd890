//! Security groups as the Neutron API has them, with their rules inside.

use crate::error::ApiError;
use crate::neutron::security_group_rules::RuleResource;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Filter, Preset};
use crate::resource::input::Input;
use crate::resource::kind::Kind;
use crate::resource::render::members;
use crate::resource::standard::{attributes, name};
use auth::Identity;
use model::{SecurityGroup, SecurityGroupId};
use operations::security_groups::{self, NewSecurityGroup, SecurityGroupChanges};
use operations::tables::{BY_PROJECT, Rules, SecurityGroups};
use operations::{Context, Expect, OpError};
use serde_json::Value;
use std::sync::Arc;
use store::{Row, Snapshot, Tx};
use uuid::Uuid;

pub(crate) struct SecurityGroupResource;

const ATTRIBUTES: &[Attribute<SecurityGroup>] = attributes![
    name(),
    Attribute::new("stateful", Kind::Bool, |g: &SecurityGroup| g
        .stateful
        .into())
    .optional(Preset::True)
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("shared", Kind::False, |_| false.into()).filter(Filter::Scan),
    Attribute::joined("security_group_rules", Kind::Objects, rules),
];

fn rules(group: &SecurityGroup, snapshot: &Snapshot) -> Value {
    let object =
        |row: Arc<Row<Rules>>| members(RuleResource::ATTRIBUTES, &row.value, snapshot, false, &[]);
    snapshot.scan::<Rules>(&group.id).map(object).collect()
}

impl Resource for SecurityGroupResource {
    type Table = SecurityGroups;
    type Model = SecurityGroup;
    type New = NewSecurityGroup;
    type Changes = SecurityGroupChanges;

    const SINGULAR: &'static str = "security_group";
    const COLLECTION: &'static str = "security_groups";
    const PATH: &'static str = "security-groups";
    const NOT_FOUND: &'static str = "SecurityGroupNotFound";
    const ATTRIBUTES: &'static [Attribute<SecurityGroup>] = ATTRIBUTES;

    fn key(group: &SecurityGroup) -> SecurityGroupId {
        group.id
    }

    fn not_found(id: &str) -> String {
        format!("Security group {id} does not exist")
    }

    fn find(snapshot: &Snapshot, id: Uuid) -> Option<Arc<Row<SecurityGroups>>> {
        snapshot.get::<SecurityGroups>(&SecurityGroupId(id))
    }

    fn within_sight(snapshot: &Snapshot, who: &Identity) -> Vec<Arc<Row<SecurityGroups>>> {
        snapshot
            .lookup::<SecurityGroups>(BY_PROJECT, who.project.as_str())
            .collect()
    }

    fn new(mut input: Input) -> Result<NewSecurityGroup, ApiError> {
        Ok(NewSecurityGroup {
            project_id: input.take("project_id")?,
            name: input.need("name")?,
            description: input.need("description")?,
            stateful: input.take("stateful")?,
            tags: input.need("tags")?,
        })
    }

    fn changes(mut input: Input) -> Result<SecurityGroupChanges, ApiError> {
        Ok(SecurityGroupChanges {
            name: input.take("name")?,
            description: input.take("description")?,
            stateful: input.take("stateful")?,
            tags: input.take("tags")?,
        })
    }

    fn create(tx: &mut Tx, ctx: &Context, new: NewSecurityGroup) -> Result<SecurityGroup, OpError> {
        security_groups::create(tx, ctx, new)
    }

    fn update(
        tx: &mut Tx,
        ctx: &Context,
        group: &SecurityGroup,
        expect: Expect,
        changes: SecurityGroupChanges,
    ) -> Result<SecurityGroup, OpError> {
        security_groups::update(tx, ctx, group.id, expect, changes)
    }

    fn delete(
        tx: &mut Tx,
        ctx: &Context,
        group: &SecurityGroup,
        expect: Expect,
    ) -> Result<(), OpError> {
        security_groups::delete(tx, ctx, group.id, expect)
    }
}
