//! Security group rules on the wire.

use crate::field::{narrow, prefix, put_prefix, put_uuid, required, uuid};
use crate::{DecodeError, proto};
use model::{Direction, Family, IcmpMatch, L4Match, PortRange, Remote, RuleId, SecurityGroupId};
use plan::Rule;
use proto::rule;

/// `protocol` of a rule for every protocol; the numbers end at 255.
const EVERY_PROTOCOL: u32 = 256;

impl From<&Rule> for proto::Rule {
    fn from(rule: &Rule) -> Self {
        Self {
            id: put_uuid(rule.id.0),
            direction: match rule.direction {
                Direction::Ingress => proto::Direction::Ingress.into(),
                Direction::Egress => proto::Direction::Egress.into(),
            },
            family: encode_family(rule.family).into(),
            protocol: Some(rule.protocol.map_or(EVERY_PROTOCOL, u32::from)),
            l4: Some(match rule.l4 {
                L4Match::Any => rule::L4::AnyL4(proto::Any {}),
                L4Match::Ports(range) => rule::L4::Ports(proto::PortRange {
                    min: range.min.into(),
                    max: range.max.into(),
                }),
                L4Match::Icmp(icmp) => rule::L4::Icmp(proto::Icmp {
                    r#type: icmp.kind.into(),
                    code: icmp.code.map(Into::into),
                }),
            }),
            remote: Some(match rule.remote {
                Remote::Any => rule::Remote::AnyRemote(proto::Any {}),
                Remote::Prefix(prefix) => rule::Remote::Prefix(put_prefix(prefix)),
                Remote::Group(group) => rule::Remote::Group(put_uuid(group.0)),
            }),
        }
    }
}

impl TryFrom<&proto::Rule> for Rule {
    type Error = DecodeError;

    fn try_from(rule: &proto::Rule) -> Result<Self, DecodeError> {
        Ok(Self {
            id: RuleId(uuid("rule.id", &rule.id)?),
            direction: direction(rule.direction)?,
            family: decode_family("rule.family", rule.family)?,
            protocol: match required("rule.protocol", rule.protocol)? {
                EVERY_PROTOCOL => None,
                number => Some(narrow("rule.protocol", number, "not in 0..=256")?),
            },
            l4: l4(required("rule.l4", rule.l4.as_ref())?)?,
            remote: match required("rule.remote", rule.remote.as_ref())? {
                rule::Remote::AnyRemote(_) => Remote::Any,
                rule::Remote::Prefix(bytes) => Remote::Prefix(prefix("rule.prefix", bytes)?),
                rule::Remote::Group(bytes) => {
                    Remote::Group(SecurityGroupId(uuid("rule.group", bytes)?))
                }
            },
        })
    }
}

fn direction(value: i32) -> Result<Direction, DecodeError> {
    match proto::Direction::try_from(value) {
        Ok(proto::Direction::Ingress) => Ok(Direction::Ingress),
        Ok(proto::Direction::Egress) => Ok(Direction::Egress),
        Ok(proto::Direction::Unspecified) | Err(_) => {
            let problem = "not a known direction";
            Err(DecodeError::value("rule.direction", value, problem))
        }
    }
}

fn l4(l4: &rule::L4) -> Result<L4Match, DecodeError> {
    const PORT: &str = "not in 0..=65535";
    const OCTET: &str = "not in 0..=255";
    Ok(match l4 {
        rule::L4::AnyL4(_) => L4Match::Any,
        rule::L4::Ports(range) => {
            let min = narrow("rule.ports.min", range.min, PORT)?;
            let max = narrow("rule.ports.max", range.max, PORT)?;
            let range = PortRange::new(min, max)
                .map_err(|error| DecodeError::value("rule.ports", format!("{min}-{max}"), error))?;
            L4Match::Ports(range)
        }
        rule::L4::Icmp(icmp) => L4Match::Icmp(IcmpMatch {
            kind: narrow("rule.icmp.type", icmp.r#type, OCTET)?,
            code: icmp
                .code
                .map(|code| narrow("rule.icmp.code", code, OCTET))
                .transpose()?,
        }),
    })
}

pub(crate) fn encode_family(family: Family) -> proto::Family {
    match family {
        Family::V4 => proto::Family::Ipv4,
        Family::V6 => proto::Family::Ipv6,
    }
}

pub(crate) fn decode_family(field: &'static str, value: i32) -> Result<Family, DecodeError> {
    match proto::Family::try_from(value) {
        Ok(proto::Family::Ipv4) => Ok(Family::V4),
        Ok(proto::Family::Ipv6) => Ok(Family::V6),
        Ok(proto::Family::Unspecified) | Err(_) => {
            Err(DecodeError::value(field, value, "not a known family"))
        }
    }
}
