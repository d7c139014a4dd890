//! The thread that serves the sessions: it waits for sockets and timers, gives the speaker what came, and writes what the
//! speaker has to say, all in one place, so that no octet waits for another thread. Whoever else wants something of
//! the speaker (the API, the kernel's thread, a reload) queues a job that runs between two rounds.

mod actions;
mod connection;
mod feed;
mod handle;
mod listeners;
pub(crate) mod password;
mod tell;
mod wanted;
mod workers;

pub(crate) use handle::Handle;

use crate::Error;
use crate::bmp::Stations;
use crate::clock::Clock;
use crate::kernel::Leave;
use crate::mrt::UpdateLog;
use crate::net::{Admission, BfdSockets, Discovery, Heard};
use crate::observe::Observers;
use bgp::Time;
use bgp::attribute::Attributes;
use bgp::config::{Config, ConfigDiff};
use bgp::nlri::{Nlri, Route};
use bgp::rib::{Origin, PathView, Select, TableId};
use bgp::speaker::{ConnId, Speaker};
use connection::{Connection, ReadEnd, Stage};
use feed::Feed;
use handle::Job;
use listeners::Listeners;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use workers::Workers;

const WAKE: Token = Token(0);
const BFD_V4: Token = Token(1);
const BFD_V6: Token = Token(2);
/// Listeners are numbered from here, discovery sockets from [`DISCOVERY`], connections from [`CONNECTION`].
const LISTENER: usize = 1 << 8;
const DISCOVERY: usize = 1 << 12;
const CONNECTION: usize = 1 << 16;
/// Octets read at once; shared by all connections.
const READ_BUFFER: usize = 256 << 10;
/// Jobs per round; each is short, and the sessions have the next turn.
const JOBS: usize = 32;
/// What failed for want of descriptors or interfaces is tried again then, in milliseconds.
const RETRY: u64 = 1_000;
/// Between router advertisements on unnumbered links, in milliseconds.
const ADVERTISE: u64 = 5_000;
/// After the start, kernel routes of an earlier run that nobody has announced again are removed; milliseconds.
const SWEEP_AFTER: u64 = 60_000;

/// What jobs work on.
pub(crate) struct Core {
    pub(crate) speaker: Speaker,
    pub(crate) clock: Clock,
    pub(crate) observers: Observers,
    pub(crate) io: Io,
    /// Routes originated by hand or from a dump.
    pub(crate) announced: BTreeSet<(TableId, Nlri)>,
    pub(crate) stations: Stations,
    mrt: Option<UpdateLog>,
    /// Tables whose changes are followed.
    subscribed: BTreeSet<TableId>,
    feed: Option<Feed>,
    handle: Handle,
    stopping: bool,
    /// The tables have more to do than one round.
    more: bool,
}

/// Connections and their numbers.
pub(crate) struct Io {
    registry: Registry,
    connections: HashMap<ConnId, Connection>,
    next: u64,
    /// The connection that is being made for a neighbour.
    dialing: HashMap<bgp::PeerId, ConnId>,
    listeners: Listeners,
    /// What listeners have to be is not what they are.
    unsettled: bool,
    admission: Admission,
    bfd: Option<BfdSockets>,
    discoveries: BTreeMap<usize, Discovery>,
    routers: HashMap<String, Ipv6Addr>,
    advertise_at: Option<Time>,
    retry_at: Option<Time>,
    /// Connections with something to send.
    sending: BTreeSet<ConnId>,
    /// Connections that were left with something to read.
    reading: BTreeSet<ConnId>,
    closing: BTreeSet<ConnId>,
    pub(crate) counters: Counters,
}

/// Octets of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    /// Taken from the speaker and not by the socket.
    pub(crate) waiting: usize,
    pub(crate) octets_in: u64,
    pub(crate) octets_out: u64,
}

/// What the sockets have seen, for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    pub(crate) rounds: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) bfd_far: u64,
    pub(crate) octets_in: u64,
    pub(crate) octets_out: u64,
}

pub(crate) struct Engine {
    poll: Poll,
    core: Core,
    jobs: mpsc::Receiver<Job>,
    buffer: Vec<u8>,
}

