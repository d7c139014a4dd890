//! The agent's own socket, `agent.sock` in the state directory, for the operator of the host: one request per line,
//! one line of JSON as the answer. Only the owner of the directory may connect; nothing can be changed through it.

use crate::Error;
use crate::board::Board;
use crate::realizer::Event;
use crate::status::{Dump, Status};
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::debug;

/// A request is a word; a longer line ends the connection.
const MAX_REQUEST: u64 = 64;
const MAX_CLIENTS: usize = 16;

fn socket(state_dir: &Path) -> PathBuf {
    state_dir.join("agent.sock")
}

/// The agent at a glance. `state_dir` is the one the agent runs with.
pub async fn status(state_dir: &Path) -> Result<Status, Error> {
    ask(state_dir, "status").await
}

/// What the host should have and has. Reads the kernel's maps: milliseconds at a thousand ports.
pub async fn dump(state_dir: &Path) -> Result<Dump, Error> {
    ask(state_dir, "dump").await
}

async fn ask<T: DeserializeOwned>(state_dir: &Path, verb: &str) -> Result<T, Error> {
    let path = socket(state_dir);
    let exchange = async {
        let mut stream = UnixStream::connect(&path).await?;
        stream.write_all(format!("{verb}\n").as_bytes()).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        Ok(answer)
    };
    let answer = exchange.await.map_err(|source| Error::NoAgent {
        path: path.clone(),
        source,
    })?;
    serde_json::from_str(&answer).map_err(|error| Error::Answer {
        path,
        detail: error.to_string(),
    })
}

pub(crate) struct Server {
    listener: UnixListener,
    path: PathBuf,
    board: Arc<Board>,
    events: mpsc::Sender<Event>,
}

impl Server {
    /// The state directory is locked, so a socket that is there already is a leftover.
    pub(crate) fn bind(
        state_dir: &Path,
        board: Arc<Board>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, Error> {
        let path = socket(state_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::path("remove", &path)(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(Error::path("listen on", &path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(Error::path("protect", &path))?;
        Ok(Self {
            listener,
            path,
            board,
            events,
        })
    }

    pub(crate) async fn run(self) {
        let clients = Arc::new(Semaphore::new(MAX_CLIENTS));
        loop {
            let Ok(permit) = clients.clone().acquire_owned().await else {
                return;
            };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    debug!(%error, "a client could not be accepted");
                    continue;
                }
            };
            let (board, events) = (self.board.clone(), self.events.clone());
            tokio::spawn(async move {
                if let Err(error) = serve(stream, &board, &events).await {
                    debug!(%error, "a client went away");
                }
                drop(permit);
            });
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A leftover socket is removed by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, board: &Board, events: &mpsc::Sender<Event>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut request = String::new();
        if (&mut reader)
            .take(MAX_REQUEST)
            .read_line(&mut request)
            .await?
            == 0
        {
            return Ok(());
        }
        let answer = match request.trim() {
            "status" => serde_json::to_string(&board.status()),
            "dump" => serde_json::to_string(&ask_realizer(events).await?),
            other => {
                let error = format!("'{other}' is no request; 'status' and 'dump' are");
                serde_json::to_string(&serde_json::json!({ "error": error }))
            }
        };
        let answer = answer.map_err(io::Error::other)?;
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
}

async fn ask_realizer(events: &mpsc::Sender<Event>) -> io::Result<Dump> {
    let stopping = || io::Error::other("the agent stops");
    let (reply, dump) = oneshot::channel();
    events
        .send(Event::Dump(reply))
        .await
        .map_err(|_| stopping())?;
    dump.await
        .map_err(|_| stopping())?
        .map_err(io::Error::other)
}
