//! Live connection tests: is each source reached, and may we read it? The answer says what to do if not.

use super::config::Config;
use super::credentials::Credentials;
use crate::events::{Listener, Sink, StatusBoard};
use crate::ssh::Hosts;
use crate::ssh::command::Command;
use crate::{Error, Result};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};
use topology::{Notification, Verdict};

/// What is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Probe {
    Openstack,
    Sql,
    Ssh,
    Kubernetes,
    Aci,
    Gnmi,
    Netwright,
    Amqp,
}

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProbeResult {
    pub target: Probe,
    pub reached: bool,
    /// What was found, or what went wrong and what to do.
    pub detail: String,
    pub milliseconds: u64,
}

const WITHIN: Duration = Duration::from_secs(20);

impl Config {
    /// The sources that are configured.
    pub fn probes(&self) -> Vec<Probe> {
        [
            (self.openstack.is_some(), Probe::Openstack),
            (self.sql.is_some(), Probe::Sql),
            (self.ssh.is_some(), Probe::Ssh),
            (self.kubernetes.is_some(), Probe::Kubernetes),
            (self.aci.is_some(), Probe::Aci),
            (self.gnmi.is_some(), Probe::Gnmi),
            (self.netwright.is_some(), Probe::Netwright),
            (self.amqp.is_some(), Probe::Amqp),
        ]
        .into_iter()
        .filter_map(|(configured, probe)| configured.then_some(probe))
        .collect()
    }

    /// Tests a source.
    pub async fn probe(&self, credentials: &Credentials, target: Probe) -> ProbeResult {
        let started = Instant::now();
        let tested = tokio::time::timeout(WITHIN, self.try_probe(credentials, target)).await;
        let tested = tested.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                what: format!("the test of {target:?}"),
                limit: WITHIN,
            })
        });
        ProbeResult {
            target,
            reached: tested.is_ok(),
            detail: tested.unwrap_or_else(|error| error.to_string()),
            milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    async fn try_probe(&self, credentials: &Credentials, target: Probe) -> Result<String> {
        let absent = || Error::NotConfigured {
            what: format!("{target:?}"),
            hint: "add it to the environment's configuration".to_owned(),
        };
        match target {
            Probe::Openstack => {
                let cloud = self.openstack(credentials)?.ok_or_else(absent)?;
                let catalogue = cloud.catalogue().await?;
                let services = catalogue.as_array().map_or(0, Vec::len);
                Ok(format!(
                    "a token was issued; the catalogue has {services} services"
                ))
            }
            Probe::Sql => {
                let database = self.database(credentials)?.ok_or_else(absent)?;
                let neutron = database.settings().neutron.clone();
                let rows = database
                    .rows(&neutron, "SELECT count(*) AS agents FROM agents")
                    .await?;
                let agents = rows
                    .first()
                    .map_or_else(String::new, |row| row["agents"].to_string());
                Ok(format!("{neutron} has {agents} agents"))
            }
            Probe::Ssh => self.probe_hosts(credentials).await?.ok_or_else(absent),
            Probe::Kubernetes => {
                let cluster = self.kubernetes(credentials)?.ok_or_else(absent)?;
                let nodes = cluster.list("/api/v1/nodes").await?;
                Ok(format!("{} nodes", nodes.items.len()))
            }
            Probe::Aci => {
                let fabric = self.aci(credentials)?.ok_or_else(absent)?;
                let nodes = fabric.count_nodes().await?;
                Ok(format!(
                    "a login was accepted; the fabric has {nodes} nodes"
                ))
            }
            Probe::Gnmi => {
                let switches = self.switches(credentials)?.ok_or_else(absent)?;
                let mut versions = Vec::new();
                for target in self.gnmi.iter().flat_map(|config| &config.targets) {
                    let version = switches.version(&target.url).await?;
                    versions.push(format!("{} speaks gNMI {version}", target.name));
                }
                Ok(versions.join("; "))
            }
            Probe::Netwright => {
                let netwright = self.netwright(credentials)?.ok_or_else(absent)?;
                let summary = netwright.get("/netwright/v1/summary", &[]).await?;
                Ok(format!("revision {}", summary["revision"]))
            }
            Probe::Amqp => {
                let listener = self.idle_listener(credentials)?.ok_or_else(absent)?;
                listener.test().await?;
                Ok("queues can be made and bound".to_owned())
            }
        }
    }

    /// A listener that takes no message.
    fn idle_listener(&self, credentials: &Credentials) -> Result<Option<Listener>> {
        let Some(settings) = self.events(credentials)? else {
            return Ok(None);
        };
        let (sink, board) = (Arc::new(Nowhere), StatusBoard::default());
        Ok(Some(Listener::new(
            self.name.clone(),
            settings,
            sink,
            board,
        )))
    }

    /// Takes away what listening made on the broker, if anything was listened to.
    ///
    /// # Errors
    /// The password is not set, or the broker does not answer.
    pub async fn remove_queues(&self, credentials: &Credentials) -> Result<()> {
        let Some(listener) = self.idle_listener(credentials)? else {
            return Ok(());
        };
        let removed = tokio::time::timeout(WITHIN, listener.remove()).await;
        removed.unwrap_or_else(|_| {
            Err(Error::TimedOut {
                what: "removing the queues of events".to_owned(),
                limit: WITHIN,
            })
        })
    }

    /// Logs in to the first host there is and asks its name.
    async fn probe_hosts(&self, credentials: &Credentials) -> Result<Option<String>> {
        let (Some(hosts), Some(config)) = (self.hosts(credentials)?, &self.ssh) else {
            return Ok(None);
        };
        let jump = config.jump.as_ref().map(|jump| jump.address.clone());
        let first = config
            .hosts
            .first()
            .or_else(|| config.addresses.keys().next())
            .cloned();
        let host = first.or(jump).ok_or_else(|| Error::NotConfigured {
            what: "a host to test".to_owned(),
            hint: "name one in ssh.hosts; others are known only after a first scan".to_owned(),
        })?;
        let mut session = hosts.open(&host).await?;
        let commands = [Command::new(&["hostname"])?];
        let answers = session.run(&commands).await?;
        let name = answers
            .output(&["hostname"])
            .map_err(|gap| Error::Session {
                host: host.clone(),
                reason: gap.0,
            })?;
        Ok(Some(format!("{host} calls itself {}", name.trim())))
    }
}

/// The test takes no message.
struct Nowhere;

impl Sink for Nowhere {
    fn take<'a>(&'a self, batch: &'a [Notification]) -> BoxFuture<'a, Vec<Verdict>> {
        Box::pin(async move {
            let later = || Verdict::Retry("this is a test of the connection".to_owned());
            batch.iter().map(|_| later()).collect()
        })
    }
}
