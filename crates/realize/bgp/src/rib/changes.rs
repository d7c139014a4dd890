//! The order in which a table's entries last changed, as a linked list through them: a changed entry moves to the end.
//! Whoever follows the table (a subgroup of peers, an observer, the VRFs) keeps a marker: everything before it has been
//! seen, everything from it on has not. So an entry that changes twice before a follower comes by is seen once, as it is
//! then; a follower who joins late starts at the head; one who stops costs a marker and nothing else.

const END: u32 = u32::MAX;

/// A follower's marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker(u32);

#[derive(Debug, Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

/// The list; links are by entry index and live apart from the entries.
#[derive(Debug)]
pub(crate) struct Changes {
    links: Vec<Vec<Link>>,
    head: u32,
    tail: u32,
    /// Position of each follower, `END` once all is seen; `None` for free markers.
    markers: Vec<Option<u32>>,
    /// How many markers stand at `END`.
    ended: usize,
}

const CHUNK_BITS: u32 = 10;

impl Default for Changes {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            head: END,
            tail: END,
            markers: Vec::new(),
            ended: 0,
        }
    }
}

impl Changes {
    fn link(&mut self, entry: u32) -> &mut Link {
        &mut self.links[(entry >> CHUNK_BITS) as usize][(entry & ((1 << CHUNK_BITS) - 1)) as usize]
    }

    fn after(&self, entry: u32) -> u32 {
        self.links[(entry >> CHUNK_BITS) as usize][(entry & ((1 << CHUNK_BITS) - 1)) as usize].after
    }

    /// Appends a new entry.
    pub(crate) fn push(&mut self, entry: u32) {
        let chunk = (entry >> CHUNK_BITS) as usize;
        while self.links.len() <= chunk {
            let unlinked = Link {
                before: END,
                after: END,
            };
            self.links.push(vec![unlinked; 1 << CHUNK_BITS]);
        }
        let before = std::mem::replace(&mut self.tail, entry);
        *self.link(entry) = Link { before, after: END };
        if before == END {
            self.head = entry;
        } else {
            self.link(before).after = entry;
        }
        self.wake(entry);
    }

    /// Followers that had seen all have this one to see.
    fn wake(&mut self, entry: u32) {
        if self.ended == 0 {
            return;
        }
        for marker in self.markers.iter_mut().flatten() {
            if *marker == END {
                *marker = entry;
            }
        }
        self.ended = 0;
    }

    /// An entry changed: it moves to the end.
    pub(crate) fn touch(&mut self, entry: u32) {
        if self.tail == entry {
            self.wake(entry);
            return;
        }
        self.unlink(entry);
        self.push(entry);
    }

    /// An entry goes away.
    pub(crate) fn remove(&mut self, entry: u32) {
        self.unlink(entry);
    }

    fn unlink(&mut self, entry: u32) {
        let Link { before, after } = *self.link(entry);
        if before == END {
            self.head = after;
        } else {
            self.link(before).after = after;
        }
        if after == END {
            self.tail = before;
        } else {
            self.link(after).before = before;
        }
        for marker in self.markers.iter_mut().flatten() {
            if *marker == entry {
                *marker = after;
                self.ended += usize::from(after == END);
            }
        }
    }

    fn add(&mut self, position: u32) -> Marker {
        self.ended += usize::from(position == END);
        if let Some(free) = self.markers.iter().position(Option::is_none) {
            self.markers[free] = Some(position);
            return Marker(free as u32);
        }
        self.markers.push(Some(position));
        Marker(self.markers.len() as u32 - 1)
    }

    /// A follower that has seen nothing.
    pub(crate) fn follow_from_start(&mut self) -> Marker {
        self.add(self.head)
    }

    /// A follower that has seen everything up to now.
    pub(crate) fn follow_from_now(&mut self) -> Marker {
        self.add(END)
    }

    /// A follower that has seen what another has.
    pub(crate) fn follow_like(&mut self, other: Marker) -> Marker {
        self.add(self.position(other).unwrap_or(END))
    }

    pub(crate) fn unfollow(&mut self, marker: Marker) {
        if let Some(END) = self.markers[marker.0 as usize].take() {
            self.ended -= 1;
        }
    }

    /// The next entry the follower has to see.
    pub(crate) fn position(&self, marker: Marker) -> Option<u32> {
        self.markers[marker.0 as usize].filter(|position| *position != END)
    }

    /// The follower has seen its next entry.
    pub(crate) fn advance(&mut self, marker: Marker) {
        let Some(position) = self.position(marker) else {
            return;
        };
        let after = self.after(position);
        self.markers[marker.0 as usize] = Some(after);
        self.ended += usize::from(after == END);
    }

    /// Whether a marker stands where another does.
    pub(crate) fn same_place(&self, one: Marker, other: Marker) -> bool {
        self.position(one) == self.position(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Change(u8),
        Remove(u8),
        Read(u8, u8),
        Join,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0u8..12).prop_map(Step::Change),
            1 => (0u8..12).prop_map(Step::Remove),
            3 => (0u8..4, 0u8..6).prop_map(|(who, n)| Step::Read(who, n)),
            1 => Just(Step::Join),
        ]
    }

    proptest! {
        /// Against a list of versions: a follower sees exactly the entries changed since it last saw them.
        #[test]
        fn followers_see_what_changed(steps in prop::collection::vec(step(), 1..200)) {
            let mut changes = Changes::default();
            let mut version = 0u32;
            let mut live: std::collections::BTreeMap<u8, u32> = Default::default();
            let mut followers = vec![(changes.follow_from_start(), 0u32)];
            for step in steps {
                match step {
                    Step::Change(entry) => {
                        version += 1;
                        if live.insert(entry, version).is_some() {
                            changes.touch(u32::from(entry));
                        } else {
                            changes.push(u32::from(entry));
                        }
                    }
                    Step::Remove(entry) => {
                        if live.remove(&entry).is_some() {
                            changes.remove(u32::from(entry));
                        }
                    }
                    Step::Join => {
                        if followers.len() < 4 {
                            followers.push((changes.follow_from_start(), 0));
                        }
                    }
                    Step::Read(who, n) => {
                        let count = followers.len();
                        let (marker, seen) = &mut followers[usize::from(who) % count];
                        for _ in 0..n {
                            let expected = live.iter().filter(|(_, v)| **v > *seen).min_by_key(|(_, v)| **v);
                            prop_assert_eq!(changes.position(*marker), expected.map(|(e, _)| u32::from(*e)));
                            if let Some((_, v)) = expected {
                                *seen = *v;
                                changes.advance(*marker);
                            }
                        }
                    }
                }
            }
        }
    }
}
