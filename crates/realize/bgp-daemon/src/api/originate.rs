//! Routes originated by hand or by other programs. They are there until they are withdrawn or the daemon stops.

use super::query::{AnyCommunity, family_of, route, table};
use super::{Answer, Context, Refusal, body, done};
use crate::engine::Core;
use axum::body::Bytes;
use axum::extract::State;
use bgp::Family;
use bgp::attribute::{Attributes, NextHop, Origin};
use bgp::nlri::{Esi, EvpnPayload, Label, Nlri, Payload, Route};
use bgp::rib::TableId;
use bgp::speaker::lead_into_vxlan;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::IpAddr;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Announcement {
    route: String,
    next_hop: Option<IpAddr>,
    communities: Vec<String>,
    med: Option<u32>,
    local_pref: Option<u32>,
    as_path: Option<String>,
    vrf: Option<String>,
    rd: Option<String>,
    label: Option<u32>,
    vni: Option<u32>,
    vni2: Option<u32>,
    gateway: Option<IpAddr>,
    esi: Option<String>,
}

pub(super) async fn announce(State(context): State<Context>, bytes: Bytes) -> Answer {
    let announcement: Announcement = body(&bytes)?;
    let labeled = announcement.label.is_some();
    let nlri = named(&announcement.route, announcement.rd.as_deref(), labeled)?;
    let payload = payload(&announcement, &nlri)?;
    let mut attributes = attributes(&announcement)?;
    if let (Payload::Evpn(payload), Some(_)) = (&payload, announcement.vni) {
        lead_into_vxlan(&nlri, payload.label, &mut attributes);
    }
    let vrf = announcement.vrf;
    let asked = context.engine.ask(move |core| {
        let table = table(core, table_family(&nlri), vrf.as_deref())?;
        let route = Route {
            nlri,
            path_id: 0,
            payload,
        };
        core.speaker.rib_mut().originate(table, route, attributes);
        core.announced.insert((table, nlri));
        Ok::<_, Refusal>(nlri)
    });
    let nlri = asked.await??;
    done(format!("{nlri} is announced"))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Withdrawal {
    route: Option<String>,
    vrf: Option<String>,
    rd: Option<String>,
    labeled: bool,
    all: bool,
}

pub(super) async fn withdraw(State(context): State<Context>, bytes: Bytes) -> Answer {
    let withdrawal: Withdrawal = body(&bytes)?;
    let Some(text) = withdrawal.route.filter(|_| !withdrawal.all) else {
        if !withdrawal.all {
            return Err(Refusal::bad("name a route, or say all"));
        }
        let count = context.engine.ask(Core::withdraw_announced).await?;
        return done(format!("{count} routes are withdrawn"));
    };
    let nlri = named(&text, withdrawal.rd.as_deref(), withdrawal.labeled)?;
    let vrf = withdrawal.vrf;
    let asked = context.engine.ask(move |core| {
        let table = table(core, table_family(&nlri), vrf.as_deref())?;
        if !core.announced.remove(&(table, nlri)) {
            return Err(Refusal::absent(format!("{nlri} was not announced by hand")));
        }
        core.speaker.rib_mut().withdraw_local(table, &nlri);
        Ok(())
    });
    asked.await??;
    done(format!("{nlri} is withdrawn"))
}

impl Core {
    /// Takes back everything that was announced by hand.
    fn withdraw_announced(&mut self) -> usize {
        let all = std::mem::take(&mut self.announced);
        for (table, nlri) in &all {
            self.speaker.rib_mut().withdraw_local(*table, nlri);
        }
        all.len()
    }

    /// Originates a route that is remembered as announced by hand.
    pub(crate) fn announce(&mut self, route: Route, attributes: Attributes) {
        let table = TableId::Global(route.nlri.family());
        self.announced.insert((table, route.nlri));
        self.speaker.rib_mut().originate(table, route, attributes);
    }
}

/// A VRF's table is of an unicast family whatever else a route has.
fn table_family(nlri: &Nlri) -> Family {
    nlri.family()
}

fn named(text: &str, rd: Option<&str>, labeled: bool) -> Result<Nlri, Refusal> {
    let text = match rd {
        Some(rd) => format!("{rd}:{text}"),
        None => text.to_owned(),
    };
    let family = match (family_of(&text), labeled) {
        (Family::Ipv4Unicast, true) => Family::Ipv4Labeled,
        (Family::Ipv6Unicast, true) => Family::Ipv6Labeled,
        (family, _) => family,
    };
    if text.parse::<IpNet>().is_ok_and(|net| net.trunc() != net) {
        return Err(Refusal::bad(format!("{text} has bits beyond its length")));
    }
    route(family, &text)
}

fn payload(announcement: &Announcement, nlri: &Nlri) -> Result<Payload, Refusal> {
    let label = announcement.label.map(|label| match label {
        16..=0xf_ffff => Ok(Label::from_mpls(label)),
        _ => Err(Refusal::bad(format!(
            "{label} is no MPLS label: 16 to 1048575"
        ))),
    });
    let label = label.transpose()?;
    let (vni, vni2) = (vni(announcement.vni)?, vni(announcement.vni2)?);
    let beside = [
        ("vni", vni.is_some()),
        ("vni2", vni2.is_some()),
        ("gateway", announcement.gateway.is_some()),
        ("esi", announcement.esi.is_some()),
    ];
    if !matches!(nlri, Nlri::Evpn(_))
        && let Some((key, _)) = beside.iter().find(|(_, given)| *given)
    {
        return Err(Refusal::bad(format!(
            "{key} is of EVPN routes, not of {nlri}"
        )));
    }
    match nlri {
        Nlri::Evpn(_) => Ok(Payload::Evpn(EvpnPayload {
            label: vni.or(label).unwrap_or_default(),
            label2: vni2,
            gateway: announcement.gateway,
            esi: match &announcement.esi {
                Some(text) => text
                    .parse::<Esi>()
                    .map_err(|error| Refusal::bad(error.to_string()))?,
                None => Esi::default(),
            },
            ..EvpnPayload::default()
        })),
        Nlri::Vpnv4(..) | Nlri::Vpnv6(..) | Nlri::LabeledIpv4(_) | Nlri::LabeledIpv6(_) => {
            let label = label.ok_or_else(|| Refusal::bad(format!("{nlri} needs a label")))?;
            Ok(Payload::Label(label))
        }
        _ => Ok(Payload::None),
    }
}

fn vni(vni: Option<u32>) -> Result<Option<Label>, Refusal> {
    match vni {
        None => Ok(None),
        Some(vni @ 1..=0xff_ffff) => Ok(Some(Label::from_vni(vni))),
        Some(vni) => Err(Refusal::bad(format!("{vni} is no VNI: 1 to 16777215"))),
    }
}

fn attributes(announcement: &Announcement) -> Result<Attributes, Refusal> {
    let next_hop = announcement.next_hop.map(|address| match address {
        IpAddr::V4(address) => NextHop::Ipv4(address),
        IpAddr::V6(global) => NextHop::Ipv6 {
            global,
            link_local: None,
        },
    });
    let (mut communities, mut extended, mut large) = (Vec::new(), Vec::new(), Vec::new());
    for text in &announcement.communities {
        match AnyCommunity::parse(text)? {
            AnyCommunity::Standard(community) => communities.push(community),
            AnyCommunity::Extended(community) => extended.push(community),
            AnyCommunity::Large(community) => large.push(community),
        }
    }
    let mut attributes = Attributes {
        med: announcement.med,
        local_pref: announcement.local_pref,
        communities: communities.into(),
        extended: extended.into(),
        large: large.into(),
        ..Attributes::new(Origin::Igp, next_hop)
    };
    if let Some(path) = &announcement.as_path {
        attributes.as_path = path
            .parse()
            .map_err(|_| Refusal::bad(format!("'{path}' is no AS path")))?;
    }
    Ok(attributes)
}
