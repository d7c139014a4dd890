//! What the programs count.

use crate::rows::{COUNT_FROM_WORKLOAD, COUNT_TO_WORKLOAD};
use forwarding::DropReason;
use model::PortId;

/// What a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Sent by the workload, before any check.
    FromWorkload,
    /// Handed to the workload.
    ToWorkload,
    Dropped(DropReason),
}

impl Counted {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            COUNT_TO_WORKLOAD => Some(Self::ToWorkload),
            COUNT_FROM_WORKLOAD => Some(Self::FromWorkload),
            other => DropReason::from_number(u8::try_from(other).ok()?).map(Self::Dropped),
        }
    }

    pub(crate) fn numbers() -> impl Iterator<Item = u32> {
        let reasons = DropReason::ALL.iter().map(|reason| *reason as u32);
        reasons.chain([COUNT_TO_WORKLOAD, COUNT_FROM_WORKLOAD])
    }
}

/// One counter, added up over all CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    /// `None`: a device that is no port's now, or the VXLAN device.
    pub port: Option<PortId>,
    pub ifindex: u32,
    pub counted: Counted,
    pub packets: u64,
    /// Bytes of the frames.
    pub bytes: u64,
}

/// Adds up the values of all CPUs; each is two `u64`: packets, bytes.
pub(crate) fn sum(per_cpu: &[u8]) -> (u64, u64) {
    let number = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u64::from_ne_bytes);
    per_cpu.chunks(16).fold((0, 0), |(packets, bytes), value| {
        let (first, second) = value.split_at(value.len().min(8));
        (packets + number(first), bytes + number(second))
    })
}
