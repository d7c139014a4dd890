//! Ours: `netwright bgp`.

use super::{Neighbor, Program, Router, RouterConfig, Routes, line};
use anyhow::{Result, ensure};
use bgp::Family;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

pub(super) struct Netwright;

fn neighbor(out: &mut String, config: &RouterConfig, neighbor: &Neighbor) -> std::fmt::Result {
    writeln!(out, "\n[[neighbors]]\naddress = \"{}\"", neighbor.address)?;
    writeln!(out, "remote-as = {}", neighbor.asn)?;
    writeln!(out, "local-address = \"{}\"", config.local(neighbor))?;
    writeln!(out, "passive = {}\nconnect-retry = 1", neighbor.passive)?;
    if let Some(password) = &neighbor.password {
        writeln!(out, "password = \"{password}\"")?;
    }
    if neighbor.bfd {
        writeln!(out, "bfd = {{ interval = 300 }}")?;
    }
    if neighbor.reflector_client {
        writeln!(out, "rr-client = true")?;
    }
    if neighbor.add_path {
        writeln!(out, "add-path-limit = \"all\"")?;
    }
    if let Some((restart, long)) = neighbor.stale {
        writeln!(out, "graceful-restart.restart-time = {restart}")?;
        writeln!(out, "long-lived-graceful-restart.stale-time = {long}")?;
    }
    out.push_str(&neighbor.extra);
    for family in &neighbor.families {
        writeln!(out, "[neighbors.families.{family}]")?;
        if neighbor.add_path {
            writeln!(out, "add-path = \"both\"")?;
        }
        if let Some(most) = neighbor.max_prefixes {
            writeln!(out, "max-prefix = {{ limit = {most} }}")?;
        }
    }
    Ok(())
}

fn configuration(config: &RouterConfig) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(out, "[global]\nasn = {}", config.asn)?;
    writeln!(out, "router-id = \"{}\"", config.router_id)?;
    writeln!(out, "ebgp-requires-policy = false")?;
    if let Some(cluster) = config.cluster_id {
        writeln!(out, "cluster-id = \"{cluster}\"")?;
    }
    for one in &config.neighbors {
        neighbor(&mut out, config, one)?;
    }
    if config.kernel {
        out.push_str("\n[[kernel]]\ntable = 254\n");
    }
    out.push_str(&config.extra);
    Ok(out)
}

fn socket(folder: &Path) -> String {
    folder.join("bgp.sock").to_string_lossy().into_owned()
}

/// The binary of the build that this lab is of: beside it, or beside the `deps` that tests are in.
fn program() -> Result<String> {
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join("netwright"))
        .find(|path| path.is_file());
    ensure!(
        found.is_some(),
        "netwright is not built beside {}",
        own.display()
    );
    Ok(found.unwrap_or_default().to_string_lossy().into_owned())
}

impl Program for Netwright {
    fn files(&self, config: &RouterConfig, _folder: &Path) -> Vec<(&'static str, String)> {
        vec![("bgp.toml", configuration(config).unwrap_or_default())]
    }

    fn processes(&self, _config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>> {
        let file = folder.join("bgp.toml");
        let program = program()?;
        Ok(vec![line(&[
            &program,
            "bgp",
            "run",
            "--config",
            &file.to_string_lossy(),
            "--state-dir",
            &folder.join("state").to_string_lossy(),
            "--socket",
            &socket(folder),
        ])])
    }

    fn control(&self, folder: &Path) -> Vec<String> {
        let socket = format!("NETWRIGHT_BGP_SOCKET={}", socket(folder));
        line(&["env", &socket, &program().unwrap_or_default(), "bgp"])
    }

    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>> {
        let neighbors = router.control_json(&["neighbors", "-o", "json"])?;
        let neighbors = neighbors["neighbors"].as_array().into_iter().flatten();
        Ok(neighbors
            .filter(|neighbor| neighbor["state"] == "established")
            .filter_map(|neighbor| neighbor["neighbor"].as_str()?.parse().ok())
            .collect())
    }

    fn routes(&self, router: &Router, family: Family) -> Result<Routes> {
        let rib = router.control_json(&["rib", family.name(), "--limit", "0", "-o", "json"])?;
        let mut routes = Routes::new();
        let paths = rib["routes"].as_array().into_iter().flatten();
        for route in paths.filter(|path| path["state"] != "rejected") {
            let name = route["route"].as_str().unwrap_or_default().to_owned();
            let entry = routes
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(paths) = entry {
                paths.push(route.clone());
            }
        }
        Ok(routes)
    }
}
