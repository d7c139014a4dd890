//! The agent as a whole: start, stop, uninstall.

use crate::Error;
use crate::board::Board;
use crate::control;
use crate::lock::Lock;
use crate::metrics;
use crate::realizer::{Event, Realizer};
use crate::responder::{self, Served};
use crate::status::Status;
use crate::stream::{Client, Tls};
use crate::uninstall::remove_everything;
use datapath::{Adoption, Datapath, Limits};
use model::HostName;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

const COUNTER_INTERVAL: Duration = Duration::from_secs(1);
/// Frames between the stream and the realizer; a full one stops the reading, and credit bounds the rest.
const EVENTS: usize = 64;

/// What an agent has to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// As `binding:host_id` of ports names this host.
    pub host: HostName,
    /// `http://HOST:PORT` or `https://HOST:PORT`, tried in this order. None: only the plan on disk is enforced.
    pub controllers: Vec<String>,
    /// This host's address on the underlay.
    pub tunnel_address: IpAddr,
    /// The VXLAN device, made if missing; `nw-vxlan` is usual. At most 15 bytes.
    pub tunnel_device: String,
    /// UDP port of VXLAN: 4789 (RFC 7348).
    pub tunnel_port: u16,
    /// Holds the last good plan, the lock and the control socket; made if missing.
    pub state_dir: PathBuf,
    /// Where eBPF maps and programs are pinned; a bpffs is mounted there if there is none. No dots in the path.
    pub pin_dir: PathBuf,
    pub limits: Limits,
    pub tls: Option<Tls>,
}

impl Config {
    /// The usual places and numbers: state in `state_dir`, pins in `pin_dir`, VXLAN as RFC 7348 has it.
    pub fn new(
        host: HostName,
        tunnel_address: IpAddr,
        state_dir: impl Into<PathBuf>,
        pin_dir: impl Into<PathBuf>,
    ) -> Self {
        Self {
            host,
            controllers: Vec::new(),
            tunnel_address,
            tunnel_device: "nw-vxlan".into(),
            tunnel_port: 4789,
            state_dir: state_dir.into(),
            pin_dir: pin_dir.into(),
            limits: Limits::default(),
            tls: None,
        }
    }

    fn datapath(&self) -> datapath::Config {
        datapath::Config {
            pin_dir: self.pin_dir.clone(),
            tunnel_device: self.tunnel_device.clone(),
            tunnel_port: self.tunnel_port,
            local_tunnel: self.tunnel_address,
            limits: self.limits,
        }
    }
}

/// A running agent. Dropping it stops it without ceremony; the data path goes on either way.
#[derive(Debug)]
pub struct Agent {
    board: Arc<Board>,
    events: mpsc::Sender<Event>,
    tasks: JoinSet<String>,
    realizer: Option<oneshot::Receiver<Result<(), Error>>>,
}

/// What the realizer's thread takes with it. The lock goes along, because that thread is the last to touch the host.
struct Parts {
    config: Config,
    board: Arc<Board>,
    served: Arc<Served>,
    _lock: Lock,
}

/// What the realizer's thread reports once it stands.
type Ready = Result<(Arc<Datapath>, Adoption), Error>;

impl Agent {
    /// Starts an agent in the network namespace of the calling thread, whose runtime must have been made there too.
    /// When this returns, every device of ours is denied or enforces the plan on disk.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let lock = Lock::take(&config.state_dir)?;
        let controllers = config.controllers.clone();
        let board = Arc::new(Board::new(
            config.host.clone(),
            config.tunnel_address,
            controllers,
        ));
        let (served, changes) = Served::new();
        let (events, inbox) = mpsc::channel(EVENTS);
        let client = Client::new(&config, events.clone(), board.clone())?;

        let (ready, is_ready) = oneshot::channel();
        let (ended, realizer) = oneshot::channel();
        let parts = Parts {
            config: config.clone(),
            board: board.clone(),
            served: served.clone(),
            _lock: lock,
        };
        std::thread::Builder::new()
            .name("realizer".into())
            .spawn(move || {
                let _ = ended.send(realize(parts, inbox, ready));
            })
            .map_err(Error::path("start a thread in", &config.state_dir))?;
        let (datapath, adoption) = is_ready
            .await
            .unwrap_or_else(|_| Err(Error::Stopped("the realizer died at its start".into())))?;
        board.adopted(adoption);
        info!(host = %config.host, ?adoption, "agent started");

