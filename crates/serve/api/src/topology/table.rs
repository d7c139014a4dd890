//! Every request about the map, in one table: the router and the OpenAPI document are both made from it, so that neither knows a path the
//! other does not.

mod rows;

use crate::App;
use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};

/// What a parameter or a member of a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    /// RFC 3339.
    Time,
    /// `type/id`.
    Key,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Any JSON.
    Any,
}

/// A parameter or a member of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) needed: bool,
    /// A repeated parameter, or a list.
    pub(super) many: bool,
}

const fn some(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        needed: false,
        many: false,
    }
}

const fn need(name: &'static str, kind: Kind) -> Field {
    Field {
        needed: true,
        ..some(name, kind)
    }
}

const fn many(name: &'static str, kind: Kind) -> Field {
    Field {
        many: true,
        ..some(name, kind)
    }
}

const fn need_many(name: &'static str, kind: Kind) -> Field {
    Field {
        many: true,
        ..need(name, kind)
    }
}

/// One request.
pub(super) struct Endpoint {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) says: &'static str,
    pub(super) query: Vec<Field>,
    pub(super) body: Vec<Field>,
    /// Status and members of the answer.
    pub(super) status: u16,
    pub(super) answer: &'static [&'static str],
    handler: MethodRouter<App>,
}

impl Endpoint {
    fn new<H, T>(
        method: &'static str,
        path: &'static str,
        handler: H,
        says: &'static str,
        answer: &'static [&'static str],
    ) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let (filter, status) = match method {
            "POST" => (MethodFilter::POST, 201),
            "PUT" => (MethodFilter::PUT, 200),
            "DELETE" => (MethodFilter::DELETE, 204),
            _ => (MethodFilter::GET, 200),
        };
        Self {
            method,
            path,
            says,
            query: Vec::new(),
            body: Vec::new(),
            status: if answer.is_empty() && status == 201 {
                204
            } else {
                status
            },
            answer,
            handler: on(filter, handler),
        }
    }

    fn query(mut self, fields: &[Field]) -> Self {
        self.query.extend_from_slice(fields);
        self
    }

    fn body(mut self, fields: &[Field]) -> Self {
        self.body.extend_from_slice(fields);
        self
    }

    fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// Everything there is.
pub(super) fn endpoints() -> Vec<Endpoint> {
    rows::groups().into_iter().flatten().collect()
}

/// The router of the table.
pub(super) fn router() -> Router<App> {
    endpoints()
        .into_iter()
        .fold(Router::new(), |router, endpoint| {
            router.route(endpoint.path, endpoint.handler)
        })
}
