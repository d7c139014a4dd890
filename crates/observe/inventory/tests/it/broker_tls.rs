//! A real RabbitMQ behind TLS with an authority of its own: events, a restart, and whom the listener does not trust.

use crate::broker::{
    Broker, Tls, network, notification, until_named, until_status, update, with_project,
};
use anyhow::{Context, Result, ensure};
use discovery::Secret;
use discovery::environment::{Config, CredentialName, Credentials, Probe};
use discovery::events::{Listener, State, Status, StatusBoard};
use inventory::Inventory;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use std::path::Path;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use topology::Environment;

/// An authority, and files of a server at `127.0.0.1`.
fn certificates(folder: &Path) -> Result<(String, Tls)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    let files = Tls {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
    };
    std::fs::write(&files.certificate, server.pem())?;
    std::fs::write(&files.key, key.serialize_pem())?;
    Ok((issuer.pem(), files))
}

/// An environment whose events come from this place, as an operator configures it.
fn config(environment: &Environment, host: &str, port: u16, authority: &str) -> Result<Config> {
    Ok(serde_json::from_value(json!({
        "name": environment,
        "amqp": {"host": host, "port": port, "user": "guest", "tls": true, "authorities": authority},
    }))?)
}

fn credentials() -> Credentials {
    let mut credentials = Credentials::default();
    credentials.set(CredentialName::AmqpPassword, Secret::new("guest"));
    credentials
}

struct Listening {
    board: StatusBoard,
    environment: Environment,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Listening {
    fn start(inventory: &Inventory, config: &Config) -> Result<Self> {
        let settings = config.events(&credentials())?.context("events")?;
        let board = StatusBoard::default();
        let environment = config.name.clone();
        let sink = inventory.sink(&Environment::new("cloud")?)?;
        let listener = Listener::new(environment.clone(), settings, sink, board.clone());
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(async move { listener.run(stopped).await });
        Ok(Self {
            board,
            environment,
            stop,
            task,
        })
    }

    async fn until(&self, what: &str, wanted: impl Fn(&Status) -> bool) -> Result<()> {
        until_status(&self.board, &self.environment, what, wanted).await
    }

    async fn end(self) -> Result<Status> {
        self.stop.send(true)?;
        self.task.await.context("the listener ends when told")?;
        Ok(self.board.get(&self.environment))
    }
}

fn runs(status: &Status) -> bool {
    matches!(status.state, State::Running { .. })
}

fn backs_off(status: &Status) -> bool {
    matches!(status.state, State::BackingOff { .. })
}

/// Why it does not listen to a broker at this place.
async fn refusal(inventory: &Inventory, config: &Config) -> Result<String> {
    let listening = Listening::start(inventory, config)?;
    listening.until("backing off", backs_off).await?;
    let status = listening.end().await?;
    ensure!(status.sessions == 0, "it listened");
    let reason = status.last_fault.context("a reason")?;
    // A test of the connection says the same.
    let tested = config.probe(&credentials(), Probe::Amqp).await;
    ensure!(
        !tested.reached && tested.detail == reason,
        "{tested:?}, {reason}"
    );
    Ok(reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_over_tls_from_the_broker_that_is_meant_and_from_no_other() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (authority, files) = certificates(folder.path())?;
    let mut broker = Broker::start(Some(files))?;
    let port = broker.tls_port.context("a port for TLS")?;
    let environment = Environment::new("cloud")?;
    let inventory = with_project(&folder.path().join("map"), &environment)?;
    let map = inventory.map(&environment)?;
    let right = config(&environment, "127.0.0.1", port, &authority)?;
    let tested = right.probe(&credentials(), Probe::Amqp).await;
    ensure!(tested.reached, "{tested:?}");

    let listening = Listening::start(&inventory, &right)?;
    listening.until("listening", runs).await?;
    let created = notification(
        "network.create.end",
        "m1",
        "2026-01-01 10:00:01.000001",
        network("red"),
    );
    broker.publish(&created).await?;
    until_named(&map, "red").await?;
    broker.kill()?;
    listening.until("backing off", backs_off).await?;
    broker.restart()?;
    listening.until("listening again", runs).await?;
    let renamed = update("m2", "2026-01-01 10:00:02.000001", network("blue"));
    broker.publish(&renamed).await?;
    until_named(&map, "blue").await?;
    ensure!(listening.end().await?.sessions >= 2);

    let (stranger, _) = certificates(tempfile::tempdir()?.path())?;
    let other = Environment::new("other")?;
    let reason = refusal(&inventory, &config(&other, "127.0.0.1", port, &stranger)?).await?;
    // The stranger has the authority's name and another key.
    ensure!(reason.contains("BadSignature"), "{reason}");
    let reason = refusal(&inventory, &config(&other, "127.0.0.2", port, &authority)?).await?;
    ensure!(reason.contains("not valid for name"), "{reason}");
    Ok(())
}
