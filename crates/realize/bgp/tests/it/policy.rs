//! Policies: what their text means, what they do to a route, which faults are found before they are used.

use bgp::attribute::{
    AsPath, Attributes, Community, ExtendedCommunity, LargeCommunity, NextHop, Origin,
};
use bgp::nlri::Nlri;
use bgp::policy::{
    CommunityPattern, ExtendedPattern, LargePattern, Outcome, Policies, PolicyName, PrefixRange,
    Source, Subject, Verdict,
};
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn policies(text: &str) -> Policies {
    toml::from_str(text).expect("policies can be read")
}

fn route() -> (Nlri, Attributes) {
    let hop = NextHop::Ipv4(Ipv4Addr::new(192, 0, 2, 1));
    let mut attributes = Attributes::new(Origin::Igp, Some(hop));
    attributes.as_path = AsPath::sequence(&[65001, 65002, 65003]);
    attributes.communities = [Community::new(65000, 1), Community::new(65000, 2)].into();
    attributes.large = [LargeCommunity {
        global: 65000,
        local1: 1,
        local2: 2,
    }]
    .into();
    attributes.extended = [ExtendedCommunity([0, 2, 0xfd, 0xe8, 0, 0, 0, 7])].into();
    attributes.med = Some(50);
    (
        Nlri::Ipv4("10.1.0.0/16".parse().expect("a prefix")),
        attributes,
    )
}

fn subject<'a>(nlri: &'a Nlri, attributes: &'a Attributes) -> Subject<'a> {
    Subject {
        nlri,
        attributes,
        source: Source {
            address: Some(Ipv4Addr::new(198, 51, 100, 7).into()),
            asn: 65001,
            local: false,
        },
        own_as: 65000,
    }
}

/// Whether a route meets a condition.
fn holds(condition: &str) -> bool {
    let text = format!("[p]\nrules = [{{ match = [{condition}], then = \"accept\" }}]");
    let policies = policies(&text);
    assert_eq!(policies.validate(), [], "{condition}");
    let (nlri, attributes) = route();
    let outcome = policies.evaluate(&PolicyName::from("p"), &subject(&nlri, &attributes));
    outcome.verdict == Verdict::Accept
}

/// What actions make of a route.
fn after(actions: &str) -> Outcome<'static> {
    let text = format!("[p]\nrules = [{{ set = [{actions}], then = \"accept\" }}]");
    let policies = policies(&text);
    assert_eq!(policies.validate(), [], "{actions}");
    let (nlri, attributes) = route();
    let outcome = policies.evaluate(&PolicyName::from("p"), &subject(&nlri, &attributes));
    Outcome {
        attributes: std::borrow::Cow::Owned(outcome.attributes.into_owned()),
        ..outcome
    }
}

#[test]
fn conditions_hold_or_not() {
    for condition in [
        r#"{ prefix = ["10.0.0.0/8 ge 16 le 24"] }"#,
        r#"{ prefix = ["192.0.2.0/24", "10.1.0.0/16"] }"#,
        r#"{ community = ["65000:*"] }"#,
        r#"{ community = ["*:2"] }"#,
        r#"{ extended = ["target:65000:7"] }"#,
        r#"{ extended = ["target:*"] }"#,
        r#"{ extended = ["0x0002fde8********"] }"#,
        r#"{ large = ["65000:*:2"] }"#,
        r#"{ as-path = { contains = [65002] } }"#,
        r#"{ as-path = { origin = [65003, 1] } }"#,
        r#"{ as-path = { neighbor = [65001] } }"#,
        r#"{ as-path = { length = { max = 3 } } }"#,
        r#"{ next-hop = ["192.0.2.0/24"] }"#,
        r#"{ local-pref = { min = 100, max = 100 } }"#,
        r#"{ med = { min = 50 } }"#,
        r#"{ origin = "igp" }"#,
        r#"{ family = ["ipv6-unicast", "ipv4-unicast"] }"#,
        r#"{ peer = ["198.51.100.0/24"] }"#,
        r#"{ peer-as = [65001] }"#,
        r#"{ local = false }"#,
        r#"{ not = { community = ["no-export"] } }"#,
        r#"{ any = [{ med = { max = 1 } }, { origin = "igp" }] }"#,
    ] {
        assert!(holds(condition), "{condition}");
        assert!(
            !holds(&format!("{{ not = {condition} }}")),
            "not {condition}"
        );
    }
    for condition in [
        r#"{ prefix = ["10.0.0.0/8"] }"#,
        r#"{ prefix = ["10.0.0.0/8 ge 17"] }"#,
        r#"{ prefix = ["10.0.0.0/8 le 15"] }"#,
        r#"{ community = ["no-export", "65001:*"] }"#,
        r#"{ extended = ["origin:*"] }"#,
        r#"{ large = ["65000:2:*"] }"#,
        r#"{ as-path = { origin = [65001] } }"#,
        r#"{ as-path = { length = { min = 4 } } }"#,
        r#"{ evpn-type = [2, 5] }"#,
        r#"{ route-distinguisher = ["65000:1"] }"#,
        r#"{ any = [{ local = true }, { med = { max = 1 } }] }"#,
    ] {
        assert!(!holds(condition), "{condition}");
    }
}

