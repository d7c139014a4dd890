//! What can go wrong between us and a source. Each says what was wrong, with which value, and what to do.
//! No variant may carry a credential: what is here is shown to users and written to logs.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "'{command}' is not on the list of commands a scan may run; the list is in ssh/command.rs"
    )]
    Forbidden { command: String },
    #[error(
        "{host}:{port} does not answer: {reason}; check address, firewall and that sshd listens"
    )]
    Unreachable {
        host: String,
        port: u16,
        reason: String,
    },
    #[error(
        "{host}: the host key {fingerprint} is not in {file}; compare it on the host's console, then add it (ssh-keyscan)"
    )]
    UnknownHostKey {
        host: String,
        fingerprint: String,
        file: String,
    },
    #[error(
        "{host}: the host key {fingerprint} is not the one in {file}: another machine answers, or the host was reinstalled; nothing was sent"
    )]
    ChangedHostKey {
        host: String,
        fingerprint: String,
        file: String,
    },
    #[error("{host} refuses user '{user}'; check the key or password of this environment")]
    Login { host: String, user: String },
    #[error("{host}: the session broke: {reason}")]
    Session { host: String, reason: String },
    #[error("{what} did not finish within {} s; nothing it may have said is used", limit.as_secs_f32())]
    TimedOut { what: String, limit: Duration },
    #[error(
        "{host} calls itself '{answered}': it answers for another, and nothing it says is used"
    )]
    OtherHost { host: String, answered: String },
    #[error("the answer of {host} is not framed as asked: {reason}")]
    Framing { host: String, reason: String },
    #[error("{url} does not answer: {reason}")]
    Http { url: String, reason: String },
    #[error("{url} answers {status}: {reason}")]
    Status {
        url: String,
        status: u16,
        reason: String,
    },
    #[error("{url}: {reason}; nothing after that page is used")]
    Paging { url: String, reason: String },
    #[error("{source_name}: {reason}")]
    Answer { source_name: String, reason: String },
    #[error("database {name}: {reason}")]
    Sql { name: String, reason: String },
    #[error("{broker}: {reason}")]
    Broker { broker: String, reason: String },
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error("{what} is not configured: {hint}")]
    NotConfigured { what: String, hint: String },
    #[error("the scan was cancelled; nothing of it is kept")]
    Cancelled,
}

impl Error {
    /// A scanner tree asks a source for what it does not read.
    pub(crate) fn no_reader(source: &str, reader: &str) -> Self {
        Self::NotConfigured {
            what: format!("the reader '{reader}'"),
            hint: format!("{source} has no such reader"),
        }
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Text of an error and of all that caused it, in one line, cut at 500 characters.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let next = inner.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = inner.source();
    }
    text.chars().take(500).collect()
}
