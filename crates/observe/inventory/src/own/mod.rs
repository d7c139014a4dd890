//! The cloud this controller runs, on the map without a scan: what its store holds and what its agents say, as they change.
//!
//! ```text
//!   store's watch ──► what changed ──┐ a moment of it ──► readings ──► one version
//!   agents' words ──► who spoke ─────┘                └─► checks ────► one version where health changed
//! ```
//!
//! A change is read back from the store's present state, so that nothing depends on the order of events, and one that was missed is made
//! up for by a complete reading. This module writes nothing to the store and asks agents nothing.

mod health;
mod intent;

use crate::environments::profile;
use crate::{EnvironmentView, Inventory, InventoryError, LiveMap, Result};
use controller::{Fleet, FleetEvent};
use discovery::environment::Config;
use discovery::scan::tree::Facts;
use health::Health;
use intent::{Dirty, Intent};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use store::{Store, Watch, WatchEvent};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep, sleep_until};
use topology::{Batch, Cause, Environment, Source, SourceKind};

/// What its environment is called.
pub const OWN: &str = "local";

/// What comes within this time of the first change becomes one version with it.
const MOMENT: Duration = Duration::from_millis(250);
/// How long after the controller's start agents are not missed yet.
const GRACE: Duration = Duration::from_secs(30);
/// How long to wait after what could not be taken in, a full disk for one.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

impl Inventory {
    /// Maps the cloud of this store and these agents as the environment [`OWN`], which nobody configures, scans or removes. Needs the
    /// runtime; ends when the store is closed.
    ///
    /// # Errors
    /// An environment of that name was configured, or its map cannot be opened.
    pub fn map_own(&self, store: Store, fleet: Fleet) -> Result<()> {
        let name = Environment::new(OWN)?;
        if self.0.environments.read(|rows| rows.contains_key(&name)) {
            return Err(InventoryError::EnvironmentExists(name));
        }
        let config = Config {
            facts: Facts {
                environment_type: "Netwright".to_owned(),
                type_drivers: "vxlan".to_owned(),
                ..Facts::default()
            },
            ..Config::new(name.clone())
        };
        let map = self.0.open_map(profile(&config))?;
        *self.0.own.write() = Some(EnvironmentView {
            config,
            credentials: Vec::new(),
            changed_at: Timestamp::now(),
            own: true,
        });
        let follower = Follower {
            environment: name,
            events: fleet.subscribe(),
            watch: store.watch(store.snapshot().revision()),
            health: Health::new(fleet),
            missed_from: Some(Instant::now() + GRACE),
            last: map.head().at,
            dirty: Dirty::everything(),
            store,
            map,
        };
        tokio::spawn(follower.run());
        Ok(())
    }
}

struct Follower {
    environment: Environment,
    store: Store,
    watch: Watch,
    events: Receiver<FleetEvent>,
    map: Arc<LiveMap>,
    dirty: Dirty,
    health: Health,
    /// `None` once hosts without an agent are missed.
    missed_from: Option<Instant>,
    /// When the map last heard from here: a clock that is set back must not make news old.
    last: Timestamp,
}

impl Follower {
    async fn run(mut self) {
        loop {
            let taken = tokio::task::spawn_blocking(move || {
                let taken = self.take_in();
                (self, taken)
            });
            let Ok((this, taken)) = taken.await else {
                return;
            };
            self = this;
            if let Err(error) = taken {
                tracing::warn!(%error, "cannot map this cloud");
                self.dirty = Dirty::everything();
                self.health.doubt();
                sleep(AGAIN_AFTER).await;
                continue;
            }
            while self.dirty.is_empty() && self.health.is_clean() {
                if !self.next().await {
                    return;
                }
            }
            let moment = Instant::now() + MOMENT;
            while let Ok(open) = tokio::time::timeout_at(moment, self.next()).await {
                if !open {
                    return;
                }
            }
        }
    }

    /// Waits for one thing to happen; false when the store is closed. Cancel safe.
    async fn next(&mut self) -> bool {
        tokio::select! {
            event = self.watch.next() => match event {
                Some(WatchEvent::Changes(changes)) => {
                    self.dirty.note(&changes);
                    self.health.changed(&changes);
                }
                Some(WatchEvent::Reset(_)) => {
                    self.dirty = Dirty::everything();
                    self.health.doubt();
                }
                None => return false,
            },
            event = self.events.recv() => match event {
                Ok(event) => self.dirty.hosts.extend(self.health.heard(event)),
                Err(RecvError::Lagged(_)) => {
                    self.dirty = Dirty::everything();
                    self.health.doubt();
                }
                // The controller ends, and soon the store.
                Err(RecvError::Closed) => return false,
            },
            () = until(self.missed_from) => {
                self.missed_from = None;
                self.health.expect_agents();
            }
        }
        true
    }

    /// What is dirty becomes a version, and what agents say of it another. Writes to disk.
    fn take_in(&mut self) -> Result<()> {
        let snapshot = self.store.snapshot();
        let next = self.last + SignedDuration::from_nanos(1);
        self.last = Timestamp::now().max(next);
        let dirty = std::mem::take(&mut self.dirty);
        if !dirty.is_empty() {
            let source = Source {
                kind: SourceKind::new("netwright")?,
                detail: "this controller".into(),
                read_at: self.last,
            };
            let intent = Intent {
                environment: &self.environment,
                snapshot: &snapshot,
                fleet: self.health.fleet(),
            };
            self.map.apply(&Batch {
                cause: Cause::Events,
                at: self.last,
                readings: vec![intent.reading(&dirty, source)?],
            })?;
        }
        let said = self.health.say(&snapshot, &self.map.head(), self.last)?;
        self.map.note_checks(&said.results, self.last)?;
        self.map.tell(said.messages)?;
        Ok(())
    }
}

/// For ever, if there is no time to wait for.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
