//! The lab's command line: what `cargo xtask demo`, `bench` and `test` call.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use sim::bench::Report;
use sim::bgp::Software;
use sim::lab;
use std::path::PathBuf;
use std::process::ExitCode;

/// Clouds in network namespaces, for demos, benchmarks and tests.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// The two-host demo.
    Demo {
        /// The `openstack` command line client.
        #[arg(long)]
        openstack: PathBuf,
        #[arg(long)]
        once: bool,
        #[arg(long)]
        json: bool,
    },
    /// Runs a benchmark, or `all`.
    Bench {
        name: String,
        #[arg(long)]
        json: bool,
        /// Of a BGP benchmark, only these programs (netwright, frr, bird, gobgp, exabgp).
        #[arg(long, value_delimiter = ',')]
        only: Vec<Software>,
    },
    /// Starts a two-host cloud with some networks and ports, runs a command with NETWRIGHT_URL set, and ends with
    /// the command's exit code.
    WithCloud {
        /// The folder to run the command in.
        #[arg(long = "in", default_value = ".")]
        folder: PathBuf,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Checks token validation against a real Keystone.
    Keystone {
        /// The folder of Keystone's programs.
        #[arg(long)]
        keystone: PathBuf,
    },
}

fn main() -> ExitCode {
    // Only plain HTTP is spoken here, but the client wants a provider; a second one would be the only failure.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let outcome = tokio::runtime::Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run_or_stop(Cli::parse().verb)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until the end or until asked to stop. Either way what was made is removed, because it is dropped.
async fn run_or_stop(verb: Verb) -> Result<bool> {
    let stop = lab::stop_signal()?;
    tokio::select! {
        // A demo that shows its table ends well when stopped, so it is asked first.
        biased;
        outcome = run(verb) => outcome,
        () = stop => bail!("stopped by a signal; what was made is removed"),
    }
}

async fn run(verb: Verb) -> Result<bool> {
    match verb {
        Verb::Demo {
            openstack,
            once,
            json,
        } => lab::demo(openstack, once, json).await,
        Verb::Bench { name, json, only } => bench(&name, json, &only).await,
        Verb::WithCloud { folder, command } => lab::with_cloud(&folder, &command).await,
        Verb::Keystone { keystone } => lab::keystone(&keystone).await,
    }
}

async fn bench(name: &str, json: bool, only: &[Software]) -> Result<bool> {
    let names = if name == "all" {
        sim::BENCHES.to_vec()
    } else {
        vec![name]
    };
    let mut met = true;
    for name in names {
        let report = Report::new(name, sim::run_bench(name, only).await?);
        met &= report.all_met();
        if json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print!("{report}");
        }
    }
    Ok(met)
}
