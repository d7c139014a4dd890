//! What switches packets on a host: bridges, Open vSwitch, VPP, SR-IOV, and the ends of its tunnels.

use super::{
    FDB, IP_ADDRESS, IP_LINK, Reader, SYSFS, VPP_HARDWARE, broken, each, host, interfaces,
    names_of, nothing,
};
use crate::host::{Subject, oteps, vconnectors, vedges};
use crate::parse::{bridge, ovs, sysfs, vpp};
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
use topology::Draft;

const BRCTL: &[&str] = &["brctl", "show"];
const BRIDGE_PORTS: &[&str] = &["bridge", "link", "show"];
const OVS_SHOW: &[&str] = &["ovs-vsctl", "show"];
const OVS_PORTS: &[&str] = &["ovs-appctl", "dpctl/show"];
const OVS_PORTS_OLD: &[&str] = &["ovs-dpctl", "show"];
const VPP_VERSION: &[&str] = &["vppctl", "show", "version"];
const VPP_INTERFACES: &[&str] = &["vppctl", "show", "interface"];
const VPP_MODE: &[&str] = &["vppctl", "show", "mode"];

pub(super) const READERS: &[Reader] = &[
    host(
        "linux-bridges",
        &["vconnector"],
        &[BRCTL, IP_LINK, BRIDGE_PORTS],
        nothing,
        read_bridges,
    ),
    host(
        "vpp-bridge-domains",
        &["vconnector"],
        &[VPP_MODE, VPP_HARDWARE],
        nothing,
        read_bridge_domains,
    ),
    host(
        "ovs",
        &["vedge"],
        &[OVS_SHOW, OVS_PORTS, OVS_PORTS_OLD, SYSFS],
        second_ovs,
        read_ovs,
    ),
    host(
        "ovs-tunnels",
        &["otep"],
        &[OVS_SHOW, OVS_PORTS, OVS_PORTS_OLD, SYSFS, IP_ADDRESS],
        second_ovs,
        read_ovs_tunnels,
    ),
    host(
        "vpp",
        &["vedge"],
        &[VPP_VERSION, VPP_INTERFACES],
        nothing,
        read_vpp,
    ),
    host("sriov", &["vedge"], &[IP_LINK], nothing, read_sriov),
    host(
        "linux-bridge-tunnels",
        &["otep"],
        &[IP_ADDRESS, FDB],
        nothing,
        read_bridge_tunnels,
    ),
];

fn read_bridges(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let bridges = match answers.output(BRCTL) {
        Ok(text) => bridge::brctl(&text).map_err(broken)?,
        Err(_) => vconnectors::bridges(&interfaces(answers, IP_LINK)?),
    };
    // Old iproute2 lacks it; then spanning tree says nothing.
    let ports = bridge::ports(&answers.output(BRIDGE_PORTS).unwrap_or_default());
    Ok(vconnectors::drafts(subject, &bridges, &ports))
}

fn read_bridge_domains(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let bridged = vpp::bridged(&answers.output(VPP_MODE)?);
    let hardware = vpp::hardware(&answers.output(VPP_HARDWARE)?);
    Ok(vconnectors::vpp_drafts(subject, &bridged, &hardware))
}

/// What stands on each bridge is asked only of bridges that are not Neutron's own.
fn second_ovs(answers: &Answers) -> Vec<Command> {
    let switch = answers.output(OVS_SHOW).ok();
    let switch = switch.and_then(|text| ovs::switch(&text).ok());
    let names: Vec<String> = switch
        .unwrap_or_default()
        .bridges
        .into_iter()
        .map(|bridge| bridge.name)
        .filter(|name| name != "br-int" && name != "br-tun")
        .collect();
    each(&names, |name| vec!["ovs-vsctl", "list-ifaces", name])
}

fn ovs_edge(subject: &Subject<'_>, answers: &Answers) -> Result<Option<Draft>, Gap> {
    let switch = ovs::switch(&answers.output(OVS_SHOW)?).map_err(broken)?;
    let ports = answers
        .output(OVS_PORTS)
        .or_else(|gap| answers.output(OVS_PORTS_OLD).map_err(|_| gap))?;
    let physical = names_of(sysfs::physical(&answers.output(SYSFS)?));
    let uplinks = switch
        .bridges
        .iter()
        .filter_map(|bridge| {
            let text = answers
                .output(&["ovs-vsctl", "list-ifaces", &bridge.name])
                .ok()?;
            let names = ovs::interfaces(&text);
            Some((
                bridge.name.clone(),
                vedges::uplinks(&bridge.name, &names, &physical),
            ))
        })
        .collect();
    Ok(vedges::ovs_draft(
        subject,
        &switch,
        &ovs::datapath_ports(&ports),
        &uplinks,
    ))
}

fn read_ovs(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    Ok(Vec::from_iter(ovs_edge(subject, answers)?))
}

fn read_ovs_tunnels(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    let edge = ovs_edge(subject, answers)?;
    let endpoint = edge.and_then(|edge| oteps::ovs_draft(subject, &edge, &interfaces));
    Ok(Vec::from_iter(endpoint))
}

fn read_vpp(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let version = vpp::version(&answers.output(VPP_VERSION)?);
    let interfaces = vpp::interfaces(&answers.output(VPP_INTERFACES)?);
    let edge = vedges::vpp_draft(subject, version.as_deref(), &interfaces);
    Ok(Vec::from_iter(edge))
}

fn read_sriov(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let interfaces = interfaces(answers, IP_LINK)?;
    Ok(Vec::from_iter(vedges::sriov_draft(subject, &interfaces)))
}

fn read_bridge_tunnels(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    let fdb = bridge::fdb(&answers.output(FDB)?);
    Ok(oteps::linux_bridge_drafts(subject, &interfaces, &fdb))
}
