//! Unit keys on the wire.

use crate::field::{host, put_uuid, required, uuid};
use crate::{DecodeError, proto};
use model::{NetworkId, PortId, SecurityGroupId};
use plan::UnitKey;
use proto::unit_key::Key;

impl From<&UnitKey> for proto::UnitKey {
    fn from(key: &UnitKey) -> Self {
        let key = match key {
            UnitKey::Tunnel(host) => Key::Tunnel(host.to_string()),
            UnitKey::SetMember(group, port) => Key::SetMember(proto::GroupPort {
                group: put_uuid(group.0),
                port: put_uuid(port.0),
            }),
            UnitKey::RuleSet(group) => Key::RuleSet(put_uuid(group.0)),
            UnitKey::Segment(network) => Key::Segment(put_uuid(network.0)),
            UnitKey::Member(network, port) => Key::Member(proto::NetworkPort {
                network: put_uuid(network.0),
                port: put_uuid(port.0),
            }),
            UnitKey::Endpoint(port) => Key::Endpoint(put_uuid(port.0)),
        };
        Self { key: Some(key) }
    }
}

impl TryFrom<&proto::UnitKey> for UnitKey {
    type Error = DecodeError;

    fn try_from(key: &proto::UnitKey) -> Result<Self, DecodeError> {
        Ok(match required("unit_key.key", key.key.as_ref())? {
            Key::Tunnel(name) => Self::Tunnel(host("unit_key.tunnel", name)?),
            Key::SetMember(pair) => Self::SetMember(
                SecurityGroupId(uuid("unit_key.set_member.group", &pair.group)?),
                PortId(uuid("unit_key.set_member.port", &pair.port)?),
            ),
            Key::RuleSet(id) => Self::RuleSet(SecurityGroupId(uuid("unit_key.rule_set", id)?)),
            Key::Segment(id) => Self::Segment(NetworkId(uuid("unit_key.segment", id)?)),
            Key::Member(pair) => Self::Member(
                NetworkId(uuid("unit_key.member.network", &pair.network)?),
                PortId(uuid("unit_key.member.port", &pair.port)?),
            ),
            Key::Endpoint(id) => Self::Endpoint(PortId(uuid("unit_key.endpoint", id)?)),
        })
    }
}
