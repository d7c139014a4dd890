//! Routers under test: ours and the peers from Debian, each in a namespace of its own, configured from one description as
//! somebody who knows the program would configure it.

mod bird;
mod exabgp;
mod frr;
mod gobgp;
mod netwright;

use super::load::PORT;
use super::usage::Usage;
use crate::lab::{Daemon, Namespace};
use crate::processors;
use anyhow::{Context, Result, bail, ensure};
use bgp::Family;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long a program may take to start.
const START: Duration = Duration::from_secs(120);

/// How long its control program may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// The programs that speak BGP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Software {
    Netwright,
    Frr,
    Bird,
    Gobgp,
    Exabgp,
}

impl Software {
    pub const PEERS: [Self; 4] = [Self::Frr, Self::Bird, Self::Gobgp, Self::Exabgp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Netwright => "netwright",
            Self::Frr => "FRR",
            Self::Bird => "BIRD",
            Self::Gobgp => "GoBGP",
            Self::Exabgp => "ExaBGP",
        }
    }

    /// Whether it keeps and passes on routes of a family. ExaBGP has no RIB.
    pub const fn speaks(self, family: Family) -> bool {
        match self {
            Self::Netwright => true,
            Self::Frr => !matches!(family, Family::RouteTarget),
            Self::Bird => !matches!(
                family,
                Family::Evpn | Family::RouteTarget | Family::Ipv4Labeled | Family::Ipv6Labeled
            ),
            Self::Gobgp => true,
            Self::Exabgp => !matches!(family, Family::RouteTarget),
        }
    }

    /// Whether it passes routes of one neighbour on to another: ExaBGP only tells what it hears.
    pub(super) const fn passes_routes_on(self) -> bool {
        !matches!(self, Self::Exabgp)
    }

    fn program(self) -> &'static dyn Program {
        match self {
            Self::Netwright => &netwright::Netwright,
            Self::Frr => &frr::Frr,
            Self::Bird => &bird::Bird,
            Self::Gobgp => &gobgp::Gobgp,
            Self::Exabgp => &exabgp::Exabgp,
        }
    }
}

impl fmt::Display for Software {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Software {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let all = [Self::Netwright].into_iter().chain(Self::PEERS);
        all.into_iter()
            .find(|software| software.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| format!("no program is called {name}"))
    }
}

/// A router's configuration, as far as all programs share it.
#[derive(Debug, Clone)]
pub struct RouterConfig {
    pub asn: u32,
    pub router_id: Ipv4Addr,
    /// The addresses of its namespace, IPv4 and IPv6.
    pub addresses: [IpAddr; 2],
    pub cluster_id: Option<Ipv4Addr>,
    pub neighbors: Vec<Neighbor>,
    /// FRR: zebra and bfdd too, so that routes reach the kernel. The others need no further process.
    pub kernel: bool,
    /// Lines in the program's own language, after the others.
    pub extra: String,
}

/// A neighbour, as far as all programs share it.
#[derive(Debug, Clone)]
pub struct Neighbor {
    pub address: IpAddr,
    pub asn: u32,
    pub families: Vec<Family>,
    pub passive: bool,
    pub reflector_client: bool,
    pub password: Option<String>,
    /// Add-path, sent and received, for all families.
    pub add_path: bool,
    /// IPv4 routes with IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    pub bfd: bool,
    /// The most prefixes of a family it may send.
    pub max_prefixes: Option<u32>,
    /// Seconds that routes stay as stale (RFC 4724) and then as long-lived stale (RFC 9494) while the other end restarts.
    pub stale: Option<(u16, u32)>,
    /// Lines in the program's own language, where it configures the neighbour: in its block, or in `router bgp`.
    pub extra: String,
}

impl Neighbor {
    pub fn new(address: impl Into<IpAddr>, asn: u32, families: &[Family]) -> Self {
        Self {
            address: address.into(),
            asn,
            families: families.to_vec(),
            passive: false,
            reflector_client: false,
            password: None,
            add_path: false,
            extended_next_hop: false,
            bfd: false,
            max_prefixes: None,
            stale: None,
            extra: String::new(),
        }
    }
}

