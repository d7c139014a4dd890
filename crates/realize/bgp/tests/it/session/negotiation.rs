//! What two OPENs agree on, and why they may not.

use super::{Outcome, counterpart, encoded, give, offer};
use bgp::config::RemoteAs;
use bgp::message::{AddPathMode, Capability, NotificationCode, Role};
use bgp::session::{FamilyOffer, GracefulOffer, Negotiated, Offer, Refusal, Session};
use bgp::{Family, FamilySet, Time};

fn agree(ours: &Offer, theirs: &Offer) -> Result<Negotiated, Refusal> {
    ours.negotiate(theirs.open())
}

fn set(families: &[Family]) -> FamilySet {
    families.iter().copied().collect()
}

fn family(family: Family, add_path: Option<AddPathMode>, long_lived: Option<u32>) -> FamilyOffer {
    FamilyOffer {
        family,
        add_path,
        long_lived,
    }
}

fn role(role: Option<Role>, offer: Offer) -> Offer {
    Offer { role, ..offer }
}

#[test]
fn a_stranger_is_refused_with_the_code_of_the_rfc() {
    let with = |change: fn(&mut Offer)| {
        let mut offer = counterpart();
        change(&mut offer);
        offer
    };
    let ours = offer();
    let strict = Offer {
        role_strict: true,
        ..role(Some(Role::Customer), offer())
    };
    let table = [
        (
            &ours,
            with(|theirs| theirs.asn = 65002),
            NotificationCode::BAD_PEER_AS,
        ),
        (
            &ours,
            with(|theirs| theirs.families[0].family = Family::Evpn),
            NotificationCode::UNSUPPORTED_CAPABILITY,
        ),
        (&strict, counterpart(), NotificationCode::ROLE_MISMATCH),
        (
            &strict,
            role(Some(Role::Customer), counterpart()),
            NotificationCode::ROLE_MISMATCH,
        ),
        (
            &strict,
            role(Some(Role::Peer), counterpart()),
            NotificationCode::ROLE_MISMATCH,
        ),
    ];
    for (ours, theirs, code) in table {
        let mut session = Session::new(ours.clone(), 1, Time(0));
        let outcome = give(&mut session, &encoded(&theirs.open()), 0);
        assert_eq!(outcome.and_then(Outcome::sent), Some(code), "{theirs:?}");
    }
}

#[test]
fn an_own_identifier_inside_the_as_is_refused_and_outside_is_not() {
    let internal = Offer {
        remote_as: RemoteAs::Internal,
        ..offer()
    };
    let twin = Offer {
        families: offer().families,
        ..internal.clone()
    };
    assert!(matches!(agree(&internal, &twin), Err(Refusal::RouterId(_))));
    let outside = Offer {
        router_id: offer().router_id,
        ..counterpart()
    };
    assert!(agree(&offer(), &outside).is_ok());
}

#[test]
fn external_and_internal_are_about_our_as() {
    let external = Offer {
        remote_as: RemoteAs::External,
        ..offer()
    };
    let internal = Offer {
        remote_as: RemoteAs::Internal,
        ..offer()
    };
    let inside = Offer {
        asn: 65000,
        ..counterpart()
    };
    assert!(agree(&external, &counterpart()).is_ok());
    assert!(agree(&internal, &inside).is_ok());
    assert!(agree(&external, &inside).is_err());
    assert!(agree(&internal, &counterpart()).is_err());
}

#[test]
fn roles_that_fit_are_accepted_and_mean_nothing_inside_an_as() {
    let pairs = [
        (Role::Provider, Role::Customer),
        (Role::Customer, Role::Provider),
        (Role::RouteServer, Role::RouteServerClient),
        (Role::RouteServerClient, Role::RouteServer),
        (Role::Peer, Role::Peer),
    ];
    for (ours, theirs) in pairs {
        let agreed = agree(
            &role(Some(ours), offer()),
            &role(Some(theirs), counterpart()),
        );
        assert_eq!(agreed.map(|agreed| agreed.role), Ok(Some(theirs)));
    }
    let mut open = role(Some(Role::Peer), counterpart()).open();
    open.capabilities.push(Capability::Role(Role::Peer));
    assert!(
        offer().negotiate(open.clone()).is_ok(),
        "the same role twice is one"
    );
    open.capabilities.push(Capability::Role(Role::Customer));
    assert_eq!(offer().negotiate(open), Err(Refusal::Roles));
}

