//! What each endpoint takes and gives: one table, from which parameters and bodies are checked.

use super::constants;
use jiff::Timestamp;
use serde_json::Value;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// 24 hexadecimal digits.
    ObjectId,
    /// `true`, `false`, `1` or `0`.
    Bool,
    Time,
    Number,
    /// One of a list of constants.
    OneOf(&'static str),
    List(&'static str),
    Object,
}

/// A parameter or an attribute.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) mandatory: bool,
}

const fn may(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        mandatory: false,
    }
}

const fn must(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        mandatory: true,
    }
}

/// An endpoint.
pub(super) struct Endpoint {
    pub(super) path: &'static str,
    /// The key of its lists.
    pub(super) collection: &'static str,
    /// The parameter that names the environment.
    pub(super) environment: Option<&'static str>,
    /// The parameter that asks for one document, whole.
    pub(super) one: &'static str,
    /// Attributes of documents in lists, besides those filtered by.
    pub(super) listed: &'static [&'static str],
    pub(super) get: &'static [Field],
    /// Attributes of a new document; none: it cannot be posted.
    pub(super) post: &'static [Field],
}

use Kind::{Bool, List, Number, Object, ObjectId, OneOf, Text, Time};

pub(super) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "inventory",
        collection: "objects",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "name", "name_path"],
        get: &[
            must("env_name", Text),
            may("id", Text),
            may("id_path", Text),
            may("parent_id", Text),
            may("parent_path", Text),
            may("sub_tree", Bool),
        ],
        post: &[],
    },
    Endpoint {
        path: "links",
        collection: "links",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "link_name", "link_type", "environment", "host"],
        get: &[
            must("env_name", Text),
            may("id", ObjectId),
            may("host", Text),
            may("link_type", OneOf("link_types")),
            may("link_name", Text),
            may("source_id", ObjectId),
            may("target_id", ObjectId),
            may("state", OneOf("link_states")),
        ],
        post: &[],
    },
    Endpoint {
        path: "cliques",
        collection: "cliques",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "focal_point_type", "environment"],
        get: &[
            must("env_name", Text),
            may("id", ObjectId),
            may("focal_point", ObjectId),
            may("focal_point_type", OneOf("object_types")),
            may("link_type", OneOf("link_types")),
            may("link_id", ObjectId),
        ],
        post: &[],
    },
    Endpoint {
        path: "clique_types",
        collection: "clique_types",
        environment: Some("env_name"),
        one: "id",
        listed: &[
            "id",
            "name",
            "focal_point_type",
            "link_types",
            "environment",
            "distribution",
            "distribution_version",
            "mechanism_drivers",
            "type_drivers",
        ],
        get: &[
            may("env_name", Text),
            may("id", ObjectId),
            may("name", Text),
            may("distribution", OneOf("distributions")),
            may("distribution_version", OneOf("distribution_versions")),
            may("mechanism_drivers", OneOf("mechanism_drivers")),
            may("type_drivers", OneOf("type_drivers")),
            may("focal_point_type", OneOf("object_types")),
            may("link_type", OneOf("link_types")),
        ],
        post: &[
            may("environment", Text),
            must("name", Text),
            must("focal_point_type", OneOf("object_types")),
            must("link_types", List("link_types")),
            may("distribution", OneOf("distributions")),
            may("distribution_version", OneOf("distribution_versions")),
            may("mechanism_drivers", OneOf("mechanism_drivers")),
            may("type_drivers", OneOf("type_drivers")),
            may("use_implicit_links", Bool),
        ],
    },
    Endpoint {
        path: "clique_constraints",
        collection: "clique_constraints",
        environment: None,
        one: "id",
        listed: &["id"],
        get: &[
            may("id", ObjectId),
            may("focal_point_type", OneOf("object_types")),
            may("constraint", OneOf("constraints")),
        ],
        post: &[],
    },
    Endpoint {
        path: "scans",
        collection: "scans",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "environment", "status", "scan_completed"],
        get: &[
            must("env_name", Text),
            may("id", ObjectId),
            may("base_object", Text),
            may("status", OneOf("scans_statuses")),
        ],
        post: &[
            must("status", OneOf("scans_statuses")),
            must("environment", Text),
            may("log_level", OneOf("log_levels")),
            may("clear", Bool),
            may("clear_all", Bool),
            may("scan_only_inventory", Bool),
            may("scan_only_links", Bool),
            may("scan_only_cliques", Bool),
            may("inventory", Text),
            may("object_id", Text),
        ],
    },
    Endpoint {
        path: "scheduled_scans",
        collection: "scheduled_scans",
        environment: Some("environment"),
        one: "id",
        listed: &["id", "environment", "scheduled_timestamp", "freq"],
        get: &[
            must("environment", Text),
            may("id", ObjectId),
            may("freq", OneOf("scheduled_frequencies")),
        ],
        post: &[
            must("environment", Text),
            must("freq", OneOf("scheduled_frequencies")),
            must("submit_timestamp", Time),
            may("log_level", OneOf("log_levels")),
            may("clear", Bool),
            may("scan_only_inventory", Bool),
            may("scan_only_links", Bool),
            may("scan_only_cliques", Bool),
        ],
    },
    Endpoint {
        path: "messages",
        collection: "messages",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "environment", "source_system", "level"],
        get: &[
            must("env_name", Text),
            may("id", Text),
            may("source_system", OneOf("message_source_systems")),
            may("level", OneOf("messages_severity")),
            may("related_object", Text),
            may("related_object_type", OneOf("object_types")),
            may("start_time", Time),
            may("end_time", Time),
        ],
        post: &[],
    },
    Endpoint {
        path: "monitoring_config_templates",
        collection: "monitoring_config_templates",
        environment: None,
        one: "id",
        listed: &["id", "side", "type"],
        get: &[
            may("id", ObjectId),
            may("order", Number),
            may("side", OneOf("monitoring_sides")),
            may("type", Text),
        ],
        post: &[],
    },
    Endpoint {
        path: "connection_tests",
        collection: "connection_tests",
        environment: Some("env_name"),
        one: "id",
        listed: &["id", "test_targets", "test_results"],
        get: &[
            must("env_name", Text),
            may("id", ObjectId),
            may("status", OneOf("connection_test_statuses")),
            may("test_targets", OneOf("configuration_targets")),
            may("test_results", Bool),
        ],
        post: &[
            must("environment", Text),
            must("test_targets", List("configuration_targets")),
            must("targets_configuration", Object),
        ],
    },
    Endpoint {
        path: "environment_configs",
        collection: "environment_configs",
        environment: None,
        one: "name",
        listed: &["name", "distribution"],
        get: &[
            may("name", Text),
            may("distribution", OneOf("distributions")),
            may("distribution_version", OneOf("distribution_versions")),
            may("environment_type", OneOf("environment_types")),
            may("mechanism_drivers", OneOf("mechanism_drivers")),
            may("type_drivers", OneOf("type_drivers")),
            may("user", Text),
            may("listen", Bool),
            may("scanned", Bool),
            may("monitoring_setup_done", Bool),
            may("operational", OneOf("environment_operational_status")),
        ],
        post: &[
            must("app_path", Text),
            must("configuration", Object),
            must("distribution", OneOf("distributions")),
            must("distribution_version", OneOf("distribution_versions")),
            must("listen", Bool),
            must("mechanism_drivers", List("mechanism_drivers")),
            must("name", Text),
            must("operational", OneOf("environment_operational_status")),
            must("scanned", Bool),
            may("last_scanned", Time),
            must("type", Text),
            must("type_drivers", OneOf("type_drivers")),
            may("environment_type", OneOf("environment_types")),
            may("user", Text),
            may("enable_monitoring", Bool),
            may("monitoring_setup_done", Bool),
            may("aci_enabled", Bool),
        ],
    },
];

