//! Why an address, a MAC or a VNI is not handed out.

use crate::Owner;
use ipnet::IpNet;
use model::{Mac, NetworkId, PortId, SubnetId, Vni};
use std::net::IpAddr;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IpamError {
    #[error("address {address} is not in subnet {subnet} ({cidr})")]
    AddressOutside {
        address: IpAddr,
        subnet: SubnetId,
        cidr: IpNet,
    },
    #[error(
        "address {address} is the network or broadcast address of subnet {subnet} ({cidr}); no host may take it"
    )]
    AddressNotAssignable {
        address: IpAddr,
        subnet: SubnetId,
        cidr: IpNet,
    },
    #[error("address {address} of subnet {subnet} is taken by {holder}")]
    AddressTaken {
        address: IpAddr,
        subnet: SubnetId,
        holder: Owner,
    },
    #[error(
        "no address is left in the {size} of the allocation pools of subnet {subnet} ({cidr}); \
         free one, or extend the pools"
    )]
    SubnetExhausted {
        subnet: SubnetId,
        cidr: IpNet,
        /// How many addresses the pools hold together.
        size: u128,
    },
    #[error("subnet {subnet} ({cidr}) is not an IPv6 /64, so no EUI-64 address fits in it")]
    NotForEui64 { subnet: SubnetId, cidr: IpNet },
    #[error("MAC address {0} is not a unicast address")]
    MacNotUnicast(Mac),
    #[error("MAC address {mac} is taken by port {holder} on network {network}")]
    MacTaken {
        mac: Mac,
        network: NetworkId,
        holder: PortId,
    },
    #[error("found no free MAC address on network {network} in {attempts} attempts")]
    MacsExhausted { network: NetworkId, attempts: usize },
    #[error("VNI {vni} is taken by network {holder}")]
    VniTaken { vni: Vni, holder: NetworkId },
    #[error("no VNI is left in {first}..={last}; delete a network or widen the range")]
    VnisExhausted { first: Vni, last: Vni },
}
