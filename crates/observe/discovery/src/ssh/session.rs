//! The SSH session itself: connect (directly or through a jump host), authenticate, run scripts.

use super::command::Command;
use super::script::{Answers, OUTPUT_BYTES, Script};
use super::{Hosts, Means, Session, host_key};
use crate::error::chain;
use crate::secret::Secret;
use crate::{Error, Result};
use futures::future::BoxFuture;
use russh::client::{self, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, Preferred};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a user proves to be one.
#[derive(Debug, Clone)]
pub enum Credential {
    Password(Secret),
    /// A private key in OpenSSH or PKCS #8 form, with its passphrase.
    Key {
        key: Secret,
        passphrase: Option<Secret>,
    },
}

/// Where a host listens and how to get there.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: String,
    pub port: u16,
    pub user: String,
    pub credential: Credential,
    pub known_hosts: PathBuf,
    /// Through this host, whose key is checked the same way.
    pub jump: Option<Box<Target>>,
    pub means: Means,
    /// Time to connect and log in.
    pub connect_within: Duration,
}

/// The hosts of an environment by id; those not listed are reached under their own name like the template.
#[derive(Debug, Clone)]
pub struct SshHosts {
    pub template: Target,
    /// Host id to address, where they differ.
    pub addresses: BTreeMap<String, (String, u16)>,
}

impl Hosts for SshHosts {
    fn open<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Box<dyn Session>>> {
        Box::pin(async move {
            let mut target = self.template.clone();
            host.clone_into(&mut target.address);
            if let Some((address, port)) = self.addresses.get(host) {
                target.address.clone_from(address);
                target.port = *port;
            }
            let session = SshSession::open(host, &target).await?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}

struct Verifier {
    address: String,
    port: u16,
    known_hosts: PathBuf,
    refusal: Arc<Mutex<Option<Error>>>,
}

impl client::Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        let verdict = match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => {
                host_key::check(&self.known_hosts, &self.address, self.port, key)
            }
            // Certificates would need a trusted authority in the configuration; without one they prove nothing.
            PublicKeyOrCertificate::Certificate(_) => Err(Error::UnknownHostKey {
                host: self.address.clone(),
                fingerprint: "of a certificate".to_owned(),
                file: self.known_hosts.display().to_string(),
            }),
        };
        let accepted = verdict.is_ok();
        if let Ok(mut refusal) = self.refusal.lock() {
            *refusal = verdict.err();
        }
        Ok(accepted)
    }
}

struct SshSession {
    host: String,
    means: Means,
    handle: Handle<Verifier>,
    /// Kept open as long as the session runs through it.
    _jump: Option<Handle<Verifier>>,
}

impl SshSession {
    async fn open(host: &str, target: &Target) -> Result<Self> {
        let opening = async {
            let jump = match &target.jump {
                Some(jump) => Some(connect(jump, None).await?),
                None => None,
            };
            let handle = connect(target, jump.as_ref()).await?;
            Ok((handle, jump))
        };
        let (handle, jump) = tokio::time::timeout(target.connect_within, opening)
            .await
            .map_err(|_| Error::TimedOut {
                what: format!("connecting to {host}"),
                limit: target.connect_within,
            })??;
        Ok(Self {
            host: host.to_owned(),
            means: target.means.clone(),
            handle,
            _jump: jump,
        })
    }

    fn broken(&self, error: &dyn std::error::Error) -> Error {
        Error::Session {
            host: self.host.clone(),
            reason: chain(error),
        }
    }

