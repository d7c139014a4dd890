//! A network of speakers in one process: virtual time, seeded randomness, connections in memory. What a shell does for one
//! speaker this does for all: it carries out actions, moves bytes, lets connections break and speakers die.

mod nodes;
mod random;
mod wires;

pub(crate) use random::Random;

use bgp::nlri::Nlri;
use bgp::rib::{BestPath, TableId};
use bgp::speaker::{Action, ConnId, EventKind, Speaker, Start};
use bgp::{PeerId, Time};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use wires::{End, Wire};

/// A node by its position.
pub(crate) type NodeId = usize;

/// The network.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) random: Random,
    /// Milliseconds a message or an answer takes, at least and at most.
    pub(crate) delay: (u64, u64),
    /// Everything that happened: when, where, with whom, what.
    pub(crate) log: Vec<(u64, NodeId, Option<PeerId>, EventKind)>,
    wires: BTreeMap<u64, Wire>,
    queue: BTreeMap<(u64, u64), Work>,
    /// The last number given out, to wires, connections, attempts and work.
    last: u64,
    attempts: BTreeMap<(NodeId, PeerId), u64>,
    /// Interfaces joined by a cable.
    cables: BTreeMap<(NodeId, String), (NodeId, String)>,
    /// Nodes whose packets to each other are lost, BFD's included.
    cut_off: Vec<(NodeId, NodeId)>,
    followed: Vec<TableId>,
}

/// A speaker and where it lives.
pub(crate) struct Node {
    pub(crate) speaker: Option<Speaker>,
    pub(crate) config: String,
    listening: bool,
    conns: BTreeMap<ConnId, End>,
    /// What followed tables hold, as their changes tell.
    tables: BTreeMap<TableId, BTreeMap<Nlri, BestPath>>,
}

enum Work {
    Answer {
        from: NodeId,
        peer: PeerId,
        attempt: u64,
        to: Option<(NodeId, Option<String>)>,
        interface: Option<String>,
    },
    Deliver {
        to: End,
        bytes: Vec<u8>,
    },
    Eof {
        to: End,
        reason: &'static str,
    },
    Bfd {
        from: NodeId,
        to: NodeId,
        packet: Vec<u8>,
    },
}

/// The address of a node.
pub(crate) fn address(node: NodeId) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, u8::try_from(node + 1).expect("few nodes"))
}

pub(crate) fn node_at(address: IpAddr) -> Option<NodeId> {
    match address {
        IpAddr::V4(v4) if v4.octets()[..3] == [10, 0, 0] => {
            usize::from(v4.octets()[3]).checked_sub(1)
        }
        _ => None,
    }
}

impl World {
    /// Nodes with these configurations, none started.
    pub(crate) fn new(seed: u64, configs: Vec<String>) -> Self {
        let nodes = configs.into_iter().map(|config| Node {
            speaker: None,
            config,
            listening: false,
            conns: BTreeMap::new(),
            tables: BTreeMap::new(),
        });
        Self {
            now: 1_000,
            nodes: nodes.collect(),
            random: Random::new(seed),
            delay: (1, 1),
            log: Vec::new(),
            wires: BTreeMap::new(),
            queue: BTreeMap::new(),
            last: 0,
            attempts: BTreeMap::new(),
            cables: BTreeMap::new(),
            cut_off: Vec::new(),
            followed: Vec::new(),
        }
    }

