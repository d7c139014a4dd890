//! What a change of policies would do, without doing it: the same decisions as import, choice and export, once with the
//! policies in force and once with the proposed ones.

use super::Rib;
use super::audience::Slot;
use super::best;
use super::config::AddPathSend;
use super::default_route::is_default;
use super::export::ExportKey;
use super::group::{Rules, constrained_family};
use super::import::Import;
use super::intern::AttributeSet;
use super::key::Space;
use super::path::Path;
use super::plan::{Context, only};
use super::read::{page, walk};
use super::shard::Shard;
use super::tables::read_table;
use super::view::{Direction, Effect, Page, PolicyEffect, Select};
use crate::attribute::Attributes;
use crate::nlri::{Nlri, Payload};
use crate::policy::Policies;
use crate::{Family, PeerId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Policies that are tried.
struct Proposal {
    policies: Arc<Policies>,
    /// Peers whose routes would be imported otherwise.
    imports: BTreeSet<Slot>,
}

/// A usable path, and its attributes if they are not those it has.
type Tried<X> = (Path<X>, Option<AttributeSet>);

/// What is used or told of a path: its attributes, the weight that import gave it, and its payload.
type Outcome = (Attributes, u16, Payload);

impl Rib {
    /// Routes of one peer, direction and family that `proposed` would add, remove or change, in key order from `from` on. A
    /// page ends after `limit` routes or [`super::SCANNED`] prefixes looked at. Export is judged by the paths that would be
    /// chosen if import said what it would then; what that does to VRFs, and to whom targets are sent, is not followed.
    #[allow(
        clippy::too_many_arguments,
        reason = "a page of one peer, direction and family"
    )]
    pub fn policy_effects(
        &self,
        proposed: &Policies,
        peer: PeerId,
        direction: Direction,
        family: Family,
        from: Option<&Nlri>,
        limit: usize,
    ) -> Page<PolicyEffect> {
        let proposal = self.proposal(proposed);
        read_table!(self.tables, family, table => {
            page(walk(&table.shards, Select::All, from), limit, |shard, index| {
                let Some(slot) = self.peers.slot(peer) else {
                    return Vec::new();
                };
                let nlri = shard.nlri(index);
                let effects = match direction {
                    Direction::Import => self.import_effects(&proposal.policies, slot, shard, index, &nlri),
                    Direction::Export => self.export_effects(&proposal, slot, shard, index, &nlri),
                };
                effects
                    .into_iter()
                    .map(|effect| PolicyEffect { peer, direction, nlri, effect })
                    .collect()
            })
        })
    }

    fn proposal(&self, policies: &Policies) -> Proposal {
        let differs = |(slot, peer): (Slot, &super::peer::Peer)| {
            let import = peer.info.import.as_ref()?;
            (!self.policies.same(policies, import)).then_some(slot)
        };
        Proposal {
            policies: Arc::new(policies.clone()),
            imports: self.peers.iter().filter_map(differs).collect(),
        }
    }

    fn import_effects<S: Space>(
        &self,
        proposed: &Policies,
        slot: Slot,
        shard: &Shard<S>,
        index: u32,
        nlri: &Nlri,
    ) -> Vec<Effect> {
        let Some(peer) = self.peers.get(slot) else {
            return Vec::new();
        };
        let judge = |policies: &Policies, path: &Path<S::Extra>| {
            let import = Import {
                peer: &peer.info,
                policies,
                family: S::FAMILY,
            };
            let changed = import.judge(&self.sets, path.received, nlri).ok()?;
            let (attributes, weight) =
                changed.unwrap_or_else(|| (self.sets.get(path.received).attributes.clone(), 0));
            Some((attributes, weight, S::payload(&path.extra)))
        };
        shard
            .paths_of(index)
            .filter(|path| path.source.slot() == Some(slot))
            .filter_map(|path| effect(judge(&self.policies, path), judge(proposed, path)))
            .collect()
    }

    /// What the peer would be sent otherwise of an entry; with add-path, of each of its paths.
    fn export_effects<S: Space>(
        &self,
        proposal: &Proposal,
        slot: Slot,
        shard: &Shard<S>,
        index: u32,
        nlri: &Nlri,
    ) -> Vec<Effect> {
        let Some(peer) = self.peers.get(slot) else {
            return Vec::new();
        };
        if peer.info.default_originate.contains(S::FAMILY) && is_default(nlri) {
            return Vec::new();
        }
        let told = |policies: &Arc<Policies>, paths: &[Tried<S::Extra>]| {
            let rules = Rules {
                key: ExportKey::new(&peer.info, S::FAMILY, policies, 0),
                policies: policies.clone(),
            };
            let context = Context {
                export: rules.export(self.sets.own()),
                sets: &self.sets,
                peers: &self.peers,
                subscriptions: None,
            };
            self.told::<S>(&context, slot, paths, nlri)
        };
        let usable = shard.paths_of(index).filter(|path| path.usable());
        let now: Vec<Tried<S::Extra>> = usable.map(|path| (*path, None)).collect();
        let mut before = told(&self.policies, &now);
        let touched = |path: &Path<S::Extra>| {
            let source = path.source.slot();
            source.is_some_and(|source| proposal.imports.contains(&source))
        };
        let mut after = match shard.paths_of(index).any(touched) {
            true => told(
                &proposal.policies,
                &self.tried(proposal, shard, index, nlri),
            ),
            false => told(&proposal.policies, &now),
        };
        let ids: BTreeSet<u16> = before.keys().chain(after.keys()).copied().collect();
        let effects = ids.into_iter();
        effects
            .filter_map(|id| effect(before.remove(&id), after.remove(&id)))
            .collect()
    }

    /// The usable paths of an entry in order of preference, if the proposed policies were in force.
    fn tried<S: Space>(
        &self,
        proposal: &Proposal,
        shard: &Shard<S>,
        index: u32,
        nlri: &Nlri,
    ) -> Vec<Tried<S::Extra>> {
        let paths = shard.paths_of(index);
        let imported = |path: &Path<S::Extra>| self.imported(proposal, path, S::FAMILY, nlri);
        let tried: Vec<Tried<S::Extra>> = paths.filter_map(imported).collect();
        let mut order: Vec<usize> = (0..tried.len()).collect();
        let (judge, mobile) = (self.judge(), S::mobile(&shard.entries[index].key));
        best::rank(&mut order, judge.options, |at| {
            let (path, made) = &tried[*at];
            judge.candidate_with(self.set_of(path, made.as_ref()), path, mobile)
        });
        let mut left: Vec<_> = tried.into_iter().map(Some).collect();
        order.into_iter().filter_map(|at| left[at].take()).collect()
    }

    /// A path as the proposed policies would have it; `None`: not usable.
    fn imported<X: Copy>(
        &self,
        proposal: &Proposal,
        path: &Path<X>,
        family: Family,
        nlri: &Nlri,
    ) -> Option<Tried<X>> {
        let slot = path.source.slot();
        let Some(slot) = slot.filter(|slot| proposal.imports.contains(slot)) else {
            return path.usable().then_some((*path, None));
        };
        let import = Import {
            peer: &self.peers.get(slot)?.info,
            policies: &proposal.policies,
            family,
        };
        let changed = import.judge(&self.sets, path.received, nlri).ok()?;
        let own = self.sets.own();
        let made = changed.map(|(attributes, weight)| AttributeSet::alone(attributes, weight, own));
        let path = Path {
            used: path.received,
            rejection: None,
            ..*path
        };
        let hop = self.set_of(&path, made.as_ref()).attributes.next_hop;
        let lost = hop.is_some_and(|hop| self.hops.rejects(family, hop.address()));
        (!lost).then_some((path, made))
    }

    fn set_of<'s, X>(&'s self, path: &Path<X>, made: Option<&'s AttributeSet>) -> &'s AttributeSet {
        made.unwrap_or_else(|| self.sets.get(path.used))
    }

    /// What a peer is told of paths in this order, by the path id it is told it with.
    fn told<S: Space>(
        &self,
        context: &Context<'_>,
        slot: Slot,
        paths: &[Tried<S::Extra>],
        nlri: &Nlri,
    ) -> BTreeMap<u16, Outcome> {
        let key = context.export.key;
        let shown = match key.add_path {
            Some(AddPathSend::All) => paths,
            Some(AddPathSend::Best(most)) => &paths[..paths.len().min(most.into())],
            None => {
                let choice = context.choice(paths.iter().map(|(path, _)| path.source));
                paths.get(choice..=choice).unwrap_or_default()
            }
        };
        let mut told = BTreeMap::new();
        for (path, made) in shown {
            let set = self.set_of(path, made.as_ref());
            let own = path.source.slot() == Some(slot) && !key.tells_source();
            let wants = || self.subscriptions.filter(&only(slot), &set.attributes);
            if own || (constrained_family(key.family) && wants().is_empty()) {
                continue;
            }
            if let Ok(attributes) = context.decide_with(set, path, nlri) {
                let id = key.add_path.map_or(0, |_| path.sent_as);
                told.insert(id, (attributes, 0, S::payload(&path.extra)));
            }
        }
        told
    }
}

fn effect(before: Option<Outcome>, after: Option<Outcome>) -> Option<Effect> {
    if before == after {
        return None;
    }
    match (before, after) {
        (None, Some((after, ..))) => Some(Effect::Added(Arc::new(after))),
        (Some((before, ..)), None) => Some(Effect::Removed(Arc::new(before))),
        (Some((before, ..)), Some((after, ..))) => Some(Effect::Changed {
            before: Arc::new(before),
            after: Arc::new(after),
        }),
        (None, None) => None,
    }
}
