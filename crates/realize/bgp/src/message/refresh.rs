//! ROUTE-REFRESH (RFC 2918) with its demarcation (RFC 7313).

use super::header::write;
use super::{Frame, MessageKind, Notification, NotificationCode};
use crate::family::AfiSafi;
use crate::wire::Reader;

/// The subtype, once "reserved" (RFC 7313 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshKind {
    /// Send me everything again.
    Request,
    /// BoRR: what I sent before is stale from here on.
    Begin,
    /// EoRR: what is still stale is gone.
    End,
    /// Must be ignored (RFC 7313 5); also ORF entries of RFC 5291, which is never negotiated.
    Unknown(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    pub family: AfiSafi,
    pub kind: RefreshKind,
}

impl RouteRefresh {
    pub(super) fn decode(frame: Frame<'_>) -> Result<Self, Notification> {
        let mut reader = Reader::new(frame.body);
        let fields = (|| Some((reader.u16()?, reader.u8()?, reader.u8()?)))();
        // RFC 7313 5: a wrong length is an error of this message, answered with the message itself.
        let fault = || Notification::new(NotificationCode::INVALID_REFRESH_LENGTH, frame.bytes);
        let (afi, subtype, safi) = fields.ok_or_else(fault)?;
        let kind = match subtype {
            0 => RefreshKind::Request,
            1 => RefreshKind::Begin,
            2 => RefreshKind::End,
            other => RefreshKind::Unknown(other),
        };
        if matches!(kind, RefreshKind::Begin | RefreshKind::End) && !reader.is_empty() {
            return Err(fault());
        }
        Ok(Self {
            family: AfiSafi { afi, safi },
            kind,
        })
    }

    /// Appends the whole message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let subtype = match self.kind {
            RefreshKind::Request => 0,
            RefreshKind::Begin => 1,
            RefreshKind::End => 2,
            RefreshKind::Unknown(other) => other,
        };
        write(out, MessageKind::RouteRefresh, |out| {
            out.extend_from_slice(&self.family.afi.to_be_bytes());
            out.extend_from_slice(&[subtype, self.family.safi]);
        });
    }
}
