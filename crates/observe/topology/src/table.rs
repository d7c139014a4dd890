//! A persistent array: copies share every page that did not change, and comparing two copies skips what they share.
//!
//! Three levels of 64: changing one slot copies two pages of pointers and one of values (about 1.5 KiB with pointers inside), whatever
//! the size. A page that nobody shares is changed in place. Slots are numbered by the caller and may be empty.

use std::sync::Arc;

const PAGE: usize = 64;

type Leaf<T> = Arc<Vec<Option<T>>>;
type Branch<T> = Arc<Vec<Leaf<T>>>;

/// See the module. `len` counts the slots in use.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    root: Arc<Vec<Branch<T>>>,
    len: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            root: Arc::default(),
            len: 0,
        }
    }
}

fn place(slot: u32) -> (usize, usize, usize) {
    let slot = slot as usize;
    (slot / (PAGE * PAGE), slot / PAGE % PAGE, slot % PAGE)
}

impl<T: Clone> Table<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let (a, b, c) = place(slot);
        self.root.get(a)?.get(b)?.get(c)?.as_ref()
    }

    pub(crate) fn set(&mut self, slot: u32, value: Option<T>) -> Option<T> {
        let (a, b, c) = place(slot);
        let root = Arc::make_mut(&mut self.root);
        if root.len() <= a {
            root.resize_with(a + 1, Arc::default);
        }
        let branch = Arc::make_mut(&mut root[a]);
        if branch.len() <= b {
            branch.resize_with(b + 1, Arc::default);
        }
        let leaf = Arc::make_mut(&mut branch[b]);
        if leaf.len() <= c {
            leaf.resize_with(c + 1, || None);
        }
        let added = usize::from(value.is_some());
        let old = std::mem::replace(&mut leaf[c], value);
        self.len = self.len + added - usize::from(old.is_some());
        old
    }

    /// The slots in use, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.root.iter().enumerate().flat_map(|(a, branch)| {
            branch.iter().enumerate().flat_map(move |(b, leaf)| {
                leaf.iter()
                    .enumerate()
                    .filter_map(move |(c, value)| Some((slot(a, b, c), value.as_ref()?)))
            })
        })
    }

    /// Calls `differ` for each slot that may hold different values: those on pages the two tables do not share.
    pub(crate) fn compare<'t>(
        &'t self,
        other: &'t Self,
        mut differ: impl FnMut(u32, Option<&'t T>, Option<&'t T>),
    ) {
        if Arc::ptr_eq(&self.root, &other.root) {
            return;
        }
        for a in 0..self.root.len().max(other.root.len()) {
            let (ours, theirs) = (self.root.get(a), other.root.get(a));
            if matches!((ours, theirs), (Some(x), Some(y)) if Arc::ptr_eq(x, y)) {
                continue;
            }
            let pages = |branch: Option<&Branch<T>>| branch.map_or(0, |branch| branch.len());
            for b in 0..pages(ours).max(pages(theirs)) {
                let (ours, theirs) = (ours.and_then(|x| x.get(b)), theirs.and_then(|y| y.get(b)));
                if matches!((ours, theirs), (Some(x), Some(y)) if Arc::ptr_eq(x, y)) {
                    continue;
                }
                for c in 0..PAGE {
                    let at =
                        |leaf: Option<&'t Leaf<T>>| leaf.and_then(|leaf| leaf.get(c)?.as_ref());
                    let (ours, theirs) = (at(ours), at(theirs));
                    if ours.is_some() || theirs.is_some() {
                        differ(slot(a, b, c), ours, theirs);
                    }
                }
            }
        }
    }
}

fn slot(a: usize, b: usize, c: usize) -> u32 {
    // Slots come from u32 handles, so the sum fits.
    (a * PAGE * PAGE + b * PAGE + c) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn behaves_as_a_map_and_copies_do_not_move(
            first in prop::collection::vec((0u32..9000, prop::option::of(any::<u8>())), 0..60),
            second in prop::collection::vec((0u32..9000, prop::option::of(any::<u8>())), 0..60),
        ) {
            let (mut table, mut naive) = (Table::default(), BTreeMap::new());
            let change = |table: &mut Table<u8>, naive: &mut BTreeMap<u32, u8>, changes: &[(u32, Option<u8>)]| {
                for &(slot, value) in changes {
                    let old = match value {
                        Some(value) => naive.insert(slot, value),
                        None => naive.remove(&slot),
                    };
                    assert_eq!(table.set(slot, value), old);
                }
            };
            change(&mut table, &mut naive, &first);
            let (before, naive_before) = (table.clone(), naive.clone());
            change(&mut table, &mut naive, &second);
            prop_assert_eq!(table.len(), naive.len());
            prop_assert_eq!(table.iter().map(|(s, v)| (s, *v)).collect::<BTreeMap<_, _>>(), naive.clone());
            prop_assert_eq!(before.iter().map(|(s, v)| (s, *v)).collect::<BTreeMap<_, _>>(), naive_before.clone());
            let mut differ = BTreeMap::new();
            before.compare(&table, |slot, a, b| {
                if a != b {
                    differ.insert(slot, (a.copied(), b.copied()));
                }
            });
            let expected: BTreeMap<_, _> = (0..9000)
                .map(|slot| (slot, (naive_before.get(&slot).copied(), naive.get(&slot).copied())))
                .filter(|(_, (a, b))| a != b)
                .collect();
            prop_assert_eq!(differ, expected);
        }
    }

    #[test]
    fn what_is_shared_is_skipped() {
        let mut table = Table::default();
        for slot in 0..100_000 {
            table.set(slot, Some(slot));
        }
        let before = table.clone();
        table.set(70_000, Some(0));
        let mut visited = 0;
        before.compare(&table, |_, _, _| visited += 1);
        assert_eq!(visited, 64);
    }
}
