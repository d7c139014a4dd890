//! `netwright bgp`: the BGP daemon, and what an operator asks of it.

mod client;
mod output;
mod render;
mod routes;
mod run;

use crate::Answer;
use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use client::Daemon;
use output::View;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Run the BGP daemon in the foreground.
    #[command(after_help = RUN_HELP)]
    Run(run::Options),
    /// Check a configuration file without using it. Exit code 1 if it is not valid; each fault names its line.
    Check {
        /// The file.
        #[arg(default_value = run::CONFIG)]
        config: PathBuf,
    },
    /// Make the daemon read its configuration again. Sessions stay up wherever the protocol allows it.
    #[command(after_help = RELOAD_HELP)]
    Reload {
        /// Only print what would change. Exit code 3 if something would.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Show the speaker at a glance: identity, sessions, tables.
    Summary(Common),
    /// List the neighbours, or show one in full.
    #[command(after_help = NEIGHBORS_HELP)]
    Neighbors {
        /// Its address (or interface, if unnumbered).
        neighbor: Option<String>,
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        watch: Watch,
    },
    /// Act on one neighbour.
    #[command(subcommand)]
    Neighbor(NeighborVerb),
    /// List routes.
    #[command(after_help = RIB_HELP)]
    Rib(routes::RibOptions),
    /// Tell why a route's paths are best or not, and to whom it is sent or not. Exit code 3 if there is no such route.
    #[command(visible_alias = "why", after_help = ROUTE_HELP)]
    Route(routes::RouteOptions),
    /// Policies.
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Originate a route until it is withdrawn or the daemon stops.
    #[command(after_help = ANNOUNCE_HELP)]
    Announce(routes::AnnounceOptions),
    /// Take back a route that was announced by hand.
    Withdraw(routes::WithdrawOptions),
    /// Dumps in MRT format (RFC 6396).
    #[command(subcommand)]
    Mrt(MrtVerb),
    /// Follow what happens: sessions, faults, reloads.
    Watch {
        /// Of this neighbour only.
        #[arg(long)]
        neighbor: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

const RUN_HELP: &str = "Examples:
  netwright bgp check /etc/netwright/bgp.toml
  netwright bgp run --config /etc/netwright/bgp.toml
SIGHUP (or `netwright bgp reload`) reads the file again; SIGTERM stops in order.";
const RELOAD_HELP: &str = "Examples:
  netwright bgp reload --dry-run     what would change, and what each change costs
  netwright bgp reload               the same, done
A file with a fault changes nothing.";
const NEIGHBORS_HELP: &str = "Examples:
  netwright bgp neighbors
  netwright bgp neighbors 192.0.2.1
  netwright bgp neighbors -o wide --watch";
const RIB_HELP: &str = "Examples:
  netwright bgp rib                                    the IPv4 unicast table
  netwright bgp rib vpnv4 --community 65000:100
  netwright bgp rib vpnv4 10.1.0.0/16                  under any route distinguisher
  netwright bgp rib ipv4-unicast 10.0.0.0/8 --longer
  netwright bgp rib evpn --neighbor 192.0.2.1 --received
  netwright bgp rib ipv4-unicast --vrf red -o json";
const ROUTE_HELP: &str = "Examples:
  netwright bgp route 10.1.0.0/16                      every path, and every neighbour it is (not) sent to
  netwright bgp route 10.1.2.3                         the longest prefix that covers the address
  netwright bgp route 10.1.0.0/16 --to 192.0.2.1       one neighbour only; exit code 3 if it is not sent
  netwright bgp why '192.0.2.1:101:[2]:[0]:[48]:[02:00:00:00:00:01]'";
const ANNOUNCE_HELP: &str = "Examples:
  netwright bgp announce 203.0.113.0/24 --next-hop 192.0.2.7 --community 65000:100
  netwright bgp announce 203.0.113.0/24 --vrf red
  netwright bgp announce '192.0.2.1:101:[2]:[0]:[48]:[02:00:00:00:00:01]' --vni 10101 --community target:65000:101";

/// Where the daemon is, and how its answer is printed.
#[derive(Args)]
pub(crate) struct Common {
    #[command(flatten)]
    daemon: Daemon,
    #[command(flatten)]
    view: View,
}

#[derive(Args)]
pub(crate) struct Watch {
    /// Print again every so many seconds, until interrupted.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch: Option<u64>,
}

#[derive(Subcommand)]
pub(crate) enum NeighborVerb {
    /// Take the session down and keep it down, until enabled or the daemon is restarted.
    Shutdown {
        neighbor: String,
        /// Told to the neighbour (RFC 9003), at most 255 octets.
        #[arg(long)]
        message: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Let a neighbour that was shut down come up again.
    Enable {
        neighbor: String,
        #[command(flatten)]
        common: Common,
    },
    /// Exchange routes again (soft), or reset the session (hard).
    Clear {
        neighbor: String,
        #[arg(value_enum, default_value = "soft")]
        how: Clear,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clear {
    /// Both directions, by route refresh.
    Soft,
    /// Ask the neighbour for its routes again.
    SoftIn,
    /// Send the neighbour our routes again.
    SoftOut,
    /// Reset the session.
    Hard,
}

#[derive(Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show which routes would change if the policies of a file were used. Nothing is changed. Exit code 3 if some would.
    Test {
        /// A configuration file; its [policies] count.
        file: PathBuf,
        /// Only routes of or to this neighbour.
        #[arg(long)]
        neighbor: Option<String>,
        /// Show at most so many routes.
        #[arg(long, default_value_t = 100)]
        limit: u32,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Subcommand)]
pub(crate) enum MrtVerb {
    /// Write all tables to a file now (TABLE_DUMP_V2).
    Dump {
        /// On the daemon's host; a name with the time in the configured directory if not given.
        file: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// Originate the routes of a table dump, with their attributes.
    Load {
        /// On the daemon's host.
        file: PathBuf,
        #[command(flatten)]
        common: Common,
    },
}

pub(crate) async fn run(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::Run(options) => run::run(options).await.map(|()| Answer::Yes),
        Verb::Check { config } => run::check(&config),
        Verb::Reload { dry_run, common } => reload(dry_run, &common).await,
        Verb::Summary(common) => {
            let answer = common.daemon.get("/summary", &[]).await?;
            common.view.print(&answer, render::summary)?;
            Ok(Answer::Yes)
        }
        Verb::Neighbors {
            neighbor,
            common,
            watch,
        } => neighbors(neighbor.as_deref(), &common, &watch).await,
        Verb::Neighbor(verb) => act(verb).await,
        Verb::Rib(options) => options.run().await,
        Verb::Route(options) => options.run().await,
        Verb::Policy(PolicyVerb::Test {
            file,
            neighbor,
            limit,
            common,
        }) => test_policy(&file, neighbor, limit, &common).await,
        Verb::Announce(options) => options.run().await,
        Verb::Withdraw(options) => options.run().await,
        Verb::Mrt(verb) => mrt(verb).await,
        Verb::Watch { neighbor, common } => watch_events(neighbor.as_deref(), &common).await,
    }
}

async fn reload(dry_run: bool, common: &Common) -> Result<Answer> {
    let body = json!({"dry_run": dry_run});
    let answer = common.daemon.post("/reload", &body).await?;
    common.view.print(&answer, render::changes)?;
    let changes = answer["changes"].as_array().map_or(0, Vec::len);
    Ok(match dry_run && changes > 0 {
        true => Answer::No,
        false => Answer::Yes,
    })
}

async fn neighbors(neighbor: Option<&str>, common: &Common, watch: &Watch) -> Result<Answer> {
    loop {
        match neighbor {
            None => {
                let answer = common.daemon.get("/neighbors", &[]).await?;
                common.view.print(&answer, render::neighbors)?;
            }
            Some(neighbor) => {
                let answer = common.daemon.get(&path_of(neighbor, ""), &[]).await?;
                common.view.print(&answer, render::neighbor)?;
            }
        }
        let Some(seconds) = watch.watch else {
            return Ok(Answer::Yes);
        };
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(seconds)) => println!(),
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Answer::Yes);
            }
        }
    }
}

