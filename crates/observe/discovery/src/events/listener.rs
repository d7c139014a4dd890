//! The AMQP listener of one environment: a session with RabbitMQ, kept up with back-off.
//!
//! Three queues of its own, all durable: events, retries (whose messages fall back into events after a delay) and dead letters. How often a
//! message was tried is in the message, so a restart forgets nothing. Prefetch bounds what is held in memory. All queues are bounded, the
//! oldest messages go first, and the one that is bound to the services' exchanges goes by itself when nobody listened for a week: a controller
//! that is no more leaves nothing that grows.

use super::status::{State, StatusBoard};
use super::{Sink, envelope};
use crate::error::chain;
use crate::http::Trust;
use crate::secret::Secret;
use crate::{Error, Result};
use futures::StreamExt;
use jiff::Timestamp;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
    ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use topology::{Environment, Notification, Verdict};

/// Where the broker is, who asks, and for what.
#[derive(Debug, Clone)]
pub struct Settings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub vhost: String,
    /// TLS, and how the broker's certificate is checked; `None` is clear text.
    pub tls: Option<Trust>,
    /// Topic exchanges of the services.
    pub exchanges: Vec<String>,
    /// Notification topics: what services have as `[oslo_messaging_notifications] topics`. Other routing keys on these exchanges are calls between
    /// services, which are none of ours.
    pub topics: Vec<String>,
    /// Messages held at once.
    pub prefetch: u16,
    /// Delay before a message is tried again.
    pub retry_after: Duration,
    /// Tries before it is dead-lettered.
    pub tries: u32,
}

impl Settings {
    pub fn new(host: &str, port: u16, user: &str, password: Secret) -> Self {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            password,
            vhost: "/".to_owned(),
            tls: None,
            exchanges: own(&["nova", "neutron", "dhcp_agent", "info"]),
            topics: own(&["notifications", "versioned_notifications"]),
            prefetch: 256,
            retry_after: Duration::from_secs(2),
            tries: 10,
        }
    }
}

/// Dead letters kept; the oldest go first.
const DEAD_LETTERS: i32 = 100_000;
/// Messages the other queues hold; the oldest go first.
const WAITING: i32 = 1_000_000;
/// Milliseconds without a listener after which the queue of events goes.
const UNUSED_WITHIN: i32 = 7 * 24 * 3600 * 1000;
const TRIES: &str = "x-netwright-tries";
const REASON: &str = "x-netwright-reason";
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

/// See the module.
pub struct Listener {
    environment: Environment,
    settings: Settings,
    sink: Arc<dyn Sink>,
    board: StatusBoard,
}

struct Queues {
    events: ShortString,
    retries: ShortString,
    dead: ShortString,
}

impl Queues {
    fn new(prefix: &str) -> Self {
        let name = |what: &str| ShortString::from(format!("{prefix}.{what}"));
        Self {
            // Names change with declarations: a broker refuses another declaration of a queue there is (406).
            events: name("events.bounded"),
            retries: name("retries.bounded"),
            dead: name("dead"),
        }
    }

    fn declarations(&self, retry_after: Duration) -> [(&ShortString, FieldTable); 3] {
        let number = |value| AMQPValue::LongInt(value);
        let text = |value: &str| AMQPValue::LongString(LongString::from(value));
        let delay = i32::try_from(retry_after.as_millis()).unwrap_or(i32::MAX);
        let table = |arguments: &[(&str, AMQPValue)]| {
            let mut table = FieldTable::default();
            for (name, value) in arguments {
                table.insert((*name).into(), value.clone());
            }
            table
        };
        [
            (
                &self.events,
                table(&[
                    ("x-max-length", number(WAITING)),
                    ("x-expires", number(UNUSED_WITHIN)),
                ]),
            ),
            (
                // Nobody consumes it, so that it must not expire; its messages fall out by themselves.
                &self.retries,
                table(&[
                    ("x-max-length", number(WAITING)),
                    ("x-message-ttl", number(delay)),
                    ("x-dead-letter-exchange", text("")),
                    ("x-dead-letter-routing-key", text(self.events.as_str())),
                ]),
            ),
            (&self.dead, table(&[("x-max-length", number(DEAD_LETTERS))])),
        ]
    }

    async fn delete(&self, channel: &Channel) -> lapin::Result<()> {
        for queue in [&self.events, &self.retries, &self.dead] {
            channel
                .queue_delete(queue.clone(), QueueDeleteOptions::default())
                .await?;
        }
        Ok(())
    }
}

impl Listener {
    pub fn new(
        environment: Environment,
        settings: Settings,
        sink: Arc<dyn Sink>,
        board: StatusBoard,
    ) -> Self {
        Self {
            environment,
            settings,
            sink,
            board,
        }
    }

    fn queues(&self) -> Queues {
        Queues::new(&format!("netwright.{}", self.environment))
    }

    fn fault(&self, error: &lapin::Error) -> Error {
        Error::Broker {
            broker: format!("{}:{}", self.settings.host, self.settings.port),
            reason: chain(error),
        }
    }

