//! What runs on a host: virtual machines by libvirt, and network namespaces.

use super::{Reader, broken, each, host, interfaces};
use crate::host::{Subject, instances, services};
use crate::parse::{libvirt, netns};
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
use std::collections::BTreeMap;
use topology::Draft;

const NETNS: &[&str] = &["ip", "netns", "list"];
const VIRSH: &[&str] = &["virsh", "list", "--all"];
const VIRSH_INACTIVE: &[&str] = &["virsh", "list", "--inactive", "--uuid"];

pub(super) const READERS: &[Reader] = &[
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
        &[VIRSH, VIRSH_INACTIVE],
        second_machines,
        read_instances,
    ),
];

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

/// Running domains by their number: only they have interfaces on the host.
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

/// UUIDs of the domains that are defined and do not run.
fn inactive(answers: &Answers) -> Result<Vec<String>, Gap> {
    let listed = answers.output(VIRSH_INACTIVE)?;
    Ok(listed.split_whitespace().map(str::to_owned).collect())
}

fn second_machines(answers: &Answers) -> Vec<Command> {
    let mut commands = second_domains(answers);
    let inactive = inactive(answers).unwrap_or_default();
    commands.extend(each(&inactive, |uuid| vec!["virsh", "dumpxml", uuid]));
    commands
}

fn domains(answers: &Answers, ids: &[String]) -> Result<Vec<libvirt::Domain>, Gap> {
    let mut domains = Vec::new();
    for id in ids {
        let words = ["virsh", "dumpxml", id];
        // A machine that was stopped or undefined between the two steps is not there any more.
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
    Ok(instances::drafts(
        subject,
        &domains(answers, &domain_ids(answers)?)?,
    ))
}

fn read_instances(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let running = domains(answers, &domain_ids(answers)?)?;
    let stopped = domains(answers, &inactive(answers)?)?;
    Ok(instances::machine_drafts(subject, &running, &stopped))
}
