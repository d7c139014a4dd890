//! Which security group rules mean something.

use crate::lab::{ANY, Cloud, User, parse};
use model::{
    Direction, Family, IcmpMatch, L4Match, PortRange, Protocol, Remote, SecurityGroup,
    SecurityGroupRule,
};
use operations::rules::{self, NewRule};
use operations::tables::SecurityGroups;
use operations::{Defaults, OpError, Quota};

fn any(group: &SecurityGroup) -> NewRule {
    NewRule {
        security_group_id: group.id,
        project_id: None,
        description: String::new(),
        direction: Direction::Ingress,
        family: Family::V4,
        protocol: None,
        port_range_min: None,
        port_range_max: None,
        remote_group_id: None,
        remote_ip_prefix: None,
    }
}

fn create(user: User, new: NewRule) -> Result<SecurityGroupRule, OpError> {
    user.run(|tx, ctx| rules::create(tx, ctx, new.clone()))
}

/// What becomes of a rule of a fresh group with these protocol and port fields.
fn check(
    family: Family,
    protocol: &str,
    min: Option<u16>,
    max: Option<u16>,
) -> Result<SecurityGroupRule, OpError> {
    let cloud = Cloud::in_memory(1);
    let red = cloud.user("red");
    let new = NewRule {
        family,
        protocol: (!protocol.is_empty()).then(|| parse(protocol)),
        port_range_min: min,
        port_range_max: max,
        ..any(&red.group("web"))
    };
    create(red, new)
}

fn l4(family: Family, protocol: &str, min: Option<u16>, max: Option<u16>) -> L4Match {
    check(family, protocol, min, max).expect("a rule").l4
}

fn refused(family: Family, protocol: &str, min: Option<u16>, max: Option<u16>) -> OpError {
    check(family, protocol, min, max).expect_err("a refusal")
}

#[test]
fn ports_belong_to_protocols_that_have_them() {
    use Family::V4;
    let web = L4Match::Ports(PortRange { min: 80, max: 443 });
    for protocol in ["tcp", "udp", "sctp", "dccp", "udplite", "6"] {
        assert_eq!(l4(V4, protocol, Some(80), Some(443)), web, "{protocol}");
    }
    assert_eq!(l4(V4, "tcp", None, None), L4Match::Any);
    assert_eq!(
        refused(V4, "", Some(80), Some(80)),
        OpError::RulePortsNeedProtocol
    );
    for (min, max) in [(Some(443), Some(80)), (Some(80), None), (None, Some(80))] {
        let inverted = OpError::RulePortRange { min, max };
        assert_eq!(refused(V4, "tcp", min, max), inverted);
    }
    assert_eq!(
        refused(V4, "tcp", Some(0), Some(80)),
        OpError::RulePortInvalid(0)
    );
    for protocol in ["gre", "ah", "vrrp", "112"] {
        let without = OpError::RuleProtocolWithoutPorts(parse(protocol));
        assert_eq!(refused(V4, protocol, Some(1), Some(2)), without);
        assert_eq!(l4(V4, protocol, None, None), L4Match::Any);
    }
}

#[test]
fn icmp_has_types_and_codes_instead() {
    use Family::{V4, V6};
    let icmp = |kind, code| L4Match::Icmp(IcmpMatch { kind, code });
    assert_eq!(l4(V4, "icmp", None, None), L4Match::Any);
    assert_eq!(l4(V4, "icmp", Some(8), None), icmp(8, None));
    assert_eq!(l4(V4, "icmp", Some(3), Some(4)), icmp(3, Some(4)));
    assert_eq!(l4(V6, "icmpv6", Some(128), Some(0)), icmp(128, Some(0)));
    assert_eq!(
        refused(V4, "icmp", None, Some(4)),
        OpError::RuleIcmpTypeMissing(4)
    );
    let value = |field, attribute| OpError::RuleIcmpValue {
        field,
        attribute,
        value: 256,
    };
    let kind = refused(V4, "icmp", Some(256), None);
    assert_eq!(kind, value("type", "port_range_min"));
    let code = refused(V4, "icmp", Some(3), Some(256));
    assert_eq!(code, value("code", "port_range_max"));
}

#[test]
fn icmp_is_icmpv6_under_ipv6_and_ipv6_protocols_need_ipv6() {
    for spelling in ["icmp", "icmpv6", "ipv6-icmp", "1", "58"] {
        let rule = check(Family::V6, spelling, None, None).expect("a rule");
        let protocol = rule.protocol.expect("a protocol");
        assert_eq!(protocol.number, Protocol::ICMPV6, "{spelling}");
        assert_eq!(protocol.as_str(), "ipv6-icmp");
    }
    for protocol in ["icmpv6", "ipv6-icmp", "ipv6-route", "ipv6-frag", "58", "60"] {
        let conflict = OpError::RuleProtocolFamily {
            protocol: parse(protocol),
            family: Family::V4,
        };
        assert_eq!(refused(Family::V4, protocol, None, None), conflict);
    }
}

