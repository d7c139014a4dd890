//! The stations and the sessions they are told of, in the engine. What is told is handed to a station's bounded queue
//! as it happens, so its order is the speaker's.

use super::encode::{self, Monitored, Side};
use bgp::attribute::Attributes;
use bgp::bmp::Timestamp;
use bgp::config::{BmpStation, Global};
use bgp::message::split;
use bgp::nlri::Route;
use bgp::rib::{PathView, Select, TableChange, TableId};
use bgp::session::Down;
use bgp::speaker::Speaker;
use bgp::{Family, PeerId};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use tokio::sync::mpsc;

/// Messages that may wait for a station's socket.
pub(super) const QUEUE: usize = 16_384;

#[derive(Debug)]
struct Station {
    wants: BmpStation,
    queue: mpsc::Sender<Bytes>,
}

#[derive(Debug, Default)]
pub(crate) struct Stations {
    /// Those that are connected.
    attached: HashMap<SocketAddr, Station>,
    sessions: BTreeMap<PeerId, Monitored>,
    pub(crate) overflows: u64,
}

impl Stations {
    /// A station is connected: it is told of every session, then of everything that happens. Its tables follow, asked
    /// for by the station's own task.
    pub(super) fn attach(
        &mut self,
        wants: BmpStation,
        global: &Global,
        at: Timestamp,
    ) -> mpsc::Receiver<Bytes> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let station = Station { wants, queue };
        let local = station
            .wants
            .local_rib
            .then(|| encode::local_up(global, at));
        for message in self
            .sessions
            .values()
            .map(|session| session.up(at))
            .chain(local)
        {
            // The queue is new and longer than any list of sessions; if it were not, the station would be cut off below.
            let _ = station.queue.try_send(message);
        }
        self.attached.insert(station.wants.address, station);
        receiver
    }

    /// Whether UPDATEs have to be shown as they come.
    pub(crate) fn need_updates(&self) -> bool {
        self.attached.values().any(|station| {
            station.wants.pre_policy || station.wants.post_policy || station.wants.mirror
        })
    }

    pub(crate) fn need_tables(&self) -> bool {
        self.attached
            .values()
            .any(|station| station.wants.local_rib)
    }

    /// Ends what stations are told: they come back, and are told of everything from its start.
    pub(crate) fn cut_off(&mut self) {
        self.attached.clear();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.attached.is_empty()
    }

    pub(crate) fn sessions(&self) -> impl Iterator<Item = (PeerId, &Monitored)> {
        self.sessions.iter().map(|(peer, session)| (*peer, session))
    }

    pub(crate) fn session(&self, peer: PeerId) -> Option<&Monitored> {
        self.sessions.get(&peer)
    }

    /// Hands a message to those who want it. Who has no room for it is cut off, and comes back.
    fn publish(&mut self, message: &Bytes, wanted: impl Fn(&BmpStation) -> bool) {
        let before = self.attached.len();
        self.attached.retain(|_, station| {
            !wanted(&station.wants) || station.queue.try_send(message.clone()).is_ok()
        });
        self.overflows += (before - self.attached.len()) as u64;
    }

    pub(crate) fn up(&mut self, peer: PeerId, session: Monitored, at: Timestamp) {
        let message = session.up(at);
        self.sessions.insert(peer, session);
        self.publish(&message, |_| true);
    }

    /// The address of the neighbour whose session ended.
    pub(crate) fn down(&mut self, peer: PeerId, down: &Down, at: Timestamp) -> Option<IpAddr> {
        let session = self.sessions.remove(&peer)?;
        self.publish(&session.down(down, at), |_| true);
        Some(session.address())
    }

    /// An UPDATE came, header included, and the tables have taken it in.
    pub(crate) fn update(&mut self, speaker: &Speaker, peer: PeerId, update: &[u8], at: Timestamp) {
        let Some(session) = self.sessions.get(&peer).cloned() else {
            return;
        };
        if self.wants(|wants| wants.pre_policy) {
            self.publish(&session.update(Side::Before, update, at), |wants| {
                wants.pre_policy
            });
        }
        if self.wants(|wants| wants.mirror) {
            self.publish(&session.mirrored(update, at), |wants| wants.mirror);
        }
        if self.wants(|wants| wants.post_policy) {
            for message in after_policy(speaker, peer, &session, update, at) {
                self.publish(&message, |wants| wants.post_policy);
            }
        }
    }

    fn wants(&self, what: impl Fn(&BmpStation) -> bool) -> bool {
        self.attached.values().any(|station| what(&station.wants))
    }

    /// The best path of a global table changed.
    pub(crate) fn table(&mut self, global: &Global, change: &TableChange, at: Timestamp) {
        if !matches!(change.table, TableId::Global(_)) || !self.need_tables() {
            return;
        }
        let best = change.paths.first();
        let route = Route {
            nlri: change.nlri,
            path_id: 0,
            payload: best.map(|best| best.payload).unwrap_or_default(),
        };
        let attributes = best.map(|best| &*best.attributes);
        if let Some(message) = encode::local_route(global, &route, attributes, at) {
            self.publish(&message, |wants| wants.local_rib);
        }
    }

    /// Statistics of every session, for one station.
    pub(super) fn statistics(&mut self, speaker: &Speaker, station: SocketAddr, at: Timestamp) {
        let reports = self.sessions.iter().filter_map(|(peer, session)| {
            Some(session.statistics(&speaker.peer(*peer)?.families, at))
        });
        for message in reports.collect::<Vec<_>>() {
            self.publish(&message, |wants| wants.address == station);
        }
    }

    /// Whether a station has room for a page; `None`: it is cut off.
    pub(super) fn room(&self, station: SocketAddr, messages: usize) -> Option<bool> {
        let station = self.attached.get(&station)?;
        Some(station.queue.capacity() > messages)
    }

    pub(super) fn give(&mut self, station: SocketAddr, messages: Vec<Bytes>) {
        for message in messages {
            self.publish(&message, |wants| wants.address == station);
        }
    }
}

