//! Time. Each neighbor stands in the schedule at a time that is not later than its next timer, so that a message that
//! moves a hold timer forward costs nothing there.

use super::deferral::Deferral;
use super::peer::{Idle, Peer, Phase};
use super::{EventKind, Speaker, Swept};
use crate::message::RefreshKind;
use crate::{Family, FamilySet, PeerId, Time};

impl Speaker {
    /// When [`Speaker::tick`] is to be called next.
    pub fn next_timer(&self) -> Option<Time> {
        let peers = self.schedule.first().map(|(time, _)| *time);
        let deferral = self.deferral.as_ref().map(Deferral::next_timer);
        peers.into_iter().chain(deferral).min()
    }

    /// Does what is due at `now`. [`Speaker::flush`] is to follow.
    pub fn tick(&mut self, now: Time) {
        while let Some((time, id)) = self.schedule.first().copied() {
            if time > now {
                return;
            }
            self.schedule.remove(&(time, id));
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.scheduled = None;
                self.tick_peer(now, id);
            }
        }
    }

    fn tick_peer(&mut self, now: Time, id: PeerId) {
        self.tick_connections(now, id);
        self.tick_phase(now, id);
        self.tick_membership(now, id);
        self.tick_refreshes(now, id);
        self.tick_bfd(now, id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let orders = peer.retention.tick(now);
        self.obey(now, id, orders, Swept::Time);
        self.settle(now, id);
        self.forget(now, id);
    }

    fn tick_connections(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let connections: Vec<_> = peer.connections().collect();
        for conn in connections {
            let Some(connection) = self.connections.get_mut(&conn) else {
                continue;
            };
            let step = connection.session.tick(now);
            if connection.session.has_output() {
                self.announce(conn);
            }
            self.step(now, conn, step);
        }
    }

    fn tick_phase(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let due = peer.phase_timer().is_some_and(|time| time <= now);
        match peer.phase {
            _ if !due => {}
            Phase::Active(_) if peer.connections().next().is_some() => {
                peer.phase = Phase::Active(None);
            }
            Phase::Idle(Idle::PrefixLimit(_)) => {
                peer.backoff.forget();
                self.start(now, id);
            }
            Phase::Active(_) | Phase::Idle(_) => self.start(now, id),
            Phase::Connect => {}
        }
    }

    fn tick_membership(&mut self, now: Time, id: PeerId) {
        let up = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.established.as_mut());
        if let Some(up) = up
            && up.membership.is_some_and(|deadline| deadline <= now)
        {
            up.membership = None;
            self.tables().memberships_complete(id);
        }
    }

    /// A neighbor that never ended what it began to send again is taken to have sent all.
    fn tick_refreshes(&mut self, now: Time, id: PeerId) {
        let up = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.established.as_mut());
        let Some(up) = up else {
            return;
        };
        let mut over = FamilySet::EMPTY;
        for family in Family::ALL {
            let ends = &mut up.refreshing[family as usize];
            if ends.take_if(|until| *until <= now).is_some() {
                over.insert(family);
            }
        }
        for family in over.iter() {
            self.tables().refresh(id, family, RefreshKind::End, true);
            let why = Swept::Time;
            self.event(now, id, EventKind::Swept { family, why });
        }
    }

    /// Puts a neighbor where its next timer wants it, unless it stands earlier already.
    pub(super) fn schedule(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let sessions = peer
            .connections()
            .filter_map(|conn| self.connections.get(&conn));
        let sessions = sessions.filter_map(|connection| connection.session.next_timer());
        let Some(next) = peer.own_timers().chain(sessions).min() else {
            return;
        };
        if peer.scheduled.is_some_and(|time| time <= next) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            if let Some(time) = peer.scheduled.replace(next) {
                self.schedule.remove(&(time, id));
            }
            self.schedule.insert((next, id));
        }
    }
}

impl Peer {
    pub(super) fn phase_timer(&self) -> Option<Time> {
        match self.phase {
            Phase::Idle(idle) => idle.until(),
            Phase::Active(retry) => retry,
            Phase::Connect => None,
        }
    }

    fn own_timers(&self) -> impl Iterator<Item = Time> {
        let bfd = self.bfd.as_ref().and_then(|bfd| bfd.session.next_timer());
        let up = self.established.as_ref();
        let membership = up.and_then(|up| up.membership);
        let refresh = up.and_then(|up| up.refreshing.into_iter().flatten().min());
        [
            self.phase_timer(),
            self.retention.next_timer(),
            bfd,
            membership,
            refresh,
        ]
        .into_iter()
        .flatten()
    }
}
