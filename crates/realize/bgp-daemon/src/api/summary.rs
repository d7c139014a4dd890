//! The speaker at a glance, and its numbers for Prometheus.

use super::query::table_name;
use super::{Answer, Context, Refusal};
use crate::metrics;
use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bgp::session::State as SessionState;
use serde_json::json;

pub(super) async fn summary(State(context): State<Context>) -> Answer {
    let summary = context.engine.ask(|core| {
        let global = &core.speaker.config().global;
        let (mut established, mut total) = (0_u32, 0_u32);
        for peer in core.speaker.peers() {
            total += 1;
            established += u32::from(peer.state == SessionState::Established);
        }
        let rib = core.speaker.rib();
        let tables = rib.tables().into_iter().filter_map(|table| {
            let counts = rib.table_counts(table).filter(|counts| counts.paths > 0)?;
            let name = table_name(core, table);
            Some(json!({"table": name, "prefixes": counts.prefixes, "paths": counts.paths}))
        });
        let tables: Vec<_> = tables.collect();
        let kernel = core.kernel_status().map(|status| {
            json!({
                "installed": status.installed, "wanted": status.wanted, "repaired": status.repaired,
                "next_hop_objects": status.next_hop_objects, "tunnels": status.tunnels, "error": status.error,
            })
        });
        json!({
            "tables": tables, "kernel": kernel, "attribute_sets": rib.attribute_sets(),
            "asn": global.asn, "router_id": global.router_id, "cluster_id": global.cluster_id,
            "version": env!("CARGO_PKG_VERSION"),
            "started": core.clock.timestamp(bgp::Time(0)).to_string(),
            "uptime_seconds": core.now().0 / 1_000,
            "deferring": core.speaker.is_deferring(),
            "neighbors": {"established": established, "total": total},
        })
    });
    Ok(Json(summary.await?))
}

pub(super) async fn metrics(State(context): State<Context>) -> Result<impl IntoResponse, Refusal> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let snapshot = context
        .engine
        .ask(|core| metrics::Snapshot::take(core))
        .await?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], snapshot.text()))
}
