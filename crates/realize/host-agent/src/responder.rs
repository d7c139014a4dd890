//! Answers the packets that the data path hands up: DHCP and router solicitations; and advertises routers without
//! being asked. It reads what the realizer has published about each device and changes nothing.

use crate::board::Board;
use crate::limit::Limit;
use crate::services::{self, Silence};
use datapath::Punt;
use parking_lot::Mutex;
use plan::{Endpoint, Segment, Unit};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::debug;

/// What the port behind a device is told.
#[derive(Debug, Clone)]
struct Port {
    endpoint: Arc<Unit>,
    segment: Arc<Unit>,
}

impl Port {
    /// True if these are the same versions of the same units.
    fn is(&self, other: &Port) -> bool {
        Arc::ptr_eq(&self.endpoint, &other.endpoint) && Arc::ptr_eq(&self.segment, &other.segment)
    }

    fn parts(&self) -> Option<(&Endpoint, &Segment)> {
        match (self.endpoint.as_ref(), self.segment.as_ref()) {
            (Unit::Endpoint(endpoint), Unit::Segment(segment)) => Some((endpoint, segment)),
            _ => None,
        }
    }
}

/// A port and how often it has asked.
#[derive(Debug)]
struct Client {
    port: Port,
    limit: Limit,
}

/// The ports that get answers, by the index of their device. The realizer writes, the responder reads.
#[derive(Debug)]
pub(crate) struct Served {
    clients: Mutex<HashMap<u32, Client>>,
    changed: mpsc::Sender<u32>,
}

impl Served {
    /// The table and the channel on which devices arrive whose routers should be advertised now.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<u32>) {
        let (changed, changes) = mpsc::channel(1024);
        let served = Self {
            clients: Mutex::default(),
            changed,
        };
        (Arc::new(served), changes)
    }

    pub(crate) fn put(&self, index: u32, endpoint: Arc<Unit>, segment: Arc<Unit>) {
        let port = Port { endpoint, segment };
        match self.clients.lock().entry(index) {
            Entry::Occupied(known) if known.get().port.is(&port) => return,
            // A changed port has no more to ask than before.
            Entry::Occupied(mut known) => known.get_mut().port = port,
            Entry::Vacant(new) => {
                let limit = Limit::new(Instant::now());
                new.insert(Client { port, limit });
            }
        }
        // When the channel is full the advertisement comes with the next periodic round.
        let _ = self.changed.try_send(index);
    }

    pub(crate) fn remove(&self, index: u32) {
        self.clients.lock().remove(&index);
    }

    fn get(&self, index: u32) -> Option<Port> {
        let clients = self.clients.lock();
        clients.get(&index).map(|client| client.port.clone())
    }

    /// The port that asks for something at `now`.
    fn asked(&self, index: u32, now: Instant) -> Result<Port, Silence> {
        let mut clients = self.clients.lock();
        let client = clients.get_mut(&index).ok_or(Silence::NoAddress)?;
        match client.limit.admits(now) {
            true => Ok(client.port.clone()),
            false => Err(Silence::TooMany),
        }
    }

    fn devices(&self) -> Vec<u32> {
        self.clients.lock().keys().copied().collect()
    }
}

/// Runs until the data path's channel breaks; says why.
pub(crate) async fn run(
    mut punt: Punt,
    served: Arc<Served>,
    mut changes: mpsc::Receiver<u32>,
    board: Arc<Board>,
) -> datapath::Error {
    let mut next_round = Instant::now() + interval();
    loop {
        tokio::select! {
            packet = punt.recv() => match packet {
                Ok((index, frame)) => answer(&punt, &served, &board, index, &frame),
                Err(error) => return error,
            },
            Some(index) = changes.recv() => advertise(&punt, &served, index),
            () = sleep_until(next_round) => {
                for index in served.devices() {
                    advertise(&punt, &served, index);
                    tokio::task::yield_now().await;
                }
                next_round = Instant::now() + interval();
            }
        }
    }
}

/// Between a third and all of the maximum, as RFC 4861 section 6.2.1 has it by default.
fn interval() -> Duration {
    services::ADVERTISEMENT_INTERVAL.mul_f64(crate::jitter(0.33, 1.0))
}

fn answer(punt: &Punt, served: &Served, board: &Board, index: u32, frame: &[u8]) {
    let reply = served.asked(index, Instant::now()).and_then(|port| {
        let (endpoint, segment) = port.parts().ok_or(Silence::NoAddress)?;
        services::answer(endpoint, segment, frame)
    });
    board.answered(reply.as_ref().err().map(|silence| silence.as_str()));
    match reply {
        Ok(reply) => send(punt, index, &reply),
        Err(silence) => debug!(device = index, %silence, "no answer"),
    }
}

fn advertise(punt: &Punt, served: &Served, index: u32) {
    let port = served.get(index);
    if let Some((endpoint, segment)) = port.as_ref().and_then(Port::parts)
        && let Some(frame) = services::unsolicited_advertisement(endpoint, segment)
    {
        send(punt, index, &frame);
    }
}

fn send(punt: &Punt, index: u32, frame: &[u8]) {
    // The device may have gone since, or not be up yet; the client will ask again.
    if let Err(error) = punt.send(index, frame) {
        debug!(device = index, %error, "could not answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::fixture;
    use model::Ipv6Mode;

    #[test]
    fn a_port_that_asks_without_end_keeps_no_other_from_its_answer() {
        let (served, _changes) = Served::new();
        let segment = Arc::new(Unit::Segment(fixture::segment(Ipv6Mode::Slaac)));
        let endpoint = Arc::new(Unit::Endpoint(fixture::endpoint()));
        for index in [1, 2] {
            served.put(index, endpoint.clone(), segment.clone());
        }
        let now = Instant::now();
        let answered = (0..1000).filter(|_| served.asked(1, now).is_ok());
        assert!(answered.count() < 100);
        assert_eq!(served.asked(1, now).err(), Some(Silence::TooMany));
        assert!(served.asked(2, now).is_ok());

        // Neither a new version of the port nor asking for a device that is nobody's gives more.
        served.put(1, Arc::new(Unit::clone(&endpoint)), segment.clone());
        assert_eq!(served.asked(1, now).err(), Some(Silence::TooMany));
        assert_eq!(served.asked(3, now).err(), Some(Silence::NoAddress));
        served.remove(1);
        assert_eq!(served.asked(1, now).err(), Some(Silence::NoAddress));
    }
}
