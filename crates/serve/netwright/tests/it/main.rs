//! The binary as an operator runs it: starting, stopping, refusing, and being killed.

mod bgp;
mod map;
mod mtls;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long something may take that must happen; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `netwright up` on free ports; killed on drop.
struct Up {
    process: Child,
    api: SocketAddr,
}

impl Up {
    fn start(data: &Path) -> Self {
        let path = data.with_extension("log");
        let log = File::create(&path).expect("a log");
        let mut process = command(data).stderr(log).spawn().expect("netwright starts");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = std::fs::read_to_string(&path).expect("a log");
            if let Some(api) = told_address(&log) {
                return Self { process, api };
            }
            if let Some(status) = process.try_wait().expect("a status") {
                panic!("netwright up ended: {status}\n{log}");
            }
            assert!(Instant::now() < deadline, "it does not come up:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Status line and body of a request.
    fn request(&self, method: &str, path: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.api).expect("a connection");
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: netwright\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (
            head.lines().next().unwrap_or_default().to_owned(),
            body.to_owned(),
        )
    }

    /// An event stream, past its head.
    fn follow(&self, path: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.api).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: netwright\r\n\r\n").expect("a request");
        BufReader::new(stream)
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.process.id().try_into().expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("a signal");
    }

    fn wait(mut self) -> ExitStatus {
        self.process.wait().expect("an end")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Where the log says that the API is.
fn told_address(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("url=http://")?;
    let (address, _) = rest.split_once('/')?;
    Some(address.parse().expect("an address in the log"))
}

/// `netwright up` on ports that the kernel chooses.
fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
    command.args(["up", "--auth", "none"]);
    for flag in ["--listen", "--agents-listen", "--metrics-listen"] {
        command.args([flag, "127.0.0.1:0"]);
    }
    command
        .arg("--data-dir")
        .arg(data)
        .env_remove("NETWRIGHT_CONFIG")
        .stdout(Stdio::null());
    command
}

fn netwright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_netwright"))
        .args(args)
        .output()
        .expect("netwright runs")
}

fn scratch() -> (TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    let data = dir.path().join("data");
    (dir, data)
}

