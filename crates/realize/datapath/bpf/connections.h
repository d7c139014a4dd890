/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection tracking. The twin of forwarding/src/connections.rs and the second half of security.rs there.
 *
 * There a connection holds only while a stateful rule allows its first packet. Here that is asked again only when
 * `settings.generation` has changed since, which the agent sees to whenever it tightens policy.
 */
#pragma once

#include "maps.h"
#include "packet.h"
#include "rules.h"

#define FRAGMENT_SECONDS 30

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10
#define TCP_URG 0x20

/* Set by the tests: outcomes are recorded instead of carried out, and time is what the test says. */
extern const volatile __u32 testing;

static __always_inline __u32 seconds(struct __sk_buff *skb)
{
	if (testing)
		return skb->priority;
	return bpf_ktime_get_coarse_ns() / 1000000000ULL;
}

static __always_inline int is_closed(__u32 flags)
{
	__u32 both = CONNECTION_FIN_FORWARD | CONNECTION_FIN_BACK;

	return flags & CONNECTION_RESET || (flags & both) == both;
}

static __always_inline __u32 timeout(__u8 protocol, __u32 flags)
{
	switch (protocol) {
	case PROTO_TCP:
		if (is_closed(flags))
			return 30;
		if (flags & (CONNECTION_FIN_FORWARD | CONNECTION_FIN_BACK))
			return 300;
		return flags & CONNECTION_REPLIED ? 432000 : 60;
	case PROTO_UDP:
	case PROTO_UDPLITE:
		return flags & CONNECTION_REPLIED ? 120 : 30;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		return 30;
	default:
		return 600;
	}
}

/* CPUs may see time a tick apart. */
static __always_inline __u32 age(__u32 seen, __u32 now)
{
	return now > seen ? now - seen : 0;
}

/* RFC 9293 section 3.10.7; PSH, ECE and CWR may be added to any. */
static __always_inline int tcp_flags_are_valid(__u8 flags)
{
	__u8 main = flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);

	if (flags & TCP_URG && flags & TCP_RST)
		return 0;
	return main == TCP_SYN || main == TCP_ACK || main == TCP_RST || main == (TCP_SYN | TCP_ACK) ||
	       main == (TCP_RST | TCP_ACK) || main == (TCP_FIN | TCP_ACK);
}

/* A SYN, or a bare ACK of a connection that began before it was tracked here. */
static __always_inline int may_begin(const struct packet *p)
{
	__u8 flags = p->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK);

	if (p->transport == TCP)
		return flags == TCP_SYN || flags == TCP_ACK;
	return p->transport != ICMP || p->echo == ECHO_REQUEST;
}

/* The rules as the first packet of the connection met them. */
static __always_inline int allowed_still(struct connection_key *key, __u32 flags)
{
	int egress = flags & CONNECTION_EGRESS;
	struct probe probe = {
		.ifindex = key->ifindex,
		.destination_port = egress ? key->remote_port : key->local_port,
		.direction = egress ? EGRESS : INGRESS,
		.family = key->family,
		.protocol = key->protocol,
		.has_ports = has_ports(key->protocol),
		.is_icmp = key->protocol == (key->family == FAMILY_IPV4 ? PROTO_ICMP : PROTO_ICMPV6),
		.icmp_type = key->family == FAMILY_IPV4 ? 8 : 128,
		.remote = key->remote,
	};

	return match_rules(&probe) == MATCH_STATEFUL;
}

/* The live connection of a key, checked again if policy was tightened since. A dead one is removed. */
static __always_inline struct connection *live(struct connection_key *key, __u32 now, __u32 generation)
{
	struct connection *connection = bpf_map_lookup_elem(&connections, key);

	if (!connection || age(connection->seen, now) > timeout(key->protocol, connection->flags))
		return NULL;
	if (connection->generation != generation) {
		if (!allowed_still(key, connection->flags)) {
			bpf_map_delete_elem(&connections, key);
			return NULL;
		}
		connection->generation = generation;
	}
	return connection;
}

static __always_inline void set_ends(struct connection_key *key, __u8 direction, const struct address *source,
				     const struct address *destination, __u16 source_port, __u16 destination_port)
{
	int egress = direction == EGRESS;

	key->local = egress ? *source : *destination;
	key->remote = egress ? *destination : *source;
	key->local_port = egress ? source_port : destination_port;
	key->remote_port = egress ? destination_port : source_port;
}

