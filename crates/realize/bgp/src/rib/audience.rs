//! Sets of peers, interned. Which peers have been sent a route is one such set per route: four bytes, whatever the number
//! of peers, because nearly all routes of a table share a few sets. A peer that goes away is taken out of the sets, not
//! out of the routes.
//!
//! Sets are counted: each route holds one reference. Two ids may name equal sets after a peer has gone, so compare
//! contents, not ids, where it matters.

use hashbrown::HashMap;
use std::sync::Arc;

/// The dense number of a peer that is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u16);

/// A set of slots as bits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Slots(Vec<u64>);

impl Slots {
    pub(crate) fn contains(&self, slot: Slot) -> bool {
        self.0
            .get(usize::from(slot.0 / 64))
            .is_some_and(|word| word >> (slot.0 % 64) & 1 == 1)
    }

    pub(crate) fn insert(&mut self, slot: Slot) {
        let word = usize::from(slot.0 / 64);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot.0 % 64);
    }

    pub(crate) fn remove(&mut self, slot: Slot) {
        if let Some(word) = self.0.get_mut(usize::from(slot.0 / 64)) {
            *word &= !(1 << (slot.0 % 64));
            self.trim();
        }
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(Slot((at * 64) as u16 + bit as u16))
            })
        })
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut result = Self(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect());
        result.trim();
        result
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() >= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut result = long.clone();
        for (word, more) in result.0.iter_mut().zip(&short.0) {
            *word |= more;
        }
        result
    }

    pub(crate) fn minus(&self, other: &Self) -> Self {
        let mut result = self.clone();
        for (word, less) in result.0.iter_mut().zip(&other.0) {
            *word &= !less;
        }
        result.trim();
        result
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

/// An interned set; 0 is the empty one, which is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct AudienceId(u32);

impl AudienceId {
    pub(crate) const NOBODY: Self = Self(0);
}

#[derive(Debug)]
struct Audience {
    slots: Arc<Slots>,
    routes: u32,
}

/// The sets of one table.
#[derive(Debug)]
pub(crate) struct Audiences {
    sets: Vec<Audience>,
    free: Vec<u32>,
    ids: HashMap<Arc<Slots>, u32, foldhash::fast::FixedState>,
}

impl Default for Audiences {
    fn default() -> Self {
        Self {
            sets: vec![Audience {
                slots: Arc::default(),
                routes: 0,
            }],
            free: Vec::new(),
            ids: HashMap::default(),
        }
    }
}

impl Audiences {
    pub(crate) fn get(&self, id: AudienceId) -> &Arc<Slots> {
        &self.sets[id.0 as usize].slots
    }

    pub(crate) fn contains(&self, id: AudienceId, slot: Slot) -> bool {
        self.get(id).contains(slot)
    }

    /// Nobody is in it, whatever its id.
    pub(crate) fn is_empty(&self, id: AudienceId) -> bool {
        id == AudienceId::NOBODY || self.get(id).is_empty()
    }

    /// The id of a set; not counted yet.
    pub(crate) fn intern(&mut self, slots: Slots) -> AudienceId {
        if slots.is_empty() {
            return AudienceId::NOBODY;
        }
        if let Some(id) = self.ids.get(&slots) {
            return AudienceId(*id);
        }
        let slots = Arc::new(slots);
        let audience = Audience {
            slots: slots.clone(),
            routes: 0,
        };
        let id = if let Some(id) = self.free.pop() {
            self.sets[id as usize] = audience;
            id
        } else {
            self.sets.push(audience);
            self.sets.len() as u32 - 1
        };
        self.ids.insert(slots, id);
        AudienceId(id)
    }

    /// A route's set changes.
    pub(crate) fn replace(&mut self, of: &mut AudienceId, with: AudienceId) {
        if *of == with {
            return;
        }
        self.sets[with.0 as usize].routes += u32::from(with != AudienceId::NOBODY);
        let old = std::mem::replace(of, with);
        if old == AudienceId::NOBODY {
            return;
        }
        let audience = &mut self.sets[old.0 as usize];
        audience.routes -= 1;
        if audience.routes == 0 {
            self.forget(old.0);
        }
    }

    fn forget(&mut self, id: u32) {
        let slots = std::mem::take(&mut self.sets[id as usize].slots);
        if self.ids.get(&slots) == Some(&id) {
            self.ids.remove(&slots);
        }
        self.free.push(id);
    }

    /// Takes a peer that is gone out of every set.
    pub(crate) fn leave(&mut self, slot: Slot) {
        for id in 1..self.sets.len() {
            if !self.sets[id].slots.contains(slot) {
                continue;
            }
            let mut slots = (*self.sets[id].slots).clone();
            if self.ids.get(&slots) == Some(&(id as u32)) {
                self.ids.remove(&slots);
            }
            slots.remove(slot);
            let slots = Arc::new(slots);
            self.sets[id].slots = slots.clone();
            if !slots.is_empty() {
                self.ids.entry(slots).or_insert(id as u32);
            }
        }
    }

    /// How many routes a peer has been sent.
    pub(crate) fn routes_of(&self, slot: Slot) -> u32 {
        self.sets
            .iter()
            .filter(|audience| audience.slots.contains(slot))
            .map(|audience| audience.routes)
            .sum()
    }
}
