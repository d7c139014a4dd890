/* SPDX-License-Identifier: Apache-2.0
 *
 * What a frame says, or the reason to drop it. The twin of forwarding/src/packet.rs and transport.rs.
 */
#pragma once

#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "reasons.h"

#define ETHERNET 14
#define MAX_EXTENSIONS 8
#define MAX_ND_OPTIONS 8

#define PROTO_HOP_BY_HOP 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_ICMPV6 58
#define PROTO_DESTINATION 60
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

#define ROUTER_SOLICITATION 133
#define ROUTER_ADVERTISEMENT 134
#define NEIGHBOUR_SOLICITATION 135
#define NEIGHBOUR_ADVERTISEMENT 136

enum kind { KIND_OTHER, KIND_ARP, KIND_IP };
enum fragment { FRAGMENT_WHOLE, FRAGMENT_FIRST, FRAGMENT_LATER };
enum transport { OPAQUE, TCP, UDP, PORTS, ICMP };
enum echo { ECHO_NONE, ECHO_REQUEST, ECHO_REPLY };

struct packet {
	__u32 length;
	__u32 transport_at;
	__u32 end; /* of the IP packet */
	__u32 gso_size;
	__u32 fragment_id;
	__u16 ethertype;
	__u16 source_port; /* for echo: the id, on the asker's side */
	__u16 destination_port;
	__u8 destination_mac[6];
	__u8 source_mac[6];
	__u8 link_layer[6]; /* claimed by ARP or neighbour discovery */
	__u8 kind;
	__u8 family;
	__u8 protocol;
	__u8 fragment;
	__u8 fragment_protocol;
	__u8 transport;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 echo;
	__u8 is_nd;
	__u8 has_link_layer;
	__u8 is_arp_request;
	__u8 hop_limit;
	__u8 transport_length; /* of the header */
	struct address source; /* ARP: the sender */
	struct address destination; /* ARP: the target */
	struct address target; /* neighbour discovery */
};

static __always_inline __u16 be16_at(const __u8 *bytes)
{
	return (__u16)bytes[0] << 8 | bytes[1];
}

static __always_inline __u32 load32(const __u8 *bytes)
{
	__u32 value;

	__builtin_memcpy(&value, bytes, 4);
	return value;
}

static __always_inline int mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] && a[5] == b[5];
}

static __always_inline int is_zero(const struct address *address)
{
	const __u8 *b = address->bytes;

	return !(load32(b) | load32(b + 4) | load32(b + 8) | load32(b + 12));
}

static __always_inline int address_equal(const struct address *one, const struct address *other)
{
	const __u8 *a = one->bytes, *b = other->bytes;

	return load32(a) == load32(b) && load32(a + 4) == load32(b + 4) && load32(a + 8) == load32(b + 8) &&
	       load32(a + 12) == load32(b + 12);
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == PROTO_TCP || protocol == PROTO_UDP || protocol == PROTO_UDPLITE ||
	       protocol == PROTO_SCTP || protocol == PROTO_DCCP;
}

static __always_inline int is_extension(__u8 protocol)
{
	return protocol == PROTO_HOP_BY_HOP || protocol == PROTO_ROUTING || protocol == PROTO_FRAGMENT ||
	       protocol == PROTO_DESTINATION;
}

/* The Ethernet header and the checks every hook makes. */
static __always_inline int parse_ethernet(struct __sk_buff *skb, struct packet *p)
{
	__u8 header[ETHERNET];

	__builtin_memset(p, 0, sizeof(*p));
	p->length = skb->len;
	p->gso_size = skb->gso_size;
	if (bpf_skb_load_bytes(skb, 0, header, ETHERNET) < 0)
		return DROP_MULTICAST_SOURCE;
	__builtin_memcpy(p->destination_mac, header, 6);
	__builtin_memcpy(p->source_mac, header + 6, 6);
	p->ethertype = be16_at(header + 12);
	if (skb->vlan_present || p->ethertype == 0x8100 || p->ethertype == 0x88a8 || p->ethertype == 0x9100)
		return DROP_VLAN_TAGGED;
	if (header[6] & 1 || !(header[6] | header[7] | header[8] | header[9] | header[10] | header[11]))
		return DROP_MULTICAST_SOURCE;
	if (header[0] == 0x01 && header[1] == 0x80 && header[2] == 0xc2 && !header[3] && !header[4] && header[5] < 0x10)
		return DROP_RESERVED_MULTICAST;
	return 0;
}

