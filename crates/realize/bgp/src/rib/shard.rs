//! A part of one table: prefixes with their paths, the best one chosen, what changed in order, and who has been sent what.
//! A shard depends on no other and is `Send`: a caller may work on several at once.
//!
//! It counts no references: it hands back the paths it let go of, and its caller releases their attribute sets.

use super::audience::{AudienceId, Audiences, Slot};
use super::best::{self, Candidate};
use super::changes::{Changes, Marker};
use super::config::BestPathOptions;
use super::intern::{AttributeSet, AttributeSets, SetId};
use super::key::{Key, Space};
use super::nexthop::NextHops;
use super::path::{Entry, Freshness, Path, SourceId};
use super::peer::Peers;
use super::rtc::TargetIndex;
use super::slab::Slab;
use super::trie::Trie;
use hashbrown::HashMap;
use std::ops::Range;

/// What the decision process needs beside the paths.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) sets: &'a AttributeSets,
    pub(crate) peers: &'a Peers,
    pub(crate) hops: &'a NextHops,
    pub(crate) options: &'a BestPathOptions,
}

impl<'a> Judge<'a> {
    pub(crate) fn candidate<X>(&self, path: &Path<X>, mobile: bool) -> Candidate<'a> {
        self.candidate_with(self.sets.get(path.used), path, mobile)
    }

    /// As if the path had these attributes.
    pub(crate) fn candidate_with<'s, X>(
        &self,
        set: &'s AttributeSet,
        path: &Path<X>,
        mobile: bool,
    ) -> Candidate<'s> {
        let source = path.source.slot().map(|slot| self.peers.source(slot));
        let next_hop = set.attributes.next_hop;
        Candidate {
            set,
            llgr_stale: path.freshness == Freshness::LongLived || set.summary.llgr_stale(),
            local: source.is_none(),
            external: source.is_some_and(|source| source.external),
            metric: next_hop.map_or(0, |hop| self.hops.metric(hop.address())),
            age: path.age,
            router_id: source.map_or(0, |source| source.router_id),
            address: source.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |source| {
                source.address
            }),
            path_id: path.path_id,
            mobile,
        }
    }
}

/// A version of a path and who has been sent it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The path id it was sent with.
    pub(crate) path: u16,
    pub(crate) version: u64,
    pub(crate) who: AudienceId,
}

/// Paths sent to peers with add-path, by entry.
pub(crate) type SentPaths = HashMap<u32, Vec<Sent>, foldhash::fast::FixedState>;

/// What add-path needs beside the rest; there only if a peer uses it.
#[derive(Debug, Default)]
pub(crate) struct AllPaths {
    /// Entries of which any usable path changed.
    pub(crate) changes: Changes,
    pub(crate) sent: SentPaths,
}

/// A shard of a table.
#[derive(Debug)]
pub(crate) struct Shard<S: Space> {
    trie: Trie,
    pub(crate) entries: Slab<Entry<S>>,
    rest: Slab<Vec<Path<S::Extra>>>,
    /// Entries in order of the last change of their best path.
    pub(crate) changes: Changes,
    pub(crate) audiences: Audiences,
    pub(crate) all_paths: Option<AllPaths>,
    /// Which entries carry a route target; there only if someone asks by it.
    pub(crate) targets: Option<TargetIndex>,
    /// Entries that may have become free.
    dead: Vec<u32>,
    prefixes: u32,
    paths: u32,
    clock: u32,
}

impl<S: Space> Default for Shard<S> {
    fn default() -> Self {
        Self {
            trie: Trie::default(),
            entries: Slab::default(),
            rest: Slab::default(),
            changes: Changes::default(),
            audiences: Audiences::default(),
            all_paths: None,
            targets: None,
            dead: Vec::new(),
            prefixes: 0,
            paths: 0,
            clock: 0,
        }
    }
}

impl<S: Space> Shard<S> {
    /// Prefixes with at least one path, rejected ones included.
    pub(crate) const fn prefixes(&self) -> u32 {
        self.prefixes
    }

    pub(crate) const fn paths(&self) -> u32 {
        self.paths
    }

    pub(crate) fn nlri(&self, index: u32) -> crate::nlri::Nlri {
        S::nlri(&self.entries[index].key)
    }

    pub(crate) fn find(&self, key: &S::Key) -> Option<u32> {
        self.trie.get(key, |index| self.entries[index].key)
    }

