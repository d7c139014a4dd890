//! Telling the next run that this one means to come back (RFC 4724): a file in the state directory with the host's boot
//! id, touched while the daemon runs. A run that finds it fresh restarts gracefully; after a reboot the kernel's routes
//! are gone, and it says so.

use crate::Error;
use bgp::config::{Config, GracefulMode, OnStop};
use bgp::speaker::Start;
use bgp::{Family, FamilySet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two touches of the file.
pub(crate) const TOUCH: Duration = Duration::from_secs(20);

/// What a kernel table's routes are of: the routes of the global tables themselves, and all that enter a VRF.
const UNICAST: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];
const INTO_A_VRF: [Family; 5] = [
    Family::Ipv4Unicast,
    Family::Ipv6Unicast,
    Family::Vpnv4,
    Family::Vpnv6,
    Family::Evpn,
];

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Marker(PathBuf);

impl Marker {
    pub(crate) fn in_directory(state_dir: &Path) -> Self {
        Self(state_dir.join("restart"))
    }

    /// How the speaker starts, by what the last run left.
    pub(crate) fn start(&self, config: &Config) -> Start {
        let Ok(boot) = fs::read_to_string(&self.0) else {
            return Start::Fresh;
        };
        let longest = config.neighbors.iter().filter_map(|neighbor| {
            let graceful = neighbor.graceful_restart;
            (graceful.mode == GracefulMode::Full).then_some(graceful.restart_time)
        });
        let Some(patience) = longest.max() else {
            return Start::Fresh;
        };
        let patience = Duration::from_secs(patience.into()) + TOUCH;
        let touched = fs::metadata(&self.0).and_then(|metadata| metadata.modified());
        let age = touched
            .ok()
            .and_then(|touched| SystemTime::now().duration_since(touched).ok());
        if age.is_none_or(|age| age > patience) {
            return Start::Fresh;
        }
        let mut forwarding: FamilySet = Family::ALL.into_iter().collect();
        if Some(boot.trim()) != boot_id().as_deref() {
            for table in config.kernel.iter().filter(|table| table.install) {
                let families: &[Family] = match table.vrf {
                    None => &UNICAST,
                    Some(_) => &INTO_A_VRF,
                };
                families
                    .iter()
                    .for_each(|family| forwarding.remove(*family));
            }
        }
        Start::Restarted { forwarding }
    }

    /// Says that a run after this one is a restart, or that it is not.
    pub(crate) fn set(&self, config: &Config) -> Result<(), Error> {
        match config.global.on_stop {
            OnStop::Restart => {
                let boot = boot_id().unwrap_or_default();
                fs::write(&self.0, boot).map_err(Error::path("write", &self.0))
            }
            OnStop::Shutdown => match fs::remove_file(&self.0) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::path("remove", &self.0)(error))
                }
                _ => Ok(()),
            },
        }
    }
}

/// Changes with each boot of the host.
fn boot_id() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let head = "[global]\nasn = 65000\nrouter-id = \"10.0.0.1\"\n";
        let neighbor = "[[neighbors]]\naddress = \"192.0.2.1\"\nremote-as = 65001\n";
        Config::parse(&format!("{head}{more}\n{neighbor}")).expect("a configuration")
    }

    #[test]
    fn a_run_that_means_to_come_back_is_followed_by_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let marker = Marker::in_directory(directory.path());
        let coming_back = config("");
        assert_eq!(marker.start(&coming_back), Start::Fresh);
        marker.set(&coming_back).expect("written");
        let forwarding = Family::ALL.into_iter().collect();
        assert_eq!(marker.start(&coming_back), Start::Restarted { forwarding });
        let old = SystemTime::now() - Duration::from_secs(3_600);
        let file = fs::File::options()
            .write(true)
            .open(&marker.0)
            .expect("the file");
        file.set_modified(old).expect("a time");
        assert_eq!(marker.start(&coming_back), Start::Fresh);
        marker
            .set(&config("on-stop = \"shutdown\""))
            .expect("removed");
        assert!(!marker.0.exists());
    }

    #[test]
    fn after_a_reboot_the_kernels_routes_are_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let marker = Marker::in_directory(directory.path());
        fs::write(&marker.0, "another boot").expect("written");
        let vrf = "[vrfs.red]\nrd = \"10.0.0.1:1\"\n[[kernel]]\ntable = 1001\nvrf = \"red\"";
        for (more, lost) in [
            ("[[kernel]]\ntable = 254", UNICAST.as_slice()),
            ("[[kernel]]\ntable = 254\ninstall = false", [].as_slice()),
            (vrf, INTO_A_VRF.as_slice()),
        ] {
            let Start::Restarted { forwarding } = marker.start(&config(more)) else {
                panic!("a restart");
            };
            let kept = Family::ALL.into_iter();
            let kept: FamilySet = kept.filter(|family| !lost.contains(family)).collect();
            assert_eq!(forwarding, kept, "{more}");
        }
    }
}
