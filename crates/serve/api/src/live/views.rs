//! The forms in which hosts, networks and ports are shown.

use crate::App;
use controller::{Counter, PortReport, PortState};
use forwarding::DropReason;
use model::{Host, Network, Port, PortStatus, Timestamp};
use operations::tables::{BY_HOST, Networks, Ports, SecurityGroups, Subnets};
use serde::Serialize;
use std::net::IpAddr;
use store::Snapshot;

/// Whether something is there to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UpDown {
    Up,
    Down,
}

impl From<bool> for UpDown {
    fn from(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }
}

#[derive(Serialize)]
pub(crate) struct HostView {
    id: String,
    name: String,
    tunnel_address: IpAddr,
    pub(crate) state: UpDown,
    last_heard: Option<Timestamp>,
    agent_version: Option<String>,
    applied_revision: u64,
    target_revision: u64,
    lag: u64,
    pub(crate) ports: usize,
}

pub(crate) fn host(state: &App, snapshot: &Snapshot, host: &Host) -> HostView {
    let report = state.observed.host(&host.name);
    let revisions = report
        .as_ref()
        .map(|report| (report.applied.0, report.target.0));
    let (applied, target) = revisions.unwrap_or_default();
    HostView {
        id: host.agent_id.to_string(),
        name: host.name.to_string(),
        tunnel_address: host.tunnel_address,
        state: report
            .as_ref()
            .is_some_and(|report| report.connected)
            .into(),
        last_heard: report.as_ref().map(|report| report.last_heard),
        agent_version: report.map(|report| report.agent_version),
        applied_revision: applied,
        target_revision: target,
        lag: target.saturating_sub(applied),
        ports: snapshot
            .lookup::<Ports>(BY_HOST, host.name.as_str())
            .count(),
    }
}

#[derive(Serialize)]
struct SubnetView {
    id: String,
    name: String,
    cidr: String,
    gateway_ip: Option<IpAddr>,
}

#[derive(Serialize)]
pub(crate) struct NetworkView {
    id: String,
    name: String,
    project_id: String,
    vni: u32,
    mtu: u16,
    state: UpDown,
    ports: usize,
    subnets: Vec<SubnetView>,
}

pub(crate) fn network(snapshot: &Snapshot, network: &Network) -> NetworkView {
    let subnets = snapshot.scan::<Subnets>(&network.id).map(|row| SubnetView {
        id: row.value.id.to_string(),
        name: row.value.meta.name.clone(),
        cidr: row.value.cidr.to_string(),
        gateway_ip: row.value.gateway_ip,
    });
    NetworkView {
        id: network.id.to_string(),
        name: network.meta.name.clone(),
        project_id: network.meta.project_id.to_string(),
        vni: network.vni.get(),
        mtu: network.mtu.get(),
        state: network.admin_state_up.into(),
        ports: snapshot.scan::<Ports>(&network.id).count(),
        subnets: subnets.collect(),
    }
}

#[derive(Serialize)]
pub(crate) struct PortView {
    id: String,
    name: String,
    project_id: String,
    network_id: String,
    network_name: String,
    mac_address: String,
    addresses: Vec<IpAddr>,
    host: Option<String>,
    pub(crate) state: PortStatus,
    device_owner: String,
    device_id: String,
    revision_number: u64,
    drops: u64,
}

pub(crate) fn port(state: &App, snapshot: &Snapshot, port: &Port) -> PortView {
    let report = state.observed.port(port.id);
    port_with(snapshot, port, report.as_ref())
}

