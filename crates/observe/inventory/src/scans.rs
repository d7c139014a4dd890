//! Scans: a queue, a few at a time and one per environment, with progress, cancelling, and a book of what became of each.
//!
//! The book survives restarts: a scan that was running then has failed, one that waited runs.

use crate::kept::Kept;
use crate::{Inner, InventoryError, Result};
use discovery::environment::Config;
use discovery::scan::{Progress, Start};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use topology::{Batch, Cause, Environment, Message, ObjectKey, ObjectRef, Severity, Version};

/// Scans that may wait.
const MAX_WAITING: usize = 100;
/// Ended scans the book remembers.
const KEPT_ENDED: usize = 500;
/// Scans of different environments that run at the same time.
const AT_ONCE: usize = 4;
/// Faults a row keeps; the count tells of the others.
const KEPT_FAULTS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanState {
    Pending,
    Running,
    Completed,
    CompletedWithErrors,
    Failed,
    Cancelled,
}

impl ScanState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::CompletedWithErrors => "completed_with_errors",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// How far a scan is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScanProgress {
    pub objects: usize,
    pub hosts_done: usize,
    pub hosts: usize,
    /// The last thing that was read or failed.
    pub last: String,
}

/// A scan, waiting, running or done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanRow {
    pub id: u64,
    pub environment: Environment,
    /// The object it starts at; absent for all of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<ObjectKey>,
    /// The schedule it runs for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Arc<str>>,
    /// The snapshot to name when it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    pub state: ScanState,
    pub submitted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub progress: ScanProgress,
    /// What could not be read: a host or reader, and why.
    pub faults: Vec<(String, String)>,
    pub fault_count: usize,
    /// The version it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct ScanRequest {
    pub environment: Environment,
    pub start: Option<ObjectKey>,
    pub schedule: Option<Arc<str>>,
    pub snapshot: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Book {
    pub(crate) rows: BTreeMap<u64, ScanRow>,
    next: u64,
}

impl Book {
    /// Enters a scan that waits.
    pub(crate) fn enter(&mut self, request: ScanRequest, now: Timestamp) -> Result<ScanRow> {
        let waiting = self
            .rows
            .values()
            .filter(|row| row.state == ScanState::Pending)
            .count();
        if waiting >= MAX_WAITING {
            return Err(InventoryError::TooManyScans(waiting));
        }
        self.next += 1;
        let row = ScanRow {
            id: self.next,
            environment: request.environment,
            start: request.start,
            schedule: request.schedule,
            snapshot: request.snapshot,
            state: ScanState::Pending,
            submitted_at: now,
            started_at: None,
            ended_at: None,
            progress: ScanProgress::default(),
            faults: Vec::new(),
            fault_count: 0,
            version: None,
        };
        self.rows.insert(row.id, row.clone());
        while self
            .rows
            .values()
            .filter(|row| row.state.has_ended())
            .count()
            > KEPT_ENDED
        {
            let oldest = self
                .rows
                .values()
                .find(|row| row.state.has_ended())
                .map(|row| row.id);
            oldest.and_then(|id| self.rows.remove(&id));
        }
        Ok(row)
    }

    fn end(
        &mut self,
        id: u64,
        state: ScanState,
        faults: Vec<(String, String)>,
        version: Option<u64>,
    ) {
        if let Some(row) = self.rows.get_mut(&id) {
            row.state = state;
            row.ended_at = Some(Timestamp::now());
            row.fault_count = faults.len();
            row.faults = faults.into_iter().take(KEPT_FAULTS).collect();
            row.version = version;
        }
    }
}

pub(crate) type Scans = Kept<Book>;

/// What runs now: how far it is, and how to stop it.
#[derive(Default)]
pub(crate) struct Running {
    jobs: BTreeMap<u64, Job>,
}

struct Job {
    environment: Environment,
    progress: ScanProgress,
    cancel: watch::Sender<bool>,
}

impl Inner {
    /// Scans, newest first, with the progress of those that run.
    pub(crate) fn scans(&self, environment: Option<&Environment>) -> Vec<ScanRow> {
        let running = self.running.lock();
        self.scan_book.read(|book| {
            let rows = book.rows.values().rev();
            rows.filter(|row| environment.is_none_or(|wanted| *wanted == row.environment))
                .map(|row| with_progress(row, &running))
                .collect()
        })
    }

    pub(crate) fn scan(&self, id: u64) -> Result<ScanRow> {
        let running = self.running.lock();
        self.scan_book
            .read(|book| book.rows.get(&id).map(|row| with_progress(row, &running)))
            .ok_or_else(|| none(id))
    }

    pub(crate) fn submit(self: &Arc<Self>, request: ScanRequest) -> Result<ScanRow> {
        self.config(&request.environment)?;
        if let Some(name) = &request.snapshot {
            self.map(&request.environment)?.check_name(name)?;
        }
        let row = self
            .scan_book
            .change(|book| book.enter(request, Timestamp::now()))?;
        self.start_waiting();
        Ok(row)
    }

