//! Who is at the other end, by its certificate.

use model::HostName;
use tonic::transport::CertificateDer;
use webpki::EndEntityCert;

/// What the transport knows of an agent.
pub(crate) enum Identity {
    /// Plain text: the agent is believed.
    Unchecked,
    /// The DNS names in the certificate that the transport has verified.
    Names(Vec<String>),
}

impl Identity {
    /// `certificates` as the transport gives them; `required` when agents must show one.
    pub(crate) fn of(certificates: Option<&[CertificateDer<'static>]>, required: bool) -> Self {
        if !required {
            return Self::Unchecked;
        }
        let own = certificates.and_then(<[_]>::first);
        let parsed = own.and_then(|own| EndEntityCert::try_from(own).ok());
        let names = parsed.map(|own| own.valid_dns_names().map(str::to_owned).collect());
        Self::Names(names.unwrap_or_default())
    }

    /// Why the agent may not speak for the host; `None` if it may.
    pub(crate) fn objection(&self, host: &HostName) -> Option<String> {
        let Self::Names(names) = self else {
            return None;
        };
        // DNS names compare without case (RFC 4343). A wildcard is no host.
        let matches = |name: &String| name.eq_ignore_ascii_case(host.as_str());
        (!names.iter().any(matches)).then(|| {
            format!("the certificate is for {names:?}, not for host {host}; its DNS subject alternative name must be the host's name")
        })
    }
}
