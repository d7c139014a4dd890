//! The map over HTTP, as clients see it.

mod calipso;
mod openapi;
mod own;
mod reports;
mod scale;

use api::{ApiState, router};
use auth::{Authenticator, NoAuth};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use inventory::Inventory;
use jiff::Timestamp;
use operations::Defaults;
use serde_json::{Value, json};
use store::{Options, Store};
use topology::{Batch, Cause, Draft, Environment, ObjectKey, Reading, Source, SourceKind};
use tower::ServiceExt;

struct Site {
    inventory: Inventory,
    router: axum::Router,
    _dir: tempfile::TempDir,
}

const ADMIN: &[(&str, &str)] = &[("X-Roles", "admin"), ("X-Project-Id", "ops")];
const BLUE: &[(&str, &str)] = &[
    ("X-Roles", "member"),
    ("X-Project-Id", "blue"),
    ("X-User-Id", "bob"),
];

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let inventory = Inventory::open(dir.path()).expect("an empty inventory");
        let listen = "127.0.0.1:9696".parse().expect("an address");
        let auth = Authenticator::None(NoAuth::new(listen).expect("loopback"));
        let store = Store::in_memory(operations::schema(), Options::default());
        let state =
            ApiState::new(store, auth, Defaults::default()).with_inventory(inventory.clone());
        Self {
            inventory,
            router: router(state),
            _dir: dir,
        }
    }

    async fn text(
        &self,
        who: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, String) {
        let mut request = Request::builder()
            .method(method)
            .uri(match path.starts_with("/calipso/") {
                true => path.to_owned(),
                false => format!("/netwright/v1/topology{path}"),
            })
            .header("Host", "127.0.0.1:9696")
            .header("Content-Type", "application/json");
        for (name, value) in who {
            request = request.header(*name, *value);
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.body(body).expect("a request");
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a body");
        (status, String::from_utf8(bytes.to_vec()).expect("text"))
    }

    async fn ask(
        &self,
        who: &[(&str, &str)],
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let (status, text) = self.text(who, method, path, body).await;
        let value = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).expect("JSON"),
        };
        (status, value)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(ADMIN, "GET", path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {value}");
        value
    }

    /// An environment with two hosts; each has a vNIC on a bridge, of one tenant each.
    async fn with_cloud() -> Self {
        let site = Self::new();
        let config = json!({
            "config": {
                "name": "prod",
                "facts": {"environment_type": "OpenStack", "mechanism_drivers": ["LXB"]},
                "ssh": {"user": "reader", "known_hosts": "/dev/null"},
                "roles": [{"to": {"project": "blue"}, "right": "view", "tenant": "blue"}],
            },
            "credentials": {"ssh_password": "hunter2"},
        });
        let (status, answer) = site.ask(ADMIN, "POST", "/environments", Some(config)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        site.read_hosts(&["blue", "red"]);
        site
    }

    fn read_hosts(&self, tenants: &[&str]) {
        let environment = Environment::new("prod").expect("a name");
        let map = self.inventory.map(&environment).expect("the map");
        let key = |kind: &str, id: &str| ObjectKey::new(&environment, kind, id).expect("a key");
        let source = Source {
            kind: SourceKind::new("ssh").expect("a kind"),
            detail: "test".into(),
            read_at: Timestamp::now(),
        };
        let mut reading = Reading::named(source);
        for tenant in tenants {
            let host = format!("host-{tenant}");
            reading
                .drafts
                .push(Draft::whole(key("host", &host), host.as_str()).with("host", host.as_str()));
            let instance = format!("vm-{tenant}");
            reading.drafts.push(
                Draft::whole(key("instance", &instance), instance.as_str())
                    .under(key("host", &host))
                    .with("host", host.as_str())
                    .with("project_id", *tenant),
            );
        }
        let batch = Batch {
            cause: Cause::Scan("test".into()),
            at: Timestamp::now(),
            readings: vec![reading],
        };
        map.apply(&batch).expect("applied");
    }
}

