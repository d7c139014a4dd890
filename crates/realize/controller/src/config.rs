//! How a controller listens.

use std::fmt;
use std::net::SocketAddr;
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// What a controller is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where agents connect to; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `None` serves plain text and believes each agent its host name; for loopback and tests.
    pub tls: Option<Tls>,
}

/// Mutual TLS, in PEM: the controller shows its certificate and asks for the agent's, which must carry the name of its
/// host as a DNS subject alternative name (RFC 9525; the common name is not looked at, nor are wildcards honoured).
#[derive(Clone)]
pub struct Tls {
    /// The controller's own certificate first, then those that lead to its authority.
    pub certificate: Vec<u8>,
    /// Unencrypted.
    pub key: Vec<u8>,
    /// The authorities that issue agents' certificates.
    pub client_ca: Vec<u8>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(Identity::from_pem(&self.certificate, &self.key))
            .client_ca_root(Certificate::from_pem(&self.client_ca))
    }
}
