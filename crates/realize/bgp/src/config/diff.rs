//! What differs between two configurations, and what each difference costs: most cost no session.

use super::shown::Shown;
use super::{Config, Endpoint, Global, Neighbor};
use std::fmt;

/// What a change does to running sessions; ordered from nothing to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cost {
    /// In force at once, nobody notices.
    Nothing,
    /// Told to a neighbor only in an OPEN: in force from the next session on. Nothing is reset for it.
    NextSession,
    /// Routes, rejected ones included, are judged again and what changes is sent. No neighbor is asked for anything.
    PolicyRun,
    /// The session is reset, for this reason; routes are kept meanwhile where both sides agreed to (RFC 8538).
    Reconnect(&'static str),
    /// The session is reset, for this reason, and nothing is kept.
    Reset(&'static str),
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("no cost"),
            Self::NextSession => f.write_str("from the next session on"),
            Self::PolicyRun => f.write_str("routes run through policy again"),
            Self::Reconnect(why) => {
                write!(
                    f,
                    "session reset, routes are kept where that is agreed: {why}"
                )
            }
            Self::Reset(why) => write!(f, "session reset: {why}"),
        }
    }
}

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    Global,
    Neighbor(Endpoint),
    Policy(String),
    Vrf(String),
    MacVrf(String),
    Networks,
    Kernel,
    Monitoring,
    Api,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Neighbor(endpoint) => write!(f, "neighbor {endpoint}"),
            Self::Policy(name) => write!(f, "policy {name}"),
            Self::Vrf(name) => write!(f, "vrf {name}"),
            Self::MacVrf(name) => write!(f, "mac-vrf {name}"),
            Self::Networks => f.write_str("networks"),
            Self::Kernel => f.write_str("kernel"),
            Self::Monitoring => f.write_str("monitoring"),
            Self::Api => f.write_str("api"),
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub part: Part,
    /// For people: `hold-time 90 → 30`, `added`, `removed`.
    pub what: String,
    pub cost: Cost,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.part, self.what, self.cost)
    }
}

/// All differences between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigDiff {
    pub changes: Vec<Change>,
}

impl ConfigDiff {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The dearest of the changes to one neighbor; `None`: it does not change.
    pub fn cost_of(&self, endpoint: &Endpoint) -> Option<Cost> {
        let of_it = |change: &&Change| match &change.part {
            Part::Neighbor(changed) => changed == endpoint,
            _ => false,
        };
        self.changes
            .iter()
            .filter(of_it)
            .map(|change| change.cost)
            .max()
    }

    fn push(&mut self, part: Part, what: impl Into<String>, cost: Cost) {
        self.changes.push(Change {
            part,
            what: what.into(),
            cost,
        });
    }

    fn compare<T: PartialEq + Shown>(
        &mut self,
        part: &Part,
        key: &str,
        (old, new): (&T, &T),
        cost: Cost,
    ) {
        if old != new {
            let what = match (old.shown(), new.shown()) {
                (Some(old), Some(new)) => format!("{key} {old} → {new}"),
                _ => format!("{key} changed"),
            };
            self.push(part.clone(), what, cost);
        }
    }

    /// For what is too long to show.
    fn differ<T: PartialEq>(&mut self, part: Part, (old, new): (&T, &T), cost: Cost) {
        if old != new {
            self.push(part, "changed", cost);
        }
    }
}

impl Config {
    /// What changes from `old` to `new`.
    pub fn diff(old: &Self, new: &Self) -> ConfigDiff {
        let mut diff = ConfigDiff::default();
        global(&mut diff, &old.global, &new.global);
        neighbors(&mut diff, &old.neighbors, &new.neighbors);
        policies(&mut diff, old, new);
        let vrfs = |config: &Self| -> Vec<_> {
            let vrfs = config.vrfs.iter();
            vrfs.map(|vrf| (vrf.name.clone(), vrf.clone())).collect()
        };
        keyed(&mut diff, &vrfs(old), &vrfs(new), Part::Vrf);
        let mac_vrfs = |config: &Self| -> Vec<_> {
            let vrfs = config.mac_vrfs.iter();
            vrfs.map(|vrf| (vrf.name.clone(), vrf.clone())).collect()
        };
        keyed(&mut diff, &mac_vrfs(old), &mac_vrfs(new), Part::MacVrf);
        diff.differ(
            Part::Networks,
            (&old.networks, &new.networks),
            Cost::PolicyRun,
        );
        diff.differ(Part::Kernel, (&old.kernel, &new.kernel), Cost::Nothing);
        diff.differ(Part::Monitoring, (&old.bmp, &new.bmp), Cost::Nothing);
        diff.differ(Part::Monitoring, (&old.mrt, &new.mrt), Cost::Nothing);
        diff.differ(Part::Api, (&old.api, &new.api), Cost::Nothing);
        diff
    }
}

