/* SPDX-License-Identifier: Apache-2.0
 *
 * The maps. The loader decides their sizes, and pins all but the scratch ones at the end.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "packet.h"

#define ROWS 65536

#define POLICY_HASH(name, key_type, value_type)              \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_HASH);             \
		__uint(map_flags, BPF_F_NO_PREALLOC);        \
		__uint(max_entries, ROWS);                   \
		__type(key, key_type);                       \
		__type(value, value_type);                   \
	} name SEC(".maps")

#define POLICY_TRIE(name, key_type)                          \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);         \
		__uint(map_flags, BPF_F_NO_PREALLOC);        \
		__uint(max_entries, ROWS);                   \
		__type(key, key_type);                       \
		__type(value, __u32);                        \
	} name SEC(".maps")

#define STATE_LRU(name, key_type, value_type)                \
	struct {                                             \
		__uint(type, BPF_MAP_TYPE_LRU_HASH);         \
		__uint(max_entries, ROWS);                   \
		__type(key, key_type);                       \
		__type(value, value_type);                   \
	} name SEC(".maps")

POLICY_HASH(tunnels, __u64, struct tunnel);
POLICY_HASH(vteps, struct vtep_key, __u32);
POLICY_HASH(set_addresses, struct set_address_key, __u32);
POLICY_TRIE(set_prefixes4, struct set_prefix4_key);
POLICY_TRIE(set_prefixes6, struct set_prefix6_key);
POLICY_HASH(rules, struct rules_key, struct rules);
POLICY_HASH(networks, __u32, struct network);
POLICY_HASH(members, struct member_key, struct member);
POLICY_HASH(neighbours, struct neighbour_key, struct neighbour);
POLICY_TRIE(pair_prefixes, struct pair_prefix_key);
POLICY_HASH(flood, struct flood_key, struct flood_next);
POLICY_TRIE(sources, struct source_key);
POLICY_HASH(port_groups, struct port_group_key, struct uuid);
POLICY_HASH(ports, __u32, struct port);

STATE_LRU(connections, struct connection_key, struct connection);
STATE_LRU(fragments, struct fragment_key, __u32);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ROWS);
	__type(key, struct counter_key);
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} punts SEC(".maps");

/* When a port's share of that ring is whole again, by its device; nanoseconds since boot. An evicted one is whole. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} punt_shares SEC(".maps");

/* Parsed packets, which are too large for the stack; by hook, because a copy to a port meets to_port within from_port. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, struct packet);
} packets SEC(".maps");

/* The last outcome, for the tests. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct recorded);
} recorded SEC(".maps");

static __always_inline struct packet *get_packet(__u32 hook)
{
	return bpf_map_lookup_elem(&packets, &hook);
}

static __always_inline struct settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline void count(__u32 ifindex, __u32 what, __u64 bytes)
{
	struct counter_key key = { .ifindex = ifindex, .what = what };
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);

	if (counter) {
		counter->packets += 1;
		counter->bytes += bytes;
	} else {
		struct counter first = { .packets = 1, .bytes = bytes };

		bpf_map_update_elem(&counters, &key, &first, BPF_NOEXIST);
	}
}
