//! `[neighbors.families.NAME]`: one address family with one neighbor.

use super::document::Table;
use super::value::{FromToml, word};
use crate::Family;
use crate::message::AddPathMode;
use toml::de::DeValue;

/// What is agreed for one family with one neighbor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FamilyConfig {
    /// RFC 7911; `None`: one path per prefix, without identifiers.
    pub add_path: Option<AddPathMode>,
    pub max_prefix: Option<MaxPrefix>,
    /// It is sent a default route of ours, whatever the table has. Of the unicast families.
    pub default_originate: bool,
    /// RFC 9494, seconds, if not the neighbor's.
    pub long_lived_stale_time: Option<u32>,
}

/// A limit of prefixes received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaxPrefix {
    pub limit: u32,
    /// Percent of the limit at which a warning is given.
    pub warning: u8,
    pub at_limit: AtLimit,
}

/// What happens when a neighbor sends more than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtLimit {
    Warn,
    /// The session ends until an operator clears it.
    Stop,
    /// The session ends for so many minutes.
    Restart(u16),
}

impl FromToml for AddPathMode {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("receive", Self::Receive),
            ("send", Self::Send),
            ("both", Self::Both),
        ];
        word(value, &words)
    }
}

impl FamilyConfig {
    /// `None` if it is switched off.
    pub(super) fn read(family: Family, table: Table<'_>) -> Option<Self> {
        let enabled = table.or("enabled", true);
        let read = Self {
            add_path: table.get("add-path"),
            max_prefix: MaxPrefix::read(&table),
            default_originate: table.or("default-originate", false),
            long_lived_stale_time: table.get("long-lived-stale-time"),
        };
        if read
            .long_lived_stale_time
            .is_some_and(|time| time > 0xff_ffff)
        {
            let problem = "is more than 16777215 (24 bits, RFC 9494 4.1)";
            table.issue("long-lived-stale-time", problem);
        }
        let unicast = [Family::Ipv4Unicast, Family::Ipv6Unicast].contains(&family);
        if read.default_originate && !unicast {
            let problem =
                format!("{family} has no default route: use ipv4-unicast or ipv6-unicast");
            table.issue("default-originate", problem);
        }
        table.finish();
        enabled.then_some(read)
    }
}

impl MaxPrefix {
    fn read(parent: &Table<'_>) -> Option<Self> {
        let table = parent.table("max-prefix");
        if !table.is_present() {
            return None;
        }
        let limit = table.required("limit", "write how many prefixes are accepted");
        let restart = table.bounded("restart", 0..65_536, 0, "a time in minutes");
        let warning = table.bounded("warning", 1..101, 75, "a percentage");
        let warning_only = table.or("warning-only", false);
        if warning_only && restart > 0 {
            table.issue("restart", "has no meaning with warning-only: keep one");
        }
        table.finish();
        Some(Self {
            limit: limit?,
            warning,
            at_limit: match (warning_only, restart) {
                (true, _) => AtLimit::Warn,
                (false, 0) => AtLimit::Stop,
                (false, minutes) => AtLimit::Restart(minutes),
            },
        })
    }
}
