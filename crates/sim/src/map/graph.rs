//! `bench graph`: links derived and cliques walked in a map of a hundred thousand objects, and the memory it takes.

use super::generated::{GeneratedCloud, batch, map};
use crate::bench::{Aim, Measurement, percentile};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Instant;
use topology::{Handle, Version};

const MIB: f64 = (1_u64 << 20) as f64;

/// The benchmark.
pub fn graph() -> Result<Vec<Measurement>> {
    let cloud = GeneratedCloud::make()?;
    let mut map = map(&cloud)?;
    let scan = batch(1, cloud.drafts)?;
    let text = serde_json::to_vec(&scan.readings)?.len();
    let before = resident()?;
    map.apply(&scan)?;
    let grown = resident()?.saturating_sub(before);
    let head = map.head().clone();
    let (objects, links) = (head.object_count(), head.link_count());
    ensure!(
        objects >= 100_000 && links >= 110_000,
        "the map has {objects} objects and {links} links only"
    );
    let joined = timed(|| join_on_all(&head));
    let declarations = head.declarations().clone();
    let started = Instant::now();
    let derived = map.redeclare(declarations, jiff::Timestamp::from_second(2)?);
    let took = started.elapsed().as_secs_f64();
    ensure!(
        derived.version.link_count() == links && derived.changes.is_empty(),
        "links derived from nothing differ from those derived by the scan"
    );
    let mut results = vec![Measurement::new(
        format!("{links} links of {objects} objects derived from nothing"),
        (took, "s"),
        ("one hash join on every text of every object", joined),
        Aim::AtMost(2.0),
    )];
    results.extend(cliques(&head)?);
    results.push(Measurement::new(
        "memory of the map, indexes included",
        (grown as f64 / MIB, "MiB"),
        ("the readings as JSON", text as f64 / MIB),
        Aim::AtMost(1_024.0),
    ));
    Ok(results)
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let started = Instant::now();
    std::hint::black_box(work());
    started.elapsed().as_secs_f64()
}

/// What any derivation of links must do at least: bring together objects that say the same.
fn join_on_all(version: &Version) -> usize {
    fn texts<'v>(value: &'v Value, each: &mut impl FnMut(&'v str)) {
        match value {
            Value::String(text) => each(text),
            Value::Array(list) => list.iter().for_each(|value| texts(value, each)),
            Value::Object(map) => map.values().for_each(|value| texts(value, each)),
            _ => {}
        }
    }
    let mut by_text: HashMap<&str, Vec<Handle>> = HashMap::new();
    for (handle, object) in version.objects() {
        by_text
            .entry(object.key.id.as_str())
            .or_default()
            .push(handle);
        for attribute in object.attributes() {
            texts(&attribute.believed.value, &mut |text| {
                by_text.entry(text).or_default().push(handle);
            });
        }
    }
    by_text.values().filter(|handles| handles.len() > 1).count()
}

/// All cliques, and one clique; each beside a plain walk to as many objects.
fn cliques(version: &Version) -> Result<Vec<Measurement>> {
    let focal: Vec<Handle> = version
        .objects()
        .filter(|(_, object)| version.is_focal_type(&object.key.object_type))
        .map(|(handle, _)| handle)
        .collect();
    let (mut made, mut sizes, mut times) = (0, Vec::new(), Vec::new());
    for handle in &focal {
        let started = Instant::now();
        let cliques = version.cliques(*handle);
        times.push(started.elapsed().as_secs_f64() * 1_000.0);
        made += cliques.len();
        sizes.push(cliques.iter().map(|clique| clique.nodes.len()).sum());
    }
    ensure!(made >= 22_000, "there are {made} cliques only");
    let mut walks = Vec::new();
    for (handle, size) in focal.iter().zip(sizes) {
        walks.push(timed(|| walk(version, *handle, size)) * 1_000.0);
    }
    let total = |times: &[f64]| times.iter().sum::<f64>() / 1_000.0;
    let all = (total(&times), total(&walks));
    Ok(vec![
        Measurement::new(
            format!("{made} cliques"),
            (all.0, "s"),
            ("plain walks along links to as many objects", all.1),
            Aim::AtMost(5.0),
        ),
        Measurement::new(
            "one clique, p99",
            (percentile(&mut times, 0.99), "ms"),
            ("plain walk, p99", percentile(&mut walks, 0.99)),
            Aim::AtMost(5.0),
        ),
    ])
}

/// Follows all links, nearest first, until `size` objects are reached.
fn walk(version: &Version, from: Handle, size: usize) -> usize {
    let mut reached = vec![from];
    let mut seen: std::collections::HashSet<Handle> = reached.iter().copied().collect();
    let mut at = 0;
    while reached.len() < size
        && let Some(here) = reached.get(at).copied()
    {
        for link in version.links_at(here) {
            let other = link.other(here);
            if reached.len() < size && seen.insert(other) {
                reached.push(other);
            }
        }
        at += 1;
    }
    reached.len()
}

/// Resident memory of this process, in bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("/proc/self/status has no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib << 10)
}
