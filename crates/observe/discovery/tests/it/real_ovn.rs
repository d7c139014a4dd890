//! OVN as its own tools tell it, over real SSH: ovsdb-server with OVN's schemas and ovn-northd, filled by `ovn-nbctl`. No kernel module is needed.

use crate::lab::one::One;
use crate::real_hosts::find;
use anyhow::{Result, ensure};
use serde_json::json;
use topology::Extent;

/// The northbound database is a cluster whose leader is elsewhere: what stands at the usual socket follows. Of the two switches one is Neutron's.
const CENTRAL: &str = r#"
mkdir -p /run/ovn
cd /run/ovn
serve() {
    ovsdb-server --remote=punix:/run/ovn/$1.sock --pidfile=/run/ovn/$1.pid --unixctl=/run/ovn/$1.ctl --detach --log-file=/dev/null $1.db
}
ovsdb-tool create-cluster leader.db /usr/share/ovn/ovn-nb.ovsschema tcp:127.0.0.1:6643
serve leader
ovsdb-tool join-cluster ovnnb_db.db OVN_Northbound tcp:127.0.0.1:6644 tcp:127.0.0.1:6643
serve ovnnb_db
ovsdb-tool create ovnsb_db.db /usr/share/ovn/ovn-sb.ovsschema
serve ovnsb_db
leader=unix:/run/ovn/leader.sock
ovn-northd --ovnnb-db=$leader --ovnsb-db=unix:/run/ovn/ovnsb_db.sock --pidfile=/run/ovn/northd.pid --unixctl=/run/ovn/northd.ctl --detach --log-file=/dev/null
nb() { ovn-nbctl --timeout=60 --db=$leader "$@"; }
nb ls-add neutron-413de095-01ed-49dc-aa50-4479f43d390e
nb lsp-add neutron-413de095-01ed-49dc-aa50-4479f43d390e 1f72bd15-8ab2-43cb-94d7-e823dd845255
nb lsp-set-addresses 1f72bd15-8ab2-43cb-94d7-e823dd845255 "fa:16:3e:00:00:01 10.0.0.5"
nb ls-add pods -- set Logical_Switch pods other_config:subnet=10.1.0.0/24
nb lsp-add pods web -- lsp-set-addresses web "0a:00:00:00:00:01 10.1.0.5 fd00::5" -- lsp-set-port-security web "0a:00:00:00:00:01 10.1.0.5"
nb acl-add pods from-lport 1 ip drop
nb pg-add guarded web -- acl-add guarded to-lport 1002 'outport == @guarded && ip4' allow-related
nb lr-add edge -- lrp-add edge edge-pods 0a:00:00:00:00:09 10.1.0.1/24
nb lsp-add pods pods-edge -- lsp-set-type pods-edge router -- lsp-set-addresses pods-edge router -- lsp-set-options pods-edge router-port=edge-pods
nb --wait=sb sync
ovn-sbctl chassis-add chassis-1 geneve 192.0.2.1 -- set Chassis chassis-1 hostname=cmp-1.example.org
ovn-sbctl lsp-bind web chassis-1
ovn-nbctl --timeout=60 --no-leader-only wait-until Logical_Switch_Port pods-edge
"#;

#[test]
fn both_databases_of_an_ovn_are_read_where_they_follow_another_too() -> Result<()> {
    let mut lab = One::start("ed25519", Some("ed25519"), CENTRAL)?;
    lab.config.facts.mechanism_drivers = vec!["OVN".to_owned()];
    let outcome = lab.scan()?;
    let faults = outcome.faults.iter();
    ensure!(
        !faults
            .into_iter()
            .any(|(_, fault)| fault.starts_with("ovn-")),
        "{:?}",
        outcome.faults
    );

    let switch = find(&outcome, "network", "pods")?;
    ensure!(switch.extent == Extent::Whole && switch.attributes["ovn_subnet"] == "10.1.0.0/24");
    ensure!(switch.attributes["ovn_acls"][0]["action"] == "drop");
    let web = find(&outcome, "port", "web")?;
    ensure!(web.parent.as_ref() == Some(&switch.key));
    ensure!(web.attributes["mac_address"] == "0a:00:00:00:00:01");
    ensure!(
        web.attributes["fixed_ips"]
            == json!([{"ip_address": "10.1.0.5"}, {"ip_address": "fd00::5"}])
    );
    ensure!(web.attributes["ovn_port_security"] == json!(["0a:00:00:00:00:01 10.1.0.5"]));
    let acls = &web.attributes["ovn_acls"];
    let actions = [&acls[0]["action"], &acls[1]["action"]];
    ensure!(actions == ["drop", "allow-related"], "{acls}");
    let router = find(&outcome, "router", "edge")?;
    ensure!(
        router.attributes["ovn_interfaces"]
            == json!([{"name": "edge-pods", "mac_address": "0a:00:00:00:00:09", "networks": ["10.1.0.1/24"]}])
    );
    // Of what Neutron runs only OVN's view is told, and ports that OVN makes between its own parts are none.
    let neutron = find(&outcome, "port", "1f72bd15-8ab2-43cb-94d7-e823dd845255")?;
    ensure!(neutron.extent == Extent::Part);
    ensure!(neutron.attributes["ovn_addresses"] == json!(["fa:16:3e:00:00:01 10.0.0.5"]));
    ensure!(find(&outcome, "port", "pods-edge").is_err());

    let mut drafts = outcome.readings.iter().flat_map(|reading| &reading.drafts);
    let bound = drafts.find(|draft| {
        draft.key.id.as_str() == "web" && draft.attributes.contains_key("ovn_chassis")
    });
    ensure!(
        bound.is_some_and(|draft| draft.attributes["ovn_chassis"] == "cmp-1.example.org"),
        "{bound:?}"
    );
    nothing_is_said_of_a_database_that_is_not_there(&lab)
}

/// Most hosts of an OVN cloud have the clients and no database.
fn nothing_is_said_of_a_database_that_is_not_there(lab: &One) -> Result<()> {
    lab.host
        .run("kill $(cat /run/ovn/ovnnb_db.pid) && rm -f /run/ovn/ovnnb_db.sock")?;
    let outcome = lab.scan()?;
    ensure!(find(&outcome, "network", "pods").is_err());
    ensure!(
        !outcome
            .faults
            .iter()
            .any(|(_, fault)| fault.starts_with("ovn-"))
    );
    Ok(())
}
