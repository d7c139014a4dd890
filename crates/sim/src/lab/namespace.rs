//! Network namespaces that vanish with their owner.

use super::process::run;
use anyhow::{Context, Result};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A named network namespace, deleted on drop together with the processes still in it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace and brings its loopback up.
    pub fn create(name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        run("ip", &["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.run("ip", &["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// A command that will run inside. `nsenter` and not `ip netns exec`, which would remount /sys and hide
    /// what is pinned there.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net={}", self.path().display()))
            .arg(program);
        command
    }

    /// Runs a program inside to its end and returns what it printed.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        super::process::finish(self.command(program).args(args))
    }

    /// Calls `f` on a thread that is inside. A socket that `f` opens stays inside wherever it is used.
    pub fn enter<R: Send>(&self, f: impl FnOnce() -> R + Send) -> Result<R> {
        let file = File::open(self.path())
            .with_context(|| format!("network namespace {} is gone", self.name))?;
        std::thread::scope(|scope| {
            scope
                .spawn(move || -> Result<R> {
                    nix::sched::setns(&file, nix::sched::CloneFlags::CLONE_NEWNET)?;
                    Ok(f())
                })
                .join()
                .map_err(|_| anyhow::anyhow!("a thread in {} panicked", self.name))?
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Kills what runs in a namespace and deletes it; says nothing if it is gone already.
fn remove(name: &str) {
    let quiet = |program: &str, args: &[&str]| {
        Command::new(program)
            .args(args)
            .stderr(Stdio::null())
            .output()
            .ok()
    };
    if let Some(pids) = quiet("ip", &["netns", "pids", name]) {
        for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
            quiet("kill", &["-9", pid]);
        }
    }
    quiet("ip", &["netns", "del", name]);
}

/// Removes the namespaces, devices and mounts of labs whose process no longer exists, as after a kill -9.
pub fn remove_leftovers() {
    for line in listed(&["netns", "list"]).lines() {
        if let Some(name) = line
            .split_whitespace()
            .next()
            .filter(|name| is_leftover(name, "nw"))
        {
            remove(name);
        }
    }
    for line in listed(&["-o", "link", "show", "type", "bridge"]).lines() {
        let name = line.split(": ").nth(1).unwrap_or_default();
        if is_leftover(name, "nwm") {
            Command::new("ip").args(["link", "del", name]).output().ok();
        }
    }
    for lab in std::fs::read_dir("/run").into_iter().flatten().flatten() {
        if is_leftover(&lab.file_name().to_string_lossy(), "netwright-lab-") {
            for pins in std::fs::read_dir(lab.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                Command::new("umount")
                    .arg("-q")
                    .arg(pins.path())
                    .output()
                    .ok();
            }
            std::fs::remove_dir_all(lab.path()).ok();
        }
    }
}

/// True for a name that carries the id of a process that is gone.
fn is_leftover(name: &str, prefix: &str) -> bool {
    let pid: String = name
        .strip_prefix(prefix)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    !pid.is_empty() && !PathBuf::from("/proc").join(pid).exists()
}

/// What `ip` prints.
fn listed(args: &[&str]) -> String {
    Command::new("ip")
        .args(args)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}
