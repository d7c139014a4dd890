//! A limit for latencies: a process of the kernel's own costs alone, which passes octets from one connection on to another
//! as a daemon would, in the same namespaces and on the same processor.

use super::latency::{DAEMON, summary};
use crate::bgp::load::PORT;
use crate::bgp::site::Site;
use crate::lab::Namespace;
use crate::processors::{Awake, Kept};
use anyhow::{Context, Result, anyhow};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// As long as the UPDATE of one route is.
const PROBE: [u8; 80] = [0; 80];

pub(super) struct Relay {
    into: TcpStream,
    out: TcpStream,
    thread: Option<JoinHandle<Result<()>>>,
    folder: tempfile::TempDir,
    #[expect(dead_code, reason = "both namespaces live as long as the relay")]
    site: (Site, Namespace),
}

impl Relay {
    pub(super) fn start() -> Result<Self> {
        let site = Site::new()?;
        let namespace = site.router_namespace(0)?;
        let address = (Site::router(0), PORT);
        let listener = namespace.enter(|| TcpListener::bind(address))??;
        let connect = || -> std::io::Result<[TcpStream; 2]> {
            Ok([TcpStream::connect(address)?, TcpStream::connect(address)?])
        };
        let [into, out] = site.load().enter(connect)??;
        into.set_nodelay(true)?;
        out.set_nonblocking(true)?;
        let thread = std::thread::spawn(move || pass_on(&listener));
        Ok(Self {
            into,
            out,
            thread: Some(thread),
            folder: tempfile::tempdir()?,
            site: (site, namespace),
        })
    }

    pub(super) fn awake(&self) -> Result<Awake> {
        Awake::keep(&self.folder.path().join("awake"))
    }

    /// p50 and p99 in milliseconds.
    pub(super) fn probes(&self, count: u32, pause: Duration) -> Result<Vec<f64>> {
        let mut buffer = [0; 1024];
        let mut samples = Vec::new();
        for _ in 0..count {
            let sent = Instant::now();
            (&self.into).write_all(&PROBE)?;
            let mut received = 0;
            while received < PROBE.len() {
                match (&self.out).read(&mut buffer) {
                    Ok(0) => return Err(anyhow!("the relay ended")),
                    Ok(octets) => received += octets,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
            samples.push(sent.elapsed().as_secs_f64() * 1e3);
            std::thread::sleep(pause);
        }
        Ok(summary(samples))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Either may have ended already; then the thread has, too.
        let _ = self.into.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// From the connection that came first to the second.
fn pass_on(listener: &TcpListener) -> Result<()> {
    let _kept = Kept::on(DAEMON)?;
    let (mut from, _) = listener.accept().context("no connection came")?;
    let (mut to, _) = listener.accept().context("no second connection came")?;
    to.set_nodelay(true)?;
    std::io::copy(&mut from, &mut to)?;
    Ok(())
}
