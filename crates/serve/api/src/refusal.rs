//! The HTTP status and Neutron's type name of each refusal by `operations`.

use axum::http::StatusCode;
use operations::{IpamError, OpError, Quota};

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const GONE: StatusCode = StatusCode::NOT_FOUND;
const CONFLICT: StatusCode = StatusCode::CONFLICT;

pub(crate) fn class(refusal: &OpError) -> (StatusCode, &'static str) {
    use OpError as E;
    match refusal {
        E::NetworkNotFound(_) => (GONE, "NetworkNotFound"),
        E::SubnetNotFound(_) => (GONE, "SubnetNotFound"),
        E::PortNotFound(_) => (GONE, "PortNotFound"),
        E::SecurityGroupNotFound(_) => (GONE, "SecurityGroupNotFound"),
        E::RuleNotFound(_) => (GONE, "SecurityGroupRuleNotFound"),
        E::HostNotFound(_) => (GONE, "AgentNotFound"),
        E::RevisionMismatch { .. } => (
            StatusCode::PRECONDITION_FAILED,
            "RevisionNumberConstraintFailed",
        ),
        E::ForeignProject(_) => (BAD, "HTTPBadRequest"),
        E::NotNetworkOwner { .. } => (StatusCode::FORBIDDEN, "PolicyNotAuthorized"),
        E::OverQuota { quota, .. } => over_quota(*quota),
        E::NetworkInUse { .. } => (CONFLICT, "NetworkInUse"),
        E::NetworkSharedInUse { .. } => (CONFLICT, "InvalidSharedSetting"),
        E::SubnetInUse { .. } => (CONFLICT, "SubnetInUse"),
        E::GatewayInPool { .. } => (CONFLICT, "GatewayConflictWithAllocationPools"),
        E::PoolOutOfBounds { .. } => (BAD, "OutOfBoundsAllocationPool"),
        E::PoolsOverlap { .. } => (CONFLICT, "OverlappingAllocationPools"),
        E::AddressNotOnNetwork { .. } => (BAD, "InvalidIpForNetwork"),
        E::NetworkExhausted(_) => (CONFLICT, "IpAddressGenerationFailure"),
        E::AddressOnAutoSubnet { .. } => (BAD, "AllocationOnAutoAddressSubnet"),
        E::PortBound { .. } => (CONFLICT, "PortBound"),
        E::AddressPairsNeedPortSecurity => (CONFLICT, "AddressPairAndPortSecurityRequired"),
        E::SecurityGroupsNeedPortSecurity => (BAD, "PortSecurityAndIPRequiredForSecurityGroups"),
        E::PortHasSecurityGroups(_) => (CONFLICT, "PortSecurityPortHasSecurityGroup"),
        E::SecurityGroupInUse { .. } => (CONFLICT, "SecurityGroupInUse"),
        E::DefaultSecurityGroupExists => (CONFLICT, "SecurityGroupDefaultAlreadyExists"),
        E::DefaultSecurityGroupRename(_) => (CONFLICT, "SecurityGroupCannotUpdateDefault"),
        E::DefaultSecurityGroupDelete(_) => (CONFLICT, "SecurityGroupCannotRemoveDefault"),
        E::RuleTwoRemotes => (BAD, "SecurityGroupMultipleRemoteEntites"),
        E::RulePrefixFamily { .. } => (BAD, "SecurityGroupRuleParameterConflict"),
        E::RulePortsNeedProtocol => (BAD, "SecurityGroupProtocolRequiredWithPorts"),
        E::RulePortInvalid(_) => (BAD, "SecurityGroupInvalidPortValue"),
        E::RulePortRange { .. } => (BAD, "SecurityGroupInvalidPortRange"),
        E::RuleIcmpValue { .. } => (BAD, "SecurityGroupInvalidIcmpValue"),
        E::RuleIcmpTypeMissing(_) => (BAD, "SecurityGroupMissingIcmpType"),
        E::RuleProtocolWithoutPorts(_) => (BAD, "SecurityGroupInvalidProtocolForPort"),
        E::RuleProtocolFamily { .. } => (BAD, "SecurityGroupEthertypeConflictWithProtocol"),
        E::RuleExists(_) => (CONFLICT, "SecurityGroupRuleExists"),
        E::HostInUse { .. } => (CONFLICT, "AgentInUse"),
        E::TunnelAddressInUse { .. } => (CONFLICT, "TunnelAddressInUse"),
        E::Ipam(error) => allocation(error),
        E::CidrHostBits { .. }
        | E::FamilyMismatch { .. }
        | E::Duplicate { .. }
        | E::MtuTooLarge { .. }
        | E::MtuTooSmallForIpv6(_)
        | E::CidrUnusable { .. }
        | E::SubnetOverlap { .. }
        | E::GatewayInvalid { .. }
        | E::Ipv6ModeOnIpv4
        | E::Ipv6ModeWithoutDhcp
        | E::Ipv6ModesDiffer { .. }
        | E::PrefixNotForEui64 { .. }
        | E::UnknownHost(_)
        | E::SubnetNotOnNetwork { .. }
        | E::DhcpOptionUnknown(_)
        | E::DhcpOptionValue(_)
        | E::TunnelAddressInvalid(_) => (BAD, "InvalidInput"),
    }
}

fn over_quota(quota: Quota) -> (StatusCode, &'static str) {
    match quota {
        Quota::Network
        | Quota::Subnet
        | Quota::Port
        | Quota::SecurityGroup
        | Quota::RulesPerSecurityGroup => (CONFLICT, "OverQuota"),
        Quota::AddressPairs => (BAD, "AllowedAddressPairExhausted"),
        Quota::DnsNameservers => (BAD, "DNSNameServersExhausted"),
        Quota::HostRoutes => (BAD, "HostRoutesExhausted"),
        Quota::SubnetsPerNetwork | Quota::FixedIpsPerPort => (BAD, "InvalidInput"),
    }
}

fn allocation(error: &IpamError) -> (StatusCode, &'static str) {
    match error {
        IpamError::AddressOutside { .. } | IpamError::AddressNotAssignable { .. } => {
            (BAD, "InvalidIpForSubnet")
        }
        IpamError::AddressTaken { .. } => (CONFLICT, "IpAddressAlreadyAllocated"),
        IpamError::SubnetExhausted { .. } => (CONFLICT, "IpAddressGenerationFailure"),
        IpamError::NotForEui64 { .. } | IpamError::MacNotUnicast(_) => (BAD, "InvalidInput"),
        IpamError::MacTaken { .. } => (CONFLICT, "MacAddressInUse"),
        IpamError::MacsExhausted { .. } => (CONFLICT, "MacAddressGenerationFailure"),
        IpamError::VniTaken { .. } => (CONFLICT, "TunnelIdInUse"),
        IpamError::VnisExhausted { .. } => (CONFLICT, "NoNetworkAvailable"),
    }
}
