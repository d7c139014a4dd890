//! What the reports say: of a comparison, of an impact.

use super::{Report, Section};
use crate::diff::{AttributeChange, ChangeKind, CliqueChange, Diff};
use crate::impact::Impact;
use crate::object::Handle;
use crate::version::Version;
use serde_json::Value;
use std::collections::BTreeMap;

impl Report {
    /// A comparison of two versions.
    pub fn of_diff(
        before: &Version,
        after: &Version,
        diff: &Diff,
        cliques: &[CliqueChange],
    ) -> Self {
        let facts = vec![
            ("Environment".into(), after.profile.name.to_string()),
            (
                "Before".into(),
                format!("version {}, {}", before.number, before.at),
            ),
            (
                "After".into(),
                format!("version {}, {}", after.number, after.at),
            ),
        ];
        let tenants = diff.by_tenant().into_iter().map(|(tenant, counts)| {
            let count = |kind| counts.get(&kind).copied().unwrap_or(0).to_string();
            vec![
                if tenant.is_empty() {
                    "(none)".to_owned()
                } else {
                    tenant.to_string()
                },
                count(ChangeKind::Added),
                count(ChangeKind::Removed),
                count(ChangeKind::Moved),
                count(ChangeKind::Changed),
            ]
        });
        let sections = vec![
            section(
                "By tenant",
                &["tenant", "added", "removed", "moved", "changed"],
                tenants.collect(),
            ),
            section(
                "Objects",
                &[
                    "change",
                    "type",
                    "name",
                    "id",
                    "tenant",
                    "attribute",
                    "before",
                    "after",
                ],
                object_rows(diff),
            ),
            section(
                "Links",
                &[
                    "change",
                    "type",
                    "source",
                    "target",
                    "attribute",
                    "before",
                    "after",
                ],
                link_rows(diff),
            ),
            section(
                "Health",
                &["subject", "before", "after", "evidence"],
                health_rows(diff),
            ),
            section(
                "Cliques",
                &[
                    "change",
                    "focal object",
                    "clique type",
                    "links added",
                    "links removed",
                    "health before",
                    "health after",
                ],
                clique_rows(cliques),
            ),
        ];
        Self {
            title: "Comparison".into(),
            facts,
            sections,
        }
    }

    /// What a failure hits.
    pub fn of_impact(version: &Version, impact: &Impact) -> Self {
        let name = |handle: &Handle| match version.object(*handle) {
            Some(object) => format!("{} ({})", object.name(), object.key),
            None => String::new(),
        };
        let counts = version.impact_counts(impact);
        let table = |title: &str, column: &'static str, counts: Vec<(String, usize)>| {
            let rows = counts
                .into_iter()
                .map(|(name, count)| vec![name, count.to_string()]);
            section(title, &[column, "objects"], rows.collect())
        };
        let texts = |map: &BTreeMap<std::sync::Arc<str>, usize>| {
            map.iter()
                .map(|(name, count)| (name.to_string(), *count))
                .collect()
        };
        let hit = impact.hit.iter().filter_map(|hurt| {
            let object = version.object(hurt.handle)?;
            Some(vec![
                hurt.distance.to_string(),
                object.key.object_type.to_string(),
                object.name().to_owned(),
                object.key.id.to_string(),
                version.tenant(hurt.handle).unwrap_or_default().to_string(),
                version.place(hurt.handle).unwrap_or_default().to_string(),
                name(&hurt.because_of),
            ])
        });
        let types = counts
            .by_type
            .iter()
            .map(|(t, n)| (t.to_string(), *n))
            .collect();
        Self {
            title: "Impact".into(),
            facts: vec![
                ("Environment".into(), version.profile.name.to_string()),
                (
                    "Version".into(),
                    format!("{}, {}", version.number, version.at),
                ),
                (
                    "Failed".into(),
                    impact
                        .failed
                        .iter()
                        .map(name)
                        .collect::<Vec<_>>()
                        .join(", "),
                ),
                ("Hit".into(), counts.total.to_string()),
            ],
            sections: vec![
                table("By type", "type", types),
                table("By tenant", "tenant", texts(&counts.by_tenant)),
                table("By host or switch", "place", texts(&counts.by_place)),
                table("By network", "network", texts(&counts.by_network)),
                section(
                    "Objects",
                    &[
                        "distance",
                        "type",
                        "name",
                        "id",
                        "tenant",
                        "place",
                        "because of",
                    ],
                    hit.collect(),
                ),
            ],
        }
    }
}

fn section(title: &str, columns: &[&'static str], rows: Vec<Vec<String>>) -> Section {
    Section {
        title: title.to_owned(),
        columns: columns.to_vec(),
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
            change.subject.clone(),
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
