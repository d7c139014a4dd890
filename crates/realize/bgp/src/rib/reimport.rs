//! Import asked again about paths that are there: its policy changed, or an option of the peer.

use super::Rib;
use super::audience::Slot;
use super::import::{Import, Imported};
use super::ingest::Tally;
use super::intern::SetId;
use super::key::Space;
use super::path::SourceId;
use super::shard::{Judge, Revision, Shard};
use super::tables::{read_table, with_table};
use super::view::Rejection;
use crate::Family;
use crate::nlri::{Nlri, Route};
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::ops::Range;

/// A path, as import is asked about it.
struct Asked {
    slot: Slot,
    index: u32,
    path_id: u32,
    received: SetId,
    now: Answer,
    nlri: Nlri,
}

/// What import says of a path.
type Answer = (SetId, Option<Rejection>);
/// By entry and path id.
type Answers = HashMap<(u32, u32), Answer, foldhash::fast::FixedState>;

impl Rib {
    /// Asks import about the paths of some peers among these entries of every shard.
    pub(super) fn import_again(
        &mut self,
        family: Family,
        slots: &BTreeSet<Slot>,
        range: Range<u32>,
    ) {
        let asked: Vec<Vec<Asked>> = read_table!(self.tables, family, table => {
            let shards = table.shards.iter();
            shards.map(|shard| paths_of(shard, slots, range.clone())).collect()
        });
        for (shard, asked) in asked.into_iter().enumerate() {
            for (slot, answers) in self.answers(family, asked) {
                self.answered(family, slot, shard, &answers);
            }
        }
    }

    /// The answers that are not what is there already; each holds a reference to its set.
    fn answers(&mut self, family: Family, asked: Vec<Asked>) -> Vec<(Slot, Answers)> {
        let mut answers: Vec<(Slot, Answers)> = Vec::new();
        let mut known: HashMap<(Slot, SetId), Imported, foldhash::fast::FixedState> =
            HashMap::default();
        for path in asked {
            let Some(peer) = self.peers.get(path.slot) else {
                continue;
            };
            let import = Import {
                peer: &peer.info,
                policies: &self.policies,
                family,
            };
            let cause = (path.slot, path.received);
            let imported = match known.get(&cause) {
                Some(imported) if !peer.import_per_route => {
                    if let Imported::Used(set) = imported {
                        self.sets.retain(*set, 1);
                    }
                    *imported
                }
                _ => import.apply(&mut self.sets, path.received, &path.nlri),
            };
            known.insert(cause, imported);
            let answer = match imported {
                Imported::Used(set) => (set, self.unreachable(family, set)),
                Imported::Rejected(rejection) => (SetId::NONE, Some(rejection)),
            };
            if answer == path.now {
                self.sets.release(answer.0, 1);
                continue;
            }
            let at = answers.iter().position(|(slot, _)| *slot == path.slot);
            let at = at.unwrap_or_else(|| {
                answers.push((path.slot, Answers::default()));
                answers.len() - 1
            });
            answers[at].1.insert((path.index, path.path_id), answer);
        }
        answers
    }

    fn answered(&mut self, family: Family, slot: Slot, shard: usize, answers: &Answers) {
        let departure = self
            .peers
            .get(slot)
            .and_then(|p| p.departure[family as usize]);
        let mut tally = Tally::new(departure);
        let mut memberships = Vec::new();
        let judge = Judge {
            sets: &self.sets,
            peers: &self.peers,
            hops: &self.hops,
            options: &self.config.best_path,
        };
        with_table!(self.tables, family, table => {
            let shard = &mut table.shards[shard];
            answer(shard, &judge, slot, answers, &mut tally, &mut memberships);
        });
        self.settle(slot, family, tally);
        for (route, there) in memberships {
            self.membership(slot, &route, there);
        }
    }
}

fn paths_of<S: Space>(shard: &Shard<S>, slots: &BTreeSet<Slot>, range: Range<u32>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for index in range.start..range.end.min(shard.entries.bound()) {
        for path in shard.paths_of(index) {
            if let Some(slot) = path.source.slot().filter(|slot| slots.contains(slot)) {
                asked.push(Asked {
                    slot,
                    index,
                    path_id: path.path_id,
                    received: path.received,
                    now: (path.used, path.rejection),
                    nlri: S::nlri(&shard.entries[index].key),
                });
            }
        }
    }
    asked
}

fn answer<S: Space>(
    shard: &mut Shard<S>,
    judge: &Judge<'_>,
    slot: Slot,
    answers: &Answers,
    tally: &mut Tally,
    memberships: &mut Vec<(Route, bool)>,
) {
    let source = SourceId::peer(slot);
    let mut entries: Vec<u32> = answers.keys().map(|(index, _)| *index).collect();
    entries.sort_unstable();
    entries.dedup();
    for index in entries {
        shard.revise(
            judge,
            [index],
            |path| path.source == source,
            |_, path| {
                let Some((used, rejection)) = answers.get(&(index, path.path_id)) else {
                    return Revision::Keep;
                };
                path.used = *used;
                path.rejection = *rejection;
                Revision::Change
            },
            |key, old, new| {
                let Some(new) = new else { return };
                tally.changed(old, new);
                tally.release(old.used);
                if S::FAMILY == Family::RouteTarget && old.usable() != new.usable() {
                    let route = Route {
                        nlri: S::nlri(key),
                        path_id: old.path_id,
                        payload: S::payload(&old.extra),
                    };
                    memberships.push((route, new.usable()));
                }
            },
        );
    }
}
