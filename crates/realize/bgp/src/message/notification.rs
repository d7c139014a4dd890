//! NOTIFICATION (RFC 4271 4.5): every registered code by name, shutdown text (RFC 9003), hard reset (RFC 8538).

use super::header::write;
use super::{MAX_MESSAGE, MessageKind};
use std::fmt;

/// Error code and subcode, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotificationCode {
    pub code: u8,
    pub subcode: u8,
}

macro_rules! notification_codes {
    ($($name:ident = $code:literal / $subcode:literal, $text:literal;)*) => {
        impl NotificationCode {
            $(#[doc = $text] pub const $name: Self = Self { code: $code, subcode: $subcode };)*

            /// The registered name of this pair, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($text),)*
                    _ => None,
                }
            }

            /// Every pair this speaker has a name for.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

// IANA "BGP Error (Notification) Codes" and the subcodes of each.
notification_codes! {
    HEADER = 1/0, "message header error";
    CONNECTION_NOT_SYNCHRONIZED = 1/1, "connection not synchronized";
    BAD_MESSAGE_LENGTH = 1/2, "bad message length";
    BAD_MESSAGE_TYPE = 1/3, "bad message type";
    OPEN = 2/0, "OPEN message error";
    UNSUPPORTED_VERSION = 2/1, "unsupported version number";
    BAD_PEER_AS = 2/2, "bad peer AS";
    BAD_IDENTIFIER = 2/3, "bad BGP identifier";
    UNSUPPORTED_PARAMETER = 2/4, "unsupported optional parameter";
    UNACCEPTABLE_HOLD_TIME = 2/6, "unacceptable hold time";
    UNSUPPORTED_CAPABILITY = 2/7, "unsupported capability";
    ROLE_MISMATCH = 2/11, "role mismatch";
    UPDATE = 3/0, "UPDATE message error";
    MALFORMED_ATTRIBUTES = 3/1, "malformed attribute list";
    UNRECOGNIZED_WELL_KNOWN = 3/2, "unrecognized well-known attribute";
    MISSING_WELL_KNOWN = 3/3, "missing well-known attribute";
    ATTRIBUTE_FLAGS = 3/4, "attribute flags error";
    ATTRIBUTE_LENGTH = 3/5, "attribute length error";
    INVALID_ORIGIN = 3/6, "invalid ORIGIN attribute";
    INVALID_NEXT_HOP = 3/8, "invalid NEXT_HOP attribute";
    OPTIONAL_ATTRIBUTE = 3/9, "optional attribute error";
    INVALID_NETWORK = 3/10, "invalid network field";
    MALFORMED_AS_PATH = 3/11, "malformed AS_PATH";
    HOLD_TIMER_EXPIRED = 4/0, "hold timer expired";
    FSM = 5/0, "finite state machine error";
    FSM_OPEN_SENT = 5/1, "unexpected message in OpenSent";
    FSM_OPEN_CONFIRM = 5/2, "unexpected message in OpenConfirm";
    FSM_ESTABLISHED = 5/3, "unexpected message in Established";
    CEASE = 6/0, "cease";
    MAX_PREFIXES = 6/1, "maximum number of prefixes reached";
    ADMIN_SHUTDOWN = 6/2, "administrative shutdown";
    PEER_DECONFIGURED = 6/3, "peer de-configured";
    ADMIN_RESET = 6/4, "administrative reset";
    CONNECTION_REJECTED = 6/5, "connection rejected";
    CONFIGURATION_CHANGE = 6/6, "other configuration change";
    COLLISION = 6/7, "connection collision resolution";
    OUT_OF_RESOURCES = 6/8, "out of resources";
    HARD_RESET = 6/9, "hard reset";
    BFD_DOWN = 6/10, "BFD down";
    REFRESH = 7/0, "ROUTE-REFRESH message error";
    INVALID_REFRESH_LENGTH = 7/1, "invalid ROUTE-REFRESH length";
    SEND_HOLD_TIMER_EXPIRED = 8/0, "send hold timer expired";
}

impl fmt::Display for NotificationCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}/{})", self.code, self.subcode),
            None => write!(f, "error {}/{}", self.code, self.subcode),
        }
    }
}