/* The addresses, protocol and first 8 bytes of the packet that an ICMP error quotes; extension headers are not followed. */
static __always_inline int load_quoted(struct __sk_buff *skb, const struct packet *p, struct address *source,
				       struct address *destination, __u8 *protocol, __u8 *body)
{
	__u32 at = p->transport_at + 8, body_at;
	__u8 header[40];

	__builtin_memset(source, 0, sizeof(*source));
	__builtin_memset(destination, 0, sizeof(*destination));
	if (p->family == FAMILY_IPV4) {
		if (at + 20 > p->end || bpf_skb_load_bytes(skb, at, header, 20) < 0)
			return 0;
		body_at = at + (__u32)(header[0] & 0xf) * 4;
		if (header[0] >> 4 != 4 || body_at < at + 20 || be16_at(header + 6) & 0x1fff)
			return 0;
		*protocol = header[9];
		__builtin_memcpy(source->bytes, header + 12, 4);
		__builtin_memcpy(destination->bytes, header + 16, 4);
	} else {
		if (at + 40 > p->end || bpf_skb_load_bytes(skb, at, header, 40) < 0)
			return 0;
		body_at = at + 40;
		if (header[0] >> 4 != 6 || is_extension(header[6]))
			return 0;
		*protocol = header[6];
		__builtin_memcpy(source->bytes, header + 8, 16);
		__builtin_memcpy(destination->bytes, header + 24, 16);
	}
	return body_at + 8 <= p->end && bpf_skb_load_bytes(skb, body_at, body, 8) >= 0;
}

/* The connection that an ICMP error is about; the quoted packet went the other way. */
static __always_inline int quoted_key(struct __sk_buff *skb, const struct packet *p, __u8 direction,
				      struct connection_key *key)
{
	struct address source, destination;
	__u8 protocol = 0, body[8];
	__u16 source_port = 0, destination_port = 0;

	if (!load_quoted(skb, p, &source, &destination, &protocol, body))
		return 0;
	if (protocol == (p->family == FAMILY_IPV4 ? PROTO_ICMP : PROTO_ICMPV6)) {
		if (body[0] == (p->family == FAMILY_IPV4 ? 8 : 128))
			source_port = be16_at(body + 4);
		else if (body[0] == (p->family == FAMILY_IPV4 ? 0 : 129))
			destination_port = be16_at(body + 4);
		else
			return 0;
	} else if (has_ports(protocol)) {
		source_port = be16_at(body);
		destination_port = be16_at(body + 2);
	}
	key->protocol = protocol;
	set_ends(key, direction == EGRESS ? INGRESS : EGRESS, &source, &destination, source_port, destination_port);
	return 1;
}

static __always_inline int is_icmp_error(const struct packet *p)
{
	if (p->transport != ICMP)
		return 0;
	if (p->family == FAMILY_IPV4)
		return p->icmp_type == 3 || p->icmp_type == 4 || p->icmp_type == 11 || p->icmp_type == 12;
	return p->icmp_type >= 1 && p->icmp_type <= 4;
}

__attribute__((noinline)) int is_related(struct __sk_buff *skb, struct packet *p, __u32 ifindex, __u32 direction)
{
	struct settings *settings = get_settings();
	struct connection_key key;

	if (!p || !settings)
		return 0;
	__builtin_memset(&key, 0, sizeof(key));
	key.ifindex = ifindex;
	key.family = p->family;
	if (!quoted_key(skb, p, direction, &key))
		return 0;
	return live(&key, seconds(skb), settings->generation) != NULL;
}

