//! BMP messages to the wire.

use super::peer::padded;
use super::{Information, Message, PeerDown, VERSION};
use crate::message::set_u16;

impl Message<'_> {
    pub(super) const fn code(&self) -> u8 {
        match self {
            Self::RouteMonitoring { .. } => 0,
            Self::Statistics { .. } => 1,
            Self::PeerDown { .. } => 2,
            Self::PeerUp { .. } => 3,
            Self::Initiation(_) => 4,
            Self::Termination { .. } => 5,
            Self::RouteMirroring { .. } => 6,
        }
    }

    /// Appends the whole message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[VERSION, 0, 0, 0, 0, self.code()]);
        match self {
            Self::RouteMonitoring { peer, update } => {
                peer.encode(out);
                out.extend_from_slice(update);
            }
            Self::RouteMirroring { peer, tlvs } => {
                peer.encode(out);
                out.extend_from_slice(tlvs);
            }
            Self::Statistics { peer, values } => {
                peer.encode(out);
                let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&count.to_be_bytes());
                for value in values {
                    tlv(value.code, out, |out| value.encode_value(out));
                }
            }
            Self::PeerDown { peer, reason } => {
                peer.encode(out);
                peer_down(reason, out);
            }
            Self::PeerUp {
                peer,
                local_address,
                local_port,
                remote_port,
                sent_open,
                received_open,
                information,
            } => {
                peer.encode(out);
                out.extend_from_slice(&padded(*local_address));
                out.extend_from_slice(&local_port.to_be_bytes());
                out.extend_from_slice(&remote_port.to_be_bytes());
                out.extend_from_slice(sent_open);
                out.extend_from_slice(received_open);
                texts(information, out);
            }
            Self::Initiation(information) => texts(information, out),
            Self::Termination {
                reason,
                information,
            } => {
                texts(information, out);
                if let Some(reason) = reason {
                    tlv(1, out, |out| {
                        out.extend_from_slice(&reason.code().to_be_bytes());
                    });
                }
            }
        }
        let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
    }
}

fn peer_down(reason: &PeerDown<'_>, out: &mut Vec<u8>) {
    match reason {
        PeerDown::LocalNotification(message) => {
            out.push(1);
            out.extend_from_slice(message);
        }
        PeerDown::LocalEvent(event) => {
            out.push(2);
            out.extend_from_slice(&event.to_be_bytes());
        }
        PeerDown::RemoteNotification(message) => {
            out.push(3);
            out.extend_from_slice(message);
        }
        PeerDown::RemoteClosed => out.push(4),
        PeerDown::Deconfigured => out.push(5),
        PeerDown::TableClosed(information) => {
            out.push(6);
            texts(information, out);
        }
    }
}

fn texts(information: &[Information], out: &mut Vec<u8>) {
    for one in information {
        let text = &one.text[..one.text.floor_char_boundary(usize::from(u16::MAX))];
        tlv(one.kind.code(), out, |out| {
            out.extend_from_slice(text.as_bytes());
        });
    }
}

fn tlv(code: u16, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&code.to_be_bytes());
    let at = out.len();
    out.extend_from_slice(&[0, 0]);
    value(out);
    let length = out.len() - at - 2;
    set_u16(out, at, length);
}
