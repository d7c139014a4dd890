//! `bench events`: notifications at a thousand a second into a map of a hundred thousand objects.

use super::cloud::port;
use super::scan::{environment, hosts, run};
use crate::bench::{Aim, Measurement};
use anyhow::{Context, Result, ensure};
use discovery::environment::{Config, Credentials};
use discovery::events::{Sink, envelope};
use inventory::Inventory;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use topology::{Batch, Cause, Notification, Verdict};

const PER_SECOND: u32 = 1_000;
const SECONDS: u32 = 60;
const HOSTS: usize = 1_150;
const MACHINES: usize = 20;
/// As many as a listener holds.
const PREFETCH: usize = 256;

/// A message as it leaves the bus, and when.
struct Message {
    sent: Instant,
    body: Vec<u8>,
}

/// The `number`th event: the state and the name of one port after the other.
fn message(number: u32) -> Vec<u8> {
    let number = number as usize;
    let (host, machine) = (number % HOSTS, number / HOSTS % MACHINES);
    let mut port = port(host, machine, &format!("port-{number}"));
    if number.is_multiple_of(3) {
        port["admin_state_up"] = json!(false);
        port["status"] = json!("DOWN");
    }
    let inner = json!({
        "event_type": "port.update.end", "message_id": format!("m{number}"), "publisher_id": "network.net-1",
        "timestamp": jiff::Timestamp::now().to_string(), "priority": "INFO", "_context_project_id": "p", "payload": {"port": port},
    });
    json!({"oslo.version": "2.0", "oslo.message": inner.to_string()})
        .to_string()
        .into_bytes()
}

/// What takes events into the map of a scanned cloud, on disk like any other, and how many objects it has.
async fn sink(dir: &Path) -> Result<(Arc<dyn Sink>, usize)> {
    let (outcome, _) = run(&hosts(HOSTS, Duration::ZERO, None), 64).await?;
    let inventory = Inventory::open(dir)?;
    let environment = environment()?;
    inventory.add_environment(Config::new(environment.clone()), &Credentials::default())?;
    let map = inventory.map(&environment)?;
    map.apply(&Batch {
        cause: Cause::Scan("bench".into()),
        at: jiff::Timestamp::now(),
        readings: outcome.readings,
    })?;
    Ok((inventory.sink(&environment)?, map.head().object_count()))
}

/// Milliseconds from sending to the map, in the order of sending, and verdicts that were not "applied".
async fn consume(
    sink: Arc<dyn Sink>,
    mut messages: mpsc::Receiver<Message>,
) -> Result<(Vec<f64>, usize)> {
    let (mut delays, mut others) = (Vec::new(), 0);
    let mut held = Vec::with_capacity(PREFETCH);
    while messages.recv_many(&mut held, PREFETCH).await > 0 {
        let opened = held.iter().map(|message| envelope::open(&message.body));
        let batch: Vec<Notification> = opened.collect::<Result<_, _>>()?;
        let verdicts = sink.take(&batch).await;
        others += verdicts
            .iter()
            .filter(|verdict| **verdict != Verdict::Applied)
            .count();
        delays.extend(
            held.drain(..)
                .map(|message| message.sent.elapsed().as_secs_f64() * 1_000.0),
        );
    }
    Ok((delays, others))
}

fn percentile(delays: &[f64], share: f64) -> f64 {
    let mut sorted = delays.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted
        .get(at.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// The benchmark.
pub async fn events() -> Result<Vec<Measurement>> {
    // The current folder is on the disk to be measured.
    let dir = tempfile::tempdir_in(std::env::current_dir()?)?;
    let (sink, objects) = sink(dir.path()).await?;
    ensure!(objects >= 100_000, "the map has {objects} objects only");
    let (sender, receiver) = mpsc::channel(100_000);
    let consumer = tokio::spawn(consume(sink, receiver));
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    let started = Instant::now();
    let total = PER_SECOND * SECONDS;
    let mut sent = 0;
    while sent < total {
        tick.tick().await;
        let due = (started.elapsed().as_secs_f64() * f64::from(PER_SECOND)) as u32;
        while sent < due.min(total) {
            let message = Message {
                sent: Instant::now(),
                body: message(sent),
            };
            sender.send(message).await.context("the consumer ended")?;
            sent += 1;
        }
    }
    let behind = sender.max_capacity() - sender.capacity();
    drop(sender);
    let (delays, others) = consumer.await??;
    ensure!(others == 0, "{others} events were not applied");
    let tenth = delays.len() / 6;
    let (first, last) = (&delays[..tenth], &delays[delays.len() - tenth..]);
    Ok(vec![
        Measurement::new(
            format!("event to graph, p99, at {objects} objects and {PER_SECOND} events/s"),
            (percentile(&delays, 0.99), "ms"),
            ("p50", percentile(&delays, 0.5)),
            Aim::AtMost(50.0),
        ),
        Measurement::new(
            format!("lag in the last 10 of {SECONDS} s, p50"),
            (percentile(last, 0.5), "ms"),
            ("in the first 10 s", percentile(first, 0.5)),
            Aim::AtMostOver(10.0),
        ),
        Measurement::new(
            "events waiting at the end",
            (behind as f64, "events"),
            ("sent", f64::from(total)),
            Aim::AtMost(f64::from(PER_SECOND)),
        ),
    ])
}
