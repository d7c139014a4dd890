//! The load: many BGP sessions to one daemon, on the caller's thread and one epoll. Injectors write bytes that were encoded
//! before the clock started; receivers mark in a bitmap which numbered routes they have. It must never be what a benchmark
//! waits for: no decoding beyond lengths, no allocation per message, no thread of its own.

use super::messages::{self, HEADER, KEEPALIVE, NOTIFICATION, OPEN, UPDATE};
use super::routes::{Kind, SLOTS, Said, scan};
use crate::lab::Namespace;
use anyhow::{Context, Result, bail, ensure};
use bgp::Family;
use bytes::Bytes;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The port of BGP.
pub const PORT: u16 = 179;
const KEEPALIVE_EVERY: Duration = Duration::from_secs(30);
const BUFFER: usize = 256 << 10;

/// A session to be opened.
#[derive(Debug, Clone)]
pub struct Plan {
    pub local: IpAddr,
    pub remote: IpAddr,
    pub asn: u32,
    pub router_id: Ipv4Addr,
    pub families: Vec<Family>,
    /// Capabilities beside the usual ones, as they are in an OPEN.
    pub capabilities: Vec<u8>,
    /// The routes to count.
    pub kind: Kind,
    /// Keeps every message but KEEPALIVEs for [`Session::recorded`].
    pub record: bool,
}

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    Connecting,
    OpenSent,
    OpenConfirm,
    Established,
    /// Closed by the peer, with the NOTIFICATION's code and subcode if it sent one.
    Closed(Option<(u8, u8)>),
}

/// One session and the routes it has received.
pub struct Session {
    plan: Plan,
    stream: Option<TcpStream>,
    state: State,
    tail: Vec<u8>,
    out: VecDeque<(Bytes, usize)>,
    wants_out: bool,
    stalled: bool,
    have: Vec<u64>,
    count: usize,
    updates: u64,
    recorded: Vec<(u8, Vec<u8>)>,
}

impl Session {
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Distinct routes announced and not withdrawn.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether it has the route of a slot.
    pub fn has(&self, slot: u32) -> bool {
        let word = self.have.get((slot / 64) as usize).copied();
        word.unwrap_or_default() & (1 << (slot % 64)) != 0
    }

    /// UPDATE messages received.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Type and body of each message received, if the plan says so.
    pub fn recorded(&self) -> &[(u8, Vec<u8>)] {
        &self.recorded
    }

    /// True while bytes wait to be written.
    pub fn sending(&self) -> bool {
        !self.out.is_empty()
    }

    fn mark(&mut self, said: Said) {
        let (slot, present) = match said {
            Said::Announced(slot) => (slot, true),
            Said::Withdrawn(slot) => (slot, false),
        };
        let (word, bit) = ((slot / 64) as usize, 1_u64 << (slot % 64));
        let before = self.have[word] & bit != 0;
        if present && !before {
            self.have[word] |= bit;
            self.count += 1;
        } else if !present && before {
            self.have[word] &= !bit;
            self.count -= 1;
        }
    }

    /// Handles the whole messages at the front and returns how many octets they took.
    fn messages(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        while let Some(header) = bytes.get(at..at + HEADER) {
            let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
            ensure!(length >= HEADER, "a peer sent a message of length {length}");
            let Some(body) = bytes.get(at + HEADER..at + length) else {
                break;
            };
            self.message(header[18], body)?;
            at += length;
        }
        Ok(at)
    }

