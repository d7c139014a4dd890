//! One row of a resource's attribute table: everything the API knows about an attribute, said once.
//! Validation, defaults, filters, sorting, `fields`, what is shown to whom and the OpenAPI document all read it.

use crate::resource::kind::Kind;
use serde_json::{Value, json};
use store::Snapshot;

/// What a create request without the attribute gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    Null,
    True,
    False,
    Text(&'static str),
    EmptyList,
    EmptyObject,
    /// Chosen when the object is made: an address, the caller's project, a configured default.
    Chosen,
}

impl Preset {
    /// `None` when the value is chosen later.
    pub(crate) fn value(self) -> Option<Value> {
        match self {
            Self::Null => Some(Value::Null),
            Self::True => Some(true.into()),
            Self::False => Some(false.into()),
            Self::Text(text) => Some(text.into()),
            Self::EmptyList => Some(json!([])),
            Self::EmptyObject => Some(json!({})),
            Self::Chosen => None,
        }
    }
}

/// Whether a create request may name the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    Refused,
    Optional(Preset),
    Required,
}

/// How a list is narrowed by the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    None,
    /// By looking at each object.
    Scan,
    /// By the table's index of this name.
    Index(&'static str),
    /// By the object that the resource's keys nest under.
    Parent,
    /// By identity.
    Id,
}

/// Who may use the attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Anyone,
    /// Everyone reads, administrators write.
    AdminWrites,
    /// Does not exist for others.
    AdminOnly,
}

/// Where the shown value comes from.
pub(crate) enum Read<V> {
    Object(fn(&V) -> Value),
    /// From other objects too, so it is made anew for each answer.
    Joined(fn(&V, &Snapshot) -> Value),
}

/// An attribute of a resource whose objects are `V`.
pub(crate) struct Attribute<V> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) create: Create,
    pub(crate) update: bool,
    pub(crate) filter: Filter,
    pub(crate) sort: bool,
    pub(crate) guard: Guard,
    pub(crate) read: Read<V>,
}

impl<V> Attribute<V> {
    /// An attribute that is read only and anyone's, until the methods below say more.
    pub(crate) const fn new(name: &'static str, kind: Kind, read: fn(&V) -> Value) -> Self {
        Self::reading(name, kind, Read::Object(read))
    }

    pub(crate) const fn joined(
        name: &'static str,
        kind: Kind,
        read: fn(&V, &Snapshot) -> Value,
    ) -> Self {
        Self::reading(name, kind, Read::Joined(read))
    }

    const fn reading(name: &'static str, kind: Kind, read: Read<V>) -> Self {
        Self {
            name,
            kind,
            nullable: false,
            create: Create::Refused,
            update: false,
            filter: Filter::None,
            sort: false,
            guard: Guard::Anyone,
            read,
        }
    }

    pub(crate) const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub(crate) const fn required(mut self) -> Self {
        self.create = Create::Required;
        self
    }

    pub(crate) const fn optional(mut self, preset: Preset) -> Self {
        self.create = Create::Optional(preset);
        self
    }

    pub(crate) const fn update(mut self) -> Self {
        self.update = true;
        self
    }

    pub(crate) const fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    pub(crate) const fn sort(mut self) -> Self {
        self.sort = true;
        self
    }

    pub(crate) const fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// The value as shown.
    pub(crate) fn value(&self, object: &V, snapshot: &Snapshot) -> Value {
        match self.read {
            Read::Object(read) => read(object),
            Read::Joined(read) => read(object, snapshot),
        }
    }

    pub(crate) fn shown_to(&self, admin: bool) -> bool {
        admin || self.guard != Guard::AdminOnly
    }
}

pub(crate) fn find<'a, V>(table: &'a [Attribute<V>], name: &str) -> Option<&'a Attribute<V>> {
    table.iter().find(|attribute| attribute.name == name)
}
