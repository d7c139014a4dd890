//! ExaBGP: a scripted speaker without a RIB. Commands go in through a pipe, messages come out as JSON lines in a file.

use super::{PORT, Program, Router, RouterConfig, Routes, line};
use anyhow::{Context, Result};
use bgp::Family;
use nix::sys::stat::Mode;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

pub(super) struct Exabgp;

fn family_name(family: Family) -> Option<&'static str> {
    Some(match family {
        Family::Ipv4Unicast => "ipv4 unicast",
        Family::Ipv6Unicast => "ipv6 unicast",
        Family::Ipv4Labeled => "ipv4 nlri-mpls",
        Family::Ipv6Labeled => "ipv6 nlri-mpls",
        Family::Vpnv4 => "ipv4 mpls-vpn",
        Family::Vpnv6 => "ipv6 mpls-vpn",
        Family::Evpn => "l2vpn evpn",
        Family::RouteTarget => return None,
    })
}

fn configuration(config: &RouterConfig, folder: &Path) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "process api {{\n  run /bin/sh {}/pipe.sh;\n  encoder json;\n}}",
        folder.display()
    )?;
    for neighbor in &config.neighbors {
        writeln!(out, "neighbor {} {{", neighbor.address)?;
        writeln!(out, "  router-id {};", config.router_id)?;
        writeln!(out, "  local-address {};", config.local(neighbor))?;
        writeln!(
            out,
            "  local-as {};\n  peer-as {};",
            config.asn, neighbor.asn
        )?;
        if neighbor.passive {
            writeln!(out, "  passive;\n  listen {PORT};")?;
        }
        if let Some(password) = &neighbor.password {
            writeln!(out, "  md5-password \"{password}\";")?;
        }
        out.push_str("  capability {\n    graceful-restart 120;\n    route-refresh enable;\n");
        if neighbor.add_path {
            out.push_str("    add-path send/receive;\n");
        }
        out.push_str("  }\n  family {\n");
        for name in neighbor.families.iter().filter_map(|f| family_name(*f)) {
            writeln!(out, "    {name};")?;
        }
        out.push_str("  }\n  api {\n    processes [ api ];\n    neighbor-changes;\n    receive {\n      parsed;\n      update;\n      refresh;\n      notification;\n    }\n  }\n");
        out.push_str(&config.extra);
        out.push_str("}\n");
    }
    Ok(out)
}

impl Program for Exabgp {
    fn files(&self, config: &RouterConfig, folder: &Path) -> Vec<(&'static str, String)> {
        let pipe = format!(
            "exec 3<>{0}/commands\ncat <&3 &\nexec cat >>{0}/events\n",
            folder.display()
        );
        vec![
            (
                "exabgp.conf",
                configuration(config, folder).unwrap_or_default(),
            ),
            ("pipe.sh", pipe),
        ]
    }

    fn processes(&self, _config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>> {
        let commands = folder.join("commands");
        if !commands.exists() {
            nix::unistd::mkfifo(&commands, Mode::S_IRWXU).context("cannot make a pipe")?;
        }
        let mut process = line(&["env"]);
        let settings = [
            "exabgp.daemon.user=root",
            "exabgp.daemon.drop=false",
            "exabgp.log.destination=stdout",
            "exabgp.log.level=WARNING",
            "exabgp.api.cli=false",
            "exabgp.api.ack=false",
        ];
        process.extend(line(&settings));
        process.extend(line(&[
            "exabgp",
            &folder.join("exabgp.conf").to_string_lossy(),
        ]));
        Ok(vec![process])
    }

    /// `tee` writes a command to the pipe: `control(&["…"])` is not for ExaBGP; see [`Router::tell`].
    fn control(&self, folder: &Path) -> Vec<String> {
        line(&["cat", &folder.join("events").to_string_lossy()])
    }

    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>> {
        let mut up = BTreeSet::new();
        for event in events(router)? {
            let neighbor = &event["neighbor"];
            let Some(peer) = neighbor["address"]["peer"]
                .as_str()
                .and_then(|peer| peer.parse().ok())
            else {
                continue;
            };
            match neighbor["state"].as_str() {
                Some("up") => drop(up.insert(peer)),
                Some("down") => drop(up.remove(&peer)),
                _ => {}
            }
        }
        Ok(up)
    }

    fn routes(&self, router: &Router, family: Family) -> Result<Routes> {
        let Some(name) = family_name(family) else {
            return Ok(Routes::new());
        };
        let mut routes = Routes::new();
        for event in events(router)? {
            let message = &event["neighbor"]["message"]["update"];
            let attributes = &message["attribute"];
            for nlri in lists(&message["announce"][name]) {
                let mut told = nlri.clone();
                told["attribute"] = attributes.clone();
                routes.insert(key(nlri), told);
            }
            for nlri in lists(&message["withdraw"][name]) {
                routes.remove(&key(nlri));
            }
        }
        Ok(routes)
    }

    fn listens(&self, config: &RouterConfig) -> bool {
        config.neighbors.iter().any(|neighbor| neighbor.passive)
    }
}

/// The NLRI of an announcement, by next hop, or of a withdraw, which has none.
fn lists(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(hops) => hops.values().flat_map(lists).collect(),
        _ => Vec::new(),
    }
}

/// What identifies a route: a withdraw carries another label.
fn key(nlri: &Value) -> String {
    let mut name = nlri.clone();
    if let Some(fields) = name.as_object_mut() {
        fields.remove("label");
        fields.remove("raw");
        if let (Some(Value::String(prefix)), distinguisher) =
            (fields.get("nlri").cloned(), fields.get("rd").cloned())
        {
            return match distinguisher {
                Some(Value::String(rd)) => format!("{rd} {prefix}"),
                _ => prefix,
            };
        }
    }
    name.to_string()
}

fn events(router: &Router) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(router.folder().join("events")).unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}
