//! A running cloud: one controller and two hosts with their agents.

use super::process::{Daemon, ip, run};
use super::{Api, Namespace};
use anyhow::{Context, Result, bail, ensure};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// One of the two hosts of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostName {
    One,
    Two,
}

impl HostName {
    pub const BOTH: [HostName; 2] = [HostName::One, HostName::Two];

    /// As `binding:host_id` names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::One => "host-1",
            Self::Two => "host-2",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// The host's address on the underlay (TEST-NET-1, RFC 5737).
    pub fn tunnel_address(self) -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, self.number())
    }
}

/// How a lab's cloud is made.
#[derive(Debug, Clone)]
pub struct CloudOptions {
    /// Where API and console listen, on loopback; at an address of the lab's own if not given.
    pub api: Option<SocketAddr>,
    /// MTU of the link between the hosts.
    pub underlay_mtu: u16,
}

impl Default for CloudOptions {
    fn default() -> Self {
        Self {
            api: None,
            underlay_mtu: 1500,
        }
    }
}

struct Host {
    name: HostName,
    namespace: Namespace,
    agent: Option<Daemon>,
}

/// A controller in the root namespace and two hosts; everything is gone on drop.
pub struct Cloud {
    controller: Option<Daemon>,
    hosts: [Host; 2],
    scratch: PathBuf,
    bridge: String,
    netwright: PathBuf,
    api: SocketAddr,
    agents: SocketAddr,
}

impl Cloud {
    /// Starts controller and agents and waits until the API lists both agents as alive.
    pub async fn start(options: CloudOptions) -> Result<Self> {
        let mut cloud = Self::build(&options)?;
        cloud.start_controller()?;
        for host in HostName::BOTH {
            cloud.start_agent(host)?;
        }
        cloud.wait_for_agents().await?;
        Ok(cloud)
    }

    fn build(options: &CloudOptions) -> Result<Self> {
        let pid = std::process::id();
        let netwright = std::env::current_exe()?.with_file_name("netwright");
        ensure!(netwright.exists(), "{} is not built", netwright.display());
        // No dots: names under bpffs may not have them.
        let scratch = PathBuf::from(format!("/run/netwright-lab-{pid}"));
        std::fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot make {}", scratch.display()))?;
        let hosts = [Self::host(HostName::One)?, Self::host(HostName::Two)?];
        let management = Ipv4Addr::new(198, 18, (pid % 250) as u8, 254);
        let cloud = Self {
            controller: None,
            hosts,
            scratch,
            bridge: format!("nwm{pid}"),
            netwright,
            api: free(options.api.unwrap_or((own_loopback(), 9696).into()))?,
            agents: (management, 9697).into(),
        };
        cloud.connect_management(management)?;
        cloud.connect_underlay(options.underlay_mtu)?;
        Ok(cloud)
    }

    fn host(name: HostName) -> Result<Host> {
        let namespace = Namespace::create(format!("nw{}h{}", std::process::id(), name.number()))?;
        Ok(Host {
            name,
            namespace,
            agent: None,
        })
    }

    /// The way from the controller to the agents: a bridge with RFC 2544 addresses.
    fn connect_management(&self, controller: Ipv4Addr) -> Result<()> {
        let bridge = self.bridge.as_str();
        ip(
            None,
            &format!(
                "link add {bridge} type bridge\n\
                 addr add {controller}/24 dev {bridge}\n\
                 link set {bridge} up\n"
            ),
        )?;
        let [a, b, c, _] = controller.octets();
        for host in &self.hosts {
            let (number, netns) = (host.name.number(), host.namespace.name());
            ip(
                None,
                &format!(
                    "link add {bridge}-{number} type veth peer name mgmt netns {netns}\n\
                     link set {bridge}-{number} master {bridge} up\n"
                ),
            )?;
            let address = format!("addr add {a}.{b}.{c}.{number}/24 dev mgmt\nlink set mgmt up\n");
            ip(Some(&host.namespace), &address)?;
        }
        Ok(())
    }

    /// The way between the hosts.
    fn connect_underlay(&self, mtu: u16) -> Result<()> {
        let [one, two] = &self.hosts;
        let peer = two.namespace.name();
        let veth = format!(
            "link add underlay mtu {mtu} type veth peer name underlay mtu {mtu} netns {peer}\n"
        );
        ip(Some(&one.namespace), &veth)?;
        for host in &self.hosts {
            let address = host.name.tunnel_address();
            let up = format!("addr add {address}/24 dev underlay\nlink set underlay up\n");
            ip(Some(&host.namespace), &up)?;
        }
        Ok(())
    }

    /// Where the API and the console are.
    pub fn url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub fn api(&self, project: &str) -> Result<Api> {
        Api::new(&self.url(), project)
    }

