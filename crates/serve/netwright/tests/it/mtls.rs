//! Agents and controllers that know each other by certificate, both as processes in a network namespace of their own.

use crate::netwright;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const TLS: &str = "https://127.0.0.1:9697";
const CONTROLLER: &[&str] = &["--tls-server-name", "controller"];

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Writes NAME.crt and NAME.key for a DNS name.
    fn issue(&self, name: &str, dir: &Path) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        fs::write(dir.join(format!("{name}.crt")), certificate.pem()).expect("written");
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).expect("written");
    }
}

/// A namespace with a controller that wants certificates, and room for an agent.
struct Site {
    dir: tempfile::TempDir,
    netns: String,
    processes: Vec<Child>,
}

impl Site {
    fn new() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "this test makes a network namespace: run it as root"
        );
        let site = Self {
            dir: tempfile::Builder::new()
                .prefix("netwright-")
                .tempdir()
                .expect("a scratch folder"),
            netns: format!("nw{}-mtls", std::process::id()),
            processes: Vec::new(),
        };
        run(Command::new("ip").args(["netns", "add", &site.netns]));
        run(site.inside("ip").args(["link", "set", "lo", "up"]));
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.netns))
            .arg(program)
            .env_remove("NETWRIGHT_CONFIG");
        command
    }

    fn spawn(&mut self, command: &mut Command, log: &str) {
        let log = File::create(self.path(log)).expect("a log");
        let process = command.stdin(Stdio::null()).stderr(log).spawn();
        self.processes.push(process.expect("netwright starts"));
    }

    fn controller(&mut self, authority: &Authority) {
        authority.issue("controller", self.dir.path());
        fs::write(self.path("ca.crt"), authority.0.pem()).expect("written");
        let dir = self.dir.path().display();
        let config = format!(
            "data_dir = \"{dir}/data\"\n[auth]\nmode = \"none\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
             [agents.tls]\ncertificate = \"{dir}/controller.crt\"\nkey = \"{dir}/controller.key\"\n\
             client_ca = \"{dir}/ca.crt\"\n"
        );
        fs::write(self.path("netwright.toml"), config).expect("written");
        let mut up = self.inside(env!("CARGO_BIN_EXE_netwright"));
        up.args(["up", "--config"]).arg(self.path("netwright.toml"));
        self.spawn(&mut up, "up.log");
    }

    /// The agent of h1.
    fn agent(&self, controller: &str) -> Command {
        let mut agent = self.inside(env!("CARGO_BIN_EXE_netwright"));
        agent
            .args([
                "host-agent",
                "--host",
                "h1",
                "--tunnel-address",
                "127.0.0.1",
            ])
            .args([
                "--metrics-listen",
                "127.0.0.1:0",
                "--controller",
                controller,
            ])
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--bpf-dir")
            .arg(self.path("bpf"));
        agent
    }

    /// The agent of h1 with the certificate and the key of these names.
    fn agent_as(&self, name: &str, controller: &str) -> Command {
        let mut agent = self.agent(controller);
        for (flag, file) in [
            ("--tls-ca", "ca.crt".to_owned()),
            ("--tls-certificate", format!("{name}.crt")),
            ("--tls-key", format!("{name}.key")),
        ] {
            agent.arg(flag).arg(self.path(&file));
        }
        agent
    }

    /// Runs an agent until its status says how its connection fares; the answer is that, and how a person sees it.
    fn connection(&mut self, agent: &mut Command) -> (Value, String) {
        self.spawn(agent, "agent.log");
        let state_dir = self.path("state").display().to_string();
        let deadline = Instant::now() + Duration::from_secs(30);
        let seen = loop {
            let asked = netwright(&["agent", "status", "--state-dir", &state_dir, "-o", "json"]);
            let status: Value = serde_json::from_slice(&asked.stdout).unwrap_or_default();
            let connection = &status["connection"];
            if !connection["controller"].is_null() || !connection["error"].is_null() {
                let shown = netwright(&["agent", "status", "--state-dir", &state_dir]);
                break (connection.clone(), said(&shown));
            }
            assert!(Instant::now() < deadline, "no connection: {}", said(&asked));
            std::thread::sleep(Duration::from_millis(20));
        };
        end(&mut self.processes.pop().expect("an agent"));
        seen
    }

    /// An agent that must not even start; what it said.
    fn refusal(&self, agent: &mut Command) -> String {
        let refused = agent.output().expect("netwright runs");
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        said(&refused)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.processes.iter_mut().for_each(end);
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.path("bpf"))
            .output();
        let netns = ["netns", "del", &self.netns];
        let _ = Command::new("ip").args(netns).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("a command that exists");
    assert!(output.status.success(), "{command:?}: {}", said(&output));
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}

fn end(process: &mut Child) {
    process.kill().ok();
    process.wait().ok();
}

#[test]
fn agents_and_controllers_know_each_other_by_certificate() {
    let mut site = Site::new();
    let authority = Authority::new();
    for name in ["h1", "h2"] {
        authority.issue(name, site.dir.path());
    }
    let stranger = site.path("stranger");
    fs::create_dir(&stranger).expect("a folder");
    Authority::new().issue("h1", &stranger);
    site.controller(&authority);

    // Until the controller listens, which nobody announces.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut agent = site.agent_as("h1", TLS);
        let (connection, shown) = site.connection(agent.args(CONTROLLER));
        if connection["controller"] == TLS {
            assert!(shown.contains("h1: connected to https://"), "{shown}");
            break;
        }
        assert!(Instant::now() < deadline, "{connection}");
    }
    let nameless = &[][..];
    let plain = "http://127.0.0.1:9697";
    let api = "https://127.0.0.1:9696";
    for (mut agent, name, reason) in [
        (
            site.agent_as("h2", TLS),
            CONTROLLER,
            "the certificate is for [\"h2\"], not for host h1",
        ),
        (
            site.agent_as("stranger/h1", TLS),
            CONTROLLER,
            "know the authority of this host's certificate?",
        ),
        (
            site.agent_as("h1", TLS),
            nameless,
            "certificate not valid for name \"127.0.0.1\"",
        ),
        (site.agent_as("h1", api), CONTROLLER, "InvalidContentType"),
        (
            site.agent(plain),
            nameless,
            "does the controller ask for TLS (https)?",
        ),
    ] {
        let (connection, shown) = site.connection(agent.args(name));
        assert_eq!(connection["connects"], 0, "{reason}: {connection}");
        assert!(shown.contains(reason), "{reason} is not in {shown}");
    }

    let said = site.refusal(&mut site.agent(TLS));
    assert!(said.contains("there are no certificates"), "{said}");
    let said = site.refusal(&mut site.agent_as("h1", plain));
    assert!(
        said.contains("is plain text, though there are certificates"),
        "{said}"
    );
}
