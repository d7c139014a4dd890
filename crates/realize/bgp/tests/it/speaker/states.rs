//! RFC 4271 8.2.2 before there is a session: state × event → next state and what the shell is asked for.

use super::config;
use bgp::config::Config;
use bgp::message::Open;
use bgp::session::State;
use bgp::speaker::{Action, Clear, ConnId, ConnInfo, Direction, Speaker, Start};
use bgp::{PeerId, Time};

const PEER: PeerId = PeerId(0);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    ManualStop,
    ManualStart,
    Clear,
    /// The retry time is over.
    Retry,
    Fails,
    Answered,
    Called,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Asked {
    Nothing,
    Connect,
    Cancel,
    Send,
    Close,
    /// [`Asked::Cancel`], then a new attempt.
    Again,
}

fn info(direction: Direction) -> ConnInfo {
    ConnInfo {
        local: "10.0.0.1:179".parse().expect("an address"),
        remote: "10.0.0.2:5000".parse().expect("an address"),
        direction,
        interface: None,
        local_other: None,
        local_link_local: None,
        shared_subnet: None,
    }
}

/// A speaker whose only neighbor is in a state before a connection.
fn speaker_in(state: State, passive: bool) -> Speaker {
    let more = if passive { "passive = true" } else { "" };
    let config = Config::parse(&config(0, 65001, &[(1, 65002, more)])).expect("a configuration");
    let mut speaker = Speaker::new(config, Start::Fresh, Time(0));
    match state {
        State::Idle => speaker.shutdown(Time(0), PEER, "").expect("it exists"),
        State::Active if !passive => speaker.connect_failed(Time(0), PEER, "refused"),
        _ => {}
    }
    assert_eq!(speaker.peer(PEER).map(|peer| peer.state), Some(state));
    speaker.take_actions();
    speaker
}

fn happens(speaker: &mut Speaker, event: Event) -> (State, Asked) {
    let now = Time(100);
    let gone = match event {
        Event::ManualStop => speaker.shutdown(now, PEER, "").is_err(),
        Event::ManualStart => speaker.enable(now, PEER).is_err(),
        Event::Clear => speaker.clear(now, PEER, Clear::Hard).is_err(),
        Event::Retry => {
            speaker.tick(speaker.next_timer().unwrap_or(now));
            false
        }
        Event::Fails => {
            speaker.connect_failed(now, PEER, "refused");
            false
        }
        Event::Answered => {
            speaker.connected(now, ConnId(1), info(Direction::Outgoing(PEER)));
            false
        }
        Event::Called => {
            speaker.connected(now, ConnId(1), info(Direction::Incoming));
            false
        }
    };
    assert!(!gone);
    let actions = speaker.take_actions();
    let is = |wanted: fn(&Action) -> bool| actions.iter().any(wanted);
    let connect = is(|action| matches!(action, Action::Connect { .. }));
    let cancel = is(|action| matches!(action, Action::CancelConnect { .. }));
    let asked = match (connect, cancel) {
        (true, true) => Asked::Again,
        (true, false) => Asked::Connect,
        (false, true) => Asked::Cancel,
        _ if is(|action| matches!(action, Action::Send { .. })) => Asked::Send,
        _ if is(|action| matches!(action, Action::Close { .. })) => Asked::Close,
        _ => Asked::Nothing,
    };
    (speaker.peer(PEER).expect("it exists").state, asked)
}

#[test]
fn every_event_before_a_connection_does_what_the_rfc_says() {
    use Event::{Answered, Called, Clear, Fails, ManualStart, ManualStop, Retry};
    let idle = (State::Idle, Asked::Nothing);
    let turned_away = (State::Idle, Asked::Close);
    let open_sent = (State::OpenSent, Asked::Send);
    let table = [
        (State::Idle, ManualStop, idle),
        (State::Idle, ManualStart, (State::Connect, Asked::Connect)),
        (State::Idle, Clear, idle),
        (State::Idle, Fails, idle),
        (State::Idle, Answered, turned_away),
        (State::Idle, Called, turned_away),
        (State::Connect, ManualStop, (State::Idle, Asked::Cancel)),
        (
            State::Connect,
            ManualStart,
            (State::Connect, Asked::Nothing),
        ),
        (State::Connect, Clear, (State::Connect, Asked::Again)),
        (State::Connect, Fails, (State::Active, Asked::Nothing)),
        (State::Connect, Answered, open_sent),
        (State::Connect, Called, open_sent),
        (State::Active, ManualStop, idle),
        (State::Active, ManualStart, (State::Active, Asked::Nothing)),
        (State::Active, Clear, (State::Connect, Asked::Connect)),
        (State::Active, Retry, (State::Connect, Asked::Connect)),
        (State::Active, Fails, (State::Active, Asked::Nothing)),
        (State::Active, Answered, (State::Active, Asked::Close)),
        (State::Active, Called, open_sent),
    ];
    for (state, event, expected) in table {
        let mut speaker = speaker_in(state, false);
        assert_eq!(
            happens(&mut speaker, event),
            expected,
            "{event:?} in {state}"
        );
    }
}

#[test]
fn a_passive_neighbor_is_never_called() {
    let mut speaker = speaker_in(State::Active, true);
    assert_eq!(speaker.next_timer(), None);
    assert_eq!(
        happens(&mut speaker, Event::Clear),
        (State::Active, Asked::Nothing)
    );
    assert_eq!(
        happens(&mut speaker, Event::Called),
        (State::OpenSent, Asked::Send)
    );
}

/// RFC 4271 6.8 with all three sides of the rule, on one speaker: the identifier, and of equal ones the AS.
#[test]
fn of_two_connections_that_of_the_higher_identifier_stays() {
    for (theirs, ours_stays) in [
        ([10, 0, 0, 9], false),
        ([9, 0, 0, 1], true),
        ([10, 0, 0, 1], false),
    ] {
        let mut speaker = speaker_in(State::Connect, false);
        let now = Time(1);
        let (outgoing, incoming) = (ConnId(1), ConnId(2));
        speaker.connected(now, outgoing, info(Direction::Outgoing(PEER)));
        speaker.connected(now, incoming, info(Direction::Incoming));
        speaker.take_actions();
        let mut open = Vec::new();
        let says = Open {
            asn: 65002,
            hold_time: 90,
            router_id: theirs.into(),
            capabilities: Vec::new(),
        };
        says.encode(&mut open);
        speaker.received(now, incoming, &open);
        let lost = if ours_stays { incoming } else { outgoing };
        let closed = speaker
            .take_actions()
            .into_iter()
            .find_map(|action| match action {
                Action::Close { conn, .. } => Some(conn),
                _ => None,
            });
        assert_eq!(closed, Some(lost), "{theirs:?}");
    }
}
