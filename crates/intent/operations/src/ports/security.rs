//! Security groups, port security and allowed address pairs of a port, and which of them go together.

use super::{AddressPairRequest, is_network_owned};
use crate::attributes::without_host_bits;
use crate::context::within;
use crate::{Context, OpError, error::Quota, security_groups};
use model::{AddressPair, Mac, Port, SecurityGroupId};
use std::collections::BTreeSet;
use store::Tx;

pub(super) fn address_pairs(
    ctx: &Context,
    mac: Mac,
    requests: &[AddressPairRequest],
) -> Result<Vec<AddressPair>, OpError> {
    within(
        ctx.defaults.limits.address_pairs_per_port,
        Quota::AddressPairs,
        || requests.len(),
    )?;
    let mut seen = BTreeSet::new();
    let mut pairs = Vec::new();
    for request in requests {
        let pair = AddressPair {
            ip_address: without_host_bits(request.ip_address)?,
            mac_address: request.mac_address.unwrap_or(mac),
        };
        if !seen.insert(pair) {
            return Err(OpError::Duplicate {
                attribute: "allowed_address_pair",
                value: format!("{} {}", pair.mac_address, pair.ip_address),
            });
        }
        pairs.push(pair);
    }
    Ok(pairs)
}

/// The groups of a new port. The cloud's own network services get no default group.
pub(super) fn groups_of_new(
    tx: &mut Tx,
    ctx: &Context,
    port: &Port,
    requested: Option<BTreeSet<SecurityGroupId>>,
) -> Result<BTreeSet<SecurityGroupId>, OpError> {
    match requested {
        Some(groups) => {
            check_added(tx, ctx, port, &groups)?;
            Ok(groups)
        }
        None if port.port_security_enabled && !is_network_owned(&port.device_owner) => {
            let default = security_groups::default_of(tx, ctx, &port.meta.project_id)?;
            Ok(BTreeSet::from([default]))
        }
        None => Ok(BTreeSet::new()),
    }
}

/// Each group that the port does not have yet must be one that the port's project may use.
pub(super) fn check_added(
    tx: &Tx,
    ctx: &Context,
    port: &Port,
    groups: &BTreeSet<SecurityGroupId>,
) -> Result<(), OpError> {
    for group in groups.difference(&port.security_groups) {
        security_groups::get_usable(tx, ctx, *group, &port.meta.project_id)?;
    }
    Ok(())
}

/// Without port security there is nothing that groups or address pairs could mean.
pub(super) fn check(port: &Port, groups_given: bool) -> Result<(), OpError> {
    if port.port_security_enabled {
        return Ok(());
    }
    if !port.allowed_address_pairs.is_empty() {
        return Err(OpError::AddressPairsNeedPortSecurity);
    }
    match (port.security_groups.is_empty(), groups_given) {
        (true, _) => Ok(()),
        (false, true) => Err(OpError::SecurityGroupsNeedPortSecurity),
        (false, false) => Err(OpError::PortHasSecurityGroups(port.id)),
    }
}
