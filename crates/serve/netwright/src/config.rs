//! What `netwright up` is told: defaults, then the file, then the environment, then flags; the later wins.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The configuration file, TOML. Every key is optional; an unknown one is an error that names its line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) api: Listen,
    pub(crate) agents: Agents,
    pub(crate) metrics: Listen,
    pub(crate) auth: Auth,
    pub(crate) network: Network,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Agents {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) tls: Option<Tls>,
}

/// Files in PEM. Agents must present a certificate of `client_ca` whose name is their host name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AuthMode {
    /// No authentication; the API may listen on loopback only.
    None,
    /// Tokens are validated by Keystone.
    Keystone,
}

/// How callers of the API are known.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    pub(crate) mode: Option<AuthMode>,
    pub(crate) keystone: Option<Keystone>,
}

/// The service user that validates tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keystone {
    /// Without `/v3`, like `http://127.0.0.1:5000`.
    pub(crate) url: String,
    pub(crate) username: String,
    /// A file with the password, so that the configuration holds no secret.
    pub(crate) password_file: PathBuf,
    #[serde(default = "default_domain")]
    pub(crate) user_domain: String,
    pub(crate) project: String,
    #[serde(default = "default_domain")]
    pub(crate) project_domain: String,
    /// How long a validated token is believed without asking again.
    #[serde(default = "default_cache_seconds")]
    pub(crate) cache_seconds: u64,
    /// How long Keystone may take to answer.
    #[serde(default = "default_timeout_seconds")]
    pub(crate) timeout_seconds: u64,
}

fn default_domain() -> String {
    "Default".to_owned()
}

fn default_cache_seconds() -> u64 {
    300
}

fn default_timeout_seconds() -> u64 {
    10
}

/// Defaults for what projects create.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    /// MTU of a network that names none.
    pub(crate) mtu: Option<u32>,
    /// The most a network may ask for: the underlay's less 50 (IPv4) or 70 (IPv6). `mtu` if not given.
    pub(crate) max_mtu: Option<u32>,
    pub(crate) vni_min: Option<u32>,
    pub(crate) vni_max: Option<u32>,
}

impl File {
    /// Reads a file; without a path, the default one if it exists.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self> {
        let default = Path::new("/etc/netwright/netwright.toml");
        let path = match path {
            Some(path) => path,
            None if default.exists() => default,
            None => return Ok(Self::default()),
        };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        toml::from_str(&text)
            .with_context(|| format!("the configuration {} is not valid", path.display()))
    }
}

/// The password in a file, without the line end.
pub(crate) fn read_secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the secret file {}", path.display()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    ensure!(
        !secret.is_empty(),
        "the secret file {} is empty",
        path.display()
    );
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, named) in [
            ("data_dir = 7", "line 1"),
            ("\n[api]\nlisten = \"nowhere\"", "line 3"),
            ("[api]\nlisen = \"127.0.0.1:1\"", "unknown field `lisen`"),
            ("[auth]\nmode = \"maybe\"", "unknown variant `maybe`"),
            ("[agents.tls]\nkey = \"k\"", "missing field `certificate`"),
        ] {
            let error = toml::from_str::<File>(text).expect_err(text).to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn the_documented_example_is_valid() {
        let text = include_str!("../../../../packaging/netwright.toml");
        let file: File = toml::from_str(text).expect("packaging/netwright.toml");
        assert!(file.data_dir.is_some() && file.api.listen.is_some());
    }
}
