//! Connections in memory: bytes in order, in chunks of any size, with a window, until somebody hangs up or the wire is cut.

use super::{NodeId, Work, World, address};
use bgp::speaker::{ConnId, ConnInfo, Direction, Target};
use bgp::{PeerId, Time};
use bytes::Bytes;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// One side of a wire, 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) wire: u64,
    pub(super) side: usize,
}

impl End {
    const fn other(self) -> Self {
        Self {
            side: 1 - self.side,
            ..self
        }
    }
}

pub(super) struct Wire {
    /// Who is at each side; `None`: it has hung up.
    ends: [Option<(NodeId, ConnId)>; 2],
    /// Octets on their way to each side.
    in_flight: [usize; 2],
    /// Nothing arrives at a side earlier than what was sent before.
    arrival: [u64; 2],
    /// A side reads nothing before.
    stalled: [u64; 2],
}

/// Octets on the way until the sender must wait.
const WINDOW: usize = 16 * 1024;

fn link_local(node: NodeId) -> IpAddr {
    let last = u16::try_from(node + 1).expect("few nodes");
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last).into()
}

impl World {
    /// Joins two interfaces by a cable.
    pub(crate) fn cable(&mut self, one: (NodeId, &str), other: (NodeId, &str)) {
        let name = |(node, name): (NodeId, &str)| (node, name.to_owned());
        self.cables.insert(name(one), name(other));
        self.cables.insert(name(other), name(one));
    }

    pub(super) fn connect(&mut self, from: NodeId, peer: PeerId, target: Target) {
        let attempt = self.number();
        self.attempts.insert((from, peer), attempt);
        let to = match (target.address, &target.interface) {
            (Some(address), _) => super::node_at(address).map(|node| (node, None)),
            (None, Some(name)) => {
                let other = self.cables.get(&(from, name.clone()));
                other.map(|(node, name)| (*node, Some(name.clone())))
            }
            (None, None) => None,
        };
        let interface = target.interface;
        self.later(Work::Answer {
            from,
            peer,
            attempt,
            to,
            interface,
        });
    }

    pub(super) fn answer(
        &mut self,
        from: NodeId,
        (peer, attempt): (PeerId, u64),
        to: Option<(NodeId, Option<String>)>,
        interface: Option<String>,
    ) {
        if self.attempts.get(&(from, peer)) != Some(&attempt) {
            return;
        }
        self.attempts.remove(&(from, peer));
        let reachable = to.filter(|(node, _)| {
            let there = self.nodes.get(*node);
            let up = there.is_some_and(|there| there.speaker.is_some() && there.listening);
            up && !self.cut_off.contains(&(from, *node))
        });
        let now = Time(self.now);
        let Some((to, remote_interface)) = reachable else {
            if let Some(speaker) = &mut self.nodes[from].speaker {
                speaker.connect_failed(now, peer, "connection refused");
            }
            self.settle(from);
            return;
        };
        let wire = self.number();
        let conns = [ConnId(self.number()), ConnId(self.number())];
        let ends = [Some((from, conns[0])), Some((to, conns[1]))];
        let fresh = Wire {
            ends,
            in_flight: [0; 2],
            arrival: [0; 2],
            stalled: [0; 2],
        };
        self.wires.insert(wire, fresh);
        let port = 1024 + u16::try_from(wire % 60_000).expect("it is a port");
        let sides = [
            (from, to, interface, Direction::Outgoing(peer), (port, 179)),
            (to, from, remote_interface, Direction::Incoming, (179, port)),
        ];
        for (side, (node, other, interface, direction, ports)) in sides.into_iter().enumerate() {
            self.nodes[node]
                .conns
                .insert(conns[side], End { wire, side });
            let info = info(node, other, interface, direction, ports);
            if let Some(speaker) = &mut self.nodes[node].speaker {
                speaker.connected(now, conns[side], info);
            }
        }
        self.settle(from);
        self.settle(to);
    }

    /// Sends as much as the window takes.
    pub(super) fn pump(&mut self, node: NodeId, conn: ConnId) {
        let now = Time(self.now);
        loop {
            let Some(end) = self.nodes[node].conns.get(&conn).copied() else {
                return;
            };
            let to = end.other();
            if self
                .wires
                .get(&end.wire)
                .is_none_or(|wire| wire.in_flight[to.side] >= WINDOW)
            {
                return;
            }
            let speaker = self.nodes[node].speaker.as_mut();
            let Some(bytes) = speaker.and_then(|speaker| speaker.transmit(now, conn)) else {
                return;
            };
            self.send(to, &bytes);
        }
    }

    fn send(&mut self, to: End, bytes: &[u8]) {
        let (least, most) = self.delay;
        let at = self.now + self.random.within(least, most);
        let Some(wire) = self.wires.get_mut(&to.wire) else {
            return;
        };
        let at = at.max(wire.arrival[to.side]);
        wire.arrival[to.side] = at;
        wire.in_flight[to.side] += bytes.len();
        self.at(
            at,
            Work::Deliver {
                to,
                bytes: bytes.to_vec(),
            },
        );
    }

    /// Closes this side once `last` is sent; the other side hears of it after all that was sent.
    pub(super) fn hang_up(&mut self, node: NodeId, conn: ConnId, last: Option<Bytes>) {
        let Some(end) = self.nodes[node].conns.remove(&conn) else {
            return;
        };
        if let Some(last) = last {
            self.send(end.other(), &last);
        }
        self.leave(end, "closed by the neighbor");
    }

