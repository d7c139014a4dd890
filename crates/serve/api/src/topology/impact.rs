//! What a failure hits, and what explains present trouble.

use super::access::{Asker, In};
use super::error::MapError;
use super::history::{Format, rendered};
use super::views;
use crate::live::params::Params;
use axum::Json;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use topology::{Handle, Report};

/// Objects an answer in JSON lists; the counts tell of all.
const LISTED: usize = 1000;

pub(super) async fn impact(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Response, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let view = asker.view(environment)?;
    let seen = view.at(&mut params)?;
    let objects: String = params.need("objects")?;
    let format: Format = params.take("format")?.unwrap_or_default();
    let limit = params.limit(LISTED, 100_000)?;
    params.done()?;
    let failed: Vec<Handle> = objects
        .split(',')
        .map(|key| seen.find(key))
        .collect::<Result<_, _>>()?;
    let mut impact = seen.version.impact(&failed);
    impact.hit.retain(|hurt| seen.sees(hurt.handle));
    if format != Format::Json {
        return rendered(&Report::of_impact(&seen.version, &impact), format);
    }
    let causes = seen.version.root_causes();
    let hit: Vec<Value> = impact
        .hit
        .iter()
        .take(limit)
        .filter_map(|hurt| {
            let mut brief = views::brief(&seen, hurt.handle, &causes)?;
            brief.insert(
                "because_of".to_owned(),
                json!(views::key(&seen, hurt.because_of)),
            );
            brief.insert("along".to_owned(), json!(hurt.along));
            brief.insert("distance".to_owned(), json!(hurt.distance));
            Some(Value::Object(brief))
        })
        .collect();
    Ok(Json(json!({
        "version": seen.version.number,
        "failed": failed.iter().filter_map(|handle| views::key(&seen, *handle)).collect::<Vec<_>>(),
        "counts": seen.version.impact_counts(&impact),
        "hit": hit,
    }))
    .into_response())
}

/// The causes of present trouble, worst and widest first.
pub(super) async fn causes(
    asker: Asker,
    In(environment): In,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let seen = asker.view(environment)?.at(&mut params)?;
    params.done()?;
    let causes: Vec<Value> = seen
        .version
        .root_causes()
        .iter()
        .filter(|root| seen.sees(root.cause))
        .map(|root| {
            let explained = root.explained.iter().filter(|(handle, _)| seen.sees(*handle));
            json!({
                "cause": views::key(&seen, root.cause),
                "rule": root.rule,
                "status": root.level,
                "because": root.because,
                "effect": root.effect,
                "explains": explained.clone().count(),
                "explained": explained.take(LISTED).filter_map(|(handle, _)| views::key(&seen, *handle)).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(Json(
        json!({"version": seen.version.number, "causes": causes}),
    ))
}
