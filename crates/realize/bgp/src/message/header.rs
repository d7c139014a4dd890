//! The message header (RFC 4271 4.1) and the cutting of a byte stream into frames.

use super::{HEADER, MAX_MESSAGE, Notification, NotificationCode};
use thiserror::Error;

/// The type octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageKind {
    Open = 1,
    Update = 2,
    Notification = 3,
    Keepalive = 4,
    RouteRefresh = 5,
}

impl MessageKind {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Open,
            2 => Self::Update,
            3 => Self::Notification,
            4 => Self::Keepalive,
            5 => Self::RouteRefresh,
            _ => return None,
        })
    }

    /// The least length of a whole message of this type (RFC 4271 6.1).
    const fn least(self) -> usize {
        match self {
            Self::Open => 29,
            Self::Update => 23,
            Self::Notification => 21,
            Self::Keepalive => HEADER,
            Self::RouteRefresh => HEADER,
        }
    }

    /// The greatest, given what was negotiated: OPEN and KEEPALIVE never grow (RFC 8654 4).
    fn greatest(self, max: usize) -> usize {
        match self {
            Self::Open => MAX_MESSAGE,
            Self::Keepalive => HEADER,
            Self::Update | Self::Notification | Self::RouteRefresh => max,
        }
    }
}

/// One message cut from the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: MessageKind,
    /// What follows the header.
    pub body: &'a [u8],
    /// The whole message: its length is what the caller consumes, its bytes what BMP mirrors.
    pub bytes: &'a [u8],
}

/// Why a stream cannot be cut any further (RFC 4271 6.1): always fatal to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("the marker of a message is not all ones: the stream is out of step")]
    Marker,
    #[error("message length {length} is outside {least}..={greatest} for its type")]
    Length {
        length: u16,
        least: usize,
        greatest: usize,
    },
    #[error("message type {0} is unknown")]
    Type(u8),
}

impl HeaderError {
    pub fn notification(self) -> Notification {
        match self {
            Self::Marker => Notification::new(NotificationCode::CONNECTION_NOT_SYNCHRONIZED, &[]),
            Self::Length { length, .. } => {
                Notification::new(NotificationCode::BAD_MESSAGE_LENGTH, &length.to_be_bytes())
            }
            Self::Type(code) => Notification::new(NotificationCode::BAD_MESSAGE_TYPE, &[code]),
        }
    }
}

/// The first message of `buffer`, or `None` if more octets must come. `max` is what was negotiated, in octets.
/// Faults are found as early as their octets are there, so a peer cannot make us wait for a message we would refuse.
pub fn frame(buffer: &[u8], max: usize) -> Result<Option<Frame<'_>>, HeaderError> {
    let marker = &buffer[..buffer.len().min(16)];
    if marker.iter().any(|&octet| octet != 0xff) {
        return Err(HeaderError::Marker);
    }
    let Some(&[high, low]) = buffer.get(16..18).and_then(|field| field.as_array()) else {
        return Ok(None);
    };
    let length = u16::from_be_bytes([high, low]);
    let whole = usize::from(length);
    if whole < HEADER || whole > max {
        return Err(HeaderError::Length {
            length,
            least: HEADER,
            greatest: max,
        });
    }
    let Some(&code) = buffer.get(18) else {
        return Ok(None);
    };
    let kind = MessageKind::from_code(code).ok_or(HeaderError::Type(code))?;
    let (least, greatest) = (kind.least(), kind.greatest(max));
    if whole < least || whole > greatest {
        return Err(HeaderError::Length {
            length,
            least,
            greatest,
        });
    }
    Ok(buffer.get(..whole).map(|bytes| Frame {
        kind,
        body: &bytes[HEADER..],
        bytes,
    }))
}

/// Appends a whole message; `body` writes what follows the header. A body past 65,516 octets is a bug of the caller,
/// which every encoder of this crate prevents by counting.
pub(crate) fn write(out: &mut Vec<u8>, kind: MessageKind, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin(out, kind);
    body(out);
    finish(out, start);
}

/// Appends a header whose length is still unknown; returns where it starts.
pub(crate) fn begin(out: &mut Vec<u8>, kind: MessageKind) -> usize {
    let start = out.len();
    let mut header = [0xff; HEADER];
    header[16] = 0;
    header[17] = 0;
    header[18] = kind as u8;
    out.extend_from_slice(&header);
    start
}

/// Writes the length of the message that began at `start` and ends at the end of `out`.
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    debug_assert!(length <= super::MAX_EXTENDED_MESSAGE);
    set_u16(out, start + 16, length);
}

/// Overwrites two octets that were reserved before their value was known.
pub(crate) fn set_u16(out: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    if let Some(field) = out.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
