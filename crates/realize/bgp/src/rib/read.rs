//! Reading the tables: pages in key order, look-ups, and for one route everything about why. A page costs what it shows: at
//! most [`SCANNED`] prefixes are looked at for one, however few a filter lets through, so readers never hold up the sessions.

use super::Rib;
use super::audience::Slot;
use super::best;
use super::config::{AddPathSend, TableId};
use super::export::Export;
use super::group::constrained_family;
use super::key::{Key, Space};
use super::observe::origin;
use super::path::{Freshness, Path};
use super::plan::{Context, only};
use super::shard::{Judge, Shard};
use super::tables::read_table;
use super::view::{
    Explanation, ExportView, Page, PathState, PathView, Rejection, Select, SentView, TableCounts,
    Withheld,
};
use crate::attribute::Attributes;
use crate::nlri::Nlri;
use crate::{Family, PeerId};
use std::sync::Arc;

/// Most prefixes looked at for one page.
pub const SCANNED: usize = 10_000;

/// Runs an expression with the shards of any table; none if there is no such table.
macro_rules! with_shards {
    ($rib:expr, $table:expr, $shards:ident => $body:expr) => {
        match $table {
            TableId::Global(family) => read_table!($rib.tables, family, table => {
                let $shards = &table.shards[..];
                Some($body)
            }),
            TableId::Vrf(id, Family::Ipv6Unicast) => $rib.vrfs.l3.get(&id).map(|vrf| {
                let $shards = std::slice::from_ref(&vrf.ipv6);
                $body
            }),
            TableId::Vrf(id, _) => $rib.vrfs.l3.get(&id).map(|vrf| {
                let $shards = std::slice::from_ref(&vrf.ipv4);
                $body
            }),
            TableId::MacVrf(id) => $rib.vrfs.l2.get(&id).map(|vrf| {
                let $shards = std::slice::from_ref(&vrf.routes);
                $body
            }),
        }
    };
}

