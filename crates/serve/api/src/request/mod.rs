//! Requests before they mean anything: strict JSON, bounded bodies, queries.

pub(crate) mod body;
pub(crate) mod json;
pub(crate) mod query;
