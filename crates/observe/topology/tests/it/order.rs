//! Facts with their times end the same in whatever order they come, and a fact that is said again changes nothing.

use crate::cloud;
use crate::support::{at, declarations, environment, key, map, object, reading, scan};
use proptest::prelude::*;
use serde_json::json;
use topology::{Batch, Cause, Draft, Map, Profile, Reading, Record};

/// One source's word on some attributes of one network.
#[derive(Debug, Clone)]
struct Said {
    kind: &'static str,
    second: i64,
    whole: bool,
    values: [Option<u8>; 2],
}

const NAMES: [&str; 2] = ["mtu", "state"];

impl Said {
    fn reading(&self) -> Reading {
        let mut draft = if self.whole {
            Draft::whole(key("network", "n"), "n")
        } else {
            Draft::part(key("network", "n"))
        };
        for (name, value) in NAMES.into_iter().zip(self.values) {
            if let Some(value) = value {
                draft = draft.with(name, value);
            }
        }
        reading(self.kind, self.second, vec![draft])
    }
}

/// Words at different times. Two kinds are of one rank; of these an account of the whole leaves nothing out.
fn words() -> impl Strategy<Value = Vec<Said>> {
    let kind = prop::sample::select(vec!["neutron", "event", "ssh", "sql"]);
    let value = || prop::option::weighted(0.7, 0u8..3);
    let word = (kind, any::<bool>(), value(), value());
    prop::collection::vec(word, 1..9).prop_map(|words| {
        let numbered = words.into_iter().zip(10..);
        numbered
            .map(|((kind, whole, first, second), at)| {
                let full = whole && ["neutron", "event"].contains(&kind);
                let fill = |value: Option<u8>| value.or(full.then_some(0));
                Said {
                    kind,
                    second: at,
                    whole,
                    values: [fill(first), fill(second)],
                }
            })
            .collect()
    })
}

fn events(second: i64, readings: Vec<Reading>) -> Batch {
    Batch {
        cause: Cause::Events,
        at: at(second),
        readings,
    }
}

fn begun() -> Map {
    let mut map = map();
    let first = Said {
        kind: "neutron",
        second: 1,
        whole: true,
        values: [Some(0), Some(0)],
    };
    map.apply(&scan(1, vec![first.reading()])).expect("sound");
    map
}

/// Each claim: attribute, who says what, and since when.
type Claims = Vec<(String, String, i64)>;

fn claims(map: &Map) -> Claims {
    let network = map.head().get(&object("network", "n")).expect("known");
    network
        .attributes()
        .flat_map(|attribute| {
            std::iter::once(&attribute.believed)
                .chain(&attribute.others)
                .map(|claim| {
                    let said = format!("{} says {}", claim.origin.kind, claim.value);
                    (attribute.name.to_string(), said, claim.at.as_second())
                })
        })
        .collect()
}

fn told(words: &[Said]) -> Map {
    let mut map = begun();
    for (word, second) in words.iter().zip(100..) {
        map.apply(&events(second, vec![word.reading()]))
            .expect("sound");
    }
    map
}

/// The map as its records tell it, after a last version that changes nothing.
fn read_back(map: &mut Map, mut records: Vec<Record>) -> Map {
    records.extend(
        map.snapshot("last", false, at(900))
            .expect("a new name")
            .record,
    );
    let bytes: Vec<Vec<u8>> = records
        .iter()
        .map(|record| record.to_bytes().expect("a record is JSON"))
        .collect();
    let bytes = bytes.iter().map(Vec::as_slice);
    Map::replay(Profile::new(environment()), declarations(), at(0), bytes)
        .expect("sound")
        .map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn words_in_any_order_end_as_in_their_own(
        (ordered, mixed) in words().prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
        repeated in any::<prop::sample::Index>(),
    ) {
        let expected = claims(&told(&ordered));
        let mut mixed = mixed;
        mixed.push(mixed[repeated.index(mixed.len())].clone());
        let found = claims(&told(&mixed));
        let without_times = |claims: &Claims| -> Vec<_> {
            claims.iter().map(|(name, said, _)| (name.clone(), said.clone())).collect()
        };
        prop_assert_eq!(without_times(&found), without_times(&expected));
        // A claim is never said to have held while its source said otherwise; it may have held longer than late news can tell.
        for ((name, said, since), (_, _, known)) in found.iter().zip(&expected) {
            prop_assert!(since >= known, "{name}: {said} since {since}, but only since {known}");
        }
    }

    #[test]
    fn what_was_said_again_outlives_a_restart(words in words(), late in words()) {
        let mut map = begun();
        let mut records: Vec<Record> = map.checkpoint();
        for (word, second) in words.iter().zip(100..) {
            records.extend(map.apply(&events(second, vec![word.reading()])).expect("sound").record);
        }
        let mut back = read_back(&mut map, records);
        for (word, second) in late.iter().zip(1000..) {
            let batch = events(second, vec![word.reading()]);
            map.apply(&batch).expect("sound");
            back.apply(&batch).expect("sound");
        }
        prop_assert_eq!(claims(&back), claims(&map));
    }
}

#[test]
fn a_value_that_came_back_stays_when_news_of_the_other_comes_late() {
    let mut map = begun();
    let said = |second, value| Said {
        kind: "event",
        second,
        whole: false,
        values: [Some(value), None],
    };
    for (second, value) in [(10, 7), (30, 7), (20, 8)] {
        map.apply(&events(40, vec![said(second, value).reading()]))
            .expect("sound");
    }
    let mtu = ("mtu".to_owned(), "event says 7".to_owned(), 30);
    assert!(claims(&map).contains(&mtu), "{:?}", claims(&map));
}

#[test]
fn a_part_that_is_said_again_is_no_version_and_a_scan_that_is_said_again_changes_nothing() {
    let mut map = begun();
    let part = |second| Said {
        kind: "event",
        second,
        whole: false,
        values: [Some(7), Some(7)],
    };
    map.apply(&events(10, vec![part(10).reading()]))
        .expect("sound");
    let before = map.head().clone();
    let again = map
        .apply(&events(20, vec![part(20).reading()]))
        .expect("sound");
    assert_eq!((again.record, again.version.number), (None, before.number));
    let handle = again.version.find(&object("network", "n")).expect("known");
    let mtu = again
        .version
        .object(handle)
        .expect("known")
        .attribute("mtu");
    let mtu = &mtu.expect("said").believed;
    assert_eq!(mtu.at, at(10));
    assert_eq!(again.version.read_at(handle, "mtu", mtu), at(20));

    let mut map = crate::support::map();
    let parts = |second| {
        let part = Draft::part(cloud::host_key(1)).with("proxied_services", json!([1, 2]));
        let drafts = cloud::small().into_iter().chain([part]).collect();
        scan(second, vec![reading("ssh", second, drafts)])
    };
    map.apply(&parts(1)).expect("sound");
    map.apply(&parts(2)).expect("sound");
    let before = map.head().clone();
    let again = map.apply(&parts(3)).expect("sound");
    assert!(again.changes.is_empty(), "{:?}", again.changes);
    assert!(before.diff(&again.version).is_empty());
    let record = again.record.expect("a scan makes a version");
    let text = String::from_utf8(record.to_bytes().expect("JSON")).expect("JSON");
    assert!(!text.contains("\"objects\":[["), "{text}");
}
