//! The configuration: typed, read from TOML by [`Config::parse`], which lists every fault with its line, key, value and
//! remedy. What differs between two configurations, and what each difference costs, is a [`ConfigDiff`].
//! Reads no file; where one is named (a password), the shell reads it.

mod diff;
mod document;
mod error;
mod export;
mod family;
mod global;
mod neighbor;
mod networks;
mod policies;
mod secret;
mod services;
mod shown;
mod value;
mod vrf;

pub use diff::{Change, ConfigDiff, Cost, Part};
pub use error::{ConfigErrors, Issue};
pub use export::Export;
pub use family::{AtLimit, FamilyConfig, MaxPrefix};
pub use global::{Global, GracefulMode, GracefulRestart, LongLived, PORT, Timers};
pub use neighbor::{BfdConfig, Endpoint, Hops, Neighbor, RemoteAs};
pub use networks::Network;
pub use secret::Password;
pub use services::{Api, BmpStation, KernelSource, KernelTable, MrtDump, OnStop};
pub use vrf::{MacVrf, Vrf};

use crate::Asn;
use crate::policy::{Policies, PolicyName};
use document::{Document, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Everything an operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub global: Global,
    /// No two have the same endpoint.
    pub neighbors: Vec<Neighbor>,
    pub policies: Policies,
    pub vrfs: Vec<Vrf>,
    pub mac_vrfs: Vec<MacVrf>,
    pub networks: Vec<Network>,
    pub kernel: Vec<KernelTable>,
    pub bmp: Vec<BmpStation>,
    pub mrt: Option<MrtDump>,
    pub api: Api,
}

/// The names that other parts may refer to.
struct Known {
    policies: BTreeSet<PolicyName>,
    vrfs: BTreeSet<String>,
    mac_vrfs: BTreeSet<String>,
    /// Our AS, unless it cannot be read.
    asn: Option<Asn>,
}

impl Known {
    fn policy(&self, table: &Table<'_>, key: &'static str) {
        if let Some(name) = table.get::<PolicyName>(key)
            && !self.policies.contains(&name)
        {
            table.issue(key, self.missing("policies", &name));
        }
    }

    fn vrf(&self, table: &Table<'_>) {
        self.domain(table, "vrfs", &self.vrfs);
    }

    fn mac_vrf(&self, table: &Table<'_>) {
        self.domain(table, "mac-vrfs", &self.mac_vrfs);
    }

    fn domain(&self, table: &Table<'_>, section: &str, known: &BTreeSet<String>) {
        if let Some(name) = table.get::<String>("vrf")
            && !known.contains(&name)
        {
            table.issue("vrf", self.missing(section, &name));
        }
    }

    fn missing(&self, section: &str, name: &dyn std::fmt::Display) -> String {
        format!("there is no such one: add [{section}.{name}] or correct the name")
    }
}

impl Config {
    /// Reads a document. The error has all its faults.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        let document = Document::new(text);
        let parsed = document.parse();
        let root = Table::root(&document, &parsed);
        let config = Self::read(&root);
        root.finish();
        document.finish(config)
    }

    fn read(root: &Table<'_>) -> Self {
        let global = root.table("global");
        let policies = policies::read(root);
        let vrfs = named(root, "vrfs", Vrf::read);
        let mac_vrfs = named(root, "mac-vrfs", MacVrf::read);
        vrf::distinct_vnis(root);
        let known = Known {
            policies: policies.0.keys().cloned().collect(),
            vrfs: vrfs.iter().map(|vrf| vrf.name.clone()).collect(),
            mac_vrfs: mac_vrfs.iter().map(|vrf| vrf.name.clone()).collect(),
            asn: global.get("asn"),
        };
        let read = Self {
            global: Global::read(&global),
            neighbors: neighbors(root, &global, &known),
            policies,
            vrfs,
            mac_vrfs,
            networks: each(root, "networks", |table| Network::read(table, &known)),
            kernel: kernel(root, &known),
            bmp: each(root, "bmp", BmpStation::read),
            mrt: MrtDump::read(root),
            api: Api::read(root),
        };
        global.finish();
        read
    }
}

/// Each table of the kernel once, and each of ours into one of them.
fn kernel(root: &Table<'_>, known: &Known) -> Vec<KernelTable> {
    let mut tables: Vec<KernelTable> = Vec::new();
    for own in root.tables("kernel") {
        let Some(read) = KernelTable::read(&own, known) else {
            own.finish();
            continue;
        };
        let twice = |other: &&KernelTable| other.table == read.table || other.vrf == read.vrf;
        if let Some(other) = tables.iter().find(twice) {
            let what = match other.table == read.table {
                true => format!("table {} is configured twice: keep one", read.table),
                false => format!(
                    "{} goes into table {} already: keep one",
                    read.vrf.as_deref().unwrap_or("what is in no VRF"),
                    other.table
                ),
            };
            own.complain(what);
        } else {
            tables.push(read);
        }
        own.finish();
    }
    tables
}

fn each<'d, T>(
    root: &Table<'d>,
    key: &'static str,
    read: impl FnMut(Table<'d>) -> Option<T>,
) -> Vec<T> {
    root.tables(key).into_iter().filter_map(read).collect()
}

fn named<'d, T>(
    root: &Table<'d>,
    key: &'static str,
    read: impl Fn(String, Table<'d>) -> Option<T>,
) -> Vec<T> {
    let tables = root.named(key).into_iter();
    tables
        .filter_map(|(name, table)| read(name, table))
        .collect()
}

fn neighbors(root: &Table<'_>, global: &Table<'_>, known: &Known) -> Vec<Neighbor> {
    let groups: BTreeMap<_, _> = root.named("groups").into_iter().collect();
    let defaults = global.only(Neighbor::INHERITED);
    for group in groups.values() {
        Neighbor::check_group(group, &defaults, known);
    }
    let mut neighbors: Vec<Neighbor> = Vec::new();
    for own in root.tables("neighbors") {
        let group: Option<String> = own.get("group");
        let below = match group.as_ref().map(|name| groups.get(name)) {
            Some(Some(group)) => group.over(&defaults),
            Some(None) => {
                own.issue(
                    "group",
                    "there is no such group: add [groups.…] or correct the name",
                );
                defaults.over(&defaults)
            }
            None => defaults.over(&defaults),
        };
        let Some(neighbor) = Neighbor::read(&own, &below, group, known) else {
            continue;
        };
        if neighbors
            .iter()
            .any(|other| other.endpoint == neighbor.endpoint)
        {
            let problem = format!("{} is configured twice: keep one", neighbor.endpoint);
            own.complain(problem);
            continue;
        }
        neighbors.push(neighbor);
    }
    neighbors
}
