//! Starting, reloading and stopping.

use crate::Error;
use crate::api;
use crate::clock::Clock;
use crate::engine::{Engine, Handle, password};
use crate::lock::Lock;
use crate::observe::Observers;
use crate::restart::{Marker, TOUCH};
use bgp::config::{Config, ConfigDiff};
use bgp::speaker::Speaker;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the sessions' thread may take to answer before the daemon counts as dead.
const ALIVE: Duration = Duration::from_secs(10);

/// Where the daemon finds and keeps things.
#[derive(Debug, Clone)]
pub struct Settings {
    pub config: PathBuf,
    /// Locked against a second daemon.
    pub state_dir: PathBuf,
    /// The operator's socket.
    pub socket: PathBuf,
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    settings: Settings,
    engine: Handle,
    ended: oneshot::Receiver<Result<(), Error>>,
    api: api::Serving,
    touching: JoinHandle<()>,
    _lock: Lock,
}

impl Daemon {
    /// Reads the configuration, opens the sockets and begins to serve; in the calling thread's network namespace. Needs a
    /// tokio runtime.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let config = read(&settings.config)?;
        let lock = Lock::take(&settings.state_dir)?;
        let clock = Clock::start();
        let api_config = config.api.clone();
        let marker = Marker::in_directory(&settings.state_dir);
        let start = marker.start(&config);
        tracing::info!(?start, asn = config.global.asn, router_id = %config.global.router_id, "starting");
        marker.set(&config)?;
        let speaker = Speaker::new(seeded(config), start, clock.now());
        let (mut engine, handle) = Engine::new(speaker, clock, Observers::new())?;
        engine.begin()?;
        let api = api::Serving::start(&settings, &api_config, handle.clone()).await?;
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("bgp".to_owned())
            .spawn(move || {
                // Who waits for it may be gone.
                let _ = end.send(engine.run());
            })
            .map_err(Error::io("start the sessions' thread"))?;
        let touching = tokio::spawn(touch(marker, handle.clone()));
        Ok(Self {
            settings,
            engine: handle,
            ended,
            api,
            touching,
            _lock: lock,
        })
    }

    /// Ends when the sessions' thread has, which it does not by itself.
    pub async fn failed(&mut self) -> Error {
        match (&mut self.ended).await {
            Ok(Err(error)) => error,
            Ok(Ok(())) => Error::Stopped,
            Err(_) => Error::Engine("it panicked; see the log".to_owned()),
        }
    }

    /// Reads the configuration again. If it has a fault, nothing changes. What changed is in the answer, and in the log.
    pub async fn reload(&self) -> Result<ConfigDiff, Error> {
        reload(&self.settings.config, &self.engine, false).await
    }

    /// An error if the sessions' thread does not answer.
    pub async fn alive(&self) -> Result<(), Error> {
        let answer = self.engine.ask(|_| ());
        match tokio::time::timeout(ALIVE, answer).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::Engine(format!(
                "it has not answered for {} s",
                ALIVE.as_secs()
            ))),
        }
    }

    /// Ends the sessions in order.
    pub async fn stop(self) -> Result<(), Error> {
        self.touching.abort();
        let marker = Marker::in_directory(&self.settings.state_dir);
        let set = self.engine.ask(move |core| {
            core.stop();
            marker.set(core.speaker.config())
        });
        set.await??;
        let ended = self.ended.await;
        self.api.stop();
        ended.map_err(|_| Error::Engine("it panicked; see the log".to_owned()))?
    }
}

/// Keeps the marker fresh, and true to a configuration that changes.
async fn touch(marker: Marker, engine: Handle) {
    loop {
        tokio::time::sleep(TOUCH).await;
        let marker = marker.clone();
        match engine
            .ask(move |core| marker.set(core.speaker.config()))
            .await
        {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "a restart of the daemon will not be graceful")
            }
            Err(_) => return,
        }
    }
}

/// Whether a configuration file is valid, and its password files are; the error has all faults.
pub fn check(path: &Path) -> Result<(), Error> {
    let config = read(path)?;
    password::check(path, &config)
}

pub(crate) fn read(path: &Path) -> Result<Config, Error> {
    let text =
        std::fs::read_to_string(path).map_err(Error::path("read the configuration", path))?;
    parse(path, &text)
}

pub(crate) fn parse(path: &Path, text: &str) -> Result<Config, Error> {
    Config::parse(text).map_err(|errors| Error::Config {
        path: path.to_owned(),
        problems: errors.to_string(),
    })
}

/// Jitter differs from run to run, so that a hundred daemons that start together do not stay together.
fn seeded(mut config: Config) -> Config {
    use std::hash::{BuildHasher, RandomState};
    config.global.seed = RandomState::new().hash_one(0);
    config
}

/// Compares the file with what is in force; unless it is a dry run, puts it in force.
pub(crate) async fn reload(
    path: &Path,
    engine: &Handle,
    dry_run: bool,
) -> Result<ConfigDiff, Error> {
    let outcome = read(path).and_then(|config| {
        password::check(path, &config)?;
        Ok(config)
    });
    if let Err(error) = &outcome {
        tracing::error!(%error, "the configuration is not used; nothing has changed");
    }
    let config = outcome?;
    engine
        .ask(move |core| match dry_run {
            true => core.diff(config),
            false => core.reconfigure(config),
        })
        .await
}
