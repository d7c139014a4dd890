//! Reports: how they are written, and those that schedules made.

use super::access::{Asker, segment};
use super::blocking;
use super::error::MapError;
use super::page::Page;
use crate::live::params::Params;
use axum::Json;
use axum::extract::{Path, RawQuery};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use discovery::environment::{Right, Sight};
use inventory::ReportRow;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;
use topology::{Environment, Report, ReportFormat};

/// How an answer is wanted: as data, or as a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Json,
    Report(ReportFormat),
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            ReportFormat::Json => Ok(Self::Json),
            format => Ok(Self::Report(format)),
        }
    }
}

pub(super) fn rendered(report: &Report, format: ReportFormat) -> Result<Response, MapError> {
    let text = report
        .render(format)
        .map_err(|error| MapError::Broken(error.to_string()))?;
    Ok(document(text, format).into_response())
}

/// A document of its own: nothing in it may run or reach out.
fn document(text: String, format: ReportFormat) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'";
    let headers = [
        (header::CONTENT_TYPE, format.media_type()),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (headers, text)
}

pub(super) async fn list(asker: Asker, RawQuery(raw): RawQuery) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let environment: Option<Environment> = params.take("environment")?;
    let schedule: Option<String> = params.take("schedule")?;
    let page = Page::take(&mut params, "reports")?;
    params.done()?;
    let mut all = asker.inventory.reports();
    all.retain(|row| {
        environment
            .as_ref()
            .is_none_or(|wanted| *wanted == row.environment)
            && schedule
                .as_deref()
                .is_none_or(|wanted| *wanted == *row.schedule)
            && asker.sight(&row.environment) == Sight::All
    });
    // Newest first: the mark falls as the id rises.
    let cut = page.cut(all, |row| format!("{:020}", u64::MAX - row.id));
    Ok(Json(Value::Object(
        cut.answer("reports", |row| Some(json!(row))),
    )))
}

fn report_of(
    asker: &Asker,
    values: &BTreeMap<String, String>,
    right: Right,
) -> Result<ReportRow, MapError> {
    let id: u64 = segment(values, "id")?;
    let row = asker.inventory.report(id)?;
    match asker.sight(&row.environment) {
        Sight::All => asker.need(&row.environment, right).map(|()| row),
        _ => Err(MapError::NotFound {
            what: "report",
            id: id.to_string(),
        }),
    }
}

pub(super) async fn show(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<Json<Value>, MapError> {
    let row = report_of(&asker, &values, Right::View)?;
    Ok(Json(json!({"report": row})))
}

/// The document itself, in the format that was ordered or the one asked for.
pub(super) async fn content(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
    RawQuery(raw): RawQuery,
) -> Result<Response, MapError> {
    let row = report_of(&asker, &values, Right::View)?;
    let mut params = Params::parse(raw.as_deref())?;
    let format: ReportFormat = params.take("format")?.unwrap_or(row.format);
    params.done()?;
    let inventory = asker.inventory.clone();
    let text = blocking(move || inventory.report_text(row.id, Some(format))).await?;
    let name = format!(
        "attachment; filename=\"report-{}.{}\"",
        row.id,
        format.extension()
    );
    Ok((
        [(header::CONTENT_DISPOSITION, name)],
        document(text, format),
    )
        .into_response())
}

pub(super) async fn remove(
    asker: Asker,
    Path(values): Path<BTreeMap<String, String>>,
) -> Result<StatusCode, MapError> {
    let row = report_of(&asker, &values, Right::Scan)?;
    let inventory = asker.inventory.clone();
    blocking(move || inventory.remove_report(row.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
