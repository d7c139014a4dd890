//! The speaker: all neighbors, their connections and sessions, and the RIB between them. Sans-I/O: the shell tells it of
//! connections, bytes and time, and does the [`Action`]s it asks for; what happened comes as [`Event`]s. A run is a
//! function of its inputs, the seed in the configuration included.
//!
//! ```text
//!   connected, received, closed ──► connection ──► session ──► peer (collisions, back-off, retention) ──► rib
//!                                       ▲                                                                 │
//!   transmit ◄──────────────────────────┴─────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The shell's loop: hand in what came; [`Speaker::flush`] until it says false; carry out [`Speaker::take_actions`];
//! for each writable connection with something to send call [`Speaker::transmit`] until it gives nothing;
//! show [`Speaker::take_events`]; sleep until [`Speaker::next_timer`], then [`Speaker::tick`].

mod accept;
mod action;
mod backoff;
mod bfd;
mod collision;
mod command;
mod configure;
mod deferral;
mod event;
mod life;
mod offer;
mod originate;
mod peer;
mod report;
mod retention;
mod timers;
mod update;

pub use action::{Action, Caller, ConnId, ConnInfo, Direction, Target, Ttl};
pub use command::{Clear, NoSuchPeer};
pub use deferral::Start;
pub use event::{Event, EventKind, Malformed, Refused, Swept};
pub use originate::lead_into_vxlan;
pub use report::{FamilyReport, PeerReport, SessionReport};
pub use retention::Stale;

use crate::config::{Config, Endpoint, Neighbor};
use crate::rib::{Rib, TableChange};
use crate::session::{Inbox, Jitter, Session};
use crate::{Family, FamilySet, PeerId, Time};
use backoff::{Callers, Departed};
use bytes::Bytes;
use deferral::{Deferral, Earlier};
use hashbrown::HashMap;
use offer::VrfNumbers;
pub use offer::Vtep;
use peer::Peer;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A BGP speaker.
#[derive(Debug)]
pub struct Speaker {
    config: Config,
    rib: Rib,
    peers: BTreeMap<PeerId, Peer>,
    connections: HashMap<ConnId, Connection, foldhash::fast::FixedState>,
    /// The earliest timer of each neighbor; may be too early, never too late.
    schedule: BTreeSet<(Time, PeerId)>,
    callers: Callers,
    /// Dynamic neighbors that are gone.
    departed: Departed,
    /// The RIB has been given something to work on since [`Speaker::flush`] last said that there is no more.
    pending: bool,
    deferral: Option<Deferral>,
    earlier: Option<Earlier>,
    numbers: VrfNumbers,
    actions: Vec<Action>,
    events: Vec<Event>,
    mirroring: bool,
    jitter: Jitter,
    /// The last BFD discriminator given out.
    discriminator: u32,
}

#[derive(Debug)]
struct Connection {
    peer: PeerId,
    info: ConnInfo,
    session: Session,
    inbox: Inbox,
    since: Time,
    /// As on the wire.
    sent_open: Bytes,
    received_open: Bytes,
    /// The shell knows that there is something to send.
    announced: bool,
}

impl Speaker {
    /// Starts with a configuration: the first actions say where to listen and whom to call.
    pub fn new(config: Config, start: Start, now: Time) -> Self {
        let mut numbers = VrfNumbers::default();
        let rib = Rib::new(offer::rib_config(&config, &mut numbers));
        let jitter = Jitter::new(config.global.seed);
        let earlier = match start {
            Start::Fresh => None,
            Start::Restarted { forwarding } => Some(Earlier::new(now, forwarding)),
        };
        let deferral = earlier.map(|_| Deferral::new(&config.neighbors, now));
        let mut speaker = Self {
            config,
            rib,
            peers: BTreeMap::new(),
            connections: HashMap::default(),
            schedule: BTreeSet::new(),
            callers: Callers::default(),
            departed: Departed::default(),
            pending: true,
            deferral,
            earlier,
            numbers,
            actions: Vec::new(),
            events: Vec::new(),
            mirroring: false,
            jitter,
            discriminator: 0,
        };
        if speaker.is_deferring() {
            let routes = FamilySet::ALL.without(Family::RouteTarget);
            speaker.tables().hold_back(routes, FamilySet::ALL);
        }
        speaker.listen();
        speaker.originate_all();
        for neighbor in speaker.config.neighbors.clone() {
            speaker.add_neighbor(now, neighbor);
        }
        speaker
    }

    pub const fn config(&self) -> &Config {
        &self.config
    }

    pub const fn rib(&self) -> &Rib {
        &self.rib
    }

    /// [`Speaker::flush`] is to follow.
    pub const fn rib_mut(&mut self) -> &mut Rib {
        self.tables()
    }

    const fn tables(&mut self) -> &mut Rib {
        self.pending = true;
        &mut self.rib
    }

    /// Changes of the tables subscribed to, as [`Rib::table_changes`]; none while [`Speaker::is_deferring`].
    pub fn table_changes(&mut self, limit: usize) -> Vec<TableChange> {
        match self.deferral {
            Some(_) => Vec::new(),
            None => self.rib.table_changes(limit),
        }
    }

    /// After a restart: routes are taken in but not used yet, so the kernel's must be left alone.
    pub const fn is_deferring(&self) -> bool {
        self.deferral.is_some()
    }

    /// Whether [`EventKind::Mirror`] is given for each UPDATE.
    pub const fn set_mirroring(&mut self, on: bool) {
        self.mirroring = on;
    }

    /// What the shell is to do, in this order.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn event(&mut self, time: Time, peer: impl Into<Option<PeerId>>, kind: EventKind) {
        let peer = peer.into();
        self.events.push(Event { time, peer, kind });
    }

    /// A neighbor of the configuration; of a range its callers become neighbors.
    fn add_neighbor(&mut self, now: Time, neighbor: Neighbor) {
        self.authenticate(&neighbor, neighbor.password.clone());
        if matches!(neighbor.endpoint, Endpoint::Range(_)) {
            return;
        }
        let endpoint = neighbor.endpoint.clone();
        let id = self.add_peer(now, endpoint, Arc::new(neighbor));
        if let (Some(deferral), Some(peer)) = (&mut self.deferral, self.peers.get(&id))
            && peer.shut().is_none()
        {
            deferral.expect(id, peer.config.family_set());
        }
        self.start(now, id);
    }

    /// The lowest number that is free, so that the RIB's tables by peer stay small.
    fn add_peer(&mut self, now: Time, endpoint: Endpoint, neighbor: Arc<Neighbor>) -> PeerId {
        let mut free = 0;
        for id in self.peers.keys() {
            if id.0 != free {
                break;
            }
            free += 1;
        }
        let id = PeerId(free);
        self.peers.insert(id, Peer::new(id, endpoint, neighbor));
        self.event(now, id, EventKind::Added);
        id
    }
}