static __always_inline int parse_arp(struct __sk_buff *skb, struct packet *p)
{
	__u8 arp[28];

	if (bpf_skb_load_bytes(skb, ETHERNET, arp, sizeof(arp)) < 0)
		return DROP_ARP_MALFORMED;
	if (be16_at(arp) != 1 || be16_at(arp + 2) != 0x0800 || arp[4] != 6 || arp[5] != 4 || arp[6] ||
	    (arp[7] != 1 && arp[7] != 2))
		return DROP_ARP_MALFORMED;
	p->kind = KIND_ARP;
	p->family = FAMILY_IPV4;
	p->is_arp_request = arp[7] == 1;
	__builtin_memcpy(p->link_layer, arp + 8, 6);
	__builtin_memcpy(p->source.bytes, arp + 14, 4);
	__builtin_memcpy(p->destination.bytes, arp + 24, 4);
	return 0;
}

/* Walks the options of a neighbour discovery message that starts at transport_at. */
static __always_inline int parse_nd(struct __sk_buff *skb, struct packet *p)
{
	__u32 at = p->transport_at, fixed = 24;
	__u8 wanted = p->icmp_type == NEIGHBOUR_ADVERTISEMENT ? 2 : 1;
	__u8 option[8];
	int i;

	if (p->fragment != FRAGMENT_WHOLE || p->hop_limit != 255 || p->icmp_code)
		return DROP_ND_MALFORMED;
	p->is_nd = 1;
	if (p->icmp_type == ROUTER_SOLICITATION)
		fixed = 8;
	if (p->icmp_type == ROUTER_ADVERTISEMENT)
		fixed = 16;
	if (at + fixed > p->end)
		return DROP_ND_MALFORMED;
	if (fixed == 24) {
		if (bpf_skb_load_bytes(skb, at + 8, p->target.bytes, 16) < 0 || p->target.bytes[0] == 0xff)
			return DROP_ND_MALFORMED;
	}
	at += fixed;
	for (i = 0; i < MAX_ND_OPTIONS; i++) {
		__u32 length;

		if (at >= p->end)
			break;
		if (at + 8 > p->end || bpf_skb_load_bytes(skb, at, option, 8) < 0)
			return DROP_ND_MALFORMED;
		length = (__u32)option[1] * 8;
		if (!length || at + length > p->end)
			return DROP_ND_MALFORMED;
		if (option[0] == wanted) {
			if (length != 8 || p->has_link_layer)
				return DROP_ND_MALFORMED;
			p->has_link_layer = 1;
			__builtin_memcpy(p->link_layer, option + 2, 6);
		}
		at += length;
	}
	return at == p->end ? 0 : DROP_ND_MALFORMED;
}

static __always_inline int parse_icmp(struct __sk_buff *skb, struct packet *p, const __u8 *header)
{
	__u8 request = p->family == FAMILY_IPV4 ? 8 : 128;
	__u8 reply = p->family == FAMILY_IPV4 ? 0 : 129;

	p->transport = ICMP;
	p->icmp_type = header[0];
	p->icmp_code = header[1];
	if (header[0] == request) {
		p->echo = ECHO_REQUEST;
		p->source_port = be16_at(header + 4);
	} else if (header[0] == reply) {
		p->echo = ECHO_REPLY;
		p->destination_port = be16_at(header + 4);
	}
	if (p->family == FAMILY_IPV6 && header[0] >= ROUTER_SOLICITATION && header[0] <= NEIGHBOUR_ADVERTISEMENT)
		return parse_nd(skb, p);
	return 0;
}

