//! Labels in withdraws: any is accepted, 0x800000 is sent (RFC 8277 2.4).

use super::samples::{Sample, WITHDRAW_LABELS};
use super::world::{ASN, Family, World, client, is_root, ours, passive};
use sim::bgp::messages::UPDATE;

#[test]
fn a_withdraw_with_any_label_withdraws() {
    if !is_root() {
        return;
    }
    let families = [
        Family::Vpnv4,
        Family::Vpnv6,
        Family::Ipv4Labeled,
        Family::Ipv6Labeled,
    ];
    let mut world = World::new();
    let neighbors = (0..2)
        .map(|n| passive(client(sim::bgp::Site::source(n), &families)))
        .collect();
    let router = world.router(0, ours(), ASN, neighbors, |_| {});
    let source = world.next_source();
    let sender = world.script(0, ASN, &families);
    let receiver = world.script(0, ASN, &families);
    for sample in families.iter().flat_map(|family| Sample::of(*family)) {
        for (round, label) in WITHDRAW_LABELS.iter().enumerate() {
            world.send(sender, sample.announce(source, None));
            world.route(&router, sample.family, sample.shown, true);
            world.send(sender, sample.withdraw_labelled(*label));
            world.route(&router, sample.family, sample.shown, false);
            let what = format!("a withdraw of {} with label 0x800000", sample.shown);
            world.until_heard(receiver, &what, round + 1, |kind, body| {
                kind == UPDATE && sample.is_in(body, Some([0x80, 0, 0]))
            });
        }
    }
}
