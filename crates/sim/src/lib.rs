//! Simulated hosts, load generators, the two-host lab in network namespaces, and the benchmarks. Never shipped.

pub mod bench;
pub mod hosts;
pub mod kernel;
pub mod lab;
pub mod load;
pub mod map;

use anyhow::{Result, bail};
use bench::Measurement;

/// The benchmarks by name.
pub const BENCHES: [&str; 12] = [
    "api-write",
    "api-read",
    "port-up",
    "datapath",
    "group-ripple",
    "planner",
    "restart",
    "scan",
    "events",
    "graph",
    "diff",
    "impact",
];

/// Runs one benchmark. Those with hosts need root.
pub async fn run_bench(name: &str) -> Result<Vec<Measurement>> {
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
        _ => bail!(
            "no benchmark is called '{name}'; there are {}, and all",
            BENCHES.join(", ")
        ),
    }
}