    pub(crate) fn cancel(&self, id: u64) -> Result<ScanRow> {
        let row = self.scan(id)?;
        let refusal = || InventoryError::NotCancellable {
            id: id.to_string(),
            state: row.state.name(),
        };
        if let Some(job) = self.running.lock().jobs.get(&id) {
            job.cancel.send_replace(true);
            return Ok(row);
        }
        self.scan_book.change(|book| match book.rows.get(&id) {
            Some(row) if row.state == ScanState::Pending => {
                book.end(id, ScanState::Cancelled, Vec::new(), None);
                Ok(())
            }
            _ => Err(refusal()),
        })?;
        self.note();
        self.scan(id)
    }

    /// Scans of an environment that went away: nobody wants what they find.
    pub(crate) fn cancel_scans_of(&self, environment: &Environment) -> Result<()> {
        self.scan_book.change(|book| {
            let waiting = book
                .rows
                .values()
                .filter(|row| row.environment == *environment && row.state == ScanState::Pending);
            for id in waiting.map(|row| row.id).collect::<Vec<u64>>() {
                book.end(id, ScanState::Cancelled, Vec::new(), None);
            }
            Ok(())
        })?;
        // After those that wait: the end of one that runs starts the next.
        for job in self.running.lock().jobs.values() {
            if job.environment == *environment {
                job.cancel.send_replace(true);
            }
        }
        self.note();
        Ok(())
    }

    /// A scan that ran when the process ended has failed.
    pub(crate) fn fail_interrupted(&self) -> Result<()> {
        self.scan_book.change(|book| {
            let ids: Vec<u64> = book
                .rows
                .values()
                .filter(|row| row.state == ScanState::Running)
                .map(|row| row.id)
                .collect();
            for id in ids {
                let fault = (
                    "controller".to_owned(),
                    "it was stopped while the scan ran".to_owned(),
                );
                book.end(id, ScanState::Failed, vec![fault], None);
            }
            Ok(())
        })
    }

    /// Starts what waits, as far as the limits allow.
    pub(crate) fn start_waiting(self: &Arc<Self>) {
        if !self.has_started() {
            return;
        }
        let mut running = self.running.lock();
        while running.jobs.len() < AT_ONCE {
            let busy = |environment: &Environment| {
                running
                    .jobs
                    .values()
                    .any(|job| job.environment == *environment)
            };
            let next = self.scan_book.read(|book| {
                let mut waiting = book
                    .rows
                    .values()
                    .filter(|row| row.state == ScanState::Pending);
                waiting.find(|row| !busy(&row.environment)).cloned()
            });
            let Some(row) = next else { break };
            let began = self.scan_book.change(|book| {
                if let Some(row) = book.rows.get_mut(&row.id) {
                    row.state = ScanState::Running;
                    row.started_at = Some(Timestamp::now());
                }
                Ok(())
            });
            if let Err(error) = began {
                tracing::warn!(%error, scan = row.id, "cannot start a scan");
                break;
            }
            let (cancel, cancelled) = watch::channel(false);
            let job = Job {
                environment: row.environment.clone(),
                progress: ScanProgress::default(),
                cancel,
            };
            running.jobs.insert(row.id, job);
            let inner = self.clone();
            tokio::spawn(async move { inner.run_scan(row, cancelled).await });
        }
        drop(running);
        self.note();
    }

    async fn run_scan(self: Arc<Self>, row: ScanRow, cancelled: watch::Receiver<bool>) {
        let (state, faults, version) = match self.scan_once(&row, cancelled).await {
            Ok((version, faults)) if faults.is_empty() => {
                (ScanState::Completed, faults, Some(version))
            }
            Ok((version, faults)) => (ScanState::CompletedWithErrors, faults, Some(version)),
            // An environment that is removed takes its scans with it, those too that it comes before.
            Err(
                InventoryError::Discovery(discovery::Error::Cancelled)
                | InventoryError::NoEnvironment(_),
            ) => (ScanState::Cancelled, Vec::new(), None),
            Err(error) => {
                let fault = (row.environment.to_string(), error.to_string());
                (ScanState::Failed, vec![fault], None)
            }
        };
        tracing::info!(scan = row.id, environment = %row.environment, state = state.name(), faults = faults.len(), "scan ended");
        let job = self.running.lock().jobs.remove(&row.id);
        let ended = self.scan_book.change(|book| {
            book.end(row.id, state, faults.clone(), version);
            if let (Some(row), Some(job)) = (book.rows.get_mut(&row.id), job) {
                row.progress = job.progress;
            }
            Ok(())
        });
        if let Err(error) = ended {
            tracing::warn!(%error, scan = row.id, "cannot note how a scan ended");
        }
        self.tell_end(&row, state, faults.len());
        self.start_waiting();
    }

