//! BMP and MRT: what is written reads back, what a stranger wrote does no harm.

use super::generate::{attributes, route};
use bgp::bmp::{
    self, BmpError, Information, InformationKind, Instance, PeerDown, RibView, Statistic,
    StatisticValue, TerminationReason, Timestamp,
};
use bgp::family::AfiSafi;
use bgp::message::KEEPALIVE;
use bgp::mrt::{self, Body, MrtError, Path, PeerIndex, Record, Rib, Session};
use bgp::nlri::{Nlri, RouteDistinguisher};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::IpAddr;

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ]
}

fn peer() -> impl Strategy<Value = bmp::Peer> {
    let instance = (0..4u8, any::<[u8; 8]>()).prop_map(|(kind, octets)| match kind {
        0 => Instance::Global,
        1 => Instance::Vrf(RouteDistinguisher(octets)),
        2 => Instance::Local(octets),
        _ => Instance::Table(RouteDistinguisher(octets)),
    });
    (instance, any::<[bool; 3]>(), address(), any::<[u32; 4]>()).prop_map(
        |(instance, [post_policy, out, two_octet_as], address, numbers)| {
            let table = matches!(instance, Instance::Table(_));
            let view = match (table, out) {
                (true, filtered) => RibView::LocRib { filtered },
                (false, true) => RibView::AdjRibOut { post_policy },
                (false, false) => RibView::AdjRibIn { post_policy },
            };
            let [asn, id, seconds, microseconds] = numbers;
            bmp::Peer {
                instance,
                view,
                address: if table {
                    IpAddr::from([0u8; 16])
                } else {
                    address
                },
                asn,
                router_id: id.into(),
                two_octet_as: two_octet_as && !table,
                timestamp: Timestamp {
                    seconds,
                    microseconds,
                },
            }
        },
    )
}

fn information() -> impl Strategy<Value = Vec<Information>> {
    let kinds = prop_oneof![
        Just(InformationKind::SysName),
        Just(InformationKind::TableName),
        Just(InformationKind::String),
        Just(InformationKind::Other(77)),
    ];
    vec((kinds, ".{0,20}"), 0..3).prop_map(|all| {
        all.into_iter()
            .map(|(kind, text)| Information { kind, text })
            .collect()
    })
}

/// A whole BGP message of any content.
fn bgp_message() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40).prop_map(|body| {
        let mut message = vec![0xff; 16];
        let length = u16::try_from(19 + body.len()).expect("short");
        message.extend_from_slice(&length.to_be_bytes());
        message.push(2);
        message.extend(body);
        message
    })
}

fn statistic() -> impl Strategy<Value = Statistic> {
    let family = (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| AfiSafi { afi, safi });
    prop_oneof![
        (0..=6u16, any::<u32>()).prop_map(|(code, value)| (code, StatisticValue::Counter(value))),
        (7..=8u16, any::<u64>()).prop_map(|(code, value)| (code, StatisticValue::Gauge(value))),
        (9..=10u16, family, any::<u64>()).prop_map(|(code, family, value)| (
            code,
            StatisticValue::FamilyGauge { family, value }
        )),
        (500..=600u16, vec(any::<u8>(), 0..9))
            .prop_map(|(code, octets)| (code, StatisticValue::Raw(octets.into()))),
    ]
    .prop_map(|(code, value)| Statistic { code, value })
}

fn comes_back(message: &bmp::Message<'_>) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    message.encode(&mut out);
    for cut in 0..out.len() {
        prop_assert_eq!(bmp::frame(&out[..cut]), Ok(None));
    }
    let length = out.len();
    out.extend_from_slice(&[3, 0]);
    prop_assert_eq!(bmp::frame(&out), Ok(Some((message.clone(), length))));
    Ok(())
}

