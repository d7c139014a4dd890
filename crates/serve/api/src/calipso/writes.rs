//! Posted documents taken in: scans, schedules, clique types, environments.

use super::maps::{Document, Maps};
use super::{environment, posts, shapes};
use discovery::environment::{Config, Credentials};
use inventory::{Action, CliqueTypeText, InventoryError, ScanRequest, Scheduled};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use topology::{Environment, ObjectKey, Schedule};

impl Maps {
    fn key_of(&self, environment: &Environment, id: &str) -> Option<ObjectKey> {
        let view = self.asker.view(environment.clone()).ok()?;
        let head = view.map.head();
        let (_, object) = head
            .objects()
            .find(|(_, object)| object.key.id.as_str() == id)?;
        Some(ObjectKey {
            environment: environment.clone(),
            object_type: object.key.object_type.clone(),
            id: object.key.id.clone(),
        })
    }

    pub(super) fn write_scan(&self, document: &Document) -> Result<String, InventoryError> {
        let environment = environment_of(document)?;
        let id = document
            .get("object_id")
            .and_then(Value::as_str)
            .filter(|id| !id.is_empty());
        let start = match id {
            None => None,
            Some(id) => {
                Some(
                    self.key_of(&environment, id)
                        .ok_or_else(|| InventoryError::None {
                            what: "object",
                            id: id.to_owned(),
                        })?,
                )
            }
        };
        let request = ScanRequest {
            environment,
            start,
            schedule: None,
            snapshot: None,
        };
        Ok(format!(
            "{:024x}",
            self.asker.inventory.submit_scan(request)?.id
        ))
    }

    pub(super) fn write_schedule(&self, document: &Document) -> Result<String, InventoryError> {
        let text = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let environment = environment_of(document)?;
        let name: Arc<str> = format!(
            "{} {} {}",
            environment,
            text("freq").to_lowercase(),
            text("submit_timestamp")
        )
        .into();
        let pattern = posts::pattern(text("freq"), text("submit_timestamp")).unwrap_or_default();
        let schedule = Schedule {
            name: name.clone(),
            pattern,
            zone: "UTC".to_owned(),
            paused: false,
            since: Timestamp::now(),
        };
        self.asker.inventory.put_schedule(
            Scheduled {
                schedule,
                environment,
                action: Action::Scan {
                    start: None,
                    snapshot: false,
                },
            },
            false,
        )?;
        Ok(shapes::id(&["schedule", &name]))
    }

    pub(super) fn write_clique_type(&self, document: &Document) -> Result<String, InventoryError> {
        let text = |name: &str| {
            document
                .get(name)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let links = document
            .get("link_types")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let clique = CliqueTypeText {
            name: text("name").unwrap_or_default(),
            focal: text("focal_point_type").unwrap_or_default(),
            links: links.filter_map(Value::as_str).map(str::to_owned).collect(),
            environment: text("environment"),
            environment_type: None,
            distribution: text("distribution"),
            distribution_version: text("distribution_version"),
            mechanism_driver: text("mechanism_drivers"),
            type_driver: text("type_drivers"),
            implicit: document.get("use_implicit_links") == Some(&Value::Bool(true)),
        };
        let id = shapes::id(&["clique_type", &clique.name]);
        self.asker.inventory.change_cliques(|texts| {
            if texts.types.iter().any(|known| known.name == clique.name) {
                return Err(InventoryError::Exists {
                    what: "clique type",
                    id: clique.name,
                });
            }
            texts.types.push(clique);
            Ok(())
        })?;
        Ok(id)
    }

    pub(super) fn write_environment(&self, document: &Document) -> Result<String, (u16, String)> {
        let bad = |message: String| (400, message);
        let (config, credentials) = environment::settings(document).map_err(bad)?;
        let config: Config =
            serde_json::from_value(config).map_err(|error| bad(error.to_string()))?;
        let credentials: Credentials =
            serde_json::from_value(credentials).map_err(|error| bad(error.to_string()))?;
        let view = self.asker.inventory.add_environment(config, &credentials);
        view.map(|view| view.config.name.to_string())
            .map_err(refusal)
    }
}

pub(super) fn environment_of(document: &Document) -> Result<Environment, InventoryError> {
    let name = document
        .get("environment")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(Environment::new(name)?)
}

pub(super) fn refusal(error: InventoryError) -> (u16, String) {
    let status = match &error {
        InventoryError::Exists { .. } | InventoryError::EnvironmentExists(_) => 409,
        InventoryError::Disk(_) | InventoryError::Vault(_) | InventoryError::Unreadable { .. } => {
            500
        }
        _ => 400,
    };
    (status, error.to_string())
}
