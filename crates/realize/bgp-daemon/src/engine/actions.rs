//! Carrying out what the speaker asks for, and writing what it has to say.

use super::connection::{Connection, Stage};
use super::password::key_of;
use super::{BFD_V4, BFD_V6, Core, DISCOVERY};
use crate::kernel::Leave;
use crate::net::{
    self, BfdRoute, BfdSockets, Dial, Discovery, Md5Peer, Received, interface_index,
    interface_name, link_of, set_md5,
};
use bgp::PeerId;
use bgp::config::OnStop;
use bgp::speaker::{Action, ConnId, ConnInfo, Direction, Target, Ttl};
use bytes::Bytes;
use mio::{Interest, Token};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Portions of the tables' pending work done before what came of it is written.
const FLUSHES: usize = 4;

impl Core {
    /// Does what the speaker asks for until it asks for nothing more, tells what happened, and writes.
    pub(super) fn act(&mut self) {
        self.hear_kernel();
        let now = self.clock.now();
        self.more = (0..FLUSHES).all(|_| self.speaker.flush(now));
        loop {
            let actions = self.speaker.take_actions();
            if actions.is_empty() {
                break;
            }
            for action in actions {
                self.carry_out(action);
            }
        }
        if std::mem::take(&mut self.io.unsettled) {
            self.settle_listeners();
            self.sign_anew();
        }
        self.observe();
        self.write();
        self.feed();
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Connect { peer, target } => self.connect(peer, &target),
            Action::CancelConnect { peer } => {
                if let Some(id) = self.io.dialing.remove(&peer) {
                    self.io.remove(id);
                }
            }
            Action::SetTtl { conn, ttl } => self.set_ttl(conn, ttl),
            Action::Send { conn } => {
                self.io.sending.insert(conn);
            }
            Action::Close { conn, last } => self.close(conn, last),
            Action::Listen { addresses } => {
                self.io.listeners.set(addresses);
                self.io.unsettled = true;
            }
            Action::Authenticate { caller, password } => {
                self.io.listeners.set_password(caller, password);
                self.io.unsettled = true;
            }
            Action::SendBfd {
                to,
                from,
                interface,
                packet,
            } => self.send_bfd(to, from, interface.as_deref(), &packet),
        }
    }

    // ---- connections ----

    fn connect(&mut self, peer: PeerId, target: &Target) {
        let now = self.clock.now();
        match self.dial(target) {
            Ok(id) => {
                self.io.dialing.insert(peer, id);
            }
            Err(reason) => self.speaker.connect_failed(now, peer, &reason),
        }
    }

    fn dial(&mut self, target: &Target) -> Result<ConnId, String> {
        let address = match (target.address, &target.interface) {
            (Some(address), _) => address,
            (None, Some(interface)) => self.router_on(interface)?,
            (None, None) => return Err("neither address nor interface is known".to_owned()),
        };
        let index = target.interface.as_deref().and_then(interface_index);
        let remote = match address {
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                SocketAddrV6::new(address, target.port, 0, index.unwrap_or(0)).into()
            }
            address => SocketAddr::new(address, target.port),
        };
        let key = target.password.as_ref().map(key_of).transpose();
        let dial = Dial {
            remote,
            source: target.source,
            device: target.interface.clone(),
            key: key.map_err(|error| error.to_string())?,
            ttl: Some(target.ttl.send),
            least_ttl: (target.ttl.least > 1).then_some(target.ttl.least),
        };
        let connected = net::connect(&dial).and_then(|stream| {
            let mut connection = Connection::new(stream, remote, Stage::Connecting);
            connection.key = dial.key.clone();
            self.io.add(connection)
        });
        connected.map_err(|error| error.to_string())
    }

    /// The router at the other end of an unnumbered link; asks for it the first time.
    fn router_on(&mut self, interface: &str) -> Result<IpAddr, String> {
        self.io.forget_old_links();
        let known = self
            .io
            .discoveries
            .values()
            .any(|discovery| discovery.interface == interface);
        if !known {
            self.discover(interface)
                .map_err(|error| format!("cannot look for routers on {interface}: {error}"))?;
        }
        match self.io.routers.get(interface) {
            Some(address) => Ok(IpAddr::V6(*address)),
            None => Err(format!("no router has been heard on {interface} yet")),
        }
    }

    fn discover(&mut self, interface: &str) -> io::Result<()> {
        let mut discovery = Discovery::open(interface)?;
        let last = self.io.discoveries.last_key_value();
        let token = last.map_or(DISCOVERY, |(last, _)| last + 1);
        self.io
            .registry
            .register(&mut discovery.socket, Token(token), Interest::READABLE)?;
        self.io.discoveries.insert(token, discovery);
        let now = self.clock.now();
        self.advertise(now);
        Ok(())
    }

    pub(super) fn handshake(&mut self, id: ConnId) {
        let dialed = self.io.dialing.iter().find(|(_, dialed)| **dialed == id);
        let (Some(peer), Some(connection)) = (
            dialed.map(|(peer, _)| *peer),
            self.io.connections.get_mut(&id),
        ) else {
            return;
        };
        let outcome = connection.handshake().and_then(|done| match done {
            true => Ok(Some((connection.local()?, connection.remote))),
            false => Ok(None),
        });
        let now = self.clock.now();
        match outcome {
            Ok(Some((local, remote))) => {
                self.io.dialing.remove(&peer);
                let info = describe(local, remote, Direction::Outgoing(peer));
                self.speaker.connected(now, id, info);
            }
            Ok(None) => {}
            Err(error) => {
                self.io.remove(id);
                self.speaker.connect_failed(now, peer, &error.to_string());
            }
        }
    }

    /// Takes what a listener has.
    pub(super) fn accept(&mut self, listener: usize) {
        let now = self.clock.now();
        loop {
            let (stream, remote) = match self.io.listeners.accept(listener) {
                Ok(Some(taken)) => taken,
                Ok(None) => return,
                Err(error) => {
                    // Out of descriptors, most likely: connections wait in the backlog meanwhile.
                    tracing::error!(%error, "cannot accept a connection");
                    self.io.retry(now);
                    return;
                }
            };
            let source = unmapped(remote.ip());
            let signed = self.io.listeners.sign(listener, &stream, remote);
            let admitted = signed.and_then(|key| {
                self.io.admission.admit(now, source)?;
                Ok(key)
            });
            let key = match admitted {
                Ok(key) => key,
                Err(refusal) => {
                    *self.io.counters.refused.entry(refusal.name()).or_default() += 1;
                    tracing::debug!(%remote, reason = refusal.name(), "a connection was refused");
                    continue;
                }
            };
            let local = stream.local_addr();
            let tuned = net::accept(&stream, remote, None, None);
            let mut connection = Connection::new(stream, remote, Stage::Open);
            connection.admitted = Some(source);
            connection.key = key;
            match tuned
                .and(local)
                .and_then(|local| Ok((self.io.add(connection)?, local)))
            {
                Ok((id, local)) => {
                    let info = describe(local, remote, Direction::Incoming);
                    self.speaker.connected(now, id, info);
                }
                Err(error) => {
                    self.io.admission.settled(source);
                    tracing::debug!(%remote, %error, "a connection was gone before it was taken");
                }
            }
        }
    }

    fn set_ttl(&mut self, id: ConnId, ttl: Ttl) {
        let Some(connection) = self.io.connections.get_mut(&id) else {
            return;
        };
        let remote = connection.remote;
        let least = (ttl.least > 1).then_some(ttl.least);
        let set = net::accept(connection.stream(), remote, Some(ttl.send), least);
        if let Err(error) = set {
            tracing::error!(%remote, %error, "cannot set the TTL of a connection; it is closed");
            self.io.remove(id);
            self.speaker
                .closed(self.clock.now(), id, &error.to_string());
        }
    }

    fn close(&mut self, id: ConnId, last: Option<Bytes>) {
        let now = self.clock.now();
        let Some(connection) = self.io.connections.get_mut(&id) else {
            return;
        };
        let speaker = &mut self.speaker;
        let mut last = last;
        connection.close(now, || speaker.transmit(now, id).or_else(|| last.take()));
        if let Some(source) = connection.admitted.take() {
            self.io.admission.settled(source);
        }
        self.io.sending.remove(&id);
        self.io.reading.remove(&id);
        self.io.closing.insert(id);
    }

    // ---- writing ----

    fn write(&mut self) {
        for id in std::mem::take(&mut self.io.sending) {
            let Some(connection) = self.io.connections.get_mut(&id) else {
                continue;
            };
            if connection.stage != Stage::Open || !connection.is_writable() {
                continue;
            }
            let (speaker, now) = (&mut self.speaker, self.clock.now());
            if let Err(error) = connection.write(|| speaker.transmit(now, id)) {
                self.io.remove(id);
                self.speaker
                    .closed(self.clock.now(), id, &error.to_string());
            }
        }
    }

    /// The last of it, as the configuration says: a word of farewell to each neighbour, or none, so that it waits for us.
    pub(super) fn finish(&mut self) {
        let now = self.clock.now();
        let leaving = self.speaker.config().global.on_stop == OnStop::Shutdown;
        if leaving {
            let peers: Vec<PeerId> = self.speaker.peers().map(|peer| peer.id).collect();
            for peer in peers {
                // It exists: it was listed just now.
                let _ = self.speaker.shutdown(now, peer, "the daemon stops");
            }
        }
        self.act();
        for (id, connection) in &mut self.io.connections {
            if connection.stage == Stage::Open {
                let speaker = &mut self.speaker;
                connection.close(now, || speaker.transmit(now, *id));
            }
        }
        self.end_feed(if leaving { Leave::Remove } else { Leave::Keep });
    }

    // ---- BFD ----

    fn send_bfd(&mut self, to: IpAddr, from: IpAddr, interface: Option<&str>, packet: &[u8]) {
        let route = BfdRoute {
            remote: to,
            local: Some(from),
            interface: interface.and_then(interface_index),
        };
        let sent = self
            .bfd_sockets()
            .and_then(|sockets| sockets.send(&route, packet));
        if let Err(error) = sent {
            tracing::warn!(%to, %error, "cannot send a BFD packet");
        }
    }

    fn bfd_sockets(&mut self) -> io::Result<&mut BfdSockets> {
        if self.io.bfd.is_none() {
            let mut sockets = BfdSockets::open()?;
            self.io
                .registry
                .register(&mut sockets.v4, BFD_V4, Interest::READABLE)?;
            if let Some(v6) = &mut sockets.v6 {
                self.io.registry.register(v6, BFD_V6, Interest::READABLE)?;
            }
            self.io.bfd = Some(sockets);
        }
        self.io
            .bfd
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn bfd_received(&mut self) {
        let now = self.clock.now();
        let Some(sockets) = &self.io.bfd else {
            return;
        };
        let speaker = &mut self.speaker;
        let received = sockets.receive(
            |Received {
                 source,
                 interface,
                 packet,
             }| {
                let interface = interface_name(interface);
                speaker.bfd_received(now, source, interface.as_deref(), packet);
            },
        );
        match received {
            Ok(far) => self.io.counters.bfd_far += far,
            Err(error) => tracing::warn!(%error, "cannot receive BFD packets"),
        }
    }

    /// A password that changed holds for the connections that are signed, at once: what either side sends before the other
    /// has it is sent again by TCP.
    fn sign_anew(&mut self) {
        for connection in self.io.connections.values_mut() {
            let remote = connection.remote;
            let (Some(old), Some(key)) = (&connection.key, self.io.listeners.key_for(remote))
            else {
                continue;
            };
            if old == key {
                continue;
            }
            let key = key.clone();
            match set_md5(connection.stream(), Md5Peer::host(remote.ip()), Some(&key)) {
                Ok(()) => connection.key = Some(key),
                Err(error) => {
                    tracing::error!(%remote, %error, "cannot change the TCP-MD5 password of a connection");
                }
            }
        }
    }

    pub(super) fn settle_listeners(&mut self) {
        if self.io.listeners.settle(&self.io.registry) {
            self.io.retry(self.clock.now());
        }
    }
}

/// What this host knows of a connection's link; an unknown link is only less to offer as a next hop.
fn describe(local: SocketAddr, remote: SocketAddr, direction: Direction) -> ConnInfo {
    let scope = match remote {
        SocketAddr::V6(remote) if remote.scope_id() != 0 => interface_name(remote.scope_id()),
        _ => None,
    };
    let link = link_of(local.ip(), remote.ip(), scope.as_deref()).unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read this host's addresses");
        net::Link::default()
    });
    ConnInfo {
        local,
        remote,
        direction,
        interface: scope,
        local_other: link.other,
        local_link_local: link.link_local,
        shared_subnet: link.shared,
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}
