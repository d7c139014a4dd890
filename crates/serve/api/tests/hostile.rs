//! Bodies and paths nobody should send: each gets a precise answer, and nothing changes.

mod common;

use axum::http::StatusCode;
use common::{ADMIN, BLUE, Cloud, JSON};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

#[tokio::test]
async fn malformed_bodies_are_told_what_is_wrong() {
    let cloud = Cloud::new();
    cloud.network(BLUE, "here").await;
    let before = cloud.revision();
    let deep = format!("{{\"network\": {}1{}}}", "[".repeat(64), "]".repeat(64));
    let cases: &[(&str, &str)] = &[
        ("", "EOF while parsing a value"),
        ("{", "EOF while parsing an object"),
        ("[]", "Resource body required"),
        ("null", "Resource body required"),
        ("{}", "Unable to find 'network' in request body"),
        (
            r#"{"network": []}"#,
            "Unable to find 'network' in request body",
        ),
        (
            r#"{"network": {}, "port": {}}"#,
            "Unexpected 'port' beside the resource",
        ),
        (r#"{"networks": []}"#, "Resources required"),
        (r#"{"networks": [1]}"#, "each network must be an object"),
        (
            r#"{"network": {"name": "a", "name": "b"}}"#,
            "duplicate key 'name'",
        ),
        (
            r#"{"network": {"name": "a\u0000"}}"#,
            "control character U+0000 in attribute 'name'",
        ),
        (r#"{"network": {}} {}"#, "trailing characters"),
        (r#"{"network": {"mtu": 1e400}}"#, "number out of range"),
        (
            r#"{"network": {"mtu": 1000000000000000000000}}"#,
            "Invalid input for mtu.",
        ),
        (
            r#"{"network": {"mtu": -1}}"#,
            "'-1' is too small - must be at least '68'",
        ),
        (
            r#"{"network": {"name": 7}}"#,
            "Invalid input for name. Reason: '7' is not a valid string.",
        ),
        (
            r#"{"network": {"admin_state_up": "yes"}}"#,
            "'yes' cannot be converted to boolean",
        ),
        (
            r#"{"network": {"colour": "red", "size": 1}}"#,
            "Unrecognized attribute(s) 'colour, size'",
        ),
        (
            r#"{"network": {"id": "x"}}"#,
            "Attribute 'id' not allowed in POST",
        ),
        (&deep, "nested deeper than 32 levels"),
    ];
    for (body, part) in cases {
        let answer = cloud
            .raw(BLUE, "POST", "/v2.0/networks", (*body).to_owned(), JSON)
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert!(
            answer.error().1.contains(part),
            "{body}: {}",
            answer.error().1
        );
    }
    let not_text = cloud
        .raw(BLUE, "POST", "/v2.0/networks", vec![b'{', 0xff, b'}'], JSON)
        .await;
    assert_eq!(
        not_text.error().1,
        "Malformed request body: the body is not UTF-8 at byte 1."
    );
    assert_eq!(cloud.revision(), before);
}

#[tokio::test]
async fn bodies_too_big_or_of_another_type() {
    let cloud = Cloud::new();
    let big = format!(r#"{{"network": {{"name": "{}"}}}}"#, "x".repeat(9 << 20));
    let answer = cloud.raw(BLUE, "POST", "/v2.0/networks", big, JSON).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        answer.error().1,
        "The body has more than 8388608 bytes, the most that is read; split the request."
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = cloud
        .raw(BLUE, "POST", "/v2.0/networks", "network=x", &form)
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let answer = cloud
        .raw(BLUE, "POST", "/v2.0/networks", r#"{"network": {}}"#, &[])
        .await;
    assert_eq!(
        answer.error().1,
        "Content type 'none' is not supported; send application/json."
    );
    assert_eq!(cloud.revision().0, 0);
}

#[tokio::test]
async fn addresses_and_hosts_that_do_not_fit() {
    let cloud = Cloud::new();
    let network = cloud.ready_network(BLUE, "10.0.0.0/24").await;
    let taken = json!({"network_id": network, "fixed_ips": [{"ip_address": "10.0.0.7"}]});
    cloud.port(BLUE, taken.clone()).await;
    let before = cloud.revision();
    let port = |key: &str, value: Value| json!({"port": {"network_id": network, key: value}});
    let subnet =
        |cidr: &str| json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": cidr}});
    for (who, path, body, status, kind) in [
        (
            BLUE,
            "ports",
            port("fixed_ips", json!([{"ip_address": "10.9.0.1"}])),
            400,
            "InvalidIpForNetwork",
        ),
        (
            BLUE,
            "ports",
            port("fixed_ips", json!([{"ip_address": "10.0.0"}])),
            400,
            "HTTPBadRequest",
        ),
        (
            BLUE,
            "ports",
            json!({"port": taken}),
            409,
            "IpAddressAlreadyAllocated",
        ),
        (
            BLUE,
            "ports",
            port("mac_address", json!("ff:ff:ff:ff:ff:ff")),
            400,
            "HTTPBadRequest",
        ),
        (
            ADMIN,
            "ports",
            port("binding:host_id", json!("nowhere")),
            400,
            "InvalidInput",
        ),
        (
            BLUE,
            "ports",
            port("binding:host_id", json!("h1")),
            403,
            "PolicyNotAuthorized",
        ),
        (
            BLUE,
            "ports",
            port("network_id", json!("x")),
            400,
            "HTTPBadRequest",
        ),
        (
            BLUE,
            "subnets",
            subnet("10.1.0.1/24"),
            400,
            "HTTPBadRequest",
        ),
        (
            BLUE,
            "subnets",
            subnet("2001:db8::/64"),
            400,
            "InvalidInput",
        ),
        (
            BLUE,
            "subnets",
            subnet("10.0.0.128/25"),
            400,
            "InvalidInput",
        ),
        (
            BLUE,
            "subnets",
            json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24",
                "allocation_pools": [{"start": "10.1.0.9", "end": "10.1.0.5"}]}}),
            400,
            "HTTPBadRequest",
        ),
    ] {
        let answer = cloud
            .post(who, &format!("/v2.0/{path}"), body.clone())
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.error().0),
            (status, kind),
            "{body}: {:?}",
            answer.body
        );
    }
    assert_eq!(cloud.revision(), before);
}

#[tokio::test]
async fn ten_thousand_rules_are_too_many() {
    let cloud = Cloud::new();
    let group = cloud
        .make(BLUE, "security-groups", "security_group", json!({}))
        .await;
    let before = cloud.revision();
    let rules: Vec<Value> = (1..=10_000)
        .map(|port| {
            json!({
                "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
                "port_range_min": port, "port_range_max": port,
            })
        })
        .collect();
    let body = json!({"security_group_rules": rules});
    let answer = cloud.post(BLUE, "/v2.0/security-group-rules", body).await;
    assert_eq!(
        (answer.status, answer.error().0),
        (StatusCode::CONFLICT, "OverQuota")
    );
    assert_eq!(cloud.revision(), before);
}

fn valid_bodies(network: &str, group: &str) -> Vec<(&'static str, Value)> {
    vec![
        (
            "/v2.0/networks",
            json!({"network": {"name": "n", "mtu": 1400, "tags": ["a"], "shared": true}}),
        ),
        (
            "/v2.0/subnets",
            json!({"subnet": {
                "network_id": network, "ip_version": 4, "cidr": "10.7.0.0/24", "gateway_ip": "10.7.0.1",
                "allocation_pools": [{"start": "10.7.0.9", "end": "10.7.0.20"}], "dns_nameservers": ["192.0.2.1"],
                "host_routes": [{"destination": "192.0.2.0/24", "nexthop": "10.7.0.2"}],
            }}),
        ),
        (
            "/v2.0/ports",
            json!({"port": {
                "network_id": network, "fixed_ips": [{"ip_address": "10.0.0.9"}], "device_id": "d",
                "allowed_address_pairs": [{"ip_address": "10.0.0.0/30"}], "security_groups": [group],
                "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}], "binding:profile": {"a": [1]},
                "mac_address": "fa:16:3e:00:00:09", "port_security_enabled": true,
            }}),
        ),
        (
            "/v2.0/security-groups",
            json!({"security_group": {"name": "g", "stateful": false}}),
        ),
        (
            "/v2.0/security-group-rules",
            json!({"security_group_rule": {
                "security_group_id": group, "direction": "ingress", "protocol": "icmp", "port_range_min": 8,
                "port_range_max": 0, "remote_ip_prefix": "10.0.0.0/8", "ethertype": "IPv4",
            }}),
        ),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9a-f:./]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_:]{1,10}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Puts `value` in place of one attribute.
fn replace(body: &mut Value, which: usize, value: Value) {
    let Some(object) = body.as_object_mut().and_then(|map| map.values_mut().next()) else {
        return;
    };
    if let Some(map) = object.as_object_mut() {
        let keys: Vec<String> = map.keys().cloned().collect();
        map.insert(keys[which % keys.len()].clone(), value);
    }
}

/// What one hostile request is made of.
#[derive(Debug, Clone)]
enum Hostility {
    Replace(usize, Value),
    Flip(Vec<(usize, u8)>),
    Cut(usize),
    Noise(Vec<u8>),
}

fn hostility() -> impl Strategy<Value = Hostility> {
    prop_oneof![
        4 => (any::<usize>(), any_json()).prop_map(|(which, value)| Hostility::Replace(which, value)),
        2 => prop::collection::vec((any::<usize>(), any::<u8>()), 1..5).prop_map(Hostility::Flip),
        1 => any::<usize>().prop_map(Hostility::Cut),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Hostility::Noise),
    ]
}

