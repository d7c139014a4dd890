//! Two connections with one neighbor: which one stays (RFC 4271 6.8, RFC 6286 2.3, RFC 4724 4.2).

use super::{ConnId, Direction, Speaker};
use crate::Time;
use crate::message::{Notification, NotificationCode};
use crate::session::Session;

impl Speaker {
    /// The OPEN of a connection was accepted: it goes on, unless another one is to.
    pub(super) fn opened(&mut self, now: Time, conn: ConnId) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let peer = connection.peer;
        if let Some(up) = self.peers[&peer].established {
            if !self.outlives(up.conn) {
                self.lose(now, conn, "there is a session with it already");
                return;
            }
            // RFC 4724 4.2: the neighbor has restarted before we noticed; its old session is over, its routes stay.
            self.give_up(now, up.conn, "the neighbor has opened a new one");
        }
        let rivals = self.peers[&peer].pending.clone();
        for rival in rivals.into_iter().filter(|rival| *rival != conn) {
            if self.stays(conn) {
                self.lose(now, rival, "the neighbor and we called each other");
            } else {
                self.lose(now, conn, "the neighbor and we called each other");
                return;
            }
        }
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.session.accept(now);
            self.announce(conn);
        }
    }

    /// The routes of this session would outlive it.
    fn outlives(&self, conn: ConnId) -> bool {
        let negotiated = self
            .connections
            .get(&conn)
            .and_then(|connection| connection.session.negotiated());
        let graceful = negotiated.and_then(|negotiated| negotiated.graceful);
        graceful.is_some_and(|graceful| !graceful.preserved.is_empty())
    }

    /// The connection made by the side with the higher identifier stays; of equal ones, that of the higher AS. Both sides
    /// come to the same result whatever the order of their OPENs, so it is used as soon as one OPEN is there.
    fn stays(&self, conn: ConnId) -> bool {
        let Some(connection) = self.connections.get(&conn) else {
            return false;
        };
        let outgoing = matches!(connection.info.direction, Direction::Outgoing(_));
        ours_is_higher(&connection.session) == outgoing
    }

    fn lose(&mut self, now: Time, conn: ConnId, why: &str) {
        let notification = Notification::new(NotificationCode::COLLISION, &[]);
        self.close(now, conn, notification, why);
    }
}

fn ours_is_higher(session: &Session) -> bool {
    let Some(negotiated) = session.negotiated() else {
        return false;
    };
    let ours = (session.offer().router_id, negotiated.local_asn);
    ours > (negotiated.router_id, negotiated.asn)
}