fn keyed<V: PartialEq>(
    diff: &mut ConfigDiff,
    old: &[(String, V)],
    new: &[(String, V)],
    part: impl Fn(String) -> Part,
) {
    let find = |all: &'_ [(String, V)], name: &str| all.iter().position(|(key, _)| key == name);
    for (name, value) in new {
        match find(old, name) {
            None => diff.push(part(name.clone()), "added", Cost::PolicyRun),
            Some(at) => diff.differ(part(name.clone()), (&old[at].1, value), Cost::PolicyRun),
        }
    }
    for (name, _) in old {
        if find(new, name).is_none() {
            diff.push(part(name.clone()), "removed", Cost::PolicyRun);
        }
    }
}

fn policies(diff: &mut ConfigDiff, old: &Config, new: &Config) {
    let all = |config: &Config| -> Vec<_> {
        let policies = config.policies.0.iter();
        policies
            .map(|(name, policy)| (name.to_string(), policy.clone()))
            .collect()
    };
    keyed(diff, &all(old), &all(new), Part::Policy);
}

fn global(diff: &mut ConfigDiff, old: &Global, new: &Global) {
    let part = Part::Global;
    let identity = Cost::Reset("every neighbor knows us by it from our OPEN");
    diff.compare(&part, "asn", (&old.asn, &new.asn), identity);
    diff.compare(
        &part,
        "router-id",
        (&old.router_id, &new.router_id),
        identity,
    );
    let reflected = Cost::Reset("routes already reflected carry the old one");
    diff.compare(
        &part,
        "cluster-id",
        (&old.cluster_id, &new.cluster_id),
        reflected,
    );
    diff.compare(&part, "listen", (&old.listen, &new.listen), Cost::Nothing);
    diff.compare(&part, "port", (&old.port, &new.port), Cost::Nothing);
    diff.compare(
        &part,
        "open-rate",
        (&old.open_rate, &new.open_rate),
        Cost::Nothing,
    );
    diff.compare(
        &part,
        "best-path",
        (&old.best_path, &new.best_path),
        Cost::PolicyRun,
    );
    diff.compare(
        &part,
        "on-stop",
        (&old.on_stop, &new.on_stop),
        Cost::Nothing,
    );
    let built = Cost::Reset("tables are built with it");
    diff.compare(&part, "shards", (&old.shards, &new.shards), built);
    diff.compare(&part, "backlog", (&old.backlog, &new.backlog), built);
}

fn neighbors(diff: &mut ConfigDiff, old: &[Neighbor], new: &[Neighbor]) {
    for neighbor in new {
        let part = Part::Neighbor(neighbor.endpoint.clone());
        match old.iter().find(|other| other.endpoint == neighbor.endpoint) {
            None => diff.push(part, "added", Cost::Nothing),
            Some(before) => one_neighbor(diff, &part, before, neighbor),
        }
    }
    for neighbor in old {
        if !new.iter().any(|other| other.endpoint == neighbor.endpoint) {
            let part = Part::Neighbor(neighbor.endpoint.clone());
            diff.push(
                part,
                "removed",
                Cost::Reset("it is not configured any more"),
            );
        }
    }
}

