//! The state machine of one session (RFC 5880 6): states, timers, poll sequences. Owns no socket.

use super::packet::{BfdPacket, BfdState, Diagnostic};
use crate::Time;
use crate::config::BfdConfig;
use crate::session::Jitter;

/// RFC 5880 6.8.3: not faster than this until the session is up, in microseconds.
const SLOW: u32 = 1_000_000;

/// A session came up or went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BfdChange {
    Up,
    /// `independent`: the neighbor's BFD does not share the fate of its control plane (its C bit), so its forwarding
    /// is gone too (RFC 5882 4.3).
    Down {
        diagnostic: Diagnostic,
        independent: bool,
    },
    /// The neighbor was told to stop: no sign of a failure (RFC 5882 3.2).
    AdminDown,
}

/// One BFD session.
#[derive(Debug, Clone)]
pub struct BfdSession {
    config: BfdConfig,
    state: BfdState,
    diagnostic: Diagnostic,
    local: u32,
    remote: Remote,
    /// What is announced; what is used may lag until a poll sequence ends (RFC 5880 6.8.3).
    announced: Intervals,
    used: Intervals,
    polling: bool,
    answer_poll: bool,
    next_send: Time,
    detection: Option<Time>,
    jitter: Jitter,
}

/// Microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Intervals {
    desired_min_tx: u32,
    required_min_rx: u32,
}

/// What the last packet said.
#[derive(Debug, Clone, Copy)]
struct Remote {
    state: BfdState,
    discriminator: u32,
    desired_min_tx: u32,
    required_min_rx: u32,
    multiplier: u8,
    demand: bool,
    independent: bool,
}

impl Remote {
    /// RFC 5880 6.8.1: what is assumed before the first packet.
    const UNKNOWN: Self = Self {
        state: BfdState::Down,
        discriminator: 0,
        desired_min_tx: 0,
        required_min_rx: 1,
        multiplier: 0,
        demand: false,
        independent: false,
    };
}

impl BfdSession {
    /// `discriminator` is unique on this host and not 0.
    pub fn new(config: BfdConfig, discriminator: u32, seed: u64, now: Time) -> Self {
        let intervals = Intervals {
            desired_min_tx: SLOW.max(config.interval * 1_000),
            required_min_rx: config.interval * 1_000,
        };
        Self {
            config,
            state: BfdState::Down,
            diagnostic: Diagnostic::NONE,
            local: discriminator,
            remote: Remote::UNKNOWN,
            announced: intervals,
            used: intervals,
            polling: false,
            answer_poll: false,
            next_send: now,
            detection: None,
            jitter: Jitter::new(seed),
        }
    }

    pub const fn state(&self) -> BfdState {
        self.state
    }

    pub const fn discriminator(&self) -> u32 {
        self.local
    }

    /// When [`BfdSession::tick`] has something to do; `None` while nothing may be sent and nothing is expected.
    pub fn next_timer(&self) -> Option<Time> {
        let send = (self.answer_poll || self.may_send()).then_some(self.next_send);
        [send, self.detection].into_iter().flatten().min()
    }

    /// New timing without a new session: a poll sequence tells the neighbor (RFC 5880 6.8.3).
    pub fn reconfigure(&mut self, config: BfdConfig, now: Time) {
        self.config = config;
        self.announce(now);
    }

