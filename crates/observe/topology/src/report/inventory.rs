//! The report of what there is: counts, present trouble, what could not be read.

use super::Report;
use super::content::{count_rows, named, section};
use crate::health::StatusLevel;
use crate::version::{Tenants, Version};
use jiff::Timestamp;
use std::collections::BTreeMap;

const BY_TYPE: &[&str] = &[
    "type", "objects", "healthy", "warning", "failed", "unknown", "stale",
];

/// Of the objects of one type: all, those of each level in the order of [`BY_TYPE`], the stale ones.
#[derive(Default)]
struct Row {
    objects: usize,
    levels: [usize; 4],
    stale: usize,
}

impl Report {
    /// What an environment has, with its health at `now`.
    pub fn of_inventory(version: &Version, now: Timestamp) -> Self {
        let causes = version.root_causes(now);
        let mut tenants = Tenants::new(version);
        let mut types: BTreeMap<String, Row> = BTreeMap::new();
        let mut by_tenant: BTreeMap<String, usize> = BTreeMap::new();
        let mut by_place: BTreeMap<String, usize> = BTreeMap::new();
        let mut stale = Vec::new();
        for (handle, object) in version.objects() {
            let row = types.entry(object.key.object_type.to_string()).or_default();
            row.objects += 1;
            row.levels[match version.level_with_causes(handle, &causes) {
                StatusLevel::Ok => 0,
                StatusLevel::Warning => 1,
                StatusLevel::Error => 2,
                StatusLevel::Unknown => 3,
            }] += 1;
            if let Some(why) = &object.stale {
                row.stale += 1;
                stale.push(vec![
                    named(version, handle),
                    why.since.to_string(),
                    why.reason.to_string(),
                ]);
            }
            if let Some(tenant) = tenants.of(handle) {
                *by_tenant.entry(tenant.to_string()).or_insert(0) += 1;
            }
            if let Some(place) = version.place(handle) {
                *by_place.entry(place.to_string()).or_insert(0) += 1;
            }
        }
        let types = types.into_iter().map(|(name, row)| {
            let mut cells = vec![name, row.objects.to_string()];
            cells.extend(row.levels.iter().map(ToString::to_string));
            cells.push(row.stale.to_string());
            cells
        });
        let trouble = causes.iter().map(|root| {
            vec![
                named(version, root.cause),
                root.level.to_string(),
                root.because.to_string(),
                root.explained.len().to_string(),
            ]
        });
        Self {
            title: "Inventory".into(),
            facts: vec![
                ("Environment".into(), version.profile.name.to_string()),
                (
                    "Version".into(),
                    format!("{}, {}", version.number, version.at),
                ),
                ("Objects".into(), version.object_count().to_string()),
                ("Links".into(), version.link_count().to_string()),
            ],
            sections: vec![
                section("By type", BY_TYPE, types.collect()),
                section("By tenant", &["tenant", "objects"], count_rows(&by_tenant)),
                section(
                    "By host or switch",
                    &["place", "objects"],
                    count_rows(&by_place),
                ),
                section(
                    "Trouble",
                    &["cause", "health", "because", "objects explained"],
                    trouble.collect(),
                ),
                section("Stale", &["object", "since", "reason"], stale),
            ],
        }
    }
}
