//! `bench scan`: how long a scan of many hosts takes over a slow network, and what a dead host costs.

use super::cloud::SimulatedCloud;
use super::hosts::SimulatedHosts;
use crate::bench::{Aim, Measurement};
use anyhow::{Result, ensure};
use discovery::host::known::Known;
use discovery::scan::tree::{Facts, Tree};
use discovery::scan::{Limits, Outcome, Request, Scan, Source};
use discovery::ssh::Hosts;
use futures::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use topology::Environment;

const ROUND_TRIP: Duration = Duration::from_millis(200);
const MACHINES: usize = 20;
/// What a dead host may cost: its own time-out.
const HOST_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn environment() -> Result<Environment> {
    Ok(Environment::new("simulated")?)
}

pub(super) fn facts() -> Facts {
    Facts {
        environment_type: "OpenStack".to_owned(),
        mechanism_drivers: vec!["OVS".to_owned()],
        type_drivers: "vxlan".to_owned(),
        ..Facts::default()
    }
}

/// A full scan of a simulated cloud.
pub(super) async fn run(hosts: &SimulatedHosts, parallel: usize) -> Result<(Outcome, Duration)> {
    let environment = environment()?;
    let cloud: Arc<dyn Source> = Arc::new(SimulatedCloud {
        hosts: hosts.hosts,
        machines_per_host: hosts.machines_per_host,
    });
    let scan = Scan {
        environment: &environment,
        tree: &Tree::built_in(),
        sources: &[cloud],
        hosts: Some(hosts),
        progress: &|_| {},
    };
    let request = Request {
        facts: facts(),
        start: None,
        known: Known::default(),
        hosts: Vec::new(),
        limits: Limits {
            hosts: parallel,
            host_within: HOST_WITHIN,
            ..Limits::default()
        },
    };
    let (_cancel, cancelled) = watch::channel(false);
    let started = Instant::now();
    let outcome = scan.run(&request, cancelled).await?;
    Ok((outcome, started.elapsed()))
}

pub(super) fn hosts(count: usize, round_trip: Duration, dead: Option<usize>) -> SimulatedHosts {
    SimulatedHosts {
        round_trip,
        machines_per_host: MACHINES,
        hosts: count,
        dead,
        commands: Arc::new(AtomicUsize::new(0)),
    }
}

/// The waiting alone: the same sessions and exchanges, without anything read.
async fn waiting(hosts: &SimulatedHosts, parallel: usize) -> Duration {
    let started = Instant::now();
    futures::stream::iter(0..hosts.hosts)
        .for_each_concurrent(parallel, |number| async move {
            if let Ok(mut session) = hosts.open(&super::hosts::host_name(number)).await {
                for _ in 0..2 {
                    let _ = session.run(&[]).await;
                }
            }
        })
        .await;
    started.elapsed()
}

/// The benchmark.
pub async fn scan() -> Result<Vec<Measurement>> {
    let parallel = Limits::default().hosts;
    let mut results = Vec::new();
    for (count, aim) in [(100, 30.0), (1_000, 180.0)] {
        let simulated = hosts(count, ROUND_TRIP, None);
        let idle = waiting(&simulated, parallel).await;
        let (outcome, took) = run(&simulated, parallel).await?;
        ensure!(outcome.hosts_read == count, "{:?}", outcome.faults.first());
        let objects: usize = outcome
            .readings
            .iter()
            .map(|reading| reading.drafts.len())
            .sum();
        let commands = simulated.commands.load(Ordering::Relaxed);
        results.push(Measurement::new(
            format!("scan of {count} hosts × {MACHINES} machines, 200 ms round trip ({objects} objects, {commands} commands)"),
            (took.as_secs_f64(), "s"),
            ("the same exchanges, nothing read", idle.as_secs_f64()),
            Aim::AtMost(aim),
        ));
        if count == 100 {
            results.push(Measurement::new(
                "round trips of commands per host",
                (f64::from(outcome.round_trips), "round trips"),
                ("aim", 3.0),
                Aim::AtMost(3.0),
            ));
            let (with_dead, took_with_dead) =
                run(&hosts(count, ROUND_TRIP, Some(7)), parallel).await?;
            ensure!(with_dead.hosts_read == count - 1, "the dead host was read");
            results.push(Measurement::new(
                "the same with one dead host",
                (took_with_dead.as_secs_f64(), "s"),
                ("without it", took.as_secs_f64()),
                Aim::AtMostOver(HOST_WITHIN.as_secs_f64()),
            ));
        }
    }
    Ok(results)
}
