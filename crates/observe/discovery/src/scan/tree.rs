//! Scanner trees: which reader finds the objects of which type below which, declared in files.
//!
//! A file is checked as a whole, and all that is wrong with it is told at once. The default trees are built in; a file of an
//! environment replaces them.

use super::readers::{self, Reader};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use topology::ObjectType;

/// The built-in tree.
const DEFAULT: &str = include_str!("trees/default.toml");
/// The scanner a full scan starts with.
const ROOT: &str = "environment";

/// What conditions are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// `OpenStack`, `Kubernetes`, `Netwright`, `Hosts`.
    pub environment_type: String,
    pub distribution: String,
    pub distribution_version: String,
    pub mechanism_drivers: Vec<String>,
    pub type_drivers: String,
}

/// The words a tree may use.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    pub types: BTreeSet<String>,
    pub readers: BTreeSet<String>,
    pub drivers: BTreeSet<String>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        let all = readers::catalogue();
        Self {
            types: all
                .clone()
                .flat_map(|reader| reader.types)
                .map(|name| (*name).to_owned())
                .collect(),
            readers: all.map(|reader| reader.name.to_owned()).collect(),
            drivers: [
                "OVS", "LXB", "OVN", "VPP", "SRIOV", "Flannel", "Calico", "Cilium", "Arista",
                "Nexus",
            ]
            .map(str::to_owned)
            .into(),
        }
    }
}

/// All that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the scanner tree is not usable:\n  {}", faults.join("\n  "))]
pub struct TreeError {
    pub faults: Vec<String>,
}

/// A checked tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    scanners: BTreeMap<String, Vec<Entry>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    object_type: String,
    /// `None` for an entry that only gives the tree a level.
    reader: Option<String>,
    children: Option<String>,
    when: Vec<(String, Vec<String>)>,
    unless: Vec<(String, Vec<String>)>,
}

impl Tree {
    /// The built-in tree.
    pub fn built_in() -> Self {
        // A test reads it; a build with a broken one does not pass.
        Self::from_toml(DEFAULT, &Vocabulary::default()).unwrap_or(Self {
            scanners: BTreeMap::new(),
        })
    }

    /// # Errors
    /// All faults of the file.
    pub fn from_toml(text: &str, vocabulary: &Vocabulary) -> Result<Self, TreeError> {
        let value: Value = toml::from_str(text).map_err(|error| TreeError {
            faults: vec![error.to_string()],
        })?;
        Self::from_value(&value, vocabulary)
    }

    /// # Errors
    /// All faults of the declaration.
    pub fn from_value(value: &Value, vocabulary: &Vocabulary) -> Result<Self, TreeError> {
        let mut check = Check {
            vocabulary,
            faults: Vec::new(),
        };
        let scanners = check.scanners(value);
        if check.faults.is_empty() {
            Ok(Self { scanners })
        } else {
            Err(TreeError {
                faults: check.faults,
            })
        }
    }

    /// The readers of a scan, parents before children: of everything, or of an object of this type and what is below it.
    pub fn readers(&self, facts: &Facts, start: Option<&ObjectType>) -> Vec<&'static Reader> {
        let mut found: Vec<&'static Reader> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut open = std::collections::VecDeque::new();
        match start {
            None => open.push_back(ROOT),
            Some(start) => {
                // The object itself is read again, and everything below it.
                for entry in self
                    .entries_of(start.as_str())
                    .filter(|entry| entry.holds(facts))
                {
                    found.extend(entry.reader.as_deref().and_then(readers::find));
                    open.extend(entry.children.as_deref());
                }
            }
        }
        while let Some(name) = open.pop_front() {
            if !seen.insert(name) {
                continue;
            }
            for entry in self.scanners.get(name).into_iter().flatten() {
                if entry.holds(facts) {
                    found.extend(entry.reader.as_deref().and_then(readers::find));
                    open.extend(entry.children.as_deref());
                }
            }
        }
        let mut names = BTreeSet::new();
        found.retain(|reader| names.insert(reader.name));
        found
    }

    fn entries_of<'a>(&'a self, object_type: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.scanners
            .values()
            .flatten()
            .filter(move |entry| entry.object_type == object_type)
    }
}

impl Entry {
    fn holds(&self, facts: &Facts) -> bool {
        let matches = |(name, wanted): &(String, Vec<String>)| {
            let actual: Vec<&str> = match name.as_str() {
                "environment_type" => vec![&facts.environment_type],
                "distribution" => vec![&facts.distribution],
                "distribution_version" => vec![&facts.distribution_version],
                "type_drivers" => vec![&facts.type_drivers],
                _ => facts.mechanism_drivers.iter().map(String::as_str).collect(),
            };
            actual
                .iter()
                .any(|actual| wanted.iter().any(|wanted| wanted == actual))
        };
        self.when.iter().all(&matches) && !self.unless.iter().any(&matches)
    }
}

struct Check<'a> {
    vocabulary: &'a Vocabulary,
    faults: Vec<String>,
}

const CONDITIONS: &[&str] = &[
    "environment_type",
    "distribution",
    "distribution_version",
    "mechanism_drivers",
    "type_drivers",
];

