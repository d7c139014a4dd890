//! Tables, a page at a time, and why a route is as it is.

use super::query::{AnyCommunity, family, family_of, route, table, table_name};
use super::route as json;
use super::{Answer, Context, Refusal};
use crate::engine::Core;
use axum::Json;
use axum::extract::{Query, State};
use bgp::attribute::Attributes;
use bgp::nlri::Nlri;
use bgp::rib::{Explanation, Origin, PathView, Select, SentView};
use bgp::{Family, PeerId};
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Routes of a page, at most.
const PAGE: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    family: Option<String>,
    vrf: Option<String>,
    view: View,
    neighbor: Option<String>,
    prefix: Option<String>,
    longer: bool,
    longest: bool,
    community: Option<String>,
    r#as: Option<u32>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// Which table of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum View {
    /// What is used, with the paths that are not.
    #[default]
    Local,
    /// What a neighbour sent (Adj-RIB-In).
    Received,
    /// What a neighbour is sent (Adj-RIB-Out).
    Advertised,
}

/// A query, checked.
struct Walk {
    family: Family,
    vrf: Option<String>,
    view: View,
    neighbor: Option<String>,
    select: Select,
    /// A prefix under any route distinguisher, and whether more specific ones too.
    under_any: Option<(IpNet, bool)>,
    community: Option<AnyCommunity>,
    asn: Option<u32>,
    from: Option<Nlri>,
    limit: usize,
}

impl Walk {
    fn new(wanted: Wanted) -> Result<Self, Refusal> {
        let family = match (&wanted.family, &wanted.prefix) {
            (Some(name), _) => family(name)?,
            (None, Some(prefix)) => family_of(prefix),
            (None, None) => Family::Ipv4Unicast,
        };
        let under_any = wanted.prefix.as_deref().and_then(|text| {
            let prefix = without_distinguisher(family, text)?;
            Some((prefix, wanted.longer))
        });
        let prefix = match &wanted.prefix {
            Some(text) if under_any.is_none() => Some(route(family, text)?),
            _ => None,
        };
        let select = match (prefix, wanted.longer, wanted.longest) {
            (None, _, _) => Select::All,
            (Some(prefix), true, _) => Select::Covered(prefix),
            (Some(prefix), _, true) => Select::Longest(prefix),
            (Some(prefix), false, false) => Select::Exact(prefix),
        };
        if wanted.view != View::Local && wanted.neighbor.is_none() {
            return Err(Refusal::bad(
                "a table of received or advertised routes is a neighbour's: name it",
            ));
        }
        Ok(Self {
            family,
            select,
            under_any,
            vrf: wanted.vrf,
            view: wanted.view,
            neighbor: wanted.neighbor,
            community: wanted
                .community
                .as_deref()
                .map(AnyCommunity::parse)
                .transpose()?,
            asn: wanted.r#as,
            from: wanted
                .cursor
                .as_deref()
                .map(|text| route(family, text))
                .transpose()?,
            limit: wanted.limit.unwrap_or(100).clamp(1, PAGE),
        })
    }

    fn matches(&self, nlri: &Nlri, attributes: &Attributes) -> bool {
        let is_wanted = |(wanted, longer): (IpNet, bool)| match (nlri.prefix(), longer) {
            (Some(prefix), true) => wanted.contains(&prefix),
            (prefix, _) => prefix == Some(wanted),
        };
        self.under_any.is_none_or(is_wanted)
            && self
                .community
                .is_none_or(|community| community.is_in(attributes))
            && self.asn.is_none_or(|asn| attributes.as_path.contains(asn))
    }

    fn run(&self, core: &Core) -> Result<Value, Refusal> {
        let neighbor = self
            .neighbor
            .as_deref()
            .map(|name| core.peer_named(name))
            .transpose()?;
        match (self.view, neighbor) {
            (View::Advertised, Some(peer)) => Ok(self.advertised(core, peer)),
            (View::Received, Some(peer)) => Ok(self.received(core, peer)),
            (_, neighbor) => self.local(core, neighbor),
        }
    }

