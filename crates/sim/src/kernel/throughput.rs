//! `datapath`: TCP throughput and request/response time between hosts, against bridge and VXLAN without security.

use super::pair::{BenchNetwork, PlainPair};
use crate::bench::{Aim, Measurement, percentile};
use crate::lab::{Cloud, CloudOptions, Daemon, HostName, Namespace};
use crate::processors::{Awake, Kept};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const ROUNDS: usize = 10;
const TRANSACTIONS: usize = 10_000;

/// One end asks, the other answers.
struct Path<'a> {
    client: &'a Namespace,
    server: &'a Namespace,
    address: IpAddr,
    /// Where programs in the background complain.
    log: PathBuf,
}

/// What one variant did, a sample a round.
#[derive(Default)]
struct Samples {
    one_stream: Vec<f64>,
    one_stream_awake: Vec<f64>,
    four_streams: Vec<f64>,
    median: Vec<f64>,
    tail: Vec<f64>,
}

impl Samples {
    fn add(&mut self, path: &Path) -> Result<()> {
        self.one_stream.push(path.gigabits(1)?);
        let awake = Awake::keep(&path.log)?;
        self.one_stream_awake.push(path.gigabits(1)?);
        drop(awake);
        self.four_streams.push(path.gigabits(4)?);
        let mut times = path.transactions()?;
        self.median.push(percentile(&mut times, 0.5));
        self.tail.push(percentile(&mut times, 0.99));
        Ok(())
    }
}

/// Both variants in turn, round by round, so that the machine's drift meets both alike.
pub async fn datapath() -> Result<Vec<Measurement>> {
    let cloud = Cloud::start(CloudOptions::default()).await?;
    let network = BenchNetwork::create(&cloud).await?;
    let (client, _) = network.workload(&cloud, "w1", HostName::One).await?;
    let (server, address) = network.workload(&cloud, "w2", HostName::Two).await?;
    let plain = PlainPair::create()?;
    let [plain_client, plain_server] = &plain.workloads;
    let log = cloud.scratch().join("datapath-bench.log");
    let paths = [
        Path {
            client: &client.namespace,
            server: &server.namespace,
            address,
            log: log.clone(),
        },
        Path {
            client: plain_client,
            server: plain_server,
            address: PlainPair::ADDRESSES[1].parse()?,
            log,
        },
    ];
    let serve = |path: &Path| Daemon::start(path.server.command("iperf3").arg("-s"), &path.log);
    let _servers = [serve(&paths[0])?, serve(&paths[1])?];
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..ROUNDS {
        for turn in 0..paths.len() {
            let variant = (round + turn) % paths.len();
            samples[variant].add(&paths[variant])?;
        }
    }
    Ok(rows(samples))
}

fn rows([mut ours, mut plain]: [Samples; 2]) -> Vec<Measurement> {
    let mut row = |name: &str, unit, of: fn(&mut Samples) -> &mut Vec<f64>, aim| {
        let [value, reference] = [&mut ours, &mut plain].map(|s| percentile(of(s), 0.5));
        let peer = "bridge + vxlan, no security";
        Measurement::new(name, (value, unit), (peer, reference), aim)
    };
    let (throughput, latency) = (Aim::RatioAtLeast(0.9), Aim::RatioAtMost(1.15));
    vec![
        row(
            "TCP between hosts, 1 stream",
            "Gbit/s",
            |s| &mut s.one_stream,
            throughput,
        ),
        row(
            "TCP between hosts, 1 stream, processors awake",
            "Gbit/s",
            |s| &mut s.one_stream_awake,
            throughput,
        ),
        row(
            "TCP between hosts, 4 streams",
            "Gbit/s",
            |s| &mut s.four_streams,
            throughput,
        ),
        row(
            "request/response between hosts, p50",
            "µs",
            |s| &mut s.median,
            latency,
        ),
        row(
            "request/response between hosts, p99",
            "µs",
            |s| &mut s.tail,
            Aim::None,
        ),
    ]
}

impl Path<'_> {
    /// One TCP stream for a second, as the receiver counts it.
    fn gigabits(&self, streams: usize) -> Result<f64> {
        let streams = streams.to_string();
        let target = self.address.to_string();
        let mut last = None;
        // The server of iperf3 needs a moment after its start and after each client.
        for _ in 0..50 {
            let text = self.client.run(
                "iperf3",
                &["-c", &target, "-t", "1", "-J", "-A", "0,1", "-P", &streams],
            );
            match text.and_then(|text| received(&text)) {
                Ok(bits) => return Ok(bits / 1e9),
                Err(error) => last = Some(error),
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(last.context("iperf3 was not tried")?)
    }

    /// Times of one-byte requests and answers over one TCP connection, in microseconds.
    fn transactions(&self) -> Result<Vec<f64>> {
        const PORT: u16 = 5999;
        let listener = self
            .server
            .enter(|| TcpListener::bind((self.address, PORT)))??;
        let target = SocketAddr::new(self.address, PORT);
        let connect = || TcpStream::connect_timeout(&target, Duration::from_secs(5));
        std::thread::scope(|scope| {
            let server = scope.spawn(move || -> Result<()> {
                let _kept = Kept::on(1)?;
                let (mut stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                let mut byte = [0];
                while stream.read(&mut byte)? == 1 {
                    stream.write_all(&byte)?;
                }
                Ok(())
            });
            let mut stream = self.client.enter(connect)??;
            stream.set_nodelay(true)?;
            let kept = Kept::on(0)?;
            let mut times = Vec::with_capacity(TRANSACTIONS);
            for _ in 0..TRANSACTIONS {
                let started = Instant::now();
                stream.write_all(&[1])?;
                stream.read_exact(&mut [0])?;
                times.push(started.elapsed().as_secs_f64() * 1e6);
            }
            drop(stream);
            drop(kept);
            server
                .join()
                .map_err(|_| anyhow::anyhow!("the echo server panicked"))??;
            Ok(times)
        })
    }
}

/// Bits per second in iperf3's report. A server still busy with the client before is reported as a success without.
fn received(report: &str) -> Result<f64> {
    let report: serde_json::Value = serde_json::from_str(report)?;
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    bits.with_context(|| format!("iperf3 reported no throughput: {}", report["error"]))
}
