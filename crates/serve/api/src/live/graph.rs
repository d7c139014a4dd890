//! `GET /graph`: hosts, networks and ports as nodes with places.
//!
//! A node's place follows from its id and from what was there before it, so that a picture redrawn after a change
//! shows everything else where it was. Hosts stand on the left in columns, networks on the right; a port stands
//! between its host and its network.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::params::Params;
use crate::live::search::label;
use axum::Json;
use axum::extract::{RawQuery, State};
use model::{HostName, NetworkId, Port, PortStatus, Timestamp};
use operations::tables::{BY_HOST, Hosts, Networks, Ports};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use store::Snapshot;
use uuid::Uuid;

const DEFAULT_NODES: usize = 2_000;
const MAX_NODES: usize = 10_000;

/// Distance of the first columns from the middle, and between columns and rows.
const ASIDE: f64 = 400.0;
const COLUMN: f64 = 180.0;
const ROW: f64 = 140.0;
/// Rows of the first column; each further one has twice as many.
const FIRST_ROWS: u64 = 4;
/// How far a port may stand from where the middle of its like is: at its first try, and at its last, each a step further.
const SCATTER: f64 = 70.0;
const TRIES: u16 = 24;
const FURTHER: f64 = SCATTER / 8.0;
/// The room a port and its name take.
const PORT_WIDTH: f64 = 100.0;
const PORT_HEIGHT: f64 = 26.0;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Place {
    x: f64,
    y: f64,
}

#[derive(Serialize)]
struct Node {
    id: String,
    kind: &'static str,
    label: String,
    state: &'static str,
    #[serde(flatten)]
    place: Place,
    size: f64,
}

#[derive(Serialize)]
struct Edge {
    id: String,
    source: String,
    target: String,
    kind: &'static str,
}

pub(crate) async fn show(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let limit = params.limit(DEFAULT_NODES, MAX_NODES)?;
    params.done()?;
    let snapshot = state.store.snapshot();
    let mut graph = Graph::default();
    graph.add_hosts(&state, &snapshot, limit);
    graph.add_networks(&snapshot, limit);
    graph.add_ports(&snapshot, limit);
    Ok(Json(json!({
        "revision": snapshot.revision(),
        "nodes": graph.nodes,
        "edges": graph.edges,
        "omitted": {"ports": graph.omitted_ports},
    })))
}

#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    hosts: HashMap<HostName, (String, Place)>,
    networks: HashMap<NetworkId, Place>,
    lattice: Lattice,
    omitted_ports: usize,
}

impl Graph {
    fn add_hosts(&mut self, state: &App, snapshot: &Snapshot, limit: usize) {
        let rows: Vec<_> = snapshot.scan::<Hosts>(()).collect();
        let keys = rows
            .iter()
            .map(|row| (row.value.registered_at, row.value.agent_id.0));
        let places = columns(keys.collect(), -1.0);
        for row in rows.iter().take(limit) {
            let host = &row.value;
            let place = places[&host.agent_id.0];
            let id = host.agent_id.to_string();
            let ports = snapshot
                .lookup::<Ports>(BY_HOST, host.name.as_str())
                .count();
            self.hosts.insert(host.name.clone(), (id.clone(), place));
            self.nodes.push(Node {
                id,
                kind: "host",
                label: host.name.to_string(),
                state: if state.observed.is_up(&host.name) {
                    "up"
                } else {
                    "down"
                },
                place,
                size: size(ports),
            });
        }
    }

    fn add_networks(&mut self, snapshot: &Snapshot, limit: usize) {
        let rows: Vec<_> = snapshot.scan::<Networks>(()).collect();
        let keys = rows
            .iter()
            .map(|row| (row.value.meta.created_at, row.value.id.0));
        let places = columns(keys.collect(), 1.0);
        for row in rows.iter().take(limit.saturating_sub(self.nodes.len())) {
            let network = &row.value;
            let place = places[&network.id.0];
            let id = network.id.to_string();
            self.networks.insert(network.id, place);
            self.nodes.push(Node {
                label: label(&network.meta.name, &id),
                id,
                kind: "network",
                state: if network.admin_state_up { "up" } else { "down" },
                place,
                size: size(snapshot.scan::<Ports>(&network.id).count()),
            });
        }
    }

    fn add_ports(&mut self, snapshot: &Snapshot, limit: usize) {
        let room = limit.saturating_sub(self.nodes.len());
        self.omitted_ports = snapshot.len::<Ports>().saturating_sub(room);
        let mut rows: Vec<_> = snapshot.scan::<Ports>(()).take(room).collect();
        rows.sort_by_key(|row| (row.value.meta.created_at, row.value.id));
        for row in rows {
            self.add_port(&row.value);
        }
    }

    fn add_port(&mut self, port: &Port) {
        let id = port.id.to_string();
        let network = self.networks.get(&port.network_id).copied();
        let host = port
            .binding
            .host
            .as_ref()
            .and_then(|host| self.hosts.get(host));
        let place = self
            .lattice
            .place(port.id.0, host.map(|(_, place)| *place), network);
        if let Some((host, _)) = host {
            self.edges.push(Edge {
                id: format!("{id}/host"),
                source: id.clone(),
                target: host.clone(),
                kind: "binding",
            });
        }
        if network.is_some() {
            self.edges.push(Edge {
                id: format!("{id}/network"),
                source: id.clone(),
                target: port.network_id.to_string(),
                kind: "membership",
            });
        }
        self.nodes.push(Node {
            label: label(&port.meta.name, &id),
            id,
            kind: "port",
            state: match port.status {
                PortStatus::Active => "active",
                PortStatus::Down => "down",
                PortStatus::Build => "build",
                PortStatus::Error => "error",
            },
            place,
            size: 4.0,
        });
    }
}

