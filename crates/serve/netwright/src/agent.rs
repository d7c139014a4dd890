//! `netwright host-agent` and `netwright agent`: the agent of this host, and what an operator asks of it.

use crate::Answer;
use crate::metrics;
use crate::notify::{StopSignal, notify};
use crate::output::{Output, table};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use host_agent::{Agent, Config, Plug, Tls, control};
use model::{HostName, Mac, Mtu, PortId};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where the agent of this host keeps things.
#[derive(Args)]
pub(crate) struct Place {
    /// Holds the last good plan and the control socket.
    #[arg(
        long,
        env = "NETWRIGHT_STATE_DIR",
        default_value = "/var/lib/netwright/agent"
    )]
    state_dir: PathBuf,
}

#[derive(Args)]
pub(crate) struct Options {
    /// This host as `binding:host_id` names it; the host's own name if not given.
    #[arg(long, env = "NETWRIGHT_HOST")]
    host: Option<HostName>,
    /// Controllers, in the order to try them: http://HOST:9697, or https:// with TLS.
    #[arg(
        long = "controller",
        env = "NETWRIGHT_CONTROLLER",
        value_delimiter = ',',
        required = true
    )]
    controllers: Vec<String>,
    /// This host's address on the underlay: other hosts send VXLAN there.
    #[arg(long, env = "NETWRIGHT_TUNNEL_ADDRESS")]
    tunnel_address: IpAddr,
    /// UDP port of VXLAN (RFC 7348).
    #[arg(long, env = "NETWRIGHT_TUNNEL_PORT", default_value_t = 4789)]
    tunnel_port: u16,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    pins: Pins,
    /// Where to serve Prometheus metrics.
    #[arg(
        long,
        env = "NETWRIGHT_METRICS_LISTEN",
        default_value = "127.0.0.1:9698"
    )]
    metrics_listen: SocketAddr,
    #[command(flatten)]
    tls: TlsOptions,
}

/// Where eBPF maps and programs outlive the agent.
#[derive(Args)]
pub(crate) struct Pins {
    /// A folder of our own; bpffs is mounted there if it is not. No dots in its path.
    #[arg(
        long,
        env = "NETWRIGHT_BPF_DIR",
        default_value = "/sys/fs/bpf/netwright"
    )]
    bpf_dir: PathBuf,
}

