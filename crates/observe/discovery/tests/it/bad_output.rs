//! Hosts whose commands print what they should not, read by the whole way from the shell to the map: nothing on the map goes on such a word.

use anyhow::{Result, ensure};
use discovery::host::known::Known;
use discovery::scan::tree::{Facts, Tree};
use discovery::scan::{Limits, Outcome, Request, Scan};
use discovery::ssh::command::Command;
use discovery::ssh::script::{Answers, Script};
use discovery::ssh::{Hosts, Means, Session};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use topology::{Batch, Cause, Declarations, Environment, Map, ObjectRef, Profile, Version};

/// A host whose commands are the scripts of a folder, run by the same shell script that goes to real hosts.
#[derive(Clone)]
struct Shell {
    commands: PathBuf,
    /// What becomes of the shell's whole output on its way.
    on_the_way: fn(Vec<u8>) -> Vec<u8>,
}

impl Hosts for Shell {
    fn open<'a>(&'a self, _: &'a str) -> BoxFuture<'a, discovery::Result<Box<dyn Session>>> {
        let session = self.clone();
        Box::pin(async move { Ok(Box::new(session) as Box<dyn Session>) })
    }
}

impl Session for Shell {
    fn run<'a>(&'a mut self, commands: &'a [Command]) -> BoxFuture<'a, discovery::Result<Answers>> {
        Box::pin(async move {
            let means = Means::default();
            let script = Script::new(commands, "0f1e2d3c".to_owned(), &means);
            let text = script.text().replace(":/usr/sbin:/sbin", "");
            let printed = shell(&self.commands, &text).expect("sh runs");
            script.read("h1", &(self.on_the_way)(printed))
        })
    }
}

fn shell(path: &Path, text: &str) -> Result<Vec<u8>> {
    let mut shell = std::process::Command::new("/bin/sh")
        .arg("-s")
        .env("PATH", path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = shell.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, text.as_bytes())?;
    drop(input);
    Ok(shell.wait_with_output()?.stdout)
}

const BRIDGES: &str = "bridge name\tbridge id\t\tSTP enabled\tinterfaces\n\
    brq7\t\t8000.525400aa0001\tno\t\ttap11111111-22\n\
    \t\t\t\t\t\t\tvxlan-7\n";

const MACHINES: &str = " Id   Name                State\n------------------------------------\n \
    1    instance-00000001   running\n\n";

const DOMAIN: &str = "<domain type='kvm' id='1'><name>instance-00000001</name>\
    <uuid>0c1d2e3f-0000-4000-8000-000000000001</uuid><devices><interface type='bridge'>\
    <mac address='fa:16:3e:00:00:01'/><source bridge='brq7'/><target dev='tap11111111-22'/></interface></devices></domain>\n";

const OVS: &str = "3b12f08e-4e13-4976-8da5-23314b268805\n    Bridge br-int\n        fail_mode: secure\n        \
    Port qvo1\n            tag: 3\n            Interface qvo1\n    ovs_version: \"3.1.0\"\n";

const DATAPATH: &str = "system@ovs-system:\n  port 0: ovs-system (internal)\n  port 1: qvo1\n";

const SYSFS: &str = "total 0\nlrwxrwxrwx 1 root root 0 Jul  5 17:17 eno1 -> ../../devices/pci0000:00/0000:02:00.0/net/eno1\n";

const INTERFACES: &str = "2: eno1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 9000 qdisc mq state UP group default qlen 1000\n    \
    link/ether 52:54:00:00:00:02 brd ff:ff:ff:ff:ff:ff promiscuity 0\n    \
    inet 10.2.0.1/16 brd 10.2.255.255 scope global eno1\n       valid_lft forever preferred_lft forever\n\
    7: brq7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000\n    \
    link/ether 52:54:00:aa:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0\n    bridge forward_delay 1500\n";

/// The host, the shell it is reached by, and its map.
struct Lab {
    dir: TempDir,
    map: Map,
    environment: Environment,
}

