//! BIRD 2: one process, all tables in it.

use super::{Neighbor, Program, Router, RouterConfig, Routes, line};
use anyhow::Result;
use bgp::Family;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

pub(super) struct Bird;

/// The channel of a family and its table. BIRD numbers neighbours as the configuration lists them.
fn channel(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::Ipv6Unicast => ("ipv6", "master6"),
        Family::Vpnv4 => ("vpn4 mpls", "vpn4table"),
        Family::Vpnv6 => ("vpn6 mpls", "vpn6table"),
        _ => ("ipv4", "master4"),
    }
}

fn protocol(
    out: &mut String,
    number: usize,
    config: &RouterConfig,
    neighbor: &Neighbor,
) -> std::fmt::Result {
    writeln!(out, "protocol bgp p{number} {{")?;
    writeln!(out, "  local {} as {};", config.local(neighbor), config.asn)?;
    writeln!(out, "  neighbor {} as {};", neighbor.address, neighbor.asn)?;
    out.push_str("  direct;\n  graceful restart on;\n  connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 2;\n");
    if neighbor.passive {
        out.push_str("  passive on;\n");
    }
    if neighbor.reflector_client {
        out.push_str("  rr client;\n");
        if let Some(cluster) = config.cluster_id {
            writeln!(out, "  rr cluster id {cluster};")?;
        }
    }
    if let Some(password) = &neighbor.password {
        writeln!(out, "  password \"{password}\";")?;
    }
    if neighbor.bfd {
        out.push_str("  bfd on;\n");
    }
    if let Some((restart, long)) = neighbor.stale {
        writeln!(out, "  graceful restart time {restart};")?;
        writeln!(out, "  long lived graceful restart on;")?;
        writeln!(out, "  long lived stale time {long};")?;
    }
    out.push_str(&neighbor.extra);
    for family in &neighbor.families {
        let (channel, table) = channel(*family);
        writeln!(
            out,
            "  {channel} {{\n    table {table};\n    import all;\n    export all;"
        )?;
        if neighbor.add_path {
            out.push_str("    add paths on;\n");
        }
        if neighbor.extended_next_hop {
            out.push_str("    extended next hop on;\n");
        }
        if let Some(most) = neighbor.max_prefixes {
            writeln!(out, "    import limit {most} action disable;")?;
        }
        out.push_str("  };\n");
    }
    out.push_str("}\n");
    Ok(())
}

fn configuration(config: &RouterConfig) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    out.push_str("log stderr { warning, error, fatal, bug };\n");
    writeln!(out, "router id {};", config.router_id)?;
    out.push_str("protocol device {}\n");
    let families = config.families();
    for family in [Family::Vpnv4, Family::Vpnv6] {
        if families.contains(&family) {
            let kind = channel(family).1.trim_end_matches("table");
            writeln!(out, "{kind} table {kind}table;")?;
        }
    }
    if config.kernel {
        for family in ["ipv4", "ipv6"] {
            writeln!(
                out,
                "protocol kernel {{ {family} {{ import none; export where source = RTS_BGP; }}; }}"
            )?;
        }
    }
    if config.neighbors.iter().any(|neighbor| neighbor.bfd) {
        out.push_str("protocol bfd { interface \"*\" { interval 300 ms; }; }\n");
    }
    for (number, neighbor) in config.neighbors.iter().enumerate() {
        protocol(&mut out, number, config, neighbor)?;
    }
    out.push_str(&config.extra);
    Ok(out)
}

impl Program for Bird {
    fn files(&self, config: &RouterConfig, _folder: &Path) -> Vec<(&'static str, String)> {
        vec![("bird.conf", configuration(config).unwrap_or_default())]
    }

    fn processes(&self, _config: &RouterConfig, folder: &Path) -> Result<Vec<Vec<String>>> {
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        let mut words = line(&[
            "bird",
            "-f",
            "-c",
            &file("bird.conf"),
            "-s",
            &file("bird.ctl"),
            "-P",
            &file("bird.pid"),
        ]);
        // Left by one that was killed: this one has to say that forwarding went on (RFC 4724 3).
        if folder.join("bird.pid").exists() {
            words.push("-R".to_owned());
        }
        Ok(vec![words])
    }

    fn control(&self, folder: &Path) -> Vec<String> {
        line(&["birdc", "-s", &folder.join("bird.ctl").to_string_lossy()])
    }

    fn established(&self, router: &Router) -> Result<BTreeSet<IpAddr>> {
        let text = router.control(&["show", "protocols"])?;
        let up = text.lines().filter(|line| {
            line.ends_with("Established   ") || line.trim_end().ends_with("Established")
        });
        let numbers = up.filter_map(|line| {
            let name = line.split_whitespace().next()?.strip_prefix('p')?;
            name.parse::<usize>().ok()
        });
        Ok(numbers
            .filter_map(|number| Some(router.config().neighbors.get(number)?.address))
            .collect())
    }

    fn routes(&self, router: &Router, family: Family) -> Result<Routes> {
        let table = channel(family).1;
        let text = router.control(&["show", "route", "table", table, "all"])?;
        let mut routes = Routes::new();
        let mut current = None;
        for line in text.lines() {
            let first = line.split_whitespace().next().unwrap_or_default();
            let starts = !line.starts_with(char::is_whitespace) && first.contains('/');
            if starts || line.starts_with(|c: char| c.is_ascii_digit()) && first.contains(':') {
                // `65000:1 10.0.0.0/24` or a bare prefix.
                let words: Vec<&str> = line.split_whitespace().collect();
                let length = if starts { 1 } else { 2 };
                current = Some(words[..length.min(words.len())].join(" "));
            }
            if let Some(name) = &current {
                let entry = routes
                    .entry(name.clone())
                    .or_insert_with(|| Value::String(String::new()));
                if let Value::String(text) = entry {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
        Ok(routes)
    }
}
