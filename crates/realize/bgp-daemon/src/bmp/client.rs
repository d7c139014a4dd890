//! The connection to a station: made again when it fails, ever less often; first everything that is, then everything that
//! happens.

use super::encode::{self, Side};
use super::stations::FAMILIES;
use crate::engine::{Core, Handle};
use bgp::bmp::Timestamp;
use bgp::config::BmpStation;
use bgp::nlri::{Nlri, Route};
use bgp::rib::{PathView, Select, TableId};
use bgp::{Family, PeerId};
use bytes::Bytes;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Between attempts, at first and at most (RFC 7854 section 3.2).
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A station that does not take what it is sent for so long is not there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Prefixes of a page of a dump.
const PAGE: usize = 200;
/// Messages that a page may become; the queue has room for many.
const ROOM: usize = 2_000;

/// Keeps a connection to each station of the configuration, until the daemon stops.
pub(crate) async fn follow(engine: Handle) {
    const LOOK: Duration = Duration::from_secs(1);
    let mut running: HashMap<SocketAddr, (BmpStation, JoinHandle<()>)> = HashMap::new();
    while let Ok(wanted) = engine.ask(|core| core.speaker.config().bmp.clone()).await {
        running.retain(|address, (station, task)| {
            let kept = wanted.iter().any(|wanted| wanted == station);
            if !kept {
                tracing::info!(%address, "a BMP station is no longer told");
                task.abort();
            }
            kept
        });
        for station in wanted {
            let engine = engine.clone();
            running
                .entry(station.address)
                .or_insert_with(|| (station.clone(), tokio::spawn(keep(engine, station))));
        }
        tokio::time::sleep(LOOK).await;
    }
    running.values().for_each(|(_, task)| task.abort());
}

