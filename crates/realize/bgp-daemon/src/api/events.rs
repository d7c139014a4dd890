//! Events as they happen, as server-sent events. A watcher that falls too far behind is told so, and goes on.

use super::{Context, Refusal};
use axum::extract::{Query, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use tokio_stream::wrappers::BroadcastStream;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Of this neighbour only.
    neighbor: Option<String>,
    /// Kept events with a higher number first.
    since: Option<u64>,
}

pub(super) async fn stream(
    State(context): State<Context>,
    Query(wanted): Query<Wanted>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let (kept, watcher) = context.engine.ask(|core| core.observers.watch()).await?;
    let since = wanted.since;
    let kept = kept
        .into_iter()
        .filter(move |event| since.is_some_and(|since| event["number"].as_u64() > Some(since)));
    let live = BroadcastStream::new(watcher).map(|received| {
        received.unwrap_or_else(|lagged| {
            json!({"kind": "missed", "text": format!("this watcher is too slow: {lagged}")}).into()
        })
    });
    let events = stream::iter(kept).chain(live);
    let events = events.filter_map(move |event| {
        let shown = is_shown(&event, wanted.neighbor.as_deref());
        std::future::ready(shown.then(|| Ok(Event::default().data(event.to_string()))))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn is_shown(event: &Value, neighbor: Option<&str>) -> bool {
    neighbor.is_none_or(|neighbor| event["neighbor"] == neighbor || event["kind"] == "missed")
}
