use super::super::{answer, fixture};
use super::*;
use model::{HostRoute, Ipv6Mode};
use proptest::prelude::*;

const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 99);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

#[derive(Clone)]
struct Client {
    ciaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
    flags: u16,
    chaddr: Mac,
    options: Vec<(u8, Vec<u8>)>,
}

fn client(kind: u8) -> Client {
    Client {
        ciaddr: Ipv4Addr::UNSPECIFIED,
        giaddr: Ipv4Addr::UNSPECIFIED,
        flags: 0,
        chaddr: fixture::MAC,
        options: vec![(OPTION_TYPE, vec![kind])],
    }
}

impl Client {
    fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push((code, value.to_vec()));
        self
    }

    fn at(mut self, ciaddr: Ipv4Addr) -> Self {
        self.ciaddr = ciaddr;
        self
    }

    fn frame(&self) -> Vec<u8> {
        let mut message = vec![BOOT_REQUEST, ETHERNET, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0];
        message.extend(self.flags.to_be_bytes());
        message.extend(self.ciaddr.octets());
        message.extend([0; 8]);
        message.extend(self.giaddr.octets());
        message.extend(self.chaddr.0);
        message.extend([0; 10 + 64 + 128]);
        message.extend(MAGIC);
        for (code, value) in &self.options {
            message.extend([*code, value.len() as u8]);
            message.extend(value);
        }
        message.push(OPTION_END);
        let path = Path {
            source_mac: self.chaddr,
            destination_mac: Mac::BROADCAST,
            source: self.ciaddr,
            destination: Ipv4Addr::BROADCAST,
        };
        path.udp((CLIENT_PORT, SERVER_PORT), &message)
    }
}

/// What a client reads out of a reply.
struct Seen {
    destination_mac: Mac,
    destination: Ipv4Addr,
    yiaddr: Ipv4Addr,
    siaddr: Ipv4Addr,
    /// `sname` and `file` up to their first zero.
    boot: [String; 2],
    options: Vec<(u8, Vec<u8>)>,
}

impl Seen {
    fn option(&self, code: u8) -> Option<&[u8]> {
        let found = self.options.iter().find(|option| option.0 == code);
        found.map(|option| option.1.as_slice())
    }

    fn kind(&self) -> Option<u8> {
        self.option(OPTION_TYPE).map(|kind| kind[0])
    }
}

fn read(frame: &[u8]) -> Seen {
    let address = |at: usize| {
        let bytes: [u8; 4] = frame[at..at + 4].try_into().expect("four bytes");
        Ipv4Addr::from(bytes)
    };
    let message = 14 + 20 + 8;
    assert_eq!(
        frame[message..message + 8],
        [2, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]
    );
    assert_eq!(frame[message + 28..message + 34], fixture::MAC.0);
    assert_eq!(frame[message + 236..message + 240], MAGIC);
    let text = |field: &[u8]| {
        let text = field.split(|byte| *byte == 0).next().expect("a field");
        String::from_utf8_lossy(text).into_owned()
    };
    let boot = &frame[message + 44..message + 236];
    let mut options: Vec<(u8, Vec<u8>)> = Vec::new();
    let mut rest = &frame[message + 240..];
    while rest[0] != OPTION_END {
        let (code, len) = (rest[0], usize::from(rest[1]));
        let value = &rest[2..2 + len];
        match options.iter_mut().find(|option| option.0 == code) {
            Some(option) => option.1.extend(value),
            None => options.push((code, value.to_vec())),
        }
        rest = &rest[2 + len..];
    }
    Seen {
        destination_mac: Mac(frame[..6].try_into().expect("a MAC")),
        destination: address(30),
        yiaddr: address(message + 16),
        siaddr: address(message + 20),
        boot: [text(&boot[..64]), text(&boot[64..])],
        options,
    }
}

fn ask(client: &Client) -> Result<Seen, Silence> {
    let segment = fixture::segment(Ipv6Mode::Slaac);
    answer(&fixture::endpoint(), &segment, &client.frame()).map(|frame| read(&frame))
}

