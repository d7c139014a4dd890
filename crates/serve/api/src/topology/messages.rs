//! Messages tied to objects, and results of outside checks.

use super::access::{Asker, In, object_ref, segment};
use super::error::MapError;
use super::{blocking, parse};
use crate::live::params::Params;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use discovery::environment::Right;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::monitoring::{alerts, sensu_result};
use topology::{CheckResult, Message, MessageQuery, ObjectRef, Severity, Version};

pub(super) async fn list(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment)?;
    let objects: Vec<String> = params.take_all("objects")?;
    let severities: Vec<String> = params.take_all("severity")?;
    let query = MessageQuery {
        objects: objects
            .iter()
            .map(|key| object_ref(key))
            .collect::<Result<_, _>>()?,
        severities: severities
            .iter()
            .map(|name| severity_of(name))
            .collect::<Result<_, _>>()?,
        source: params.take::<String>("source")?.map(Into::into),
        text: params.take("q")?.unwrap_or_default(),
        from: params.take("from")?,
        until: params.take("until")?,
        before: params.take("before")?,
        limit: params.limit(100, 1000)?,
    };
    params.done()?;
    if !view.sees_all() {
        // A tenant reads the messages of its own objects only.
        let seen = view.seen(view.map.head());
        let own = |key: &ObjectRef| {
            seen.version
                .find(key)
                .is_some_and(|handle| seen.sees(handle))
        };
        if query.objects.is_empty() || !query.objects.iter().all(own) {
            return Err(MapError::Malformed(
                "say of which of your objects: objects=type/id".to_owned(),
            ));
        }
    }
    let (messages, total) = view.map.find_messages(&query);
    let next = (messages.len() == query.limit).then(|| messages.last().map(|message| message.id));
    Ok(Json(
        json!({"messages": messages, "next": next.flatten(), "total": total}),
    ))
}

fn severity_of(name: &str) -> Result<Severity, MapError> {
    serde_json::from_value(Value::from(name)).map_err(|_| {
        MapError::Malformed(format!(
            "severity '{name}': debug, info, warning, error or critical"
        ))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBody {
    severity: Severity,
    text: String,
    /// `type/id`, the main one first.
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    at: Option<Timestamp>,
}

/// Characters of a message.
const MAX_TEXT: usize = 16_384;

pub(super) async fn post(
    asker: Asker,
    In(environment): In,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    asker.need(&environment, Right::Scan)?;
    let map = asker.view(environment)?.map;
    let body: MessageBody = parse(&headers, body).await?;
    if body.text.is_empty() || body.text.len() > MAX_TEXT || body.objects.len() > 100 {
        return Err(MapError::Malformed(format!(
            "a message has 1 to {MAX_TEXT} bytes of text and at most 100 objects"
        )));
    }
    let now = Timestamp::now();
    let message = Message {
        id: 0,
        severity: body.severity,
        source: body.source.as_deref().unwrap_or("API").into(),
        text: body.text.into(),
        at: body.at.unwrap_or(now),
        received_at: now,
        objects: body
            .objects
            .iter()
            .map(|key| object_ref(key))
            .collect::<Result<_, _>>()?,
        context: None,
        viewed: false,
    };
    let told = blocking(move || map.tell(vec![message])).await?;
    Ok((StatusCode::CREATED, Json(json!({"message": told.first()}))))
}

pub(super) async fn viewed(
    asker: Asker,
    In(environment): In,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    asker.need(&environment, Right::View)?;
    let id: u64 = segment(&values, "id")?;
    let map = asker.view(environment)?.map;
    match blocking(move || map.view_message(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(MapError::NotFound {
            what: "message",
            id: id.to_string(),
        }),
    }
}

/// Takes check results: `{"results": [...]}` in the form of docs/topology-api.md, one Sensu event, or an Alertmanager notification; each
/// result is taken or refused with a reason, by itself.
pub(super) async fn checks(
    asker: Asker,
    In(environment): In,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, MapError> {
    asker.need(&environment, Right::Scan)?;
    let map = asker.view(environment)?.map;
    let body: Value = parse(&headers, body).await?;
    let (results, refused) = read_results(&map.head(), &body)?;
    let now = Timestamp::now();
    let count = results.len();
    let committed = blocking(move || map.check(&results, now)).await?;
    Ok(Json(json!({
        "version": committed.version.number,
        "taken": count - committed.changes.ignored,
        "ignored": committed.changes.ignored,
        "refused": refused,
    })))
}

fn read_results(
    version: &Version,
    body: &Value,
) -> Result<(Vec<CheckResult>, Vec<String>), MapError> {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    let mut note = |result: Result<CheckResult, String>| match result {
        Ok(result) => taken.push(result),
        Err(reason) => refused.push(reason),
    };
    if let Some(results) = body.get("results").and_then(Value::as_array) {
        for result in results {
            note(serde_json::from_value(result.clone()).map_err(|error| error.to_string()));
        }
    } else if body.get("alerts").is_some() {
        for result in alerts(version, body) {
            note(result.map_err(|error| error.to_string()));
        }
    } else if body.get("check").is_some() {
        note(sensu_result(version, body).map_err(|error| error.to_string()));
    } else {
        let expected = "send {\"results\": […]}, a Sensu event or an Alertmanager notification";
        return Err(MapError::Malformed(expected.to_owned()));
    }
    Ok((taken, refused))
}
