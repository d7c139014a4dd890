//! Hosts and workloads as network namespaces on this machine, agents as processes in them. Names are unique, and
//! whatever was made is removed when the test ends, well or not.

use crate::cloud::{Cloud, host};
use crate::controller::Controller;
use host_agent::{Dump, Plug, Status, control};
use model::HostName;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use plan::Endpoint;
use std::fs::{self, File};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Polls what nobody announces.
pub(crate) fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs a command to its end; the answer is its output, if it succeeded.
fn run(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("a command that exists");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match status.success() {
        true => Ok(text(&stdout)),
        false => Err(format!(
            "{command:?}: {status}: {}{}",
            text(&stdout),
            text(&stderr)
        )),
    }
}

pub(crate) struct Netns {
    pub(crate) name: String,
}

impl Netns {
    pub(crate) fn new(role: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make network namespaces: run them as root"
        );
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("nw{}-{number}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name])).expect("a namespace");
        let netns = Self { name };
        netns.must("ip link set lo up");
        // Tests wait for carriers, not for duplicate address detection.
        netns.must(
            "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0",
        );
        netns
    }

    /// A command line in the namespace; words are separated by spaces.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(line.split_whitespace());
        command
    }

    pub(crate) fn exec(&self, line: &str) -> Result<String, String> {
        run(&mut self.command(line))
    }

    pub(crate) fn must(&self, line: &str) -> String {
        self.exec(line)
            .unwrap_or_else(|problem| panic!("in {}: {problem}", self.name))
    }

    /// Runs a closure on a thread inside the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("a namespace");
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(file, CloneFlags::CLONE_NEWNET).expect("root");
                work()
            });
            thread.join().expect("no panic")
        })
    }

    /// True if one of three pings is answered.
    pub(crate) fn reaches(&self, address: impl ToString) -> bool {
        self.exec(&format!("ping -n -c 3 -i 0.2 -W 1 {}", address.to_string()))
            .is_ok()
    }

    /// False if none of two pings is answered; for what must not be reachable.
    pub(crate) fn leaks_to(&self, address: impl ToString) -> bool {
        self.exec(&format!(
            "ping -n -c 2 -i 0.1 -W 0.3 {}",
            address.to_string()
        ))
        .is_ok()
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// A workload plugged into its port.
pub(crate) struct Workload {
    pub(crate) netns: Netns,
    pub(crate) endpoint: Endpoint,
}

impl Workload {
    /// Gives the interface the port's addresses by hand.
    pub(crate) fn configure(&self) {
        for address in &self.endpoint.addresses {
            let (length, nodad) = match address.address {
                IpAddr::V4(_) => (24, ""),
                IpAddr::V6(_) => (64, "nodad"),
            };
            self.netns.must(&format!(
                "ip address replace {}/{length} dev eth0 {nodad}",
                address.address
            ));
        }
    }

    pub(crate) fn v4(&self) -> IpAddr {
        self.endpoint.addresses[0].address
    }

    pub(crate) fn v6(&self) -> IpAddr {
        self.endpoint.addresses[1].address
    }
}

/// A host with its agent.
pub(crate) struct Host {
    pub(crate) name: HostName,
    pub(crate) netns: Netns,
    pub(crate) address: IpAddr,
    pub(crate) dir: tempfile::TempDir,
    agent: Option<Child>,
    /// The size of the maps, if not the usual one.
    pub(crate) rows: Option<u32>,
}

impl Host {
    fn new(name: &str, address: IpAddr) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("netwright-")
            .tempdir()
            .expect("a directory");
        Self {
            name: host(name),
            netns: Netns::new(name),
            address,
            dir,
            agent: None,
            rows: None,
        }
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn pin_dir(&self) -> PathBuf {
        self.dir.path().join("bpf")
    }

    pub(crate) fn config(&self, controllers: Vec<String>) -> host_agent::Config {
        let mut config = host_agent::Config::new(
            self.name.clone(),
            self.address,
            self.state_dir(),
            self.pin_dir(),
        );
        config.controllers = controllers;
        config
    }

    /// Starts an agent as a process of its own and waits until it stands.
    pub(crate) fn start(&mut self, controllers: &[String]) {
        assert!(self.agent.is_none(), "the agent of {} runs", self.name);
        let program = std::env::current_exe().expect("a path");
        let child = self
            .netns
            .command(&format!(
                "{} agent_process --exact --nocapture",
                program.display()
            ))
            .env("NETWRIGHT_TEST_AGENT_HOST", self.name.as_str())
            .env("NETWRIGHT_TEST_AGENT_ADDRESS", self.address.to_string())
            .env("NETWRIGHT_TEST_AGENT_DIR", self.dir.path())
            .env("NETWRIGHT_TEST_AGENT_CONTROLLERS", controllers.join(" "))
            .envs(
                self.rows
                    .map(|rows| ("NETWRIGHT_TEST_AGENT_ROWS", rows.to_string())),
            )
            .stdin(Stdio::null())
            .spawn()
            .expect("a process");
        let child = self.agent.insert(child);
        let pid = child.id();
        let state_dir = self.dir.path().join("state");
        until("the agent answers", || {
            if let Some(status) = child.try_wait().expect("a process") {
                panic!("the agent ended: {status}");
            }
            let holder = fs::read_to_string(state_dir.join("lock")).ok()?;
            if holder.trim() != pid.to_string() {
                return None;
            }
            block_on(control::status(&state_dir)).ok()
        });
    }

    fn try_status(&self) -> Option<Status> {
        block_on(control::status(&self.state_dir())).ok()
    }

    pub(crate) fn status(&self) -> Status {
        self.try_status().expect("an agent that answers")
    }

    pub(crate) fn dump(&self) -> Dump {
        block_on(control::dump(&self.state_dir())).expect("an agent that answers")
    }

    /// Waits until the agent's own status is as wanted.
    pub(crate) fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        until(what, || self.try_status().filter(&wanted))
    }

    pub(crate) fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&mut self, signal: Signal) {
        if let Some(mut agent) = self.agent.take() {
            let pid = Pid::from_raw(agent.id().try_into().expect("a process id"));
            kill(pid, signal).expect("a process");
            agent.wait().expect("a process");
        }
    }

    /// What a reboot leaves: the disk, and nothing in the kernel.
    pub(crate) fn forget_kernel(&self) {
        let links = self.netns.must("ip -o link show");
        for device in links.lines().filter_map(|line| line.split(": ").nth(1)) {
            let device = device.split('@').next().unwrap_or(device);
            if device.starts_with("tap") {
                self.netns
                    .must(&format!("tc qdisc del dev {device} clsact"));
                self.netns.must(&format!("ip link set {device} down"));
            }
        }
        self.netns.must("ip link del nw-vxlan");
        unmount(&self.pin_dir());
    }

    /// Plugs a workload into a port of this host.
    pub(crate) fn plug(&self, endpoint: &Endpoint) -> Workload {
        let workload = Workload {
            netns: Netns::new("w"),
            endpoint: endpoint.clone(),
        };
        self.plug_into(&workload);
        workload
    }

    pub(crate) fn plug_into(&self, workload: &Workload) {
        let plug = Plug {
            port: workload.endpoint.port,
            netns: workload.netns.name.clone(),
            mac: workload.endpoint.mac,
            mtu: model::Mtu::DEFAULT,
            interface: "eth0".into(),
        };
        self.netns
            .inside(|| host_agent::plug(&plug))
            .expect("plugged");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill();
        unmount(&self.pin_dir());
    }
}

