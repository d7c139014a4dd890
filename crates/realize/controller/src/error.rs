//! Why a controller does not start.

use std::net::SocketAddr;

#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    #[error("cannot listen for agents on {address}: {cause}")]
    Listen {
        address: SocketAddr,
        cause: std::io::Error,
    },
    #[error("the certificate, key or client CA for agents is not usable: {0}")]
    Tls(tonic::transport::Error),
    #[error("the planner could not take the store's rows: {0}")]
    Planner(tokio::task::JoinError),
}
