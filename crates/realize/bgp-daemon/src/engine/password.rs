//! Passwords of TCP-MD5 sessions (RFC 2385), given in the configuration or in a file of their own.

use crate::Error;
use crate::net::Md5Key;
use bgp::config::{Config, Password};
use std::io;
use std::path::Path;

/// The key that a password means; one in a file is read now, so that a changed file counts from the next use.
pub(super) fn key_of(password: &Password) -> io::Result<Md5Key> {
    let secret = match password {
        Password::Inline(secret) => secret.clone(),
        Password::File(path) => {
            let text = std::fs::read_to_string(path)?;
            text.lines().next().unwrap_or_default().to_owned()
        }
    };
    Md5Key::new(secret.as_bytes()).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "a TCP-MD5 password has 1 to 80 octets (RFC 2385, and the kernel's limit)",
        )
    })
}

/// Every password file of a configuration can be read and has a password; the error names all that have none.
pub(crate) fn check(path: &Path, config: &Config) -> Result<(), Error> {
    let problems: Vec<String> = config
        .neighbors
        .iter()
        .filter_map(|neighbor| {
            let password = neighbor.password.as_ref()?;
            let error = key_of(password).err()?;
            let endpoint = &neighbor.endpoint;
            Some(match password {
                Password::File(file) => {
                    format!(
                        "neighbor {endpoint}: password-file {}: {error}",
                        file.display()
                    )
                }
                Password::Inline(_) => format!("neighbor {endpoint}: password: {error}"),
            })
        })
        .collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Config {
            path: path.to_owned(),
            problems: problems.join("\n"),
        }),
    }
}
