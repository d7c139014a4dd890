//! Changes to many paths at once (a session ended, stale routes go, import policy or a next hop changed), a slice at a
//! time: an order is taken in one call and carried out by walks over the table, some entries per flush.
//!
//! One walk carries out all orders of a table that were waiting when it began; those given meanwhile are for the next. An
//! order about what a peer has announced so far has a number, and each path knows up to which it is done with them: a path
//! announced after an order was given is none of that order's concern, wherever the walk is. All other orders say "look
//! again", and looking once too often changes nothing.
//!
//! What is ordered away must not count as received any more, however long it takes to be gone.

use super::Rib;
use super::audience::Slot;
use super::executor::on_each;
use super::ingest::Tally;
use super::intern::SetId;
use super::key::Space;
use super::path::{Freshness, OrderNumber, Path, SourceId};
use super::shard::{Judge, Revision, Shard};
use super::tables::with_table;
use super::view::Rejection;
use crate::Family;
use crate::nlri::Route;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

/// Orders to the paths of one peer under way in a family; well below what [`OrderNumber`] can tell apart.
const UNDER_WAY: usize = 64;

/// What becomes of a peer's paths of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// All go.
    Gone,
    /// The session is down, routes stay: stale. What was stale already goes (RFC 4724 4.2), long-lived ones stay.
    Stale,
    /// RFC 9494 4.2.
    LongLived,
    /// What was not announced again goes.
    Swept,
    /// RFC 7313 4.1: BoRR.
    Refreshing,
    /// EoRR.
    Refreshed,
}

/// Orders of one table.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// To the paths that sources have announced so far, oldest first.
    fates: BTreeMap<SourceId, Vec<(OrderNumber, Fate)>>,
    /// To ask import about the paths of these peers again.
    pub(super) imports: BTreeSet<Slot>,
    /// To look at these next hops again.
    pub(super) hops: BTreeSet<IpAddr>,
    /// To choose best paths again.
    pub(super) choices: bool,
    /// To free entries that are left over.
    pub(super) leftovers: bool,
}

impl Orders {
    fn is_empty(&self) -> bool {
        self.fates.is_empty()
            && self.imports.is_empty()
            && self.hops.is_empty()
            && !self.choices
            && !self.leftovers
    }

    fn of(&self, source: SourceId) -> usize {
        self.fates.get(&source).map_or(0, Vec::len)
    }
}

/// The work of this kind on one table.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    pub(super) waiting: Orders,
    round: Option<Round>,
}

/// A walk, and where it is.
#[derive(Debug)]
struct Round {
    orders: Orders,
    /// In every shard.
    index: u32,
}

impl Sweep {
    fn is_idle(&self) -> bool {
        self.round.is_none() && self.waiting.is_empty()
    }

    fn under_way(&self, source: SourceId) -> usize {
        let round = self.round.as_ref();
        self.waiting.of(source) + round.map_or(0, |round| round.orders.of(source))
    }
}

/// What happened, by source.
#[derive(Default)]
struct Tallies(Vec<(SourceId, Tally)>);

