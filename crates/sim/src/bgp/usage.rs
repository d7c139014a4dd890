//! What a daemon has used: processor time and peak memory, from `/proc` (proc(5)), for whichever program it is.

use anyhow::{Context, Result};
use std::time::Duration;

/// Of one or more processes, since they began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// The most that was resident, in bytes.
    pub peak: u64,
}

impl Usage {
    /// The sum over processes.
    pub fn of(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, pid| {
            let usage = Self::of_one(*pid)?;
            Ok(Self {
                cpu: sum.cpu + usage.cpu,
                peak: sum.peak + usage.peak,
            })
        })
    }

    fn of_one(pid: u32) -> Result<Self> {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/{file}"))
                .with_context(|| format!("the daemon with process id {pid} has ended"))
        };
        // The name in parentheses may hold anything; what follows the last one is numbers.
        let stat = read("stat")?;
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields
            .get(11..13)
            .context("/proc/PID/stat is shorter than proc(5) says")?
            .iter()
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        let status = read("status")?;
        let peak: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
            .context("/proc/PID/status tells no VmHWM")?;
        Ok(Self {
            cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
            peak: peak << 10,
        })
    }
}

/// USER_HZ, which is 100 on every architecture that Debian has for servers.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::Usage;
    use std::time::Duration;

    #[test]
    fn own_usage_is_seen() {
        let own = std::process::id();
        let before = Usage::of(&[own]).expect("own usage");
        assert!(before.peak > 1 << 20);
        let filled = vec![1_u8; 64 << 20];
        let mut sum = 0_u64;
        let after = loop {
            sum += filled.iter().map(|byte| u64::from(*byte)).sum::<u64>();
            let now = Usage::of(&[own]).expect("own usage");
            if now.cpu >= before.cpu + Duration::from_millis(50) {
                break now;
            }
        };
        assert!(sum > 0 && after.peak > before.peak.max(64 << 20) / 2);
        assert!(Usage::of(&[4_194_399]).is_err());
    }
}
