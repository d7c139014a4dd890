//! What is to be said of a neighbor: plain values for the API, the command line and metrics.

use super::peer::Peer;
use super::{ConnId, ConnInfo, Speaker, Stale};
use crate::bfd::BfdState;
use crate::config::{Endpoint, MaxPrefix, Neighbor};
use crate::rib::Counts;
use crate::session::{Down, MessageCounts, Negotiated, State};
use crate::{Family, PeerId, Time};
use std::sync::Arc;

/// One neighbor, as it is now.
#[derive(Debug, Clone)]
pub struct PeerReport {
    pub id: PeerId,
    pub endpoint: Endpoint,
    /// It came from a range.
    pub dynamic: bool,
    pub config: Arc<Neighbor>,
    pub state: State,
    /// The text of an operator's shutdown, by command or configuration.
    pub shutdown: Option<String>,
    /// When it is tried again, if it is waited for.
    pub next_attempt: Option<Time>,
    pub session: Option<SessionReport>,
    /// Of negotiated families and of those kept while it is away.
    pub families: Vec<FamilyReport>,
    /// Sessions that were established, and that ended, since it was configured.
    pub sessions: u64,
    pub flaps: u64,
    /// How the last of them ended.
    pub last_down: Option<(Time, Down)>,
    /// How the last attempt that made none ended.
    pub last_failure: Option<(Time, Down)>,
    /// Updates with a fault.
    pub malformed: u64,
    pub bfd: Option<BfdState>,
}

/// An established session.
#[derive(Debug, Clone)]
pub struct SessionReport {
    pub conn: ConnId,
    pub since: Time,
    pub connection: ConnInfo,
    pub negotiated: Negotiated,
    pub received: MessageCounts,
    pub sent: MessageCounts,
}

/// One family with one neighbor.
#[derive(Debug, Clone, Copy)]
pub struct FamilyReport {
    pub family: Family,
    pub counts: Counts,
    pub limit: Option<MaxPrefix>,
    /// Routes of an earlier session are kept.
    pub stale: Option<Stale>,
}

impl Speaker {
    /// All neighbors, in the order of their numbers.
    pub fn peers(&self) -> impl Iterator<Item = PeerReport> + '_ {
        self.peers.values().map(|peer| self.report(peer))
    }

    /// What tells each neighbor from all others; cheap, unlike a report.
    pub fn endpoints(&self) -> impl Iterator<Item = (PeerId, &Endpoint)> + '_ {
        self.peers.iter().map(|(id, peer)| (*id, &peer.endpoint))
    }

    pub fn endpoint(&self, id: PeerId) -> Option<&Endpoint> {
        self.peers.get(&id).map(|peer| &peer.endpoint)
    }

    pub fn peer(&self, id: PeerId) -> Option<PeerReport> {
        self.peers.get(&id).map(|peer| self.report(peer))
    }

    fn report(&self, peer: &Peer) -> PeerReport {
        let session = peer.established.and_then(|up| {
            let connection = self.connections.get(&up.conn)?;
            Some(SessionReport {
                conn: up.conn,
                since: up.since,
                connection: connection.info.clone(),
                negotiated: connection.session.negotiated()?.clone(),
                received: *connection.session.received(),
                sent: *connection.session.sent(),
            })
        });
        PeerReport {
            id: peer.id,
            endpoint: peer.endpoint.clone(),
            dynamic: peer.is_dynamic(),
            config: Arc::clone(&peer.config),
            state: self.state_of(peer),
            shutdown: peer.shut().map(str::to_owned),
            next_attempt: peer.phase_timer(),
            families: self.families(peer, session.as_ref()),
            session,
            sessions: peer.history.sessions,
            flaps: peer.history.flaps,
            last_down: peer.history.last_down.clone(),
            last_failure: peer.history.last_failure.clone(),
            malformed: peer.history.malformed,
            bfd: peer.bfd.as_ref().map(|bfd| bfd.session.state()),
        }
    }

    fn families(&self, peer: &Peer, session: Option<&SessionReport>) -> Vec<FamilyReport> {
        let one = |family: Family| {
            let spoken = session.is_some_and(|up| up.negotiated.families.contains(family));
            let mut stale = peer.retention.families();
            let stale = stale
                .find(|(other, _)| *other == family)
                .map(|(_, stale)| stale);
            let options = peer.config.families.get(&family);
            (spoken || stale.is_some()).then(|| FamilyReport {
                family,
                counts: self.rib.counts(peer.id, family),
                limit: options.and_then(|options| options.max_prefix),
                stale,
            })
        };
        Family::ALL.into_iter().filter_map(one).collect()
    }
}
