//! List, show, create, update and delete, once for every resource.

use crate::App;
use crate::error::ApiError;
use crate::request::body::{self, Payload};
use crate::request::query::Query;
use crate::resource::attribute::Filter;
use crate::resource::input::{Input, Verb};
use crate::resource::render::{self, ListBody, Part};
use crate::resource::standard::HasMeta;
use crate::resource::{Resource, Whole, owns, sees, select, show as show_row, visible};
use crate::who::Who;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use model::Timestamp;
use operations::{Context, Expect, OpError};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use store::{Row, Snapshot};
use uuid::Uuid;

pub(crate) async fn list<R: Resource>(
    State(state): State<App>,
    Who(who): Who,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(raw.as_deref(), R::ATTRIBUTES, who.is_admin)?;
    let snapshot = state.store.snapshot();
    let mut rows = candidates::<R>(&snapshot, &who, &query);
    rows.retain(|row| {
        sees::<R>(&row.value, &snapshot, &who)
            && select::matches(R::ATTRIBUTES, &row.value, &snapshot, &query)
    });
    let page = select::page(
        R::ATTRIBUTES,
        rows,
        |row| &row.value,
        |row| row.value.id(),
        &snapshot,
        &query,
    )
    .ok_or_else(|| ApiError::NotFound {
        kind: R::NOT_FOUND,
        message: R::not_found(query.marker.as_deref().unwrap_or_default()),
    })?;
    let ends = (
        page.first().map(|row| row.value.id()),
        page.last().map(|row| row.value.id()),
    );
    let url = format!("{}/v2.0/{}", origin(&headers), R::PATH);
    let links = page_links(&url, &query, page.len(), ends);
    let admin = who.is_admin;
    if query.fields.is_empty() && render::stands_alone(R::ATTRIBUTES) {
        let whole = |row| Whole::<R> { row, admin };
        let parts = page.into_iter().map(whole).collect();
        return Ok(stream_list(ListBody::new(R::COLLECTION, parts, links)));
    }
    let part = |row| show_row::<R>(row, &snapshot, admin, &query.fields);
    let parts = page.iter().map(|row| part(row)).collect();
    Ok(stream_list(ListBody::new(R::COLLECTION, parts, links)))
}

/// The rows that may pass the filters, found as cheaply as the indexes allow.
fn candidates<R: Resource>(
    snapshot: &Snapshot,
    who: &auth::Identity,
    query: &Query,
) -> Vec<Arc<Row<R::Table>>> {
    let ids =
        |texts: &[String]| -> Vec<Uuid> { texts.iter().filter_map(|id| id.parse().ok()).collect() };
    let mut rows: Vec<Arc<Row<R::Table>>> = match select::best_index(R::ATTRIBUTES, query) {
        Some((Filter::Id, texts)) => ids(texts)
            .into_iter()
            .filter_map(|id| R::find(snapshot, id))
            .collect(),
        Some((Filter::Parent, texts)) => ids(texts)
            .into_iter()
            .flat_map(|id| R::under(snapshot, id))
            .collect(),
        Some((Filter::Index(index), texts)) => texts
            .iter()
            .flat_map(|text| snapshot.lookup::<R::Table>(index, text).collect::<Vec<_>>())
            .collect(),
        _ if who.is_admin => return snapshot.scan::<R::Table>(()).collect(),
        _ => return R::within_sight(snapshot, who),
    };
    // One row may stand under several texts.
    rows.sort_by(|a, b| a.path().cmp(b.path()));
    rows.dedup_by(|a, b| a.path() == b.path());
    rows
}

/// Sends a list while it is being joined, with its length known from the start.
pub(crate) fn stream_list<P: Part>(list: ListBody<P>) -> Response {
    let length = list.len();
    let mut response =
        Body::from_stream(stream::iter(list.map(Ok::<_, Infallible>))).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CONTENT_LENGTH, length.into());
    response
}

/// The first part of every link: what the client called us.
pub(crate) fn origin(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    format!("http://{}", host.unwrap_or("localhost"))
}

/// The links to the neighbouring pages; none without a limit.
pub(crate) fn page_links(
    url: &str,
    query: &Query,
    count: usize,
    (first, last): (Option<String>, Option<String>),
) -> Option<Value> {
    let full = count >= query.limit?;
    let link = |rel: &str, marker: Option<String>, reverse: bool| {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        let kept = query
            .given
            .iter()
            .filter(|(k, _)| k != "marker" && k != "page_reverse");
        pairs.extend_pairs(kept);
        if let Some(marker) = marker {
            pairs.append_pair("marker", &marker);
        }
        if reverse {
            pairs.append_pair("page_reverse", "True");
        }
        json!({"rel": rel, "href": format!("{url}?{}", pairs.finish())})
    };
    let mut links = Vec::new();
    if full || query.reverse {
        links.push(link("next", last, false));
    }
    if full || !query.reverse {
        links.push(link("previous", first, true));
    }
    Some(links.into())
}

pub(crate) async fn show<R: Resource>(
    State(state): State<App>,
    Who(who): Who,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(raw.as_deref(), R::ATTRIBUTES, who.is_admin)?;
    let snapshot = state.store.snapshot();
    let row = visible::<R>(&snapshot, &who, &id)?;
    Ok(answer::<R>(
        StatusCode::OK,
        show_row::<R>(&row, &snapshot, who.is_admin, &query.fields),
    ))
}

