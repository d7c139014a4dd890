/* SPDX-License-Identifier: Apache-2.0
 *
 * May this port send as this sender? The twin of the first half of forwarding/src/security.rs.
 */
#pragma once

#include "maps.h"
#include "packet.h"

/* MLD reports are sent before the sender has an address (RFC 3590). */
#define MLD_REPORT 131
#define MLDV2_REPORT 143

/* 0, SOURCE_MAC if only the MAC is the port's, or SOURCE_ADDRESS if the address is too. */
static __always_inline __u32 owns(__u32 ifindex, const __u8 *mac, __u8 family, const struct address *address)
{
	struct source_key key;
	__u32 *found;

	__builtin_memset(&key, 0, sizeof(key));
	key.bits = SOURCE_BITS + (family == FAMILY_IPV4 ? 32 : 128);
	key.ifindex = ifindex;
	__builtin_memcpy(key.mac, mac, 6);
	key.family = family;
	key.address = *address;
	found = bpf_map_lookup_elem(&sources, &key);
	return found ? *found : 0;
}

static __always_inline int spoofed_arp(__u32 ifindex, const struct packet *p)
{
	__u32 owned = owns(ifindex, p->link_layer, FAMILY_IPV4, &p->source);
	/* RFC 5227: a probe has no sender address yet. */
	int is_probe = p->is_arp_request && is_zero(&p->source);

	return is_probe ? !owned : owned != SOURCE_ADDRESS;
}

static __always_inline int spoofed_ipv4(const struct packet *p, __u32 owned)
{
	int udp = p->transport == UDP;

	if (!(udp && p->source_port == 68 && p->destination_port == 67 && is_zero(&p->source)) &&
	    owned != SOURCE_ADDRESS)
		return DROP_SPOOFED_IPV4;
	return udp && p->source_port == 67 && p->destination_port == 68 ? DROP_ROGUE_DHCPV4 : 0;
}

static __always_inline int spoofed_nd(__u32 ifindex, const struct packet *p)
{
	if (p->icmp_type == ROUTER_ADVERTISEMENT)
		return DROP_ROGUE_ROUTER_ADVERTISEMENT;
	if (p->icmp_type == NEIGHBOUR_ADVERTISEMENT) {
		const __u8 *mac = p->has_link_layer ? p->link_layer : p->source_mac;

		return owns(ifindex, mac, FAMILY_IPV6, &p->target) == SOURCE_ADDRESS ? 0 : DROP_SPOOFED_ND;
	}
	if (p->has_link_layer && owns(ifindex, p->link_layer, FAMILY_IPV6, &p->source) != SOURCE_ADDRESS)
		return DROP_SPOOFED_ND;
	return 0;
}

static __always_inline int spoofed_ipv6(__u32 ifindex, const struct packet *p, __u32 owned)
{
	int no_address_yet = p->transport == ICMP && is_zero(&p->source) &&
			     (p->icmp_type == MLD_REPORT || p->icmp_type == MLDV2_REPORT ||
			      p->icmp_type == ROUTER_SOLICITATION || p->icmp_type == NEIGHBOUR_SOLICITATION);

	if (!no_address_yet && owned != SOURCE_ADDRESS)
		return DROP_SPOOFED_IPV6;
	if (p->transport == UDP && p->source_port == 547 && p->destination_port == 546)
		return DROP_ROGUE_DHCPV6;
	return p->is_nd ? spoofed_nd(ifindex, p) : 0;
}

__attribute__((noinline)) int check_source(__u32 ifindex, struct packet *p)
{
	__u32 owned;

	if (!p)
		return DROP_REDIRECT_FAILED;
	owned = owns(ifindex, p->source_mac, p->family, &p->source);
	if (!owned)
		return DROP_SPOOFED_MAC;
	if (p->kind == KIND_OTHER)
		return DROP_ETHER_TYPE;
	if (p->kind == KIND_ARP)
		return spoofed_arp(ifindex, p) ? DROP_SPOOFED_ARP : 0;
	return p->family == FAMILY_IPV4 ? spoofed_ipv4(p, owned) : spoofed_ipv6(ifindex, p, owned);
}