    async fn run_script(&self, commands: &[Command]) -> Result<Answers> {
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let script = Script::new(commands, nonce, &self.means);
        let mut channel = self
            .handle
            .channel_open_session()
            .await
            .map_err(|error| self.broken(&error))?;
        // Sent together: the answer to the request is not waited for before the script goes out.
        channel
            .exec(false, "sh -s")
            .await
            .map_err(|error| self.broken(&error))?;
        let (text, writer) = (script.text(), channel.make_writer());
        let feed = async move {
            let mut writer = writer;
            // A host that closes early is noticed by what is missing in its answer.
            let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, text.as_bytes()).await;
            let _ = tokio::io::AsyncWriteExt::shutdown(&mut writer).await;
        };
        let limit = commands
            .len()
            .saturating_add(1)
            .saturating_mul(OUTPUT_BYTES);
        let collect = async {
            let mut output = Vec::new();
            while let Some(message) = channel.wait().await {
                if let ChannelMsg::Data { data } = message {
                    if output.len() + data.len() > limit.min(MAX_SCRIPT_OUTPUT) {
                        return Err(Error::Framing {
                            host: self.host.clone(),
                            reason: format!("more than {} bytes", output.len()),
                        });
                    }
                    output.extend_from_slice(&data);
                }
            }
            Ok(output)
        };
        let (output, ()) = futures::future::join(collect, feed).await;
        script.read(&self.host, &output?)
    }
}

/// Bytes all commands of a step may print together.
const MAX_SCRIPT_OUTPUT: usize = 64 << 20;

impl Session for SshSession {
    fn run<'a>(&'a mut self, commands: &'a [Command]) -> BoxFuture<'a, Result<Answers>> {
        Box::pin(self.run_script(commands))
    }
}

/// What a host may prove itself with; RSA only with SHA-2 (RFC 8332).
const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
];

async fn connect(target: &Target, jump: Option<&Handle<Verifier>>) -> Result<Handle<Verifier>> {
    let config = Arc::new(client::Config {
        preferred: Preferred {
            key: Cow::Owned(host_key::preferred(
                &target.known_hosts,
                &target.address,
                target.port,
                HOST_KEYS,
            )),
            ..Preferred::DEFAULT
        },
        nodelay: true,
        keepalive_interval: Some(Duration::from_secs(10)),
        ..client::Config::default()
    });
    let refusal = Arc::new(Mutex::new(None));
    let verifier = Verifier {
        address: target.address.clone(),
        port: target.port,
        known_hosts: target.known_hosts.clone(),
        refusal: Arc::clone(&refusal),
    };
    let unreachable = |reason: String| Error::Unreachable {
        host: target.address.clone(),
        port: target.port,
        reason,
    };
    let connected = match jump {
        None => client::connect(config, (target.address.as_str(), target.port), verifier).await,
        Some(jump) => {
            let channel = jump
                .channel_open_direct_tcpip(
                    target.address.as_str(),
                    u32::from(target.port),
                    "127.0.0.1",
                    0,
                )
                .await
                .map_err(|error| unreachable(format!("through the jump host: {error}")))?;
            client::connect_stream(config, channel.into_stream(), verifier).await
        }
    };
    let mut handle = connected.map_err(|error| {
        let refused = refusal.lock().ok().and_then(|mut refusal| refusal.take());
        refused.unwrap_or_else(|| unreachable(chain(&error)))
    })?;
    authenticate(&mut handle, target).await?;
    Ok(handle)
}

async fn authenticate(handle: &mut Handle<Verifier>, target: &Target) -> Result<()> {
    let user = target.user.as_str();
    let result = match &target.credential {
        Credential::Password(password) => {
            handle.authenticate_password(user, password.reveal()).await
        }
        Credential::Key { key, passphrase } => {
            let key = russh::keys::decode_secret_key(key.reveal(), passphrase.as_ref().map(Secret::reveal))
                .map_err(|_| Error::NotConfigured {
                    what: format!("the private key of user '{user}'"),
                    hint: "it is damaged, of a kind that is not supported (Ed25519, ECDSA and RSA are), or its passphrase is wrong".to_owned(),
                })?;
            // The hash counts for RSA only, whose signatures with SHA-1 servers refuse.
            let key = PrivateKeyWithHashAlg::new(Arc::new(key), Some(HashAlg::Sha256));
            handle.authenticate_publickey(user, key).await
        }
    };
    match result {
        Ok(result) if result.success() => Ok(()),
        Ok(_) => Err(Error::Login {
            host: target.address.clone(),
            user: user.to_owned(),
        }),
        Err(error) => Err(Error::Session {
            host: target.address.clone(),
            reason: chain(&error),
        }),
    }
}
