//! Who may open a connection now. A flood of connections or of half-open sessions must cost the sessions that are
//! up nothing: the number of connections that are not established is bounded, in all and for each source, and so is
//! the rate of each source. It reads no clock.

use bgp::Time;
use std::collections::HashMap;
use std::net::IpAddr;

/// Connections without an established session, in all. A route reflector's thousand clients may come back at once.
const HALF_OPEN: usize = 2_048;
/// The same, of one source address: a collision (RFC 4271 6.8) needs two.
const HALF_OPEN_OF_SOURCE: usize = 4;
/// A source may open this many at once, and one more each `REFILL` milliseconds.
const BURST: u32 = 20;
const REFILL: u64 = 500;
/// Sources remembered; beyond it, those with a full allowance are forgotten first.
const SOURCES: usize = 4_096;

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refusal {
    HalfOpen,
    HalfOpenOfSource,
    Rate,
    /// Too many sources to remember.
    Sources,
    /// It must sign with a key that could not be set.
    Unsigned,
}

impl Refusal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::HalfOpen => "half-open-limit",
            Self::HalfOpenOfSource => "half-open-limit-of-source",
            Self::Rate => "rate-limit-of-source",
            Self::Sources => "too-many-sources",
            Self::Unsigned => "no-key",
        }
    }
}

#[derive(Debug)]
struct Source {
    allowance: u32,
    filled_at: Time,
    half_open: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Admission {
    sources: HashMap<IpAddr, Source>,
    half_open: usize,
}

impl Admission {
    /// Takes a connection from `source`; each one taken is given back with [`Admission::settled`].
    pub(crate) fn admit(&mut self, now: Time, source: IpAddr) -> Result<(), Refusal> {
        if self.half_open >= HALF_OPEN {
            return Err(Refusal::HalfOpen);
        }
        if !self.sources.contains_key(&source) && self.sources.len() >= SOURCES {
            self.forget(now);
            if self.sources.len() >= SOURCES {
                return Err(Refusal::Sources);
            }
        }
        let entry = self.sources.entry(source).or_insert(Source {
            allowance: BURST,
            filled_at: now,
            half_open: 0,
        });
        entry.refill(now);
        if entry.half_open >= HALF_OPEN_OF_SOURCE {
            return Err(Refusal::HalfOpenOfSource);
        }
        entry.allowance = entry.allowance.checked_sub(1).ok_or(Refusal::Rate)?;
        entry.half_open += 1;
        self.half_open += 1;
        Ok(())
    }

    /// A connection that was taken is established, or gone before it was.
    pub(crate) fn settled(&mut self, source: IpAddr) {
        if let Some(entry) = self.sources.get_mut(&source) {
            entry.half_open = entry.half_open.saturating_sub(1);
        }
        self.half_open = self.half_open.saturating_sub(1);
    }

    pub(crate) fn half_open(&self) -> usize {
        self.half_open
    }

    fn forget(&mut self, now: Time) {
        self.sources.retain(|_, source| {
            source.refill(now);
            source.half_open > 0 || source.allowance < BURST
        });
    }
}

impl Source {
    fn refill(&mut self, now: Time) {
        let earned = now.0.saturating_sub(self.filled_at.0) / REFILL;
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(BURST);
            self.allowance = self.allowance.saturating_add(earned).min(BURST);
            self.filled_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn source(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(n).into()
    }

    #[test]
    fn a_fast_source_is_slowed_and_others_are_not() {
        let mut admission = Admission::default();
        let now = Time(1_000);
        let taken = (0..1_000)
            .filter(|_| {
                let taken = admission.admit(now, source(1)).is_ok();
                if taken {
                    admission.settled(source(1));
                }
                taken
            })
            .count();
        assert_eq!(taken, BURST as usize);
        assert_eq!(admission.admit(now, source(1)), Err(Refusal::Rate));
        assert_eq!(admission.admit(now, source(2)), Ok(()));
        assert_eq!(admission.admit(Time(now.0 + REFILL), source(1)), Ok(()));
    }

    #[test]
    fn half_open_connections_are_bounded_by_source_and_in_all() {
        let mut admission = Admission::default();
        for _ in 0..HALF_OPEN_OF_SOURCE {
            admission
                .admit(Time(0), source(1))
                .expect("within the bound");
        }
        let refused = admission.admit(Time(0), source(1));
        assert_eq!(refused, Err(Refusal::HalfOpenOfSource));
        admission.settled(source(1));
        admission.admit(Time(0), source(1)).expect("one is free");
        let others = (2..1_000_000).find_map(|n| admission.admit(Time(0), source(n)).err());
        assert_eq!(others, Some(Refusal::HalfOpen));
        assert_eq!(admission.half_open(), HALF_OPEN);
    }

    #[test]
    fn the_memory_of_sources_is_bounded() {
        let mut admission = Admission::default();
        for n in 0..100_000 {
            if admission.admit(Time(u64::from(n)), source(n)).is_ok() {
                admission.settled(source(n));
            }
        }
        assert!(admission.sources.len() <= SOURCES);
    }
}
