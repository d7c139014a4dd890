//! DHCPv6 (RFC 8415, DNS options of RFC 3646) for one port: its addresses on stateful subnets, and options.
//! Like DHCPv4 it hands out what the plan says and remembers nothing.

use super::frame::{Ipv6, Path, Reader, Udp};
use super::options::{self, v6_addresses};
use super::{LEASE_SECONDS, Silence, addresses};
use ipnet::IpNet;
use model::{Family, Ipv6Mode, Mac};
use plan::{Endpoint, Segment};
use std::net::{IpAddr, Ipv6Addr};

const CLIENT_PORT: u16 = 546;
const SERVER_PORT: u16 = 547;
const ALL_SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

const SOLICIT: u8 = 1;
const ADVERTISE: u8 = 2;
const REQUEST: u8 = 3;
const CONFIRM: u8 = 4;
const RENEW: u8 = 5;
const REBIND: u8 = 6;
const REPLY: u8 = 7;
const RELEASE: u8 = 8;
const DECLINE: u8 = 9;
const INFORMATION_REQUEST: u8 = 11;
const RELAY_FORWARD: u8 = 12;

const OPTION_CLIENT: u16 = 1;
const OPTION_SERVER: u16 = 2;
const OPTION_IA_NA: u16 = 3;
const OPTION_IA_TA: u16 = 4;
const OPTION_IA_ADDRESS: u16 = 5;
const OPTION_PREFERENCE: u16 = 7;
const OPTION_STATUS: u16 = 13;
const OPTION_RAPID_COMMIT: u16 = 14;
const OPTION_DNS: u16 = 23;
const OPTION_IA_PD: u16 = 25;

const STATUS_SUCCESS: u16 = 0;
const STATUS_NO_ADDRESSES: u16 = 2;
const STATUS_NOT_ON_LINK: u16 = 4;
const STATUS_NO_PREFIX: u16 = 6;

/// Associations per message and addresses per association: an interface has one of each, and the reply to
/// more has to fit a packet.
const MAX_PER_MESSAGE: usize = 4;

/// An identity association the client asks about (RFC 8415 section 21.4).
#[derive(Debug)]
struct Association {
    kind: u16,
    iaid: [u8; 4],
    /// The addresses the client has in mind; only for IA_NA.
    addresses: Vec<Ipv6Addr>,
}

#[derive(Debug)]
struct Request<'a> {
    kind: u8,
    transaction: [u8; 3],
    client: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    associations: Vec<Association>,
    rapid_commit: bool,
}

impl<'a> Request<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Silence> {
        const WHAT: &str = "DHCPv6 message";
        let mut reader = Reader(message);
        let kind = reader.u8(WHAT)?;
        if kind == RELAY_FORWARD {
            return Err(Silence::Relayed);
        }
        let mut request = Self {
            kind,
            transaction: reader.array(WHAT)?,
            client: None,
            server: None,
            associations: Vec::new(),
            rapid_commit: false,
        };
        while !reader.is_empty() {
            let (code, value) = next_option(&mut reader)?;
            match code {
                OPTION_CLIENT => set_once(&mut request.client, value)?,
                OPTION_SERVER => set_once(&mut request.server, value)?,
                OPTION_IA_NA | OPTION_IA_TA | OPTION_IA_PD => {
                    if request.associations.len() == MAX_PER_MESSAGE {
                        return Err(Silence::Malformed(
                            "DHCPv6 message with too many associations",
                        ));
                    }
                    request.associations.push(Association::parse(code, value)?);
                }
                OPTION_RAPID_COMMIT => request.rapid_commit = true,
                _ => {}
            }
        }
        Ok(request)
    }
}

/// DUIDs are 3 to 130 bytes long (RFC 8415 section 11.1) and stand once.
fn set_once<'a>(slot: &mut Option<&'a [u8]>, duid: &'a [u8]) -> Result<(), Silence> {
    match (slot.replace(duid), duid.len()) {
        (None, 3..=130) => Ok(()),
        _ => Err(Silence::Malformed("DHCPv6 identifier")),
    }
}

fn next_option<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Silence> {
    const WHAT: &str = "DHCPv6 option";
    let code = reader.u16(WHAT)?;
    let len = usize::from(reader.u16(WHAT)?);
    Ok((code, reader.take(len, WHAT)?))
}

impl Association {
    fn parse(kind: u16, value: &[u8]) -> Result<Self, Silence> {
        const WHAT: &str = "DHCPv6 identity association";
        let mut reader = Reader(value);
        let iaid = reader.array(WHAT)?;
        if kind != OPTION_IA_TA {
            let _t1_t2: [u8; 8] = reader.array(WHAT)?;
        }
        let mut addresses = Vec::new();
        while !reader.is_empty() {
            let (code, value) = next_option(&mut reader)?;
            if code == OPTION_IA_ADDRESS && kind == OPTION_IA_NA {
                if addresses.len() == MAX_PER_MESSAGE {
                    return Err(Silence::Malformed(
                        "DHCPv6 association with too many addresses",
                    ));
                }
                let mut address = Reader(value);
                addresses.push(Ipv6Addr::from(address.array::<16>(WHAT)?));
                let _lifetimes: [u8; 8] = address.array(WHAT)?;
            }
        }
        Ok(Self {
            kind,
            iaid,
            addresses,
        })
    }
}

