//! Identities as newtypes, so that a port id is never passed for a network id.

use crate::ModelError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ModelError;

            /// Accepts the hyphenated and the 32-digit form, in either case.
            fn from_str(text: &str) -> Result<Self, ModelError> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| ModelError::Uuid(text.to_owned()))
            }
        }
    )*};
}

uuid_ids! {
    /// An L2 segment that ports attach to.
    NetworkId;
    /// An address block on a network.
    SubnetId;
    /// An attachment point of a workload.
    PortId;
    /// A set of rules that ports are members of.
    SecurityGroupId;
    /// One rule of a security group.
    RuleId;
    /// A host agent as the Neutron API lists it.
    AgentId;
}

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident, $error:ident, $max:expr, $valid:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
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

        impl FromStr for $name {
            type Err = ModelError;

            fn from_str(text: &str) -> Result<Self, ModelError> {
                let valid: fn(char) -> bool = $valid;
                if text.is_empty() || text.len() > $max || !text.chars().all(valid) {
                    return Err(ModelError::$error(text.to_owned()));
                }
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = ModelError;

            fn try_from(text: String) -> Result<Self, ModelError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    )*};
}

text_ids! {
    /// A host as `binding:host_id` names it.
    HostName, HostName, 255, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    /// A Keystone project; Keystone chooses the form, usually 32 hexadecimal digits.
    ProjectId, ProjectId, 255, |c| !c.is_control() && c != '/';
}
