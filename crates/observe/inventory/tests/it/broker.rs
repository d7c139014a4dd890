//! A real RabbitMQ: events into a map, poisoned and premature messages, a broker that restarts.

use anyhow::{Context, Result, ensure};
use discovery::Secret;
use discovery::environment::{Config, Credentials};
use discovery::events::{Listener, Settings, State, Status, StatusBoard};
use inventory::{Inventory, LiveMap};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::sync::watch;
use topology::{
    Batch, Cause, Draft, Environment, ObjectKey, ObjectRef, Reading, Source, SourceKind, Version,
};

/// How long something may take that must happen; generous, because the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A broker of our own: its folders and ports are of this process, and it listens on loopback only.
pub(crate) struct Broker {
    child: Child,
    port: u16,
    /// On `127.0.0.1`, and on `127.0.0.2`, which its certificate does not name.
    pub(crate) tls_port: Option<u16>,
    folder: tempfile::TempDir,
}

/// Files of a server: its certificate and its key.
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Broker {
    pub(crate) fn start(tls: Option<Tls>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let mut config =
            format!("listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n");
        let mut tls_port = None;
        if let Some(Tls { certificate, key }) = tls {
            let port = *tls_port.insert(free_port()?);
            config += &format!(
                "listeners.ssl.1 = 127.0.0.1:{port}\nlisteners.ssl.2 = 127.0.0.2:{port}\n\
                 ssl_options.certfile = {}\nssl_options.keyfile = {}\n",
                certificate.display(),
                key.display()
            );
        }
        std::fs::write(folder.path().join("rabbitmq.conf"), config)?;
        std::fs::write(folder.path().join("enabled_plugins"), "[].\n")?;
        Ok(Self {
            child: spawn(folder.path(), port)?,
            port,
            tls_port,
            folder,
        })
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        // The start script's child is the virtual machine; both are of the group.
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.child.id())?);
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL)?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn restart(&mut self) -> Result<()> {
        self.child = spawn(self.folder.path(), self.port)?;
        Ok(())
    }

    async fn connect(&self) -> Result<Connection> {
        let uri = format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port);
        Ok(Connection::connect(&uri, ConnectionProperties::default()).await?)
    }

    pub(crate) async fn publish(&self, body: &[u8]) -> Result<()> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let exchange = "neutron";
        channel
            .exchange_declare(
                exchange.into(),
                ExchangeKind::Topic,
                ExchangeDeclareOptions::default(),
                FieldTable::default(),
            )
            .await?;
        channel
            .basic_publish(
                exchange.into(),
                "notifications.info".into(),
                BasicPublishOptions::default(),
                body,
                BasicProperties::default(),
            )
            .await?
            .await?;
        connection.close(200, "".into()).await?;
        Ok(())
    }

    /// How many of the three queues of the listener there are.
    async fn queues(&self) -> Result<usize> {
        let connection = self.connect().await?;
        let mut found = 0;
        for queue in ["events.bounded", "retries.bounded", "dead"] {
            let channel = connection.create_channel().await?;
            let options = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            let name = format!("netwright.cloud.{queue}");
            let declared = channel.queue_declare(name.into(), options, FieldTable::default());
            found += usize::from(declared.await.is_ok());
        }
        // A queue that was not there has closed its channel, which not every close waits out.
        let _ = connection.close(200, "".into()).await;
        Ok(found)
    }

    /// The reasons of the dead letters.
    async fn dead(&self) -> Result<Vec<String>> {
        let connection = self.connect().await?;
        let channel = connection.create_channel().await?;
        let mut reasons = Vec::new();
        while let Some(message) = channel
            .basic_get(
                "netwright.cloud.dead".into(),
                BasicGetOptions { no_ack: true },
            )
            .await?
        {
            let headers = message
                .delivery
                .properties
                .headers()
                .clone()
                .unwrap_or_default();
            if let Some(AMQPValue::LongString(reason)) = headers.inner().get("x-netwright-reason") {
                reasons.push(String::from_utf8_lossy(reason.as_bytes()).into_owned());
            }
        }
        connection.close(200, "".into()).await?;
        Ok(reasons)
    }
}

