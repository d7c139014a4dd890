//! From a request to an answer: what it names is checked against the table, then documents are read or written.

use super::documents::{Documents, Query};
use super::spec::{Endpoint, Field, Kind, endpoint};
use super::{connection_tests, environment, login, posts};
use crate::request::json;
use serde_json::{Map, Value, json};

/// A request, as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// The path behind `/calipso/`.
    pub endpoint: String,
    pub parameters: Vec<(String, String)>,
    pub token: Option<String>,
    pub body: Vec<u8>,
}

/// A status and a JSON body.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    pub(super) fn refuse(status: u16, message: impl Into<String>) -> Self {
        let title = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            413 => "Payload Too Large",
            _ => "Internal Server Error",
        };
        let body = json!({"error": {"message": message.into(), "code": status, "title": title}});
        Self { status, body }
    }
}

/// A page of documents in a list.
const PAGE_SIZE: usize = 1000;

/// Answers one request.
pub fn answer(request: &Request, documents: &dyn Documents) -> Answer {
    let answered = match (request.method.as_str(), request.endpoint.as_str()) {
        ("POST", "auth/tokens") => body(request).and_then(|body| login::log_in(&body, documents)),
        ("DELETE", "auth/tokens") => login::log_out(request.token.as_deref(), documents),
        ("GET", "constants") => constant(request, documents),
        ("GET", "aggregates") => aggregates(request, documents),
        (method, path) => match (method, endpoint(path)) {
            (_, None) => Err(Answer::refuse(
                404,
                format!("there is no endpoint '/{path}'"),
            )),
            ("GET", Some(endpoint)) => get(request, endpoint, documents),
            ("POST", Some(endpoint)) if !endpoint.post.is_empty() => {
                body(request).and_then(|document| post(endpoint, &document, documents))
            }
            _ => Err(Answer::refuse(
                405,
                format!("{method} is not allowed for '/{path}'"),
            )),
        },
    };
    answered.unwrap_or_else(|refusal| refusal)
}

fn bad(message: impl Into<String>) -> Answer {
    Answer::refuse(400, message)
}

fn body(request: &Request) -> Result<Map<String, Value>, Answer> {
    match json::parse(&request.body) {
        Ok(Value::Object(document)) => Ok(document),
        Ok(_) => Err(bad("the body must be a JSON object")),
        Err(error) => Err(bad(format!("the body is no valid JSON: {error}"))),
    }
}

fn get(
    request: &Request,
    endpoint: &Endpoint,
    documents: &dyn Documents,
) -> Result<Answer, Answer> {
    let query = query(request, endpoint)?;
    let found = documents.read(endpoint.path, &query);
    if found.is_empty()
        && let Some(name) = endpoint
            .environment
            .and_then(|name| query.filters.get(name))
            .and_then(Value::as_str)
        && !documents.environment_exists(name)
    {
        return Err(bad(format!("unknown environment: {name}")));
    }
    if query.filters.contains_key(endpoint.one) {
        return match found.into_iter().next() {
            Some(document) => Ok(Answer::ok(document)),
            None => Err(Answer::refuse(404, "nothing found")),
        };
    }
    Ok(Answer::ok(json!({endpoint.collection: found})))
}

/// Checks all parameters.
fn query(request: &Request, endpoint: &Endpoint) -> Result<Query, Answer> {
    let mut query = Query {
        page_size: PAGE_SIZE,
        ..Query::default()
    };
    for (name, text) in &request.parameters {
        let number = || {
            text.parse::<usize>()
                .map_err(|_| bad(format!("{name} must be a whole number, not '{text}'")))
        };
        match name.as_str() {
            "page" => query.page = number()?,
            "page_size" => query.page_size = number()?.min(10_000),
            _ => parameter(endpoint, name, text, &mut query)?,
        }
    }
    for field in endpoint.get.iter().filter(|field| field.mandatory) {
        if !query.filters.contains_key(field.name) {
            return Err(bad(format!("{} must be specified", field.name)));
        }
    }
    if query.filters.contains_key("distribution_version")
        && !query.filters.contains_key("distribution")
    {
        return Err(bad("distribution_version needs distribution"));
    }
    Ok(query)
}

