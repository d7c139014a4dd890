//! A dump of all tables (TABLE_DUMP_V2), a page at a time, so that sessions are served in between. It is written beside
//! its name and renamed when it is complete.

use super::{file_name, seconds};
use crate::Error;
use crate::engine::{Core, Handle};
use bgp::mrt::{Body, Path as MrtPath, Peer, PeerIndex, Record, Rib};
use bgp::nlri::{Nlri, Route};
use bgp::rib::{Origin, PathView, Select, TableId};
use bgp::{Family, PeerId};
use jiff::Timestamp;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

/// Prefixes taken in one turn of the engine.
const PAGE: usize = 1_000;

/// Index of each peer in the dump; routes of our own are the first's.
type Indexes = HashMap<PeerId, u16>;

/// Writes all tables into a file, or into one named by the time in the configured directory. The answer is the file and
/// the number of its routes.
pub(crate) async fn dump(engine: &Handle, file: Option<PathBuf>) -> Result<(PathBuf, u64), Error> {
    let at = Timestamp::now();
    let (directory, index, indexes) = engine.ask(prepare).await?;
    let path = match (file, directory) {
        (Some(file), _) => file,
        (None, Some(directory)) => file_name(&directory, "rib", at),
        (None, None) => return Err(Error::NoMrtDirectory),
    };
    if let Some(directory) = path.parent() {
        let made = tokio::fs::create_dir_all(directory).await;
        made.map_err(Error::path("create", directory))?;
    }
    let mut unfinished = path.clone().into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let written = write(engine, &unfinished, at, index, indexes).await;
    if written.is_err() {
        // What is left of it is of no use; the error is the one to tell.
        let _ = tokio::fs::remove_file(&unfinished).await;
    }
    let routes = written?;
    let renamed = tokio::fs::rename(&unfinished, &path).await;
    renamed.map_err(Error::path("name", &path))?;
    Ok((path, routes))
}

/// Dumps every so often, as long as the configuration says so.
pub(crate) async fn schedule(engine: Handle) {
    const LOOK: Duration = Duration::from_secs(5);
    let mut last = std::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let every = engine.ask(|core| {
            core.speaker
                .config()
                .mrt
                .as_ref()
                .map_or(0, |mrt| mrt.tables)
        });
        let Ok(every) = every.await else {
            return;
        };
        if every == 0 || last.elapsed() < Duration::from_secs(every.into()) {
            continue;
        }
        last = std::time::Instant::now();
        match dump(&engine, None).await {
            Ok((path, routes)) => {
                tracing::info!(path = %path.display(), routes, "dumped the tables")
            }
            Err(error) => tracing::error!(%error, "cannot dump the tables"),
        }
    }
}

fn prepare(core: &mut Core) -> (Option<PathBuf>, PeerIndex, Indexes) {
    let config = core.speaker.config();
    let own = Peer {
        router_id: config.global.router_id,
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        asn: config.global.asn,
    };
    let mut peers = vec![own];
    let mut indexes = Indexes::new();
    for report in core.speaker.peers() {
        let Some(session) = &report.session else {
            continue;
        };
        let Ok(index) = u16::try_from(peers.len()) else {
            break;
        };
        indexes.insert(report.id, index);
        peers.push(Peer {
            router_id: session.negotiated.router_id,
            address: session.connection.remote.ip(),
            asn: session.negotiated.asn,
        });
    }
    let index = PeerIndex {
        collector: config.global.router_id,
        view: String::new(),
        peers,
    };
    let directory = config.mrt.as_ref().map(|mrt| mrt.directory.clone());
    (directory, index, indexes)
}

async fn write(
    engine: &Handle,
    path: &Path,
    at: Timestamp,
    index: PeerIndex,
    indexes: Indexes,
) -> Result<u64, Error> {
    let file = File::create(path)
        .await
        .map_err(Error::path("create", path))?;
    let mut file = BufWriter::new(file);
    let mut octets = Vec::new();
    record(at, Body::Peers(index)).encode(&mut octets);
    let (mut sequence, mut routes, mut last) = (0, 0, None);
    let indexes = std::sync::Arc::new(indexes);
    for family in Family::ALL {
        let mut from = None;
        loop {
            let indexes = indexes.clone();
            let page = engine
                .ask(move |core| page(core, family, from, &indexes))
                .await?;
            for mut rib in page.0 {
                rib.sequence = sequence;
                sequence += 1;
                routes += u64::from(last.replace(rib.route.nlri) != Some(rib.route.nlri));
                record(at, Body::Rib(rib)).encode(&mut octets);
            }
            file.write_all(&octets)
                .await
                .map_err(Error::path("write", path))?;
            octets.clear();
            from = page.1;
            if from.is_none() {
                break;
            }
        }
    }
    file.flush().await.map_err(Error::path("write", path))?;
    file.get_ref()
        .sync_all()
        .await
        .map_err(Error::path("write", path))?;
    Ok(routes)
}

fn record(at: Timestamp, body: Body<'static>) -> Record<'static> {
    Record {
        seconds: seconds(at),
        microseconds: None,
        body,
    }
}

/// The routes of a page, each with all its paths: in one record those that have label or VNI in common, which are with the
/// route there and not with the paths. The first record of a route has its best path first.
fn page(
    core: &Core,
    family: Family,
    from: Option<Nlri>,
    indexes: &Indexes,
) -> (Vec<Rib>, Option<Nlri>) {
    let rib = core.speaker.rib();
    let all = |_: &PathView| true;
    let page = rib.routes(
        TableId::Global(family),
        Select::All,
        from.as_ref(),
        PAGE,
        all,
    );
    let Some(page) = page else {
        return (Vec::new(), None);
    };
    let ribs = page.items.iter().flat_map(|paths| records(paths, indexes));
    (ribs.collect(), page.next)
}

fn records(paths: &[PathView], indexes: &Indexes) -> Vec<Rib> {
    let mut records: Vec<Rib> = Vec::new();
    for path in paths {
        let route = Route {
            nlri: path.nlri,
            path_id: 0,
            payload: path.payload,
        };
        let at = records.iter().position(|record| record.route == route);
        let at = at.unwrap_or_else(|| {
            records.push(Rib {
                sequence: 0,
                route,
                add_path: false,
                paths: Vec::new(),
            });
            records.len() - 1
        });
        records[at].add_path |= path.path_id != 0;
        records[at].paths.push(entry(path, indexes));
    }
    records
}

fn entry(path: &PathView, indexes: &Indexes) -> MrtPath {
    MrtPath {
        peer: match path.origin {
            Origin::Peer(peer) => indexes.get(&peer).copied().unwrap_or(0),
            Origin::Local => 0,
        },
        originated: 0,
        path_id: path.path_id,
        attributes: (*path.received).clone(),
    }
}
