//! What a project may do to security groups.

use crate::lab::{ANY, Cloud, User, parse};
use model::{Direction, Family, Remote, SecurityGroup, SecurityGroupId};
use operations::ports::NewPort;
use operations::rules::{self, NewRule};
use operations::security_groups::{self, NewSecurityGroup, SecurityGroupChanges};
use operations::tables::{Rules, SecurityGroups};
use operations::{Defaults, Expect, OpError, Quota};
use std::collections::BTreeSet;

fn default_of(user: User, project: &str) -> SecurityGroupId {
    user.run(|tx, ctx| security_groups::default_of(tx, ctx, &parse(project)))
        .expect("a default group")
}

fn update(
    user: User,
    id: SecurityGroupId,
    changes: SecurityGroupChanges,
) -> Result<SecurityGroup, OpError> {
    user.run(|tx, ctx| security_groups::update(tx, ctx, id, ANY, changes.clone()))
}

fn delete(user: User, id: SecurityGroupId) -> Result<(), OpError> {
    user.run(|tx, ctx| security_groups::delete(tx, ctx, id, ANY))
}

fn rename(name: &str) -> SecurityGroupChanges {
    SecurityGroupChanges {
        name: Some(name.to_owned()),
        ..SecurityGroupChanges::default()
    }
}

/// (direction, family, remote) of each rule of the group, sorted.
fn rules_of(cloud: &Cloud, group: SecurityGroupId) -> BTreeSet<(Direction, Family, Remote)> {
    let snapshot = cloud.snapshot();
    let rules = snapshot.scan::<Rules>(&group);
    rules
        .map(|row| (row.value.direction, row.value.family, row.value.remote))
        .collect()
}

#[test]
fn a_projects_first_port_brings_its_default_group() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let network = red.network();
    let (one, other) = (red.port(network.id), red.port(network.id));
    let default = default_of(red, "red");
    assert_eq!(one.security_groups, BTreeSet::from([default]));
    assert_eq!(other.security_groups, one.security_groups);
    let expected = BTreeSet::from([
        (Direction::Egress, Family::V4, Remote::Any),
        (Direction::Egress, Family::V6, Remote::Any),
        (Direction::Ingress, Family::V4, Remote::Group(default)),
        (Direction::Ingress, Family::V6, Remote::Group(default)),
    ]);
    assert_eq!(rules_of(&cloud, default), expected);
    assert_ne!(default_of(red, "blue"), default);
}

#[test]
fn a_new_group_lets_everything_out_and_nothing_in() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let group = red.group("web");
    assert!(group.stateful && !group.is_default);
    let expected = BTreeSet::from([
        (Direction::Egress, Family::V4, Remote::Any),
        (Direction::Egress, Family::V6, Remote::Any),
    ]);
    assert_eq!(rules_of(&cloud, group.id), expected);
    assert_eq!(
        cloud.snapshot().len::<SecurityGroups>(),
        2,
        "and the default group"
    );
}

#[test]
fn only_the_default_group_is_called_default() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let new = NewSecurityGroup {
        name: "default".to_owned(),
        ..NewSecurityGroup::default()
    };
    let refused = red.run(|tx, ctx| security_groups::create(tx, ctx, new.clone()));
    assert_eq!(refused, Err(OpError::DefaultSecurityGroupExists));
    let group = red.group("web");
    let refused = update(red, group.id, rename("default"));
    assert_eq!(refused, Err(OpError::DefaultSecurityGroupExists));
    let default = default_of(red, "red");
    let refused = update(red, default, rename("other"));
    assert_eq!(refused, Err(OpError::DefaultSecurityGroupRename(default)));
    assert!(
        update(red, default, rename("default")).is_ok(),
        "its own name"
    );
    assert_eq!(
        update(red, group.id, rename("db"))
            .expect("a change")
            .meta
            .name,
        "db"
    );
}

#[test]
fn the_default_group_is_only_deleted_by_an_admin() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let default = default_of(red, "red");
    let refused = OpError::DefaultSecurityGroupDelete(default);
    assert_eq!(delete(red, default), Err(refused));
    assert_eq!(delete(cloud.admin(), default), Ok(()));
    assert_ne!(default_of(red, "red"), default);
}

#[test]
fn a_group_in_use_stays_and_stays_stateful() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let group = red.group("web");
    let port = red
        .new_port(NewPort {
            security_groups: Some(BTreeSet::from([group.id])),
            ..NewPort::new(red.network().id)
        })
        .expect("a port");
    let in_use = OpError::SecurityGroupInUse {
        group: group.id,
        port: port.id,
    };
    let stateless = SecurityGroupChanges {
        stateful: Some(false),
        ..SecurityGroupChanges::default()
    };
    assert_eq!(delete(red, group.id), Err(in_use.clone()));
    assert_eq!(update(red, group.id, stateless.clone()), Err(in_use));
    red.delete_port(&port).expect("the port goes");
    let changed = update(red, group.id, stateless).expect("a change");
    assert!(!changed.stateful);
    assert_eq!(changed.meta.revision_number, 1);
    assert_eq!(delete(red, group.id), Ok(()));
    let gone = OpError::SecurityGroupNotFound(group.id);
    assert_eq!(delete(red, group.id), Err(gone));
}

#[test]
fn a_deleted_group_takes_the_rules_that_name_it_along() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let (web, db) = (red.group("web"), red.group("db"));
    let rule = NewRule {
        security_group_id: db.id,
        project_id: None,
        description: String::new(),
        direction: Direction::Ingress,
        family: Family::V4,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_group_id: Some(web.id),
        remote_ip_prefix: None,
    };
    red.run(|tx, ctx| rules::create(tx, ctx, rule.clone()))
        .expect("a rule");
    assert_eq!(rules_of(&cloud, db.id).len(), 3);
    assert_eq!(delete(red, web.id), Ok(()));
    assert_eq!(rules_of(&cloud, db.id).len(), 2);
    let db = cloud.snapshot().get::<SecurityGroups>(&db.id).expect("db");
    assert_eq!(db.value.meta.revision_number, 2, "one rule came, one went");
}

#[test]
fn quotas_and_revisions() {
    let mut defaults = Defaults::default();
    defaults.limits.security_groups_per_project = Some(2);
    let cloud = Cloud::with(defaults);
    let red = cloud.user("red");
    let group = red.group("web");
    let new = NewSecurityGroup {
        name: "db".to_owned(),
        ..NewSecurityGroup::default()
    };
    let refused = red.run(|tx, ctx| security_groups::create(tx, ctx, new.clone()));
    let over = OpError::OverQuota {
        quota: Quota::SecurityGroup,
        limit: 2,
    };
    assert_eq!(refused, Err(over));
    let expect = Expect {
        revision_number: Some(9),
    };
    let mismatch = OpError::RevisionMismatch {
        expected: 9,
        found: 0,
    };
    let refused = red.run(|tx, ctx| security_groups::delete(tx, ctx, group.id, expect));
    assert_eq!(refused, Err(mismatch));
}
