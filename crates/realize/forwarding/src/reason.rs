//! Why a packet was dropped. The same names are used by the CLI, the API, the console, the metrics and the
//! eBPF programs; a number, once given, is never given to another reason.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $explain:literal;)*) => {
        /// The reason of a drop; the number is the one the data path counts under.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $explain] #[serde(rename = $name)] $variant = $number,)*
        }

        impl DropReason {
            pub const ALL: &'static [DropReason] = &[$(Self::$variant),*];

            /// The name of the reason in kebab case.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for the operator: what was wrong with the packet.
            pub fn explain(self) -> &'static str {
                match self { $(Self::$variant => $explain,)* }
            }
        }
    };
}

drop_reasons! {
    // Malformed: the packet cannot be what it claims.
    VlanTagged = 1, "vlan-tagged", "the frame carries a VLAN tag; ports are untagged";
    MulticastSource = 2, "multicast-source", "the source MAC is a group address or all zero (IEEE 802.3)";
    ReservedMulticast = 3, "reserved-multicast", "the destination is a link-local group that bridges never forward (IEEE 802.1Q table 8-1)";
    ArpMalformed = 4, "arp-malformed", "the ARP packet is truncated or is not an Ethernet/IPv4 request or reply (RFC 826)";
    Ipv4Truncated = 5, "ipv4-truncated", "the frame ends inside the IPv4 header";
    IpVersion = 6, "ip-version", "the version field contradicts the EtherType";
    Ipv4HeaderLength = 7, "ipv4-header-length", "the IPv4 header length is below 20 bytes";
    Ipv4TotalLength = 8, "ipv4-total-length", "the IPv4 total length is shorter than the header or longer than the frame";
    FragmentMalformed = 9, "fragment-malformed", "the fragment is not a multiple of 8 bytes, ends past 65535, or overlaps the transport header (RFC 791, RFC 3128)";
    Ipv6Truncated = 10, "ipv6-truncated", "the frame ends inside the IPv6 header";
    Ipv6PayloadLength = 11, "ipv6-payload-length", "the IPv6 payload length is longer than the frame";
    Ipv6Extension = 12, "ipv6-extension", "an IPv6 extension header is truncated, repeated or out of place (RFC 8200 section 4.1)";
    Ipv6ExtensionChain = 13, "ipv6-extension-chain", "the IPv6 packet has more extension headers than are followed";
    Ipv6RoutingHeader = 14, "ipv6-routing-header", "the IPv6 packet has a type 0 routing header (RFC 5095)";
    TransportTruncated = 15, "transport-truncated", "the packet ends inside the transport header";
    TcpHeaderLength = 16, "tcp-header-length", "the TCP data offset is below 20 bytes or past the packet's end";
    UdpLength = 17, "udp-length", "the UDP length is below 8 bytes or past the packet's end";
    NdMalformed = 18, "nd-malformed", "the neighbour discovery message fails the checks of RFC 4861 sections 6.1 and 7.1";
    // Anti-spoofing.
    SpoofedMac = 20, "spoofed-mac", "the source MAC is neither the port's nor one of its allowed address pairs'";
    SpoofedIpv4 = 21, "spoofed-ipv4", "the source IPv4 address is not one the port may use with this MAC";
    SpoofedIpv6 = 22, "spoofed-ipv6", "the source IPv6 address is not one the port may use with this MAC";
    SpoofedArp = 23, "spoofed-arp", "the ARP sender is not an address the port may use";
    SpoofedNd = 24, "spoofed-nd", "the neighbour discovery message speaks for an address the port may not use";
    RogueDhcpv4 = 25, "rogue-dhcpv4", "the port answers as a DHCPv4 server";
    RogueDhcpv6 = 26, "rogue-dhcpv6", "the port answers as a DHCPv6 server";
    RogueRouterAdvertisement = 27, "rogue-router-advertisement", "the port advertises itself as an IPv6 router";
    // Security groups.
    EtherType = 30, "ether-type", "neither ARP, IPv4 nor IPv6, and port security is on";
    SecurityGroupEgress = 31, "security-group-egress", "no egress rule of the port's security groups allows the packet";
    SecurityGroupIngress = 32, "security-group-ingress", "no ingress rule of the port's security groups allows the packet";
    TcpFlags = 33, "tcp-flags", "the TCP flags are a combination that no connection uses";
    ConnectionInvalid = 34, "connection-invalid", "the TCP packet belongs to no known connection and cannot begin one";
    FragmentUnknown = 35, "fragment-unknown", "a fragment whose first fragment was not seen or not allowed";
    // Forwarding.
    PortUnknown = 40, "port-unknown", "the device belongs to no port of the plan";
    PortDown = 41, "port-down", "the port's admin_state_up is false";
    NetworkDown = 42, "network-down", "the network's admin_state_up is false";
    PacketTooBig = 43, "packet-too-big", "the packet is larger than the network's MTU";
    UnknownUnicast = 44, "unknown-unicast", "no port of the network has the destination MAC";
    NeighbourUnknown = 45, "neighbour-unknown", "an ARP request or neighbour solicitation for an address nobody has";
    Hairpin = 46, "hairpin", "the packet's destination is the port it came from";
    NotPlugged = 47, "not-plugged", "the destination port is bound to this host but has no device";
    TunnelUnknown = 48, "tunnel-unknown", "the destination's host has no tunnel address";
    HostTraffic = 49, "host-traffic", "the packet was sent to the port's device by the host itself";
    // Tunnel.
    VniUnknown = 50, "vni-unknown", "no network of this host has the VNI";
    VtepUnknown = 51, "vtep-unknown", "the outer source address is no host's tunnel address";
    VtepMismatch = 52, "vtep-mismatch", "the inner source MAC belongs to a port of another host";
    NotLocal = 53, "not-local", "the destination of a tunneled packet is on another host";
    // Limits.
    PuntFull = 60, "punt-full", "the port, or the host, hands the agent more packets than it takes";
    RedirectFailed = 61, "redirect-failed", "the kernel refused to pass the packet on";
    FloodTooLarge = 62, "flood-too-large", "the network has more flood targets than one packet is copied to";
}

impl DropReason {
    /// The reason with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| *r as u8 == number)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_numbers_are_unique_and_invertible() {
        let names: BTreeSet<_> = DropReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
        for reason in DropReason::ALL {
            assert_eq!(DropReason::from_number(*reason as u8), Some(*reason));
        }
        assert_eq!(DropReason::from_number(0), None);
        assert_eq!(DropReason::from_number(255), None);
    }

    #[test]
    fn the_documentation_lists_every_reason() {
        let page = include_str!("../../../../docs/drop-reasons.md");
        for reason in DropReason::ALL {
            let row = format!("| {} | `{reason}` | {} |", *reason as u8, reason.explain());
            assert!(page.contains(&row), "docs/drop-reasons.md lacks {row}");
        }
        assert_eq!(page.matches("| `").count(), DropReason::ALL.len());
    }
}
