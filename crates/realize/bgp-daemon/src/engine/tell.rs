//! Handing what happened to those who follow it: the log and the API's watchers, BMP stations, the MRT log, the kernel.

use super::Core;
use crate::bmp::Monitored;
use crate::mrt::UpdateLog;
use bgp::message::HEADER;
use bgp::rib::TableId;
use bgp::session::State;
use bgp::speaker::{Event, EventKind};
use bgp::{Family, PeerId};

/// UPDATE (RFC 4271 4.1).
const UPDATE: u8 = 2;

impl Core {
    /// Tells the events since the last time.
    pub(super) fn observe(&mut self) {
        for event in self.speaker.take_events() {
            if let (Some(peer), EventKind::Mirror(body)) = (event.peer, &event.kind) {
                self.updated(peer, body);
                continue;
            }
            let neighbor = event.peer.map(|peer| self.name_of(peer));
            if let Some(peer) = event.peer {
                self.follow(peer, &event);
            }
            self.observers
                .event(&self.clock, &event, neighbor.as_deref());
        }
    }

    fn follow(&mut self, peer: PeerId, event: &Event) {
        match &event.kind {
            EventKind::Up {
                sent_open,
                received_open,
                ..
            } => {
                let Some(report) = self.speaker.peer(peer) else {
                    return;
                };
                if let Some(session) = &report.session {
                    self.io.established(session.conn);
                    self.learn_link(peer, session);
                    let own_as = session.negotiated.local_asn;
                    let opens = [sent_open.clone(), received_open.clone()];
                    let at = self.bmp_time();
                    self.stations
                        .up(peer, Monitored::new(session, own_as, opens), at);
                }
            }
            EventKind::Down(down) => {
                let at = self.bmp_time();
                if let Some(address) = self.stations.down(peer, down, at)
                    && let Some(sockets) = &mut self.io.bfd
                    && self
                        .speaker
                        .peer(peer)
                        .is_none_or(|peer| peer.bfd.is_none())
                {
                    sockets.forget(address);
                }
            }
            EventKind::State { from, to } => self.log_state(peer, *from, *to),
            _ => {}
        }
    }

    /// An UPDATE came, and the tables have taken it in.
    fn updated(&mut self, peer: PeerId, body: &[u8]) {
        let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
        let mut message = vec![0xff; 16];
        message.extend(length.to_be_bytes());
        message.push(UPDATE);
        message.extend_from_slice(body);
        let at = self.bmp_time();
        self.stations.update(&self.speaker, peer, &message, at);
        let now = self.clock.timestamp(self.clock.now());
        if let (Some(log), Some(session)) = (&mut self.mrt, self.stations.session(peer)) {
            let add_path = !session.codec.add_path_rx.is_empty();
            log.message(now, session.archived(), add_path, &message);
        }
    }

    fn log_state(&mut self, peer: PeerId, from: State, to: State) {
        let Some(log) = &mut self.mrt else {
            return;
        };
        if let Some(session) = self.stations.session(peer) {
            let now = self.clock.timestamp(self.clock.now());
            log.state(now, session.archived(), from as u16 + 1, to as u16 + 1);
        }
    }

    /// Starts or ends the MRT log of updates, as the configuration says.
    pub(super) fn configure_mrt(&mut self) {
        let mrt = self.speaker.config().mrt.as_ref();
        let wanted = mrt
            .filter(|mrt| mrt.updates)
            .map(|mrt| mrt.directory.clone());
        if self.mrt.as_ref().map(|log| &log.directory) == wanted.as_ref() {
            return;
        }
        self.mrt = wanted.and_then(|directory| match UpdateLog::start(&directory) {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::error!(%error, directory = %directory.display(), "UPDATEs are not logged");
                None
            }
        });
        self.watch_updates();
    }

    /// Has the speaker show UPDATEs while somebody wants to see them.
    pub(crate) fn watch_updates(&mut self) {
        let wanted = self.stations.need_updates() || self.mrt.is_some();
        self.speaker.set_mirroring(wanted);
        if self.stations.need_tables() {
            for family in Family::ALL {
                self.subscribe(TableId::Global(family));
            }
        }
    }

    /// Follows a table from its start, unless it is followed already.
    pub(super) fn subscribe(&mut self, table: TableId) {
        if self.subscribed.insert(table) {
            self.speaker.rib_mut().subscribe(table);
        }
    }

    pub(crate) fn mrt_dropped(&self) -> u64 {
        self.mrt.as_ref().map_or(0, |log| log.dropped)
    }
}
