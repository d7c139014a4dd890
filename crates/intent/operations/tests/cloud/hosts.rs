//! Hosts come with their agents and go when nothing is bound to them.

use crate::lab::{Cloud, User, parse};
use model::{Host, HostName};
use operations::OpError;
use operations::hosts::{self, HostChanges};
use operations::ports::NewPort;

fn register(user: User, name: &str, address: &str) -> Result<Host, OpError> {
    user.run(|tx, ctx| hosts::register(tx, ctx, &parse(name), parse(address)))
}

#[test]
fn registering_again_writes_only_what_changed() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let host = admin.host("h1", "192.0.2.1");
    let revision = cloud.snapshot().revision();
    assert_eq!(register(admin, "h1", "192.0.2.1"), Ok(host.clone()));
    assert_eq!(cloud.snapshot().revision(), revision);
    let moved = register(admin, "h1", "192.0.2.9").expect("a new address");
    assert_eq!(moved.agent_id, host.agent_id);
    assert_eq!(moved.registered_at, host.registered_at);
    assert_eq!(moved.tunnel_address.to_string(), "192.0.2.9");
    assert!(register(admin, "h2", "192.0.2.1").is_ok(), "it is free now");
}

#[test]
fn a_tunnel_address_is_one_hosts_own() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    admin.host("h1", "192.0.2.1");
    let taken = OpError::TunnelAddressInUse {
        address: parse("192.0.2.1"),
        holder: parse("h1"),
    };
    assert_eq!(register(admin, "h2", "192.0.2.1"), Err(taken));
    for address in ["0.0.0.0", "::", "224.0.0.1", "ff02::1"] {
        let refused = OpError::TunnelAddressInvalid(parse(address));
        assert_eq!(register(admin, "h2", address), Err(refused));
    }
}

#[test]
fn a_host_with_ports_stays() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    admin.host("h1", "192.0.2.1");
    let name: HostName = parse("h1");
    let network = admin.network();
    let port = admin
        .new_port(NewPort {
            host: Some(name.clone()),
            ..NewPort::new(network.id)
        })
        .expect("a port");
    let delete = || admin.run(|tx, _| hosts::delete(tx, &name));
    let in_use = OpError::HostInUse {
        host: name.clone(),
        port: port.id,
    };
    assert_eq!(delete(), Err(in_use));
    admin.delete_port(&port).expect("the port goes");
    assert_eq!(delete(), Ok(()));
    assert_eq!(delete(), Err(OpError::HostNotFound(name.clone())));
}

#[test]
fn a_host_is_described_and_switched_off() {
    let cloud = Cloud::new();
    let admin = cloud.admin();
    let host = admin.host("h1", "192.0.2.1");
    let changes = HostChanges {
        admin_state_up: Some(false),
        description: Some("rack 7".to_owned()),
    };
    let changed = admin.run(|tx, _| hosts::update(tx, &host.name, changes.clone()));
    let expected = Host {
        admin_state_up: false,
        description: "rack 7".to_owned(),
        ..host.clone()
    };
    assert_eq!(changed, Ok(expected.clone()));
    let found = admin.run(|tx, _| Ok(hosts::by_agent(tx, host.agent_id)));
    let found = found.expect("no refusal").expect("the host");
    assert_eq!(found.value, expected);
}
