//! Configurations of environments as they are sent.

use anyhow::{Context, Result, ensure};
use discovery::environment::Config;
use serde_json::{Value, json};

/// The console's tests hold its wizard against the same file.
#[test]
fn every_member_of_a_configuration_is_taken_and_given_back() -> Result<()> {
    let sent: Value = serde_json::from_str(include_str!("everything.json"))?;
    let config: Config = serde_json::from_value(sent.clone())?;
    ensure!(config.probes().len() == 8);
    ensure!(serde_json::to_value(&config)? == sent, "{config:?}");
    Ok(())
}

#[test]
fn a_connection_of_libvirt_to_another_machine_is_refused() -> Result<()> {
    let ssh =
        json!({"user": "root", "known_hosts": "/k", "libvirt_uri": "qemu+ssh://cmp-2/system"});
    let taken = serde_json::from_value::<Config>(json!({"name": "lab", "ssh": ssh}));
    let fault = taken.err().context("it was taken")?.to_string();
    ensure!(
        fault.contains("qemu+ssh://cmp-2/system") && fault.contains("qemu:///system"),
        "{fault}"
    );
    Ok(())
}