/// What import policy made of an UPDATE's routes, as UPDATEs.
fn after_policy(
    speaker: &Speaker,
    peer: PeerId,
    session: &Monitored,
    update: &[u8],
    at: Timestamp,
) -> Vec<Bytes> {
    let body = update.get(bgp::message::HEADER..).unwrap_or_default();
    let Ok(parts) = split(body, &session.codec) else {
        return Vec::new();
    };
    let reach = parts.mp_reach.iter().flat_map(|reach| reach.routes());
    let unreach = parts.mp_unreach.iter().flat_map(|unreach| unreach.routes());
    let routes = parts
        .withdrawn()
        .chain(parts.announced())
        .chain(reach)
        .chain(unreach);
    let messages = routes.filter_map(|route| {
        let (payload, used) = used(speaker, peer, &route);
        let route = Route { payload, ..route };
        session.route(Side::After, &route, used.as_deref(), at)
    });
    let mut messages: Vec<Bytes> = messages.collect();
    messages.extend(
        parts
            .end_of_rib()
            .map(|family| session.end_of_rib(Side::After, family, at)),
    );
    messages
}

/// What is used of a neighbour's route now.
fn used(
    speaker: &Speaker,
    peer: PeerId,
    route: &Route,
) -> (bgp::nlri::Payload, Option<std::sync::Arc<Attributes>>) {
    let family = route.nlri.family();
    let same = |path: &PathView| path.path_id == route.path_id;
    let select = Select::Exact(route.nlri);
    let page = speaker.rib().received(peer, family, select, None, 1, same);
    let path = page.items.into_iter().next();
    path.map_or((route.payload, None), |path| (path.payload, path.used))
}

/// Families in their order, for walks.
pub(super) const FAMILIES: [Family; 8] = Family::ALL;
