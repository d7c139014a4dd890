//! Security group rules: created and deleted, never changed. A rule means the same on every port, so all of
//! what it says is checked when it is made.

use crate::attributes::without_host_bits;
use crate::context::room_for_one;
use crate::tables::{BY_ID, Rules};
use crate::{Context, Expect, OpError, error::Quota, security_groups};
use ipnet::IpNet;
use model::{
    Direction, Family, IcmpMatch, L4Match, Meta, PortRange, ProjectId, Protocol, Remote, RuleId,
    SecurityGroup, SecurityGroupId, SecurityGroupRule,
};
use std::sync::Arc;
use store::{Row, Tx};

/// Protocols that only exist under IPv6: encapsulation, routing, fragment, ICMPv6, no next, options.
const IPV6_ONLY: [u8; 6] = [41, 43, 44, Protocol::ICMPV6, 59, 60];

/// A rule as the request gives it; which of the fields go together is checked by [`create`].
#[derive(Debug, Clone)]
pub struct NewRule {
    pub security_group_id: SecurityGroupId,
    /// The caller's own when not given.
    pub project_id: Option<ProjectId>,
    pub description: String,
    pub direction: Direction,
    pub family: Family,
    /// `None` allows every protocol.
    pub protocol: Option<Protocol>,
    /// The ICMP type when the protocol is ICMP.
    pub port_range_min: Option<u16>,
    /// The ICMP code when the protocol is ICMP.
    pub port_range_max: Option<u16>,
    pub remote_group_id: Option<SecurityGroupId>,
    pub remote_ip_prefix: Option<IpNet>,
}

pub fn get(tx: &Tx, id: RuleId) -> Result<Arc<Row<Rules>>, OpError> {
    tx.lookup::<Rules>(BY_ID, &id.to_string())
        .next()
        .ok_or(OpError::RuleNotFound(id))
}

pub fn create(tx: &mut Tx, ctx: &Context, new: NewRule) -> Result<SecurityGroupRule, OpError> {
    let project = ctx.owner(new.project_id.clone())?;
    let group = security_groups::get_usable(tx, ctx, new.security_group_id, &project)?;
    let protocol = new.protocol.clone().map(|p| canonical(p, new.family));
    check_family(protocol.as_ref(), new.family)?;
    let rule = SecurityGroupRule {
        id: RuleId(ctx.new_id()),
        security_group_id: new.security_group_id,
        direction: new.direction,
        family: new.family,
        l4: l4_match(protocol.as_ref(), new.port_range_min, new.port_range_max)?,
        protocol,
        remote: remote(tx, ctx, &new, &project)?,
        meta: Meta::new(project, String::new(), new.description, ctx.now),
    };
    if let Some(same) = tx
        .scan::<Rules>(&rule.security_group_id)
        .find(|other| allows_the_same(&other.value, &rule))
    {
        return Err(OpError::RuleExists(same.value.id));
    }
    room_for_one(
        ctx.defaults.limits.rules_per_security_group,
        Quota::RulesPerSecurityGroup,
        || tx.scan::<Rules>(&rule.security_group_id).count(),
    )?;
    security_groups::touch(tx, ctx, &group.value);
    tx.put::<Rules>((rule.security_group_id, rule.id), rule.clone());
    Ok(rule)
}

pub fn delete(tx: &mut Tx, ctx: &Context, id: RuleId, expect: Expect) -> Result<(), OpError> {
    let row = get(tx, id)?;
    expect.check(&row.value.meta)?;
    let group = security_groups::get(tx, row.value.security_group_id)?;
    security_groups::touch(tx, ctx, &group.value);
    tx.delete::<Rules>(&row.key);
    Ok(())
}

