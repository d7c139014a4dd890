//! A scan: which readers are asked, in which order, on which hosts, and what becomes of their answers.
//!
//! The order is declared in scanner trees (files); a scan gives one batch of readings, which a map takes as one version. A scan
//! that ends early, for whatever reason, gives nothing: nothing half-true is shown.

mod engine;
mod host;
pub mod readers;
mod restrict;
mod start;
pub mod tree;

pub use engine::{Limits, Outcome, Progress, Request, Scan, Start};

use crate::Result;
use crate::host::known::Known;
use futures::future::BoxFuture;
use topology::{Environment, Reading};

/// A source that is not a host: an API, a database, a controller.
pub trait Source: Send + Sync {
    /// Its name in messages.
    fn name(&self) -> &str;

    /// The readers it can be asked for, of [`readers::catalogue`].
    fn readers(&self) -> &'static [&'static str];

    /// Asks it. What could not be read whole is an incomplete reading, not an error; an error means nothing was read.
    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>>;

    /// Tells host scanners what is not an object (routers' rows, tunnel endpoints); called once, before hosts are read.
    fn teach<'a>(&'a self, _known: &'a mut Known) -> BoxFuture<'a, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}

/// What a source may need to know of the rest.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub environment: &'a Environment,
    /// What was read before, in this scan.
    pub readings: &'a [Reading],
}

impl Context<'_> {
    /// Drafts of a type read so far.
    pub fn drafts(&self, object_type: &'static str) -> impl Iterator<Item = &topology::Draft> {
        self.readings
            .iter()
            .flat_map(|reading| &reading.drafts)
            .filter(move |draft| draft.key.object_type.as_str() == object_type)
    }
}

/// A source of a reading, read now. What takes several requests is dated by when the first was made: see [`dated`].
pub(crate) fn source(kind: &'static str, detail: &str) -> topology::Source {
    topology::Source {
        kind: topology::SourceKind::new(kind).expect("kinds are constants of this crate"),
        detail: detail.into(),
        read_at: jiff::Timestamp::now(),
    }
}

/// Dates readings by when their reading began. What an event says while a list is being read is newer than the list: an object made
/// meanwhile may not be on it, and one deleted meanwhile may still be.
pub(crate) fn dated(mut readings: Vec<Reading>, began: jiff::Timestamp) -> Vec<Reading> {
    for reading in &mut readings {
        reading.source.read_at = reading.source.read_at.min(began);
    }
    readings
}

/// A reading of all objects of some types.
pub(crate) fn reading_of(
    source: topology::Source,
    types: &[&str],
    within: Option<topology::ObjectKey>,
    drafts: Vec<topology::Draft>,
    gap: Option<String>,
) -> Reading {
    Reading {
        source,
        scope: topology::Scope::All {
            types: types
                .iter()
                .filter_map(|name| topology::ObjectType::new(name).ok())
                .collect(),
            within,
        },
        coverage: match gap {
            None => topology::Coverage::Complete,
            Some(reason) => topology::Coverage::Incomplete {
                reason: reason.into(),
            },
        },
        drafts,
        gone: Vec::new(),
    }
}
