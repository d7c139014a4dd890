//! Interfaces of virtual machines, as libvirt on their host defines them.

use super::{Subject, with_some};
use crate::parse::libvirt::{Domain, DomainInterface};
use topology::Draft;

/// Drafts of the interfaces of all domains that are instances of the cloud.
pub fn drafts(subject: &Subject<'_>, domains: &[Domain]) -> Vec<Draft> {
    domains
        .iter()
        .flat_map(|domain| {
            domain
                .interfaces
                .iter()
                .enumerate()
                .filter_map(|(index, interface)| vnic(subject, domain, index, interface))
        })
        .collect()
}

fn vnic(
    subject: &Subject<'_>,
    domain: &Domain,
    index: usize,
    interface: &DomainInterface,
) -> Option<Draft> {
    let instance = subject.key("instance", &domain.uuid)?;
    let mac = interface.mac().map(|mac| mac.to_string());
    // An interface without a device on the host (vhost-user, a passed-through function) is told apart by its MAC.
    let name = match interface.device() {
        Some(device) => device.to_owned(),
        None => {
            let instance = subject
                .known
                .instance_name(&domain.uuid)
                .unwrap_or(&domain.name);
            let mac = mac.clone().unwrap_or_else(|| index.to_string());
            format!("{instance}-{}-{mac}", interface.kind())
        }
    };
    let mut draft = subject
        .draft("vnic", &format!("{}-{name}", subject.host), &name)?
        .under(instance)
        .with("vnic_type", "instance_vnic")
        .with("instance_id", domain.uuid.as_str());
    for (element, value) in &interface.element {
        draft = draft.with(element.as_str(), value.clone());
    }
    let port = mac
        .as_deref()
        .and_then(|mac| subject.known.port_of_mac(mac, subject.host));
    draft = with_some(draft, "network", port.map(|port| port.network.as_str()));
    draft = with_some(draft, "port", port.map(|port| port.id.as_str()));
    draft = with_some(draft, "source_bridge", interface.bridge());
    Some(with_some(draft, "mac_address", mac))
}

/// Drafts of the machines themselves, for hosts without a cloud controller that knows them. One that is switched off is still there.
pub fn machine_drafts(subject: &Subject<'_>, running: &[Domain], stopped: &[Domain]) -> Vec<Draft> {
    let draft = |domain: &Domain, active: bool| {
        let draft = subject.draft("instance", &domain.uuid, &domain.name)?;
        let draft = draft.with("uuid", domain.uuid.as_str());
        let draft = draft.with("local_name", domain.name.as_str());
        Some(draft.with("active", active))
    };
    let running = running.iter().filter_map(|domain| draft(domain, true));
    let stopped = stopped.iter().filter_map(|domain| draft(domain, false));
    running.chain(stopped).collect()
}
