//! What can keep an agent from running, or an operator's request from being done.

use crate::last_good::LastGoodError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{path} is used by another agent (process {holder}); one agent per state directory")]
    Locked { path: PathBuf, holder: String },
    #[error(
        "another agent runs in this network namespace, with a state directory of its own; one agent per network \
         namespace ('ss -xlp' names the process behind @{socket})"
    )]
    NamespaceTaken { socket: &'static str },
    #[error("cannot claim this network namespace for the agent: {source}")]
    Namespace { source: io::Error },
    #[error("cannot {action} {path}: {source}")]
    Path {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error(
        "'{uri}' is not a controller's address: {detail}; write http://HOST:PORT or https://HOST:PORT"
    )]
    Controller { uri: String, detail: String },
    #[error(
        "'{uri}' asks for TLS and there are no certificates; give those of the authority and of this host, and its key"
    )]
    NoCertificates { uri: String },
    #[error(
        "'{uri}' is plain text, though there are certificates; write https://HOST:PORT, or leave them out"
    )]
    PlainText { uri: String },
    #[error(transparent)]
    Datapath(#[from] datapath::Error),
    #[error("netlink: cannot {action}: {source}")]
    Netlink { action: String, source: io::Error },
    #[error(transparent)]
    LastGood(#[from] LastGoodError),
    #[error("no agent answers at {path}: {source}; is one running with this state directory?")]
    NoAgent { path: PathBuf, source: io::Error },
    #[error("the agent at {path} gave an answer that cannot be read: {detail}")]
    Answer { path: PathBuf, detail: String },
    #[error("the agent stopped by itself: {0}")]
    Stopped(String),
}

impl Error {
    pub(crate) fn path(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Path {
            action,
            path,
            source,
        }
    }

    pub(crate) fn netlink(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        move |source| Self::Netlink { action, source }
    }
}
