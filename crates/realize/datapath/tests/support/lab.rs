//! Hosts and workloads as network namespaces with real links between them. Needs root. Leaves nothing behind.

#![allow(unsafe_code)]

use datapath::{Config, Datapath, Limits};
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub fn run(command: &str) {
    let mut words = command.split(' ');
    let program = words.next().expect("a command");
    let output = Command::new(program)
        .args(words)
        .output()
        .expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command}: {errors}");
}

/// A network namespace, removed when dropped.
pub struct Namespace {
    pub name: String,
}

impl Namespace {
    pub fn new(what: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nwdp{}-{number}-{what}", std::process::id());
        run(&format!("ip netns add {name}"));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    pub fn ip(&self, arguments: &str) {
        run(&format!("ip -n {} {arguments}", self.name));
    }

    /// Runs something on a thread of its own inside the namespace.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(path).expect("the namespace exists");
                setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).expect("root may enter it");
                work()
            });
            thread.join().expect("the work does not panic")
        })
    }

    /// A packet socket on `eth0` that sees what arrives, and not what is sent.
    pub fn tap(&self) -> Tap {
        self.within(|| {
            let all = SockProtocol::EthAll;
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), all)
                .expect("root opens packet sockets");
            let timeout = nix::sys::time::TimeVal::new(5, 0);
            nix::sys::socket::setsockopt(
                &socket,
                nix::sys::socket::sockopt::ReceiveTimeout,
                &timeout,
            )
            .expect("a timeout is set");
            Tap { socket }
        })
    }

    pub fn ifindex(&self, device: &str) -> u32 {
        let device = device.to_owned();
        self.within(move || {
            nix::net::if_::if_nametoindex(device.as_str()).expect("the device exists")
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// A workload's raw view of its link.
pub struct Tap {
    socket: OwnedFd,
}

impl Tap {
    pub fn send(&self, frame: &[u8]) {
        // A workload has one link beside the loopback: index 2 in its namespace.
        // SAFETY: all zero is a valid sockaddr_ll.
        let mut address: nix::libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = nix::libc::AF_PACKET as u16;
        address.sll_ifindex = 2;
        // SAFETY: the pointers are valid for the lengths given with them.
        let sent = unsafe {
            nix::libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                std::ptr::from_ref(&address).cast(),
                size_of::<nix::libc::sockaddr_ll>() as u32,
            )
        };
        assert_eq!(
            sent,
            frame.len() as isize,
            "{}",
            std::io::Error::last_os_error()
        );
    }

    /// The next frame that arrives and satisfies `wanted`; panics after five seconds without any.
    pub fn expect(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let mut buffer = [0; 2048];
        loop {
            let length = nix::sys::socket::recv(
                self.socket.as_raw_fd(),
                &mut buffer,
                nix::sys::socket::MsgFlags::empty(),
            )
            .expect("a frame arrives in time");
            if wanted(&buffer[..length]) {
                return buffer[..length].to_vec();
            }
        }
    }

    /// What has arrived by now.
    pub fn drain(&self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 2048];
        let mut frames = Vec::new();
        let flags = nix::sys::socket::MsgFlags::MSG_DONTWAIT;
        while let Ok(length) = nix::sys::socket::recv(self.socket.as_raw_fd(), &mut buffer, flags) {
            frames.push(buffer[..length].to_vec());
        }
        frames
    }
}

/// A host with a data path.
pub struct Machine {
    pub namespace: Namespace,
    pub config: Config,
    pub datapath: Datapath,
}

impl Machine {
    pub fn new(what: &str, address: &str) -> Self {
        let namespace = Namespace::new(what);
        let pin_dir = PathBuf::from(format!("/run/netwright_test_{}", namespace.name));
        let config = Config {
            pin_dir,
            tunnel_device: "nwvxlan".to_owned(),
            tunnel_port: 4789,
            local_tunnel: address.parse().expect("an address"),
            limits: Limits {
                connections: 4096,
                rows: 4096,
            },
        };
        let (datapath, adoption) = namespace
            .within(|| Datapath::open(&config))
            .expect("the data path opens");
        assert!(!adoption.maps && !adoption.programs, "{adoption:?}");
        Self {
            namespace,
            config,
            datapath,
        }
    }

    /// Plugs a workload in; the answer is the host's end.
    pub fn plug(&self, workload: &Namespace, device: &str, mac: &str, mtu: u32) -> u32 {
        self.namespace.ip(&format!(
            "link add {device} mtu {mtu} type veth peer name eth0 mtu {mtu} address {mac} netns {}",
            workload.name
        ));
        workload.ip("link set eth0 up");
        let ifindex = self.namespace.ifindex(device);
        self.namespace.within(|| {
            let path = format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6");
            std::fs::write(path, "1").expect("IPv6 is switched off");
        });
        assert!(
            self.datapath
                .attach(ifindex)
                .expect("the device takes programs")
        );
        self.namespace.ip(&format!("link set {device} up"));
        ifindex
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = nix::mount::umount(&self.config.pin_dir);
        let _ = std::fs::remove_dir(&self.config.pin_dir);
    }
}

/// Asks again and again until it is true; panics after ten seconds.
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(10);
    while !is_true() {
        assert!(std::time::Instant::now() < end, "not in time: {what}");
        std::thread::yield_now();
    }
}