fn spoil(mut body: Value, hostility: Hostility) -> Vec<u8> {
    if let Hostility::Replace(which, value) = hostility {
        replace(&mut body, which, value);
        return body.to_string().into_bytes();
    }
    let mut bytes = body.to_string().into_bytes();
    match hostility {
        Hostility::Flip(flips) => {
            for (position, byte) in flips {
                let length = bytes.len();
                bytes[position % length] = byte;
            }
        }
        Hostility::Cut(at) => bytes.truncate(at % bytes.len()),
        Hostility::Noise(noise) => bytes = noise,
        Hostility::Replace(..) => {}
    }
    bytes
}

#[test]
fn no_body_brings_a_5xx_or_changes_what_it_was_refused_for() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (cloud, bodies) = runtime.block_on(async {
        let cloud = Cloud::new();
        let network = cloud.ready_network(ADMIN, "10.0.0.0/24").await;
        let group = cloud
            .make(ADMIN, "security-groups", "security_group", json!({}))
            .await;
        let bodies = valid_bodies(&network, group["id"].as_str().expect("an id"));
        (cloud, bodies)
    });
    let mut runner = TestRunner::new(Config::with_cases(1_500));
    let strategy = (0..bodies.len(), hostility(), any::<bool>());
    runner
        .run(&strategy, |(which, hostility, as_admin)| {
            let (path, body) = &bodies[which];
            let bytes = spoil(body.clone(), hostility);
            let who = if as_admin { ADMIN } else { BLUE };
            let before = cloud.revision();
            let answer = runtime.block_on(cloud.raw(who, "POST", path, bytes, JSON));
            prop_assert!(!answer.status.is_server_error(), "{:?}", answer);
            if !answer.status.is_success() {
                prop_assert_eq!(cloud.revision(), before);
                prop_assert_ne!(answer.error().1, "none");
            }
            Ok(())
        })
        .expect("no counterexample");
}