fn one_neighbor(diff: &mut ConfigDiff, part: &Part, old: &Neighbor, new: &Neighbor) {
    macro_rules! compare {
        ($key:literal, $($field:ident).+, $cost:expr) => {
            diff.compare(part, $key, (&old.$($field).+, &new.$($field).+), $cost);
        };
    }
    let opened = Cost::Reset("it was agreed in the OPEN");
    let transport = Cost::Reconnect("it is a property of the connection");
    compare!("remote-as", remote_as, opened);
    compare!("local-as", local_as, opened);
    compare!("local-address", local_address, transport);
    compare!("port", port, Cost::Nothing);
    compare!(
        "password",
        password,
        match (&old.password, &new.password) {
            // The segments of a connection are signed with what holds by then.
            (Some(_), Some(_)) => Cost::Nothing,
            _ => transport,
        }
    );
    compare!("ttl", hops, transport);
    compare!("passive", passive, Cost::Nothing);
    compare!("limit", limit, Cost::Nothing);
    compare!("description", description, Cost::Nothing);
    compare!("group", group, Cost::Nothing);
    compare!("role", role, opened);
    compare!("role-strict", role_strict, opened);
    compare!(
        "shutdown",
        shutdown,
        match new.shutdown {
            Some(_) => Cost::Reset("it is shut down"),
            None => Cost::Nothing,
        }
    );
    compare!("hold-time", timers.hold, Cost::NextSession);
    compare!("keepalive", timers.keepalive, Cost::NextSession);
    compare!("connect-retry", timers.connect_retry, Cost::NextSession);
    compare!("bfd", bfd, Cost::Nothing);
    graceful_restart(diff, part, old, new);
    compare!("extended-messages", extended_messages, Cost::NextSession);
    compare!("import", import, Cost::PolicyRun);
    compare!("ebgp-requires-policy", require_policy, Cost::PolicyRun);
    compare!("graceful-shutdown", graceful_shutdown, Cost::PolicyRun);
    compare!("export", export, Cost::PolicyRun);
    compare!("allow-own-as", allow_own_as, Cost::PolicyRun);
    compare!("enforce-first-as", enforce_first_as, Cost::PolicyRun);
    families(diff, part, old, new);
}

fn graceful_restart(diff: &mut ConfigDiff, part: &Part, old: &Neighbor, new: &Neighbor) {
    let (before, after) = (old.graceful_restart, new.graceful_restart);
    let next = Cost::NextSession;
    let mut compare = |key: &str, values: (&u32, &u32)| {
        diff.compare(part, &format!("graceful-restart.{key}"), values, next);
    };
    let seconds = [before, after].map(|side| u32::from(side.restart_time));
    compare("restart-time", (&seconds[0], &seconds[1]));
    compare("stale-time", (&before.stale_time, &after.stale_time));
    let deferral = (&before.selection_deferral, &after.selection_deferral);
    compare("selection-deferral", deferral);
    let modes = (&before.mode, &after.mode);
    diff.compare(part, "graceful-restart", modes, next);
    let notification = (&before.notification, &after.notification);
    diff.compare(part, "graceful-restart.notification", notification, next);
    let (before, after) = (old.long_lived, new.long_lived);
    let key = "long-lived-graceful-restart";
    diff.compare(part, key, (&before.enabled, &after.enabled), next);
    let stale = (&before.stale_time, &after.stale_time);
    diff.compare(part, &format!("{key}.stale-time"), stale, next);
}

fn families(diff: &mut ConfigDiff, part: &Part, old: &Neighbor, new: &Neighbor) {
    let opened = Cost::Reset("families are agreed in the OPEN");
    diff.compare(
        part,
        "families",
        (&old.family_set(), &new.family_set()),
        opened,
    );
    for (family, after) in &new.families {
        let Some(before) = old.families.get(family) else {
            continue;
        };
        let key = |key: &str| format!("{family} {key}");
        let add_path = (&before.add_path, &after.add_path);
        diff.compare(part, &key("add-path"), add_path, opened);
        let default = (&before.default_originate, &after.default_originate);
        diff.compare(part, &key("default-originate"), default, Cost::PolicyRun);
        let limits = (&before.max_prefix, &after.max_prefix);
        diff.compare(part, &key("max-prefix"), limits, Cost::Nothing);
        let stale = (&before.long_lived_stale_time, &after.long_lived_stale_time);
        diff.compare(
            part,
            &key("long-lived-stale-time"),
            stale,
            Cost::NextSession,
        );
    }
}
