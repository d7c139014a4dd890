//! The environments there are: how each is reached, with its secrets sealed, and its map.

use crate::kept::Kept;
use crate::{Inner, InventoryError, LiveMap, Result};
use discovery::environment::{Config, CredentialName, Credentials, Probe, ProbeResult, Sealed};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use topology::{Declarations, Environment, Profile};

/// An environment as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) config: Config,
    pub(crate) sealed: Sealed,
    pub(crate) changed_at: Timestamp,
}

pub(crate) type Rows = Kept<BTreeMap<Environment, Row>>;

/// Where kept secrets may go when a configuration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Anywhere: an operator may read them on the disk anyway.
    Follow,
    /// Only where they went before; elsewhere they must be given anew.
    Stay,
}

/// What may be told of an environment: everything but its secrets.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentView {
    #[serde(flatten)]
    pub config: Config,
    /// Names of the credentials that are set.
    pub credentials: Vec<CredentialName>,
    pub changed_at: Timestamp,
    /// It is the cloud this controller runs: mapped as it changes, never configured or scanned.
    pub own: bool,
}

impl Inner {
    /// The controller's own cloud, if it goes by this name.
    fn own_view(&self, name: &Environment) -> Option<EnvironmentView> {
        let own = self.own.read();
        own.as_ref().filter(|own| own.config.name == *name).cloned()
    }