async fn keep(engine: Handle, station: BmpStation) {
    let mut wait = FIRST;
    loop {
        match serve(&engine, &station).await {
            Ok(()) => wait = FIRST,
            Err(error) => {
                tracing::warn!(station = %station.address, %error, "not connected to a BMP station");
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}

/// One connection to its end. Ok if it was made.
async fn serve(engine: &Handle, station: &BmpStation) -> io::Result<()> {
    let connect = tokio::time::timeout(PATIENCE, TcpStream::connect(station.address));
    let stream = connect
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.set_nodelay(true)?;
    tracing::info!(station = %station.address, "connected to a BMP station");
    let (mut reading, mut writing) = stream.into_split();
    writing.write_all(&encode::initiation()).await?;
    let wants = station.clone();
    let attached = engine.ask(move |core| core.attach_station(wants)).await;
    let Ok(queue) = attached else {
        return Ok(());
    };
    let mut ignored = [0; 256];
    tokio::select! {
        outcome = forward(queue, &mut writing) => {
            if let Err(error) = outcome {
                tracing::warn!(station = %station.address, %error, "a BMP station is lost");
            }
        }
        // A station says nothing (RFC 7854 section 3.2); what it says is its end.
        _ = async { while reading.read(&mut ignored).await.is_ok_and(|length| length > 0) {} } => {
            tracing::warn!(station = %station.address, "a BMP station closed the connection");
        }
        () = tell(engine, station) => {}
    }
    Ok(())
}

async fn forward(mut queue: mpsc::Receiver<Bytes>, writing: &mut OwnedWriteHalf) -> io::Result<()> {
    while let Some(message) = queue.recv().await {
        let written = tokio::time::timeout(PATIENCE, writing.write_all(&message));
        written
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
    Err(io::Error::other(
        "it is too slow for what happens; it is told anew",
    ))
}

/// The tables as they are, page by page; then statistics, for ever.
async fn tell(engine: &Handle, station: &BmpStation) {
    let told = dump(engine, station).await;
    let seconds = u64::from(station.statistics);
    if told.is_none() || seconds == 0 {
        return std::future::pending().await;
    }
    let address = station.address;
    loop {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let told = engine.ask(move |core| {
            let at = core.bmp_time();
            core.stations.statistics(&core.speaker, address, at);
        });
        if told.await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What a page is of.
#[derive(Debug, Clone, Copy)]
enum Table {
    Neighbor(PeerId, Side),
    Local,
}

/// `None` if the station was cut off meanwhile.
async fn dump(engine: &Handle, station: &BmpStation) -> Option<()> {
    let mut tables = Vec::new();
    let peers = engine.ask(|core| {
        core.stations
            .sessions()
            .map(|(peer, _)| peer)
            .collect::<Vec<_>>()
    });
    for peer in peers.await.ok()? {
        tables.extend(
            station
                .pre_policy
                .then_some(Table::Neighbor(peer, Side::Before)),
        );
        tables.extend(
            station
                .post_policy
                .then_some(Table::Neighbor(peer, Side::After)),
        );
    }
    tables.extend(station.local_rib.then_some(Table::Local));
    for table in tables {
        for family in FAMILIES {
            let mut from = None;
            loop {
                let address = station.address;
                let asked = engine.ask(move |core| core.station_page(address, table, family, from));
                match asked.await.ok()? {
                    Turn::Gone => return None,
                    Turn::Full => tokio::time::sleep(Duration::from_millis(20)).await,
                    Turn::More(next) => from = Some(next),
                    Turn::Done => break,
                }
            }
        }
    }
    Some(())
}

enum Turn {
    /// The station was cut off.
    Gone,
    /// Its queue has no room for a page now.
    Full,
    More(Nlri),
    Done,
}

impl Core {
    fn attach_station(&mut self, wants: BmpStation) -> mpsc::Receiver<Bytes> {
        let at = self.bmp_time();
        let global = &self.speaker.config().global;
        let queue = self.stations.attach(wants, global, at);
        self.watch_updates();
        queue
    }

    pub(crate) fn bmp_time(&self) -> Timestamp {
        let now = self.clock.timestamp(self.now());
        Timestamp {
            seconds: u32::try_from(now.as_second()).unwrap_or(0),
            microseconds: now.subsec_microsecond().unsigned_abs(),
        }
    }

    fn station_page(
        &mut self,
        station: SocketAddr,
        table: Table,
        family: Family,
        from: Option<Nlri>,
    ) -> Turn {
        match self.stations.room(station, ROOM) {
            None => return Turn::Gone,
            Some(false) => return Turn::Full,
            Some(true) => {}
        }
        let (messages, next) = match table {
            Table::Neighbor(peer, side) => self.neighbor_page(peer, side, family, from),
            Table::Local => self.local_page(family, from),
        };
        self.stations.give(station, messages);
        next.map_or(Turn::Done, Turn::More)
    }

    fn neighbor_page(
        &self,
        peer: PeerId,
        side: Side,
        family: Family,
        from: Option<Nlri>,
    ) -> (Vec<Bytes>, Option<Nlri>) {
        let at = self.bmp_time();
        let session = self.stations.session(peer);
        let Some(session) = session.filter(|session| session.families.contains(family)) else {
            return (Vec::new(), None);
        };
        let rib = self.speaker.rib();
        let page = rib.received(peer, family, Select::All, from.as_ref(), PAGE, |_| true);
        let messages = page.items.iter().filter_map(|path| {
            let attributes = match side {
                Side::Before => &path.received,
                Side::After => path.used.as_ref()?,
            };
            session.route(side, &route_of(path), Some(attributes), at)
        });
        let mut messages: Vec<Bytes> = messages.collect();
        if page.next.is_none() {
            messages.push(session.end_of_rib(side, family, at));
        }
        (messages, page.next)
    }

    fn local_page(&self, family: Family, from: Option<Nlri>) -> (Vec<Bytes>, Option<Nlri>) {
        let at = self.bmp_time();
        let global = &self.speaker.config().global;
        let rib = self.speaker.rib();
        let table = TableId::Global(family);
        let page = rib.routes(table, Select::All, from.as_ref(), PAGE, |_| true);
        let Some(page) = page else {
            return (Vec::new(), None);
        };
        let messages = page.items.iter().filter_map(|paths| {
            let best = paths.first()?;
            encode::local_route(global, &route_of(best), Some(best.used.as_ref()?), at)
        });
        let mut messages: Vec<Bytes> = messages.collect();
        if page.next.is_none() {
            messages.push(encode::local_end_of_rib(global, family, at));
        }
        (messages, page.next)
    }
}

fn route_of(path: &PathView) -> Route {
    Route {
        nlri: path.nlri,
        path_id: path.path_id,
        payload: path.payload,
    }
}