impl Check<'_> {
    fn scanners(&mut self, value: &Value) -> BTreeMap<String, Vec<Entry>> {
        let Some(declared) = value.get("scanners").and_then(Value::as_object) else {
            self.faults.push("there is no table 'scanners'".to_owned());
            return BTreeMap::new();
        };
        let mut scanners = BTreeMap::new();
        for (name, entries) in declared {
            let Some(entries) = entries.as_array() else {
                self.faults
                    .push(format!("scanner {name}: not a list of entries"));
                continue;
            };
            let read: Vec<Entry> = entries
                .iter()
                .enumerate()
                .filter_map(|(index, entry)| {
                    let place = format!("scanner {name}, entry {}", index + 1);
                    self.entry(&place, entry, declared)
                })
                .collect();
            scanners.insert(name.clone(), read);
        }
        scanners
    }

    fn entry(
        &mut self,
        place: &str,
        value: &Value,
        scanners: &Map<String, Value>,
    ) -> Option<Entry> {
        let before = self.faults.len();
        let Some(entry) = value.as_object() else {
            self.faults.push(format!("{place}: not a table"));
            return None;
        };
        for name in entry.keys() {
            if !["type", "reader", "children", "when", "unless"].contains(&name.as_str()) {
                self.faults
                    .push(format!("{place}: unknown attribute '{name}'"));
            }
        }
        let object_type = self.word(place, entry, "type", |v| &v.types);
        let reader = match entry.get("reader") {
            Some(Value::Object(folder)) => {
                if folder.get("folder").is_none() {
                    self.faults.push(format!(
                        "{place}: a table as reader is a folder: folder = true"
                    ));
                }
                None
            }
            _ => self.word(place, entry, "reader", |v| &v.readers),
        };
        let children = entry.get("children").map(|children| {
            let name = children.as_str().unwrap_or_default().to_owned();
            if !scanners.contains_key(&name) {
                self.faults
                    .push(format!("{place}: there is no scanner '{name}'"));
            }
            name
        });
        let when = self.conditions(place, entry.get("when"));
        let unless = self.conditions(place, entry.get("unless"));
        (self.faults.len() == before).then(|| Entry {
            object_type: object_type.unwrap_or_default(),
            reader,
            children,
            when,
            unless,
        })
    }

    fn word(
        &mut self,
        place: &str,
        entry: &Map<String, Value>,
        name: &str,
        known: fn(&Vocabulary) -> &BTreeSet<String>,
    ) -> Option<String> {
        let Some(word) = entry.get(name).and_then(Value::as_str) else {
            self.faults.push(format!("{place}: no '{name}'"));
            return None;
        };
        if !known(self.vocabulary).contains(word) {
            self.faults
                .push(format!("{place}: '{word}' is no known {name}"));
            return None;
        }
        Some(word.to_owned())
    }

    fn conditions(&mut self, place: &str, value: Option<&Value>) -> Vec<(String, Vec<String>)> {
        let conditions = match value {
            None => return Vec::new(),
            Some(Value::Object(conditions)) => conditions,
            Some(other) => {
                self.faults
                    .push(format!("{place}: the condition {other} is not a table"));
                return Vec::new();
            }
        };
        let mut read = Vec::new();
        for (name, wanted) in conditions {
            if !CONDITIONS.contains(&name.as_str()) {
                self.faults
                    .push(format!("{place}: there is no condition '{name}'"));
                continue;
            }
            let wanted: Vec<String> = match wanted {
                // An empty text asks for nothing.
                Value::String(one) if one.is_empty() => continue,
                Value::String(one) => vec![one.clone()],
                Value::Array(many) => many
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                other => {
                    self.faults
                        .push(format!("{place}: {name} cannot be {other}"));
                    continue;
                }
            };
            if name == "mechanism_drivers" {
                for driver in wanted
                    .iter()
                    .filter(|driver| !self.vocabulary.drivers.contains(*driver))
                {
                    self.faults
                        .push(format!("{place}: '{driver}' is no known mechanism driver"));
                }
            }
            read.push((name.clone(), wanted));
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(facts: &Facts, start: Option<&str>) -> Vec<&'static str> {
        let start = start.map(|name| ObjectType::new(name).expect("a type"));
        let readers = Tree::built_in().readers(facts, start.as_ref());
        readers.into_iter().map(|reader| reader.name).collect()
    }

    fn openstack(driver: &str) -> Facts {
        Facts {
            environment_type: "OpenStack".to_owned(),
            mechanism_drivers: vec![driver.to_owned()],
            ..Facts::default()
        }
    }

    #[test]
    fn the_built_in_tree_is_sound_and_every_reader_is_reached() {
        let tree = Tree::from_toml(DEFAULT, &Vocabulary::default()).expect("sound");
        let used: BTreeSet<&str> = tree
            .scanners
            .values()
            .flatten()
            .filter_map(|entry| entry.reader.as_deref())
            .collect();
        for reader in readers::catalogue() {
            assert!(
                used.contains(reader.name),
                "{} is in no scanner",
                reader.name
            );
        }
    }

    #[test]
    fn conditions_choose_readers() {
        let ovs = names(&openstack("OVS"), None);
        assert!(ovs.contains(&"ovs") && !ovs.contains(&"vpp") && !ovs.contains(&"kubernetes-pods"));
        let vpp = names(&openstack("VPP"), None);
        assert!(vpp.contains(&"vpp-pnics") && !vpp.contains(&"linux-pnics"));
        let position = |name| ovs.iter().position(|known| *known == name).expect(name);
        assert!(position("keystone-regions") < position("nova-hosts"));
        assert!(position("nova-hosts") < position("ovs"));
    }

    #[test]
    fn a_scan_may_start_at_a_host() {
        let host = names(&openstack("OVS"), Some("host"));
        assert!(
            host.contains(&"namespaces")
                && host.contains(&"nova-hosts")
                && !host.contains(&"neutron-networks"),
            "{host:?}"
        );
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let text = "[[scanners.environment]]\ntype = \"nothing\"\nreader = \"none\"\nchildren = \"lost\"\ncolour = 1\n\
                    [[scanners.environment]]\nreader = \"ovs\"\nwhen = 1\n";
        let error = Tree::from_toml(text, &Vocabulary::default()).expect_err("faults");
        assert_eq!(error.faults.len(), 6, "{error}");
    }
}
