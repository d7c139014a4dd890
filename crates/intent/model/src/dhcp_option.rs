//! The names of DHCP options as dnsmasq spells them, which `extra_dhcp_opts` accepts beside numbers.

use crate::{DhcpOption, Family};

/// DHCPv4 options (RFC 2132 and IANA "BOOTP Vendor Extensions and DHCP Options").
const V4: &[(&str, u16)] = &[
    ("netmask", 1),
    ("time-offset", 2),
    ("router", 3),
    ("dns-server", 6),
    ("log-server", 7),
    ("lpr-server", 9),
    ("hostname", 12),
    ("boot-file-size", 13),
    ("domain-name", 15),
    ("swap-server", 16),
    ("root-path", 17),
    ("extension-path", 18),
    ("ip-forward-enable", 19),
    ("non-local-source-routing", 20),
    ("policy-filter", 21),
    ("max-datagram-reassembly", 22),
    ("default-ttl", 23),
    ("mtu", 26),
    ("all-subnets-local", 27),
    ("broadcast", 28),
    ("router-discovery", 31),
    ("router-solicitation", 32),
    ("static-route", 33),
    ("trailer-encapsulation", 34),
    ("arp-timeout", 35),
    ("ethernet-encap", 36),
    ("tcp-ttl", 37),
    ("tcp-keepalive", 38),
    ("nis-domain", 40),
    ("nis-server", 41),
    ("ntp-server", 42),
    ("vendor-encap", 43),
    ("netbios-ns", 44),
    ("netbios-dd", 45),
    ("netbios-nodetype", 46),
    ("netbios-scope", 47),
    ("x-windows-fs", 48),
    ("x-windows-dm", 49),
    ("lease-time", 51),
    ("vendor-class", 60),
    ("nis+-domain", 64),
    ("nis+-server", 65),
    ("tftp-server", 66),
    ("bootfile-name", 67),
    ("mobile-ip-home", 68),
    ("smtp-server", 69),
    ("pop3-server", 70),
    ("nntp-server", 71),
    ("irc-server", 74),
    ("user-class", 77),
    ("client-arch", 93),
    ("client-interface-id", 94),
    ("client-machine-id", 97),
    ("posix-timezone", 100),
    ("tzdb-timezone", 101),
    ("domain-search", 119),
    ("sip-server", 120),
    ("classless-static-route", 121),
    ("tftp-server-address", 150),
    ("server-ip-address", DhcpOption::SERVER_IP_ADDRESS),
];

/// DHCPv6 options (IANA "DHCPv6 Option Codes").
const V6: &[(&str, u16)] = &[
    ("sip-server-domain", 21),
    ("sip-server", 22),
    ("dns-server", 23),
    ("domain-search", 24),
    ("nis-server", 27),
    ("nis+-server", 28),
    ("nis-domain", 29),
    ("nis+-domain", 30),
    ("sntp-server", 31),
    ("information-refresh-time", 32),
    ("bootfile-url", 59),
    ("bootfile-param", 60),
];

/// What the protocol itself says in these, a user's value would only break (RFC 2132 section 9, RFC 3046).
const RESERVED_V4: &[u16] = &[50, 52, 53, 54, 55, 57, 61, 82];
/// Identities, addresses, times of the exchange and relaying (RFC 8415 section 21).
const RESERVED_V6: &[u16] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 20, 25, 26];

impl DhcpOption {
    /// Not an option on the wire: the `siaddr` field of the DHCPv4 header (RFC 2131 section 2), under the
    /// number that ends the options there.
    pub const SERVER_IP_ADDRESS: u16 = 255;

    /// The option's number: 1 to 254 in DHCPv4 or [`Self::SERVER_IP_ADDRESS`], 1 to 65535 in DHCPv6.
    /// `None` when the name is neither a number nor known, or is the protocol's own to set.
    pub fn code(&self) -> Option<u16> {
        let (names, reserved, last) = match self.family {
            Family::V4 => (V4, RESERVED_V4, 254),
            Family::V6 => (V6, RESERVED_V6, u16::MAX),
        };
        if self.name.starts_with(|c: char| c.is_ascii_digit()) {
            let number = self.name.parse().ok();
            return number.filter(|n| (1..=last).contains(n) && !reserved.contains(n));
        }
        names
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, code)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_by_name_and_number() {
        for (name, family, code) in [
            ("bootfile-name", Family::V4, Some(67)),
            ("bootfile-name", Family::V6, None),
            ("dns-server", Family::V4, Some(6)),
            ("dns-server", Family::V6, Some(23)),
            ("server-ip-address", Family::V4, Some(255)),
            ("254", Family::V4, Some(254)),
            ("255", Family::V4, None),
            ("255", Family::V6, Some(255)),
            ("0", Family::V4, None),
            ("53", Family::V4, None),
            ("53", Family::V6, Some(53)),
            ("3", Family::V6, None),
            ("99999", Family::V6, None),
            ("3x", Family::V4, None),
            ("", Family::V4, None),
        ] {
            let option = DhcpOption {
                name: name.to_owned(),
                value: String::new(),
                family,
            };
            assert_eq!(option.code(), code, "{name} {family:?}");
        }
    }
}
