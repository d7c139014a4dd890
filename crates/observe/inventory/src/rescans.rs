//! What events ask to be read again. It is read beside the listening, so that no event waits for a cloud to answer.

use crate::listening::events_batch;
use crate::{Inner, Result};
use discovery::scan::Start;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use tokio::sync::{mpsc, watch};
use topology::{Coverage, Environment, Reading, Rescan, Scope, Source, SourceKind};

/// Rescans that may wait.
const WAITING: usize = 1024;

/// The queue of one listener. Whoever lets it go ends what reads from it.
#[derive(Clone)]
pub(crate) struct Rescans(mpsc::Sender<Rescan>);

impl Rescans {
    /// Starts what reads; needs the runtime.
    pub(crate) fn start(inner: &Arc<Inner>, environment: &Environment) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        let reader = Reader {
            inner: Arc::downgrade(inner),
            environment: environment.clone(),
        };
        tokio::spawn(reader.run(waiting));
        Self(queue)
    }

    /// Puts them into the queue; for those that find no place, the readings that say so.
    pub(crate) fn enter(&self, rescans: Vec<Rescan>) -> Vec<Reading> {
        rescans
            .into_iter()
            .filter_map(|rescan| match self.0.try_send(rescan) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
                Err(mpsc::error::TrySendError::Full(rescan)) => unread(rescan),
            })
            .collect()
    }
}

/// What an event asked for and nobody reads is not known any more.
fn unread(rescan: Rescan) -> Option<Reading> {
    let mut types = rescan.types;
    types.push(rescan.start.object_type.clone());
    Some(Reading {
        source: Source {
            kind: SourceKind::new("event").ok()?,
            detail: "".into(),
            read_at: Timestamp::now(),
        },
        scope: Scope::All {
            types,
            within: Some(rescan.start),
        },
        coverage: Coverage::Incomplete {
            reason: format!(
                "an event asked to read it again, and {WAITING} such requests waited already; a scan reads it"
            )
            .into(),
        },
        drafts: Vec::new(),
        gone: Vec::new(),
    })
}

/// Reads for one listener, one start after the other.
struct Reader {
    /// What waits keeps no inventory open that all others have let go.
    inner: Weak<Inner>,
    environment: Environment,
}

impl Reader {
    async fn run(self, mut waiting: mpsc::Receiver<Rescan>) {
        let mut asked = Vec::new();
        while waiting.recv_many(&mut asked, WAITING).await > 0 {
            // A burst of events asks for the same again and again.
            let once: BTreeSet<Rescan> = asked.drain(..).collect();
            let Some(inner) = self.inner.upgrade() else {
                return;
            };
            if let Err(error) = self.read(&inner, once).await {
                tracing::warn!(environment = %self.environment, %error, "cannot read what events ask for");
            }
        }
    }

    /// What cannot be read is marked stale by the readings themselves.
    async fn read(&self, inner: &Inner, rescans: BTreeSet<Rescan>) -> Result<()> {
        let reach = inner.reach(&self.environment)?;
        let map = inner.map(&self.environment)?;
        let (_never, cancel) = watch::channel(false);
        let mut readings = Vec::new();
        for rescan in rescans {
            let head = map.head();
            let start = Start::of(&head, &rescan);
            let outcome = reach
                .scan(&head, Some(start), Vec::new(), &|_| {}, cancel.clone())
                .await?;
            readings.extend(outcome.readings);
        }
        let batch = events_batch(readings);
        tokio::task::spawn_blocking(move || map.apply(&batch).map(drop))
            .await
            .map_err(|error| crate::scans::unreadable("what was read", &error))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use topology::{ObjectKey, ObjectType};

    #[test]
    fn what_finds_no_place_is_said_to_be_unread() {
        let environment = Environment::new("prod").expect("a name");
        let rescan = |host: &str| Rescan {
            start: ObjectKey::new(&environment, "host", host).expect("a key"),
            types: vec![ObjectType::new("vedge").expect("a type")],
        };
        let (queue, mut waiting) = mpsc::channel(1);
        let rescans = Rescans(queue);
        let unread = rescans.enter(vec![rescan("a"), rescan("b")]);
        assert_eq!(waiting.try_recv().expect("the first"), rescan("a"));
        let Scope::All { types, within } = &unread[0].scope else {
            panic!("a scope")
        };
        assert_eq!(within.as_ref(), Some(&rescan("b").start));
        let types: Vec<&str> = types.iter().map(ObjectType::as_str).collect();
        assert_eq!(types, ["vedge", "host"]);
        assert!(
            matches!(&unread[0].coverage, Coverage::Incomplete { reason } if reason.contains("asked"))
        );
        drop(waiting);
        assert!(
            rescans.enter(vec![rescan("c")]).is_empty(),
            "nobody listens"
        );
    }
}