impl Lab {
    /// A host that prints what it should, read once.
    fn start() -> Result<Self> {
        let environment = Environment::new("lab")?;
        let declarations = Arc::new(Declarations::embedded()?);
        let lab = Self {
            dir: tempfile::tempdir()?,
            map: Map::new(
                Profile::new(environment.clone()),
                declarations,
                Timestamp::now(),
            ),
            environment,
        };
        // The framing's own tools; all else is as each test says.
        for tool in ["timeout", "head", "tail", "cat"] {
            let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
            let found = found.iter().find(|path| path.exists());
            symlink(found.expect("part of coreutils"), lab.dir.path().join(tool))?;
        }
        lab.prints("hostname", "h1\n")?;
        lab.prints("uname", "x86_64\n")?;
        lab.prints("brctl", BRIDGES)?;
        lab.prints("ovs-vsctl", OVS)?;
        lab.prints("ovs-appctl", DATAPATH)?;
        lab.runs(
            "virsh",
            &format!("case \"$*\" in *--inactive*) ;; list*) cat <<'END'\n{MACHINES}END\n;; *) cat <<'END'\n{DOMAIN}END\n;; esac"),
        )?;
        lab.runs(
            "ls",
            &format!("case \"$2\" in /sys/*) cat <<'END'\n{SYSFS}END\n;; *) echo \"ls: No such file or directory\" >&2; exit 2;; esac"),
        )?;
        lab.runs(
            "ip",
            &format!("case \"$*\" in *netns*) ;; *) cat <<'END'\n{INTERFACES}END\n;; esac"),
        )?;
        let mut lab = lab;
        lab.take(lab.scan(|whole| whole)?)?;
        let version = lab.map.head();
        for key in WATCHED {
            let found = is_stale(version, key);
            ensure!(found == Some(false), "{key}: {:?}", keys(version));
        }
        Ok(lab)
    }

    fn runs(&self, command: &str, body: &str) -> Result<()> {
        let path = self.dir.path().join(command);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
        Ok(std::fs::set_permissions(
            path,
            PermissionsExt::from_mode(0o755),
        )?)
    }

    /// From now on the command prints this, and says that all is well.
    fn prints(&self, command: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let file = self.dir.path().join(format!("{command}.txt"));
        std::fs::write(&file, text)?;
        self.runs(command, &format!("cat {}", file.display()))
    }

    fn scan(&self, on_the_way: fn(Vec<u8>) -> Vec<u8>) -> Result<Outcome> {
        let hosts = Shell {
            commands: self.dir.path().to_owned(),
            on_the_way,
        };
        let told = Mutex::new(Vec::new());
        let scan = Scan {
            environment: &self.environment,
            tree: &Tree::built_in(),
            sources: &[],
            hosts: Some(&hosts),
            progress: &|progress| told.lock().expect("not poisoned").push(progress),
        };
        let request = Request {
            facts: Facts {
                environment_type: "Hosts".to_owned(),
                mechanism_drivers: vec!["OVS".to_owned(), "LXB".to_owned()],
                ..Facts::default()
            },
            start: None,
            known: Known::default(),
            hosts: vec!["h1".to_owned()],
            limits: Limits::default(),
        };
        let (_cancel, cancelled) = tokio::sync::watch::channel(false);
        let runtime = tokio::runtime::Runtime::new()?;
        Ok(runtime.block_on(scan.run(&request, cancelled))?)
    }

    fn take(&mut self, outcome: Outcome) -> Result<()> {
        let batch = Batch {
            cause: Cause::Scan("test".into()),
            at: Timestamp::now(),
            readings: outcome.readings,
        };
        self.map.apply(&batch)?;
        Ok(())
    }

    /// Scans again; what the map was, and what became of it, and the faults told.
    fn again(&mut self, on_the_way: fn(Vec<u8>) -> Vec<u8>) -> Result<(Arc<Version>, String)> {
        let before = self.map.head().clone();
        let outcome = self.scan(on_the_way)?;
        let faults = format!("{:?}", outcome.faults);
        self.take(outcome)?;
        Ok((before, faults))
    }
}

/// An object of each kind of command.
const WATCHED: [&str; 5] = [
    "vconnector/h1-brq7-8000.525400aa0001",
    "vedge/h1-OVS",
    "vnic/h1-tap11111111-22",
    "instance/0c1d2e3f-0000-4000-8000-000000000001",
    "host_pnic/eno1-52:54:00:00:00:02",
];

fn is_stale(version: &Version, key: &str) -> Option<bool> {
    let (object_type, id) = key.split_once('/')?;
    let object = version.get(&ObjectRef::new(object_type, id).ok()?)?;
    Some(object.stale.is_some())
}

fn keys(version: &Version) -> Vec<String> {
    let objects = version.objects();
    objects.map(|(_, object)| object.key.to_string()).collect()
}

