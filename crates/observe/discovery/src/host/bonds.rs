//! Bonds and teams: a physical interface made of others, which are its members.

use super::{Subject, pnics, with_some};
use crate::parse::bond::Bond;
use crate::parse::ip::Interface;
use crate::parse::team::Team;
use crate::parse::vpp::{VppBond, VppInterface};
use ipnet::IpNet;
use serde_json::{Map, Value};
use topology::Draft;

/// A draft per bond; each member among `pnics` is told its master.
pub fn drafts(
    subject: &Subject<'_>,
    bonds: &[(String, Bond)],
    interfaces: &[Interface],
    pnics: &mut [Draft],
) -> Vec<Draft> {
    bonds
        .iter()
        .filter_map(|(name, bond)| {
            let members = bond.members.iter().map(|member| {
                let mut attributes = member.attributes.clone();
                if let Some(mac) = attributes.get("Permanent HW addr").cloned() {
                    attributes.insert("mac_address".to_owned(), mac);
                }
                (member.name.clone(), attributes)
            });
            let draft = aggregate(subject, name, interfaces, pnics, members)?;
            Some(bond.attributes.iter().fold(draft, |draft, (name, value)| {
                draft.with(name.as_str(), value.clone())
            }))
        })
        .collect()
}

/// The same for teams.
pub fn team_drafts(
    subject: &Subject<'_>,
    teams: &[Team],
    interfaces: &[Interface],
    pnics: &mut [Draft],
) -> Vec<Draft> {
    teams
        .iter()
        .filter_map(|team| {
            let members = team.ports.iter().map(|port| {
                let mut attributes = Map::new();
                let status = if port.up { "up" } else { "down" };
                attributes.insert("MII Status".to_owned(), Value::from(status));
                if let Some(speed) = port.speed {
                    attributes.insert("Speed".to_owned(), Value::from(format!("{speed} Mbps")));
                }
                (port.name.clone(), attributes)
            });
            let draft = aggregate(subject, &team.name, interfaces, pnics, members)?;
            Some(draft.with("team_runner", team.runner.as_str()))
        })
        .collect()
}

/// The same for bonds of VPP.
pub fn vpp_drafts(
    subject: &Subject<'_>,
    bonds: &[VppBond],
    hardware: &[VppInterface],
    addresses: &[(String, IpNet)],
    pnics: &mut [Draft],
) -> Vec<Draft> {
    bonds
        .iter()
        .filter_map(|bond| {
            let interface = hardware.iter().find(|found| found.name == bond.name);
            let mac = interface.and_then(|found| found.mac);
            let id = format!("{}-bond-{}", subject.host, bond.name);
            let members = bond.members.iter().map(|name| (name.clone(), Map::new()));
            let members = described(&id, pnics, members);
            let draft = subject
                .draft("bond", &id, &bond.name)?
                .with("local_name", bond.name.as_str())
                .with("mode", bond.mode.as_str())
                .with("members", members);
            let draft = with_some(draft, "mac_address", mac.map(|mac| mac.to_string()));
            Some(pnics::with_vpp_addresses(draft, &bond.name, addresses))
        })
        .collect()
}

/// The draft of an aggregated interface, with its members; their drafts get the master's id.
fn aggregate(
    subject: &Subject<'_>,
    name: &str,
    interfaces: &[Interface],
    known: &mut [Draft],
    members: impl Iterator<Item = (String, Map<String, Value>)>,
) -> Option<Draft> {
    let interface = interfaces.iter().find(|interface| interface.name == name);
    let mac = interface
        .and_then(|interface| interface.mac)
        .map(|mac| mac.to_string());
    let id = format!("{name}-{}", mac.as_deref().unwrap_or("unknown_mac"));
    let members = described(&id, known, members);
    Some(pnics::aggregate(subject, name, interfaces)?.with("members", members))
}

/// The members of the aggregate `id`, each with what is known of it.
fn described(
    id: &str,
    known: &mut [Draft],
    members: impl Iterator<Item = (String, Map<String, Value>)>,
) -> Map<String, Value> {
    let mut described = Map::new();
    for (member, mut attributes) in members {
        attributes.insert("name".to_owned(), Value::from(member.as_str()));
        attributes.insert("EtherChannel Master".to_owned(), Value::from(id));
        let known = known.iter_mut().find(|pnic| {
            pnic.attributes.get("local_name").and_then(Value::as_str) == Some(&member)
        });
        if let Some(pnic) = known {
            attributes.insert("id".to_owned(), Value::from(pnic.key.id.as_str()));
            pnic.attributes
                .insert("EtherChannel".into(), Value::Bool(true));
            pnic.attributes
                .insert("EtherChannel Master".into(), Value::from(id));
        }
        described.insert(member, Value::Object(attributes));
    }
    described
}
