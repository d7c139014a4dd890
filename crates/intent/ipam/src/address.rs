//! Addresses of a subnet: taken by strategy from the allocation pools, by name, or from a MAC.

use crate::IpamError;
use crate::random::{Random, below};
use crate::tables::{Addresses, Cursors, Owner};
use ipnet::IpNet;
use model::{
    AddressRange, AllocationStrategy, Mac, Subnet, SubnetId, first_host, last_host, nth_address,
    offset_in,
};
use std::net::IpAddr;
use store::Tx;

/// Random probes before the pools are walked. Up to half full, a walk is needed once in 256 requests.
const PROBES: usize = 8;

/// True when a host may take the address: inside the CIDR and neither its network address (the
/// subnet-router anycast address in IPv6, RFC 4291 2.6.1) nor its IPv4 broadcast address.
pub fn is_assignable(cidr: IpNet, address: IpAddr) -> bool {
    cidr.contains(&address) && (first_host(cidr)..=last_host(cidr)).contains(&address)
}

/// Takes a free address of the subnet's allocation pools by the subnet's strategy.
///
/// `Random` lets concurrent writers succeed together. `Sequential` and `Lowest` name one next address, so
/// concurrent writers of one subnet run after each other; both read each taken address they pass.
pub fn allocate_address(
    tx: &mut Tx,
    subnet: &Subnet,
    owner: Owner,
    random: Random,
) -> Result<IpAddr, IpamError> {
    let pools = Pools(&subnet.allocation_pools);
    let found = match subnet.allocation_strategy {
        AllocationStrategy::Random => any_free(tx, subnet.id, pools, random),
        AllocationStrategy::Lowest => first_free(tx, subnet.id, pools, 0),
        AllocationStrategy::Sequential => {
            let last = tx.get::<Cursors>(&subnet.id).map(|row| row.value);
            let start = last.map_or(0, |last| pools.position_after(last));
            first_free(tx, subnet.id, pools, start)
        }
    };
    let address = found.ok_or(IpamError::SubnetExhausted {
        subnet: subnet.id,
        cidr: subnet.cidr,
        size: pools.size(),
    })?;
    if subnet.allocation_strategy == AllocationStrategy::Sequential {
        tx.put::<Cursors>(subnet.id, address);
    }
    tx.put::<Addresses>((subnet.id, address), owner);
    Ok(address)
}

/// Takes this very address, which may lie outside of the allocation pools.
pub fn claim_address(
    tx: &mut Tx,
    subnet: &Subnet,
    address: IpAddr,
    owner: Owner,
) -> Result<(), IpamError> {
    let (id, cidr) = (subnet.id, subnet.cidr);
    if !cidr.contains(&address) {
        return Err(IpamError::AddressOutside {
            address,
            subnet: id,
            cidr,
        });
    }
    if !is_assignable(cidr, address) {
        return Err(IpamError::AddressNotAssignable {
            address,
            subnet: id,
            cidr,
        });
    }
    match tx.get::<Addresses>(&(id, address)) {
        Some(row) => Err(IpamError::AddressTaken {
            address,
            subnet: id,
            holder: row.value,
        }),
        None => {
            tx.put::<Addresses>((id, address), owner);
            Ok(())
        }
    }
}

/// The address that a host with this MAC configures by itself on the subnet (RFC 4291 appendix A).
pub fn eui64_address(subnet: &Subnet, mac: Mac) -> Result<IpAddr, IpamError> {
    match subnet.cidr {
        IpNet::V6(prefix) if prefix.prefix_len() == 64 => Ok(mac.eui64(prefix).into()),
        cidr => Err(IpamError::NotForEui64 {
            subnet: subnet.id,
            cidr,
        }),
    }
}

pub fn release_address(tx: &mut Tx, subnet: SubnetId, address: IpAddr) {
    tx.delete::<Addresses>(&(subnet, address));
}

/// Removes what is kept about a subnet that has no addresses in use, before the subnet itself goes.
pub fn forget_subnet(tx: &mut Tx, subnet: SubnetId) {
    tx.delete::<Cursors>(&subnet);
}

fn any_free(tx: &Tx, subnet: SubnetId, pools: Pools, random: Random) -> Option<IpAddr> {
    let size = pools.size();
    if size == 0 {
        return None;
    }
    for _ in 0..PROBES {
        let address = pools.nth(below(random, size))?;
        if tx.get::<Addresses>(&(subnet, address)).is_none() {
            return Some(address);
        }
    }
    first_free(tx, subnet, pools, below(random, size))
}

/// The first free address at or after a position, wrapping once around. Passes at most as many addresses
/// as are taken.
fn first_free(tx: &Tx, subnet: SubnetId, pools: Pools, start: u128) -> Option<IpAddr> {
    let size = pools.size();
    let start = if start < size { start } else { 0 };
    (start..size)
        .chain(0..start)
        .filter_map(|position| pools.nth(position))
        .find(|address| tx.get::<Addresses>(&(subnet, *address)).is_none())
}

/// Disjoint ranges in ascending order, as one row of positions from 0.
#[derive(Clone, Copy)]
struct Pools<'a>(&'a [AddressRange]);

impl Pools<'_> {
    fn size(self) -> u128 {
        self.0
            .iter()
            .fold(0, |sum, pool| sum.saturating_add(pool.size()))
    }

    fn nth(self, mut position: u128) -> Option<IpAddr> {
        for pool in self.0 {
            if position < pool.size() {
                return nth_address(pool.start, position);
            }
            position -= pool.size();
        }
        None
    }

    /// The position of the first pool address above `address`; 0 when there is none.
    fn position_after(self, address: IpAddr) -> u128 {
        let mut before: u128 = 0;
        for pool in self.0 {
            if address < pool.start {
                return before;
            }
            if address < pool.end {
                return before + offset_in(pool.start, address).unwrap_or(0) + 1;
            }
            before = before.saturating_add(pool.size());
        }
        0
    }
}
