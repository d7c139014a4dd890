//! The OpenAPI 3.1 document, made from the attribute tables.

use crate::neutron::networks::NetworkResource;
use crate::neutron::ports::PortResource;
use crate::neutron::security_group_rules::RuleResource;
use crate::neutron::security_groups::SecurityGroupResource;
use crate::neutron::subnets::SubnetResource;
use crate::resource::Resource;
use crate::resource::attribute::{Attribute, Create, Filter, Guard};
use axum::Json;
use serde_json::{Map, Value, json};

pub(crate) async fn document() -> Json<Value> {
    Json(build())
}

fn build() -> Value {
    let mut api = Document::default();
    api.describe::<NetworkResource>(true);
    api.describe::<SubnetResource>(true);
    api.describe::<PortResource>(true);
    api.describe::<SecurityGroupResource>(true);
    api.describe::<RuleResource>(false);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Netwright: Neutron API v2.0",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"token": []}],
        "paths": api.paths,
        "components": {
            "schemas": api.schemas,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
            "responses": {"Error": error_response()},
        },
    })
}

fn error_response() -> Value {
    let text = json!({"type": "string"});
    let error = json!({
        "type": "object",
        "properties": {"type": text, "message": text, "detail": text},
    });
    json!({
        "description": "Refused; nothing was changed.",
        "content": {"application/json": {"schema": {
            "type": "object",
            "properties": {"NeutronError": error},
        }}},
    })
}

#[derive(Default)]
struct Document {
    paths: Map<String, Value>,
    schemas: Map<String, Value>,
}

impl Document {
    fn describe<R: Resource>(&mut self, updatable: bool) {
        let name = R::SINGULAR;
        let reference =
            |suffix: &str| json!({"$ref": format!("#/components/schemas/{name}{suffix}")});
        let wrapped = |schema: Value| json!({"type": "object", "properties": {name: schema}});
        let one = answer("The object.", wrapped(reference("")));
        let many = json!({"type": "array", "items": reference("")});
        let list = json!({"type": "object", "properties": {R::COLLECTION: many}});
        let create = json!({"oneOf": [
            wrapped(reference("_create")),
            {"type": "object", "properties": {
                R::COLLECTION: {"type": "array", "items": reference("_create")},
            }},
        ]});
        self.paths.insert(
            format!("/v2.0/{}", R::PATH),
            json!({
                "get": {
                    "operationId": format!("list_{}", R::COLLECTION),
                    "parameters": list_parameters(R::ATTRIBUTES),
                    "responses": {"200": answer("The objects.", list), "default": error()},
                },
                "post": {
                    "operationId": format!("create_{name}"),
                    "requestBody": body(create),
                    "responses": {"201": one, "default": error()},
                },
            }),
        );
        let mut item = json!({
            "parameters": [parameter("id", "path", json!({"type": "string", "format": "uuid"}))],
            "get": {
                "operationId": format!("show_{name}"),
                "responses": {"200": one, "default": error()},
            },
            "delete": {
                "operationId": format!("delete_{name}"),
                "responses": {"204": {"description": "Gone."}, "default": error()},
            },
        });
        if updatable {
            item["put"] = json!({
                "operationId": format!("update_{name}"),
                "requestBody": body(wrapped(reference("_update"))),
                "responses": {"200": one, "default": error()},
            });
            let update = schema(R::ATTRIBUTES, |a| a.update, false);
            self.schemas.insert(format!("{name}_update"), update);
        }
        self.paths.insert(format!("/v2.0/{}/{{id}}", R::PATH), item);
        let shown = schema(R::ATTRIBUTES, |_| true, false);
        let creatable = schema(R::ATTRIBUTES, |a| a.create != Create::Refused, true);
        self.schemas.insert(name.to_owned(), shown);
        self.schemas.insert(format!("{name}_create"), creatable);
    }
}

fn schema<V>(table: &[Attribute<V>], include: fn(&Attribute<V>) -> bool, create: bool) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for attribute in table.iter().filter(|attribute| include(attribute)) {
        let mut property = attribute.kind.schema();
        if attribute.nullable {
            property = json!({"anyOf": [property, {"type": "null"}]});
        }
        match attribute.guard {
            Guard::Anyone => {}
            Guard::AdminWrites => property["description"] = "Written by administrators.".into(),
            Guard::AdminOnly => property["description"] = "For administrators.".into(),
        }
        match attribute.create {
            Create::Required if create => required.push(attribute.name),
            Create::Optional(preset) if create => {
                if let Some(value) = preset.value() {
                    property["default"] = value;
                }
            }
            _ => {}
        }
        properties.insert(attribute.name.to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn list_parameters<V>(table: &[Attribute<V>]) -> Value {
    let text = || json!({"type": "string"});
    let filters = table
        .iter()
        .filter(|attribute| attribute.filter != Filter::None)
        .map(|attribute| parameter(attribute.name, "query", attribute.kind.schema()));
    let sortable: Vec<&str> = table.iter().filter(|a| a.sort).map(|a| a.name).collect();
    let common = [
        parameter("fields", "query", text()),
        parameter(
            "sort_key",
            "query",
            json!({"type": "string", "enum": sortable}),
        ),
        parameter(
            "sort_dir",
            "query",
            json!({"type": "string", "enum": ["asc", "desc"]}),
        ),
        parameter("limit", "query", json!({"type": "integer", "minimum": 0})),
        parameter("marker", "query", text()),
        parameter("page_reverse", "query", json!({"type": "boolean"})),
    ];
    filters.chain(common).collect()
}

fn parameter(name: &str, place: &str, schema: Value) -> Value {
    json!({"name": name, "in": place, "required": place == "path", "schema": schema})
}

fn body(schema: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

fn answer(description: &str, schema: Value) -> Value {
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn error() -> Value {
    json!({"$ref": "#/components/responses/Error"})
}
