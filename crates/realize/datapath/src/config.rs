//! What the caller decides about the data path.

use std::net::IpAddr;
use std::path::PathBuf;

/// Sizes of the maps; fixed when the maps are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all ports together; the least recently used gives way.
    pub connections: u32,
    /// Rows of each policy map: members, addresses, set members, and so on.
    pub rows: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 131_072,
            rows: 262_144,
        }
    }
}

/// Where the data path lives. One data path per directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A directory of our own for bpffs; it is made, and bpffs mounted on it if it is not on one already. No dots.
    pub pin_dir: PathBuf,
    /// The VXLAN device (collect-metadata mode), made if missing. At most 15 bytes.
    pub tunnel_device: String,
    /// UDP port of VXLAN; 4789 by RFC 7348.
    pub tunnel_port: u16,
    /// This host's address on the underlay.
    pub local_tunnel: IpAddr,
    pub limits: Limits,
}
