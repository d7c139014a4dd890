//! UPDATEs put together octet by octet, so that any octet can be wrong.

use super::Session;
use crate::attribute::rules::{self, flag};
use crate::message::{HEADER, MessageKind};
use ipnet::Ipv4Net;

/// An attribute that may lie about itself.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) flags: u8,
    pub(super) code: u8,
    pub(super) value: Vec<u8>,
    /// What the length field says, if not the truth.
    pub(super) length: Option<usize>,
}

impl Raw {
    /// With the flags its definition asks for.
    pub(super) fn new(code: u8, value: Vec<u8>) -> Self {
        let class = rules::rule_of(code).map(|rule| rule.class as u8);
        Self {
            flags: class.unwrap_or(flag::OPTIONAL | flag::TRANSITIVE),
            code,
            value,
            length: None,
        }
    }

    pub(super) fn octets(&self) -> Vec<u8> {
        let length = self.length.unwrap_or(self.value.len());
        let mut flags = self.flags;
        if length > 255 {
            flags |= flag::EXTENDED_LENGTH;
        }
        let mut octets = vec![flags, self.code];
        let length = (length as u16).to_be_bytes();
        if flags & flag::EXTENDED_LENGTH == 0 {
            octets.push(length[1]);
        } else {
            octets.extend_from_slice(&length);
        }
        octets.extend_from_slice(&self.value);
        octets
    }
}

/// An UPDATE in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) withdrawn: Vec<u8>,
    pub(super) attributes: Vec<Raw>,
    /// Octets behind the last attribute, counted among them.
    pub(super) tail: Vec<u8>,
    pub(super) nlri: Vec<u8>,
    /// What the two length fields say, if not the truth.
    pub(super) withdrawn_length: Option<usize>,
    pub(super) attributes_length: Option<usize>,
}

impl Draft {
    pub(super) fn empty() -> Self {
        Self {
            withdrawn: Vec::new(),
            attributes: Vec::new(),
            tail: Vec::new(),
            nlri: Vec::new(),
            withdrawn_length: None,
            attributes_length: None,
        }
    }

    /// An announcement with the attributes that every route must have.
    pub(super) fn valid(session: &Session, prefix: Ipv4Net) -> Self {
        let mut codes = vec![rules::ORIGIN, rules::AS_PATH, rules::NEXT_HOP];
        if !session.ebgp {
            codes.push(rules::LOCAL_PREF);
        }
        Self {
            attributes: codes
                .into_iter()
                .map(|code| Raw::new(code, value(code, session)))
                .collect(),
            nlri: nlri(prefix),
            ..Self::empty()
        }
    }

    /// Puts an attribute where its code belongs, in place of one of the same code.
    pub(super) fn set(&mut self, raw: Raw) {
        self.remove(raw.code);
        let at = self.attributes.partition_point(|one| one.code < raw.code);
        self.attributes.insert(at, raw);
    }

    pub(super) fn remove(&mut self, code: u8) {
        self.attributes.retain(|one| one.code != code);
    }

    pub(super) fn message(&self) -> Vec<u8> {
        let mut attributes: Vec<u8> = self.attributes.iter().flat_map(Raw::octets).collect();
        attributes.extend_from_slice(&self.tail);
        let mut message = vec![0xff; 16];
        message.extend_from_slice(&[0, 0, MessageKind::Update as u8]);
        let mut field = |octets: &[u8], said: Option<usize>| {
            let length = said.unwrap_or(octets.len()) as u16;
            message.extend_from_slice(&length.to_be_bytes());
            message.extend_from_slice(octets);
        };
        field(&self.withdrawn, self.withdrawn_length);
        field(&attributes, self.attributes_length);
        message.extend_from_slice(&self.nlri);
        debug_assert!(message.len() > HEADER && message.len() <= crate::message::MAX_MESSAGE);
        let length = (message.len() as u16).to_be_bytes();
        message[16..18].copy_from_slice(&length);
        message
    }
}

/// A prefix as NLRI.
pub(super) fn nlri(prefix: Ipv4Net) -> Vec<u8> {
    let mut octets = vec![prefix.prefix_len()];
    let bytes = usize::from(prefix.prefix_len()).div_ceil(8);
    octets.extend_from_slice(&prefix.network().octets()[..bytes]);
    octets
}

/// AS_PATH as this session writes it.
pub(super) fn path(session: &Session, asns: &[u32]) -> Vec<u8> {
    let mut octets = Vec::new();
    for chunk in asns.chunks(255) {
        octets.extend_from_slice(&[2, chunk.len() as u8]);
        for asn in chunk {
            octets.extend_from_slice(&as_number(session, *asn));
        }
    }
    octets
}

pub(super) fn as_number(session: &Session, asn: u32) -> Vec<u8> {
    if session.as4 {
        asn.to_be_bytes().into()
    } else {
        (asn as u16).to_be_bytes().into()
    }
}

/// A valid value of an attribute.
pub(super) fn value(code: u8, session: &Session) -> Vec<u8> {
    match code {
        rules::ORIGIN => vec![0],
        rules::AS_PATH if session.ebgp => path(session, &[session.asn]),
        rules::AS_PATH => Vec::new(),
        rules::NEXT_HOP => session.next_hop.octets().into(),
        rules::MULTI_EXIT_DISC | rules::LOCAL_PREF => vec![0, 0, 0, 100],
        rules::ATOMIC_AGGREGATE => Vec::new(),
        rules::AGGREGATOR => {
            let mut value = as_number(session, 64_999);
            value.extend_from_slice(&[198, 51, 100, 1]);
            value
        }
        rules::COMMUNITIES => vec![0xfd, 0xe7, 0, 1],
        rules::ORIGINATOR_ID | rules::CLUSTER_LIST => vec![198, 51, 100, 2],
        rules::EXTENDED_COMMUNITIES => vec![0, 2, 0xfd, 0xe7, 0, 0, 0, 1],
        rules::AS4_PATH => vec![2, 1, 0, 0, 0xfd, 0xe7],
        rules::AS4_AGGREGATOR => vec![0, 0, 0xfd, 0xe7, 198, 51, 100, 1],
        rules::PMSI_TUNNEL => vec![0, 6, 0, 0, 10, 198, 51, 100, 3],
        rules::IPV6_EXTENDED_COMMUNITIES => {
            let mut value = vec![0, 2, 0x20, 0x01, 0x0d, 0xb8];
            value.resize(20, 0);
            value
        }
        rules::LARGE_COMMUNITIES => vec![0, 0, 0xfd, 0xe7, 0, 0, 0, 1, 0, 0, 0, 2],
        rules::ONLY_TO_CUSTOMER => session.asn.to_be_bytes().into(),
        _ => vec![1, 2, 3, 4],
    }
}
