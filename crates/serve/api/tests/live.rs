//! The Netwright API over a store without agents: what is shown of intent, and how it is followed.

mod common;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use common::{ADMIN, Answer, BLUE, Cloud};
use futures::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

async fn get(cloud: &Cloud, path: &str) -> Answer {
    cloud.get(ADMIN, &format!("/netwright/v1/{path}")).await
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Two hosts, a network, a bound port on each, one port unbound.
async fn furnished() -> (Cloud, Vec<Value>) {
    let cloud = Cloud::new();
    cloud.host("h1", "192.0.2.1").await;
    cloud.host("h2", "192.0.2.2").await;
    let network = cloud.ready_network(ADMIN, "10.0.0.0/24").await;
    let mut ports = Vec::new();
    for (name, host) in [("web", "h1"), ("db", "h2"), ("spare", "")] {
        let port = json!({"network_id": network, "name": name, "binding:host_id": host});
        ports.push(cloud.port(ADMIN, port).await);
    }
    (cloud, ports)
}

#[tokio::test]
async fn only_operators() {
    let cloud = Cloud::new();
    let refused = cloud.get(BLUE, "/netwright/v1/summary").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.body["error"]["type"], "Forbidden");
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_same_shape() {
    let cloud = Cloud::new();
    let missing = get(&cloud, "foo").await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.body["error"]["type"], "NotFound");
    let written = cloud.post(ADMIN, "/netwright/v1/hosts", json!({})).await;
    assert_eq!(written.status, 405);
    assert_eq!(written.body["error"]["type"], "MethodNotAllowed");
    let limit = get(&cloud, "ports?limit=many").await;
    let message = limit.body["error"]["message"].as_str().expect("a message");
    assert!(message.contains("limit=many"), "{message}");
}

