//! One connection: what each message does in each state, what OPENs agree on, timers, and bytes in any shape.

mod conformance;
mod negotiation;
mod stream;
mod timers;

use bgp::config::RemoteAs;
use bgp::message::{Notification, NotificationCode, Open, frame};
use bgp::session::{Down, FamilyOffer, Inbox, Offer, Session, State, Step};
use bgp::{Family, Time};

/// AS 65000 to 65001, IPv4 unicast, hold time 90.
fn offer() -> Offer {
    Offer {
        asn: 65000,
        router_id: [192, 0, 2, 1].into(),
        remote_as: RemoteAs::Is(65001),
        hold: 90,
        keepalive: 30,
        families: vec![FamilyOffer {
            family: Family::Ipv4Unicast,
            add_path: None,
            long_lived: None,
        }],
        role: None,
        role_strict: false,
        extended_message: true,
        graceful: None,
        host: String::new(),
    }
}

/// What fits [`offer`].
fn counterpart() -> Offer {
    Offer {
        asn: 65001,
        router_id: [192, 0, 2, 2].into(),
        remote_as: RemoteAs::Is(65000),
        ..offer()
    }
}

fn encoded(open: &Open) -> Vec<u8> {
    let mut bytes = Vec::new();
    open.encode(&mut bytes);
    bytes
}

/// Whole messages handed to a session; the last step that was more than nothing, made owned.
fn give(session: &mut Session, bytes: &[u8], now: u64) -> Option<Outcome> {
    let mut inbox = Inbox::default();
    let mut rest = bytes;
    let mut last = None;
    loop {
        let step = match inbox.next(&mut rest, session.max_message()) {
            Ok(Some(frame)) => session.receive(frame, Time(now)),
            Ok(None) => return last,
            Err(error) => session.desynchronized(error),
        };
        last = Outcome::of(step).or(last);
        if session.state().is_none() {
            return last;
        }
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Opened,
    Established,
    Update,
    Refresh,
    Closed(Down),
}

impl Outcome {
    fn of(step: Step<'_>) -> Option<Self> {
        Some(match step {
            Step::Nothing => return None,
            Step::Opened => Self::Opened,
            Step::Established => Self::Established,
            Step::Update(_) => Self::Update,
            Step::Refresh(..) => Self::Refresh,
            Step::Closed(down) => Self::Closed(down),
        })
    }

    /// The code of the NOTIFICATION that was sent.
    fn sent(self) -> Option<NotificationCode> {
        match self {
            Self::Closed(Down::Sent { notification, .. }) => Some(notification.code),
            _ => None,
        }
    }
}

/// A session in a state, with nothing left to send.
fn session_in(state: State) -> Session {
    let mut session = Session::new(offer(), 7, Time(0));
    if state != State::OpenSent {
        let opened = give(&mut session, &encoded(&counterpart().open()), 0);
        assert_eq!(opened, Some(Outcome::Opened));
        session.accept(Time(0));
    }
    if state == State::Established {
        let up = give(&mut session, &bgp::message::KEEPALIVE, 0);
        assert_eq!(up, Some(Outcome::Established));
    }
    assert_eq!(session.state(), Some(state));
    let sent = session.take_output().expect("an OPEN at least");
    assert!(!sent.is_empty());
    session
}

/// The messages of a block, by the code of their type.
fn kinds(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut kinds = Vec::new();
    while let Some(message) = frame(rest, 65_535).expect("our own messages") {
        kinds.push(message.bytes[18]);
        rest = &rest[message.bytes.len()..];
    }
    kinds
}

/// What a NOTIFICATION at the end of a block says.
fn notification_in(bytes: &[u8]) -> Option<Notification> {
    let message = frame(bytes, 65_535).expect("our own messages")?;
    match bgp::message::Message::decode(message).expect("our own messages") {
        bgp::message::Message::Notification(notification) => Some(notification),
        _ => notification_in(&bytes[message.bytes.len()..]),
    }
}
