//! Neighbours: what is to be said of them, and what an operator does to them.

use super::{Answer, Context, Refusal, body, done};
use crate::engine::Core;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use bgp::config::RemoteAs;
use bgp::session::{Down, MessageCounts};
use bgp::speaker::{Clear, FamilyReport, PeerReport, SessionReport};
use bgp::{Family, FamilySet, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) async fn list(State(context): State<Context>) -> Answer {
    let neighbors = context.engine.ask(|core| {
        let peers = core.speaker.peers();
        peers
            .map(|peer| brief(core, &peer).into())
            .collect::<Vec<Value>>()
    });
    Ok(Json(json!({"neighbors": neighbors.await?})))
}

pub(super) async fn show(State(context): State<Context>, Path(neighbor): Path<String>) -> Answer {
    let shown = context.engine.ask(move |core| {
        let peer = core.peer_named(&neighbor)?;
        let report = core
            .speaker
            .peer(peer)
            .ok_or_else(|| Refusal::absent("it is gone"))?;
        Ok::<_, Refusal>(full(core, &report))
    });
    shown.await?.map(Json)
}

fn brief(core: &Core, peer: &PeerReport) -> Map<String, Value> {
    let now = core.now();
    let sum = |count: fn(&FamilyReport) -> u32| -> u64 {
        peer.families
            .iter()
            .map(|family| u64::from(count(family)))
            .sum()
    };
    let session = peer.session.as_ref();
    let since = session.map(|session| session.since);
    let since = since.or_else(|| peer.last_down.as_ref().map(|(time, _)| *time));
    let asn = session.map(|session| session.negotiated.asn);
    let json = json!({
        "neighbor": peer.endpoint.to_string(),
        "asn": asn.or(match peer.config.remote_as {
            RemoteAs::Is(asn) => Some(asn),
            RemoteAs::External | RemoteAs::Internal => None,
        }),
        "router_id": session.map(|session| session.negotiated.router_id),
        "description": peer.config.description,
        "group": peer.config.group,
        "dynamic": peer.dynamic,
        "state": peer.state.to_string(),
        "state_seconds": since.map(|since| seconds_from(since, now)),
        "shutdown": peer.shutdown,
        "received": sum(|family| family.counts.received),
        "accepted": sum(|family| family.counts.accepted),
        "advertised": sum(|family| family.counts.advertised),
        "stale": sum(|family| family.counts.stale),
        "flaps": peer.flaps,
        "last_error": last_error(peer).map(|(_, down)| down.to_string()),
        "waiting_octets": session.and_then(|session| core.io.traffic(session.conn)).map(|traffic| traffic.waiting),
    });
    match json {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Of a session, or of an attempt to make one.
fn last_error(peer: &PeerReport) -> Option<&(Time, Down)> {
    let both = peer.last_down.iter().chain(&peer.last_failure);
    both.max_by_key(|(time, _)| time.0)
}

const fn seconds_from(since: Time, now: Time) -> u64 {
    now.0.saturating_sub(since.0) / 1_000
}

fn full(core: &Core, peer: &PeerReport) -> Value {
    let now = core.now();
    let mut json = brief(core, peer);
    let families = peer.families.iter().map(|family| self::family(family, now));
    json.insert("families".to_owned(), families.collect());
    let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
    put("sessions", peer.sessions.into());
    put("malformed_updates", peer.malformed.into());
    let at = |time: Time| Value::from(core.clock.timestamp(time).to_string());
    if let Some((time, _)) = last_error(peer) {
        put("last_error_at", at(*time));
    }
    // Attempts since then say less of why it is away.
    if let Some((time, down)) = &peer.last_down {
        put("session_ended", down.to_string().into());
        put("session_ended_at", at(*time));
    }
    if let Some(next) = peer.next_attempt {
        put(
            "next_attempt_seconds",
            (next.0.saturating_sub(now.0) / 1_000).into(),
        );
    }
    if let Some(bfd) = peer.bfd {
        put("bfd", format!("{bfd:?}").to_lowercase().into());
    }
    let policy = |name: &dyn ToString| Value::from(name.to_string());
    put(
        "import_policy",
        peer.config
            .import
            .as_ref()
            .map_or(Value::Null, |name| policy(name)),
    );
    put(
        "export_policy",
        peer.config
            .export
            .policy
            .as_ref()
            .map_or(Value::Null, |name| policy(name)),
    );
    if let Some(session) = &peer.session {
        put("session", self::session(session));
        put("messages_received", messages(&session.received));
        put("messages_sent", messages(&session.sent));
        put(
            "established_at",
            core.clock.timestamp(session.since).to_string().into(),
        );
        if let Some(traffic) = core.io.traffic(session.conn) {
            put(
                "octets",
                json!({"received": traffic.octets_in, "sent": traffic.octets_out}),
            );
        }
        let capabilities = session.negotiated.capabilities.iter();
        put(
            "capabilities",
            capabilities.map(ToString::to_string).collect(),
        );
    }
    json.into()
}

fn family(report: &FamilyReport, now: Time) -> Value {
    let counts = report.counts;
    json!({
        "family": report.family.name(), "received": counts.received, "accepted": counts.accepted,
        "advertised": counts.advertised, "stale": counts.stale,
        "limit": report.limit.map(|limit| limit.limit),
        "stale_seconds_left": report.stale.map(|stale| stale.until().0.saturating_sub(now.0) / 1_000),
    })
}

fn session(session: &SessionReport) -> Value {
    let agreed = &session.negotiated;
    let names = |families: FamilySet| -> Vec<_> { families.iter().map(Family::name).collect() };
    json!({
        "local": session.connection.local, "remote": session.connection.remote,
        "local_asn": agreed.local_asn, "hold_time": agreed.hold, "keepalive": agreed.keepalive,
        "families": names(agreed.families),
        "add_path_receive": names(agreed.add_path_rx), "add_path_send": names(agreed.add_path_tx),
        "extended_next_hop": names(agreed.extended_next_hop),
        "four_octet_as": agreed.as4, "extended_messages": agreed.extended_message,
        "route_refresh": agreed.route_refresh, "enhanced_refresh": agreed.enhanced_refresh,
        "role": agreed.role.map(|role| role.to_string()),
        "graceful_restart": agreed.graceful.map(|graceful| names(graceful.preserved)),
        "long_lived": agreed.long_lived.keys().map(|family| family.name()).collect::<Vec<_>>(),
    })
}

fn messages(counts: &MessageCounts) -> Value {
    json!({
        "opens": counts.opens, "updates": counts.updates, "notifications": counts.notifications,
        "keepalives": counts.keepalives, "refreshes": counts.refreshes,
    })
}

// ---- commands ----

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shutdown {
    message: Option<String>,
}

pub(super) async fn shutdown(
    State(context): State<Context>,
    Path(neighbor): Path<String>,
    bytes: Bytes,
) -> Answer {
    let message = body::<Shutdown>(&bytes)?.message.unwrap_or_default();
    // RFC 9003 section 2.
    if message.len() > 255 {
        return Err(Refusal::bad(format!(
            "the message has {} octets; at most 255 are sent (RFC 9003)",
            message.len()
        )));
    }
    act(&context, neighbor, "is shut down", move |core, peer| {
        core.speaker.shutdown(core.clock.now(), peer, &message)
    })
    .await
}

pub(super) async fn enable(State(context): State<Context>, Path(neighbor): Path<String>) -> Answer {
    act(&context, neighbor, "may come up", |core, peer| {
        core.speaker.enable(core.clock.now(), peer)
    })
    .await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ClearHow {
    how: How,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum How {
    #[default]
    Soft,
    SoftIn,
    SoftOut,
    Hard,
}

pub(super) async fn clear(
    State(context): State<Context>,
    Path(neighbor): Path<String>,
    bytes: Bytes,
) -> Answer {
    let ClearHow { how } = body(&bytes)?;
    let all: FamilySet = Family::ALL.into_iter().collect();
    let clears = match how {
        How::Soft => vec![Clear::SoftIn(all), Clear::SoftOut(all)],
        How::SoftIn => vec![Clear::SoftIn(all)],
        How::SoftOut => vec![Clear::SoftOut(all)],
        How::Hard => vec![Clear::Hard],
    };
    act(&context, neighbor, "is cleared", move |core, peer| {
        let now = core.clock.now();
        clears
            .into_iter()
            .try_for_each(|clear| core.speaker.clear(now, peer, clear))
    })
    .await
}

async fn act<E: std::fmt::Display + Send + 'static>(
    context: &Context,
    neighbor: String,
    what: &'static str,
    act: impl FnOnce(&mut Core, bgp::PeerId) -> Result<(), E> + Send + 'static,
) -> Answer {
    let name = neighbor.clone();
    let acted = context.engine.ask(move |core| {
        let peer = core.peer_named(&neighbor)?;
        act(core, peer).map_err(|error| Refusal::absent(error.to_string()))
    });
    acted.await??;
    done(format!("{name} {what}"))
}
