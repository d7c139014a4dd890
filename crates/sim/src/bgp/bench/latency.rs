//! `bgp-latency`: how long one route takes through a full table. `bgp-late`: how long a receiver that joins late waits for its
//! table.

use super::judge::{self, Figure};
use super::relay::Relay;
use super::stage::{Layout, Stage};
use crate::bench::{Aim, Measurement, percentile};
use crate::bgp::router::Software;
use crate::bgp::routes::Kind;
use crate::processors::{Awake, Kept};
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

/// The processor of the daemon, and that of the load.
pub(super) const DAEMON: usize = 0;
const LOAD: usize = 1;

const LAYOUT: Layout = Layout {
    kind: Kind::Ipv4,
    injectors: 1,
    receivers: 1,
    late: 0,
    common: false,
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
        stage.router.keep_on(DAEMON)?;
        let _kept = Kept::on(LOAD)?;
        let asleep = probes(&mut stage)?;
        let _awake = Awake::keep(&stage.router.folder().join("awake"))?;
        Ok([asleep, probes(&mut stage)?].concat())
    });
    let figure = |name, aim, first| Figure {
        name,
        unit: "ms",
        aim,
        first,
    };
    let figures = [
        figure("p50", Some(0.1), true),
        figure("p99", Some(1.0), false),
        figure("p50, processors awake", None, true),
        figure("p99, processors awake", None, false),
    ];
    let mut rows = judge::rows(case, &figures, &outcomes);
    if let Some(Ok(ours)) = outcomes.get(&Software::Netwright) {
        rows.extend(beside_a_relay(ours)?);
    }
    Ok(rows)
}

/// What of it is the kernel's: the same octets through a process that only passes them on.
fn beside_a_relay(ours: &[f64]) -> Result<Vec<Measurement>> {
    let relay = Relay::start()?;
    let _kept = Kept::on(LOAD)?;
    let asleep = relay.probes(PROBES, PAUSE)?;
    let _awake = relay.awake()?;
    let bare = [asleep, relay.probes(PROBES, PAUSE)?].concat();
    let names = [
        "p50",
        "p99",
        "p50, processors awake",
        "p99, processors awake",
    ];
    let rows = names.iter().zip(ours.iter().zip(bare));
    Ok(rows
        .map(|(name, (ours, bare))| {
            Measurement::new(
                format!("the same, {name}"),
                (*ours, "ms"),
                ("a process that only passes the octets on", bare),
                Aim::None,
            )
        })
        .collect())
}

/// p50 and p99 in milliseconds of single announcements. The load spins: its own waking up is not the daemon's latency.
fn probes(stage: &mut Stage) -> Result<Vec<f64>> {
    let source = stage.source(0);
    let mut samples = Vec::new();
    for _ in 0..PROBES {
        let wanted = stage.load.sessions()[1].count() + 1;
        let number = wanted as u32 - 1;
        let message = Bytes::from(source.announce(number..number + 1, 0));
        let sent = Instant::now();
        stage.load.send(0, message)?;
        while stage.load.sessions()[1].count() < wanted {
            stage.load.poll(Duration::ZERO)?;
            ensure!(
                sent.elapsed() < PROBE_TIMEOUT,
                "route {number} did not arrive in {PROBE_TIMEOUT:?}"
            );
        }
        samples.push(sent.elapsed().as_secs_f64() * 1e3);
        stage.load.run(PAUSE, |_| false)?;
    }
    Ok(summary(samples))
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

/// p50 and p99.
pub(super) fn summary(mut samples: Vec<f64>) -> Vec<f64> {
    [0.5, 0.99]
        .map(|rank| percentile(&mut samples, rank))
        .into()
}
