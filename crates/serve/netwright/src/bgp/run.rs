//! `netwright bgp run` and `check`.

use crate::Answer;
use crate::notify::{StopSignal, notify};
use anyhow::{Context, Result};
use bgp_daemon::{Daemon, Settings};
use clap::Args;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

pub(crate) const CONFIG: &str = "/etc/netwright/bgp.toml";

#[derive(Args)]
pub(crate) struct Options {
    /// The configuration file.
    #[arg(long, env = "NETWRIGHT_BGP_CONFIG", default_value = CONFIG)]
    config: PathBuf,
    /// Holds the lock against a second daemon, and what must outlive a restart.
    #[arg(
        long,
        env = "NETWRIGHT_BGP_STATE_DIR",
        default_value = "/var/lib/netwright/bgp"
    )]
    state_dir: PathBuf,
    /// Where operators ask; only for who runs the daemon.
    #[arg(long, env = "NETWRIGHT_BGP_SOCKET", default_value = bgp_daemon::SOCKET)]
    socket: PathBuf,
}

/// Runs until a signal.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut stop = StopSignal::take().context("cannot take signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot take signals")?;
    let settings = Settings {
        config: options.config,
        state_dir: options.state_dir,
        socket: options.socket,
    };
    let mut daemon = Daemon::start(settings).await?;
    notify("READY=1");
    let mut watchdog = crate::notify::watchdog();
    loop {
        tokio::select! {
            error = daemon.failed() => return Err(error.into()),
            () = stop.wait() => {
                daemon.stop().await?;
                return Ok(());
            }
            _ = hangup.recv() => {
                notify("RELOADING=1");
                // What was wrong has been logged, and nothing was changed.
                let _ = daemon.reload().await;
                notify("READY=1");
            }
            () = watchdog.due() => {
                // A daemon whose sessions' thread does not answer is not alive.
                daemon.alive().await?;
                notify("WATCHDOG=1");
            }
        }
    }
}

/// Reads a file of an operator's.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(super) fn check(path: &Path) -> Result<Answer> {
    bgp_daemon::check(path)?;
    println!("{} is valid", path.display());
    Ok(Answer::Yes)
}
