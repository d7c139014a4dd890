//! `bgp-fanout`: 500 receivers, one of which stops reading. The others must not notice, and what is kept for the stalled one
//! must be bounded.

use super::judge::{self, Figure};
use super::stage::{Layout, Stage};
use crate::bench::Measurement;
use crate::bgp::router::Software;
use crate::bgp::routes::Kind;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

const RECEIVERS: usize = 500;
const TABLE: u32 = 20_000;
/// How often every route then changes: many times what the sockets of the stalled receiver can hold.
const REWRITES: u32 = 10;
const TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn measure(programs: &[Software]) -> Result<Vec<Measurement>> {
    let case = "20,000 IPv4 to 500 clients, one of them stalled";
    eprintln!("  {case}");
    let outcomes = judge::rounds(programs, 1, |software| {
        let healthy = run(software, false)?;
        let stalled = run(software, true)?;
        Ok(vec![
            stalled.table.as_secs_f64(),
            stalled.cpu.as_secs_f64(),
            stalled.peak as f64 / 1e6,
            stalled.table.as_secs_f64() / healthy.table.as_secs_f64(),
            (stalled.rewritten - healthy.rewritten) / 1e6,
        ])
    });
    let figure = |name, unit, aim, first| Figure {
        name,
        unit,
        aim,
        first,
    };
    let figures = [
        figure("until the last of the 499 has the table", "s", None, true),
        figure("processor time", "s", None, true),
        figure("peak memory", "MB", None, true),
        figure(
            "time over that without a stalled one",
            "×",
            Some(1.25),
            false,
        ),
        figure(
            "memory that the stalled one costs after 10 changes of every route",
            "MB",
            Some(16.0),
            false,
        ),
    ];
    Ok(judge::rows(case, &figures, &outcomes))
}

struct Fanout {
    table: Duration,
    cpu: Duration,
    /// Peak bytes when the table was sent.
    peak: u64,
    /// Peak bytes after all rewrites; not a number if they took too long.
    rewritten: f64,
}

fn run(software: Software, stall: bool) -> Result<Fanout> {
    let layout = Layout {
        kind: Kind::Ipv4,
        injectors: 1,
        // The last one reads or does not; nobody waits for it.
        receivers: RECEIVERS - 1,
        late: 1,
        common: false,
        external: false,
        targets: 0,
        memberships: None,
    };
    let mut stage = Stage::new(software, layout)?;
    stage.open(RECEIVERS..RECEIVERS + 1)?;
    stage.load.run(Duration::from_millis(1500), |_| false)?;
    if stall {
        stage.load.stall(RECEIVERS)?;
    }
    let before = stage.router.usage()?;
    let messages = stage.announcements(TABLE, 0);
    let table = stage
        .inject(messages, TABLE as usize, TIMEOUT)?
        .with_context(|| format!("did not converge in {TIMEOUT:?}: {}", stage.least()))?;
    let usage = stage.settled_usage()?;
    let rewritten = if rewrite(&mut stage)? {
        stage.settled_usage()?.peak as f64
    } else {
        f64::NAN
    };
    Ok(Fanout {
        table,
        cpu: usage.cpu - before.cpu,
        peak: usage.peak,
        rewritten,
    })
}

/// Changes every route time and again; `false` if the time was not enough.
fn rewrite(stage: &mut Stage) -> Result<bool> {
    let deadline = Instant::now() + TIMEOUT;
    for version in 1..=REWRITES {
        // A rewrite announces what is there already: counted from nothing again.
        stage.load.forget();
        let messages = stage.announcements(TABLE, version);
        let left = deadline.saturating_duration_since(Instant::now());
        if stage.inject(messages, TABLE as usize, left)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}
