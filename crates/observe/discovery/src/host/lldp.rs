//! Switches and switch ports that LLDP shows at the other end of a host's cables.

use super::{Subject, with_some};
use crate::parse::ip::Interface;
use crate::parse::lldp::Neighbour;
use topology::Draft;

/// A switch and its port per neighbour. The port carries the MAC of our interface, which is what joins the two in the map.
pub fn drafts(
    subject: &Subject<'_>,
    neighbours: &[Neighbour],
    interfaces: &[Interface],
) -> Vec<Draft> {
    neighbours
        .iter()
        .filter_map(|neighbour| pair(subject, neighbour, interfaces))
        .flatten()
        .collect()
}

fn pair(
    subject: &Subject<'_>,
    neighbour: &Neighbour,
    interfaces: &[Interface],
) -> Option<[Draft; 2]> {
    let name = neighbour
        .chassis_name
        .as_deref()
        .or(neighbour.chassis_id.as_deref())?;
    let port = neighbour
        .port_id
        .as_deref()
        .or(neighbour.port_description.as_deref())?;
    let switch_id = format!("switch-{}", encode(name));
    let mut switch =
        Draft::whole(subject.key("switch", &switch_id)?, name).with("switch", switch_id.as_str());
    switch = with_some(switch, "chassis_id", neighbour.chassis_id.clone());
    switch = with_some(switch, "description", neighbour.chassis_description.clone());
    switch = with_some(switch, "ip_address", neighbour.management.first().cloned());
    let mac = interfaces
        .iter()
        .find(|interface| interface.name == neighbour.interface)
        .and_then(|interface| interface.mac)?
        .to_string();
    let id = format!("{switch_id}-{}-{mac}", encode(port));
    let mut pnic = Draft::whole(subject.key("switch_pnic", &id)?, port)
        .under(switch.key.clone())
        .with("role", "hostlink")
        .with("switch", switch_id.as_str())
        .with("connected_host", subject.host)
        .with("mac_address", mac);
    pnic = with_some(pnic, "description", neighbour.port_description.clone());
    Some([switch, pnic])
}

/// Slashes have a meaning in paths of the inventory, so ids carry two underscores instead.
pub fn encode(name: &str) -> String {
    name.strip_prefix("topology/")
        .unwrap_or(name)
        .replace('/', "__")
}