pub(crate) async fn create<R: Resource>(
    State(state): State<App>,
    Who(who): Who,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let body = body::read(&headers, body).await?;
    let parse = |object: Map<String, Value>| {
        Input::check(
            R::SINGULAR,
            R::ATTRIBUTES,
            Verb::Create,
            who.is_admin,
            object,
        )
        .and_then(R::new)
    };
    let (new, bulk) = match body::payload(body, R::SINGULAR, R::COLLECTION)? {
        Payload::One(object) => (vec![parse(object)?], false),
        Payload::Many(objects) => {
            let new = objects
                .into_iter()
                .map(parse)
                .collect::<Result<Vec<_>, _>>();
            (new?, true)
        }
    };
    let now = Timestamp::now();
    let created = state
        .store
        .transact(|tx| {
            let ctx = Context::new(now, who.project.clone(), who.is_admin, &state.defaults);
            let create = |new: &R::New| R::create(tx, &ctx, new.clone());
            new.iter().map(create).collect::<Result<Vec<_>, OpError>>()
        })
        .await?
        .value;
    let snapshot = state.store.snapshot();
    let mut parts: Vec<_> = created
        .iter()
        .map(|model| current::<R>(&snapshot, model, who.is_admin))
        .collect();
    match parts.pop() {
        Some(part) if !bulk => Ok(answer::<R>(StatusCode::CREATED, part)),
        last => {
            parts.extend(last);
            let mut response = stream_list(ListBody::new(R::COLLECTION, parts, None));
            *response.status_mut() = StatusCode::CREATED;
            Ok(response)
        }
    }
}

pub(crate) async fn update<R: Resource>(
    State(state): State<App>,
    Who(who): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let expect = expectation(&headers)?;
    let row = writable::<R>(&state.store.snapshot(), &who, "update", &id)?;
    let body = body::read(&headers, body).await?;
    let object = body::single(body, R::SINGULAR)?;
    let input = Input::check(
        R::SINGULAR,
        R::ATTRIBUTES,
        Verb::Update,
        who.is_admin,
        object,
    )?;
    let changes = R::changes(input)?;
    let now = Timestamp::now();
    let model = state
        .store
        .transact(|tx| {
            let ctx = Context::new(now, who.project.clone(), who.is_admin, &state.defaults);
            R::update(tx, &ctx, &row.value, expect, changes.clone())
        })
        .await?
        .value;
    let part = current::<R>(&state.store.snapshot(), &model, who.is_admin);
    Ok(answer::<R>(StatusCode::OK, part))
}

pub(crate) async fn delete<R: Resource>(
    State(state): State<App>,
    Who(who): Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let expect = expectation(&headers)?;
    let row = writable::<R>(&state.store.snapshot(), &who, "delete", &id)?;
    let now = Timestamp::now();
    state
        .store
        .transact(|tx| {
            let ctx = Context::new(now, who.project.clone(), who.is_admin, &state.defaults);
            R::delete(tx, &ctx, &row.value, expect)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The object if the requester may write it. What they see but do not own is refused, not hidden.
pub(crate) fn writable<R: Resource>(
    snapshot: &Snapshot,
    who: &auth::Identity,
    action: &str,
    id: &str,
) -> Result<Arc<Row<R::Table>>, ApiError> {
    let row = visible::<R>(snapshot, who, id)?;
    match owns::<R>(&row.value, who) {
        true => Ok(row),
        false => Err(ApiError::Policy(format!("rule:{action}_{}", R::SINGULAR))),
    }
}

/// The object as it is now; as it was written when it is gone already.
fn current<R: Resource>(snapshot: &Snapshot, model: &R::Model, admin: bool) -> (Bytes, Bytes) {
    match snapshot.get::<R::Table>(&R::key(model)) {
        Some(row) => show_row::<R>(&row, snapshot, admin, &[]),
        None => (
            render::members(R::ATTRIBUTES, model, snapshot, admin, &[])
                .to_string()
                .into(),
            Bytes::new(),
        ),
    }
}

/// `If-Match: revision_number=N`.
pub(crate) fn expectation(headers: &HeaderMap) -> Result<Expect, ApiError> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(Expect::default());
    };
    let number = value
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("revision_number=")?.parse().ok());
    match number {
        Some(number) => Ok(Expect {
            revision_number: Some(number),
        }),
        None => Err(ApiError::BadRequest(
            "Invalid value for header If-Match: use revision_number=NUMBER".to_owned(),
        )),
    }
}

fn answer<R: Resource>(status: StatusCode, (open, close): (Bytes, Bytes)) -> Response {
    let mut body = Vec::with_capacity(R::SINGULAR.len() + open.len() + close.len() + 5);
    body.extend_from_slice(b"{\"");
    body.extend_from_slice(R::SINGULAR.as_bytes());
    body.extend_from_slice(b"\":");
    body.extend_from_slice(&open);
    body.extend_from_slice(&close);
    body.push(b'}');
    let json = [(header::CONTENT_TYPE, "application/json")];
    (status, json, body).into_response()
}
