//! `[[neighbors]]` and `[groups.name]`: who is spoken to, and how. A neighbor inherits from its group, both from `[global]`.

use super::Known;
use super::document::Table;
use super::export::Export;
use super::family::FamilyConfig;
use super::global::{GracefulRestart, LongLived, PORT, Timers};
use super::secret::Password;
use super::value::{FromToml, asn, word};
use crate::message::Role;
use crate::policy::PolicyName;
use crate::rib::NextHopMode;
use crate::{Asn, Family, FamilySet};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use toml::de::DeValue;

/// What tells a neighbor from all others in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// One address; a link-local one with its interface.
    Address(IpAddr, Option<String>),
    /// Whoever is at the other end of this interface, by its link-local address.
    Interface(String),
    /// Whoever calls from this prefix.
    Range(IpNet),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address, None) => address.fmt(f),
            Self::Address(address, Some(interface)) => write!(f, "{address}%{interface}"),
            Self::Interface(name) => f.write_str(name),
            Self::Range(prefix) => prefix.fmt(f),
        }
    }
}

/// Which AS a neighbor may say it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RemoteAs {
    Is(Asn),
    /// Any but ours.
    External,
    /// Ours.
    Internal,
}

impl FromToml for RemoteAs {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let fault = || "must be an AS number, \"external\" or \"internal\"".to_owned();
        match value.as_str() {
            Some("external") => Ok(Self::External),
            Some("internal") => Ok(Self::Internal),
            Some(text) => asn(text).map(Self::Is).ok_or_else(fault),
            None => Asn::from_toml(value).map(Self::Is).map_err(|_| fault()),
        }
    }
}

/// How far away a neighbor may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hops {
    /// The default: eBGP on the same link (TTL 1), iBGP anywhere (TTL 64).
    Default,
    /// eBGP over at most so many hops.
    Multihop(u8),
    /// GTSM (RFC 5082): sent with TTL 255; what took more hops than this is not received.
    Security(u8),
}

impl FromToml for Role {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let roles = [
            Self::Provider,
            Self::RouteServer,
            Self::RouteServerClient,
            Self::Customer,
            Self::Peer,
        ];
        let names = roles.map(|role| role.to_string());
        let words: Vec<_> = names.iter().map(String::as_str).zip(roles).collect();
        word(value, &words)
    }
}

/// Bidirectional forwarding detection of a session (RFC 5880, single hop).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BfdConfig {
    /// Milliseconds between packets, both ways: 10 to 60,000.
    pub interval: u32,
    /// Packets lost before the session is down: 1 to 255.
    pub multiplier: u8,
}

/// One neighbor, or all that call from one prefix. Everything inherited is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbor {
    pub endpoint: Endpoint,
    /// Of a range: how many may be up at once.
    pub limit: u32,
    pub description: Option<String>,
    pub group: Option<String>,
    pub remote_as: RemoteAs,
    /// The AS we claim to be of, if not ours.
    pub local_as: Option<Asn>,
    /// The address we call from and are called at.
    pub local_address: Option<IpAddr>,
    pub port: u16,
    pub password: Option<Password>,
    pub hops: Hops,
    /// Never calls, only listens.
    pub passive: bool,
    pub families: BTreeMap<Family, FamilyConfig>,
    /// What comes from it is asked of this policy first.
    pub import: Option<PolicyName>,
    pub export: Export,
    pub role: Option<Role>,
    /// RFC 9234 4.2: no session with a neighbor that has no role.
    pub role_strict: bool,
    /// Administratively down; the text goes to the neighbor (RFC 9003), at most 255 octets.
    pub shutdown: Option<String>,
    pub timers: Timers,
    pub bfd: Option<BfdConfig>,
    pub graceful_restart: GracefulRestart,
    pub long_lived: LongLived,
    /// RFC 8654.
    pub extended_messages: bool,
    /// How often our own AS may be in a path that is accepted.
    pub allow_own_as: u8,
    /// Not for neighbors that are route servers (RFC 7947).
    pub enforce_first_as: bool,
    /// RFC 8212: without a policy an eBGP neighbor gives and gets nothing.
    pub require_policy: bool,
    /// The GRACEFUL_SHUTDOWN community of an eBGP neighbor is obeyed (RFC 8326).
    pub graceful_shutdown: bool,
}

