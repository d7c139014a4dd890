//! `planner`: what one bound port costs in a large cloud, and what the plans of the cloud take in memory.

use super::cloud::{self, Place};
use crate::bench::{Aim, Measurement, percentile};
use ::planner::Planner;
use anyhow::{Context, Result, bail};
use std::time::Instant;
use store::{Options, Snapshot, Store, WatchEvent};

const PORTS: u32 = 100_000;
const NETWORKS: u32 = 10_000;
const HOSTS: u32 = 2_000;
const GROUPS: u32 = 1_000;
/// Ports that are bound, one by one.
const ROUNDS: u32 = 500;
/// Planners kept at once to measure memory; the first ones fill what the allocator has left over.
const COPIES: usize = 5;
const SETTLING: usize = 2;

/// Aims: at most 1 ms to the delta, at most 1.5 KiB per port.
pub async fn planner_bench() -> Result<Vec<Measurement>> {
    let empty = resident()?;
    let store = Store::in_memory(operations::schema(), Options::default());
    cloud::put_hosts(&store, HOSTS).await?;
    cloud::put_networks(&store, NETWORKS).await?;
    cloud::put_groups(&store, GROUPS).await?;
    cloud::put_ports(&store, PORTS, place).await?;
    let rows = (resident()? - empty) / f64::from(PORTS);
    let snapshot = store.snapshot();
    let (per_port, scratch, planner) =
        tokio::task::spawn_blocking(move || memory(&snapshot)).await??;
    let mut times = bind(&store, planner).await?;
    store.close().await;

    let reference = "all plans computed from scratch";
    Ok(vec![
        Measurement::new(
            "one port bound, to the delta, p50",
            (percentile(&mut times, 0.5), "ms"),
            (reference, scratch),
            Aim::AtMost(1.0),
        ),
        Measurement::new(
            "one port bound, to the delta, p99",
            (percentile(&mut times, 0.99), "ms"),
            (reference, scratch),
            Aim::AtMost(1.0),
        ),
        Measurement::new(
            "memory of all plans, per port",
            (per_port, "B"),
            (
                "the rows of the cloud in the store, which planner and API share",
                rows,
            ),
            Aim::AtMost(1536.0),
        ),
    ])
}

/// Ten ports per network, on hosts that differ; a hundred per group, on several networks.
fn place(port: u32) -> Place {
    Place {
        network: port % NETWORKS,
        group: port / 10 % GROUPS,
        host: Some((port.wrapping_mul(2_654_435_761) >> 7) % HOSTS),
    }
}

/// Bytes of a planner per port, and the ms it takes to make one.
fn memory(snapshot: &Snapshot) -> Result<(f64, f64, Planner)> {
    let mut planners = Vec::new();
    let mut times = Vec::new();
    let mut settled = 0.0;
    for made in 0..COPIES {
        if made == SETTLING {
            settled = resident()?;
        }
        let start = Instant::now();
        planners.push(Planner::new(snapshot));
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let grown = resident()? - settled;
    let per_port = grown / (COPIES - SETTLING) as f64 / f64::from(PORTS);
    let planner = planners.pop().context("a planner")?;
    Ok((per_port, percentile(&mut times, 0.5), planner))
}

/// Binds new ports one by one; the times from the change set to the delta, in ms.
async fn bind(store: &Store, mut planner: Planner) -> Result<Vec<f64>> {
    let mut watch = store.watch(planner.revision());
    let mut times = Vec::new();
    for number in PORTS..PORTS + ROUNDS {
        let bound = place(number);
        let unbound = Place {
            host: None,
            ..bound
        };
        for place in [unbound, bound] {
            let binds = place.host.is_some();
            let row = cloud::port(number, &place)?;
            cloud::write(store, |tx| cloud::put_port(tx, &row)).await?;
            let Some(WatchEvent::Changes(changes)) = watch.next().await else {
                bail!("the change set of a write was not delivered");
            };
            let start = Instant::now();
            let delta = planner.apply(&changes);
            let elapsed = start.elapsed().as_secs_f64() * 1e3;
            if binds {
                anyhow::ensure!(!delta.changes.is_empty(), "a bound port changes plans");
                times.push(elapsed);
            }
        }
    }
    Ok(times)
}

/// Memory of this process that is in RAM, in bytes (`/proc/self/statm`, proc(5)).
fn resident() -> Result<f64> {
    const PAGE: f64 = 4096.0;
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages = statm
        .split(' ')
        .nth(1)
        .context("/proc/self/statm has no second field")?;
    Ok(pages.parse::<f64>()? * PAGE)
}
