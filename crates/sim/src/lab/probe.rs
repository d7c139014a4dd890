//! Probes between workloads: who answers at an address, and how many packets of a flow are lost.

use super::Namespace;
use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Where workloads tell their name.
const NAME_PORT: u16 = 22;

/// Serves the name of a workload on TCP port 22, IPv4 and IPv6, for as long as the process lives.
pub fn name_server(namespace: &Namespace, name: &str) -> Result<()> {
    let listener = namespace.enter(|| TcpListener::bind(("::", NAME_PORT)))??;
    let name = name.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            stream.write_all(name.as_bytes()).ok();
        }
    });
    Ok(())
}

/// Connects from a namespace to an address and returns the name told there; `None` if nothing came back at all.
/// A refusal, or having no route to try, is an error: neither shows that packets were dropped.
pub fn who(namespace: &Namespace, address: IpAddr, timeout: Duration) -> Result<Option<String>> {
    namespace.enter(|| {
        let target = SocketAddr::new(address, NAME_PORT);
        let mut stream = match TcpStream::connect_timeout(&target, timeout) {
            Ok(stream) => stream,
            Err(error) if is_silence(&error) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("connecting to {target}")),
        };
        stream.set_read_timeout(Some(timeout))?;
        let mut name = String::new();
        stream.read_to_string(&mut name)?;
        Ok(Some(name))
    })?
}

/// No answer to the SYN, or none to the question for the neighbour's MAC address.
fn is_silence(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::TimedOut | ErrorKind::HostUnreachable
    )
}

/// A UDP flow of numbered packets, each echoed by the other end; counts what does not come back.
pub struct Flow {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    returned: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

/// What became of a flow's packets.
#[derive(Debug, Clone, Copy)]
pub struct FlowCount {
    pub sent: u64,
    pub returned: u64,
}

impl FlowCount {
    pub fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.returned)
    }
}

impl Flow {
    /// Sends `rate` packets a second from one namespace to an address of another until stopped.
    pub fn start(from: &Namespace, to: &Namespace, address: IpAddr, rate: u32) -> Result<Self> {
        const ECHO_PORT: u16 = 7;
        ensure!(rate > 0, "a flow needs a rate");
        let echo = to.enter(|| UdpSocket::bind(("::", ECHO_PORT)))??;
        let client = from.enter(|| UdpSocket::bind(("::", 0)))??;
        let target = SocketAddr::new(mapped(address), ECHO_PORT);
        client.connect(target)?;
        for socket in [&echo, &client] {
            socket.set_read_timeout(Some(Duration::from_millis(500)))?;
            // What a busy machine delays must wait in the socket: only the network may lose packets here.
            setsockopt(socket, RcvBufForce, &(64 << 20))?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (sent, returned) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let receiver = client.try_clone()?;
        // The sender is the last, so that it is the first to be joined.
        let threads = vec![
            std::thread::spawn({
                let stop = stop.clone();
                move || send_back(&echo, &stop)
            }),
            std::thread::spawn({
                let (stop, count) = (stop.clone(), returned.clone());
                move || receive(&receiver, &stop, &count)
            }),
            std::thread::spawn({
                let (stop, count) = (stop.clone(), sent.clone());
                move || send(&client, rate, &stop, &count)
            }),
        ];
        Ok(Self {
            stop,
            sent,
            returned,
            threads,
        })
    }

    /// Packets sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub fn returned(&self) -> u64 {
        self.returned.load(Ordering::Relaxed)
    }

    /// Stops sending, waits for the last echoes, and counts.
    pub fn finish(mut self) -> FlowCount {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sender) = self.threads.pop() {
            sender.join().ok();
        }
        for thread in self.threads.drain(..) {
            thread.join().ok();
        }
        FlowCount {
            sent: self.sent(),
            returned: self.returned.load(Ordering::Relaxed),
        }
    }
}

/// Returns every packet to where it came from.
fn send_back(socket: &UdpSocket, stop: &AtomicBool) {
    until(stop, |buffer| {
        let received = socket.recv_from(buffer);
        received
            .and_then(|(length, peer)| socket.send_to(&buffer[..length], peer))
            .is_ok()
    });
}

fn receive(socket: &UdpSocket, stop: &AtomicBool, count: &AtomicU64) {
    until(stop, |buffer| {
        let received = socket.recv(buffer).is_ok();
        count.fetch_add(received.into(), Ordering::Relaxed);
        received
    });
}

/// Sends as many packets as are due, time and again.
fn send(socket: &UdpSocket, rate: u32, stop: &AtomicBool, count: &AtomicU64) {
    let started = Instant::now();
    let mut number = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        while number < due {
            number += 1;
            let sent = socket.send(&number.to_be_bytes()).is_ok();
            count.fetch_add(sent.into(), Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Calls `step` until told to stop and nothing more comes.
fn until(stop: &AtomicBool, mut step: impl FnMut(&mut [u8]) -> bool) {
    let mut buffer = [0; 64];
    while step(&mut buffer) || !stop.load(Ordering::Relaxed) {}
}

/// IPv4 as an IPv6 socket writes it (RFC 4291 2.5.5.2).
fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(_) => address,
    }
}
