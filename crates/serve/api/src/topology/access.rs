//! Who asks about which environment, and what they see of it. Operators (role `admin`) see and may do everything; others what the
//! environment's grants say; of the controller's own cloud, each project itself. What someone may not see does not exist for them.

use super::error::MapError;
use crate::App;
use crate::live::error::LiveError;
use crate::live::params::Params;
use crate::who::Who;
use auth::{AuthError, Identity};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use discovery::environment::{Right, Sight, Who as Grantee};
use inventory::{Inventory, LiveMap, Secrets};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use topology::{Environment, Handle, ObjectRef, Version};

/// Someone, and the maps.
pub(crate) struct Asker {
    identity: Arc<Identity>,
    pub(crate) inventory: Inventory,
}

impl FromRequestParts<App> for Asker {
    type Rejection = MapError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, MapError> {
        let Who(identity) = Who::of(parts, state).await.map_err(|error| match error {
            AuthError::Unauthorized => LiveError::Unauthorized(state.auth.challenge()),
            error => LiveError::Auth(error),
        })?;
        let inventory = state.inventory.clone().ok_or(MapError::NoMap)?;
        Ok(Self {
            identity,
            inventory,
        })
    }
}

impl Asker {
    fn names(&self) -> Vec<Grantee> {
        let roles = self
            .identity
            .roles
            .iter()
            .map(|role| Grantee::Role(role.clone()));
        roles
            .chain([
                Grantee::User(self.identity.user.clone()),
                Grantee::Project(self.identity.project.to_string()),
            ])
            .collect()
    }

    /// Only operators of this controller.
    pub(crate) fn operator(&self) -> Result<(), MapError> {
        match self.identity.is_admin {
            true => Ok(()),
            false => Err(LiveError::Forbidden.into()),
        }
    }

    /// Whoever may change an environment uses its secrets; only operators may have them sent elsewhere.
    pub(crate) fn secrets(&self) -> Secrets {
        match self.identity.is_admin {
            true => Secrets::Follow,
            false => Secrets::Stay,
        }
    }

    pub(crate) fn sight(&self, environment: &Environment) -> Sight {
        if self.identity.is_admin {
            return Sight::All;
        }
        let view = self.inventory.environment(environment);
        match view.is_ok_and(|environment| environment.own) {
            true => Sight::Tenants([self.identity.project.to_string()].into()),
            false => self.inventory.roles(environment).sight(&self.names()),
        }
    }

    /// Someone with a right to the whole environment. One who does not even see it is told it is not there.
    pub(super) fn need(&self, environment: &Environment, right: Right) -> Result<(), MapError> {
        if self.identity.is_admin {
            return self
                .inventory
                .map(environment)
                .map(drop)
                .map_err(|_| MapError::NoEnvironment(environment.clone()));
        }
        match self.sight(environment) {
            Sight::Nothing => Err(MapError::NoEnvironment(environment.clone())),
            _ if self.may(environment, right) => Ok(()),
            _ => Err(MapError::Forbidden(match right {
                Right::View => "see all of",
                Right::Scan => "scan",
                Right::Edit => "change",
            })),
        }
    }

    pub(crate) fn may(&self, environment: &Environment, right: Right) -> bool {
        self.identity.is_admin || self.inventory.roles(environment).may(&self.names(), right)
    }

    /// The map of an environment, as far as the asker sees it.
    pub(crate) fn view(&self, environment: Environment) -> Result<View, MapError> {
        let sight = self.sight(&environment);
        let map = self.inventory.map(&environment);
        match (sight, map) {
            (Sight::Nothing, _) | (_, Err(_)) => Err(MapError::NoEnvironment(environment)),
            (sight, Ok(map)) => Ok(View { map, sight }),
        }
    }
}

/// The map of one environment and what is seen of it.
pub(crate) struct View {
    pub(crate) map: Arc<LiveMap>,
    sight: Sight,
}

impl View {
    /// The version a request asks for by `at`: a number, a snapshot's name or a time; the last one if it asks for none.
    pub(super) fn at(&self, params: &mut Params) -> Result<Seen, MapError> {
        let at: Option<String> = params.take("at")?;
        let version = match at {
            None => self.map.head(),
            Some(at) => self.version(&at)?,
        };
        Ok(self.seen(version))
    }

    /// A version by number, snapshot name or time.
    pub(super) fn version(&self, at: &str) -> Result<Arc<Version>, MapError> {
        let history = self.map.history();
        if let Some(version) = history.named(at) {
            return Ok(version.clone());
        }
        if let Ok(number) = at.parse::<u64>() {
            return Ok(history.version(number)?.clone());
        }
        let time: Timestamp = at.parse().map_err(|_| MapError::NotFound {
            what: "version",
            id: at.to_owned(),
        })?;
        history.at(time).cloned().ok_or_else(|| MapError::NotFound {
            what: "version",
            id: at.to_owned(),
        })
    }

