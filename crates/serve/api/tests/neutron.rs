//! The Neutron API as clients see it.

mod common;

use axum::http::StatusCode;
use common::{ADMIN, BLUE, Cloud, JSON, RED, names};
use serde_json::{Value, json};

#[tokio::test]
async fn a_network_from_birth_to_death() {
    let cloud = Cloud::new();
    let network = cloud
        .make(
            ADMIN,
            "networks",
            "network",
            json!({"name": "one", "mtu": 1400, "tags": ["b", "a"]}),
        )
        .await;
    assert_eq!(network["status"], "ACTIVE");
    assert_eq!(network["mtu"], 1400);
    assert_eq!(network["project_id"], "ops");
    assert_eq!(network["tenant_id"], "ops");
    assert_eq!(network["provider:network_type"], "vxlan");
    assert_eq!(network["subnets"], json!([]));
    assert_eq!(network["tags"], json!(["a", "b"]));
    assert_eq!(network["revision_number"], 0);
    let created = network["created_at"].as_str().expect("a time");
    assert_eq!(
        (created.len(), created.ends_with('Z')),
        (20, true),
        "{created}"
    );

    let path = format!("/v2.0/networks/{}", network["id"].as_str().expect("an id"));
    let shown = cloud.get(ADMIN, &path).await;
    assert_eq!(shown.body["network"], network);
    let updated = cloud
        .put(ADMIN, &path, json!({"network": {"name": "two"}}))
        .await;
    assert_eq!(updated.status, StatusCode::OK);
    assert_eq!(updated.body["network"]["name"], "two");
    assert_eq!(updated.body["network"]["revision_number"], 1);
    assert_eq!(
        cloud.delete(ADMIN, &path).await.status,
        StatusCode::NO_CONTENT
    );
    let gone = cloud.get(ADMIN, &path).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    assert_eq!(gone.error().0, "NetworkNotFound");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let cloud = Cloud::new();
    for path in [
        "/",
        "/v2.0/",
        "/v2.0/networks",
        "/nowhere",
        "/v2.0/networks/x",
    ] {
        let answer = cloud.get(ADMIN, path).await;
        let id = answer.headers.get("X-Openstack-Request-Id").expect(path);
        assert!(id.to_str().expect("text").starts_with("req-"), "{path}");
    }
    assert_eq!(cloud.get(ADMIN, "/nowhere").await.error().0, "HTTPNotFound");
    let answer = cloud.raw(ADMIN, "PATCH", "/v2.0/networks", "", &[]).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.error().0, "HTTPMethodNotAllowed");
}

#[tokio::test]
async fn discovery() {
    let cloud = Cloud::new();
    let versions = cloud.get(ADMIN, "/").await.body;
    assert_eq!(
        versions["versions"][0]["links"][0]["href"],
        "http://cloud:9696/v2.0/"
    );
    let resources = cloud.get(ADMIN, "/v2.0").await.body;
    assert_eq!(resources["resources"][0]["collection"], "networks");
    let extensions = cloud.get(ADMIN, "/v2.0/extensions").await.body;
    for extension in extensions["extensions"].as_array().expect("a list") {
        let alias = extension["alias"].as_str().expect("an alias");
        let one = cloud.get(ADMIN, &format!("/v2.0/extensions/{alias}")).await;
        assert_eq!(&one.body["extension"], extension);
    }
    let none = cloud.get(ADMIN, "/v2.0/extensions/router").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert_eq!(
        cloud.get(BLUE, "/v2.0/quotas/blue").await.body["quota"]["port"],
        -1
    );
}

#[tokio::test]
async fn filters_fields_and_sorting() {
    let cloud = Cloud::new();
    for name in ["b", "c", "a"] {
        cloud.network(ADMIN, name).await;
    }
    let list = async |query: &str| cloud.get(ADMIN, &format!("/v2.0/networks?{query}")).await;
    let sorted = list("sort_key=name&sort_dir=desc").await;
    assert_eq!(names(&sorted, "networks"), ["c", "b", "a"]);
    let two = list("name=a&name=c&sort_key=name").await;
    assert_eq!(names(&two, "networks"), ["a", "c"]);
    assert_eq!(
        names(&list("admin_state_up=False").await, "networks").len(),
        0
    );
    assert_eq!(names(&list("tenant_id=ops").await, "networks").len(), 3);
    let fields = list("name=a&fields=name&fields=mtu").await;
    assert_eq!(
        fields.body,
        json!({"networks": [{"name": "a", "mtu": 1450}]})
    );
    for (query, message) in [
        ("colour=red", "[colour] is invalid attribute for filtering"),
        (
            "sort_key=subnets",
            "[subnets] is invalid attribute for sort_keys",
        ),
        (
            "sort_key=name&sort_dir=up",
            "[up] is invalid value for sort_dirs, valid value is 'asc' and 'desc'",
        ),
        (
            "limit=-1",
            "Limit must be an integer 0 or greater and not '-1'",
        ),
        (
            "shared=maybe",
            "Invalid input for shared. Reason: 'maybe' cannot be converted to boolean.",
        ),
    ] {
        let refused = list(query).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(refused.error().1, message);
    }
}

