//! How routes are changed on their way to a neighbor, beside policy.

use super::document::Table;
use super::value::{FromToml, word};
use crate::policy::PolicyName;
use crate::rib::{AddPathSend, NextHopMode, RemovePrivate};
use toml::de::DeValue;

/// What a neighbor is sent, and in which form. All of it changes live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    pub policy: Option<PolicyName>,
    pub next_hop: NextHopMode,
    /// The neighbor is a client of ours as route reflector (RFC 4456).
    pub rr_client: bool,
    /// The neighbor is a client of ours as route server (RFC 7947).
    pub route_server_client: bool,
    /// The neighbor's own AS in a path is replaced by ours.
    pub as_override: bool,
    /// With local-as: our real AS does not stand in the path as well.
    pub replace_as: bool,
    pub remove_private: RemovePrivate,
    /// Long-lived stale routes go to it even without LLGR (RFC 9494 4.7).
    pub long_lived_partial: bool,
    /// How many paths of a prefix, where add-path is in use.
    pub add_path_limit: AddPathSend,
}

impl Export {
    pub(super) fn read(table: &Table<'_>) -> Self {
        Self {
            policy: table.get("export"),
            next_hop: table.or("next-hop", NextHopMode::default()),
            rr_client: table.or("rr-client", false),
            route_server_client: table.or("route-server-client", false),
            as_override: table.or("as-override", false),
            replace_as: table.or("replace-as", false),
            remove_private: table.or("remove-private", RemovePrivate::default()),
            long_lived_partial: table.or("long-lived-partial", false),
            add_path_limit: table.or("add-path-limit", AddPathSend::All),
        }
    }
}

impl FromToml for NextHopMode {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("standard", Self::Standard),
            ("self", Self::OnlySelf),
            ("unchanged", Self::Unchanged),
        ];
        word(value, &words)
    }
}

impl FromToml for RemovePrivate {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if let Some(remove) = value.as_bool() {
            return Ok(if remove { Self::Remove } else { Self::No });
        }
        word(
            value,
            &[("remove", Self::Remove), ("replace", Self::Replace)],
        )
    }
}

impl FromToml for AddPathSend {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if value.as_str() == Some("all") {
            return Ok(Self::All);
        }
        match u16::from_toml(value) {
            Ok(paths @ 1..) => Ok(Self::Best(paths)),
            _ => Err("must be \"all\" or a number of paths, 1 to 65535".to_owned()),
        }
    }
}
