//! Is the host's key the one in the known hosts file? Fails closed: no file, no entry, no line that can be read is a refusal.

use crate::{Error, Result};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::path::Path;

pub(super) fn check(file: &Path, host: &str, port: u16, key: &PublicKey) -> Result<()> {
    let fingerprint = || key.fingerprint(HashAlg::Sha256).to_string();
    let name = file.display().to_string();
    let known =
        russh::keys::known_hosts::known_host_keys_path(host, port, file).map_err(|error| {
            Error::File {
                file: name.clone(),
                reason: format!("a line for {host} cannot be read: {error}"),
            }
        })?;
    if is_revoked(file, key) {
        return Err(Error::ChangedHostKey {
            host: host.to_owned(),
            fingerprint: fingerprint(),
            file: name,
        });
    }
    if known
        .iter()
        .any(|(_, known)| known.key_data() == key.key_data())
    {
        return Ok(());
    }
    // A key of another algorithm is not a changed key: the file may hold only some of the host's keys.
    let changed = known
        .iter()
        .any(|(_, known)| known.algorithm() == key.algorithm());
    if changed {
        return Err(Error::ChangedHostKey {
            host: host.to_owned(),
            fingerprint: fingerprint(),
            file: name,
        });
    }
    Err(Error::UnknownHostKey {
        host: host.to_owned(),
        fingerprint: fingerprint(),
        file: name,
    })
}

/// The algorithms, with those of the keys that are known for the host first: it proves itself with the first that it can, and a key that
/// is not in the file proves nothing, whatever its kind.
pub(super) fn preferred(file: &Path, host: &str, port: u16, all: &[Algorithm]) -> Vec<Algorithm> {
    // A file that cannot be read is told of when the key is checked.
    let known =
        russh::keys::known_hosts::known_host_keys_path(host, port, file).unwrap_or_default();
    let is_known = |algorithm: &Algorithm| {
        known
            .iter()
            .any(|(_, key)| match (key.algorithm(), algorithm) {
                // One kind of key, with several hashes.
                (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
                (known, algorithm) => known == *algorithm,
            })
    };
    let (mut ordered, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_known);
    ordered.extend(others);
    ordered
}

/// Whether a `@revoked` line, of whatever host, has this key (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
fn is_revoked(file: &Path, key: &PublicKey) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else {
        return false;
    };
    text.lines()
        .filter_map(|line| line.strip_prefix("@revoked "))
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter_map(|blob| russh::keys::parse_public_key_base64(blob).ok())
        .any(|revoked| revoked.key_data() == key.key_data())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIA6rWI3G1sz07DnfFlrouTcysQlj2P+jpNSOEWD9OJ3X";

    fn verdict(known: &str) -> Result<()> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, known).expect("written");
        let key = russh::keys::parse_public_key_base64(KEY).expect("a key");
        check(&file, "192.0.2.1", 22, &key)
    }

    #[test]
    fn only_the_recorded_key_is_let_in() {
        assert_eq!(verdict(&format!("192.0.2.1 ssh-ed25519 {KEY}\n")), Ok(()));
        assert!(matches!(
            verdict(&format!("192.0.2.1 ssh-ed25519 {OTHER}\n")),
            Err(Error::ChangedHostKey { .. })
        ));
        assert!(matches!(
            verdict(&format!("192.0.2.9 ssh-ed25519 {KEY}\n")),
            Err(Error::UnknownHostKey { .. })
        ));
        assert!(matches!(verdict(""), Err(Error::UnknownHostKey { .. })));
        assert!(
            verdict(&format!(
                "192.0.2.1 ssh-ed25519 {KEY}\n@revoked * ssh-ed25519 {KEY}\n"
            ))
            .is_err()
        );
    }

    #[test]
    fn a_host_is_asked_for_the_kind_of_key_that_is_known() {
        const ECDSA: &str = "AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBPmUj9yz2CaDvwODUcNpJ4A7L+n/DUwhy3tSvZZc2AuwqKgu+O9pBimpMX0lhZnFE0gnkbVKITW3blaPRtauJ2A=";
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, format!("h ecdsa-sha2-nistp256 {ECDSA}\n")).expect("written");
        let ecdsa = Algorithm::Ecdsa {
            curve: russh::keys::EcdsaCurve::NistP256,
        };
        let all = [Algorithm::Ed25519, ecdsa.clone()];
        assert_eq!(preferred(&file, "h", 22, &all), [ecdsa, Algorithm::Ed25519]);
        assert_eq!(preferred(&file, "other", 22, &all), all);
    }

    #[test]
    fn no_file_is_no_trust() {
        let key = russh::keys::parse_public_key_base64(KEY).expect("a key");
        let missing = Path::new("/nonexistent/known_hosts");
        assert!(matches!(
            check(missing, "h", 22, &key),
            Err(Error::UnknownHostKey { .. })
        ));
    }
}
