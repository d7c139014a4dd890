/* SPDX-License-Identifier: Apache-2.0
 *
 * The three hooks of a host: tc programs on the clsact qdiscs of the ports' devices and of the VXLAN device.
 * What they do is specified by the crate `forwarding`. Each decides on an outcome first and carries it out last.
 *
 * Needs Linux 5.15. Large helpers are global functions, which the verifier checks once each.
 */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "reasons.h"
#include "maps.h"
#include "packet.h"
#include "spoof.h"
#include "rules.h"
#include "connections.h"
#include "neighbour.h"
#include "forward.h"

char _license[] SEC("license") = "Apache-2.0";

const volatile __u32 testing = 0;

static __always_inline void drop(struct outcome *outcome, __u32 reason)
{
	outcome->action = ACTION_DROP;
	outcome->reason = reason;
}

static __always_inline void record(struct outcome *outcome)
{
	__u32 zero = 0;
	struct recorded *record = bpf_map_lookup_elem(&recorded, &zero);

	if (record) {
		record->outcome = *outcome;
		record->targets = 0;
	}
}

/* Carries out an outcome. */
static __always_inline int conclude(struct __sk_buff *skb, struct packet *p, struct outcome *outcome)
{
	struct settings *settings = get_settings();
	__u32 tunnel_ifindex = settings ? settings->tunnel_ifindex : 0;

	if (testing)
		record(outcome);
	switch (outcome->action) {
	case ACTION_DELIVER:
		skb->mark = MARK_FORWARDED;
		return bpf_redirect(outcome->target, 0);
	case ACTION_TUNNEL:
		skb->mark = 0;
		if (set_tunnel(skb, outcome->vni, outcome->host) < 0) {
			count(outcome->ifindex, DROP_REDIRECT_FAILED, skb->len);
			return TC_ACT_SHOT;
		}
		return bpf_redirect(tunnel_ifindex, 0);
	case ACTION_FLOOD:
		send_copies(skb, outcome, tunnel_ifindex);
		return TC_ACT_STOLEN;
	case ACTION_REPLY:
		skb->mark = MARK_AGENT;
		if (write_answer(skb, p, outcome) < 0) {
			count(outcome->ifindex, DROP_REDIRECT_FAILED, skb->len);
			return TC_ACT_SHOT;
		}
		return testing ? TC_ACT_OK : bpf_redirect(outcome->ifindex, 0);
	case ACTION_PUNT:
		if (!testing && punt(skb, outcome->ifindex) < 0)
			count(outcome->ifindex, DROP_PUNT_FULL, skb->len);
		return TC_ACT_STOLEN;
	case ACTION_ACCEPT:
		count(outcome->ifindex, COUNT_TO_WORKLOAD, skb->len);
		return TC_ACT_OK;
	default:
		count(outcome->ifindex, outcome->reason, skb->len);
		return TC_ACT_SHOT;
	}
}

/* The port of a device and its network, if both are up. */
static __always_inline int find_port(__u32 ifindex, struct port **port, struct network **network)
{
	*port = bpf_map_lookup_elem(&ports, &ifindex);
	if (!*port)
		return DROP_PORT_UNKNOWN;
	*network = bpf_map_lookup_elem(&networks, &(*port)->vni);
	if (!*network)
		return DROP_PORT_UNKNOWN;
	if (!((*port)->flags & PORT_UP))
		return DROP_PORT_DOWN;
	return (*network)->flags & NETWORK_UP ? 0 : DROP_NETWORK_DOWN;
}

/* True for what the agent answers, of what the network offers. */
static __always_inline int is_service(const struct packet *p, __u32 offers)
{
	if (p->kind != KIND_IP || p->fragment != FRAGMENT_WHOLE)
		return 0;
	if (p->family == FAMILY_IPV4)
		return offers & NETWORK_DHCPV4 && p->transport == UDP && p->source_port == 68 &&
		       p->destination_port == 67;
	if (p->transport == UDP)
		return offers & NETWORK_DHCPV6 && p->destination_port == 547;
	return offers & NETWORK_RA && p->is_nd && p->icmp_type == ROUTER_SOLICITATION;
}

static __always_inline int asks_neighbour(const struct packet *p)
{
	return p->is_arp_request || (p->is_nd && p->icmp_type == NEIGHBOUR_SOLICITATION);
}

static __always_inline void decide_from_port(struct __sk_buff *skb, struct packet *p, struct outcome *outcome)
{
	struct network *network;
	struct port *port;
	int reason = find_port(outcome->ifindex, &port, &network);

	if (reason)
		return drop(outcome, reason);
	outcome->vni = port->vni;
	reason = parse_ethernet(skb, p);
	if (!reason && too_big(p, network->mtu))
		reason = DROP_PACKET_TOO_BIG;
	if (!reason)
		reason = parse_payload(skb, p);
	if (!reason && segments_too_big(p, network->mtu))
		reason = DROP_PACKET_TOO_BIG;
	if (!reason && port->flags & PORT_SECURITY)
		reason = check_source(outcome->ifindex, p);
	if (reason)
		return drop(outcome, reason);
	if (is_service(p, network->flags)) {
		outcome->action = ACTION_PUNT;
		return;
	}
	if (asks_neighbour(p)) {
		int resolution = resolve(p, port->vni, outcome);

		if (resolution == ANSWER) {
			outcome->action = ACTION_REPLY;
			return;
		}
		if (resolution == UNKNOWN)
			return drop(outcome, DROP_NEIGHBOUR_UNKNOWN);
	}
	if (p->kind == KIND_IP && port->flags & PORT_SECURITY)
		reason = check_groups(skb, p, outcome->ifindex, EGRESS);
	if (reason)
		return drop(outcome, reason);
	forward(p, outcome, 0);
}

