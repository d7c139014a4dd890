//! `[global]`: who this speaker is, and what neighbors have if they say nothing else.

use super::document::Table;
use super::services::OnStop;
use super::value::{FromToml, word};
use crate::rib::BestPathOptions;
use crate::{Asn, RouterId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use toml::de::DeValue;

/// The port of BGP (RFC 4271 1).
pub const PORT: u16 = 179;

/// This speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    pub asn: Asn,
    pub router_id: RouterId,
    /// Our name, told to neighbors; empty: none is told.
    pub host_name: String,
    /// For route reflection (RFC 4456 7); the router id if not given.
    pub cluster_id: Ipv4Addr,
    /// Where connections are accepted; empty: nowhere.
    pub listen: Vec<IpAddr>,
    pub port: u16,
    /// Seed of every random choice (timer jitter), so that a run can be repeated. The shell sets it to something new.
    pub seed: u64,
    /// Connection attempts or OPENs per minute one address may make before it is ignored for a minute.
    pub open_rate: u32,
    pub best_path: BestPathOptions,
    /// Parts each table is worked on in; 1 to 64.
    pub shards: usize,
    pub on_stop: OnStop,
    /// Octets of encoded messages kept for a slow neighbor before it is served by a walk of the table.
    pub backlog: usize,
}

/// The timers of a session, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// What we offer: 0 (no keepalives), or 3 to 65,535. The lower offer of both sides counts.
    pub hold: u16,
    /// At most a third of the hold time is used; 0 with a hold time of 0.
    pub keepalive: u16,
    /// Between connection attempts, before back-off: 1 to 3,600.
    pub connect_retry: u16,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            hold: 90,
            keepalive: 30,
            connect_retry: 5,
        }
    }
}

impl Timers {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let hold = table.bounded("hold-time", 0..65_536, 90, "a hold time in seconds");
        if matches!(hold, 1 | 2) {
            let problem = "a hold time is 0 (no keepalives) or 3 to 65535 seconds (RFC 4271 4.2)";
            table.issue("hold-time", problem);
        }
        let keepalive = table.bounded("keepalive", 0..21_846, hold / 3, "a keepalive in seconds");
        if u32::from(keepalive) * 3 > u32::from(hold) {
            let most = hold / 3;
            let problem = format!(
                "is more than a third of the hold time {hold}: write at most {most}, or leave it out"
            );
            table.issue("keepalive", problem);
        }
        Self {
            hold,
            keepalive,
            connect_retry: table.bounded("connect-retry", 1..3_601, 5, "a retry time in seconds"),
        }
    }
}

/// Graceful restart (RFC 4724, RFC 8538) of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    pub mode: GracefulMode,
    /// What we promise: back within so many seconds after a restart; 1 to 4,095.
    pub restart_time: u16,
    /// How long routes of a neighbor that came back wait for its end-of-RIB; seconds.
    pub stale_time: u32,
    /// After a restart of ours: how long to wait for the neighbors' routes before choosing; seconds.
    pub selection_deferral: u32,
    /// RFC 8538: a NOTIFICATION other than a hard reset also keeps routes.
    pub notification: bool,
}

/// Which part of graceful restart a speaker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GracefulMode {
    /// The capability is not sent; routes go with the session.
    Off,
    /// Keeps the routes of others over their restart; its own are not to be kept.
    Helper,
    Full,
}

impl FromToml for GracefulMode {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if let Some(enabled) = value.as_bool() {
            return Ok(if enabled { Self::Full } else { Self::Off });
        }
        let words = [
            ("off", Self::Off),
            ("helper", Self::Helper),
            ("full", Self::Full),
        ];
        word(value, &words)
    }
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            mode: GracefulMode::Full,
            restart_time: 120,
            stale_time: 360,
            selection_deferral: 360,
            notification: true,
        }
    }
}

