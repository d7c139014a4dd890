//! VXLAN network identifiers, unique in the cloud.

use crate::IpamError;
use crate::random::{Random, below};
use crate::tables::Vnis;
use model::{NetworkId, Vni};
use store::Tx;

/// Probes before the range is walked: with half of it taken, one request in 65536 walks.
const PROBES: usize = 16;

/// An inclusive, not inverted range of VNIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VniRange {
    first: Vni,
    last: Vni,
}

impl VniRange {
    /// The range between the two, whichever is lower.
    pub fn between(one: Vni, other: Vni) -> Self {
        Self {
            first: one.min(other),
            last: one.max(other),
        }
    }

    pub fn first(self) -> Vni {
        self.first
    }

    pub fn last(self) -> Vni {
        self.last
    }

    fn size(self) -> u32 {
        self.last.get() - self.first.get() + 1
    }

    fn nth(self, offset: u32) -> Vni {
        Vni::new(self.first.get() + offset % self.size())
            .expect("invariant: between two VNIs lie only VNIs")
    }
}

impl Default for VniRange {
    /// Every VNI that RFC 7348 has.
    fn default() -> Self {
        let whole = |value| Vni::new(value).expect("invariant: the bounds are VNIs");
        Self::between(whole(1), whole(Vni::MAX))
    }
}

/// Takes a free VNI of the range, anywhere in it, for the network.
pub fn allocate_vni(
    tx: &mut Tx,
    range: VniRange,
    network: NetworkId,
    random: Random,
) -> Result<Vni, IpamError> {
    let anywhere = || below(random, range.size().into()) as u32;
    let probes: Vec<u32> = (0..PROBES).map(|_| anywhere()).collect();
    let start = anywhere();
    let walk = (0..range.size()).map(|step| (start + step) % range.size());
    for offset in probes.into_iter().chain(walk) {
        let vni = range.nth(offset);
        if tx.get::<Vnis>(&vni.get()).is_none() {
            tx.put::<Vnis>(vni.get(), network);
            return Ok(vni);
        }
    }
    Err(IpamError::VnisExhausted {
        first: range.first,
        last: range.last,
    })
}

/// Takes this very VNI for the network; it may lie outside of the range for automatic allocation.
pub fn claim_vni(tx: &mut Tx, vni: Vni, network: NetworkId) -> Result<(), IpamError> {
    match tx.get::<Vnis>(&vni.get()) {
        Some(row) => Err(IpamError::VniTaken {
            vni,
            holder: row.value,
        }),
        None => {
            tx.put::<Vnis>(vni.get(), network);
            Ok(())
        }
    }
}

pub fn release_vni(tx: &mut Tx, vni: Vni) {
    tx.delete::<Vnis>(&vni.get());
}
