//! What can go wrong with the maps of a controller. Nothing is half-done when one is returned.

use journal::JournalError;
use topology::{DeclarationErrors, Environment, ScheduleError, TopologyError};

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error("there is no environment '{0}'; `netwright env list` shows those there are")]
    NoEnvironment(Environment),
    #[error("environment '{0}' exists; choose another name, or change that one")]
    EnvironmentExists(Environment),
    #[error(
        "environment '{0}' is the cloud this controller runs: its map follows it by itself, and is neither configured nor scanned"
    )]
    OwnEnvironment(Environment),
    #[error("there is no {what} '{id}'")]
    None { what: &'static str, id: String },
    #[error("{what} '{id}' exists; choose another name")]
    Exists { what: &'static str, id: String },
    #[error("scan {id} is {state}: only a pending or running scan can be cancelled")]
    NotCancellable { id: String, state: &'static str },
    #[error("{0} scans wait already; try again when some are done")]
    TooManyScans(usize),
    #[error("'{0}' cannot name a snapshot: a name has 1 to 255 characters and is no number")]
    SnapshotName(String),
    #[error("{0}")]
    Report(String),
    #[error(transparent)]
    Map(#[from] TopologyError),
    #[error(transparent)]
    Declarations(#[from] DeclarationErrors),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Discovery(#[from] discovery::Error),
    #[error(transparent)]
    Tree(#[from] discovery::scan::tree::TreeError),
    #[error(transparent)]
    Vault(#[from] discovery::environment::VaultError),
    #[error(transparent)]
    Disk(#[from] JournalError),
    #[error("{what} cannot be read back: {reason}")]
    Unreadable { what: String, reason: String },
}

pub type Result<T> = std::result::Result<T, InventoryError>;
