//! Who runs on which of this machine's two processors. Both ends of what is measured have one of their own, in every variant
//! alike: otherwise the scheduler's choice to put them together or apart is most of the figure.

use crate::lab::Daemon;
use anyhow::Result;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use std::path::Path;
use std::process::Command;

/// Keeps the thread that made it on one processor while it lives.
pub struct Kept(CpuSet);

impl Kept {
    pub fn on(processor: usize) -> Result<Self> {
        let anywhere = sched_getaffinity(Pid::from_raw(0))?;
        sched_setaffinity(Pid::from_raw(0), &only(processor)?)?;
        Ok(Self(anywhere))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // It was in force before.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// Keeps all threads that a process has now on one processor.
pub fn keep(process: u32, processor: usize) -> Result<()> {
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = task?.file_name().to_string_lossy().parse()?;
        sched_setaffinity(Pid::from_raw(thread), &only(processor)?)?;
    }
    Ok(())
}

fn only(processor: usize) -> nix::Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(processor)?;
    Ok(set)
}

/// Keeps both processors from sleeping, with work that gives way to any other: an idle virtual processor is woken by an
/// exit to the hypervisor, which takes as long as a packet and says nothing about the way the packet takes.
pub struct Awake(#[expect(dead_code, reason = "they run until dropped")] [Daemon; 2]);

impl Awake {
    /// `log` is where the programs in the background complain.
    pub fn keep(log: &Path) -> Result<Self> {
        let spin = |processor: &str| {
            let mut command = Command::new("chrt");
            command.args(["--idle", "0", "taskset", "-c", processor]);
            Daemon::start(command.args(["sh", "-c", "while :; do :; done"]), log)
        };
        Ok(Self([spin("0")?, spin("1")?]))
    }
}
