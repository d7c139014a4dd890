/* SPDX-License-Identifier: Apache-2.0
 *
 * Does a rule of the port's security groups allow this? Groups refer to address sets; nothing is expanded.
 */
#pragma once

#include "maps.h"
#include "packet.h"

/* What rules look at. */
struct probe {
	__u32 ifindex;
	__u16 destination_port;
	__u8 direction;
	__u8 family;
	__u8 protocol;
	__u8 has_ports;
	__u8 is_icmp;
	__u8 icmp_type;
	__u8 icmp_code;
	__u8 pad[3];
	struct address remote;
};

enum match { MATCH_NONE, MATCH_STATELESS, MATCH_STATEFUL };

/* True if the first `length` bits are equal. */
static __always_inline int in_prefix(const __u8 *prefix, const __u8 *address, __u32 length)
{
	int i;

#pragma unroll
	for (i = 0; i < 4; i++) {
		__u32 before = 32 * (__u32)i, bits = length > before ? length - before : 0;
		__u32 mask = bits >= 32 ? 0xffffffff : bpf_htonl(~(0xffffffffULL >> bits));

		if ((load32(prefix + 4 * i) ^ load32(address + 4 * i)) & mask)
			return 0;
	}
	return 1;
}

__attribute__((noinline)) int in_set(struct rule *rule, struct probe *probe)
{
	struct set_address_key key;

	if (!rule || !probe)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	__builtin_memcpy(key.set.bytes, rule->value, 16);
	key.family = probe->family;
	key.address = probe->remote;
	if (bpf_map_lookup_elem(&set_addresses, &key))
		return 1;
	if (probe->family == FAMILY_IPV4) {
		struct set_prefix4_key prefix = { .bits = SET_BITS + 32 };

		__builtin_memcpy(prefix.set.bytes, rule->value, 16);
		__builtin_memcpy(prefix.address, probe->remote.bytes, 4);
		return bpf_map_lookup_elem(&set_prefixes4, &prefix) != NULL;
	} else {
		struct set_prefix6_key prefix = { .bits = SET_BITS + 128 };

		__builtin_memcpy(prefix.set.bytes, rule->value, 16);
		prefix.address = probe->remote;
		return bpf_map_lookup_elem(&set_prefixes6, &prefix) != NULL;
	}
}

static __always_inline int rule_matches(struct rule *rule, struct probe *probe)
{
	if (rule->family != probe->family || (!rule->any_protocol && rule->protocol != probe->protocol))
		return 0;
	if (rule->l4 == L4_PORTS &&
	    !(probe->has_ports && rule->low <= probe->destination_port && probe->destination_port <= rule->high))
		return 0;
	if (rule->l4 >= L4_ICMP_TYPE && !(probe->is_icmp && rule->low == probe->icmp_type))
		return 0;
	if (rule->l4 == L4_ICMP_CODE && rule->high != probe->icmp_code)
		return 0;
	if (rule->remote == REMOTE_ANY)
		return 1;
	if (rule->remote == REMOTE_PREFIX)
		return in_prefix(rule->value, probe->remote.bytes, rule->prefix_length);
	return in_set(rule, probe);
}

__attribute__((noinline)) int match_chunk(struct rules *chunk, struct probe *probe)
{
	__u32 i;

	if (!chunk || !probe)
		return 0;
	for (i = 0; i < RULES_PER_CHUNK; i++) {
		if (i >= chunk->count)
			break;
		if (rule_matches(&chunk->rules[i], probe))
			return 1;
	}
	return 0;
}

__attribute__((noinline)) int match_group(struct uuid *group, struct probe *probe)
{
	struct rules_key key;
	struct rules *chunk;
	__u32 i;

	if (!group || !probe)
		return MATCH_NONE;
	key.group = *group;
	key.direction = probe->direction;
	for (i = 0; i < MAX_CHUNKS; i++) {
		key.chunk = i;
		chunk = bpf_map_lookup_elem(&rules, &key);
		if (!chunk)
			break;
		if (match_chunk(chunk, probe))
			return chunk->stateful ? MATCH_STATEFUL : MATCH_STATELESS;
		if (chunk->count < RULES_PER_CHUNK)
			break;
	}
	return MATCH_NONE;
}

/* A rule of a stateful group comes before any other. */
__attribute__((noinline)) int match_rules(struct probe *probe)
{
	struct port_group_key key;
	struct uuid *group;
	int found = MATCH_NONE, match;
	__u32 i;

	if (!probe)
		return MATCH_NONE;
	key.ifindex = probe->ifindex;
	for (i = 0; i < MAX_GROUPS; i++) {
		key.slot = i;
		group = bpf_map_lookup_elem(&port_groups, &key);
		if (!group)
			break;
		match = match_group(group, probe);
		if (match == MATCH_STATEFUL)
			return match;
		if (match == MATCH_STATELESS)
			found = match;
	}
	return found;
}