/// Entries of all shards in key order that a selection names, from a key on.
pub(super) fn walk<'t, S: Space>(
    shards: &'t [Shard<S>],
    select: Select,
    from: Option<&Nlri>,
) -> Box<dyn Iterator<Item = (&'t Shard<S>, u32)> + 't> {
    let from = from.and_then(S::key);
    let one = |found: Option<(&'t Shard<S>, u32)>| -> Box<dyn Iterator<Item = _> + 't> {
        Box::new(found.into_iter())
    };
    match select {
        Select::All => Box::new(merged(shards, from, |_| true)),
        Select::Exact(nlri) => {
            let key = S::key(&nlri);
            let find = |shard: &'t Shard<S>| Some((shard, shard.find(key.as_ref()?)?));
            one(shards.iter().find_map(find))
        }
        Select::Longest(nlri) => {
            let Some(key) = S::key(&nlri) else {
                return one(None);
            };
            let longest = shards.iter().filter_map(|shard| {
                let index = shard.longest(&key, |index| !shard.entries[index].is_empty())?;
                Some((shard, index))
            });
            one(longest.max_by_key(|(shard, index)| shard.entries[*index].key.length()))
        }
        Select::Covered(nlri) => {
            let Some(key) = S::key(&nlri) else {
                return one(None);
            };
            let start = from.filter(|from| *from > key).unwrap_or(key);
            Box::new(merged(shards, Some(start), move |other| key.covers(other)))
        }
    }
}

fn merged<'t, S: Space>(
    shards: &'t [Shard<S>],
    from: Option<S::Key>,
    within: impl Fn(&S::Key) -> bool + 't,
) -> impl Iterator<Item = (&'t Shard<S>, u32)> + 't {
    let mut walks: Vec<_> = shards
        .iter()
        .map(|shard| (shard, shard.range(from.as_ref()).peekable()))
        .collect();
    std::iter::from_fn(move || {
        let heads = walks
            .iter_mut()
            .enumerate()
            .filter_map(|(at, (shard, walk))| {
                let index = walk.peek()?;
                Some((shard.entries[*index].key, at))
            });
        let (_, at) = heads.min()?;
        let (shard, walk) = &mut walks[at];
        Some((*shard, walk.next()?))
    })
    .take_while(move |(shard, index)| within(&shard.entries[*index].key))
}

/// Fills a page from a walk; `show` gives the items of an entry.
pub(super) fn page<'t, S: Space, T>(
    walk: impl Iterator<Item = (&'t Shard<S>, u32)>,
    limit: usize,
    mut show: impl FnMut(&'t Shard<S>, u32) -> Vec<T>,
) -> Page<T> {
    let mut items = Vec::new();
    for (scanned, (shard, index)) in walk.enumerate() {
        if items.len() >= limit || scanned >= SCANNED {
            let next = Some(S::nlri(&shard.entries[index].key));
            return Page { items, next };
        }
        items.append(&mut show(shard, index));
    }
    Page { items, next: None }
}

impl Rib {
    pub(super) fn judge(&self) -> Judge<'_> {
        Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        }
    }

    /// All tables there are.
    pub fn tables(&self) -> Vec<TableId> {
        let mut tables: Vec<TableId> = Family::ALL.into_iter().map(TableId::Global).collect();
        for id in self.vrfs.l3.keys() {
            tables.push(TableId::Vrf(*id, Family::Ipv4Unicast));
            tables.push(TableId::Vrf(*id, Family::Ipv6Unicast));
        }
        tables.extend(self.vrfs.l2.keys().map(|id| TableId::MacVrf(*id)));
        tables
    }

    /// Sizes of a table; none if it does not exist.
    pub fn table_counts(&self, table: TableId) -> Option<TableCounts> {
        with_shards!(self, table, shards => TableCounts {
            prefixes: shards.iter().map(Shard::prefixes).sum(),
            paths: shards.iter().map(Shard::paths).sum(),
        })
    }

    /// Prefixes of a table in order, each with its paths in order of preference, from `from` on; those of which `keep` is
    /// false of every path are left out. A page ends after `limit` prefixes or [`SCANNED`] looked at.
    pub fn routes(
        &self,
        table: TableId,
        select: Select,
        from: Option<&Nlri>,
        limit: usize,
        keep: impl Fn(&PathView) -> bool,
    ) -> Option<Page<Vec<PathView>>> {
        with_shards!(self, table, shards => page(walk(shards, select, from), limit, |shard, index| {
            let paths = self.paths(shard, index);
            if paths.iter().any(&keep) { vec![paths] } else { Vec::new() }
        }))
    }

    /// What a peer sent of a family (Adj-RIB-In): as received and as used, rejected paths included.
    pub fn received(
        &self,
        peer: PeerId,
        family: Family,
        select: Select,
        from: Option<&Nlri>,
        limit: usize,
        keep: impl Fn(&PathView) -> bool,
    ) -> Page<PathView> {
        let of = super::view::Origin::Peer(peer);
        read_table!(self.tables, family, table => {
            page(walk(&table.shards, select, from), limit, |shard, index| {
                let mut paths = self.paths(shard, index);
                paths.retain(|path| path.origin == of && keep(path));
                paths
            })
        })
    }

    /// What a peer has been sent of a family (Adj-RIB-Out), queued messages included.
    pub fn advertised(
        &self,
        peer: PeerId,
        family: Family,
        select: Select,
        from: Option<&Nlri>,
        limit: usize,
        keep: impl Fn(&SentView) -> bool,
    ) -> Page<SentView> {
        let slot = self.peers.slot(peer);
        read_table!(self.tables, family, table => {
            page(walk(&table.shards, select, from), limit, |shard, index| {
                let Some(slot) = slot else { return Vec::new() };
                let mut sent = self.sent(slot, shard, index);
                sent.retain(&keep);
                sent
            })
        })
    }

    /// Why a route is what it is: every path with what became of it, and every peer with what it is sent or why not.
    pub fn explain(&self, table: TableId, nlri: &Nlri) -> Option<Explanation> {
        with_shards!(self, table, shards => {
            let (shard, index) = walk(shards, Select::Exact(*nlri), None).next()?;
            let exports = match table {
                TableId::Global(_) => self.exports(shard, index),
                TableId::Vrf(..) | TableId::MacVrf(_) => Vec::new(),
            };
            Some(Explanation {
                table,
                nlri: *nlri,
                paths: self.paths(shard, index),
                exports,
            })
        })?
    }

    fn paths<S: Space>(&self, shard: &Shard<S>, index: u32) -> Vec<PathView> {
        let key = &shard.entries[index].key;
        let best = shard.entries[index].best();
        shard
            .paths_of(index)
            .enumerate()
            .map(|(at, path)| {
                let used = path.used.some().map(|set| self.sets.get(set));
                PathView {
                    nlri: S::nlri(key),
                    origin: origin(&self.peers, path.source),
                    path_id: path.path_id,
                    payload: S::payload(&path.extra),
                    received: Arc::new(self.sets.get(path.received).attributes.clone()),
                    used: used.map(|set| Arc::new(set.attributes.clone())),
                    weight: used.map_or(0, |set| set.summary.weight),
                    state: self.state::<S>(key, best, path, at == 0),
                    stale: path.freshness > Freshness::Refreshing,
                }
            })
            .collect()
    }

    fn state<S: Space>(
        &self,
        key: &S::Key,
        best: Option<&Path<S::Extra>>,
        path: &Path<S::Extra>,
        first: bool,
    ) -> PathState {
        if let Some(rejection) = path.rejection {
            return PathState::Rejected(rejection);
        }
        let Some(best) = best else {
            return PathState::Rejected(Rejection::Unreachable);
        };
        if first {
            return PathState::Best;
        }
        if path.multipath {
            return PathState::Multipath;
        }
        let judge = self.judge();
        let mobile = S::mobile(key);
        let (best, path) = (judge.candidate(best, mobile), judge.candidate(path, mobile));
        PathState::Lost(best::compare(&best, &path, judge.options).1)
    }

    fn sent<S: Space>(&self, slot: Slot, shard: &Shard<S>, index: u32) -> Vec<SentView> {
        let Some(rules) = self.rules_of(slot, S::FAMILY) else {
            return Vec::new();
        };
        let export = rules.export(self.sets.own());
        let nlri = S::nlri(&shard.entries[index].key);
        let mut sent = Vec::new();
        let context = self.context(export);
        for path in context.shown(shard, index) {
            if !self.has_been_sent(slot, shard, index, path, &export) {
                continue;
            }
            if let Ok(attributes) = context.decide(path, &nlri) {
                sent.push(SentView {
                    nlri,
                    path_id: export.key.add_path.map_or(0, |_| u32::from(path.sent_as)),
                    payload: S::payload(&path.extra),
                    attributes: Arc::new(attributes),
                });
            }
        }
        sent
    }

    fn has_been_sent<S: Space>(
        &self,
        slot: Slot,
        shard: &Shard<S>,
        index: u32,
        path: &Path<S::Extra>,
        export: &Export<'_>,
    ) -> bool {
        if export.key.add_path.is_none() {
            return shard.audiences.contains(shard.entries[index].sent, slot);
        }
        let records = shard
            .all_paths
            .as_ref()
            .and_then(|all| all.sent.get(&index));
        records
            .into_iter()
            .flatten()
            .any(|sent| sent.path == path.sent_as && shard.audiences.contains(sent.who, slot))
    }

    fn context<'a>(&'a self, export: Export<'a>) -> Context<'a> {
        Context {
            export,
            sets: &self.sets,
            peers: &self.peers,
            subscriptions: None,
        }
    }

    /// For each peer that is up what of an entry it is sent, or why nothing.
    fn exports<S: Space>(&self, shard: &Shard<S>, index: u32) -> Vec<ExportView> {
        let up = self.peers.iter().filter(|(_, peer)| peer.up);
        up.flat_map(|(slot, peer)| {
            let outcomes = self.outcomes(slot, shard, index);
            outcomes.into_iter().map(|(outcome, sent)| ExportView {
                peer: peer.id,
                outcome: outcome.map(Arc::new),
                sent,
            })
        })
        .collect()
    }

    fn outcomes<S: Space>(
        &self,
        slot: Slot,
        shard: &Shard<S>,
        index: u32,
    ) -> Vec<(Result<Attributes, Withheld>, bool)> {
        let family = S::FAMILY;
        let negotiated = self
            .peers
            .get(slot)
            .is_some_and(|peer| peer.info.families.contains(family));
        if !negotiated {
            return vec![(Err(Withheld::Family), false)];
        }
        let Some(rules) = self.rules_of(slot, family) else {
            return vec![(Err(Withheld::MembershipPending), false)];
        };
        let export = rules.export(self.sets.own());
        let limit = match export.key.add_path {
            None | Some(AddPathSend::All) => usize::MAX,
            Some(AddPathSend::Best(count)) => usize::from(count),
        };
        let nlri = S::nlri(&shard.entries[index].key);
        let mut outcomes = Vec::new();
        let context = self.context(export);
        for (at, path) in context.shown(shard, index).into_iter().enumerate() {
            let outcome = if at >= limit {
                Err(Withheld::PathLimit)
            } else {
                self.outcome(slot, &context, path, &nlri)
            };
            let sent = self.has_been_sent(slot, shard, index, path, &export);
            outcomes.push((outcome, sent));
        }
        if outcomes.is_empty() {
            let sent = shard.audiences.contains(shard.entries[index].sent, slot);
            outcomes.push((Err(Withheld::NoPath), sent));
        }
        outcomes
    }

    fn outcome<X>(
        &self,
        slot: Slot,
        context: &Context<'_>,
        path: &Path<X>,
        nlri: &Nlri,
    ) -> Result<Attributes, Withheld> {
        let key = context.export.key;
        if path.source.slot() == Some(slot) && !key.tells_source() {
            return Err(Withheld::Source);
        }
        let attributes = context.decide(path, nlri)?;
        let used = &self.sets.get(path.used).attributes;
        if constrained_family(key.family) && self.subscriptions.filter(&only(slot), used).is_empty()
        {
            return Err(Withheld::NoMembership);
        }
        Ok(attributes)
    }
}