impl Core {
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// What another configuration would change.
    pub(crate) fn diff(&self, mut config: Config) -> ConfigDiff {
        let now = self.speaker.config();
        config.global.seed = now.global.seed;
        Config::diff(now, &config)
    }

    /// Puts another configuration in force.
    pub(crate) fn reconfigure(&mut self, mut config: Config) -> ConfigDiff {
        config.global.seed = self.speaker.config().global.seed;
        let replaced = self.speaker.replaces_tables(&config);
        let announced = match replaced {
            true => self.announced_routes(),
            false => Vec::new(),
        };
        let diff = self.speaker.configure(self.clock.now(), config);
        if replaced {
            self.follow_new_tables(announced);
        }
        self.io.listeners.read_again();
        self.io.unsettled = true;
        self.configure_kernel();
        self.configure_mrt();
        for change in &diff.changes {
            tracing::info!(%change, "the configuration changed");
        }
        diff
    }

    /// The tables are others: whoever followed the old ones begins again, as after a start.
    fn follow_new_tables(&mut self, announced: Vec<(TableId, Route, Attributes)>) {
        self.set_executor();
        self.subscribed.clear();
        self.stations.cut_off();
        self.end_feed(Leave::Keep);
        for (table, route, attributes) in announced {
            self.announced.insert((table, route.nlri));
            self.speaker.rib_mut().originate(table, route, attributes);
        }
    }

    fn set_executor(&mut self) {
        if let Some(workers) = Workers::new(self.speaker.config().global.shards) {
            self.speaker.rib_mut().set_executor(Arc::new(workers));
        }
    }

    /// Takes the routes announced by hand out of the books, with what they were announced with.
    fn announced_routes(&mut self) -> Vec<(TableId, Route, Attributes)> {
        let rib = self.speaker.rib();
        let is_ours = |path: &PathView| path.origin == Origin::Local;
        let announced = std::mem::take(&mut self.announced).into_iter();
        let found = announced.filter_map(|(table, nlri)| {
            let page = rib.routes(table, Select::Exact(nlri), None, 1, is_ours)?;
            let path = page.items.into_iter().flatten().find(is_ours)?;
            let route = Route {
                nlri,
                path_id: 0,
                payload: path.payload,
            };
            Some((table, route, (*path.received).clone()))
        });
        found.collect()
    }

    /// Ends the loop after this round's writing.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }
}

impl Engine {
    /// In the calling thread's network namespace: sockets are opened by what the speaker asks for, in [`Engine::begin`].
    pub(crate) fn new(
        speaker: Speaker,
        clock: Clock,
        observers: Observers,
    ) -> Result<(Self, Handle), Error> {
        let poll = Poll::new().map_err(Error::io("make an event queue"))?;
        let registry = poll
            .registry()
            .try_clone()
            .map_err(Error::io("share the event queue"))?;
        let waker = Waker::new(&registry, WAKE).map_err(Error::io("make a waker"))?;
        let (handle, jobs) = handle::channel(Arc::new(waker));
        let mut core = Core {
            speaker,
            clock,
            observers,
            io: Io::new(registry),
            announced: BTreeSet::new(),
            stations: Stations::default(),
            mrt: None,
            subscribed: BTreeSet::new(),
            feed: None,
            handle: handle.clone(),
            stopping: false,
            more: false,
        };
        core.set_executor();
        let engine = Self {
            poll,
            core,
            jobs,
            buffer: vec![0; READ_BUFFER],
        };
        Ok((engine, handle))
    }

