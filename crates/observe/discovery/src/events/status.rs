//! How the listeners are doing: one status per environment, for the API and for people.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;
use topology::{Environment, Verdict};

/// What a listener is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    Stopped,
    Connecting,
    Running {
        since: Timestamp,
    },
    /// The broker could not be reached or ended the session; it is tried again.
    BackingOff {
        reason: String,
        until: Timestamp,
    },
}

/// The state, and what became of messages since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    #[serde(flatten)]
    pub state: State,
    pub received: u64,
    pub applied: u64,
    pub ignored: u64,
    /// Given back to be tried later.
    pub retried: u64,
    /// Dead-lettered, with a reason each.
    pub dead: u64,
    /// The last reason.
    pub last_fault: Option<String>,
    /// When the newest handled event happened, by its sender's clock.
    pub newest_event: Option<Timestamp>,
    /// Sessions with the broker so far.
    pub sessions: u64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: State::Stopped,
            received: 0,
            applied: 0,
            ignored: 0,
            retried: 0,
            dead: 0,
            last_fault: None,
            newest_event: None,
            sessions: 0,
        }
    }
}

/// The statuses of all environments. Cloning shares the board.
#[derive(Debug, Clone, Default)]
pub struct StatusBoard(Arc<watch::Sender<BTreeMap<Environment, Status>>>);

impl StatusBoard {
    pub fn get(&self, environment: &Environment) -> Status {
        self.0
            .borrow()
            .get(environment)
            .cloned()
            .unwrap_or_default()
    }

    /// Wakes when a status has changed.
    pub fn subscribe(&self) -> watch::Receiver<BTreeMap<Environment, Status>> {
        self.0.subscribe()
    }

    pub(super) fn update(&self, environment: &Environment, change: impl FnOnce(&mut Status)) {
        self.0
            .send_modify(|all| change(all.entry(environment.clone()).or_default()));
    }

    pub(super) fn note(&self, environment: &Environment, verdict: &Verdict, happened: Timestamp) {
        self.update(environment, |status| {
            status.received += 1;
            status.newest_event = status.newest_event.max(Some(happened));
            match verdict {
                Verdict::Applied => status.applied += 1,
                Verdict::Ignored(_) => status.ignored += 1,
                Verdict::Retry(reason) => {
                    status.retried += 1;
                    status.last_fault = Some(reason.clone());
                }
                Verdict::Refused(reason) => {
                    status.dead += 1;
                    status.last_fault = Some(reason.clone());
                }
            }
        });
    }
}
