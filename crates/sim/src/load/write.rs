//! `api-write`: durable port creates per second, beside how often the same disk writes and syncs by itself.

use crate::bench::{Aim, Measurement, percentile};
use crate::load::Options;
use crate::load::client::{self, Client};
use crate::load::server::Server;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What one port create leaves in the journal, in round figures.
const RECORD: usize = 600;
const NETWORKS: usize = 8;
const AIM: f64 = 20.0;

/// Port creates over HTTP. Each is answered when it is on the disk.
pub async fn api_write(options: &Options) -> Result<Vec<Measurement>> {
    let dir = tempfile::tempdir_in(&options.dir)?;
    let syncs_before = sync_rate(dir.path(), options.duration / 3).await?;
    let server = Server::start(dir.path().join("store")).await?;
    let requests = prepare(server.address).await?;
    client::latencies(
        server.address,
        &requests,
        options.clients,
        options.duration / 8,
        201,
    )
    .await?;
    let start = Instant::now();
    let mut latencies = client::latencies(
        server.address,
        &requests,
        options.clients,
        options.duration,
        201,
    )
    .await?;
    let rate = latencies.len() as f64 / start.elapsed().as_secs_f64();
    drop(server);
    let syncs_after = sync_rate(dir.path(), options.duration / 3).await?;
    let syncs = (syncs_before + syncs_after) / 2.0;
    let clients = options.clients;
    let sync = format!("write {RECORD} B + fdatasync, one after the other");
    Ok(vec![
        Measurement::new(
            format!("durable port creates, {clients} clients"),
            (rate, "/s"),
            (sync, syncs),
            Aim::RatioAtLeast(AIM),
        ),
        Measurement::new(
            format!("port create p99, {clients} clients"),
            (percentile(&mut latencies, 0.99), "ms"),
            ("one write + fdatasync", 1000.0 / syncs),
            Aim::None,
        ),
    ])
}

/// A create request for each network.
async fn prepare(address: SocketAddr) -> Result<Arc<Vec<Vec<u8>>>> {
    let mut client = Client::connect(address).await?;
    let mut requests = Vec::with_capacity(NETWORKS);
    for number in 0..NETWORKS {
        let id = client::network(&mut client, number).await?;
        let body = format!(
            r#"{{"port": {{"network_id": "{id}", "name": "load", "device_id": "vm", "device_owner": "compute:nova"}}}}"#
        );
        requests.push(client::post("/v2.0/ports", &body));
    }
    Ok(Arc::new(requests))
}

/// How often per second the disk appends a record and makes it durable, with nothing else to do.
async fn sync_rate(dir: &Path, duration: Duration) -> Result<f64> {
    let path = dir.join("reference");
    tokio::task::spawn_blocking(move || {
        let mut file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let record = [b'x'; RECORD];
        let start = Instant::now();
        let mut count = 0_u32;
        while start.elapsed() < duration {
            file.write_all(&record)?;
            file.sync_data()?;
            count += 1;
        }
        Ok(f64::from(count) / start.elapsed().as_secs_f64())
    })
    .await?
}
