//! A keep-alive HTTP/1.1 client that costs little: requests are prepared bytes, and of an answer only the status
//! and the length are read. Enough for answers of the API, which all say their length.

use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const HEAD_MAX: usize = 16 << 10;
/// How much of a body is taken at a time.
pub(crate) const READ: usize = 256 << 10;

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What is known of an answer: its status, and how many bytes of its body are read already.
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: usize,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: vec![0; READ],
        })
    }

    /// Sends a prepared request, reads the whole answer and drops its body.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Head> {
        self.stream.write_all(request).await?;
        let (head, mut have) = self.head().await?;
        while have < head.length {
            have += self.read(0).await?;
        }
        Ok(head)
    }

    /// Like [`Client::send`], and returns the body.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> Result<(Head, Vec<u8>)> {
        self.stream.write_all(request).await?;
        let (head, have) = self.head().await?;
        let mut body = self.buffer[..have].to_vec();
        while body.len() < head.length {
            let count = self.read(0).await?;
            body.extend_from_slice(&self.buffer[..count]);
        }
        Ok((head, body))
    }

    /// Reads to the end of the head; leaves what came of the body at the front of the buffer.
    async fn head(&mut self) -> Result<(Head, usize)> {
        let mut filled = 0;
        loop {
            filled += self.read(filled).await?;
            if let Some(end) = self.buffer[..filled]
                .windows(4)
                .position(|w| w == b"\r\n\r\n")
            {
                let head = parse(std::str::from_utf8(&self.buffer[..end])?)?;
                self.buffer.copy_within(end + 4..filled, 0);
                return Ok((head, filled - end - 4));
            }
            ensure!(
                filled < HEAD_MAX,
                "an answer's head is longer than {HEAD_MAX} bytes"
            );
        }
    }

    async fn read(&mut self, at: usize) -> Result<usize> {
        match self.stream.read(&mut self.buffer[at..]).await? {
            0 => bail!("the server closed the connection in the middle of an answer"),
            count => Ok(count),
        }
    }
}

fn parse(head: &str) -> Result<Head> {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("an answer without a status")?.parse()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim())
    });
    let length = length.context("an answer without a length")?.parse()?;
    Ok(Head { status, length })
}

/// The bytes of a request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: api\r\nX-Auth-Token: bench\r\n\r\n").into_bytes()
}

/// The bytes of a request with a JSON body.
pub(crate) fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: api\r\nX-Auth-Token: bench\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Creates an object and returns its id.
pub(crate) async fn create(
    client: &mut Client,
    path: &str,
    singular: &str,
    body: String,
) -> Result<String> {
    let (head, body) = client.fetch(&post(path, &body)).await?;
    let body: serde_json::Value = serde_json::from_slice(&body)?;
    ensure!(
        head.status == 201,
        "POST {path} was answered {}: {body}",
        head.status
    );
    let id = body[singular]["id"]
        .as_str()
        .context("an object without an id")?;
    Ok(id.to_owned())
}

/// Makes a network with an IPv4 subnet of 65,534 addresses, the `number`th of at most 256.
pub(crate) async fn network(client: &mut Client, number: usize) -> Result<String> {
    let body = format!(r#"{{"network": {{"name": "net-{number}"}}}}"#);
    let id = create(client, "/v2.0/networks", "network", body).await?;
    let body = format!(
        r#"{{"subnet": {{"network_id": "{id}", "ip_version": 4, "cidr": "10.{number}.0.0/16"}}}}"#
    );
    create(client, "/v2.0/subnets", "subnet", body).await?;
    Ok(id)
}

/// Milliseconds of each request that `clients`, each with one under way, get answered with `status` in `duration`.
pub(crate) async fn latencies(
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    clients: usize,
    duration: Duration,
    status: u16,
) -> Result<Vec<f64>> {
    let end = Instant::now() + duration;
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let requests = requests.clone();
        tasks.spawn(async move {
            let mut client = Client::connect(address).await?;
            let mut latencies = Vec::new();
            let mut next = number * requests.len() / clients;
            while Instant::now() < end {
                let start = Instant::now();
                let head = client.send(&requests[next % requests.len()]).await?;
                latencies.push(start.elapsed().as_secs_f64() * 1000.0);
                ensure!(
                    head.status == status,
                    "answered {} instead of {status}",
                    head.status
                );
                next += 1;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut all = Vec::new();
    while let Some(outcome) = tasks.join_next().await {
        all.extend(outcome??);
    }
    Ok(all)
}
