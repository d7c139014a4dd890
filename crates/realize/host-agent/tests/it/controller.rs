//! A controller for tests: serves plans that the test sets, remembers what agents say. It knows no store and no
//! planner; the protocol is the real one.

use model::{HostName, PortId};
use plan::{Delta, HostPlan, UnitKey};
use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;
use wire::proto::{self, agent_server};
use wire::{AgentFrame, ControllerFrame, Digest, Hello, PortState, PortStatus, Snapshot, Welcome};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an agent has said, over all its streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    pub(crate) hellos: Vec<Hello>,
    /// Of the newest stream.
    pub(crate) inventory: BTreeMap<UnitKey, Digest>,
    /// Units sent over all streams.
    pub(crate) sent: usize,
    pub(crate) applied: u64,
    pub(crate) statuses: BTreeMap<PortId, PortStatus>,
    pub(crate) counters: BTreeMap<PortId, BTreeMap<String, u64>>,
    pub(crate) credit: u64,
}

impl Heard {
    pub(crate) fn is_up(&self, port: PortId) -> bool {
        let status = self.statuses.get(&port);
        status.is_some_and(|status| status.state == PortState::Up)
    }
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    plans: HashMap<HostName, HostPlan>,
    heard: HashMap<HostName, Heard>,
    /// Open streams; what is put in goes out as it is.
    streams: HashMap<HostName, mpsc::Sender<Result<proto::ControllerFrame, Status>>>,
    refuse: Option<ControllerFrame>,
}

struct Shared {
    state: Mutex<State>,
    heard: Condvar,
    revision: watch::Sender<u64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.heard.notify_all();
        result
    }
}

/// Stops when dropped; its streams break then.
pub(crate) struct Controller {
    shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Controller {
    /// Serves on a listener, which the test opened in the namespace it wants.
    pub(crate) fn start(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            heard: Condvar::new(),
            revision: watch::channel(0).0,
        });
        let (stop, stopped) = oneshot::channel();
        let service = Service(shared.clone());
        let thread = std::thread::spawn(move || serve(listener, service, stopped));
        Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Continues the history of another controller, as one over the same store would.
    pub(crate) fn resume_at(&self, revision: u64) {
        self.shared.change(|state| state.revision = revision);
    }

    /// Gives the host a plan; the answer is its revision.
    pub(crate) fn set(&self, host: &HostName, plan: HostPlan) -> u64 {
        let revision = self.shared.change(|state| {
            state.plans.insert(host.clone(), plan);
            state.revision += 1;
            state.revision
        });
        self.shared.revision.send_replace(revision);
        revision
    }

    /// Answers every hello with this from now on; `None` welcomes again.
    pub(crate) fn refuse(&self, with: Option<ControllerFrame>) {
        self.shared.change(|state| state.refuse = with);
    }

    /// Sends a frame on the host's open stream.
    pub(crate) fn send(&self, host: &HostName, frame: &ControllerFrame) {
        let stream = self.shared.lock().streams.get(host).cloned();
        let stream = stream.expect("an open stream");
        stream
            .blocking_send(Ok(frame.into()))
            .expect("an open stream");
    }

    pub(crate) fn heard(&self, host: &HostName) -> Heard {
        self.shared
            .lock()
            .heard
            .get(host)
            .cloned()
            .unwrap_or_default()
    }

