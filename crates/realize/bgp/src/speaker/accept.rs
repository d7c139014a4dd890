//! Connections come to be: calls of neighbors, calls of ours that were answered, and who is turned away.

use super::peer::{Idle, Peer, Phase};
use super::{
    Action, Caller, ConnId, ConnInfo, Connection, Direction, EventKind, Refused, Speaker, Target,
    offer,
};
use crate::config::{Endpoint, Neighbor, Password};
use crate::session::{Inbox, Session};
use crate::{PeerId, Time};
use bytes::Bytes;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

impl Speaker {
    /// A connection is there. If it is not wanted, an [`Action::Close`] follows.
    pub fn connected(&mut self, now: Time, conn: ConnId, info: ConnInfo) {
        let admitted = match info.direction {
            Direction::Outgoing(peer) => self.answered(peer),
            Direction::Incoming => self.called(now, &info),
        };
        match admitted {
            Ok(peer) => self.begin(now, conn, peer, info),
            Err(why) => {
                let remote = info.remote.ip();
                self.event(now, None, EventKind::Refused { remote, why });
                self.actions.push(Action::Close { conn, last: None });
            }
        }
    }

    /// An attempt of ours failed.
    pub fn connect_failed(&mut self, now: Time, peer: PeerId, reason: &str) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if state.phase != Phase::Connect {
            return;
        }
        let base = u64::from(state.config.timers.connect_retry) * 1_000;
        let wait = state.backoff.attempt_failed(base, &mut self.jitter);
        state.phase = Phase::Active(Some(Time(now.0 + wait)));
        self.event(now, peer, EventKind::ConnectFailed(reason.to_owned()));
        self.settle(now, peer);
    }

    fn answered(&mut self, peer: PeerId) -> Result<PeerId, Refused> {
        let state = self.peers.get_mut(&peer).ok_or(Refused::Unknown)?;
        if state.phase != Phase::Connect || state.established.is_some() {
            return Err(Refused::Second);
        }
        state.phase = Phase::Active(None);
        Ok(peer)
    }

    fn called(&mut self, now: Time, info: &ConnInfo) -> Result<PeerId, Refused> {
        let known = self.neighbor_of(info);
        let range = match known {
            Some(_) => None,
            None => Some(self.range_of(info).ok_or(Refused::Unknown)?.clone()),
        };
        // Strangers are not counted, so that none of them takes a neighbor's place among the callers.
        let (address, most) = (info.remote.ip(), self.config.global.open_rate);
        if !self.callers.admit(address, most, known.is_some(), now) {
            return Err(Refused::Rate);
        }
        let peer = match (known, range) {
            (Some(peer), _) => peer,
            (None, Some(range)) => self.caller_of_range(now, info, range)?,
            (None, None) => return Err(Refused::Unknown),
        };
        let state = &self.peers[&peer];
        match state.phase {
            Phase::Idle(Idle::Shutdown | Idle::PrefixLimit(_)) => Err(Refused::Shutdown),
            Phase::Idle(Idle::Damped(_)) => Err(Refused::Damped),
            Phase::Connect | Phase::Active(_) => Ok(peer),
        }
    }

    fn neighbor_of(&self, info: &ConnInfo) -> Option<PeerId> {
        let mut peers = self.peers.values();
        peers.find(|peer| is_from(peer, info)).map(|peer| peer.id)
    }

    /// The longest range the caller is in.
    fn range_of(&self, info: &ConnInfo) -> Option<&Neighbor> {
        let address = info.remote.ip();
        let range = |neighbor: &&Neighbor| match neighbor.endpoint {
            Endpoint::Range(prefix) => prefix.contains(&address) && is_local(neighbor, info),
            Endpoint::Address(..) | Endpoint::Interface(_) => false,
        };
        let ranges = self.config.neighbors.iter().filter(range);
        ranges.max_by_key(|neighbor| match neighbor.endpoint {
            Endpoint::Range(prefix) => prefix.prefix_len(),
            Endpoint::Address(..) | Endpoint::Interface(_) => 0,
        })
    }

    /// Its range makes a caller a neighbor.
    fn caller_of_range(
        &mut self,
        now: Time,
        info: &ConnInfo,
        neighbor: Neighbor,
    ) -> Result<PeerId, Refused> {
        if neighbor.shutdown.is_some() {
            return Err(Refused::Shutdown);
        }
        let of_it = |peer: &&Peer| peer.config.endpoint == neighbor.endpoint;
        let count = self.peers.values().filter(of_it).count();
        if count >= neighbor.limit as usize {
            return Err(Refused::Limit(neighbor.limit));
        }
        let address = info.remote.ip();
        let interface = info.interface.clone().filter(|_| is_link_local(address));
        let endpoint = Endpoint::Address(address, interface);
        let memory = self.departed.recall(&endpoint, now);
        let id = self.add_peer(now, endpoint, Arc::new(neighbor));
        if let (Some(memory), Some(peer)) = (memory, self.peers.get_mut(&id)) {
            peer.backoff = memory.backoff;
            peer.history.sessions = memory.sessions;
        }
        self.start(now, id);
        Ok(id)
    }

    /// The session of a connection begins: our OPEN is to be sent.
    fn begin(&mut self, now: Time, conn: ConnId, peer: PeerId, info: ConnInfo) {
        let Some(state) = self.peers.get_mut(&peer) else {
            return;
        };
        if matches!(info.direction, Direction::Incoming) {
            let ttl = offer::ttl(&self.config, &state.config);
            self.actions.push(Action::SetTtl { conn, ttl });
        }
        state.pending.push(conn);
        let restart = offer::Restart {
            earlier: self.earlier,
            deferring: self.deferral.is_some(),
            now,
        };
        let ours = offer::offer(&self.config, state, restart);
        let mut sent_open = Vec::new();
        ours.open().encode(&mut sent_open);
        let connection = Connection {
            peer,
            info,
            session: Session::new(ours, self.jitter.number(), now),
            inbox: Inbox::default(),
            since: now,
            sent_open: sent_open.into(),
            received_open: Bytes::new(),
            announced: false,
        };
        let direction = connection.info.direction;
        self.connections.insert(conn, connection);
        self.replace_pending(now, conn, peer, direction);
        self.announce(conn);
        self.settle(now, peer);
    }

    /// A neighbor that calls again has given up its call before.
    fn replace_pending(&mut self, now: Time, new: ConnId, peer: PeerId, direction: Direction) {
        let pending = self.peers[&peer].pending.clone();
        for conn in pending.into_iter().filter(|conn| *conn != new) {
            let same = |connection: &Connection| connection.info.direction == direction;
            if self.connections.get(&conn).is_some_and(same) {
                self.give_up(now, conn, "it was replaced by a new connection");
            }
        }
    }

    /// Tells the shell once that there is something to send.
    pub(super) fn announce(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.get_mut(&conn)
            && !std::mem::replace(&mut connection.announced, true)
        {
            self.actions.push(Action::Send { conn });
        }
    }

    /// Calls a neighbor, waits for its call, or does nothing, as its configuration says.
    pub(super) fn start(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if peer.shut().is_some() {
            peer.phase = Phase::Idle(Idle::Shutdown);
        } else if peer.config.passive {
            peer.phase = Phase::Active(None);
        } else {
            peer.phase = Phase::Connect;
            let target = Target {
                address: peer.address(),
                interface: peer.interface().map(str::to_owned),
                port: peer.config.port,
                source: peer.config.local_address,
                password: peer.config.password.clone(),
                ttl: offer::ttl(&self.config, &peer.config),
            };
            self.actions.push(Action::Connect { peer: id, target });
        }
        self.settle(now, id);
    }

    pub(super) fn listen(&mut self) {
        let global = &self.config.global;
        let addresses = global.listen.iter();
        let addresses = addresses.map(|address| SocketAddr::new(*address, global.port));
        self.actions.push(Action::Listen {
            addresses: addresses.collect(),
        });
    }

    /// Tells the listening sockets the password of whoever calls as this neighbor.
    pub(super) fn authenticate(&mut self, neighbor: &Neighbor, password: Option<Password>) {
        if neighbor.password.is_none() {
            return;
        }
        let caller = match &neighbor.endpoint {
            Endpoint::Address(address, None) => Caller::Prefix(IpNet::from(*address)),
            Endpoint::Range(prefix) => Caller::Prefix(*prefix),
            Endpoint::Address(_, Some(name)) | Endpoint::Interface(name) => {
                Caller::Interface(name.clone())
            }
        };
        self.actions.push(Action::Authenticate { caller, password });
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn is_from(peer: &Peer, info: &ConnInfo) -> bool {
    let address = info.remote.ip();
    let same = match &peer.endpoint {
        Endpoint::Address(own, None) => *own == address,
        Endpoint::Address(own, interface) => *own == address && *interface == info.interface,
        Endpoint::Interface(name) => {
            is_link_local(address) && info.interface.as_ref() == Some(name)
        }
        Endpoint::Range(_) => false,
    };
    same && is_local(&peer.config, info)
}

/// The call came to the address it should.
fn is_local(neighbor: &Neighbor, info: &ConnInfo) -> bool {
    let expected = neighbor.local_address;
    expected.is_none_or(|address| address == info.local.ip())
}
