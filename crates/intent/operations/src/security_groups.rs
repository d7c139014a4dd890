//! Security groups: each project has one default group, made when it is first needed.

use crate::attributes::set;
use crate::context::room_for_one;
use crate::tables::{
    BY_GROUP, BY_PROJECT, BY_REMOTE_GROUP, DefaultGroups, Ports, Rules, SecurityGroups,
};
use crate::{Context, Expect, OpError, error::Quota, rules};
use model::{Direction, Family, Meta, ProjectId, Remote, SecurityGroup, SecurityGroupId};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Row, Tx};

/// The name that only the default group of a project bears.
pub const DEFAULT_NAME: &str = "default";

#[derive(Debug, Clone, Default)]
pub struct NewSecurityGroup {
    /// The caller's own when not given.
    pub project_id: Option<ProjectId>,
    pub name: String,
    pub description: String,
    /// True when not given.
    pub stateful: Option<bool>,
    pub tags: BTreeSet<String>,
}

/// `None` leaves an attribute as it is.
#[derive(Debug, Clone, Default)]
pub struct SecurityGroupChanges {
    pub name: Option<String>,
    pub description: Option<String>,
    pub stateful: Option<bool>,
    pub tags: Option<BTreeSet<String>>,
}

pub fn get(tx: &Tx, id: SecurityGroupId) -> Result<Arc<Row<SecurityGroups>>, OpError> {
    tx.get::<SecurityGroups>(&id)
        .ok_or(OpError::SecurityGroupNotFound(id))
}

/// The group if it belongs to the project, or to anyone for an admin.
pub(crate) fn get_usable(
    tx: &Tx,
    ctx: &Context,
    id: SecurityGroupId,
    project: &ProjectId,
) -> Result<Arc<Row<SecurityGroups>>, OpError> {
    let row = get(tx, id)?;
    match ctx.admin || row.value.meta.project_id == *project {
        true => Ok(row),
        false => Err(OpError::SecurityGroupNotFound(id)),
    }
}

/// The project's default group, made now if there is none. Two writers who both find none meet at the
/// project's key and one of them runs again.
pub fn default_of(
    tx: &mut Tx,
    ctx: &Context,
    project: &ProjectId,
) -> Result<SecurityGroupId, OpError> {
    if let Some(row) = tx.get::<DefaultGroups>(project) {
        return Ok(row.value);
    }
    let id = SecurityGroupId(ctx.new_id());
    let meta = Meta::new(
        project.clone(),
        DEFAULT_NAME.to_owned(),
        "Default security group".to_owned(),
        ctx.now,
    );
    let group = SecurityGroup {
        id,
        meta,
        stateful: true,
        is_default: true,
    };
    tx.put::<DefaultGroups>(project.clone(), id);
    insert_with_egress(tx, ctx, &group);
    for family in [Family::V4, Family::V6] {
        rules::insert_any(
            tx,
            ctx,
            &group,
            Direction::Ingress,
            family,
            Remote::Group(id),
        );
    }
    Ok(id)
}

pub fn create(tx: &mut Tx, ctx: &Context, new: NewSecurityGroup) -> Result<SecurityGroup, OpError> {
    let project = ctx.owner(new.project_id)?;
    default_of(tx, ctx, &project)?;
    if new.name == DEFAULT_NAME {
        return Err(OpError::DefaultSecurityGroupExists);
    }
    room_for_one(
        ctx.defaults.limits.security_groups_per_project,
        Quota::SecurityGroup,
        || {
            tx.lookup::<SecurityGroups>(BY_PROJECT, project.as_str())
                .count()
        },
    )?;
    let mut group = SecurityGroup {
        id: SecurityGroupId(ctx.new_id()),
        meta: Meta::new(project, new.name, new.description, ctx.now),
        stateful: new.stateful.unwrap_or(true),
        is_default: false,
    };
    group.meta.tags = new.tags;
    insert_with_egress(tx, ctx, &group);
    Ok(group)
}

pub fn update(
    tx: &mut Tx,
    ctx: &Context,
    id: SecurityGroupId,
    expect: Expect,
    changes: SecurityGroupChanges,
) -> Result<SecurityGroup, OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    let mut group = row.value.clone();
    set(&mut group.meta.name, changes.name);
    set(&mut group.meta.description, changes.description);
    set(&mut group.meta.tags, changes.tags);
    set(&mut group.stateful, changes.stateful);
    if group == row.value {
        return Ok(group);
    }
    if group.meta.name != row.value.meta.name {
        if group.is_default {
            return Err(OpError::DefaultSecurityGroupRename(id));
        }
        if group.meta.name == DEFAULT_NAME {
            return Err(OpError::DefaultSecurityGroupExists);
        }
    }
    if group.stateful != row.value.stateful {
        check_unused(tx, id)?;
    }
    group.meta.touch(ctx.now);
    tx.put::<SecurityGroups>(id, group.clone());
    Ok(group)
}

/// Deletes the group with its rules and with the rules of other groups that name it as their remote group.
/// Only an admin may delete a default group; the project gets a new one when it next needs it.
pub fn delete(
    tx: &mut Tx,
    ctx: &Context,
    id: SecurityGroupId,
    expect: Expect,
) -> Result<(), OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    if row.value.is_default {
        if !ctx.admin {
            return Err(OpError::DefaultSecurityGroupDelete(id));
        }
        tx.delete::<DefaultGroups>(&row.value.meta.project_id);
    }
    check_unused(tx, id)?;
    let own: Vec<_> = tx.scan::<Rules>(&id).map(|rule| rule.key).collect();
    for key in own {
        tx.delete::<Rules>(&key);
    }
    let referring: Vec<_> = tx
        .lookup::<Rules>(BY_REMOTE_GROUP, &id.to_string())
        .map(|rule| rule.value.id)
        .collect();
    for rule in referring {
        rules::delete(tx, ctx, rule, Expect::default())?;
    }
    tx.delete::<SecurityGroups>(&id);
    Ok(())
}

/// Counts a change of the group's rules as a change of the group.
pub(crate) fn touch(tx: &mut Tx, ctx: &Context, group: &SecurityGroup) {
    let mut group = group.clone();
    group.meta.touch(ctx.now);
    tx.put::<SecurityGroups>(group.id, group);
}

fn insert_with_egress(tx: &mut Tx, ctx: &Context, group: &SecurityGroup) {
    tx.put::<SecurityGroups>(group.id, group.clone());
    for family in [Family::V4, Family::V6] {
        rules::insert_any(tx, ctx, group, Direction::Egress, family, Remote::Any);
    }
}

fn check_unused(tx: &Tx, id: SecurityGroupId) -> Result<(), OpError> {
    match tx.lookup::<Ports>(BY_GROUP, &id.to_string()).next() {
        Some(port) => Err(OpError::SecurityGroupInUse {
            group: id,
            port: port.value.id,
        }),
        None => Ok(()),
    }
}
