//! The control packet (RFC 5880 4.1), without an authentication section.

/// The state of a session, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BfdState {
    AdminDown = 0,
    Down = 1,
    Init = 2,
    Up = 3,
}

impl BfdState {
    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }
}

/// Why the sender last left Up (RFC 5880 4.1); 5 bits, other values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Diagnostic(u8);

impl Diagnostic {
    pub const NONE: Self = Self(0);
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);

    pub const fn code(self) -> u8 {
        self.0
    }
}

/// A control packet. Intervals are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BfdPacket {
    pub diagnostic: Diagnostic,
    pub state: BfdState,
    pub poll: bool,
    pub r#final: bool,
    /// The sender's BFD survives a restart of its control plane (the C bit).
    pub independent: bool,
    pub demand: bool,
    /// Never 0.
    pub multiplier: u8,
    /// The sender's discriminator, never 0.
    pub mine: u32,
    /// The receiver's, 0 if not known yet.
    pub yours: u32,
    pub desired_min_tx: u32,
    pub required_min_rx: u32,
    pub required_min_echo_rx: u32,
}

/// Why a packet is discarded (RFC 5880 6.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BfdError {
    #[error("{0} octets are no BFD packet: it has 24 at least")]
    Short(usize),
    #[error("BFD version {0}: only 1 is known")]
    Version(u8),
    #[error("BFD length field {length} does not fit {size} octets")]
    Length { length: u8, size: usize },
    #[error("BFD detection multiplier 0")]
    Multiplier,
    #[error("BFD multipoint bit is set")]
    Multipoint,
    #[error("BFD discriminator 0 of the sender")]
    Mine,
    #[error("BFD packet in state {0:?} without the receiver's discriminator")]
    Yours(BfdState),
    #[error("BFD packet with authentication, which is not configured")]
    Authenticated,
}

const SIZE: u8 = 24;

impl BfdPacket {
    pub const LENGTH: usize = SIZE as usize;

    /// Reads the payload of a datagram.
    pub fn decode(bytes: &[u8]) -> Result<Self, BfdError> {
        let size = bytes.len();
        let fixed: &[u8; Self::LENGTH] = bytes.first_chunk().ok_or(BfdError::Short(size))?;
        let word = |at: usize| {
            u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
        };
        let version = fixed[0] >> 5;
        let flags = fixed[1];
        let flag = |bit: u8| flags & bit != 0;
        let length = fixed[3];
        let packet = Self {
            diagnostic: Diagnostic(fixed[0] & 0x1f),
            state: BfdState::from_bits(flags >> 6),
            poll: flag(0x20),
            r#final: flag(0x10),
            independent: flag(0x08),
            demand: flag(0x02),
            multiplier: fixed[2],
            mine: word(4),
            yours: word(8),
            desired_min_tx: word(12),
            required_min_rx: word(16),
            required_min_echo_rx: word(20),
        };
        let known = !matches!(packet.state, BfdState::Down | BfdState::AdminDown);
        match packet {
            _ if version != 1 => Err(BfdError::Version(version)),
            _ if length < SIZE || usize::from(length) > size => {
                Err(BfdError::Length { length, size })
            }
            _ if packet.multiplier == 0 => Err(BfdError::Multiplier),
            _ if flag(0x01) => Err(BfdError::Multipoint),
            _ if packet.mine == 0 => Err(BfdError::Mine),
            _ if packet.yours == 0 && known => Err(BfdError::Yours(packet.state)),
            _ if flag(0x04) => Err(BfdError::Authenticated),
            packet => Ok(packet),
        }
    }

    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = 1 << 5 | self.diagnostic.0 & 0x1f;
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        bytes[1] = (self.state as u8) << 6
            | bit(self.poll, 0x20)
            | bit(self.r#final, 0x10)
            | bit(self.independent, 0x08)
            | bit(self.demand, 0x02);
        bytes[2] = self.multiplier;
        bytes[3] = SIZE;
        let words = [
            self.mine,
            self.yours,
            self.desired_min_tx,
            self.required_min_rx,
            self.required_min_echo_rx,
        ];
        for (chunk, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            chunk.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> BfdPacket {
        BfdPacket {
            diagnostic: Diagnostic::NEIGHBOR_SIGNALED_DOWN,
            state: BfdState::Up,
            poll: true,
            r#final: false,
            independent: true,
            demand: false,
            multiplier: 3,
            mine: 7,
            yours: 9,
            desired_min_tx: 300_000,
            required_min_rx: 50_000,
            required_min_echo_rx: 0,
        }
    }

    /// The layout, octet by octet, as RFC 5880 4.1 draws it.
    #[test]
    fn a_packet_looks_like_the_picture_in_the_rfc() {
        let bytes = sample().encode();
        let expected = [
            0x23, 0xe8, 3, 24, 0, 0, 0, 7, 0, 0, 0, 9, 0, 4, 0x93, 0xe0, 0, 0, 0xc3, 0x50, 0, 0, 0,
            0,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(BfdPacket::decode(&bytes), Ok(sample()));
    }

    #[test]
    fn every_discard_rule_has_its_error() {
        let with = |at: usize, value: u8| {
            let mut bytes = sample().encode();
            bytes[at] = value;
            BfdPacket::decode(&bytes)
        };
        let bytes = sample().encode();
        assert_eq!(BfdPacket::decode(&bytes[..23]), Err(BfdError::Short(23)));
        assert_eq!(with(0, 0x43), Err(BfdError::Version(2)));
        assert_eq!(
            with(3, 23),
            Err(BfdError::Length {
                length: 23,
                size: 24
            })
        );
        assert_eq!(
            with(3, 25),
            Err(BfdError::Length {
                length: 25,
                size: 24
            })
        );
        assert_eq!(with(2, 0), Err(BfdError::Multiplier));
        assert_eq!(with(1, 0xc1), Err(BfdError::Multipoint));
        assert_eq!(with(7, 0), Err(BfdError::Mine));
        assert_eq!(with(11, 0), Err(BfdError::Yours(BfdState::Up)));
        assert_eq!(with(1, 0xc4), Err(BfdError::Authenticated));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(packet) = BfdPacket::decode(&bytes) {
                prop_assert_eq!(BfdPacket::decode(&packet.encode()), Ok(packet));
            }
        }
    }
}
