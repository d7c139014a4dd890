//! Event listeners: one for each environment that is configured to listen; notifications become versions as they come.

use crate::{Inner, LiveMap, Result};
use discovery::environment::Config;
use discovery::events::{Listener, Sink};
use discovery::host::known::Known;
use discovery::kubernetes::Kubernetes;
use discovery::kubernetes::watch::{Collection, follow};
use discovery::scan::{Request, Scan, Start};
use discovery::ssh::Hosts;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use topology::{Batch, Cause, Environment, Notification, Reading, Rescan, Verdict};

/// Readings of a watch that may wait for the map.
const WAITING_READINGS: usize = 1024;
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Takes the notifications of one environment into its map.
pub(crate) struct MapSink {
    inner: Arc<Inner>,
    environment: Environment,
    map: Arc<LiveMap>,
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

    pub(crate) fn sink(self: &Arc<Self>, environment: &Environment) -> Result<MapSink> {
        Ok(MapSink {
            inner: self.clone(),
            environment: environment.clone(),
            map: self.map(environment)?,
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
        let batch = events_batch(std::mem::take(&mut readings));
        let map = map.clone();
        let applied = tokio::task::spawn_blocking(move || map.apply(&batch).map(drop)).await;
        if let Ok(Err(error)) = applied {
            tracing::warn!(%error, "cannot take in what a watch said");
        }
    }
}

fn events_batch(readings: Vec<Reading>) -> Batch {
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
            let taken = tokio::task::spawn_blocking(move || map.take(&taken, Timestamp::now()));
            let retry = |reason: String| vec![Verdict::Retry(reason); batch.len()];
            match taken.await {
                Ok(Ok((verdicts, rescans))) => {
                    self.rescan(rescans).await;
                    verdicts
                }
                Ok(Err(error)) => retry(error.to_string()),
                Err(error) => retry(error.to_string()),
            }
        })
    }
}

impl MapSink {
    /// Reads what the notifications did not hold. What cannot be read is marked stale by the readings themselves.
    async fn rescan(&self, rescans: Vec<Rescan>) {
        if rescans.is_empty() {
            return;
        }
        if let Err(error) = self.try_rescan(rescans).await {
            tracing::warn!(environment = %self.environment, %error, "cannot read what an event asks for");
        }
    }

    async fn try_rescan(&self, rescans: Vec<Rescan>) -> Result<()> {
        let config = self.inner.config(&self.environment)?;
        let credentials = self.inner.credentials(&self.environment)?;
        let sources = config.sources(&credentials)?;
        let hosts = config.hosts(&credentials)?;
        let tree = config.scanner_tree()?;
        let (_never, cancel) = watch::channel(false);
        let mut readings = Vec::new();
        for rescan in rescans {
            let head = self.map.head();
            let start = Start::of(&head, &rescan);
            let scan = Scan {
                environment: &self.environment,
                tree: &tree,
                sources: &sources,
                hosts: hosts.as_ref().map(|hosts| hosts as &dyn Hosts),
                progress: &|_| {},
            };
            let request = Request {
                facts: config.facts.clone(),
                start: Some(start),
                known: Known::of(&head),
                hosts: Vec::new(),
                limits: config.limits(),
            };
            readings.extend(scan.run(&request, cancel.clone()).await?.readings);
        }
        let map = self.map.clone();
        let batch = events_batch(readings);
        tokio::task::spawn_blocking(move || map.apply(&batch).map(drop))
            .await
            .map_err(|error| crate::scans::unreadable("what was read", &error))?
    }
}
