//! DHCPv4 (RFC 2131, RFC 2132, RFC 3442, RFC 3396, RFC 6842) for one port: the lease is an address of the
//! plan, never anything else, and a client that believes in another one is told so at once.

use super::frame::{Path, Reader};
use super::options::{self, classless_route, v4_addresses};
use super::{LEASE_SECONDS, Silence, addresses};
use ipnet::{IpNet, Ipv4Net};
use model::{DhcpOption, Family, Mac};
use plan::{Endpoint, Segment, SubnetServices};
use std::net::{IpAddr, Ipv4Addr};

pub(super) const SERVER_PORT: u16 = 67;
pub(super) const CLIENT_PORT: u16 = 68;

const BOOT_REQUEST: u8 = 1;
const BOOT_REPLY: u8 = 2;
const ETHERNET: u8 = 1;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
const BROADCAST_FLAG: u16 = 0x8000;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const ACK: u8 = 5;
const NAK: u8 = 6;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;

const OPTION_PAD: u8 = 0;
const OPTION_MASK: u8 = 1;
const OPTION_ROUTER: u8 = 3;
const OPTION_DNS: u8 = 6;
const OPTION_MTU: u8 = 26;
const OPTION_BROADCAST: u8 = 28;
const OPTION_REQUESTED: u8 = 50;
const OPTION_LEASE: u8 = 51;
const OPTION_OVERLOAD: u8 = 52;
const OPTION_TYPE: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_MAX_SIZE: u8 = 57;
const OPTION_RENEWAL: u8 = 58;
const OPTION_REBINDING: u8 = 59;
const OPTION_CLIENT: u8 = 61;
const OPTION_BOOT_SERVER: u8 = 66;
const OPTION_BOOT_FILE: u8 = 67;
const OPTION_ROUTES: u8 = 121;
const OPTION_END: u8 = 255;

const LEASE_TIMES: [u8; 3] = [OPTION_LEASE, OPTION_RENEWAL, OPTION_REBINDING];

/// Who answers where no address of the subnet can: link-local, so that it collides with none. Clients cannot reach
/// it by unicast; they rebind by broadcast.
const FALLBACK_SERVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The IP packet every client accepts (RFC 2131 section 2), and the most that is ever sent.
const MIN_SIZE: u16 = 576;
const MAX_SIZE: u16 = 1500;
/// IPv4, UDP, BOOTP and the magic cookie.
const FIXED_SIZE: usize = 20 + 8 + 236 + 4;

/// A client's message.
#[derive(Debug)]
struct Request<'a> {
    xid: [u8; 4],
    flags: u16,
    ciaddr: Ipv4Addr,
    chaddr: Mac,
    kind: u8,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    client: Option<&'a [u8]>,
    max_size: u16,
}

impl<'a> Request<'a> {
    fn parse(message: &'a [u8]) -> Result<Self, Silence> {
        const WHAT: &str = "DHCPv4 message";
        let mut reader = Reader(message);
        let [op, htype, hlen, _hops] = reader.array(WHAT)?;
        let xid = reader.array(WHAT)?;
        let _seconds = reader.u16(WHAT)?;
        let flags = reader.u16(WHAT)?;
        let ciaddr = Ipv4Addr::from(reader.array::<4>(WHAT)?);
        let _yiaddr_siaddr: [u8; 8] = reader.array(WHAT)?;
        let giaddr = Ipv4Addr::from(reader.array::<4>(WHAT)?);
        let chaddr: [u8; 6] = reader.array(WHAT)?;
        let _padding: [u8; 10] = reader.array(WHAT)?;
        let _server_and_file = reader.take(64 + 128, WHAT)?;
        if op != BOOT_REQUEST || htype != ETHERNET || hlen != 6 {
            return Err(Silence::Malformed(WHAT));
        }
        if reader.array(WHAT)? != MAGIC {
            return Err(Silence::Malformed("DHCPv4 magic cookie"));
        }
        if !giaddr.is_unspecified() {
            return Err(Silence::Relayed);
        }
        let mut request = Self {
            xid,
            flags,
            ciaddr,
            chaddr: Mac(chaddr),
            kind: 0,
            requested: None,
            server: None,
            client: None,
            max_size: MIN_SIZE,
        };
        request.options(reader)?;
        match request.kind {
            0 => Err(Silence::Malformed("DHCPv4 message without a type")),
            _ => Ok(request),
        }
    }

