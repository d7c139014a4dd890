//! What the agent knows about itself, for whoever asks: the controller, the operator, the metrics. Writers put the
//! newest state, readers take what changed since; nothing queues, so a slow controller costs no memory.

use crate::status::{
    AuditCounts, Connection, LastGoodState, PortReport, Repair, Repairs, State, Status,
};
use datapath::{Adoption, Counted, Counter, SyncReport};
use model::{HostName, PortId};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;
use tokio::sync::Notify;
use wire::{AgentFrame, PortCounters, PortStatus};

/// Ports per frame; about 100 bytes each stay far below the frame limit.
const PORTS_PER_FRAME: usize = 4096;

/// Packets and bytes by what became of them, of one port.
pub(crate) type PortTotals = BTreeMap<Counted, (u64, u64)>;

#[derive(Debug)]
struct Port {
    device: String,
    status: PortStatus,
}

#[derive(Debug)]
struct Inner {
    applied: u64,
    target: u64,
    ports: BTreeMap<PortId, Port>,
    counters: BTreeMap<Option<PortId>, PortTotals>,
    connection: Connection,
    connected_since: Option<Instant>,
    repairs: Repairs,
    audits: AuditCounts,
    map_writes: u64,
    unreadable_units: u64,
    answered: u64,
    unanswered: BTreeMap<&'static str, u64>,
    last_good: LastGoodState,
    kernel_error: Option<String>,
    tunnel_error: Option<String>,
    /// What the controller has not been told.
    unsent: Unsent,
}

#[derive(Debug, Default)]
struct Unsent {
    applied: bool,
    ports: BTreeSet<PortId>,
    counters: BTreeSet<PortId>,
}

