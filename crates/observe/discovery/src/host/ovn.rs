//! What OVN's southbound database tells of ports: the chassis each is bound to, and whether it is up there.

use super::{Subject, with_some};
use crate::parse::ovn::{Row, text};
use serde_json::Value;
use std::collections::BTreeMap;
use topology::Draft;

/// A part of each Neutron port that has a binding. Bindings of OVN's own making (patch, localnet, chassis redirect) are no ports of Neutron.
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
            let port = text(row, "logical_port")?;
            uuid::Uuid::try_parse(port).ok()?;
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
            r#"{"headings":["logical_port","chassis","up","tunnel_key"],"data":[
                ["1f72bd15-8ab2-43cb-94d7-e823dd845255",["uuid","c1"],true,3],["cr-lrp-1",["uuid","c1"],true,4],
                ["2f72bd15-8ab2-43cb-94d7-e823dd845255",["set",[]],false,5]]}"#,
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
}