fn paths() -> impl Strategy<Value = (Rib, u32)> {
    (super::generate::family(), any::<bool>()).prop_flat_map(|(family, add_path)| {
        let path = (any::<[u16; 1]>(), any::<[u32; 2]>(), attributes(family));
        let path = path.prop_map(move |([peer], [originated, id], attributes)| Path {
            peer,
            originated,
            path_id: if add_path { id } else { 0 },
            attributes,
        });
        (route(family), vec(path, 0..4), any::<[u32; 2]>()).prop_map(
            move |(route, paths, [sequence, seconds])| {
                (
                    Rib {
                        sequence,
                        route,
                        add_path,
                        paths,
                    },
                    seconds,
                )
            },
        )
    })
}

fn session() -> impl Strategy<Value = Session> {
    let pair = prop_oneof![
        any::<[[u8; 4]; 2]>().prop_map(|[a, b]| (IpAddr::from(a), IpAddr::from(b))),
        any::<[[u8; 16]; 2]>().prop_map(|[a, b]| (IpAddr::from(a), IpAddr::from(b))),
    ];
    (any::<bool>(), any::<[u16; 3]>(), any::<u32>(), pair).prop_map(
        |(as4, [peer_asn, local_asn, interface], wide, (peer_address, local_address))| Session {
            as4,
            peer_asn: if as4 { wide } else { peer_asn.into() },
            local_asn: local_asn.into(),
            interface,
            peer_address,
            local_address,
        },
    )
}

fn one(record: &Record<'_>) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    record.encode(&mut out);
    for cut in [0, 5, 11, out.len() - 1] {
        prop_assert!(matches!(mrt::frame(&out[..cut]), Ok(None)));
    }
    let length = out.len();
    out.extend_from_slice(&[0; 5]);
    prop_assert_eq!(mrt::frame(&out), Ok(Some((Ok(record.clone()), length))));
    Ok(())
}