impl GracefulRestart {
    pub(super) fn read(parent: &Table<'_>) -> Self {
        let table = parent.table("graceful-restart");
        let default = Self::default();
        let read = Self {
            mode: table.or("mode", default.mode),
            restart_time: table.bounded(
                "restart-time",
                1..4_096,
                default.restart_time,
                "a restart time in seconds (12 bits, RFC 4724 3)",
            ),
            stale_time: table.bounded(
                "stale-time",
                1..86_401,
                default.stale_time,
                "a stale time in seconds",
            ),
            selection_deferral: table.bounded(
                "selection-deferral",
                1..86_401,
                default.selection_deferral,
                "a selection deferral time in seconds",
            ),
            notification: table.or("notification", default.notification),
        };
        table.finish();
        read
    }
}

/// Long-lived graceful restart (RFC 9494) of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongLived {
    pub enabled: bool,
    /// Seconds, 24 bits; a family may have its own.
    pub stale_time: u32,
}

impl Default for LongLived {
    fn default() -> Self {
        Self {
            enabled: true,
            stale_time: 86_400,
        }
    }
}

impl LongLived {
    /// The largest value of the field (RFC 9494 4.1).
    pub(super) const MAX: u64 = 0xff_ffff;

    pub(super) fn read(parent: &Table<'_>) -> Self {
        let table = parent.table("long-lived-graceful-restart");
        let default = Self::default();
        let meaning = "a long-lived stale time in seconds (24 bits, RFC 9494 4.1)";
        let read = Self {
            enabled: table.or("enabled", default.enabled),
            stale_time: table.bounded("stale-time", 1..Self::MAX + 1, default.stale_time, meaning),
        };
        table.finish();
        read
    }
}

impl Global {
    pub(super) fn read(table: &Table<'_>) -> Self {
        // What neighbors inherit is checked even if there is none.
        Timers::read(table);
        GracefulRestart::read(table);
        LongLived::read(table);
        for key in [
            "ebgp-requires-policy",
            "enforce-first-as",
            "extended-messages",
            "graceful-shutdown",
        ] {
            table.get::<bool>(key);
        }
        let asn: Asn = table
            .required("asn", "write the number of this AS, like asn = 65000")
            .unwrap_or(1);
        if matches!(asn, 0 | 23_456 | Asn::MAX) {
            table.issue(
                "asn",
                "is reserved (RFC 7607, RFC 6793, RFC 7300) and names no AS",
            );
        }
        let router_id = table
            .required("router-id", "write an IPv4 address of this router")
            .unwrap_or(Ipv4Addr::LOCALHOST);
        if router_id.is_unspecified() {
            table.issue("router-id", "0.0.0.0 is not an identifier (RFC 6286 2.1)");
        }
        let any = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let listen = if table.has("listen") {
            table.list("listen")
        } else {
            any
        };
        Self {
            asn,
            router_id,
            host_name: table.or("host-name", String::new()),
            cluster_id: table.or("cluster-id", router_id),
            listen,
            port: table.bounded("port", 1..65_536, PORT, "a port"),
            seed: table.or("seed", 0),
            open_rate: table.bounded("open-rate", 1..100_000, 60, "a rate per minute"),
            best_path: best_path(table),
            on_stop: table.or("on-stop", OnStop::default()),
            shards: table.bounded("shards", 1..65, 1, "a number of shards"),
            backlog: table.bounded("backlog", 65_536..1 << 32, 1 << 20, "a backlog in octets"),
        }
    }
}

fn best_path(global: &Table<'_>) -> BestPathOptions {
    let default = BestPathOptions::default();
    let best = global.table("best-path");
    let multi = global.table("multipath");
    let paths = |key, default| multi.bounded(key, 1..257, default, "a number of paths");
    let read = BestPathOptions {
        ignore_as_path_length: best.or("ignore-as-path-length", default.ignore_as_path_length),
        always_compare_med: best.or("always-compare-med", default.always_compare_med),
        missing_med_as_worst: best.or("missing-med-as-worst", default.missing_med_as_worst),
        deterministic_med: best.or("deterministic-med", default.deterministic_med),
        prefer_oldest: best.or("prefer-oldest", default.prefer_oldest),
        multipath_external: paths("external", default.multipath_external),
        multipath_internal: paths("internal", default.multipath_internal),
        multipath_relax_as_path: multi.or("relax-as-path", default.multipath_relax_as_path),
    };
    best.finish();
    multi.finish();
    read
}
