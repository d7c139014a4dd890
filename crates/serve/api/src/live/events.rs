//! `GET /events`: changes as they happen, as server-sent events.
//!
//! Each client is a position in the store's history and a bounded set of ports whose counters moved. Events are
//! made when the client's connection takes them, so a slow client costs nothing; one that history has left behind
//! is told to read everything again.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::params::Params;
use crate::live::views::{self, drops, packets};
use crate::observed::{Follower, News};
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use model::{HostName, PortId};
use operations::tables::{Hosts, Networks, Ports, Rules, SecurityGroups, Subnets};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;
use store::{Change, ChangeSet, Revision, Row, Snapshot, Table, Watch, WatchEvent};
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often counters are told.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// Ports whose counters one event tells; the others wait for the next.
const COUNTERS_AT_ONCE: usize = 1_000;

pub(crate) async fn follow(
    State(state): State<App>,
    _: Operator,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let since: Option<u64> = params.take("since")?;
    params.done()?;
    let resumed = headers
        .get("Last-Event-ID")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let now = state.store.snapshot().revision();
    let from = resumed.or(since).map_or(now, Revision);
    let client = Client::new(state, from);
    let events = stream::unfold(client, |mut client| async move {
        let event = client.next().await?;
        Some((Ok(event), client))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

struct Client {
    state: App,
    watch: Watch,
    follower: Follower,
    ending: watch::Receiver<bool>,
    tick: Interval,
    /// Ports whose counters moved since they were last told.
    counted: BTreeSet<PortId>,
    /// What one change set or piece of news became and is not taken yet.
    ready: VecDeque<Event>,
}

impl Client {
    fn new(state: App, from: Revision) -> Self {
        let mut tick = interval(COUNTERS_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let hello = event(
            "hello",
            &json!({"revision": state.store.snapshot().revision()}),
        );
        Self {
            watch: state.store.watch(from),
            follower: state.observed.follow(),
            ending: state.ending.clone(),
            state,
            tick,
            counted: BTreeSet::new(),
            ready: VecDeque::from([hello]),
        }
    }

    /// `None` when the store is closed or the service ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                change = self.watch.next() => match change? {
                    WatchEvent::Changes(set) => self.changed(&set),
                    WatchEvent::Reset(snapshot) => {
                        let revision = snapshot.revision();
                        let reset = event("reset", &json!({"revision": revision}));
                        self.ready.push_back(reset.id(revision.to_string()));
                    }
                },
                news = self.follower.next() => self.heard(news),
                true = ends(&mut self.ending) => return None,
                _ = self.tick.tick(), if !self.counted.is_empty() => self.count(),
            }
        }
    }

    /// Only the last event of a change set bears its revision, so that a client cut off in the middle gets the
    /// whole set again.
    fn changed(&mut self, set: &ChangeSet) {
        let snapshot = self.state.store.snapshot();
        let told: Vec<Value> = set
            .changes
            .iter()
            .filter_map(|change| tell(&self.state, &snapshot, set.revision, change))
            .collect();
        let last = told.len();
        for (position, data) in told.into_iter().enumerate() {
            let change = event("change", &data);
            self.ready.push_back(match position + 1 == last {
                true => change.id(set.revision.to_string()),
                false => change,
            });
        }
    }

    fn heard(&mut self, news: News) {
        match news {
            News::Host(name) => self.tell_host(&name),
            News::Ports(ports) => self.counted.extend(ports),
            News::Everything => {
                let snapshot = self.state.store.snapshot();
                for row in snapshot.scan::<Hosts>(()) {
                    self.tell_host(&row.key);
                }
                self.counted
                    .extend(snapshot.scan::<Ports>(()).map(|row| row.value.id));
            }
        }
    }

    fn tell_host(&mut self, name: &HostName) {
        let snapshot = self.state.store.snapshot();
        if let Some(row) = snapshot.get::<Hosts>(name) {
            let host = views::host(&self.state, &snapshot, &row.value);
            self.ready.push_back(event("host", &host));
        }
    }

    fn count(&mut self) {
        let mut ports = Vec::new();
        while ports.len() < COUNTERS_AT_ONCE
            && let Some(id) = self.counted.pop_first()
        {
            if let Some(report) = self.state.observed.port(id) {
                ports.push(json!({
                    "id": id,
                    "rx": packets(&report, "rx"),
                    "tx": packets(&report, "tx"),
                    "drops": drops(&report),
                }));
            }
        }
        self.ready
            .push_back(event("counters", &json!({"ports": ports})));
    }
}

/// Waits for the end; false when there is nobody to tell it.
async fn ends(ending: &mut watch::Receiver<bool>) -> bool {
    ending.wait_for(|ending| *ending).await.is_ok()
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let text = serde_json::to_string(data).expect("invariant: views are JSON");
    Event::default().event(name).data(text)
}

/// The data of a `change` event; `None` for tables that are not shown.
fn tell(state: &App, snapshot: &Snapshot, revision: Revision, change: &Change) -> Option<Value> {
    let (table, told) = match change.table() {
        Networks::NAME => {
            let view = |row: &Row<Networks>| json!(views::network(snapshot, &row.value));
            (
                "networks",
                told(change, |row| row.value.id.to_string(), view),
            )
        }
        Ports::NAME => {
            let view = |row: &Row<Ports>| json!(views::port(state, snapshot, &row.value));
            ("ports", told(change, |row| row.value.id.to_string(), view))
        }
        Hosts::NAME => {
            let view = |row: &Row<Hosts>| json!(views::host(state, snapshot, &row.value));
            (
                "hosts",
                told(change, |row| row.value.agent_id.to_string(), view),
            )
        }
        Subnets::NAME => {
            let view = |_: &Row<Subnets>| Value::Null;
            (
                "subnets",
                told(change, |row| row.value.id.to_string(), view),
            )
        }
        SecurityGroups::NAME => {
            let view = |_: &Row<SecurityGroups>| Value::Null;
            (
                "security_groups",
                told(change, |row| row.value.id.to_string(), view),
            )
        }
        Rules::NAME => {
            let view = |_: &Row<Rules>| Value::Null;
            (
                "security_group_rules",
                told(change, |row| row.value.id.to_string(), view),
            )
        }
        _ => return None,
    };
    let Told { id, op, object } = told?;
    Some(json!({"revision": revision, "table": table, "id": id, "op": op, "object": object}))
}

struct Told {
    id: String,
    op: &'static str,
    object: Value,
}

fn told<T: Table>(
    change: &Change,
    id: impl Fn(&Row<T>) -> String,
    view: impl Fn(&Row<T>) -> Value,
) -> Option<Told> {
    let (before, after) = (change.before::<T>(), change.after::<T>());
    let op = match (&before, &after) {
        (None, Some(_)) => "create",
        (Some(_), None) => "delete",
        _ => "update",
    };
    Some(Told {
        op,
        object: after.as_deref().map_or(Value::Null, view),
        id: id(after.or(before)?.as_ref()),
    })
}
