//! `api-read`: one port by id, and a list of all, beside what the loopback needs for the same bytes.

use crate::bench::{Aim, Measurement, percentile};
use crate::load::Options;
use crate::load::client::{self, Client, READ};
use crate::load::server::Server;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PORTS: usize = 10_000;
const BULK: usize = 1_000;
/// Lists and copies that are timed, in turns.
const ROUNDS: usize = 30;

/// Reads over HTTP of a cloud of 10,000 ports.
pub async fn api_read(options: &Options) -> Result<Vec<Measurement>> {
    let dir = tempfile::tempdir_in(&options.dir)?;
    let server = Server::start(dir.path().join("store")).await?;
    let ids = Arc::new(fill(server.address).await?);
    let mut results = Vec::new();
    for clients in [1, 16] {
        results.extend(by_id(server.address, &ids, clients, options.duration / 2).await?);
    }
    results.extend(list(server.address).await?);
    Ok(results)
}

/// Creates the ports and returns their ids.
async fn fill(address: SocketAddr) -> Result<Vec<String>> {
    let mut client = Client::connect(address).await?;
    let network = client::network(&mut client, 0).await?;
    let mut ids = Vec::with_capacity(PORTS);
    for first in (0..PORTS).step_by(BULK) {
        let port = |n: usize| json!({"network_id": network, "name": format!("port-{n}"), "device_id": format!("vm-{n}")});
        let ports: Vec<Value> = (first..first + BULK).map(port).collect();
        let request = client::post("/v2.0/ports", &json!({"ports": ports}).to_string());
        let (head, body) = client.fetch(&request).await?;
        ensure!(
            head.status == 201,
            "a bulk create was answered {}",
            head.status
        );
        let body: Value = serde_json::from_slice(&body)?;
        let made = body["ports"]
            .as_array()
            .context("an answer without ports")?;
        ids.extend(
            made.iter()
                .filter_map(|port| port["id"].as_str().map(str::to_owned)),
        );
    }
    ensure!(
        ids.len() == PORTS,
        "{} of {PORTS} ports were made",
        ids.len()
    );
    Ok(ids)
}

/// Latency of GET by id, and of as many bytes sent to and fro without HTTP.
async fn by_id(
    address: SocketAddr,
    ids: &Arc<Vec<String>>,
    clients: usize,
    duration: Duration,
) -> Result<Vec<Measurement>> {
    let requests = ids
        .iter()
        .map(|id| client::get(&format!("/v2.0/ports/{id}")))
        .collect();
    let mut port = client::latencies(address, &Arc::new(requests), clients, duration, 200).await?;
    let root = Arc::new(vec![client::get("/nowhere")]);
    let mut nothing = client::latencies(address, &root, clients, duration / 4, 404).await?;
    let mut figure = |fraction: f64, name: &str, aim: Aim| {
        Measurement::new(
            format!("GET port by id {name}, clients: {clients}"),
            (percentile(&mut port, fraction), "ms"),
            (
                format!("{name} of a path that does not exist"),
                percentile(&mut nothing, fraction),
            ),
            aim,
        )
    };
    Ok(vec![
        figure(0.5, "p50", Aim::None),
        figure(0.99, "p99", Aim::AtMost(1.0)),
    ])
}

/// The whole list, and its bytes through a bare socket, timed in turns so that both meet the same machine.
async fn list(address: SocketAddr) -> Result<Vec<Measurement>> {
    let request = client::get("/v2.0/ports");
    let mut client = Client::connect(address).await?;
    let length = client.send(&request).await?.length;
    let copier = Copier::start(length).await?;
    let (mut lists, mut copies) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let head = client.send(&request).await?;
        lists.push(start.elapsed().as_secs_f64() * 1000.0);
        ensure!(
            head.status == 200 && head.length == length,
            "the list changed while it was read"
        );
        copies.push(copier.copy().await?);
    }
    let (list, copy) = (percentile(&mut lists, 0.5), percentile(&mut copies, 0.5));
    let name = format!(
        "list of {PORTS} ports, {:.1} MB, median",
        length as f64 / 1e6
    );
    let reference = || ("the same bytes over a loopback socket, median", copy);
    Ok(vec![
        Measurement::new(name.clone(), (list, "ms"), reference(), Aim::AtMost(60.0)),
        Measurement::new(name, (list, "ms"), reference(), Aim::RatioAtMost(2.0)),
    ])
}

/// A server that answers each byte with a buffer of `length` bytes, on a thread and runtime of its own.
struct Copier {
    address: SocketAddr,
}

impl Copier {
    async fn start(length: usize) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        std::thread::Builder::new()
            .name("copier".to_owned())
            .spawn(move || -> Result<()> {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(async move {
                    let listener = TcpListener::from_std(listener)?;
                    let buffer = vec![b'x'; length];
                    for _ in 0..ROUNDS {
                        let (mut stream, _) = listener.accept().await?;
                        stream.set_nodelay(true)?;
                        stream.read_u8().await?;
                        stream.write_all(&buffer).await?;
                    }
                    Ok(())
                })
            })?;
        Ok(Self { address })
    }

    /// Milliseconds until all bytes are here.
    async fn copy(&self) -> Result<f64> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = vec![0; READ];
        let start = Instant::now();
        stream.write_u8(0).await?;
        while stream.read(&mut buffer).await? > 0 {}
        Ok(start.elapsed().as_secs_f64() * 1000.0)
    }
}
