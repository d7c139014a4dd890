//! An environment: one cloud under one control plane, how to reach it, and who may see it.
//!
//! What is configured and what is secret are two things from the start: [`Config`] can be shown and stored as it is, because no secret is in
//! it; [`Credentials`] are stored only sealed, and no API gives them out.

mod config;
mod credentials;
mod probe;
mod roles;
mod vault;

pub use config::{
    AciConfig, AmqpConfig, Config, GnmiConfig, HostAddress, JumpConfig, KubernetesConfig,
    NetwrightConfig, OpenStackConfig, SqlConfig, SshConfig,
};
pub use credentials::{CredentialName, Credentials};
pub use probe::{Probe, ProbeResult};
pub use roles::{Grant, Right, Roles, Sight, Who};
pub use vault::{Sealed, Vault, VaultError};
