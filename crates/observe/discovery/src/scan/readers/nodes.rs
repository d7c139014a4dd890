//! What a host is, and what Kubernetes made of it.

use super::{FDB, IP_ADDRESS, Reader, host, interfaces, nothing};
use crate::host::{Subject, nodes, workloads};
use crate::parse::{bridge, iptables, os, route};
use crate::ssh::script::{Answers, Gap};
use topology::Draft;

const OS_RELEASE: &[&str] = &["cat", "/etc/os-release"];
const UNAME: &[&str] = &["uname", "-m"];
const ROUTES: &[&str] = &["ip", "route", "show"];
const ROUTES_V6: &[&str] = &["ip", "-6", "route", "show"];
const NAT: &[&str] = &["iptables-save", "-t", "nat"];
const NEIGHBOURS: &[&str] = &["ip", "neigh", "show"];

pub(super) const READERS: &[Reader] = &[
    host(
        "host-facts",
        &["host"],
        &[OS_RELEASE, UNAME, IP_ADDRESS],
        nothing,
        read_facts,
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

fn read_facts(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let mut os = os::os_release(&answers.output(OS_RELEASE)?);
    os.architecture = Some(answers.output(UNAME)?.trim().to_owned());
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    Ok(Vec::from_iter(nodes::draft(subject, &os, &interfaces)))
}

/// A node without iptables, or whose proxy is another, realizes no service this way.
fn read_kube_proxy(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let Ok(rules) = answers.output(NAT) else {
        return Ok(Vec::new());
    };
    let services = iptables::services(&rules);
    Ok(Vec::from_iter(workloads::proxied(subject, &services)))
}

fn read_pod_interfaces(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    let mut routes = route::routes(&answers.output(ROUTES)?);
    // A kernel without IPv6 has no such routes.
    let v6 = answers.output(ROUTES_V6).unwrap_or_default();
    routes.extend(route::routes(&v6));
    let neighbours = route::neighbours(&answers.output(NEIGHBOURS)?);
    let fdb = bridge::fdb(&answers.output(FDB)?);
    let reached = workloads::Reached::new(&routes, &neighbours, &fdb);
    Ok(workloads::drafts(subject, &interfaces, &reached))
}