#[derive(Debug)]
pub(crate) struct Board {
    host: HostName,
    tunnel_address: IpAddr,
    controllers: Vec<String>,
    started: Instant,
    adoption: Mutex<Option<Adoption>>,
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Board {
    pub(crate) fn new(host: HostName, tunnel_address: IpAddr, controllers: Vec<String>) -> Self {
        Self {
            host,
            tunnel_address,
            controllers,
            started: Instant::now(),
            adoption: Mutex::new(None),
            inner: Mutex::new(Inner {
                applied: 0,
                target: 0,
                ports: BTreeMap::new(),
                counters: BTreeMap::new(),
                connection: Connection::default(),
                connected_since: None,
                repairs: Repairs::default(),
                audits: AuditCounts::default(),
                map_writes: 0,
                unreadable_units: 0,
                answered: 0,
                unanswered: BTreeMap::new(),
                last_good: LastGoodState::default(),
                kernel_error: None,
                tunnel_error: None,
                unsent: Unsent::default(),
            }),
            changed: Notify::new(),
        }
    }

    pub(crate) fn adopted(&self, adoption: Adoption) {
        *self.adoption.lock() = Some(adoption);
    }

    pub(crate) fn target(&self, revision: u64) {
        self.inner.lock().target = revision;
    }

    /// The kernel holds the plan of this revision.
    pub(crate) fn applied(&self, revision: u64) {
        let mut inner = self.inner.lock();
        inner.applied = revision;
        inner.unsent.applied = true;
        drop(inner);
        self.changed.notify_one();
    }

    pub(crate) fn applied_revision(&self) -> u64 {
        self.inner.lock().applied
    }

    /// Records a port's state; the controller hears of it if it differs from the last one.
    pub(crate) fn port(&self, device: &str, status: PortStatus) {
        let mut inner = self.inner.lock();
        let port = status.port;
        if let Some(known) = inner.ports.get_mut(&port)
            && known.device == device
            && known.status.state == status.state
            && known.status.reason == status.reason
        {
            known.status.revision = status.revision;
            return;
        }
        let device = device.to_owned();
        inner.ports.insert(port, Port { device, status });
        inner.unsent.ports.insert(port);
        drop(inner);
        self.changed.notify_one();
    }

    /// The controller told us of the port again and waits for an answer, whether or not anything differs: the port may
    /// have been elsewhere meanwhile, unheard of by us (docs/agent-stream.md).
    pub(crate) fn answer(&self, port: PortId) {
        let mut inner = self.inner.lock();
        if inner.ports.contains_key(&port) {
            inner.unsent.ports.insert(port);
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// The port is no longer this host's.
    pub(crate) fn forget(&self, port: PortId) {
        let mut inner = self.inner.lock();
        inner.ports.remove(&port);
        inner.unsent.ports.remove(&port);
        inner.unsent.counters.remove(&port);
    }

    pub(crate) fn counters(&self, counters: &[Counter]) {
        let mut fresh: BTreeMap<Option<PortId>, PortTotals> = BTreeMap::new();
        for counter in counters {
            let totals = fresh.entry(counter.port).or_default();
            let total = totals.entry(counter.counted).or_default();
            total.0 += counter.packets;
            total.1 += counter.bytes;
        }
        let mut inner = self.inner.lock();
        let mut any = false;
        for (port, totals) in &fresh {
            if let Some(port) = port
                && inner.ports.contains_key(port)
                && inner.counters.get(&Some(*port)) != Some(totals)
            {
                inner.unsent.counters.insert(*port);
                any = true;
            }
        }
        inner.counters = fresh;
        drop(inner);
        if any {
            self.changed.notify_one();
        }
    }

    pub(crate) fn wrote(&self, report: SyncReport) {
        self.inner.lock().map_writes += (report.writes + report.deletes) as u64;
    }

    pub(crate) fn repaired(&self, repair: Repair, count: usize) {
        self.inner.lock().repairs.add(repair, count as u64);
    }

    pub(crate) fn audited(&self, micros: u64) {
        let mut inner = self.inner.lock();
        inner.audits.count += 1;
        inner.audits.last_micros = micros;
    }

    pub(crate) fn unreadable_unit(&self) {
        self.inner.lock().unreadable_units += 1;
    }

    pub(crate) fn answered(&self, silence: Option<&'static str>) {
        let mut inner = self.inner.lock();
        match silence {
            None => inner.answered += 1,
            Some(reason) => *inner.unanswered.entry(reason).or_default() += 1,
        }
    }

    pub(crate) fn last_good(&self, state: LastGoodState) {
        self.inner.lock().last_good = state;
    }

    /// Why the kernel does not hold the plan, or `None` when it does. True if that is news.
    pub(crate) fn kernel_error(&self, error: Option<String>) -> bool {
        let mut inner = self.inner.lock();
        let news = inner.kernel_error != error;
        inner.kernel_error = error;
        news
    }

    /// Why the tunnel device is not as it should be, or `None` when it is. True if that is news.
    pub(crate) fn tunnel_error(&self, error: Option<String>) -> bool {
        let mut inner = self.inner.lock();
        let news = inner.tunnel_error != error;
        inner.tunnel_error = error;
        news
    }

    pub(crate) fn connected(&self, controller: &str) {
        let mut inner = self.inner.lock();
        inner.connected_since = Some(Instant::now());
        inner.connection.controller = Some(controller.to_owned());
        inner.connection.connects += 1;
        inner.connection.error = None;
        // The controller keeps nothing: a new stream is told everything.
        inner.unsent = Unsent {
            applied: false,
            ports: inner.ports.keys().copied().collect(),
            counters: inner.counters.keys().filter_map(|port| *port).collect(),
        };
        drop(inner);
        self.changed.notify_one();
    }

    pub(crate) fn disconnected(&self, error: String) {
        let mut inner = self.inner.lock();
        inner.connected_since = None;
        inner.connection.controller = None;
        inner.connection.error = Some(error);
    }

    /// Waits until there is something the controller has not been told. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the controller has not been told; statuses before the revision they belong to.
    pub(crate) fn take_unsent(&self) -> Vec<AgentFrame> {
        let mut inner = self.inner.lock();
        let unsent = std::mem::take(&mut inner.unsent);
        let statuses: Vec<PortStatus> = unsent
            .ports
            .iter()
            .filter_map(|port| Some(inner.ports.get(port)?.status.clone()))
            .collect();
        let counters: Vec<PortCounters> = unsent
            .counters
            .iter()
            .filter(|port| inner.ports.contains_key(port))
            .filter_map(|port| Some(frame_counters(*port, inner.counters.get(&Some(*port))?)))
            .collect();
        let mut frames = Vec::new();
        frames.extend(chunks(&statuses).map(AgentFrame::Status));
        if unsent.applied {
            frames.push(AgentFrame::Applied(inner.applied));
        }
        frames.extend(chunks(&counters).map(AgentFrame::Counters));
        frames
    }

    /// For metrics: the drops and traffic of each port, `None` for packets of no port.
    pub(crate) fn totals(&self) -> BTreeMap<Option<PortId>, PortTotals> {
        self.inner.lock().counters.clone()
    }

    pub(crate) fn services(&self) -> (u64, BTreeMap<&'static str, u64>) {
        let inner = self.inner.lock();
        (inner.answered, inner.unanswered.clone())
    }

    pub(crate) fn status(&self) -> Status {
        let inner = self.inner.lock();
        let adoption = *self.adoption.lock();
        Status {
            host: self.host.clone(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            tunnel_address: self.tunnel_address,
            controllers: self.controllers.clone(),
            uptime_seconds: self.started.elapsed().as_secs(),
            connection: Connection {
                connected_seconds: inner.connected_since.map(|since| since.elapsed().as_secs()),
                ..inner.connection.clone()
            },
            applied: inner.applied,
            target: inner.target,
            adopted_maps: adoption.is_some_and(|adoption| adoption.maps),
            adopted_programs: adoption.is_some_and(|adoption| adoption.programs),
            map_writes: inner.map_writes,
            repairs: inner.repairs,
            audits: inner.audits,
            unreadable_units: inner.unreadable_units,
            last_good: inner.last_good.clone(),
            kernel_error: inner.kernel_error.clone(),
            tunnel_error: inner.tunnel_error.clone(),
            ports: inner.ports.values().map(report).collect(),
        }
    }
}

fn report(port: &Port) -> PortReport {
    PortReport {
        port: port.status.port,
        device: port.device.clone(),
        state: State::from(port.status.state),
        reason: port.status.reason.clone(),
        revision: port.status.revision,
    }
}

fn chunks<T: Clone>(items: &[T]) -> impl Iterator<Item = Vec<T>> + '_ {
    items.chunks(PORTS_PER_FRAME).map(<[T]>::to_vec)
}

/// The name of a counter everywhere outside the data path; directions as the workload sees them.
pub(crate) fn counter_name(counted: Counted) -> &'static str {
    match counted {
        Counted::FromWorkload => "tx",
        Counted::ToWorkload => "rx",
        Counted::Dropped(reason) => reason.as_str(),
    }
}

fn frame_counters(port: PortId, totals: &PortTotals) -> PortCounters {
    let counter = |(counted, (packets, bytes)): (&Counted, &(u64, u64))| wire::Counter {
        name: counter_name(*counted).to_owned(),
        packets: *packets,
        bytes: *bytes,
    };
    PortCounters {
        port,
        counters: totals.iter().map(counter).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;
    use wire::PortState;

    #[test]
    fn a_port_that_is_told_again_is_answered_though_nothing_differs() {
        let host = "h1".parse().expect("a host name");
        let board = Board::new(host, IpAddr::from([192, 0, 2, 1]), Vec::new());
        let status = PortStatus {
            port: PortId(Uuid::from_u128(1)),
            state: PortState::Up,
            reason: String::new(),
            revision: 1,
        };
        board.port("tap0", status.clone());
        assert_eq!(
            board.take_unsent(),
            [AgentFrame::Status(vec![status.clone()])]
        );
        let again = PortStatus {
            revision: 2,
            ..status.clone()
        };
        board.port("tap0", again.clone());
        assert_eq!(board.take_unsent(), []);
        board.answer(status.port);
        board.answer(PortId(Uuid::from_u128(2)));
        assert_eq!(board.take_unsent(), [AgentFrame::Status(vec![again])]);
    }
}