#[test]
fn discover_is_offered_the_address_of_the_plan() {
    let seen = ask(&client(DISCOVER).with(OPTION_CLIENT, &[1, 2, 3])).expect("an offer");
    assert_eq!(seen.kind(), Some(OFFER));
    assert_eq!(seen.yiaddr, OURS);
    assert_eq!(
        (seen.destination_mac, seen.destination),
        (fixture::MAC, OURS)
    );
    for (code, value) in [
        (OPTION_SERVER, &[10, 0, 0, 1][..]),
        (OPTION_MASK, &[255, 255, 255, 0]),
        (OPTION_ROUTER, &[10, 0, 0, 1]),
        (OPTION_DNS, &[10, 0, 0, 53]),
        (OPTION_MTU, &[0x05, 0xaa]),
        (OPTION_LEASE, &[0, 1, 0x51, 0x80]),
        (OPTION_BROADCAST, &[10, 0, 0, 255]),
        (OPTION_CLIENT, &[1, 2, 3]),
    ] {
        assert_eq!(seen.option(code), Some(value), "option {code}");
    }
    assert_eq!(seen.option(OPTION_ROUTES), None);
}

#[test]
fn the_broadcast_flag_is_honoured() {
    let mut discover = client(DISCOVER);
    discover.flags = BROADCAST_FLAG;
    let seen = ask(&discover).expect("an offer");
    assert_eq!(
        (seen.destination_mac, seen.destination),
        (Mac::BROADCAST, Ipv4Addr::BROADCAST)
    );
}

#[test]
fn request_in_each_of_the_four_states() {
    let request = || client(REQUEST);
    let selecting = request()
        .with(OPTION_SERVER, &SERVER.octets())
        .with(OPTION_REQUESTED, &OURS.octets());
    let init_reboot = request().with(OPTION_REQUESTED, &OURS.octets());
    let renewing = request().at(OURS);
    for (state, client) in [
        ("selecting", selecting),
        ("init-reboot", init_reboot),
        ("renewing", renewing),
    ] {
        let seen = ask(&client).expect(state);
        assert_eq!((seen.kind(), seen.yiaddr), (Some(ACK), OURS), "{state}");
    }
    let selecting = request()
        .with(OPTION_SERVER, &SERVER.octets())
        .with(OPTION_REQUESTED, &OTHER.octets());
    let init_reboot = request().with(OPTION_REQUESTED, &OTHER.octets());
    let renewing = request().at(OTHER);
    for (state, client) in [
        ("selecting", selecting),
        ("init-reboot", init_reboot),
        ("renewing", renewing),
    ] {
        let seen = ask(&client).expect(state);
        assert_eq!(seen.kind(), Some(NAK), "{state}");
        assert_eq!(seen.yiaddr, Ipv4Addr::UNSPECIFIED, "{state}");
        assert_eq!(seen.destination, Ipv4Addr::BROADCAST, "{state}");
        assert_eq!(seen.option(OPTION_LEASE), None, "{state}");
    }
}

#[test]
fn who_is_not_served() {
    let other_server = client(REQUEST)
        .with(OPTION_SERVER, &[10, 0, 0, 200])
        .with(OPTION_REQUESTED, &OURS.octets());
    assert_eq!(ask(&other_server).err(), Some(Silence::ForeignServer));
    let mut relayed = client(DISCOVER);
    relayed.giaddr = OTHER;
    assert_eq!(ask(&relayed).err(), Some(Silence::Relayed));
    let mut nested = client(DISCOVER);
    nested.chaddr = Mac([2, 0, 0, 0, 0, 9]);
    assert_eq!(ask(&nested).err(), Some(Silence::ForeignClient));
    for kind in [RELEASE, DECLINE] {
        assert_eq!(ask(&client(kind)).err(), Some(Silence::NoneWanted));
    }
    for kind in [0, OFFER, ACK, NAK, 200] {
        assert!(matches!(
            ask(&client(kind)).err(),
            Some(Silence::Malformed(_))
        ));
    }
    assert!(matches!(
        ask(&client(REQUEST)).err(),
        Some(Silence::Malformed(_))
    ));
    let mut segment = fixture::segment(Ipv6Mode::Slaac);
    segment.subnets[0].enable_dhcp = false;
    assert_eq!(
        answer(&fixture::endpoint(), &segment, &client(DISCOVER).frame()),
        Err(Silence::NoAddress)
    );
}

