//! `GET /search`: hosts, networks and ports by part of a name, prefix of an id, MAC in any notation, IP address.

use crate::App;
use crate::live::Operator;
use crate::live::error::LiveError;
use crate::live::params::Params;
use axum::Json;
use axum::extract::{RawQuery, State};
use model::{Host, Network, Port};
use operations::tables::{Hosts, Networks, Ports};
use serde::Serialize;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::net::IpAddr;
use std::str::FromStr;
use store::Snapshot;

/// Digits of a MAC before a text is taken for one: fewer would match too much.
const MAC_DIGITS_MIN: usize = 4;

/// Which attribute was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Matched {
    Name,
    Id,
    Mac,
    Ip,
    Host,
}

/// A text to search for, with everything it may mean.
pub(crate) struct Needle {
    text: String,
    address: Option<IpAddr>,
    /// Hexadecimal digits without separators, if the text can be a MAC or its beginning.
    mac: Option<String>,
}

impl FromStr for Needle {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let text = text.trim().to_lowercase();
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, ':' | '-' | '.'))
            .collect();
        let is_mac = (MAC_DIGITS_MIN..=12).contains(&digits.len())
            && digits.chars().all(|c| c.is_ascii_hexdigit());
        Ok(Self {
            address: text.parse().ok(),
            mac: is_mac.then_some(digits),
            text,
        })
    }
}

impl Needle {
    fn in_text(&self, name: &str, id: &str) -> Option<Matched> {
        if name.to_lowercase().contains(&self.text) {
            return Some(Matched::Name);
        }
        id.starts_with(&self.text).then_some(Matched::Id)
    }

    pub(crate) fn in_host(&self, host: &Host) -> Option<Matched> {
        self.in_text(host.name.as_str(), &host.agent_id.to_string())
            .or_else(|| (self.address == Some(host.tunnel_address)).then_some(Matched::Ip))
    }

    pub(crate) fn in_network(&self, network: &Network) -> Option<Matched> {
        self.in_text(&network.meta.name, &network.id.to_string())
    }

    pub(crate) fn in_port(&self, port: &Port) -> Option<Matched> {
        let by_address = || {
            let address = self.address?;
            let mut fixed_ips = port.fixed_ips.iter();
            fixed_ips
                .any(|fixed| fixed.ip_address == address)
                .then_some(Matched::Ip)
        };
        let by_mac = || {
            let mac = port.mac_address.to_string().replace(':', "");
            mac.starts_with(self.mac.as_deref()?)
                .then_some(Matched::Mac)
        };
        let by_host = || {
            let host = port.binding.host.as_ref()?;
            (host.as_str().to_lowercase() == self.text).then_some(Matched::Host)
        };
        self.in_text(&port.meta.name, &port.id.to_string())
            .or_else(by_address)
            .or_else(by_mac)
            .or_else(by_host)
    }
}

#[derive(Serialize)]
struct Hit {
    kind: &'static str,
    id: String,
    label: String,
    matched: Matched,
    detail: String,
}

pub(crate) async fn find(
    State(state): State<App>,
    _: Operator,
    RawQuery(raw): RawQuery,
) -> Result<Json<Value>, LiveError> {
    let mut params = Params::parse(raw.as_deref())?;
    let needle: Needle = params.need("q")?;
    let limit = params.limit(20, 100)?;
    params.done()?;
    let snapshot = state.store.snapshot();
    let hosts = host_hits(&snapshot, &needle);
    let networks = network_hits(&snapshot, &needle);
    let ports = port_hits(&snapshot, &needle);
    let results: Vec<Hit> = hosts.chain(networks).chain(ports).take(limit).collect();
    Ok(Json(json!({"results": results})))
}

fn host_hits(snapshot: &Snapshot, needle: &Needle) -> impl Iterator<Item = Hit> {
    snapshot.scan::<Hosts>(()).filter_map(|row| {
        let host = &row.value;
        Some(Hit {
            kind: "host",
            id: host.agent_id.to_string(),
            label: host.name.to_string(),
            matched: needle.in_host(host)?,
            detail: format!("tunnel address {}", host.tunnel_address),
        })
    })
}

fn network_hits(snapshot: &Snapshot, needle: &Needle) -> impl Iterator<Item = Hit> {
    snapshot.scan::<Networks>(()).filter_map(|row| {
        let network = &row.value;
        Some(Hit {
            kind: "network",
            id: network.id.to_string(),
            label: label(&network.meta.name, &network.id.to_string()),
            matched: needle.in_network(network)?,
            detail: format!("VNI {}, project {}", network.vni, network.meta.project_id),
        })
    })
}

fn port_hits(snapshot: &Snapshot, needle: &Needle) -> impl Iterator<Item = Hit> {
    snapshot.scan::<Ports>(()).filter_map(|row| {
        let port = &row.value;
        let matched = needle.in_port(port)?;
        let addresses: Vec<String> = port
            .fixed_ips
            .iter()
            .map(|f| f.ip_address.to_string())
            .collect();
        let host = port
            .binding
            .host
            .as_ref()
            .map_or("no host", |host| host.as_str());
        Some(Hit {
            kind: "port",
            id: port.id.to_string(),
            label: label(&port.meta.name, &port.id.to_string()),
            matched,
            detail: format!("{} {} on {host}", port.mac_address, addresses.join(" ")),
        })
    })
}

/// The name, or the beginning of the id of what has none.
pub(crate) fn label(name: &str, id: &str) -> String {
    match name {
        "" => id.chars().take(8).collect(),
        name => name.to_owned(),
    }
}
