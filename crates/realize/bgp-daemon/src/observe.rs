//! What happened, told to whoever wants to know: the log, watchers of the API, BMP stations, MRT files, the kernel. It
//! runs in the engine's thread, so it only hands over; each taker has a bounded queue and its own way to catch up.

use crate::clock::Clock;
use bgp::speaker::{Event, EventKind, Refused};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Events that a watcher may lag behind before it is told that it missed some.
const WATCHED: usize = 4_096;
/// Events kept for who asks later.
const KEPT: usize = 1_000;

/// An event as the API tells it.
pub(crate) type Told = Arc<Value>;

#[derive(Debug)]
pub(crate) struct Observers {
    watchers: broadcast::Sender<Told>,
    recent: VecDeque<Told>,
    number: u64,
    pub(crate) counts: EventCounts,
}

/// Events counted for the metrics.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventCounts {
    pub(crate) sessions_up: u64,
    pub(crate) sessions_down: u64,
    pub(crate) connect_failures: u64,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) malformed: u64,
    pub(crate) families_disabled: u64,
    pub(crate) prefix_limits: u64,
    pub(crate) bfd_changes: u64,
}

impl Observers {
    pub(crate) fn new() -> Self {
        Self {
            watchers: broadcast::Sender::new(WATCHED),
            recent: VecDeque::new(),
            number: 0,
            counts: EventCounts::default(),
        }
    }

    /// What happens from now on, and what was kept of before.
    pub(crate) fn watch(&self) -> (Vec<Told>, broadcast::Receiver<Told>) {
        (
            self.recent.iter().cloned().collect(),
            self.watchers.subscribe(),
        )
    }

    /// Logs, counts and tells one event. `neighbor` is how operators know the peer.
    pub(crate) fn event(&mut self, clock: &Clock, event: &Event, neighbor: Option<&str>) {
        self.count(&event.kind);
        let Some((kind, text)) = describe(&event.kind) else {
            return;
        };
        log(&event.kind, neighbor.unwrap_or("-"), &text);
        let at = clock.timestamp(event.time);
        self.tell(json!({
            "at": at.to_string(), "kind": kind, "neighbor": neighbor, "text": text,
        }));
    }

    /// Tells something that is no event of the speaker's.
    pub(crate) fn tell(&mut self, mut event: Value) {
        self.number += 1;
        event["number"] = self.number.into();
        let event: Told = Arc::new(event);
        if self.recent.len() == KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        // Nobody may be watching.
        let _ = self.watchers.send(event);
    }

    fn count(&mut self, kind: &EventKind) {
        let counts = &mut self.counts;
        match kind {
            EventKind::Up { .. } => counts.sessions_up += 1,
            EventKind::Down(_) => counts.sessions_down += 1,
            EventKind::ConnectFailed(_) => counts.connect_failures += 1,
            EventKind::Refused { why, .. } => {
                *counts.refused.entry(refusal(why)).or_default() += 1;
            }
            EventKind::Malformed(malformed) => counts.malformed += 1 + malformed.suppressed,
            EventKind::FamilyDisabled(_) => counts.families_disabled += 1,
            EventKind::PrefixLimit { .. } => counts.prefix_limits += 1,
            EventKind::Bfd(_) => counts.bfd_changes += 1,
            _ => {}
        }
    }
}

const fn refusal(why: &Refused) -> &'static str {
    match why {
        Refused::Unknown => "unknown",
        Refused::Limit(_) => "range-full",
        Refused::Shutdown => "shutdown",
        Refused::Rate => "rate",
        Refused::Damped => "damped",
        Refused::Second => "second",
    }
}

/// The kind of an event, stable for programs, and a sentence for people. `None`: not for them.
fn describe(kind: &EventKind) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::Added => ("added", "the neighbour was added".to_owned()),
        EventKind::Removed => ("removed", "the neighbour was removed".to_owned()),
        EventKind::State { from, to } => ("state", format!("{from} → {to}")),
        EventKind::Up { negotiated, .. } => {
            let families: Vec<_> = negotiated
                .families
                .iter()
                .map(|family| family.name())
                .collect();
            let text = format!(
                "established with AS {}, router id {}, hold time {} s: {}",
                negotiated.asn,
                negotiated.router_id,
                negotiated.hold,
                families.join(", ")
            );
            ("up", text)
        }
        EventKind::Down(down) => ("down", format!("the session ended: {down}")),
        EventKind::Failed(down) => ("failed", format!("no session: {down}")),
        EventKind::ConnectFailed(reason) => ("connect-failed", format!("cannot connect: {reason}")),
        EventKind::Refused { remote, why } => (
            "refused",
            format!("a call from {remote} was refused: {why}"),
        ),
        EventKind::Malformed(malformed) => {
            let bytes = crate::api::route::hex(&malformed.bytes);
            let before = match malformed.suppressed {
                0 => String::new(),
                n => format!(" ({n} more before were not reported)"),
            };
            (
                "malformed",
                format!("{}{before}; UPDATE {bytes}", malformed.fault),
            )
        }
        EventKind::FamilyDisabled(family) => (
            "family-disabled",
            format!("{family} is not used any more in this session (RFC 7606)"),
        ),
        EventKind::PrefixWarning {
            family,
            count,
            limit,
        } => (
            "prefix-warning",
            format!("{count} of at most {limit} {family} prefixes"),
        ),
        EventKind::PrefixLimit {
            family,
            count,
            limit,
        } => (
            "prefix-limit",
            format!("{count} {family} prefixes, more than {limit}"),
        ),
        EventKind::Kept(families) => {
            let families: Vec<_> = families.iter().map(|family| family.name()).collect();
            (
                "stale",
                format!("routes are kept as stale: {}", families.join(", ")),
            )
        }
        EventKind::LongLived(family) => (
            "long-lived-stale",
            format!("{family} routes are long-lived stale"),
        ),
        EventKind::Swept { family, why } => (
            "swept",
            format!("stale {family} routes are removed: {why:?}"),
        ),
        EventKind::EndOfRib(family) => ("end-of-rib", format!("has sent all of {family}")),
        EventKind::Refresh { family, kind } => {
            ("refresh", format!("route refresh of {family}: {kind:?}"))
        }
        EventKind::SelectionStarts { timed_out: false } => (
            "selection",
            "all neighbours are back; routes are chosen now".to_owned(),
        ),
        EventKind::SelectionStarts { timed_out: true } => (
            "selection",
            "not all neighbours are back in time; routes are chosen now".to_owned(),
        ),
        EventKind::TablesReplaced => ("tables", "the tables are built anew".to_owned()),
        EventKind::Bfd(state) => ("bfd", format!("BFD is {state:?}").to_lowercase()),
        EventKind::Mirror(_) => return None,
    })
}

fn log(kind: &EventKind, neighbor: &str, text: &str) {
    match kind {
        EventKind::Up { .. } | EventKind::SelectionStarts { .. } => {
            tracing::info!(neighbor, "{text}");
        }
        EventKind::Down(_)
        | EventKind::Malformed(_)
        | EventKind::FamilyDisabled(_)
        | EventKind::PrefixWarning { .. }
        | EventKind::PrefixLimit { .. } => tracing::warn!(neighbor, "{text}"),
        // Anybody can make these happen, as often as they like.
        EventKind::Refused { .. } | EventKind::ConnectFailed(_) | EventKind::Failed(_) => {
            tracing::debug!(neighbor, "{text}");
        }
        EventKind::State { .. } => tracing::debug!(neighbor, "{text}"),
        _ => tracing::info!(neighbor, "{text}"),
    }
}
