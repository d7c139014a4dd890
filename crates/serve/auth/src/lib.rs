//! Who is asking: request credentials to an [`Identity`].
//!
//! Two ways: [`NoAuth`] believes what the request says and is for one's own machine, [`Keystone`] asks the
//! identity service and remembers the answer for a while. What an identity may do is decided by the API.
//! A token or password never leaves this room in a log line, an error or a `Debug` output.

mod cache;
mod keystone;
mod no_auth;
mod secret;

pub use keystone::{Keystone, KeystoneConfig};
pub use no_auth::NoAuth;
pub use secret::Secret;

use model::ProjectId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The role that may do everything.
pub const ADMIN_ROLE: &str = "admin";

/// Who made a request, and for which project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub project: ProjectId,
    pub user: String,
    pub roles: BTreeSet<String>,
    pub is_admin: bool,
}

impl Identity {
    pub fn new(project: ProjectId, user: String, roles: BTreeSet<String>) -> Self {
        let is_admin = roles.contains(ADMIN_ROLE);
        Self {
            project,
            user,
            roles,
            is_admin,
        }
    }
}

/// What a request brings to say who it is: the values of the headers of the same names.
#[derive(Clone, Copy, Default)]
pub struct Credentials<'a> {
    /// `X-Auth-Token`
    pub token: Option<&'a str>,
    /// `X-Project-Id`, heard without Keystone only
    pub project: Option<&'a str>,
    /// `X-User-Id`, heard without Keystone only
    pub user: Option<&'a str>,
    /// `X-Roles`, separated by commas; heard without Keystone only
    pub roles: Option<&'a str>,
    /// `Host`: what the requester believes to talk to, heard without Keystone only
    pub host: Option<&'a str>,
}

/// Why a request has no identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("The request you have made requires authentication.")]
    Unauthorized,
    #[error("the token is not scoped to a project; ask for a token with a project scope")]
    NoProject,
    #[error("'{0}' cannot name a project")]
    InvalidProject(String),
    #[error("nobody is asked for a password here, so '{0}' is not answered for: call it localhost")]
    ForeignHost(String),
    #[error("the identity service cannot be asked: {0}")]
    Unavailable(String),
}

/// One of the two ways.
#[derive(Clone)]
pub enum Authenticator {
    None(NoAuth),
    Keystone(Arc<Keystone>),
}

impl Authenticator {
    pub async fn authenticate(
        &self,
        credentials: Credentials<'_>,
    ) -> Result<Arc<Identity>, AuthError> {
        match self {
            Self::None(no_auth) => no_auth.identify(credentials).map(Arc::new),
            Self::Keystone(keystone) => {
                let token = credentials.token.ok_or(AuthError::Unauthorized)?;
                keystone.validate(token).await
            }
        }
    }

    /// Where clients get a token, for the `WWW-Authenticate` header of a 401.
    pub fn challenge(&self) -> Option<String> {
        match self {
            Self::None(_) => None,
            Self::Keystone(keystone) => Some(format!("Keystone uri=\"{}\"", keystone.url())),
        }
    }
}