    fn options(&mut self, mut reader: Reader<'a>) -> Result<(), Silence> {
        const WHAT: &str = "DHCPv4 option";
        let malformed = || Silence::Malformed(WHAT);
        // The end may be missing; BOOTP's fixed-size messages are padded after it.
        while !reader.is_empty() {
            let code = reader.u8(WHAT)?;
            match code {
                OPTION_PAD => continue,
                OPTION_END => break,
                _ => {}
            }
            let len = usize::from(reader.u8(WHAT)?);
            let mut value = Reader(reader.take(len, WHAT)?);
            match code {
                OPTION_TYPE => self.kind = value.u8(WHAT)?,
                OPTION_REQUESTED => self.requested = Some(value.array::<4>(WHAT)?.into()),
                OPTION_SERVER => self.server = Some(value.array::<4>(WHAT)?.into()),
                OPTION_MAX_SIZE => self.max_size = value.u16(WHAT)?.clamp(MIN_SIZE, MAX_SIZE),
                OPTION_CLIENT if len >= 2 => {
                    self.client = Some(value.take(len, WHAT)?);
                }
                // No client says what it wants in the server's name and file fields.
                OPTION_OVERLOAD => return Err(malformed()),
                _ => continue,
            }
            if !value.is_empty() {
                return Err(malformed());
            }
        }
        Ok(())
    }
}

/// One address of the port with what a client on it is told.
#[derive(Clone, Copy)]
struct Lease<'a> {
    address: Ipv4Addr,
    network: Ipv4Net,
    subnet: &'a SubnetServices,
}

impl Lease<'_> {
    fn gateway(&self) -> Option<Ipv4Addr> {
        match self.subnet.gateway {
            Some(IpAddr::V4(gateway)) => Some(gateway),
            _ => None,
        }
    }

    /// The server identifier (RFC 2131 section 4.3.1). The port that is the gateway cannot ask itself.
    fn server(&self) -> Ipv4Addr {
        self.subnet
            .dhcpv4_server()
            .filter(|server| *server != self.address)
            .unwrap_or(FALLBACK_SERVER)
    }
}

fn leases<'a>(endpoint: &'a Endpoint, segment: &'a Segment) -> impl Iterator<Item = Lease<'a>> {
    addresses(endpoint, segment).filter_map(|(address, subnet)| {
        match (address.address, subnet.cidr) {
            (IpAddr::V4(address), IpNet::V4(network)) if subnet.enable_dhcp => Some(Lease {
                address,
                network,
                subnet,
            }),
            _ => None,
        }
    })
}

/// What the client is told about the address it uses or wants.
enum Decision {
    Grant(u8),
    Refuse,
}

pub(super) fn answer(
    endpoint: &Endpoint,
    segment: &Segment,
    source: Ipv4Addr,
    message: &[u8],
) -> Result<Vec<u8>, Silence> {
    let request = Request::parse(message)?;
    if request.chaddr != endpoint.mac {
        return Err(Silence::ForeignClient);
    }
    // A port with several addresses gets the one it knows of, else its first.
    let known = |address: Option<Ipv4Addr>| {
        leases(endpoint, segment).find(|lease| Some(lease.address) == address)
    };
    let claimed = Some(request.ciaddr).filter(|address| !address.is_unspecified());
    let lease = known(claimed.or(request.requested))
        .or_else(|| leases(endpoint, segment).next())
        .ok_or(Silence::NoAddress)?;
    let reply = Reply {
        segment,
        request: &request,
        lease,
        extra: options::encode(&endpoint.dhcp_options, Family::V4),
    };
    match decide(&request, lease, claimed)? {
        Decision::Refuse => Ok(reply.nak()),
        Decision::Grant(kind) => Ok(reply.grant(kind, source)),
    }
}

/// The server's behaviour by message and client state (RFC 2131 section 4.3).
fn decide(
    request: &Request<'_>,
    lease: Lease<'_>,
    claimed: Option<Ipv4Addr>,
) -> Result<Decision, Silence> {
    let verdict = |address: Ipv4Addr| match address == lease.address {
        true => Decision::Grant(ACK),
        false => Decision::Refuse,
    };
    match request.kind {
        DISCOVER => Ok(Decision::Grant(OFFER)),
        REQUEST => match (request.server, request.requested, claimed) {
            (Some(server), _, _) if server != lease.server() => Err(Silence::ForeignServer),
            // SELECTING and INIT-REBOOT name the address in the option, RENEWING and REBINDING in ciaddr.
            (_, Some(requested), None) => Ok(verdict(requested)),
            (_, _, Some(ciaddr)) => Ok(verdict(ciaddr)),
            (_, None, None) => Err(Silence::Malformed("DHCPREQUEST for no address")),
        },
        INFORM => Ok(Decision::Grant(INFORM)),
        DECLINE | RELEASE => Err(Silence::NoneWanted),
        _ => Err(Silence::Malformed("DHCPv4 message type")),
    }
}

