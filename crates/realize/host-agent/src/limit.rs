//! How often a port is answered. One port that asks without end must not keep the agent from the others: what is
//! over its share is dropped before it is looked at. No clock is read here.

use std::time::Duration;
use tokio::time::Instant;

/// A client that boots sends a dozen messages at once and then waits for answers.
const BURST: u32 = 32;
/// Sixteen a second for as long as it likes.
const INTERVAL: Duration = Duration::from_micros(62_500);

/// What one port has used of its share: a token bucket of [`BURST`] that gets one every [`INTERVAL`], kept as the time
/// when it will be full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    full_at: Instant,
}

impl Limit {
    pub(crate) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// True if one more request at `now` is within the share, which it then uses.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + INTERVAL;
        let is_within = full_at <= now + INTERVAL * BURST;
        if is_within {
            self.full_at = full_at;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admitted(limit: &mut Limit, now: Instant, requests: u32) -> u32 {
        (0..requests).map(|_| u32::from(limit.admits(now))).sum()
    }

    #[test]
    fn a_burst_then_one_per_interval_and_no_more_saved_than_a_burst() {
        let mut now = Instant::now();
        let mut limit = Limit::new(now);
        assert_eq!(admitted(&mut limit, now, 1000), BURST);
        now += INTERVAL - Duration::from_nanos(1);
        assert_eq!(admitted(&mut limit, now, 1000), 0);
        now += Duration::from_nanos(1);
        assert_eq!(admitted(&mut limit, now, 1000), 1);
        now += Duration::from_secs(86_400);
        assert_eq!(admitted(&mut limit, now, 1000), BURST);
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_the_rate(waits in prop::collection::vec(0u64..200_000, 1..300)) {
            let start = Instant::now();
            let mut limit = Limit::new(start);
            let mut now = start;
            let mut answered = 0;
            for wait in waits {
                now += Duration::from_micros(wait);
                answered += u32::from(limit.admits(now));
                let earned = (now - start).as_nanos() / INTERVAL.as_nanos();
                prop_assert!(u128::from(answered) <= u128::from(BURST) + earned);
            }
        }
    }
}
