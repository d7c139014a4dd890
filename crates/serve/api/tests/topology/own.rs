//! The controller's own cloud: each project sees itself, operators everything, and nobody changes it here.

use crate::{ADMIN, BLUE, Site};
use axum::http::StatusCode;
use controller::{Config, Controller};
use inventory::OWN;
use model::Timestamp;
use operations::networks::NewNetwork;
use operations::{Context, Defaults, networks};
use serde_json::json;
use store::{Options, Store};
use topology::Environment;

#[tokio::test(flavor = "multi_thread")]
async fn each_project_sees_itself() {
    let site = Site::new();
    let store = Store::in_memory(operations::schema(), Options::default());
    let config = Config {
        listen: "127.0.0.1:0".parse().expect("an address"),
        tls: None,
    };
    let controller = Controller::start(store.clone(), config)
        .await
        .expect("a controller");
    let mapped = site.inventory.map_own(store.clone(), controller.fleet());
    mapped.expect("its map");
    let defaults = Defaults::default();
    for project in ["blue", "red"] {
        let project = project.parse().expect("a project");
        let context = Context::new(Timestamp::now(), project, true, &defaults);
        let created =
            store.transact(|tx| networks::create(tx, &context, NewNetwork::default()).map(drop));
        created.await.expect("a network");
    }
    let own = Environment::new(OWN).expect("a name");
    let map = site.inventory.map(&own).expect("the map");
    let mut changes = map.subscribe();
    while map.head().object_count() < 2 {
        changes.changed().await.expect("the map is open");
    }
    for (who, seen) in [(ADMIN, 2), (BLUE, 1)] {
        let path = format!("/environments/{OWN}/objects?type=network&fields=project_id");
        let (status, answer) = site.ask(who, "GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let rows = answer["objects"].as_array().expect("rows");
        assert_eq!(rows.len(), seen, "{answer}");
        assert!(rows.contains(&json!({"project_id": "blue"})), "{answer}");
    }
    for (who, refused) in [(BLUE, StatusCode::FORBIDDEN), (ADMIN, StatusCode::CONFLICT)] {
        let scan = json!({"environment": OWN});
        let (status, answer) = site.ask(who, "POST", "/scans", Some(scan)).await;
        assert_eq!(status, refused, "{answer}");
    }
}