fn port_with(snapshot: &Snapshot, port: &Port, report: Option<&PortReport>) -> PortView {
    let network = snapshot.get::<Networks>(&port.network_id);
    PortView {
        id: port.id.to_string(),
        name: port.meta.name.clone(),
        project_id: port.meta.project_id.to_string(),
        network_id: port.network_id.to_string(),
        network_name: network.map_or_else(String::new, |row| row.value.meta.name.clone()),
        mac_address: port.mac_address.to_string(),
        addresses: port
            .fixed_ips
            .iter()
            .map(|fixed| fixed.ip_address)
            .collect(),
        host: port.binding.host.as_ref().map(ToString::to_string),
        state: port.status,
        device_owner: port.device_owner.clone(),
        device_id: port.device_id.clone(),
        revision_number: port.meta.revision_number,
        drops: report.map_or(0, drops),
    }
}

#[derive(Serialize)]
struct GroupView {
    id: String,
    name: String,
}

#[derive(Serialize)]
struct CounterView {
    name: String,
    kind: &'static str,
    packets: u64,
    bytes: u64,
    explain: &'static str,
}

#[derive(Serialize)]
pub(crate) struct PortDetail {
    #[serde(flatten)]
    port: PortView,
    security_groups: Vec<GroupView>,
    port_security_enabled: bool,
    reason: Option<String>,
    applied_revision: Option<u64>,
    counters: Vec<CounterView>,
    counters_at: Option<Timestamp>,
}

pub(crate) fn port_detail(state: &App, snapshot: &Snapshot, port: &Port) -> PortDetail {
    let report = state.observed.port(port.id);
    let groups = port.security_groups.iter().map(|id| GroupView {
        id: id.to_string(),
        name: snapshot
            .get::<SecurityGroups>(id)
            .map_or_else(String::new, |row| row.value.meta.name.clone()),
    });
    let counters = report
        .iter()
        .flat_map(|report| report.counters.iter().map(counter));
    PortDetail {
        port: port_with(snapshot, port, report.as_ref()),
        security_groups: groups.collect(),
        port_security_enabled: port.port_security_enabled,
        reason: reason(port, report.as_ref()),
        applied_revision: report.as_ref().map(|report| report.revision.0),
        counters: counters.collect(),
        counters_at: report.as_ref().map(|report| report.at),
    }
}

/// Why the port is not active: what its agent says, else what can be told without it.
fn reason(port: &Port, report: Option<&PortReport>) -> Option<String> {
    if port.status == PortStatus::Active {
        return None;
    }
    if let Some(report) = report.filter(|report| !report.reason.is_empty()) {
        return Some(report.reason.clone());
    }
    let text = match (&port.binding.host, report) {
        (None, _) => "the port is bound to no host".to_owned(),
        (Some(_), _) if !port.admin_state_up => "admin_state_up is false".to_owned(),
        (Some(host), None) => format!("the agent of host {host} has not reported the port"),
        (Some(host), Some(report)) => {
            let state = match report.state {
                PortState::Up => "up, which is not recorded yet",
                PortState::Down => "down",
                PortState::Error => "an error",
            };
            format!("the agent of host {host} reports {state}")
        }
    };
    Some(text)
}

fn counter(counter: &Counter) -> CounterView {
    let (kind, explain) = match counter.name.as_str() {
        "rx" => ("traffic", "packets that the workload received"),
        "tx" => ("traffic", "packets that the workload sent"),
        name => {
            let reason = DropReason::ALL
                .iter()
                .find(|reason| reason.as_str() == name);
            ("drop", reason.map_or("", |reason| reason.explain()))
        }
    };
    CounterView {
        name: counter.name.clone(),
        kind,
        packets: counter.packets,
        bytes: counter.bytes,
        explain,
    }
}

/// Packets dropped in all.
pub(crate) fn drops(report: &PortReport) -> u64 {
    let dropped = report.counters.iter().filter(|c| !is_traffic(&c.name));
    dropped.map(|counter| counter.packets).sum()
}

/// Packets under one name.
pub(crate) fn packets(report: &PortReport, name: &str) -> u64 {
    let named = report.counters.iter().find(|counter| counter.name == name);
    named.map_or(0, |counter| counter.packets)
}

fn is_traffic(name: &str) -> bool {
    matches!(name, "rx" | "tx")
}
