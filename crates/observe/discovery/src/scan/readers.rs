//! The readers a scanner tree may name. A host reader says which commands it needs, and makes drafts of their output; the commands of
//! all readers of a host are sent together, first those known beforehand, then those that depend on the first answers.

use crate::host::{
    Subject, bonds, instances, lldp, nodes, oteps, ovn, pnics, services, vconnectors, vedges,
    workloads,
};
use crate::parse::ip::Interface;
use crate::parse::{bond, bridge, ethtool, ip, libvirt, netns, os, ovs, sysfs, team, vpp};
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
use std::collections::BTreeMap;
use topology::Draft;

/// A reader by name, and the types of objects it speaks for.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    pub name: &'static str,
    pub types: &'static [&'static str],
    pub on: On,
}

/// Where it reads.
#[derive(Debug, Clone, Copy)]
pub enum On {
    /// Once for the environment.
    Environment,
    /// On each host.
    Host(HostReader),
}

/// How a host is read.
#[derive(Debug, Clone, Copy)]
pub struct HostReader {
    /// Commands known beforehand.
    pub first: &'static [&'static [&'static str]],
    /// Commands that depend on the first answers.
    pub second: fn(&Answers) -> Vec<Command>,
    pub read: fn(&Subject<'_>, &Answers) -> Result<Vec<Draft>, Gap>,
}

const fn environment(name: &'static str, types: &'static [&'static str]) -> Reader {
    Reader {
        name,
        types,
        on: On::Environment,
    }
}

const fn host(
    name: &'static str,
    types: &'static [&'static str],
    first: &'static [&'static [&'static str]],
    second: fn(&Answers) -> Vec<Command>,
    read: fn(&Subject<'_>, &Answers) -> Result<Vec<Draft>, Gap>,
) -> Reader {
    Reader {
        name,
        types,
        on: On::Host(HostReader {
            first,
            second,
            read,
        }),
    }
}

const IP_ADDRESS: &[&str] = &["ip", "-d", "address", "show"];
const IP_LINK: &[&str] = &["ip", "-d", "link", "show"];
const OS_RELEASE: &[&str] = &["cat", "/etc/os-release"];
const UNAME: &[&str] = &["uname", "-m"];
const SYSFS: &[&str] = &["ls", "-l", "/sys/class/net"];
const BONDS: &[&str] = &["ls", "-1", "/proc/net/bonding"];
const TEAMS: &[&str] = &[
    "systemctl",
    "list-units",
    "--plain",
    "--no-legend",
    "teamd@*",
];
const NETNS: &[&str] = &["ip", "netns", "list"];
const BRCTL: &[&str] = &["brctl", "show"];
const FDB: &[&str] = &["bridge", "fdb", "show"];
const BRIDGE_PORTS: &[&str] = &["bridge", "link", "show"];
const VIRSH: &[&str] = &["virsh", "list", "--all"];
const OVS_SHOW: &[&str] = &["ovs-vsctl", "show"];
const OVS_PORTS: &[&str] = &["ovs-appctl", "dpctl/show"];
const OVS_PORTS_OLD: &[&str] = &["ovs-dpctl", "show"];
const VPP_VERSION: &[&str] = &["vppctl", "show", "version"];
const VPP_INTERFACES: &[&str] = &["vppctl", "show", "interface"];
const VPP_MODE: &[&str] = &["vppctl", "show", "mode"];
const VPP_ADDRESSES: &[&str] = &["vppctl", "show", "interface", "addr"];
const VPP_BONDS: &[&str] = &["vppctl", "show", "bond", "details"];
const VPP_HARDWARE: &[&str] = &["vppctl", "show", "hardware-interfaces"];
const LLDP: &[&str] = &["lldpcli", "-f", "json", "show", "neighbors"];
const ROUTES: &[&str] = &["ip", "route", "show"];
const ROUTES_V6: &[&str] = &["ip", "-6", "route", "show"];
const NAT: &[&str] = &["iptables-save", "-t", "nat"];
const NEIGHBOURS: &[&str] = &["ip", "neigh", "show"];

const OVN_CHASSIS: &[&str] = &["ovn-sbctl", "--format=json", "list", "Chassis"];
const OVN_BINDINGS: &[&str] = &["ovn-sbctl", "--format=json", "list", "Port_Binding"];
const OVN_SWITCHES: &[&str] = &["ovn-nbctl", "--format=json", "list", "Logical_Switch"];
const OVN_SWITCH_PORTS: &[&str] = &["ovn-nbctl", "--format=json", "list", "Logical_Switch_Port"];
const OVN_ROUTERS: &[&str] = &["ovn-nbctl", "--format=json", "list", "Logical_Router"];
const OVN_ROUTER_PORTS: &[&str] = &["ovn-nbctl", "--format=json", "list", "Logical_Router_Port"];
const OVN_GROUPS: &[&str] = &["ovn-nbctl", "--format=json", "list", "Port_Group"];
const OVN_ACLS: &[&str] = &["ovn-nbctl", "--format=json", "list", "ACL"];

/// All readers there are.
pub const CATALOGUE: &[Reader] = &[
    environment("keystone-regions", &["region"]),
    environment("keystone-projects", &["project"]),
    environment("nova-zones", &["availability_zone"]),
    environment("nova-hosts", &["host"]),
    environment("nova-aggregates", &["aggregate", "host_ref"]),
    environment("nova-instances", &["instance"]),
    environment("neutron-networks", &["network", "subnet"]),
    environment("neutron-routers", &["router"]),
    environment("neutron-ports", &["port"]),
    environment("neutron-agents", &["network_agent"]),
    environment("sql-aggregates", &["aggregate", "host_ref"]),
    environment("sql-instances", &["instance"]),
    environment("sql-agents", &["network_agent"]),
    environment("kubernetes-nodes", &["host"]),
    environment("kubernetes-namespaces", &["namespace"]),
    environment("kubernetes-pods", &["pod", "container"]),
    environment("kubernetes-services", &["vservice"]),
    environment("kubernetes-edges", &["vedge", "otep"]),
    environment("kubernetes-networks", &["network"]),
    environment("kubernetes-policies", &["network_policy"]),
    environment("aci-ports", &["switch", "switch_pnic"]),
    environment("gnmi-ports", &["switch", "switch_pnic"]),
    environment("netwright", &crate::netwright::drafts::TYPES),
    host(
        "host-facts",
        &["host"],
        &[OS_RELEASE, UNAME, IP_ADDRESS],
        nothing,
        read_facts,
    ),
    host(
        "linux-pnics",
        &["host_pnic"],
        &[SYSFS, IP_ADDRESS, IP_LINK, BONDS, TEAMS],
        second_pnics,
        read_pnics,
    ),
    host(
        "vpp-pnics",
        &["host_pnic", "bond"],
        &[VPP_HARDWARE, VPP_ADDRESSES, VPP_BONDS],
        nothing,
        read_vpp_pnics,
    ),
    host(
        "namespaces",
        &["vservice", "vnic"],
        &[NETNS],
        second_namespaces,
        read_namespaces,
    ),
    host(
        "libvirt-vnics",
        &["vnic"],
        &[VIRSH],
        second_domains,
        read_domains,
    ),
    host(
        "libvirt-instances",
        &["instance"],
        &[VIRSH],
        second_domains,
        read_instances,
    ),
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
    host(
        "lldp",
        &["switch", "switch_pnic"],
        &[LLDP, IP_ADDRESS],
        nothing,
        read_lldp,
    ),
    host(
        "ovn-ports",
        &["port"],
        &[OVN_CHASSIS, OVN_BINDINGS],
        nothing,
        read_ovn,
    ),
    host(
        "ovn-northbound",
        &["network", "router", "port"],
        &[
            OVN_SWITCHES,
            OVN_SWITCH_PORTS,
            OVN_ROUTERS,
            OVN_ROUTER_PORTS,
            OVN_GROUPS,
            OVN_ACLS,
        ],
        nothing,
        read_ovn_northbound,
    ),
    host("kube-proxy", &["host"], &[NAT], nothing, read_kube_proxy),
    host(
        "pod-interfaces",
        &["vnic"],
        &[IP_ADDRESS, ROUTES, ROUTES_V6, NEIGHBOURS, FDB],
        nothing,
        read_pod_interfaces,
    ),
];

/// The reader of a name.
pub fn find(name: &str) -> Option<&'static Reader> {
    CATALOGUE.iter().find(|reader| reader.name == name)
}

fn nothing(_: &Answers) -> Vec<Command> {
    Vec::new()
}

/// Commands for each name; a name that would not be allowed in a command is left out, and missed when its answer is read.
fn each<'a>(names: &'a [String], words: impl Fn(&'a str) -> Vec<&'a str>) -> Vec<Command> {
    names
        .iter()
        .filter_map(|name| Command::new(&words(name)).ok())
        .collect()
}

fn interfaces(answers: &Answers, words: &[&str]) -> Result<Vec<Interface>, Gap> {
    ip::interfaces(&answers.output(words)?).map_err(broken)
}

fn broken(error: crate::parse::ParseError) -> Gap {
    Gap(error.to_string())
}

fn names_of(physical: Vec<sysfs::Physical>) -> Vec<String> {
    physical.into_iter().map(|physical| physical.name).collect()
}

fn read_facts(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let mut os = os::os_release(&answers.output(OS_RELEASE)?);
    os.architecture = Some(answers.output(UNAME)?.trim().to_owned());
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    Ok(Vec::from_iter(nodes::draft(subject, &os, &interfaces)))
}

fn second_pnics(answers: &Answers) -> Vec<Command> {
    let physical = names_of(sysfs::physical(&answers.output(SYSFS).unwrap_or_default()));
    let bonds = bond_files(answers).unwrap_or_default();
    let teams = team::names(&answers.output(TEAMS).unwrap_or_default());
    let mut commands = each(&physical, |name| vec!["ethtool", name]);
    commands.extend(each(&bonds, |file| vec!["cat", file]));
    commands.extend(each(&teams, |name| vec!["teamdctl", name, "state", "dump"]));
    commands
}

fn bond_files(answers: &Answers) -> Result<Vec<String>, Gap> {
    let listing = answers.listing(BONDS)?;
    let names = bond::names(&listing).into_iter();
    Ok(names
        .map(|name| format!("/proc/net/bonding/{name}"))
        .collect())
}

fn read_pnics(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let physical = sysfs::physical(&answers.output(SYSFS)?);
    let mut interfaces = interfaces(answers, IP_ADDRESS)?;
    // Virtual functions are told by `ip link` alone.
    for link in self::interfaces(answers, IP_LINK)? {
        if let Some(known) = interfaces.iter_mut().find(|known| known.name == link.name) {
            known.virtual_functions = link.virtual_functions;
        }
    }
    let mut settings = BTreeMap::new();
    for nic in &physical {
        // ethtool adds detail to what the kernel said already; without it nothing is missing that others rely on.
        if let Ok(text) = answers.output(&["ethtool", &nic.name]) {
            settings.insert(nic.name.clone(), ethtool::settings(&text));
        }
    }
    let mut drafts = pnics::drafts(subject, &physical, &interfaces, &settings);
    let mut found = Vec::new();
    for file in bond_files(answers)? {
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        found.push((name, bond::bond(&answers.output(&["cat", &file])?)));
    }
    let mut teams = Vec::new();
    // A host without systemd or teamd has no teams.
    for name in team::names(&answers.output(TEAMS).unwrap_or_default()) {
        let text = answers.output(&["teamdctl", &name, "state", "dump"])?;
        teams.push(team::state(&text).map_err(broken)?);
    }
    let mut aggregates = bonds::drafts(subject, &found, &interfaces, &mut drafts);
    let of_teams = bonds::team_drafts(subject, &teams, &interfaces, &mut drafts);
    aggregates.extend(of_teams);
    drafts.extend(aggregates);
    Ok(drafts)
}

fn read_vpp_pnics(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let hardware = vpp::hardware(&answers.output(VPP_HARDWARE)?);
    let addresses = vpp::addresses(&answers.output(VPP_ADDRESSES)?);
    // Bonds came with 18.07; an older VPP does not know the command.
    let bonds = vpp::bonds(&answers.output(VPP_BONDS).unwrap_or_default());
    let mut found = pnics::vpp_drafts(subject, &hardware, &addresses);
    let of_bonds = bonds::vpp_drafts(subject, &bonds, &hardware, &addresses, &mut found);
    found.extend(of_bonds);
    Ok(found)
}

fn found_services(answers: &Answers) -> Result<Vec<netns::Service>, Gap> {
    Ok(netns::services(&netns::names(&answers.output(NETNS)?)))
}

fn second_namespaces(answers: &Answers) -> Vec<Command> {
    let services = found_services(answers).unwrap_or_default();
    let names: Vec<String> = services
        .into_iter()
        .map(|service| service.namespace)
        .collect();
    each(&names, |name| {
        vec!["ip", "netns", "exec", name, "ip", "address", "show"]
    })
}

fn read_namespaces(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let found = found_services(answers)?;
    let mut by_namespace = BTreeMap::new();
    for service in &found {
        let name = service.namespace.as_str();
        let words = ["ip", "netns", "exec", name, "ip", "address", "show"];
        by_namespace.insert(name.to_owned(), interfaces(answers, &words)?);
    }
    let (mut drafts, vnics) = services::drafts(subject, &found, &by_namespace);
    drafts.extend(vnics);
    Ok(drafts)
}

/// Running domains by their number, others by name as libvirt takes either; names that are no number or UUID are left out.
fn domain_ids(answers: &Answers) -> Result<Vec<String>, Gap> {
    let listed = libvirt::list(&answers.output(VIRSH)?).map_err(broken)?;
    Ok(listed
        .into_iter()
        .filter_map(|domain| domain.id)
        .map(|id| id.to_string())
        .collect())
}

fn second_domains(answers: &Answers) -> Vec<Command> {
    let ids = domain_ids(answers).unwrap_or_default();
    each(&ids, |id| vec!["virsh", "dumpxml", id])
}

fn domains(answers: &Answers) -> Result<Vec<libvirt::Domain>, Gap> {
    let mut domains = Vec::new();
    for id in domain_ids(answers)? {
        let words = ["virsh", "dumpxml", &id];
        // A machine that was stopped between the two steps is not there any more.
        let stopped = answers
            .raw(&words)
            .is_some_and(|answer| answer.complaint.contains("failed to get domain"));
        if !stopped {
            domains.extend(libvirt::domains(&answers.output(&words)?).map_err(broken)?);
        }
    }
    Ok(domains)
}

fn read_domains(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    Ok(instances::drafts(subject, &domains(answers)?))
}

fn read_instances(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    Ok(instances::machine_drafts(subject, &domains(answers)?))
}

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

fn read_lldp(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let neighbours = crate::parse::lldp::neighbours(&answers.output(LLDP)?).map_err(broken)?;
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    Ok(lldp::drafts(subject, &neighbours, &interfaces))
}

fn read_ovn(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    // Only a host with the database answers; the others have nothing to say of ports.
    let Ok(bindings) = answers.output(OVN_BINDINGS) else {
        return Ok(Vec::new());
    };
    let rows = |text: &str| crate::parse::ovn::rows(text).map_err(broken);
    let chassis = rows(&answers.output(OVN_CHASSIS)?)?;
    Ok(ovn::drafts(subject, &rows(&bindings)?, &chassis))
}

fn read_ovn_northbound(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    // Only a host with the database answers.
    let Ok(switches) = answers.output(OVN_SWITCHES) else {
        return Ok(Vec::new());
    };
    let rows = |text: &str| crate::parse::ovn::rows(text).map_err(broken);
    let table = |words: &[&str]| rows(&answers.output(words)?);
    let northbound = ovn::Northbound {
        switches: rows(&switches)?,
        switch_ports: table(OVN_SWITCH_PORTS)?,
        routers: table(OVN_ROUTERS)?,
        router_ports: table(OVN_ROUTER_PORTS)?,
        port_groups: table(OVN_GROUPS)?,
        acls: table(OVN_ACLS)?,
    };
    Ok(northbound.drafts(subject))
}

/// A node without iptables, or whose proxy is another, realizes no service this way.
fn read_kube_proxy(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let Ok(rules) = answers.output(NAT) else {
        return Ok(Vec::new());
    };
    let services = crate::parse::iptables::services(&rules);
    Ok(Vec::from_iter(workloads::proxied(subject, &services)))
}

fn read_pod_interfaces(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    let mut routes = crate::parse::route::routes(&answers.output(ROUTES)?);
    // A kernel without IPv6 has no such routes.
    let v6 = answers.output(ROUTES_V6).unwrap_or_default();
    routes.extend(crate::parse::route::routes(&v6));
    let neighbours = crate::parse::route::neighbours(&answers.output(NEIGHBOURS)?);
    let fdb = bridge::fdb(&answers.output(FDB)?);
    let reached = workloads::Reached::new(&routes, &neighbours, &fdb);
    Ok(workloads::drafts(subject, &interfaces, &reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_command_is_on_the_list_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for reader in CATALOGUE {
            assert!(names.insert(reader.name), "{} stands twice", reader.name);
            if let On::Host(host) = reader.on {
                for words in host.first {
                    Command::new(words).expect(reader.name);
                }
            }
        }
    }
}
