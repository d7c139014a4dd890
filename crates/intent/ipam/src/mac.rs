//! MAC addresses, unique within a network.

use crate::IpamError;
use crate::random::Random;
use crate::tables::Macs;
use model::{Mac, NetworkId, PortId};
use store::Tx;

/// The first three bytes of generated MACs, the ones OpenStack uses (`base_mac`).
const PREFIX: [u8; 3] = [0xfa, 0x16, 0x3e];

/// With half of the 2^24 MACs of a network taken, all attempts fail once in 2^64 requests.
const ATTEMPTS: usize = 64;

/// Takes a free `fa:16:3e:…` MAC for the port.
pub fn allocate_mac(
    tx: &mut Tx,
    network: NetworkId,
    port: PortId,
    random: Random,
) -> Result<Mac, IpamError> {
    for _ in 0..ATTEMPTS {
        let [a, b, c, ..] = random().to_be_bytes();
        let mac = Mac([PREFIX[0], PREFIX[1], PREFIX[2], a, b, c]);
        if tx.get::<Macs>(&(network, mac)).is_none() {
            tx.put::<Macs>((network, mac), port);
            return Ok(mac);
        }
    }
    Err(IpamError::MacsExhausted {
        network,
        attempts: ATTEMPTS,
    })
}

/// Takes this very MAC for the port.
pub fn claim_mac(tx: &mut Tx, network: NetworkId, mac: Mac, port: PortId) -> Result<(), IpamError> {
    if !mac.is_unicast() {
        return Err(IpamError::MacNotUnicast(mac));
    }
    match tx.get::<Macs>(&(network, mac)) {
        Some(row) => Err(IpamError::MacTaken {
            mac,
            network,
            holder: row.value,
        }),
        None => {
            tx.put::<Macs>((network, mac), port);
            Ok(())
        }
    }
}

pub fn release_mac(tx: &mut Tx, network: NetworkId, mac: Mac) {
    tx.delete::<Macs>(&(network, mac));
}