proptest! {
    #![proptest_config(super::generate::cases(200))]

    #[test]
    fn bmp_messages(
        peer in peer(),
        information in information(),
        first in bgp_message(),
        second in bgp_message(),
        values in vec(statistic(), 0..5),
        numbers in any::<[u16; 3]>(),
        local in address(),
    ) {
        let local_address = match (peer.address, local) {
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => peer.address,
            _ => local,
        };
        let reasons = [
            PeerDown::LocalNotification(&first),
            PeerDown::LocalEvent(numbers[0]),
            PeerDown::RemoteNotification(&second),
            PeerDown::RemoteClosed,
            PeerDown::Deconfigured,
            PeerDown::TableClosed(information.clone()),
        ];
        for reason in reasons {
            comes_back(&bmp::Message::PeerDown { peer, reason })?;
        }
        comes_back(&bmp::Message::RouteMonitoring { peer, update: &first })?;
        comes_back(&bmp::Message::RouteMirroring { peer, tlvs: &second })?;
        comes_back(&bmp::Message::Statistics { peer, values })?;
        comes_back(&bmp::Message::PeerUp {
            peer,
            local_address,
            local_port: numbers[1],
            remote_port: numbers[2],
            sent_open: &first,
            received_open: &second,
            information: information.clone(),
        })?;
        comes_back(&bmp::Message::Initiation(information.clone()))?;
        // In a Termination the second type is the reason, not a text.
        let information = information.into_iter().filter(|one| one.kind.code() != 1).collect();
        let reason = Some(TerminationReason::from_code(numbers[0]));
        comes_back(&bmp::Message::Termination { reason, information })?;
    }

    #[test]
    fn bmp_noise(kind in 0..8u8, body in vec(prop_oneof![0..8u8, any::<u8>()], 0..160)) {
        let mut message = vec![3];
        let length = u32::try_from(6 + body.len()).expect("short");
        message.extend_from_slice(&length.to_be_bytes());
        message.push(kind);
        message.extend(body);
        if let Ok(Some((read, length))) = bmp::frame(&message) {
            prop_assert_eq!(length, message.len());
            let mut again = Vec::new();
            read.encode(&mut again);
            prop_assert!(bmp::frame(&again).is_ok());
        }
    }

    #[test]
    fn mrt_tables((rib, seconds) in paths()) {
        one(&Record { seconds, microseconds: None, body: Body::Rib(rib) })?;
    }

    #[test]
    fn mrt_sessions(
        session in session(),
        flags in any::<[bool; 3]>(),
        numbers in any::<[u16; 2]>(),
        seconds in any::<u32>(),
        message in bgp_message(),
    ) {
        let [local, add_path, fine] = flags;
        let microseconds = fine.then_some(seconds % 1_000_000);
        let body = Body::Message { session, local, add_path, message: &message };
        one(&Record { seconds, microseconds, body })?;
        let body = Body::StateChange { session, old: numbers[0], new: numbers[1] };
        one(&Record { seconds, microseconds, body })?;
    }

    #[test]
    fn mrt_peers(
        peers in vec((any::<u32>(), address(), any::<u32>()), 0..5),
        view in ".{0,12}",
        collector in any::<u32>(),
    ) {
        let peers = peers
            .into_iter()
            .map(|(id, address, asn)| mrt::Peer { router_id: id.into(), address, asn })
            .collect();
        let body = Body::Peers(PeerIndex { collector: collector.into(), view, peers });
        one(&Record { seconds: 1, microseconds: None, body })?;
    }

    #[test]
    fn mrt_noise(
        kind in prop_oneof![Just(13u16), Just(16), Just(17), any::<u16>()],
        subtype in 0..14u16,
        body in vec(prop_oneof![0..4u8, any::<u8>()], 0..160),
    ) {
        let mut record = vec![0; 4];
        record.extend_from_slice(&kind.to_be_bytes());
        record.extend_from_slice(&subtype.to_be_bytes());
        record.extend_from_slice(&u32::try_from(body.len()).expect("short").to_be_bytes());
        record.extend(body);
        let Ok(Some((read, length))) = mrt::frame(&record) else {
            return Err(TestCaseError::fail("a whole record was not framed"));
        };
        prop_assert_eq!(length, record.len());
        if let Err(error) = read {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_damaged_record_costs_only_itself() {
    let good = Record {
        seconds: 7,
        microseconds: None,
        body: Body::Other {
            kind: 11,
            subtype: 0,
            octets: &[1, 2],
        },
    };
    let mut dump = Vec::new();
    good.encode(&mut dump);
    // A RIB_IPV4_UNICAST whose prefix has 33 bits.
    dump.extend_from_slice(&[0, 0, 0, 7, 0, 13, 0, 2, 0, 0, 0, 7, 0, 0, 0, 0, 33, 0, 0]);
    good.encode(&mut dump);
    let read: Vec<_> = mrt::records(&dump).collect();
    assert_eq!(read, [Ok(good.clone()), Err(MrtError::Route), Ok(good)]);
    dump.pop();
    assert_eq!(
        mrt::records(&dump).last(),
        Some(Err(MrtError::Truncated("the last one")))
    );
    assert_eq!(mrt::frame(&[0xff; 12]), Err(MrtError::Length(u32::MAX)));
}

/// RFC 6396 4.3.4, written by hand: one IPv6 route with an abbreviated next hop, and the same with the whole attribute, as
/// some writers have it.
#[test]
fn a_table_entry_with_either_form_of_next_hop() {
    let next_hop = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let short = [&[16][..], &next_hop].concat();
    let long = [&[0, 2, 1, 16][..], &next_hop, &[0, 32, 0x20, 1, 0x0d, 0xb8]].concat();
    for reach in [short, long] {
        let length = u8::try_from(reach.len()).expect("short");
        let mut attributes = vec![
            0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x80, 14, length,
        ];
        attributes.extend(reach);
        let mut body = vec![
            0, 0, 0, 9, 32, 0x20, 1, 0x0d, 0xb8, 0, 1, 0, 3, 0, 0, 0, 5, 0,
        ];
        body.push(u8::try_from(attributes.len()).expect("short"));
        body.extend(attributes);
        let mut dump = vec![
            0,
            0,
            0,
            1,
            0,
            13,
            0,
            4,
            0,
            0,
            0,
            u8::try_from(body.len()).expect("short"),
        ];
        dump.extend(body);
        let record = mrt::records(&dump)
            .next()
            .expect("one")
            .expect("well-formed");
        let Body::Rib(rib) = record.body else {
            panic!("no route: {record:?}");
        };
        assert_eq!(rib.route.nlri.to_string(), "2001:db8::/32");
        assert!(matches!(rib.route.nlri, Nlri::Ipv6(_)));
        let path = &rib.paths[0];
        assert_eq!((rib.sequence, path.peer, path.originated), (9, 3, 5));
        let next_hop = path.attributes.next_hop.expect("there").to_string();
        assert_eq!(
            (
                next_hop.as_str(),
                path.attributes.as_path.to_string().as_str()
            ),
            ("2001:db8::1", "65001")
        );
    }
}

#[test]
fn what_is_no_bmp_is_refused() {
    assert_eq!(bmp::frame(&[1]), Err(BmpError::Version(1)));
    assert_eq!(bmp::frame(&[3, 0, 0, 0, 5]), Err(BmpError::Length(5)));
    assert_eq!(
        bmp::frame(&[3, 0xff, 0, 0, 0]),
        Err(BmpError::Length(0xff00_0000))
    );
    assert_eq!(bmp::frame(&[3, 0, 0, 0, 6, 9]), Err(BmpError::Type(9)));
    let mut message = vec![3, 0, 0, 0, 6, 0];
    message.extend_from_slice(&[0; 42]);
    message.extend_from_slice(&KEEPALIVE[..18]);
    message[4] = u8::try_from(message.len()).expect("short");
    assert_eq!(
        bmp::frame(&message),
        Err(BmpError::Truncated("route monitoring"))
    );
}

/// RFC 7854 4.2 and 4.9, RFC 8671 4, RFC 9069 4, by hand.
#[test]
fn per_peer_headers_octet_by_octet() {
    let peer = bmp::Peer {
        instance: Instance::Vrf(RouteDistinguisher([0, 0, 0xfd, 0xe8, 0, 0, 0, 7])),
        view: RibView::AdjRibIn { post_policy: true },
        address: "2001:db8::1".parse().expect("an address"),
        asn: 65001,
        router_id: [192, 0, 2, 1].into(),
        two_octet_as: false,
        timestamp: Timestamp {
            seconds: 5,
            microseconds: 6,
        },
    };
    let octets = |peer| {
        let mut out = Vec::new();
        bmp::Message::PeerDown {
            peer,
            reason: PeerDown::RemoteClosed,
        }
        .encode(&mut out);
        out
    };
    #[rustfmt::skip]
    let expected = [
        3, 0, 0, 0, 49, 2,
        1, 0xc0, 0, 0, 0xfd, 0xe8, 0, 0, 0, 7,
        0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0, 0, 0xfd, 0xe9, 192, 0, 2, 1, 0, 0, 0, 5, 0, 0, 0, 6,
        4,
    ];
    assert_eq!(octets(peer), expected);
    let head = |peer| octets(peer)[6..8].to_vec();
    let ipv4 = bmp::Peer {
        instance: Instance::Global,
        view: RibView::AdjRibOut { post_policy: false },
        address: [10, 0, 0, 1].into(),
        two_octet_as: true,
        ..peer
    };
    assert_eq!(head(ipv4), [0, 0x30]);
    assert_eq!(
        octets(ipv4)[16..32],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1]
    );
    let table = bmp::Peer {
        instance: Instance::Table(RouteDistinguisher([0; 8])),
        view: RibView::LocRib { filtered: true },
        ..ipv4
    };
    assert_eq!(head(table), [3, 0x80]);
}

/// RFC 7854 4.3 to 4.5 and 4.8, by hand.
#[test]
fn bmp_bodies_octet_by_octet() {
    let octets = |message: bmp::Message<'_>| {
        let mut out = Vec::new();
        message.encode(&mut out);
        out
    };
    let name = Information {
        kind: InformationKind::SysName,
        text: "r1".into(),
    };
    let initiation = octets(bmp::Message::Initiation(vec![name]));
    assert_eq!(initiation, [3, 0, 0, 0, 12, 4, 0, 2, 0, 2, b'r', b'1']);
    let termination = octets(bmp::Message::Termination {
        reason: Some(TerminationReason::OutOfResources),
        information: Vec::new(),
    });
    assert_eq!(termination, [3, 0, 0, 0, 12, 5, 0, 1, 0, 2, 0, 2]);
    let peer = bmp::Peer {
        instance: Instance::Global,
        view: RibView::AdjRibIn { post_policy: false },
        address: [10, 0, 0, 1].into(),
        asn: 1,
        router_id: [1, 1, 1, 1].into(),
        two_octet_as: false,
        timestamp: Timestamp::default(),
    };
    let family = AfiSafi { afi: 1, safi: 128 };
    let values = vec![
        Statistic {
            code: Statistic::AS_PATH_LOOPS,
            value: StatisticValue::Counter(7),
        },
        Statistic {
            code: Statistic::ADJ_RIB_IN_OF_FAMILY,
            value: StatisticValue::FamilyGauge { family, value: 9 },
        },
    ];
    let statistics = octets(bmp::Message::Statistics { peer, values });
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 2,
        0, 4, 0, 4, 0, 0, 0, 7,
        0, 9, 0, 11, 0, 1, 128, 0, 0, 0, 0, 0, 0, 0, 9,
    ];
    assert_eq!(statistics[48..], expected);
}