impl Neighbor {
    /// What `[global]` may say for all neighbors.
    pub(super) const INHERITED: &[&str] = &[
        "hold-time",
        "keepalive",
        "connect-retry",
        "graceful-restart",
        "long-lived-graceful-restart",
        "ebgp-requires-policy",
        "enforce-first-as",
        "extended-messages",
        "graceful-shutdown",
    ];

    /// The families in which it is sent a default route of ours.
    pub fn default_originate(&self) -> FamilySet {
        let asked = self.families.iter();
        let asked = asked.filter(|(_, options)| options.default_originate);
        asked.map(|(family, _)| *family).collect()
    }

    /// The families spoken with it.
    pub fn family_set(&self) -> FamilySet {
        self.families.keys().copied().collect()
    }

    /// `own` is its table; `below` what it inherits from.
    pub(super) fn read(
        own: &Table<'_>,
        below: &Table<'_>,
        group: Option<String>,
        known: &Known,
    ) -> Option<Self> {
        let endpoint = endpoint(own);
        if own.has("limit") && !matches!(endpoint, Some(Endpoint::Range(_)) | None) {
            own.issue("limit", "is for a range: remove it");
        }
        let table = own.over(below);
        for key in ["address", "interface", "range", "group"] {
            table.has(key);
        }
        if !table.has("remote-as") {
            let hint = "is missing: write the neighbor's AS number, \"external\" or \"internal\"";
            table.issue("remote-as", hint);
        }
        let read = Self::settings(&table, endpoint.as_ref(), known);
        table.finish();
        Some(Self {
            endpoint: endpoint?,
            group,
            ..read
        })
    }

    /// Reports what is wrong with a group, used or not.
    pub(super) fn check_group(group: &Table<'_>, global: &Table<'_>, known: &Known) {
        for key in ["address", "interface", "range", "group"] {
            if group.has(key) {
                group.issue(
                    key,
                    "belongs to a neighbor; a group holds what neighbors share",
                );
            }
        }
        let table = group.over(global);
        for key in ["address", "interface", "range", "group"] {
            table.has(key);
        }
        Self::settings(&table, None, known);
        table.finish();
    }

    /// What a neighbor and a group both may say.
    fn settings(table: &Table<'_>, endpoint: Option<&Endpoint>, known: &Known) -> Self {
        known.policy(table, "import");
        known.policy(table, "export");
        let remote_as = table.get("remote-as");
        let role = table.get("role");
        // A route server does not put its AS into paths (RFC 7947 2.2.2).
        let enforce_first_as = role != Some(Role::RouteServerClient);
        let neighbor = Self {
            endpoint: Endpoint::Interface(String::new()),
            group: None,
            limit: table.bounded("limit", 1..65_536, 1_000, "a number of neighbors"),
            description: table.get("description"),
            remote_as: remote_as.unwrap_or(RemoteAs::External),
            local_as: table.get("local-as"),
            local_address: table.get("local-address"),
            port: table.bounded("port", 1..65_536, PORT, "a port"),
            password: password(table),
            hops: hops(table),
            passive: table.or("passive", matches!(endpoint, Some(Endpoint::Range(_)))),
            families: families(table, endpoint),
            import: table.get("import"),
            export: Export::read(table),
            role,
            role_strict: table.or("role-strict", false),
            shutdown: shutdown(table),
            timers: Timers::read(table),
            bfd: bfd(table),
            graceful_restart: GracefulRestart::read(table),
            long_lived: LongLived::read(table),
            extended_messages: table.or("extended-messages", true),
            allow_own_as: table.or("allow-own-as", 0),
            enforce_first_as: table.or("enforce-first-as", enforce_first_as),
            require_policy: table.or("ebgp-requires-policy", true),
            graceful_shutdown: table.or("graceful-shutdown", true),
        };
        let internal = match remote_as {
            Some(RemoteAs::Internal) => Some(true),
            Some(RemoteAs::External) => Some(false),
            Some(RemoteAs::Is(asn)) if endpoint.is_some() => {
                let own = neighbor.local_as.or(known.asn);
                own.map(|own| asn == own)
            }
            // A neighbor of a group may still be of any AS.
            Some(RemoteAs::Is(_)) | None => None,
        };
        neighbor.check(table, endpoint, internal);
        neighbor
    }

