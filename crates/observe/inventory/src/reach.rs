//! How an environment is read, by its configuration of now.

use crate::{Inner, Result};
use discovery::environment::Config;
use discovery::host::known::Known;
use discovery::scan::tree::Tree;
use discovery::scan::{Outcome, Progress, Request, Scan, Source, Start};
use discovery::ssh::{Hosts, SshHosts};
use std::sync::Arc;
use tokio::sync::watch;
use topology::{Environment, Version};

pub(crate) struct Reach {
    pub(crate) config: Config,
    sources: Vec<Arc<dyn Source>>,
    hosts: Option<SshHosts>,
    tree: Tree,
}

impl Inner {
    pub(crate) fn reach(&self, environment: &Environment) -> Result<Reach> {
        let config = self.config(environment)?;
        let credentials = self.credentials(environment)?;
        Ok(Reach {
            sources: config.sources(&credentials)?,
            hosts: config.hosts(&credentials)?,
            tree: config.scanner_tree()?,
            config,
        })
    }
}

impl Reach {
    /// Reads everything, or what hangs below the start, beside what `head` knows. `hosts` are those to read that no source
    /// names.
    pub(crate) async fn scan(
        &self,
        head: &Version,
        start: Option<Start>,
        hosts: Vec<String>,
        progress: &(dyn Fn(Progress) + Send + Sync),
        cancelled: watch::Receiver<bool>,
    ) -> Result<Outcome> {
        let scan = Scan {
            environment: &self.config.name,
            tree: &self.tree,
            sources: &self.sources,
            hosts: self.hosts.as_ref().map(|hosts| hosts as &dyn Hosts),
            progress,
        };
        let known = start.as_ref().map(|_| Known::of(head));
        let request = Request {
            facts: self.config.facts.clone(),
            start,
            known: known.unwrap_or_default(),
            hosts,
            limits: self.config.limits(),
        };
        Ok(scan.run(&request, cancelled).await?)
    }
}
