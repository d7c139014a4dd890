//! OpenStack's databases, where they may be read: what the APIs do not tell (tunnel endpoints) or tell only to some.
//! Read-only: every session is a read-only transaction. Schemas change between releases, so the APIs are preferred.

mod database;
pub mod drafts;
mod tls;

pub use database::{Database, Engine, Settings};

use crate::host::known::Known;
use crate::scan::{Context, Source, reading_of, source};
use crate::{Error, Result};
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeSet;
use topology::Reading;

const AGGREGATES: &str = "SELECT id, name FROM aggregates";
const AGGREGATE_HOSTS: &str = "SELECT a.id AS aggregate_id, a.name AS aggregate_name, h.host AS host \
     FROM aggregate_hosts h JOIN aggregates a ON a.id = h.aggregate_id";
const INSTANCES: &str = "SELECT i.uuid AS id, i.display_name AS name, i.host AS host, i.project_id AS project, \
     c.network_info AS network_info FROM instances i \
     LEFT JOIN instance_info_caches c ON c.instance_uuid = i.uuid WHERE i.deleted = 0";
const AGENTS: &str = "SELECT id, host, agent_type, \"binary\", configurations FROM agents";
const TUNNELS: &[&str] = &["vxlan", "gre", "geneve"];

impl Source for Database {
    fn name(&self) -> &str {
        "SQL"
    }

    fn readers(&self) -> &'static [&'static str] {
        &["sql-aggregates", "sql-instances", "sql-agents"]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            let environment = context.environment;
            let (types, drafts): (&[&str], _) = match reader {
                "sql-aggregates" => {
                    let rows = self.rows(&self.settings().nova_api, AGGREGATES).await?;
                    let hosts = self
                        .rows(&self.settings().nova_api, AGGREGATE_HOSTS)
                        .await?;
                    let region = context
                        .drafts("region")
                        .next()
                        .map(|draft| draft.key.clone());
                    let drafts = drafts::aggregates(environment, region.as_ref(), &rows, &hosts);
                    (&["aggregate", "host_ref"], drafts)
                }
                "sql-instances" => {
                    let rows = self.rows(&self.settings().nova, INSTANCES).await?;
                    let known: BTreeSet<&str> = context
                        .drafts("instance")
                        .map(|draft| draft.key.id.as_str())
                        .collect();
                    let rows = drafts::joined(&known, &rows);
                    (&["instance"], drafts::instances(environment, &rows))
                }
                "sql-agents" => {
                    let rows = self.rows(&self.settings().neutron, AGENTS).await?;
                    let drafts = crate::openstack::drafts::agents(environment, None, &rows);
                    (&["network_agent"], drafts)
                }
                other => {
                    return Err(Error::no_reader(self.name(), other));
                }
            };
            Ok(vec![reading_of(
                source("sql", self.detail()),
                types,
                None,
                drafts,
                None,
            )])
        })
    }

    fn teach<'a>(&'a self, known: &'a mut Known) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for kind in TUNNELS {
                let query = format!("SELECT * FROM ml2_{kind}_endpoints");
                // A driver that was never loaded has no table.
                let Ok(rows) = self.rows(&self.settings().neutron, &query).await else {
                    continue;
                };
                for row in &rows {
                    if let (Some(host), Some(row)) = (row["host"].as_str(), row.as_object()) {
                        known.add_endpoint(kind, host, row.clone());
                    }
                }
            }
            Ok(())
        })
    }
}

/// A column as text, whatever type it has.
fn text(row: &Value, column: &str) -> Option<String> {
    match &row[column] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
