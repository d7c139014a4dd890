//! Reading the store back: the newest checkpoint, then every journal since, checking each line, each revision and the
//! number of rows. Only the end of the last journal may be incomplete, and only past what `HEAD` and later lines
//! prove was acknowledged.

use crate::disk::head::Head;
use crate::disk::name::{self, FileName};
use crate::disk::{header, new_journal};
use crate::overlay::Write;
use crate::state::State;
use crate::table::{DecodeProblem, Schema};
use crate::{Revision, StoreError};
use journal::{Journal, JournalError, Lines, file};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    pub(crate) checkpoint_bytes: u64,
}

/// A commit as journals hold it. Rows are `[path, value]` if written and `[path]` if deleted.
#[derive(Deserialize)]
struct CommitLine<'a> {
    revision: Revision,
    durable: Revision,
    #[serde(borrow)]
    rows: Vec<Vec<&'a RawValue>>,
}

/// A row as checkpoints hold it.
#[derive(Deserialize)]
struct RowLine<'a> {
    revision: Revision,
    #[serde(borrow)]
    row: Vec<&'a RawValue>,
}

pub(crate) fn recover(dir: &Path, schema: Arc<Schema>) -> Result<Recovered, StoreError> {
    let acknowledged = Head::read(dir)?;
    file::remove_unfinished(dir)?;
    let names = name::list(dir)?;
    if acknowledged.is_none() && !names.is_empty() {
        tracing::warn!(dir = %dir.display(), "HEAD is missing; taking the journals as they are");
    }
    let mut state = State::empty(schema);
    let mut checkpoint_bytes = 0;
    let checkpoint = names.iter().rev().find_map(|name| match name {
        FileName::Checkpoint(revision) => Some(*revision),
        FileName::Journal(_) => None,
    });
    if let Some(revision) = checkpoint {
        let path = dir.join(FileName::Checkpoint(revision).to_string());
        checkpoint_bytes = read_checkpoint(&path, revision, &mut state)?;
    } else if names.is_empty() && acknowledged.unwrap_or_default() == Revision(0) {
        let journal = new_journal(dir, Revision(0))?;
        return Ok(Recovered {
            state,
            journal,
            checkpoint_bytes,
        });
    }
    let from = state.revision;
    let journals: Vec<Revision> = names
        .iter()
        .filter_map(|name| match name {
            FileName::Journal(revision) if *revision >= from => Some(*revision),
            _ => None,
        })
        .collect();
    let (path, end) = read_journals(dir, &journals, acknowledged.unwrap_or_default(), &mut state)?;
    let journal = Journal::resume(&path, end)?;
    // A crash between a checkpoint and its clean-up leaves older files.
    name::remove_before(dir, &names, from);
    Ok(Recovered {
        state,
        journal,
        checkpoint_bytes,
    })
}

/// Returns the file's size in bytes.
fn read_checkpoint(path: &Path, revision: Revision, state: &mut State) -> Result<u64, StoreError> {
    let mut lines = Lines::open(path)?;
    let header = lines.header(&header(FileName::Checkpoint(revision), None))?;
    let mut rows = 0;
    while lines.advance()? {
        let json = lines
            .json()
            .ok_or_else(|| lines.corrupt("a row fails its checksum"))?;
        let line: RowLine<'_> = serde_json::from_str(json)
            .map_err(|error| lines.corrupt(format!("not a row: {error}")))?;
        apply(&lines, state, line.revision, &line.row)?;
        rows += 1;
    }
    if header.rows != Some(rows) {
        let expected = header.rows.unwrap_or_default();
        let problem = format!("it holds {rows} rows where its header says {expected}");
        return Err(lines.corrupt(problem).into());
    }
    state.revision = revision;
    Ok(lines.offset)
}

