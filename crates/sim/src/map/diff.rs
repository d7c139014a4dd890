//! `bench diff`: two versions of a hundred thousand objects compared, and what a small change takes on disk.

use super::generated::{GeneratedCloud, batch, map};
use crate::bench::{Aim, Measurement};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Instant;
use topology::{Draft, Record, Version, VersionRecord};

/// The benchmark.
pub fn diff() -> Result<Vec<Measurement>> {
    let cloud = GeneratedCloud::make()?;
    let mut map = map(&cloud)?;
    map.apply(&batch(1, cloud.drafts.clone())?)?;
    let before = map.head().clone();
    let mut results = Vec::new();
    let mut stored = None;
    for (percent, aim) in [(1, 100.0), (50, 2_000.0)] {
        let every = 100 / percent;
        let scan = changed(&cloud.drafts, every, &format!("changed {percent}"));
        let committed = map.apply(&batch(1 + percent as i64, scan)?)?;
        let started = Instant::now();
        let diff = before.diff(&committed.version);
        let took = started.elapsed().as_secs_f64() * 1_000.0;
        let expected = cloud.drafts.len().div_ceil(every);
        ensure!(
            diff.objects.len() == expected,
            "{} objects differ, not {expected}",
            diff.objects.len()
        );
        results.push(Measurement::new(
            format!(
                "diff, {percent} % of {} objects changed",
                before.object_count()
            ),
            (took, "ms"),
            (
                "all objects and links compared one by one",
                one_by_one(&before, &committed.version)?,
            ),
            Aim::AtMost(aim),
        ));
        stored.get_or_insert(committed.record.context("a scan makes a record")?);
    }
    let step = stored.context("no record")?.to_bytes()?.len();
    let full = Record::Version(Box::new(VersionRecord::full(&before)))
        .to_bytes()?
        .len();
    results.push(Measurement::new(
        "bytes stored for 1 % changed",
        (step as f64 / 1e6, "MB"),
        ("a full version", full as f64 / 1e6),
        Aim::RatioAtMost(0.03),
    ));
    Ok(results)
}

/// The same cloud with another status of every so manyth object.
fn changed(drafts: &[Draft], every: usize, status: &str) -> Vec<Draft> {
    let mut drafts = drafts.to_vec();
    for draft in drafts.iter_mut().step_by(every) {
        draft.attributes.insert("status".into(), json!(status));
    }
    drafts
}

/// Milliseconds to look at every object and link of both versions, found by its key.
fn one_by_one(before: &Version, after: &Version) -> Result<f64> {
    let started = Instant::now();
    let mut differ = 0;
    for (_, object) in before.objects() {
        differ += usize::from(
            after
                .get(&object.key)
                .is_none_or(|now| !now.same_facts(object)),
        );
    }
    for link in before.links() {
        let key = before.link_key(link).context("a link has ends")?;
        differ += usize::from(after.link(&key) != Some(link));
    }
    ensure!(differ > 0, "nothing differs");
    Ok(started.elapsed().as_secs_f64() * 1_000.0)
}
