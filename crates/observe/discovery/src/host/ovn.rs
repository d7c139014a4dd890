//! What OVN's databases tell: the southbound one where a port is bound and whether it is up there, the northbound one what the switches,
//! routers and ports are meant to be, and which ACLs hold for them.
//!
//! Neutron names its switches and routers `neutron-<id>` and its ports by their id; of these OVN adds attributes to what Neutron tells.
//! Others, of an OVN that someone else runs, are objects of their own.

use super::{Subject, with_some};
use crate::parse::ovn::{Row, members, port_address, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use topology::{Draft, ObjectKey};
use uuid::Uuid;

/// ACLs shown on one port or switch.
const MAX_ACLS: usize = 500;

/// The tables of the northbound database.
#[derive(Debug, Default)]
pub struct Northbound {
    pub switches: Vec<Row>,
    pub switch_ports: Vec<Row>,
    pub routers: Vec<Row>,
    pub router_ports: Vec<Row>,
    pub port_groups: Vec<Row>,
    pub acls: Vec<Row>,
}

impl Northbound {
    /// Switches as networks, routers, and ports.
    pub fn drafts(&self, subject: &Subject<'_>) -> Vec<Draft> {
        let acls: BTreeMap<&str, &Row> = by_uuid(&self.acls);
        let ports: BTreeMap<&str, &Row> = by_uuid(&self.switch_ports);
        // ACLs of a port by way of its groups.
        let mut of_port: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for group in &self.port_groups {
            for port in members(group, "ports") {
                of_port
                    .entry(port)
                    .or_default()
                    .extend(members(group, "acls"));
            }
        }
        let mut found = Vec::new();
        for switch in &self.switches {
            let Some(draft) = named(subject, "network", switch, "neutron:network_name") else {
                continue;
            };
            let own = members(switch, "acls");
            let draft = with_some(draft, "ovn_switch", text(switch, "name"))
                .with("ovn_acls", rules(&own, &acls));
            let subnet = switch.get("other_config").and_then(|map| map.get("subnet"));
            let network = draft.key.clone();
            found.push(with_some(draft, "ovn_subnet", subnet.cloned()));
            for uuid in members(switch, "ports") {
                let Some(port) = ports.get(uuid) else {
                    continue;
                };
                let groups = of_port.get(uuid).map(Vec::as_slice).unwrap_or_default();
                let applied: Vec<&str> = own.iter().chain(groups).copied().collect();
                found.extend(switch_port(subject, port, &network, rules(&applied, &acls)));
            }
        }
        found.extend(self.router_drafts(subject));
        found
    }

    fn router_drafts(&self, subject: &Subject<'_>) -> Vec<Draft> {
        let ports: BTreeMap<&str, &Row> = by_uuid(&self.router_ports);
        let routers = self.routers.iter().filter_map(|router| {
            let draft = named(subject, "router", router, "neutron:router_name")?;
            let own = members(router, "ports").into_iter();
            let interfaces: Vec<Value> = own
                .filter_map(|uuid| ports.get(uuid))
                .map(|port| {
                    json!({"name": text(port, "name"), "mac_address": text(port, "mac"), "networks": members(port, "networks")})
                })
                .collect();
            let draft = with_some(draft, "ovn_router", text(router, "name"));
            Some(draft.with("ovn_interfaces", interfaces))
        });
        routers.collect()
    }
}

fn by_uuid(rows: &[Row]) -> BTreeMap<&str, &Row> {
    rows.iter()
        .filter_map(|row| Some((text(row, "_uuid")?, row)))
        .collect()
}

/// What Neutron knows is added to; anything else is told whole.
fn named(subject: &Subject<'_>, object_type: &str, row: &Row, shown: &str) -> Option<Draft> {
    let name = text(row, "name").filter(|name| !name.is_empty());
    let name = name.or_else(|| text(row, "_uuid"))?;
    let neutron = name
        .strip_prefix("neutron-")
        .filter(|id| Uuid::try_parse(id).is_ok());
    match neutron {
        Some(id) => Some(Draft::part(subject.key(object_type, id)?)),
        None => {
            let shown = row.get("external_ids").and_then(|ids| ids.get(shown));
            let shown = shown.and_then(Value::as_str).unwrap_or(name);
            Some(Draft::whole(subject.key(object_type, name)?, shown))
        }
    }
}

/// Ports towards routers, gateways and provider networks are OVN's own making. Those that are local to each chassis (Neutron's metadata), that move
/// between others (virtual addresses) or that stand outside (SR-IOV, bare metal) are ports of the cloud. (Types: ovn-nb(5), Logical_Switch_Port.)
fn is_port(row: &Row) -> bool {
    let kind = text(row, "type").unwrap_or_default();
    matches!(kind, "" | "localport" | "virtual" | "external")
}

fn switch_port(
    subject: &Subject<'_>,
    row: &Row,
    network: &ObjectKey,
    acls: Vec<Value>,
) -> Option<Draft> {
    let name = text(row, "name")?;
    if !is_port(row) {
        return None;
    }
    let key = subject.key("port", name)?;
    let addresses: Vec<(model::Mac, Vec<std::net::IpAddr>)> = members(row, "addresses")
        .into_iter()
        .filter_map(port_address)
        .collect();
    let mut draft = match Uuid::try_parse(name) {
        Ok(_) => Draft::part(key),
        Err(_) => {
            let all = addresses.iter().flat_map(|(_, addresses)| addresses);
            let fixed: Vec<Value> = all.map(|address| json!({"ip_address": address})).collect();
            let draft = Draft::whole(key, name)
                .under(network.clone())
                .with("network_id", network.id.as_str())
                .with("fixed_ips", fixed);
            let mac = addresses.first().map(|(mac, _)| mac.to_string());
            with_some(draft, "mac_address", mac)
        }
    };
    draft = with_some(draft, "ovn_up", row.get("up").and_then(Value::as_bool));
    draft = with_some(
        draft,
        "ovn_enabled",
        row.get("enabled").and_then(Value::as_bool),
    );
    let guarded = members(row, "port_security");
    Some(
        draft
            .with("ovn_addresses", members(row, "addresses"))
            .with("ovn_port_security", guarded)
            .with("ovn_acls", acls),
    )
}

fn rules(uuids: &[&str], acls: &BTreeMap<&str, &Row>) -> Vec<Value> {
    let found = uuids.iter().filter_map(|uuid| acls.get(uuid));
    found
        .take(MAX_ACLS)
        .map(|acl| {
            json!({
                "direction": acl.get("direction"),
                "priority": acl.get("priority"),
                "match": acl.get("match"),
                "action": acl.get("action"),
            })
        })
        .collect()
}

/// A part of each port that has a binding. Bindings of OVN's own making (patch, localnet, chassis redirect) have a type, and are no ports.
pub fn drafts(subject: &Subject<'_>, bindings: &[Row], chassis: &[Row]) -> Vec<Draft> {
    let hosts: BTreeMap<&str, &str> = chassis
        .iter()
        .filter_map(|row| {
            let name = text(row, "hostname").filter(|name| !name.is_empty());
            Some((text(row, "_uuid")?, name.or_else(|| text(row, "name"))?))
        })
        .collect();
    bindings
        .iter()
        .filter_map(|row| {
            if !is_port(row) {
                return None;
            }
            let port = text(row, "logical_port")?;
            let draft = Draft::part(subject.key("port", port)?);
            let host = text(row, "chassis").and_then(|id| hosts.get(id).copied());
            let draft = with_some(draft, "ovn_chassis", host);
            let draft = with_some(draft, "ovn_up", row.get("up").and_then(Value::as_bool));
            let key = row.get("tunnel_key").and_then(Value::as_u64);
            Some(with_some(draft, "ovn_tunnel_key", key))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::known::Known;
    use crate::parse::ovn;

    #[test]
    fn ports_are_found_on_their_chassis() {
        let bindings = ovn::rows(
            r#"{"headings":["logical_port","type","chassis","up","tunnel_key"],"data":[
                ["1f72bd15-8ab2-43cb-94d7-e823dd845255","",["uuid","c1"],true,3],["cr-lrp-1","chassisredirect",["uuid","c1"],true,4],
                ["web","",["set",[]],false,5]]}"#,
        )
        .expect("a table");
        let chassis = ovn::rows(
            r#"{"headings":["_uuid","name","hostname"],"data":[[["uuid","c1"],"x","cmp-1"]]}"#,
        )
        .expect("a table");
        let environment = topology::Environment::new("env").expect("a name");
        let known = Known::default();
        let subject = Subject {
            environment: &environment,
            host: "central",
            known: &known,
        };
        let drafts = drafts(&subject, &bindings, &chassis);
        assert_eq!(drafts.len(), 2);
        assert_eq!(drafts[0].attributes["ovn_chassis"], "cmp-1");
        assert!(!drafts[1].attributes.contains_key("ovn_chassis"));
    }

    #[test]
    fn what_neutron_runs_is_added_to_and_what_it_does_not_run_is_told_whole() {
        let table = |headings: &str, data: &str| {
            let text = format!(r#"{{"headings":{headings},"data":{data}}}"#);
            ovn::rows(&text).expect("a table")
        };
        let neutron = "1f72bd15-8ab2-43cb-94d7-e823dd845255";
        let northbound = Northbound {
            switches: table(
                r#"["_uuid","name","ports","acls"]"#,
                &format!(
                    r#"[[["uuid","s1"],"neutron-{neutron}",["uuid","p1"],["set",[]]],
                        [["uuid","s2"],"pods",["set",[["uuid","p2"],["uuid","p3"]]],["uuid","a2"]]]"#
                ),
            ),
            switch_ports: table(
                r#"["_uuid","name","type","addresses","up"]"#,
                &format!(
                    r#"[[["uuid","p1"],"{neutron}","","fa:16:3e:00:00:01 10.0.0.5",true],
                        [["uuid","p2"],"web","","0a:00:00:00:00:01 10.1.0.5 fd00::5",false],
                        [["uuid","p3"],"to-router","router","router",true]]"#
                ),
            ),
            routers: table(
                r#"["_uuid","name","ports"]"#,
                r#"[[["uuid","r1"],"edge",["uuid","rp"]]]"#,
            ),
            router_ports: table(
                r#"["_uuid","name","mac","networks"]"#,
                r#"[[["uuid","rp"],"lrp-1","0a:00:00:00:00:09","10.1.0.1/24"]]"#,
            ),
            port_groups: table(r#"["ports","acls"]"#, r#"[[["uuid","p1"],["uuid","a1"]]]"#),
            acls: table(
                r#"["_uuid","direction","priority","match","action"]"#,
                r#"[[["uuid","a1"],"to-lport",1002,"ip4","allow-related"],[["uuid","a2"],"from-lport",1,"ip","drop"]]"#,
            ),
        };
        let environment = topology::Environment::new("env").expect("a name");
        let known = Known::default();
        let subject = Subject {
            environment: &environment,
            host: "central",
            known: &known,
        };
        let drafts = northbound.drafts(&subject);
        let ids: Vec<&str> = drafts.iter().map(|draft| draft.key.id.as_str()).collect();
        assert_eq!(ids, [neutron, neutron, "pods", "web", "edge"]);
        let parts = drafts.iter().filter(|d| d.extent == topology::Extent::Part);
        assert_eq!(parts.count(), 2);
        assert_eq!(
            drafts[1].attributes["ovn_acls"][0]["action"],
            "allow-related"
        );
        assert_eq!(drafts[3].attributes["ovn_acls"][0]["action"], "drop");
        assert_eq!(
            drafts[3].attributes["fixed_ips"][1]["ip_address"],
            "fd00::5"
        );
        assert_eq!(
            drafts[4].attributes["ovn_interfaces"][0]["networks"][0],
            "10.1.0.1/24"
        );
    }
}