#[test]
fn a_rule_has_one_remote_that_exists_and_fits() {
    let cloud = Cloud::new();
    let (red, blue) = (cloud.user("red"), cloud.user("blue"));
    let (web, foreign) = (red.group("web"), blue.group("web"));
    let both = NewRule {
        remote_group_id: Some(web.id),
        remote_ip_prefix: Some(parse("10.0.0.0/8")),
        ..any(&web)
    };
    assert_eq!(create(red, both), Err(OpError::RuleTwoRemotes));
    let prefix = |text| NewRule {
        remote_ip_prefix: Some(parse(text)),
        ..any(&web)
    };
    let family = OpError::RulePrefixFamily {
        family: Family::V4,
        prefix: parse("2001:db8::/32"),
    };
    assert_eq!(create(red, prefix("2001:db8::/32")), Err(family));
    let host_bits = OpError::CidrHostBits {
        given: parse("10.1.2.3/8"),
        corrected: parse("10.0.0.0/8"),
    };
    assert_eq!(create(red, prefix("10.1.2.3/8")), Err(host_bits));
    let rule = create(red, prefix("10.0.0.0/8")).expect("a rule");
    assert_eq!(rule.remote, Remote::Prefix(parse("10.0.0.0/8")));
    let of_foreign = NewRule {
        remote_group_id: Some(foreign.id),
        ..any(&web)
    };
    let not_found = OpError::SecurityGroupNotFound(foreign.id);
    assert_eq!(create(red, of_foreign), Err(not_found.clone()));
    assert_eq!(create(red, any(&foreign)), Err(not_found));
    let of_web = NewRule {
        remote_group_id: Some(web.id),
        ..any(&web)
    };
    assert_eq!(
        create(red, of_web).expect("a rule").remote,
        Remote::Group(web.id)
    );
}

#[test]
fn the_same_rule_is_not_made_twice() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let group = red.group("web");
    let ssh = |protocol| NewRule {
        protocol: Some(parse(protocol)),
        port_range_min: Some(22),
        port_range_max: Some(22),
        ..any(&group)
    };
    let rule = create(red, ssh("tcp")).expect("a rule");
    let exists = Err(OpError::RuleExists(rule.id));
    assert_eq!(create(red, ssh("tcp")), exists);
    let described = NewRule {
        description: "again".to_owned(),
        ..ssh("6")
    };
    assert_eq!(
        create(red, described),
        exists,
        "by number, with another text"
    );
    assert!(create(red, ssh("udp")).is_ok());
    let egress = NewRule {
        direction: Direction::Egress,
        ..any(&group)
    };
    let refused = create(red, egress);
    assert!(
        matches!(refused, Err(OpError::RuleExists(_))),
        "made with the group"
    );
}

#[test]
fn rules_are_limited_per_group() {
    let mut defaults = Defaults::default();
    defaults.limits.rules_per_security_group = Some(3);
    let cloud = Cloud::with(defaults);
    let red = cloud.user("red");
    let group = red.group("web");
    let of = |protocol| NewRule {
        protocol: Some(parse(protocol)),
        ..any(&group)
    };
    assert!(create(red, of("tcp")).is_ok());
    let over = OpError::OverQuota {
        quota: Quota::RulesPerSecurityGroup,
        limit: 3,
    };
    assert_eq!(create(red, of("udp")), Err(over));
}

#[test]
fn ten_thousand_rules_in_one_request_change_nothing() {
    let cloud = Cloud::in_memory(1);
    let red = cloud.user("red");
    let group = red.group("web");
    let outcome = red.run(|tx, ctx| {
        for port in 1..=10_000 {
            let new = NewRule {
                protocol: Some(parse("tcp")),
                port_range_min: Some(port),
                port_range_max: Some(port),
                ..any(&group)
            };
            rules::create(tx, ctx, new)?;
        }
        Ok(())
    });
    let over = OpError::OverQuota {
        quota: Quota::RulesPerSecurityGroup,
        limit: 100,
    };
    assert_eq!(outcome, Err(over));
}

#[test]
fn a_rule_goes_and_its_group_counts_both_changes() {
    let cloud = Cloud::new();
    let red = cloud.user("red");
    let group = red.group("web");
    let rule = create(red, any(&group)).expect("a rule");
    let delete = || red.run(|tx, ctx| rules::delete(tx, ctx, rule.id, ANY));
    assert_eq!(delete(), Ok(()));
    assert_eq!(delete(), Err(OpError::RuleNotFound(rule.id)));
    let group = cloud.snapshot().get::<SecurityGroups>(&group.id);
    assert_eq!(group.expect("the group").value.meta.revision_number, 2);
}
