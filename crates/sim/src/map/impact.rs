//! `bench impact`: what the failure of a switch with ten thousand dependents hits, counted by type, tenant, host and network.

use super::generated::{GeneratedCloud, batch, map};
use crate::bench::{Aim, Measurement, percentile};
use anyhow::{Context, Result, ensure};
use std::time::Instant;
use topology::{Handle, Impact, ObjectRef, Version};

const ROUNDS: usize = 30;
const DEPENDENTS: usize = 10_000;

/// The benchmark.
pub fn impact() -> Result<Vec<Measurement>> {
    // As `netwright up` does.
    inventory::join_freed_memory_at_once();
    let cloud = GeneratedCloud::make()?;
    let mut map = map(&cloud)?;
    map.apply(&batch(1, cloud.drafts)?)?;
    let version = map.head();
    let switch = version
        .find(&ObjectRef::new("switch", "leaf-0")?)
        .context("the cloud has no leaf-0")?;
    let (mut times, mut walks, mut dependents) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        let impact = version.impact(&[switch]);
        let counts = version.impact_counts(&impact);
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        dependents = counts.total;
        ensure!(
            counts.by_type.values().sum::<usize>() == dependents,
            "the counts do not add up"
        );
        let started = Instant::now();
        ensure!(
            walk(version, &impact) == dependents,
            "the walk visits all dependents"
        );
        walks.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    ensure!(
        dependents >= DEPENDENTS,
        "the switch has {dependents} dependents only"
    );
    let rows = [("p50", 0.5), ("slowest of 30", 1.0)];
    Ok(rows
        .into_iter()
        .map(|(name, share)| {
            Measurement::new(
                format!("impact of a switch, {dependents} dependents, with counts, {name}"),
                (percentile(&mut times, share), "ms"),
                (
                    "the links and children of the same objects visited",
                    percentile(&mut walks, share),
                ),
                Aim::AtMost(50.0),
            )
        })
        .collect())
}

/// Visits the links and children of everything that is hit, and counts the objects.
fn walk(version: &Version, impact: &Impact) -> usize {
    let mut seen: std::collections::HashSet<Handle> = std::collections::HashSet::new();
    let all = impact.hit.iter().map(|hurt| hurt.handle);
    for handle in all.clone().chain(impact.failed.iter().copied()) {
        let ends = version.links_at(handle).map(|link| link.other(handle));
        seen.extend(ends);
        if let Some(object) = version.object(handle) {
            seen.extend(version.children(Some(&object.key)));
        }
    }
    all.filter(|handle| seen.contains(handle)).count()
}