pub(super) fn answer(
    endpoint: &Endpoint,
    segment: &Segment,
    client: Mac,
    packet: &Ipv6<'_>,
) -> Result<Vec<u8>, Silence> {
    let datagram = Udp::parse(packet.payload)?;
    if (datagram.source, datagram.destination) != (CLIENT_PORT, SERVER_PORT) {
        return Err(Silence::NotAService);
    }
    // No server here allows unicast, so all of it is invalid (RFC 8415 section 18.4).
    if packet.destination != ALL_SERVERS {
        return Err(Silence::ForeignServer);
    }
    let request = Request::parse(datagram.payload)?;
    let source_mac = segment.service_mac();
    let server = Server {
        endpoint,
        segment,
        duid: duid(source_mac),
        stateful: stateful_addresses(endpoint, segment),
    };
    let message = server.answer(&request)?;
    let path = Path {
        source_mac,
        destination_mac: client,
        source: source_mac.link_local(),
        destination: packet.source,
    };
    Ok(path.udp((SERVER_PORT, CLIENT_PORT), &message))
}

/// DUID-LL of the service MAC (RFC 8415 section 11.4): the same on every host.
fn duid(mac: Mac) -> [u8; 10] {
    let [a, b, c, d, e, f] = mac.0;
    [0, 3, 0, 1, a, b, c, d, e, f]
}

fn stateful_addresses(endpoint: &Endpoint, segment: &Segment) -> Vec<Ipv6Addr> {
    addresses(endpoint, segment)
        .filter(|(_, subnet)| {
            subnet.enable_dhcp && subnet.address_mode == Some(Ipv6Mode::Dhcpv6Stateful)
        })
        .filter_map(|(address, _)| match address.address {
            IpAddr::V6(address) => Some(address),
            IpAddr::V4(_) => None,
        })
        .collect()
}

struct Server<'a> {
    endpoint: &'a Endpoint,
    segment: &'a Segment,
    duid: [u8; 10],
    stateful: Vec<Ipv6Addr>,
}

