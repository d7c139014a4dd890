//! Agents as the Neutron API has them: one for each registered host, alive when its stream is up.
//! Others than administrators see none.

use crate::App;
use crate::error::ApiError;
use crate::neutron::handlers::{expectation, origin, page_links, stream_list};
use crate::request::body;
use crate::request::query::Query;
use crate::resource::attribute::{Attribute, Filter};
use crate::resource::input::{Input, Verb};
use crate::resource::kind::{Kind, NAME_MAX};
use crate::resource::render::{ListBody, members};
use crate::resource::select;
use crate::who::Who;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use controller::HostReport;
use model::{AgentId, Host, Timestamp};
use operations::OpError;
use operations::hosts::{self, HostChanges};
use operations::tables::{BY_ID, Hosts};
use serde_json::{Value, json};
use std::sync::Arc;
use store::{Row, Snapshot};

/// A host's row and what is observed of its agent.
struct Agent {
    row: Arc<Row<Hosts>>,
    report: Option<HostReport>,
}

impl Agent {
    fn host(&self) -> &Host {
        &self.row.value
    }
}

const ATTRIBUTES: &[Attribute<Agent>] = &[
    Attribute::new("id", Kind::Uuid, |a: &Agent| {
        a.host().agent_id.to_string().into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("agent_type", Kind::Text(NAME_MAX), |_| {
        "Netwright agent".into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("binary", Kind::Text(NAME_MAX), |_| {
        "netwright-host-agent".into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("topic", Kind::Text(NAME_MAX), |_| "N/A".into()).filter(Filter::Scan),
    Attribute::new("host", Kind::Text(NAME_MAX), |a: &Agent| {
        a.host().name.as_str().into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("admin_state_up", Kind::Bool, |a: &Agent| {
        a.host().admin_state_up.into()
    })
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("alive", Kind::Bool, |a: &Agent| {
        a.report
            .as_ref()
            .is_some_and(|report| report.connected)
            .into()
    })
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("description", Kind::Text(NAME_MAX), |a: &Agent| {
        a.host().description.as_str().into()
    })
    .nullable()
    .update()
    .filter(Filter::Scan)
    .sort(),
    Attribute::new("availability_zone", Kind::Text(NAME_MAX), |_| Value::Null).nullable(),
    Attribute::new("created_at", Kind::Time, |a: &Agent| {
        time(a.host().registered_at)
    })
    .sort(),
    Attribute::new("started_at", Kind::Time, |a: &Agent| {
        time(a.host().registered_at)
    })
    .sort(),
    Attribute::new("heartbeat_timestamp", Kind::Time, |a: &Agent| {
        let heard = a.report.as_ref().map(|report| report.last_heard);
        heard.map_or(Value::Null, time)
    })
    .nullable()
    .sort(),
    Attribute::new("configurations", Kind::Object, configurations),
];

/// Agents' times have a blank in the middle and no zone.
fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string().into()
}

fn configurations(agent: &Agent) -> Value {
    let mut configurations = json!({
        "tunneling_ip": agent.host().tunnel_address,
        "tunnel_types": ["vxlan"],
    });
    if let Some(report) = &agent.report {
        configurations["agent_version"] = report.agent_version.as_str().into();
        configurations["applied_revision"] = report.applied.0.into();
    }
    configurations
}

fn agent(state: &App, row: Arc<Row<Hosts>>) -> Agent {
    let report = state.observed.host(&row.key);
    Agent { row, report }
}

fn visible(state: &App, who: &Who, snapshot: &Snapshot, id: &str) -> Result<Agent, ApiError> {
    let parsed: Option<AgentId> = id.parse().ok().filter(|_| who.0.is_admin);
    parsed
        .and_then(|id| snapshot.lookup::<Hosts>(BY_ID, &id.to_string()).next())
        .map(|row| agent(state, row))
        .ok_or_else(|| not_found(id))
}

fn not_found(id: &str) -> ApiError {
    ApiError::NotFound {
        kind: "AgentNotFound",
        message: format!("Agent {id} could not be found"),
    }
}

pub(crate) async fn list(
    State(state): State<App>,
    who: Who,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Result<Response, ApiError> {
    let query = Query::parse(raw.as_deref(), ATTRIBUTES, true)?;
    let snapshot = state.store.snapshot();
    let agents: Vec<Agent> = snapshot
        .scan::<Hosts>(())
        .filter(|_| who.0.is_admin)
        .map(|row| agent(&state, row))
        .filter(|agent| select::matches(ATTRIBUTES, agent, &snapshot, &query))
        .collect();
    let id = |agent: &Agent| agent.host().agent_id.to_string();
    let page = select::page(ATTRIBUTES, agents, |agent| agent, id, &snapshot, &query)
        .ok_or_else(|| not_found(query.marker.as_deref().unwrap_or_default()))?;
    let parts = page
        .iter()
        .map(|agent| {
            (
                members(ATTRIBUTES, agent, &snapshot, true, &query.fields)
                    .to_string()
                    .into(),
                Bytes::new(),
            )
        })
        .collect();
    let url = format!("{}/v2.0/agents", origin(&headers));
    let links = page_links(
        &url,
        &query,
        page.len(),
        (page.first().map(id), page.last().map(id)),
    );
    Ok(stream_list(ListBody::new("agents", parts, links)))
}

pub(crate) async fn show(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let query = Query::parse(raw.as_deref(), ATTRIBUTES, true)?;
    let snapshot = state.store.snapshot();
    let agent = visible(&state, &who, &snapshot, &id)?;
    Ok(answer(&agent, &snapshot, &query.fields))
}

pub(crate) async fn update(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let seen = visible(&state, &who, &state.store.snapshot(), &id)?;
    let object = body::single(body::read(&headers, body).await?, "agent")?;
    let mut input = Input::check("agent", ATTRIBUTES, Verb::Update, true, object)?;
    let changes = HostChanges {
        admin_state_up: input.take("admin_state_up")?,
        description: input
            .take_nullable("description")?
            .map(Option::unwrap_or_default),
    };
    state
        .store
        .transact(|tx| hosts::update(tx, &seen.row.key, changes.clone()))
        .await?;
    let snapshot = state.store.snapshot();
    let agent = visible(&state, &who, &snapshot, &id)?;
    Ok(answer(&agent, &snapshot, &[]))
}

pub(crate) async fn delete(
    State(state): State<App>,
    who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    expectation(&headers)?;
    let seen = visible(&state, &who, &state.store.snapshot(), &id)?;
    state
        .store
        .transact(|tx| -> Result<(), OpError> { hosts::delete(tx, &seen.row.key) })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(agent: &Agent, snapshot: &Snapshot, fields: &[String]) -> Json<Value> {
    let object = members(ATTRIBUTES, agent, snapshot, true, fields);
    Json(json!({"agent": object}))
}
