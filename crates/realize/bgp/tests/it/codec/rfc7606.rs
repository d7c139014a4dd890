//! The decoder against the corpus, and the corpus against a list made by hand from the RFCs.

use bgp::attribute::rules::{self, Class, RULES, Scope};
use bgp::message::{Disposition, MessageKind, Section, UpdateError, frame, split};
use bgp::nlri::Nlri;
use bgp::torture::{Case, Expected, Session, corpus};
use bgp::{Family, FamilySet};
use std::collections::{BTreeMap, HashSet};

/// What our decoder makes of a message, in the corpus' terms, and the routes it would use.
fn verdict(session: &Session, message: &[u8]) -> (Expected, Vec<Nlri>) {
    let context = session.context();
    let frame = frame(message, 4096).expect("framed").expect("whole");
    assert_eq!(
        (frame.kind, frame.bytes.len()),
        (MessageKind::Update, message.len())
    );
    let parts = match split(frame.body, &context) {
        Ok(parts) => parts,
        Err(UpdateError::Reset { notification, .. }) => {
            return (Expected::Reset(notification.code), Vec::new());
        }
        Err(UpdateError::DisableFamily { family, .. }) => {
            return (Expected::Disable(family), Vec::new());
        }
    };
    let sections = [
        (
            Section::Classic,
            parts
                .announced()
                .map(|route| route.nlri)
                .collect::<Vec<_>>(),
        ),
        (
            Section::Multiprotocol,
            parts
                .mp_reach
                .iter()
                .flat_map(|reach| reach.routes())
                .map(|route| route.nlri)
                .collect(),
        ),
    ];
    let (mut routes, mut faults) = (Vec::new(), Vec::new());
    for (section, announced) in sections {
        let empty = announced.is_empty();
        let decoded = parts.decode_attributes(section, &context);
        if decoded.attributes.is_some() {
            routes.extend(announced);
        }
        if !empty {
            faults.extend(decoded.faults);
        }
    }
    let strongest = faults.iter().map(|fault| fault.disposition).max();
    let expected = match strongest {
        None => Expected::Accept,
        Some(Disposition::Discard) => Expected::Discard,
        Some(Disposition::TreatAsWithdraw) => Expected::Withdraw,
    };
    (expected, routes)
}

fn sessions() -> Vec<Session> {
    let one = Session::external(64_999, [192, 0, 2, 1].into());
    let mut all = Vec::new();
    for ebgp in [true, false] {
        for as4 in [true, false] {
            for families in [one.families, FamilySet::ALL] {
                all.push(Session {
                    ebgp,
                    as4,
                    families,
                    ..one
                });
            }
        }
    }
    all
}

fn announces(case: &Case) -> bool {
    !["no route", "without a route", "nothing at all", "withdrawn"]
        .iter()
        .any(|what| case.name.contains(what))
        || case.name.contains("withdrawn and announced")
}