        let mut tasks = JoinSet::new();
        let server = control::Server::bind(&config.state_dir, board.clone(), events.clone())?;
        let punt = datapath.punt()?;
        let shared = board.clone();
        tasks.spawn(async move {
            responder::run(punt, served, changes, shared)
                .await
                .to_string()
        });
        tasks.spawn(count(datapath, board.clone()));
        tasks.spawn(async move {
            server.run().await;
            "the control socket closed".into()
        });
        tasks.spawn(async move {
            client.run().await;
            // Without controllers there is nothing to do, and nothing wrong.
            std::future::pending().await
        });
        Ok(Self {
            board,
            events,
            tasks,
            realizer: Some(realizer),
        })
    }

    pub fn status(&self) -> Status {
        self.board.status()
    }

    /// The agent's metrics in the text format of OpenMetrics 1.0.
    pub fn metrics_text(&self) -> String {
        metrics::text(&self.board)
    }

    /// What serves metrics after the agent moved elsewhere.
    pub fn metrics(&self) -> Metrics {
        Metrics(self.board.clone())
    }

    /// Waits until the agent cannot go on; says why. Cancel safe.
    pub async fn failed(&mut self) -> Error {
        let realizer = async {
            match &mut self.realizer {
                Some(ended) => match ended.await {
                    Ok(Err(error)) => error,
                    _ => Error::Stopped("the realizer ended".into()),
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = realizer => {
                self.realizer = None;
                error
            }
            Some(ended) = self.tasks.join_next() => Error::Stopped(match ended {
                Ok(reason) => reason,
                Err(error) => error.to_string(),
            }),
        }
    }

    /// Stops, with the newest plan on disk. The data path goes on.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        let (done, is_done) = oneshot::channel();
        if self.events.send(Event::Stop(done)).await.is_ok() {
            let _ = is_done.await;
        }
        if let Some(ended) = self.realizer.take() {
            let _ = ended.await;
        }
    }
}

/// Reads the agent's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Board>);

impl Metrics {
    /// In the text format of OpenMetrics 1.0.
    pub fn text(&self) -> String {
        metrics::text(&self.0)
    }
}

/// The realizer's thread: a runtime of its own, so that its system calls delay nobody else's.
fn realize(
    parts: Parts,
    inbox: mpsc::Receiver<Event>,
    ready: oneshot::Sender<Ready>,
) -> Result<(), Error> {
    let Parts {
        config,
        board,
        served,
        _lock,
    } = parts;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::path("make a runtime for", &config.state_dir))?;
    runtime.block_on(async move {
        let opened = Datapath::open(&config.datapath())
            .map_err(Error::from)
            .and_then(|(datapath, adoption)| {
                let datapath = Arc::new(datapath);
                let (realizer, watcher) = Realizer::open(&config, datapath.clone(), board, served)?;
                Ok((realizer, watcher, datapath, adoption))
            });
        match opened {
            Ok((realizer, watcher, datapath, adoption)) => {
                let _ = ready.send(Ok((datapath, adoption)));
                realizer.run(inbox, watcher).await
            }
            Err(error) => {
                let _ = ready.send(Err(error));
                Ok(())
            }
        }
    })
}

/// Reads the counters once a second. Many rows: not on a thread that others wait for.
async fn count(datapath: Arc<Datapath>, board: Arc<Board>) -> String {
    let mut ticks = tokio::time::interval(COUNTER_INTERVAL.mul_f64(crate::jitter(0.95, 1.05)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let datapath = datapath.clone();
        match tokio::task::spawn_blocking(move || datapath.counters()).await {
            Ok(Ok(counters)) => board.counters(&counters),
            Ok(Err(error)) => warn!(%error, "the counters cannot be read"),
            Err(error) => return error.to_string(),
        }
    }
}

/// Runs an agent until `shutdown` completes, or until it cannot go on.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    let mut agent = Agent::start(config).await?;
    tokio::select! {
        () = shutdown => {
            agent.stop().await;
            Ok(())
        }
        error = agent.failed() => Err(error),
    }
}

/// Removes what agents with this configuration have made: programs, maps, the VXLAN device, the plan on disk. Workloads'
/// devices stay, without programs; nothing forwards their packets any more. Refused while an agent runs.
pub fn uninstall(config: &Config) -> Result<(), Error> {
    let _lock = Lock::take(&config.state_dir)?;
    let (datapath, _) = Datapath::open(&config.datapath())?;
    remove_everything(config, datapath)
}
