//! The states of one connection and what each message and timer does in them.

use super::{Jitter, Negotiated, Offer};
use crate::message::{
    Frame, HEADER, HeaderError, KEEPALIVE, MAX_MESSAGE, Message, MessageKind, Notification,
    NotificationCode, Open, RefreshKind, RouteRefresh,
};
use crate::{Family, Time};
use bytes::Bytes;
use std::fmt;

/// RFC 4271 8.2.2: the hold time until an OPEN has come, in milliseconds.
const OPEN_HOLD: u64 = 240_000;
/// RFC 9687 5: the send hold time is at least this, in milliseconds.
const SEND_HOLD: u64 = 480_000;

/// The state of a neighbor (RFC 4271 8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    Idle,
    Connect,
    Active,
    OpenSent,
    OpenConfirm,
    Established,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Connect => "connect",
            Self::Active => "active",
            Self::OpenSent => "open-sent",
            Self::OpenConfirm => "open-confirm",
            Self::Established => "established",
        })
    }
}

/// What a message or a timer has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing beyond this connection.
    Nothing,
    /// An OPEN was accepted: time for collision detection (RFC 4271 6.8). Confirm or close.
    Opened,
    Established,
    /// The body of an UPDATE.
    Update(&'a [u8]),
    Refresh(Family, RefreshKind),
    /// The connection is to be closed once what [`Session::take_output`] gives is sent.
    Closed(Down),
}

/// Why a session has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// By us; `why` is for our operator.
    Sent {
        notification: Notification,
        why: String,
    },
    Received(Notification),
    /// Without a word: the connection broke, or was closed by the neighbor.
    Lost(String),
}

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { notification, why } if why.is_empty() => write!(f, "sent {notification}"),
            Self::Sent { notification, why } => write!(f, "sent {notification}: {why}"),
            Self::Received(notification) => write!(f, "received {notification}"),
            Self::Lost(why) => write!(f, "connection lost: {why}"),
        }
    }
}

/// Messages by type, since the session began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageCounts {
    pub opens: u64,
    pub updates: u64,
    pub notifications: u64,
    pub keepalives: u64,
    pub refreshes: u64,
}

impl MessageCounts {
    /// Counts the RIB's messages, which it makes and checks itself: UPDATEs and the marks of a refresh.
    fn count_block(&mut self, block: &[u8]) {
        let mut rest = block;
        while let Some(&[high, low, kind]) = rest.get(16..HEADER) {
            let length = usize::from(u16::from_be_bytes([high, low])).max(HEADER);
            rest = rest.get(length..).unwrap_or_default();
            match kind == MessageKind::RouteRefresh as u8 {
                true => self.refreshes += 1,
                false => self.updates += 1,
            }
        }
    }

    fn count(&mut self, kind: MessageKind) {
        *match kind {
            MessageKind::Open => &mut self.opens,
            MessageKind::Update => &mut self.updates,
            MessageKind::Notification => &mut self.notifications,
            MessageKind::Keepalive => &mut self.keepalives,
            MessageKind::RouteRefresh => &mut self.refreshes,
        } += 1;
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    offer: Offer,
    phase: Phase,
    output: Vec<u8>,
    /// `None`: a hold time of 0 was agreed.
    hold: Option<Time>,
    keepalive: Option<Time>,
    /// Something waits to be sent since, and the shell has not come for it (RFC 9687).
    stuck: Option<Time>,
    received: MessageCounts,
    sent: MessageCounts,
    jitter: Jitter,
}

#[derive(Debug)]
enum Phase {
    OpenSent,
    /// The OPEN was accepted; whether this connection stays is not decided.
    Opened(Box<Negotiated>),
    OpenConfirm(Box<Negotiated>),
    Established(Box<Negotiated>),
    /// With what had been agreed.
    Closed(Option<Box<Negotiated>>),
}

impl Session {
    /// A connection that has just come to be: our OPEN is to be sent.
    pub fn new(offer: Offer, seed: u64, now: Time) -> Self {
        let mut output = Vec::new();
        offer.open().encode(&mut output);
        let mut session = Self {
            offer,
            phase: Phase::OpenSent,
            output,
            hold: Some(Time(now.0 + OPEN_HOLD)),
            keepalive: None,
            stuck: None,
            received: MessageCounts::default(),
            sent: MessageCounts::default(),
            jitter: Jitter::new(seed),
        };
        session.sent.opens += 1;
        session
    }

    /// `None` once it is closed.
    pub const fn state(&self) -> Option<State> {
        match self.phase {
            Phase::OpenSent | Phase::Opened(_) => Some(State::OpenSent),
            Phase::OpenConfirm(_) => Some(State::OpenConfirm),
            Phase::Established(_) => Some(State::Established),
            Phase::Closed(_) => None,
        }
    }