    /// What is done to environments is not done to the controller's own cloud.
    fn not_own(&self, name: &Environment) -> Result<()> {
        match self.own_view(name) {
            Some(_) => Err(InventoryError::OwnEnvironment(name.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn environment_names(&self) -> Vec<Environment> {
        self.environments
            .read(|rows| rows.keys().cloned().collect())
    }

    /// How an environment is reached.
    pub(crate) fn config(&self, name: &Environment) -> Result<Config> {
        self.not_own(name)?;
        self.environments
            .read(|rows| rows.get(name).map(|row| row.config.clone()))
            .ok_or_else(|| InventoryError::NoEnvironment(name.clone()))
    }

    pub(crate) fn credentials(&self, name: &Environment) -> Result<Credentials> {
        let sealed = self
            .environments
            .read(|rows| rows.get(name).map(|row| row.sealed.clone()))
            .ok_or_else(|| InventoryError::NoEnvironment(name.clone()))?;
        Ok(self.vault.unseal(name, &sealed)?)
    }

    /// The credentials that are kept and may be used with this configuration.
    fn kept_credentials(&self, config: &Config, secrets: Secrets) -> Result<Credentials> {
        let mut credentials = self.credentials(&config.name)?;
        if secrets == Secrets::Stay {
            let before = self.config(&config.name)?;
            credentials.stay_at(Some(&before), config);
        }
        Ok(credentials)
    }

    pub(crate) fn view(&self, name: &Environment) -> Result<EnvironmentView> {
        if let Some(own) = self.own_view(name) {
            return Ok(own);
        }
        let row = self
            .environments
            .read(|rows| rows.get(name).cloned())
            .ok_or_else(|| InventoryError::NoEnvironment(name.clone()))?;
        let credentials = self.vault.unseal(name, &row.sealed)?;
        Ok(EnvironmentView {
            config: row.config,
            credentials: credentials.names().collect(),
            changed_at: row.changed_at,
            own: false,
        })
    }

    pub(crate) fn add(&self, config: Config, credentials: &Credentials) -> Result<()> {
        let name = config.name.clone();
        self.not_own(&name)?;
        check(&config, credentials)?;
        let row = Row {
            sealed: self.vault.seal(&name, credentials)?,
            changed_at: Timestamp::now(),
            config,
        };
        let profile = profile(&row.config);
        self.environments.change(|rows| {
            if rows.contains_key(&name) {
                return Err(InventoryError::EnvironmentExists(name.clone()));
            }
            rows.insert(name.clone(), row);
            Ok(())
        })?;
        self.open_map(profile)?;
        Ok(())
    }

    /// Replaces the configuration; credentials that are not given stay as far as `secrets` lets them, empty ones are removed.
    pub(crate) fn update(
        &self,
        config: Config,
        newer: Credentials,
        secrets: Secrets,
    ) -> Result<()> {
        let name = config.name.clone();
        self.not_own(&name)?;
        let mut credentials = self.kept_credentials(&config, secrets)?;
        credentials.update(newer);
        check(&config, &credentials)?;
        let row = Row {
            sealed: self.vault.seal(&name, &credentials)?,
            changed_at: Timestamp::now(),
            config,
        };
        let profile = profile(&row.config);
        self.environments.change(|rows| {
            rows.insert(name.clone(), row);
            Ok(())
        })?;
        self.map(&name)?.reprofile(profile, Timestamp::now())
    }

    /// Takes the environment, its schedules, its reports and its map away.
    pub(crate) fn remove(&self, name: &Environment) -> Result<()> {
        self.not_own(name)?;
        self.environments.change(|rows| match rows.remove(name) {
            Some(_) => Ok(()),
            None => Err(InventoryError::NoEnvironment(name.clone())),
        })?;
        self.cancel_scans_of(name)?;
        self.remove_schedules_of(name)?;
        self.remove_reports_of(name)?;
        self.maps.write().remove(name);
        let dir = map_dir(&self.dir, name);
        if let Err(error) = std::fs::remove_dir_all(&dir) {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove the map of a removed environment");
        }
        Ok(())
    }

    /// Opens the map of an environment, or begins one.
    pub(crate) fn open_map(&self, profile: Profile) -> Result<Arc<LiveMap>> {
        let name = profile.name.clone();
        let dir = map_dir(&self.dir, &name);
        let declarations: Arc<Declarations> = self.declarations.read().clone();
        let map = Arc::new(LiveMap::open(
            &dir,
            profile,
            declarations,
            Timestamp::now(),
        )?);
        self.maps.write().insert(name, map.clone());
        Ok(map)
    }

    pub(crate) fn map(&self, name: &Environment) -> Result<Arc<LiveMap>> {
        self.maps
            .read()
            .get(name)
            .cloned()
            .ok_or_else(|| InventoryError::NoEnvironment(name.clone()))
    }

    /// Tries every way the environment is reached; what is given overrides what is kept, so that a wizard can test before it saves.
    pub(crate) async fn probe(
        &self,
        config: &Config,
        newer: Credentials,
        only: Option<Probe>,
        secrets: Secrets,
    ) -> Result<Vec<ProbeResult>> {
        let mut credentials = self.kept_credentials(config, secrets).unwrap_or_default();
        credentials.update(newer);
        let mut results = Vec::new();
        for target in config.probes() {
            if only.is_none_or(|only| only == target) {
                results.push(config.probe(&credentials, target).await);
            }
        }
        Ok(results)
    }
}

/// A configuration that cannot be used is refused before it is kept.
fn check(config: &Config, credentials: &Credentials) -> Result<()> {
    config.sources(credentials)?;
    config.hosts(credentials)?;
    config.events(credentials)?;
    config.scanner_tree()?;
    Ok(())
}

/// The words clique types and rules go by.
pub(crate) fn profile(config: &Config) -> Profile {
    let facts = &config.facts;
    let words = |text: &str| -> Vec<Arc<str>> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(Into::into).collect()
    };
    let mut profile = Profile::new(config.name.clone());
    if !facts.environment_type.is_empty() {
        profile.environment_type = facts.environment_type.as_str().into();
    }
    profile.distribution = facts.distribution.as_str().into();
    profile.distribution_version = facts.distribution_version.as_str().into();
    profile.mechanism_drivers = facts
        .mechanism_drivers
        .iter()
        .map(|d| d.as_str().into())
        .collect();
    profile.type_drivers = words(&facts.type_drivers);
    profile
}

/// A folder of its own for each environment. The name is escaped, so that no name leads elsewhere.
fn map_dir(dir: &Path, name: &Environment) -> PathBuf {
    let mut folder = String::from("map-");
    for byte in name.as_str().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => folder.push(char::from(byte)),
            byte => folder.push_str(&format!("%{byte:02x}")),
        }
    }
    dir.join(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder_and_no_two_share_one() {
        let dir = Path::new("maps");
        let of = |name: &str| map_dir(dir, &Environment::new(name).expect(name));
        assert_eq!(of(".."), dir.join("map-%2e%2e"));
        assert_eq!(of("prod"), dir.join("map-prod"));
        assert_ne!(of("a%2e"), of("a."));
        assert_ne!(of("é"), of("e"));
    }
}
