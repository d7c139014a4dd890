//! The secrets of an environment, by what they are for.

use crate::secret::Secret;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialName {
    OpenstackPassword,
    SshPassword,
    SshKey,
    SshKeyPassphrase,
    JumpPassword,
    JumpKey,
    JumpKeyPassphrase,
    SqlPassword,
    KubernetesToken,
    AciPassword,
    GnmiPassword,
    AmqpPassword,
    NetwrightToken,
}

/// The secrets of an environment. They can be read in from JSON, as an API or a file gives them; they cannot be written out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Credentials(pub(super) BTreeMap<CredentialName, Secret>);

impl Credentials {
    pub fn set(&mut self, name: CredentialName, secret: Secret) {
        self.0.insert(name, secret);
    }

    /// Takes over the secrets of `newer`; those it does not have stay. An empty one is removed.
    pub fn update(&mut self, newer: Self) {
        for (name, secret) in newer.0 {
            if secret.reveal().is_empty() {
                self.0.remove(&name);
            } else {
                self.0.insert(name, secret);
            }
        }
    }

    /// Names of the secrets there are: what an API may tell.
    pub fn names(&self) -> impl Iterator<Item = CredentialName> {
        self.0.keys().copied()
    }

    pub fn get(&self, name: CredentialName) -> Option<&Secret> {
        self.0.get(&name)
    }

    /// # Errors
    /// [`Error::NotConfigured`]: it is not set.
    pub fn need(&self, name: CredentialName) -> Result<Secret> {
        self.0
            .get(&name)
            .cloned()
            .ok_or_else(|| Error::NotConfigured {
                what: format!("the credential {name:?}"),
                hint: "set it in the environment's credentials".to_owned(),
            })
    }
}
