use super::*;
use model::NetworkId;
use proptest::collection::vec;
use proptest::prelude::*;
use proto::controller_frame::Frame;
use uuid::Uuid;

fn key(number: u8) -> UnitKey {
    UnitKey::Segment(NetworkId(Uuid::from_u128(number.into())))
}

/// Not a unit, which the outbox does not look at: the number of its key and a version.
fn value(number: u8, version: u8) -> Bytes {
    vec![number, version].into()
}

fn pending(value: Option<Bytes>, held: bool) -> Pending {
    Pending { value, held }
}

/// What happens to a plan and to the stream that carries it.
#[derive(Debug, Clone)]
enum Step {
    /// The plan gets a version of a unit, or loses it.
    Change(Vec<(u8, Option<u8>)>),
    Grant(u32),
    Pull,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..6_u8, any::<Option<u8>>());
    prop_oneof![
        3 => vec(change, 1..4).prop_map(Step::Change),
        1 => (1..12_u32).prop_map(Step::Grant),
        4 => Just(Step::Pull),
    ]
}

type Plan = BTreeMap<UnitKey, Bytes>;

/// A plan that changes, and the copy of an agent that knows only what it is sent.
struct Scene {
    outbox: Outbox,
    history: Vec<Plan>,
    copy: Plan,
}

impl Scene {
    fn change(&mut self, edits: &[(u8, Option<u8>)]) {
        let before = self.history.last().cloned().unwrap_or_default();
        let mut after = before.clone();
        for (number, version) in edits {
            match version {
                Some(version) => after.insert(key(*number), value(*number, *version)),
                None => after.remove(&key(*number)),
            };
        }
        let keys = before.keys().chain(after.keys());
        let mut posts: Vec<_> = keys
            .filter(|key| before.get(key) != after.get(key))
            .map(|key| {
                let held = before.contains_key(key);
                (key.clone(), pending(after.get(key).cloned(), held))
            })
            .collect();
        posts.dedup();
        let revision = self.history.len() as u64;
        self.history.push(after);
        if !posts.is_empty() {
            self.outbox.post(posts, revision);
        }
    }

    /// Takes a frame, if one is due; false if none is.
    fn pull(&mut self) -> Result<bool, TestCaseError> {
        let mut state = self.outbox.state.lock();
        let units = self.copy.len() + self.history.last().map_or(0, Plan::len);
        prop_assert!(state.dirty.len() <= units, "one entry per unit at most");
        let Some(frame) = state.next_frame().and_then(|frame| frame.frame) else {
            return Ok(false);
        };
        match frame {
            Frame::Delta(delta) => {
                for value in delta.upserts {
                    self.copy.insert(key(value[0]), value);
                }
                for gone in &delta.deletes {
                    let gone = UnitKey::try_from(gone).expect("a key");
                    prop_assert!(self.copy.remove(&gone).is_some(), "{} was held", gone);
                }
            }
            Frame::End(end) => {
                prop_assert_eq!(&self.copy, &self.history[end.revision as usize]);
            }
            other => prop_assert!(matches!(other, Frame::Snapshot(_)), "{:?}", other),
        }
        Ok(true)
    }
}

proptest! {
    /// Whatever the interleaving of changes, credit and frames: at each `End` the copy is the plan of that
    /// revision, and when nothing is left to say the copy is the plan.
    #[test]
    fn a_copy_follows_its_plan(held in vec(any::<(u8, u8)>(), 0..4), steps in vec(step(), 0..60)) {
        let mut scene = Scene {
            outbox: Outbox::default(),
            history: vec![Plan::new()],
            copy: held.into_iter().map(|(n, v)| (key(n % 6), value(n % 6, v))).collect(),
        };
        let gone = scene.copy.keys().map(|key| (key.clone(), pending(None, true)));
        scene.outbox.start(Batch::new(gone.collect(), 0));
        for step in steps {
            match step {
                Step::Change(edits) => scene.change(&edits),
                Step::Grant(bytes) => scene.outbox.grant(bytes),
                Step::Pull => {
                    scene.pull()?;
                }
            }
        }
        scene.outbox.grant(u32::MAX);
        while scene.pull()? {}
        prop_assert_eq!(Some(&scene.copy), scene.history.last());
    }
}

#[test]
fn a_batch_goes_out_in_order_and_in_frames_of_bounded_size() {
    let big = Bytes::from(vec![0; FRAME_TARGET / 3]);
    let mut entries = BTreeMap::new();
    for number in 0..10 {
        let removed = number % 2 == 1;
        entries.insert(key(number), pending((!removed).then(|| big.clone()), true));
    }
    let mut batch = Batch::new(entries, 1);
    let mut sizes = Vec::new();
    let mut deletes = Vec::new();
    while !batch.is_empty() {
        let delta = batch.next_delta();
        assert!(wire::delta_length(&delta) <= FRAME_TARGET + 64);
        assert!(delta.deletes.is_empty() || batch.upserts.is_empty());
        sizes.push(delta.upserts.len());
        deletes.extend(
            delta
                .deletes
                .iter()
                .map(|key| UnitKey::try_from(key).expect("a key")),
        );
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(deletes, [9, 7, 5, 3, 1].map(key));
}

#[test]
fn a_unit_larger_than_a_frame_goes_alone() {
    let huge = Bytes::from(vec![0; FRAME_TARGET + 1]);
    let entries = BTreeMap::from([
        (key(1), pending(Some(huge.clone()), false)),
        (key(2), pending(Some(huge), false)),
    ]);
    let mut batch = Batch::new(entries, 1);
    assert_eq!(batch.next_delta().upserts.len(), 1);
    assert_eq!(batch.next_delta().upserts.len(), 1);
    assert!(batch.is_empty());
}

#[test]
fn last_words_are_said_and_nothing_after() {
    let outbox = Outbox::default();
    for _ in 0..2 * MAX_CONTROL {
        outbox.say(ControllerFrame::End(0));
    }
    outbox.go_away(GoAwayReason::Draining);
    outbox.say(ControllerFrame::End(1));
    let mut state = outbox.state.lock();
    let mut frames = Vec::new();
    while let Some(frame) = state.next_frame() {
        frames.push(ControllerFrame::try_from(frame).expect("a frame"));
    }
    assert_eq!(frames.len(), MAX_CONTROL + 1);
    assert_eq!(
        frames.last(),
        Some(&ControllerFrame::GoAway(GoAwayReason::Draining))
    );
}
