//! FRR: bgpd alone as a route server or reflector; zebra and bfdd beside it where routes must reach the kernel.

use super::{Neighbor, Program, Router, RouterConfig, Routes, line};
use anyhow::{Context, Result};
use bgp::Family;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub(super) struct Frr;

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4 unicast",
        Family::Ipv6Unicast => "ipv6 unicast",
        Family::Ipv4Labeled => "ipv4 labeled-unicast",
        Family::Ipv6Labeled => "ipv6 labeled-unicast",
        Family::Vpnv4 => "ipv4 vpn",
        Family::Vpnv6 => "ipv6 vpn",
        Family::Evpn | Family::RouteTarget => "l2vpn evpn",
    }
}

fn neighbor(out: &mut String, neighbor: &Neighbor) -> std::fmt::Result {
    let address = neighbor.address;
    writeln!(out, " neighbor {address} remote-as {}", neighbor.asn)?;
    writeln!(out, " neighbor {address} timers connect 1")?;
    if neighbor.passive {
        writeln!(out, " neighbor {address} passive")?;
    }
    if let Some(password) = &neighbor.password {
        writeln!(out, " neighbor {address} password {password}")?;
    }
    if neighbor.extended_next_hop {
        writeln!(out, " neighbor {address} capability extended-nexthop")?;
    }
    if neighbor.bfd {
        writeln!(out, " neighbor {address} bfd")?;
    }
    if let Some((restart, long)) = neighbor.stale {
        // Of the whole daemon, not of the neighbour.
        writeln!(out, " bgp graceful-restart restart-time {restart}")?;
        writeln!(out, " bgp long-lived-graceful-restart stale-time {long}")?;
    }
    out.push_str(&neighbor.extra);
    Ok(())
}

fn activated(out: &mut String, family: Family, neighbor: &Neighbor) -> std::fmt::Result {
    let address = neighbor.address;
    writeln!(out, "  neighbor {address} activate")?;
    if neighbor.reflector_client {
        writeln!(out, "  neighbor {address} route-reflector-client")?;
    }
    if neighbor.add_path && family != Family::Evpn {
        writeln!(out, "  neighbor {address} addpath-tx-all-paths")?;
    }
    if let Some(most) = neighbor.max_prefixes {
        writeln!(out, "  neighbor {address} maximum-prefix {most}")?;
    }
    Ok(())
}

fn configuration(config: &RouterConfig) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "hostname frr\nrouter bgp {}", config.asn)?;
    writeln!(out, " bgp router-id {}", config.router_id)?;
    out.push_str(
        " no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n no bgp network import-check\n \
         no bgp enforce-first-as\n bgp graceful-restart\n",
    );
    if let Some(cluster) = config.cluster_id {
        writeln!(out, " bgp cluster-id {cluster}")?;
    }
    for one in &config.neighbors {
        neighbor(&mut out, one)?;
    }
    for family in config.families() {
        if !super::Software::Frr.speaks(family) {
            continue;
        }
        writeln!(out, " address-family {}", family_name(family))?;
        let speakers = config.neighbors.iter();
        for one in speakers.filter(|neighbor| neighbor.families.contains(&family)) {
            activated(&mut out, family, one)?;
        }
        out.push_str(" exit-address-family\n");
    }
    out.push_str("exit\n");
    out.push_str(&config.extra);
    Ok(out)
}

impl Program for Frr {
    fn files(&self, config: &RouterConfig, _folder: &Path) -> Vec<(&'static str, String)> {
        let text = configuration(config).unwrap_or_default();
        vec![
            ("bgpd.conf", text),
            ("zebra.conf", "hostname frr\n".to_owned()),
            ("bfdd.conf", "hostname frr\n".to_owned()),
            ("vtysh.conf", String::new()),
        ]
    }

    fn processes(&self, config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>> {
        // Its daemons drop root for this user, who makes sockets here.
        let user = nix::unistd::User::from_name("frr")?.context("there is no user frr")?;
        nix::unistd::chown(folder, Some(user.uid), Some(user.gid))?;
        let folder = folder.display();
        let process = |name: &str| {
            let text = format!(
                "/usr/lib/frr/{name} -P 0 -f {folder}/{name}.conf -i {folder}/{name}.pid \
                 --vty_socket {folder} -z {folder}/zserv.api --log stdout --log-level warnings"
            );
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        if config.kernel {
            let mut bfdd = process("bfdd");
            bfdd.extend(line(&["--bfdctl", &format!("{folder}/bfdd.sock")]));
            return Ok(vec![process("zebra"), bfdd, process("bgpd")]);
        }
        let mut bgpd = process("bgpd");
        bgpd.push("-Z".to_owned());
        Ok(vec![bgpd])
    }

    fn meeting_point(&self, config: &RouterConfig, folder: &Path) -> Option<PathBuf> {
        config.kernel.then(|| folder.join("zserv.api"))
    }

    fn control(&self, folder: &Path) -> Vec<String> {
        let folder = folder.to_string_lossy();
        line(&[
            "vtysh",
            "--vty_socket",
            &folder,
            "--config_dir",
            &folder,
            "-c",
        ])
    }

    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>> {
        let neighbors = router.control_json(&["show bgp neighbors json"])?;
        let neighbors = neighbors.as_object().into_iter().flatten();
        Ok(neighbors
            .filter(|(_, neighbor)| neighbor["bgpState"] == "Established")
            .filter_map(|(address, _)| address.parse().ok())
            .collect())
    }

    fn routes(&self, router: &Router, family: Family) -> Result<Routes> {
        let command = format!("show bgp {} json", family_name(family));
        let mut routes = Routes::new();
        collect(&router.control_json(&[&command])?, None, &mut routes);
        Ok(routes)
    }

    fn detail(&self, router: &Router, family: Family, name: &str) -> Result<String> {
        let prefix = name.rsplit(' ').next().unwrap_or(name);
        let command = format!("show bgp {} {prefix} json", family_name(family));
        Ok(router.control_json(&[&command])?.to_string())
    }
}

/// Tables nest differently by family; a route is what is written as a prefix or in brackets, an RD what is around it.
fn collect(value: &Value, distinguisher: Option<&str>, routes: &mut Routes) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        if key.contains('/') || key.starts_with('[') {
            let name = match distinguisher {
                Some(distinguisher) => format!("{distinguisher} {key}"),
                None => key.clone(),
            };
            routes.insert(name, inner.clone());
        } else if key.contains(':') {
            collect(inner, Some(key), routes);
        } else {
            collect(inner, distinguisher, routes);
        }
    }
}
