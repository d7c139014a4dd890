//! Where things are drawn: layered pictures of parts of the map, and an overview that stays small however large the cloud.
//!
//! Positions are whole numbers on a grid, the same for the same input, and what was placed before stays where it was: given the last layout, only
//! new things are placed, in free slots near what they are linked to. Rows follow the layers the object types declare.

mod overview;

pub(crate) use overview::Kept;
pub use overview::{Edge, Overview, OverviewQuery, Supernode};

use crate::link::Link;
use crate::object::{Handle, ObjectRef};
use crate::version::Version;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A slot of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub x: i32,
    pub y: i32,
}

/// Positions by key, so that they outlive a version.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Layout {
    #[serde(with = "pairs")]
    pub positions: BTreeMap<ObjectRef, Position>,
}

/// Slots in a row before the next row of the same layer begins.
const WIDTH: i32 = 48;
/// Rows between the starts of layers; a layer with more goes on to the right.
const BAND: i32 = 32;

impl Layout {
    /// Places objects by layer. Links pull together what they join.
    pub fn layered(
        version: &Version,
        nodes: &[Handle],
        links: &[Arc<Link>],
        last: Option<&Self>,
    ) -> Self {
        let layer = |handle: Handle| {
            let rule = version
                .object(handle)
                .and_then(|object| version.rule(object));
            rule.map_or(0, |rule| i32::from(rule.layer))
        };
        let mut near: HashMap<Handle, Vec<Handle>> = HashMap::new();
        for link in links {
            near.entry(link.source).or_default().push(link.target);
            near.entry(link.target).or_default().push(link.source);
        }
        let keyed: BTreeMap<Handle, &ObjectRef> = nodes
            .iter()
            .filter_map(|node| Some((*node, &version.object(*node)?.key)))
            .collect();
        let mut things: Vec<Thing> = keyed
            .iter()
            .map(|(node, key)| Thing {
                key: (*key).clone(),
                layer: layer(*node),
                name: version
                    .object(*node)
                    .map_or("", |object| object.name())
                    .into(),
                near: near
                    .get(node)
                    .into_iter()
                    .flatten()
                    .filter_map(|other| keyed.get(other).map(|key| (*key).clone()))
                    .collect(),
            })
            .collect();
        things.sort_by(|a, b| (a.layer, &a.name, &a.key).cmp(&(b.layer, &b.name, &b.key)));
        place(&things, last)
    }
}

/// Something to place.
pub(crate) struct Thing {
    pub(crate) key: ObjectRef,
    pub(crate) layer: i32,
    pub(crate) name: String,
    pub(crate) near: Vec<ObjectRef>,
}

/// Places things in their order; what the last layout holds stays, if it is still of the same layer.
pub(crate) fn place(things: &[Thing], last: Option<&Layout>) -> Layout {
    let mut layout = Layout::default();
    let mut taken: BTreeSet<(i32, i32)> = BTreeSet::new();
    let last = last.map(|last| &last.positions);
    for thing in things {
        if let Some(position) = last.and_then(|last| last.get(&thing.key))
            && position.y.div_euclid(BAND) == thing.layer
            && taken.insert((thing.layer, slot_of(*position)))
        {
            layout.positions.insert(thing.key.clone(), *position);
        }
    }
    let mut free: BTreeMap<i32, i32> = BTreeMap::new();
    for thing in things {
        if layout.positions.contains_key(&thing.key) {
            continue;
        }
        let near: Vec<i32> = thing
            .near
            .iter()
            .filter_map(|key| layout.positions.get(key))
            .map(|position| position.x.rem_euclid(WIDTH))
            .collect();
        let slot = match near.len() {
            // Nothing to be near to: the next free slot, so that names stay in order.
            0 => {
                let next = free.entry(thing.layer).or_insert(0);
                while taken.contains(&(thing.layer, *next)) {
                    *next += 1;
                }
                *next
            }
            count => {
                let wanted = near.iter().sum::<i32>() / count as i32;
                nearest(&taken, thing.layer, wanted)
            }
        };
        taken.insert((thing.layer, slot));
        layout
            .positions
            .insert(thing.key.clone(), position_of(thing.layer, slot));
    }
    layout
}

/// The free slot closest to a column, upper rows first.
fn nearest(taken: &BTreeSet<(i32, i32)>, layer: i32, column: i32) -> i32 {
    for row in 0.. {
        for distance in 0..WIDTH {
            for x in [column + distance, column - distance] {
                let slot = row * WIDTH + x;
                if (0..WIDTH).contains(&x) && !taken.contains(&(layer, slot)) {
                    return slot;
                }
            }
        }
    }
    0
}

fn position_of(layer: i32, slot: i32) -> Position {
    let (row, x) = (slot / WIDTH, slot % WIDTH);
    Position {
        x: x + row / BAND * WIDTH,
        y: layer * BAND + row % BAND,
    }
}

fn slot_of(position: Position) -> i32 {
    let row = position.x.div_euclid(WIDTH) * BAND + position.y.rem_euclid(BAND);
    row * WIDTH + position.x.rem_euclid(WIDTH)
}

/// JSON has no maps with structured keys.
mod pairs {
    use super::{ObjectRef, Position};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<ObjectRef, Position>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<ObjectRef, Position>, D::Error> {
        Ok(Vec::<(ObjectRef, Position)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slots_and_positions_are_one_to_one(layer in 0i32..10, slot in 0i32..200_000) {
            let position = position_of(layer, slot);
            prop_assert_eq!(slot_of(position), slot);
            prop_assert_eq!(position.y.div_euclid(BAND), layer);
        }

        #[test]
        fn nothing_overlaps_and_nothing_placed_moves(
            first in prop::collection::btree_map(0u32..300, 0i32..4, 0..80),
            second in prop::collection::btree_map(0u32..300, 0i32..4, 0..80),
        ) {
            let things = |set: &BTreeMap<u32, i32>| -> Vec<Thing> {
                set.iter()
                    .map(|(n, layer)| Thing {
                        key: ObjectRef::new("vnic", n.to_string()).expect("valid"),
                        layer: *layer,
                        name: n.to_string(),
                        near: (1..3).map(|d| ObjectRef::new("vnic", (n / d).to_string()).expect("valid")).collect(),
                    })
                    .collect()
            };
            let before = place(&things(&first), None);
            let after = place(&things(&second), Some(&before));
            let slots: BTreeSet<Position> = after.positions.values().copied().collect();
            prop_assert_eq!(slots.len(), second.len());
            for (n, layer) in &second {
                if first.get(n) == Some(layer) {
                    let key = ObjectRef::new("vnic", n.to_string()).expect("valid");
                    prop_assert_eq!(before.positions[&key], after.positions[&key]);
                }
            }
        }
    }
}
