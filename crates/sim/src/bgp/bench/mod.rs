//! The benchmarks of the BGP speaker. Each runs us and every peer that can do the case, one after the other in the same run and in
//! the same way, and shows ours beside its aim and beside the best of the peers.

mod convergence;
mod fanout;
mod judge;
mod latency;
mod relay;
mod stage;
mod torture;

use super::router::Software;
use super::routes::Kind;
use crate::bench::Measurement;
use anyhow::{Result, bail};
use convergence::Case;

/// The benchmarks by name.
pub const BENCHES: [&str; 9] = [
    "bgp-transit",
    "bgp-reflect",
    "bgp-vpn",
    "bgp-evpn",
    "bgp-rtc",
    "bgp-latency",
    "bgp-late",
    "bgp-fanout",
    "bgp-torture",
];

/// Runs one of [`BENCHES`]; only with some programs if they are given. Blocks; needs root.
pub fn run(name: &str, only: &[Software]) -> Result<Vec<Measurement>> {
    let with = |wanted: &[Software]| -> Vec<Software> {
        wanted
            .iter()
            .copied()
            .filter(|software| only.is_empty() || only.contains(software))
            .collect()
    };
    use Software::{Bird, Exabgp, Frr, Gobgp, Netwright};
    let all = with(&[Netwright, Bird, Frr, Gobgp]);
    let evpn = with(&[Netwright, Frr, Gobgp]);
    match name {
        "bgp-transit" => {
            let mut rows = convergence::measure(&Case::TRANSIT, &all)?;
            rows.extend(convergence::measure(&Case::MULTIHOMED, &all)?);
            Ok(rows)
        }
        "bgp-reflect" => convergence::measure(&Case::REFLECT, &all),
        "bgp-vpn" => convergence::measure(&Case::VPN, &all),
        "bgp-evpn" => {
            let mut rows = convergence::measure(&Case::evpn(Kind::EvpnMacIp), &evpn)?;
            rows.extend(convergence::measure(&Case::evpn(Kind::EvpnPrefix), &evpn)?);
            Ok(rows)
        }
        "bgp-rtc" => convergence::measure(&Case::RTC, &with(&[Netwright, Gobgp])),
        "bgp-latency" => latency::measure(&all),
        "bgp-late" => latency::late(&all),
        "bgp-torture" => torture::measure(&with(&[Netwright, Bird, Frr, Gobgp, Exabgp])),
        "bgp-fanout" => fanout::measure(&all),
        _ => bail!("no BGP benchmark is called '{name}'"),
    }
}
