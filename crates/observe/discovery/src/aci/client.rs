//! A session with an APIC. The token is refreshed before it ends; certificates are checked.

use crate::http::{Http, Trust};
use crate::secret::Secret;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Where the controller is and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://<apic>`.
    pub url: String,
    pub user: String,
    pub password: Secret,
    pub trust: Trust,
}

pub struct Aci {
    http: Http,
    settings: Settings,
    token: Mutex<Option<(Secret, Instant)>>,
}

/// Tokens live for ten minutes unless configured otherwise; a new one is asked for earlier.
const TOKEN_LIVES: Duration = Duration::from_secs(300);

impl Aci {
    /// # Errors
    /// The URL or the authorities' certificates are not usable.
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            http: Http::new(&settings.url, &settings.trust)?,
            settings,
            token: Mutex::new(None),
        })
    }

    pub(super) fn url(&self) -> &str {
        self.http.base().as_str()
    }

    async fn token(&self) -> Result<Secret> {
        let mut held = self.token.lock().await;
        if let Some((token, since)) = held.as_ref()
            && since.elapsed() < TOKEN_LIVES
        {
            return Ok(token.clone());
        }
        let s = &self.settings;
        let body = json!({"aaaUser": {"attributes": {"name": s.user, "pwd": s.password.reveal()}}});
        let url = self.http.url("/api/aaaLogin.json", &[]);
        let answer = self
            .http
            .post(url, &[], &body)
            .await
            .map_err(|error| match error {
                Error::Status {
                    status: 401 | 403, ..
                } => Error::Login {
                    host: self.url().to_owned(),
                    user: s.user.clone(),
                },
                other => other,
            })?;
        let token = answer.body["imdata"][0]["aaaLogin"]["attributes"]["token"]
            .as_str()
            .ok_or_else(|| Error::Answer {
                source_name: self.url().to_owned(),
                reason: "a login without a token".to_owned(),
            })?;
        let token = Secret::new(token);
        *held = Some((token.clone(), Instant::now()));
        Ok(token)
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let token = self.token().await?;
        let cookie = format!("APIC-cookie={}", token.reveal());
        let url = self.http.url(path, query);
        Ok(self.http.get(url, &[("cookie", &cookie)]).await?.body)
    }
}
