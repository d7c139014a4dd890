/* SPDX-License-Identifier: Apache-2.0
 *
 * ARP requests and neighbour solicitations, answered from the maps. The twin of forwarding/src/neighbour.rs.
 */
#pragma once

#include "maps.h"
#include "packet.h"

enum resolution { ANSWER, FORWARD, UNKNOWN };

/* The MAC of a link-local address made by EUI-64 (RFC 4291 appendix A), if a member has it. */
static __always_inline int link_local_holder(__u32 vni, const struct address *address, __u8 *mac)
{
	const __u8 *b = address->bytes;
	struct member_key key;
	struct member *member;

	if (load32(b) != bpf_htonl(0xfe800000) || load32(b + 4) || b[11] != 0xff || b[12] != 0xfe)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.vni = vni;
	key.mac[0] = b[8] ^ 2;
	key.mac[1] = b[9];
	key.mac[2] = b[10];
	key.mac[3] = b[13];
	key.mac[4] = b[14];
	key.mac[5] = b[15];
	member = bpf_map_lookup_elem(&members, &key);
	if (!member || member->kind == MEMBER_PAIR)
		return 0;
	__builtin_memcpy(mac, key.mac, 6);
	return 1;
}

/* Who has the address that the request in `p` asks for? */
__attribute__((noinline)) int resolve(struct packet *p, __u32 vni, struct outcome *outcome)
{
	struct neighbour_key key;
	struct pair_prefix_key prefix;
	struct neighbour *neighbour;

	if (!p || !outcome)
		return UNKNOWN;
	__builtin_memset(&key, 0, sizeof(key));
	key.vni = vni;
	key.family = p->family;
	key.address = p->kind == KIND_ARP ? p->destination : p->target;
	neighbour = bpf_map_lookup_elem(&neighbours, &key);
	if (neighbour)
		__builtin_memcpy(outcome->mac, neighbour->mac, 6);
	if ((neighbour && !neighbour->is_service) ||
	    (p->family == FAMILY_IPV6 && link_local_holder(vni, &key.address, outcome->mac)))
		return mac_equal(outcome->mac, p->source_mac) ? FORWARD : ANSWER;

	__builtin_memset(&prefix, 0, sizeof(prefix));
	prefix.bits = PAIR_BITS + (p->family == FAMILY_IPV4 ? 32 : 128);
	prefix.vni = vni;
	prefix.family = p->family;
	prefix.address = key.address;
	if (bpf_map_lookup_elem(&pair_prefixes, &prefix))
		return FORWARD;
	if (!neighbour)
		return UNKNOWN;
	return mac_equal(outcome->mac, p->source_mac) ? FORWARD : ANSWER;
}

/* Turns the request around in place (RFC 826). */
static __always_inline int write_arp_reply(struct __sk_buff *skb, const struct packet *p, const __u8 *mac)
{
	__u8 ethernet[12], arp[22] = { 0, 2 };

	__builtin_memcpy(ethernet, p->source_mac, 6);
	__builtin_memcpy(ethernet + 6, mac, 6);
	__builtin_memcpy(arp + 2, mac, 6);
	__builtin_memcpy(arp + 8, p->destination.bytes, 4);
	__builtin_memcpy(arp + 12, p->link_layer, 6);
	__builtin_memcpy(arp + 18, p->source.bytes, 4);
	if (bpf_skb_store_bytes(skb, 0, ethernet, sizeof(ethernet), 0) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, 20, arp, sizeof(arp), 0);
}

struct advertisement {
	__u8 ethernet[ETHERNET];
	__u8 ip[8];
	struct address source;
	struct address destination;
	__u8 icmp[8];
	struct address target;
	__u8 option[8];
} __attribute__((packed));

/* RFC 4861 section 4.4; checksum by RFC 8200 section 8.1. */
static __always_inline __u16 advertisement_checksum(const struct advertisement *a)
{
	const __u8 *bytes = (const __u8 *)&a->source;
	__u32 sum = 32 + PROTO_ICMPV6;
	int i;

#pragma unroll
	for (i = 0; i < 64; i += 2)
		sum += be16_at(bytes + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline int write_advertisement(struct __sk_buff *skb, const struct packet *p, const __u8 *mac)
{
	struct advertisement a;
	int solicited = !is_zero(&p->source);
	__u16 sum;

	__builtin_memset(&a, 0, sizeof(a));
	__builtin_memcpy(a.ethernet, p->source_mac, 6);
	__builtin_memcpy(a.ethernet + 6, mac, 6);
	a.ethernet[12] = 0x86;
	a.ethernet[13] = 0xdd;
	a.ip[0] = 0x60;
	a.ip[5] = 32;
	a.ip[6] = PROTO_ICMPV6;
	a.ip[7] = 255;
	a.source = p->target;
	a.destination = p->source;
	if (!solicited) {
		/* To all nodes: the asker has no address yet. */
		a.destination.bytes[0] = 0xff;
		a.destination.bytes[1] = 0x02;
		a.destination.bytes[15] = 1;
	}
	a.icmp[0] = NEIGHBOUR_ADVERTISEMENT;
	a.icmp[4] = solicited ? 0x60 : 0x20;
	a.target = p->target;
	a.option[0] = 2;
	a.option[1] = 1;
	__builtin_memcpy(a.option + 2, mac, 6);
	sum = advertisement_checksum(&a);
	a.icmp[2] = sum >> 8;
	a.icmp[3] = sum & 0xff;
	if (bpf_skb_change_tail(skb, sizeof(a), 0) < 0)
		return -1;
	return bpf_skb_store_bytes(skb, 0, &a, sizeof(a), 0);
}

__attribute__((noinline)) int write_answer(struct __sk_buff *skb, struct packet *p, struct outcome *outcome)
{
	if (!p || !outcome)
		return -1;
	return p->kind == KIND_ARP ? write_arp_reply(skb, p, outcome->mac) :
				     write_advertisement(skb, p, outcome->mac);
}
