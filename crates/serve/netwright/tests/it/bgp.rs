//! `netwright bgp` as an operator uses it: the daemon and its commands, with their exit codes.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A daemon on loopback without neighbours; killed on drop.
struct Bgp {
    process: Child,
    directory: TempDir,
}

fn netwright() -> Command {
    Command::new(env!("CARGO_BIN_EXE_netwright"))
}

fn config(more: &str) -> String {
    // An address of its own on loopback, so that no port has to be guessed.
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let own = NEXT.fetch_add(1, Ordering::Relaxed);
    let address = std::net::Ipv4Addr::new(127, high.max(1), low, own);
    format!(
        "[global]\nasn = 65001\nrouter-id = \"10.0.0.1\"\nlisten = [\"{address}\"]\nport = 1790\n\
         [[networks]]\nprefix = \"203.0.113.0/24\"\n{more}"
    )
}

impl Bgp {
    fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        std::fs::write(directory.path().join("bgp.toml"), config("")).expect("write");
        let process = netwright()
            .args(["--log", "warn", "bgp", "run", "--config"])
            .arg(directory.path().join("bgp.toml"))
            .arg("--state-dir")
            .arg(directory.path().join("state"))
            .arg("--socket")
            .arg(directory.path().join("bgp.sock"))
            .spawn()
            .expect("netwright starts");
        let bgp = Self { process, directory };
        let started = Instant::now();
        while std::os::unix::net::UnixStream::connect(bgp.socket()).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "no answer");
            std::thread::yield_now();
        }
        bgp
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn socket(&self) -> PathBuf {
        self.path().join("bgp.sock")
    }

    /// Runs a command: its exit code and what it printed.
    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = netwright();
        command
            .arg("bgp")
            .args(arguments)
            .arg("--socket")
            .arg(self.socket());
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().expect("netwright runs");
        let shown = if status.success() || status.code() == Some(3) {
            stdout
        } else {
            stderr
        };
        (status.code(), String::from_utf8_lossy(&shown).into_owned())
    }
}

impl Drop for Bgp {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[test]
fn the_commands_show_change_and_explain() {
    let bgp = Bgp::start();
    let (code, summary) = bgp.ask(&["summary"]);
    assert!(code == Some(0) && summary.contains("AS 65001"), "{summary}");
    assert_eq!(
        bgp.ask(&["rib", "-o", "name"]),
        (Some(0), "203.0.113.0/24\n".to_owned())
    );
    let announce = [
        "announce",
        "198.51.100.0/24",
        "--community",
        "65000:1",
        "--med",
        "7",
    ];
    assert_eq!(bgp.ask(&announce).0, Some(0));
    let (code, shown) = bgp.ask(&["route", "198.51.100.9"]);
    assert!(
        code == Some(0) && shown.contains("MED 7") && shown.contains("65000:1"),
        "{shown}"
    );
    let (_, wide) = bgp.ask(&["rib", "ipv4-unicast", "-o", "wide"]);
    assert!(
        wide.contains("65000:1") && wide.contains("203.0.113.0/24"),
        "{wide}"
    );
    assert_eq!(bgp.ask(&["withdraw", "198.51.100.0/24"]).0, Some(0));
    assert_eq!(bgp.ask(&["route", "198.51.100.0/24"]).0, Some(3));
    let (code, error) = bgp.ask(&["rib", "ipx"]);
    assert!(
        code == Some(1) && error.contains("'ipx' is no family"),
        "{error}"
    );
    let (code, error) = bgp.ask(&["neighbors", "192.0.2.9"]);
    assert!(
        code == Some(1) && error.contains("no neighbour 192.0.2.9"),
        "{error}"
    );
}

#[test]
fn a_reload_is_shown_before_it_is_made() {
    let bgp = Bgp::start();
    let file = bgp.path().join("bgp.toml");
    let text = std::fs::read_to_string(&file).expect("the configuration");
    let more = "[[networks]]\nprefix = \"198.51.100.0/24\"\n";
    std::fs::write(&file, text.clone() + more).expect("write");
    let (code, shown) = bgp.ask(&["reload", "--dry-run"]);
    assert!(code == Some(3) && shown.contains("networks"), "{shown}");
    assert_eq!(bgp.ask(&["route", "198.51.100.0/24"]).0, Some(3));
    assert_eq!(bgp.ask(&["reload"]).0, Some(0));
    assert_eq!(bgp.ask(&["route", "198.51.100.0/24"]).0, Some(0));
    assert_eq!(
        bgp.ask(&["reload", "--dry-run"]),
        (Some(0), "nothing changes\n".to_owned())
    );
    std::fs::write(&file, text + "[global.timers]\n").expect("write");
    let (code, error) = bgp.ask(&["reload"]);
    assert!(code == Some(1) && error.contains("line 8"), "{error}");
}

#[test]
fn check_names_every_fault_and_a_stop_is_in_order() {
    let mut bgp = Bgp::start();
    let bad = bgp.path().join("bad.toml");
    std::fs::write(&bad, "[global]\nasn = 0\nrouter-id = \"x\"\n").expect("write");
    let checked = netwright()
        .args(["bgp", "check"])
        .arg(&bad)
        .output()
        .expect("netwright runs");
    let error = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        error.contains("line 2") && error.contains("line 3"),
        "{error}"
    );
    let pid = nix::unistd::Pid::from_raw(bgp.process.id().try_into().expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
    assert!(bgp.process.wait().expect("an end").success());
    assert!(!bgp.socket().exists(), "the socket is left behind");
    let (code, error) = bgp.ask(&["summary"]);
    assert!(
        code == Some(1) && error.contains("is the BGP daemon up"),
        "{error}"
    );
}
