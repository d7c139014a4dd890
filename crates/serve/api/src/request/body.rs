//! Bodies: bounded in size, JSON by name and by nature, one object or a list of them under the resource's name.

use crate::error::ApiError;
use crate::request::json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde_json::{Map, Value};

/// Bytes of one request body. A bulk create of 5,000 ports has about 1 MiB.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// What a create request holds.
pub(crate) enum Payload {
    One(Map<String, Value>),
    Many(Vec<Map<String, Value>>),
}

/// Reads the whole body as strict JSON.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Value, ApiError> {
    check_type(headers)?;
    let bytes = read_bytes(headers, body).await?;
    json::parse(&bytes).map_err(ApiError::Json)
}

/// A body must say that it is JSON: then a browser asks first before it lets another site's page send one.
fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.map_or("none", |value| value.to_str().unwrap_or("?"));
    let essence = text.split(';').next().unwrap_or_default().trim();
    match essence.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(ApiError::ContentType(text.to_owned())),
    }
}

async fn read_bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::BodyTooLarge { limit: MAX_BODY };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_large());
    }
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|error| {
        let source = std::error::Error::source(&error);
        match source.is_some_and(|source| source.is::<LengthLimitError>()) {
            true => too_large(),
            false => ApiError::BodyCut,
        }
    })
}

/// The objects of a create request: `{"port": {…}}` or `{"ports": [{…}, …]}`.
pub(crate) fn payload(body: Value, singular: &str, collection: &str) -> Result<Payload, ApiError> {
    let Value::Object(mut body) = body else {
        return Err(ApiError::BadRequest("Resource body required".to_owned()));
    };
    if let Some(Value::Array(items)) = body.remove(collection) {
        check_alone(&body)?;
        if items.is_empty() {
            return Err(ApiError::BadRequest("Resources required".to_owned()));
        }
        let maps = items.into_iter().map(|item| unwrap_item(item, singular));
        return maps.collect::<Result<_, _>>().map(Payload::Many);
    }
    one(body, singular).map(Payload::One)
}

/// The object of an update request.
pub(crate) fn single(body: Value, singular: &str) -> Result<Map<String, Value>, ApiError> {
    match body {
        Value::Object(body) => one(body, singular),
        _ => Err(ApiError::BadRequest("Resource body required".to_owned())),
    }
}

fn one(mut body: Map<String, Value>, singular: &str) -> Result<Map<String, Value>, ApiError> {
    match body.remove(singular) {
        Some(Value::Object(map)) => check_alone(&body).map(|()| map),
        _ => Err(ApiError::BadRequest(format!(
            "Unable to find '{singular}' in request body"
        ))),
    }
}

/// An item of a bulk request, which may be wrapped under the singular name once more.
fn unwrap_item(item: Value, singular: &str) -> Result<Map<String, Value>, ApiError> {
    match item {
        Value::Object(mut map) => match map.remove(singular) {
            Some(Value::Object(inner)) if map.is_empty() => Ok(inner),
            Some(other) => {
                map.insert(singular.to_owned(), other);
                Ok(map)
            }
            None => Ok(map),
        },
        _ => Err(ApiError::BadRequest(format!(
            "each {singular} must be an object"
        ))),
    }
}

fn check_alone(rest: &Map<String, Value>) -> Result<(), ApiError> {
    match rest.keys().next() {
        None => Ok(()),
        Some(key) => Err(ApiError::BadRequest(format!(
            "Unexpected '{key}' beside the resource in the request body"
        ))),
    }
}