static __always_inline int parse_tcp(struct __sk_buff *skb, struct packet *p)
{
	__u32 length = p->end - p->transport_at, header_length;
	__u8 header[20];

	if (length < 20 || bpf_skb_load_bytes(skb, p->transport_at, header, 20) < 0)
		return DROP_TRANSPORT_TRUNCATED;
	header_length = (__u32)(header[12] >> 4) * 4;
	if (header_length < 20 || header_length > length)
		return DROP_TCP_HEADER_LENGTH;
	p->transport = TCP;
	p->transport_length = header_length;
	p->source_port = be16_at(header);
	p->destination_port = be16_at(header + 2);
	p->tcp_flags = header[13];
	return 0;
}

/* The transport header, between transport_at and end. */
static __always_inline int parse_transport(struct __sk_buff *skb, struct packet *p)
{
	__u32 length = p->end - p->transport_at, udp_length;
	__u8 protocol = p->protocol, header[8];
	int is_icmp = (p->family == FAMILY_IPV4 && protocol == PROTO_ICMP) ||
		      (p->family == FAMILY_IPV6 && protocol == PROTO_ICMPV6);

	if (p->fragment == FRAGMENT_LATER)
		return 0;
	if (protocol == PROTO_TCP)
		return parse_tcp(skb, p);
	if (!is_icmp && !has_ports(protocol))
		return 0;
	if (length < 8 || ((protocol == PROTO_SCTP || protocol == PROTO_DCCP) && length < 12))
		return DROP_TRANSPORT_TRUNCATED;
	if (bpf_skb_load_bytes(skb, p->transport_at, header, 8) < 0)
		return DROP_TRANSPORT_TRUNCATED;
	if (is_icmp)
		return parse_icmp(skb, p, header);
	p->source_port = be16_at(header);
	p->destination_port = be16_at(header + 2);
	p->transport = PORTS;
	p->transport_length = 8;
	if (protocol == PROTO_UDP) {
		udp_length = be16_at(header + 4);
		/* The UDP length of a packet yet to be segmented is not that of this buffer. */
		if (udp_length < 8 || (udp_length > length && p->fragment == FRAGMENT_WHOLE && !p->gso_size))
			return DROP_UDP_LENGTH;
		p->transport = UDP;
	}
	return 0;
}

static __always_inline int parse_fragment(struct packet *p, __u32 offset, __u32 more, __u32 length, __u8 protocol)
{
	if (!offset && !more)
		return 0;
	if ((more && (!length || length % 8)) || offset + length > 65535 || (protocol == PROTO_TCP && offset == 8))
		return DROP_FRAGMENT_MALFORMED;
	p->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
	return 0;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct packet *p)
{
	__u32 available = p->length - ETHERNET, header_length, total, flags;
	__u8 header[20];
	int reason;

	if (bpf_skb_load_bytes(skb, ETHERNET, header, 20) < 0)
		return DROP_IPV4_TRUNCATED;
	if (header[0] >> 4 != 4)
		return DROP_IP_VERSION;
	header_length = (__u32)(header[0] & 0xf) * 4;
	if (header_length < 20)
		return DROP_IPV4_HEADER_LENGTH;
	total = be16_at(header + 2);
	/* Linux 6.3: packets above 64 KiB that are yet to be segmented have a total length of zero. */
	if (!total && p->gso_size)
		total = available;
	if (total < header_length || total > available)
		return DROP_IPV4_TOTAL_LENGTH;
	p->kind = KIND_IP;
	p->family = FAMILY_IPV4;
	p->protocol = header[9];
	p->fragment_protocol = header[9];
	p->fragment_id = be16_at(header + 4);
	p->hop_limit = 255;
	p->transport_at = ETHERNET + header_length;
	p->end = ETHERNET + total;
	__builtin_memcpy(p->source.bytes, header + 12, 4);
	__builtin_memcpy(p->destination.bytes, header + 16, 4);
	flags = be16_at(header + 6);
	reason = parse_fragment(p, (flags & 0x1fff) * 8, flags & 0x2000, total - header_length, header[9]);
	return reason ? reason : parse_transport(skb, p);
}

