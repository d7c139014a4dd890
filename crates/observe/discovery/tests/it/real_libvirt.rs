//! Virtual machines as a real `virsh` tells them, over real SSH. libvirt's own test driver has them, so that no hypervisor is needed.

use crate::lab::one::One;
use crate::real_hosts::find;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// What the driver holds: a machine that runs, with an interface, and one that is switched off and has a space in its name.
const NODE: &str = r"
<node>
  <domain type='test'>
    <name>instance-00000007</name>
    <uuid>5f3c8f2e-7b1a-4c6e-9a55-0c1d2e3f4a5b</uuid>
    <memory>65536</memory>
    <os><type>hvm</type></os>
    <devices>
      <interface type='bridge'>
        <mac address='fa:16:3e:00:00:07'/>
        <source bridge='brq7'/>
        <target dev='tap7'/>
        <model type='virtio'/>
      </interface>
    </devices>
  </domain>
  <domain type='test' xmlns:test='http://libvirt.org/schemas/domain/test/1.0'>
    <name>spare machine</name>
    <uuid>6f3c8f2e-7b1a-4c6e-9a55-0c1d2e3f4a5b</uuid>
    <memory>65536</memory>
    <os><type>hvm</type></os>
    <test:runstate>5</test:runstate>
  </domain>
</node>
";

#[test]
fn machines_are_read_of_the_hypervisor_that_is_configured() -> Result<()> {
    let mut lab = One::start("ed25519", Some("ed25519"), "")?;
    let node = lab.folder().join("node.xml");
    std::fs::write(&node, NODE)?;
    // What virsh chooses by itself is not there: a gap, in its own words.
    let faults = lab.scan()?.faults;
    let gap = faults.iter().any(|(_, fault)| {
        fault.starts_with("libvirt-instances:") && fault.contains("Failed to connect")
    });
    ensure!(gap, "{faults:?}");

    let uri = json!(format!("test://{}", node.display()));
    let ssh = lab.config.ssh.as_mut().context("hosts")?;
    ssh.libvirt_uri = Some(serde_json::from_value(uri)?);
    let outcome = lab.scan()?;
    let of_libvirt = |(_, fault): &&(String, String)| fault.starts_with("libvirt-");
    ensure!(
        !outcome.faults.iter().any(|fault| of_libvirt(&fault)),
        "{:?}",
        outcome.faults
    );
    let running = find(&outcome, "instance", "5f3c8f2e")?;
    ensure!(running.name.as_deref() == Some("instance-00000007"));
    ensure!(running.attributes["active"] == true);
    let stopped = find(&outcome, "instance", "6f3c8f2e")?;
    ensure!(stopped.name.as_deref() == Some("spare machine"));
    ensure!(stopped.attributes["active"] == false);
    let vnic = find(&outcome, "vnic", "cmp-1-tap7")?;
    ensure!(vnic.parent.as_ref() == Some(&running.key));
    ensure!(vnic.attributes["mac_address"] == "fa:16:3e:00:00:07");
    ensure!(vnic.attributes["source_bridge"] == "brq7");
    ensure!(
        vnic.attributes["model"] == json!({"@type": "virtio"}),
        "{:?}",
        vnic.attributes
    );
    Ok(())
}
