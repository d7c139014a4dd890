//! Routes as JSON: the same form in every answer, event and command. Absent attributes are absent.

use bgp::attribute::Attributes;
use bgp::nlri::{Nlri, PathId, Payload};
use bgp::rib::{Origin, PathState, PathView, SentView};
use serde_json::{Map, Value, json};
use std::fmt::Display;

/// Turns peer ids into what operators know them by.
pub(crate) type Names<'a> = &'a dyn Fn(bgp::PeerId) -> String;

pub(crate) fn path(view: &PathView, names: Names<'_>) -> Value {
    let mut json = route(&view.nlri, view.path_id, &view.payload);
    let from = match view.origin {
        Origin::Peer(peer) => names(peer),
        Origin::Local => "local".to_owned(),
    };
    json.insert("from".to_owned(), from.into());
    let (state, reason) = state(&view.state);
    json.insert("state".to_owned(), state.into());
    if let Some(reason) = reason {
        json.insert("reason".to_owned(), reason.into());
    }
    if view.stale {
        json.insert("stale".to_owned(), true.into());
    }
    if view.weight != 0 {
        json.insert("weight".to_owned(), view.weight.into());
    }
    let used = view.used.as_deref();
    let shown = used.unwrap_or(&view.received);
    json.insert("attributes".to_owned(), attributes(shown));
    if used.is_some_and(|used| *used != *view.received) {
        json.insert("received".to_owned(), attributes(&view.received));
    }
    json.into()
}

/// A path's state in one word, and the reason where there is one.
pub(crate) fn state(state: &PathState) -> (&'static str, Option<String>) {
    match state {
        PathState::Best => ("best", None),
        PathState::Multipath => ("multipath", None),
        PathState::Lost(reason) => ("lost", Some(reason.to_string())),
        PathState::Rejected(rejection) => ("rejected", Some(rejection.to_string())),
    }
}

pub(crate) fn sent(view: &SentView) -> Value {
    let mut json = route(&view.nlri, view.path_id, &view.payload);
    json.insert("attributes".to_owned(), attributes(&view.attributes));
    json.into()
}

/// The route itself: its text form, and what it carries beside its attributes.
pub(crate) fn route(nlri: &Nlri, path_id: PathId, payload: &Payload) -> Map<String, Value> {
    let mut json = Map::new();
    json.insert("route".to_owned(), nlri.to_string().into());
    json.insert("family".to_owned(), nlri.family().name().into());
    if path_id != 0 {
        json.insert("path_id".to_owned(), path_id.into());
    }
    match payload {
        Payload::None => {}
        Payload::Label(label) => {
            json.insert("label".to_owned(), label.mpls().into());
        }
        Payload::Evpn(evpn) => {
            json.insert("vni".to_owned(), evpn.label.vni().into());
            if let Some(label) = evpn.label2 {
                json.insert("l3_vni".to_owned(), label.vni().into());
            }
            if let Some(gateway) = evpn.gateway {
                json.insert("gateway".to_owned(), gateway.to_string().into());
            }
            if evpn.esi != bgp::nlri::Esi::default() {
                json.insert("esi".to_owned(), evpn.esi.to_string().into());
            }
        }
    }
    json
}

/// Attributes in the usual text forms.
pub(crate) fn attributes(attributes: &Attributes) -> Value {
    let mut json = Map::new();
    let mut put = |key: &str, value: Value| json.insert(key.to_owned(), value);
    put("origin", json!(attributes.origin));
    put("as_path", attributes.as_path.to_string().into());
    if let Some(next_hop) = attributes.next_hop {
        put("next_hop", next_hop.address().to_string().into());
        if let Some(link_local) = next_hop.link_local() {
            put("next_hop_link_local", link_local.to_string().into());
        }
    }
    if let Some(med) = attributes.med {
        put("med", med.into());
    }
    if let Some(local_pref) = attributes.local_pref {
        put("local_pref", local_pref.into());
    }
    if attributes.atomic_aggregate {
        put("atomic_aggregate", true.into());
    }
    let ipv6_extended = attributes.rare.ipv6_extended.iter();
    let ipv6_extended = ipv6_extended.map(|community| format!("0x{}", hex(&community.0)));
    for (key, values) in [
        ("communities", texts(&attributes.communities)),
        ("extended", texts(&attributes.extended)),
        ("large", texts(&attributes.large)),
        ("ipv6_extended", ipv6_extended.collect()),
        ("cluster_list", texts(attributes.cluster_list())),
    ] {
        if !values.is_empty() {
            put(key, values.into());
        }
    }
    let rare = &attributes.rare;
    if let Some(aggregator) = rare.aggregator {
        put(
            "aggregator",
            json!({"asn": aggregator.asn, "address": aggregator.address}),
        );
    }
    if let Some(id) = rare.originator_id {
        put("originator_id", id.to_string().into());
    }
    if let Some(asn) = rare.only_to_customer {
        put("only_to_customer", asn.into());
    }
    if let Some(pmsi) = &rare.pmsi {
        put(
            "pmsi",
            json!({
                "tunnel_type": pmsi.tunnel_type, "vni": pmsi.vni(), "flags": pmsi.flags,
                "endpoint": pmsi.endpoint(),
            }),
        );
    }
    if !rare.unknown.is_empty() {
        let unknown = rare.unknown.iter().map(|attribute| {
            json!({"code": attribute.code, "flags": attribute.flags, "value": hex(&attribute.value)})
        });
        put("unknown", unknown.collect());
    }
    json.into()
}

fn texts<T: Display>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Octets as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