/* Follows the extension headers (RFC 8200 section 4) to the transport header. */
static __always_inline int parse_extensions(struct __sk_buff *skb, struct packet *p)
{
	__u8 header[8], seen_fragment = 0;
	__u32 length;
	int i, reason;

	for (i = 0; i < MAX_EXTENSIONS; i++) {
		__u8 current = p->protocol;

		if (!is_extension(current))
			return 0;
		if (p->transport_at + 8 > p->end || bpf_skb_load_bytes(skb, p->transport_at, header, 8) < 0)
			return DROP_IPV6_EXTENSION;
		if (current == PROTO_HOP_BY_HOP && i)
			return DROP_IPV6_EXTENSION;
		if (current == PROTO_ROUTING && !header[2])
			return DROP_IPV6_ROUTING_HEADER;
		if (current == PROTO_FRAGMENT && seen_fragment)
			return DROP_IPV6_EXTENSION;
		length = current == PROTO_FRAGMENT ? 8 : ((__u32)header[1] + 1) * 8;
		if (p->transport_at + length > p->end)
			return DROP_IPV6_EXTENSION;
		p->transport_at += length;
		p->protocol = header[0];
		if (current != PROTO_FRAGMENT)
			continue;
		seen_fragment = 1;
		p->fragment_id = bpf_ntohl(load32(header + 4));
		reason = parse_fragment(p, be16_at(header + 2) & 0xfff8, header[3] & 1, p->end - p->transport_at,
					header[0]);
		if (reason || p->fragment == FRAGMENT_LATER)
			return reason;
	}
	return is_extension(p->protocol) ? DROP_IPV6_EXTENSION_CHAIN : 0;
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct packet *p)
{
	__u32 available = p->length - ETHERNET, payload;
	__u8 header[40];
	int reason;

	if (bpf_skb_load_bytes(skb, ETHERNET, header, 40) < 0)
		return DROP_IPV6_TRUNCATED;
	if (header[0] >> 4 != 6)
		return DROP_IP_VERSION;
	payload = be16_at(header + 4);
	if (!payload && p->gso_size)
		payload = available - 40;
	if (payload > available - 40)
		return DROP_IPV6_PAYLOAD_LENGTH;
	p->kind = KIND_IP;
	p->family = FAMILY_IPV6;
	p->protocol = header[6];
	p->hop_limit = header[7];
	p->transport_at = ETHERNET + 40;
	p->end = ETHERNET + 40 + payload;
	__builtin_memcpy(p->source.bytes, header + 8, 16);
	__builtin_memcpy(p->destination.bytes, header + 24, 16);
	reason = parse_extensions(skb, p);
	return reason ? reason : parse_transport(skb, p);
}

/* Everything behind the Ethernet header. Verified once, for all callers. */
__attribute__((noinline)) int parse_payload(struct __sk_buff *skb, struct packet *p)
{
	if (!p)
		return DROP_REDIRECT_FAILED;
	if (p->ethertype == 0x0800)
		return parse_ipv4(skb, p);
	if (p->ethertype == 0x86dd)
		return parse_ipv6(skb, p);
	if (p->ethertype == 0x0806)
		return parse_arp(skb, p);
	return 0;
}

static __always_inline int too_big(const struct packet *p, __u32 mtu)
{
	return !p->gso_size && p->length - ETHERNET > mtu;
}

/* A packet that is yet to be segmented is as large as its segments. Asked after parsing. */
static __always_inline int segments_too_big(const struct packet *p, __u32 mtu)
{
	__u32 headers = p->transport_at ? p->transport_at + p->transport_length - ETHERNET : 0;

	return p->gso_size && p->gso_size + headers > mtu;
}
