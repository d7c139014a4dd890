//! The one binary: the controller with API and console, the host agent, and the operator's commands.

mod agent;
mod bgp;
mod config;
mod map;
mod metrics;
mod notify;
mod output;
mod remote;
mod status;
mod trace;
mod up;

use clap::{CommandFactory, Parser, Subcommand};
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A cloud's virtual network and a live, checked map of it.
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    /// What to log, in tracing's filter syntax, e.g. `info` or `host_agent=debug,info`.
    #[arg(
        long,
        global = true,
        env = "NETWRIGHT_LOG",
        default_value = "info",
        hide_env_values = true,
        value_parser = log_filter
    )]
    log: EnvFilter,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, and the answer is no (a traced packet is \
dropped, a host differs from its plan, a route is not sent, two versions differ, a scan could not read everything).";

#[derive(Subcommand)]
enum Verb {
    /// Run the controller: Neutron API, planner, agent streams and console in one process.
    Up(up::Options),
    /// Run the agent of this host: makes its kernel match the plan.
    HostAgent(agent::Options),
    /// Ask the agent of this host, or act on its ports.
    #[command(subcommand)]
    Agent(agent::Verb),
    /// Run the BGP daemon, or ask it: sessions, routes, why a route is (not) used or sent.
    #[command(subcommand)]
    Bgp(bgp::Verb),
    /// Show hosts with the revision each has applied, and counts of networks and ports.
    Status(status::Options),
    /// Follow a packet by the plan, from a port to a port or an address, and tell where it ends.
    Trace(trace::Options),
    /// Clouds whose map is kept: how they are reached, and whether they are.
    #[command(subcommand)]
    Env(map::env::Verb),
    /// Read what is really there.
    #[command(subcommand)]
    Scan(map::scan::Verb),
    /// Ask the map: objects, search, cliques, impact, paths.
    #[command(subcommand)]
    Topology(map::topology::Verb),
    /// Versions of the map: name them, compare them, report.
    #[command(subcommand)]
    Snapshot(map::snapshot::Verb),
    /// Scans and reports that come again.
    #[command(subcommand)]
    Schedule(map::schedule::Verb),
    /// Reports that schedules made.
    #[command(subcommand)]
    Report(map::report::Verb),
    /// Print a completion script for a shell.
    Completion { shell: clap_complete::Shell },
}

/// `EnvFilter`'s own parser leaves out what it does not understand.
fn log_filter(text: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    EnvFilter::try_new(text)
}

/// How a verb ended, beside failing.
enum Answer {
    Yes,
    No,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(cli.log)
        .with_writer(std::io::stderr)
        .with_ansi(colored)
        .init();
    // One crypto provider for every TLS user in the process; a second call would be the only failure.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    match run(cli.verb) {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each once: some quote theirs.
fn told(error: &anyhow::Error) -> String {
    let causes = error.chain().skip(1).map(ToString::to_string);
    causes.fold(error.to_string(), |told, cause| {
        match told.contains(&cause) {
            true => told,
            false => format!("{told}: {cause}"),
        }
    })
}

fn run(verb: Verb) -> anyhow::Result<Answer> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match verb {
        Verb::Up(options) => runtime.block_on(up::run(options)).map(|()| Answer::Yes),
        Verb::HostAgent(options) => runtime.block_on(agent::run(options)).map(|()| Answer::Yes),
        Verb::Agent(verb) => runtime.block_on(agent::ask(verb)),
        Verb::Bgp(verb) => runtime.block_on(bgp::run(verb)),
        Verb::Status(options) => runtime.block_on(status::run(options)).map(|()| Answer::Yes),
        Verb::Trace(options) => runtime.block_on(trace::run(options)),
        Verb::Env(verb) => runtime.block_on(map::env::run(verb)),
        Verb::Scan(verb) => runtime.block_on(map::scan::run(verb)),
        Verb::Topology(verb) => runtime.block_on(map::topology::run(verb)),
        Verb::Snapshot(verb) => runtime.block_on(map::snapshot::run(verb)),
        Verb::Schedule(verb) => runtime.block_on(map::schedule::run(verb)),
        Verb::Report(verb) => runtime.block_on(map::report::run(verb)),
        Verb::Completion { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "netwright",
                &mut std::io::stdout(),
            );
            Ok(Answer::Yes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn each_cause_is_told_once() {
        let inner = std::io::Error::other("refused");
        let quoting = anyhow::Error::new(inner).context("cannot open x: refused");
        assert_eq!(told(&quoting), "cannot open x: refused");
        let plain = anyhow::anyhow!("refused").context("cannot open x");
        assert_eq!(told(&plain), "cannot open x: refused");
    }
}
