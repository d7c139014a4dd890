//! default-originate, switched on and off while the session stays up.

use crate::lab::{Running, until};
use crate::sessions::{head, neighbor, pair};

#[test]
fn a_default_route_is_originated_explained_and_taken_back_live() {
    let (left, right) = pair();
    let config = |default: bool| {
        let families = ["ipv4-unicast", "ipv6-unicast"]
            .map(|family| format!("families.{family}.default-originate = {default}\n"));
        head(1) + &neighbor(2, &families.concat())
    };
    let a = Running::start(&left, &config(true));
    let both = "families = [\"ipv4-unicast\", \"ipv6-unicast\"]";
    let kernel = "[[kernel]]\ntable = 254\n";
    let b = Running::start(&right, &(head(2) + &neighbor(1, both) + kernel));
    b.wait_up("192.0.2.1");
    b.wait_routes("family=ipv4-unicast&prefix=0.0.0.0/0", 1);
    b.wait_routes("family=ipv6-unicast&prefix=::/0", 1);
    until("the kernel uses it", || {
        let shown = right.must("ip route show default proto 179");
        shown.contains("via 192.0.2.1").then_some(())
    });
    let why = a.get("/why?route=0.0.0.0/0&to=192.0.2.2");
    assert_eq!(why["exports"][0]["sent"], true, "{why}");
    let reason = why["paths"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("default-originate"), "{reason}");
    let done = a.reload(&config(false)).expect("valid");
    assert_eq!(done["changes"].as_array().map(Vec::len), Some(2), "{done}");
    b.wait_routes("family=ipv4-unicast&prefix=0.0.0.0/0", 0);
    b.wait_routes("family=ipv6-unicast&prefix=::/0", 0);
    until("the kernel has let go of it", || {
        right
            .must("ip route show default proto 179")
            .is_empty()
            .then_some(())
    });
    let why = a.get("/why?route=0.0.0.0/0");
    assert!(!why.to_string().contains("default-originate"), "{why}");
    a.reload(&config(true)).expect("valid");
    b.wait_routes("family=ipv4-unicast&prefix=0.0.0.0/0", 1);
    assert_eq!(b.neighbor("192.0.2.1")["flaps"], 0);
}
