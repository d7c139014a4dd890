//! Hold, keepalive and send hold timers.

use super::{give, kinds, notification_in, session_in};
use bgp::Time;
use bgp::message::{KEEPALIVE, NotificationCode};
use bgp::session::{State, Step};

#[test]
fn silence_ends_a_session_when_the_hold_time_is_over_and_not_before() {
    for (state, hold) in [
        (State::OpenSent, 240_000),
        (State::OpenConfirm, 90_000),
        (State::Established, 90_000),
    ] {
        let mut session = session_in(state);
        assert_eq!(session.tick(Time(hold - 1)), Step::Nothing, "{state}");
        let _ = session.take_output();
        assert!(
            matches!(session.tick(Time(hold)), Step::Closed(_)),
            "{state}"
        );
        let output = session.take_output().expect("a NOTIFICATION");
        let code = notification_in(&output).map(|sent| sent.code);
        assert_eq!(code, Some(NotificationCode::HOLD_TIMER_EXPIRED));
    }
}

#[test]
fn keepalives_go_out_at_three_quarters_to_all_of_the_interval() {
    let mut session = session_in(State::Established);
    let mut last = 0;
    for now in 1..=600_000 {
        if now % 30_000 == 0 {
            give(&mut session, &KEEPALIVE, now);
        }
        assert_eq!(session.tick(Time(now)), Step::Nothing);
        let Some(output) = session.take_output() else {
            continue;
        };
        session.sending(&[], Time(now));
        assert_eq!(kinds(&output), [4]);
        assert!((22_500..=30_000).contains(&(now - last)), "{}", now - last);
        last = now;
    }
    assert!(last > 570_000);
}

#[test]
fn updates_take_the_place_of_keepalives() {
    let mut session = session_in(State::Established);
    for now in (10_000..80_000).step_by(10_000) {
        session.sending(&KEEPALIVE, Time(now));
        assert_eq!(session.tick(Time(now)), Step::Nothing);
        assert_eq!(session.take_output(), None, "at {now}");
    }
}

/// RFC 9687: the neighbor keeps its side alive but reads nothing.
#[test]
fn a_neighbor_that_never_reads_is_given_up() {
    let mut session = session_in(State::Established);
    session.sending(&KEEPALIVE, Time(0));
    let mut over = None;
    for now in (0..=500_000).step_by(10_000) {
        give(&mut session, &KEEPALIVE, now);
        if let Step::Closed(_) = session.tick(Time(now)) {
            over = Some(now);
            break;
        }
    }
    assert_eq!(over, Some(480_000));
    let output = session.take_output().expect("what nobody reads");
    // One KEEPALIVE says it all; the NOTIFICATION is last.
    assert_eq!(kinds(&output), [4, 3]);
}

#[test]
fn a_hold_time_of_zero_has_no_timers() {
    use super::{counterpart, encoded, offer};
    let none = bgp::session::Offer {
        hold: 0,
        ..counterpart()
    };
    let mut session = bgp::session::Session::new(offer(), 1, Time(0));
    give(&mut session, &encoded(&none.open()), 0);
    session.accept(Time(0));
    give(&mut session, &KEEPALIVE, 0);
    assert_eq!(session.state(), Some(State::Established));
    session.sending(&[], Time(0));
    assert_eq!(session.next_timer(), None);
}
