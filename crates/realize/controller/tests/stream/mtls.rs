//! With mutual TLS an agent speaks for the host in its certificate and for no other.

use crate::agent::{Agent, hello};
use crate::cloud::{Cloud, host};
use controller::{Config, Controller, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use wire::{AgentFrame, ControllerFrame, RejectCode};

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// Certificate and key for a DNS name, as PEM.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    async fn controller(&self, cloud: &Cloud) -> Controller {
        let (certificate, key) = self.issue("localhost");
        let config = Config {
            listen: "127.0.0.1:0".parse().expect("an address"),
            tls: Some(Tls {
                certificate: certificate.into(),
                key: key.into(),
                client_ca: self.0.pem().into(),
            }),
        };
        let started = Controller::start(cloud.store.clone(), config).await;
        started.expect("a controller")
    }

    /// An agent of h1 with a certificate for `name`, if any.
    async fn agent(&self, controller: &Controller, name: Option<&str>) -> Result<Agent, String> {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(self.0.pem()))
            .domain_name("localhost");
        if let Some(name) = name {
            let (certificate, key) = self.issue(name);
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        let uri = format!("https://{}", controller.local_addr())
            .parse()
            .expect("a URI");
        let endpoint = Channel::builder(uri)
            .tls_config(tls)
            .expect("a configuration");
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| error.to_string())?;
        Agent::open(channel, "h1")
            .await
            .map_err(|status| status.to_string())
    }
}

#[tokio::test]
async fn the_certificate_names_the_host() {
    let cloud = Cloud::new().await;
    let authority = Authority::new();
    let controller = authority.controller(&cloud).await;

    let mut agent = authority
        .agent(&controller, Some("h1"))
        .await
        .expect("a stream");
    agent.send(AgentFrame::Hello(hello(&host("h1")))).await;
    assert!(matches!(
        agent.next().await,
        Some(ControllerFrame::Welcome(_))
    ));

    for name in ["h2", "*"] {
        let mut agent = authority
            .agent(&controller, Some(name))
            .await
            .expect("a stream");
        agent.send(AgentFrame::Hello(hello(&host("h1")))).await;
        assert_eq!(agent.rejection().await.code, RejectCode::Identity, "{name}");
        assert_eq!(agent.next().await, None);
    }

    assert!(
        authority.agent(&controller, None).await.is_err(),
        "no certificate, no stream"
    );
    let stranger = Authority::new();
    let (certificate, key) = stranger.issue("h1");
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.0.pem()))
        .domain_name("localhost")
        .identity(Identity::from_pem(certificate, key));
    let uri = format!("https://{}", controller.local_addr())
        .parse()
        .expect("a URI");
    let endpoint = Channel::builder(uri)
        .tls_config(tls)
        .expect("a configuration");
    let opened = match endpoint.connect().await {
        Ok(channel) => Agent::open(channel, "h1").await.is_ok(),
        Err(_) => false,
    };
    assert!(!opened, "an unknown authority opens nothing");
}
