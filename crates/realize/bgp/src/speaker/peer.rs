//! What is remembered of one neighbor across its connections.

use super::backoff::Backoff;
use super::retention::Retention;
use crate::bfd::BfdSession;
use crate::config::{Endpoint, Neighbor};
use crate::session::{Down, State};
use crate::{Family, FamilySet, PeerId, Time};
use std::net::IpAddr;
use std::sync::Arc;

use super::action::ConnId;

/// One neighbor.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    /// Its own: of a dynamic neighbor its address, not the range.
    pub(super) endpoint: Endpoint,
    /// Of a dynamic neighbor that of its range.
    pub(super) config: Arc<Neighbor>,
    pub(super) phase: Phase,
    /// Connections that are no session yet, at most one of each direction.
    pub(super) pending: Vec<ConnId>,
    pub(super) established: Option<Up>,
    pub(super) backoff: Backoff,
    pub(super) retention: Retention,
    pub(super) bfd: Option<Bfd>,
    /// Shut down by a command, with the text for the neighbor; outlives a change of configuration.
    pub(super) shutdown: Option<String>,
    pub(super) history: History,
    /// The state of the last event.
    pub(super) reported: State,
    /// When its next timer is due, as the schedule has it.
    pub(super) scheduled: Option<Time>,
}

/// A session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Up {
    pub(super) conn: ConnId,
    pub(super) since: Time,
    /// Families of which a warning about their number of prefixes was given.
    pub(super) warned: FamilySet,
    /// Until when VPN routes wait for the neighbor's route targets (RFC 4684 6).
    pub(super) membership: Option<Time>,
    /// By family: the neighbor sends it again, and the end of that is waited for until then (RFC 7313 4).
    pub(super) refreshing: [Option<Time>; Family::ALL.len()],
}

/// BFD beside a session, between these two addresses.
#[derive(Debug)]
pub(super) struct Bfd {
    pub(super) session: BfdSession,
    pub(super) local: IpAddr,
    pub(super) remote: IpAddr,
    pub(super) interface: Option<String>,
}

/// What is done about a connection (RFC 4271 8.2.2: Idle, Connect, Active).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Idle(Idle),
    /// The shell is connecting.
    Connect,
    /// Waiting for a call, and until this time for the next attempt of ours; `None`: only for a call, or there is a
    /// connection.
    Active(Option<Time>),
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    Shutdown,
    /// It has failed often.
    Damped(Time),
    /// It sent too many prefixes; `None`: until an operator clears it.
    PrefixLimit(Option<Time>),
}

impl Idle {
    pub(super) const fn until(self) -> Option<Time> {
        match self {
            Self::Shutdown => None,
            Self::Damped(until) => Some(until),
            Self::PrefixLimit(until) => until,
        }
    }
}

/// For operators.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Sessions that were established.
    pub(super) sessions: u64,
    /// Sessions that ended.
    pub(super) flaps: u64,
    pub(super) last_down: Option<(Time, Down)>,
    /// Of an attempt to make a session.
    pub(super) last_failure: Option<(Time, Down)>,
    /// Updates with a fault.
    pub(super) malformed: u64,
    pub(super) reports: Reports,
}

/// How many malformed updates are reported in full: a flood of them must not be one of events.
#[derive(Debug, Default)]
pub(super) struct Reports {
    window: Time,
    given: u32,
    suppressed: u64,
}

impl Reports {
    const WINDOW: u64 = 60_000;
    const MOST: u32 = 20;

    /// The number of those suppressed before, if this one may be reported.
    pub(super) fn admit(&mut self, now: Time) -> Option<u64> {
        if now.0 >= self.window.0 + Self::WINDOW {
            self.window = now;
            self.given = 0;
        }
        if self.given >= Self::MOST {
            self.suppressed += 1;
            return None;
        }
        self.given += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Peer {
    pub(super) fn new(id: PeerId, endpoint: Endpoint, config: Arc<Neighbor>) -> Self {
        Self {
            id,
            endpoint,
            config,
            phase: Phase::Idle(Idle::Shutdown),
            pending: Vec::new(),
            established: None,
            backoff: Backoff::default(),
            retention: Retention::default(),
            bfd: None,
            shutdown: None,
            history: History::default(),
            reported: State::Idle,
            scheduled: None,
        }
    }

    pub(super) fn is_dynamic(&self) -> bool {
        matches!(self.config.endpoint, Endpoint::Range(_))
    }

    /// The text for the neighbor, if it is not to be spoken with.
    pub(super) fn shut(&self) -> Option<&str> {
        self.shutdown.as_deref().or(self.config.shutdown.as_deref())
    }

    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.endpoint {
            Endpoint::Address(address, _) => Some(address),
            Endpoint::Interface(_) | Endpoint::Range(_) => None,
        }
    }

    pub(super) fn interface(&self) -> Option<&str> {
        match &self.endpoint {
            Endpoint::Address(_, interface) => interface.as_deref(),
            Endpoint::Interface(name) => Some(name),
            Endpoint::Range(_) => None,
        }
    }

    /// Every connection of it.
    pub(super) fn connections(&self) -> impl Iterator<Item = ConnId> + '_ {
        let up = self.established.iter().map(|up| up.conn);
        up.chain(self.pending.iter().copied())
    }

    /// A dynamic neighbor of which nothing is left.
    pub(super) fn is_forgotten(&self) -> bool {
        self.is_dynamic()
            && self.established.is_none()
            && self.pending.is_empty()
            && self.retention.is_empty()
            && self.shutdown.is_none()
            && !matches!(
                self.phase,
                Phase::Idle(Idle::Damped(_) | Idle::PrefixLimit(_))
            )
    }
}
