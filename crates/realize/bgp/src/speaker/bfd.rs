//! BFD beside each session that wants it (RFC 5882). It starts when the session is established, so a neighbor without BFD
//! is no failure; what it says counts from its first Up on.

use super::peer::Bfd;
use super::{Action, ConnInfo, EventKind, Speaker};
use crate::bfd::{BfdChange, BfdPacket, BfdSession, BfdState};
use crate::message::{Notification, NotificationCode};
use crate::{PeerId, Time};
use std::net::IpAddr;

impl Speaker {
    /// A BFD packet came to UDP port 3784 with TTL 255 (RFC 5881 5); what cannot be read or is for nobody is dropped.
    pub fn bfd_received(&mut self, now: Time, from: IpAddr, interface: Option<&str>, bytes: &[u8]) {
        let Ok(packet) = BfdPacket::decode(bytes) else {
            return;
        };
        let found = self.peers.values_mut().find_map(|peer| {
            let bfd = peer
                .bfd
                .as_mut()
                .filter(|bfd| is_for(bfd, &packet, from, interface))?;
            Some((peer.id, bfd))
        });
        let Some((id, bfd)) = found else {
            return;
        };
        let change = bfd.session.receive(&packet, now);
        self.bfd_changed(now, id, change);
        self.settle(now, id);
    }

    pub(super) fn start_bfd(&mut self, now: Time, id: PeerId, info: &ConnInfo) {
        let seed = self.jitter.number();
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let Some(config) = peer.config.bfd else {
            return;
        };
        self.discriminator = self.discriminator.checked_add(1).unwrap_or(1);
        peer.bfd = Some(Bfd {
            session: BfdSession::new(config, self.discriminator, seed, now),
            local: info.local.ip(),
            remote: info.remote.ip(),
            interface: info.interface.clone(),
        });
    }

    /// Tells the other side that nothing has failed, and stops.
    pub(super) fn stop_bfd(&mut self, now: Time, id: PeerId) {
        let Some(mut bfd) = self.peers.get_mut(&id).and_then(|peer| peer.bfd.take()) else {
            return;
        };
        let packet = bfd.session.admin_down(now);
        self.send_bfd(&bfd, &packet);
    }

    fn send_bfd(&mut self, bfd: &Bfd, packet: &BfdPacket) {
        self.actions.push(Action::SendBfd {
            to: bfd.remote,
            from: bfd.local,
            interface: bfd.interface.clone(),
            packet: packet.encode(),
        });
    }

    /// Brings the BFD of a session in line with a new configuration.
    pub(super) fn reconfigure_bfd(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match (peer.config.bfd, &mut peer.bfd, peer.established) {
            (None, Some(_), _) => self.stop_bfd(now, id),
            (Some(config), Some(bfd), _) => bfd.session.reconfigure(config, now),
            (Some(_), None, Some(up)) => {
                let info = self
                    .connections
                    .get(&up.conn)
                    .map(|connection| connection.info.clone());
                if let Some(info) = info {
                    self.start_bfd(now, id, &info);
                }
            }
            _ => {}
        }
    }

    pub(super) fn tick_bfd(&mut self, now: Time, id: PeerId) {
        let Some(bfd) = self.peers.get_mut(&id).and_then(|peer| peer.bfd.as_mut()) else {
            return;
        };
        let (packet, change) = bfd.session.tick(now);
        if let Some(packet) = packet {
            self.actions.push(Action::SendBfd {
                to: bfd.remote,
                from: bfd.local,
                interface: bfd.interface.clone(),
                packet: packet.encode(),
            });
        }
        self.bfd_changed(now, id, change);
    }

    fn bfd_changed(&mut self, now: Time, id: PeerId, change: Option<BfdChange>) {
        match change {
            None => {}
            Some(BfdChange::Up) => self.event(now, id, EventKind::Bfd(BfdState::Up)),
            // RFC 5882 3.2: no failure, so the session stays.
            Some(BfdChange::AdminDown) => self.event(now, id, EventKind::Bfd(BfdState::Down)),
            Some(BfdChange::Down { independent, .. }) => {
                self.event(now, id, EventKind::Bfd(BfdState::Down));
                self.bfd_down(now, id, independent);
            }
        }
    }

    /// RFC 5882 4.3: if the neighbor's BFD is independent of its control plane, its forwarding has failed and nothing is to
    /// be kept; otherwise this is what a restart of it looks like.
    fn bfd_down(&mut self, now: Time, id: PeerId, independent: bool) {
        let Some(up) = self.peers.get(&id).and_then(|peer| peer.established) else {
            return;
        };
        let negotiated = self
            .connections
            .get(&up.conn)
            .and_then(|connection| connection.session.negotiated());
        let graceful = negotiated.is_some_and(|negotiated| negotiated.graceful.is_some());
        let text = "BFD says the neighbor is not reachable";
        if graceful && !independent {
            self.give_up(now, up.conn, text);
            return;
        }
        // RFC 9384.
        let notification = Notification::new(NotificationCode::BFD_DOWN, &[]);
        self.close_hard(now, up.conn, notification, text);
    }
}

/// RFC 5880 6.8.6, RFC 5881 3: by our discriminator, before it is known by the neighbor's address.
fn is_for(bfd: &Bfd, packet: &BfdPacket, from: IpAddr, interface: Option<&str>) -> bool {
    let link = bfd
        .interface
        .as_deref()
        .is_none_or(|own| interface.is_none_or(|given| given == own));
    let known = packet.yours == 0 || packet.yours == bfd.session.discriminator();
    known && bfd.remote == from && link
}