    /// What no single key can tell.
    fn check(&self, table: &Table<'_>, endpoint: Option<&Endpoint>, internal: Option<bool>) {
        let export = &self.export;
        let only = |key, wrong: bool, problem: &str| {
            if wrong {
                table.issue(key, problem);
            }
        };
        let (ibgp, ebgp) = (internal == Some(true), internal == Some(false));
        let role = "is for eBGP neighbors only (RFC 9234 4): remove it";
        only("role", self.role.is_some() && ibgp, role);
        let reflector = "is for iBGP neighbors only (RFC 4456 6): remove it";
        only("rr-client", export.rr_client && ebgp, reflector);
        let server = "is for eBGP neighbors only (RFC 7947 2): remove it";
        only(
            "route-server-client",
            export.route_server_client && ibgp,
            server,
        );
        let paths = "is for eBGP neighbors only, others are sent paths as they are: remove it";
        only("as-override", export.as_override && ibgp, paths);
        let claimed = "is about local-as: add that, or remove it";
        let ours = self.local_as.is_none() && endpoint.is_some();
        only("replace-as", export.replace_as && ours, claimed);
        let hop = "is for ipv4-unicast and ipv6-unicast: packets of the other families go where their label or tunnel begins";
        let unicast = [Family::Ipv4Unicast, Family::Ipv6Unicast];
        let lost = !unicast
            .iter()
            .any(|family| self.families.contains_key(family));
        only(
            "next-hop",
            export.next_hop == NextHopMode::OnlySelf && lost,
            hop,
        );
        if self.role_strict && self.role.is_none() {
            table.issue("role-strict", "needs a role: add role = \"…\"");
        }
        if let (Some(Endpoint::Address(remote, _)), Some(local)) = (endpoint, self.local_address)
            && remote.is_ipv4() != local.is_ipv4()
        {
            table.issue(
                "local-address",
                "and the neighbor's address are not of one IP version",
            );
        }
        let far = matches!(self.hops, Hops::Multihop(2..) | Hops::Security(2..));
        let near =
            "is for neighbors on the same link (RFC 5881 1): remove it, or the number of hops";
        only("bfd", self.bfd.is_some() && far, near);
    }
}

fn endpoint(own: &Table<'_>) -> Option<Endpoint> {
    let interface: Option<String> = own.get("interface");
    if let Some(name) = &interface
        && (name.is_empty() || name.len() > 15 || name.contains(['/', ' ']))
    {
        own.issue(
            "interface",
            "is no name of an interface: 1 to 15 characters, no space or slash",
        );
    }
    let given = ["address", "range"].map(|key| own.has(key));
    match (given, interface) {
        ([true, true], _) | ([false, true], Some(_)) => {
            own.complain("has more than one of address, interface and range: keep one");
            None
        }
        ([true, false], interface) => {
            let address: IpAddr = own.get("address")?;
            let link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
            if link_local && interface.is_none() {
                own.issue(
                    "address",
                    "is link-local: add interface = \"…\", or use only that",
                );
            }
            if address.is_unspecified() || address.is_multicast() {
                own.issue("address", "is the address of no neighbor");
            }
            if interface.is_some() && !link_local {
                own.issue(
                    "interface",
                    "is for a link-local address: remove one of them",
                );
            }
            Some(Endpoint::Address(address, interface.filter(|_| link_local)))
        }
        ([false, true], None) => own.get("range").map(Endpoint::Range),
        ([false, false], Some(interface)) => Some(Endpoint::Interface(interface)),
        ([false, false], None) => {
            own.complain("needs one of: address = \"192.0.2.1\", interface = \"eth0\", range = \"192.0.2.0/24\"");
            None
        }
    }
}

