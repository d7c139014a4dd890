//! The secrets of an environment, by what they are for.

use super::config::Config;
use crate::secret::Secret;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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

/// What of a section of the configuration says whom its secrets are told.
const PLACES: &[(&str, &[&str], &[CredentialName])] = {
    use CredentialName::*;
    const SERVER: &[&str] = &["host", "port", "tls", "authorities"];
    const SITE: &[&str] = &["url", "authorities"];
    &[
        (
            "openstack",
            &["url", "endpoint_host", "authorities"],
            &[OpenstackPassword],
        ),
        ("sql", SERVER, &[SqlPassword]),
        // Hosts that are named anew must be in the file of known hosts.
        (
            "ssh",
            &["port", "known_hosts", "jump", "addresses"],
            &[
                SshPassword,
                SshKey,
                SshKeyPassphrase,
                JumpPassword,
                JumpKey,
                JumpKeyPassphrase,
            ],
        ),
        ("kubernetes", SITE, &[KubernetesToken]),
        ("aci", SITE, &[AciPassword]),
        ("gnmi", &["targets", "authorities"], &[GnmiPassword]),
        ("netwright", SITE, &[NetwrightToken]),
        ("amqp", SERVER, &[AmqpPassword]),
    ]
};

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

    /// Forgets the secrets that would go elsewhere than before: those of a section whose address, or whose way to prove that it is the
    /// right one there, changed. Who may change an environment could else have its secrets sent to himself.
    pub fn stay_at(&mut self, before: Option<&Config>, after: &Config) {
        let sections = |config: &Config| serde_json::to_value(config).unwrap_or_default();
        let (before, after) = (before.map(sections).unwrap_or_default(), sections(after));
        for (section, places, names) in PLACES {
            let place = |config: &Value| -> Vec<Value> {
                let section = &config[section];
                places.iter().map(|place| section[place].clone()).collect()
            };
            if place(&before) != place(&after) {
                self.0.retain(|name, _| !names.contains(name));
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

#[cfg(test)]
mod tests {
    use super::*;
    use CredentialName::{AmqpPassword, OpenstackPassword};

    fn config(text: &str) -> Config {
        serde_json::from_str(&format!(r#"{{"name": "e", {text}}}"#)).expect("a configuration")
    }

    #[test]
    fn secrets_stay_where_they_were_told() {
        let openstack = |url: &str, more: &str| {
            format!(r#""openstack": {{"url": "{url}", "user": "u", "project": "p"{more}}}"#)
        };
        let amqp = |port: u16, tls: bool| {
            format!(r#""amqp": {{"host": "h", "port": {port}, "user": "u", "tls": {tls}}}"#)
        };
        let at = |openstack: &str, amqp: &str| config(&format!("{openstack}, {amqp}"));
        let (here, bus) = (openstack("https://here", ""), amqp(1, true));
        let before = at(&here, &bus);
        let kept = |before: Option<&Config>, after: &Config| {
            let secrets = r#"{"openstack_password": "a", "amqp_password": "b"}"#;
            let mut secrets: Credentials = serde_json::from_str(secrets).expect("JSON");
            secrets.stay_at(before, after);
            secrets.names().collect::<Vec<_>>()
        };
        let renamed = at(&openstack("https://here", r#", "region": "r""#), &bus);
        assert_eq!(
            kept(Some(&before), &renamed),
            [OpenstackPassword, AmqpPassword]
        );
        for moved in [
            openstack("https://mine", ""),
            openstack("https://here", r#", "endpoint_host": "mine""#),
            openstack("https://here", r#", "authorities": "my own""#),
        ] {
            assert_eq!(kept(Some(&before), &at(&moved, &bus)), [AmqpPassword]);
        }
        for moved in [amqp(2, true), amqp(1, false)] {
            assert_eq!(kept(Some(&before), &at(&here, &moved)), [OpenstackPassword]);
        }
        // A section that was taken out and comes back may be of another place.
        let without = config(&bus);
        assert_eq!(kept(Some(&without), &before), [AmqpPassword]);
        assert_eq!(kept(None, &before), []);
    }
}
