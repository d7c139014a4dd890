//! Names as parsed values: environments, object types, object ids, source kinds.
//!
//! A type name is never an id and an id is never a name: each is its own type. Nothing here decides what a name means.

use crate::TopologyError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $max:expr, $expected:literal, $valid:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// The text is empty, too long or has a character that is not allowed.
            pub fn new(text: impl AsRef<str>) -> Result<Self, TopologyError> {
                let text = text.as_ref();
                let valid: fn(char) -> bool = $valid;
                if text.is_empty() || text.len() > $max || !text.chars().all(valid) {
                    return Err(TopologyError::Name {
                        what: $what,
                        text: text.chars().take(80).collect(),
                        expected: $expected,
                    });
                }
                Ok(Self(text.into()))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = TopologyError;

            fn from_str(text: &str) -> Result<Self, TopologyError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TopologyError;

            fn try_from(text: String) -> Result<Self, TopologyError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    )*};
}

names! {
    /// One cloud under one control plane; the outermost name of everything on its map.
    Environment, "environment name", 255, "1 to 255 characters, none of them '/' or a control character",
        |c| !c.is_control() && c != '/';
    /// A declared kind of object: `instance`, `vnic`, `host_pnic`.
    ObjectType, "object type", 64, "1 to 64 lower-case letters, digits and '_'",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    /// A declared kind of link, `<source type>-<target type>`: `vnic-vconnector`.
    LinkType, "link type", 129, "two object types with one '-' between them",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    /// Identity within an environment and a type; the same in every scan and every event that speaks of the object.
    ObjectId, "object id", 1024, "1 to 1024 bytes, no control character", |c| !c.is_control();
    /// What kind of reader read something: `ssh`, `nova`, `event`. The declared precedence ranks these.
    SourceKind, "source kind", 64, "1 to 64 lower-case letters, digits, '-' and '_'",
        |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
}

impl LinkType {
    /// The types of the two ends.
    ///
    /// # Errors
    /// There is not exactly one `-`, or a side is not an object type.
    pub fn ends(&self) -> Result<(ObjectType, ObjectType), TopologyError> {
        let (source, target) = self.0.split_once('-').ok_or_else(|| TopologyError::Name {
            what: "link type",
            text: self.0.as_ref().to_owned(),
            expected: "two object types with one '-' between them",
        })?;
        Ok((ObjectType::new(source)?, ObjectType::new(target)?))
    }

    /// The same link type seen from the other end, as clique types name it.
    #[must_use]
    pub fn reversed(&self) -> Self {
        match self.0.split_once('-') {
            Some((source, target)) => Self(format!("{target}-{source}").into()),
            None => self.clone(),
        }
    }
}

/// The full name of an object.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey {
    pub environment: Environment,
    #[serde(rename = "type")]
    pub object_type: ObjectType,
    pub id: ObjectId,
}

impl ObjectKey {
    /// # Errors
    /// One of the two texts is not a valid name; see [`ObjectType`] and [`ObjectId`].
    pub fn new(
        environment: &Environment,
        object_type: impl AsRef<str>,
        id: impl AsRef<str>,
    ) -> Result<Self, TopologyError> {
        Ok(Self {
            environment: environment.clone(),
            object_type: ObjectType::new(object_type)?,
            id: ObjectId::new(id)?,
        })
    }

    /// Reads `<type>/<id>`, the form [`ObjectKey`] is displayed in; the id may itself hold slashes.
    ///
    /// # Errors
    /// There is no slash, or one side is not a valid name.
    pub fn parse(environment: &Environment, text: &str) -> Result<Self, TopologyError> {
        let (object_type, id) = text
            .split_once('/')
            .ok_or_else(|| TopologyError::Key(text.chars().take(80).collect()))?;
        Self::new(environment, object_type, id)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.object_type, self.id)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.environment, self.object_type, self.id)
    }
}
