//! BFD for one hop (RFC 5880, RFC 5881): asynchronous mode, no authentication, no echo. Pure: packets and time in,
//! packets and state changes out. Sockets, the port (3784) and the TTL check (RFC 5881 5: 255 only) belong to the shell.
//!
//! ```text
//!            hears Down           hears Init or Up
//!   Down ───────────────► Init ─────────────────────► Up
//!    │ ▲ └── hears Init ────────────────────────────►  │
//!    │ └──── detection time passed, hears Down or AdminDown ◄┘
//! ```

mod machine;
mod packet;

pub use machine::{BfdChange, BfdSession};
pub use packet::{BfdError, BfdPacket, BfdState, Diagnostic};

/// Where control packets go (RFC 5881 4).
pub const PORT: u16 = 3784;
