//! A small cloud made up from numbers, for tests that need many of them.

use crate::support::{draft, key};
use serde_json::json;
use topology::{Draft, ObjectKey};

pub(crate) fn host(n: u8) -> Draft {
    draft(
        "host",
        &format!("h{n}"),
        json!({ "ip_address": format!("10.0.0.{n}") }),
    )
}

pub(crate) fn host_key(n: u8) -> ObjectKey {
    key("host", &format!("h{n}"))
}

pub(crate) fn network(n: u8, name: &str) -> Draft {
    let id = format!("net{n}");
    let attributes = json!({
        "network": id, "cidrs": [format!("10.{n}.0.0/16")], "provider:segmentation_id": 1000 + u32::from(n), "tenant_id": format!("t{}", n % 2),
    });
    let mut draft = draft("network", &id, attributes);
    draft.name = Some(name.into());
    draft
}

pub(crate) fn pnic(host: u8, up: bool) -> Draft {
    let id = format!("eth0-02:00:00:00:00:{host:02x}");
    let attributes = json!({
        "host": format!("h{host}"), "mac_address": format!("02:00:00:00:00:{host:02x}"), "IP Address": format!("10.0.0.{host}"),
        "Link detected": if up { "yes" } else { "no" },
    });
    let mut draft = draft("host_pnic", &id, attributes).under(host_key(host));
    draft.name = Some("eth0".into());
    draft
}

pub(crate) fn port(n: u8, host: u8, net: u8) -> Draft {
    let attributes = json!({
        "network_id": format!("net{net}"), "binding:host_id": format!("h{host}"), "mac_address": format!("fa:16:3e:00:00:{n:02x}"),
        "fixed_ips": [{ "ip_address": format!("10.{net}.0.{n}") }],
    });
    draft("port", &format!("port{n}"), attributes).under(key("network", &format!("net{net}")))
}

pub(crate) fn instance(n: u8, host: u8, net: u8) -> Draft {
    let attributes = json!({
        "host": format!("h{host}"), "project_id": format!("t{}", net % 2), "network": [format!("net{net}")],
        "network_info": [{ "devname": format!("tap{n}"), "network": { "id": format!("net{net}"), "label": format!("n{net}") } }],
    });
    draft("instance", &format!("vm{n}"), attributes).under(host_key(host))
}

pub(crate) fn vnic(n: u8, host: u8) -> Draft {
    let attributes = json!({
        "host": format!("h{host}"), "instance_id": format!("vm{n}"), "mac_address": format!("fa:16:3e:00:00:{n:02x}"),
    });
    let mut draft = draft("vnic", &format!("h{host}-tap{n}"), attributes)
        .under(key("instance", &format!("vm{n}")));
    draft.name = Some(format!("tap{n}").into());
    draft
}

/// A bridge between an instance's vNIC and the edge.
pub(crate) fn bridge(n: u8, host: u8) -> Draft {
    let member =
        |name: String| json!({ "name": name, "mac_address": format!("fa:16:3e:00:00:{n:02x}") });
    let interfaces = json!({ format!("qvb{n}"): member(format!("qvb{n}")), format!("tap{n}"): member(format!("tap{n}")) });
    let attributes = json!({ "host": format!("h{host}"), "interfaces": interfaces });
    draft("vconnector", &format!("h{host}-qbr{n}"), attributes).under(host_key(host))
}

/// The edge of a host, with the instances of these numbers plugged in.
pub(crate) fn edge(host: u8, plugged: &[u8]) -> Draft {
    let ports = plugged.iter().map(|n| {
        let name = format!("qvo{n}");
        (
            name.clone(),
            json!({ "name": name, "id": n.to_string(), "tag": "1" }),
        )
    });
    let ports: serde_json::Map<_, _> = ports.collect();
    let attributes = json!({ "host": format!("h{host}"), "ports": ports });
    draft("vedge", &format!("h{host}-ovs"), attributes).under(host_key(host))
}

pub(crate) fn tunnel(host: u8) -> Draft {
    let attributes =
        json!({ "host": format!("h{host}"), "ip_address": format!("10.0.0.{host}"), "ports": {} });
    draft("otep", &format!("h{host}-otep"), attributes).under(key("vedge", &format!("h{host}-ovs")))
}

pub(crate) fn switch(n: u8) -> Draft {
    draft(
        "switch",
        &format!("leaf{n}"),
        json!({ "switch": format!("leaf{n}") }),
    )
}

/// The switch port a host hangs on.
pub(crate) fn switch_port(n: u8, host: u8) -> Draft {
    let attributes = json!({ "switch": format!("leaf{n}"), "mac_address": format!("02:00:00:00:00:{host:02x}"), "role": "hostlink" });
    draft("switch_pnic", &format!("leaf{n}-eth1__{host}"), attributes)
        .under(key("switch", &format!("leaf{n}")))
}

/// One switch, two hosts, two networks, an instance on each host.
pub(crate) fn small() -> Vec<Draft> {
    let mut out = vec![switch(1), network(1, "front"), network(2, "back")];
    for n in [1, 2] {
        out.extend([
            host(n),
            pnic(n, true),
            switch_port(1, n),
            edge(n, &[n]),
            tunnel(n),
        ]);
        out.extend([instance(n, n, n), vnic(n, n), bridge(n, n), port(n, n, n)]);
    }
    out
}