fn unmount(dir: &Path) {
    let _ = nix::mount::umount2(dir, nix::mount::MntFlags::MNT_DETACH);
}

/// Two hosts joined by a wire, and a controller on the first one.
pub(crate) struct Lab {
    pub(crate) one: Host,
    pub(crate) two: Host,
    pub(crate) controller: Controller,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let one = Host::new("one", [192, 0, 2, 1].into());
        let two = Host::new("two", [192, 0, 2, 2].into());
        // Room for what VXLAN adds to an MTU of 1450.
        one.netns.must(&format!(
            "ip link add underlay mtu 1500 type veth peer name underlay mtu 1500 netns {}",
            two.netns.name
        ));
        for host in [&one, &two] {
            host.netns
                .must(&format!("ip address add {}/24 dev underlay", host.address));
            host.netns.must("ip link set underlay up");
        }
        let listener = one
            .netns
            .inside(|| TcpListener::bind("192.0.2.1:0"))
            .expect("a port");
        let controller = Controller::start(listener);
        Self {
            one,
            two,
            controller,
        }
    }

    pub(crate) fn start(&mut self) {
        let controllers = [self.controller.uri()];
        self.one.start(&controllers);
        self.two.start(&controllers);
    }

    /// Gives both hosts their plans and waits until they are applied.
    pub(crate) fn apply(&self, cloud: &Cloud) -> u64 {
        let mut newest = 0;
        for host in [&self.one, &self.two] {
            newest = self.controller.set(&host.name, cloud.plan(&host.name));
        }
        for host in [&self.one, &self.two] {
            self.controller
                .until(&host.name, "applied", |heard| heard.applied >= newest);
        }
        newest
    }

    pub(crate) fn cloud(&self) -> Cloud {
        Cloud {
            hosts: vec![
                (self.one.name.clone(), self.one.address),
                (self.two.name.clone(), self.two.address),
            ],
            ..Cloud::default()
        }
    }

    /// Plugs every port of the cloud into its host, in the cloud's order, and waits until they are up.
    pub(crate) fn plug_all(&self, cloud: &Cloud) -> Vec<Workload> {
        let workloads: Vec<Workload> = cloud
            .ports
            .iter()
            .map(|(host, endpoint)| self.host(host).plug(endpoint))
            .collect();
        for (host, endpoint) in &cloud.ports {
            let port = endpoint.port;
            self.controller
                .until(host, "port up", |heard| heard.is_up(port));
        }
        workloads
    }

    pub(crate) fn host(&self, name: &HostName) -> &Host {
        if *name == self.one.name {
            &self.one
        } else {
            &self.two
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}
