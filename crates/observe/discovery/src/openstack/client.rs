//! A session with an OpenStack cloud: token, catalogue, and GET requests to the endpoint of a service in a region.

use crate::http::{Http, Trust};
use crate::secret::Secret;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Mutex, OnceCell};

/// Which of a service's endpoints are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl Interface {
    fn name(self) -> &'static str {
        match self {
            Interface::Public => "public",
            Interface::Internal => "internal",
            Interface::Admin => "admin",
        }
    }
}

/// Where Keystone is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// With or without `/v3`.
    pub url: String,
    pub user: String,
    pub password: Secret,
    pub user_domain: String,
    /// The project the token is for; the whole system if absent.
    pub project: Option<String>,
    pub project_domain: String,
    pub interface: Interface,
    pub trust: Trust,
    /// Replaces the host of every endpoint, for clouds whose catalogue names addresses that are not reached from here.
    pub endpoint_host: Option<String>,
    /// Only this region; all of the catalogue if absent.
    pub region: Option<String>,
}

/// What a token is asked for with (Identity API v3, password authentication with scoped authorization).
fn login(s: &Settings) -> Value {
    let scope = match &s.project {
        Some(project) => {
            json!({"project": {"name": project, "domain": {"name": s.project_domain}}})
        }
        None => json!({"system": {"all": true}}),
    };
    json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": s.user, "domain": {"name": s.user_domain}, "password": s.password.reveal(),
        }}},
        "scope": scope,
    }})
}

/// A cloud. The token is fetched when first needed, and again when it was refused.
pub struct OpenStack {
    settings: Settings,
    keystone: Http,
    session: Mutex<Option<Session>>,
    /// Why lists do not show every project's rows, if they do not; asked once.
    pub(super) blind: OnceCell<Option<String>>,
    /// Nova is older than Pike and does not know the version that is asked for.
    old_nova: AtomicBool,
}

#[derive(Clone)]
struct Session {
    token: Secret,
    catalogue: Value,
}

impl OpenStack {
    /// # Errors
    /// The URL or the authorities' certificates are not usable.
    pub fn new(settings: Settings) -> Result<Self> {
        let base = settings.url.trim_end_matches('/').trim_end_matches("/v3");
        Ok(Self {
            keystone: Http::new(base, &settings.trust)?,
            settings,
            session: Mutex::new(None),
            blind: OnceCell::new(),
            old_nova: AtomicBool::new(false),
        })
    }

    pub(super) fn url(&self) -> &str {
        self.keystone.base().as_str()
    }

    async fn session(&self) -> Result<Session> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref() {
            return Ok(session.clone());
        }
        let session = self.log_in().await?;
        *held = Some(session.clone());
        Ok(session)
    }

    async fn log_in(&self) -> Result<Session> {
        let s = &self.settings;
        let url = self.keystone.url("/v3/auth/tokens", &[]);
        let answer =
            self.keystone
                .post(url, &[], &login(s))
                .await
                .map_err(|error| match error {
                    Error::Status { status: 401, .. } => Error::Login {
                        host: self.url().to_owned(),
                        user: s.user.clone(),
                    },
                    other => other,
                })?;
        let token = answer
            .headers
            .get("x-subject-token")
            .and_then(|token| token.to_str().ok())
            .ok_or_else(|| Error::Answer {
                source_name: self.url().to_owned(),
                reason: "a token without X-Subject-Token; is this Keystone v3?".to_owned(),
            })?;
        Ok(Session {
            token: Secret::new(token),
            catalogue: answer.body["token"]["catalog"].clone(),
        })
    }

    /// The catalogue of the token's scope.
    pub async fn catalogue(&self) -> Result<Value> {
        Ok(self.session().await?.catalogue)
    }

    pub(super) async fn region_names(&self) -> Result<Vec<String>> {
        if let Some(region) = &self.settings.region {
            return Ok(vec![region.clone()]);
        }
        let catalogue = self.catalogue().await?;
        Ok(super::drafts::region_names(&catalogue))
    }

    /// GET from a service of a region.
    pub(super) async fn get(&self, region: &str, service: &str, path: &str) -> Result<Value> {
        let session = self.session().await?;
        let base = self.endpoint(&session.catalogue, region, service)?;
        let http = Http::new(&base, &self.settings.trust)?;
        self.fetch(&http, path).await
    }

    pub(super) async fn get_identity(&self, path: &str) -> Result<Value> {
        self.fetch(&self.keystone, path).await
    }

    async fn fetch(&self, http: &Http, path: &str) -> Result<Value> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut url = http.url(path, &[]);
        if !query.is_empty() {
            url.set_query(Some(query));
        }
        let mut again = true;
        loop {
            let session = self.session().await?;
            let headers = [
                // 2.53: hypervisors have UUIDs and may be listed page by page, with their servers.
                ("openstack-api-version", "compute 2.53"),
                ("x-auth-token", session.token.reveal()),
            ];
            let versioned = !self.is_old_nova();
            let headers = &headers[usize::from(!versioned)..];
            match http.get(url.clone(), headers).await {
                Err(Error::Status { status: 406, .. }) if versioned => {
                    self.old_nova.store(true, Ordering::Relaxed);
                }
                Err(Error::Status { status: 401, .. }) if again => {
                    again = false;
                    *self.session.lock().await = None;
                }
                answer => return Ok(answer?.body),
            }
        }
    }

    pub(super) fn is_old_nova(&self) -> bool {
        self.old_nova.load(Ordering::Relaxed)
    }

    fn endpoint(&self, catalogue: &Value, region: &str, service: &str) -> Result<String> {
        let interface = self.settings.interface.name();
        let missing = || Error::NotConfigured {
            what: format!("the {interface} endpoint of '{service}' in region {region}"),
            hint: "the catalogue has none; choose another interface or region".to_owned(),
        };
        let url = catalogue
            .as_array()
            .into_iter()
            .flatten()
            .filter(|entry| entry["type"] == service)
            .flat_map(|entry| entry["endpoints"].as_array().into_iter().flatten())
            .find(|endpoint| {
                endpoint["interface"] == interface
                    && (endpoint["region"] == region || endpoint["region_id"] == region)
            })
            .and_then(|endpoint| endpoint["url"].as_str())
            .ok_or_else(missing)?;
        // Neutron's endpoint is told with or without its version; paths here name it.
        let url = if service == "network" {
            url.trim_end_matches('/').trim_end_matches("/v2.0")
        } else {
            url
        };
        let Some(host) = &self.settings.endpoint_host else {
            return Ok(url.to_owned());
        };
        let mut url = reqwest::Url::parse(url).map_err(|_| missing())?;
        url.set_host(Some(host)).map_err(|_| missing())?;
        Ok(url.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_a_project_or_for_the_system() {
        let mut settings = Settings {
            url: "http://k".to_owned(),
            user: "u".to_owned(),
            password: Secret::new("p"),
            user_domain: "d".to_owned(),
            project: Some("admin".to_owned()),
            project_domain: "e".to_owned(),
            interface: Interface::Public,
            trust: Trust::System,
            endpoint_host: None,
            region: None,
        };
        let project = json!({"project": {"name": "admin", "domain": {"name": "e"}}});
        assert_eq!(login(&settings)["auth"]["scope"], project);
        settings.project = None;
        let system = json!({"system": {"all": true}});
        assert_eq!(login(&settings)["auth"]["scope"], system);
    }
}
