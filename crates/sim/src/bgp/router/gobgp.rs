//! GoBGP: one process with a gRPC API on its namespace's loopback.

use super::{Neighbor, Program, Router, RouterConfig, Routes, line};
use anyhow::Result;
use bgp::Family;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

pub(super) struct Gobgp;

/// The names of a family in the configuration and on the command line.
const fn names(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::Ipv4Unicast => ("ipv4-unicast", "ipv4"),
        Family::Ipv6Unicast => ("ipv6-unicast", "ipv6"),
        Family::Ipv4Labeled => ("ipv4-labelled-unicast", "ipv4-mpls"),
        Family::Ipv6Labeled => ("ipv6-labelled-unicast", "ipv6-mpls"),
        Family::Vpnv4 => ("l3vpn-ipv4-unicast", "vpnv4"),
        Family::Vpnv6 => ("l3vpn-ipv6-unicast", "vpnv6"),
        Family::Evpn => ("l2vpn-evpn", "evpn"),
        Family::RouteTarget => ("rtc", "rtc"),
    }
}

fn neighbor(out: &mut String, config: &RouterConfig, neighbor: &Neighbor) -> std::fmt::Result {
    writeln!(out, "[[neighbors]]\n  [neighbors.config]")?;
    writeln!(out, "    neighbor-address = \"{}\"", neighbor.address)?;
    writeln!(out, "    peer-as = {}", neighbor.asn)?;
    if let Some(password) = &neighbor.password {
        writeln!(out, "    auth-password = \"{password}\"")?;
    }
    writeln!(out, "  [neighbors.transport.config]")?;
    writeln!(out, "    local-address = \"{}\"", config.local(neighbor))?;
    writeln!(out, "    passive-mode = {}", neighbor.passive)?;
    writeln!(
        out,
        "  [neighbors.timers.config]\n    connect-retry = 1\n    idle-hold-time-after-reset = 1"
    )?;
    writeln!(
        out,
        "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = {}",
        neighbor.stale.map_or(60, |(restart, _)| restart)
    )?;
    if neighbor.stale.is_some() {
        writeln!(out, "    long-lived-enabled = true")?;
    }
    out.push_str(&neighbor.extra);
    if neighbor.reflector_client {
        writeln!(out, "  [neighbors.route-reflector.config]")?;
        writeln!(out, "    route-reflector-client = true")?;
        let cluster = config.cluster_id.unwrap_or(config.router_id);
        writeln!(out, "    route-reflector-cluster-id = \"{cluster}\"")?;
    }
    for family in &neighbor.families {
        writeln!(
            out,
            "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]"
        )?;
        writeln!(out, "      afi-safi-name = \"{}\"", names(*family).0)?;
        writeln!(
            out,
            "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true"
        )?;
        if let Some((_, long)) = neighbor.stale {
            writeln!(
                out,
                "    [neighbors.afi-safis.long-lived-graceful-restart.config]\n      enabled = true\n      restart-time = {long}"
            )?;
        }
        if neighbor.add_path {
            writeln!(
                out,
                "    [neighbors.afi-safis.add-paths.config]\n      receive = true\n      send-max = 8"
            )?;
        }
        if let Some(most) = neighbor.max_prefixes {
            writeln!(
                out,
                "    [neighbors.afi-safis.prefix-limit.config]\n      max-prefixes = {most}"
            )?;
        }
    }
    Ok(())
}

fn configuration(config: &RouterConfig) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "[global.config]\n  as = {}", config.asn)?;
    writeln!(out, "  router-id = \"{}\"", config.router_id)?;
    out.push_str(&config.extra);
    for one in &config.neighbors {
        neighbor(&mut out, config, one)?;
    }
    Ok(out)
}

impl Program for Gobgp {
    fn files(&self, config: &RouterConfig, _folder: &Path) -> Vec<(&'static str, String)> {
        vec![("gobgpd.toml", configuration(config).unwrap_or_default())]
    }

    fn processes(&self, _config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>> {
        let file = folder.join("gobgpd.toml");
        Ok(vec![line(&[
            "gobgpd",
            "-f",
            &file.to_string_lossy(),
            "-l",
            "warn",
            "--api-hosts",
            "127.0.0.1:50051",
        ])])
    }

    fn control(&self, _folder: &Path) -> Vec<String> {
        line(&["gobgp"])
    }

    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>> {
        let neighbors = router.control_json(&["-j", "neighbor"])?;
        let neighbors = neighbors.as_array().into_iter().flatten();
        // SessionState of its API: 6 is established.
        Ok(neighbors
            .filter(|neighbor| neighbor["state"]["session_state"] == 6)
            .filter_map(|neighbor| neighbor["state"]["neighbor_address"].as_str()?.parse().ok())
            .collect())
    }

    fn routes(&self, router: &Router, family: Family) -> Result<Routes> {
        let table = router.control(&["-j", "global", "rib", "-a", names(family).1])?;
        let mut routes = Routes::new();
        // An empty table is answered with a sentence.
        if let Ok(Value::Object(table)) = serde_json::from_str(&table) {
            routes.extend(table);
        }
        Ok(routes)
    }
}
