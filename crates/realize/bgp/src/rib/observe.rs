//! Table changes for whoever installs or reports routes: kernel, BMP, planner. An observer follows a table as a subgroup of
//! peers does, so it sees each prefix once, as it is by then, however often it changed.

use super::Rib;
use super::changes::Marker;
use super::config::TableId;
use super::intern::AttributeSets;
use super::key::Space;
use super::path::{Path, SourceId};
use super::peer::{OBSERVER, Peers};
use super::shard::Shard;
use super::tables::with_table;
use super::view::{BestPath, Origin, TableChange};
use crate::Family;
use std::sync::Arc;

impl Rib {
    /// From now on [`Self::table_changes`] tells of this table, all that is in it first; called again, all that is in it once
    /// more. A table that does not exist yet may be subscribed to.
    pub fn subscribe(&mut self, table: TableId) {
        let markers = self.observed.entry(table).or_default();
        match table {
            TableId::Global(family) => with_table!(self.tables, family, of => {
                rewind(&mut of.shards, markers);
            }),
            TableId::Vrf(id, family) => {
                if let Some(vrf) = self.vrfs.l3.get_mut(&id) {
                    match family {
                        Family::Ipv6Unicast => rewind(std::slice::from_mut(&mut vrf.ipv6), markers),
                        _ => rewind(std::slice::from_mut(&mut vrf.ipv4), markers),
                    }
                }
            }
            TableId::MacVrf(id) => {
                if let Some(vrf) = self.vrfs.l2.get_mut(&id) {
                    rewind(std::slice::from_mut(&mut vrf.routes), markers);
                }
            }
        }
    }

    /// The table is no longer told of.
    pub fn unsubscribe(&mut self, table: TableId) {
        let Some(markers) = self.observed.remove(&table) else {
            return;
        };
        match table {
            TableId::Global(family) => {
                with_table!(self.tables, family, of => unfollow(&mut of.shards, &markers));
            }
            TableId::Vrf(id, family) => {
                let Some(vrf) = self.vrfs.l3.get_mut(&id) else {
                    return;
                };
                if family == Family::Ipv6Unicast {
                    unfollow(std::slice::from_mut(&mut vrf.ipv6), &markers);
                } else {
                    unfollow(std::slice::from_mut(&mut vrf.ipv4), &markers);
                }
            }
            TableId::MacVrf(id) => {
                if let Some(vrf) = self.vrfs.l2.get_mut(&id) {
                    unfollow(std::slice::from_mut(&mut vrf.routes), &markers);
                }
            }
        }
    }

    /// What changed in subscribed tables since the last call, at most `limit` prefixes per shard of each table; call again
    /// while it gives anything.
    pub fn table_changes(&mut self, limit: usize) -> Vec<TableChange> {
        self.leak();
        let mut changes = std::mem::take(&mut self.parting);
        let sets = &self.sets;
        let peers = &self.peers;
        for (table, markers) in &mut self.observed {
            let mut out = Out {
                table: *table,
                limit,
                sets,
                peers,
                changes: &mut changes,
            };
            match table {
                TableId::Global(family) => with_table!(self.tables, *family, of => {
                    follow(&mut of.shards, markers);
                    for (shard, marker) in of.shards.iter_mut().zip(&*markers) {
                        out.drain(shard, *marker);
                    }
                }),
                TableId::Vrf(id, family) => {
                    let Some(vrf) = self.vrfs.l3.get_mut(id) else {
                        markers.clear();
                        continue;
                    };
                    if *family == Family::Ipv6Unicast {
                        out.follow(&mut vrf.ipv6, markers);
                    } else {
                        out.follow(&mut vrf.ipv4, markers);
                    }
                }
                TableId::MacVrf(id) => match self.vrfs.l2.get_mut(id) {
                    Some(vrf) => out.follow(&mut vrf.routes, markers),
                    None => markers.clear(),
                },
            }
        }
        changes
    }
}

pub(super) fn follow<S: Space>(shards: &mut [Shard<S>], markers: &mut Vec<Marker>) {
    if markers.is_empty() {
        markers.extend(
            shards
                .iter_mut()
                .map(|shard| shard.changes.follow_from_start()),
        );
    }
}

fn rewind<S: Space>(shards: &mut [Shard<S>], markers: &mut [Marker]) {
    for (shard, marker) in shards.iter_mut().zip(markers) {
        shard.changes.unfollow(*marker);
        *marker = shard.changes.follow_from_start();
    }
}

fn unfollow<S: Space>(shards: &mut [Shard<S>], markers: &[Marker]) {
    for (shard, marker) in shards.iter_mut().zip(markers) {
        shard.changes.unfollow(*marker);
        if shard.forget(OBSERVER) {
            shard.bury_leftovers(0..shard.entries.bound());
        }
    }
}

/// Where changes of a table go.
pub(super) struct Out<'a> {
    table: TableId,
    limit: usize,
    sets: &'a AttributeSets,
    peers: &'a Peers,
    changes: &'a mut Vec<TableChange>,
}

/// What an observer of a table that goes away must be told: none of it is there any more.
pub(super) fn part<S: Space>(table: TableId, shard: &Shard<S>, into: &mut Vec<TableChange>) {
    for index in shard.range(None) {
        let entry = &shard.entries[index];
        if shard.audiences.contains(entry.sent, OBSERVER) {
            into.push(TableChange {
                table,
                nlri: S::nlri(&entry.key),
                paths: Vec::new(),
            });
        }
    }
}

impl Out<'_> {
    fn follow<S: Space>(&mut self, shard: &mut Shard<S>, markers: &mut Vec<Marker>) {
        follow(std::slice::from_mut(shard), markers);
        for marker in &*markers {
            self.drain(shard, *marker);
        }
    }

    pub(super) fn drain<S: Space>(&mut self, shard: &mut Shard<S>, marker: Marker) {
        for _ in 0..self.limit {
            let Some(index) = shard.changes.position(marker) else {
                return;
            };
            shard.changes.advance(marker);
            let paths: Vec<BestPath> = shard
                .paths_of(index)
                .enumerate()
                .filter(|(at, path)| path.usable() && (*at == 0 || path.multipath))
                .map(|(_, path)| self.path::<S>(path))
                .collect();
            let sent = shard.entries[index].sent;
            let mut slots = (**shard.audiences.get(sent)).clone();
            if paths.is_empty() && !slots.contains(OBSERVER) {
                continue;
            }
            if paths.is_empty() {
                slots.remove(OBSERVER);
            } else {
                slots.insert(OBSERVER);
            }
            self.changes.push(TableChange {
                table: self.table,
                nlri: S::nlri(&shard.entries[index].key),
                paths,
            });
            let now = shard.audiences.intern(slots);
            let entry = &mut shard.entries[index];
            shard.audiences.replace(&mut entry.sent, now);
            if entry.is_empty() {
                shard.bury(index);
            }
        }
    }

    fn path<S: Space>(&self, path: &Path<S::Extra>) -> BestPath {
        BestPath {
            origin: origin(self.peers, path.source),
            path_id: path.path_id,
            payload: S::payload(&path.extra),
            attributes: Arc::new(self.sets.get(path.used).attributes.clone()),
        }
    }
}

pub(super) fn origin(peers: &Peers, source: SourceId) -> Origin {
    match source.slot().and_then(|slot| peers.get(slot)) {
        Some(peer) => Origin::Peer(peer.id),
        None => Origin::Local,
    }
}