#[test]
fn colours_change_nothing() -> Result<()> {
    let mut lab = Lab::start()?;
    let coloured: String = BRIDGES
        .lines()
        .map(|line| format!("\u{1b}[1;32m{line}\u{1b}[0m\r\n"))
        .collect();
    lab.prints("brctl", coloured)?;
    let (before, faults) = lab.again(|whole| whole)?;
    let diff = before.diff(lab.map.head());
    ensure!(diff.is_empty(), "{faults}: {:?}", diff.objects);
    Ok(())
}

#[test]
fn a_session_cut_in_the_middle_makes_the_host_stale_and_takes_nothing() -> Result<()> {
    let mut lab = Lab::start()?;
    let (before, faults) = lab.again(|mut whole| {
        whole.truncate(whole.len() / 2);
        whole
    })?;
    ensure!(faults.contains("the end is missing"), "{faults}");
    ensure!(keys(lab.map.head()) == keys(&before));
    for key in WATCHED {
        ensure!(is_stale(lab.map.head(), key) == Some(true), "{key}");
    }
    Ok(())
}

#[test]
fn output_that_is_not_understood_is_no_evidence() -> Result<()> {
    let huge = "x".repeat(discovery::ssh::script::OUTPUT_BYTES + 2);
    let cases: [(&str, &str, &[u8]); 9] = [
        ("brctl", WATCHED[0], b""),
        (
            "brctl",
            WATCHED[0],
            "Brückenname\tBrücken-ID\tSTP aktiviert\n".as_bytes(),
        ),
        ("brctl", WATCHED[0], huge.as_bytes()),
        (
            "brctl",
            WATCHED[0],
            &[0xff, 0xfe, 0, b'\n', 0x1b, b'[', 0xff],
        ),
        ("ovs-vsctl", WATCHED[1], b"fehler: Verbindung verweigert\n"),
        ("ovs-vsctl", WATCHED[1], huge.as_bytes()),
        ("virsh", WATCHED[3], " Kennung   Name   Status\n".as_bytes()),
        ("virsh", WATCHED[2], b""),
        ("ip", WATCHED[4], b"2: eno1: <BROADCAST"),
    ];
    for (command, key, text) in cases {
        let mut lab = Lab::start()?;
        lab.prints(command, text)?;
        let (before, faults) = lab.again(|whole| whole)?;
        let shown = String::from_utf8_lossy(text.get(..40).unwrap_or(text)).into_owned();
        // Either it is told by something else that was read, or it is stale with the reason.
        let after = is_stale(lab.map.head(), key);
        ensure!(
            after.is_some(),
            "{command} {shown:?}: {key} is gone; {faults}"
        );
        let told = faults.contains(command);
        ensure!(
            told == (after == Some(true)),
            "{command} {shown:?}: {after:?}; {faults}"
        );
        let lost = |key: &&String| !keys(lab.map.head()).contains(*key);
        let lost: Vec<_> = keys(&before).iter().filter(lost).cloned().collect();
        ensure!(
            lost.is_empty() || told,
            "{command} {shown:?}: {lost:?} are gone"
        );
    }
    Ok(())
}

#[test]
fn names_that_are_traps_are_names() -> Result<()> {
    let mut lab = Lab::start()?;
    let hostile = format!(
        "{BRIDGES}br$(touch${{IFS}}{0}/owned)\t8000.525400aa0003\tno\n../../etc\t8000.525400aa0004\tno\n\
         0f1e2d3c\t8000.525400aa0005\tno\n\n0f1e2d3c e 3\n\n0\n0f1e2d3c .\n",
        lab.dir.path().display()
    );
    lab.prints("brctl", hostile)?;
    let (_, faults) = lab.again(|whole| whole)?;
    ensure!(!lab.dir.path().join("owned").exists());
    ensure!(
        is_stale(lab.map.head(), WATCHED[1]) == Some(false),
        "{faults}"
    );
    Ok(())
}

#[test]
fn a_host_that_answers_for_another_is_refused_and_takes_nothing() -> Result<()> {
    let mut lab = Lab::start()?;
    lab.prints("hostname", "h2\n")?;
    lab.prints(
        "brctl",
        "bridge name\tbridge id\t\tSTP enabled\tinterfaces\n",
    )?;
    let (before, faults) = lab.again(|whole| whole)?;
    ensure!(faults.contains("h2"), "{faults}");
    ensure!(keys(lab.map.head()) == keys(&before));
    ensure!(is_stale(lab.map.head(), WATCHED[0]) == Some(true));
    Ok(())
}
