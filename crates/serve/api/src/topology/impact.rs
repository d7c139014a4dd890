//! What a failure hits, and what explains present trouble.

use super::access::Question;
use super::error::MapError;
use super::reports::{Format, rendered};
use super::views;
use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use topology::{Handle, Impact, Report};

/// Objects an answer in JSON lists; the counts tell of all.
const LISTED: usize = 1000;

pub(super) async fn impact(question: Question) -> Result<Response, MapError> {
    let Question {
        seen, mut params, ..
    } = question;
    let failed = seen.find_all(&params.need_all::<String>("objects")?)?;
    let format: Format = params.take("format")?.unwrap_or_default();
    let limit = params.limit(LISTED, 100_000)?;
    params.done()?;
    let mut impact = seen.version.impact(&failed);
    only_seen(&mut impact, |handle| seen.sees(handle));
    if let Format::Report(format) = format {
        return rendered(&Report::of_impact(&seen.version, &impact), format);
    }
    let causes = seen.version.root_causes(seen.now);
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

/// Leaves what is seen, each because of the nearest thing before it that is seen too. What failed is.
fn only_seen(impact: &mut Impact, sees: impl Fn(Handle) -> bool) {
    let before: HashMap<Handle, Handle> = impact
        .hit
        .iter()
        .map(|hurt| (hurt.handle, hurt.because_of))
        .collect();
    impact.hit.retain(|hurt| sees(hurt.handle));
    for hurt in &mut impact.hit {
        while !sees(hurt.because_of)
            && let Some(earlier) = before.get(&hurt.because_of)
        {
            hurt.because_of = *earlier;
        }
    }
}

/// The causes of present trouble, worst and widest first.
pub(super) async fn causes(question: Question) -> Result<Json<Value>, MapError> {
    let Question { seen, params, .. } = question;
    params.done()?;
    let causes: Vec<Value> = seen
        .version
        .root_causes(seen.now)
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