pub(super) fn endpoint(path: &str) -> Option<&'static Endpoint> {
    ENDPOINTS.iter().find(|endpoint| endpoint.path == path)
}

impl Kind {
    /// Reads a parameter; the text says what it should be.
    pub(super) fn read(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Text => Ok(text.into()),
            Self::ObjectId if text.len() == 24 && text.chars().all(|c| c.is_ascii_hexdigit()) => {
                Ok(text.into())
            }
            Self::ObjectId => Err("an id of 24 hexadecimal digits".to_owned()),
            Self::Bool => match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Ok(true.into()),
                "false" | "0" => Ok(false.into()),
                _ => Err("true, false, 1 or 0".to_owned()),
            },
            // A `+` in a query may have become a space.
            Self::Time => time(&text.replace(' ', "+"))
                .map(Value::from)
                .ok_or_else(|| "a time in ISO 8601".to_owned()),
            Self::Number => text
                .parse::<i64>()
                .map(Value::from)
                .map_err(|_| "a whole number".to_owned()),
            Self::OneOf(list) | Self::List(list) => match constants::holds(list, text) {
                true => Ok(text.into()),
                false => Err(format!("one of {list}")),
            },
            Self::Object => Err("a document".to_owned()),
        }
    }

    /// Checks an attribute of a posted document.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        match (self, value) {
            (Self::Object, Value::Array(_) | Value::Object(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Number, Value::Number(_)) => Ok(()),
            (Self::Bool, Value::Number(number)) => self.read(&number.to_string()).map(drop),
            (Self::List(list), Value::Array(items)) => {
                let all = items.iter().all(|item| {
                    item.as_str()
                        .is_some_and(|item| constants::holds(list, item))
                });
                all.then_some(()).ok_or_else(|| format!("a list of {list}"))
            }
            (Self::List(list), _) => Err(format!("a list of {list}")),
            (_, Value::String(text)) => self.read(text).map(drop),
            _ => Err("of another type".to_owned()),
        }
    }
}

/// A time as the earlier system wrote it: with or without a zone, which may lack its colon.
pub(super) fn time(text: &str) -> Option<String> {
    let digits = |part: &str| part.len() == 4 && part.chars().all(|c| c.is_ascii_digit());
    let written = match text.rsplit_once(['+', '-']) {
        Some((before, zone)) if digits(zone) && before.contains('T') => {
            let sign = &text[before.len()..=before.len()];
            format!("{before}{sign}{}:{}", &zone[..2], &zone[2..])
        }
        _ => text.to_owned(),
    };
    let parsed: Option<Timestamp> = written.parse().ok();
    parsed
        .or_else(|| format!("{written}Z").parse().ok())
        .map(|time| time.to_string())
}
