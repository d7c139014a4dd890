//! Originating the routes of a table dump. The file is read in constant memory; a damaged record costs only itself.

use crate::Error;
use crate::engine::Handle;
use bgp::attribute::Attributes;
use bgp::mrt::{self, Body, Record};
use bgp::nlri::Route;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Routes given to the engine in one turn.
const BATCH: usize = 500;
/// Octets read at once.
const CHUNK: usize = 1 << 20;

/// What became of a file's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) routes: u64,
    pub(crate) damaged: u64,
}

/// Originates the first path of each route of a dump.
pub(crate) async fn load(engine: &Handle, path: PathBuf) -> Result<Loaded, Error> {
    let reader = engine.clone();
    let task = tokio::task::spawn_blocking(move || {
        read(&path, |batch| {
            reader.tell(move |core| {
                for (route, attributes) in batch {
                    core.announce(route, attributes);
                }
            })
        })
    });
    let loaded = task
        .await
        .map_err(|error| Error::Engine(error.to_string()))??;
    // What was told is done once this is answered.
    engine.ask(|_| ()).await?;
    Ok(loaded)
}

type Batch = Vec<(Route, Attributes)>;

fn read(path: &Path, mut give: impl FnMut(Batch) -> Result<(), Error>) -> Result<Loaded, Error> {
    let mut file = File::open(path).map_err(Error::path("open", path))?;
    let mut buffer = Vec::new();
    let (mut loaded, mut batch, mut last) = (Loaded::default(), Batch::new(), None);
    loop {
        let before = buffer.len();
        let chunk = file.by_ref().take(CHUNK as u64).read_to_end(&mut buffer);
        chunk.map_err(Error::path("read", path))?;
        let ended = buffer.len() == before;
        let mut at = 0;
        while let Some((record, length)) = mrt::frame(&buffer[at..]).map_err(Error::mrt(path))? {
            match record {
                // Further records of a route have its other paths.
                Ok(record) => batch.extend(
                    route_of(record)
                        .filter(|(route, _)| last.replace(route.nlri) != Some(route.nlri)),
                ),
                Err(_) => loaded.damaged += 1,
            }
            at += length;
            if batch.len() >= BATCH {
                loaded.routes += batch.len() as u64;
                give(std::mem::take(&mut batch))?;
            }
        }
        buffer.drain(..at);
        if ended {
            loaded.damaged += u64::from(!buffer.is_empty());
            loaded.routes += batch.len() as u64;
            give(batch)?;
            return Ok(loaded);
        }
    }
}

fn route_of(record: Record<'_>) -> Option<(Route, Attributes)> {
    match record.body {
        Body::Rib(rib) => {
            let path = rib.paths.into_iter().next()?;
            let route = Route {
                path_id: 0,
                ..rib.route
            };
            Some((route, path.attributes))
        }
        _ => None,
    }
}
