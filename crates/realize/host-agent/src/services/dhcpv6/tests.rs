use super::super::{answer, fixture};
use super::*;
use model::DhcpOption;
use proptest::prelude::*;

const DUID: [u8; 10] = [0, 3, 0, 1, 0xfa, 0x16, 0x3e, 0, 0, 0x0a];

fn ours() -> Ipv6Addr {
    "2001:db8::a".parse().expect("an address")
}

fn stale() -> Ipv6Addr {
    "2001:db8::bad".parse().expect("an address")
}

fn server_duid() -> [u8; 10] {
    duid(fixture::segment(Ipv6Mode::Slaac).service_mac())
}

/// A message with a client identifier.
fn message(kind: u8) -> Vec<u8> {
    let mut message = vec![kind, 1, 2, 3];
    put(&mut message, OPTION_CLIENT, &DUID);
    message
}

fn with_server(mut message: Vec<u8>) -> Vec<u8> {
    put(&mut message, OPTION_SERVER, &server_duid());
    message
}

fn with_association(mut message: Vec<u8>, wanted: &[Ipv6Addr]) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
    for address in wanted {
        put_address(&mut body, *address, 0);
    }
    put(&mut message, OPTION_IA_NA, &body);
    message
}

fn frame(message: &[u8]) -> Vec<u8> {
    let path = Path {
        source_mac: fixture::MAC,
        destination_mac: Mac([0x33, 0x33, 0, 1, 0, 2]),
        source: fixture::MAC.link_local(),
        destination: ALL_SERVERS,
    };
    path.udp((CLIENT_PORT, SERVER_PORT), message)
}

fn ask_in(mode: Ipv6Mode, message: &[u8]) -> Result<Vec<u8>, Silence> {
    let frame = answer(
        &fixture::endpoint(),
        &fixture::segment(mode),
        &frame(message),
    )?;
    assert_eq!(frame[..6], fixture::MAC.0);
    assert_eq!(frame[38..54], fixture::MAC.link_local().octets());
    assert_eq!(frame[54..58], [0x02, 0x23, 0x02, 0x22], "ports 547 to 546");
    assert_eq!(frame[63..66], [1, 2, 3], "transaction");
    Ok(frame[62..].to_vec())
}

fn ask(message: &[u8]) -> Result<Vec<u8>, Silence> {
    ask_in(Ipv6Mode::Dhcpv6Stateful, message)
}

fn option(reply: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let mut reader = Reader(&reply[4..]);
    while !reader.is_empty() {
        let (code, value) = next_option(&mut reader).expect("an option");
        if code == wanted {
            return Some(value.to_vec());
        }
    }
    None
}

/// The addresses with valid lifetime in the first IA_NA.
fn leased(reply: &[u8]) -> Vec<(Ipv6Addr, u32)> {
    let body = option(reply, OPTION_IA_NA).expect("an association");
    assert_eq!(body[..4], [0, 0, 0, 7], "IAID");
    let mut reader = Reader(&body[12..]);
    let mut found = Vec::new();
    while !reader.is_empty() {
        let (code, value) = next_option(&mut reader).expect("an option");
        if code == OPTION_IA_ADDRESS {
            let mut value = Reader(value);
            let address = Ipv6Addr::from(value.array::<16>("address").expect("16 bytes"));
            let preferred = value.u32("preferred").expect("4 bytes");
            assert_eq!(value.u32("valid"), Ok(preferred));
            found.push((address, preferred));
        }
    }
    found
}

#[test]
fn solicit_is_advertised_the_address_and_request_gets_it() {
    let advertise = ask(&with_association(message(SOLICIT), &[])).expect("an answer");
    assert_eq!(advertise[0], ADVERTISE);
    assert_eq!(option(&advertise, OPTION_CLIENT), Some(DUID.to_vec()));
    assert_eq!(
        option(&advertise, OPTION_SERVER),
        Some(server_duid().to_vec())
    );
    assert_eq!(leased(&advertise), [(ours(), LEASE_SECONDS)]);
    let dns: Ipv6Addr = "2001:db8::53".parse().expect("an address");
    assert_eq!(option(&advertise, OPTION_DNS), Some(dns.octets().to_vec()));

    let request = with_association(with_server(message(REQUEST)), &[ours()]);
    let reply = ask(&request).expect("an answer");
    assert_eq!(reply[0], REPLY);
    assert_eq!(leased(&reply), [(ours(), LEASE_SECONDS)]);
}

#[test]
fn rapid_commit_is_two_messages() {
    let mut solicit = with_association(message(SOLICIT), &[]);
    put(&mut solicit, OPTION_RAPID_COMMIT, &[]);
    let reply = ask(&solicit).expect("an answer");
    assert_eq!(reply[0], REPLY);
    assert_eq!(option(&reply, OPTION_RAPID_COMMIT), Some(Vec::new()));
}