/// Returns the last journal and the end of its last commit.
fn read_journals(
    dir: &Path,
    journals: &[Revision],
    acknowledged: Revision,
    state: &mut State,
) -> Result<(PathBuf, u64), StoreError> {
    let mut last = None;
    for (position, start) in journals.iter().enumerate() {
        if *start != state.revision {
            break;
        }
        let path = dir.join(FileName::Journal(*start).to_string());
        let is_last = position + 1 == journals.len();
        let end = read_journal(&path, *start, is_last.then_some(acknowledged), state)?;
        last = Some((is_last, path, end));
    }
    match last {
        Some((true, path, end)) => {
            if state.revision < acknowledged {
                return Err(ends_early(path, end, state.revision, acknowledged));
            }
            Ok((path, end))
        }
        Some((false, path, end)) => {
            let next = journals.iter().find(|start| **start > state.revision);
            let expected = next.copied().unwrap_or(acknowledged);
            Err(ends_early(path, end, state.revision, expected))
        }
        None => Err(JournalError::Corrupt {
            path: dir.join(FileName::Journal(state.revision).to_string()),
            offset: 0,
            problem: "the file is missing".to_owned(),
        }
        .into()),
    }
}

fn ends_early(path: PathBuf, offset: u64, found: Revision, expected: Revision) -> StoreError {
    JournalError::Corrupt {
        path,
        offset,
        problem: format!("it ends at revision {found}, but revision {expected} was acknowledged"),
    }
    .into()
}

/// Applies a journal to the state and returns the end of its last commit. `torn_after` is given for the last
/// journal: what fails its check beyond this revision may be a torn write, unless a later line proves otherwise.
fn read_journal(
    path: &Path,
    start: Revision,
    torn_after: Option<Revision>,
    state: &mut State,
) -> Result<u64, StoreError> {
    let mut lines = Lines::open(path)?;
    lines.header(&header(FileName::Journal(start), None))?;
    while lines.advance()? {
        let next = Revision(state.revision.0 + 1);
        let Some(json) = lines.json() else {
            let problem = lines.corrupt(format!("revision {next} fails its checksum"));
            return match torn_after {
                Some(acknowledged) if acknowledged < next => torn_tail(lines, next, problem),
                _ => Err(problem.into()),
            };
        };
        let commit: CommitLine<'_> = serde_json::from_str(json)
            .map_err(|error| lines.corrupt(format!("not a commit: {error}")))?;
        if commit.revision != next {
            let found = commit.revision;
            let problem = format!("revision {found} stands where {next} must");
            return Err(lines.corrupt(problem).into());
        }
        for row in &commit.rows {
            apply(&lines, state, next, row)?;
        }
        state.revision = next;
    }
    Ok(lines.offset)
}

/// Decides whether what begins at the current, damaged line was never acknowledged.
fn torn_tail(
    mut lines: Lines,
    damaged: Revision,
    problem: JournalError,
) -> Result<u64, StoreError> {
    let end = lines.offset;
    while lines.advance()? {
        let commit = lines
            .json()
            .and_then(|json| serde_json::from_str::<CommitLine<'_>>(json).ok());
        if commit.is_some_and(|commit| commit.durable >= damaged) {
            return Err(problem.into());
        }
    }
    tracing::warn!(
        path = %lines.path.display(),
        offset = end,
        "dropping a torn write that was never acknowledged"
    );
    Ok(end)
}

fn apply(
    lines: &Lines,
    state: &mut State,
    revision: Revision,
    row: &[&RawValue],
) -> Result<(), StoreError> {
    let malformed = || lines.corrupt("a row is neither [path, value] nor [path]");
    let (name, value) = match row {
        [name, value] => (name, Some(value)),
        [name] => (name, None),
        _ => return Err(malformed().into()),
    };
    let name: String = serde_json::from_str(name.get()).map_err(|_| malformed())?;
    let (table_name, path) = name.split_once('/').ok_or_else(malformed)?;
    let schema = state.schema.clone();
    let table = schema
        .find(table_name)
        .ok_or_else(|| StoreError::UnknownTable {
            path: lines.path.clone(),
            table: table_name.to_owned(),
            key: path.to_owned(),
        })?;
    let info = &schema.tables()[table];
    let path: Arc<str> = path.into();
    let row = match value {
        Some(value) => Some((info.decode)(path.clone(), revision, value.get()).map_err(
            |problem| StoreError::Decode {
                path: lines.path.clone(),
                table: info.name,
                key: path.to_string(),
                problem: match problem {
                    DecodeProblem::Key => "the key has another shape".to_owned(),
                    DecodeProblem::Value(error) => error.to_string(),
                },
            },
        )?),
        None => None,
    };
    state.apply(&Write::new(&schema, table, path, row));
    Ok(())
}
