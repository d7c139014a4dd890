//! Each way to log in to a host, at a real OpenSSH server. (A jump host is in `real_hosts`.)

use crate::lab::{Access, Host, Key, Login, Namespace, PASSWORD, inside};
use crate::real_hosts::scan;
use anyhow::{Context, Result, ensure};
use discovery::Secret;
use discovery::environment::{Config, CredentialName, Credentials};
use discovery::scan::Outcome;

/// A host and a place to log in from.
struct Lab {
    scanner: Namespace,
    _host: Host,
    _namespace: Namespace,
    config: Config,
    folder: tempfile::TempDir,
}

impl Lab {
    fn start(
        host_key: &str,
        login: impl FnOnce(&std::path::Path) -> Result<Option<Key>>,
    ) -> Result<(Self, Option<Key>)> {
        let folder = tempfile::tempdir()?;
        let (scanner, namespace) = (Namespace::new("scan")?, Namespace::new("host")?);
        scanner.cable(
            ("h1", "10.199.3.1/24"),
            &namespace,
            ("eno1", "10.199.3.2/24"),
        )?;
        let host_key = Key::of_kind(folder.path(), "host_key", host_key)?;
        let user_key = login(folder.path())?;
        let access = Access {
            host_key: &host_key,
            login: user_key.as_ref().map_or(Login::Password, Login::Key),
        };
        let host = Host::start(folder.path(), &namespace, "cmp-1", access, "")?;
        let known_hosts = folder.path().join("known_hosts");
        std::fs::write(&known_hosts, format!("10.199.3.2 {}\n", host_key.public()?))?;
        let config = serde_json::from_value(serde_json::json!({
            "name": "lab",
            "facts": {"environment_type": "Hosts"},
            "ssh": {"user": "root", "known_hosts": known_hosts, "hosts": ["cmp-1"], "connect_seconds": 20,
                    "addresses": {"cmp-1": {"address": "10.199.3.2"}}},
        }))?;
        let lab = Self {
            scanner,
            _host: host,
            _namespace: namespace,
            config,
            folder,
        };
        Ok((lab, user_key))
    }

    fn scan(&self, name: CredentialName, secret: &str) -> Result<Outcome> {
        let mut credentials = Credentials::default();
        credentials.set(name, Secret::new(secret));
        let config = self.config.clone();
        inside(&self.scanner, async move || {
            scan(&config, &credentials).await
        })
    }
}

fn is_read(outcome: &Outcome) -> Result<()> {
    ensure!(outcome.hosts_read == 1, "{:?}", outcome.faults);
    Ok(())
}

#[test]
fn an_rsa_key_opens_a_host_that_has_one_too() -> Result<()> {
    let (lab, key) = Lab::start("rsa", |folder| {
        Key::of_kind(folder, "user_key", "rsa").map(Some)
    })?;
    let key = key.context("a key")?.private()?;
    is_read(&lab.scan(CredentialName::SshKey, &key)?)?;
    // Another key of the same kind does not.
    let stranger = Key::of_kind(lab.folder.path(), "stranger", "rsa")?.private()?;
    let outcome = lab.scan(CredentialName::SshKey, &stranger)?;
    ensure!(
        outcome.hosts_read == 0 && outcome.faults[0].1.contains("refuses user 'root'"),
        "{:?}",
        outcome.faults
    );
    Ok(())
}

#[test]
fn a_password_opens_a_host_and_a_wrong_one_does_not() -> Result<()> {
    let (lab, _) = Lab::start("ed25519", |_| Ok(None))?;
    is_read(&lab.scan(CredentialName::SshPassword, PASSWORD)?)?;
    let outcome = lab.scan(CredentialName::SshPassword, "open barley")?;
    ensure!(outcome.hosts_read == 0, "a wrong password was taken");
    let fault = &outcome.faults[0].1;
    ensure!(
        fault.contains("refuses user 'root'") && !fault.contains("barley"),
        "{fault}"
    );
    Ok(())
}
