//! Two machines over a wire that loses, delays or dies.

use super::*;

const CONFIG: BfdConfig = BfdConfig {
    interval: 100,
    multiplier: 3,
};

struct Pair {
    now: u64,
    ends: [BfdSession; 2],
    changes: Vec<(usize, BfdChange)>,
    sent: [u64; 2],
    cut: bool,
}

impl Pair {
    fn new() -> Self {
        let end = |seed| BfdSession::new(CONFIG, seed, u64::from(seed), Time(0));
        Self {
            now: 0,
            ends: [end(1), end(2)],
            changes: Vec::new(),
            sent: [0; 2],
            cut: false,
        }
    }

    fn run(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        while self.now < end {
            self.now += 1;
            for from in 0..2 {
                let (packet, change) = self.ends[from].tick(Time(self.now));
                self.changes.extend(change.map(|change| (from, change)));
                let Some(packet) = packet else { continue };
                self.sent[from] += 1;
                if self.cut {
                    continue;
                }
                let packet = BfdPacket::decode(&packet.encode()).expect("our own packet");
                let change = self.ends[1 - from].receive(&packet, Time(self.now));
                self.changes.extend(change.map(|change| (1 - from, change)));
            }
        }
    }

    fn states(&self) -> [BfdState; 2] {
        [self.ends[0].state(), self.ends[1].state()]
    }
}

#[test]
fn two_ends_come_up_and_then_speak_at_the_configured_pace() {
    let mut pair = Pair::new();
    pair.run(2_500);
    assert_eq!(pair.states(), [BfdState::Up; 2]);
    assert!(
        pair.ends.iter().all(|end| !end.polling),
        "polls were answered"
    );
    let before = pair.sent;
    pair.run(10_000);
    for (end, before) in before.into_iter().enumerate() {
        let packets = pair.sent[end] - before;
        assert!(
            (100..=134).contains(&packets),
            "75 to 100 ms apart: {packets}"
        );
    }
    assert_eq!(pair.changes.len(), 2, "{:?}", pair.changes);
}

#[test]
fn a_cut_is_found_within_the_detection_time() {
    let mut pair = Pair::new();
    pair.run(3_000);
    pair.changes.clear();
    pair.cut = true;
    pair.run(301);
    let down = BfdChange::Down {
        diagnostic: Diagnostic::DETECTION_TIME_EXPIRED,
        independent: false,
    };
    pair.changes.sort_by_key(|(end, _)| *end);
    assert_eq!(pair.changes, [(0, down), (1, down)]);
    pair.cut = false;
    pair.run(3_000);
    assert_eq!(pair.states(), [BfdState::Up; 2]);
}

#[test]
fn an_operators_word_is_no_failure() {
    let mut pair = Pair::new();
    pair.run(3_000);
    pair.changes.clear();
    let packet = pair.ends[0].admin_down(Time(pair.now));
    assert_eq!(packet.state, BfdState::AdminDown);
    let change = pair.ends[1].receive(&packet, Time(pair.now));
    assert_eq!(change, Some(BfdChange::AdminDown));
    pair.run(1_500);
    assert_eq!(pair.changes, []);
    assert_eq!(pair.states(), [BfdState::AdminDown, BfdState::Down]);
}

#[test]
fn slower_timing_is_agreed_by_a_poll_without_a_flap() {
    let mut pair = Pair::new();
    pair.run(3_000);
    pair.changes.clear();
    let slower = BfdConfig {
        interval: 1_000,
        multiplier: 3,
    };
    pair.ends[0].reconfigure(slower, Time(pair.now));
    pair.run(2_000);
    let before = pair.sent[0];
    pair.run(10_000);
    assert!((10..=14).contains(&(pair.sent[0] - before)));
    assert_eq!(pair.changes, []);
    assert_eq!(pair.states(), [BfdState::Up; 2]);
}

/// RFC 5880 6.8.6: the whole table.
#[test]
fn states_follow_the_rfc() {
    use BfdState::{AdminDown, Down, Init, Up};
    let heard = [AdminDown, Down, Init, Up];
    let table = [
        (AdminDown, [AdminDown; 4]),
        (Down, [Down, Init, Up, Down]),
        (Init, [Down, Init, Up, Up]),
        (Up, [Down, Down, Up, Up]),
    ];
    for (state, after) in table {
        assert_eq!(
            heard.map(|heard| next_state(state, heard)),
            after,
            "{state:?}"
        );
    }
}

#[test]
fn a_neighbor_that_wants_nothing_gets_nothing() {
    let mut session = BfdSession::new(CONFIG, 1, 1, Time(0));
    let (packet, _) = session.tick(Time(0));
    let mut packet = packet.expect("the first packet");
    (packet.mine, packet.yours) = (2, 1);
    packet.required_min_rx = 0;
    session.receive(&packet, Time(1));
    assert_eq!(session.state(), BfdState::Init);
    for now in 1..300 {
        assert_eq!(session.tick(Time(now)), (None, None));
    }
    // A poll is answered all the same.
    packet.poll = true;
    session.receive(&packet, Time(300));
    let (answer, _) = session.tick(Time(300));
    assert!(answer.is_some_and(|answer| answer.r#final && !answer.poll));
}
