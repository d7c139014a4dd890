//! What the lab needs of this machine, asked before anything is made.

use super::Namespace;
use anyhow::{Result, ensure};

/// Answers with one line that says what is missing.
pub fn check_requirements() -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "run this as root: it makes network namespaces and loads eBPF programs"
    );
    let probe = Namespace::create(format!("nw{}probe", std::process::id())).map_err(|error| {
        anyhow::anyhow!("this kernel or container has no network namespaces: {error:#}")
    })?;
    let attempts: [(&str, &str, &[&str]); 4] = [
        (
            "veth devices",
            "ip",
            &[
                "link", "add", "probe0", "type", "veth", "peer", "name", "probe1",
            ],
        ),
        (
            "VXLAN devices with external control",
            "ip",
            &[
                "link", "add", "probe2", "type", "vxlan", "external", "dstport", "4789",
            ],
        ),
        (
            "the clsact qdisc",
            "tc",
            &["qdisc", "add", "dev", "probe0", "clsact"],
        ),
        (
            "bridges (for the lab's management network)",
            "ip",
            &["link", "add", "probe3", "type", "bridge"],
        ),
    ];
    for (what, program, args) in attempts {
        ensure!(probe.run(program, args).is_ok(), "this kernel lacks {what}");
    }
    Ok(())
}