    /// Opens the listening sockets; that one cannot be opened is an error now, and only logged later.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.core.act();
        self.core.io.listeners.check()?;
        self.core.configure_kernel();
        self.core.configure_mrt();
        Ok(())
    }

    /// Serves until a job calls [`Core::stop`].
    pub(crate) fn run(mut self) -> Result<(), Error> {
        let mut events = Events::with_capacity(1_024);
        while !self.core.stopping {
            let timeout = self.core.timeout();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(Error::io("wait for sockets")(error));
                }
                _ => {}
            }
            self.core.io.counters.rounds += 1;
            for event in &events {
                self.core.ready(event, &mut self.buffer);
            }
            self.core.read_on(&mut self.buffer);
            self.core.timers(&mut self.buffer);
            self.core.act();
            self.jobs();
        }
        self.core.finish();
        Ok(())
    }

    fn jobs(&mut self) {
        let mut ran = 0;
        while ran < JOBS && !self.core.stopping {
            let Ok(job) = self.jobs.try_recv() else {
                break;
            };
            job(&mut self.core);
            ran += 1;
        }
        if ran > 0 {
            self.core.act();
        }
        if ran == JOBS {
            // There may be more: do not sleep.
            self.core.io.retry_at = Some(self.core.now());
        }
    }
}

impl Core {
    fn timeout(&self) -> Option<Duration> {
        if self.more || !self.io.reading.is_empty() {
            return Some(Duration::ZERO);
        }
        let closing =
            self.io
                .closing
                .iter()
                .filter_map(|id| match self.io.connections.get(id)?.stage {
                    Stage::Closing(until) => Some(until),
                    _ => None,
                });
        let own = [
            self.speaker.next_timer(),
            self.io.retry_at,
            self.io.advertise_at,
            self.sweep_at(),
        ];
        let next = own.into_iter().flatten().chain(closing).min();
        next.map(|time| self.clock.until(time))
    }

    fn ready(&mut self, event: &mio::event::Event, buffer: &mut [u8]) {
        match event.token() {
            WAKE => {}
            BFD_V4 | BFD_V6 => self.bfd_received(),
            Token(token) if token < DISCOVERY => self.accept(token - LISTENER),
            Token(token) if token < CONNECTION => self.heard(token),
            Token(token) => {
                let id = ConnId((token - CONNECTION) as u64);
                let Some(connection) = self.io.connections.get_mut(&id) else {
                    return;
                };
                if event.is_read_closed() || event.is_error() {
                    connection.set_ending();
                }
                if event.is_writable() || event.is_error() {
                    connection.set_writable();
                    if connection.stage == Stage::Connecting {
                        self.handshake(id);
                    } else {
                        self.io.sending.insert(id);
                    }
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.read(id, buffer);
                }
            }
        }
    }

    /// The connections that were left with something to read have another turn.
    fn read_on(&mut self, buffer: &mut [u8]) {
        for id in std::mem::take(&mut self.io.reading) {
            self.read(id, buffer);
        }
    }

    fn read(&mut self, id: ConnId, buffer: &mut [u8]) {
        let now = self.now();
        let Some(connection) = self.io.connections.get_mut(&id) else {
            return;
        };
        match connection.stage {
            Stage::Connecting => return,
            Stage::Closing(_) => {
                if connection.drain(buffer) {
                    self.io.remove(id);
                }
                return;
            }
            Stage::Open => {}
        }
        let speaker = &mut self.speaker;
        let end = connection.read(buffer, |chunk| {
            speaker.received(now, id, chunk);
        });
        match end {
            Ok(ReadEnd::Drained) => {}
            Ok(ReadEnd::More) => {
                self.io.reading.insert(id);
            }
            Ok(ReadEnd::Closed) => self.lost(id, "the peer closed the connection".to_owned()),
            Err(error) => self.lost(id, error.to_string()),
        }
    }

    fn lost(&mut self, id: ConnId, reason: String) {
        self.io.remove(id);
        self.speaker.closed(self.clock.now(), id, &reason);
    }

    fn timers(&mut self, buffer: &mut [u8]) {
        let now = self.now();
        if self.speaker.next_timer().is_some_and(|time| time <= now) {
            self.speaker.tick(now);
        }
        for id in self.io.closing.clone() {
            let over = |connection: &mut Connection| match connection.stage {
                Stage::Closing(until) => until <= now || connection.drain(buffer),
                _ => true,
            };
            if self.io.connections.get_mut(&id).is_none_or(over) {
                self.io.remove(id);
            }
        }
        if self.io.retry_at.is_some_and(|time| time <= now) {
            self.io.retry_at = None;
            for index in self.io.listeners.indices() {
                self.accept(index);
            }
            self.settle_listeners();
        }
        if self.io.advertise_at.is_some_and(|time| time <= now) {
            self.advertise(now);
        }
    }

