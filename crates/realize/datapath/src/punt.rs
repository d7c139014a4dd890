//! Packets for the agent and its answers.

use crate::Error;
use crate::rows::{MARK_AGENT, PUNT_HEADER};
use crate::sys;
use aya::maps::{Map, MapData, RingBuf};
use bytes::Bytes;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket, sockopt};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::unix::AsyncFd;

/// The channel between the workloads and the agent's services.
pub struct Punt {
    ring: AsyncFd<RingBuf<MapData>>,
    socket: OwnedFd,
    taken: Arc<AtomicBool>,
}

impl std::fmt::Debug for Punt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Punt").finish_non_exhaustive()
    }
}

impl Drop for Punt {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Release);
    }
}

impl Punt {
    /// Two readers of one ring would each see half of it, hence `taken`.
    pub(crate) fn open(ring: &Path, taken: &Arc<AtomicBool>) -> Result<Self, Error> {
        if taken.swap(true, Ordering::AcqRel) {
            return Err(Error::PuntTaken);
        }
        Self::open_ring(ring, taken).inspect_err(|_| taken.store(false, Ordering::Release))
    }

    fn open_ring(ring: &Path, taken: &Arc<AtomicBool>) -> Result<Self, Error> {
        let failed = |source| Error::Map {
            map: "punts",
            action: "opening",
            source,
        };
        let ring = MapData::from_pin(ring)
            .and_then(Map::from_map_data)
            .and_then(RingBuf::try_from)
            .map_err(|error| failed(io::Error::other(error)))?;
        let ring = sys::readable(ring).map_err(failed)?;
        let socket = injector().map_err(|error| Error::Inject {
            action: "open a packet socket to inject",
            ifindex: 0,
            source: error.into(),
        })?;
        Ok(Self {
            ring,
            socket,
            taken: taken.clone(),
        })
    }

    /// The next packet a workload sent that the agent answers: the port's device and the whole frame.
    /// Cancel safe.
    pub async fn recv(&mut self) -> Result<(u32, Bytes), Error> {
        loop {
            let mut ready = self
                .ring
                .readable_mut()
                .await
                .map_err(|source| Error::Map {
                    map: "punts",
                    action: "waiting",
                    source,
                })?;
            let next = ready.get_inner_mut().next().and_then(|event| parse(&event));
            match next {
                Some(packet) => return Ok(packet),
                None => ready.clear_ready(),
            }
        }
    }

    /// Hands a frame to the workload behind a device, past its security groups. `frame` begins with the Ethernet header.
    pub fn send(&self, ifindex: u32, frame: &[u8]) -> Result<(), Error> {
        sys::send_frame(self.socket.as_fd(), ifindex, frame).map_err(|source| {
            if source.raw_os_error() == Some(libc::ENXIO)
                || source.raw_os_error() == Some(libc::ENODEV)
            {
                return Error::NoDevice { ifindex };
            }
            Error::Inject {
                action: "send a frame",
                ifindex,
                source,
            }
        })
    }
}

/// A socket that only sends (protocol 0), whose packets `to_port` knows by their mark.
fn injector() -> nix::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    setsockopt(&socket, sockopt::Mark, &MARK_AGENT)?;
    Ok(socket)
}

/// `struct punt`: device, length, frame.
fn parse(event: &[u8]) -> Option<(u32, Bytes)> {
    let ifindex = u32::from_ne_bytes(*event.first_chunk()?);
    let length = u32::from_ne_bytes(*event.get(4..)?.first_chunk()?);
    let frame = event.get(PUNT_HEADER..PUNT_HEADER + length as usize)?;
    Some((ifindex, Bytes::copy_from_slice(frame)))
}
