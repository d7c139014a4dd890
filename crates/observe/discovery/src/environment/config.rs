//! How an environment is reached: everything but the secrets.

use super::credentials::{CredentialName, Credentials};
use super::roles::Roles;
use crate::aci::Aci;
use crate::events;
use crate::gnmi::Switches;
use crate::http::Trust;
use crate::kubernetes::Kubernetes;
use crate::netwright::Netwright;
use crate::openstack::{Interface, OpenStack};
use crate::scan::tree::{Facts, Tree, TreeError, Vocabulary};
use crate::scan::{Limits, Source};
use crate::sql::{Database, Engine};
use crate::ssh::command::LibvirtUri;
use crate::ssh::{Credential, Means, SshHosts, Target};
use crate::{Error, Result, aci, gnmi, kubernetes, netwright, openstack, sql};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use topology::Environment;

/// An environment's configuration. It holds no secret and may be shown as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub name: Environment,
    /// Kind, distribution and drivers; what scanner trees and clique types are chosen by.
    #[serde(default)]
    pub facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openstack: Option<OpenStackConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<SqlConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<KubernetesConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aci: Option<AciConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gnmi: Option<GnmiConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netwright: Option<NetwrightConfig>,
    /// Present: listen to events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amqp: Option<AmqpConfig>,
    #[serde(default)]
    pub roles: Roles,
    /// A scanner tree of its own, as TOML; the built-in one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// Hosts read at the same time; 64 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_hosts: Option<usize>,
    /// Seconds one host may take; 60 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenStackConfig {
    pub url: String,
    pub user: String,
    #[serde(default = "default_domain")]
    pub user_domain: String,
    /// Absent: the token is for the whole system, not for a project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(default = "default_domain")]
    pub project_domain: String,
    #[serde(default)]
    pub interface: Interface,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_host: Option<String>,
    /// PEM of the authorities to trust instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlConfig {
    pub engine: Engine,
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Over TLS, with the server's certificate and name checked.
    #[serde(default)]
    pub tls: bool,
    /// PEM of the authorities to trust instead of the well-known ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    #[serde(default = "nova")]
    pub nova: String,
    #[serde(default = "nova_api")]
    pub nova_api: String,
    #[serde(default = "neutron")]
    pub neutron: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshConfig {
    pub user: String,
    #[serde(default = "ssh_port")]
    pub port: u16,
    /// Host keys are checked against this file; there is no way not to.
    pub known_hosts: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jump: Option<JumpConfig>,
    /// `sudo -n` before commands that need root.
    #[serde(default)]
    pub sudo: bool,
    /// The hypervisor `virsh` is to connect to, where it would choose another: `qemu:///system` for a user who is not root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvirt_uri: Option<LibvirtUri>,
    /// Hosts to read besides those the cloud names.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where hosts are reached that are not reached under their own name.
    #[serde(default)]
    pub addresses: BTreeMap<String, HostAddress>,
    /// Seconds to connect and log in.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostAddress {
    pub address: String,
    #[serde(default = "ssh_port")]
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JumpConfig {
    pub address: String,
    #[serde(default = "ssh_port")]
    pub port: u16,
    pub user: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesConfig {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AciConfig {
    pub url: String,
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GnmiConfig {
    pub targets: Vec<gnmi::SwitchTarget>,
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetwrightConfig {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpConfig {
    pub host: String,
    #[serde(default = "amqp_port")]
    pub port: u16,
    pub user: String,
    #[serde(default = "root_vhost")]
    pub vhost: String,
    #[serde(default)]
    pub tls: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// Exchanges and topics; the services' defaults if empty.
    #[serde(default)]
    pub exchanges: Vec<String>,
    #[serde(default)]
    pub topics: Vec<String>,
}

fn default_domain() -> String {
    "Default".to_owned()
}
fn nova() -> String {
    "nova".to_owned()
}
fn nova_api() -> String {
    "nova_api".to_owned()
}
fn neutron() -> String {
    "neutron".to_owned()
}
fn ssh_port() -> u16 {
    22
}
fn amqp_port() -> u16 {
    5672
}
fn root_vhost() -> String {
    "/".to_owned()
}
fn connect_seconds() -> u64 {
    10
}

fn trust(authorities: Option<&String>) -> Trust {
    authorities.map_or(Trust::System, |pem| Trust::Only(pem.clone()))
}

impl Config {
    /// An environment that is reached by no way yet.
    pub fn new(name: Environment) -> Self {
        Self {
            name,
            facts: Facts::default(),
            openstack: None,
            sql: None,
            ssh: None,
            kubernetes: None,
            aci: None,
            gnmi: None,
            netwright: None,
            amqp: None,
            roles: Roles::default(),
            tree: None,
            parallel_hosts: None,
            host_seconds: None,
        }
    }

    pub fn limits(&self) -> Limits {
        let standard = Limits::default();
        Limits {
            hosts: self.parallel_hosts.unwrap_or(standard.hosts).clamp(1, 1024),
            host_within: self
                .host_seconds
                .map_or(standard.host_within, Duration::from_secs),
            ..standard
        }
    }

    pub fn openstack(&self, credentials: &Credentials) -> Result<Option<OpenStack>> {
        let Some(config) = &self.openstack else {
            return Ok(None);
        };
        let settings = openstack::Settings {
            url: config.url.clone(),
            user: config.user.clone(),
            password: credentials.need(CredentialName::OpenstackPassword)?,
            user_domain: config.user_domain.clone(),
            project: config.project.clone(),
            project_domain: config.project_domain.clone(),
            interface: config.interface,
            trust: trust(config.authorities.as_ref()),
            endpoint_host: config.endpoint_host.clone(),
            region: config.region.clone(),
        };
        OpenStack::new(settings).map(Some)
    }

    pub fn database(&self, credentials: &Credentials) -> Result<Option<Database>> {
        let Some(config) = &self.sql else {
            return Ok(None);
        };
        Ok(Some(Database::new(sql::Settings {
            engine: config.engine,
            host: config.host.clone(),
            port: config.port,
            user: config.user.clone(),
            password: credentials.need(CredentialName::SqlPassword)?,
            tls: config.tls.then(|| trust(config.authorities.as_ref())),
            nova: config.nova.clone(),
            nova_api: config.nova_api.clone(),
            neutron: config.neutron.clone(),
        })))
    }

    pub fn kubernetes(&self, credentials: &Credentials) -> Result<Option<Kubernetes>> {
        let Some(config) = &self.kubernetes else {
            return Ok(None);
        };
        let settings = kubernetes::Settings {
            url: config.url.clone(),
            token: credentials.need(CredentialName::KubernetesToken)?,
            trust: trust(config.authorities.as_ref()),
        };
        Kubernetes::new(settings).map(Some)
    }

    pub fn aci(&self, credentials: &Credentials) -> Result<Option<Aci>> {
        let Some(config) = &self.aci else {
            return Ok(None);
        };
        let settings = aci::Settings {
            url: config.url.clone(),
            user: config.user.clone(),
            password: credentials.need(CredentialName::AciPassword)?,
            trust: trust(config.authorities.as_ref()),
        };
        Aci::new(settings).map(Some)
    }

    pub fn switches(&self, credentials: &Credentials) -> Result<Option<Switches>> {
        let Some(config) = &self.gnmi else {
            return Ok(None);
        };
        Ok(Some(Switches::new(gnmi::Settings {
            targets: config.targets.clone(),
            user: config.user.clone(),
            password: credentials.need(CredentialName::GnmiPassword)?,
            trust: trust(config.authorities.as_ref()),
        })))
    }

    pub fn netwright(&self, credentials: &Credentials) -> Result<Option<Netwright>> {
        let Some(config) = &self.netwright else {
            return Ok(None);
        };
        let settings = netwright::Settings {
            url: config.url.clone(),
            token: credentials.get(CredentialName::NetwrightToken).cloned(),
            trust: trust(config.authorities.as_ref()),
        };
        Netwright::new(settings).map(Some)
    }

    /// All sources but the hosts.
    ///
    /// # Errors
    /// A credential is missing, or a URL or certificate is not usable.
    pub fn sources(&self, credentials: &Credentials) -> Result<Vec<Arc<dyn Source>>> {
        let mut sources: Vec<Arc<dyn Source>> = Vec::new();
        if let Some(source) = self.openstack(credentials)? {
            sources.push(Arc::new(source));
        }
        if let Some(source) = self.database(credentials)? {
            sources.push(Arc::new(source));
        }
        if let Some(source) = self.kubernetes(credentials)? {
            sources.push(Arc::new(source));
        }
        if let Some(source) = self.aci(credentials)? {
            sources.push(Arc::new(source));
        }
        if let Some(source) = self.switches(credentials)? {
            sources.push(Arc::new(source));
        }
        if let Some(source) = self.netwright(credentials)? {
            sources.push(Arc::new(source));
        }
        Ok(sources)
    }

    /// The scanner tree: its own, or the built-in one.
    ///
    /// # Errors
    /// All faults of its own tree.
    pub fn scanner_tree(&self) -> Result<Tree, TreeError> {
        match &self.tree {
            Some(text) => Tree::from_toml(text, &Vocabulary::default()),
            None => Ok(Tree::built_in()),
        }
    }

    /// The hosts, if they are reached at all.
    ///
    /// # Errors
    /// Neither a key nor a password is set.
    pub fn hosts(&self, credentials: &Credentials) -> Result<Option<SshHosts>> {
        use CredentialName::{
            JumpKey, JumpKeyPassphrase, JumpPassword, SshKey, SshKeyPassphrase, SshPassword,
        };
        let Some(config) = &self.ssh else {
            return Ok(None);
        };
        let connect_within = Duration::from_secs(config.connect_seconds);
        let jump = match &config.jump {
            None => None,
            Some(jump) => Some(Box::new(Target {
                address: jump.address.clone(),
                port: jump.port,
                user: jump.user.clone(),
                credential: credential(credentials, JumpKey, JumpKeyPassphrase, JumpPassword)
                    .or_else(|_| credential(credentials, SshKey, SshKeyPassphrase, SshPassword))?,
                known_hosts: config.known_hosts.clone(),
                jump: None,
                means: Means::default(),
                connect_within,
            })),
        };
        Ok(Some(SshHosts {
            template: Target {
                address: String::new(),
                port: config.port,
                user: config.user.clone(),
                credential: credential(credentials, SshKey, SshKeyPassphrase, SshPassword)?,
                known_hosts: config.known_hosts.clone(),
                jump,
                means: Means {
                    sudo: config.sudo,
                    libvirt: config.libvirt_uri.clone(),
                },
                connect_within,
            },
            addresses: config
                .addresses
                .iter()
                .map(|(host, at)| (host.clone(), (at.address.clone(), at.port)))
                .collect(),
        }))
    }

    /// How events are listened to, if they are.
    ///
    /// # Errors
    /// The password is not set.
    pub fn events(&self, credentials: &Credentials) -> Result<Option<events::Settings>> {
        let Some(config) = &self.amqp else {
            return Ok(None);
        };
        let password = credentials.need(CredentialName::AmqpPassword)?;
        let mut settings = events::Settings::new(&config.host, config.port, &config.user, password);
        settings.vhost.clone_from(&config.vhost);
        settings.tls = config.tls.then(|| trust(config.authorities.as_ref()));
        if !config.exchanges.is_empty() {
            settings.exchanges.clone_from(&config.exchanges);
        }
        if !config.topics.is_empty() {
            settings.topics.clone_from(&config.topics);
        }
        Ok(Some(settings))
    }
}

/// A key before a password.
fn credential(
    credentials: &Credentials,
    key: CredentialName,
    passphrase: CredentialName,
    password: CredentialName,
) -> Result<Credential> {
    if let Some(key) = credentials.get(key) {
        return Ok(Credential::Key {
            key: key.clone(),
            passphrase: credentials.get(passphrase).cloned(),
        });
    }
    let password = credentials
        .get(password)
        .ok_or_else(|| Error::NotConfigured {
            what: "the login to hosts".to_owned(),
            hint: format!("set {key:?} or {password:?} in the environment's credentials"),
        })?;
    Ok(Credential::Password(password.clone()))
}