    /// Listens until `stop` becomes true. A broker that goes away is tried again, later each time.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) {
        let mut back_off = FIRST_BACK_OFF;
        loop {
            let began = tokio::time::Instant::now();
            let fault = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                ended = self.session() => ended.err().map_or_else(
                    || "the broker ended the session".to_owned(), |error| error.to_string()),
            };
            if began.elapsed() > LONGEST_BACK_OFF {
                back_off = FIRST_BACK_OFF;
            }
            tracing::warn!(environment = %self.environment, %fault, "event listener backs off");
            let until =
                Timestamp::now() + jiff::SignedDuration::try_from(back_off).unwrap_or_default();
            self.board.update(&self.environment, |status| {
                status.last_fault = Some(fault.clone());
                status.state = State::BackingOff {
                    reason: fault,
                    until,
                };
            });
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(back_off) => {}
            }
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
        }
        self.board
            .update(&self.environment, |status| status.state = State::Stopped);
    }

    /// Connects, for a connection test, and says whether queues and bindings can be made. Its queues are others than those of a listener, and
    /// go with the test.
    ///
    /// # Errors
    /// What keeps it from listening.
    pub async fn test(&self) -> Result<()> {
        let test = uuid::Uuid::new_v4().simple();
        let queues = Queues::new(&format!("netwright.{}.test-{test}", self.environment));
        let connection = self.connect().await?;
        let prepared = self.prepare(&connection, &queues).await;
        let deleted = self.delete(&connection, &queues).await;
        prepared.and(deleted)
    }

    /// Takes the queues away, with what is in them.
    ///
    /// # Errors
    /// The broker does not answer or refuses.
    pub async fn remove(&self) -> Result<()> {
        let connection = self.connect().await?;
        self.delete(&connection, &self.queues()).await
    }

    /// Deletes on a channel of its own, for one that met a fault is closed; then closes the connection.
    async fn delete(&self, connection: &Connection, queues: &Queues) -> Result<()> {
        let fault = |error: lapin::Error| self.fault(&error);
        let channel = connection.create_channel().await.map_err(fault)?;
        let deleted = queues.delete(&channel).await;
        let closed = connection.close(200, "done".into()).await;
        deleted.and(closed).map_err(fault)
    }

    async fn connect(&self) -> Result<Connection> {
        let s = &self.settings;
        let (scheme, authorities) = match &s.tls {
            None => (AMQPScheme::AMQP, None),
            Some(Trust::System) => (AMQPScheme::AMQPS, None),
            Some(Trust::Only(pem)) => (AMQPScheme::AMQPS, Some(pem.clone())),
        };
        let uri = AMQPUri {
            scheme,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: s.user.clone(),
                    password: s.password.reveal().to_owned(),
                },
                host: s.host.clone(),
                port: s.port,
            },
            vhost: s.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: Some(10),
                connection_timeout: Some(10_000),
                ..AMQPQueryString::default()
            },
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = OwnedTLSConfig {
            identity: None,
            cert_chain: authorities,
        };
        let name = LongString::from(format!("netwright {}", self.environment).into_bytes());
        let properties = ConnectionProperties::default().with_connection_name(name);
        let runtime = lapin::runtime::default_runtime().map_err(|error| self.fault(&error))?;
        Connection::connect_uri_with_config(uri, properties, tls, runtime)
            .await
            .map_err(|error| self.fault(&error))
    }

    /// Makes the queues and binds them; the channel has confirms and the prefetch.
    async fn prepare(&self, connection: &Connection, queues: &Queues) -> Result<Channel> {
        let fault = |error: lapin::Error| self.fault(&error);
        for exchange in &self.settings.exchanges {
            self.ensure_exchange(connection, exchange).await?;
        }
        let channel = connection.create_channel().await.map_err(fault)?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(fault)?;
        channel
            .basic_qos(self.settings.prefetch, BasicQosOptions::default())
            .await
            .map_err(fault)?;
        for (queue, arguments) in queues.declarations(self.settings.retry_after) {
            channel
                .queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments)
                .await
                .map_err(fault)?;
        }
        for exchange in &self.settings.exchanges {
            for topic in &self.settings.topics {
                channel
                    .queue_bind(
                        queues.events.clone(),
                        exchange.as_str().into(),
                        format!("{topic}.#").into(),
                        QueueBindOptions::default(),
                        FieldTable::default(),
                    )
                    .await
                    .map_err(fault)?;
            }
        }
        Ok(channel)
    }

    /// An exchange is the services' own; it is made as they make it only where none of them did yet.
    async fn ensure_exchange(&self, connection: &Connection, exchange: &str) -> Result<()> {
        let fault = |error: lapin::Error| self.fault(&error);
        for passive in [true, false] {
            // A declaration that fails takes its channel with it.
            let channel = connection.create_channel().await.map_err(fault)?;
            let options = ExchangeDeclareOptions {
                passive,
                ..ExchangeDeclareOptions::default()
            };
            let declared = channel
                .exchange_declare(
                    exchange.into(),
                    ExchangeKind::Topic,
                    options,
                    FieldTable::default(),
                )
                .await;
            match declared {
                Ok(()) => {
                    let _ = channel.close(200, "".into()).await;
                    return Ok(());
                }
                Err(error) if !passive => return Err(fault(error)),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn session(&self) -> Result<()> {
        self.board
            .update(&self.environment, |status| status.state = State::Connecting);
        let connection = self.connect().await?;
        let queues = self.queues();
        let channel = self.prepare(&connection, &queues).await?;
        let consumer = channel
            .basic_consume(
                queues.events.clone(),
                "netwright".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await
            .map_err(|error| self.fault(&error))?;
        self.board.update(&self.environment, |status| {
            status.sessions += 1;
            status.state = State::Running {
                since: Timestamp::now(),
            };
        });
        // Whatever has arrived is one batch: under load batches grow, and a version is made per batch, not per event.
        let mut batches = consumer.ready_chunks(usize::from(self.settings.prefetch.max(1)));
        while let Some(batch) = batches.next().await {
            let deliveries = batch
                .into_iter()
                .collect::<Result<Vec<Delivery>, lapin::Error>>()
                .map_err(|error| self.fault(&error))?;
            self.handle(&channel, &queues, deliveries).await?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        channel: &Channel,
        queues: &Queues,
        deliveries: Vec<Delivery>,
    ) -> Result<()> {
        let mut notifications: Vec<Notification> = Vec::new();
        let mut opened: Vec<&Delivery> = Vec::new();
        for delivery in &deliveries {
            match envelope::open(&delivery.data) {
                Ok(notification) => {
                    notifications.push(notification);
                    opened.push(delivery);
                }
                Err(error) => {
                    let verdict = Verdict::Refused(error.to_string());
                    self.dispose(channel, queues, delivery, &verdict, Timestamp::UNIX_EPOCH)
                        .await?;
                }
            }
        }
        let verdicts = self.sink.take(&notifications).await;
        if verdicts.len() != notifications.len() {
            return Err(Error::Broker {
                broker: "the sink".to_owned(),
                reason: format!(
                    "{} verdicts on {} notifications",
                    verdicts.len(),
                    notifications.len()
                ),
            });
        }
        for ((delivery, notification), verdict) in
            opened.into_iter().zip(&notifications).zip(&verdicts)
        {
            self.dispose(channel, queues, delivery, verdict, notification.timestamp)
                .await?;
        }
        // All of the batch is disposed of, so one acknowledgement covers it.
        match deliveries.last() {
            None => Ok(()),
            Some(last) => last
                .ack(BasicAckOptions { multiple: true })
                .await
                .map(drop)
                .map_err(|error| self.fault(&error)),
        }
    }

    /// Puts a message where its verdict sends it. What is applied or ignored needs nothing more.
    async fn dispose(
        &self,
        channel: &Channel,
        queues: &Queues,
        delivery: &Delivery,
        verdict: &Verdict,
        happened: Timestamp,
    ) -> Result<()> {
        let tried = tries_of(delivery);
        let exhausted = tried + 1 >= self.settings.tries;
        let verdict = match verdict {
            Verdict::Retry(reason) if exhausted => {
                &Verdict::Refused(format!("tried {} times: {reason}", tried + 1))
            }
            other => other,
        };
        self.board.note(&self.environment, verdict, happened);
        match verdict {
            Verdict::Applied | Verdict::Ignored(_) => Ok(()),
            Verdict::Retry(reason) => {
                self.move_to(channel, &queues.retries, delivery, tried + 1, reason)
                    .await
            }
            Verdict::Refused(reason) => {
                self.move_to(channel, &queues.dead, delivery, tried, reason)
                    .await
            }
        }
    }

    /// Publishes a copy and waits until the broker has it; only then may the original be acknowledged.
    async fn move_to(
        &self,
        channel: &Channel,
        queue: &ShortString,
        delivery: &Delivery,
        tries: u32,
        reason: &str,
    ) -> Result<()> {
        let mut headers = FieldTable::default();
        headers.insert(TRIES.into(), AMQPValue::LongUInt(tries));
        let reason: String = reason.chars().take(500).collect();
        headers.insert(
            REASON.into(),
            AMQPValue::LongString(reason.into_bytes().into()),
        );
        // Persistent.
        let properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_headers(headers);
        let published = channel
            .basic_publish(
                "".into(),
                queue.clone(),
                BasicPublishOptions::default(),
                &delivery.data,
                properties,
            )
            .await
            .map_err(|error| self.fault(&error))?;
        published
            .await
            .map(drop)
            .map_err(|error| self.fault(&error))
    }
}

fn tries_of(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    match headers.and_then(|headers| headers.inner().get(TRIES)) {
        Some(AMQPValue::LongUInt(tries)) => *tries,
        Some(AMQPValue::LongInt(tries)) => u32::try_from(*tries).unwrap_or(0),
        Some(AMQPValue::LongLongInt(tries)) => u32::try_from(*tries).unwrap_or(0),
        _ => 0,
    }
}
