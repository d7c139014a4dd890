//! Credentials at rest: AES-256-GCM (NIST SP 800-38D) under a key in a file of its own, readable by its owner only.
//!
//! The environment's name is authenticated with the text, so sealed credentials of one environment cannot be passed off as another's.

use super::credentials::{CredentialName, Credentials};
use crate::secret::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use topology::Environment;

#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    #[error(
        "{file} may be read by others (mode {mode:o}); make it 0600 and replace the key, for it may be known"
    )]
    Readable { file: String, mode: u32 },
    #[error(
        "the credentials of '{0}' cannot be opened: they were sealed under another key or for another environment, or changed"
    )]
    Open(Environment),
    #[error("the system gives no random numbers")]
    Random,
}

/// Sealed credentials: hexadecimal of the nonce, the ciphertext and the tag. Safe to store and to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

/// The key. It has no `Debug` and leaves this type in no way.
pub struct Vault {
    key: LessSafeKey,
}

const KEY_BYTES: usize = 32;

impl Vault {
    /// The vault of a key file; the key is made when there is no file yet.
    ///
    /// # Errors
    /// The file cannot be read or made, is too short or too long, or may be read by others.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let file = |reason: String| VaultError::File {
            file: path.display().to_string(),
            reason,
        };
        let mut key = [0; KEY_BYTES];
        match OpenOptions::new().read(true).open(path) {
            Ok(mut opened) => {
                let metadata = opened.metadata().map_err(|error| file(error.to_string()))?;
                let mode = metadata.mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(VaultError::Readable {
                        file: path.display().to_string(),
                        mode,
                    });
                }
                if metadata.len() != KEY_BYTES as u64 {
                    return Err(file(format!(
                        "a key has {KEY_BYTES} bytes, this file {}",
                        metadata.len()
                    )));
                }
                opened
                    .read_exact(&mut key)
                    .map_err(|error| file(error.to_string()))?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                SystemRandom::new()
                    .fill(&mut key)
                    .map_err(|_| VaultError::Random)?;
                let mut made = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(|error| file(error.to_string()))?;
                let written = made.write_all(&key).and_then(|()| made.sync_all());
                written.map_err(|error| file(error.to_string()))?;
            }
            Err(error) => return Err(file(error.to_string())),
        }
        let unbound = UnboundKey::new(&AES_256_GCM, &key).map_err(|_| VaultError::Random)?;
        Ok(Self {
            key: LessSafeKey::new(unbound),
        })
    }

    /// # Errors
    /// The system gives no random numbers.
    pub fn seal(
        &self,
        environment: &Environment,
        credentials: &Credentials,
    ) -> Result<Sealed, VaultError> {
        let clear: BTreeMap<CredentialName, &str> = credentials
            .0
            .iter()
            .map(|(name, secret)| (*name, secret.reveal()))
            .collect();
        let mut text = serde_json::to_vec(&clear).map_err(|_| VaultError::Random)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| VaultError::Random)?;
        let aad = Aad::from(environment.as_str().as_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .map_err(|_| VaultError::Random)?;
        let all = nonce.iter().chain(&text);
        Ok(Sealed(all.map(|byte| format!("{byte:02x}")).collect()))
    }

    /// # Errors
    /// [`VaultError::Open`].
    pub fn unseal(
        &self,
        environment: &Environment,
        sealed: &Sealed,
    ) -> Result<Credentials, VaultError> {
        let fault = || VaultError::Open(environment.clone());
        let bytes = unhex(&sealed.0).ok_or_else(fault)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or_else(fault)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| fault())?;
        let mut text = text.to_vec();
        let aad = Aad::from(environment.as_str().as_bytes());
        let clear = self
            .key
            .open_in_place(nonce, aad, &mut text)
            .map_err(|_| fault())?;
        let secrets: BTreeMap<CredentialName, String> =
            serde_json::from_slice(clear).map_err(|_| fault())?;
        Ok(Credentials(
            secrets
                .into_iter()
                .map(|(name, secret)| (name, Secret::new(secret)))
                .collect(),
        ))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn credentials() -> Credentials {
        serde_json::from_str(r#"{"ssh_password": "hunter2", "aci_password": "s3cret"}"#)
            .expect("JSON")
    }

    fn environment(name: &str) -> Environment {
        Environment::new(name).expect("a name")
    }

    #[test]
    fn sealed_and_opened_again_only_for_the_same_environment() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let sealed = Vault::open(&path)
            .expect("made")
            .seal(&environment("one"), &credentials())
            .expect("sealed");
        let text = format!(
            "{sealed:?} {:?} {}",
            credentials(),
            serde_json::to_string(&sealed).expect("JSON")
        );
        assert!(
            !text.contains("hunter2") && !text.contains("s3cret"),
            "{text}"
        );
        let again = Vault::open(&path).expect("read again");
        assert_eq!(
            again.unseal(&environment("one"), &sealed).expect("opened"),
            credentials()
        );
        assert!(again.unseal(&environment("two"), &sealed).is_err());
        let other = Vault::open(&folder.path().join("other")).expect("made");
        assert!(other.unseal(&environment("one"), &sealed).is_err());
        let twice = again
            .seal(&environment("one"), &credentials())
            .expect("sealed");
        assert_ne!(twice, sealed, "a nonce is never used twice");
    }

    #[test]
    fn a_key_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        Vault::open(&path).expect("made");
        assert_eq!(
            std::fs::metadata(&path).expect("there").mode() & 0o777,
            0o600
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("ours");
        assert!(matches!(
            Vault::open(&path),
            Err(VaultError::Readable { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn changed_text_is_never_opened(at in 0_usize..100, text in "[0-9a-f]{0,80}") {
            let folder = tempfile::tempdir().expect("a folder");
            let vault = Vault::open(&folder.path().join("key")).expect("made");
            let mut sealed = vault.seal(&environment("e"), &credentials()).expect("sealed");
            let at = at % sealed.0.len();
            let flipped = if sealed.0.as_bytes()[at] == b'0' { "1" } else { "0" };
            sealed.0.replace_range(at..=at, flipped);
            proptest::prop_assert!(vault.unseal(&environment("e"), &sealed).is_err());
            proptest::prop_assert!(vault.unseal(&environment("e"), &Sealed(text)).is_err());
        }
    }
}