#[test]
fn inform_gets_options_and_no_address() {
    let seen = ask(&client(INFORM).at(OURS)).expect("an answer");
    assert_eq!(seen.kind(), Some(ACK));
    assert_eq!(seen.yiaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(seen.option(OPTION_LEASE), None);
    assert_eq!(seen.option(OPTION_DNS), Some(&[10, 0, 0, 53][..]));
}

#[test]
fn host_routes_come_with_the_default_route() {
    let mut segment = fixture::segment(Ipv6Mode::Slaac);
    segment.subnets[0].host_routes = vec![HostRoute {
        destination: "192.168.7.0/24".parse().expect("a prefix"),
        nexthop: "10.0.0.7".parse().expect("an address"),
    }];
    let frame =
        answer(&fixture::endpoint(), &segment, &client(DISCOVER).frame()).expect("an offer");
    assert_eq!(
        read(&frame).option(OPTION_ROUTES),
        Some(&[24, 192, 168, 7, 10, 0, 0, 7, 0, 10, 0, 0, 1][..])
    );
}

fn option(name: &str, value: &str) -> DhcpOption {
    DhcpOption {
        name: name.into(),
        value: value.into(),
        family: Family::V4,
    }
}

fn ask_with(extra: &[(&str, &str)], client: &Client) -> Seen {
    let mut endpoint = fixture::endpoint();
    endpoint.dhcp_options = extra.iter().map(|(n, v)| option(n, v)).collect();
    let segment = fixture::segment(Ipv6Mode::Slaac);
    read(&answer(&endpoint, &segment, &client.frame()).expect("an answer"))
}

#[test]
fn options_of_the_port_replace_and_add() {
    let extra = [
        ("dns-server", "10.0.0.54"),
        ("ntp-server", "10.0.0.55"),
        ("mtu", "nonsense"),
    ];
    let seen = ask_with(&extra, &client(DISCOVER));
    assert_eq!(seen.option(OPTION_DNS), Some(&[10, 0, 0, 54][..]));
    assert_eq!(seen.option(42), Some(&[10, 0, 0, 55][..]));
    assert_eq!(seen.option(OPTION_MTU), Some(&[0x05, 0xaa][..]));
}

#[test]
fn a_boot_rom_finds_its_server_and_file_in_the_header_and_in_the_options() {
    let extra = [
        ("server-ip-address", "10.0.0.66"),
        ("tftp-server", "10.0.0.67"),
        ("bootfile-name", "boot.efi"),
        ("150", "10.0.0.68"),
    ];
    let seen = ask_with(&extra, &client(DISCOVER));
    assert_eq!(seen.siaddr, Ipv4Addr::new(10, 0, 0, 66));
    assert_eq!(seen.boot, ["10.0.0.67", "boot.efi"]);
    assert_eq!(seen.option(OPTION_BOOT_SERVER), Some(&b"10.0.0.67"[..]));
    assert_eq!(seen.option(OPTION_BOOT_FILE), Some(&b"boot.efi"[..]));
    assert_eq!(seen.option(150), Some(&[10, 0, 0, 68][..]));

    let nowhere = ask_with(&[("150", "10.0.0.68")], &client(DISCOVER));
    assert_eq!(nowhere.siaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(nowhere.boot, ["", ""]);

    let refused = ask_with(&extra, &client(REQUEST).at(OTHER));
    assert_eq!(refused.kind(), Some(NAK));
    assert_eq!(refused.siaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(refused.boot, ["", ""]);
}

#[test]
fn a_boot_file_that_the_header_cannot_hold_is_only_an_option() {
    for (length, in_header) in [(127, true), (128, false)] {
        let name = "f".repeat(length);
        let seen = ask_with(&[("bootfile-name", &name)], &client(DISCOVER));
        assert_eq!(seen.option(OPTION_BOOT_FILE), Some(name.as_bytes()));
        assert_eq!(seen.boot[1] == name, in_header, "{length}");
        assert_eq!(seen.boot[1].is_empty(), !in_header, "{length}");
    }
}

#[test]
fn a_lease_time_of_the_port_comes_once_and_with_its_renewal() {
    let seconds = |seen: &Seen, code| {
        let value = seen.option(code)?.try_into().ok()?;
        Some(u32::from_be_bytes(value))
    };
    let seen = ask_with(&[("lease-time", "120")], &client(DISCOVER));
    let times = LEASE_TIMES.map(|code| seconds(&seen, code));
    assert_eq!(times, [Some(120), Some(60), Some(105)]);
    let seen = ask_with(&[("lease-time", "120")], &client(INFORM).at(OURS));
    assert_eq!(
        LEASE_TIMES.map(|code| seconds(&seen, code)),
        [None, None, None]
    );
}

#[test]
fn replies_stay_in_the_size_the_client_takes() {
    let mut endpoint = fixture::endpoint();
    endpoint.dhcp_options = vec![option("domain-name", &"x".repeat(500))];
    let segment = fixture::segment(Ipv6Mode::Slaac);
    let small = answer(&endpoint, &segment, &client(DISCOVER).frame()).expect("an offer");
    assert!(small.len() <= 14 + usize::from(MIN_SIZE));
    assert_eq!(read(&small).option(15), None);
    let large = client(DISCOVER).with(OPTION_MAX_SIZE, &1400u16.to_be_bytes());
    let large = answer(&endpoint, &segment, &large.frame()).expect("an offer");
    assert_eq!(read(&large).option(15).map(<[u8]>::len), Some(500));
}

#[test]
fn a_second_address_is_leased_to_who_asks_for_it() {
    let mut endpoint = fixture::endpoint();
    let mut second = endpoint.addresses[0];
    second.address = OTHER.into();
    endpoint.addresses.insert(1, second);
    let segment = fixture::segment(Ipv6Mode::Slaac);
    let asked = client(DISCOVER).with(OPTION_REQUESTED, &OTHER.octets());
    let seen = read(&answer(&endpoint, &segment, &asked.frame()).expect("an offer"));
    assert_eq!(seen.yiaddr, OTHER);
    let seen = read(&answer(&endpoint, &segment, &client(DISCOVER).frame()).expect("an offer"));
    assert_eq!(seen.yiaddr, OURS);
}

proptest! {
    #[test]
    fn mutated_requests_never_panic(
        kind: u8,
        changes in prop::collection::vec((14usize..320, any::<u8>()), 0..8),
        cut in 0usize..330,
    ) {
        let mut frame = client(kind)
            .with(OPTION_REQUESTED, &OURS.octets())
            .with(OPTION_SERVER, &SERVER.octets())
            .with(OPTION_CLIENT, &[1, 2, 3, 4])
            .frame();
        for (at, value) in changes {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        frame.truncate(cut);
        let _ = answer(&fixture::endpoint(), &fixture::segment(Ipv6Mode::Slaac), &frame);
    }

    #[test]
    fn arbitrary_options_never_panic(
        options in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let mut client = client(DISCOVER);
        client.options.extend(options);
        let _ = ask(&client);
    }

    #[test]
    fn arbitrary_frames_get_no_answer(frame in prop::collection::vec(any::<u8>(), 0..400)) {
        let segment = fixture::segment(Ipv6Mode::Slaac);
        prop_assert!(answer(&fixture::endpoint(), &segment, &frame).is_err());
    }
}
