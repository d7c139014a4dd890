//! One connection to a neighbor, from the OPEN on (RFC 4271 8: OpenSent, OpenConfirm, Established). Bytes and time in,
//! bytes and [`Step`]s out. Knows nothing of other connections, of tables, or of what happens after a session has ended;
//! that is the [`crate::speaker`]'s. What is before a connection (Idle, Connect, Active) is the speaker's too.
//!
//! ```text
//!   new ──OPEN sent──► OpenSent ──OPEN──► OpenConfirm ──KEEPALIVE──► Established
//!                          └── anything else, a timer, a NOTIFICATION ──► Closed ◄──┘
//! ```

mod inbox;
mod jitter;
mod machine;
mod negotiation;
mod offer;

pub use inbox::Inbox;
pub(crate) use jitter::Jitter;
pub use machine::{Down, MessageCounts, Session, State, Step};
pub use negotiation::{GracefulPeer, LongLivedFamily, Negotiated, Refusal};
pub use offer::{FamilyOffer, GracefulOffer, Offer};