/// Grows with the area a node's ports would cover.
fn size(ports: usize) -> f64 {
    let size = 10.0 + (ports as f64).sqrt();
    round(size.min(40.0))
}

/// A place for each object. In order of age, each takes the row its id says in the first column where that row
/// is free; younger objects never move older ones.
fn columns(mut objects: Vec<(Timestamp, Uuid)>, side: f64) -> HashMap<Uuid, Place> {
    objects.sort();
    let mut taken = HashSet::new();
    let mut places = HashMap::with_capacity(objects.len());
    for (_, id) in objects {
        let mut column = 0;
        let mut rows = FIRST_ROWS;
        let mut row = hash(id, column) % rows;
        while !taken.insert((column, row)) {
            column += 1;
            rows *= 2;
            row = hash(id, column) % rows;
        }
        let middle = (rows - 1) as f64 / 2.0;
        let place = Place {
            x: side * (ASIDE + COLUMN * column as f64),
            y: (row as f64 - middle) * ROW / (column + 1) as f64,
        };
        places.insert(id, place);
    }
    places
}

/// Where ports stand: each in a cell of its own, as far as there is room, so that none hides another's name.
#[derive(Default)]
struct Lattice {
    taken: HashSet<(i64, i64)>,
}

impl Lattice {
    /// Between host and network; beside the one it has if it has one. To be called in order of age: a port takes the
    /// first cell that is free of those its id says, so younger ports never move older ones. In a crowd it gives up
    /// and stands where another does.
    fn place(&mut self, id: Uuid, host: Option<Place>, network: Option<Place>) -> Place {
        let middle = middle(host, network);
        let mut place = middle;
        for attempt in 0..TRIES {
            let (x, y) = cell(scattered(id, attempt, middle));
            place = Place {
                x: x as f64 * PORT_WIDTH,
                y: y as f64 * PORT_HEIGHT,
            };
            if self.taken.insert((x, y)) {
                break;
            }
        }
        place
    }
}

fn middle(host: Option<Place>, network: Option<Place>) -> Place {
    match (host, network) {
        (Some(host), Some(network)) => Place {
            x: (host.x + network.x) / 2.0,
            y: (host.y + network.y) / 2.0,
        },
        (Some(one), None) | (None, Some(one)) => Place {
            x: one.x * 0.7,
            y: one.y,
        },
        (None, None) => Place { x: 0.0, y: 0.0 },
    }
}

/// A point near the middle; the same for the same id and attempt.
fn scattered(id: Uuid, attempt: u16, middle: Place) -> Place {
    let salt = u64::from(attempt) * 2;
    let fraction = |salt| hash(id, salt) as f64 / u64::MAX as f64;
    let radius = (SCATTER + FURTHER * f64::from(attempt)) * fraction(salt).sqrt();
    let angle = std::f64::consts::TAU * fraction(salt + 1);
    Place {
        x: middle.x + radius * angle.cos(),
        y: middle.y + radius * angle.sin(),
    }
}

fn cell(place: Place) -> (i64, i64) {
    let nearest = |length: f64, unit: f64| (length / unit).round() as i64;
    (nearest(place.x, PORT_WIDTH), nearest(place.y, PORT_HEIGHT))
}

/// A tenth of a pixel is enough, and the same on every machine.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The finalizer of SplitMix64 over the id; the same in every process, unlike the hashers of the standard library.
fn hash(id: Uuid, salt: u64) -> u64 {
    let (high, low) = id.as_u64_pair();
    let mut z = high ^ low.rotate_left(32) ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    proptest! {
        #[test]
        fn places_differ_and_younger_objects_move_nothing(ids in prop::collection::hash_set(any::<u128>(), 1..200)) {
            let objects: Vec<_> = ids
                .into_iter()
                .enumerate()
                .map(|(age, id)| (at(age as i64), Uuid::from_u128(id)))
                .collect();
            let all = columns(objects.clone(), 1.0);
            let older = &objects[..objects.len() / 2];
            let before = columns(older.to_vec(), 1.0);
            for (_, id) in older {
                prop_assert_eq!(before[id], all[id]);
            }
            let distinct: HashSet<String> = all.values().map(|place| format!("{place:?}")).collect();
            prop_assert_eq!(distinct.len(), objects.len());
        }

        #[test]
        fn no_port_of_a_few_hides_another_and_younger_ones_move_nothing(ids in prop::collection::hash_set(any::<u128>(), 1..30)) {
            let host = Some(Place { x: -400.0, y: 0.0 });
            let network = Some(Place { x: 400.0, y: 100.0 });
            let ids: Vec<Uuid> = ids.into_iter().map(Uuid::from_u128).collect();
            let place_all = |ids: &[Uuid]| {
                let mut lattice = Lattice::default();
                ids.iter().map(|id| lattice.place(*id, host, network)).collect::<Vec<_>>()
            };
            let all = place_all(&ids);
            let older = place_all(&ids[..ids.len() / 2]);
            prop_assert_eq!(&all[..older.len()], &older[..]);
            let cells: HashSet<_> = all.iter().map(|place| cell(*place)).collect();
            prop_assert_eq!(cells.len(), ids.len());
            let furthest = SCATTER + FURTHER * f64::from(TRIES) + PORT_WIDTH;
            for place in all {
                prop_assert!(place.x.hypot(place.y - 50.0) <= furthest);
            }
        }
    }
}
