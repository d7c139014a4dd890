//! The whole router over a store in memory, asked as a client would.

#![allow(dead_code, reason = "each test binary uses a part")]

use api::{ApiState, router};
use auth::{Authenticator, NoAuth};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use operations::Defaults;
use serde_json::{Value, json};
use store::{Options, Revision, Store};
use tower::ServiceExt;

pub(crate) struct Cloud {
    pub(crate) store: Store,
    pub(crate) router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The type and the message of a Neutron error.
    pub(crate) fn error(&self) -> (&str, &str) {
        let error = &self.body["NeutronError"];
        let text = |key: &str| error[key].as_str().unwrap_or("none");
        (text("type"), text("message"))
    }
}

/// Who asks: the project, and whether as an administrator.
#[derive(Clone, Copy)]
pub(crate) struct As(pub(crate) &'static str, pub(crate) bool);

pub(crate) const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

pub(crate) const ADMIN: As = As("ops", true);
pub(crate) const BLUE: As = As("blue", false);
pub(crate) const RED: As = As("red", false);

impl Cloud {
    /// Where requests say themselves who sends them.
    pub(crate) fn new() -> Self {
        let listen = "127.0.0.1:9696".parse().expect("an address");
        Self::with(Authenticator::None(NoAuth::new(listen).expect("loopback")))
    }

    pub(crate) fn with(auth: Authenticator) -> Self {
        let store = Store::in_memory(operations::schema(), Options::default());
        let state = ApiState::new(store.clone(), auth, Defaults::default());
        Self {
            store,
            router: router(state),
        }
    }

    pub(crate) fn revision(&self) -> Revision {
        self.store.snapshot().revision()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body");
        let body = match bytes.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&bytes).expect("JSON"),
        };
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    pub(crate) async fn raw(
        &self,
        who: As,
        method: &str,
        path: &str,
        body: impl Into<Body>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "cloud:9696")
            .header("X-Project-Id", who.0)
            .header("X-Roles", if who.1 { "admin" } else { "member" });
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).expect("a request"))
            .await
    }

    pub(crate) async fn get(&self, who: As, path: &str) -> Answer {
        self.raw(who, "GET", path, Body::empty(), &[]).await
    }

    pub(crate) async fn post(&self, who: As, path: &str, body: Value) -> Answer {
        self.raw(who, "POST", path, body.to_string(), JSON).await
    }

    pub(crate) async fn put(&self, who: As, path: &str, body: Value) -> Answer {
        self.raw(who, "PUT", path, body.to_string(), JSON).await
    }

    pub(crate) async fn delete(&self, who: As, path: &str) -> Answer {
        self.raw(who, "DELETE", path, Body::empty(), &[]).await
    }

    /// Creates `{"SINGULAR": object}` and returns the object.
    pub(crate) async fn make(&self, who: As, path: &str, singular: &str, object: Value) -> Value {
        let answer = self
            .post(who, &format!("/v2.0/{path}"), json!({ singular: object }))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.body);
        answer.body[singular].clone()
    }

    pub(crate) async fn network(&self, who: As, name: &str) -> Value {
        self.make(who, "networks", "network", json!({"name": name}))
            .await
    }

    /// A network with one IPv4 subnet; the network's id.
    pub(crate) async fn ready_network(&self, who: As, cidr: &str) -> String {
        let network = self.network(who, "net").await;
        let id = network["id"].as_str().expect("an id").to_owned();
        let subnet = json!({"network_id": id, "ip_version": 4, "cidr": cidr});
        self.make(who, "subnets", "subnet", subnet).await;
        id
    }

    pub(crate) async fn port(&self, who: As, object: Value) -> Value {
        self.make(who, "ports", "port", object).await
    }

    /// Makes a host known, as its agent's first hello does.
    pub(crate) async fn host(&self, name: &str, address: &str) {
        let name = name.parse().expect("a host name");
        let address = address.parse().expect("an address");
        let defaults = Defaults::default();
        self.store
            .transact(|tx| {
                let project = "ops".parse().expect("a project");
                let age = i64::try_from(self.revision().0).expect("a small number");
                let now = model::Timestamp::from_second(age).expect("a time");
                let ctx = operations::Context::new(now, project, true, &defaults);
                operations::hosts::register(tx, &ctx, &name, address)
            })
            .await
            .expect("registered");
    }
}

pub(crate) fn names(answer: &Answer, collection: &str) -> Vec<String> {
    let objects = answer.body[collection].as_array().expect("a list");
    objects
        .iter()
        .map(|object| object["name"].as_str().expect("a name").to_owned())
        .collect()
}
