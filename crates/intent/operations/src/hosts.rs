//! Hosts: registered by their agent, addressed by name. Whether an agent is alive is not kept here.

use crate::attributes::set;
use crate::tables::{BY_HOST, BY_ID, BY_TUNNEL, Hosts, Ports};
use crate::{Context, OpError};
use model::{AgentId, Host, HostName};
use std::net::IpAddr;
use std::sync::Arc;
use store::{Row, Tx};

/// `None` leaves an attribute as it is.
#[derive(Debug, Clone, Default)]
pub struct HostChanges {
    pub admin_state_up: Option<bool>,
    pub description: Option<String>,
}

pub fn get(tx: &Tx, name: &HostName) -> Result<Arc<Row<Hosts>>, OpError> {
    tx.get::<Hosts>(name)
        .ok_or_else(|| OpError::HostNotFound(name.clone()))
}

/// The host of an agent as the Neutron API names it; `None` when there is none.
pub fn by_agent(tx: &Tx, id: AgentId) -> Option<Arc<Row<Hosts>>> {
    tx.lookup::<Hosts>(BY_ID, &id.to_string()).next()
}

/// Makes the host known with this tunnel address. Writes nothing when it already is.
pub fn register(
    tx: &mut Tx,
    ctx: &Context,
    name: &HostName,
    tunnel_address: IpAddr,
) -> Result<Host, OpError> {
    if tunnel_address.is_unspecified() || tunnel_address.is_multicast() {
        return Err(OpError::TunnelAddressInvalid(tunnel_address));
    }
    let known = tx.get::<Hosts>(name);
    if let Some(row) = &known
        && row.value.tunnel_address == tunnel_address
    {
        return Ok(row.value.clone());
    }
    if let Some(holder) = tx
        .lookup::<Hosts>(BY_TUNNEL, &tunnel_address.to_string())
        .next()
    {
        return Err(OpError::TunnelAddressInUse {
            address: tunnel_address,
            holder: holder.key.clone(),
        });
    }
    let host = match known {
        Some(row) => Host {
            tunnel_address,
            ..row.value.clone()
        },
        None => Host {
            name: name.clone(),
            agent_id: AgentId(ctx.new_id()),
            tunnel_address,
            admin_state_up: true,
            description: String::new(),
            registered_at: ctx.now,
        },
    };
    tx.put::<Hosts>(name.clone(), host.clone());
    Ok(host)
}

pub fn update(tx: &mut Tx, name: &HostName, changes: HostChanges) -> Result<Host, OpError> {
    let row = get(tx, name)?;
    let mut host = row.value.clone();
    set(&mut host.admin_state_up, changes.admin_state_up);
    set(&mut host.description, changes.description);
    if host != row.value {
        tx.put::<Hosts>(name.clone(), host.clone());
    }
    Ok(host)
}

pub fn delete(tx: &mut Tx, name: &HostName) -> Result<(), OpError> {
    get(tx, name)?;
    if let Some(port) = tx.lookup::<Ports>(BY_HOST, name.as_str()).next() {
        return Err(OpError::HostInUse {
            host: name.clone(),
            port: port.value.id,
        });
    }
    tx.delete::<Hosts>(name);
    Ok(())
}
