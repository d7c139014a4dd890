//! The maps as documents.

use super::connection_tests::ConnectionTests;
use super::documents::{Documents, Login, Query};
use super::{constants, posts, shapes, writes};
use crate::topology::{Asker, Seen};
use discovery::environment::{Right, Sight};
use inventory::{Action, ScanState};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use topology::{Environment, MessageQuery, ObjectRef, SearchQuery, Severity};

/// What one asker sees of all maps.
pub(super) struct Maps {
    pub(super) asker: Asker,
    pub(super) connection_tests: ConnectionTests,
}

pub(super) type Document = Map<String, Value>;

impl Maps {
    pub(super) fn new(asker: Asker, connection_tests: ConnectionTests) -> Self {
        Self {
            asker,
            connection_tests,
        }
    }

    pub(super) fn environment(query: &Query) -> Option<Environment> {
        let name = query
            .filters
            .get("env_name")
            .or_else(|| query.filters.get("environment"))?;
        Environment::new(name.as_str()?).ok()
    }

    fn seen(&self, query: &Query) -> Option<Seen> {
        let view = self.asker.view(Self::environment(query)?).ok()?;
        let head = view.map.head();
        Some(view.seen(head))
    }

    fn objects(&self, query: &Query) -> Vec<Document> {
        let Some(seen) = self.seen(query) else {
            return Vec::new();
        };
        let wanted = |name: &str| query.filters.get(name).and_then(Value::as_str);
        let below = query.filters.get("sub_tree") == Some(&Value::Bool(true));
        // By id, the whole document is wanted of the few that have it; else only what is in the list.
        let version = seen.version.clone();
        let by_id = wanted("id").map(|id| {
            let query = SearchQuery {
                text: id.to_owned(),
                types: Vec::new(),
                limit: 1000,
            };
            let hits = version.search(&query, |handle| seen.sees(handle)).hits;
            let exact = |handle: &topology::Handle| {
                version
                    .object(*handle)
                    .is_some_and(|object| object.key.id.as_str() == id)
            };
            hits.into_iter()
                .map(|hit| hit.handle)
                .filter(exact)
                .collect::<Vec<_>>()
        });
        let handles: Box<dyn Iterator<Item = topology::Handle>> = match by_id {
            Some(handles) => Box::new(handles.into_iter()),
            None => Box::new(version.objects().map(|(handle, _)| handle)),
        };
        handles
            .filter(|handle| seen.sees(*handle))
            .filter_map(|handle| shapes::object(&seen, handle))
            .filter(|document| {
                let text = |name: &str| {
                    document
                        .get(name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                let under = |path: &str| {
                    text("id_path")
                        .strip_prefix(path)
                        .is_some_and(|rest| rest.starts_with('/'))
                };
                wanted("id_path")
                    .is_none_or(|path| text("id_path") == path || (below && under(path)))
                    && wanted("parent_id").is_none_or(|parent| text("parent_id") == parent)
                    && wanted("parent_path").is_none_or(|path| {
                        let parent = text("id_path").rsplit_once('/').map(|(parent, _)| parent);
                        parent == Some(path) || (below && under(path))
                    })
            })
            .collect()
    }

    fn links(&self, query: &Query) -> Vec<Document> {
        let Some(seen) = self.seen(query) else {
            return Vec::new();
        };
        let links = seen
            .version
            .links()
            .filter(|link| seen.sees(link.source) && seen.sees(link.target));
        let mut found: Vec<Document> = links
            .filter_map(|link| shapes::link(&seen, link))
            .filter(|document| {
                query.attributes.iter().all(|(name, value)| {
                    document["attributes"]
                        .get(name)
                        .is_some_and(|found| match found {
                            Value::String(found) => found == value,
                            found => serde_json::from_str::<Value>(value)
                                .is_ok_and(|value| *found == value),
                        })
                })
            })
            .collect();
        found.sort_by(|a, b| a["id"].as_str().cmp(&b["id"].as_str()));
        found
    }

    fn cliques(&self, query: &Query) -> Vec<Document> {
        let Some(seen) = self.seen(query) else {
            return Vec::new();
        };
        let version = &seen.version;
        let wanted_type = query
            .filters
            .get("focal_point_type")
            .and_then(Value::as_str);
        let of_links = |document: &Document, name: &str, key: &str| {
            let Some(wanted) = query.filters.get(name) else {
                return true;
            };
            let links = document["links_detailed"].as_array();
            links.is_some_and(|links| links.iter().any(|link| link.get(key) == Some(wanted)))
        };
        let focal = version.objects().filter(|(handle, object)| {
            seen.sees(*handle)
                && wanted_type.is_none_or(|wanted| object.key.object_type.as_str() == wanted)
                && query
                    .filters
                    .get("focal_point")
                    .is_none_or(|id| *id == shapes::object_id(object))
        });
        focal
            .flat_map(|(handle, _)| version.cliques(handle))
            .filter_map(|clique| shapes::clique(&seen, &clique))
            .filter(|document| {
                of_links(document, "link_type", "link_type") && of_links(document, "link_id", "id")
            })
            .map(|mut document| {
                // Filters that were about links.
                for name in ["link_type", "link_id"] {
                    if let Some(value) = query.filters.get(name) {
                        document.insert(name.to_owned(), value.clone());
                    }
                }
                document
            })
            .collect()
    }

    fn clique_types(&self, query: &Query) -> Vec<Document> {
        let links = query.all_of.get("link_type").cloned().unwrap_or_default();
        let types = self.asker.inventory.cliques().types.into_iter();
        types
            .filter(|clique| links.iter().all(|link| clique.links.contains(link)))
            .filter_map(|clique| {
                let document = json!({
                    "id": shapes::id(&["clique_type", &clique.name]),
                    "name": clique.name,
                    "focal_point_type": clique.focal,
                    "link_types": clique.links,
                    "environment": clique.environment,
                    "env_name": clique.environment,
                    "environment_type": clique.environment_type,
                    "distribution": clique.distribution,
                    "distribution_version": clique.distribution_version,
                    "mechanism_drivers": clique.mechanism_driver,
                    "type_drivers": clique.type_driver,
                    "use_implicit_links": clique.implicit,
                });
                document.as_object().cloned()
            })
            .collect()
    }

    fn constraints(&self, query: &Query) -> Vec<Document> {
        let wanted = query.all_of.get("constraint").cloned().unwrap_or_default();
        let constraints = self.asker.inventory.cliques().constraints.into_iter();
        constraints
            .filter(|constraint| {
                wanted
                    .iter()
                    .all(|name| constraint.attributes.contains(name))
            })
            .filter_map(|constraint| {
                let environment = constraint.environment.as_deref().unwrap_or_default();
                let document = json!({
                    "id": shapes::id(&["clique_constraint", &constraint.focal, environment]),
                    "focal_point_type": constraint.focal,
                    "environment": constraint.environment,
                    "constraints": constraint.attributes,
                });
                document.as_object().cloned()
            })
            .collect()
    }

    fn scans(&self, query: &Query) -> Vec<Document> {
        let Some(environment) =
            Self::environment(query).filter(|name| self.asker.sight(name) == Sight::All)
        else {
            return Vec::new();
        };
        let scans = self.asker.inventory.scans(Some(&environment)).into_iter();
        scans
            .filter_map(|scan| {
                let status = match scan.state {
                    ScanState::Cancelled => "aborted",
                    state => state.name(),
                };
                let document = json!({
                    "id": format!("{:024x}", scan.id),
                    "environment": scan.environment,
                    "env_name": scan.environment,
                    "status": status,
                    "scan_completed": scan.state.has_ended(),
                    "object_id": scan.start.as_ref().map(|start| &start.id),
                    "base_object": scan.start.as_ref().map(|start| &start.id),
                    "submit_timestamp": scan.submitted_at,
                    "start_timestamp": scan.started_at,
                    "end_timestamp": scan.ended_at,
                });
                document.as_object().cloned()
            })
            .collect()
    }

    fn schedules(&self, query: &Query) -> Vec<Document> {
        let Some(environment) =
            Self::environment(query).filter(|name| self.asker.sight(name) == Sight::All)
        else {
            return Vec::new();
        };
        let schedules = self.asker.inventory.schedules().into_iter();
        schedules
            .filter(|(row, _)| {
                row.environment == environment && matches!(row.action, Action::Scan { .. })
            })
            .filter_map(|(row, next)| {
                let document = json!({
                    "id": shapes::id(&["schedule", &row.schedule.name]),
                    "environment": row.environment,
                    "freq": posts::frequency(&row.schedule.pattern),
                    "submit_timestamp": row.schedule.since,
                    "scheduled_timestamp": next,
                });
                document.as_object().cloned()
            })
            .collect()
    }

    fn messages(&self, query: &Query) -> Vec<Document> {
        let view = Self::environment(query).and_then(|name| self.asker.view(name).ok());
        let Some(view) = view.filter(|view| view.sees_all()) else {
            return Vec::new();
        };
        let time = |name: &str| query.filters.get(name)?.as_str()?.parse::<Timestamp>().ok();
        let wanted = MessageQuery {
            from: time("start_time"),
            until: time("end_time"),
            limit: usize::MAX,
            ..MessageQuery::default()
        };
        let (messages, _) = view.map.find_messages(&wanted);
        messages
            .into_iter()
            .filter_map(|message| {
                let main: Option<&ObjectRef> = message.objects.first();
                let level = match message.severity {
                    Severity::Debug => "debug",
                    Severity::Info => "info",
                    Severity::Warning => "warn",
                    Severity::Error => "error",
                    Severity::Critical => "crit",
                };
                let mut document = json!({
                    "id": message.id.to_string(),
                    "environment": query.filters.get("env_name"),
                    "source_system": message.source,
                    "level": level,
                    "message": message.text,
                    "timestamp": message.at,
                    "received_timestamp": message.received_at,
                    "related_object": main.map(|object| &object.id),
                    "related_object_type": main.map(|object| &object.object_type),
                    "display_context": message.context.as_ref().map(|object| &object.id),
                    "viewed": message.viewed,
                });
                for name in ["env_name", "start_time", "end_time"] {
                    document[name] = query.filters.get(name).cloned().unwrap_or_default();
                }
                document.as_object().cloned()
            })
            .collect()
    }

    fn environments(&self) -> Vec<Document> {
        let all = self.asker.inventory.environments().into_iter();
        all.filter(|view| self.asker.sight(&view.config.name) == Sight::All)
            .filter_map(|view| {
                let config = &view.config;
                let map = self.asker.inventory.map(&config.name).ok();
                let head = map.map(|map| map.head());
                let document = json!({
                    "name": config.name,
                    "type": "environment",
                    "environment_type": config.facts.environment_type,
                    "distribution": config.facts.distribution,
                    "distribution_version": config.facts.distribution_version,
                    "mechanism_drivers": config.facts.mechanism_drivers,
                    "type_drivers": config.facts.type_drivers,
                    "listen": config.amqp.is_some(),
                    "scanned": head.as_ref().is_some_and(|head| head.number > 0),
                    "last_scanned": head.as_ref().map(|head| head.at),
                    "operational": "running",
                });
                document.as_object().cloned()
            })
            .collect()
    }
}

/// A list of constants by name.
fn constant(query: &Query) -> Option<Document> {
    let name = query.filters.get("name")?.as_str()?;
    let values = constants::list(name)?.iter();
    let data: Vec<Value> = values
        .map(|value| json!({"value": value, "label": value}))
        .collect();
    let document = json!({"id": shapes::id(&["constant", name]), "name": name, "data": data});
    document.as_object().cloned()
}

/// Does the document have what is asked for? Lists hold what is asked for.
fn matches(document: &Document, query: &Query) -> bool {
    query
        .filters
        .iter()
        .all(|(name, wanted)| match document.get(name) {
            // Parameters that are no attribute were seen to when the documents were made.
            None => true,
            Some(Value::Array(values)) => values.contains(wanted),
            // Results by target were cut to what is asked for.
            Some(Value::Object(_)) => true,
            Some(value) => value == wanted,
        })
}

impl Documents for Maps {
    fn read(&self, endpoint: &str, query: &Query) -> Vec<Value> {
        let documents = match endpoint {
            "inventory" => self.objects(query),
            "links" => self.links(query),
            "cliques" => self.cliques(query),
            "clique_types" => self.clique_types(query),
            "clique_constraints" => self.constraints(query),
            "scans" => self.scans(query),
            "scheduled_scans" => self.schedules(query),
            "messages" => self.messages(query),
            "environment_configs" => self.environments(),
            "connection_tests" => self.connection_tests(query),
            "constants" => constant(query).into_iter().collect(),
            // Checks are posted by whatever runs them; there is nothing to render.
            _ => Vec::new(),
        };
        let spec = super::spec::endpoint(endpoint);
        let whole = spec.is_none_or(|spec| query.filters.contains_key(spec.one));
        let listed = |name: &str| {
            spec.is_some_and(|spec| spec.listed.contains(&name)) || query.filters.contains_key(name)
        };
        documents
            .into_iter()
            .filter(|document| matches(document, query))
            .skip(query.page.saturating_mul(query.page_size))
            .take(query.page_size)
            .map(|mut document| {
                document.retain(|name, value| (whole || listed(name)) && !value.is_null());
                for echoed in ["env_name", "start_time", "end_time", "base_object"] {
                    document.remove(echoed);
                }
                Value::Object(document)
            })
            .collect()
    }

    fn environment_exists(&self, name: &str) -> bool {
        Environment::new(name).is_ok_and(|name| self.asker.view(name).is_ok())
    }

    fn write(&self, endpoint: &str, document: &Document) -> Result<String, (u16, String)> {
        let environment = document
            .get("environment")
            .and_then(Value::as_str)
            .and_then(|name| Environment::new(name).ok());
        let allowed = match (endpoint, &environment) {
            ("scans" | "scheduled_scans", Some(environment)) => {
                self.asker.may(environment, Right::Scan)
            }
            ("connection_tests", Some(environment)) => self.asker.may(environment, Right::Edit),
            _ => self.asker.operator().is_ok(),
        };
        if !allowed {
            return Err((403, "you may not do this here".to_owned()));
        }
        match endpoint {
            "scans" => self.write_scan(document).map_err(writes::refusal),
            "scheduled_scans" => self.write_schedule(document).map_err(writes::refusal),
            "clique_types" => self.write_clique_type(document).map_err(writes::refusal),
            "connection_tests" => self.write_connection_test(document),
            _ => self.write_environment(document),
        }
    }

    fn aggregate(&self, kind: &str, environment: Option<&str>) -> Vec<BTreeMap<String, u64>> {
        let environments = || {
            let all = self
                .asker
                .inventory
                .environments()
                .into_iter()
                .map(|view| view.config.name);
            all.filter(|name| self.asker.sight(name) == Sight::All)
        };
        match kind {
            "environment" => {
                let mut query = Query::default();
                query.filters.insert(
                    "env_name".to_owned(),
                    environment.unwrap_or_default().into(),
                );
                let mut counts: BTreeMap<String, u64> = BTreeMap::new();
                if let Some(seen) = self.seen(&query) {
                    for (_, object) in seen
                        .version
                        .objects()
                        .filter(|(handle, _)| seen.sees(*handle))
                    {
                        *counts
                            .entry(object.key.object_type.to_string())
                            .or_default() += 1;
                    }
                }
                vec![counts]
            }
            "message" => {
                let (mut by_environment, mut by_level) = (BTreeMap::new(), BTreeMap::new());
                for name in environments() {
                    let Ok(map) = self.asker.inventory.map(&name) else {
                        continue;
                    };
                    for (severity, count) in map.message_counts() {
                        *by_environment.entry(name.to_string()).or_default() += count as u64;
                        *by_level
                            .entry(format!("{severity:?}").to_lowercase())
                            .or_default() += count as u64;
                    }
                }
                vec![by_environment, by_level]
            }
            _ => vec![
                constants::all()
                    .map(|(name, count)| (name.to_owned(), count as u64))
                    .collect(),
            ],
        }
    }

    /// All features work with everything that can be configured.
    fn supports(&self, _: &Document) -> [bool; 3] {
        [true; 3]
    }

    /// Whoever asks has been authenticated already, by the same means as everywhere here.
    fn login(&self, _: &str, _: &str) -> Login {
        Err("ask the identity service for a token, and send it as X-Auth-Token; without one, every request from this machine is answered".to_owned())
    }

    fn issue(&self) -> Result<(String, String, String), String> {
        Err("tokens are issued by the identity service".to_owned())
    }

    /// A request whose token were not good would not have come here.
    fn check_token(&self, _: Option<&str>) -> Login {
        Ok(())
    }

    fn forget_token(&self, _: &str) {}
}