    /// Paths of an entry in order of preference.
    pub(crate) fn paths_of(&self, index: u32) -> impl Iterator<Item = &Path<S::Extra>> {
        let entry = &self.entries[index];
        let first = (!entry.is_empty()).then_some(&entry.first);
        let rest: &[_] = if entry.has_rest() {
            &self.rest[entry.rest]
        } else {
            &[]
        };
        first.into_iter().chain(rest)
    }

    fn entry(&mut self, key: &S::Key) -> u32 {
        let Self {
            trie,
            entries,
            changes,
            all_paths,
            ..
        } = self;
        let mut made = None;
        let next = entries.next_index();
        let index = trie.entry(
            key,
            |index| entries[index].key,
            || {
                made = Some(next);
                next
            },
        );
        if made.is_some() {
            entries.insert(Entry::new(*key));
            changes.push(index);
            if let Some(all) = all_paths {
                all.changes.push(index);
            }
        }
        index
    }

    /// Adds a path, or replaces that of the same source and path id, which is returned.
    pub(crate) fn announce(
        &mut self,
        judge: &Judge<'_>,
        key: &S::Key,
        mut path: Path<S::Extra>,
    ) -> Option<Path<S::Extra>> {
        let index = self.entry(key);
        self.clock = self.clock.wrapping_add(1);
        path.age = self.clock;
        path.sent_as = 1;
        let entry = &mut self.entries[index];
        if entry.is_empty() {
            entry.first = path;
            self.prefixes += 1;
            self.paths += 1;
            self.touch(index, true);
            return None;
        }
        if !entry.has_rest() && entry.first.is(path.source, path.path_id) {
            let old = entry.first;
            path.sent_as = old.sent_as;
            path.multipath = old.multipath;
            if path.used == old.used {
                path.age = old.age;
            }
            entry.first = path;
            if content(&old) != content(&path) {
                self.touch(index, true);
            }
            return Some(old);
        }
        let mut replaced = None;
        self.rearrange(judge, index, |paths| {
            if let Some(old) = paths
                .iter_mut()
                .find(|old| old.is(path.source, path.path_id))
            {
                path.sent_as = old.sent_as;
                if path.used == old.used {
                    path.age = old.age;
                }
                replaced = Some(std::mem::replace(old, path));
            } else {
                path.sent_as = free_id(paths);
                paths.push(path);
            }
        });
        self.paths += u32::from(replaced.is_none());
        replaced
    }

    /// Takes a path away and returns it.
    pub(crate) fn withdraw(
        &mut self,
        judge: &Judge<'_>,
        key: &S::Key,
        source: SourceId,
        path_id: u32,
    ) -> Option<Path<S::Extra>> {
        let index = self.find(key)?;
        let entry = &mut self.entries[index];
        if !entry.has_rest() {
            if entry.is_empty() || !entry.first.is(source, path_id) {
                return None;
            }
            let old = entry.first;
            entry.clear();
            self.emptied(index, old.usable());
            return Some(old);
        }
        let mut removed = None;
        self.rearrange(judge, index, |paths| {
            let at = paths.iter().position(|path| path.is(source, path_id));
            removed = at.map(|at| paths.remove(at));
        });
        self.paths -= u32::from(removed.is_some());
        removed
    }

    fn emptied(&mut self, index: u32, was_usable: bool) {
        self.prefixes -= 1;
        self.paths -= 1;
        if was_usable {
            self.touch(index, true);
        }
        self.bury(index);
    }

    /// Changes the paths of an entry and chooses the best again.
    fn rearrange(
        &mut self,
        judge: &Judge<'_>,
        index: u32,
        change: impl FnOnce(&mut Vec<Path<S::Extra>>),
    ) {
        let entry = &mut self.entries[index];
        let mut paths = Vec::new();
        if !entry.is_empty() {
            paths.push(entry.first);
        }
        if entry.has_rest() {
            let rest = entry.take_rest();
            paths.append(&mut self.rest[rest]);
            self.rest.remove(rest);
        }
        let before = paths.clone();
        change(&mut paths);
        choose::<S>(judge, &self.entries[index].key, &mut paths);
        let entry = &mut self.entries[index];
        match paths.split_first() {
            None => entry.clear(),
            Some((first, others)) => {
                entry.first = *first;
                if !others.is_empty() {
                    entry.rest = self.rest.insert(others.to_vec());
                }
            }
        }
        let now_empty = paths.is_empty();
        let used = |paths: &[Path<S::Extra>]| -> Vec<_> {
            let in_use = paths.iter().enumerate();
            in_use
                .filter(|(at, path)| path.usable() && (*at == 0 || path.multipath))
                .map(|(_, path)| content(path))
                .collect()
        };
        let best = used(&before) != used(&paths);
        let any = best
            || !before
                .iter()
                .filter(|path| path.usable())
                .map(content)
                .eq(paths.iter().filter(|path| path.usable()).map(content));
        if any {
            self.touch(index, best);
        }
        if now_empty && !before.is_empty() {
            self.prefixes -= 1;
            self.bury(index);
        }
    }

