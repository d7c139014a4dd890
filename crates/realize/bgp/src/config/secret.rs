//! A TCP MD5 password (RFC 2385): readable by who sets the socket option, by nothing that prints.

use std::fmt;
use std::path::PathBuf;

/// Where the password of a session comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// 1 to 80 octets, the limit of Linux (`TCP_MD5SIG_MAXKEYLEN`).
    Inline(String),
    /// A file whose first line is the password; the shell reads it.
    File(PathBuf),
}

impl Password {
    pub(super) const MAX: usize = 80;
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
