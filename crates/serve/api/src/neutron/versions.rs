//! Version discovery, open to everyone.

use crate::neutron::handlers::origin;
use axum::Json;
use axum::http::HeaderMap;
use serde_json::{Value, json};

/// `GET /`
pub(crate) fn discovery(headers: &HeaderMap) -> Json<Value> {
    let href = format!("{}/v2.0/", origin(headers));
    Json(json!({"versions": [{
        "id": "v2.0",
        "status": "CURRENT",
        "links": [{"rel": "self", "href": href}],
    }]}))
}

/// `GET /v2.0/`
pub(crate) async fn resources(headers: HeaderMap) -> Json<Value> {
    let origin = origin(&headers);
    let resource = |(name, path): (&str, &str)| {
        json!({
            "name": name,
            "collection": path,
            "links": [{"rel": "self", "href": format!("{origin}/v2.0/{path}")}],
        })
    };
    let resources: Vec<Value> = [
        ("network", "networks"),
        ("subnet", "subnets"),
        ("port", "ports"),
        ("security_group", "security-groups"),
        ("security_group_rule", "security-group-rules"),
        ("agent", "agents"),
        ("extension", "extensions"),
        ("quota", "quotas"),
    ]
    .into_iter()
    .map(resource)
    .collect();
    Json(json!({"resources": resources}))
}
