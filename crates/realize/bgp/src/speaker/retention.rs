//! Routes kept for a neighbor that is away (RFC 4724 as receiving speaker, RFC 8538, RFC 9494): which families, why, and
//! until when. Decides; the RIB marks and sweeps.
//!
//! ```text
//!   session lost ──► Away ──restart time──► LongLived ──stale time──► swept
//!                     │ └─ no LLGR ────────────────────────────────► swept
//!                     ▼ session is back, forwarding was kept
//!                   Back ──End-of-RIB, or stale time──► swept
//! ```

use crate::message::NotificationCode;
use crate::session::{Down, Negotiated};
use crate::{Family, FamilySet, Time};
use std::collections::BTreeMap;

/// The stale families of one neighbor.
#[derive(Debug, Clone, Default)]
pub(super) struct Retention {
    families: BTreeMap<Family, Stale>,
    /// Seconds of long-lived stale time by family, as agreed in the session that was lost.
    long_lived: BTreeMap<Family, u32>,
}

/// Why routes are still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// The neighbor is expected back by then.
    Away(Time),
    /// It is back and sends its routes again; what has not come by then goes.
    Back(Time),
    /// RFC 9494; also while it is back.
    LongLived(Time),
}

impl Stale {
    pub const fn until(self) -> Time {
        match self {
            Self::Away(until) | Self::Back(until) | Self::LongLived(until) => until,
        }
    }
}

/// What the RIB is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    StartLongLived(Family),
    Sweep(Family),
}

/// The families whose routes stay when a session ends like this.
pub(super) fn kept(negotiated: &Negotiated, down: &Down) -> FamilySet {
    let Some(graceful) = negotiated.graceful else {
        return FamilySet::EMPTY;
    };
    let keeps = match down {
        Down::Lost(_) => true,
        // RFC 8538 3: only if both said so, and never after a hard reset.
        Down::Sent { notification, .. } | Down::Received(notification) => {
            graceful.notification && notification.code != NotificationCode::HARD_RESET
        }
    };
    match keeps {
        // Long-lived families are among those of graceful restart (RFC 9494 3.1).
        true => graceful.preserved.intersection(negotiated.families),
        false => FamilySet::EMPTY,
    }
}

impl Retention {
    pub(super) fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    pub(super) fn families(&self) -> impl Iterator<Item = (Family, Stale)> + '_ {
        self.families
            .iter()
            .map(|(family, stale)| (*family, *stale))
    }

    /// The session ended and `keep` stays. Of what was stale already, only what is long-lived stays (RFC 4724 4.2: a
    /// second restart). Sweeps come before the rest is marked stale, long-lived staleness after.
    pub(super) fn lost(
        &mut self,
        negotiated: &Negotiated,
        keep: FamilySet,
        stale_times: &BTreeMap<Family, u32>,
        now: Time,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        let before = std::mem::take(&mut self.families);
        let restart = negotiated
            .graceful
            .map_or(0, |graceful| graceful.restart_time);
        self.long_lived = negotiated
            .long_lived
            .iter()
            // Ours bounds the neighbor's (RFC 9494 4.2).
            .map(|(family, theirs)| (*family, capped(theirs.stale_time, stale_times.get(family))))
            .collect();
        for family in keep.iter() {
            let stale = match before.get(&family) {
                // RFC 9494 4.2: the timer runs on until an End-of-RIB, for what came since too.
                Some(stale @ Stale::LongLived(_)) => {
                    orders.push(Order::StartLongLived(family));
                    *stale
                }
                earlier => {
                    if earlier.is_some() {
                        orders.push(Order::Sweep(family));
                    }
                    Stale::Away(Time(now.0 + u64::from(restart) * 1_000))
                }
            };
            self.families.insert(family, stale);
        }
        orders
    }

    /// The session is back: what was not kept over there goes here too (RFC 4724 4.2, RFC 9494 4.2).
    pub(super) fn back(
        &mut self,
        negotiated: &Negotiated,
        stale_time: u32,
        now: Time,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        let until = Time(now.0 + u64::from(stale_time) * 1_000);
        self.families.retain(|family, stale| {
            let kept = match stale {
                Stale::LongLived(_) => negotiated
                    .long_lived
                    .get(family)
                    .is_some_and(|theirs| theirs.forwarding),
                Stale::Away(_) | Stale::Back(_) => negotiated
                    .graceful
                    .is_some_and(|graceful| graceful.forwarding.contains(*family)),
            };
            if !kept {
                orders.push(Order::Sweep(*family));
            } else if !matches!(stale, Stale::LongLived(_)) {
                *stale = Stale::Back(until);
            }
            kept
        });
        orders
    }

    /// True if the family was stale.
    pub(super) fn end_of_rib(&mut self, family: Family) -> bool {
        self.families.remove(&family).is_some()
    }

    /// All that is kept goes.
    pub(super) fn clear(&mut self) -> Vec<Order> {
        let families = std::mem::take(&mut self.families);
        families.into_keys().map(Order::Sweep).collect()
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        self.families.values().map(|stale| stale.until()).min()
    }

    pub(super) fn tick(&mut self, now: Time) -> Vec<Order> {
        let mut orders = Vec::new();
        let long_lived = &self.long_lived;
        self.families.retain(|family, stale| {
            if stale.until() > now {
                return true;
            }
            let seconds = long_lived.get(family).copied().unwrap_or(0);
            if matches!(stale, Stale::Away(_)) && seconds > 0 {
                *stale = Stale::LongLived(Time(now.0 + u64::from(seconds) * 1_000));
                orders.push(Order::StartLongLived(*family));
                return true;
            }
            orders.push(Order::Sweep(*family));
            false
        });
        orders
    }
}

fn capped(theirs: u32, ours: Option<&u32>) -> u32 {
    ours.map_or(theirs, |ours| theirs.min(*ours))
}