#[test]
fn no_query_or_path_brings_a_5xx() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cloud = Cloud::new();
    runtime.block_on(cloud.network(ADMIN, "n"));
    let names = "(name|id|limit|marker|fields|sort_key|sort_dir|page_reverse|tags|fixed_ips|shared|mtu|q|from|to|unit)";
    let query = prop::collection::vec((names, "[a-z0-9%=/:. -]{0,12}"), 0..5);
    let base = prop_oneof![
        Just("/v2.0/networks"),
        Just("/v2.0/ports"),
        Just("/v2.0/agents"),
        Just("/v2.0/security-groups/x"),
        Just("/netwright/v1/ports"),
        Just("/netwright/v1/search"),
        Just("/netwright/v1/trace"),
        Just("/netwright/v1/explain"),
        Just("/netwright/v1/graph"),
        Just("/netwright/v1/plans/x"),
    ];
    let mut runner = TestRunner::new(Config::with_cases(500));
    runner
        .run(&(base, query), |(base, query)| {
            let query = form_urlencoded::Serializer::new(String::new())
                .extend_pairs(query)
                .finish();
            let answer = runtime.block_on(cloud.get(ADMIN, &format!("{base}?{query}")));
            prop_assert!(!answer.status.is_server_error(), "{:?}", answer);
            Ok(())
        })
        .expect("no counterexample");
}
