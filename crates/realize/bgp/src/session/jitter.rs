//! The only randomness of the core: a seeded sequence, so that a run can be repeated (SplitMix64, public domain by Vigna).

/// A sequence of numbers that depends only on its seed.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between `low` and `high` percent of `interval`, both included.
    pub(crate) fn percent(&mut self, interval: u64, low: u64, high: u64) -> u64 {
        let percent = low + self.number() % (high - low + 1);
        interval * percent / 100
    }

    /// RFC 4271 10: three quarters to all of it.
    pub(crate) fn timer(&mut self, interval: u64) -> u64 {
        self.percent(interval, 75, 100)
    }
}
