//! OPEN (RFC 4271 4.2) with capabilities (RFC 5492) and extended optional parameters (RFC 9072).

use super::header::{set_u16, write};
use super::{Capability, MessageKind, Notification, NotificationCode};
use crate::wire::Reader;
use crate::{Asn, RouterId};
use thiserror::Error;

/// What "My Autonomous System" says if the number needs 4 octets (RFC 6793 9).
const AS_TRANS: u16 = 23456;

/// The optional parameter that holds capabilities.
const CAPABILITIES: u8 = 2;
/// The parameter type that marks RFC 9072's form.
const EXTENDED: u8 = 255;

/// An OPEN. `asn` is that of the 4-octet capability where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    pub asn: Asn,
    /// Seconds; 0 (no keepalives) or at least 3.
    pub hold_time: u16,
    pub router_id: RouterId,
    /// In the order of the message, duplicates included.
    pub capabilities: Vec<Capability>,
}

/// Why an OPEN is refused. Whether its AS or router id is the expected one is the session's question.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    #[error("BGP version {0} is not supported, only 4 is")]
    Version(u8),
    #[error("hold time of {0} s: must be 0 or at least 3 (RFC 4271 4.2)")]
    HoldTime(u16),
    #[error("router id 0.0.0.0 (RFC 6286 2.1)")]
    RouterId,
    #[error("AS number 0 is reserved (RFC 7607)")]
    AsZero,
    #[error("optional parameter of type {0} is not supported, only 2 (capabilities) is")]
    Parameter(u8),
    #[error("optional parameters do not fill their length: {0}")]
    Malformed(&'static str),
}

impl OpenError {
    pub fn notification(&self) -> Notification {
        match self {
            // RFC 4271 6.2: the data is the largest version we speak below the peer's.
            Self::Version(_) => Notification::new(NotificationCode::UNSUPPORTED_VERSION, &[0, 4]),
            Self::HoldTime(_) => Notification::new(NotificationCode::UNACCEPTABLE_HOLD_TIME, &[]),
            Self::RouterId => Notification::new(NotificationCode::BAD_IDENTIFIER, &[]),
            Self::AsZero => Notification::new(NotificationCode::BAD_PEER_AS, &[]),
            Self::Parameter(_) => Notification::new(NotificationCode::UNSUPPORTED_PARAMETER, &[]),
            Self::Malformed(_) => Notification::new(NotificationCode::OPEN, &[]),
        }
    }
}

impl Open {
    /// Whether the peer speaks 4-octet AS numbers.
    pub fn four_octet_as(&self) -> bool {
        self.capabilities
            .iter()
            .any(|capability| matches!(capability, Capability::FourOctetAs(_)))
    }

    pub fn decode(body: &[u8]) -> Result<Self, OpenError> {
        let mut reader = Reader::new(body);
        let short = OpenError::Malformed("the message is shorter than 29 octets");
        let mut fixed = || {
            let version = reader.u8()?;
            Some((version, reader.u16()?, reader.u16()?, reader.array()?))
        };
        let (version, short_asn, hold_time, router_id): (u8, u16, u16, [u8; 4]) =
            fixed().ok_or(short)?;
        if version != 4 {
            return Err(OpenError::Version(version));
        }
        let capabilities = parameters(reader)?;
        let four_octets = capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        let asn = four_octets.unwrap_or(Asn::from(short_asn));
        if asn == 0 || short_asn == 0 {
            return Err(OpenError::AsZero);
        }
        if matches!(hold_time, 1 | 2) {
            return Err(OpenError::HoldTime(hold_time));
        }
        let router_id = RouterId::from(router_id);
        if router_id.is_unspecified() {
            return Err(OpenError::RouterId);
        }
        Ok(Self {
            asn,
            hold_time,
            router_id,
            capabilities,
        })
    }

    /// Appends the whole message: one capabilities parameter for all, in RFC 9072's form only where 255 octets are too few.
    /// Capabilities that would not fit 4,096 octets are left out from the end.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut block = Vec::new();
        for capability in &self.capabilities {
            let start = block.len();
            block.extend_from_slice(&[capability.code(), 0]);
            capability.encode_value(&mut block);
            match u8::try_from(block.len() - start - 2) {
                Ok(length) if block.len() <= super::MAX_MESSAGE - 35 => block[start + 1] = length,
                _ => block.truncate(start),
            }
        }
        write(out, MessageKind::Open, |out| {
            out.push(4);
            let short = u16::try_from(self.asn).unwrap_or(AS_TRANS);
            out.extend_from_slice(&short.to_be_bytes());
            out.extend_from_slice(&self.hold_time.to_be_bytes());
            out.extend_from_slice(&self.router_id.octets());
            encode_parameters(&block, out);
        });
    }
}

fn encode_parameters(block: &[u8], out: &mut Vec<u8>) {
    match u8::try_from(block.len()) {
        Ok(0) => out.push(0),
        Ok(length) if length <= 253 => out.extend_from_slice(&[length + 2, CAPABILITIES, length]),
        _ => {
            out.extend_from_slice(&[EXTENDED, EXTENDED]);
            let at = out.len();
            out.extend_from_slice(&[0, 0, CAPABILITIES, 0, 0]);
            set_u16(out, at, block.len() + 3);
            set_u16(out, at + 3, block.len());
        }
    }
    out.extend_from_slice(block);
}

/// The optional parameters, from their length octet on.
fn parameters(mut reader: Reader<'_>) -> Result<Vec<Capability>, OpenError> {
    let length = reader
        .u8()
        .ok_or(OpenError::Malformed("their length is missing"))?;
    // RFC 9072 2: the first parameter type tells, not the length, which should be 255 but may be any but 0.
    let extended = length != 0 && reader.rest().first() == Some(&EXTENDED);
    let declared = if extended {
        let mut length = || reader.u8().and_then(|_| reader.u16());
        length().map(usize::from)
    } else {
        Some(usize::from(length))
    };
    if declared != Some(reader.len()) {
        return Err(OpenError::Malformed(
            "their total length is not what follows",
        ));
    }
    let mut capabilities = Vec::new();
    while !reader.is_empty() {
        let mut parameter = || {
            let kind = reader.u8()?;
            let length = if extended {
                usize::from(reader.u16()?)
            } else {
                usize::from(reader.u8()?)
            };
            Some((kind, reader.take(length)?))
        };
        let (kind, value) =
            parameter().ok_or(OpenError::Malformed("one of them is cut off by the end"))?;
        if kind != CAPABILITIES {
            return Err(OpenError::Parameter(kind));
        }
        capabilities_of(value, &mut capabilities)?;
    }
    Ok(capabilities)
}

fn capabilities_of(value: &[u8], into: &mut Vec<Capability>) -> Result<(), OpenError> {
    let mut reader = Reader::new(value);
    while !reader.is_empty() {
        let mut capability = || {
            let code = reader.u8()?;
            let length = reader.u8()?;
            Some((code, reader.take(usize::from(length))?))
        };
        let (code, value) =
            capability().ok_or(OpenError::Malformed("a capability is cut off by the end"))?;
        into.push(Capability::decode(code, value));
    }
    Ok(())
}
