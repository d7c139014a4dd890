//! A scan that starts at an object speaks only for what is below it.

use std::collections::{BTreeMap, BTreeSet};
use topology::{ObjectKey, ObjectType, Reading, Scope};

/// Keeps what is the object or descends from it, of the wanted types if any are named, and narrows each scope to it.
pub(super) fn restrict(
    readings: Vec<Reading>,
    start: &ObjectKey,
    types: &[ObjectType],
) -> Vec<Reading> {
    let parents: BTreeMap<ObjectKey, ObjectKey> = readings
        .iter()
        .flat_map(|reading| &reading.drafts)
        .filter_map(|draft| Some((draft.key.clone(), draft.parent.clone()?)))
        .collect();
    let wanted = |object_type: &ObjectType| types.is_empty() || types.contains(object_type);
    readings
        .into_iter()
        .filter_map(|mut reading| {
            if let Scope::All {
                types: spoken,
                within,
            } = &mut reading.scope
            {
                spoken.retain(&wanted);
                if spoken.is_empty() {
                    return None;
                }
                // A reading of a host below the start keeps its own, narrower scope.
                let narrower = within
                    .as_ref()
                    .is_some_and(|key| key != start && descends(key, start, &parents));
                if !narrower {
                    *within = Some(start.clone());
                }
            }
            reading.drafts.retain(|draft| {
                wanted(&draft.key.object_type) && descends(&draft.key, start, &parents)
            });
            let named = matches!(reading.scope, Scope::Named);
            (!named || !reading.drafts.is_empty()).then_some(reading)
        })
        .collect()
}

/// Whether `start` is the object or above it. Parents may form a loop in what hostile sources say, so each is visited once.
fn descends(key: &ObjectKey, start: &ObjectKey, parents: &BTreeMap<ObjectKey, ObjectKey>) -> bool {
    let mut seen = BTreeSet::new();
    let mut at = Some(key);
    while let Some(key) = at {
        if key == start {
            return true;
        }
        if !seen.insert(key) {
            return false;
        }
        at = parents.get(key);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{reading_of, source};
    use topology::{Draft, Environment};

    #[test]
    fn only_what_is_below_the_start_is_kept_and_spoken_for() {
        let environment = Environment::new("env").expect("a name");
        let key = |kind: &str, id: &str| ObjectKey::new(&environment, kind, id).expect("a key");
        let drafts = vec![
            Draft::whole(key("vservice", "a"), "a").under(key("host", "h")),
            Draft::whole(key("vnic", "a1"), "a1").under(key("vservice", "a")),
            Draft::whole(key("vnic", "b1"), "b1").under(key("vservice", "b")),
            // Parents in a loop.
            Draft::whole(key("vnic", "x"), "x").under(key("vnic", "y")),
            Draft::whole(key("vnic", "y"), "y").under(key("vnic", "x")),
        ];
        let host = Some(key("host", "h"));
        let readings = vec![reading_of(
            source("ssh", "h"),
            &["vservice", "vnic"],
            host,
            drafts,
            None,
        )];
        let kept = restrict(readings, &key("vservice", "a"), &[]);
        let ids: Vec<&str> = kept[0]
            .drafts
            .iter()
            .map(|draft| draft.key.id.as_str())
            .collect();
        assert_eq!(ids, ["a", "a1"]);
        let Scope::All { within, .. } = &kept[0].scope else {
            panic!("a scope")
        };
        assert_eq!(within.as_ref(), Some(&key("vservice", "a")));
    }
}
