//! What surrounds the speaker: kernel tables, BMP stations, dumps, the interfaces for operators. Read here so that one
//! file says everything; carried out by the shell.

use super::Known;
use super::document::Table;
use super::value::{FromToml, word};
use crate::policy::PolicyName;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::de::DeValue;

/// `[[kernel]]`: one routing table of the kernel, and what goes in and out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelTable {
    /// The kernel's number of the table: 254 is `main`.
    pub table: u32,
    /// The VRF it belongs to; `None`: the global table.
    pub vrf: Option<String>,
    /// Best routes are installed.
    pub install: bool,
    /// The priority (metric) they are installed with.
    pub metric: u32,
    /// Routes with the BLACKHOLE community (RFC 7999) drop what they match.
    pub blackhole: bool,
    /// Whose routes are originated into BGP.
    pub redistribute: Vec<KernelSource>,
    /// The policy asked before a route of the kernel is originated.
    pub import: Option<PolicyName>,
}

/// Who put a route into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelSource {
    /// Of an interface's address.
    Connected,
    /// Of an operator, or at boot.
    Static,
    /// Of another routing daemon.
    Other,
}

impl FromToml for KernelSource {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        let words = [
            ("connected", Self::Connected),
            ("static", Self::Static),
            ("other", Self::Other),
        ];
        word(value, &words)
    }
}

impl KernelTable {
    pub(super) fn read(table: &Table<'_>, known: &Known) -> Option<Self> {
        known.vrf(table);
        known.policy(table, "import");
        let number = table.required("table", "write the kernel's table number; 254 is main");
        if matches!(number, Some(0 | 255)) {
            table.issue(
                "table",
                "is kept by the kernel itself: use 254 (main) or one of your own",
            );
        }
        let read = Self {
            table: number.unwrap_or(254),
            vrf: table.get("vrf"),
            install: table.or("install", true),
            metric: table.or("metric", 512),
            blackhole: table.or("blackhole", false),
            redistribute: table.list("redistribute"),
            import: table.get("import"),
        };
        number.map(|_| read)
    }
}

/// `[[bmp]]`: a monitoring station (RFC 7854) we call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BmpStation {
    pub address: SocketAddr,
    /// Adj-RIB-In before policy.
    pub pre_policy: bool,
    /// Adj-RIB-In after policy.
    pub post_policy: bool,
    /// The local RIB (RFC 9069).
    pub local_rib: bool,
    /// Route mirroring: every UPDATE as it came.
    pub mirror: bool,
    /// Seconds between statistics; 0: none.
    pub statistics: u32,
}

impl BmpStation {
    pub(super) fn read(table: Table<'_>) -> Option<Self> {
        let hint = "write the station's address and port, like \"192.0.2.9:11019\"";
        let address: Option<SocketAddr> = table.required("address", hint);
        let read = address.map(|address| Self {
            address,
            pre_policy: table.or("pre-policy", true),
            post_policy: table.or("post-policy", false),
            local_rib: table.or("local-rib", false),
            mirror: table.or("mirror", false),
            statistics: table.or("statistics", 60),
        });
        if read.is_some() {
            table.finish();
        }
        read
    }
}

/// `[mrt]`: dumps (RFC 6396).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MrtDump {
    pub directory: PathBuf,
    /// Seconds between dumps of the tables; 0: only when asked.
    pub tables: u32,
    /// Every message is written too.
    pub updates: bool,
}

impl MrtDump {
    pub(super) fn read(parent: &Table<'_>) -> Option<Self> {
        let table = parent.table("mrt");
        if !table.is_present() {
            return None;
        }
        let directory: Option<String> = table.required("directory", "write where dumps go");
        let read = Self {
            directory: PathBuf::from(directory.clone().unwrap_or_default()),
            tables: table.or("tables", 0),
            updates: table.or("updates", false),
        };
        table.finish();
        directory.map(|_| read)
    }
}

/// `[api]`: where operators and programs ask, beside the daemon's own socket.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Api {
    /// HTTP over TCP; beyond loopback only with a token.
    pub listen: Option<SocketAddr>,
    /// A file with the token that TCP clients show.
    pub token_file: Option<PathBuf>,
    /// Prometheus.
    pub metrics: Option<SocketAddr>,
}

/// An address, or `false` for none.
struct Listen(Option<SocketAddr>);

impl FromToml for Listen {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        if value.as_bool() == Some(false) {
            return Ok(Self(None));
        }
        match SocketAddr::from_toml(value) {
            Ok(address) => Ok(Self(Some(address))),
            Err(problem) => Err(format!("{problem}; false switches it off")),
        }
    }
}

impl Api {
    pub(super) fn read(parent: &Table<'_>) -> Self {
        let table = parent.table("api");
        let token_file: Option<String> = table.get("token-file");
        let read = Self {
            listen: table.or("listen", Listen(None)).0,
            token_file: token_file.map(PathBuf::from),
            metrics: table.or("metrics", Listen(None)).0,
        };
        if read.token_file.is_none() && read.listen.is_some_and(|at| !at.ip().is_loopback()) {
            table.issue(
                "listen",
                "is not a loopback address: add token-file, or listen on 127.0.0.1",
            );
        }
        table.finish();
        read
    }
}

/// `on-stop`: what a stop of the daemon means to its neighbors and to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnStop {
    /// It comes back: sessions end without a word, so that graceful restart keeps our routes, and the kernel's stay.
    #[default]
    Restart,
    /// It leaves: neighbors are told (Cease, administrative shutdown), and the kernel's routes are removed.
    Shutdown,
}

impl FromToml for OnStop {
    fn from_toml(value: &DeValue<'_>) -> Result<Self, String> {
        word(
            value,
            &[("restart", Self::Restart), ("shutdown", Self::Shutdown)],
        )
    }
}