/* True if the packet belongs to an allowed connection. */
static __always_inline int follows(struct connection_key *key, const struct packet *p, __u8 direction, __u32 now,
				   __u32 generation)
{
	struct connection *connection = live(key, now, generation);
	__u32 flags, forward;

	if (!connection)
		return 0;
	flags = connection->flags;
	/* The same ports are being used anew. */
	if (p->transport == TCP && (p->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && is_closed(flags)) {
		bpf_map_delete_elem(&connections, key);
		return 0;
	}
	forward = (flags & CONNECTION_EGRESS ? EGRESS : INGRESS) == direction;
	if (!forward)
		flags |= CONNECTION_REPLIED;
	if (p->transport == TCP && p->tcp_flags & TCP_FIN)
		flags |= forward ? CONNECTION_FIN_FORWARD : CONNECTION_FIN_BACK;
	if (p->transport == TCP && p->tcp_flags & TCP_RST)
		flags |= CONNECTION_RESET;
	/* Written only when it differs, to leave the cache line shared. */
	if (flags != connection->flags)
		connection->flags = flags;
	if (connection->seen != now)
		connection->seen = now;
	return 1;
}

static __always_inline int begin(struct connection_key *key, int tracked, const struct packet *p, __u8 direction,
				 __u32 now, __u32 generation)
{
	struct connection connection = {
		.seen = now,
		.generation = generation,
		.flags = direction == EGRESS ? CONNECTION_EGRESS : 0,
	};
	struct probe probe = {
		.ifindex = key->ifindex,
		.destination_port = p->destination_port,
		.direction = direction,
		.family = p->family,
		.protocol = p->protocol,
		.has_ports = p->transport == TCP || p->transport == UDP || p->transport == PORTS,
		.is_icmp = p->transport == ICMP,
		.icmp_type = p->icmp_type,
		.icmp_code = p->icmp_code,
		.remote = direction == EGRESS ? p->destination : p->source,
	};
	int match = match_rules(&probe);

	if (match == MATCH_NONE)
		return direction == EGRESS ? DROP_SECURITY_GROUP_EGRESS : DROP_SECURITY_GROUP_INGRESS;
	if (match == MATCH_STATELESS || !tracked)
		return 0;
	if (may_begin(p))
		bpf_map_update_elem(&connections, key, &connection, BPF_ANY);
	else if (p->transport == TCP)
		return DROP_CONNECTION_INVALID;
	return 0;
}

static __always_inline void set_fragment_key(struct fragment_key *key, const struct packet *p, __u32 ifindex,
					     __u8 direction)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->ifindex = ifindex;
	key->id = p->fragment_id;
	key->family = p->family;
	key->protocol = p->fragment_protocol;
	key->direction = direction;
	key->source = p->source;
	key->destination = p->destination;
}

__attribute__((noinline)) int follows_fragment(struct packet *p, __u32 ifindex, __u32 direction, __u32 now)
{
	struct fragment_key key;
	__u32 *seen;

	if (!p)
		return 0;
	set_fragment_key(&key, p, ifindex, direction);
	seen = bpf_map_lookup_elem(&fragments, &key);
	return seen && age(*seen, now) <= FRAGMENT_SECONDS;
}

__attribute__((noinline)) int begin_fragments(struct packet *p, __u32 ifindex, __u32 direction, __u32 now)
{
	struct fragment_key key;

	if (!p)
		return 0;
	set_fragment_key(&key, p, ifindex, direction);
	return bpf_map_update_elem(&fragments, &key, &now, BPF_ANY);
}

__attribute__((noinline)) int track(struct packet *p, __u32 ifindex, __u32 direction, __u32 now)
{
	struct settings *settings = get_settings();
	struct connection_key key;
	int tracked;

	if (!p || !settings)
		return DROP_REDIRECT_FAILED;
	__builtin_memset(&key, 0, sizeof(key));
	key.ifindex = ifindex;
	key.family = p->family;
	key.protocol = p->protocol;
	set_ends(&key, direction, &p->source, &p->destination, p->source_port, p->destination_port);
	tracked = p->transport != ICMP || p->echo != ECHO_NONE;
	if (tracked && follows(&key, p, direction, now, settings->generation))
		return 0;
	return begin(&key, tracked, p, direction, now, settings->generation);
}

/* The security groups of a port for one IP packet. */
static __always_inline int check_groups(struct __sk_buff *skb, struct packet *p, __u32 ifindex, __u32 direction)
{
	__u32 now = seconds(skb);
	int reason = 0;

	if (p->is_nd && p->icmp_type >= NEIGHBOUR_SOLICITATION)
		return 0;
	if (p->fragment == FRAGMENT_LATER)
		return follows_fragment(p, ifindex, direction, now) ? 0 : DROP_FRAGMENT_UNKNOWN;
	if (p->transport == TCP && !tcp_flags_are_valid(p->tcp_flags))
		return DROP_TCP_FLAGS;
	if (!is_icmp_error(p) || !is_related(skb, p, ifindex, direction))
		reason = track(p, ifindex, direction, now);
	if (!reason && p->fragment == FRAGMENT_FIRST)
		begin_fragments(p, ifindex, direction, now);
	return reason;
}
