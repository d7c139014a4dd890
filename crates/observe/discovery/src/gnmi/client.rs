//! gNMI calls to a set of switches with one login.

use super::generated::g_nmi_client::GNmiClient;
use super::generated::{
    CapabilityRequest, Encoding, GetRequest, GetResponse, Path, PathElem, get_request, typed_value,
};
use crate::error::chain;
use crate::http::Trust;
use crate::secret::Secret;
use crate::{Error, Result};
use serde_json::Value;
use std::time::Duration;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchTarget {
    /// What it calls itself, as its neighbours hear it by LLDP; so that all sources mean the same switch, also while it is silent.
    pub name: String,
    /// `https://<switch>:<port>`; `http` is clear text and sends the password so.
    pub url: String,
}

/// The switches and who asks.
#[derive(Debug, Clone)]
pub struct Settings {
    pub targets: Vec<SwitchTarget>,
    pub user: String,
    pub password: Secret,
    pub trust: Trust,
}

pub struct Switches {
    settings: Settings,
}

/// What was read of a switch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SwitchState {
    pub hostname: Option<String>,
    /// `openconfig-interfaces:interfaces`.
    pub interfaces: Value,
    /// `openconfig-lldp:lldp/interfaces`.
    pub lldp: Value,
}

const WITHIN: Duration = Duration::from_secs(30);
/// Bytes one answer may have.
const MAX_ANSWER: usize = 32 << 20;

impl Switches {
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    pub(super) fn targets(&self) -> &[SwitchTarget] {
        &self.settings.targets
    }

    fn fault(target: &str, reason: String) -> Error {
        Error::Http {
            url: target.to_owned(),
            reason,
        }
    }

    async fn connect(&self, target: &str) -> Result<GNmiClient<Channel>> {
        let fault = |error: tonic::transport::Error| Self::fault(target, chain(&error));
        let mut endpoint = Endpoint::from_shared(target.to_owned())
            .map_err(fault)?
            .connect_timeout(Duration::from_secs(10))
            .timeout(WITHIN);
        if target.starts_with("https://") {
            let mut tls = ClientTlsConfig::new();
            if let Trust::Only(pem) = &self.settings.trust {
                tls = tls.ca_certificate(Certificate::from_pem(pem));
            }
            endpoint = endpoint.tls_config(tls).map_err(fault)?;
        }
        let channel = endpoint.connect().await.map_err(fault)?;
        Ok(GNmiClient::new(channel).max_decoding_message_size(MAX_ANSWER))
    }

    /// A request with the login in its metadata, as the specification has it.
    fn request<T>(&self, target: &str, message: T) -> Result<Request<T>> {
        let mut request = Request::new(message);
        for (name, text) in [
            ("username", self.settings.user.as_str()),
            ("password", self.settings.password.reveal()),
        ] {
            let mut value = MetadataValue::try_from(text).map_err(|_| {
                Self::fault(
                    target,
                    format!("the {name} has a character no header may have"),
                )
            })?;
            value.set_sensitive(true);
            request.metadata_mut().insert(name, value);
        }
        Ok(request)
    }

    /// The gNMI version a switch speaks: a connection test.
    ///
    /// # Errors
    /// It does not answer or refuses the login.
    pub async fn version(&self, target: &str) -> Result<String> {
        let mut client = self.connect(target).await?;
        let request = self.request(target, CapabilityRequest {})?;
        let answer = client
            .capabilities(request)
            .await
            .map_err(|status| self.refused(target, &status))?;
        Ok(answer.into_inner().g_nmi_version)
    }

    fn refused(&self, target: &str, status: &tonic::Status) -> Error {
        match status.code() {
            tonic::Code::Unauthenticated | tonic::Code::PermissionDenied => Error::Login {
                host: target.to_owned(),
                user: self.settings.user.clone(),
            },
            code => Self::fault(target, format!("{code}: {}", status.message())),
        }
    }

    /// Interfaces and neighbours of a switch.
    ///
    /// # Errors
    /// It does not answer, refuses, or has no OpenConfig interfaces. A switch without LLDP has no neighbours.
    pub async fn state(&self, target: &str) -> Result<SwitchState> {
        let mut client = self.connect(target).await?;
        let hostname = self
            .get(&mut client, target, &["system", "state", "hostname"])
            .await;
        let interfaces = self.get(&mut client, target, &["interfaces"]).await?;
        let lldp = self.get(&mut client, target, &["lldp", "interfaces"]).await;
        Ok(SwitchState {
            hostname: hostname
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned)),
            interfaces,
            lldp: match lldp {
                Ok(lldp) => lldp,
                Err(Error::Http { .. }) => Value::Null,
                Err(error) => return Err(error),
            },
        })
    }

    async fn get(
        &self,
        client: &mut GNmiClient<Channel>,
        target: &str,
        path: &[&str],
    ) -> Result<Value> {
        let elem = path
            .iter()
            .map(|name| PathElem {
                name: (*name).to_owned(),
                ..PathElem::default()
            })
            .collect();
        let message = GetRequest {
            path: vec![Path {
                origin: "openconfig".to_owned(),
                elem,
                ..Path::default()
            }],
            r#type: get_request::DataType::State.into(),
            encoding: Encoding::JsonIetf.into(),
            ..GetRequest::default()
        };
        let answer = client
            .get(self.request(target, message)?)
            .await
            .map_err(|status| self.refused(target, &status))?;
        value(&answer.into_inner())
            .map_err(|reason| Self::fault(target, format!("/{}: {reason}", path.join("/"))))
    }
}

/// The first value of an answer.
fn value(answer: &GetResponse) -> Result<Value, String> {
    let updates = answer.notification.iter().flat_map(|one| &one.update);
    let value = updates
        .filter_map(|update| update.val.as_ref()?.value.as_ref())
        .next()
        .ok_or("no value")?;
    match value {
        typed_value::Value::JsonIetfVal(bytes) | typed_value::Value::JsonVal(bytes) => {
            serde_json::from_slice(bytes).map_err(|error| error.to_string())
        }
        typed_value::Value::StringVal(text) | typed_value::Value::AsciiVal(text) => {
            Ok(Value::from(text.as_str()))
        }
        other => Err(format!("a value that was not asked for: {other:?}")),
    }
}
