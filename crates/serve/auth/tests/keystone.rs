//! Token validation against a Keystone made of a few handlers on a real socket.

use auth::{AuthError, Authenticator, Credentials, Keystone, KeystoneConfig, Secret};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use model::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What the fake has been asked, and which of its service tokens is good.
#[derive(Default)]
struct Fake {
    logins: AtomicUsize,
    questions: AtomicUsize,
    /// Service tokens with a lower number are refused.
    valid_from: AtomicUsize,
}

fn body(project: Option<&str>, lifetime: Duration) -> Value {
    let expires_at = (Timestamp::now() + lifetime).to_string();
    json!({"token": {
        "expires_at": expires_at,
        "user": {"id": "u1", "name": "alice"},
        "project": project.map(|id| json!({"id": id, "name": "blue"})),
        "roles": [{"id": "r1", "name": "member"}],
    }})
}

async fn log_in(State(fake): State<Arc<Fake>>, Json(request): Json<Value>) -> Response {
    if request["auth"]["identity"]["password"]["user"]["password"] != "hush" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let number = fake.logins.fetch_add(1, Ordering::SeqCst);
    let token = [("X-Subject-Token", format!("service-{number}"))];
    let body = body(Some("service"), Duration::from_secs(3600));
    (StatusCode::CREATED, token, Json(body)).into_response()
}

async fn validate(State(fake): State<Arc<Fake>>, headers: HeaderMap) -> Response {
    fake.questions.fetch_add(1, Ordering::SeqCst);
    let text = |name: &str| headers[name].to_str().expect("ASCII").to_owned();
    let service: usize = text("X-Auth-Token")["service-".len()..]
        .parse()
        .expect("a number");
    if service < fake.valid_from.load(Ordering::SeqCst) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match text("X-Subject-Token").as_str() {
        "good" => Json(body(Some("p1"), Duration::from_secs(3600))).into_response(),
        "unscoped" => Json(body(None, Duration::from_secs(3600))).into_response(),
        "broken" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn start() -> (Arc<Fake>, String) {
    let fake = Arc::new(Fake::default());
    let app = Router::new()
        .route("/v3/auth/tokens", get(validate).post(log_in))
        .with_state(fake.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a socket");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (fake, url)
}

fn config(url: &str) -> KeystoneConfig {
    KeystoneConfig {
        auth_url: url.to_owned(),
        username: "neutron".to_owned(),
        password: Secret::new("hush"),
        project_name: "service".to_owned(),
        user_domain_name: "Default".to_owned(),
        project_domain_name: "Default".to_owned(),
        cache_seconds: 60,
        timeout_seconds: 5,
    }
}

fn keystone(config: KeystoneConfig) -> Keystone {
    Keystone::new(config).expect("a client")
}

#[tokio::test]
async fn a_good_token_is_asked_about_once() {
    let (fake, url) = start().await;
    let keystone = Arc::new(keystone(config(&format!("{url}/v3/"))));
    let authenticator = Authenticator::Keystone(keystone);
    let credentials = Credentials {
        token: Some("good"),
        roles: Some("admin"),
        ..Credentials::default()
    };
    for _ in 0..3 {
        let identity = authenticator
            .authenticate(credentials)
            .await
            .expect("valid");
        assert_eq!(identity.project.as_str(), "p1");
        assert_eq!(identity.user, "u1");
        assert!(
            !identity.is_admin,
            "headers of the request do not give roles"
        );
    }
    assert_eq!(fake.questions.load(Ordering::SeqCst), 1);
    assert_eq!(fake.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refused_tokens() {
    let (fake, url) = start().await;
    let keystone = keystone(config(&url));
    assert_eq!(keystone.validate("bad").await, Err(AuthError::Unauthorized));
    assert_eq!(keystone.validate("bad").await, Err(AuthError::Unauthorized));
    assert_eq!(fake.questions.load(Ordering::SeqCst), 1);
    assert_eq!(
        keystone.validate("unscoped").await,
        Err(AuthError::NoProject)
    );
    assert_eq!(
        keystone.validate("new\nline").await,
        Err(AuthError::Unauthorized)
    );
    let without = Authenticator::Keystone(Arc::new(keystone))
        .authenticate(Credentials::default())
        .await;
    assert_eq!(without, Err(AuthError::Unauthorized));
}

#[tokio::test]
async fn a_refused_service_token_is_renewed_once() {
    let (fake, url) = start().await;
    let keystone = keystone(config(&url));
    fake.valid_from.store(1, Ordering::SeqCst);
    assert!(keystone.validate("good").await.is_ok());
    assert_eq!(fake.logins.load(Ordering::SeqCst), 2);
    fake.valid_from.store(usize::MAX, Ordering::SeqCst);
    let error = keystone.validate("other").await.expect_err("refused");
    assert!(matches!(error, AuthError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn keystone_in_trouble_is_not_the_clients_fault() {
    let (_fake, url) = start().await;
    let error = keystone(config(&url))
        .validate("broken")
        .await
        .expect_err("500");
    assert!(matches!(error, AuthError::Unavailable(_)), "{error}");

    let wrong_password = KeystoneConfig {
        password: Secret::new("wrong"),
        ..config(&url)
    };
    let error = keystone(wrong_password)
        .validate("good")
        .await
        .expect_err("no login");
    assert!(
        matches!(&error, AuthError::Unavailable(text) if text.contains("'neutron'")),
        "{error}"
    );

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let nobody = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let error = keystone(config(&nobody))
        .validate("good")
        .await
        .expect_err("nobody there");
    assert!(matches!(error, AuthError::Unavailable(_)), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", config("http://127.0.0.1:5000"));
    assert!(!shown.contains("hush"), "{shown}");
}