    /// Waits until what the host said is as wanted.
    pub(crate) fn until(
        &self,
        host: &HostName,
        what: &str,
        wanted: impl Fn(&Heard) -> bool,
    ) -> Heard {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            let heard = state.heard.get(host).cloned().unwrap_or_default();
            if wanted(&heard) {
                return heard;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{host} never said: {what}; it said {heard:?}"
            );
            let waited = self.shared.heard.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(listener: TcpListener, service: Service, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async move {
        listener.set_nonblocking(true).expect("a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let server = tonic::transport::Server::builder()
            .add_service(agent_server::AgentServer::new(service))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::select! {
            outcome = server => outcome.expect("a server"),
            _ = stopped => {}
        }
    });
}

struct Service(Arc<Shared>);

#[tonic::async_trait]
impl agent_server::Agent for Service {
    type ConnectStream = ReceiverStream<Result<proto::ControllerFrame, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<proto::AgentFrame>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (outbox, frames) = mpsc::channel(64);
        let session = Session {
            shared: self.0.clone(),
            inbound: request.into_inner(),
            outbox,
        };
        tokio::spawn(session.run());
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

struct Session {
    shared: Arc<Shared>,
    inbound: Streaming<proto::AgentFrame>,
    outbox: mpsc::Sender<Result<proto::ControllerFrame, Status>>,
}

impl Session {
    async fn run(mut self) {
        let Some(AgentFrame::Hello(hello)) = self.receive().await else {
            return;
        };
        let host = hello.host.clone();
        let refusal = self.shared.change(|state| {
            state
                .heard
                .entry(host.clone())
                .or_default()
                .hellos
                .push(hello);
            state.refuse.clone()
        });
        if let Some(refusal) = refusal {
            self.send(&refusal).await;
            return;
        }
        self.shared.change(|state| {
            state.streams.insert(host.clone(), self.outbox.clone());
            let heard = state.heard.entry(host.clone()).or_default();
            heard.statuses.clear();
            heard.inventory.clear();
        });
        self.send(&ControllerFrame::Welcome(Welcome {
            protocol: wire::PROTOCOL,
            epoch: Uuid::new_v4(),
            controller_version: "test".into(),
        }))
        .await;
        self.follow(&host).await;
        self.shared.change(|state| state.streams.remove(&host));
    }

    async fn follow(&mut self, host: &HostName) {
        let mut revisions = self.shared.revision.subscribe();
        let mut sent: Option<HostPlan> = None;
        loop {
            tokio::select! {
                frame = self.receive() => match frame {
                    Some(AgentFrame::Inventory(inventory)) => {
                        let last = inventory.last;
                        self.hear(host, AgentFrame::Inventory(inventory));
                        if last {
                            sent = Some(self.answer_inventory(host).await);
                        }
                    }
                    Some(frame) => self.hear(host, frame),
                    None => return,
                },
                _ = revisions.changed(), if sent.is_some() => {
                    let (revision, plan) = self.current(host);
                    let before = sent.replace(plan.clone()).unwrap_or_default();
                    self.send_delta(host, &before.diff(&plan)).await;
                    self.send(&ControllerFrame::End(revision)).await;
                }
            }
        }
    }

    fn current(&self, host: &HostName) -> (u64, HostPlan) {
        let state = self.shared.lock();
        (
            state.revision,
            state.plans.get(host).cloned().unwrap_or_default(),
        )
    }

    /// Sends the difference to what the agent has.
    async fn answer_inventory(&mut self, host: &HostName) -> HostPlan {
        let (revision, plan) = self.current(host);
        let has = self
            .shared
            .lock()
            .heard
            .get(host)
            .cloned()
            .unwrap_or_default()
            .inventory;
        let delta = Delta {
            upserts: plan
                .iter()
                .filter(|(key, unit)| {
                    has.get(*key) != Some(&wire::digest(&wire::encode_unit(unit)))
                })
                .map(|(_, unit)| unit.clone())
                .collect(),
            deletes: has
                .keys()
                .filter(|key| plan.get(key).is_none())
                .cloned()
                .collect(),
        };
        self.send(&ControllerFrame::Snapshot(Snapshot {
            revision,
            upserts: delta.upserts.len() as u64,
            deletes: delta.deletes.len() as u64,
        }))
        .await;
        self.send_delta(host, &delta).await;
        self.send(&ControllerFrame::End(revision)).await;
        plan
    }

    async fn send_delta(&self, host: &HostName, delta: &Delta) {
        if delta.is_empty() {
            return;
        }
        self.shared.change(|state| {
            let heard = state.heard.entry(host.clone()).or_default();
            heard.sent += delta.upserts.len() + delta.deletes.len();
        });
        self.send(&ControllerFrame::Delta(wire::Delta {
            upserts: delta
                .upserts
                .iter()
                .map(|unit| wire::encode_unit(unit))
                .collect(),
            deletes: delta.deletes.clone(),
        }))
        .await;
    }

    async fn receive(&mut self) -> Option<AgentFrame> {
        let frame = self.inbound.message().await.ok()??;
        Some(AgentFrame::try_from(frame).expect("a valid frame"))
    }

    async fn send(&self, frame: &ControllerFrame) {
        // The agent may have gone; the next receive tells.
        let _ = self.outbox.send(Ok(frame.into())).await;
    }

    fn hear(&self, host: &HostName, frame: AgentFrame) {
        self.shared.change(|state| {
            let heard = state.heard.entry(host.clone()).or_default();
            match frame {
                AgentFrame::Hello(_) => panic!("a second hello"),
                AgentFrame::Inventory(inventory) => heard.inventory.extend(inventory.entries),
                AgentFrame::Credit(bytes) => heard.credit += u64::from(bytes),
                AgentFrame::Applied(revision) => heard.applied = revision,
                AgentFrame::Status(statuses) => {
                    heard
                        .statuses
                        .extend(statuses.into_iter().map(|status| (status.port, status)));
                }
                AgentFrame::Counters(ports) => {
                    for port in ports {
                        let packets = port
                            .counters
                            .into_iter()
                            .map(|counter| (counter.name, counter.packets));
                        heard.counters.insert(port.port, packets.collect());
                    }
                }
            }
        });
    }
}
