//! Daemons in network namespaces of this machine, joined by veth pairs. Whatever was made is removed when the test ends,
//! well or not.

use bgp_daemon::{Daemon, Error, Settings};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// Polls what nobody announces.
pub(crate) fn until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

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

/// A network namespace.
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
        let name = format!("nwbgp{}-{number}-{role}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name])).expect("a namespace");
        let netns = Self { name };
        netns.must("ip link set lo up");
        // Tests wait for carriers, not for duplicate address detection.
        netns.must("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0 net.ipv4.ip_forward=1");
        netns
    }

    /// A command line in the namespace; words are separated by spaces.
    pub(crate) fn exec(&self, line: &str) -> Result<String, String> {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(line.split_whitespace());
        run(&mut command)
    }

    pub(crate) fn must(&self, line: &str) -> String {
        self.exec(line)
            .unwrap_or_else(|problem| panic!("in {}: {problem}", self.name))
    }

    /// Makes a veth pair to another namespace; both ends are up when it returns.
    pub(crate) fn join(&self, name: &str, other: &Self, other_name: &str) {
        self.must(&format!(
            "ip link add {name} type veth peer name {other_name} netns {}",
            other.name
        ));
        self.must(&format!("ip link set {name} up"));
        other.must(&format!("ip link set {other_name} up"));
    }

    /// Runs a closure on a thread inside the namespace.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = self.file();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(file, CloneFlags::CLONE_NEWNET).expect("root");
                work()
            });
            thread.join().expect("no panic")
        })
    }

    fn file(&self) -> File {
        File::open(format!("/run/netns/{}", self.name)).expect("a namespace")
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let _ = run(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// A daemon in a namespace, in a thread of its own.
pub(crate) struct Running {
    directory: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a test wants of a daemon that is still running.
impl Running {
    /// Starts with a configuration; it serves when this returns.
    pub(crate) fn start(netns: &Netns, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::start_in(netns, config, directory)
    }

    /// The same in the directory of an earlier run.
    pub(crate) fn start_in(netns: &Netns, config: &str, directory: tempfile::TempDir) -> Self {
        std::fs::write(directory.path().join("bgp.toml"), config).expect("write");
        let settings = settings(directory.path());
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let file = netns.file();
        let thread = std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).expect("root");
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(async move {
                let deadline = Instant::now() + PATIENCE;
                let daemon = loop {
                    match Daemon::start(settings.clone()).await {
                        Ok(daemon) => break daemon,
                        // A command that another test starts holds our descriptors between fork and exec, those of a
                        // daemon that has just stopped among them.
                        Err(Error::Listen { .. }) if Instant::now() < deadline => {
                            std::thread::yield_now();
                        }
                        Err(error) => {
                            ready.send(Err(error.to_string())).expect("the test waits");
                            return;
                        }
                    }
                };
                ready.send(Ok(())).expect("the test waits");
                // A test that panicked drops the sender, which stops it as well.
                let _ = stopped.await;
                daemon.stop().await.expect("a daemon that stops in order");
            });
        });
        is_ready
            .recv()
            .expect("an answer")
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        settings(self.path()).socket
    }

    /// Writes another configuration and has it read.
    pub(crate) fn reload(&self, config: &str) -> Result<Value, String> {
        std::fs::write(self.path().join("bgp.toml"), config).expect("write");
        self.post("/reload", "{}")
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.request("GET", path, "")
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Result<Value, String> {
        self.request("POST", path, body)
    }

    /// One request; an error answer's message is the error.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let (status, text) = http(&self.socket(), method, &format!("/bgp/v1{path}"), body);
        let answer: Value = serde_json::from_str(&text).map_err(|_| format!("{status}: {text}"))?;
        match status {
            200..300 => Ok(answer),
            _ => Err(answer["error"]["message"]
                .as_str()
                .unwrap_or(&text)
                .to_owned()),
        }
    }

    pub(crate) fn neighbor(&self, name: &str) -> Value {
        self.get(&format!("/neighbors/{}", name.replace('%', "%25")))
    }

    /// Waits until a neighbour's session is up.
    pub(crate) fn wait_up(&self, name: &str) {
        until(&format!("the session with {name}"), || {
            let answer = self.request(
                "GET",
                &format!("/neighbors/{}", name.replace('%', "%25")),
                "",
            );
            (answer.ok()?["state"] == "established").then_some(())
        });
    }

    /// The paths of a family that are in use, once there are so many.
    pub(crate) fn wait_routes(&self, query: &str, count: usize) -> Vec<Value> {
        let mut seen = 0;
        until(&format!("{count} routes of {query}"), || {
            let answer = self.get(&format!("/rib?limit=1000&{query}"));
            let routes = answer["routes"].as_array().expect("routes").clone();
            if routes.len() != seen {
                seen = routes.len();
            }
            (routes.len() == count).then_some(routes)
        })
    }

    /// Ends it in order, and keeps its directory.
    pub(crate) fn stop(mut self) -> tempfile::TempDir {
        self.end();
        std::mem::replace(
            &mut self.directory,
            tempfile::tempdir().expect("a directory"),
        )
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(
                ended.is_ok() || std::thread::panicking(),
                "the daemon's thread panicked"
            );
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) fn settings(directory: &Path) -> Settings {
    Settings {
        config: directory.join("bgp.toml"),
        state_dir: directory.join("state"),
        socket: directory.join("bgp.sock"),
    }
}

/// One request over a Unix socket: the status and the body.
pub(crate) fn http(socket: &Path, method: &str, path: &str, body: &str) -> (u16, String) {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).expect("the daemon's socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(head.as_bytes()).expect("write");
    stream.write_all(body.as_bytes()).expect("write");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    parse(&answer)
}

fn parse(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        dechunk(body)
    } else {
        body.to_owned()
    };
    (status.expect("a status"), body)
}

fn dechunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        if length == 0 {
            break;
        }
        whole.push_str(&rest[..length]);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// Reads what there is; a signal to the process is no end.
pub(crate) fn read(stream: &mut impl Read, buffer: &mut [u8], what: &str) -> usize {
    loop {
        match stream.read(buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            outcome => return outcome.unwrap_or_else(|error| panic!("{what}: {error}")),
        }
    }
}
