//! Physical interfaces of a host, also those VPP drives, and SR-IOV virtual functions.

use super::{Subject, with_some};
use crate::parse::ethtool::{Setting, link_detected};
use crate::parse::ip::{Interface, VirtualFunction};
use crate::parse::sysfs::Physical;
use crate::parse::vpp::VppInterface;
use ipnet::IpNet;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::Draft;

/// One draft per physical interface. The state is that of flags and carrier; `ethtool` only adds to it.
pub fn drafts(
    subject: &Subject<'_>,
    physical: &[Physical],
    interfaces: &[Interface],
    settings: &BTreeMap<String, Vec<Setting>>,
) -> Vec<Draft> {
    physical
        .iter()
        .filter_map(|physical| {
            let interface = interfaces.iter().find(|i| i.name == physical.name);
            let settings = settings.get(&physical.name).map_or(&[][..], Vec::as_slice);
            pnic(subject, physical, interface, settings)
        })
        .collect()
}

/// The interface a bond or team gives.
pub fn aggregate(subject: &Subject<'_>, name: &str, interfaces: &[Interface]) -> Option<Draft> {
    let interface = interfaces.iter().find(|interface| interface.name == name);
    let physical = Physical {
        name: name.to_owned(),
        pci: None,
    };
    let up = interface.is_some_and(Interface::is_up);
    Some(
        pnic(subject, &physical, interface, &[])?
            .with("EtherChannel", true)
            .with("EtherChannel Master", "")
            .with("Link detected", if up { "yes" } else { "no" }),
    )
}

fn pnic(
    subject: &Subject<'_>,
    physical: &Physical,
    interface: Option<&Interface>,
    settings: &[Setting],
) -> Option<Draft> {
    let mac = interface
        .and_then(|interface| interface.mac)
        .map(|mac| mac.to_string());
    let id = format!(
        "{}-{}",
        physical.name,
        mac.as_deref().unwrap_or("unknown_mac")
    );
    let mut draft = subject
        .draft("host_pnic", &id, &physical.name)?
        .with("local_name", physical.name.as_str());
    draft = with_some(draft, "mac_address", mac);
    draft = with_some(draft, "pci_address", physical.pci.clone());
    for setting in settings {
        let value = match setting.lines.as_slice() {
            [one] => Value::from(one.as_str()),
            many => Value::from(many),
        };
        draft = draft.with(setting.name.as_str(), value);
    }
    let Some(interface) = interface else {
        return Some(draft);
    };
    if let Some(carrier) = link_detected(settings) {
        draft = draft.with("Link detected", if carrier { "yes" } else { "no" });
    }
    draft = draft.with("state", if interface.is_up() { "UP" } else { "DOWN" });
    let ipv4 = interface.first_ipv4().map(|net| net.addr().to_string());
    draft = with_some(draft, "IP Address", ipv4);
    let ipv6 = interface.global_ipv6().map(|net| net.to_string());
    draft = with_some(draft, "IPv6 Address", ipv6);
    draft = with_some(draft, "mtu", interface.mtu);
    if !interface.virtual_functions.is_empty() {
        let functions: Vec<Value> = interface.virtual_functions.iter().map(function).collect();
        draft = draft.with("virtual_functions", functions);
    }
    Some(with_some(draft, "data", data(interface)))
}

/// The interface's lines: flags first, then the head line whole, then the details, as the inventory keeps them.
fn data(interface: &Interface) -> Option<String> {
    let (head, details) = interface.text.split_first()?;
    let peer = interface
        .peer
        .as_ref()
        .map_or(String::new(), |peer| format!("@{peer}"));
    let mut lines = vec![
        head.clone(),
        format!("{}: {}{peer}: {head}", interface.index, interface.name),
    ];
    lines.extend(details.iter().cloned());
    Some(lines.join("\n"))
}

pub(super) fn function(function: &VirtualFunction) -> Value {
    json!({
        "index": function.index,
        "mac_address": function.mac.map(|mac| mac.to_string()),
        "vlan": function.vlan,
        "spoof_check": function.spoof_check,
        "trust": function.trust,
        "link_state": function.link_state,
    })
}

/// The Ethernet interfaces VPP drives by itself. Virtual ones and VPP's own (local0, pg, loop, tap, BVI) have no cable.
pub fn vpp_drafts(
    subject: &Subject<'_>,
    hardware: &[VppInterface],
    addresses: &[(String, IpNet)],
) -> Vec<Draft> {
    hardware
        .iter()
        .filter(|interface| is_physical(&interface.name))
        .filter_map(|interface| {
            let id = format!("{}-pnic-{}", subject.host, interface.name);
            let draft = subject
                .draft("host_pnic", &id, &interface.name)?
                .with("local_name", interface.name.as_str())
                .with("state", if interface.up { "up" } else { "down" })
                .with("Link detected", if interface.up { "yes" } else { "no" });
            let mac = interface.mac.map(|mac| mac.to_string());
            let draft = with_some(draft, "mac_address", mac);
            Some(with_vpp_addresses(draft, &interface.name, addresses))
        })
        .collect()
}

/// The first address of each family.
pub(super) fn with_vpp_addresses(draft: Draft, name: &str, addresses: &[(String, IpNet)]) -> Draft {
    let of = |v4: bool| {
        let mut own = addresses.iter().filter(|(interface, _)| interface == name);
        own.find(|(_, net)| net.addr().is_ipv4() == v4)
    };
    let v4 = of(true).map(|(_, net)| net.addr().to_string());
    let draft = with_some(draft, "IP Address", v4);
    with_some(
        draft,
        "IPv6 Address",
        of(false).map(|(_, net)| net.to_string()),
    )
}

fn is_physical(name: &str) -> bool {
    name.contains("Ethernet")
        && !["Virtual", "Bond", "Pipe", "Loop"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        && !name.contains('.')
}
