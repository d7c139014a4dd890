//! What must hold within one subnet. Pure.

use crate::attributes::{check_distinct, without_host_bits};
use crate::context::{Limits, within};
use crate::{OpError, error::Quota};
use ipnet::IpNet;
use model::{AddressRange, Family, Subnet, first_host, last_host, nth_address};
use std::net::IpAddr;

/// The longest prefixes that leave room for a gateway and a host (RFC 2131 clients need a broadcast address).
const MAX_DHCP_PREFIX_V4: u8 = 30;
const MAX_DHCP_PREFIX_V6: u8 = 126;

pub(super) fn subnet(limits: &Limits, subnet: &Subnet) -> Result<(), OpError> {
    check_cidr(subnet)?;
    check_ipv6_modes(subnet)?;
    if let Some(gateway) = subnet.gateway_ip {
        check_gateway(subnet, gateway)?;
    }
    check_pools(subnet)?;
    check_nameservers(limits, subnet)?;
    check_host_routes(limits, subnet)
}

/// All host addresses but the gateway.
pub(super) fn default_pools(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<AddressRange> {
    let (first, last) = (first_host(cidr), last_host(cidr));
    let range = |start, end| AddressRange::new(start, end).ok();
    match gateway.filter(|gateway| (first..=last).contains(gateway)) {
        None => range(first, last).into_iter().collect(),
        Some(gateway) => {
            let below = previous(gateway).and_then(|end| range(first, end));
            let above = nth_address(gateway, 1).and_then(|start| range(start, last));
            below.into_iter().chain(above).collect()
        }
    }
}

fn previous(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(v4) => u32::from(v4).checked_sub(1).map(|n| IpAddr::V4(n.into())),
        IpAddr::V6(v6) => u128::from(v6).checked_sub(1).map(|n| IpAddr::V6(n.into())),
    }
}

fn check_cidr(subnet: &Subnet) -> Result<(), OpError> {
    let cidr = subnet.cidr;
    let longest = match subnet.family() {
        Family::V4 => MAX_DHCP_PREFIX_V4,
        Family::V6 => MAX_DHCP_PREFIX_V6,
    };
    let reason = if cidr.prefix_len() == 0 {
        "0 is not allowed as prefix length"
    } else if cidr.network().is_multicast() {
        "it is a multicast prefix"
    } else if cidr.network().is_loopback() {
        "it is a loopback prefix"
    } else if subnet.enable_dhcp && cidr.prefix_len() > longest {
        "the prefix length is incompatible with DHCP; disable enable_dhcp or use a shorter prefix"
    } else {
        return Ok(());
    };
    Err(OpError::CidrUnusable { cidr, reason })
}

fn check_ipv6_modes(subnet: &Subnet) -> Result<(), OpError> {
    let (ra, address) = (subnet.ipv6_ra_mode, subnet.ipv6_address_mode);
    if ra.is_none() && address.is_none() {
        return Ok(());
    }
    if subnet.family() == Family::V4 {
        return Err(OpError::Ipv6ModeOnIpv4);
    }
    if !subnet.enable_dhcp {
        return Err(OpError::Ipv6ModeWithoutDhcp);
    }
    if let (Some(ra), Some(address)) = (ra, address)
        && ra != address
    {
        return Err(OpError::Ipv6ModesDiffer { ra, address });
    }
    match address {
        Some(mode) if subnet.is_auto_addressed() && subnet.cidr.prefix_len() != 64 => {
            Err(OpError::PrefixNotForEui64 {
                cidr: subnet.cidr,
                mode,
            })
        }
        _ => Ok(()),
    }
}

/// A router may be reached by its link-local address in IPv6 (RFC 4861 section 6.1.2).
fn check_gateway(subnet: &Subnet, gateway: IpAddr) -> Result<(), OpError> {
    check_family(subnet, "gateway_ip", gateway)?;
    let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
    match link_local || ipam::is_assignable(subnet.cidr, gateway) {
        true => Ok(()),
        false => Err(OpError::GatewayInvalid {
            gateway,
            cidr: subnet.cidr,
        }),
    }
}

fn check_pools(subnet: &Subnet) -> Result<(), OpError> {
    for pool in &subnet.allocation_pools {
        let usable = |address| ipam::is_assignable(subnet.cidr, address);
        if !usable(pool.start) || !usable(pool.end) {
            return Err(OpError::PoolOutOfBounds {
                pool: *pool,
                cidr: subnet.cidr,
            });
        }
        if let Some(gateway) = subnet.gateway_ip.filter(|g| pool.contains(*g)) {
            return Err(OpError::GatewayInPool {
                gateway,
                pool: *pool,
            });
        }
    }
    for pair in subnet.allocation_pools.windows(2) {
        if pair[0].overlaps(&pair[1]) {
            return Err(OpError::PoolsOverlap {
                one: pair[0],
                other: pair[1],
            });
        }
    }
    Ok(())
}

fn check_nameservers(limits: &Limits, subnet: &Subnet) -> Result<(), OpError> {
    let servers = &subnet.dns_nameservers;
    within(
        limits.dns_nameservers_per_subnet,
        Quota::DnsNameservers,
        || servers.len(),
    )?;
    for server in servers {
        check_family(subnet, "dns_nameserver", *server)?;
    }
    check_distinct("nameserver", servers.iter().copied())
}

fn check_host_routes(limits: &Limits, subnet: &Subnet) -> Result<(), OpError> {
    let routes = &subnet.host_routes;
    within(limits.host_routes_per_subnet, Quota::HostRoutes, || {
        routes.len()
    })?;
    for route in routes {
        check_family(subnet, "host_route destination", route.destination.addr())?;
        check_family(subnet, "host_route nexthop", route.nexthop)?;
        without_host_bits(route.destination)?;
    }
    check_distinct(
        "host_route destination",
        routes.iter().map(|r| r.destination),
    )
}

fn check_family(subnet: &Subnet, attribute: &'static str, address: IpAddr) -> Result<(), OpError> {
    match Family::of(address) == subnet.family() {
        true => Ok(()),
        false => Err(OpError::FamilyMismatch {
            attribute,
            value: address.to_string(),
            expected: subnet.family(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_pools_leave_the_gateway_out() {
        for (cidr, gateway, expected) in [
            ("10.0.0.0/24", Some("10.0.0.1"), "10.0.0.2-10.0.0.254"),
            (
                "10.0.0.0/24",
                Some("10.0.0.9"),
                "10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254",
            ),
            ("10.0.0.0/24", Some("10.0.0.254"), "10.0.0.1-10.0.0.253"),
            ("10.0.0.0/24", None, "10.0.0.1-10.0.0.254"),
            ("10.0.0.4/31", Some("10.0.0.4"), "10.0.0.5-10.0.0.5"),
            ("10.0.0.7/32", Some("10.0.0.7"), ""),
            (
                "2001:db8::/64",
                Some("2001:db8::1"),
                "2001:db8::2-2001:db8::ffff:ffff:ffff:ffff",
            ),
            (
                "2001:db8::/64",
                Some("fe80::1"),
                "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff",
            ),
        ] {
            let gateway = gateway.map(|text| text.parse().expect("an address"));
            let pools = default_pools(cidr.parse().expect("a CIDR"), gateway);
            let text: Vec<_> = pools
                .iter()
                .map(|pool| format!("{}-{}", pool.start, pool.end))
                .collect();
            assert_eq!(text.join(" "), expected, "{cidr} {gateway:?}");
        }
    }
}
