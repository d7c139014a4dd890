//! `iptables-save -t nat` on a Kubernetes node: the services kube-proxy realizes and the pods behind them.

use super::MAX_ENTRIES;
use super::text::after;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A service address and where its connections go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// `namespace/name:port` as kube-proxy comments it.
    pub service: String,
    pub address: IpAddr,
    pub port: u16,
    pub protocol: String,
    /// `address:port` of each endpoint, sorted.
    pub endpoints: Vec<String>,
}

/// The services of a rule dump.
pub fn services(text: &str) -> Vec<ServiceRule> {
    let mut services: Vec<(String, ServiceRule)> = Vec::new();
    // chain -> chains it jumps to, and the endpoint a chain translates to.
    let mut jumps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut endpoints: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines().take(MAX_ENTRIES) {
        let words = split(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ["-A", chain, ..] = words.as_slice() else {
            continue;
        };
        if let Some(endpoint) = after(&words, "--to-destination") {
            endpoints.insert((*chain).to_owned(), endpoint.to_owned());
            continue;
        }
        let Some(target) = after(&words, "-j") else {
            continue;
        };
        if *chain == "KUBE-SERVICES" {
            services.extend(service(&words).map(|rule| (target.to_owned(), rule)));
        } else {
            jumps
                .entry((*chain).to_owned())
                .or_default()
                .insert(target.to_owned());
        }
    }
    services
        .into_iter()
        .map(|(chain, rule)| ServiceRule {
            endpoints: reached(&chain, &jumps, &endpoints),
            ..rule
        })
        .collect()
}

fn service(words: &[&str]) -> Option<ServiceRule> {
    let address = after(words, "-d")?;
    let comment = after(words, "--comment")?;
    Some(ServiceRule {
        service: comment.strip_suffix(" cluster IP")?.to_owned(),
        address: address.split('/').next()?.parse().ok()?,
        port: after(words, "--dport")?.parse().ok()?,
        protocol: after(words, "-p").unwrap_or("all").to_owned(),
        endpoints: Vec::new(),
    })
}

/// Endpoints reached from a chain. Chains may form a loop in a hostile dump, so each is visited once.
fn reached(
    start: &str,
    jumps: &BTreeMap<String, BTreeSet<String>>,
    endpoints: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(chain) = open.pop() {
        found.extend(endpoints.get(chain).cloned());
        for target in jumps.get(chain).into_iter().flatten() {
            if seen.insert(target) {
                open.push(target);
            }
        }
    }
    found.into_iter().collect()
}

/// Words of a rule; a comment in double quotes is one word.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            other => {
                if let Some(word) = words.last_mut() {
                    word.push(other);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_with_two_endpoints() {
        let text = r#"*nat
-A KUBE-SERVICES -d 10.96.0.10/32 -p udp -m comment --comment "kube-system/kube-dns:dns cluster IP" -m udp --dport 53 -j KUBE-SVC-1
-A KUBE-SVC-1 -m comment --comment "a" -m statistic --mode random --probability 0.5 -j KUBE-SEP-1
-A KUBE-SVC-1 -j KUBE-SEP-2
-A KUBE-SVC-1 -j KUBE-SVC-1
-A KUBE-SEP-1 -p udp -m udp -j DNAT --to-destination 10.244.0.2:53
-A KUBE-SEP-2 -p udp -m udp -j DNAT --to-destination 10.244.0.3:53
"#;
        let services = services(text);
        assert_eq!(services.len(), 1);
        assert_eq!(services[0].service, "kube-system/kube-dns:dns");
        assert_eq!(services[0].endpoints, ["10.244.0.2:53", "10.244.0.3:53"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,300}") {
            let _ = services(&text);
        }
    }
}