    /// All started.
    pub(crate) fn started(seed: u64, configs: Vec<String>) -> Self {
        let mut world = Self::new(seed, configs);
        for node in 0..world.nodes.len() {
            world.start(node, Start::Fresh);
        }
        world
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn later(&mut self, work: Work) -> u64 {
        let (least, most) = self.delay;
        let at = self.now + self.random.within(least, most);
        self.at(at, work);
        at
    }

    fn at(&mut self, time: u64, work: Work) {
        let number = self.number();
        self.queue.insert((time, number), work);
    }

    /// When something happens next.
    fn next(&self) -> Option<u64> {
        let work = self.queue.keys().next().map(|(time, _)| *time);
        let speakers = self.nodes.iter().filter_map(|node| node.speaker.as_ref());
        let timers = speakers
            .filter_map(|speaker| speaker.next_timer())
            .map(|time| time.0);
        timers.chain(work).min()
    }

    /// Does what is next; false if nothing will happen before `end`.
    pub(crate) fn step(&mut self, end: u64) -> bool {
        let Some(next) = self.next().filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let work = entry.remove();
            self.work(work);
        }
        for id in 0..self.nodes.len() {
            let now = Time(self.now);
            if let Some(speaker) = &mut self.nodes[id].speaker
                && speaker.next_timer().is_some_and(|timer| timer <= now)
            {
                speaker.tick(now);
                self.settle(id);
            }
        }
        true
    }

    /// Runs for so many milliseconds.
    pub(crate) fn run(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.step(end) {}
    }

    /// Runs until the condition holds; panics if it never does within `limit` milliseconds.
    pub(crate) fn until(&mut self, limit: u64, what: &str, condition: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !condition(self) {
            assert!(
                self.step(end),
                "{what}: not within {limit} ms\n{}",
                self.history()
            );
        }
    }

    /// The last things that happened, for a failed test.
    pub(crate) fn history(&self) -> String {
        let last = self.log.iter().rev().take(60).rev();
        let lines = last.map(|(time, node, peer, kind)| {
            let kind: String = format!("{kind:?}").chars().take(160).collect();
            format!("{time:>8} node {node} peer {peer:?} {kind}\n")
        });
        lines.collect()
    }

    fn work(&mut self, work: Work) {
        match work {
            Work::Answer {
                from,
                peer,
                attempt,
                to,
                interface,
            } => {
                self.answer(from, (peer, attempt), to, interface);
            }
            Work::Deliver { to, bytes } => self.deliver(to, bytes),
            Work::Eof { to, reason } => self.eof(to, reason),
            Work::Bfd { from, to, packet } => {
                let source = IpAddr::V4(address(from));
                let now = Time(self.now);
                if let Some(speaker) = &mut self.nodes[to].speaker {
                    speaker.bfd_received(now, source, None, &packet);
                }
                self.settle(to);
            }
        }
    }

    /// Lets a speaker do its work and carries out what it asks for.
    pub(crate) fn settle(&mut self, id: NodeId) {
        loop {
            let now = Time(self.now);
            let Some(speaker) = &mut self.nodes[id].speaker else {
                return;
            };
            while speaker.flush(now) {}
            for event in speaker.take_events() {
                self.log.push((event.time.0, id, event.peer, event.kind));
            }
            let actions = speaker.take_actions();
            if actions.is_empty() {
                // Seldom, so that many changes of a route come as one.
                if self.random.percent(20) {
                    self.drain(id);
                }
                return;
            }
            for action in actions {
                self.act(id, action);
            }
        }
    }

    fn act(&mut self, id: NodeId, action: Action) {
        match action {
            Action::Connect { peer, target } => self.connect(id, peer, target),
            Action::CancelConnect { peer } => {
                self.attempts.remove(&(id, peer));
            }
            Action::Send { conn } => self.pump(id, conn),
            Action::Close { conn, last } => {
                self.pump(id, conn);
                self.hang_up(id, conn, last);
            }
            Action::Listen { addresses } => self.nodes[id].listening = !addresses.is_empty(),
            Action::SendBfd { to, packet, .. } => {
                let Some(to) = node_at(to) else { return };
                let lost = self.cut_off.contains(&(id, to));
                if !lost && to < self.nodes.len() {
                    let packet = packet.to_vec();
                    self.later(Work::Bfd {
                        from: id,
                        to,
                        packet,
                    });
                }
            }
            Action::SetTtl { .. } | Action::Authenticate { .. } => {}
        }
    }
}