struct Reply<'a> {
    segment: &'a Segment,
    request: &'a Request<'a>,
    lease: Lease<'a>,
    /// The port's own options.
    extra: Vec<(u16, Vec<u8>)>,
}

impl Reply<'_> {
    fn nak(&self) -> Vec<u8> {
        let nowhere = Ipv4Addr::UNSPECIFIED;
        let mut message = self.header(nowhere, nowhere, Boot::default());
        let mut options = Options::new(&mut message, self.request.max_size);
        options.put(OPTION_TYPE, &[NAK]);
        options.put(OPTION_SERVER, &self.lease.server().octets());
        self.identify(&mut options);
        options.end();
        self.send(Mac::BROADCAST, Ipv4Addr::BROADCAST, &message)
    }

    /// An offer, an acknowledgement, or (kind `INFORM`) an acknowledgement without an address.
    fn grant(&self, kind: u8, source: Ipv4Addr) -> Vec<u8> {
        let informs = kind == INFORM;
        let yiaddr = match informs {
            true => Ipv4Addr::UNSPECIFIED,
            false => self.lease.address,
        };
        let mut message = self.header(self.request.ciaddr, yiaddr, self.boot());
        let mut options = Options::new(&mut message, self.request.max_size);
        options.put(OPTION_TYPE, &[if informs { ACK } else { kind }]);
        options.put(OPTION_SERVER, &self.lease.server().octets());
        self.identify(&mut options);
        for (code, value) in self.configuration() {
            // RFC 2131 section 4.3.5: who only asks for options is told of no lease.
            if !informs || !LEASE_TIMES.contains(&code) {
                options.put(code, &value);
            }
        }
        options.end();
        let (mac, address) = self.destination(source, yiaddr);
        self.send(mac, address, &message)
    }

    /// RFC 2131 section 4.1: to the address the client has, else to the one it gets, unless it asks for
    /// broadcast because it cannot receive unicast yet.
    fn destination(&self, source: Ipv4Addr, yiaddr: Ipv4Addr) -> (Mac, Ipv4Addr) {
        let unicast = |address| (self.request.chaddr, address);
        if !self.request.ciaddr.is_unspecified() {
            unicast(self.request.ciaddr)
        } else if self.request.flags & BROADCAST_FLAG != 0 {
            (Mac::BROADCAST, Ipv4Addr::BROADCAST)
        } else if !yiaddr.is_unspecified() {
            unicast(yiaddr)
        } else if !source.is_unspecified() {
            unicast(source)
        } else {
            (Mac::BROADCAST, Ipv4Addr::BROADCAST)
        }
    }

    fn header(&self, ciaddr: Ipv4Addr, yiaddr: Ipv4Addr, boot: Boot<'_>) -> Vec<u8> {
        let mut message = vec![BOOT_REPLY, ETHERNET, 6, 0];
        message.extend(self.request.xid);
        message.extend([0; 2]);
        message.extend(self.request.flags.to_be_bytes());
        message.extend(ciaddr.octets());
        message.extend(yiaddr.octets());
        message.extend(boot.address.unwrap_or_default());
        message.extend([0; 4]);
        message.extend(self.request.chaddr.0);
        message.extend([0; 10]);
        message.extend(zero_ended::<64>(boot.server));
        message.extend(zero_ended::<128>(boot.file));
        message.extend(MAGIC);
        message
    }

    fn boot(&self) -> Boot<'_> {
        let address = self.extra(DhcpOption::SERVER_IP_ADDRESS);
        Boot {
            address: address.and_then(|value| value.first_chunk().copied()),
            server: self.extra(OPTION_BOOT_SERVER).unwrap_or_default(),
            file: self.extra(OPTION_BOOT_FILE).unwrap_or_default(),
        }
    }

    fn extra(&self, code: impl Into<u16>) -> Option<&[u8]> {
        let code = code.into();
        let found = self.extra.iter().find(|option| option.0 == code);
        found.map(|(_, value)| value.as_slice())
    }

    /// RFC 6842: the client identifier is returned as it came.
    fn identify(&self, options: &mut Options<'_>) {
        if let Some(client) = self.request.client {
            options.put(OPTION_CLIENT, client);
        }
    }

    /// The subnet's options, replaced or added to by the port's own; the most needed first, because a reply
    /// that gets too long loses its last ones.
    fn configuration(&self) -> Vec<(u8, Vec<u8>)> {
        let Lease {
            network, subnet, ..
        } = self.lease;
        let mut list = self.times();
        list.push((OPTION_MASK, network.netmask().octets().to_vec()));
        if let Some(gateway) = self.lease.gateway() {
            list.push((OPTION_ROUTER, gateway.octets().to_vec()));
        }
        list.push((OPTION_MTU, self.segment.mtu.get().to_be_bytes().to_vec()));
        let routes = self.routes();
        if !routes.is_empty() {
            list.push((OPTION_ROUTES, routes));
        }
        let dns: Vec<u8> = v4_addresses(&subnet.dns_nameservers)
            .flat_map(|server| server.octets())
            .collect();
        if !dns.is_empty() {
            list.push((OPTION_DNS, dns));
        }
        list.push((OPTION_BROADCAST, network.broadcast().octets().to_vec()));
        for (code, value) in &self.extra {
            // What lies above is in the header.
            let Some(code) = u8::try_from(*code).ok().filter(|code| *code < OPTION_END) else {
                continue;
            };
            match list.iter_mut().find(|(known, _)| *known == code) {
                Some(entry) => entry.1.clone_from(value),
                None => list.push((code, value.clone())),
            }
        }
        list
    }

    /// The lease, and the times to renew and to rebind that RFC 2131 section 4.4.5 makes of it.
    fn times(&self) -> Vec<(u8, Vec<u8>)> {
        let own = self.extra(OPTION_LEASE).and_then(<[u8]>::first_chunk);
        let lease = own.map_or(LEASE_SECONDS, |own| u32::from_be_bytes(*own));
        [
            (OPTION_LEASE, lease),
            (OPTION_RENEWAL, lease / 2),
            (OPTION_REBINDING, lease - lease / 8),
        ]
        .map(|(code, seconds)| (code, seconds.to_be_bytes().to_vec()))
        .into()
    }

    /// A client that gets option 121 ignores the router option, so the default route is repeated in it
    /// (RFC 3442).
    fn routes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut has_default = false;
        for route in &self.lease.subnet.host_routes {
            if let (IpNet::V4(to), IpAddr::V4(nexthop)) = (route.destination, route.nexthop) {
                has_default |= to.prefix_len() == 0;
                classless_route(&mut bytes, to, nexthop);
            }
        }
        if let Some(gateway) = self.lease.gateway()
            && !bytes.is_empty()
            && !has_default
        {
            classless_route(&mut bytes, Ipv4Net::default(), gateway);
        }
        bytes
    }

    fn send(&self, mac: Mac, address: Ipv4Addr, message: &[u8]) -> Vec<u8> {
        let path = Path {
            source_mac: self.segment.service_mac(),
            destination_mac: mac,
            source: self.lease.server(),
            destination: address,
        };
        path.udp((SERVER_PORT, CLIENT_PORT), message)
    }
}

