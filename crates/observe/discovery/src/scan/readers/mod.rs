//! The readers a scanner tree may name. A host reader says which commands it needs, and makes drafts of their output; the commands of
//! all readers of a host are sent together, first those known beforehand, then those that depend on the first answers.

mod machines;
mod nics;
mod nodes;
mod ovn;
mod switches;

use crate::host::Subject;
use crate::parse::ip::{self, Interface};
use crate::parse::sysfs;
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
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
const SYSFS: &[&str] = &["ls", "-l", "/sys/class/net"];
const FDB: &[&str] = &["bridge", "fdb", "show"];
const VPP_HARDWARE: &[&str] = &["vppctl", "show", "hardware-interfaces"];

/// Readers of what is not a host.
const ENVIRONMENT: &[Reader] = &[
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
];

/// All readers there are.
pub fn catalogue() -> impl Iterator<Item = &'static Reader> + Clone {
    let groups = [
        ENVIRONMENT,
        nodes::READERS,
        nics::READERS,
        machines::READERS,
        switches::READERS,
        ovn::READERS,
    ];
    groups.into_iter().flatten()
}

/// The reader of a name.
pub fn find(name: &str) -> Option<&'static Reader> {
    catalogue().find(|reader| reader.name == name)
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
    let found = ip::interfaces(&answers.output(words)?).map_err(broken)?;
    match found.is_empty() {
        true => Err(Gap(format!(
            "{} names no interface, and there is always lo",
            words.join(" ")
        ))),
        false => Ok(found),
    }
}

fn broken(error: crate::parse::ParseError) -> Gap {
    Gap(error.to_string())
}

fn names_of(physical: Vec<sysfs::Physical>) -> Vec<String> {
    physical.into_iter().map(|physical| physical.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_command_is_on_the_list_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for reader in catalogue() {
            assert!(names.insert(reader.name), "{} stands twice", reader.name);
            if let On::Host(host) = reader.on {
                for words in host.first {
                    Command::new(words).expect(reader.name);
                }
            }
        }
    }
}
