//! Simulated hosts, load generators, the two-host lab in network namespaces, and the benchmarks. Never shipped.

pub mod bench;
pub mod bgp;
pub mod hosts;
pub mod kernel;
pub mod lab;
pub mod load;
pub mod map;
pub mod processors;

use anyhow::{Result, bail};
use bench::Measurement;

/// The benchmarks by name.
pub const BENCHES: [&str; 22] = [
    "api-write",
    "api-read",
    "port-up",
    "datapath",
    "group-ripple",
    "planner",
    "restart",
    "bgp-transit",
    "bgp-reflect",
    "bgp-vpn",
    "bgp-evpn",
    "bgp-rtc",
    "bgp-latency",
    "bgp-late",
    "bgp-fanout",
    "bgp-torture",
    "scan",
    "events",
    "graph",
    "diff",
    "impact",
    "first-screen",
];

/// Runs one benchmark. Those with hosts or routers need root. `only` limits the programs that a BGP benchmark compares.
pub async fn run_bench(name: &str, only: &[bgp::Software]) -> Result<Vec<Measurement>> {
    if bgp::BENCHES.contains(&name) {
        lab::remove_leftovers();
        return tokio::task::block_in_place(|| bgp::run(name, only));
    }
    if matches!(name, "port-up" | "datapath" | "restart") {
        lab::check_requirements()?;
        lab::remove_leftovers();
    }
    match name {
        // The current folder is on the disk to be measured.
        "api-write" => load::api_write(&load::Options::new(std::env::current_dir()?)).await,
        "api-read" => load::api_read(&load::Options::new(std::env::current_dir()?)).await,
        "group-ripple" => hosts::group_ripple().await,
        "planner" => hosts::planner_bench().await,
        "port-up" => kernel::port_up().await,
        "datapath" => kernel::datapath().await,
        "restart" => kernel::restart().await,
        "scan" => map::scan().await,
        "events" => map::events().await,
        "graph" => map::graph(),
        "diff" => map::diff(),
        "impact" => map::impact(),
        "first-screen" => map::first_screen().await,
        _ => bail!(
            "no benchmark is called '{name}'; there are {}, and all",
            BENCHES.join(", ")
        ),
    }
}
