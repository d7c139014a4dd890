//! The bpf system call for maps of raw bytes, and the two calls that have no safe wrapper.
//! All `unsafe` of the house is in this file.

use aya::maps::{MapData, RingBuf};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const BPF_MAP_LOOKUP_ELEM: u32 = 1;
const BPF_MAP_UPDATE_ELEM: u32 = 2;
const BPF_MAP_DELETE_ELEM: u32 = 3;
const BPF_MAP_GET_NEXT_KEY: u32 = 4;
const BPF_OBJ_GET: u32 = 7;
const BPF_PROG_TEST_RUN: u32 = 10;
const BPF_OBJ_GET_INFO_BY_FD: u32 = 15;
const BPF_MAP_LOOKUP_BATCH: u32 = 24;
/// The kernel's own "operation not supported", which no libc names.
const ENOTSUPP: i32 = 524;

/// `attribute` is one of the kernel's `union bpf_attr` layouts (include/uapi/linux/bpf.h).
fn bpf<T>(command: u32, attribute: &mut T) -> io::Result<i32> {
    // SAFETY: the layouts below are those of the kernel, with pointers to buffers that outlive the call and are as
    // long as the map or the attribute says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attribute),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}

fn pointer(bytes: &[u8]) -> u64 {
    bytes.as_ptr() as u64
}

fn pointer_mut(bytes: &mut [u8]) -> u64 {
    bytes.as_mut_ptr() as u64
}

#[repr(C)]
struct Element {
    map: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

#[repr(C)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C)]
struct Info {
    fd: u32,
    length: u32,
    info: u64,
}

/// The beginning of `struct bpf_map_info`.
#[repr(C)]
#[derive(Default)]
struct MapInfo {
    kind: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct TestRun {
    program: u32,
    result: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    context_size_in: u32,
    context_size_out: u32,
    context_in: u64,
    context_out: u64,
}

/// A map in the kernel. Keys and values must have the map's sizes; that is checked.
#[derive(Debug)]
pub(crate) struct RawMap {
    fd: OwnedFd,
    key_size: usize,
    /// As the system call exchanges it: for a map per CPU, a value rounded up to 8 bytes for each possible CPU.
    value_size: usize,
    max_entries: u32,
}

impl RawMap {
    /// `cpus` is 1 unless the map is per CPU.
    pub(crate) fn open(path: &Path, cpus: usize) -> io::Result<Self> {
        let path = CString::new(path.as_os_str().as_bytes())?;
        let mut object = Object {
            path: path.as_ptr() as u64,
            fd: 0,
            flags: 0,
        };
        let fd = bpf(BPF_OBJ_GET, &mut object)?;
        // SAFETY: the system call has just made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Self::new(fd, cpus)
    }

    pub(crate) fn new(fd: OwnedFd, cpus: usize) -> io::Result<Self> {
        let mut info = MapInfo::default();
        let mut attribute = Info {
            fd: fd.as_raw_fd() as u32,
            length: size_of::<MapInfo>() as u32,
            info: std::ptr::from_mut(&mut info) as u64,
        };
        bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attribute)?;
        let value_size = info.value_size as usize;
        Ok(Self {
            fd,
            key_size: info.key_size as usize,
            value_size: if cpus == 1 {
                value_size
            } else {
                value_size.next_multiple_of(8) * cpus
            },
            max_entries: info.max_entries,
        })
    }

    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.key_size, self.value_size)
    }

    fn element(&self, key: &[u8], value: u64) -> io::Result<Element> {
        if key.len() != self.key_size {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        Ok(Element {
            map: self.fd.as_raw_fd() as u32,
            pad: 0,
            key: pointer(key),
            value,
            flags: 0,
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut value = vec![0; self.value_size];
        let mut element = self.element(key, pointer_mut(&mut value))?;
        match bpf(BPF_MAP_LOOKUP_ELEM, &mut element) {
            Ok(_) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn set(&self, key: &[u8], value: &[u8]) -> io::Result<()> {
        if value.len() != self.value_size {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let mut element = self.element(key, pointer(value))?;
        bpf(BPF_MAP_UPDATE_ELEM, &mut element).map(drop)
    }

    /// False if there was nothing.
    pub(crate) fn delete(&self, key: &[u8]) -> io::Result<bool> {
        let mut element = self.element(key, 0)?;
        match bpf(BPF_MAP_DELETE_ELEM, &mut element) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn next_key(&self, key: Option<&[u8]>) -> io::Result<Option<Vec<u8>>> {
        let mut next = vec![0; self.key_size];
        let mut element = Element {
            map: self.fd.as_raw_fd() as u32,
            pad: 0,
            key: key.map_or(0, pointer),
            value: pointer_mut(&mut next),
            flags: 0,
        };
        match bpf(BPF_MAP_GET_NEXT_KEY, &mut element) {
            Ok(_) => Ok(Some(next)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every key and value. What changes meanwhile may be missing or there twice.
    pub(crate) fn entries(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        match self.entries_by_batch() {
            // Tries learned batches in Linux 5.14, other kinds at other times.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(ENOTSUPP | libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSPC)
                ) =>
            {
                self.entries_by_key()
            }
            result => result,
        }
    }

    fn entries_by_batch(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let most = self.max_entries.min(4096) as usize;
        let mut keys = vec![0; most * self.key_size];
        let mut values = vec![0; most * self.value_size];
        // The position: a bucket number or a key.
        let mut position = vec![0; self.key_size.max(8)];
        let mut next_position = position.clone();
        let mut entries = Vec::new();
        let mut is_first = true;
        loop {
            let mut batch = Batch {
                in_batch: if is_first { 0 } else { pointer(&position) },
                out_batch: pointer_mut(&mut next_position),
                keys: pointer_mut(&mut keys),
                values: pointer_mut(&mut values),
                count: most as u32,
                map: self.fd.as_raw_fd() as u32,
                element_flags: 0,
                flags: 0,
            };
            let result = bpf(BPF_MAP_LOOKUP_BATCH, &mut batch);
            let is_last = match result {
                Ok(_) => false,
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(error) => return Err(error),
            };
            let pairs = keys
                .chunks(self.key_size)
                .zip(values.chunks(self.value_size))
                .take(batch.count as usize);
            entries.extend(pairs.map(|(key, value)| (key.to_vec(), value.to_vec())));
            if is_last {
                return Ok(entries);
            }
            std::mem::swap(&mut position, &mut next_position);
            is_first = false;
        }
    }

    fn entries_by_key(&self) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let mut entries = Vec::new();
        let mut next = self.next_key(None)?;
        while let Some(key) = next {
            next = self.next_key(Some(&key))?;
            if let Some(value) = self.get(&key)? {
                entries.push((key, value));
            }
        }
        Ok(entries)
    }
}

/// Runs a tc program once over a frame, with a `struct __sk_buff` as context. The answer is the program's
/// return code and the frame afterwards.
pub(crate) fn test_run(
    program: BorrowedFd<'_>,
    frame: &[u8],
    context: &[u8],
) -> io::Result<(u32, Vec<u8>)> {
    let mut out = vec![0; frame.len() + 256];
    let mut run = TestRun {
        program: program.as_raw_fd() as u32,
        data_size_in: frame.len() as u32,
        data_size_out: out.len() as u32,
        data_in: pointer(frame),
        data_out: pointer_mut(&mut out),
        repeat: 1,
        context_size_in: context.len() as u32,
        context_in: pointer(context),
        ..TestRun::default()
    };
    bpf(BPF_PROG_TEST_RUN, &mut run)?;
    out.truncate(run.data_size_out as usize);
    Ok((run.result, out))
}

/// Sends a whole Ethernet frame out of a device.
pub(crate) fn send_frame(socket: BorrowedFd<'_>, ifindex: u32, frame: &[u8]) -> io::Result<()> {
    // SAFETY: all zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_ifindex = ifindex as i32;
    address.sll_halen = 6;
    // SAFETY: both pointers are valid for the lengths given with them.
    let sent = unsafe {
        libc::sendto(
            socket.as_fd().as_raw_fd(),
            frame.as_ptr().cast(),
            frame.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as u32,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Lets a ring buffer be awaited.
pub(crate) fn readable(ring: RingBuf<MapData>) -> io::Result<AsyncFd<RingBuf<MapData>>> {
    // SAFETY: the ring owns its descriptor, keeps it open and the same while it lives, and the `AsyncFd` owns the ring.
    let watched = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
    watched.map_err(Into::into)
}
