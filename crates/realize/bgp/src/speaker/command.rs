//! What an operator says to a running speaker.

use super::peer::{Idle, Phase};
use super::{ConnId, Speaker, Swept};
use crate::message::{Notification, NotificationCode, RefreshKind};
use crate::{FamilySet, PeerId, Time};

/// How a session is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clear {
    /// Ended and begun again; nothing is kept of it.
    Hard,
    /// The neighbor is asked for its routes of these families again (RFC 2918).
    SoftIn(FamilySet),
    /// Our routes of these families are sent again.
    SoftOut(FamilySet),
}

/// A command named a neighbor that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no neighbor {}: ask for the list of neighbors", .0.0)]
pub struct NoSuchPeer(pub PeerId);

impl Speaker {
    /// Ends the session with a neighbor and begins none until [`Speaker::enable`]; `text` goes to its operator (RFC 9003).
    pub fn shutdown(&mut self, now: Time, id: PeerId, text: &str) -> Result<(), NoSuchPeer> {
        let peer = self.peers.get_mut(&id).ok_or(NoSuchPeer(id))?;
        peer.shutdown = Some(text.to_owned());
        self.stop(now, id, NotificationCode::ADMIN_SHUTDOWN, text);
        Ok(())
    }

    /// Takes a [`Speaker::shutdown`] back; one of the configuration stays.
    pub fn enable(&mut self, now: Time, id: PeerId) -> Result<(), NoSuchPeer> {
        let peer = self.peers.get_mut(&id).ok_or(NoSuchPeer(id))?;
        if peer.shutdown.take().is_some() && peer.shut().is_none() {
            peer.backoff.forget();
            self.start(now, id);
            self.forget(now, id);
        }
        Ok(())
    }

    pub fn clear(&mut self, now: Time, id: PeerId, clear: Clear) -> Result<(), NoSuchPeer> {
        let peer = self.peers.get_mut(&id).ok_or(NoSuchPeer(id))?;
        let up = peer.established.map(|up| up.conn);
        match (clear, up) {
            (Clear::Hard, _) => {
                peer.backoff.forget();
                self.stop(now, id, NotificationCode::ADMIN_RESET, "");
                self.start(now, id);
                self.forget(now, id);
            }
            (Clear::SoftIn(families), Some(conn)) => self.ask_again(conn, families),
            (Clear::SoftOut(families), Some(conn)) => self.send_again(id, conn, families),
            (Clear::SoftIn(_) | Clear::SoftOut(_), None) => {}
        }
        Ok(())
    }

    pub(super) fn ask_again(&mut self, conn: ConnId, families: FamilySet) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let spoken = connection
            .session
            .negotiated()
            .map_or(FamilySet::EMPTY, |agreed| agreed.families);
        for family in families.intersection(spoken).iter() {
            connection
                .session
                .send_refresh(family, RefreshKind::Request);
        }
        if connection.session.has_output() {
            self.announce(conn);
        }
    }

    fn send_again(&mut self, id: PeerId, conn: ConnId, families: FamilySet) {
        let negotiated = self
            .connections
            .get(&conn)
            .and_then(|connection| connection.session.negotiated());
        let Some(negotiated) = negotiated else {
            return;
        };
        let enhanced = negotiated.enhanced_refresh;
        for family in families.intersection(negotiated.families).iter() {
            self.tables()
                .refresh(id, family, RefreshKind::Request, enhanced);
        }
    }

    /// Ends all that is going on with a neighbor, and what is kept of it.
    pub(super) fn stop(&mut self, now: Time, id: PeerId, code: NotificationCode, text: &str) {
        self.stop_connecting(id);
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let texted = [
            NotificationCode::ADMIN_SHUTDOWN,
            NotificationCode::ADMIN_RESET,
        ];
        let notification = match texted.contains(&code) {
            true => Notification::with_text(code, text),
            false => Notification::new(code, &[]),
        };
        let connections: Vec<_> = peer.connections().collect();
        for conn in connections {
            self.close_hard(now, conn, notification.clone(), text);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            let orders = peer.retention.clear();
            self.obey(now, id, orders, Swept::Time);
            if let Some(deferral) = &mut self.deferral {
                deferral.forget(id);
            }
        }
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.shut().is_some()
        {
            peer.phase = Phase::Idle(Idle::Shutdown);
        }
        self.settle(now, id);
        self.forget(now, id);
    }
}