impl Server<'_> {
    /// Message validation (RFC 8415 section 16) and the server's behaviour (section 18.3).
    fn answer(&self, request: &Request<'_>) -> Result<Vec<u8>, Silence> {
        if !self.serves_dhcpv6() {
            return Err(Silence::NoAddress);
        }
        self.check_identifiers(request)?;
        let mut reply = self.begin(request);
        match request.kind {
            SOLICIT => self.solicit(request, &mut reply),
            REQUEST | RENEW | REBIND => {
                self.associate(request, &mut reply);
                self.configure(&mut reply);
            }
            CONFIRM => self.confirm(request, &mut reply)?,
            // Addresses belong to the port for as long as the plan says; nothing is given back.
            RELEASE | DECLINE => put_status(&mut reply, STATUS_SUCCESS),
            INFORMATION_REQUEST => self.configure(&mut reply),
            _ => return Err(Silence::Malformed("DHCPv6 message type")),
        }
        Ok(reply)
    }

    fn serves_dhcpv6(&self) -> bool {
        addresses(self.endpoint, self.segment).any(|(_, subnet)| {
            let mode = |mode| {
                matches!(
                    mode,
                    Some(Ipv6Mode::Dhcpv6Stateful | Ipv6Mode::Dhcpv6Stateless)
                )
            };
            subnet.enable_dhcp && (mode(subnet.address_mode) || mode(subnet.ra_mode))
        })
    }

    fn check_identifiers(&self, request: &Request<'_>) -> Result<(), Silence> {
        let for_us = request.server.map(|server| server == self.duid);
        match request.kind {
            SOLICIT | CONFIRM | REBIND if for_us.is_some() => {
                return Err(Silence::Malformed(
                    "DHCPv6 server identifier where none may be",
                ));
            }
            REQUEST | RENEW | RELEASE | DECLINE if for_us.is_none() => {
                return Err(Silence::Malformed(
                    "DHCPv6 message without a server identifier",
                ));
            }
            INFORMATION_REQUEST if !request.associations.is_empty() => {
                return Err(Silence::Malformed(
                    "DHCPv6 information-request with an association",
                ));
            }
            _ => {}
        }
        if request.client.is_none() && request.kind != INFORMATION_REQUEST {
            return Err(Silence::Malformed(
                "DHCPv6 message without a client identifier",
            ));
        }
        match for_us {
            Some(false) => Err(Silence::ForeignServer),
            _ => Ok(()),
        }
    }

    /// A reply, until `solicit` says otherwise, with both identifiers.
    fn begin(&self, request: &Request<'_>) -> Vec<u8> {
        let [a, b, c] = request.transaction;
        let mut reply = vec![REPLY, a, b, c];
        if let Some(client) = request.client {
            put(&mut reply, OPTION_CLIENT, client);
        }
        put(&mut reply, OPTION_SERVER, &self.duid);
        reply
    }

    fn solicit(&self, request: &Request<'_>, reply: &mut Vec<u8>) {
        if request.rapid_commit && !self.stateful.is_empty() {
            put(reply, OPTION_RAPID_COMMIT, &[]);
        } else {
            reply[0] = ADVERTISE;
        }
        // The only server there is: the client need not wait for others (section 18.2.1).
        put(reply, OPTION_PREFERENCE, &[255]);
        self.associate(request, reply);
        self.configure(reply);
    }

    /// All stateful addresses go to the first IA_NA; what the client asks for beyond them does not exist.
    fn associate(&self, request: &Request<'_>, reply: &mut Vec<u8>) {
        let mut left = self.stateful.as_slice();
        for association in &request.associations {
            let mut body = association.iaid.to_vec();
            let granted = match association.kind {
                OPTION_IA_NA => std::mem::take(&mut left),
                _ => &[],
            };
            if association.kind != OPTION_IA_TA {
                let (t1, t2) = match granted.is_empty() {
                    true => (0, 0),
                    false => (LEASE_SECONDS / 2, LEASE_SECONDS / 5 * 4),
                };
                body.extend(t1.to_be_bytes());
                body.extend(t2.to_be_bytes());
            }
            for address in granted {
                put_address(&mut body, *address, LEASE_SECONDS);
            }
            // An address that is not the client's (any more) is returned with lifetime zero (18.3.4).
            let gone = |address: &&Ipv6Addr| !granted.contains(address);
            if request.kind != SOLICIT {
                for address in association.addresses.iter().filter(gone) {
                    put_address(&mut body, *address, 0);
                }
            }
            match association.kind {
                OPTION_IA_PD => put_status(&mut body, STATUS_NO_PREFIX),
                _ if granted.is_empty() => put_status(&mut body, STATUS_NO_ADDRESSES),
                _ => {}
            }
            put(reply, association.kind, &body);
        }
    }

    fn confirm(&self, request: &Request<'_>, reply: &mut Vec<u8>) -> Result<(), Silence> {
        let mut asked = request
            .associations
            .iter()
            .flat_map(|association| &association.addresses)
            .peekable();
        if asked.peek().is_none() {
            return Err(Silence::Malformed("DHCPv6 confirm without an address"));
        }
        let on_link = |address: &Ipv6Addr| {
            self.segment.subnets.iter().any(|subnet| match subnet.cidr {
                IpNet::V6(prefix) => prefix.contains(address),
                IpNet::V4(_) => false,
            })
        };
        let status = match asked.all(on_link) {
            true => STATUS_SUCCESS,
            false => STATUS_NOT_ON_LINK,
        };
        put_status(reply, status);
        Ok(())
    }

    /// The options that are not about addresses; the port's own replace the subnets'.
    fn configure(&self, reply: &mut Vec<u8>) {
        let extra = options::encode(&self.endpoint.dhcp_options, Family::V6);
        if !extra.iter().any(|(code, _)| *code == OPTION_DNS) {
            let mut servers: Vec<Ipv6Addr> = Vec::new();
            for (_, subnet) in addresses(self.endpoint, self.segment) {
                for server in v6_addresses(&subnet.dns_nameservers) {
                    if !servers.contains(&server) {
                        servers.push(server);
                    }
                }
            }
            let bytes: Vec<u8> = servers.iter().take(16).flat_map(Ipv6Addr::octets).collect();
            if !bytes.is_empty() {
                put(reply, OPTION_DNS, &bytes);
            }
        }
        for (code, value) in extra {
            // Past 1,200 bytes the reply would no longer fit the smallest IPv6 link.
            if reply.len() + value.len() <= 1200 {
                put(reply, code, &value);
            }
        }
    }
}

fn put(message: &mut Vec<u8>, code: u16, value: &[u8]) {
    message.extend(code.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
}

fn put_address(body: &mut Vec<u8>, address: Ipv6Addr, lifetime: u32) {
    let mut value = address.octets().to_vec();
    value.extend(lifetime.to_be_bytes()); // preferred
    value.extend(lifetime.to_be_bytes()); // valid
    put(body, OPTION_IA_ADDRESS, &value);
}

fn put_status(body: &mut Vec<u8>, status: u16) {
    put(body, OPTION_STATUS, &status.to_be_bytes());
}

#[cfg(test)]
mod tests;