fn parameter(endpoint: &Endpoint, name: &str, text: &str, query: &mut Query) -> Result<(), Answer> {
    if let Some(attribute) = name
        .strip_prefix("attributes:")
        .filter(|_| endpoint.path == "links")
    {
        query
            .attributes
            .insert(attribute.to_owned(), text.to_owned());
        return Ok(());
    }
    let field = endpoint.get.iter().find(|field| field.name == name);
    let field = field.ok_or_else(|| bad(format!("unknown parameter '{name}'")))?;
    let value = field
        .kind
        .read(text)
        .map_err(|expected| bad(format!("{name} must be {expected}, not '{text}'")))?;
    // These may be given several times.
    if matches!(
        (endpoint.path, name),
        ("clique_types", "link_type")
            | ("clique_constraints", "constraint")
            | ("connection_tests", "test_targets")
    ) {
        query
            .all_of
            .entry(name.to_owned())
            .or_default()
            .push(text.to_owned());
    } else {
        query.filters.insert(name.to_owned(), value);
    }
    Ok(())
}

fn post(
    endpoint: &Endpoint,
    document: &Map<String, Value>,
    documents: &dyn Documents,
) -> Result<Answer, Answer> {
    check(endpoint.post, document).map_err(bad)?;
    match endpoint.path {
        "clique_types" => posts::clique_type(document, documents)?,
        "environment_configs" => environment::check(document, documents)?,
        "connection_tests" => connection_tests::check(document)?,
        _ => posts::scan(document)?,
    }
    // Connections are tested before there is an environment.
    if !matches!(endpoint.path, "environment_configs" | "connection_tests")
        && let Some(name) = document.get("environment").and_then(Value::as_str)
        && !documents.environment_exists(name)
    {
        return Err(bad(format!("unknown environment: {name}")));
    }
    let id = documents
        .write(endpoint.path, document)
        .map_err(|(status, message)| Answer::refuse(status, message))?;
    Ok(Answer {
        status: 201,
        body: json!({"message": format!("created {} {id}", endpoint.path), "id": id}),
    })
}

/// All attributes of a document are known and are what they should be, and none is missing.
fn check(fields: &[Field], document: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in document {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| format!("unknown attribute '{name}'"))?;
        field
            .kind
            .check(value)
            .map_err(|expected| format!("{name} must be {expected}"))?;
    }
    match fields
        .iter()
        .find(|field| field.mandatory && !document.contains_key(field.name))
    {
        Some(field) => Err(format!("{} must be specified", field.name)),
        None => Ok(()),
    }
}

/// Reads the parameters of an endpoint that is not in the table.
fn only(request: &Request, fields: &[Field]) -> Result<Map<String, Value>, Answer> {
    let mut values = Map::new();
    for (name, text) in &request.parameters {
        let field = fields.iter().find(|field| field.name == name);
        let field = field.ok_or_else(|| bad(format!("unknown parameter '{name}'")))?;
        let value = field
            .kind
            .read(text)
            .map_err(|expected| bad(format!("{name} must be {expected}")))?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn constant(request: &Request, documents: &dyn Documents) -> Result<Answer, Answer> {
    const NAME: &[Field] = &[Field {
        name: "name",
        kind: Kind::Text,
        mandatory: true,
    }];
    let filters = only(request, NAME)?;
    if filters.is_empty() {
        return Err(bad("name must be specified"));
    }
    let query = Query {
        filters,
        page_size: 1,
        ..Query::default()
    };
    match documents.read("constants", &query).into_iter().next() {
        Some(constant) => Ok(Answer::ok(constant)),
        None => Err(Answer::refuse(404, "there is no such constant")),
    }
}

fn aggregates(request: &Request, documents: &dyn Documents) -> Result<Answer, Answer> {
    const FIELDS: &[Field] = &[
        Field {
            name: "type",
            kind: Kind::Text,
            mandatory: true,
        },
        Field {
            name: "env_name",
            kind: Kind::Text,
            mandatory: false,
        },
    ];
    let values = only(request, FIELDS)?;
    let kind = values
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(|| bad("type must be specified"))?;
    let environment = values.get("env_name").and_then(Value::as_str);
    let names: &[&str] = match (kind, environment) {
        ("environment", None) => return Err(bad("env_name must be specified")),
        ("environment", Some(name)) if !documents.environment_exists(name) => {
            return Err(bad(format!("unknown environment: {name}")));
        }
        ("environment", _) => &["object_types"],
        ("message", _) => &["environments", "levels"],
        ("constant", _) => &["names"],
        _ => return Err(bad("type must be environment, message or constant")),
    };
    let counts = documents.aggregate(kind, environment);
    let aggregates: Map<String, Value> = names
        .iter()
        .zip(counts)
        .map(|(name, counts)| ((*name).to_owned(), json!(counts)))
        .collect();
    let mut body = json!({"type": kind, "aggregates": aggregates});
    if let Some(name) = environment {
        body["env_name"] = name.into();
    }
    Ok(Answer::ok(body))
}
