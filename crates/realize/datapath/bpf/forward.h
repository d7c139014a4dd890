/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a frame goes, and sending it there. The twin of the lookups of forwarding/src/host.rs.
 */
#pragma once

#include "maps.h"
#include "packet.h"

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2
#define TC_ACT_STOLEN 4

/* Copies per call of flood_part, which is verified once, and calls of it. */
#define FLOOD_PART 64
#define FLOOD_PARTS 64

/* What a port may have of the ring to the agent: at once, and one more after so many nanoseconds. */
#define PUNT_BURST 64
#define PUNT_INTERVAL 15625000ULL

/* Before Linux 6.0 the kernel knew no local address in the key and refuses a longer one. */
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, local_ipv4)

static __always_inline int set_tunnel(struct __sk_buff *skb, __u32 vni, __u64 host)
{
	struct tunnel *tunnel = bpf_map_lookup_elem(&tunnels, &host);
	struct bpf_tunnel_key key;
	__u64 flags;

	if (!tunnel)
		return -1;
	__builtin_memset(&key, 0, sizeof(key));
	key.tunnel_id = vni;
	key.tunnel_ttl = 64;
	if (tunnel->family == FAMILY_IPV4) {
		key.remote_ipv4 = bpf_ntohl(load32(tunnel->address.bytes));
		flags = BPF_F_ZERO_CSUM_TX;
	} else {
		__builtin_memcpy(key.remote_ipv6, tunnel->address.bytes, 16);
		/* With a UDP checksum, which IPv6 receivers insist on (RFC 8200 section 8.1). */
		flags = BPF_F_TUNINFO_IPV6;
	}
	return bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, flags);
}

static __always_inline struct member *find_member(__u32 vni, const __u8 *mac)
{
	struct member_key key;

	__builtin_memset(&key, 0, sizeof(key));
	key.vni = vni;
	__builtin_memcpy(key.mac, mac, 6);
	return bpf_map_lookup_elem(&members, &key);
}

/* Fills the outcome of a frame by its destination MAC. */
static __always_inline void forward(struct packet *p, struct outcome *outcome, int from_tunnel)
{
	struct member *member;

	if (p->destination_mac[0] & 1) {
		outcome->action = ACTION_FLOOD;
		return;
	}
	member = find_member(outcome->vni, p->destination_mac);
	outcome->action = ACTION_DROP;
	if (!member) {
		outcome->reason = DROP_UNKNOWN_UNICAST;
	} else if (member->kind == MEMBER_PAIR) {
		outcome->action = ACTION_FLOOD;
	} else if (member->kind == MEMBER_REMOTE) {
		outcome->host = member->host;
		if (from_tunnel)
			outcome->reason = DROP_NOT_LOCAL;
		else if (!bpf_map_lookup_elem(&tunnels, &outcome->host))
			outcome->reason = DROP_TUNNEL_UNKNOWN;
		else
			outcome->action = ACTION_TUNNEL;
	} else if (!from_tunnel && member->ifindex == outcome->ifindex) {
		outcome->reason = DROP_HAIRPIN;
	} else if (!member->ifindex) {
		outcome->reason = DROP_NOT_PLUGGED;
	} else {
		outcome->action = ACTION_DELIVER;
		outcome->target = member->ifindex;
	}
}

static __always_inline void record_target(struct flood_next *next)
{
	__u32 zero = 0;
	struct recorded *record = bpf_map_lookup_elem(&recorded, &zero);

	if (record && record->targets < MAX_RECORDED) {
		record->target[record->targets] = *next;
		record->targets++;
	}
}

static __always_inline void send_copy(struct __sk_buff *skb, struct outcome *outcome, struct flood_next *to,
				      __u32 tunnel_ifindex)
{
	long result;

	if (to->kind == FLOOD_PORT && to->target == outcome->ifindex)
		return;
	if (testing) {
		if (to->kind == FLOOD_PORT || bpf_map_lookup_elem(&tunnels, &to->target))
			record_target(to);
		return;
	}
	if (to->kind == FLOOD_PORT) {
		skb->mark = MARK_FORWARDED;
		result = bpf_clone_redirect(skb, to->target, 0);
	} else {
		if (set_tunnel(skb, outcome->vni, to->target) < 0)
			return;
		skb->mark = 0;
		result = bpf_clone_redirect(skb, tunnel_ifindex, 0);
	}
	if (result < 0)
		count(outcome->ifindex, DROP_REDIRECT_FAILED, skb->len);
}

/* Copies to the targets after `at`, and leaves the last one there. 0 when the list is at its end. */
__attribute__((noinline)) int flood_part(struct __sk_buff *skb, struct outcome *outcome, struct flood_next *at,
					 __u32 tunnel_ifindex)
{
	struct flood_key key;
	struct flood_next *next;
	int i;

	if (!outcome || !at)
		return 0;
	key.vni = outcome->vni;
	key.kind = at->kind;
	key.target = at->target;
	for (i = 0; i < FLOOD_PART; i++) {
		struct flood_next to;

		next = bpf_map_lookup_elem(&flood, &key);
		if (!next)
			return 0;
		to = *next;
		if (to.kind == FLOOD_END || (to.kind == FLOOD_HOST && outcome->local_only))
			return 0;
		send_copy(skb, outcome, &to, tunnel_ifindex);
		key.kind = to.kind;
		key.target = to.target;
	}
	at->kind = key.kind;
	at->target = key.target;
	return 1;
}

static __always_inline void send_copies(struct __sk_buff *skb, struct outcome *outcome, __u32 tunnel_ifindex)
{
	struct flood_next at = { .kind = FLOOD_HEAD };
	int i;

	for (i = 0; i < FLOOD_PARTS; i++) {
		if (!flood_part(skb, outcome, &at, tunnel_ifindex))
			return;
	}
	count(outcome->ifindex, DROP_FLOOD_TOO_LARGE, skb->len);
}

/* A token bucket: the ring is shared, and a port that floods it must leave room for the others. How often the agent
 * answers a port is its own affair, and less. CPUs may each let one through. */
static __always_inline int may_punt(__u32 ifindex)
{
	__u64 now = bpf_ktime_get_coarse_ns(), whole_at = now;
	__u64 *known = bpf_map_lookup_elem(&punt_shares, &ifindex);

	if (known && *known > now)
		whole_at = *known;
	whole_at += PUNT_INTERVAL;
	if (whole_at > now + PUNT_BURST * PUNT_INTERVAL)
		return 0;
	if (known)
		*known = whole_at;
	else
		bpf_map_update_elem(&punt_shares, &ifindex, &whole_at, BPF_ANY);
	return 1;
}

/* Hands the whole frame to the agent. */
static __always_inline int punt(struct __sk_buff *skb, __u32 ifindex)
{
	__u32 length = skb->len;
	struct punt *event;

	if (length < ETHERNET || length > PUNT_MAX || !may_punt(ifindex))
		return -1;
	event = bpf_ringbuf_reserve(&punts, sizeof(*event), 0);
	if (!event)
		return -1;
	event->ifindex = ifindex;
	event->length = length;
	/* Keeps the compiler from moving the bounds away from where the verifier needs them. */
	asm volatile("" : "+r"(length));
	if (length < ETHERNET || length > PUNT_MAX || bpf_skb_load_bytes(skb, 0, event->frame, length) < 0) {
		bpf_ringbuf_discard(event, 0);
		return -1;
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}
