/* SPDX-License-Identifier: Apache-2.0
 *
 * What the programs and the agent share: the keys and values of the maps. Numbers are in host order unless they
 * are addresses. An address is 16 bytes beside a family; IPv4 takes the first four, the rest is zero.
 * The agent's side is src/rows.rs; the sizes are compared when the maps are opened.
 */
#pragma once

#include <linux/types.h>

#define FAMILY_IPV4 4
#define FAMILY_IPV6 6

struct address {
	__u8 bytes[16];
};

struct uuid {
	__u8 bytes[16];
};

/* tunnels: host key -> where its VTEP is. The host key is the FNV-1a 64 hash of the host's name. */
struct tunnel {
	__u32 family;
	struct address address;
};

/* vteps: the addresses of `tunnels`, to check received packets. Same layout as the value above. Value: __u32 1. */
struct vtep_key {
	__u32 family;
	struct address address;
};

/* set_addresses: single addresses of a group's members. Value: __u32 1. */
struct set_address_key {
	struct uuid set;
	__u32 family;
	struct address address;
};

/* set_prefixes4/6: prefixes of a group's members. Two tries, because a trie's key ends at 256 bits. Value: __u32 1. */
struct set_prefix4_key {
	__u32 bits;
	struct uuid set;
	__u8 address[4];
};

struct set_prefix6_key {
	__u32 bits;
	struct uuid set;
	struct address address;
};

#define SET_BITS 128

/* rules: the rules of a group and direction, in chunks counted from 0. */
#define EGRESS 1
#define INGRESS 0

struct rules_key {
	struct uuid group;
	__u32 direction;
	__u32 chunk;
};

#define RULES_PER_CHUNK 16
#define MAX_CHUNKS 64
#define MAX_GROUPS 32

enum l4_match { L4_ANY, L4_PORTS, L4_ICMP_TYPE, L4_ICMP_CODE };
enum remote { REMOTE_ANY, REMOTE_PREFIX, REMOTE_SET };

struct rule {
	__u8 family;
	__u8 any_protocol;
	__u8 protocol;
	__u8 l4;	     /* enum l4_match */
	__u16 low;	     /* port range, or ICMP type */
	__u16 high;	     /* port range, or ICMP code */
	__u8 remote;	     /* enum remote */
	__u8 prefix_length;  /* of REMOTE_PREFIX */
	__u8 pad[6];
	__u8 value[16];	     /* address of REMOTE_PREFIX, group of REMOTE_SET */
};

struct rules {
	__u32 count;
	__u32 stateful;
	struct rule rules[RULES_PER_CHUNK];
};

/* networks: VNI -> network. */
#define NETWORK_UP 1
#define NETWORK_DHCPV4 2
#define NETWORK_DHCPV6 4
#define NETWORK_RA 8

struct network {
	__u32 mtu;
	__u32 flags;
};

/* members: (VNI, MAC) -> where. */
struct member_key {
	__u32 vni;
	__u8 mac[6];
	__u8 pad[2];
};

#define MEMBER_LOCAL 1	/* ifindex; 0 while the port has no device */
#define MEMBER_REMOTE 2 /* host key */
#define MEMBER_PAIR 3	/* a MAC that only address pairs claim: everyone gets it */

struct member {
	__u32 kind;
	__u32 ifindex;
	__u64 host;
};

/* neighbours: (VNI, address) -> MAC; of a member, or of the network's services, which answer where no pair claims it. */
struct neighbour_key {
	__u32 vni;
	__u32 family;
	struct address address;
};

struct neighbour {
	__u8 mac[6];
	__u8 is_service;
	__u8 pad;
};

/* pair_prefixes: prefixes that address pairs claim in a network. Value: __u32 1. */
struct pair_prefix_key {
	__u32 bits;
	__u32 vni;
	__u32 family;
	struct address address;
};

#define PAIR_BITS 64

/* flood: the targets of a network's broadcasts as a list in ascending order, so that adding one touches two rows. */
#define FLOOD_HEAD 0
#define FLOOD_PORT 1 /* target: ifindex */
#define FLOOD_HOST 2 /* target: host key */
#define FLOOD_END 0xffffffff

struct flood_key {
	__u32 vni;
	__u32 kind;
	__u64 target;
};

struct flood_next {
	__u32 kind;
	__u32 pad;
	__u64 target;
};

/* sources: what a port may send from. The row that ends after the MAC says that the MAC is the port's. */
#define SOURCE_MAC 1
#define SOURCE_ADDRESS 2
#define SOURCE_MAC_BITS 80
#define SOURCE_BITS 96

struct source_key {
	__u32 bits;
	__u32 ifindex;
	__u8 mac[6];
	__u8 family;
	__u8 pad;
	struct address address;
};

/* port_groups: the groups of a port, in slots counted from 0. Value: struct uuid. */
struct port_group_key {
	__u32 ifindex;
	__u32 slot;
};

/* ports: ifindex -> port. */
#define PORT_UP 1
#define PORT_SECURITY 2

struct port {
	__u32 vni;
	__u32 flags;
	struct uuid id;
};

/* settings: one row. */
struct settings {
	__u32 tunnel_ifindex;
	/* Raised after policy was tightened: connections accepted before are checked again when next used. */
	__u32 generation;
};

/* connections: from the port's view. Value below. */
struct connection_key {
	__u32 ifindex;
	__u8 family;
	__u8 protocol;
	__u16 local_port;
	__u16 remote_port;
	__u16 pad;
	struct address local;
	struct address remote;
};

#define CONNECTION_EGRESS 1 /* the first packet's direction */
#define CONNECTION_REPLIED 2
#define CONNECTION_FIN_FORWARD 4
#define CONNECTION_FIN_BACK 8
#define CONNECTION_RESET 16

struct connection {
	__u32 seen; /* seconds */
	__u32 generation;
	__u32 flags;
};

/* fragments: first fragments that were allowed. Value: __u32 seconds. */
struct fragment_key {
	__u32 ifindex;
	__u32 id;
	__u8 family;
	__u8 protocol;
	__u8 direction;
	__u8 pad;
	struct address source;
	struct address destination;
};

/* counters: per CPU. What is a drop reason, or one of these. */
#define COUNT_TO_WORKLOAD 0
#define COUNT_FROM_WORKLOAD 255

struct counter_key {
	__u32 ifindex;
	__u32 what;
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

/* punt: what the ring buffer carries. */
#define PUNT_MAX 1536

struct punt {
	__u32 ifindex;
	__u32 length;
	__u8 frame[PUNT_MAX];
};

/* Marks on packets that may enter a port; the host's own packets have none. */
#define MARK_FORWARDED 0x4e570001
#define MARK_AGENT 0x4e570002

/* outcome: what became of a packet; the tests read the last one. */
enum action { ACTION_ACCEPT, ACTION_DROP, ACTION_DELIVER, ACTION_TUNNEL, ACTION_FLOOD, ACTION_REPLY, ACTION_PUNT };

struct outcome {
	__u32 action;
	__u32 reason;
	__u32 ifindex; /* of the port the packet meets */
	__u32 target;  /* ACTION_DELIVER: ifindex */
	__u64 host;    /* ACTION_TUNNEL: host key */
	__u32 vni;
	__u32 local_only; /* ACTION_FLOOD of a tunneled packet */
	__u8 mac[6];	  /* ACTION_REPLY: who has the address */
	__u8 pad[2];
};

#define MAX_RECORDED 64

struct recorded {
	struct outcome outcome;
	__u32 targets;
	__u32 pad;
	struct flood_next target[MAX_RECORDED];
};
