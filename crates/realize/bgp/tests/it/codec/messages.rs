//! Framing, OPEN, NOTIFICATION, ROUTE-REFRESH.

use bgp::Family;
use bgp::family::AfiSafi;
use bgp::message::{
    AddPathMode, Capability, ExtendedNextHop, Frame, HeaderError, KEEPALIVE, Message, Notification,
    NotificationCode, Open, Preserved, RefreshKind, Role, RouteRefresh, ShutdownText,
    StalePreserved, frame,
};
use std::net::Ipv4Addr;

fn whole(bytes: &[u8]) -> Frame<'_> {
    frame(bytes, 4096).expect("a header").expect("all of it")
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    let length = u16::try_from(19 + body.len()).expect("small");
    message.extend_from_slice(&length.to_be_bytes());
    message.push(kind);
    message.extend_from_slice(body);
    message
}

fn open_with(capabilities: Vec<Capability>) -> Open {
    Open {
        asn: 4_200_000_001,
        hold_time: 90,
        router_id: Ipv4Addr::new(192, 0, 2, 1),
        capabilities,
    }
}

fn back(open: &Open) -> Open {
    let mut out = Vec::new();
    open.encode(&mut out);
    match Message::decode(whole(&out)) {
        Ok(Message::Open(open)) => *open,
        other => panic!("an OPEN came back as {other:?}"),
    }
}

pub(crate) fn every_capability() -> Vec<Capability> {
    let vpn = AfiSafi::from(Family::Vpnv4);
    vec![
        Capability::Multiprotocol(Family::Evpn.into()),
        Capability::Multiprotocol(AfiSafi {
            afi: 16388,
            safi: 71,
        }),
        Capability::RouteRefresh,
        Capability::ExtendedNextHop(vec![ExtendedNextHop {
            family: vpn,
            next_hop_afi: 2,
        }]),
        Capability::ExtendedMessage,
        Capability::Role(Role::RouteServerClient),
        Capability::GracefulRestart {
            restarting: true,
            notification: true,
            restart_time: 4095,
            families: vec![Preserved {
                family: vpn,
                forwarding: true,
            }],
        },
        Capability::FourOctetAs(4_200_000_001),
        Capability::AddPath(vec![
            (vpn, AddPathMode::Both),
            (Family::Evpn.into(), AddPathMode::Send),
        ]),
        Capability::EnhancedRouteRefresh,
        Capability::LongLivedGracefulRestart(vec![StalePreserved {
            family: vpn,
            forwarding: false,
            stale_time: 0xff_ffff,
        }]),
        Capability::Fqdn {
            host: "leaf-1".into(),
            domain: "example.net".into(),
        },
        Capability::SoftwareVersion("netwright/0.1".into()),
        Capability::Unknown {
            code: 200,
            value: vec![1, 2, 3].into(),
        },
    ]
}

#[test]
fn a_keepalive_may_come_one_octet_at_a_time() {
    for cut in 0..KEEPALIVE.len() {
        assert_eq!(
            frame(&KEEPALIVE[..cut], 4096),
            Ok(None),
            "after {cut} octets"
        );
    }
    let two = [KEEPALIVE, KEEPALIVE].concat();
    assert_eq!(whole(&two).bytes, KEEPALIVE);
    assert_eq!(Message::decode(whole(&two)), Ok(Message::Keepalive));
}

#[test]
fn a_header_is_refused_as_soon_as_it_can_be() {
    let mut marker = KEEPALIVE;
    marker[3] = 0xfe;
    assert_eq!(frame(&marker[..4], 4096), Err(HeaderError::Marker));
    let with = |length: u16, kind: u8| {
        let mut header = KEEPALIVE;
        header[16..18].copy_from_slice(&length.to_be_bytes());
        header[18] = kind;
        header
    };
    let length = |bytes: &[u8], max| match frame(bytes, max) {
        Err(error @ HeaderError::Length { .. }) => error.notification(),
        other => panic!("{other:?}"),
    };
    assert_eq!(&*length(&with(18, 4)[..18], 4096).data, [0, 18]);
    assert_eq!(&*length(&with(4097, 2)[..18], 4096).data, [0x10, 1]);
    assert_eq!(frame(&with(4097, 2), 65535), Ok(None), "RFC 8654");
    assert_eq!(
        length(&with(4097, 1), 65535).code,
        NotificationCode::BAD_MESSAGE_LENGTH
    );
    assert_eq!(
        length(&with(20, 4), 65535).code,
        NotificationCode::BAD_MESSAGE_LENGTH
    );
    assert_eq!(
        length(&with(22, 2), 4096).code,
        NotificationCode::BAD_MESSAGE_LENGTH
    );
    assert_eq!(
        length(&with(20, 3), 4096).code,
        NotificationCode::BAD_MESSAGE_LENGTH
    );
    assert_eq!(frame(&with(19, 6), 4096), Err(HeaderError::Type(6)));
    assert_eq!(&*HeaderError::Type(6).notification().data, [6]);
}