#[tokio::test]
async fn objects_are_listed_in_pages_with_totals_and_chosen_fields() {
    let site = Site::with_cloud().await;
    let page = site.get("/environments/prod/objects?limit=3").await;
    assert_eq!(
        (
            page["total"].as_u64(),
            page["objects"].as_array().map(Vec::len)
        ),
        (Some(4), Some(3))
    );
    let next: String =
        form_urlencoded::byte_serialize(page["next"].as_str().expect("more").as_bytes()).collect();
    let rest = site
        .get(&format!("/environments/prod/objects?limit=3&cursor={next}"))
        .await;
    assert_eq!(rest["objects"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["next"], Value::Null);
    let fields = site
        .get("/environments/prod/objects?type=instance&fields=name&fields=project_id")
        .await;
    assert_eq!(
        fields["objects"][0],
        json!({"name": "vm-blue", "project_id": "blue"})
    );
    let one = site
        .get("/environments/prod/object?key=instance/vm-blue")
        .await;
    assert_eq!(one["object"]["attributes"]["project_id"]["source"], "ssh");
    assert_eq!(one["object"]["parent"], "host/host-blue");
    let found = site.get("/environments/prod/search?q=vm-r").await;
    assert_eq!(found["results"][0]["key"], "instance/vm-red");
    let impact = site
        .get("/environments/prod/impact?objects=host/host-red")
        .await;
    assert_eq!(impact["hit"][0]["key"], "instance/vm-red");
}

#[tokio::test]
async fn a_secret_goes_in_and_is_in_no_answer() {
    let site = Site::with_cloud().await;
    for path in ["/environments", "/environments/prod"] {
        let (_, text) = site.text(ADMIN, "GET", path, None).await;
        assert!(
            text.contains("ssh_password") && !text.contains("hunter2"),
            "{text}"
        );
    }
    let config = site.get("/environments/prod").await["environment"]["config"].clone();
    let (status, answer) = site
        .ask(
            ADMIN,
            "PUT",
            "/environments/prod",
            Some(json!({"config": config})),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(
        answer["environment"]["credentials"],
        json!(["ssh_password"]),
        "what is not given stays"
    );
}

#[tokio::test]
async fn a_tenant_sees_its_own_and_nothing_tells_of_the_rest() {
    let site = Site::with_cloud().await;
    let (status, list) = site
        .ask(BLUE, "GET", "/environments/prod/objects", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    let keys: Vec<&str> = list["objects"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["key"].as_str())
        .collect();
    assert_eq!(keys, ["instance/vm-blue"]);
    for path in [
        "object?key=instance/vm-red",
        "impact?objects=host/host-red",
        "graph?around=host/host-red",
        "cliques?focal=instance/vm-red",
    ] {
        let (status, _) = site
            .ask(BLUE, "GET", &format!("/environments/prod/{path}"), None)
            .await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "summary",
        "search?q=red",
        "tree",
        "links",
        "causes",
        "graph?around=instance/vm-blue&depth=9",
        "overview",
        "diff?from=0",
        "diff/picture?from=0",
    ] {
        let (status, text) = site
            .text(BLUE, "GET", &format!("/environments/prod/{path}"), None)
            .await;
        assert!(
            status == StatusCode::OK && !text.contains("red"),
            "{path}: {status} {text}"
        );
    }
    let (status, overview) = site
        .ask(BLUE, "GET", "/environments/prod/overview", None)
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(overview["nodes"][0]["key"], "instance/vm-blue");
    let (status, _) = site
        .ask(
            BLUE,
            "GET",
            "/environments/prod/diff?from=0&tenant=red",
            None,
        )
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = site
        .ask(BLUE, "POST", "/scans", Some(json!({"environment": "prod"})))
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let stranger: &[(&str, &str)] = &[("X-Roles", "member"), ("X-Project-Id", "green")];
    let (status, _) = site
        .ask(stranger, "GET", "/environments/prod/objects", None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn versions_are_named_compared_and_reported() {
    let site = Site::with_cloud().await;
    let body = json!({"name": "as designed", "pinned": true});
    let (status, _) = site
        .ask(
            ADMIN,
            "POST",
            "/environments/prod/snapshots",
            Some(body.clone()),
        )
        .await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, _) = site
        .ask(ADMIN, "POST", "/environments/prod/snapshots", Some(body))
        .await;
    assert_eq!(status, StatusCode::CONFLICT);
    site.read_hosts(&["green"]);
    let diff = site.get("/environments/prod/diff?from=as+designed").await;
    assert_eq!(diff["totals"]["objects"], json!({"added": 2}));
    let added: Vec<&str> = diff["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["id"].as_str())
        .collect();
    assert_eq!(added, ["host-green", "vm-green"]);
    let picture = site
        .get("/environments/prod/diff/picture?from=as+designed")
        .await;
    let changed: Vec<(&str, &str)> = picture["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .filter_map(|node| Some((node["id"].as_str()?, node["own"].as_str()?)))
        .collect();
    assert_eq!(changed, [("host-green", "added"), ("vm-green", "added")]);
    let then = site.get("/environments/prod/objects?at=as+designed").await;
    assert_eq!(then["total"], 4);
    let (status, html) = site
        .text(
            ADMIN,
            "GET",
            "/environments/prod/diff?from=as+designed&format=html",
            None,
        )
        .await;
    assert!(status == StatusCode::OK && html.contains("vm-green"));
    let (status, _) = site
        .ask(ADMIN, "GET", "/environments/prod/diff?from=never", None)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn checks_set_status_with_evidence_and_messages_are_tied_to_objects() {
    let site = Site::with_cloud().await;
    let event = json!({
        "check": {"name": "instance_vm-red", "status": 2, "output": "no answer", "executed": Timestamp::now().as_second()},
        "client": {"name": "host-red"},
    });
    let (status, answer) = site
        .ask(ADMIN, "POST", "/environments/prod/checks", Some(event))
        .await;
    assert_eq!(
        (status, answer["taken"].as_u64()),
        (StatusCode::OK, Some(1)),
        "{answer}"
    );
    let object = site
        .get("/environments/prod/object?key=instance/vm-red")
        .await;
    assert_eq!(
        (
            object["object"]["status"].as_str(),
            object["object"]["checks"][0]["text"].as_str()
        ),
        (Some("error"), Some("no answer"))
    );
    let messages = site
        .get("/environments/prod/messages?objects=instance/vm-red")
        .await;
    assert_eq!(messages["messages"][0]["text"], "no answer");
    let (status, _) = site
        .ask(
            ADMIN,
            "POST",
            "/environments/prod/checks",
            Some(json!({"what": 1})),
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let site = Site::with_cloud().await;
    for (method, path, body, expected) in [
        (
            "POST",
            "/environments",
            json!({"config": {"name": "prod"}}),
            StatusCode::CONFLICT,
        ),
        (
            "POST",
            "/environments",
            json!({"config": {"name": "a/b"}}),
            StatusCode::BAD_REQUEST,
        ),
        (
            "POST",
            "/environments",
            json!({"config": {"name": "x", "shh": 1}}),
            StatusCode::BAD_REQUEST,
        ),
        (
            "POST",
            "/environments",
            json!({"config": {"name": "x", "ssh": {"user": "u", "known_hosts": "/k"}}}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "PUT",
            "/environments/prod",
            json!({"config": {"name": "other"}}),
            StatusCode::BAD_REQUEST,
        ),
        (
            "POST",
            "/scans",
            json!({"environment": "none"}),
            StatusCode::NOT_FOUND,
        ),
        (
            "POST",
            "/schedules",
            json!({"name": "n", "environment": "prod", "pattern": "61 * * * *"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "POST",
            "/schedules",
            json!({"name": "n", "environment": "prod", "pattern": "0 0 * * 0", "zone": "Mars"}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "POST",
            "/clique-types",
            json!({"name": "c", "focal": "nothing", "links": ["x-y"]}),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        ("DELETE", "/scans/7", json!({}), StatusCode::NOT_FOUND),
        (
            "POST",
            "/environments/prod/messages",
            json!({"severity": "info", "text": ""}),
            StatusCode::BAD_REQUEST,
        ),
    ] {
        let (status, answer) = site.ask(ADMIN, method, path, Some(body.clone())).await;
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    for path in [
        "objects?limit=0",
        "objects?limit=5000",
        "objects?nonsense=1",
        "objects?type=A",
        "object?key=x",
        "objects?cursor=%00",
        "graph?around=",
    ] {
        let (status, answer) = site
            .ask(ADMIN, "GET", &format!("/environments/prod/{path}"), None)
            .await;
        assert!(status.is_client_error(), "{path}: {status} {answer}");
    }
    assert_eq!(
        site.get("/environments").await["environments"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    assert_eq!(site.get("/schedules").await["schedules"], json!([]));
}

#[tokio::test]
async fn clique_types_are_edited_and_checked_as_a_whole() {
    let site = Site::with_cloud().await;
    let clique = json!({"name": "only the host", "focal": "instance", "links": ["instance-vnic"], "environment": "prod"});
    let (status, answer) = site
        .ask(ADMIN, "POST", "/clique-types", Some(clique.clone()))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    let (status, _) = site.ask(ADMIN, "POST", "/clique-types", Some(clique)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let types = site.get("/clique-types").await;
    assert!(
        types["clique_types"]
            .as_array()
            .expect("rows")
            .iter()
            .any(|row| row["name"] == "only the host")
    );
    let (status, _) = site
        .ask(ADMIN, "DELETE", "/clique-types/only%20the%20host", None)
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}