/// Files in PEM; all three or none.
#[derive(Args)]
pub(crate) struct TlsOptions {
    /// Who vouches for controllers.
    #[arg(long, env = "NETWRIGHT_TLS_CA", requires_all = ["tls_certificate", "tls_key"])]
    tls_ca: Option<PathBuf>,
    /// This host's certificate; its name is the host's.
    #[arg(long, env = "NETWRIGHT_TLS_CERTIFICATE", requires = "tls_ca")]
    tls_certificate: Option<PathBuf>,
    #[arg(long, env = "NETWRIGHT_TLS_KEY", requires = "tls_ca")]
    tls_key: Option<PathBuf>,
    /// The name of the controllers' certificate, if it is not the host in the address.
    #[arg(long, env = "NETWRIGHT_TLS_SERVER_NAME", requires = "tls_ca")]
    tls_server_name: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show how this host is doing: controller, revision applied, ports, repairs.
    Status {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Show what this host should have and has, and the difference. Exit code 3 if there is one.
    Dump {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Plug a network namespace into a port of this host, as Nova plugs a guest.
    Plug {
        port: PortId,
        /// The namespace: a name under /run/netns, or a path such as /proc/PID/ns/net.
        #[arg(long)]
        netns: String,
        /// The port's MAC address.
        #[arg(long)]
        mac: Mac,
        /// The network's MTU.
        #[arg(long, value_parser = mtu, default_value_t = Mtu::DEFAULT)]
        mtu: Mtu,
        /// The interface's name inside.
        #[arg(long, default_value = "eth0")]
        interface: String,
    },
    /// Remove what `plug` made.
    Unplug { port: PortId },
    /// Remove everything of ours from this host's kernel: programs, maps, the VXLAN device. Ports stop forwarding.
    Uninstall {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        pins: Pins,
    },
}

fn mtu(text: &str) -> Result<Mtu, String> {
    let bytes = text.parse::<u32>().map_err(|error| error.to_string())?;
    Mtu::new(bytes).map_err(|error| error.to_string())
}

/// Runs the agent until a signal. Stopping leaves the data path as it is.
pub(crate) async fn run(options: Options) -> Result<()> {
    let mut stop = StopSignal::take().context("cannot take signals")?;
    let metrics_listen = options.metrics_listen;
    let config = options.config()?;
    let mut agent = Agent::start(config).await?;
    let text = agent.metrics();
    metrics::serve(metrics_listen, move || text.text()).await?;
    notify("READY=1");
    tokio::select! {
        error = agent.failed() => Err(error.into()),
        () = stop.wait() => {
            agent.stop().await;
            Ok(())
        }
    }
}

impl Options {
    fn config(self) -> Result<Config> {
        let host = match self.host {
            Some(host) => host,
            None => own_name()?,
        };
        let mut config = Config::new(
            host,
            self.tunnel_address,
            self.place.state_dir,
            self.pins.bpf_dir,
        );
        config.controllers = self.controllers;
        config.tunnel_port = self.tunnel_port;
        config.tls = self.tls.read()?;
        Ok(config)
    }
}

impl TlsOptions {
    fn read(self) -> Result<Option<Tls>> {
        let (Some(ca), Some(certificate), Some(key)) =
            (self.tls_ca, self.tls_certificate, self.tls_key)
        else {
            return Ok(None);
        };
        let read = |path: &Path| {
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
        };
        Ok(Some(Tls {
            ca: read(&ca)?,
            certificate: read(&certificate)?,
            key: read(&key)?,
            server_name: self.tls_server_name,
        }))
    }
}

fn own_name() -> Result<HostName> {
    let name = nix::unistd::gethostname().context("cannot read this host's name")?;
    let name = name.to_string_lossy();
    name.parse()
        .with_context(|| format!("this host is called '{name}'; give it another name with --host"))
}

pub(crate) async fn ask(verb: Verb) -> Result<Answer> {
    match verb {
        Verb::Status { place, output } => {
            let status = control::status(&place.state_dir).await?;
            output.print(&serde_json::to_value(status)?, render_status)?;
        }
        Verb::Dump { place, output } => {
            let dump = control::dump(&place.state_dir).await?;
            let same = dump.difference.is_empty() && dump.rejected.is_empty();
            output.print(&serde_json::to_value(dump)?, render_dump)?;
            return Ok(if same { Answer::Yes } else { Answer::No });
        }
        Verb::Plug {
            port,
            netns,
            mac,
            mtu,
            interface,
        } => {
            host_agent::plug(&Plug {
                port,
                netns,
                mac,
                mtu,
                interface,
            })?;
        }
        Verb::Unplug { port } => host_agent::unplug(port)?,
        Verb::Uninstall { place, pins } => {
            // The names of host and tunnel play no part in removing.
            let config = Config::new(
                own_name()?,
                IpAddr::from([127, 0, 0, 1]),
                place.state_dir,
                pins.bpf_dir,
            );
            host_agent::uninstall(&config)?;
        }
    }
    Ok(Answer::Yes)
}

fn list<'a>(answer: &'a Value, field: &str) -> &'a [Value] {
    answer[field]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn render_status(status: &Value) -> String {
    const COLUMNS: &[(&str, &str)] = &[
        ("Port", "port"),
        ("Device", "device"),
        ("State", "state"),
        ("Revision", "revision"),
        ("Reason", "reason"),
    ];
    let connection = &status["connection"];
    let controller = match connection["controller"].as_str() {
        Some(controller) => format!("connected to {controller}"),
        None => format!(
            "no controller ({})",
            connection["error"].as_str().unwrap_or("not tried yet")
        ),
    };
    let repairs = &status["repairs"];
    let mut lines = vec![
        table(COLUMNS, list(status, "ports")),
        format!(
            "{}: {controller}",
            status["host"].as_str().unwrap_or_default()
        ),
        format!(
            "applied revision {} of {}; {} map writes since the start",
            status["applied"], status["target"], status["map_writes"]
        ),
        format!(
            "repaired: {} programs, {} rows, {} links, {} times the tunnel device",
            repairs["programs"], repairs["rows"], repairs["links"], repairs["tunnel"]
        ),
    ];
    for (trouble, field) in [
        ("the kernel refuses", "kernel_error"),
        ("other hosts are out of reach", "tunnel_error"),
    ] {
        lines.extend(
            status[field]
                .as_str()
                .map(|error| format!("{trouble}: {error}")),
        );
    }
    lines.join("\n")
}

fn render_dump(dump: &Value) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (title, rows) in [
        ("desired", list(dump, "desired")),
        ("rejected", list(dump, "rejected")),
        ("missing", list(&dump["difference"], "missing")),
        ("extra", list(&dump["difference"], "extra")),
        ("detached", list(&dump["difference"], "detached")),
    ] {
        lines.push(format!("{title}: {}", rows.len()));
        lines.extend(
            rows.iter()
                .filter_map(Value::as_str)
                .map(|row| format!("  {row}")),
        );
    }
    lines.push(format!("at revision {}", dump["revision"]));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_kernel_and_the_tunnel_suffer_from_is_shown_while_it_lasts() {
        let mut status = json!({"host": "h1", "connection": {}, "repairs": {}, "ports": []});
        assert!(!render_status(&status).contains("refuses"));
        status["kernel_error"] = "the map is full".into();
        status["tunnel_error"] = "port 4789 is taken".into();
        let shown = render_status(&status);
        for line in [
            "the kernel refuses: the map is full",
            "other hosts are out of reach: port 4789 is taken",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{shown}");
        }
    }
}