    /// The list of changes a group follows.
    pub(crate) fn list(&mut self, add_path: bool) -> &mut Changes {
        if !add_path {
            return &mut self.changes;
        }
        let entries = &self.entries;
        let trie = &self.trie;
        let all = self.all_paths.get_or_insert_with(|| {
            let mut all = AllPaths::default();
            trie.range(None, |index| entries[index].key)
                .for_each(|index| all.changes.push(index));
            all
        });
        &mut all.changes
    }

    /// Whether a follower has something to see.
    pub(crate) fn waits(&self, add_path: bool, marker: Marker) -> bool {
        let list = match &self.all_paths {
            Some(all) if add_path => &all.changes,
            _ => &self.changes,
        };
        list.position(marker).is_some()
    }

    /// A usable path changed; `best` if it was in use.
    fn touch(&mut self, index: u32, best: bool) {
        if best {
            self.changes.touch(index);
        }
        if let Some(all) = &mut self.all_paths {
            all.changes.touch(index);
        }
    }

    /// An entry without paths goes once nobody has it.
    pub(crate) fn bury(&mut self, index: u32) {
        self.dead.push(index);
    }

    /// Nobody has been sent anything of the entry.
    fn unsent(&self, index: u32) -> bool {
        self.audiences.is_empty(self.entries[index].sent)
            && self.all_paths.as_ref().is_none_or(|all| {
                let sent = all.sent.get(&index);
                sent.is_none_or(|paths| paths.iter().all(|sent| self.audiences.is_empty(sent.who)))
            })
    }

    /// Frees the entries that have no paths and that nobody has.
    pub(crate) fn reap(&mut self) {
        for index in std::mem::take(&mut self.dead) {
            let key = self.entries[index].key;
            let freed = !self.entries[index].is_empty()
                || !self.unsent(index)
                || self.find(&key) != Some(index);
            if !freed {
                self.free(index);
            }
        }
    }

    fn free(&mut self, index: u32) {
        let key = self.entries[index].key;
        self.trie.remove(&key, |other| self.entries[other].key);
        self.changes.remove(index);
        if let Some(all) = &mut self.all_paths {
            all.changes.remove(index);
            for mut sent in all.sent.remove(&index).unwrap_or_default() {
                self.audiences.replace(&mut sent.who, AudienceId::NOBODY);
            }
        }
        let entry = &mut self.entries[index];
        self.audiences.replace(&mut entry.sent, AudienceId::NOBODY);
        self.entries.remove(index);
    }

    /// A peer or observer is gone: nothing is left of what it had been sent. True: there are entries without paths, which
    /// may have been there for it alone.
    pub(crate) fn forget(&mut self, slot: Slot) -> bool {
        self.audiences.leave(slot);
        self.entries.len() > self.prefixes as usize
    }

    /// Has entries without paths looked at when entries are freed next.
    pub(crate) fn bury_leftovers(&mut self, range: Range<u32>) {
        let empty = range.filter(|index| self.entries[*index].is_empty());
        self.dead.extend(empty);
    }

    /// Lets `revision` change or remove the paths of `indices` that `concerns` holds of. What was done is told to `done`: the
    /// path as it was and, unless it was removed, as it is.
    pub(crate) fn revise(
        &mut self,
        judge: &Judge<'_>,
        indices: impl IntoIterator<Item = u32>,
        concerns: impl Fn(&Path<S::Extra>) -> bool,
        mut revision: impl FnMut(&S::Key, &mut Path<S::Extra>) -> Revision,
        mut done: impl FnMut(&S::Key, &Path<S::Extra>, Option<&Path<S::Extra>>),
    ) {
        for index in indices {
            if self.entries.get(index).is_none() || !self.paths_of(index).any(&concerns) {
                continue;
            }
            let key = self.entries[index].key;
            let mut outcome = Vec::new();
            for path in self.paths_of(index) {
                let mut new = *path;
                let what = if concerns(path) {
                    revision(&key, &mut new)
                } else {
                    Revision::Keep
                };
                outcome.push((*path, new, what));
            }
            if outcome.iter().all(|(_, _, what)| *what == Revision::Keep) {
                self.note_done(index, &outcome);
                continue;
            }
            let removed = outcome
                .iter()
                .filter(|(_, _, what)| *what == Revision::Remove);
            self.paths -= removed.count() as u32;
            self.rearrange(judge, index, |paths| {
                paths.clear();
                for (_, new, what) in &outcome {
                    if *what != Revision::Remove {
                        paths.push(*new);
                    }
                }
            });
            for (old, new, what) in &outcome {
                match what {
                    Revision::Keep => {}
                    Revision::Change => done(&key, old, Some(new)),
                    Revision::Remove => done(&key, old, None),
                }
            }
        }
    }

