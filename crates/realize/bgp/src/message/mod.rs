//! BGP messages on the wire: framing, decoding, encoding (RFC 4271 4 and its successors).
//!
//! ```text
//!   bytes ─ frame ─► Frame ─ Message::decode ─► Open | Update(body) | Notification | Keepalive | RouteRefresh
//!                                                        │
//!                                     split ─► UpdateParts: raw fields, NLRI checked, attributes not yet decoded
//!                                       ├─ withdrawn(), announced(), mp_*.routes() ─► Route, Route, …
//!                                       ├─ key(section) ─► bytes to look up in a cache of decoded attributes
//!                                       └─ decode_attributes(section) ─► Attributes + faults (RFC 7606)
//!   Attributes ─ EncodedAttributes ─┐
//!   Route, Route, … ────────────────┴─ UpdateBuilder ─► messages, packed
//! ```
//!
//! Nothing here keeps state between messages, reads a clock or logs; a fault is a value that says what to do about it.

mod builder;
mod capability;
mod context;
mod fault;
mod header;
mod notification;
mod open;
mod refresh;
mod update;

pub use builder::{EncodedAttributes, TooLong, UpdateBuilder};
pub use capability::{AddPathMode, Capability, ExtendedNextHop, Preserved, Role, StalePreserved};
pub use context::{CodecContext, EncodeContext};
pub use fault::{Disposition, Fault, FaultKind, UpdateError};
pub(crate) use header::set_u16;
pub use header::{Frame, HeaderError, MessageKind, frame};
pub use notification::{Notification, NotificationCode, ShutdownText};
pub use open::{Open, OpenError};
pub use refresh::{RefreshKind, RouteRefresh};
pub use update::{AttributeKey, Decoded, MpReach, MpUnreach, Section, UpdateParts, split};

/// The largest message without RFC 8654, in octets, header included.
pub const MAX_MESSAGE: usize = 4096;
/// The largest message with RFC 8654.
pub const MAX_EXTENDED_MESSAGE: usize = 65535;
/// Marker, length and type.
pub const HEADER: usize = 19;

/// One message. An UPDATE stays raw: [`split`] needs what the session negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    Open(Box<Open>),
    Update(&'a [u8]),
    Notification(Notification),
    Keepalive,
    RouteRefresh(RouteRefresh),
}

impl<'a> Message<'a> {
    /// Decodes the body of a frame. The error is the NOTIFICATION to send before closing.
    pub fn decode(frame: Frame<'a>) -> Result<Self, Notification> {
        Ok(match frame.kind {
            MessageKind::Open => Self::Open(Box::new(
                Open::decode(frame.body).map_err(|error| error.notification())?,
            )),
            MessageKind::Update => Self::Update(frame.body),
            MessageKind::Notification => Self::Notification(Notification::decode(frame.body)),
            MessageKind::Keepalive => Self::Keepalive,
            MessageKind::RouteRefresh => Self::RouteRefresh(RouteRefresh::decode(frame)?),
        })
    }
}

/// A KEEPALIVE, whole.
pub const KEEPALIVE: [u8; HEADER] = {
    let mut message = [0xff; HEADER];
    message[16] = 0;
    message[17] = HEADER as u8;
    message[18] = MessageKind::Keepalive as u8;
    message
};
