//! A read-only session with MySQL, MariaDB or PostgreSQL. Rows come as JSON objects by column.

use super::tls::{self, PostgresTls};
use crate::error::chain;
use crate::http::Trust;
use crate::secret::Secret;
use crate::{Error, Result};
use mysql_async::prelude::Queryable;
use serde_json::{Map, Value};
use std::time::Duration;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// MySQL and MariaDB.
    Mysql,
    Postgresql,
}

/// Where the databases are.
#[derive(Debug, Clone)]
pub struct Settings {
    pub engine: Engine,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    /// Over TLS, with the server's certificate and name checked; in clear text if absent.
    pub tls: Option<Trust>,
    /// Names of the databases.
    pub nova: String,
    pub nova_api: String,
    pub neutron: String,
}

/// Rows one query may give.
const MAX_ROWS: usize = 1_000_000;
const WITHIN: Duration = Duration::from_secs(60);

pub struct Database {
    settings: Settings,
    detail: String,
}

impl Database {
    pub fn new(settings: Settings) -> Self {
        let detail = format!("{}:{}", settings.host, settings.port);
        Self { settings, detail }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    fn fault(&self, database: &str, reason: String) -> Error {
        Error::Sql {
            name: format!("{database} at {}", self.detail),
            reason,
        }
    }

    /// The rows of a query on one of the databases.
    ///
    /// # Errors
    /// [`Error::Sql`] with the server's own text.
    pub async fn rows(&self, database: &str, query: &str) -> Result<Vec<Value>> {
        let reading = async {
            match self.settings.engine {
                Engine::Mysql => self.mysql(database, query).await,
                Engine::Postgresql => self.postgresql(database, query).await,
            }
        };
        tokio::time::timeout(WITHIN, reading)
            .await
            .map_err(|_| Error::TimedOut {
                what: format!("a query on {database} at {}", self.detail),
                limit: WITHIN,
            })?
    }

    async fn mysql(&self, database: &str, query: &str) -> Result<Vec<Value>> {
        let fault = |error: mysql_async::Error| self.fault(database, chain(&error));
        let s = &self.settings;
        // Its client takes the process's provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let options = mysql_async::OptsBuilder::default()
            .ip_or_hostname(s.host.clone())
            .tcp_port(s.port)
            .user(Some(&s.user))
            .pass(Some(s.password.reveal()))
            .db_name(Some(database))
            .ssl_opts(s.tls.as_ref().map(tls::mysql))
            .prefer_socket(false);
        let mut session = mysql_async::Conn::new(options).await.map_err(fault)?;
        // ANSI quotes, so that the same text names a column in every engine.
        session
            .query_drop("SET SESSION sql_mode = 'ANSI_QUOTES'")
            .await
            .map_err(fault)?;
        session
            .query_drop("START TRANSACTION READ ONLY")
            .await
            .map_err(fault)?;
        let rows: Vec<mysql_async::Row> = session.query(query).await.map_err(fault)?;
        session.disconnect().await.map_err(fault)?;
        self.bounded(database, rows.into_iter().map(mysql_row).collect())
    }

    async fn postgresql(&self, database: &str, query: &str) -> Result<Vec<Value>> {
        let fault = |error: tokio_postgres::Error| self.fault(database, chain(&error));
        let s = &self.settings;
        let mut config = tokio_postgres::Config::new();
        config
            .host(&s.host)
            .port(s.port)
            .user(&s.user)
            .password(s.password.reveal())
            .dbname(database)
            .options("-c default_transaction_read_only=on");
        // The connection ends with the client, which is dropped when the rows are read.
        let client = match &s.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(fault)?;
                tokio::spawn(connection);
                client
            }
            Some(trust) => {
                config.ssl_mode(SslMode::Require);
                let tls = PostgresTls::new(trust)?;
                let (client, connection) = config.connect(tls).await.map_err(fault)?;
                tokio::spawn(connection);
                client
            }
        };
        let query = format!("SELECT row_to_json(rows)::text FROM ({query}) AS rows");
        let rows = client.query(&query, &[]).await.map_err(fault)?;
        let rows = rows
            .iter()
            .filter_map(|row| serde_json::from_str(row.get::<_, &str>(0)).ok())
            .collect();
        self.bounded(database, rows)
    }

    fn bounded(&self, database: &str, rows: Vec<Value>) -> Result<Vec<Value>> {
        if rows.len() > MAX_ROWS {
            return Err(self.fault(database, format!("more than {MAX_ROWS} rows")));
        }
        Ok(rows)
    }
}

fn mysql_row(row: mysql_async::Row) -> Value {
    let columns = row.columns();
    let values = row.unwrap_raw();
    let pairs = columns.iter().zip(values).map(|(column, value)| {
        let name = column.name_str().into_owned();
        (
            name,
            mysql_value(column.column_type().is_numeric_type(), value),
        )
    });
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// The text protocol gives numbers as text; the column says what it is.
fn mysql_value(numeric: bool, value: Option<mysql_async::Value>) -> Value {
    use mysql_async::Value as Column;
    match value {
        Some(Column::Bytes(bytes)) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            match text.parse::<i64>() {
                Ok(number) if numeric => Value::from(number),
                _ => Value::from(text),
            }
        }
        Some(Column::Int(number)) => Value::from(number),
        Some(Column::UInt(number)) => Value::from(number),
        Some(Column::Float(number)) => Value::from(number),
        Some(Column::Double(number)) => Value::from(number),
        _ => Value::Null,
    }
}