#[tokio::test]
async fn pages_follow_their_links_both_ways() {
    let cloud = Cloud::new();
    for name in ["a", "b", "c", "d", "e"] {
        cloud.network(ADMIN, name).await;
    }
    let link = |answer: &common::Answer, rel: &str| {
        let links = answer.body["networks_links"].as_array().expect("links");
        let link = links.iter().find(|link| link["rel"] == rel)?;
        let href = link["href"].as_str().expect("a link");
        href.strip_prefix("http://cloud:9696").map(str::to_owned)
    };
    let mut seen = Vec::new();
    let mut next = Some("/v2.0/networks?limit=2&sort_key=name".to_owned());
    let mut last = None;
    while let Some(path) = next {
        let answer = cloud.get(ADMIN, &path).await;
        seen.extend(names(&answer, "networks"));
        next = link(&answer, "next");
        last = Some(answer);
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    let back = link(&last.expect("a page"), "previous").expect("a link back");
    assert_eq!(
        names(&cloud.get(ADMIN, &back).await, "networks"),
        ["c", "d"]
    );
    let no_marker = cloud.get(ADMIN, "/v2.0/networks?limit=2&marker=x").await;
    assert_eq!(no_marker.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn ports_are_found_by_what_indexes_know() {
    let cloud = Cloud::new();
    cloud.host("h1", "192.0.2.1").await;
    let network = cloud.ready_network(ADMIN, "10.0.0.0/24").await;
    let port = cloud
        .port(
            ADMIN,
            json!({
                "network_id": network, "name": "p", "device_id": "vm", "binding:host_id": "h1",
                "fixed_ips": [{"ip_address": "10.0.0.9"}], "mac_address": "FA:16:3E:00:00:01",
            }),
        )
        .await;
    let q = json!({"network_id": network, "name": "q", "fixed_ips": [{"ip_address": "10.0.0.77"}]});
    cloud.port(ADMIN, q).await;
    assert_eq!(port["binding:vif_type"], "tap");
    assert_eq!(port["binding:vif_details"]["port_filter"], true);
    assert_eq!(port["status"], "DOWN");
    let (id, group) = (&port["id"], &port["security_groups"][0]);
    let subnet = &port["fixed_ips"][0]["subnet_id"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for query in [
        format!("id={}", text(id)),
        "name=p".to_owned(),
        "device_id=vm".to_owned(),
        "binding:host_id=h1".to_owned(),
        "mac_address=fa-16-3e-00-00-01".to_owned(),
        "fixed_ips=ip_address%3D10.0.0.9".to_owned(),
        format!(
            "fixed_ips=ip_address%3D10.0.0.9&fixed_ips=subnet_id%3D{}",
            text(subnet)
        ),
        "fixed_ips=ip_address_substr%3D0.0.9".to_owned(),
        format!("security_groups={}&device_id=vm", text(group)),
        "status=DOWN&device_id=vm".to_owned(),
        format!("network_id={network}&name=p"),
        format!("network_id={network}&network_id={network}&device_id=vm&tenant_id=ops"),
    ] {
        let list = cloud.get(ADMIN, &format!("/v2.0/ports?{query}")).await;
        assert_eq!(names(&list, "ports"), ["p"], "{query}");
    }
    let unbound = cloud.get(ADMIN, "/v2.0/ports?binding:host_id=").await;
    assert_eq!(names(&unbound, "ports"), ["q"]);
    assert_eq!(
        names(
            &cloud.get(ADMIN, "/v2.0/ports?name=p&device_id=x").await,
            "ports"
        )
        .len(),
        0
    );
}

#[tokio::test]
async fn a_subnet_named_twice_gives_two_addresses() {
    let cloud = Cloud::new();
    let network = cloud.ready_network(BLUE, "10.0.0.0/24").await;
    let list = cloud.get(BLUE, "/v2.0/subnets?fields=id").await;
    let subnet = &list.body["subnets"][0]["id"];
    let wanted = json!([{"subnet_id": subnet}, {"subnet_id": subnet}]);
    let port = json!({"network_id": network, "fixed_ips": wanted});
    let port = cloud.port(BLUE, port).await;
    let [one, two] = [0, 1].map(|n| &port["fixed_ips"][n]["ip_address"]);
    assert!(one.is_string() && two.is_string() && one != two, "{port}");

    let address = json!({"ip_address": "10.0.0.9"});
    let body = json!({"port": {"network_id": network, "fixed_ips": [address, address]}});
    let refused = cloud.post(BLUE, "/v2.0/ports", body).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_project_sees_its_own_and_what_is_shared() {
    let cloud = Cloud::new();
    let own = cloud.network(BLUE, "own").await;
    cloud.network(RED, "foreign").await;
    let shared = json!({"name": "shared", "shared": true});
    let shared = cloud.make(ADMIN, "networks", "network", shared).await;
    let list = cloud.get(BLUE, "/v2.0/networks?sort_key=name").await;
    assert_eq!(names(&list, "networks"), ["own", "shared"]);
    assert!(own.get("provider:segmentation_id").is_none());

    let path =
        |network: &Value| format!("/v2.0/networks/{}", network["id"].as_str().expect("an id"));
    assert_eq!(
        cloud.get(RED, &path(&own)).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        cloud.delete(RED, &path(&own)).await.status,
        StatusCode::NOT_FOUND
    );
    let refused = cloud
        .put(BLUE, &path(&shared), json!({"network": {"name": "mine"}}))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.error().0, "PolicyNotAuthorized");
    let refused = cloud
        .post(BLUE, "/v2.0/networks", json!({"network": {"shared": true}}))
        .await;
    assert_eq!(
        refused.error().1,
        "(rule:create_network and rule:create_network:shared) is disallowed by policy"
    );
    let filter = cloud
        .get(BLUE, "/v2.0/networks?provider:network_type=vxlan")
        .await;
    assert_eq!(filter.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn bulk_creates_all_or_nothing() {
    let cloud = Cloud::new();
    let network = cloud.ready_network(BLUE, "10.0.0.0/24").await;
    let before = cloud.revision();
    let ports: Vec<Value> = (0..20)
        .map(|n| json!({"network_id": network, "name": n.to_string()}))
        .collect();
    let answer = cloud
        .post(BLUE, "/v2.0/ports", json!({"ports": ports}))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(names(&answer, "ports").len(), 20);
    assert_eq!(cloud.revision().0, before.0 + 1, "one commit for all");

    let half = json!({"ports": [
        {"network_id": network},
        {"network_id": network, "fixed_ips": [{"ip_address": "192.0.2.1"}]},
    ]});
    let refused = cloud.post(BLUE, "/v2.0/ports", half).await;
    assert_eq!(
        refused.status,
        StatusCode::BAD_REQUEST,
        "{:?}",
        refused.body
    );
    assert_eq!(cloud.revision().0, before.0 + 1);
}

#[tokio::test]
async fn if_match_guards_writes() {
    let cloud = Cloud::new();
    let network = cloud.network(BLUE, "n").await;
    let path = format!("/v2.0/networks/{}", network["id"].as_str().expect("an id"));
    let put = async |value: &str| {
        let body = json!({"network": {"description": value}}).to_string();
        cloud
            .raw(BLUE, "PUT", &path, body, &[JSON[0], ("If-Match", value)])
            .await
    };
    assert_eq!(put("revision_number=0").await.status, StatusCode::OK);
    let stale = put("revision_number=0").await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(stale.error().0, "RevisionNumberConstraintFailed");
    assert_eq!(put("\"etag\"").await.status, StatusCode::BAD_REQUEST);
    let stale = cloud
        .raw(
            BLUE,
            "DELETE",
            &path,
            "",
            &[("If-Match", "revision_number=0")],
        )
        .await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn security_groups_hold_their_rules() {
    let cloud = Cloud::new();
    let group = cloud
        .make(
            BLUE,
            "security-groups",
            "security_group",
            json!({"name": "web"}),
        )
        .await;
    assert_eq!(
        group["security_group_rules"].as_array().map(Vec::len),
        Some(2)
    );
    let rule = json!({
        "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
        "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "10.1.2.3/8",
    });
    let rule = cloud
        .make(BLUE, "security-group-rules", "security_group_rule", rule)
        .await;
    assert_eq!(rule["remote_ip_prefix"], "10.0.0.0/8");
    assert_eq!(rule["belongs_to_default_sg"], false);
    let path = format!(
        "/v2.0/security-groups/{}",
        group["id"].as_str().expect("an id")
    );
    let shown = cloud.get(BLUE, &path).await.body;
    let rules = shown["security_group"]["security_group_rules"]
        .as_array()
        .expect("rules");
    assert!(rules.contains(&rule), "{rules:?}");
    let again = json!({"security_group_rule": {
        "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp",
        "port_range_min": 80, "port_range_max": 81, "remote_ip_prefix": "10.0.0.0/8",
    }});
    let refused = cloud.post(BLUE, "/v2.0/security-group-rules", again).await;
    assert_eq!(
        (refused.status, refused.error().0),
        (StatusCode::CONFLICT, "SecurityGroupRuleExists")
    );
    let rule_path = format!(
        "/v2.0/security-group-rules/{}",
        rule["id"].as_str().expect("an id")
    );
    let put = cloud.put(BLUE, &rule_path, json!({})).await;
    assert_eq!(put.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        cloud.delete(BLUE, &rule_path).await.status,
        StatusCode::NO_CONTENT
    );
    let groups = cloud.get(BLUE, "/v2.0/security-groups?sort_key=name").await;
    assert_eq!(names(&groups, "security_groups"), ["default", "web"]);
}

#[tokio::test]
async fn tags_one_by_one_and_together() {
    let cloud = Cloud::new();
    let network = cloud.network(BLUE, "n").await;
    let tags = format!(
        "/v2.0/networks/{}/tags",
        network["id"].as_str().expect("an id")
    );
    let one = |tag: &str| format!("{tags}/{tag}");
    assert_eq!(
        cloud.put(BLUE, &one("red"), json!({})).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        cloud.put(BLUE, &one("dry"), json!({})).await.status,
        StatusCode::CREATED
    );
    assert_eq!(
        cloud.get(BLUE, &tags).await.body,
        json!({"tags": ["dry", "red"]})
    );
    assert_eq!(
        cloud.get(BLUE, &one("red")).await.status,
        StatusCode::NO_CONTENT
    );
    for (query, found) in [
        ("tags=red,dry", 1),
        ("tags=red,wet", 0),
        ("tags-any=red,wet", 1),
        ("not-tags-any=dry", 0),
    ] {
        let list = cloud.get(BLUE, &format!("/v2.0/networks?{query}")).await;
        assert_eq!(names(&list, "networks").len(), found, "{query}");
    }
    assert_eq!(
        cloud.delete(BLUE, &one("red")).await.status,
        StatusCode::NO_CONTENT
    );
    let missing = cloud.delete(BLUE, &one("red")).await;
    assert_eq!(
        (missing.status, missing.error().0),
        (StatusCode::NOT_FOUND, "TagNotFound")
    );
    let set = cloud.put(BLUE, &tags, json!({"tags": ["x"]})).await;
    assert_eq!(set.body, json!({"tags": ["x"]}));
    assert_eq!(
        cloud.delete(BLUE, &tags).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(cloud.get(BLUE, &tags).await.body, json!({"tags": []}));
}

#[tokio::test]
async fn agents_are_hosts_for_administrators() {
    let cloud = Cloud::new();
    cloud.host("h1", "192.0.2.1").await;
    let list = cloud.get(ADMIN, "/v2.0/agents?host=h1").await;
    let agent = &list.body["agents"][0];
    assert_eq!(
        (&agent["host"], &agent["alive"]),
        (&json!("h1"), &json!(false))
    );
    assert_eq!(
        cloud.get(BLUE, "/v2.0/agents").await.body,
        json!({"agents": []})
    );
    let path = format!("/v2.0/agents/{}", agent["id"].as_str().expect("an id"));
    assert_eq!(cloud.get(BLUE, &path).await.status, StatusCode::NOT_FOUND);
    let body = json!({"agent": {"admin_state_up": false, "description": "rack 1"}});
    let updated = cloud.put(ADMIN, &path, body).await;
    assert_eq!(updated.body["agent"]["admin_state_up"], false);
    assert_eq!(
        cloud.delete(ADMIN, &path).await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(cloud.get(ADMIN, &path).await.error().0, "AgentNotFound");
}

#[tokio::test]
async fn the_openapi_document_names_every_path_and_attribute() {
    let cloud = Cloud::new();
    let document = cloud.get(ADMIN, "/v2.0/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    let network = cloud.network(ADMIN, "n").await;
    let schema = document["components"]["schemas"]["network"]["properties"]
        .as_object()
        .expect("a schema");
    for name in network.as_object().expect("an object").keys() {
        assert!(schema.contains_key(name), "{name}");
    }
    assert!(document["paths"]["/v2.0/security-group-rules/{id}"]["put"].is_null());
    assert_eq!(
        document["components"]["schemas"]["subnet_create"]["required"],
        json!(["network_id", "ip_version", "cidr"])
    );
}
