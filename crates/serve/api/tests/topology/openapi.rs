//! The OpenAPI document says what there is: every path it names is there, and takes the parameters it names.

use crate::{ADMIN, Site};
use axum::http::StatusCode;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn every_path_and_parameter_of_the_document_is_known() {
    let site = Site::with_cloud().await;
    let document = site.get("/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() > 35, "{}", paths.len());
    let mut ids = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} is given twice");
            let below = path
                .strip_prefix("/netwright/v1/topology")
                .expect("below the map")
                .replace("{environment}", "prod")
                .replace("{number}", "77")
                .replace("{id}", "77")
                .replace("{name}", "none");
            // A wrong value for each parameter: what is refused is the value or what it names, never the parameter.
            let query = operation["parameters"].as_array().expect("parameters");
            for parameter in query.iter().filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().expect("a name");
                if below == "/events" {
                    continue;
                }
                let asked = format!("{below}?{name}=%00");
                let (_, text) = site.text(ADMIN, &method.to_uppercase(), &asked, None).await;
                assert!(!text.contains("there is no parameter"), "{asked}: {text}");
            }
            if below == "/events" {
                continue;
            }
            let body = (method == "post" || method == "put").then(|| json!({"no such": 1}));
            let (status, text) = site.text(ADMIN, &method.to_uppercase(), &below, body).await;
            assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(
                !text.contains("nothing at this path"),
                "{method} {path}: {text}"
            );
        }
    }
}