    /// From the neighbor's OPEN on.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        match &self.phase {
            Phase::Opened(negotiated)
            | Phase::OpenConfirm(negotiated)
            | Phase::Established(negotiated) => Some(negotiated),
            Phase::OpenSent | Phase::Closed(_) => None,
        }
    }

    /// Also of a session that is over.
    pub fn last_negotiated(&self) -> Option<&Negotiated> {
        match &self.phase {
            Phase::Closed(negotiated) => negotiated.as_deref(),
            _ => self.negotiated(),
        }
    }

    pub const fn offer(&self) -> &Offer {
        &self.offer
    }

    pub const fn received(&self) -> &MessageCounts {
        &self.received
    }

    pub const fn sent(&self) -> &MessageCounts {
        &self.sent
    }

    /// The greatest length of a message that may come now, in octets.
    pub fn max_message(&self) -> usize {
        self.negotiated()
            .map_or(MAX_MESSAGE, Negotiated::max_message)
    }

    /// Handles one message.
    pub fn receive<'a>(&mut self, frame: Frame<'a>, now: Time) -> Step<'a> {
        self.received.count(frame.kind);
        let message = match Message::decode(frame) {
            Ok(message) => message,
            Err(notification) => return self.fail(notification, "it cannot be read"),
        };
        match message {
            Message::Notification(notification) => {
                self.end();
                Step::Closed(Down::Received(notification))
            }
            Message::Open(open) => self.open(*open, now),
            Message::Keepalive => self.confirm(now),
            Message::Update(body) => match self.phase {
                Phase::Established(_) => {
                    self.restart_hold(now);
                    Step::Update(body)
                }
                _ => self.unexpected("UPDATE"),
            },
            Message::RouteRefresh(refresh) => self.refresh(refresh, now),
        }
    }

    /// The stream cannot be cut any further.
    pub fn desynchronized(&mut self, error: HeaderError) -> Step<'static> {
        self.fail(error.notification(), &error.to_string())
    }

    fn open(&mut self, open: Open, now: Time) -> Step<'static> {
        if !matches!(self.phase, Phase::OpenSent) {
            return self.unexpected("OPEN");
        }
        match self.offer.negotiate(open) {
            Ok(negotiated) => {
                // RFC 4271 8.2.2: from here on the agreed hold time counts.
                let hold = u64::from(negotiated.hold) * 1_000;
                self.hold = (hold > 0).then_some(Time(now.0 + hold));
                self.phase = Phase::Opened(Box::new(negotiated));
                Step::Opened
            }
            Err(refusal) => {
                let notification = refusal.notification(&self.offer);
                self.fail(notification, &refusal.to_string())
            }
        }
    }

    /// This connection is the one to go on with: the KEEPALIVE that answers the OPEN is to be sent.
    pub fn accept(&mut self, now: Time) {
        self.phase = match self.take_phase() {
            Phase::Opened(negotiated) => Phase::OpenConfirm(negotiated),
            other => other,
        };
        if matches!(self.phase, Phase::OpenConfirm(_)) {
            self.send_keepalive(now);
        }
    }

    fn confirm(&mut self, now: Time) -> Step<'static> {
        match self.take_phase() {
            Phase::OpenConfirm(negotiated) => {
                self.phase = Phase::Established(negotiated);
                self.restart_hold(now);
                Step::Established
            }
            Phase::Established(negotiated) => {
                self.phase = Phase::Established(negotiated);
                self.restart_hold(now);
                Step::Nothing
            }
            other => {
                self.phase = other;
                self.unexpected("KEEPALIVE")
            }
        }
    }

    fn refresh(&mut self, refresh: RouteRefresh, now: Time) -> Step<'static> {
        let Phase::Established(negotiated) = &self.phase else {
            return self.unexpected("ROUTE-REFRESH");
        };
        let families = negotiated.families;
        let enhanced = negotiated.enhanced_refresh;
        self.restart_hold(now);
        let Some(family) = refresh
            .family
            .family()
            .filter(|family| families.contains(*family))
        else {
            // RFC 2918 4: of a family that is not spoken, ignored.
            return Step::Nothing;
        };
        match refresh.kind {
            RefreshKind::Request => Step::Refresh(family, RefreshKind::Request),
            RefreshKind::Begin | RefreshKind::End if enhanced => {
                Step::Refresh(family, refresh.kind)
            }
            RefreshKind::Begin | RefreshKind::End | RefreshKind::Unknown(_) => Step::Nothing,
        }
    }

    /// RFC 4271 6.6, RFC 6608 3; the data is nothing, the subcode says the state.
    fn unexpected(&mut self, what: &str) -> Step<'static> {
        let (code, state) = match self.phase {
            Phase::OpenSent | Phase::Opened(_) => (NotificationCode::FSM_OPEN_SENT, "OpenSent"),
            Phase::OpenConfirm(_) => (NotificationCode::FSM_OPEN_CONFIRM, "OpenConfirm"),
            Phase::Established(_) => (NotificationCode::FSM_ESTABLISHED, "Established"),
            Phase::Closed(_) => return Step::Nothing,
        };
        let why = format!("{what} in state {state}");
        self.fail(Notification::new(code, &[]), &why)
    }

    fn fail(&mut self, notification: Notification, why: &str) -> Step<'static> {
        match self.close(notification, why) {
            Some(down) => Step::Closed(down),
            None => Step::Nothing,
        }
    }

    /// Ends the session with a NOTIFICATION; `None` if it has ended already.
    pub fn close(&mut self, notification: Notification, why: &str) -> Option<Down> {
        if !self.end() {
            return None;
        }
        notification.encode(&mut self.output);
        self.sent.notifications += 1;
        Some(Down::Sent {
            notification,
            why: why.to_owned(),
        })
    }

    /// The connection is gone; `None` if the session has ended before.
    pub fn lost(&mut self, why: &str) -> Option<Down> {
        self.end().then(|| Down::Lost(why.to_owned()))
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Closed(None))
    }

    /// False if it was over before.
    fn end(&mut self) -> bool {
        let (negotiated, open) = match self.take_phase() {
            Phase::OpenSent => (None, true),
            Phase::Opened(negotiated)
            | Phase::OpenConfirm(negotiated)
            | Phase::Established(negotiated) => (Some(negotiated), true),
            Phase::Closed(negotiated) => (negotiated, false),
        };
        self.phase = Phase::Closed(negotiated);
        open
    }

    fn restart_hold(&mut self, now: Time) {
        let hold = self.negotiated().map_or(0, |negotiated| negotiated.hold);
        self.hold = (hold > 0).then_some(Time(now.0 + u64::from(hold) * 1_000));
    }

    fn send_keepalive(&mut self, now: Time) {
        self.output.extend_from_slice(&KEEPALIVE);
        self.sent.keepalives += 1;
        self.restart_keepalive(now);
    }

    /// RFC 4271 4.4: no KEEPALIVE is due as long as UPDATEs are sent.
    fn restart_keepalive(&mut self, now: Time) {
        let interval = self
            .negotiated()
            .map_or(0, |negotiated| negotiated.keepalive);
        let wait = self.jitter.timer(u64::from(interval) * 1_000);
        self.keepalive = (interval > 0).then_some(Time(now.0 + wait));
    }

    /// Asks for a family's routes again, or marks the beginning or end of sending them again.
    pub fn send_refresh(&mut self, family: Family, kind: RefreshKind) {
        let allowed = match (kind, self.negotiated()) {
            (_, None) => false,
            (RefreshKind::Request, Some(negotiated)) => negotiated.route_refresh,
            (_, Some(negotiated)) => negotiated.enhanced_refresh,
        };
        if allowed && matches!(self.phase, Phase::Established(_)) {
            let family = family.into();
            RouteRefresh { family, kind }.encode(&mut self.output);
            self.sent.refreshes += 1;
        }
    }

    /// RFC 7606 2: from here on the family's routes are neither taken nor given.
    pub fn disable(&mut self, family: Family) {
        if let Phase::Established(negotiated) = &mut self.phase {
            negotiated.families.remove(family);
        }
    }

    pub fn next_timer(&self) -> Option<Time> {
        match self.phase {
            Phase::Closed(_) => None,
            _ => [self.hold, self.keepalive, self.stuck]
                .into_iter()
                .flatten()
                .min(),
        }
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Time) -> Step<'static> {
        let due = |timer: Option<Time>| timer.is_some_and(|time| time <= now);
        if matches!(self.phase, Phase::Closed(_)) {
            return Step::Nothing;
        }
        if due(self.hold) {
            let notification = Notification::new(NotificationCode::HOLD_TIMER_EXPIRED, &[]);
            return self.fail(notification, "nothing was heard for the hold time");
        }
        if due(self.stuck) {
            let notification = Notification::new(NotificationCode::SEND_HOLD_TIMER_EXPIRED, &[]);
            return self.fail(notification, "the neighbor reads nothing (RFC 9687)");
        }
        if due(self.keepalive) {
            // One that is still unsent says it all.
            match self.output.is_empty() {
                true => self.send_keepalive(now),
                false => self.restart_keepalive(now),
            }
        }
        Step::Nothing
    }

    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Messages of the session itself, to be sent before any UPDATE.
    pub fn take_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output).into())
    }

    /// The shell has taken something to send, so the neighbor reads; `updates`: what of it is the RIB's, in whole messages.
    pub fn sending(&mut self, updates: &[u8], now: Time) {
        self.sent.count_block(updates);
        if !updates.is_empty() {
            self.restart_keepalive(now);
        }
        let hold = self.negotiated().map_or(0, |negotiated| negotiated.hold);
        let wait = SEND_HOLD.max(u64::from(hold) * 2_000);
        self.stuck = (hold > 0).then_some(Time(now.0 + wait));
    }
}
