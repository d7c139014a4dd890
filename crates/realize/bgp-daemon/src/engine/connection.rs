//! One TCP connection of the engine: bytes in big chunks, blocks out in one vectored write, and only as long as the
//! socket takes them. What a slow peer does not take stays with the speaker, which knows what became of it meanwhile.

use crate::net::Md5Key;
use bgp::Time;
use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};

/// Blocks given to one system call. A block is up to 64 KiB of messages.
const VECTOR: usize = 32;
/// Blocks taken from the speaker ahead of the socket; each is shared between the peers of a group.
const AHEAD: usize = 4;
/// Chunks read from one connection before the others have their turn.
const CHUNKS: usize = 4;
/// How long a connection we close is drained, so that the peer reads our NOTIFICATION before a reset; milliseconds.
const LINGER: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The handshake is not over.
    Connecting,
    Open,
    /// Sends what is left, and reads without looking, until the peer closes or the time is over.
    Closing(Time),
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    pub(super) remote: SocketAddr,
    pub(super) stage: Stage,
    /// The admission to give back when it is established or gone.
    pub(super) admitted: Option<IpAddr>,
    /// What its segments are signed with.
    pub(super) key: Option<Md5Key>,
    /// The peer has closed its end, which is told once: what is left is read to the end.
    ending: bool,
    writable: bool,
    outbox: VecDeque<Bytes>,
    pub(super) octets_in: u64,
    pub(super) octets_out: u64,
}

/// How reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadEnd {
    /// Everything that was there.
    Drained,
    /// There may be more; others have their turn first.
    More,
    /// The peer closed.
    Closed,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr, stage: Stage) -> Self {
        Self {
            stream,
            remote,
            stage,
            admitted: None,
            key: None,
            ending: false,
            writable: stage == Stage::Open,
            outbox: VecDeque::new(),
            octets_in: 0,
            octets_out: 0,
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether an outgoing connection is made; an error if it failed.
    pub(super) fn handshake(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => {
                self.stage = Stage::Open;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Gives `each` what has come, chunk by chunk.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        mut each: impl FnMut(&[u8]),
    ) -> io::Result<ReadEnd> {
        for _ in 0..CHUNKS {
            match self.stream.read(buffer) {
                Ok(0) => {
                    return Ok(ReadEnd::Closed);
                }
                Ok(length) => {
                    self.octets_in += length as u64;
                    each(&buffer[..length]);
                    // A short read emptied the socket; what comes later is told.
                    if length < buffer.len() && !self.ending {
                        return Ok(ReadEnd::Drained);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(ReadEnd::Drained);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ReadEnd::More)
    }

    pub(super) fn set_ending(&mut self) {
        self.ending = true;
    }

    pub(super) fn set_writable(&mut self) {
        self.writable = true;
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Octets taken from the speaker that the socket has not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.iter().map(Bytes::len).sum()
    }

    /// Writes what waits and what `next` has, until there is no more or the socket takes no more.
    pub(super) fn write(&mut self, mut next: impl FnMut() -> Option<Bytes>) -> io::Result<()> {
        while self.writable {
            while self.outbox.len() < AHEAD {
                match next() {
                    Some(block) => self.outbox.push_back(block),
                    None => break,
                }
            }
            if self.outbox.is_empty() {
                return Ok(());
            }
            self.write_once()?;
        }
        Ok(())
    }

    fn write_once(&mut self) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); VECTOR];
        let mut used = 0;
        for (slice, block) in slices.iter_mut().zip(&self.outbox) {
            *slice = IoSlice::new(block);
            used += 1;
        }
        match self.stream.write_vectored(&slices[..used]) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(length) => {
                self.sent(length);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.writable = false;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn sent(&mut self, mut length: usize) {
        self.octets_out += length as u64;
        while let Some(block) = self.outbox.front_mut() {
            if length < block.len() {
                block.advance(length);
                return;
            }
            length -= block.len();
            self.outbox.pop_front();
        }
    }

    /// Begins to close: what `next` still has and the socket takes is sent, then our end.
    pub(super) fn close(&mut self, now: Time, next: impl FnMut() -> Option<Bytes>) {
        // A connection that fails while it is closed is closed.
        let _ = self.write(next);
        self.outbox.clear();
        let _ = self.stream.shutdown(Shutdown::Write);
        self.stage = Stage::Closing(Time(now.0 + LINGER));
    }

    /// Reads without looking; true once the peer has closed.
    pub(super) fn drain(&mut self, buffer: &mut [u8]) -> bool {
        matches!(self.read(buffer, |_| {}), Ok(ReadEnd::Closed) | Err(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    /// A connection of ours and the peer's end of it.
    fn pair() -> (Connection, std::net::TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let peer =
            std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connect");
        let (stream, remote) = listener.accept().expect("accept");
        stream.set_nonblocking(true).expect("nonblocking");
        let stream = TcpStream::from_std(stream);
        (Connection::new(stream, remote, Stage::Open), peer)
    }

    #[test]
    fn a_peer_that_does_not_read_stops_the_taking_and_gets_every_octet_in_order() {
        let (mut ours, mut peer) = pair();
        let blocks: Vec<Bytes> = (0..2_000_u32)
            .map(|n| Bytes::from(n.to_be_bytes().repeat(8 << 10)))
            .collect();
        let mut left = blocks.iter().cloned();
        ours.write(|| left.next()).expect("write");
        assert!(!ours.is_writable(), "64 MB fit into the socket");
        let taken = blocks.len() - left.len();
        assert!(taken < blocks.len() && ours.outbox.len() <= AHEAD);
        let expected = blocks.concat();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        while left.len() > 0 || ours.waiting() > 0 {
            ours.set_writable();
            ours.write(|| left.next()).expect("write");
            std::thread::yield_now();
        }
        ours.close(Time(0), || None);
        let received = reader.join().expect("the reader").expect("read");
        assert!(received == expected, "the stream differs");
    }

    #[test]
    fn reading_ends_with_what_is_there_and_with_the_peer() {
        let (mut ours, mut peer) = pair();
        let mut buffer = vec![0; 1 << 10];
        peer.write_all(&[7; 100]).expect("write");
        let mut read = Vec::new();
        while read.len() < 100 {
            let end = ours.read(&mut buffer, |chunk| read.extend_from_slice(chunk));
            assert_eq!(end.expect("read"), ReadEnd::Drained);
        }
        assert_eq!(read, [7; 100]);
        drop(peer);
        while ours
            .read(&mut buffer, |_| panic!("octets from nowhere"))
            .expect("read")
            != ReadEnd::Closed
        {
            std::thread::yield_now();
        }
    }
}
