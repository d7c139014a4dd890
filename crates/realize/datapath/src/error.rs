//! What can go wrong between the agent and the kernel.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "'{0}' holds a '.'; libraries rewrite such bpffs paths: choose a directory without dots"
    )]
    PinDirectory(PathBuf),
    #[error("cannot {action} {path}: {source}")]
    Path {
        action: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the kernel refused the eBPF program '{program}': {detail}")]
    Load { program: String, detail: String },
    #[error("bpf map '{map}': {action} failed: {source}")]
    Map {
        map: &'static str,
        action: &'static str,
        source: std::io::Error,
    },
    #[error("netlink: {action} failed: {source}")]
    Netlink {
        action: String,
        source: std::io::Error,
    },
    #[error("device {ifindex} does not exist")]
    NoDevice { ifindex: u32 },
    #[error("cannot {action} on device {ifindex}: {source}")]
    Inject {
        action: &'static str,
        ifindex: u32,
        source: std::io::Error,
    },
    #[error("the punt channel is already taken by this process")]
    PuntTaken,
}