/// A NOTIFICATION, as received or to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Notification {
    pub code: NotificationCode,
    pub data: Box<[u8]>,
}

/// The text that came with a shutdown or reset (RFC 9003 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShutdownText {
    None,
    Text(String),
    /// The length octet does not fit, or the octets are not UTF-8: to be shown as hex, never as text.
    Malformed(Box<[u8]>),
}

impl Notification {
    /// `data` is cut where the message would grow past 4,096 octets.
    pub fn new(code: NotificationCode, data: &[u8]) -> Self {
        let data = &data[..data.len().min(MAX_MESSAGE - 21)];
        Self {
            code,
            data: data.into(),
        }
    }

    /// With a text for the other operator; cut to 255 octets at a character's edge (RFC 9003 2).
    pub fn with_text(code: NotificationCode, text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(255)];
        let mut data = Vec::with_capacity(text.len() + 1);
        if !text.is_empty() {
            // floor_char_boundary keeps it within one octet.
            data.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            data.extend_from_slice(text.as_bytes());
        }
        Self::new(code, &data)
    }

    /// The same, as a hard reset: the receiver must not keep our routes (RFC 8538 3).
    pub fn into_hard_reset(self) -> Self {
        let mut data = vec![self.code.code, self.code.subcode];
        data.extend_from_slice(&self.data);
        Self::new(NotificationCode::HARD_RESET, &data)
    }

    /// What is inside a hard reset; `None` if this is none, or if it names no cause.
    pub fn hard_reset_cause(&self) -> Option<Self> {
        match (self.code, &*self.data) {
            (NotificationCode::HARD_RESET, [code, subcode, data @ ..]) => Some(Self::new(
                NotificationCode {
                    code: *code,
                    subcode: *subcode,
                },
                data,
            )),
            _ => None,
        }
    }

    /// The text of an administrative shutdown or reset, also inside a hard reset.
    pub fn shutdown_text(&self) -> ShutdownText {
        if let Some(cause) = self.hard_reset_cause() {
            // One level only: a hard reset inside a hard reset has no text of its own.
            return match cause.code {
                NotificationCode::HARD_RESET => ShutdownText::None,
                _ => cause.shutdown_text(),
            };
        }
        let texts = [
            NotificationCode::ADMIN_SHUTDOWN,
            NotificationCode::ADMIN_RESET,
        ];
        if !texts.contains(&self.code) {
            return ShutdownText::None;
        }
        let Some((&length, rest)) = self.data.split_first() else {
            return ShutdownText::None;
        };
        let text = rest
            .get(..usize::from(length))
            .and_then(|octets| std::str::from_utf8(octets).ok());
        match text {
            Some("") => ShutdownText::None,
            Some(text) => ShutdownText::Text(text.to_owned()),
            None => ShutdownText::Malformed(self.data.clone()),
        }
    }

    /// `body` has at least two octets: the framing saw to it.
    pub(super) fn decode(body: &[u8]) -> Self {
        let code = NotificationCode {
            code: body.first().copied().unwrap_or_default(),
            subcode: body.get(1).copied().unwrap_or_default(),
        };
        Self {
            code,
            data: body.get(2..).unwrap_or_default().into(),
        }
    }

    /// Appends the whole message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write(out, MessageKind::Notification, |out| {
            out.extend_from_slice(&[self.code.code, self.code.subcode]);
            out.extend_from_slice(&self.data);
        });
    }
}

impl fmt::Display for Notification {
    /// One line, fit for a log: text of the peer is quoted and escaped, other data is hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(cause) = self.hard_reset_cause() {
            write!(f, ", {}", cause.code)?;
        }
        match self.shutdown_text() {
            ShutdownText::Text(text) => return write!(f, ": {text:?}"),
            ShutdownText::None if self.code == NotificationCode::HARD_RESET => return Ok(()),
            ShutdownText::None | ShutdownText::Malformed(_) => {}
        }
        if !self.data.is_empty() {
            f.write_str(", data ")?;
            self.data
                .iter()
                .take(64)
                .try_for_each(|octet| write!(f, "{octet:02x}"))?;
        }
        Ok(())
    }
}