#[test]
fn actions_change_what_they_say() {
    let set = after(
        r#"{ local-pref = 200 }, { med = 9 }, { origin = "incomplete" }, { next-hop = "2001:db8::1" }, { weight = 3 }"#,
    );
    assert_eq!(
        (set.attributes.local_pref, set.attributes.med),
        (Some(200), Some(9))
    );
    assert_eq!(set.attributes.origin, Origin::Incomplete);
    assert_eq!(set.weight, 3);
    assert!(set.med_set && set.next_hop_set);
    assert_eq!(after("\"clear-med\"").attributes.med, None);
    let path = |actions| after(actions).attributes.as_path.clone();
    let prepended = AsPath::sequence(&[65000, 65000, 65001, 65002, 65003]);
    assert_eq!(path("{ prepend = { count = 2 } }"), prepended);
    let other = AsPath::sequence(&[7, 65001, 65002, 65003]);
    assert_eq!(path("{ prepend = { asn = 7, count = 1 } }"), other);
    let communities = |actions| after(actions).attributes.communities.clone();
    let [one, two] = [1, 2].map(|value| Community::new(65000, value));
    assert_eq!(
        &communities(r#"{ add-communities = ["65000:2", "no-export"] }"#)[..],
        [one, two, Community::NO_EXPORT]
    );
    assert_eq!(
        &communities(r#"{ delete-communities = ["*:1"] }"#)[..],
        [two]
    );
    assert_eq!(
        &communities(r#"{ set-communities = ["1:1"] }"#)[..],
        [Community::new(1, 1)]
    );
    assert_eq!(
        after(r#"{ delete-extended = ["target:*"] }"#)
            .attributes
            .extended
            .len(),
        0
    );
    assert_eq!(
        after(r#"{ add-extended = ["target:192.0.2.1:9"] }"#)
            .attributes
            .extended
            .len(),
        2
    );
    assert_eq!(
        after(r#"{ set-large = ["1:2:3"] }, { add-large = ["4:5:6"] }"#)
            .attributes
            .large
            .len(),
        2
    );
    assert_eq!(
        after(r#"{ delete-large = ["*:*:*"] }"#)
            .attributes
            .large
            .len(),
        0
    );
}

#[test]
fn rules_are_taken_in_order_and_leave_a_trace() {
    let policies = policies(
        r#"
        [start]
        rules = [
            { match = [{ local = true }], then = "reject" },
            { set = [{ med = 1 }], then = "next" },
            { match = [{ med = { min = 1, max = 1 } }], then = { jump = "end" } },
            { then = "reject" },
        ]
        [end]
        default = "accept"
        rules = [{ set = [{ local-pref = 7 }], then = "next" }]
        "#,
    );
    assert_eq!(policies.validate(), []);
    let (nlri, attributes) = route();
    let outcome = policies.evaluate(&PolicyName::from("start"), &subject(&nlri, &attributes));
    assert_eq!(outcome.verdict, Verdict::Accept);
    assert_eq!(
        (outcome.attributes.med, outcome.attributes.local_pref),
        (Some(1), Some(7))
    );
    let trace: Vec<(String, usize)> = outcome
        .trace
        .iter()
        .map(|(policy, rule)| (policy.to_string(), *rule))
        .collect();
    let expected = [("start", 2), ("start", 3), ("end", 1)];
    assert_eq!(
        trace,
        expected.map(|(policy, rule)| (policy.to_owned(), rule))
    );
}

#[test]
fn what_is_not_there_rejects() {
    let (nlri, attributes) = route();
    let none = Policies::default();
    let outcome = none.evaluate(&PolicyName::from("typo"), &subject(&nlri, &attributes));
    assert_eq!(outcome.verdict, Verdict::Reject);
}

#[test]
fn every_fault_is_named() {
    let faults = policies(
        r#"
        [a]
        rules = [
            { then = { jump = "b" } },
            { match = [{ community = [] }], then = "accept" },
            { match = [{ med = { min = 5, max = 4 } }], then = "accept" },
            { set = [{ add-communities = ["65000:*"] }], then = "accept" },
            { set = [{ prepend = { count = 0 } }], then = "accept" },
            { match = [{ not = { evpn-type = [9] } }], then = "accept" },
            { set = [{ med = 1 }], then = "reject" },
            { then = { jump = "nowhere" } },
        ]
        [b]
        rules = [{ then = { jump = "a" } }]
        "#,
    )
    .validate();
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 9, "{said:#?}");
    for part in [
        "rule 1: the jump to `b` comes back",
        "rule 2: an empty list",
        "rule 3: the range 5..=4",
        "rule 4: `65000:*` has a wildcard",
        "rule 5: prepends 0 times",
        "rule 6: EVPN route type 9",
        "rule 7: it rejects",
        "rule 8: jumps to `nowhere`",
        "policy `b` rule 1: the jump to `a` comes back",
    ] {
        assert!(
            said.iter().any(|text| text.contains(part)),
            "{part}: {said:#?}"
        );
    }
}

#[test]
fn what_a_policy_depends_on_is_found_behind_jumps_and_negations() {
    let policies = policies(
        r#"
        [plain]
        rules = [{ match = [{ community = ["1:1"] }], then = "accept" }]
        [by-prefix]
        rules = [{ then = { jump = "inner" } }]
        [inner]
        rules = [{ match = [{ not = { any = [{ prefix = ["10.0.0.0/8"] }] } }], then = "accept" }]
        [by-peer]
        rules = [{ match = [{ peer-as = [1] }], then = "accept" }]
        "#,
    );
    let name = |text: &str| PolicyName::from(text);
    assert!(
        !policies.depends_on_route(&name("plain")) && !policies.depends_on_peer(&name("plain"))
    );
    assert!(policies.depends_on_route(&name("by-prefix")));
    assert!(policies.depends_on_peer(&name("by-peer")));
}

proptest! {
    #[test]
    fn patterns_survive_their_text(a in any::<u16>(), b in any::<u16>(), c in any::<u32>(), length in 0u8..=32, more in 0u8..=32) {
        let texts = [format!("{a}:{b}"), format!("*:{b}"), format!("{a}:*")];
        for text in texts {
            let pattern: CommunityPattern = text.parse().expect("a pattern");
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        for text in [format!("target:{a}:{c}"), format!("origin:{c}:{b}"), "target:*".into(), format!("0x{a:04x}****{c:08x}")] {
            let Ok(pattern) = text.parse::<ExtendedPattern>() else { continue };
            prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        }
        let pattern: LargePattern = format!("{c}:*:{a}").parse().expect("a pattern");
        prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
        let text = format!("{}/{length} le {}", Ipv4Addr::from_bits(c), length.max(more));
        let range: PrefixRange = text.parse().expect("a range");
        prop_assert_eq!(range.to_string().parse(), Ok(range));
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        let _ = text.parse::<CommunityPattern>();
        let _ = text.parse::<ExtendedPattern>();
        let _ = text.parse::<LargePattern>();
        let _ = text.parse::<PrefixRange>();
    }
}
