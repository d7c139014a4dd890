//! RFC 4271 8.2.2 and RFC 6608 as a table: state × message → next state and what is sent.

use super::{counterpart, encoded, give, kinds, notification_in, session_in};
use bgp::message::{KEEPALIVE, Notification, NotificationCode, RefreshKind, RouteRefresh};
use bgp::session::{Down, State};
use bgp::{Family, Time};

type Code = NotificationCode;

/// What becomes of a session.
#[derive(Debug, PartialEq)]
enum Next {
    Stays,
    /// Up to the caller to accept.
    Opened,
    Established,
    /// Handed on.
    Taken,
    /// Closed with this NOTIFICATION.
    Refused(Code),
    /// Closed without a word.
    Over,
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let mut update = vec![0xff; 16];
    update.extend_from_slice(&[0, 23, 2, 0, 0, 0, 0]);
    let mut refresh = Vec::new();
    let family = Family::Ipv4Unicast.into();
    let kind = RefreshKind::Request;
    RouteRefresh { family, kind }.encode(&mut refresh);
    let mut notification = Vec::new();
    Notification::new(Code::CEASE, &[]).encode(&mut notification);
    let mut marker = KEEPALIVE.to_vec();
    marker[3] = 0;
    let mut length = KEEPALIVE.to_vec();
    length[17] = 18;
    let mut long = KEEPALIVE.to_vec();
    long[16..18].copy_from_slice(&4097u16.to_be_bytes());
    long[18] = 2;
    let mut kind = KEEPALIVE.to_vec();
    kind[18] = 6;
    vec![
        ("OPEN", encoded(&counterpart().open())),
        ("KEEPALIVE", KEEPALIVE.to_vec()),
        ("UPDATE", update),
        ("REFRESH", refresh),
        ("NOTIFICATION", notification),
        ("bad marker", marker),
        ("bad length", length),
        ("4097 octets", long),
        ("bad type", kind),
    ]
}

/// Rows in the order of [`messages`]; columns OpenSent, OpenConfirm, Established.
fn expected() -> [[Next; 3]; 9] {
    use Next::{Established, Opened, Over, Refused, Stays, Taken};
    let fsm = [
        Code::FSM_OPEN_SENT,
        Code::FSM_OPEN_CONFIRM,
        Code::FSM_ESTABLISHED,
    ];
    let [sent, confirm, up] = fsm;
    let all = |code| [Refused(code), Refused(code), Refused(code)];
    [
        [Opened, Refused(confirm), Refused(up)],
        [Refused(sent), Established, Stays],
        [Refused(sent), Refused(confirm), Taken],
        [Refused(sent), Refused(confirm), Taken],
        [Over, Over, Over],
        all(Code::CONNECTION_NOT_SYNCHRONIZED),
        all(Code::BAD_MESSAGE_LENGTH),
        // RFC 8654: agreed from the OPEN on, so 4,097 octets are only the beginning of a message then.
        [Refused(Code::BAD_MESSAGE_LENGTH), Stays, Stays],
        all(Code::BAD_MESSAGE_TYPE),
    ]
}

fn next(state: State, message: &[u8]) -> Next {
    let mut session = session_in(state);
    let outcome = give(&mut session, message, 1);
    let output = session.take_output();
    match (session.state(), outcome) {
        (Some(after), None) if after == state => {
            assert_eq!(output, None, "nothing is sent for nothing");
            Next::Stays
        }
        (Some(State::OpenSent), Some(super::Outcome::Opened)) => Next::Opened,
        (Some(State::Established), Some(super::Outcome::Established)) => Next::Established,
        (Some(State::Established), Some(_)) => Next::Taken,
        (None, Some(super::Outcome::Closed(Down::Received(_)))) => {
            assert_eq!(output, None, "a NOTIFICATION has no answer");
            Next::Over
        }
        (None, Some(outcome)) => {
            let code = outcome.sent().expect("a NOTIFICATION was sent");
            let output = output.expect("a NOTIFICATION to send");
            assert_eq!(notification_in(&output).map(|sent| sent.code), Some(code));
            Next::Refused(code)
        }
        (after, outcome) => panic!("{state} → {after:?} by {outcome:?}"),
    }
}

#[test]
fn every_message_in_every_state_does_what_the_rfc_says() {
    let states = [State::OpenSent, State::OpenConfirm, State::Established];
    for ((name, message), expected) in messages().into_iter().zip(expected()) {
        for (state, expected) in states.into_iter().zip(expected) {
            assert_eq!(next(state, &message), expected, "{name} in {state}");
        }
    }
}

#[test]
fn the_answer_to_an_open_is_a_keepalive_once_it_is_accepted() {
    let mut session = session_in(State::OpenSent);
    give(&mut session, &encoded(&counterpart().open()), 1);
    assert_eq!(
        session.take_output(),
        None,
        "not before the collision check"
    );
    session.accept(Time(1));
    assert_eq!(session.state(), Some(State::OpenConfirm));
    assert_eq!(kinds(&session.take_output().expect("a KEEPALIVE")), [4]);
}

#[test]
fn a_closed_session_says_and_takes_nothing_more() {
    let mut session = session_in(State::Established);
    let cease = Notification::new(Code::ADMIN_RESET, &[]);
    assert!(session.close(cease.clone(), "").is_some());
    assert!(session.close(cease, "").is_none(), "once");
    assert!(session.lost("gone").is_none());
    session.take_output().expect("the NOTIFICATION");
    for (name, message) in messages() {
        let _ = give(&mut session, &message, 2);
        assert_eq!(session.state(), None, "{name}");
    }
    assert_eq!(session.next_timer(), None);
}

/// RFC 2918 4, RFC 7313 4: of a family that is not spoken, or demarcation that was not agreed.
#[test]
fn refreshes_that_mean_nothing_are_ignored() {
    let mut session = session_in(State::Established);
    let mut bytes = Vec::new();
    for (family, kind) in [
        (Family::Evpn, RefreshKind::Request),
        (Family::Ipv4Unicast, RefreshKind::Unknown(3)),
    ] {
        let family = family.into();
        RouteRefresh { family, kind }.encode(&mut bytes);
    }
    assert_eq!(give(&mut session, &bytes, 1), None);
    assert_eq!(session.state(), Some(State::Established));
    assert_eq!(session.received().refreshes, 2);
}