#[test]
fn the_lower_hold_time_counts_and_keepalives_follow_it() {
    for (ours, theirs, hold, keepalive) in [
        (90, 30, 30, 10),
        (9, 90, 9, 3),
        (0, 90, 0, 0),
        (90, 0, 0, 0),
    ] {
        let ours = Offer {
            hold: ours,
            ..offer()
        };
        let theirs = Offer {
            hold: theirs,
            ..counterpart()
        };
        let agreed = agree(&ours, &theirs).expect("an agreement");
        assert_eq!((agreed.hold, agreed.keepalive), (hold, keepalive));
    }
}

#[test]
fn add_path_needs_a_sender_and_a_receiver() {
    use AddPathMode::{Both, Receive, Send};
    for (ours, theirs, rx, tx) in [
        (Some(Both), Some(Both), true, true),
        (Some(Both), Some(Send), true, false),
        (Some(Both), Some(Receive), false, true),
        (Some(Send), Some(Send), false, false),
        (Some(Receive), None, false, false),
        (None, Some(Both), false, false),
    ] {
        let one = |add_path, offer| Offer {
            families: vec![family(Family::Ipv4Unicast, add_path, None)],
            ..offer
        };
        let agreed = agree(&one(ours, offer()), &one(theirs, counterpart())).expect("agreed");
        let found = (
            !agreed.add_path_rx.is_empty(),
            !agreed.add_path_tx.is_empty(),
        );
        assert_eq!(found, (rx, tx), "{ours:?} {theirs:?}");
    }
}

#[test]
fn a_neighbor_without_capabilities_speaks_ipv4_unicast_with_short_as_numbers() {
    let mut open = counterpart().open();
    open.capabilities.clear();
    let agreed = offer().negotiate(open).expect("an agreement");
    assert_eq!(agreed.families, set(&[Family::Ipv4Unicast]));
    assert!(!agreed.as4 && !agreed.extended_message && !agreed.route_refresh);
    assert_eq!(agreed.max_message(), 4096);
}

fn graceful(notification: bool, families: &[Family], offer: Offer) -> Offer {
    Offer {
        graceful: Some(GracefulOffer {
            restarting: false,
            notification,
            restart_time: 120,
            preserved: set(families),
            forwarding: set(families),
        }),
        families: vec![
            family(Family::Ipv4Unicast, None, Some(1000)),
            family(Family::Evpn, None, None),
        ],
        ..offer
    }
}

#[test]
fn graceful_restart_is_what_both_sides_can() {
    let all = [Family::Ipv4Unicast, Family::Evpn];
    let ours = graceful(true, &all, offer());
    let theirs = graceful(false, &[Family::Ipv4Unicast], counterpart());
    let agreed = agree(&ours, &theirs).expect("an agreement");
    let kept = agreed.graceful.expect("graceful restart");
    assert_eq!(kept.preserved, set(&[Family::Ipv4Unicast]));
    assert!(!kept.notification, "one side alone");
    let long = agreed
        .long_lived
        .into_iter()
        .map(|(family, long)| (family, long.stale_time));
    assert_eq!(long.collect::<Vec<_>>(), [(Family::Ipv4Unicast, 1000)]);
    let without = Offer {
        graceful: None,
        ..theirs
    };
    let agreed = agree(&ours, &without).expect("an agreement");
    assert!(
        agreed.graceful.is_none() && agreed.long_lived.is_empty(),
        "RFC 9494 3.1"
    );
}
