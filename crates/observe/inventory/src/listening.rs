//! Event listeners: one for each environment that is configured to listen; notifications become versions as they come.

use crate::rescans::Rescans;
use crate::{Inner, LiveMap, Result};
use discovery::environment::Config;
use discovery::events::{Listener, Sink};
use discovery::kubernetes::Kubernetes;
use discovery::kubernetes::watch::{Collection, follow};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use topology::{Batch, Cause, Environment, Notification, Reading, Verdict};

/// Readings of a watch that may wait for the map.
const WAITING_READINGS: usize = 1024;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Takes the notifications of one environment into its map.
pub(crate) struct MapSink {
    map: Arc<LiveMap>,
    rescans: Rescans,
    /// What the sink writes into stays open as long as there is a sink.
    _inner: Arc<Inner>,
}

impl Inner {
    /// Starts, restarts or stops the listener of an environment, as its configuration now says.
    pub(crate) fn listen(self: &Arc<Self>, environment: &Environment) {
        if let Some(stop) = self.listeners.lock().remove(environment) {
            stop.send_replace(true);
        }
        let started = self
            .config(environment)
            .and_then(|config| self.start(&config));
        match started {
            Ok(Some(stop)) => drop(self.listeners.lock().insert(environment.clone(), stop)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%environment, %error, "cannot listen"),
        }
    }

    /// Needs the runtime.
    pub(crate) fn sink(self: &Arc<Self>, environment: &Environment) -> Result<MapSink> {
        Ok(MapSink {
            map: self.map(environment)?,
            rescans: Rescans::start(self, environment),
            _inner: self.clone(),
        })
    }

    fn start(self: &Arc<Self>, config: &Config) -> Result<Option<watch::Sender<bool>>> {
        let environment = config.name.clone();
        let credentials = self.credentials(&environment)?;
        let map = self.map(&environment)?;
        let (stop, stopped) = watch::channel(false);
        let mut any = false;
        if let Some(settings) = config.events(&credentials)? {
            any = true;
            let sink = self.sink(&environment)?;
            let board = self.board.clone();
            let listener = Listener::new(environment.clone(), settings, Arc::new(sink), board);
            let stopped = stopped.clone();
            tokio::spawn(async move { listener.run(stopped).await });
        }
        if let Some(cluster) = config.kubernetes(&credentials)? {
            any = true;
            let (readings, taken) = mpsc::channel(WAITING_READINGS);
            tokio::spawn(take_readings(map, taken));
            let cluster = Arc::new(cluster);
            for collection in Collection::ALL {
                let watch = ClusterWatch {
                    cluster: cluster.clone(),
                    collection,
                    environment: environment.clone(),
                };
                tokio::spawn(watch.run(readings.clone(), stopped.clone()));
            }
        }
        Ok(any.then_some(stop))
    }
}

/// One watched collection of a cluster.
struct ClusterWatch {
    cluster: Arc<Kubernetes>,
    collection: Collection,
    environment: Environment,
}

impl ClusterWatch {
    /// Follows it until stopped. A cluster that does not answer is asked again, later each time.
    async fn run(self, readings: mpsc::Sender<Reading>, mut stopped: watch::Receiver<bool>) {
        let mut version = String::new();
        let mut wait = FIRST_WAIT;
        loop {
            let began = tokio::time::Instant::now();
            let followed = follow(
                &self.cluster,
                self.collection,
                &self.environment,
                &mut version,
                &readings,
            );
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return,
                ended = followed => match ended {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(environment = %self.environment, %error, "the watch of a cluster broke"),
                },
            }
            if began.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            tokio::select! {
                _ = stopped.wait_for(|stopped| *stopped) => return,
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
            }
        }
    }
}

/// What a watch says becomes versions: all that is waiting becomes one.
async fn take_readings(map: Arc<LiveMap>, mut taken: mpsc::Receiver<Reading>) {
    let mut readings = Vec::new();
    while taken.recv_many(&mut readings, WAITING_READINGS).await > 0 {
        let readings = std::mem::take(&mut readings);
        let map = map.clone();
        let _ = tokio::task::spawn_blocking(move || take_in(&map, readings)).await;
    }
}

/// As one version; where a reading spoils that, each for itself, so that it harms no other.
fn take_in(map: &LiveMap, readings: Vec<Reading>) {
    let together = events_batch(readings);
    let Err(error) = map.apply(&together) else {
        return;
    };
    if together.readings.len() == 1 {
        tracing::warn!(%error, "cannot take in what a watch said");
        return;
    }
    for reading in together.readings {
        if let Err(error) = map.apply(&events_batch(vec![reading])) {
            tracing::warn!(%error, "cannot take in what a watch said");
        }
    }
}

pub(crate) fn events_batch(readings: Vec<Reading>) -> Batch {
    Batch {
        cause: Cause::Events,
        at: Timestamp::now(),
        readings,
    }
}

impl Sink for MapSink {
    fn take<'a>(
        &'a self,
        batch: &'a [Notification],
    ) -> futures::future::BoxFuture<'a, Vec<Verdict>> {
        Box::pin(async move {
            let (map, taken) = (self.map.clone(), batch.to_vec());
            let queue = self.rescans.clone();
            let taken = tokio::task::spawn_blocking(move || {
                let (verdicts, rescans) = map.take(&taken, Timestamp::now())?;
                let unread = queue.enter(rescans);
                if !unread.is_empty() {
                    map.apply(&events_batch(unread))?;
                }
                crate::Result::Ok(verdicts)
            });
            let retry = |reason: String| vec![Verdict::Retry(reason); batch.len()];
            match taken.await {
                Ok(Ok(verdicts)) => verdicts,
                Ok(Err(error)) => retry(error.to_string()),
                Err(error) => retry(error.to_string()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inventory;
    use discovery::environment::Credentials;
    use topology::{Draft, ObjectKey, ObjectRef, Source, SourceKind};

    fn prod() -> Environment {
        Environment::new("prod").expect("a name")
    }

    fn reading(environment: &str, host: &str) -> Reading {
        let environment = Environment::new(environment).expect("a name");
        let mut reading = Reading::named(Source {
            kind: SourceKind::new("event").expect("a kind"),
            detail: "test".into(),
            read_at: Timestamp::now(),
        });
        let key = ObjectKey::new(&environment, "host", host).expect("a key");
        reading.drafts.push(Draft::whole(key, host));
        reading
    }

    fn opened(dir: &std::path::Path) -> Inventory {
        let inventory = Inventory::open(dir).expect("an inventory");
        inventory
            .add_environment(Config::new(prod()), &Credentials::default())
            .expect("added");
        inventory
    }

    #[tokio::test]
    async fn a_bad_reading_of_a_watch_harms_no_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let map = opened(dir.path()).map(&prod()).expect("the map");
        let readings = [("prod", "a"), ("elsewhere", "b"), ("prod", "c")];
        take_in(&map, readings.map(|(at, host)| reading(at, host)).to_vec());
        for host in ["a", "c"] {
            let key = ObjectRef::new("host", host).expect("a key");
            assert!(map.head().get(&key).is_some(), "{host}");
        }
    }
}
