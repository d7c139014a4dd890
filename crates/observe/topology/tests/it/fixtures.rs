//! Where the fixtures are, and what of the earlier system's documents becomes drafts.

use crate::support::environment;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use topology::{Draft, Environment, ObjectKey, Profile};

/// The folder of a group, or `None` with a printed message when the fixtures are not there.
pub(crate) fn group(name: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("NETWRIGHT_FIXTURES") {
        Some(root) => PathBuf::from(root),
        None => {
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/fixtures/calipso")
        }
    };
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no fixtures at {}", folder.display());
    None
}

/// The cases of a group, by name.
pub(crate) fn cases(name: &str) -> BTreeMap<String, Value> {
    let Some(folder) = group(name) else {
        return BTreeMap::new();
    };
    let files = std::fs::read_dir(&folder).expect("the folder can be read");
    files
        .map(|file| file.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("named")
                .to_string_lossy()
                .into_owned();
            (name, load(&path))
        })
        .collect()
}

pub(crate) fn load(path: &std::path::Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    serde_json::from_str(&text).expect("the file is JSON")
}

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

pub(crate) fn profile(environment_value: &Value) -> Profile {
    let list = |value: &Value| match value {
        Value::String(one) => vec![one.as_str().into()],
        Value::Array(many) => many
            .iter()
            .filter_map(Value::as_str)
            .map(Into::into)
            .collect(),
        _ => Vec::new(),
    };
    let name = match text(environment_value, "name") {
        "" => environment(),
        name => Environment::new(name).expect("valid"),
    };
    let mut profile = Profile::new(name);
    if let Some(kind) = environment_value["environment_type"].as_str() {
        profile.environment_type = kind.into();
    }
    profile.distribution = text(environment_value, "distribution").into();
    profile.distribution_version = text(environment_value, "distribution_version").into();
    profile.mechanism_drivers = list(&environment_value["mechanism_drivers"]);
    profile.type_drivers = list(&environment_value["type_drivers"]);
    profile
}

/// Attributes of a document that are the earlier system's bookkeeping, not facts.
const BOOKKEEPING: &[&str] = &[
    "type",
    "id",
    "name",
    "environment",
    "id_path",
    "name_path",
    "parent_id",
    "parent_type",
    "parent_text",
    "object_name",
    "show_in_tree",
    "last_scanned",
    "master_parent_id",
    "master_parent_type",
];

/// Documents as drafts; their folders are left out and their parents found again.
pub(crate) fn drafts(environment: &Environment, documents: &[Value]) -> Vec<Draft> {
    let types: BTreeMap<&str, &str> = documents
        .iter()
        .map(|document| (text(document, "id"), text(document, "type")))
        .collect();
    documents
        .iter()
        .filter(|document| !text(document, "type").ends_with("_folder"))
        .map(|document| {
            let key = ObjectKey::new(environment, text(document, "type"), text(document, "id"));
            let mut draft = Draft::whole(key.expect("valid"), text(document, "name"));
            draft.attributes = document
                .as_object()
                .expect("a document")
                .iter()
                .filter(|(name, _)| !BOOKKEEPING.contains(&name.as_str()))
                .map(|(name, value)| (name.as_str().into(), value.clone()))
                .collect();
            draft.parent = parent(environment, document, &types);
            draft
        })
        .collect()
}

fn parent(
    environment: &Environment,
    document: &Value,
    types: &BTreeMap<&str, &str>,
) -> Option<ObjectKey> {
    let (id, kind) = (text(document, "parent_id"), text(document, "parent_type"));
    let id = match kind.strip_suffix("_folder") {
        None => id,
        Some(folder) => {
            let own = folder.rsplit('_').next().unwrap_or(folder);
            id.strip_suffix(&format!("-{folder}"))
                .or_else(|| id.strip_suffix(&format!("-vservices-{own}")))?
        }
    };
    let known = types.get(id).copied();
    let kind = known.or_else(|| (!kind.ends_with("_folder")).then_some(kind));
    // A parent that is not in the inventory: its type follows from what lies in it.
    let kind = kind.or(match text(document, "type") {
        "vnic" if id.contains("-qdhcp-") || id.contains("-qrouter-") => Some("vservice"),
        "vnic" if id.starts_with("qdhcp-") || id.starts_with("qrouter-") => Some("vservice"),
        "vnic" => Some("instance"),
        "network" => Some("project"),
        "port" => Some("network"),
        "instance" | "vservice" | "host_pnic" | "vedge" | "vconnector" => Some("host"),
        _ => None,
    })?;
    ObjectKey::new(environment, kind, id).ok()
}

/// Prints and checks how many cases of a group passed.
pub(crate) fn report(group: &str, passed: usize, failures: &[String]) {
    println!(
        "fixtures {group}: {passed} of {} cases passed",
        passed + failures.len()
    );
    assert!(failures.is_empty(), "{group}:\n{}", failures.join("\n"));
}