/// RFC 6396 4.3.1 and 4.4.3, RFC 8050 3, by hand.
#[test]
fn mrt_records_octet_by_octet() {
    let octets = |body, microseconds| {
        let mut out = Vec::new();
        Record {
            seconds: 9,
            microseconds,
            body,
        }
        .encode(&mut out);
        out
    };
    let ipv4 = mrt::Peer {
        router_id: [1, 1, 1, 1].into(),
        address: [10, 0, 0, 1].into(),
        asn: 65001,
    };
    let ipv6 = mrt::Peer {
        address: "2001:db8::1".parse().expect("an address"),
        ..ipv4
    };
    let index = PeerIndex {
        collector: [9, 9, 9, 9].into(),
        view: "v".into(),
        peers: vec![ipv4, ipv6],
    };
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 9, 0, 13, 0, 1, 0, 0, 0, 47,
        9, 9, 9, 9, 0, 1, b'v', 0, 2,
        2, 1, 1, 1, 1, 10, 0, 0, 1, 0, 0, 0xfd, 0xe9,
        3, 1, 1, 1, 1, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xfd, 0xe9,
    ];
    assert_eq!(octets(Body::Peers(index), None), expected);
    let session = Session {
        as4: true,
        peer_asn: 65001,
        local_asn: 65002,
        interface: 3,
        peer_address: [10, 0, 0, 1].into(),
        local_address: [10, 0, 0, 2].into(),
    };
    let body = Body::Message {
        session,
        local: false,
        add_path: true,
        message: &KEEPALIVE,
    };
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 9, 0, 17, 0, 9, 0, 0, 0, 43,
        0, 0, 0, 4,
        0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xea, 0, 3, 0, 1, 10, 0, 0, 1, 10, 0, 0, 2,
    ];
    assert_eq!(octets(body, Some(4)), [&expected[..], &KEEPALIVE].concat());
    let session = Session {
        as4: false,
        ..session
    };
    let change = octets(
        Body::StateChange {
            session,
            old: 3,
            new: 6,
        },
        None,
    );
    #[rustfmt::skip]
    let expected = [
        0, 0, 0, 9, 0, 16, 0, 0, 0, 0, 0, 20,
        0xfd, 0xe9, 0xfd, 0xea, 0, 3, 0, 1, 10, 0, 0, 1, 10, 0, 0, 2, 0, 3, 0, 6,
    ];
    assert_eq!(change, expected);
}
