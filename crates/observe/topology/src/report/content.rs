//! What the reports say: of a comparison, of an impact.

use super::{Report, Section};
use crate::diff::{AttributeChange, ChangeKind, CliqueChange, Diff};
use crate::impact::Impact;
use crate::object::Handle;
use crate::version::{Tenants, Version};
use serde_json::Value;
use std::collections::BTreeMap;

const OBJECTS: &[&str] = &[
    "change",
    "type",
    "name",
    "id",
    "tenant",
    "attribute",
    "before",
    "after",
];
const LINKS: &[&str] = &[
    "change",
    "type",
    "source",
    "target",
    "attribute",
    "before",
    "after",
];
const CLIQUES: &[&str] = &[
    "change",
    "focal object",
    "clique type",
    "links added",
    "links removed",
    "health before",
    "health after",
];
const HIT: &[&str] = &[
    "distance",
    "type",
    "name",
    "id",
    "tenant",
    "place",
    "because of",
];

impl Report {
    /// A comparison of two versions.
    pub fn of_diff(
        before: &Version,
        after: &Version,
        diff: &Diff,
        cliques: &[CliqueChange],
    ) -> Self {
        let version = |version: &Version| format!("version {}, {}", version.number, version.at);
        let tenants = ["tenant", "added", "removed", "moved", "changed"];
        let health = ["subject", "before", "after", "evidence"];
        Self {
            title: "Comparison".into(),
            facts: vec![
                ("Environment".into(), after.profile.name.to_string()),
                ("Before".into(), version(before)),
                ("After".into(), version(after)),
            ],
            sections: vec![
                section("By tenant", &tenants, tenant_rows(diff)),
                section("Objects", OBJECTS, object_rows(diff)),
                section("Links", LINKS, link_rows(diff)),
                section("Health", &health, health_rows(diff)),
                section("Cliques", CLIQUES, clique_rows(cliques)),
            ],
        }
    }

    /// What a failure hits.
    pub fn of_impact(version: &Version, impact: &Impact) -> Self {
        let counts = version.impact_counts(impact);
        let failed: Vec<String> = impact.failed.iter().map(|h| named(version, *h)).collect();
        Self {
            title: "Impact".into(),
            facts: vec![
                ("Environment".into(), version.profile.name.to_string()),
                (
                    "Version".into(),
                    format!("{}, {}", version.number, version.at),
                ),
                ("Failed".into(), failed.join(", ")),
                ("Hit".into(), counts.total.to_string()),
            ],
            sections: vec![
                section("By type", &["type", "objects"], count_rows(&counts.by_type)),
                section(
                    "By tenant",
                    &["tenant", "objects"],
                    count_rows(&counts.by_tenant),
                ),
                section(
                    "By host or switch",
                    &["place", "objects"],
                    count_rows(&counts.by_place),
                ),
                section(
                    "By network",
                    &["network", "objects"],
                    count_rows(&counts.by_network),
                ),
                section("Objects", HIT, hit_rows(version, impact)),
            ],
        }
    }
}

pub(super) fn named(version: &Version, handle: Handle) -> String {
    match version.object(handle) {
        Some(object) => format!("{} ({})", object.name(), object.key),
        None => String::new(),
    }
}

pub(super) fn count_rows<K: ToString>(counts: &BTreeMap<K, usize>) -> Vec<Vec<String>> {
    let rows = counts
        .iter()
        .map(|(name, count)| vec![name.to_string(), count.to_string()]);
    rows.collect()
}

fn hit_rows(version: &Version, impact: &Impact) -> Vec<Vec<String>> {
    let mut tenants = Tenants::new(version);
    let rows = impact.hit.iter().filter_map(|hurt| {
        let object = version.object(hurt.handle)?;
        Some(vec![
            hurt.distance.to_string(),
            object.key.object_type.to_string(),
            object.name().to_owned(),
            object.key.id.to_string(),
            tenants.of(hurt.handle).unwrap_or_default().to_string(),
            version.place(hurt.handle).unwrap_or_default().to_string(),
            named(version, hurt.because_of),
        ])
    });
    rows.collect()
}

fn tenant_rows(diff: &Diff) -> Vec<Vec<String>> {
    let rows = diff.by_tenant().into_iter().map(|(tenant, counts)| {
        let count = |kind| counts.get(&kind).copied().unwrap_or(0).to_string();
        let tenant = if tenant.is_empty() { "(none)" } else { &tenant };
        vec![
            tenant.to_owned(),
            count(ChangeKind::Added),
            count(ChangeKind::Removed),
            count(ChangeKind::Moved),
            count(ChangeKind::Changed),
        ]
    });
    rows.collect()
}

pub(super) fn section(title: &str, columns: &[&'static str], rows: Vec<Vec<String>>) -> Section {
    Section {
        title: title.to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows,
    }
}

fn kind(kind: ChangeKind) -> String {
    match kind {
        ChangeKind::Added => "added",
        ChangeKind::Removed => "removed",
        ChangeKind::Moved => "moved",
        ChangeKind::Changed => "changed",
    }
    .to_owned()
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// One row for each attribute, or one without.
fn with_attributes(start: &[String], attributes: &[AttributeChange]) -> Vec<Vec<String>> {
    let row = |cells: [String; 3]| start.iter().cloned().chain(cells).collect();
    if attributes.is_empty() {
        return vec![row(Default::default())];
    }
    attributes
        .iter()
        .map(|change| {
            row([
                change.name.to_string(),
                text(change.before.as_ref()),
                text(change.after.as_ref()),
            ])
        })
        .collect()
}

fn object_rows(diff: &Diff) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for change in &diff.objects {
        let start = [
            kind(change.kind),
            change.key.object_type.to_string(),
            change.name.to_string(),
            change.key.id.to_string(),
            change.tenant.as_deref().unwrap_or_default().to_owned(),
        ];
        let mut attributes = change.attributes.clone();
        let place = |place: &Option<String>| place.clone().map(Value::String);
        if change.kind == ChangeKind::Moved {
            let moved = AttributeChange {
                name: "(place)".into(),
                before: place(&change.place_before),
                after: place(&change.place_after),
            };
            attributes.insert(0, moved);
        }
        if let Some(stale) = change.stale {
            attributes.push(AttributeChange {
                name: "(stale)".into(),
                before: Some(Value::Bool(!stale)),
                after: Some(Value::Bool(stale)),
            });
        }
        rows.extend(with_attributes(&start, &attributes));
    }
    rows
}

fn link_rows(diff: &Diff) -> Vec<Vec<String>> {
    let rows = diff.links.iter().flat_map(|link| {
        let start = [
            kind(link.kind),
            link.key.link_type.to_string(),
            link.key.source.id.to_string(),
            link.key.target.id.to_string(),
        ];
        with_attributes(&start, &link.attributes)
    });
    rows.collect()
}

fn health_rows(diff: &Diff) -> Vec<Vec<String>> {
    let rows = diff.health.iter().map(|change| {
        vec![
            change.subject.to_string(),
            change.before.to_string(),
            change.after.to_string(),
            change.text.to_string(),
        ]
    });
    rows.collect()
}

fn clique_rows(cliques: &[CliqueChange]) -> Vec<Vec<String>> {
    let rows = cliques.iter().map(|change| {
        vec![
            kind(change.kind),
            change.focal.to_string(),
            change.clique_type.to_string(),
            change.links_added.len().to_string(),
            change.links_removed.len().to_string(),
            change.health_before.to_string(),
            change.health_after.to_string(),
        ]
    });
    rows.collect()
}