fn password(table: &Table<'_>) -> Option<Password> {
    let inline: Option<String> = table.get("password");
    let file: Option<String> = table.get("password-file");
    if inline.is_some() && file.is_some() {
        table.issue("password-file", "and password are both given: keep one");
    }
    if inline
        .as_ref()
        .is_some_and(|text| text.is_empty() || text.len() > Password::MAX)
    {
        table.issue(
            "password",
            format!("must have 1 to {} octets", Password::MAX),
        );
    }
    let file = file.map(|path| Password::File(PathBuf::from(path)));
    inline.map(Password::Inline).or(file)
}

fn hops(table: &Table<'_>) -> Hops {
    let multihop = table.has("ebgp-multihop");
    let security = table.has("ttl-security");
    if multihop && security {
        table.issue(
            "ebgp-multihop",
            "and ttl-security exclude each other (RFC 5082 3): keep one",
        );
    }
    let hops = |key| table.bounded(key, 1..255, 1, "a number of hops");
    match (multihop, security) {
        (_, true) => Hops::Security(hops("ttl-security")),
        (true, false) => Hops::Multihop(hops("ebgp-multihop")),
        (false, false) => Hops::Default,
    }
}

/// `shutdown = true`, or the text for the neighbor.
struct Shutdown(Option<String>);

impl FromToml for Shutdown {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        match (value.as_bool(), value.as_str()) {
            (Some(down), _) => Ok(Self(down.then(String::new))),
            (None, Some(text)) if text.len() <= 255 => Ok(Self(Some(text.to_owned()))),
            (None, Some(_)) => Err("is longer than 255 octets (RFC 9003 2)".to_owned()),
            (None, None) => Err("must be true, false or a text for the neighbor".to_owned()),
        }
    }
}

fn shutdown(table: &Table<'_>) -> Option<String> {
    table.get::<Shutdown>("shutdown").and_then(|read| read.0)
}

fn bfd(parent: &Table<'_>) -> Option<BfdConfig> {
    let table = parent.table("bfd");
    let enabled = table.or("enabled", table.is_present());
    let read = BfdConfig {
        interval: table.bounded("interval", 10..60_001, 300, "an interval in milliseconds"),
        multiplier: table.bounded("multiplier", 1..256, 3, "a multiplier"),
    };
    table.finish();
    enabled.then_some(read)
}

fn families(table: &Table<'_>, endpoint: Option<&Endpoint>) -> BTreeMap<Family, FamilyConfig> {
    let given = table.named_or_listed("families");
    if given.is_empty() {
        let default: &[Family] = match endpoint {
            Some(Endpoint::Address(IpAddr::V4(_), _) | Endpoint::Range(IpNet::V4(_))) => {
                &[Family::Ipv4Unicast]
            }
            Some(Endpoint::Address(IpAddr::V6(_), _) | Endpoint::Range(IpNet::V6(_))) => {
                &[Family::Ipv6Unicast]
            }
            Some(Endpoint::Interface(_)) | None => &[Family::Ipv4Unicast, Family::Ipv6Unicast],
        };
        let plain = |family: &Family| (*family, FamilyConfig::default());
        return default.iter().map(plain).collect();
    }
    let mut families = BTreeMap::new();
    for (name, own) in given {
        let Some(family) = Family::ALL.into_iter().find(|family| family.name() == name) else {
            let names = Family::ALL.map(Family::name).join(", ");
            table.issue(
                "families",
                format!("has the unknown family {name}; known: {names}"),
            );
            continue;
        };
        if let Some(config) = FamilyConfig::read(family, own) {
            families.insert(family, config);
        }
    }
    families
}