/// Starts the server and waits until it says that it has.
fn spawn(folder: &Path, port: u16) -> Result<Child> {
    use std::os::unix::process::CommandExt;
    let distribution = free_port()?;
    // The package's wrapper would change to its own user; the server itself runs as anybody.
    let mut child = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server")
        // Brokers of one host differ in their names; nobody asks for them: there is no port mapper.
        .env("RABBITMQ_NODENAME", format!("netwright{port}@localhost"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq.conf"))
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            folder.join("enabled_plugins"),
        )
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("log"))
        .env("RABBITMQ_PID_FILE", folder.join("pid"))
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        // No port mapper is started: it would outlive the test.
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            // Where nobody maps ports, this is the port it listens on.
            format!(
                "-start_epmd false -erl_epmd_port {distribution} \
                 -kernel inet_dist_use_interface {{127,0,0,1}}"
            ),
        )
        // Erlang would leave its dump where the test runs.
        .env("ERL_CRASH_DUMP", folder.join("crash"))
        .env("HOME", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let mut output = BufReader::new(child.stdout.take().context("piped")?);
    let mut said = String::new();
    while !said.contains("Server startup complete") {
        if output.read_line(&mut said)? == 0 {
            anyhow::bail!("RabbitMQ ended ({}): {said}", child.wait()?);
        }
    }
    // The pipe must not fill up.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    Ok(child)
}

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

pub(crate) fn notification(event_type: &str, id: &str, at: &str, payload: Value) -> Vec<u8> {
    let message = json!({
        "event_type": event_type, "message_id": id, "publisher_id": "network.node-6", "priority": "INFO", "timestamp": at,
        "_context_project_id": "p1", "_context_project_name": "red", "payload": payload,
    });
    json!({"oslo.version": "2.0", "oslo.message": message.to_string()})
        .to_string()
        .into_bytes()
}

pub(crate) fn update(id: &str, at: &str, payload: Value) -> Vec<u8> {
    notification("network.update.end", id, at, payload)
}

pub(crate) fn network(name: &str) -> Value {
    json!({"network": {"id": "n1", "name": name, "tenant_id": "p1", "admin_state_up": true, "subnets": [], "status": "ACTIVE",
                       "provider:network_type": "vxlan", "provider:segmentation_id": 8, "mtu": 1450}})
}

fn project_known(environment: &Environment) -> Result<Reading> {
    let mut reading = Reading::named(Source {
        kind: SourceKind::new("keystone")?,
        detail: "test".into(),
        read_at: "2026-01-01T00:00:00Z".parse()?,
    });
    reading.drafts.push(Draft::whole(
        ObjectKey::new(environment, "project", "p1")?,
        "red",
    ));
    Ok(reading)
}

