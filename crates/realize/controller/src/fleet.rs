//! What agents say about their hosts and ports. Evidence, not intent: in memory only, gone with the process, told
//! anew by each agent that connects. Bounded by the hosts that registered and the ports that are bound.

use crate::dispatch::Dispatch;
use model::{HostName, PortId, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use store::Revision;
use tokio::sync::broadcast;
use wire::{Counter, PortState};

/// Events a subscriber may be behind before it misses some.
const EVENTS: usize = 1024;

/// A host as its agent describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostReport {
    pub host: HostName,
    pub connected: bool,
    /// For a connected host now, since a silent one is disconnected within seconds.
    pub last_heard: Timestamp,
    pub agent_version: String,
    /// The last revision the agent has acknowledged.
    pub applied: Revision,
    /// The last revision that changed the host's plan; the host lags while this is greater than `applied`.
    pub target: Revision,
    pub tunnel_address: IpAddr,
}

/// A port as the agent of its host describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortReport {
    pub host: HostName,
    pub state: PortState,
    /// Why the port is not up; empty when it is. At most 1 KiB.
    pub reason: String,
    /// The revision of the plan the state speaks of.
    pub revision: Revision,
    /// By name; since the device was attached. At most 64.
    pub counters: Vec<Counter>,
    /// When the agent last spoke of the port.
    pub at: Timestamp,
}

/// Something in the fleet changed; ask for what it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FleetEvent {
    Host(HostName),
    Ports(HostName, Vec<PortId>),
}

/// The observed state of all hosts and ports. Clones share it.
#[derive(Clone)]
pub struct Fleet {
    dispatch: Arc<Dispatch>,
    observed: Arc<Observed>,
}

struct Observed {
    state: Mutex<State>,
    events: broadcast::Sender<FleetEvent>,
}

#[derive(Default)]
struct State {
    hosts: BTreeMap<HostName, HostState>,
    ports: HashMap<PortId, PortReport>,
}

struct HostState {
    /// The live session, if there is one.
    session: Option<u64>,
    last_heard: Timestamp,
    agent_version: String,
    applied: Revision,
    tunnel_address: IpAddr,
}

impl Fleet {
    pub(crate) fn new(dispatch: Arc<Dispatch>) -> Self {
        Self {
            dispatch,
            observed: Arc::new(Observed {
                state: Mutex::default(),
                events: broadcast::Sender::new(EVENTS),
            }),
        }
    }

    /// Every host whose agent has connected to this controller since its start, by name.
    pub fn hosts(&self) -> Vec<HostReport> {
        self.dispatch.with_planner(|planner| {
            let state = self.observed.state.lock();
            let hosts = state.hosts.iter();
            hosts
                .map(|(name, host)| host.report(name, planner.target(name)))
                .collect()
        })
    }

    /// `None` if its agent has not connected to this controller since its start.
    pub fn host(&self, name: &HostName) -> Option<HostReport> {
        self.dispatch.with_planner(|planner| {
            let state = self.observed.state.lock();
            Some(state.hosts.get(name)?.report(name, planner.target(name)))
        })
    }

    /// `None` if no agent has spoken of the port since it was bound.
    pub fn port(&self, id: PortId) -> Option<PortReport> {
        self.observed.state.lock().ports.get(&id).cloned()
    }

    /// Events from now on. A receiver that lags is told so and asks for everything anew.
    pub fn subscribe(&self) -> broadcast::Receiver<FleetEvent> {
        self.observed.events.subscribe()
    }

    pub(crate) fn connected(
        &self,
        session: u64,
        hello: &wire::Hello,
        applied: Revision,
        now: Timestamp,
    ) {
        let host = HostState {
            session: Some(session),
            last_heard: now,
            agent_version: hello.agent_version.clone(),
            applied,
            tunnel_address: hello.tunnel_address,
        };
        self.observed
            .state
            .lock()
            .hosts
            .insert(hello.host.clone(), host);
        self.tell(FleetEvent::Host(hello.host.clone()));
    }

    /// Does nothing if another session of the host took over.
    pub(crate) fn disconnected(&self, session: u64, name: &HostName, now: Timestamp) {
        let mut state = self.observed.state.lock();
        let Some(host) = state
            .hosts
            .get_mut(name)
            .filter(|host| host.session == Some(session))
        else {
            return;
        };
        host.session = None;
        host.last_heard = now;
        drop(state);
        self.tell(FleetEvent::Host(name.clone()));
    }

    pub(crate) fn applied(&self, session: u64, name: &HostName, revision: Revision) {
        let mut state = self.observed.state.lock();
        let Some(host) = state
            .hosts
            .get_mut(name)
            .filter(|host| host.session == Some(session))
        else {
            return;
        };
        host.applied = revision;
        drop(state);
        self.tell(FleetEvent::Host(name.clone()));
    }

    pub(crate) fn statuses(&self, host: &HostName, ports: &[wire::PortStatus], now: Timestamp) {
        if ports.is_empty() {
            return;
        }
        let mut state = self.observed.state.lock();
        for status in ports {
            let counters = match state.ports.remove(&status.port) {
                Some(older) if older.host == *host => older.counters,
                _ => Vec::new(),
            };
            let report = PortReport {
                host: host.clone(),
                state: status.state,
                reason: status.reason.clone(),
                revision: Revision(status.revision),
                counters,
                at: now,
            };
            state.ports.insert(status.port, report);
        }
        drop(state);
        let ids = ports.iter().map(|status| status.port).collect();
        self.tell(FleetEvent::Ports(host.clone(), ids));
    }

    /// Ports whose status is not known yet are passed over.
    pub(crate) fn counters(&self, host: &HostName, ports: Vec<wire::PortCounters>, now: Timestamp) {
        let mut counted = Vec::with_capacity(ports.len());
        let mut state = self.observed.state.lock();
        for counters in ports {
            if let Some(report) = state.ports.get_mut(&counters.port)
                && report.host == *host
            {
                report.counters = counters.counters;
                report.at = now;
                counted.push(counters.port);
            }
        }
        drop(state);
        if !counted.is_empty() {
            self.tell(FleetEvent::Ports(host.clone(), counted));
        }
    }

    /// Forgets what was said of a port unless it is bound to the host that said it.
    pub(crate) fn bound(&self, port: PortId, host: Option<&HostName>) {
        let mut state = self.observed.state.lock();
        if state
            .ports
            .get(&port)
            .is_some_and(|report| Some(&report.host) != host)
        {
            state.ports.remove(&port);
        }
    }

    pub(crate) fn connected_hosts(&self) -> usize {
        let state = self.observed.state.lock();
        state
            .hosts
            .values()
            .filter(|host| host.session.is_some())
            .count()
    }

    fn tell(&self, event: FleetEvent) {
        // An error says that nobody listens.
        let _ = self.observed.events.send(event);
    }
}

impl HostState {
    fn report(&self, name: &HostName, target: Revision) -> HostReport {
        HostReport {
            host: name.clone(),
            connected: self.session.is_some(),
            last_heard: match self.session {
                Some(_) => Timestamp::now(),
                None => self.last_heard,
            },
            agent_version: self.agent_version.clone(),
            applied: self.applied,
            target,
            tunnel_address: self.tunnel_address,
        }
    }
}