impl Tallies {
    /// `departure` is asked for a source that is new here.
    fn of(&mut self, source: SourceId, departure: Option<OrderNumber>) -> &mut Tally {
        let known = self.0.iter().rposition(|(other, _)| *other == source);
        let at = known.unwrap_or_else(|| {
            self.0.push((source, Tally::new(departure)));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl Rib {
    /// Orders what becomes of the paths a peer has announced so far.
    pub(super) fn order(&mut self, slot: Slot, family: Family, fate: Fate) {
        let source = SourceId::peer(slot);
        let under_way = self.sweeps[family as usize].under_way(source);
        let Some(peer) = self.peers.get_mut(slot) else {
            return;
        };
        let counts = *peer.received(family);
        if counts.paths == 0 || (fate == Fate::Swept && counts.stale == 0 && under_way == 0) {
            return;
        }
        if under_way >= UNDER_WAY {
            self.finish(family);
        }
        let Some(peer) = self.peers.get_mut(slot) else {
            return;
        };
        let number = peer.next_order(family, fate == Fate::Gone);
        let orders = &mut self.sweeps[family as usize].waiting;
        orders.fates.entry(source).or_default().push((number, fate));
        if family == Family::RouteTarget {
            // Few, and what peers are sent hangs on them.
            self.finish(family);
        }
    }

    /// Goes on with what is ordered; whether there is more.
    pub(super) fn sweep(&mut self) -> bool {
        let mut room = self.config.slice;
        for family in Family::ALL {
            while room > 0 && self.sweep_on(family, &mut room) {}
        }
        self.sweeps.iter().any(|sweep| !sweep.is_idle())
    }

    /// Carries out everything that is ordered for a table.
    pub(super) fn finish(&mut self, family: Family) {
        let mut room = u32::MAX;
        while self.sweep_on(family, &mut room) {
            room = u32::MAX;
        }
    }

    /// Takes the walk over a table further in every shard; whether there is more to do on it.
    fn sweep_on(&mut self, family: Family, room: &mut u32) -> bool {
        let sweep = &mut self.sweeps[family as usize];
        let mut round = match sweep.round.take() {
            Some(round) => round,
            None if sweep.waiting.is_empty() => return false,
            None => Round {
                orders: std::mem::take(&mut sweep.waiting),
                index: 0,
            },
        };
        let bound = with_table!(self.tables, family, table => {
            let bounds = table.shards.iter().map(|shard| shard.entries.bound());
            bounds.max().unwrap_or(0)
        });
        let until = bound.min(round.index.saturating_add(*room));
        self.visit(family, &round.orders, round.index..until);
        *room -= until - round.index;
        round.index = until;
        if until < bound {
            self.sweeps[family as usize].round = Some(round);
        } else {
            self.carried_out(family, round.orders);
        }
        !self.sweeps[family as usize].is_idle()
    }

    fn visit(&mut self, family: Family, orders: &Orders, range: Range<u32>) {
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        let long = range.len() >= self.config.slice as usize;
        let executor = self.executor.as_deref().filter(|_| long);
        let visits = with_table!(self.tables, family, table => {
            on_each(executor, &mut table.shards, |_, shard| {
                let mut visit = Visit::new(orders, judge, family);
                visit.entries(shard, range.clone());
                (visit.tallies, visit.lost)
            })
        });
        for (tallies, lost) in visits {
            for (source, tally) in tallies.0 {
                match source.slot() {
                    Some(slot) => self.settle(slot, family, tally),
                    None => self.release(tally),
                }
            }
            for (slot, route) in lost {
                self.membership(slot, &route, false);
            }
        }
        if !orders.imports.is_empty() {
            self.import_again(family, &orders.imports, range);
        }
    }

    /// A walk is over.
    fn carried_out(&mut self, family: Family, orders: Orders) {
        for (source, fates) in orders.fates {
            let Some(slot) = source.slot() else { continue };
            if let Some(peer) = self.peers.get_mut(slot) {
                for (number, _) in fates {
                    peer.order_done(family, number);
                }
            }
            self.peers.settle(slot);
        }
    }
}

/// A walk's work on some entries.
struct Visit<'a> {
    orders: &'a Orders,
    judge: Judge<'a>,
    family: Family,
    tallies: Tallies,
    /// Memberships that are gone.
    lost: Vec<(Slot, Route)>,
}

impl<'a> Visit<'a> {
    fn new(orders: &'a Orders, judge: Judge<'a>, family: Family) -> Self {
        Self {
            orders,
            judge,
            family,
            tallies: Tallies::default(),
            lost: Vec::new(),
        }
    }

    fn entries<S: Space>(&mut self, shard: &mut Shard<S>, range: Range<u32>) {
        let range = range.start..range.end.min(shard.entries.bound());
        let Self {
            orders,
            judge,
            family,
            tallies,
            lost,
        } = self;
        if !orders.fates.is_empty() || !orders.hops.is_empty() {
            shard.revise(
                judge,
                range.clone(),
                |path| orders.fates.contains_key(&path.source) || hop_changed(orders, judge, path),
                |_, path| revise(orders, judge, *family, path),
                |key, old, new| {
                    let slot = old.source.slot();
                    let peer = slot.and_then(|slot| judge.peers.get(slot));
                    let departure = peer.and_then(|peer| peer.departure[*family as usize]);
                    let tally = tallies.of(old.source, departure);
                    let Some(new) = new else {
                        tally.gone(old);
                        if let Some(slot) = slot
                            && S::FAMILY == Family::RouteTarget
                            && old.usable()
                        {
                            let path_id = old.path_id;
                            let route = Route::bare(S::nlri(key));
                            lost.push((slot, Route { path_id, ..route }));
                        }
                        return;
                    };
                    tally.changed(old, new);
                },
            );
        }
        if orders.choices {
            shard.choose_again(judge, range.clone());
        }
        if orders.leftovers {
            shard.bury_leftovers(range);
        }
    }
}

fn hop_changed<X>(orders: &Orders, judge: &Judge<'_>, path: &Path<X>) -> bool {
    !orders.hops.is_empty()
        && next_hop(judge, path.used).is_some_and(|hop| orders.hops.contains(&hop))
}

fn next_hop(judge: &Judge<'_>, used: SetId) -> Option<IpAddr> {
    let hop = judge.sets.get(used.some()?).attributes.next_hop?;
    Some(hop.address())
}

fn revise<X>(orders: &Orders, judge: &Judge<'_>, family: Family, path: &mut Path<X>) -> Revision {
    let mut what = Revision::Keep;
    for (number, fate) in orders.fates.get(&path.source).into_iter().flatten() {
        if !path.done.is_before(*number) {
            continue;
        }
        path.done = *number;
        match suffer(*fate, judge, path) {
            Revision::Keep => {}
            Revision::Change => what = Revision::Change,
            Revision::Remove => return Revision::Remove,
        }
    }
    if hop_changed(orders, judge, path) {
        let hop = next_hop(judge, path.used);
        let rejects = hop.is_some_and(|hop| judge.hops.rejects(family, hop));
        path.rejection = rejects.then_some(Rejection::Unreachable);
        // Also if only the metric is another.
        what = Revision::Change;
    }
    what
}

fn suffer<X>(fate: Fate, judge: &Judge<'_>, path: &mut Path<X>) -> Revision {
    use Freshness as F;
    let old = path.freshness;
    match (fate, old) {
        (Fate::Gone, _)
        | (Fate::Stale, F::Stale)
        | (Fate::Swept, F::Stale | F::LongLived)
        | (Fate::Refreshed, F::Refreshing) => return Revision::Remove,
        (Fate::LongLived, F::Stale) => {
            // RFC 9494 4.2.
            if judge.sets.get(path.received).summary.no_llgr() {
                return Revision::Remove;
            }
            path.freshness = F::LongLived;
        }
        (Fate::Stale, F::Fresh | F::Refreshing) => path.freshness = F::Stale,
        (Fate::Refreshing, F::Fresh) => path.freshness = F::Refreshing,
        _ => {}
    }
    if path.freshness == old {
        Revision::Keep
    } else {
        Revision::Change
    }
}
