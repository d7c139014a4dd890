//! The OpenAPI 3.1 document of the map, made from the table of its requests.

use super::table::{Endpoint, Field, Kind, endpoints};
use axum::Json;
use serde_json::{Map, Value, json};

pub(super) async fn document() -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints() {
        let path = paths
            .entry(format!("/netwright/v1/topology{}", endpoint.path))
            .or_insert_with(|| json!({}));
        path[endpoint.method.to_lowercase()] = operation(&endpoint);
    }
    let text = json!({"type": "string"});
    Json(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Netwright: the map",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "responses": {"Error": {
                "description": "Refused; nothing was changed.",
                "content": {"application/json": {"schema": {
                    "type": "object",
                    "properties": {"error": {
                        "type": "object",
                        "properties": {"type": text, "message": text},
                    }},
                }}},
            }},
        },
    }))
}

fn operation(endpoint: &Endpoint) -> Value {
    let in_path = endpoint
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = endpoint.query.iter().map(|field| {
        json!({"name": field.name, "in": "query", "required": field.needed, "schema": schema(field)})
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut out = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.says,
        "parameters": parameters,
        "responses": {
            endpoint.status.to_string(): answer(endpoint),
            "default": {"$ref": "#/components/responses/Error"},
        },
    });
    if !endpoint.body.is_empty() {
        let members: Map<String, Value> = endpoint
            .body
            .iter()
            .map(|field| (field.name.to_owned(), schema(field)))
            .collect();
        let needed: Vec<&str> = endpoint
            .body
            .iter()
            .filter(|f| f.needed)
            .map(|f| f.name)
            .collect();
        let shape = json!({"type": "object", "properties": members, "required": needed});
        out["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": shape}}});
    }
    out
}

/// `get_environments_diff_picture`: the method and the words of the path; `_one` where it ends with a name.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(['/', '-', '.']);
    let named = words.filter(|word| !word.is_empty() && !word.starts_with('{'));
    let mut id = named.fold(endpoint.method.to_lowercase(), |id, word| id + "_" + word);
    if endpoint.path.ends_with('}') {
        id.push_str("_one");
    }
    id
}

fn answer(endpoint: &Endpoint) -> Value {
    if endpoint.answer.is_empty() {
        return json!({"description": endpoint.says});
    }
    let members: Map<String, Value> = endpoint
        .answer
        .iter()
        .map(|name| ((*name).to_owned(), json!({})))
        .collect();
    json!({
        "description": endpoint.says,
        "content": {"application/json": {"schema": {"type": "object", "properties": members}}},
    })
}

fn schema(field: &Field) -> Value {
    let one = match field.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Number => json!({"type": "integer", "minimum": 0}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Key => json!({"type": "string", "pattern": "^[^/]+/.+$"}),
        Kind::OneOf(names) => json!({"type": "string", "enum": names}),
        Kind::Any => json!({}),
    };
    match field.many {
        true => json!({"type": "array", "items": one}),
        false => one,
    }
}
