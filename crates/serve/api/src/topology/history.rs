//! Versions: the list, snapshots, and what differs between two.

use super::access::{Asker, In, segment};
use super::error::MapError;
use super::{blocking, parse};
use crate::live::params::Params;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use discovery::environment::Right;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;
use topology::{History, Report, Version};

pub(super) async fn list(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let history = asker.view(environment)?.map.history();
    let named: bool = params.take("named")?.unwrap_or(false);
    let before: Option<u64> = params.take("before")?;
    let limit = params.limit(100, 1000)?;
    params.done()?;
    let wanted = |version: &Version| {
        before.is_none_or(|before| version.number < before)
            && (!named || history.label_of(version.number).is_some())
    };
    let rows: Vec<Value> = history
        .iter()
        .rev()
        .filter(|(version, _)| wanted(version))
        .take(limit)
        .map(|(version, _)| version_view(&history, version))
        .collect();
    Ok(Json(json!({"versions": rows, "total": history.len()})))
}

fn version_view(history: &History, version: &Version) -> Value {
    let label = history.label_of(version.number);
    json!({
        "number": version.number,
        "at": version.at,
        "cause": version.cause.to_string(),
        "name": label.map(|label| &label.name),
        "pinned": label.is_some_and(|label| label.pinned),
        "objects": version.object_count(),
        "links": version.link_count(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotBody {
    name: String,
    #[serde(default)]
    pinned: bool,
}

/// Names the present state.
pub(super) async fn snapshot(
    asker: Asker,
    In(environment): In,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Value>), MapError> {
    asker.need(&environment, Right::Scan)?;
    let view = asker.view(environment)?;
    let SnapshotBody { name, pinned } = parse(&headers, body).await?;
    if name.trim().is_empty() || name.len() > 255 || name.parse::<u64>().is_ok() {
        return Err(MapError::Malformed(
            "a snapshot's name has 1 to 255 characters and is no number".to_owned(),
        ));
    }
    let map = view.map.clone();
    let committed = blocking(move || map.snapshot(&name, pinned, Timestamp::now())).await?;
    let version = version_view(&view.map.history(), &committed.version);
    Ok((StatusCode::CREATED, Json(json!({"version": version}))))
}

/// Deletes a version; the last one stays.
pub(super) async fn forget(
    asker: Asker,
    In(environment): In,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    asker.need(&environment, Right::Edit)?;
    let number: u64 = segment(&values, "number")?;
    let map = asker.view(environment)?.map;
    blocking(move || map.forget(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cliques a comparison looks at.
const CLIQUES: usize = 10_000;

/// How a report is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Csv,
    Markdown,
    Html,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "markdown" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            _ => Err("json, csv, markdown or html"),
        }
    }
}

pub(super) fn rendered(report: &Report, format: Format) -> Result<Response, MapError> {
    let (kind, text) = match format {
        Format::Json => {
            let text = report
                .to_json()
                .map_err(|error| MapError::Broken(error.to_string()))?;
            ("application/json", text)
        }
        Format::Csv => ("text/csv; charset=utf-8", report.to_csv()),
        Format::Markdown => ("text/markdown; charset=utf-8", report.to_markdown()),
        Format::Html => ("text/html; charset=utf-8", report.to_html()),
    };
    // A report is a document of its own: nothing in it may run or reach out.
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    Ok((
        [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, policy),
        ],
        text,
    )
        .into_response())
}

/// What differs between two versions.
pub(super) async fn diff(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Response, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment)?;
    let from: String = params.need("from")?;
    let to: Option<String> = params.take("to")?;
    let tenant: Option<String> = params.take("tenant")?;
    let with_cliques: bool = params.take("cliques")?.unwrap_or(true);
    let format: Format = params.take("format")?.unwrap_or_default();
    params.done()?;
    let before = view.version(&from)?;
    let after = match to {
        Some(to) => view.version(&to)?,
        None => view.map.head(),
    };
    let tenant = match (view.tenants(), tenant) {
        (None, tenant) => tenant,
        (Some(own), Some(tenant)) if own.contains(&tenant) => Some(tenant),
        (Some(own), None) if own.len() == 1 => own.iter().next().cloned(),
        (Some(_), _) => {
            return Err(MapError::Malformed(
                "say of which of your tenants: tenant=".to_owned(),
            ));
        }
    };
    let made = tokio::task::spawn_blocking(move || {
        let mut diff = before.diff(&after);
        // Clique changes follow from the whole, before it is cut to a tenant.
        let (cliques, more_cliques) = match with_cliques && tenant.is_none() {
            true => before.clique_changes(&after, &diff, CLIQUES),
            false => (Vec::new(), false),
        };
        if let Some(tenant) = &tenant {
            diff = diff.of_tenant(tenant);
        }
        if format != Format::Json {
            return rendered(&Report::of_diff(&before, &after, &diff, &cliques), format);
        }
        Ok(Json(json!({
            "diff": diff,
            "by_tenant": diff.by_tenant(),
            "cliques": cliques,
            "more_cliques": more_cliques,
        }))
        .into_response())
    });
    made.await
        .map_err(|error| MapError::Broken(error.to_string()))?
}
