//! Reads the kernel back from time to time, as a backstop for changes that nobody announces: a deleted map entry, a
//! detached program. Reading happens on another thread, so that it never delays a change; putting right does not
//! happen here.

use datapath::{Datapath, Error, Tables};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// Less than a second, so that with the reading itself a foreign change stands at most a second.
const INTERVAL: Duration = Duration::from_millis(600);
/// An audit may take this share of a processor at most; on hosts with very many ports they become rarer.
const COST: u32 = 20;
/// How many audits in a row may be void because the maps were written to meanwhile.
const MAX_SKIPPED: u32 = 2;

/// What was read.
#[derive(Debug)]
pub(super) struct Finding {
    /// Devices whose programs are not there.
    pub(super) detached: Vec<u32>,
    pub(super) tables: Result<Tables, Error>,
    /// The generation of the maps when the reading began.
    pub(super) generation: u64,
    pub(super) micros: u64,
}

pub(super) struct Audit {
    due: Instant,
    running: Option<JoinHandle<Finding>>,
    skipped: u32,
}

impl Audit {
    pub(super) fn new() -> Self {
        Self {
            due: Instant::now() + INTERVAL,
            running: None,
            skipped: 0,
        }
    }

    /// The next finding, when it is time. Cancel safe.
    pub(super) async fn next(
        &mut self,
        datapath: &Arc<Datapath>,
        attached: &BTreeSet<u32>,
        generation: u64,
    ) -> Finding {
        loop {
            if self.running.is_none() {
                sleep_until(self.due).await;
                let (datapath, attached) = (datapath.clone(), attached.clone());
                self.running = Some(tokio::task::spawn_blocking(move || {
                    read(&datapath, &attached, generation)
                }));
            }
            if let Some(task) = &mut self.running {
                let outcome = task.await;
                self.running = None;
                let spent = match &outcome {
                    Ok(finding) => Duration::from_micros(finding.micros),
                    Err(_) => INTERVAL,
                };
                let rest = INTERVAL.max(spent * COST).mul_f64(crate::jitter(0.9, 1.1));
                self.due = Instant::now() + rest;
                if let Ok(finding) = outcome {
                    return finding;
                }
            }
        }
    }

    /// True if the comparison may be left out this time.
    pub(super) fn may_skip(&mut self) -> bool {
        self.skipped = (self.skipped + 1) % (MAX_SKIPPED + 1);
        self.skipped != 0
    }
}

fn read(datapath: &Datapath, attached: &BTreeSet<u32>, generation: u64) -> Finding {
    let start = std::time::Instant::now();
    let tables = datapath.dump();
    // Attaching tells what is wrong with a device that cannot be asked; one that is gone will be announced.
    let detached = datapath.detached(attached);
    Finding {
        detached,
        tables,
        generation,
        micros: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}