    /// Files of this lab: data, state, logs.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    pub fn namespace(&self, host: HostName) -> &Namespace {
        &self.hosts[usize::from(host.number()) - 1].namespace
    }

    pub fn agent_pid(&self, host: HostName) -> Option<u32> {
        self.hosts[usize::from(host.number()) - 1]
            .agent
            .as_ref()
            .map(Daemon::pid)
    }

    /// The `netwright` command as an operator on that host would run it.
    pub fn netwright_in(&self, host: HostName) -> Command {
        let mut command = self
            .namespace(host)
            .command(&self.netwright.to_string_lossy());
        command.env("NETWRIGHT_STATE_DIR", self.state_dir(host));
        command.env("NETWRIGHT_BPF_DIR", self.bpf_dir(host));
        command
    }

    /// The `netwright` command beside the controller.
    pub fn netwright(&self) -> Command {
        let mut command = Command::new(&self.netwright);
        command.env("NETWRIGHT_URL", self.url());
        command
    }

    pub fn state_dir(&self, host: HostName) -> PathBuf {
        self.scratch.join(host.as_str())
    }

    fn bpf_dir(&self, host: HostName) -> PathBuf {
        self.scratch.join(format!("bpf-{}", host.as_str()))
    }

    pub fn start_controller(&mut self) -> Result<()> {
        let mut command = self.netwright();
        command
            .args(["up", "--auth", "none", "--metrics-listen", "127.0.0.1:0"])
            .args([
                "--listen",
                &self.api.to_string(),
                "--agents-listen",
                &self.agents.to_string(),
            ])
            .arg("--data-dir")
            .arg(self.scratch.join("data"));
        self.controller = Some(Daemon::start(
            &mut command,
            &self.scratch.join("controller.log"),
        )?);
        Ok(())
    }

    pub fn start_agent(&mut self, host: HostName) -> Result<()> {
        let mut command = self.netwright_in(host);
        command
            .args([
                "host-agent",
                "--host",
                host.as_str(),
                "--metrics-listen",
                "127.0.0.1:9698",
            ])
            .args(["--controller", &format!("http://{}", self.agents)])
            .args(["--tunnel-address", &host.tunnel_address().to_string()]);
        let log = self.scratch.join(format!("{}.log", host.as_str()));
        self.hosts[usize::from(host.number()) - 1].agent = Some(Daemon::start(&mut command, &log)?);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_controller(&mut self) {
        self.controller = None;
    }

    /// SIGKILL.
    pub fn kill_agent(&mut self, host: HostName) {
        self.hosts[usize::from(host.number()) - 1].agent = None;
    }

    /// Waits until both agents are alive and current in the API's eyes.
    pub async fn wait_for_agents(&mut self) -> Result<()> {
        let api = self.api("admin")?;
        let started = Instant::now();
        loop {
            self.check_daemons()?;
            if let Ok(answer) = api.get("/netwright/v1/hosts").await {
                let current = |host: &&serde_json::Value| host["state"] == "up" && host["lag"] == 0;
                let hosts = answer["hosts"].as_array().cloned().unwrap_or_default();
                if hosts.iter().filter(current).count() == self.hosts.len() {
                    return Ok(());
                }
            }
            if started.elapsed() > Duration::from_secs(30) {
                bail!(
                    "the agents did not connect within 30 s; logs are in {}",
                    self.keep_logs()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn check_daemons(&mut self) -> Result<()> {
        if let Some(ended) = self.controller.as_mut().and_then(Daemon::ended) {
            bail!("the controller ended: {ended}");
        }
        for host in &mut self.hosts {
            if let Some(ended) = host.agent.as_mut().and_then(Daemon::ended) {
                bail!("the agent of {} ended: {ended}", host.name.as_str());
            }
        }
        Ok(())
    }

    /// Copies the logs to where they outlive the lab.
    pub fn keep_logs(&self) -> String {
        let kept = std::env::temp_dir().join(format!("netwright-lab-{}-logs", std::process::id()));
        std::fs::create_dir_all(&kept).ok();
        for entry in self.scratch.read_dir().into_iter().flatten().flatten() {
            if entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "log")
            {
                std::fs::copy(entry.path(), kept.join(entry.file_name())).ok();
            }
        }
        kept.display().to_string()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.kill_controller();
        for host in HostName::BOTH {
            self.kill_agent(host);
            Command::new("umount")
                .arg("-q")
                .arg(self.bpf_dir(host))
                .output()
                .ok();
        }
        // The kernel takes its time with what is in a deleted namespace; the names must be free at once.
        for device in HostName::BOTH.map(|host| format!("{}-{}", self.bridge, host.number())) {
            run("ip", &["link", "del", &device]).ok();
        }
        run("ip", &["link", "del", &self.bridge]).ok();
        std::fs::remove_dir_all(&self.scratch).ok();
    }
}

/// The address, if nothing listens there.
fn free(address: SocketAddr) -> Result<SocketAddr> {
    TcpListener::bind(address)
        .with_context(|| format!("{address} is in use; stop what listens there"))?;
    Ok(address)
}

/// A loopback address with the process id in it: nobody else takes its ports, not even while the lab's server is down.
pub(crate) fn own_loopback() -> Ipv4Addr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    // Process ids have 22 bits.
    Ipv4Addr::new(127, 64 | b, c, d)
}
