//! The life of a session: bytes in and out, established, ended, and what follows from each.

use super::backoff::Memory;
use super::deferral::Progress;
use super::peer::{Idle, Peer, Phase, Up};
use super::retention::{Order, kept};
use super::{Action, ConnId, Connection, EventKind, Speaker, Swept, offer};
use crate::message::{Notification, RefreshKind};
use crate::session::{Down, Inbox, Negotiated, State, Step};
use crate::{Family, FamilySet, PeerId, Time};
use bytes::Bytes;
use std::sync::Arc;

impl Speaker {
    /// Bytes of a connection, in chunks of any size.
    pub fn received(&mut self, now: Time, conn: ConnId, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let peer = connection.peer;
        let mut inbox = std::mem::take(&mut connection.inbox);
        let mut rest = bytes;
        while self.next_message(now, conn, &mut inbox, &mut rest) {}
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.inbox = inbox;
            if connection.session.has_output() {
                self.announce(conn);
            }
        }
        self.settle(now, peer);
    }

    fn next_message(
        &mut self,
        now: Time,
        conn: ConnId,
        inbox: &mut Inbox,
        rest: &mut &[u8],
    ) -> bool {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return false;
        };
        let step = match inbox.next(rest, connection.session.max_message()) {
            Ok(None) => return false,
            Ok(Some(frame)) => {
                let step = connection.session.receive(frame, now);
                if step == Step::Opened {
                    connection.received_open = Bytes::copy_from_slice(frame.bytes);
                }
                step
            }
            Err(error) => connection.session.desynchronized(error),
        };
        self.step(now, conn, step);
        true
    }

    pub(super) fn step(&mut self, now: Time, conn: ConnId, step: Step<'_>) {
        match step {
            Step::Nothing => {}
            Step::Opened => self.opened(now, conn),
            Step::Established => self.established(now, conn),
            Step::Update(body) => self.update(now, conn, body),
            Step::Refresh(family, kind) => self.refreshed(now, conn, family, kind),
            Step::Closed(down) => self.ended(now, conn, down, true),
        }
    }

    /// The connection is closed, by the neighbor or by the network.
    pub fn closed(&mut self, now: Time, conn: ConnId, reason: &str) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let peer = connection.peer;
        if let Some(down) = connection.session.lost(reason) {
            self.ended(now, conn, down, false);
        }
        self.settle(now, peer);
    }

    /// What to write to a connection next, in whole messages; `None`: nothing now.
    pub fn transmit(&mut self, now: Time, conn: ConnId) -> Option<Bytes> {
        let connection = self.connections.get_mut(&conn)?;
        if let Some(bytes) = connection.session.take_output() {
            connection.session.sending(&[], now);
            return Some(bytes);
        }
        let established = connection.session.state() == Some(State::Established);
        let updates = match established {
            true => self.rib.transmit(connection.peer),
            false => None,
        };
        match &updates {
            Some(bytes) => connection.session.sending(bytes, now),
            None => connection.announced = false,
        }
        updates
    }

    /// Does the RIB's pending work, bounded; true: call again.
    pub fn flush(&mut self, now: Time) -> bool {
        self.go_on_deferring(now);
        if !self.pending {
            return false;
        }
        let more = self.rib.flush();
        self.pending = more;
        let up = self
            .peers
            .values()
            .filter_map(|peer| Some((peer.id, peer.established?.conn)));
        let queued: Vec<ConnId> = up
            .filter(|(id, _)| self.rib.queued(*id))
            .map(|(_, conn)| conn)
            .collect();
        queued.into_iter().for_each(|conn| self.announce(conn));
        more
    }

    fn go_on_deferring(&mut self, now: Time) {
        let deferral = self.deferral.as_mut();
        match deferral.and_then(|deferral| deferral.progress(now)) {
            None => {}
            Some(Progress::Memberships) => {
                let others = FamilySet::ALL.without(Family::RouteTarget);
                self.tables().hold_back(others, others);
            }
            Some(Progress::Over { timed_out }) => {
                self.deferral = None;
                self.tables().hold_back(FamilySet::EMPTY, FamilySet::EMPTY);
                self.event(now, None, EventKind::SelectionStarts { timed_out });
            }
        }
    }

    fn established(&mut self, now: Time, conn: ConnId) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let Some(negotiated) = connection.session.negotiated().cloned() else {
            return;
        };
        let id = connection.peer;
        let info = connection.info.clone();
        let opens = [
            connection.sent_open.clone(),
            connection.received_open.clone(),
        ];
        self.stop_connecting(id);
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.phase = Phase::Active(None);
        peer.pending.retain(|pending| *pending != conn);
        peer.established = Some(Up {
            conn,
            since: now,
            warned: FamilySet::EMPTY,
            membership: membership_deadline(&negotiated, now),
            refreshing: [None; Family::ALL.len()],
        });
        peer.history.sessions += 1;
        let config = Arc::clone(&peer.config);
        let orders = peer
            .retention
            .back(&negotiated, config.graceful_restart.stale_time, now);
        self.obey(now, id, orders, Swept::NotPreserved);
        if let Some(deferral) = &mut self.deferral {
            deferral.established(id, &negotiated);
        }
        self.tables()
            .peer_up(id, offer::peer_info(&config, &negotiated, &info));
        self.start_bfd(now, id, &info);
        let [sent_open, received_open] = opens;
        let up = EventKind::Up {
            negotiated: Arc::new(negotiated),
            sent_open,
            received_open,
        };
        self.event(now, id, up);
    }

    /// Ends a connection with a NOTIFICATION.
    pub(super) fn close(&mut self, now: Time, conn: ConnId, why: Notification, text: &str) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if let Some(down) = connection.session.close(why, text) {
            self.ended(now, conn, down, true);
        }
    }

    /// Ends a connection without a word, as if it had been lost.
    pub(super) fn give_up(&mut self, now: Time, conn: ConnId, why: &str) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if let Some(down) = connection.session.lost(why) {
            self.ended(now, conn, down, true);
        }
    }

    /// A session is over; `open`: its connection is not.
    fn ended(&mut self, now: Time, conn: ConnId, down: Down, open: bool) {
        let Some(mut connection) = self.connections.remove(&conn) else {
            return;
        };
        if open {
            let last = connection.session.take_output();
            self.actions.push(Action::Close { conn, last });
        }
        let id = connection.peer;
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.pending.retain(|pending| *pending != conn);
        let was_up = peer.established.is_some_and(|up| up.conn == conn);
        if was_up {
            self.session_over(now, id, &connection, &down);
        } else {
            peer.history.last_failure = Some((now, down.clone()));
            self.event(now, id, EventKind::Failed(down.clone()));
        }
        let end = match (was_up, &down) {
            (true, _) => End::Session(now.0 - connection.since.0),
            // Whoever does not want us closes without a word: not a failure that repeats itself faster if we listen.
            (false, Down::Lost(_)) if connection.session.last_negotiated().is_none() => End::Call,
            (false, _) => End::Exchange,
        };
        self.rest(now, id, end);
        self.settle(now, id);
        self.forget(now, id);
    }

    fn session_over(&mut self, now: Time, id: PeerId, connection: &Connection, down: &Down) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.established = None;
        peer.history.flaps += 1;
        peer.history.last_down = Some((now, down.clone()));
        if let Some(deferral) = &mut self.deferral {
            deferral.lost(id, peer.config.family_set());
        }
        let Some(negotiated) = connection.session.last_negotiated() else {
            return;
        };
        let keep = kept(negotiated, down);
        let stale_times = offer::stale_times(&peer.config);
        let orders = peer.retention.lost(negotiated, keep, &stale_times, now);
        let (before, after) = orders
            .into_iter()
            .partition(|order| matches!(order, Order::Sweep(_)));
        self.obey(now, id, before, Swept::Again);
        self.tables().peer_down(id, keep);
        self.obey(now, id, after, Swept::Again);
        self.stop_bfd(now, id);
        self.event(now, id, EventKind::Down(down.clone()));
        if !keep.is_empty() {
            self.event(now, id, EventKind::Kept(keep));
        }
    }

    /// What a neighbor does after a connection of it has ended.
    fn rest(&mut self, now: Time, id: PeerId, end: End) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if matches!(
            peer.phase,
            Phase::Idle(Idle::PrefixLimit(_)) | Phase::Connect
        ) {
            return;
        }
        if peer.shut().is_some() {
            peer.phase = Phase::Idle(Idle::Shutdown);
            return;
        }
        let was_up = matches!(end, End::Session(_));
        if peer.established.is_some() || (!was_up && !peer.pending.is_empty()) {
            return;
        }
        let base = u64::from(peer.config.timers.connect_retry) * 1_000;
        let (backoff, jitter) = (&mut peer.backoff, &mut self.jitter);
        let wait = match end {
            End::Session(lasted) => backoff.session_ended(base, lasted, jitter),
            End::Exchange => backoff.session_ended(base, 0, jitter),
            End::Call => backoff.attempt_failed(base, jitter),
        };
        let next = Time(now.0 + wait);
        let damped = !matches!(end, End::Call) && peer.backoff.is_damped();
        peer.phase = match damped {
            true => Phase::Idle(Idle::Damped(next)),
            false => Phase::Active((!peer.config.passive).then_some(next)),
        };
    }

    /// An attempt of ours that is under way is not wanted any more.
    pub(super) fn stop_connecting(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id)
            && peer.phase == Phase::Connect
        {
            peer.phase = Phase::Active(None);
            self.actions.push(Action::CancelConnect { peer: id });
        }
    }

    /// What retention decided, done in the RIB and told.
    pub(super) fn obey(&mut self, now: Time, id: PeerId, orders: Vec<Order>, why: Swept) {
        for order in orders {
            match order {
                Order::StartLongLived(family) => {
                    self.tables().start_llgr(id, family);
                    self.event(now, id, EventKind::LongLived(family));
                }
                Order::Sweep(family) => {
                    self.tables().sweep_stale(id, family);
                    self.event(now, id, EventKind::Swept { family, why });
                }
            }
        }
    }

    fn refreshed(&mut self, now: Time, conn: ConnId, family: Family, kind: RefreshKind) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let negotiated = connection.session.negotiated();
        let enhanced = negotiated.is_some_and(|negotiated| negotiated.enhanced_refresh);
        let id = connection.peer;
        if let Some(peer) = self.peers.get_mut(&id)
            && let Some(up) = &mut peer.established
        {
            let wait = u64::from(peer.config.graceful_restart.stale_time) * 1_000;
            let ends = &mut up.refreshing[family as usize];
            match kind {
                RefreshKind::Begin => *ends = Some(Time(now.0 + wait)),
                RefreshKind::End => *ends = None,
                RefreshKind::Request | RefreshKind::Unknown(_) => {}
            }
        }
        self.tables().refresh(id, family, kind, enhanced);
        self.event(now, id, EventKind::Refresh { family, kind });
    }

    /// After anything that may have changed a neighbor: its state is told and its timers are set.
    pub(super) fn settle(&mut self, now: Time, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let (from, to) = (peer.reported, self.state_of(peer));
        if from != to {
            self.event(now, id, EventKind::State { from, to });
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.reported = to;
            }
        }
        self.schedule(id);
    }

    /// A dynamic neighbor of which nothing is left goes.
    pub(super) fn forget(&mut self, now: Time, id: PeerId) {
        if let Some(peer) = self.peers.get(&id).filter(|peer| peer.is_forgotten()) {
            let memory = Memory {
                backoff: peer.backoff,
                sessions: peer.history.sessions,
            };
            self.departed.remember(&peer.endpoint, memory, now);
            self.remove_peer(now, id);
        }
    }

    pub(super) fn state_of(&self, peer: &Peer) -> State {
        let connections = peer
            .connections()
            .filter_map(|conn| self.connections.get(&conn));
        let states = connections.filter_map(|connection| connection.session.state());
        let phase = match peer.phase {
            Phase::Idle(_) => State::Idle,
            Phase::Connect => State::Connect,
            Phase::Active(_) => State::Active,
        };
        states.max().unwrap_or(phase)
    }
}

/// What has ended.
#[derive(Clone, Copy)]
enum End {
    /// A session, whose connection lasted so many milliseconds.
    Session(u64),
    /// OPENs were exchanged, or a NOTIFICATION.
    Exchange,
    /// A connection on which nothing was heard.
    Call,
}

/// RFC 4684 6: VPN routes wait for the neighbor's route targets, but not for ever.
fn membership_deadline(negotiated: &Negotiated, now: Time) -> Option<Time> {
    const WAIT: u64 = 30_000;
    let constrained = negotiated.families.contains(Family::RouteTarget);
    constrained.then_some(Time(now.0 + WAIT))
}
