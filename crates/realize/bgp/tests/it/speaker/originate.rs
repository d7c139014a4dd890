//! What routes of the configuration are originated with.

use super::config;
use bgp::attribute::{Attributes, TunnelKind};
use bgp::config::Config;
use bgp::rib::{Select, TableId};
use bgp::speaker::{Speaker, Start};
use bgp::{Family, Time};
use std::sync::Arc;

/// The attributes of the only EVPN route there is.
fn originated(networks: &str) -> Arc<Attributes> {
    let config = Config::parse(&(config(0, 65001, &[]) + networks)).expect("a configuration");
    let mut speaker = Speaker::new(config, Start::Fresh, Time(0));
    while speaker.flush(Time(0)) {}
    let table = TableId::Global(Family::Evpn);
    let page = speaker.rib().routes(table, Select::All, None, 10, |_| true);
    let paths = page.expect("a table").items.concat();
    assert_eq!(paths.len(), 1);
    Arc::clone(&paths[0].received)
}

fn texts(attributes: &Attributes) -> Vec<String> {
    let extended = attributes.extended.iter();
    extended.map(ToString::to_string).collect()
}

/// RFC 7432 11.2: type 3 MUST carry a PMSI tunnel attribute; RFC 8365 5.1.3: without the community it would be of MPLS.
#[test]
fn broadcast_of_a_vni_comes_by_ingress_replication_through_vxlan() {
    for (address, length) in [("192.0.2.7", 32), ("2001:db8::7", 128)] {
        let attributes = originated(&format!(
            "[[networks]]\nevpn = \"1:1:[3]:[0]:[{length}]:[{address}]\"\nvni = 10101\ntargets = [\"1:9\"]\n"
        ));
        let pmsi = attributes.rare.pmsi.as_ref().expect("a tunnel");
        assert_eq!(pmsi.kind(), TunnelKind::IngressReplication);
        assert_eq!(pmsi.vni(), 10_101);
        assert_eq!(pmsi.endpoint(), address.parse().ok());
        assert_eq!(texts(&attributes), ["target:1:9", "encapsulation:vxlan"]);
    }
}

#[test]
fn other_types_have_the_encapsulation_alone_and_keep_one_that_is_given() {
    let mac = "[[networks]]\nevpn = \"1:1:[2]:[0]:[48]:[02:00:00:00:00:01]\"\nvni = 7\n";
    let attributes = originated(mac);
    assert!(attributes.rare.pmsi.is_none());
    assert_eq!(texts(&attributes), ["encapsulation:vxlan"]);
    let geneve = originated(&format!("{mac}extended = [\"encapsulation:geneve\"]\n"));
    assert_eq!(texts(&geneve), ["encapsulation:geneve"]);
}
