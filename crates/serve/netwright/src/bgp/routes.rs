//! Verbs about routes: listing, explaining, announcing.

use super::{Common, render};
use crate::Answer;
use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};

/// Routes asked for at once.
const PAGE: u32 = 1_000;

#[derive(Args)]
pub(crate) struct RibOptions {
    /// ipv4-unicast, ipv6-unicast, ipv4-labeled, ipv6-labeled, vpnv4, vpnv6, evpn or route-target.
    #[arg(default_value = "ipv4-unicast")]
    family: String,
    /// Only this route: a prefix (of a VPN family: under any route distinguisher), or a route as it is printed.
    prefix: Option<String>,
    /// And all more specific ones.
    #[arg(long, requires = "prefix")]
    longer: bool,
    /// Only paths with this community (65000:100, no-export), extended community (target:65000:1) or large one (1:2:3).
    #[arg(long)]
    community: Option<String>,
    /// Only paths with this AS in their AS path.
    #[arg(long, value_name = "ASN")]
    r#as: Option<u32>,
    /// Only of or to this neighbour.
    #[arg(long)]
    neighbor: Option<String>,
    /// What the neighbour sent, before policy.
    #[arg(long, requires = "neighbor", conflicts_with = "advertised")]
    received: bool,
    /// What the neighbour is sent.
    #[arg(long, requires = "neighbor")]
    advertised: bool,
    /// The table of this VRF or MAC-VRF.
    #[arg(long, conflicts_with_all = ["received", "advertised"])]
    vrf: Option<String>,
    /// Show at most so many routes; 0: all.
    #[arg(long, default_value_t = 1_000)]
    limit: u64,
    #[command(flatten)]
    common: Common,
}

impl RibOptions {
    pub(crate) async fn run(self) -> Result<Answer> {
        let view = match (self.received, self.advertised) {
            (true, _) => "received",
            (_, true) => "advertised",
            _ => "local",
        };
        let asn = self.r#as.map(|asn| asn.to_string());
        let mut query = vec![("family", self.family.as_str()), ("view", view)];
        for (key, value) in [
            ("prefix", &self.prefix),
            ("community", &self.community),
            ("as", &asn),
            ("neighbor", &self.neighbor),
            ("vrf", &self.vrf),
        ] {
            query.extend(value.as_deref().map(|value| (key, value)));
        }
        if self.longer {
            query.push(("longer", "true"));
        }
        let answer = self.pages(query).await?;
        self.common.view.print(&answer, render::rib)?;
        Ok(Answer::Yes)
    }

    async fn pages(&self, query: Vec<(&str, &str)>) -> Result<Value> {
        let mut routes: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let wanted = match self.limit {
                0 => u64::from(PAGE),
                limit => limit.saturating_sub(routes.len() as u64).min(PAGE.into()),
            };
            let limit = wanted.to_string();
            let mut query = query.clone();
            query.push(("limit", limit.as_str()));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = self.common.daemon.get("/rib", &query).await?;
            if let Value::Array(items) = page["routes"].take() {
                routes.extend(items);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            let full = self.limit != 0 && routes.len() as u64 >= self.limit;
            if full || cursor.is_none() {
                return Ok(json!({"routes": routes, "next": cursor}));
            }
        }
    }
}

#[derive(Args)]
pub(crate) struct RouteOptions {
    /// A prefix, an address (the longest prefix that covers it), or an EVPN route as it is printed.
    route: String,
    /// Of this family; by the route's own form if not given.
    #[arg(long)]
    family: Option<String>,
    /// In the table of this VRF or MAC-VRF.
    #[arg(long)]
    vrf: Option<String>,
    /// Towards this neighbour only.
    #[arg(long, value_name = "NEIGHBOR")]
    to: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl RouteOptions {
    pub(crate) async fn run(self) -> Result<Answer> {
        let mut query = vec![("route", self.route.as_str())];
        for (key, value) in [
            ("family", &self.family),
            ("vrf", &self.vrf),
            ("to", &self.to),
        ] {
            query.extend(value.as_deref().map(|value| (key, value)));
        }
        let answer = self.common.daemon.get("/why", &query).await?;
        self.common.view.print(&answer, render::explanation)?;
        let exists = answer["paths"]
            .as_array()
            .is_some_and(|paths| !paths.is_empty());
        let exports = answer["exports"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let withheld = self.to.is_some() && exports.iter().all(|export| export["sent"] != true);
        Ok(match exists && !withheld {
            true => Answer::Yes,
            false => Answer::No,
        })
    }
}

#[derive(Args)]
pub(crate) struct AnnounceOptions {
    /// A prefix, or an EVPN route as it is printed.
    route: String,
    /// Our end of each session if not given.
    #[arg(long)]
    next_hop: Option<std::net::IpAddr>,
    /// Communities of any kind, as they are printed; may be repeated.
    #[arg(long = "community")]
    communities: Vec<String>,
    #[arg(long)]
    med: Option<u32>,
    #[arg(long)]
    local_pref: Option<u32>,
    /// From this VRF.
    #[arg(long, conflicts_with = "rd")]
    vrf: Option<String>,
    /// As a VPN route with this route distinguisher; needs a label.
    #[arg(long, requires = "label")]
    rd: Option<String>,
    /// An MPLS label.
    #[arg(long)]
    label: Option<u32>,
    /// The VNI of an EVPN route.
    #[arg(long)]
    vni: Option<u32>,
    /// The L3 VNI of an EVPN route of type 2.
    #[arg(long)]
    vni2: Option<u32>,
    /// The gateway of an EVPN route of type 5.
    #[arg(long)]
    gateway: Option<std::net::IpAddr>,
    /// The Ethernet segment of an EVPN route of type 2 or 5: ten octets, 00:11:22:33:44:55:66:77:88:99.
    #[arg(long)]
    esi: Option<String>,
    /// AS numbers, the nearest first: "65010 65020".
    #[arg(long, value_name = "PATH")]
    as_path: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl AnnounceOptions {
    pub(crate) async fn run(self) -> Result<Answer> {
        let body = json!({
            "route": self.route, "next_hop": self.next_hop, "communities": self.communities,
            "med": self.med, "local_pref": self.local_pref, "vrf": self.vrf, "rd": self.rd,
            "label": self.label, "vni": self.vni, "vni2": self.vni2, "gateway": self.gateway,
            "esi": self.esi, "as_path": self.as_path,
        });
        let answer = self.common.daemon.post("/routes", &body).await?;
        self.common.view.print(&answer, render::done)?;
        Ok(Answer::Yes)
    }
}

#[derive(Args)]
pub(crate) struct WithdrawOptions {
    /// As it was announced.
    route: Option<String>,
    #[arg(long, conflicts_with = "rd")]
    vrf: Option<String>,
    #[arg(long)]
    rd: Option<String>,
    /// It was announced with a label.
    #[arg(long)]
    labeled: bool,
    /// Everything that was announced by hand or loaded.
    #[arg(long, conflicts_with = "route")]
    all: bool,
    #[command(flatten)]
    common: Common,
}

impl WithdrawOptions {
    pub(crate) async fn run(self) -> Result<Answer> {
        ensure!(
            self.all || self.route.is_some(),
            "name a route, or say --all"
        );
        let body = json!({
            "route": self.route, "vrf": self.vrf, "rd": self.rd, "labeled": self.labeled,
            "all": self.all,
        });
        let answer = self.common.daemon.delete("/routes", &body).await?;
        self.common.view.print(&answer, render::done)?;
        Ok(Answer::Yes)
    }
}
