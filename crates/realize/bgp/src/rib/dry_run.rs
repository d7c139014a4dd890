//! What a change of policies would do, without doing it: the same decisions as import and export, once with the policies in
//! force and once with the proposed ones.

use super::Rib;
use super::audience::Slot;
use super::default_route::is_default;
use super::export::ExportKey;
use super::group::Rules;
use super::import::Import;
use super::key::Space;
use super::path::Path;
use super::plan::{Context, only};
use super::read::{page, walk};
use super::shard::Shard;
use super::tables::read_table;
use super::view::{Direction, Effect, Page, PolicyEffect, Select};
use crate::attribute::Attributes;
use crate::nlri::Nlri;
use crate::policy::Policies;
use crate::{Family, PeerId};
use std::sync::Arc;

impl Rib {
    /// Routes of one peer, direction and family that `proposed` would add, remove or change, in key order from `from` on. A
    /// page ends after `limit` routes or [`super::SCANNED`] prefixes looked at. Export is judged by the paths in use now:
    /// what an import change would do to them shows once it is made.
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
        let proposed = Arc::new(proposed.clone());
        read_table!(self.tables, family, table => {
            page(walk(&table.shards, Select::All, from), limit, |shard, index| {
                let Some(slot) = self.peers.slot(peer) else {
                    return Vec::new();
                };
                let nlri = shard.nlri(index);
                let effects = match direction {
                    Direction::Import => self.import_effects(&proposed, slot, shard, index, &nlri),
                    Direction::Export => self.export_effect(&proposed, slot, shard, index, &nlri).into_iter().collect(),
                };
                effects
                    .into_iter()
                    .map(|effect| PolicyEffect { peer, direction, nlri, effect })
                    .collect()
            })
        })
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
            Some((attributes, weight))
        };
        shard
            .paths_of(index)
            .filter(|path| path.source.slot() == Some(slot))
            .filter_map(|path| effect(judge(&self.policies, path), judge(proposed, path)))
            .collect()
    }

    fn export_effect<S: Space>(
        &self,
        proposed: &Arc<Policies>,
        slot: Slot,
        shard: &Shard<S>,
        index: u32,
        nlri: &Nlri,
    ) -> Option<Effect> {
        let info = &self.peers.get(slot)?.info;
        if info.default_originate.contains(S::FAMILY) && is_default(nlri) {
            return None;
        }
        let best = shard.entries[index].best()?;
        let members = only(slot);
        let decide = |policies: &Arc<Policies>| {
            let rules = Rules {
                key: ExportKey::new(info, S::FAMILY, policies, 0),
                policies: policies.clone(),
            };
            let context = Context {
                export: rules.export(self.sets.own()),
                sets: &self.sets,
                peers: &self.peers,
                subscriptions: None,
            };
            let entitled = !context.entitled(&members, best).is_empty();
            let attributes = context.decide(best, nlri).ok().filter(|_| entitled);
            attributes.map(|attributes| (attributes, 0))
        };
        effect(decide(&self.policies), decide(proposed))
    }
}

fn effect(before: Option<(Attributes, u16)>, after: Option<(Attributes, u16)>) -> Option<Effect> {
    if before == after {
        return None;
    }
    match (before, after) {
        (None, Some((after, _))) => Some(Effect::Added(Arc::new(after))),
        (Some((before, _)), None) => Some(Effect::Removed(Arc::new(before))),
        (Some((before, _)), Some((after, _))) => Some(Effect::Changed {
            before: Arc::new(before),
            after: Arc::new(after),
        }),
        (None, None) => None,
    }
}
