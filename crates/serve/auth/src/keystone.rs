//! Validates tokens by asking Keystone (Identity API v3, `GET /v3/auth/tokens`) with the service user's own
//! token. Keystone being away is not the client's fault: it is told 503, never 401.

use crate::cache::{Known, TokenCache};
use crate::{AuthError, Identity, Secret};
use model::{ProjectId, Timestamp};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const TOKENS_REMEMBERED: usize = 10_000;
const KEEP_REFUSED: Duration = Duration::from_secs(10);
const KEEP_UNAVAILABLE: Duration = Duration::from_secs(1);
/// A service token this close to its end is renewed first.
const RENEW_BEFORE: Duration = Duration::from_secs(30);

/// How to reach Keystone and as whom.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeystoneConfig {
    /// `http://keystone:5000`, with or without `/v3`.
    pub auth_url: String,
    pub username: String,
    pub password: Secret,
    #[serde(default = "service_project")]
    pub project_name: String,
    #[serde(default = "default_domain")]
    pub user_domain_name: String,
    #[serde(default = "default_domain")]
    pub project_domain_name: String,
    /// Seconds a validated token is believed without asking again; a token's own end comes first.
    #[serde(default = "default_cache_seconds")]
    pub cache_seconds: u64,
    /// Seconds Keystone may take to answer.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
}

fn service_project() -> String {
    "service".to_owned()
}

fn default_domain() -> String {
    "Default".to_owned()
}

fn default_cache_seconds() -> u64 {
    60
}

fn default_timeout_seconds() -> u64 {
    10
}

/// A client of one Keystone.
pub struct Keystone {
    config: KeystoneConfig,
    /// With `/v3/auth/tokens`.
    tokens_url: String,
    http: reqwest::Client,
    service: Mutex<Option<ServiceToken>>,
    cache: TokenCache,
}

struct ServiceToken {
    secret: Secret,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct TokenBody {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    expires_at: Timestamp,
    user: Option<Named>,
    project: Option<Named>,
    #[serde(default)]
    roles: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
}

/// What Keystone says of a subject token.
enum Verdict {
    Valid(Token),
    Invalid,
    /// Our own token is refused.
    ServiceTokenRefused,
}

impl Keystone {
    /// Nothing is asked yet; a Keystone that is away shows when the first token comes.
    pub fn new(config: KeystoneConfig) -> Result<Self, AuthError> {
        // Fails when another part of the process has chosen its provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(config.timeout_seconds))
            .build()
            .map_err(unavailable)?;
        let base = config.auth_url.trim_end_matches('/');
        let base = base.strip_suffix("/v3").unwrap_or(base);
        Ok(Self {
            tokens_url: format!("{base}/v3/auth/tokens"),
            config,
            http,
            service: Mutex::default(),
            cache: TokenCache::new(TOKENS_REMEMBERED),
        })
    }

    pub fn url(&self) -> &str {
        &self.config.auth_url
    }

    /// The identity behind a token, from memory or from Keystone.
    pub async fn validate(&self, token: &str) -> Result<Arc<Identity>, AuthError> {
        self.cache
            .get_or_ask(token, || async {
                match self.ask(token).await {
                    Ok((identity, left)) => Known {
                        answer: Ok(Arc::new(identity)),
                        keep: left.min(Duration::from_secs(self.config.cache_seconds)),
                    },
                    Err(error) => Known {
                        keep: match error {
                            AuthError::Unavailable(_) => KEEP_UNAVAILABLE,
                            _ => KEEP_REFUSED,
                        },
                        answer: Err(error),
                    },
                }
            })
            .await
    }

    async fn ask(&self, token: &str) -> Result<(Identity, Duration), AuthError> {
        let service = self.service_token(None).await?;
        let verdict = match self.verdict(&service, token).await? {
            Verdict::ServiceTokenRefused => {
                let renewed = self.service_token(Some(&service)).await?;
                self.verdict(&renewed, token).await?
            }
            verdict => verdict,
        };
        match verdict {
            Verdict::Valid(token) => identity(token),
            Verdict::Invalid => Err(AuthError::Unauthorized),
            Verdict::ServiceTokenRefused => Err(AuthError::Unavailable(format!(
                "Keystone refuses the token of service user '{}'",
                self.config.username
            ))),
        }
    }

    async fn verdict(&self, service: &Secret, token: &str) -> Result<Verdict, AuthError> {
        let Ok(subject) = reqwest::header::HeaderValue::from_str(token) else {
            return Ok(Verdict::Invalid);
        };
        let response = self
            .http
            .get(&self.tokens_url)
            .header("X-Auth-Token", service.expose())
            .header("X-Subject-Token", subject)
            .send()
            .await
            .map_err(unavailable)?;
        match response.status() {
            StatusCode::OK => Ok(Verdict::Valid(read(response).await?.token)),
            StatusCode::NOT_FOUND => Ok(Verdict::Invalid),
            StatusCode::UNAUTHORIZED => Ok(Verdict::ServiceTokenRefused),
            status => Err(AuthError::Unavailable(format!(
                "Keystone answered {status} when asked about a token; service user '{}' may lack the role to ask",
                self.config.username
            ))),
        }
    }

    /// The service user's token; another than `refused`.
    async fn service_token(&self, refused: Option<&Secret>) -> Result<Secret, AuthError> {
        let mut held = self.service.lock().await;
        if let Some(token) = &*held
            && Some(&token.secret) != refused
            && time_left(token.expires_at) > RENEW_BEFORE
        {
            return Ok(token.secret.clone());
        }
        let token = self.log_in().await?;
        let secret = token.secret.clone();
        *held = Some(token);
        Ok(secret)
    }

    async fn log_in(&self) -> Result<ServiceToken, AuthError> {
        let config = &self.config;
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": config.username,
                "domain": {"name": config.user_domain_name},
                "password": config.password.expose(),
            }}},
            "scope": {"project": {
                "name": config.project_name,
                "domain": {"name": config.project_domain_name},
            }},
        }});
        let response = self
            .http
            .post(&self.tokens_url)
            .json(&body)
            .send()
            .await
            .map_err(unavailable)?;
        if response.status() != StatusCode::CREATED {
            return Err(AuthError::Unavailable(format!(
                "Keystone answered {} to the login of service user '{}' in project '{}'",
                response.status(),
                config.username,
                config.project_name
            )));
        }
        let secret = response
            .headers()
            .get("X-Subject-Token")
            .and_then(|value| value.to_str().ok())
            .map(Secret::new)
            .ok_or_else(|| {
                AuthError::Unavailable("Keystone's login answer has no token".to_owned())
            })?;
        let expires_at = read(response).await?.token.expires_at;
        Ok(ServiceToken { secret, expires_at })
    }
}

async fn read(response: Response) -> Result<TokenBody, AuthError> {
    response.json().await.map_err(unavailable)
}

/// The innermost cause says what happened ("connection refused"), the outer ones only that something did.
fn unavailable(error: reqwest::Error) -> AuthError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    AuthError::Unavailable(cause.to_string())
}

fn time_left(until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
}

fn identity(token: Token) -> Result<(Identity, Duration), AuthError> {
    let left = time_left(token.expires_at);
    if left.is_zero() {
        return Err(AuthError::Unauthorized);
    }
    let project = token.project.ok_or(AuthError::NoProject)?.id;
    let project: ProjectId = project
        .parse()
        .map_err(|_| AuthError::InvalidProject(project))?;
    let roles: BTreeSet<String> = token.roles.into_iter().map(|role| role.name).collect();
    let user = token.user.map(|user| user.id).unwrap_or_default();
    Ok((Identity::new(project, user, roles), left))
}
