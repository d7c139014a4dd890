//! Small things the tests share.

use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use topology::{
    Batch, Cause, Declarations, Draft, Environment, Map, ObjectKey, ObjectRef, Profile, Reading,
    Source, SourceKind,
};

pub(crate) fn environment() -> Environment {
    Environment::new("ENV").expect("valid")
}

pub(crate) fn declarations() -> Arc<Declarations> {
    Arc::new(Declarations::embedded().unwrap_or_else(|errors| panic!("{errors}")))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

pub(crate) fn source(kind: &str, second: i64) -> Source {
    Source {
        kind: SourceKind::new(kind).expect("valid"),
        detail: "test".into(),
        read_at: at(second),
    }
}

pub(crate) fn key(object_type: &str, id: &str) -> ObjectKey {
    ObjectKey::new(&environment(), object_type, id).expect("valid")
}

pub(crate) fn object(object_type: &str, id: &str) -> ObjectRef {
    ObjectRef::new(object_type, id).expect("valid")
}

pub(crate) fn map_of(profile: Profile) -> Map {
    Map::new(profile, declarations(), at(0))
}

pub(crate) fn map() -> Map {
    map_of(Profile::new(environment()))
}

pub(crate) fn scan(at_second: i64, readings: Vec<Reading>) -> Batch {
    Batch {
        cause: Cause::Scan("test".into()),
        at: at(at_second),
        readings,
    }
}

/// A reading of one source that names only what it holds.
pub(crate) fn reading(kind: &str, second: i64, drafts: Vec<Draft>) -> Reading {
    Reading {
        drafts,
        ..Reading::named(source(kind, second))
    }
}

pub(crate) fn draft(object_type: &str, id: &str, attributes: Value) -> Draft {
    let mut draft = Draft::whole(key(object_type, id), id);
    if let Value::Object(map) = attributes {
        draft.attributes = map.into_iter().map(|(k, v)| (k.into(), v)).collect();
    }
    draft
}