    async fn scan_once(
        self: &Arc<Self>,
        row: &ScanRow,
        cancelled: watch::Receiver<bool>,
    ) -> Result<(u64, Vec<(String, String)>)> {
        let reach = self.reach(&row.environment)?;
        let map = self.map(&row.environment)?;
        let head = map.head();
        let start = row.start.as_ref().map(|key| start_at(&head, key));
        let hosts = reach.config.ssh.as_ref().map(|ssh| ssh.hosts.clone());
        let progress = |progress: Progress| self.note_progress(row.id, progress);
        let mut outcome = reach
            .scan(
                &head,
                start.transpose()?,
                hosts.unwrap_or_default(),
                &progress,
                cancelled,
            )
            .await?;
        if outcome.readings.is_empty() && outcome.faults.is_empty() {
            outcome.faults.push(nothing_read(&reach.config));
        }
        let batch = Batch {
            cause: Cause::Scan(row.id.to_string().into()),
            at: Timestamp::now(),
            readings: outcome.readings,
        };
        let snapshot = row.snapshot.clone();
        let (version, unnamed) = tokio::task::spawn_blocking(move || -> Result<_> {
            let number = map.apply(&batch)?.version.number;
            let Some(name) = snapshot else {
                return Ok((number, None));
            };
            // The name may have been taken meanwhile; what was read is on the map all the same.
            match map.snapshot(&name, false, Timestamp::now()) {
                Ok(named) => Ok((named.version.number, None)),
                Err(error) => Ok((
                    number,
                    Some((format!("snapshot '{name}'"), error.to_string())),
                )),
            }
        })
        .await
        .map_err(|error| unreadable("the scan's result", &error))??;
        outcome.faults.extend(unnamed);
        Ok((version, outcome.faults))
    }

    fn note_progress(&self, id: u64, progress: Progress) {
        if let Some(job) = self.running.lock().jobs.get_mut(&id) {
            let now = &mut job.progress;
            match progress {
                Progress::Reader { name, objects } => {
                    now.objects += objects;
                    now.last = name.to_owned();
                }
                Progress::ReaderFailed { name, reason } => now.last = format!("{name}: {reason}"),
                Progress::Hosts { count } => now.hosts = count,
                Progress::Host {
                    host,
                    objects,
                    done,
                    of,
                } => {
                    now.objects += objects;
                    (now.hosts_done, now.hosts, now.last) = (done, of, host);
                }
                Progress::HostFailed {
                    host,
                    reason,
                    done,
                    of,
                } => {
                    (now.hosts_done, now.hosts) = (done, of);
                    now.last = format!("{host}: {reason}");
                }
            }
        }
        self.note();
    }

    fn tell_end(&self, row: &ScanRow, state: ScanState, faults: usize) {
        let Ok(map) = self.map(&row.environment) else {
            return;
        };
        let severity = match state {
            ScanState::Failed => Severity::Error,
            ScanState::CompletedWithErrors => Severity::Warning,
            _ => Severity::Info,
        };
        let now = Timestamp::now();
        let message = Message {
            id: 0,
            severity,
            source: "Netwright".into(),
            text: format!(
                "scan {} {}, {faults} faults",
                row.id,
                state.name().replace('_', " ")
            )
            .into(),
            at: now,
            received_at: now,
            objects: Vec::new(),
            context: None,
            viewed: false,
        };
        if let Err(error) = map.tell(vec![message]) {
            tracing::warn!(%error, scan = row.id, "cannot keep the message of a scan");
        }
    }
}

fn with_progress(row: &ScanRow, running: &Running) -> ScanRow {
    let mut row = row.clone();
    if let Some(job) = running.jobs.get(&row.id) {
        row.progress = job.progress.clone();
    }
    row
}

fn none(id: u64) -> InventoryError {
    InventoryError::None {
        what: "scan",
        id: id.to_string(),
    }
}

/// The fault of a scan that had nothing to do: the kind of the environment and the ways it is reached do not go together.
fn nothing_read(config: &Config) -> (String, String) {
    let kind = match config.facts.environment_type.as_str() {
        "" => "OpenStack",
        kind => kind,
    };
    (
        config.name.to_string(),
        format!(
            "nothing was read: an environment of the type {kind} is read in other ways than those set; set facts.environment_type or what it is reached by"
        ),
    )
}

pub(crate) fn unreadable(what: &str, error: &dyn std::fmt::Display) -> InventoryError {
    InventoryError::Unreadable {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

/// Where a scan that starts at an object goes; the object must be on the map.
fn start_at(version: &Version, key: &ObjectKey) -> Result<Start> {
    match version.find(&ObjectRef::from(key)) {
        Some(_) => Ok(Start::at(version, key, &[])),
        None => Err(InventoryError::None {
            what: "object",
            id: key.to_string(),
        }),
    }
}
