//! `group-ripple`: one member joins a large remote group; how long until every host knows, and how much each is told.

use super::agent::{Seen, SimHost};
use super::cloud::{self, Place};
use crate::bench::{Aim, Measurement, percentile};
use anyhow::{Context, Result};
use controller::{Config, Controller};
use model::HostName;
use std::time::Instant;
use store::{Options, Store};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const MEMBERS: u32 = 5_000;
const HOSTS: u32 = 200;
/// Ten hosts share each, with 250 ports.
const NETWORKS: u32 = 20;
const ROUNDS: u32 = 30;

/// Aims: all applied within 100 ms, at most 300 bytes per host.
pub async fn group_ripple() -> Result<Vec<Measurement>> {
    let dir = tempfile::tempdir()?;
    let store = Store::open(dir.path(), operations::schema(), Options::default())?;
    build(&store).await?;
    let config = Config {
        listen: "127.0.0.1:0".parse()?,
        tls: None,
    };
    let controller = Controller::start(store.clone(), config).await?;
    let mut hosts = connect(&controller).await?;

    let mut times = Vec::new();
    let (mut bytes, mut most) = (0.0, 0.0_f64);
    for round in 0..ROUNDS {
        let before: Vec<Seen> = hosts.iter().map(SimHost::seen).collect();
        times.push(ripple(&store, &controller, &mut hosts, MEMBERS + round).await?);
        let told: Vec<f64> = std::iter::zip(&before, &hosts)
            .map(|(before, host)| (host.seen().bytes - before.bytes) as f64)
            .collect();
        bytes += told.iter().sum::<f64>() / f64::from(HOSTS) / f64::from(ROUNDS);
        most = told.into_iter().fold(most, f64::max);
    }
    drop(hosts);
    controller.drain().await;
    store.close().await;
    let mut bare = bare_fan_out(bytes.ceil() as usize).await?;
    let mut sync = bare_commit(dir.path()).await?;

    let reference = "the same bytes to 200 bare TCP connections, each answering one byte";
    let bare_median = percentile(&mut bare, 0.5);
    let median = percentile(&mut times, 0.5);
    let worst = percentile(&mut times, 1.0);
    Ok(vec![
        Measurement::new(
            "one of 5000 members added: 200 hosts applied, p50",
            (median, "ms"),
            (reference, bare_median),
            Aim::AtMost(100.0),
        ),
        Measurement::new(
            "the same, slowest of 30",
            (worst, "ms"),
            (reference, percentile(&mut bare, 1.0)),
            Aim::AtMost(100.0),
        ),
        Measurement::new(
            "the same, p50 without the disk's share",
            (median - percentile(&mut sync, 0.5), "ms"),
            (reference, bare_median),
            Aim::None,
        ),
        Measurement::new(
            "bytes told to a host, mean",
            (bytes, "B"),
            ("the most told to one host", most),
            Aim::AtMost(300.0),
        ),
    ])
}

/// Everything is a member of one group. A host's ports are on one network.
async fn build(store: &Store) -> Result<()> {
    cloud::put_hosts(store, HOSTS).await?;
    cloud::put_networks(store, NETWORKS).await?;
    cloud::put_groups(store, 1).await?;
    cloud::put_ports(store, MEMBERS, place).await
}

fn place(port: u32) -> Place {
    let host = port % HOSTS;
    Place {
        network: host % NETWORKS,
        group: 0,
        host: Some(host),
    }
}

async fn connect(controller: &Controller) -> Result<Vec<SimHost>> {
    let mut hosts = Vec::new();
    for number in 0..HOSTS {
        let name = cloud::host_name(number)?;
        let address = cloud::tunnel_address(number);
        hosts.push(SimHost::connect(controller.local_addr(), name, address).await?);
    }
    Ok(hosts)
}

/// From before the write to the controller knowing that the last host has applied it, in ms.
async fn ripple(
    store: &Store,
    controller: &Controller,
    hosts: &mut [SimHost],
    port: u32,
) -> Result<f64> {
    let row = cloud::port(port, &place(port))?;
    let fleet = controller.fleet();
    let mut events = fleet.subscribe();
    let start = Instant::now();
    let revision = cloud::write(store, |tx| cloud::put_port(tx, &row)).await?;
    for host in hosts {
        host.reached(revision.0).await?;
    }
    let all = |host: HostName| {
        fleet
            .host(&host)
            .is_some_and(|report| report.applied >= revision)
    };
    while !fleet.hosts().into_iter().all(|report| all(report.host)) {
        events.recv().await.context("the controller's events")?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e3)
}

/// Times of sending this many bytes to each of as many connections and hearing one byte from all, in ms.
async fn bare_fan_out(bytes: usize) -> Result<Vec<f64>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let mut echoes = JoinSet::new();
    let mut connections = Vec::new();
    for _ in 0..HOSTS {
        let mut peer = TcpStream::connect(address).await?;
        peer.set_nodelay(true)?;
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        connections.push(connection);
        echoes.spawn(async move {
            let mut message = vec![0; bytes];
            while peer.read_exact(&mut message).await.is_ok() {
                if peer.write_all(&[1]).await.is_err() {
                    break;
                }
            }
        });
    }
    let message = vec![7; bytes];
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for connection in &mut connections {
            connection.write_all(&message).await?;
        }
        for connection in &mut connections {
            connection.read_u8().await?;
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Times of appending a kilobyte to a file and having it on disk, in ms.
async fn bare_commit(dir: &std::path::Path) -> Result<Vec<f64>> {
    let mut file = tokio::fs::File::create(dir.join("bare")).await?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        file.write_all(&[7; 1024]).await?;
        file.sync_data().await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