    /// Takes a packet that was sent to this session's discriminator, or to none yet.
    pub fn receive(&mut self, packet: &BfdPacket, now: Time) -> Option<BfdChange> {
        if packet.yours != 0 && packet.yours != self.local {
            return None;
        }
        self.remote = Remote {
            state: packet.state,
            discriminator: packet.mine,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            multiplier: packet.multiplier,
            demand: packet.demand,
            independent: packet.independent,
        };
        if packet.r#final && self.polling {
            self.polling = false;
            self.used = self.announced;
        }
        let before = self.state;
        if before == BfdState::AdminDown {
            return None;
        }
        let after = next_state(before, packet.state);
        let change = self.enter(after, Diagnostic::NEIGHBOR_SIGNALED_DOWN, now);
        self.detection = Some(Time(now.0 + self.detection_time()));
        if packet.poll {
            self.answer_poll = true;
            self.next_send = now;
        }
        change
    }

    fn enter(&mut self, after: BfdState, why: Diagnostic, now: Time) -> Option<BfdChange> {
        let before = self.state;
        if before == after {
            return None;
        }
        self.state = after;
        self.diagnostic = if after == BfdState::Down {
            why
        } else {
            Diagnostic::NONE
        };
        // A new state is told at once, not at the next interval.
        self.next_send = now;
        self.announce(now);
        match (before, after) {
            (_, BfdState::Up) => Some(BfdChange::Up),
            (BfdState::Up, _) if self.remote.state == BfdState::AdminDown => {
                Some(BfdChange::AdminDown)
            }
            (BfdState::Up, _) => Some(BfdChange::Down {
                diagnostic: why,
                independent: self.remote.independent,
            }),
            _ => None,
        }
    }

    /// Brings what is announced in line with the configuration and the state.
    fn announce(&mut self, now: Time) {
        let interval = self.config.interval * 1_000;
        let up = self.state == BfdState::Up;
        let wanted = Intervals {
            desired_min_tx: if up { interval } else { SLOW.max(interval) },
            required_min_rx: interval,
        };
        if wanted == self.announced {
            return;
        }
        self.announced = wanted;
        if up {
            // Slower sending and faster detection wait for the neighbor's answer; the rest is safe at once.
            self.used.desired_min_tx = self.used.desired_min_tx.min(wanted.desired_min_tx);
            self.used.required_min_rx = self.used.required_min_rx.max(wanted.required_min_rx);
            self.polling = true;
            self.next_send = now;
        } else {
            self.used = wanted;
            self.polling = false;
        }
    }

    /// Milliseconds without a packet until the session is down (RFC 5880 6.8.4).
    fn detection_time(&self) -> u64 {
        let interval = self.used.required_min_rx.max(self.remote.desired_min_tx);
        (u64::from(self.remote.multiplier) * u64::from(interval)).div_ceil(1_000)
    }

    /// RFC 5880 6.8.7: not to a neighbor that wants nothing.
    fn may_send(&self) -> bool {
        let both_up = self.state == BfdState::Up && self.remote.state == BfdState::Up;
        let quiet = self.remote.demand && both_up && !self.polling;
        self.remote.required_min_rx != 0 && !quiet
    }

    /// Does what is due at `now`: at most one packet to send, at most one change.
    pub fn tick(&mut self, now: Time) -> (Option<BfdPacket>, Option<BfdChange>) {
        let change = self.detect(now);
        let due = now >= self.next_send && (self.answer_poll || self.may_send());
        let packet = due.then(|| self.send(now));
        (packet, change)
    }

    fn detect(&mut self, now: Time) -> Option<BfdChange> {
        if self.detection.is_none_or(|deadline| now < deadline) {
            return None;
        }
        self.detection = None;
        // RFC 5880 6.8.1: a neighbor not heard of for a detection time is forgotten.
        let independent = self.remote.independent;
        self.remote = Remote {
            independent,
            ..Remote::UNKNOWN
        };
        match self.state {
            BfdState::Init | BfdState::Up => {
                self.enter(BfdState::Down, Diagnostic::DETECTION_TIME_EXPIRED, now)
            }
            BfdState::Down | BfdState::AdminDown => None,
        }
    }

    fn send(&mut self, now: Time) -> BfdPacket {
        let interval = self.used.desired_min_tx.max(self.remote.required_min_rx);
        // RFC 5880 6.8.7: with a multiplier of 1 at most 90 %, or one late packet would look like a failure.
        let most = if self.config.multiplier == 1 { 90 } else { 100 };
        let wait = self.jitter.percent(u64::from(interval), 75, most);
        self.next_send = Time(now.0 + (wait / 1_000).max(1));
        let r#final = std::mem::take(&mut self.answer_poll);
        BfdPacket {
            diagnostic: self.diagnostic,
            state: self.state,
            // RFC 5880 6.5: never both bits in one packet.
            poll: self.polling && !r#final,
            r#final,
            independent: false,
            demand: false,
            multiplier: self.config.multiplier,
            mine: self.local,
            yours: self.remote.discriminator,
            desired_min_tx: self.announced.desired_min_tx,
            required_min_rx: self.announced.required_min_rx,
            required_min_echo_rx: 0,
        }
    }

    /// Stops on an operator's word and returns the packet that tells the neighbor so.
    pub fn admin_down(&mut self, now: Time) -> BfdPacket {
        self.state = BfdState::AdminDown;
        self.diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
        self.detection = None;
        self.polling = false;
        self.announce(now);
        self.send(now)
    }
}

/// RFC 5880 6.8.6, the part about states.
const fn next_state(state: BfdState, heard: BfdState) -> BfdState {
    use BfdState::{AdminDown, Down, Init, Up};
    match (state, heard) {
        (AdminDown, _) => AdminDown,
        (_, AdminDown) => Down,
        (Down, Down) => Init,
        (Down, Init) => Up,
        (Down, Up) => Down,
        (Init, Init | Up) => Up,
        (Init, Down) => Init,
        (Up, Down) => Down,
        (Up, Init | Up) => Up,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