#[tokio::test]
async fn summary_and_lists() {
    let (cloud, ports) = furnished().await;
    let summary = get(&cloud, "summary").await.body;
    assert_eq!(summary["hosts"], json!({"up": 0, "down": 2}));
    assert_eq!(summary["networks"], 1);
    assert_eq!(summary["revision"], cloud.revision().0);
    let hosts = get(&cloud, "hosts").await.body;
    assert_eq!(hosts["hosts"][0]["name"], "h1");
    assert_eq!(hosts["hosts"][0]["ports"], 1);
    let networks = get(&cloud, "networks").await.body;
    assert_eq!(networks["networks"][0]["ports"], 3);
    assert_eq!(networks["networks"][0]["subnets"][0]["cidr"], "10.0.0.0/24");
    let on_h1 = get(&cloud, "ports?host=h1").await.body;
    assert_eq!(
        (&on_h1["total"], &on_h1["ports"][0]["id"]),
        (&json!(1), &ports[0]["id"])
    );
    let detail = get(&cloud, &format!("ports/{}", text(&ports[2]["id"])))
        .await
        .body;
    assert_eq!(detail["reason"], "the port is bound to no host");
    assert_eq!(detail["security_groups"][0]["name"], "default");
    assert_eq!(get(&cloud, "ports/x").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&cloud, "ports?limit=0").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        get(&cloud, "ports?colour=red").await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn pages_survive_the_end_of_their_marker() {
    let (cloud, ports) = furnished().await;
    let first = get(&cloud, "ports?limit=1").await.body;
    assert_eq!(
        (&first["ports"][0]["name"], &first["total"]),
        (&json!("db"), &json!(3))
    );
    cloud
        .delete(ADMIN, &format!("/v2.0/ports/{}", text(&ports[1]["id"])))
        .await;
    let next = get(
        &cloud,
        &format!("ports?limit=5&marker={}", text(&first["next"])),
    )
    .await
    .body;
    let names: Vec<&str> = next["ports"]
        .as_array()
        .expect("ports")
        .iter()
        .map(|p| text(&p["name"]))
        .collect();
    assert_eq!(names, ["spare", "web"]);
    assert_eq!(next["next"], Value::Null);
}

#[tokio::test]
async fn search_knows_names_ids_macs_and_addresses() {
    let (cloud, ports) = furnished().await;
    let port = &ports[0];
    let mac = text(&port["mac_address"]).replace(':', "").to_uppercase();
    let address = text(&port["fixed_ips"][0]["ip_address"]);
    for (query, matched) in [
        ("WE", "name"),
        (&text(&port["id"])[..8], "id"),
        (mac.as_str(), "mac"),
        (address, "ip"),
    ] {
        let results = get(&cloud, &format!("search?q={query}")).await.body;
        let hit = results["results"]
            .as_array()
            .and_then(|hits| hits.iter().find(|hit| hit["id"] == port["id"]))
            .unwrap_or_else(|| panic!("{query}: {results}"));
        assert_eq!(
            (&hit["kind"], &hit["matched"]),
            (&json!("port"), &json!(matched)),
            "{query}"
        );
    }
    assert_eq!(get(&cloud, "search").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_graph_stays_put() {
    let (cloud, _) = furnished().await;
    let before = get(&cloud, "graph").await.body;
    assert_eq!(before["nodes"].as_array().map(Vec::len), Some(6));
    assert_eq!(before["edges"].as_array().map(Vec::len), Some(5));
    cloud.host("h3", "192.0.2.3").await;
    cloud.network(ADMIN, "another").await;
    let after = get(&cloud, "graph").await.body;
    let places = |graph: &Value| -> Vec<(String, String)> {
        let nodes = graph["nodes"].as_array().expect("nodes");
        nodes
            .iter()
            .map(|n| (text(&n["id"]).to_owned(), format!("{} {}", n["x"], n["y"])))
            .collect()
    };
    let after = places(&after);
    for place in places(&before) {
        assert!(after.contains(&place), "{place:?} moved: {after:?}");
    }
    let small = get(&cloud, "graph?limit=4").await.body;
    assert_eq!(small["omitted"]["ports"], 3);
}

#[tokio::test]
async fn plans_and_their_rows() {
    let (cloud, ports) = furnished().await;
    let plan = get(&cloud, "plans/h1").await.body;
    let key = format!("endpoint/{}", text(&ports[0]["id"]));
    assert_eq!(plan["units"][&key]["kind"], "endpoint");
    let explained = get(&cloud, &format!("explain?unit={key}")).await.body;
    let rows = explained["rows"].as_array().expect("rows");
    assert!(
        rows.iter().any(|row| text(row).starts_with("ports/")),
        "{rows:?}"
    );
    assert_eq!(
        get(&cloud, "plans/nowhere").await.status,
        StatusCode::NOT_FOUND
    );
    let gone = "explain?unit=segment/00000000-0000-0000-0000-000000000000";
    assert_eq!(get(&cloud, gone).await.status, StatusCode::NOT_FOUND);
    let refused = get(&cloud, "explain?unit=cloud/7").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn traces_are_asked_for_properly() {
    let (cloud, ports) = furnished().await;
    let (web, db, spare) = (
        text(&ports[0]["id"]),
        text(&ports[1]["id"]),
        text(&ports[2]["id"]),
    );
    for (query, status) in [
        (format!("from={web}&to={db}&proto=tcp&dport=22"), 200),
        (format!("from={web}&to=10.0.0.77&proto=icmp"), 200),
        (format!("from={web}&to={db}&proto=tcp"), 422),
        (format!("from={web}&to=10.0.0.77&proto=icmpv6"), 422),
        (format!("from={spare}&to={db}&proto=icmp"), 422),
        (format!("from={web}&to={db}&proto=nonsense"), 400),
        (format!("from={web}&to={db}&dport=70000"), 400),
        (format!("from={web}&to=somewhere&dport=1"), 400),
        (format!("from=x&to={db}&dport=1"), 404),
        (format!("to={db}"), 400),
    ] {
        let answer = get(&cloud, &format!("trace?{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}: {:?}", answer.body);
    }
}

/// An open event stream.
struct Events {
    stream: BodyDataStream,
    buffer: String,
}

impl Events {
    async fn open(cloud: &Cloud, query: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(format!("/netwright/v1/events{query}"));
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = cloud
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        Self {
            stream: response.into_body().into_data_stream(),
            buffer: String::new(),
        }
    }

    /// The next event: its name, its id and its data.
    async fn next(&mut self) -> (String, Option<String>, Value) {
        while !self.buffer.contains("\n\n") {
            let chunk = self
                .stream
                .next()
                .await
                .expect("an open stream")
                .expect("a chunk");
            self.buffer
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        }
        let (block, rest) = self.buffer.split_once("\n\n").expect("an event");
        let field = |name: &str| {
            let mut lines = block.lines();
            lines
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        let data = field("data").map_or(Value::Null, |data| {
            serde_json::from_str(&data).expect("JSON")
        });
        let event = (field("event").unwrap_or_default(), field("id"), data);
        self.buffer = rest.to_owned();
        event
    }
}

#[tokio::test]
async fn changes_are_told_and_resumed() {
    let (cloud, ports) = furnished().await;
    let mut events = Events::open(&cloud, "", None).await;
    let (name, _, hello) = events.next().await;
    assert_eq!(
        (name.as_str(), &hello["revision"]),
        ("hello", &json!(cloud.revision().0))
    );

    let path = format!("/v2.0/ports/{}", text(&ports[0]["id"]));
    cloud
        .put(ADMIN, &path, json!({"port": {"name": "renamed"}}))
        .await;
    let (name, id, change) = events.next().await;
    assert_eq!(
        (name.as_str(), id),
        ("change", Some(cloud.revision().to_string()))
    );
    assert_eq!(
        (&change["table"], &change["op"]),
        (&json!("ports"), &json!("update"))
    );
    assert_eq!(change["object"]["name"], "renamed");

    let before = cloud.revision();
    cloud.delete(ADMIN, &path).await;
    for mut resumed in [
        Events::open(&cloud, "", Some(&before.to_string())).await,
        Events::open(&cloud, &format!("?since={before}"), None).await,
    ] {
        assert_eq!(resumed.next().await.0, "hello");
        let (_, _, change) = resumed.next().await;
        assert_eq!(
            (&change["op"], &change["object"]),
            (&json!("delete"), &Value::Null)
        );
    }
}

#[tokio::test]
async fn a_position_unknown_here_starts_over() {
    let (cloud, _) = furnished().await;
    let mut events = Events::open(&cloud, "?since=999999", None).await;
    assert_eq!(events.next().await.0, "hello");
    let (name, _, reset) = events.next().await;
    assert_eq!(
        (name.as_str(), &reset["revision"]),
        ("reset", &json!(cloud.revision().0))
    );
}

#[tokio::test]
async fn browsers_get_the_console_and_clients_the_versions() {
    let cloud = Cloud::new();
    let request = Request::get("/")
        .header("Accept", "text/html,*/*")
        .body(Body::empty());
    let response = cloud
        .router
        .clone()
        .oneshot(request.expect("a request"))
        .await
        .expect("infallible");
    let kind = response.headers()["content-type"].to_str().expect("text");
    assert!(kind.starts_with("text/html"), "{kind}");
    assert!(cloud.get(ADMIN, "/").await.body["versions"].is_array());
}
