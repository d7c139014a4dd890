//! `GET /events`: what changes on the maps and among the scans, as server-sent events.
//!
//! A client is a mark per map; what happened between two marks is one event, so a slow client costs nothing.

use super::access::Asker;
use super::error::MapError;
use crate::App;
use crate::live::params::Params;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use discovery::environment::Sight;
use futures::stream::{self, Stream};
use inventory::{LiveMap, Mark, ScanRow};
use serde_json::json;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use topology::Environment;

/// The set of environments is looked at again this often.
const AGAIN: Duration = Duration::from_secs(5);

struct Client {
    asker: Asker,
    only: Option<Environment>,
    maps: BTreeMap<Environment, Followed>,
    scans: watch::Receiver<u64>,
    told_scans: BTreeMap<u64, ScanRow>,
    ending: watch::Receiver<bool>,
    ready: VecDeque<Event>,
}

struct Followed {
    map: Arc<LiveMap>,
    marks: watch::Receiver<Mark>,
    told: Mark,
}

pub(super) async fn follow(
    State(state): State<App>,
    asker: Asker,
    RawQuery(raw): RawQuery,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, MapError> {
    let mut params = Params::parse(raw.as_deref())?;
    let only: Option<Environment> = params.take("environment")?;
    params.done()?;
    if let Some(environment) = &only {
        asker.view(environment.clone())?;
    }
    let mut client = Client {
        scans: asker.inventory.subscribe_scans(),
        told_scans: BTreeMap::new(),
        asker,
        only,
        maps: BTreeMap::new(),
        ending: state.ending.clone(),
        ready: VecDeque::new(),
    };
    client.begin();
    let events = stream::unfold(client, |mut client| async move {
        let event = client.next().await?;
        Some((Ok(event), client))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Waits for the first; for ever if there is none.
async fn any_of<F: Future + Unpin>(waits: Vec<F>) {
    match waits.is_empty() {
        true => std::future::pending().await,
        false => drop(futures::future::select_all(waits).await),
    }
}

impl Client {
    fn begin(&mut self) {
        self.look();
        for scan in self.visible_scans() {
            self.told_scans.insert(scan.id, scan);
        }
        let versions: BTreeMap<&Environment, u64> = self
            .maps
            .iter()
            .map(|(name, followed)| (name, followed.told.version))
            .collect();
        let hello = Event::default()
            .event("hello")
            .data(json!({"versions": versions}).to_string());
        self.ready.push_back(hello);
    }

    /// Finds environments that came, and lets go of those that went or may no longer be seen.
    fn look(&mut self) {
        let names = self
            .asker
            .inventory
            .environments()
            .into_iter()
            .map(|view| view.config.name);
        let seen: Vec<Environment> = names
            .filter(|name| self.only.as_ref().is_none_or(|only| only == name))
            .filter(|name| self.asker.sight(name) != Sight::Nothing)
            .collect();
        self.maps.retain(|name, _| seen.contains(name));
        for name in seen {
            if !self.maps.contains_key(&name)
                && let Ok(map) = self.asker.inventory.map(&name)
            {
                let marks = map.subscribe();
                let told = *marks.borrow();
                self.maps.insert(name, Followed { map, marks, told });
            }
        }
    }

    fn visible_scans(&self) -> Vec<ScanRow> {
        let scans = self.asker.inventory.scans(self.only.as_ref());
        let seen = |scan: &ScanRow| self.asker.sight(&scan.environment) == Sight::All;
        scans.into_iter().filter(seen).take(50).collect()
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let mut again = false;
            let waits: Vec<_> = self
                .maps
                .values_mut()
                .map(|followed| Box::pin(followed.marks.changed()))
                .collect();
            tokio::select! {
                _ = any_of(waits) => {}
                _ = self.scans.changed() => {}
                _ = self.ending.wait_for(|ending| *ending) => return None,
                () = tokio::time::sleep(AGAIN) => again = true,
            }
            if again {
                self.look();
            }
            self.collect();
        }
    }

    fn collect(&mut self) {
        for (name, followed) in &mut self.maps {
            let now = *followed.marks.borrow_and_update();
            if now.version != followed.told.version {
                let head = followed.map.head();
                let data = json!({"environment": name, "version": head.number, "at": head.at, "cause": head.cause.to_string()});
                self.ready
                    .push_back(Event::default().event("version").data(data.to_string()));
            }
            if now.messages != followed.told.messages {
                let count = now.messages - followed.told.messages;
                let data = json!({"environment": name, "count": count});
                self.ready
                    .push_back(Event::default().event("messages").data(data.to_string()));
            }
            followed.told = now;
        }
        for scan in self.visible_scans() {
            if self.told_scans.get(&scan.id) != Some(&scan) {
                self.ready
                    .push_back(Event::default().event("scan").data(json!(scan).to_string()));
                self.told_scans.insert(scan.id, scan);
            }
        }
    }
}