#[test]
fn every_capability_comes_back() {
    let open = open_with(every_capability());
    assert_eq!(back(&open), open);
    assert!(open.four_octet_as());
    let lines: Vec<String> = open
        .capabilities
        .iter()
        .map(Capability::to_string)
        .collect();
    assert_eq!(
        lines[6],
        "graceful-restart 4095 s, restarting, notification vpnv4+forwarding"
    );
    assert_eq!(lines[8], "add-path vpnv4 both evpn send");
    assert_eq!(lines[13], "capability 200 0x010203");
}

#[test]
fn an_open_without_capabilities_has_a_short_as() {
    let open = Open {
        asn: 65001,
        ..open_with(Vec::new())
    };
    assert_eq!(back(&open), open);
    assert!(!open.four_octet_as());
}

#[test]
fn long_opens_use_extended_parameters_and_short_ones_do_not() {
    let many = |count: usize| {
        let mut capabilities = vec![Capability::FourOctetAs(4_200_000_001)];
        capabilities.extend((0..count).map(|_| Capability::Unknown {
            code: 201,
            value: vec![7; 40].into(),
        }));
        open_with(capabilities)
    };
    for count in 0..90 {
        let open = many(count);
        let mut out = Vec::new();
        open.encode(&mut out);
        // RFC 9072 2: type 255 in the first parameter's place, after a length of 255.
        let extended = out[29..].first() == Some(&255) && out[28] == 255;
        assert_eq!(extended, 6 + 42 * count > 253, "{count} capabilities");
        assert_eq!(back(&open), open);
    }
    let mut out = Vec::new();
    many(200).encode(&mut out);
    assert!(out.len() <= 4096, "an OPEN never grows past 4,096 octets");
    assert!(matches!(Message::decode(whole(&out)), Ok(Message::Open(_))));
}

#[test]
fn opens_are_refused_with_the_code_their_fault_has() {
    let body = |version: u8, asn: u16, hold: u16, id: [u8; 4], parameters: &[u8]| {
        let mut body = vec![version];
        body.extend_from_slice(&asn.to_be_bytes());
        body.extend_from_slice(&hold.to_be_bytes());
        body.extend_from_slice(&id);
        body.extend_from_slice(parameters);
        body
    };
    let id = [192, 0, 2, 1];
    let zero_as = [8, 2, 6, 65, 4, 0, 0, 0, 0];
    let cases: &[(Vec<u8>, NotificationCode)] = &[
        (
            body(3, 1, 90, id, &[0]),
            NotificationCode::UNSUPPORTED_VERSION,
        ),
        (body(4, 0, 90, id, &[0]), NotificationCode::BAD_PEER_AS),
        (
            body(4, 23456, 90, id, &zero_as),
            NotificationCode::BAD_PEER_AS,
        ),
        (
            body(4, 1, 2, id, &[0]),
            NotificationCode::UNACCEPTABLE_HOLD_TIME,
        ),
        (
            body(4, 1, 90, [0; 4], &[0]),
            NotificationCode::BAD_IDENTIFIER,
        ),
        (
            body(4, 1, 90, id, &[2, 1, 0]),
            NotificationCode::UNSUPPORTED_PARAMETER,
        ),
        (body(4, 1, 90, id, &[1]), NotificationCode::OPEN),
        (body(4, 1, 90, id, &[0, 9]), NotificationCode::OPEN),
        (
            body(4, 1, 90, id, &[4, 2, 2, 65, 4]),
            NotificationCode::OPEN,
        ),
        (body(4, 1, 90, id, &[3, 2, 2, 65]), NotificationCode::OPEN),
        (
            body(4, 1, 90, id, &[255, 255, 0, 9, 2, 0, 2, 2, 0]),
            NotificationCode::OPEN,
        ),
    ];
    for (body, code) in cases {
        let error = Open::decode(body).expect_err("a fault");
        assert_eq!(error.notification().code, *code, "{body:02x?}: {error}");
    }
    assert!(Open::decode(&body(4, 1, 90, id, &[255, 255, 0, 5, 2, 0, 2, 2, 0])).is_ok());
    // RFC 9072 2: the length octet may be any but 0 in the extended form.
    assert!(Open::decode(&body(4, 1, 90, id, &[7, 255, 0, 5, 2, 0, 2, 2, 0])).is_ok());
}

#[test]
fn a_capability_of_a_wrong_form_counts_as_unknown() {
    let body = [4, 0, 1, 0, 90, 192, 0, 2, 1, 9, 2, 7, 65, 2, 0, 1, 9, 1, 9];
    let open = Open::decode(&body).expect("readable");
    assert_eq!(open.asn, 1);
    assert!(
        open.capabilities
            .iter()
            .all(|capability| matches!(capability, Capability::Unknown { .. })),
        "{:?}",
        open.capabilities
    );
}