/// Until the listener is as wanted.
pub(crate) async fn until_status(
    board: &StatusBoard,
    environment: &Environment,
    what: &str,
    wanted: impl Fn(&Status) -> bool,
) -> Result<()> {
    let mut changes = board.subscribe();
    let reached = async {
        while !wanted(&board.get(environment)) {
            changes.changed().await?;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .with_context(|| format!("never: {what}"))?
}

/// Until the network has this name.
pub(crate) async fn until_named(map: &LiveMap, name: &str) -> Result<()> {
    let key = ObjectRef::new("network", "n1")?;
    let mut changes = map.subscribe();
    let reached = async {
        while name_of(&map.head(), &key) != Some(name) {
            changes.changed().await?;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, reached)
        .await
        .with_context(|| format!("the network is never '{name}'"))?
}

fn name_of<'v>(version: &'v Version, key: &ObjectRef) -> Option<&'v str> {
    version.get(key).map(|object| object.name())
}

/// Out of order and twice, late, poisoned, senseless: each becomes what it must.
async fn odd_messages(broker: &Broker, map: &LiveMap, board: &StatusBoard) -> Result<()> {
    let environment = map.environment();
    // The change of name comes before the creation, and waits for it; everything comes twice.
    let renamed = update("m2", "2026-01-01 10:00:02.000001", network("blue"));
    let created = notification(
        "network.create.end",
        "m1",
        "2026-01-01 10:00:01.000001",
        network("green"),
    );
    for body in [&renamed, &created, &created, &renamed] {
        broker.publish(body).await?;
    }
    until_named(map, "blue").await?;
    // A late message changes nothing; a poisoned one and one that never makes sense are set aside with a reason.
    let late = update("m0", "2026-01-01 09:00:00.000001", network("red"));
    broker.publish(&late).await?;
    broker.publish(b"\xff not a message").await?;
    let senseless = json!({"network": {"id": "never-made", "name": "x"}});
    let senseless = update("m9", "2026-01-01 10:00:03.000001", senseless);
    broker.publish(&senseless).await?;
    until_status(board, &environment, "two dead letters", |status| {
        status.dead >= 2
    })
    .await?;
    until_named(map, "blue").await?;
    let reasons = broker.dead().await?;
    for part in ["no JSON", "tried 4 times"] {
        let found = reasons.iter().any(|reason| reason.contains(part));
        ensure!(found, "{reasons:?}");
    }
    Ok(())
}

/// An inventory with an environment that has a project.
pub(crate) fn with_project(dir: &Path, environment: &Environment) -> Result<Inventory> {
    let inventory = Inventory::open(dir)?;
    inventory.add_environment(Config::new(environment.clone()), &Credentials::default())?;
    inventory.map(environment)?.apply(&Batch {
        cause: Cause::Scan("first".into()),
        at: jiff::Timestamp::now(),
        readings: vec![project_known(environment)?],
    })?;
    Ok(inventory)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_reach_the_map_whatever_happens_to_the_broker() -> Result<()> {
    let mut broker = Broker::start(None)?;
    let environment = Environment::new("cloud")?;
    let dir = tempfile::tempdir()?;
    let inventory = with_project(dir.path(), &environment)?;
    let map = inventory.map(&environment)?;
    let board = StatusBoard::default();
    let mut settings = Settings::new("127.0.0.1", broker.port, "guest", Secret::new("guest"));
    settings.retry_after = Duration::from_millis(100);
    settings.tries = 4;
    let sink = inventory.sink(&environment)?;
    let listener = Listener::new(environment.clone(), settings.clone(), sink, board.clone());
    listener.test().await.context("a test of the connection")?;
    ensure!(broker.queues().await? == 0, "a test leaves no queue");
    let (stop, stopped) = watch::channel(false);
    let listening = tokio::spawn(async move { listener.run(stopped).await });
    let running = |status: &Status| matches!(status.state, State::Running { .. });
    until_status(&board, &environment, "listening", running).await?;
    odd_messages(&broker, &map, &board).await?;

    // The broker dies; what is published after its return is heard without anybody's help.
    broker.kill()?;
    until_status(&board, &environment, "backing off", |status| {
        matches!(status.state, State::BackingOff { .. })
    })
    .await?;
    broker.restart()?;
    until_status(&board, &environment, "listening again", running).await?;
    let again = update("m3", "2026-01-01 10:00:09.000001", network("violet"));
    broker.publish(&again).await?;
    until_named(&map, "violet").await?;
    ensure!(board.get(&environment).sessions >= 2);
    stop.send(true)?;
    listening.await.context("the listener ends when told")?;
    ensure!(board.get(&environment).state == State::Stopped);
    ensure!(broker.queues().await? == 3, "what comes meanwhile waits");
    let sink = inventory.sink(&environment)?;
    let leaving = Listener::new(environment.clone(), settings, sink, board.clone());
    leaving.remove().await.context("the queues")?;
    drop(leaving);
    ensure!(broker.queues().await? == 0, "and goes with the environment");

    // What the listener took in was on disk before it was acknowledged.
    drop((map, inventory));
    let map = Inventory::open(dir.path())?.map(&environment)?;
    ensure!(name_of(&map.head(), &ObjectRef::new("network", "n1")?) == Some("violet"));
    Ok(())
}
