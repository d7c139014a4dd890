//! The planner and the sessions that live on it, under one order: a session sees the plan of one revision and then
//! every delta after it, none missing and none twice.

use crate::outbox::{Batch, Outbox, Pending};
use model::HostName;
use parking_lot::{Mutex, RwLock};
use plan::UnitKey;
use planner::{Edit, PlanDelta, Planner};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use store::Revision;
use tokio::sync::watch;
use wire::{Digest, GoAwayReason, digest, encode_unit};

pub(crate) struct Dispatch {
    /// Written by the planner's task alone. Deltas are posted to sessions before the lock is released.
    planner: RwLock<Planner>,
    /// Taken inside the planner's lock, never the other way round.
    sessions: Mutex<HashMap<HostName, Session>>,
    revision: watch::Sender<Revision>,
}

/// The stream of a host that came last.
struct Session {
    id: u64,
    outbox: Arc<Outbox>,
    /// Its inventory is known and deltas are posted to it.
    live: bool,
}

impl Dispatch {
    pub(crate) fn new(planner: Planner) -> Self {
        Self {
            revision: watch::Sender::new(planner.revision()),
            planner: RwLock::new(planner),
            sessions: Mutex::default(),
        }
    }

    /// `f` may ask again, as it does through the fleet: such a reader must not wait for a writer that waits for it.
    pub(crate) fn with_planner<R>(&self, f: impl FnOnce(&Planner) -> R) -> R {
        f(&self.planner.read_recursive())
    }

    /// Advances the planner and hands what changed to the sessions.
    pub(crate) fn advance(&self, step: impl FnOnce(&mut Planner) -> PlanDelta) -> Revision {
        let mut planner = self.planner.write();
        let delta = step(&mut planner);
        self.fan_out(&delta);
        drop(planner);
        self.revision.send_replace(delta.revision);
        delta.revision
    }

    /// Until the planner has reached the revision; false if it stops before.
    pub(crate) async fn reached(&self, revision: Revision) -> bool {
        let mut current = self.revision.subscribe();
        current.wait_for(|now| *now >= revision).await.is_ok()
    }

    fn fan_out(&self, delta: &PlanDelta) {
        let sessions = self.sessions.lock();
        if sessions.is_empty() {
            return;
        }
        let mut posts: HashMap<&HostName, Vec<(UnitKey, Pending)>> = HashMap::new();
        for change in &delta.changes {
            let live = |host: &&HostName| sessions.get(*host).is_some_and(|session| session.live);
            let mut listeners = change.hosts.iter().filter(live).peekable();
            if listeners.peek().is_none() {
                continue;
            }
            let pending = match &change.edit {
                Edit::Insert(unit) => Pending {
                    value: Some(encode_unit(unit)),
                    held: false,
                },
                Edit::Replace(unit) => Pending {
                    value: Some(encode_unit(unit)),
                    held: true,
                },
                Edit::Delete => Pending {
                    value: None,
                    held: true,
                },
            };
            for host in listeners {
                let edits = posts.entry(host).or_default();
                edits.push((change.key.clone(), pending.clone()));
            }
        }
        for (host, edits) in posts {
            if let Some(session) = sessions.get(host) {
                session.outbox.post(edits, delta.revision.0);
            }
        }
    }

    /// Makes the session the host's only one. `entered` runs before another can take over.
    pub(crate) fn enter(
        &self,
        host: &HostName,
        id: u64,
        outbox: &Arc<Outbox>,
        entered: impl FnOnce(),
    ) {
        let session = Session {
            id,
            outbox: outbox.clone(),
            live: false,
        };
        let mut sessions = self.sessions.lock();
        if let Some(old) = sessions.insert(host.clone(), session) {
            old.outbox.go_away(GoAwayReason::Replaced);
        }
        entered();
    }

    /// Answers what the agent has; from here on its session gets every delta. Does nothing for a session that was
    /// replaced. Costs time in proportion to the plan; not for an async thread.
    pub(crate) fn join(
        &self,
        host: &HostName,
        id: u64,
        outbox: &Arc<Outbox>,
        inventory: HashMap<UnitKey, Digest>,
    ) {
        let (plan, revision) = {
            let planner = self.planner.read();
            match self.sessions.lock().get_mut(host) {
                Some(session) if session.id == id => session.live = true,
                _ => return,
            }
            (planner.host_plan(host), planner.revision())
        };
        let mut held = inventory;
        let mut difference = BTreeMap::new();
        for (key, unit) in plan.iter() {
            let value = encode_unit(unit);
            let known = held.remove(key);
            if known != Some(digest(&value)) {
                let pending = Pending {
                    value: Some(value),
                    held: known.is_some(),
                };
                difference.insert(key.clone(), pending);
            }
        }
        let gone = |key| {
            let pending = Pending {
                value: None,
                held: true,
            };
            (key, pending)
        };
        difference.extend(held.into_keys().map(gone));
        outbox.start(Batch::new(difference, revision.0));
    }

    /// Forgets the session if it is still the host's live one.
    pub(crate) fn leave(&self, host: &HostName, id: u64) {
        let mut sessions = self.sessions.lock();
        if sessions.get(host).is_some_and(|session| session.id == id) {
            sessions.remove(host);
        }
    }
}