#[test]
fn renew_and_rebind_keep_ours_and_withdraw_the_rest() {
    for message in [with_server(message(RENEW)), message(REBIND)] {
        let reply = ask(&with_association(message, &[ours(), stale()])).expect("an answer");
        assert_eq!(leased(&reply), [(ours(), LEASE_SECONDS), (stale(), 0)]);
    }
}

#[test]
fn a_second_association_and_prefixes_get_none() {
    let mut solicit = with_association(message(SOLICIT), &[]);
    put(
        &mut solicit,
        OPTION_IA_PD,
        &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    let reply = ask(&solicit).expect("an answer");
    let body = option(&reply, OPTION_IA_PD).expect("an association");
    assert_eq!(body[12..], [0, 13, 0, 2, 0, STATUS_NO_PREFIX as u8]);
}

#[test]
fn confirm_says_whether_the_client_moved() {
    for (address, status) in [
        (ours(), STATUS_SUCCESS),
        (
            "2001:db9::1".parse().expect("an address"),
            STATUS_NOT_ON_LINK,
        ),
    ] {
        let reply = ask(&with_association(message(CONFIRM), &[address])).expect("an answer");
        assert_eq!(
            option(&reply, OPTION_STATUS),
            Some(status.to_be_bytes().to_vec())
        );
    }
    assert!(ask(&with_association(message(CONFIRM), &[])).is_err());
}

#[test]
fn release_and_decline_are_acknowledged() {
    for kind in [RELEASE, DECLINE] {
        let message = with_association(with_server(message(kind)), &[ours()]);
        let reply = ask(&message).expect("an answer");
        assert_eq!(option(&reply, OPTION_STATUS), Some(vec![0, 0]));
    }
}

#[test]
fn stateless_subnets_inform_and_lease_nothing() {
    let informed = ask_in(Ipv6Mode::Dhcpv6Stateless, &[INFORMATION_REQUEST, 1, 2, 3]);
    assert!(option(&informed.expect("an answer"), OPTION_DNS).is_some());
    let solicit = with_association(message(SOLICIT), &[]);
    let refused = ask_in(Ipv6Mode::Dhcpv6Stateless, &solicit).expect("an answer");
    assert_eq!(leased(&refused), []);
    assert_eq!(ask_in(Ipv6Mode::Slaac, &solicit), Err(Silence::NoAddress));
}

#[test]
fn options_of_the_port_replace_the_subnets() {
    let mut endpoint = fixture::endpoint();
    endpoint.dhcp_options = vec![DhcpOption {
        name: "dns-server".into(),
        value: "2001:db8::54".into(),
        family: Family::V6,
    }];
    let segment = fixture::segment(Ipv6Mode::Dhcpv6Stateless);
    let frame = answer(&endpoint, &segment, &frame(&[INFORMATION_REQUEST, 1, 2, 3]));
    let reply = frame.expect("an answer")[62..].to_vec();
    let dns: Ipv6Addr = "2001:db8::54".parse().expect("an address");
    assert_eq!(option(&reply, OPTION_DNS), Some(dns.octets().to_vec()));
}

#[test]
fn invalid_messages_are_refused() {
    assert_eq!(ask(&[RELAY_FORWARD, 0]), Err(Silence::Relayed));
    let mut other_server = message(REQUEST);
    put(
        &mut other_server,
        OPTION_SERVER,
        &[0, 3, 0, 1, 9, 9, 9, 9, 9, 9],
    );
    assert_eq!(ask(&other_server), Err(Silence::ForeignServer));
    for invalid in [
        vec![SOLICIT, 1, 2, 3],
        message(REQUEST),
        with_server(message(SOLICIT)),
        with_server(message(REBIND)),
        with_association(message(INFORMATION_REQUEST), &[]),
        with_association(message(SOLICIT), &[ours(); 5]),
        message(ADVERTISE),
        [message(SOLICIT), vec![0, 1, 0, 1, 1]].concat(),
        [message(SOLICIT), vec![0, 3, 0, 9, 1]].concat(),
    ] {
        assert!(
            matches!(ask(&invalid), Err(Silence::Malformed(_))),
            "{invalid:?}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_messages_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = ask(&bytes);
    }

    #[test]
    fn mutated_messages_never_panic(
        kind in 0u8..14,
        changes in prop::collection::vec((0usize..90, any::<u8>()), 0..6),
        cut in 0usize..100,
    ) {
        let mut bytes = with_association(with_server(message(kind)), &[ours(), stale()]);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(cut);
        let segment = fixture::segment(Ipv6Mode::Dhcpv6Stateful);
        let _ = answer(&fixture::endpoint(), &segment, &frame(&bytes));
    }
}