    fn leave(&mut self, end: End, reason: &'static str) {
        let Some(wire) = self.wires.get_mut(&end.wire) else {
            return;
        };
        wire.ends[end.side] = None;
        let to = end.other();
        let at = wire.arrival[to.side].max(self.now + 1);
        if wire.ends == [None, None] {
            self.wires.remove(&end.wire);
        } else {
            self.at(at, Work::Eof { to, reason });
        }
    }

    pub(super) fn deliver(&mut self, to: End, bytes: Vec<u8>) {
        let Some(wire) = self.wires.get_mut(&to.wire) else {
            return;
        };
        if wire.stalled[to.side] > self.now {
            let at = wire.stalled[to.side];
            self.at(at, Work::Deliver { to, bytes });
            return;
        }
        wire.in_flight[to.side] -= bytes.len();
        let ends = [wire.ends[to.side], wire.ends[to.other().side]];
        if let [Some((node, conn)), _] = ends {
            self.hand_over(node, conn, &bytes);
        }
        if let [_, Some((node, conn))] = ends {
            self.pump(node, conn);
        }
    }

    /// In chunks of any size.
    fn hand_over(&mut self, node: NodeId, conn: ConnId, bytes: &[u8]) {
        let now = Time(self.now);
        let mut rest = bytes;
        while !rest.is_empty() {
            let size = match self.random.below(4) {
                0 => 1 + self.random.below(40),
                _ => rest.len(),
            };
            let (chunk, after) = rest.split_at(size.min(rest.len()));
            rest = after;
            if let Some(speaker) = &mut self.nodes[node].speaker {
                speaker.received(now, conn, chunk);
            }
        }
        self.settle(node);
    }

    pub(super) fn eof(&mut self, to: End, reason: &'static str) {
        let Some(wire) = self.wires.get_mut(&to.wire) else {
            return;
        };
        if wire.stalled[to.side] > self.now {
            let at = wire.stalled[to.side];
            self.at(at, Work::Eof { to, reason });
            return;
        }
        let Some((node, conn)) = wire.ends[to.side].take() else {
            return;
        };
        if wire.ends == [None, None] {
            self.wires.remove(&to.wire);
        }
        self.nodes[node].conns.remove(&conn);
        let now = Time(self.now);
        if let Some(speaker) = &mut self.nodes[node].speaker {
            speaker.closed(now, conn, reason);
        }
        self.settle(node);
    }

    pub(crate) fn wires(&self) -> Vec<u64> {
        self.wires.keys().copied().collect()
    }

    /// The wires between two nodes.
    pub(crate) fn wires_between(&self, one: NodeId, other: NodeId) -> Vec<u64> {
        let between = self.wires.iter().filter(|(_, wire)| {
            let nodes = wire.ends.map(|end| end.map(|(node, _)| node));
            nodes == [Some(one), Some(other)] || nodes == [Some(other), Some(one)]
        });
        between.map(|(id, _)| *id).collect()
    }

    /// Breaks a wire: of what is on its way some octets still arrive, then both sides are told.
    pub(crate) fn cut(&mut self, id: u64) {
        let on_wire: Vec<_> = self
            .queue
            .iter()
            .filter(|(_, work)| matches!(work, Work::Deliver { to, .. } | Work::Eof { to, .. } if to.wire == id))
            .map(|(key, _)| *key)
            .collect();
        let mut arrived = [false; 2];
        for key in on_wire {
            let Some(Work::Deliver { to, bytes }) = self.queue.remove(&key) else {
                continue;
            };
            if std::mem::replace(&mut arrived[to.side], true) {
                continue;
            }
            let left = self.random.below(bytes.len() + 1);
            if let Some(Some((node, conn))) = self.wires.get(&id).map(|wire| wire.ends[to.side]) {
                self.hand_over(node, conn, &bytes[..left]);
            }
        }
        let Some(wire) = self.wires.remove(&id) else {
            return;
        };
        for (node, conn) in wire.ends.into_iter().flatten() {
            self.nodes[node].conns.remove(&conn);
            let now = Time(self.now);
            if let Some(speaker) = &mut self.nodes[node].speaker {
                speaker.closed(now, conn, "connection reset");
            }
            self.settle(node);
        }
    }

    /// A side of a wire reads nothing for so many milliseconds.
    pub(crate) fn stall(&mut self, id: u64, side: usize, milliseconds: u64) {
        let until = self.now + milliseconds;
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.stalled[side] = until;
        }
    }

    /// Somebody reads nothing just now.
    pub(crate) fn is_stalled(&self) -> bool {
        let mut wires = self.wires.values();
        wires.any(|wire| wire.stalled.iter().any(|until| *until > self.now))
    }

    /// All wires of a node that dies: the others hear of it at once, or never (`silent`).
    pub(super) fn drop_wires(&mut self, node: NodeId, silent: bool) {
        let conns = std::mem::take(&mut self.nodes[node].conns);
        for end in conns.into_values() {
            if silent {
                if let Some(wire) = self.wires.get_mut(&end.wire) {
                    wire.ends[end.side] = None;
                }
            } else {
                self.leave(end, "connection reset");
            }
        }
        self.attempts.retain(|(owner, _), _| *owner != node);
    }
}

fn info(
    node: NodeId,
    other: NodeId,
    interface: Option<String>,
    direction: Direction,
    (port, other_port): (u16, u16),
) -> ConnInfo {
    let at = |node: NodeId| match interface {
        Some(_) => link_local(node),
        None => address(node).into(),
    };
    let global: Ipv6Addr = format!("2001:db8::{}", node + 1)
        .parse()
        .expect("an address");
    ConnInfo {
        local: SocketAddr::new(at(node), port),
        remote: SocketAddr::new(at(other), other_port),
        direction,
        local_other: Some(global.into()),
        local_link_local: None,
        shared_subnet: None,
        interface,
    }
}
