//! The API's description (OpenAPI 3.1). A test holds it and the router together.

use axum::Json;
use serde_json::{Value, json};

/// One operation: path, method, what it does, its query parameters, its body's keys.
type Operation = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const NEIGHBOR: &str = "neighbor";

/// Every operation under `/bgp/v1`.
pub(super) const OPERATIONS: &[Operation] = &[
    (
        "/summary",
        "get",
        "The speaker at a glance: identity, sessions, tables, kernel.",
        &[],
        &[],
    ),
    ("/neighbors", "get", "All neighbours.", &[], &[]),
    (
        "/neighbors/{neighbor}",
        "get",
        "One neighbour: session, capabilities, messages, families.",
        &[],
        &[],
    ),
    (
        "/neighbors/{neighbor}/shutdown",
        "post",
        "Take the session down and keep it down.",
        &[],
        &["message"],
    ),
    (
        "/neighbors/{neighbor}/enable",
        "post",
        "Take a shutdown back.",
        &[],
        &[],
    ),
    (
        "/neighbors/{neighbor}/clear",
        "post",
        "soft, soft-in, soft-out, or hard.",
        &[],
        &["how"],
    ),
    (
        "/rib",
        "get",
        "A page of a table; view is local, received or advertised.",
        &[
            "family",
            "vrf",
            "view",
            NEIGHBOR,
            "prefix",
            "longer",
            "longest",
            "community",
            "as",
            "cursor",
            "limit",
        ],
        &[],
    ),
    (
        "/why",
        "get",
        "Why a route's paths are best or not, and to whom it is sent or not.",
        &["route", "family", "vrf", "to"],
        &[],
    ),
    (
        "/routes",
        "post",
        "Originate a route.",
        &[],
        &[
            "route",
            "next_hop",
            "communities",
            "med",
            "local_pref",
            "as_path",
            "vrf",
            "rd",
            "label",
            "vni",
            "vni2",
            "gateway",
            "esi",
        ],
    ),
    (
        "/routes",
        "delete",
        "Withdraw what was originated.",
        &[],
        &["route", "vrf", "rd", "labeled", "all"],
    ),
    (
        "/policy/test",
        "post",
        "Which routes other policies would change.",
        &[],
        &["config", NEIGHBOR, "limit"],
    ),
    (
        "/config/diff",
        "post",
        "What a configuration (TOML, the body) would change.",
        &[],
        &[],
    ),
    (
        "/reload",
        "post",
        "Read the configuration file again.",
        &[],
        &["dry_run"],
    ),
    (
        "/mrt/dump",
        "post",
        "Dump all tables into a file of the daemon's host.",
        &[],
        &["file"],
    ),
    (
        "/mrt/load",
        "post",
        "Originate the routes of a dump.",
        &[],
        &["file"],
    ),
    (
        "/events",
        "get",
        "Events as they happen (text/event-stream).",
        &[NEIGHBOR, "since"],
        &[],
    ),
    ("/metrics", "get", "OpenMetrics text.", &[], &[]),
    ("/openapi.json", "get", "This description.", &[], &[]),
];

pub(super) async fn document() -> Json<Value> {
    let mut paths = json!({});
    for (path, method, summary, query, keys) in OPERATIONS {
        let mut parameters: Vec<Value> =
            query.iter().map(|name| parameter(name, "query")).collect();
        if path.contains("{neighbor}") {
            parameters.push(parameter(NEIGHBOR, "path"));
        }
        let mut operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {"description": "done"},
                "default": {
                    "description": "refused",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
        });
        if !keys.is_empty() {
            let properties: serde_json::Map<String, Value> = keys
                .iter()
                .map(|key| ((*key).to_owned(), json!({})))
                .collect();
            operation["requestBody"] = json!({"content": {"application/json": {"schema": {
                "type": "object", "properties": properties, "additionalProperties": false,
            }}}});
        }
        paths[*path][*method] = operation;
    }
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "Netwright BGP", "version": env!("CARGO_PKG_VERSION")},
        "servers": [{"url": "/bgp/v1"}],
        "paths": paths,
        "components": {"schemas": {"Error": {
            "type": "object",
            "properties": {"error": {"type": "object", "properties": {
                "status": {"type": "integer"}, "message": {"type": "string"},
            }}},
        }}},
    }))
}

fn parameter(name: &str, place: &str) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}})
}
