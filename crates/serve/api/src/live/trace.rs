//! `GET /trace`: the way of one imagined packet by the plans of the hosts it would meet.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::params::Params;
use crate::live::ports::by_id;
use axum::Json;
use axum::extract::{RawQuery, State};
use forwarding::{Outcome, Query, Target, Trace};
use model::{HostName, PortId, Protocol};
use serde_json::{Value, json};
use std::net::IpAddr;
use store::{Revision, Snapshot};

/// Where a connection comes from when the request does not say: the first dynamic port (RFC 6335 section 6).
const SOURCE_PORT: u16 = 49_152;

pub(crate) async fn run(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let snapshot = state.store.snapshot();
    let (query, host) = parse(&snapshot, raw.as_deref())?;
    let (revision, trace) = state.observed.planner(&snapshot, |planner| {
        let source = planner.host_plan(&host);
        let plan_of = |name: &HostName| Some(planner.host_plan(name));
        (
            planner.revision(),
            forwarding::trace(&source, plan_of, &query),
        )
    });
    Ok(Json(answer(revision, &host, &trace)))
}

/// The packet and the host it starts on.
fn parse(snapshot: &Snapshot, raw: Option<&str>) -> Result<(Query, HostName), LiveError> {
    let mut params = Params::parse(raw)?;
    let from: String = params.need("from")?;
    let to: String = params.need("to")?;
    let protocol: Protocol = params
        .take("proto")?
        .map_or_else(|| "tcp".parse(), Ok)
        .map_err(|error: model::ModelError| LiveError::Malformed(error.to_string()))?;
    let destination_port: Option<u16> = params.take("dport")?;
    let source_port: Option<u16> = params.take("sport")?;
    params.done()?;
    let sender = by_id(snapshot, &from)?;
    let host = sender.value.binding.host.clone().ok_or_else(|| {
        LiveError::Meaningless(format!(
            "port {from} is bound to no host, so it sends nothing"
        ))
    })?;
    if protocol.has_ports() && destination_port.is_none() {
        return Err(LiveError::Meaningless(format!(
            "protocol {protocol} needs a destination port: give dport"
        )));
    }
    let to = target(snapshot, &to)?;
    let query = Query {
        from: sender.value.id,
        to,
        source: None,
        protocol: number(protocol, to)?,
        source_port: source_port.unwrap_or(SOURCE_PORT),
        destination_port: destination_port.unwrap_or_default(),
    };
    Ok((query, host))
}

/// ICMP to an IPv6 address is ICMPv6, as it is in a security group rule.
fn number(protocol: Protocol, to: Target) -> Result<u8, LiveError> {
    match (protocol.number, to) {
        (Protocol::ICMP, Target::Address(IpAddr::V6(_))) => Ok(Protocol::ICMPV6),
        (Protocol::ICMPV6, Target::Address(IpAddr::V4(address))) => Err(LiveError::Meaningless(
            format!("there is no ICMPv6 to {address}: take icmp, or an IPv6 address"),
        )),
        (number, _) => Ok(number),
    }
}

fn target(snapshot: &Snapshot, to: &str) -> Result<Target, LiveError> {
    if let Ok(address) = to.parse::<IpAddr>() {
        return Ok(Target::Address(address));
    }
    if to.parse::<PortId>().is_err() {
        return Err(LiveError::Malformed(format!(
            "parameter 'to': '{to}' is neither a port's id nor an address"
        )));
    }
    by_id(snapshot, to).map(|row| Target::Port(row.value.id))
}

fn answer(revision: Revision, host: &HostName, trace: &Trace) -> Value {
    let (outcome, reason, because) = match &trace.outcome {
        Outcome::Delivered { .. } => ("delivered", None, None),
        Outcome::Answered => ("answered", None, None),
        Outcome::Dropped { reason, because } => ("dropped", Some(reason.as_str()), Some(because)),
        Outcome::Unknown { because } => ("unknown", None, Some(because)),
    };
    let last = trace.steps.len().saturating_sub(1);
    let steps: Vec<Value> = trace
        .steps
        .iter()
        .enumerate()
        .map(|(position, step)| {
            json!({
                "host": step.host.as_ref().unwrap_or(host),
                "stage": step.step.hook,
                "check": step.step.check,
                "verdict": if position == last { outcome } else { "passed" },
                "detail": step.step.detail,
                "unit": step.step.unit.as_ref().map(ToString::to_string),
                "rule": step.step.rule,
            })
        })
        .collect();
    json!({
        "revision": revision,
        "outcome": outcome,
        "reason": reason,
        "because": because,
        "steps": steps,
    })
}