    fn message(&mut self, kind: u8, body: &[u8]) -> Result<()> {
        if self.plan.record && kind != KEEPALIVE {
            self.recorded.push((kind, body.to_vec()));
        }
        match kind {
            OPEN => {
                self.out.push_back((messages::keepalive().into(), 0));
                self.state = State::OpenConfirm;
            }
            KEEPALIVE if self.state == State::OpenConfirm => self.state = State::Established,
            UPDATE => {
                self.updates += 1;
                let inside = scan(self.plan.kind, body, &mut |said| self.mark(said));
                ensure!(
                    inside,
                    "a peer sent an UPDATE whose lengths disagree: {body:02x?}"
                );
            }
            NOTIFICATION => {
                let code = body.first().copied().zip(body.get(1).copied());
                self.state = State::Closed(code);
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) {
        self.stream = None;
        self.out.clear();
        self.tail.clear();
        if !matches!(self.state, State::Closed(_)) {
            self.state = State::Closed(None);
        }
    }
}

/// All sessions of one run, by the number in which they were opened.
pub struct Load {
    epoll: Epoll,
    sessions: Vec<Session>,
    buffer: Vec<u8>,
    keepalive_due: Instant,
}

impl Load {
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            sessions: Vec::new(),
            buffer: vec![0; BUFFER],
            keepalive_due: Instant::now() + KEEPALIVE_EVERY,
        })
    }

    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// Opens sessions from a namespace and waits until all are established; a peer that is not ready is tried again. Returns the
    /// first one's number.
    pub fn establish(
        &mut self,
        namespace: &Namespace,
        plans: Vec<Plan>,
        timeout: Duration,
    ) -> Result<usize> {
        let first = self.sessions.len();
        self.sessions.extend(plans.into_iter().map(|plan| Session {
            plan,
            stream: None,
            state: State::Closed(None),
            tail: Vec::new(),
            out: VecDeque::new(),
            wants_out: false,
            stalled: false,
            have: vec![0; SLOTS as usize / 64],
            count: 0,
            updates: 0,
            recorded: Vec::new(),
        }));
        self.open(namespace, first, timeout)?;
        Ok(first)
    }

    /// Opens what is closed from a session on.
    fn open(&mut self, namespace: &Namespace, first: usize, timeout: Duration) -> Result<()> {
        let started = Instant::now();
        loop {
            self.connect_closed(namespace, first)?;
            let deadline = Instant::now() + Duration::from_millis(300);
            while Instant::now() < deadline {
                self.poll(Duration::from_millis(20))?;
                let new = &self.sessions[first..];
                if new
                    .iter()
                    .all(|session| session.state == State::Established)
                {
                    return Ok(());
                }
            }
            if started.elapsed() > timeout {
                let states: Vec<_> = self.sessions[first..]
                    .iter()
                    .filter(|session| session.state != State::Established)
                    .map(|session| format!("{}: {:?}", session.plan.local, session.state))
                    .collect();
                bail!("sessions did not come up: {}", states.join(", "));
            }
        }
    }

    fn connect_closed(&mut self, namespace: &Namespace, first: usize) -> Result<()> {
        let closed: Vec<usize> = (first..self.sessions.len())
            .filter(|number| matches!(self.sessions[*number].state, State::Closed(_)))
            .collect();
        let sessions = &self.sessions;
        let connected = namespace.enter(|| {
            let connect = |number: &usize| connect(&sessions[*number].plan).ok();
            closed.iter().map(connect).collect::<Vec<_>>()
        })?;
        for (number, stream) in closed.into_iter().zip(connected) {
            let Some(stream) = stream else { continue };
            let event = EpollEvent::new(EpollFlags::EPOLLIN, number as u64);
            self.epoll.add(&stream, event)?;
            let session = &mut self.sessions[number];
            let plan = &session.plan;
            let open = messages::open(plan.asn, plan.router_id, &plan.families, &plan.capabilities);
            session.out.push_back((open.into(), 0));
            session.stream = Some(stream);
            session.wants_out = false;
            session.state = State::OpenSent;
            self.write(number)?;
        }
        Ok(())
    }

    /// Queues bytes of whole messages on a session.
    pub fn send(&mut self, session: usize, bytes: Bytes) -> Result<()> {
        self.sessions[session].out.push_back((bytes, 0));
        self.write(session)
    }

    /// A stalled session reads nothing more.
    pub fn stall(&mut self, session: usize) -> Result<()> {
        self.sessions[session].stalled = true;
        self.interest(session)
    }

    /// Closes a session without a word, as a crash would.
    pub fn close(&mut self, session: usize) {
        self.sessions[session].close();
        self.sessions[session].stalled = true;
    }

    /// Forgets what the sessions have received.
    pub fn forget(&mut self) {
        for session in &mut self.sessions {
            session.have.fill(0);
            session.count = 0;
        }
    }

    /// Reads and writes until `done` holds; `false` if the time is over before. A session that closes is an error.
    pub fn run(&mut self, timeout: Duration, done: impl Fn(&[Session]) -> bool) -> Result<bool> {
        let deadline = Instant::now() + timeout;
        while !done(&self.sessions) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            self.poll(left.min(Duration::from_millis(100)))?;
            let closed = self
                .sessions
                .iter()
                .find(|session| matches!(session.state, State::Closed(_)) && !session.stalled);
            if let Some(session) = closed {
                bail!(
                    "the daemon closed the session of {}: {:?}",
                    session.plan.local,
                    session.state
                );
            }
        }
        Ok(true)
    }

    /// Handles what is ready, waiting at most so long; zero does not wait at all.
    pub fn poll(&mut self, timeout: Duration) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        let timeout = EpollTimeout::try_from(timeout).unwrap_or(EpollTimeout::ZERO);
        let ready = match self.epoll.wait(&mut events, timeout) {
            Ok(ready) => ready,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        for event in &events[..ready] {
            let number = event.data() as usize;
            if event.events().intersects(!EpollFlags::EPOLLOUT) {
                self.read(number)?;
            }
            self.write(number)?;
        }
        if Instant::now() > self.keepalive_due {
            self.keepalive_due = Instant::now() + KEEPALIVE_EVERY;
            for number in 0..self.sessions.len() {
                if self.sessions[number].state == State::Established {
                    self.send(number, messages::keepalive().into())?;
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, number: usize) -> Result<()> {
        let session = &mut self.sessions[number];
        let Some(stream) = &mut session.stream else {
            return Ok(());
        };
        let kept = session.tail.len();
        self.buffer[..kept].copy_from_slice(&session.tail);
        let received = match stream.read(&mut self.buffer[kept..]) {
            Ok(0) => {
                session.close();
                return Ok(());
            }
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => {
                session.close();
                return Ok(());
            }
        };
        let filled = kept + received;
        let taken = session.messages(&self.buffer[..filled])?;
        session.tail.clear();
        session.tail.extend_from_slice(&self.buffer[taken..filled]);
        Ok(())
    }

    fn write(&mut self, number: usize) -> Result<()> {
        let session = &mut self.sessions[number];
        let Some(stream) = &mut session.stream else {
            return Ok(());
        };
        while let Some((bytes, sent)) = session.out.front_mut() {
            match stream.write(&bytes[*sent..]) {
                Ok(written) => *sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    session.close();
                    return Ok(());
                }
            }
            if *sent == bytes.len() {
                session.out.pop_front();
            }
        }
        if session.wants_out == session.out.is_empty() {
            session.wants_out = !session.out.is_empty();
            self.interest(number)?;
        }
        Ok(())
    }

    fn interest(&mut self, number: usize) -> Result<()> {
        let session = &self.sessions[number];
        let Some(stream) = &session.stream else {
            return Ok(());
        };
        let mut flags = EpollFlags::empty();
        flags.set(EpollFlags::EPOLLIN, !session.stalled);
        flags.set(EpollFlags::EPOLLOUT, session.wants_out);
        self.epoll
            .modify(stream, &mut EpollEvent::new(flags, number as u64))
            .context("cannot change what a session waits for")
    }
}

fn connect(plan: &Plan) -> Result<TcpStream> {
    let remote = SocketAddr::new(plan.remote, PORT);
    let socket = Socket::new(
        Domain::for_address(remote),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::new(plan.local, 0).into())?;
    socket.connect_timeout(&remote.into(), Duration::from_secs(2))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