impl RouterConfig {
    pub fn new(asn: u32, addresses: [IpAddr; 2]) -> Self {
        let router_id = match addresses[0] {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        Self {
            asn,
            router_id,
            addresses,
            cluster_id: None,
            neighbors: Vec::new(),
            kernel: false,
            extra: String::new(),
        }
    }

    /// The own address on the session with a neighbour.
    fn local(&self, neighbor: &Neighbor) -> IpAddr {
        self.addresses[usize::from(neighbor.address.is_ipv6())]
    }

    fn families(&self) -> BTreeSet<Family> {
        let all = self.neighbors.iter().flat_map(|n| n.families.iter());
        all.copied().collect()
    }
}

/// What is particular to a program.
trait Program: Sync {
    /// Its files, by name.
    fn files(&self, config: &RouterConfig, folder: &Path) -> Vec<(&'static str, String)>;

    /// Its processes with their arguments, in the order they are to be started.
    fn processes(&self, config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>>;

    /// The socket by which its later processes find the first one. FRR's daemons look for zebra when they start, and if it is not
    /// there yet, ten seconds later, and then a minute later.
    fn meeting_point(&self, _config: &RouterConfig, _folder: &Path) -> Option<PathBuf> {
        None
    }

    /// Its own command line for control, to which a command's words are added.
    fn control(&self, folder: &Path) -> Vec<String>;

    /// The neighbours whose sessions are established.
    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>>;

    /// The routes of a family it has, with what it tells about each.
    fn routes(&self, router: &Router, family: Family) -> Result<Routes>;

    /// All it tells about one route, as text; `name` is how the program writes it.
    fn detail(&self, router: &Router, family: Family, name: &str) -> Result<String> {
        let routes = self.routes(router, family)?;
        Ok(routes.get(name).map(Value::to_string).unwrap_or_default())
    }

    /// Whether it listens; ExaBGP does only for neighbours that call.
    fn listens(&self, _config: &RouterConfig) -> bool {
        true
    }
}

/// What a router tells about its routes: the key is the route as the program writes it, `RD route` where there is an RD.
pub type Routes = BTreeMap<String, Value>;

/// A running router; its processes and namespace end with it.
pub struct Router {
    software: Software,
    config: RouterConfig,
    daemons: Vec<Daemon>,
    folder: tempfile::TempDir,
    namespace: Namespace,
}

impl Router {
    /// Starts the program in a namespace and waits until it accepts sessions.
    pub fn start(software: Software, namespace: Namespace, config: RouterConfig) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("netwright-bgp").tempdir()?;
        let mut router = Self {
            software,
            config,
            daemons: Vec::new(),
            folder,
            namespace,
        };
        router.launch()?;
        Ok(router)
    }

    /// Starts the processes, after [`Self::kill`] again.
    pub fn launch(&mut self) -> Result<()> {
        let program = self.software.program();
        let folder = self.folder.path().to_owned();
        let folder = folder.as_path();
        for (name, text) in program.files(&self.config, folder) {
            std::fs::write(folder.join(name), text)?;
        }
        for process in program.processes(&self.config, folder)? {
            let (name, arguments) = process.split_first().context("a process has a name")?;
            let mut command = self.namespace.command(name);
            command.args(arguments).current_dir(folder);
            let first = self.daemons.is_empty();
            self.daemons
                .push(Daemon::start(&mut command, &folder.join("log"))?);
            if first && let Some(socket) = program.meeting_point(&self.config, folder) {
                self.wait("its first process", START, |_| {
                    Ok(UnixStream::connect(&socket).is_ok())
                })?;
            }
        }
        if program.listens(&self.config) {
            self.wait("it to listen", START, |router| {
                // Some listen only in the family that their neighbours are of.
                let neighbors = &router.config.neighbors;
                let only_ipv6 = neighbors.iter().all(|n| n.address.is_ipv6());
                let own = router.config.addresses[usize::from(only_ipv6)];
                let address = SocketAddr::new(own, PORT);
                router
                    .namespace
                    .enter(|| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())
            })?;
        }
        Ok(())
    }

    pub fn software(&self) -> Software {
        self.software
    }

    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where its files and its log are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Of all its processes.
    pub fn usage(&self) -> Result<Usage> {
        let pids: Vec<u32> = self.daemons.iter().map(Daemon::pid).collect();
        Usage::of(&pids)
    }

    /// Keeps what its processes have of threads now on one processor.
    pub fn keep_on(&self, processor: usize) -> Result<()> {
        let mut pids = self.daemons.iter().map(Daemon::pid);
        pids.try_for_each(|pid| processors::keep(pid, processor))
    }

    /// SIGKILL to all its processes.
    pub fn kill(&mut self) {
        self.daemons.drain(..).for_each(|mut daemon| daemon.kill());
    }

    /// An error if one of its processes has ended.
    pub fn check(&mut self) -> Result<()> {
        for daemon in &mut self.daemons {
            if let Some(how) = daemon.ended() {
                bail!("{} ended: {how}", self.software);
            }
        }
        Ok(())
    }

    /// Runs a command of the program's own control program and returns what it printed. Some wait without end for a daemon that is
    /// no more.
    pub fn control(&self, words: &[&str]) -> Result<String> {
        let line = self.software.program().control(self.folder());
        let mut command = self.namespace.command("timeout");
        command.arg(ANSWER.as_secs().to_string());
        command.args(line).args(words).stdin(Stdio::null());
        finish(&mut command)
    }

    /// Gives ExaBGP a command.
    pub fn tell(&self, command: &str) -> Result<()> {
        let mut pipe = std::fs::File::options()
            .write(true)
            .open(self.folder().join("commands"))?;
        writeln!(pipe, "{command}")?;
        Ok(())
    }

    fn control_json(&self, words: &[&str]) -> Result<Value> {
        let text = self.control(words)?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} answered {words:?} with {text}", self.software))
    }

    pub fn established(&self) -> Result<BTreeSet<IpAddr>> {
        self.software.program().established(self)
    }

    pub fn routes(&self, family: Family) -> Result<Routes> {
        self.software.program().routes(self, family)
    }

    pub fn detail(&self, family: Family, name: &str) -> Result<String> {
        self.software.program().detail(self, family, name)
    }

    /// A signal to all processes of that name, like bfdd.
    pub fn signal(&self, name: &str, signal: Signal) -> Result<()> {
        for daemon in &self.daemons {
            let pid = daemon.pid();
            let running = std::fs::read_to_string(format!("/proc/{pid}/comm"))?;
            if running.trim() == name {
                kill(Pid::from_raw(i32::try_from(pid)?), signal)?;
            }
        }
        Ok(())
    }

    /// Asks until `holds`; the error tells what was waited for, the last answer and the end of the log.
    pub fn wait(
        &mut self,
        what: &str,
        timeout: Duration,
        mut holds: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        let started = Instant::now();
        loop {
            self.check()?;
            let answer = holds(self);
            if matches!(answer, Ok(true)) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < timeout,
                "{}: waited in vain for {what}: {answer:?}\n{}",
                self.software,
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.kill();
    }
}

fn finish(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{out}{err}",
        output.status
    );
    Ok(out)
}

/// Words as owned strings.
fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