/// The API path of a neighbour. A link-local address has its interface behind a percent sign, which is escaped.
fn path_of(neighbor: &str, verb: &str) -> String {
    format!(
        "/neighbors/{}{verb}",
        neighbor.replace('%', "%25").replace('/', "%2F")
    )
}

async fn act(verb: NeighborVerb) -> Result<Answer> {
    let (common, path, body) = match verb {
        NeighborVerb::Shutdown {
            neighbor,
            message,
            common,
        } => (
            common,
            path_of(&neighbor, "/shutdown"),
            json!({"message": message}),
        ),
        NeighborVerb::Enable { neighbor, common } => {
            (common, path_of(&neighbor, "/enable"), json!({}))
        }
        NeighborVerb::Clear {
            neighbor,
            how,
            common,
        } => {
            let how = how
                .to_possible_value()
                .map(|value| value.get_name().to_owned());
            (common, path_of(&neighbor, "/clear"), json!({"how": how}))
        }
    };
    let answer = common.daemon.post(&path, &body).await?;
    common.view.print(&answer, render::done)?;
    Ok(Answer::Yes)
}

async fn test_policy(
    file: &std::path::Path,
    neighbor: Option<String>,
    limit: u32,
    common: &Common,
) -> Result<Answer> {
    let text = run::read(file)?;
    let body = json!({"config": text, "neighbor": neighbor, "limit": limit});
    let answer = common.daemon.post("/policy/test", &body).await?;
    common.view.print(&answer, render::effects)?;
    Ok(match answer["total"].as_u64() {
        Some(0) => Answer::Yes,
        _ => Answer::No,
    })
}

