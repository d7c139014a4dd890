//! The last comparisons of an environment's versions, kept so that a list that is read page by page is made once.

use crate::LiveMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use topology::{CliqueChange, Diff, Version};

/// Comparisons an environment keeps; each may be as big as its map.
const KEPT: usize = 3;
/// Objects at which cliques may start that a comparison looks at.
const FOCALS: usize = 10_000;

/// Two versions and what differs.
pub struct Comparison {
    pub before: Arc<Version>,
    pub after: Arc<Version>,
    pub diff: Diff,
    cliques: OnceLock<(Vec<CliqueChange>, bool)>,
}

impl Comparison {
    /// Cliques that differ, and whether there may be more than were looked at. The first to ask waits for it.
    pub fn cliques(&self) -> (&[CliqueChange], bool) {
        let (changes, more) = self
            .cliques
            .get_or_init(|| self.before.clique_changes(&self.after, &self.diff, FOCALS));
        (changes, *more)
    }
}

#[derive(Default)]
pub(crate) struct Comparisons(Mutex<VecDeque<Arc<Comparison>>>);

impl LiveMap {
    /// What differs between two versions of this map. Work for a thread that may be busy.
    pub fn compare(&self, before: Arc<Version>, after: Arc<Version>) -> Arc<Comparison> {
        let mut kept = self.comparisons.0.lock();
        let found = kept
            .iter()
            .find(|known| Arc::ptr_eq(&known.before, &before) && Arc::ptr_eq(&known.after, &after));
        if let Some(found) = found {
            return found.clone();
        }
        // Made under the lock: the pages that are asked for meanwhile are of the same comparison.
        let made = Arc::new(Comparison {
            diff: before.diff(&after),
            before,
            after,
            cliques: OnceLock::new(),
        });
        kept.truncate(KEPT - 1);
        kept.push_front(made.clone());
        made
    }
}
