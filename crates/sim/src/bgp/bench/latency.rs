//! `bgp-latency`: how long one route takes through a full table. `bgp-late`: how long a receiver that joins late waits for its
//! table.

use super::judge::{self, Figure};
use super::stage::{Layout, Stage};
use crate::bench::{Measurement, percentile};
use crate::bgp::router::Software;
use crate::bgp::routes::Kind;
use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use std::time::{Duration, Instant};

const TABLE: u32 = 1_000_000;
const PROBES: u32 = 200;
const LATE_TABLE: u32 = 100_000;
const LOADING: Duration = Duration::from_secs(90);
/// The longest a probe may take; FRR holds a change for 50 ms.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
/// Between probes: a daemon at rest is asked, not one in the middle of the last probe's work.
const PAUSE: Duration = Duration::from_millis(3);

const LAYOUT: Layout = Layout {
    kind: Kind::Ipv4,
    injectors: 1,
    receivers: 1,
    late: 0,
    external: false,
    targets: 0,
    memberships: None,
};

fn loaded(software: Software, layout: Layout, table: u32) -> Result<Stage> {
    let mut stage = Stage::new(software, layout)?;
    let messages = stage.announcements(table, 0);
    if stage.inject(messages, table as usize, LOADING)?.is_none() {
        bail!("did not take the table in {} s", LOADING.as_secs());
    }
    stage.settled_usage()?;
    Ok(stage)
}

pub(super) fn measure(programs: &[Software]) -> Result<Vec<Measurement>> {
    let case = "one route through a table of 1,000,000";
    eprintln!("  {case}");
    let outcomes = judge::rounds(programs, 1, |software| {
        let mut stage = loaded(software, LAYOUT, TABLE)?;
        probes(&mut stage)
    });
    let figure = |name, aim, first| Figure {
        name,
        unit: "ms",
        aim: Some(aim),
        first,
    };
    let figures = [figure("p50", 0.1, true), figure("p99", 1.0, false)];
    Ok(judge::rows(case, &figures, &outcomes))
}

/// p50 and p99 in milliseconds of single announcements. The load spins: its own waking up is not the daemon's latency.
fn probes(stage: &mut Stage) -> Result<Vec<f64>> {
    let source = stage.source(0);
    let mut samples = Vec::new();
    for probe in 0..PROBES {
        let number = TABLE + probe;
        let message = Bytes::from(source.announce(number..number + 1, 0));
        let wanted = (number + 1) as usize;
        let sent = Instant::now();
        stage.load.send(0, message)?;
        while stage.load.sessions()[1].count() < wanted {
            stage.load.poll(Duration::ZERO)?;
            ensure!(
                sent.elapsed() < PROBE_TIMEOUT,
                "probe {probe} did not arrive in {PROBE_TIMEOUT:?}"
            );
        }
        samples.push(sent.elapsed().as_secs_f64() * 1e3);
        stage.load.run(PAUSE, |_| false)?;
    }
    Ok(vec![
        percentile(&mut samples, 0.5),
        percentile(&mut samples, 0.99),
    ])
}

pub(super) fn late(programs: &[Software]) -> Result<Vec<Measurement>> {
    let case = "100,000 IPv4 to a receiver that joins late";
    eprintln!("  {case}");
    let layout = Layout { late: 1, ..LAYOUT };
    let outcomes = judge::rounds(programs, 3, |software| {
        let mut stage = loaded(software, layout, LATE_TABLE)?;
        let before = stage.router.usage()?;
        let started = Instant::now();
        stage.open(2..3)?;
        let done = stage.load.run(Duration::from_secs(30), |sessions| {
            sessions[2].count() == LATE_TABLE as usize
        })?;
        ensure!(done, "the late receiver did not get its table in 30 s");
        let wall = started.elapsed().as_secs_f64();
        let after = stage.settled_usage()?;
        Ok(vec![wall, (after.cpu - before.cpu).as_secs_f64()])
    });
    let figures = [
        Figure {
            name: "from connecting to the last route",
            unit: "s",
            aim: Some(0.2),
            first: true,
        },
        Figure {
            name: "processor time",
            unit: "s",
            aim: None,
            first: true,
        },
    ];
    Ok(judge::rows(case, &figures, &outcomes))
}