#[test]
fn roles_have_one_counterpart() {
    for role in [
        Role::Provider,
        Role::Customer,
        Role::RouteServer,
        Role::RouteServerClient,
        Role::Peer,
    ] {
        assert_eq!(role.counterpart().counterpart(), role);
    }
    assert_eq!(Role::Provider.counterpart(), Role::Customer);
}

fn notification_back(notification: &Notification) -> Notification {
    let mut out = Vec::new();
    notification.encode(&mut out);
    match Message::decode(whole(&out)) {
        Ok(Message::Notification(notification)) => notification,
        other => panic!("a NOTIFICATION came back as {other:?}"),
    }
}

#[test]
fn shutdown_texts_are_cut_at_a_character_and_checked() {
    let long = "ä".repeat(200);
    let sent = Notification::with_text(NotificationCode::ADMIN_SHUTDOWN, &long);
    assert_eq!(
        sent.data.len(),
        255,
        "254 octets of text, as the 255th is half a character"
    );
    assert_eq!(sent.shutdown_text(), ShutdownText::Text("ä".repeat(127)));
    let hard = notification_back(&sent.clone().into_hard_reset());
    assert_eq!(hard.code, NotificationCode::HARD_RESET);
    assert_eq!(hard.hard_reset_cause().as_ref(), Some(&sent));
    assert_eq!(hard.shutdown_text(), sent.shutdown_text());
    let malformed = |data: &[u8]| {
        let notification = Notification::new(NotificationCode::ADMIN_RESET, data);
        matches!(notification.shutdown_text(), ShutdownText::Malformed(_))
    };
    assert!(malformed(&[2, 0xc3, 0x28]), "not UTF-8");
    assert!(malformed(&[9, b'a']), "longer than its octets");
    assert!(!malformed(&[]) && !malformed(&[0]));
    let nested = sent.into_hard_reset().into_hard_reset();
    assert_eq!(nested.shutdown_text(), ShutdownText::None);
    let line = Notification::with_text(NotificationCode::ADMIN_SHUTDOWN, "back at\n9").to_string();
    assert!(
        line.contains("administrative shutdown") && !line.contains('\n'),
        "{line}"
    );
}

#[test]
fn every_registered_code_has_its_own_name() {
    let mut names: Vec<_> = NotificationCode::ALL
        .iter()
        .map(|code| code.name())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), NotificationCode::ALL.len());
    assert!(!names.contains(&None));
}

#[test]
fn refreshes_come_back_and_wrong_lengths_are_answered() {
    for kind in [
        RefreshKind::Request,
        RefreshKind::Begin,
        RefreshKind::End,
        RefreshKind::Unknown(9),
    ] {
        let refresh = RouteRefresh {
            family: Family::Evpn.into(),
            kind,
        };
        let mut out = Vec::new();
        refresh.encode(&mut out);
        assert_eq!(
            Message::decode(whole(&out)),
            Ok(Message::RouteRefresh(refresh))
        );
    }
    // RFC 7313 5: the whole message is the data.
    for body in [&[0, 1, 1][..], &[0, 1, 1, 1, 9][..]] {
        let message = message(5, body);
        let answer = Message::decode(whole(&message)).expect_err("a wrong length");
        assert_eq!(answer.code, NotificationCode::INVALID_REFRESH_LENGTH);
        assert_eq!(*answer.data, message);
    }
    // RFC 5291's ORF entries follow a request; without that capability they mean nothing.
    let orf = message(5, &[0, 1, 0, 1, 1, 2, 3]);
    assert!(matches!(
        Message::decode(whole(&orf)),
        Ok(Message::RouteRefresh(_))
    ));
}

/// RFC 4724 3 and 8538 2, RFC 9494 3, RFC 9234 4.1, RFC 8950 4, RFC 7911 4, by hand.
#[test]
fn capabilities_octet_by_octet() {
    let expected: [(usize, &[u8]); 5] = [
        (3, &[5, 6, 0, 1, 0, 128, 0, 2]),
        (5, &[9, 1, 2]),
        (6, &[64, 6, 0xcf, 0xff, 0, 1, 128, 0x80]),
        (8, &[69, 8, 0, 1, 128, 3, 0, 25, 70, 2]),
        (10, &[71, 7, 0, 1, 128, 0, 0xff, 0xff, 0xff]),
    ];
    let all = every_capability();
    for (place, octets) in expected {
        let mut out = Vec::new();
        open_with(vec![all[place].clone()]).encode(&mut out);
        assert_eq!(&out[31..], octets, "{}", all[place]);
    }
}

/// RFC 9003 2 and RFC 8538 3.1, by hand.
#[test]
fn notifications_octet_by_octet() {
    let mut out = Vec::new();
    let shutdown = Notification::with_text(NotificationCode::ADMIN_SHUTDOWN, "hi");
    shutdown.encode(&mut out);
    assert_eq!(out[16..], [0, 24, 3, 6, 2, 2, b'h', b'i']);
    out.clear();
    shutdown.into_hard_reset().encode(&mut out);
    assert_eq!(out[16..], [0, 26, 3, 6, 9, 6, 2, 2, b'h', b'i']);
}
