//! Sessions and what they exchange.

use crate::lab::{Netns, Running, until};

/// Two namespaces on one link, 192.0.2.1 and 192.0.2.2.
pub(crate) fn pair() -> (Netns, Netns) {
    let (left, right) = (Netns::new("left"), Netns::new("right"));
    left.join("eth0", &right, "eth0");
    for (netns, n) in [(&left, 1), (&right, 2)] {
        netns.must(&format!("ip addr add 192.0.2.{n}/24 dev eth0"));
        netns.must(&format!("ip addr add 2001:db8::{n}/64 dev eth0 nodad"));
    }
    (left, right)
}

/// The head of a configuration: AS 65000 + `n`, router id 10.0.0.`n`.
pub(crate) fn head(n: u8) -> String {
    format!(
        "[global]\nasn = {}\nrouter-id = \"10.0.0.{n}\"\nebgp-requires-policy = false\n",
        65_000 + u32::from(n)
    )
}

pub(crate) fn neighbor(n: u8, more: &str) -> String {
    format!(
        "[[neighbors]]\naddress = \"192.0.2.{n}\"\nremote-as = {}\n{more}\n",
        65_000 + u32::from(n)
    )
}

pub(crate) fn network(prefix: &str) -> String {
    format!("[[networks]]\nprefix = \"{prefix}\"\n")
}

#[test]
fn two_daemons_exchange_routes_and_take_them_back() {
    let (left, right) = pair();
    let left_config = head(1) + &neighbor(2, "");
    let a = Running::start(&left, &(left_config.clone() + &network("203.0.113.0/24")));
    let b = Running::start(
        &right,
        &(head(2) + &neighbor(1, "") + &network("198.51.100.0/24")),
    );
    a.wait_up("192.0.2.2");
    b.wait_up("192.0.2.1");
    until("both have both routes", || {
        let counts = [(&a, "192.0.2.2"), (&b, "192.0.2.1")].map(|(daemon, name)| {
            let neighbor = daemon.neighbor(name);
            (neighbor["accepted"].clone(), neighbor["advertised"].clone())
        });
        (counts == [(1.into(), 1.into()), (1.into(), 1.into())]).then_some(())
    });
    a.reload(&left_config).expect("a valid configuration");
    until("the route is gone", || {
        (b.neighbor("192.0.2.1")["accepted"] == 0).then_some(())
    });
    assert_eq!(b.neighbor("192.0.2.1")["flaps"], 0);
}
