//! Hosts to log in to: OpenSSH servers in network namespaces, each with its own processes, host name and `/run`, so that its
//! bridges, namespaces and Open vSwitch are its own. Everything ends with the server, and the namespaces carry the test's process id.

pub(crate) mod one;

use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A network namespace that goes when this does.
pub(crate) struct Namespace(String);

impl Namespace {
    pub(crate) fn new(name: &str) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "needs root: network namespaces"
        );
        // Tests run side by side in one process.
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("nw{}-{name}{number}", std::process::id()));
        ip(&["netns", "add", &namespace.0])?;
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// A cable to another namespace, with an address at each end.
    pub(crate) fn cable(
        &self,
        (name, address): (&str, &str),
        other: &Self,
        (other_name, other_address): (&str, &str),
    ) -> Result<()> {
        let pair = [
            "link", "add", name, "type", "veth", "peer", "name", other_name,
        ];
        ip(&[&["-n", &self.0], &pair[..], &["netns", &other.0]].concat())?;
        for (namespace, name, address) in
            [(self, name, address), (other, other_name, other_address)]
        {
            ip(&["-n", &namespace.0, "address", "add", address, "dev", name])?;
            ip(&["-n", &namespace.0, "link", "set", name, "up"])?;
        }
        Ok(())
    }

    /// Moves the calling thread into the namespace.
    pub(crate) fn enter(&self) -> Result<()> {
        let file = std::fs::File::open(format!("/run/netns/{}", self.0))?;
        nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)?;
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["netns", "delete", &self.0]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    ensure!(
        output.status.success(),
        "ip {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A key pair of OpenSSH.
pub(crate) struct Key(PathBuf);

impl Key {
    pub(crate) fn make(folder: &Path, name: &str) -> Result<Self> {
        Self::of_kind(folder, name, "ed25519")
    }

    pub(crate) fn of_kind(folder: &Path, name: &str, kind: &str) -> Result<Self> {
        let path = folder.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-f"])
            .arg(&path)
            .status()?;
        ensure!(made.success(), "ssh-keygen failed");
        Ok(Self(path))
    }

    pub(crate) fn private(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.0)?)
    }

    /// `<kind> <base64>`.
    pub(crate) fn public(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.0.with_extension("pub"))?;
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        Ok(words.join(" "))
    }
}

/// How one logs in to a host.
#[derive(Clone, Copy)]
pub(crate) struct Access<'k> {
    pub(crate) host_key: &'k Key,
    pub(crate) login: Login<'k>,
}

#[derive(Clone, Copy)]
pub(crate) enum Login<'k> {
    Key(&'k Key),
    /// As root, with [`PASSWORD`].
    Password,
}

/// Root's password on hosts that take one.
pub(crate) const PASSWORD: &str = "open sesame";
const SHADOW: &str = "root:$6$netwright$1h6KlAIe4h9fGebnF5lEmoC9GGG5ZguWmCNxTnbfR5EQ6hNm49dL0EaOd0MS2gnL98CQFPVRVmYDG5wCf.fKr0:19000:0:99999:7:::\n";

/// A running host.
pub(crate) struct Host {
    child: Child,
}

impl Access<'_> {
    /// The server's configuration, and what is to be done before it starts.
    fn write(self, folder: &Path, name: &str) -> Result<(PathBuf, String)> {
        let config = folder.join(format!("{name}.conf"));
        let authorized = folder.join(format!("{name}.authorized"));
        let (root, password, prepare) = match self.login {
            Login::Key(key) => {
                std::fs::write(&authorized, key.public()? + "\n")?;
                ("prohibit-password", "no", String::new())
            }
            Login::Password => {
                let shadow = folder.join(format!("{name}.shadow"));
                std::fs::write(&shadow, SHADOW)?;
                let bind = format!("mount --bind {} /etc/shadow\n", shadow.display());
                ("yes", "yes", bind)
            }
        };
        std::fs::write(
            &config,
            format!(
                "Port 22\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
                 PermitRootLogin {root}\nPasswordAuthentication {password}\nUseDNS no\nAllowTcpForwarding yes\n",
                self.host_key.0.display(),
                authorized.display()
            ),
        )?;
        Ok((config, prepare))
    }
}

/// Begins every host: a `/run` of its own, a name, and the functions `set_up` may use.
const PRELUDE: &str = r#"set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/netns /run/sshd /run/openvswitch /run/lldpd /run/lldpd/etc
hostname "$NAME"
"#;

impl Host {
    /// Starts a host in a namespace: runs `set_up` there, then the SSH server. Returns when it is ready.
    pub(crate) fn start(
        folder: &Path,
        namespace: &Namespace,
        name: &str,
        access: Access<'_>,
        set_up: &str,
    ) -> Result<Self> {
        let (config, prepare) = access.write(folder, name)?;
        let script = format!(
            "{PRELUDE}{prepare}{set_up}\necho ready\nexec /usr/sbin/sshd -D -e -f {} 2>&1\n",
            config.display()
        );
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace.name()])
            .args([
                "unshare",
                "--mount",
                "--uts",
                "--pid",
                "--fork",
                "--mount-proc",
                "--kill-child",
            ])
            .args(["sh", "-c", &script])
            .env("NAME", name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()?;
        let mut output = BufReader::new(child.stdout.take().context("piped")?);
        let mut host = Self { child };
        // The server says so when it listens; until then the script's commands speak.
        let mut said = String::new();
        while !said.contains("Server listening") {
            if output.read_line(&mut said)? == 0 {
                let ended = host.child.wait()?;
                let log = std::fs::read_to_string(folder.join(format!("{name}.log")))?;
                bail!("host {name} did not start ({ended}): {said}{log}");
            }
        }
        // The pipe must not fill up.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(host)
    }

    /// Runs a shell command inside the host.
    pub(crate) fn run(&self, command: &str) -> Result<String> {
        // The child of `ip netns exec` is `unshare` itself; its own child is the host's first process.
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let first = std::fs::read_to_string(children)?;
        let first = first
            .split_whitespace()
            .next()
            .context("the host is gone")?;
        let output = Command::new("nsenter")
            .args([
                "--target", first, "--mount", "--uts", "--net", "--pid", "sh", "-c", command,
            ])
            .output()?;
        ensure!(
            output.status.success(),
            "{command}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a future on a thread inside a namespace.
pub(crate) fn inside<T: Send + 'static>(
    namespace: &Namespace,
    work: impl AsyncFnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let name = namespace.name().to_owned();
    let thread = std::thread::spawn(move || -> Result<T> {
        let namespace = std::mem::ManuallyDrop::new(Namespace(name));
        namespace.enter()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(work())
    });
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
