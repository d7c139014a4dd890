//! The earlier system's API over real maps: what its recorded requests do not show.

use super::{ADMIN, BLUE, Site};
use axum::http::StatusCode;
use serde_json::{Value, json};

/// A server that gives a token to whoever has the password.
async fn keystone() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let token = |body: String| async move {
        let status = match body.contains("\"s3cret\"") {
            true => StatusCode::CREATED,
            false => StatusCode::UNAUTHORIZED,
        };
        let answer = json!({"token": {"catalog": [{"type": "compute", "endpoints": []}]}});
        (status, [("X-Subject-Token", "t")], axum::Json(answer))
    };
    let router = axum::Router::new().route("/v3/auth/tokens", axum::routing::post(token));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

fn request(port: u16, password: &str) -> Value {
    json!({
        "environment": "not-yet",
        "test_targets": ["OpenStack", "mysql"],
        "targets_configuration": [
            {"name": "OpenStack", "host": "127.0.0.1", "port": port.to_string(), "user": "admin", "pwd": password},
            // Nothing listens at port 1.
            {"name": "mysql", "host": "127.0.0.1", "port": "1", "user": "root", "pwd": "s3cret"},
        ],
    })
}

/// The test when it has ended.
async fn answered(site: &Site, id: &str) -> Value {
    let path = format!("/calipso/connection_tests?env_name=not-yet&id={id}");
    loop {
        let (status, test) = site.ask(ADMIN, "GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{test}");
        if test["status"] == "response" {
            return test;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_test_reaches_what_can_be_reached_and_gives_no_secret_out() {
    let site = Site::new();
    let port = keystone().await;
    let body = request(port, "s3cret");
    let (status, made) = site
        .ask(ADMIN, "POST", "/calipso/connection_tests", Some(body))
        .await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let test = answered(&site, made["id"].as_str().expect("an id")).await;
    assert_eq!(
        test["test_results"],
        json!({"OpenStack": true, "mysql": false})
    );
    let told = test["last_response_message"].as_str().expect("a message");
    assert!(told.contains("a token was issued"), "{told}");
    assert!(!test.to_string().contains("s3cret"), "{test}");
    assert_eq!(
        test["targets_configuration"],
        json!([{"name": "OpenStack"}, {"name": "mysql"}])
    );

    let (_, wrong) = site
        .ask(
            ADMIN,
            "POST",
            "/calipso/connection_tests",
            Some(request(port, "guess")),
        )
        .await;
    let wrong = answered(&site, wrong["id"].as_str().expect("an id")).await;
    assert_eq!(wrong["test_results"]["OpenStack"], false);

    let list = |query: &str| format!("/calipso/connection_tests?env_name=not-yet{query}");
    let (_, all) = site.ask(ADMIN, "GET", &list(""), None).await;
    let ids = |list: &Value| list["connection_tests"].as_array().map(Vec::len);
    assert_eq!(ids(&all), Some(2));
    assert!(all["connection_tests"][0].get("status").is_none(), "{all}");
    let (_, good) = site
        .ask(ADMIN, "GET", &list("&test_results=true"), None)
        .await;
    assert_eq!(ids(&good), Some(1));
    assert_eq!(
        good["connection_tests"][0]["test_targets"],
        json!(["OpenStack"])
    );
    let (_, sql) = site
        .ask(
            ADMIN,
            "GET",
            &list("&test_targets=mysql&status=response"),
            None,
        )
        .await;
    assert_eq!(ids(&sql), Some(2));
}

#[tokio::test]
async fn a_connection_test_that_cannot_be_made_is_refused_and_others_see_none() {
    let site = Site::new();
    let path = "/calipso/connection_tests";
    let refused = |change: fn(&mut Value)| {
        let mut body = request(1, "s3cret");
        change(&mut body);
        let asked = site.ask(ADMIN, "POST", path, Some(body));
        async {
            let (status, answer) = asked.await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
            answer["error"]["message"]
                .as_str()
                .expect("a message")
                .to_owned()
        }
    };
    assert_eq!(
        refused(|body| body["test_targets"] = json!(["AMQP"])).await,
        "targets_configuration should contain an entry for target 'AMQP'"
    );
    assert_eq!(
        refused(|body| {
            let section = body["targets_configuration"][0].as_object_mut();
            section.expect("a section").remove("pwd");
        })
        .await,
        "the configuration 'OpenStack' needs pwd"
    );
    assert_eq!(
        refused(|body| body["test_targets"] = json!(["telnet"])).await,
        "test_targets must be a list of configuration_targets"
    );
    let (status, _) = site.ask(BLUE, "POST", path, Some(request(1, "x"))).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (_, made) = site.ask(ADMIN, "POST", path, Some(request(1, "x"))).await;
    let id = made["id"].as_str().expect("an id");
    let path = format!("{path}?env_name=not-yet&id={id}");
    let (status, _) = site.ask(BLUE, "GET", &path, None).await;
    assert_eq!(
        status,
        StatusCode::BAD_REQUEST,
        "the environment is not there for others"
    );
}
