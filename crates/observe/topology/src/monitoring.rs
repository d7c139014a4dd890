//! Results of outside monitoring: names of checks, Sensu's results, Alertmanager's alerts, and which object they mean.
//!
//! Parsing only: what is posted becomes [`crate::CheckResult`]s or a reason why not. Nothing here changes a map.

mod alertmanager;
mod names;
mod sensu;
mod sensu_client;

pub use alertmanager::alerts;
pub use names::{CheckName, decode_id, dn_id, encode_id, resolve};
pub use sensu::sensu_result;
pub use sensu_client::{ClientFile, sensu_clients};

/// Why a result or alert is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MonitoringError {
    #[error("'{field}' is missing or is not {expected}")]
    Field {
        field: &'static str,
        expected: &'static str,
    },
    #[error(
        "check name '{0}' starts with no declared object type: write <type>_<id> or link_<type>_<source>_<target>"
    )]
    Name(String),
    #[error("alert '{0}' is for information only and says nothing of health")]
    Informative(String),
    #[error("check '{0}' means nothing on the map")]
    Unknown(String),
}