/// Where to boot from. Boot ROMs read the header, or the options of the same meaning, or both, so they get both.
#[derive(Debug, Clone, Copy, Default)]
struct Boot<'a> {
    /// `siaddr`: the port's `server-ip-address`.
    address: Option<[u8; 4]>,
    /// `sname`: the port's `tftp-server`.
    server: &'a [u8],
    /// `file`: the port's `bootfile-name`.
    file: &'a [u8],
}

/// A text in a field of the header; one that does not fit with its ending zero is left to the options.
fn zero_ended<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [0; N];
    if text.len() < N {
        field[..text.len()].copy_from_slice(text);
    }
    field
}

/// Writes options up to the size the client accepts; one that does not fit is left out whole.
struct Options<'a> {
    message: &'a mut Vec<u8>,
    limit: usize,
}

impl<'a> Options<'a> {
    fn new(message: &'a mut Vec<u8>, max_size: u16) -> Self {
        let options = usize::from(max_size).saturating_sub(FIXED_SIZE);
        let limit = message.len() + options - 1; // one byte for the end
        Self { message, limit }
    }

    fn put(&mut self, code: u8, value: &[u8]) {
        // A long value is sent in parts with the same code (RFC 3396).
        let parts = value.len().div_ceil(255);
        if self.message.len() + value.len() + 2 * parts > self.limit {
            return;
        }
        for part in value.chunks(255) {
            self.message.extend([code, part.len() as u8]);
            self.message.extend(part);
        }
    }

    fn end(self) {
        self.message.push(OPTION_END);
        // BOOTP's minimum of 300 bytes, which some clients still insist on (RFC 1542 section 2.1).
        if self.message.len() < 300 {
            self.message.resize(300, OPTION_PAD);
        }
    }
}

#[cfg(test)]
mod tests;