    /// Paths stay what they are, but are done with what was looked at.
    fn note_done(&mut self, index: u32, outcome: &[Outcome<S::Extra>]) {
        let entry = &mut self.entries[index];
        let rest: &mut [_] = if entry.has_rest() {
            &mut self.rest[entry.rest]
        } else {
            &mut []
        };
        let paths = std::iter::once(&mut entry.first).chain(rest);
        for (path, (_, new, _)) in paths.zip(outcome) {
            path.done = new.done;
        }
    }

    /// Chooses again where there is a choice: options or metrics changed.
    pub(crate) fn choose_again(&mut self, judge: &Judge<'_>, range: Range<u32>) {
        for index in range {
            if self.entries[index].has_rest() {
                self.rearrange(judge, index, |_| ());
            }
        }
    }

    /// Entries in key order from `from`.
    pub(crate) fn range<'s>(
        &'s self,
        from: Option<&S::Key>,
    ) -> impl Iterator<Item = u32> + use<'s, S> {
        self.trie.range(from, |index| self.entries[index].key)
    }

    /// The longest prefix that covers `key` and of which `holds` is true.
    pub(crate) fn longest(&self, key: &S::Key, holds: impl Fn(u32) -> bool) -> Option<u32> {
        let mut probe = *key;
        loop {
            let index = self.trie.floor(&probe, |index| self.entries[index].key)?;
            let found = self.entries[index].key;
            if found.covers(key) && holds(index) {
                return Some(index);
            }
            // What covers the key is at most as long as what both have in common, and no longer than the probe was.
            let common = found.common(key)?.min(probe.length().checked_sub(1)?);
            probe = key.shortened(common)?;
        }
    }
}

/// What [`Shard::revise`] is told of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    Keep,
    Change,
    Remove,
}

/// A path as it was and as it may be.
type Outcome<X> = (Path<X>, Path<X>, Revision);

/// What others see of a path: if it is equal, nothing needs to be said.
fn content<X: Copy>(path: &Path<X>) -> (SourceId, u32, SetId, bool, bool, X) {
    let usable = path.usable();
    let long_lived = path.freshness == Freshness::LongLived;
    (
        path.source,
        path.path_id,
        path.used,
        usable,
        long_lived,
        path.extra,
    )
}

fn free_id<X>(paths: &[Path<X>]) -> u16 {
    (1..=u16::MAX)
        .find(|id| paths.iter().all(|path| path.sent_as != *id))
        .unwrap_or(u16::MAX)
}

/// Orders paths: usable ones by preference, then the rejected ones; marks those used beside the best.
fn choose<S: Space>(judge: &Judge<'_>, key: &S::Key, paths: &mut [Path<S::Extra>]) {
    let mobile = S::mobile(key);
    paths.sort_by_key(|path| !path.usable());
    let usable = paths.iter().filter(|path| path.usable()).count();
    let usable = &mut paths[..usable];
    let options = judge.options;
    if usable.len() > 1 {
        best::rank(usable, options, |path| judge.candidate(path, mobile));
    }
    usable.iter_mut().for_each(|path| path.multipath = false);
    let Some((first, others)) = usable.split_first_mut() else {
        return;
    };
    let best = judge.candidate(first, mobile);
    let limit = if best.external {
        options.multipath_external
    } else {
        options.multipath_internal
    };
    let mut room = limit.saturating_sub(1);
    for path in others {
        let other = judge.candidate(path, mobile);
        let same_path = || best.set.attributes.as_path == other.set.attributes.as_path;
        if room > 0 && best::equal_cost(&best, &other, options, same_path) {
            path.multipath = true;
            room -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rib::key::{EvpnSpace, Unicast4};

    #[test]
    fn a_shard_can_be_worked_on_by_any_thread() {
        const fn moves<T: Send>() {}
        moves::<Shard<Unicast4>>();
        moves::<Shard<EvpnSpace>>();
    }
}