    pub(crate) fn seen(&self, version: Arc<Version>) -> Seen {
        // The last version is how things are; an older one how they were when it was made.
        let now = match version.number == self.map.head().number {
            true => Timestamp::now(),
            false => version.at,
        };
        Seen {
            version,
            now,
            sight: self.sight.clone(),
        }
    }

    pub(crate) fn sees_all(&self) -> bool {
        self.sight == Sight::All
    }

    /// The tenants whose objects are all that is seen; none if everything is.
    pub(super) fn tenants(&self) -> Option<BTreeSet<Arc<str>>> {
        match &self.sight {
            Sight::Tenants(tenants) => Some(
                tenants
                    .iter()
                    .map(|tenant| tenant.as_str().into())
                    .collect(),
            ),
            _ => None,
        }
    }
}

/// A version, and what is seen of it.
pub(crate) struct Seen {
    pub(crate) version: Arc<Version>,
    /// The time health is told of: a check that was too old by then says nothing.
    pub(crate) now: Timestamp,
    sight: Sight,
}

impl Seen {
    /// A tenant sees what is the tenant's own.
    pub(crate) fn sees(&self, handle: Handle) -> bool {
        match &self.sight {
            Sight::All => true,
            Sight::Nothing => false,
            Sight::Tenants(tenants) => self
                .version
                .tenant(handle)
                .is_some_and(|tenant| tenants.contains(&*tenant)),
        }
    }

    /// An object by `type/id`.
    pub(super) fn find(&self, text: &str) -> Result<Handle, MapError> {
        let missing = || MapError::NotFound {
            what: "object",
            id: text.to_owned(),
        };
        let key: ObjectRef = object_ref(text)?;
        let handle = self.version.find(&key).ok_or_else(missing)?;
        self.sees(handle).then_some(handle).ok_or_else(missing)
    }

    /// Objects by `type/id`.
    pub(super) fn find_all(&self, texts: &[String]) -> Result<Vec<Handle>, MapError> {
        texts.iter().map(|text| self.find(text)).collect()
    }
}

/// Reads `type/id`.
pub(super) fn object_ref(text: &str) -> Result<ObjectRef, MapError> {
    let (object_type, id) = text
        .split_once('/')
        .ok_or_else(|| MapError::Malformed(format!("'{text}' names no object: write type/id")))?;
    ObjectRef::new(object_type, id).map_err(|error| MapError::Malformed(error.to_string()))
}

/// A question about an environment: who asks, what is seen, the version asked for, and the parameters nobody has read yet.
pub(super) struct Question {
    pub(super) asker: Asker,
    pub(super) environment: Environment,
    pub(super) view: View,
    pub(super) seen: Seen,
    pub(super) params: Params,
}

impl Question {
    /// What a file says it is: the thing, the environment, the version and its time.
    pub(super) fn title(&self, what: &str) -> String {
        let version = &self.seen.version;
        format!(
            "{}, {what}, version {}, {:.0}",
            self.environment, version.number, version.at
        )
    }
}

impl FromRequestParts<App> for Question {
    type Rejection = MapError;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, MapError> {
        let asker = Asker::from_request_parts(parts, state).await?;
        let In(environment) = In::from_request_parts(parts, state).await?;
        let mut params = Params::parse(parts.uri.query())?;
        let view = asker.view(environment.clone())?;
        let seen = view.at(&mut params)?;
        Ok(Self {
            asker,
            environment,
            view,
            seen,
            params,
        })
    }
}

/// The environment in a path.
pub(super) struct In(pub(super) Environment);

impl<S: Send + Sync> FromRequestParts<S> for In {
    type Rejection = MapError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, MapError> {
        let Path(values) = Path::<BTreeMap<String, String>>::from_request_parts(parts, state)
            .await
            .map_err(|error| MapError::Malformed(error.to_string()))?;
        let name = values
            .get("environment")
            .map(String::as_str)
            .unwrap_or_default();
        Environment::new(name)
            .map(Self)
            .map_err(|error| MapError::Malformed(error.to_string()))
    }
}

/// A named segment of a path, parsed.
pub(super) fn segment<T: std::str::FromStr>(
    values: &BTreeMap<String, String>,
    name: &'static str,
) -> Result<T, MapError> {
    let text = values.get(name).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| MapError::NotFound {
        what: name,
        id: text.to_owned(),
    })
}
