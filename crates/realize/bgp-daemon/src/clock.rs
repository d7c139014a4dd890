//! The clocks: the speaker's, which only goes forward, and the time of day of what it says.

use bgp::Time;
use jiff::Timestamp;
use std::time::{Duration, Instant};

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    at: Timestamp,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            at: Timestamp::now(),
        }
    }

    pub(crate) fn now(&self) -> Time {
        Time(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long until then; zero if it is over.
    pub(crate) fn until(&self, time: Time) -> Duration {
        // Rounded down, a wait would end a little too early, and again.
        Duration::from_millis(time.0).saturating_sub(self.start.elapsed())
    }

    /// The time of day at a time of the speaker's clock.
    pub(crate) fn timestamp(&self, time: Time) -> Timestamp {
        let after = jiff::SignedDuration::from_millis(i64::try_from(time.0).unwrap_or(i64::MAX));
        self.at.checked_add(after).unwrap_or(Timestamp::MAX)
    }
}