#[test]
fn every_case_of_the_corpus_meets_its_rule() {
    let mut wrong = Vec::new();
    for session in sessions() {
        for case in corpus(&session) {
            let (mut got, routes) = verdict(&session, &case.message);
            if !announces(&case) && got == Expected::Accept && case.expected == Expected::Discard {
                // Without a route a discard has nothing to be seen by.
                got = Expected::Discard;
            }
            let route = case.route.expect("each is about a route");
            let used = routes.contains(&route);
            let lives = got.session_stays() || matches!(got, Expected::Disable(_));
            if announces(&case) && !case.passes(lives, used) {
                wrong.push(format!("{} is not passed by what is expected", case.name));
            }
            if got != case.expected || (announces(&case) && used != case.expected.route_stays()) {
                wrong.push(format!(
                    "{} ({}): {:?}, not {:?}",
                    case.name, case.source, got, case.expected
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_case_begins_with_a_good_route() {
    for session in sessions() {
        for case in corpus(&session) {
            let (got, routes) = verdict(&session, &case.good);
            assert_eq!(got, Expected::Accept, "{}", case.name);
            assert_eq!(routes.first(), case.route.as_ref(), "{}", case.name);
        }
    }
}

#[test]
fn the_corpus_is_large_deterministic_and_its_names_are_unique() {
    for session in sessions() {
        let cases = corpus(&session);
        assert!(cases.len() > 1200, "{} cases", cases.len());
        assert_eq!(cases, corpus(&session));
        let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), cases.len());
        let routes: HashSet<Nlri> = cases.iter().filter_map(|case| case.route).collect();
        assert_eq!(routes.len(), cases.len());
        let mut kinds = BTreeMap::new();
        for case in &cases {
            let kind = match case.expected {
                Expected::Accept => "accept",
                Expected::Discard => "discard",
                Expected::Withdraw => "withdraw",
                Expected::Disable(_) => "disable",
                Expected::Reset(_) => "reset",
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }
}

/// RFC 7606 7 and the attributes' own RFCs, written down again: code, class, internal only, flags, malformed.
#[test]
fn the_table_says_what_the_rfcs_say() {
    use Class::{
        OptionalNonTransitive as NonTransitive, OptionalTransitive as Transitive, WellKnown,
    };
    use Disposition::{Discard, TreatAsWithdraw as Withdraw};
    let expected = [
        (1, WellKnown, Scope::Everyone, Withdraw, Some(Withdraw)),
        (2, WellKnown, Scope::Everyone, Withdraw, Some(Withdraw)),
        (3, WellKnown, Scope::Everyone, Withdraw, Some(Withdraw)),
        (4, NonTransitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (5, WellKnown, Scope::Internal, Withdraw, Some(Withdraw)),
        (6, WellKnown, Scope::Everyone, Discard, Some(Discard)),
        (7, Transitive, Scope::Everyone, Discard, Some(Discard)),
        (8, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (9, NonTransitive, Scope::Internal, Withdraw, Some(Withdraw)),
        (10, NonTransitive, Scope::Internal, Withdraw, Some(Withdraw)),
        (14, NonTransitive, Scope::Everyone, Withdraw, None),
        (15, NonTransitive, Scope::Everyone, Withdraw, None),
        (16, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (
            17,
            Transitive,
            Scope::TwoOctetSpeakers,
            Withdraw,
            Some(Discard),
        ),
        (
            18,
            Transitive,
            Scope::TwoOctetSpeakers,
            Withdraw,
            Some(Discard),
        ),
        (22, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (25, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (32, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
        (35, Transitive, Scope::Everyone, Withdraw, Some(Withdraw)),
    ];
    let table: Vec<_> = RULES
        .iter()
        .map(|rule| {
            (
                rule.code,
                rule.class,
                rule.scope,
                rule.on_flags,
                rule.on_malformed,
            )
        })
        .collect();
    assert_eq!(table, expected);
    for rule in RULES {
        assert_eq!(rules::rule_of(rule.code), Some(rule));
    }
    assert_eq!(rules::rule_of(99), None);
}

#[test]
fn a_disabled_family_leaves_the_rest_of_the_message() {
    let session = Session {
        families: FamilySet::ALL,
        ..sessions()[0]
    };
    // An IPv4 route with a VPN attribute whose next hop has 3 octets.
    let case = corpus(&session)
        .into_iter()
        .find(|case| case.name == "vpnv4: a next hop of 3 octets")
        .expect("in the corpus");
    let body = &case.message[19..];
    let mut context = session.context();
    let Err(UpdateError::DisableFamily { family, fault }) = split(body, &context) else {
        panic!("not disabled");
    };
    assert_eq!(family, Family::Vpnv4);
    assert!(
        fault
            .to_string()
            .starts_with("MP_REACH_NLRI has a next hop of 3 octets"),
        "{fault}"
    );
    context.families.remove(family);
    let parts = split(body, &context).expect("the rest is readable");
    assert_eq!(parts.ignored, Some(Family::Vpnv4.into()));
    assert_eq!(parts.mp_reach, None);
}

#[test]
fn a_case_is_judged_by_session_and_route() {
    let cases = corpus(&sessions()[0]);
    let find = |name: &str| {
        let case = cases.iter().find(|case| case.name == name);
        case.unwrap_or_else(|| panic!("{name} is in the corpus"))
    };
    let judged = |name: &str| {
        let case = find(name);
        [(true, true), (true, false), (false, false)]
            .map(|(session, route)| case.passes(session, route))
    };
    assert_eq!(judged("ORIGIN of 1 octets"), [true, false, false]);
    assert_eq!(judged("ORIGIN of 2 octets"), [false, true, false]);
    assert_eq!(judged("ATOMIC_AGGREGATE of 1 octets"), [true, false, false]);
    assert_eq!(
        judged("ATOMIC_AGGREGATE with flags 0xc0"),
        [true, true, false]
    );
    assert_eq!(
        judged("unknown attribute 99 of 1 octets with flags 0x40"),
        [false, true, true]
    );
    assert_eq!(judged("MP_REACH_NLRI of 2 octets"), [false, false, true]);
    assert_eq!(
        judged("ipv4-unicast: a next hop of 3 octets"),
        [false, true, true]
    );
}