    fn heard(&mut self, token: usize) {
        loop {
            let Some(discovery) = self.io.discoveries.get(&token) else {
                return;
            };
            match discovery.hear() {
                Ok(Some(Heard::Router(address))) => {
                    let interface = discovery.interface.clone();
                    let known = self.io.routers.insert(interface.clone(), address);
                    if known != Some(address) {
                        tracing::info!(interface, %address, "found the router on an unnumbered link");
                    }
                }
                Ok(Some(Heard::Solicitation)) => {
                    // The link is down, or has no address yet: the next advertisement comes by time.
                    let _ = discovery.answer();
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(interface = discovery.interface, %error, "cannot listen for routers");
                    return;
                }
            }
        }
    }

    fn advertise(&mut self, now: Time) {
        self.io.forget_old_links();
        for discovery in self.io.discoveries.values() {
            // The link is down, or has no address yet: the next advertisement comes by time.
            let _ = discovery.announce();
        }
        let again = !self.io.discoveries.is_empty();
        self.io.advertise_at = again.then_some(Time(now.0 + ADVERTISE));
    }
}

impl Io {
    fn new(registry: Registry) -> Self {
        Self {
            registry,
            connections: HashMap::new(),
            next: 0,
            dialing: HashMap::new(),
            listeners: Listeners::default(),
            unsettled: false,
            admission: Admission::default(),
            bfd: None,
            discoveries: BTreeMap::new(),
            routers: HashMap::new(),
            advertise_at: None,
            retry_at: None,
            sending: BTreeSet::new(),
            reading: BTreeSet::new(),
            closing: BTreeSet::new(),
            counters: Counters::default(),
        }
    }

    /// Interfaces that are gone, or were made again; the next attempt to connect looks for them anew.
    fn forget_old_links(&mut self) {
        let Self {
            discoveries,
            routers,
            ..
        } = self;
        discoveries.retain(|_, discovery| {
            let stays = discovery.is_on_its_link();
            if !stays {
                routers.remove(&discovery.interface);
            }
            stays
        });
    }

    /// Numbers a connection and watches it.
    fn add(&mut self, mut connection: Connection) -> std::io::Result<ConnId> {
        let id = ConnId(self.next);
        self.next += 1;
        let token = Token(CONNECTION + id.0 as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry
            .register(connection.stream(), token, interest)?;
        self.connections.insert(id, connection);
        Ok(id)
    }

    fn remove(&mut self, id: ConnId) {
        self.sending.remove(&id);
        self.reading.remove(&id);
        self.closing.remove(&id);
        if let Some(mut connection) = self.connections.remove(&id) {
            // Closing the descriptor would do; this keeps mio's own books.
            let _ = self.registry.deregister(connection.stream());
            if let Some(source) = connection.admitted.take() {
                self.admission.settled(source);
            }
            self.counters.octets_in += connection.octets_in;
            self.counters.octets_out += connection.octets_out;
        }
        self.dialing.retain(|_, dialed| *dialed != id);
    }

    /// An established session is no half-open connection any more.
    pub(crate) fn established(&mut self, id: ConnId) {
        if let Some(source) = self
            .connections
            .get_mut(&id)
            .and_then(|found| found.admitted.take())
        {
            self.admission.settled(source);
        }
    }

    fn retry(&mut self, now: Time) {
        self.retry_at = Some(
            self.retry_at
                .map_or(Time(now.0 + RETRY), |at| at.min(Time(now.0 + RETRY))),
        );
    }

    pub(crate) fn half_open(&self) -> usize {
        self.admission.half_open()
    }

    pub(crate) fn traffic(&self, id: ConnId) -> Option<Traffic> {
        let connection = self.connections.get(&id)?;
        Some(Traffic {
            waiting: connection.waiting(),
            octets_in: connection.octets_in,
            octets_out: connection.octets_out,
        })
    }
}