/// Adds a rule for every protocol to a group that is being made.
pub(crate) fn insert_any(
    tx: &mut Tx,
    ctx: &Context,
    group: &SecurityGroup,
    direction: Direction,
    family: Family,
    remote: Remote,
) {
    let rule = SecurityGroupRule {
        id: RuleId(ctx.new_id()),
        security_group_id: group.id,
        meta: Meta::new(
            group.meta.project_id.clone(),
            String::new(),
            String::new(),
            ctx.now,
        ),
        direction,
        family,
        protocol: None,
        l4: L4Match::Any,
        remote,
    };
    tx.put::<Rules>((group.id, rule.id), rule);
}

/// Under IPv6 every spelling of ICMP means ICMPv6, and reads `ipv6-icmp` from then on.
fn canonical(protocol: Protocol, family: Family) -> Protocol {
    match family {
        Family::V6 if protocol.is_icmp() => "ipv6-icmp"
            .parse()
            .expect("invariant: the name is in the table of protocols"),
        _ => protocol,
    }
}

fn check_family(protocol: Option<&Protocol>, family: Family) -> Result<(), OpError> {
    match protocol {
        Some(p) if family == Family::V4 && IPV6_ONLY.contains(&p.number) => {
            Err(OpError::RuleProtocolFamily {
                protocol: p.clone(),
                family,
            })
        }
        _ => Ok(()),
    }
}

fn l4_match(
    protocol: Option<&Protocol>,
    min: Option<u16>,
    max: Option<u16>,
) -> Result<L4Match, OpError> {
    match (protocol, min, max) {
        (_, None, None) => Ok(L4Match::Any),
        (None, ..) => Err(OpError::RulePortsNeedProtocol),
        (Some(protocol), ..) if protocol.has_ports() => port_match(min, max),
        (Some(protocol), ..) if protocol.is_icmp() => icmp_match(min, max),
        (Some(protocol), ..) => Err(OpError::RuleProtocolWithoutPorts(protocol.clone())),
    }
}

fn port_match(min: Option<u16>, max: Option<u16>) -> Result<L4Match, OpError> {
    match (min, max) {
        (Some(0), _) | (_, Some(0)) => Err(OpError::RulePortInvalid(0)),
        (Some(low), Some(high)) => PortRange::new(low, high)
            .map(L4Match::Ports)
            .map_err(|_| OpError::RulePortRange { min, max }),
        _ => Err(OpError::RulePortRange { min, max }),
    }
}

fn icmp_match(kind: Option<u16>, code: Option<u16>) -> Result<L4Match, OpError> {
    let byte = |value: u16, field, attribute| {
        u8::try_from(value).map_err(|_| OpError::RuleIcmpValue {
            field,
            attribute,
            value,
        })
    };
    let code_byte = code
        .map(|code| byte(code, "code", "port_range_max"))
        .transpose()?;
    match (kind, code) {
        (Some(kind), _) => Ok(L4Match::Icmp(IcmpMatch {
            kind: byte(kind, "type", "port_range_min")?,
            code: code_byte,
        })),
        (None, Some(code)) => Err(OpError::RuleIcmpTypeMissing(code)),
        (None, None) => Ok(L4Match::Any),
    }
}

fn remote(tx: &Tx, ctx: &Context, new: &NewRule, project: &ProjectId) -> Result<Remote, OpError> {
    match (new.remote_group_id, new.remote_ip_prefix) {
        (Some(_), Some(_)) => Err(OpError::RuleTwoRemotes),
        (Some(group), None) => {
            security_groups::get_usable(tx, ctx, group, project)?;
            Ok(Remote::Group(group))
        }
        (None, Some(prefix)) if Family::of(prefix.network()) != new.family => {
            Err(OpError::RulePrefixFamily {
                family: new.family,
                prefix,
            })
        }
        (None, Some(prefix)) => without_host_bits(prefix).map(Remote::Prefix),
        (None, None) => Ok(Remote::Any),
    }
}

fn allows_the_same(one: &SecurityGroupRule, other: &SecurityGroupRule) -> bool {
    one.direction == other.direction
        && one.family == other.family
        && one.protocol == other.protocol
        && one.l4 == other.l4
        && one.remote == other.remote
}