async fn mrt(verb: MrtVerb) -> Result<Answer> {
    let (common, path, body) = match verb {
        MrtVerb::Dump { file, common } => (common, "/mrt/dump", json!({"file": absolute(file)?})),
        MrtVerb::Load { file, common } => {
            (common, "/mrt/load", json!({"file": absolute(Some(file))?}))
        }
    };
    let answer = common.daemon.post(path, &body).await?;
    common.view.print(&answer, render::done)?;
    Ok(Answer::Yes)
}

fn absolute(file: Option<PathBuf>) -> Result<Option<PathBuf>> {
    Ok(file.map(std::path::absolute).transpose()?)
}

async fn watch_events(neighbor: Option<&str>, common: &Common) -> Result<Answer> {
    let query: Vec<(&str, &str)> = neighbor
        .map(|neighbor| ("neighbor", neighbor))
        .into_iter()
        .collect();
    let each = |event: Value| {
        match common.view.is_json() {
            true => println!("{event}"),
            false => println!("{}", render::event(&event)),
        }
        Ok(())
    };
    tokio::select! {
        ended = common.daemon.follow("/events", &query, each) => ended.map(|()| Answer::Yes),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(Answer::Yes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    const MANUAL: &str = include_str!("../../../../../docs/bgp.md");

    /// Of a command line, without what is said about it behind two spaces.
    fn words(line: &str) -> Vec<String> {
        let command = line.split("  ").next().unwrap_or(line);
        let parts = command.split('\'').enumerate();
        let words = parts.flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn the_examples_of_help_and_manual_are_commands() {
        let helps = [
            RUN_HELP,
            RELOAD_HELP,
            NEIGHBORS_HELP,
            RIB_HELP,
            ROUTE_HELP,
            ANNOUNCE_HELP,
        ];
        let helps = helps.iter().flat_map(|help| help.lines());
        let manual = MANUAL.lines().filter_map(|line| line.strip_prefix("# "));
        let lines = helps.map(str::trim_start).chain(manual);
        let mut examples = 0;
        for line in lines.filter(|line| line.starts_with("netwright bgp ")) {
            if let Err(error) = crate::Cli::try_parse_from(words(line)) {
                panic!("{line}: {error}");
            }
            examples += 1;
        }
        assert!(examples > 20, "{examples} examples");
    }
}