    fn local(&self, core: &Core, neighbor: Option<PeerId>) -> Result<Value, Refusal> {
        let table = table(core, self.family, self.vrf.as_deref())?;
        let names = |peer| core.name_of(peer);
        let keep = |path: &PathView| {
            let from = neighbor.is_none_or(|peer| path.origin == Origin::Peer(peer));
            from && self.matches(&path.nlri, path.used.as_ref().unwrap_or(&path.received))
        };
        let rib = core.speaker.rib();
        let page = rib.routes(table, self.select, self.from.as_ref(), self.limit, keep);
        let page = page.ok_or_else(|| Refusal::absent("the table is gone"))?;
        let paths = page.items.iter().flatten().filter(|path| keep(path));
        Ok(page_of(
            paths.map(|path| json::path(path, &names)).collect(),
            page.next,
        ))
    }

    fn received(&self, core: &Core, peer: PeerId) -> Value {
        let names = |peer| core.name_of(peer);
        let keep = |path: &PathView| self.matches(&path.nlri, &path.received);
        let rib = core.speaker.rib();
        let page = rib.received(
            peer,
            self.family,
            self.select,
            self.from.as_ref(),
            self.limit,
            keep,
        );
        page_of(
            page.items
                .iter()
                .map(|path| json::path(path, &names))
                .collect(),
            page.next,
        )
    }

    fn advertised(&self, core: &Core, peer: PeerId) -> Value {
        let keep = |sent: &SentView| self.matches(&sent.nlri, &sent.attributes);
        let rib = core.speaker.rib();
        let page = rib.advertised(
            peer,
            self.family,
            self.select,
            self.from.as_ref(),
            self.limit,
            keep,
        );
        page_of(page.items.iter().map(json::sent).collect(), page.next)
    }
}

/// The prefix in the query of a family whose routes have a route distinguisher before theirs.
fn without_distinguisher(family: Family, text: &str) -> Option<IpNet> {
    let has_one = matches!(family, Family::Vpnv4 | Family::Vpnv6 | Family::Evpn);
    let prefix = text.parse().ok().or_else(|| {
        let address: IpAddr = text.parse().ok()?;
        Some(address.into())
    });
    prefix.filter(|_| has_one)
}

fn page_of(routes: Vec<Value>, next: Option<Nlri>) -> Value {
    json!({"routes": routes, "next": next.map(|next| next.to_string())})
}

pub(super) async fn list(State(context): State<Context>, Query(wanted): Query<Wanted>) -> Answer {
    let walk = Walk::new(wanted)?;
    Ok(Json(context.engine.ask(move |core| walk.run(core)).await??))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    route: String,
    family: Option<String>,
    vrf: Option<String>,
    /// Towards this neighbour only.
    to: Option<String>,
}

pub(super) async fn why(State(context): State<Context>, Query(why): Query<Why>) -> Answer {
    let family = why.family.as_deref().map(family).transpose()?;
    let family = family.unwrap_or_else(|| family_of(&why.route));
    let nlri = route(family, &why.route)?;
    let is_address = why.route.parse::<std::net::IpAddr>().is_ok();
    let answer = context.engine.ask(move |core| {
        let table = table(core, family, why.vrf.as_deref())?;
        let to = why
            .to
            .as_deref()
            .map(|name| core.peer_named(name))
            .transpose()?;
        let rib = core.speaker.rib();
        // An address means the prefix that a packet to it would take.
        let nlri = match is_address {
            true => {
                let page = rib.routes(table, Select::Longest(nlri), None, 1, |_| true);
                let found = page.and_then(|page| Some(page.items.first()?.first()?.nlri));
                found.unwrap_or(nlri)
            }
            false => nlri,
        };
        let explanation = rib.explain(table, &nlri).unwrap_or(Explanation {
            table,
            nlri,
            paths: Vec::new(),
            exports: Vec::new(),
        });
        Ok::<_, Refusal>(shown(core, &explanation, to))
    });
    Ok(Json(answer.await??))
}

fn shown(core: &Core, explanation: &Explanation, to: Option<PeerId>) -> Value {
    let names = |peer| core.name_of(peer);
    let paths: Vec<_> = explanation
        .paths
        .iter()
        .map(|path| json::path(path, &names))
        .collect();
    let exports = explanation
        .exports
        .iter()
        .filter(|export| to.is_none_or(|to| export.peer == to));
    let exports = exports.map(|export| {
        let mut json = json!({"neighbor": core.name_of(export.peer), "sent": export.sent});
        match &export.outcome {
            Ok(attributes) => json["attributes"] = json::attributes(attributes),
            Err(withheld) => json["reason"] = withheld.to_string().into(),
        }
        json
    });
    json!({
        "table": table_name(core, explanation.table), "route": explanation.nlri.to_string(),
        "paths": paths, "exports": exports.collect::<Vec<_>>(),
    })
}
