//! The house rules a machine can check: arrows between crates, file sizes, forbidden marks.

use crate::shell::{cargo, command, output, root};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rooms from the top of the house down: a crate may use what stands before it, never what stands after.
/// `web` holds only assets and uses nothing, so `api` may serve it.
const HOUSE: &[&str] = &[
    "model",
    "journal",
    "store",
    "ipam",
    "operations",
    "plan",
    "planner",
    "forwarding",
    "datapath",
    "bgp",
    "bgp-daemon",
    "wire",
    "controller",
    "host-agent",
    "topology",
    "discovery",
    "inventory",
    "auth",
    "web",
    "api",
    "netwright",
    "sim",
    "xtask",
];

/// (room, what it must not reach, even through others, reason)
const ABSENT: &[(&str, &[&str], &str)] = &[
    ("model", &["tokio", "store"], "the nouns do no I/O"),
    ("plan", &["tokio", "store"], "the plan language does no I/O"),
    (
        "forwarding",
        &["tokio", "store", "planner"],
        "the reference model does no I/O",
    ),
    (
        "host-agent",
        &["store", "planner", "operations"],
        "agents see plans, never intent",
    ),
    (
        "datapath",
        &["store", "planner", "operations"],
        "the data path sees plans, never intent",
    ),
    (
        "bgp",
        &["tokio", "nix", "libc"],
        "the speaker's core does no I/O and reads no clock",
    ),
    (
        "topology",
        &["tokio", "store"],
        "the graph does no I/O and reads no clock",
    ),
    ("operations", &["axum", "hyper"], "operations know no HTTP"),
    (
        "web",
        &["model", "store", "wire", "auth"],
        "the console is assets; what it shows it asks the API for",
    ),
    ("xtask", &["tokio"], "the task runner must build in seconds"),
];

const MAX_LINES: usize = 600;

pub(crate) fn check() -> Result<()> {
    let mut faults = arrows()?;
    faults.extend(files()?);
    if faults.is_empty() {
        eprintln!("tidy: {} rooms, every arrow points up", HOUSE.len());
        return Ok(());
    }
    bail!("{} faults\n  {}", faults.len(), faults.join("\n  "));
}

fn arrows() -> Result<Vec<String>> {
    let metadata = output(&mut cargo(&[
        "metadata",
        "--format-version",
        "1",
        "--locked",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let graph = Graph::read(&metadata)?;
    let mut faults = Vec::new();
    for room in graph.rooms() {
        let Some(place) = HOUSE.iter().position(|name| name == room) else {
            faults.push(format!(
                "{room} has no place in the house (xtask/src/tidy.rs)"
            ));
            continue;
        };
        for used in graph.uses(room) {
            if HOUSE
                .iter()
                .position(|name| name == used)
                .is_some_and(|below| below >= place)
            {
                faults.push(format!("{room} uses {used}, which stands below it"));
            }
        }
    }
    for (room, absent, reason) in ABSENT {
        let reached = graph.reach(room);
        for name in absent.iter().filter(|name| reached.contains(&**name)) {
            faults.push(format!("{room} reaches {name}: {reason}"));
        }
    }
    Ok(faults)
}

/// Normal dependencies by package name; development and build dependencies are not arrows.
struct Graph<'a> {
    uses: BTreeMap<&'a str, Vec<&'a str>>,
    rooms: Vec<&'a str>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Result<Self> {
        let array = |value: &'a Value| value.as_array().map(Vec::as_slice).unwrap_or_default();
        let mut names = BTreeMap::new();
        for package in array(&metadata["packages"]) {
            let name = package["name"]
                .as_str()
                .context("cargo metadata: a package without a name")?;
            names.insert(package["id"].as_str().unwrap_or_default(), name);
        }
        let mut uses = BTreeMap::new();
        for node in array(&metadata["resolve"]["nodes"]) {
            let normal = array(&node["deps"])
                .iter()
                .filter(|dep| {
                    array(&dep["dep_kinds"])
                        .iter()
                        .any(|kind| kind["kind"].is_null())
                })
                .filter_map(|dep| names.get(dep["pkg"].as_str()?).copied())
                .collect();
            uses.insert(names[node["id"].as_str().unwrap_or_default()], normal);
        }
        let rooms = array(&metadata["workspace_members"])
            .iter()
            .filter_map(|id| names.get(id.as_str()?).copied())
            .collect();
        Ok(Self { uses, rooms })
    }

    fn rooms(&self) -> &[&'a str] {
        &self.rooms
    }

    fn uses(&self, package: &str) -> &[&'a str] {
        self.uses
            .get(package)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    fn reach(&self, package: &str) -> Vec<&'a str> {
        let mut reached: Vec<&str> = self.uses(package).to_vec();
        let mut next = 0;
        while let Some(package) = reached.get(next).copied() {
            for used in self.uses(package) {
                if !reached.contains(used) {
                    reached.push(used);
                }
            }
            next += 1;
        }
        reached
    }
}

/// Tracked and new source files, without generated ones.
fn files() -> Result<Vec<String>> {
    let listed = output(&mut command(
        "git",
        &[
            "ls-files",
            "-co",
            "--exclude-standard",
            "--",
            "*.rs",
            "*.c",
            "*.h",
            "*.ts",
            "*.mjs",
            "*.svelte",
            "*.css",
        ],
    ))?;
    let mut faults = Vec::new();
    for path in listed.lines().filter(|path| !path.contains("/generated/")) {
        let Ok(text) = std::fs::read_to_string(root().join(path)) else {
            continue;
        };
        let lines = text.lines().count();
        if lines > MAX_LINES {
            faults.push(format!(
                "{path}: {lines} lines; split by concept (at most {MAX_LINES})"
            ));
        }
        if path == "xtask/src/tidy.rs" {
            continue;
        }
        for mark in ["#[ignore", "todo!(", "unimplemented!(", "FIXME", "XXX"] {
            if let Some(line) = text.lines().position(|line| line.contains(mark)) {
                faults.push(format!("{path}:{}: {mark}", line + 1));
            }
        }
    }
    Ok(faults)
}