#[test]
fn the_cloud_it_runs_is_on_the_map_by_itself() {
    const MAP: &str = "/netwright/v1/topology";
    let (_dir, data) = scratch();
    let up = Up::start(&data);
    let mut events = up.follow(&format!("{MAP}/events?environment=local"));
    let (status, body) = up.request("POST", "/v2.0/networks", r#"{"network": {"name": "red"}}"#);
    assert!(status.contains("201"), "{status}: {body}");
    let objects = format!("{MAP}/environments/local/objects?type=network");
    while !up.request("GET", &objects, "").1.contains("\"red\"") {
        // Something happened, or the stream is kept alive.
        let mut line = String::new();
        let read = events.read_line(&mut line).expect("an event in time");
        assert!(
            read > 0,
            "the stream ended before the network was on the map"
        );
    }
    let (_, body) = up.request("GET", &format!("{MAP}/environments/local"), "");
    assert!(body.contains(r#""own":true"#), "{body}");
    let scan = r#"{"environment": "local"}"#;
    let (status, body) = up.request("POST", &format!("{MAP}/scans"), scan);
    assert!(status.contains("409"), "{status}: {body}");
}

#[test]
fn what_was_answered_survives_a_kill() {
    let (_dir, data) = scratch();
    let up = Up::start(&data);
    let (status, body) = up.request("POST", "/v2.0/networks", r#"{"network": {"name": "kept"}}"#);
    assert!(status.contains("201"), "{status}: {body}");
    up.signal(nix::sys::signal::Signal::SIGKILL);
    up.wait();

    let up = Up::start(&data);
    let (status, body) = up.request("GET", "/v2.0/networks?name=kept", "");
    assert!(
        status.contains("200") && body.contains("kept"),
        "{status}: {body}"
    );
}

#[test]
fn a_second_instance_on_the_same_data_is_refused() {
    let (_dir, data) = scratch();
    let up = Up::start(&data);
    let second = command(&data).output().expect("netwright runs");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&up.process.id().to_string()),
        "the holder's pid is not in: {said}"
    );
}

#[test]
fn sigterm_ends_it_in_order() {
    let (_dir, data) = scratch();
    let up = Up::start(&data);
    up.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(up.wait().code(), Some(0));
}

#[test]
fn an_event_stream_does_not_hold_up_the_end() {
    let (_dir, data) = scratch();
    let up = Up::start(&data);
    let mut stream = TcpStream::connect(up.api).expect("a connection");
    write!(
        stream,
        "GET /netwright/v1/events HTTP/1.1\r\nhost: netwright\r\n\r\n"
    )
    .expect("a request");
    let mut first = [0; 15];
    stream.read_exact(&mut first).expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    up.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(up.wait().code(), Some(0));
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    let (dir, _) = scratch();
    let config = dir.path().join("netwright.toml");
    let path = config.to_string_lossy().into_owned();
    for (text, named) in [
        ("[api]\nlisten = \"0.0.0.0\"\n", "line 2"),
        (
            "[api]\nlisten = \"0.0.0.0:0\"\n[auth]\nmode = \"none\"\n",
            "loopback",
        ),
        (
            "[network]\nmtu = 1500\nmax_mtu = 1400\n",
            "network.mtu 1500",
        ),
        (
            "[network]\nvni_min = 500\nvni_max = 400\n",
            "network.vni_min 500",
        ),
    ] {
        std::fs::write(&config, text).expect("a file");
        let refused = netwright(&["up", "--config", &path]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{text}: {said}");
        assert!(said.contains(named), "{text}: {said}");
    }
}

#[test]
fn a_log_filter_that_means_nothing_is_refused() {
    let refused = netwright(&["--log", "api=loud", "status"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("api=loud"), "{said}");
}

#[test]
fn commands_without_their_peer_say_what_is_missing() {
    let asked = netwright(&["status", "--url", "http://127.0.0.1:1"]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        !asked.status.success() && said.contains("is the controller up?"),
        "{said}"
    );

    let asked = netwright(&["agent", "status", "--state-dir", "/nonexistent/netwright"]);
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(
        !asked.status.success() && said.contains("/nonexistent/netwright"),
        "{said}"
    );
}

/// A small file system of its own, so that it can be full.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = tempfile::tempdir().expect("a scratch folder");
        let options = Some("size=1m");
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("tmpfs"), dir.path(), Some("tmpfs"), flags, options)
            .expect("a tmpfs");
        Self(dir)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH).ok();
    }
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: mounting a tmpfs needs root");
        return;
    }
    let disk = SmallDisk::mount();
    let filler = disk.0.path().join("filler");
    std::fs::write(&filler, vec![0; 800 << 10]).expect("room for the filler");
    let (_dir, data) = scratch();
    std::os::unix::fs::symlink(disk.0.path().join("data"), &data).expect("a link");
    std::fs::create_dir(disk.0.path().join("data")).expect("a folder");
    let up = Up::start(&data);

    let create = |up: &Up| {
        let body = format!(
            r#"{{"network": {{"name": "n", "description": "{}"}}}}"#,
            "x".repeat(200)
        );
        up.request("POST", "/v2.0/networks", &body)
    };
    let mut made = 0;
    let refused = loop {
        let (status, body) = create(&up);
        if !status.contains("201") {
            break format!("{status}: {body}");
        }
        made += 1;
        assert!(made < 5_000, "the disk does not fill up");
    };
    assert!(refused.contains("No space left on device"), "{refused}");
    let (_, listed) = up.request("GET", "/v2.0/networks?fields=id", "");
    assert_eq!(listed.matches("\"id\"").count(), made, "{listed}");

    std::fs::remove_file(&filler).expect("the filler goes");
    let (status, body) = create(&up);
    assert!(status.contains("201"), "{status}: {body}");
}