SEC("classifier")
int from_port(struct __sk_buff *skb)
{
	struct outcome outcome = { .ifindex = skb->ifindex };
	struct packet *p = get_packet(0);

	if (testing)
		outcome.ifindex = skb->cb[0];
	count(outcome.ifindex, COUNT_FROM_WORKLOAD, skb->len);
	if (!p)
		return TC_ACT_SHOT;
	decide_from_port(skb, p, &outcome);
	return conclude(skb, p, &outcome);
}

static __always_inline void decide_to_port(struct __sk_buff *skb, struct packet *p, struct outcome *outcome)
{
	struct network *network;
	struct port *port;
	int reason = find_port(outcome->ifindex, &port, &network);

	if (reason)
		return drop(outcome, reason);
	outcome->action = ACTION_ACCEPT;
	if (skb->mark == MARK_AGENT)
		return;
	if (skb->mark != MARK_FORWARDED)
		return drop(outcome, DROP_HOST_TRAFFIC);
	reason = parse_ethernet(skb, p);
	if (!reason && too_big(p, network->mtu))
		reason = DROP_PACKET_TOO_BIG;
	if (!reason)
		reason = parse_payload(skb, p);
	if (!reason && segments_too_big(p, network->mtu))
		reason = DROP_PACKET_TOO_BIG;
	if (!reason && port->flags & PORT_SECURITY) {
		if (p->kind == KIND_IP)
			reason = check_groups(skb, p, outcome->ifindex, INGRESS);
		else if (p->kind == KIND_OTHER)
			reason = DROP_ETHER_TYPE;
	}
	if (reason)
		drop(outcome, reason);
}

SEC("classifier")
int to_port(struct __sk_buff *skb)
{
	struct outcome outcome = { .ifindex = skb->ifindex };
	struct packet *p = get_packet(1);

	if (testing)
		outcome.ifindex = skb->cb[0];
	if (!p)
		return TC_ACT_SHOT;
	decide_to_port(skb, p, &outcome);
	return conclude(skb, p, &outcome);
}

/* The VNI and the sender of a received packet. */
static __always_inline int get_tunnel(struct __sk_buff *skb, __u32 *vni, struct vtep_key *vtep)
{
	struct bpf_tunnel_key key;
	__u32 address;

	__builtin_memset(&key, 0, sizeof(key));
	__builtin_memset(vtep, 0, sizeof(*vtep));
	if (testing) {
		*vni = skb->cb[0];
		vtep->family = FAMILY_IPV4;
		address = skb->cb[1];
		__builtin_memcpy(vtep->address.bytes, &address, 4);
		return 0;
	}
	if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, 0) >= 0) {
		vtep->family = FAMILY_IPV4;
		address = bpf_htonl(key.remote_ipv4);
		__builtin_memcpy(vtep->address.bytes, &address, 4);
	} else if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, BPF_F_TUNINFO_IPV6) >= 0) {
		vtep->family = FAMILY_IPV6;
		__builtin_memcpy(vtep->address.bytes, key.remote_ipv6, 16);
	} else {
		return -1;
	}
	*vni = key.tunnel_id;
	return 0;
}

/* A sender's MAC that the maps place elsewhere is forged; an unknown one may come from any host. */
static __always_inline int vtep_mismatch(__u32 vni, const __u8 *mac, const struct vtep_key *vtep)
{
	struct member *member = find_member(vni, mac);
	struct tunnel *tunnel;

	if (!member || member->kind == MEMBER_PAIR)
		return 0;
	if (member->kind == MEMBER_LOCAL)
		return 1;
	tunnel = bpf_map_lookup_elem(&tunnels, &member->host);
	if (!tunnel || tunnel->family != vtep->family)
		return 1;
	return !address_equal(&tunnel->address, &vtep->address);
}

static __always_inline void decide_from_tunnel(struct __sk_buff *skb, struct packet *p, struct outcome *outcome)
{
	struct network *network;
	struct vtep_key vtep;
	int reason;

	if (get_tunnel(skb, &outcome->vni, &vtep) < 0)
		return drop(outcome, DROP_VNI_UNKNOWN);
	network = bpf_map_lookup_elem(&networks, &outcome->vni);
	if (!network)
		return drop(outcome, DROP_VNI_UNKNOWN);
	if (!bpf_map_lookup_elem(&vteps, &vtep))
		return drop(outcome, DROP_VTEP_UNKNOWN);
	if (!(network->flags & NETWORK_UP))
		return drop(outcome, DROP_NETWORK_DOWN);
	reason = parse_ethernet(skb, p);
	if (!reason && vtep_mismatch(outcome->vni, p->source_mac, &vtep))
		reason = DROP_VTEP_MISMATCH;
	if (reason)
		return drop(outcome, reason);
	forward(p, outcome, 1);
}

SEC("classifier")
int from_tunnel(struct __sk_buff *skb)
{
	struct outcome outcome = { .ifindex = skb->ifindex, .local_only = 1 };
	struct packet *p = get_packet(2);

	if (!p)
		return TC_ACT_SHOT;
	decide_from_tunnel(skb, p, &outcome);
	return conclude(skb, p, &outcome);
}
