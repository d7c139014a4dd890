//! One host, and a place to scan it from.

use super::{Access, Host, Key, Login, Namespace, inside};
use crate::real_hosts::scan;
use anyhow::{Context, Result};
use discovery::Secret;
use discovery::environment::{Config, CredentialName, Credentials};
use discovery::scan::Outcome;
use std::path::Path;

pub(crate) struct One {
    scanner: Namespace,
    pub(crate) host: Host,
    _namespace: Namespace,
    /// Of an environment of plain hosts, with this one in it under the name `cmp-1`.
    pub(crate) config: Config,
    folder: tempfile::TempDir,
    user_key: Option<Key>,
}

impl One {
    /// Starts the host with a host key of this kind. Without a user's key it takes [`super::PASSWORD`]. `set_up` runs there first.
    pub(crate) fn start(host_key: &str, user_key: Option<&str>, set_up: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (scanner, namespace) = (Namespace::new("scan")?, Namespace::new("host")?);
        scanner.cable(
            ("h1", "10.199.3.1/24"),
            &namespace,
            ("eno1", "10.199.3.2/24"),
        )?;
        let host_key = Key::of_kind(folder.path(), "host_key", host_key)?;
        let user_key = user_key.map(|kind| Key::of_kind(folder.path(), "user_key", kind));
        let user_key = user_key.transpose()?;
        let access = Access {
            host_key: &host_key,
            login: user_key.as_ref().map_or(Login::Password, Login::Key),
        };
        let host = Host::start(folder.path(), &namespace, "cmp-1", access, set_up)?;
        let known_hosts = folder.path().join("known_hosts");
        std::fs::write(&known_hosts, format!("10.199.3.2 {}\n", host_key.public()?))?;
        let config = serde_json::from_value(serde_json::json!({
            "name": "lab",
            "facts": {"environment_type": "Hosts"},
            "ssh": {"user": "root", "known_hosts": known_hosts, "hosts": ["cmp-1"], "connect_seconds": 20,
                    "addresses": {"cmp-1": {"address": "10.199.3.2"}}},
        }))?;
        Ok(Self {
            scanner,
            host,
            _namespace: namespace,
            config,
            folder,
            user_key,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Scans it with the user's key.
    pub(crate) fn scan(&self) -> Result<Outcome> {
        let key = self.user_key.as_ref().context("it takes a password")?;
        self.scan_with(CredentialName::SshKey, &key.private()?)
    }

    pub(crate) fn scan_with(&self, name: CredentialName, secret: &str) -> Result<Outcome> {
        let mut credentials = Credentials::default();
        credentials.set(name, Secret::new(secret));
        let config = self.config.clone();
        inside(&self.scanner, async move || {
            scan(&config, &credentials).await
        })
    }
}
