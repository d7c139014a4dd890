//! What commands print, as typed facts. One file per family of commands.
//!
//! Every function here is pure: text in, facts out. It must never fail on odd input other than by saying so: unknown
//! lines are passed over in text formats, and a structured answer (JSON, XML) that cannot be read whole is an error, because
//! half an answer says nothing about what is absent. No function here does I/O or reads a clock.

pub mod bond;
pub mod bridge;
pub mod ethtool;
pub mod ip;
pub mod ip_json;
pub mod iptables;
pub mod json;
pub mod libvirt;
pub mod lldp;
pub mod netns;
pub mod os;
pub mod ovn;
pub mod ovs;
pub mod route;
pub mod sysfs;
pub mod team;
pub mod text;
pub mod vpp;

/// Why a structured answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(
        "{format} ends or breaks at byte {at}: {reason}; run the command by hand to see its whole answer"
    )]
    Broken {
        format: &'static str,
        at: usize,
        reason: String,
    },
    #[error("{format} nests deeper than {limit} levels; no command asked for prints that")]
    TooDeep { format: &'static str, limit: usize },
    #[error(
        "{format} has more than {limit} entries; raise no limit, find out why the host has so many"
    )]
    TooMany { format: &'static str, limit: usize },
    #[error("{format} has no {what}; the host runs another version of the command than any known")]
    Shape {
        format: &'static str,
        what: &'static str,
    },
}

/// Entries a single answer may hold; a host with more is not a host.
pub const MAX_ENTRIES: usize = 100_000;
