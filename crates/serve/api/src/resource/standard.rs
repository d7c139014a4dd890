//! The attributes that every resource has, and the trait they are read through.

use crate::resource::attribute::{Attribute, Filter, Preset};
use crate::resource::kind::{Kind, NAME_MAX};
use model::{Meta, Network, Port, SecurityGroup, SecurityGroupRule, Subnet, Timestamp};
use operations::tables::{BY_NAME, BY_PROJECT};
use serde_json::Value;

/// An object with an id and what all resources have.
pub(crate) trait HasMeta {
    fn id(&self) -> String;
    fn meta(&self) -> &Meta;
}

macro_rules! has_meta {
    ($($model:ty),*) => {$(
        impl HasMeta for $model {
            fn id(&self) -> String {
                self.id.to_string()
            }

            fn meta(&self) -> &Meta {
                &self.meta
            }
        }
    )*};
}

has_meta!(Network, Subnet, Port, SecurityGroup, SecurityGroupRule);

/// The attribute table of a resource: what all have, then its own.
macro_rules! attributes {
    ($($own:expr),* $(,)?) => {
        &[
            $crate::resource::standard::id(),
            $crate::resource::standard::project("project_id"),
            $crate::resource::standard::tenant(),
            $crate::resource::standard::description(),
            $crate::resource::standard::created_at(),
            $crate::resource::standard::updated_at(),
            $crate::resource::standard::revision_number(),
            $crate::resource::standard::tags(),
            $($own),*
        ]
    };
}
pub(crate) use attributes;

/// Seconds in UTC, as Neutron writes times.
pub(crate) fn time(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}

pub(crate) const fn id<V: HasMeta>() -> Attribute<V> {
    Attribute::new("id", Kind::Uuid, |object: &V| object.id().into())
        .filter(Filter::Id)
        .sort()
}

pub(crate) const fn project<V: HasMeta>(name: &'static str) -> Attribute<V> {
    Attribute::new(name, Kind::Text(NAME_MAX), |object: &V| {
        object.meta().project_id.as_str().into()
    })
    .optional(Preset::Chosen)
    .filter(Filter::Index(BY_PROJECT))
    .sort()
}

/// `project_id` under its older name; requests that use it are rewritten before they are checked.
pub(crate) const fn tenant<V: HasMeta>() -> Attribute<V> {
    Attribute::new("tenant_id", Kind::Text(NAME_MAX), |object: &V| {
        object.meta().project_id.as_str().into()
    })
}

pub(crate) const fn name<V: HasMeta>() -> Attribute<V> {
    Attribute::new("name", Kind::Text(NAME_MAX), |object: &V| {
        object.meta().name.as_str().into()
    })
    .optional(Preset::Text(""))
    .update()
    .filter(Filter::Index(BY_NAME))
    .sort()
}

pub(crate) const fn description<V: HasMeta>() -> Attribute<V> {
    Attribute::new("description", Kind::Text(NAME_MAX), |object: &V| {
        object.meta().description.as_str().into()
    })
    .optional(Preset::Text(""))
    .update()
    .filter(Filter::Scan)
    .sort()
}

pub(crate) const fn created_at<V: HasMeta>() -> Attribute<V> {
    Attribute::new("created_at", Kind::Time, |object: &V| {
        time(object.meta().created_at)
    })
    .filter(Filter::Scan)
    .sort()
}

pub(crate) const fn updated_at<V: HasMeta>() -> Attribute<V> {
    Attribute::new("updated_at", Kind::Time, |object: &V| {
        time(object.meta().updated_at)
    })
    .filter(Filter::Scan)
    .sort()
}

pub(crate) const fn revision_number<V: HasMeta>() -> Attribute<V> {
    Attribute::new(
        "revision_number",
        Kind::Integer(0, i64::MAX),
        |object: &V| object.meta().revision_number.into(),
    )
    .filter(Filter::Scan)
    .sort()
}

/// Filtered by `tags`, `tags-any`, `not-tags` and `not-tags-any`, which the query knows by itself.
pub(crate) const fn tags<V: HasMeta>() -> Attribute<V> {
    Attribute::new("tags", Kind::Tags, |object: &V| {
        object.meta().tags.iter().map(String::as_str).collect()
    })
    .optional(Preset::EmptyList)
}
