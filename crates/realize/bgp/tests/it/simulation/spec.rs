//! What a simulated network is meant to be: generated from a seed, turned into configurations, read by the model. The model
//! never sees a configuration.

use crate::world::{NodeId, Random, address};
use bgp::Family;
use bgp::nlri::Nlri;
use std::fmt::Write;

/// A network.
#[derive(Debug, Clone)]
pub(super) struct Spec {
    pub(super) nodes: Vec<NodeSpec>,
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Clone)]
pub(super) struct NodeSpec {
    pub(super) asn: u32,
    pub(super) routes: Vec<RouteSpec>,
    /// Route targets of its VRF; empty: it has none.
    pub(super) targets: Vec<u32>,
}

/// A pair of neighbors. Side 0 is `ends[0]`.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) ends: [NodeId; 2],
    pub(super) families: Vec<Family>,
    /// Side 1 is a client of side 0, a route reflector.
    pub(super) reflects: bool,
    /// Side 0 knows side 1 by a range and never calls.
    pub(super) range: bool,
    pub(super) add_path: bool,
    /// What each side does to routes it sends.
    pub(super) export: [Treatment; 2],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Nothing,
    /// Routes with [`TAG`] are not sent.
    Filter,
    /// [`MARK`] is added.
    Mark,
    /// Our AS once more.
    Prepend,
}

/// On some routes.
pub(super) const TAG: u32 = 64_999 << 16 | 1;
pub(super) const MARK: u32 = 64_999 << 16 | 2;
pub(super) const NO_EXPORT: u32 = 0xffff_ff01;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RouteSpec {
    pub(super) kind: Kind,
    pub(super) communities: Vec<u32>,
    /// How often a MAC has moved; of others 0.
    pub(super) moved: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    V4(u8),
    V6(u8),
    Labeled(u8),
    MacIp(u8),
    Prefix(u8),
    /// In the VRF of the node.
    Vrf(u8),
}

/// The route distinguisher of the VRF of a node.
pub(super) fn rd(node: NodeId) -> String {
    format!("{}:1", address(node))
}

impl Kind {
    /// The key of the route, and of one in a VRF its key there.
    pub(super) fn nlri(self) -> Nlri {
        let net = |text: String| text.parse().expect("a prefix");
        match self {
            Self::V4(index) => Nlri::Ipv4(net(format!("203.0.{index}.0/24"))),
            Self::V6(index) => {
                Nlri::Ipv6(format!("2001:db8:{index}::/48").parse().expect("a prefix"))
            }
            Self::Labeled(index) => Nlri::LabeledIpv4(net(format!("198.18.{index}.0/24"))),
            Self::MacIp(_) | Self::Prefix(_) => Nlri::Evpn(self.evpn().parse().expect("a route")),
            Self::Vrf(index) => Nlri::Ipv4(net(format!("10.{index}.0.0/16"))),
        }
    }

    fn evpn(self) -> String {
        match self {
            Self::MacIp(index) => format!("65000:9:[2]:[0]:[48]:[02:00:00:00:00:{index:02x}]"),
            Self::Prefix(index) => format!("65000:9:[5]:[0]:[24]:[172.16.{index}.0]"),
            _ => String::new(),
        }
    }

    /// Lines of a `[[networks]]` entry.
    fn lines(self) -> String {
        match self {
            Self::V4(_) | Self::V6(_) => format!(
                "prefix = \"{}\"\n",
                self.nlri().prefix().expect("it has one")
            ),
            Self::Labeled(index) => {
                let prefix = self.nlri().prefix().expect("it has one");
                format!(
                    "prefix = \"{prefix}\"\nlabel = {}\n",
                    1000 + u32::from(index)
                )
            }
            Self::MacIp(index) | Self::Prefix(index) => {
                format!(
                    "evpn = \"{}\"\nvni = {}\n",
                    self.evpn(),
                    100 + u32::from(index)
                )
            }
            Self::Vrf(_) => {
                let prefix = self.nlri().prefix().expect("it has one");
                format!("prefix = \"{prefix}\"\nvrf = \"v\"\n")
            }
        }
    }
}

impl Spec {
    pub(super) fn generate(random: &mut Random) -> Self {
        let count = 2 + random.below(4);
        let mut spec = match random.below(2) {
            0 => Self::external(random, count),
            _ => Self::reflected(random, count),
        };
        for node in 0..spec.nodes.len() {
            for _ in 0..random.below(4) {
                let route = spec.any_route(random, node);
                spec.add_route(node, route);
            }
        }
        spec
    }

    /// Every node its own AS, joined at random.
    fn external(random: &mut Random, count: usize) -> Self {
        let node = |index: usize| node(64_500 + u32::try_from(index).expect("small"));
        let mut links = Vec::new();
        for index in 1..count {
            links.push(link([random.below(index), index], UNICAST, false));
        }
        for _ in 0..random.below(count) {
            let (a, b) = (random.below(count), random.below(count));
            let known = |link: &Link| link.ends == [a, b] || link.ends == [b, a];
            if a != b && !links.iter().any(known) {
                links.push(link([a, b], UNICAST, false));
            }
        }
        for link in &mut links {
            for side in 0..2 {
                link.export[side] = treatment(random, true);
            }
        }
        Self {
            nodes: (0..count).map(node).collect(),
            links,
        }
    }

    /// One or two route reflectors with clients, one of which may have a neighbor in another AS.
    fn reflected(random: &mut Random, count: usize) -> Self {
        let reflectors = 1 + random.below(2);
        let mut nodes: Vec<_> = (0..reflectors + count).map(|_| node(64_500)).collect();
        let families: &[Family] = match random.below(3) {
            0 => UNICAST,
            1 => ALL,
            _ => CONSTRAINED,
        };
        let mut links = Vec::new();
        if reflectors == 2 {
            links.push(link([0, 1], families, false));
        }
        for (client, node) in nodes.iter_mut().enumerate().skip(reflectors) {
            // Of all reflectors, or of one.
            let of = match random.percent(40) {
                true => {
                    let only = random.below(reflectors);
                    only..only + 1
                }
                false => 0..reflectors,
            };
            for reflector in of {
                let families = match families.contains(&Family::RouteTarget) {
                    // One that asks for nothing by target.
                    true if random.percent(20) => UNCONSTRAINED,
                    _ => families,
                };
                let mut link = link([reflector, client], families, true);
                link.add_path = random.percent(30);
                link.range = random.percent(30);
                link.export = [treatment(random, false), treatment(random, false)];
                links.push(link);
            }
            if families.contains(&Family::Vpnv4) && random.percent(70) {
                let all = [1, 2, 3];
                let wanted = all.into_iter().filter(|_| random.percent(60));
                node.targets = wanted.collect();
            }
        }
        if random.percent(50) {
            let border = reflectors + random.below(count);
            nodes.push(node(64_600));
            links.push(link([border, nodes.len() - 1], UNICAST, false));
        }
        Self { nodes, links }
    }

    /// A route this node could have.
    pub(super) fn any_route(&self, random: &mut Random, node: NodeId) -> RouteSpec {
        let of_node = self.links.iter().filter(|link| link.ends.contains(&node));
        let families: Vec<Family> = of_node.flat_map(|link| link.families.clone()).collect();
        let index = u8::try_from(random.below(4)).expect("small");
        let mut kinds = vec![Kind::V4(index), Kind::V6(index)];
        if families.contains(&Family::Evpn) {
            kinds.extend([Kind::MacIp(index), Kind::Prefix(index)]);
        }
        if families.contains(&Family::Ipv4Labeled) {
            kinds.push(Kind::Labeled(index));
        }
        if !self.nodes[node].targets.is_empty() {
            kinds.extend([Kind::Vrf(index); 3]);
        }
        let communities = match random.below(6) {
            0 => vec![TAG],
            1 => vec![NO_EXPORT],
            _ => Vec::new(),
        };
        let kind = kinds[random.below(kinds.len())];
        let moved = match kind {
            Kind::MacIp(_) => u8::try_from(random.below(3)).expect("small"),
            _ => 0,
        };
        RouteSpec {
            kind,
            communities,
            moved,
        }
    }

    /// In place of one with the same key.
    pub(super) fn add_route(&mut self, node: NodeId, route: RouteSpec) {
        let routes = &mut self.nodes[node].routes;
        routes.retain(|other| other.kind != route.kind);
        routes.push(route);
    }

    /// The configuration of a node.
    pub(super) fn config(&self, id: NodeId) -> String {
        let node = &self.nodes[id];
        let mut text = format!(
            "[global]\nasn = {}\nrouter-id = \"{}\"\nebgp-requires-policy = false\n{TIMES}{POLICIES}",
            node.asn,
            address(id)
        );
        if !node.targets.is_empty() {
            let targets = node
                .targets
                .iter()
                .map(|target| format!("\"64500:{target}\""));
            let targets: Vec<_> = targets.collect();
            text += &format!(
                "[vrfs.v]\nrd = \"{}\"\nlabel = 2000\ntargets = [{}]\n",
                rd(id),
                targets.join(", ")
            );
        }
        for link in &self.links {
            for side in 0..2 {
                if link.ends[side] == id {
                    text += &self.neighbor(link, side);
                }
            }
        }
        for route in &node.routes {
            text += "[[networks]]\n";
            text += &route.kind.lines();
            let communities = route.communities.iter();
            let communities: Vec<_> = communities
                .map(|community| format!("\"{}:{}\"", community >> 16, community & 0xffff))
                .collect();
            writeln!(text, "communities = [{}]", communities.join(", ")).expect("a string");
            if route.moved > 0 {
                // MAC mobility (RFC 7432 7.7).
                let moved = route.moved;
                writeln!(text, "extended = [\"0x06000000{moved:08x}\"]").expect("a string");
            }
        }
        text
    }

    fn neighbor(&self, link: &Link, side: usize) -> String {
        let other = link.ends[1 - side];
        let families = link.families.iter().map(|family| match link.add_path {
            true if *family != Family::RouteTarget => {
                format!("families.{family}.add-path = \"both\"\n")
            }
            _ => format!("families.{family} = {{}}\n"),
        });
        let families: String = families.collect();
        let policy = match link.export[side] {
            Treatment::Nothing => "",
            Treatment::Filter => "export = \"filter\"\n",
            Treatment::Mark => "export = \"mark\"\n",
            Treatment::Prepend => "export = \"prepend\"\n",
        };
        let client = if link.reflects && side == 0 {
            "rr-client = true\n"
        } else {
            ""
        };
        let who = match link.range && side == 0 {
            true => format!("range = \"{}/32\"", address(other)),
            false => format!("address = \"{}\"", address(other)),
        };
        let asn = self.nodes[other].asn;
        format!("[[neighbors]]\n{who}\nremote-as = {asn}\n{families}{policy}{client}")
    }
}

const TIMES: &str = "hold-time = 30\nconnect-retry = 1\n\
    graceful-restart = { restart-time = 15, stale-time = 40, selection-deferral = 30 }\n\
    long-lived-graceful-restart = { stale-time = 30 }\n";

const POLICIES: &str = r#"
[policies.filter]
default = "accept"
rules = [{ match = [{ community = ["64999:1"] }], then = "reject" }]
[policies.mark]
rules = [{ set = [{ add-communities = ["64999:2"] }], then = "accept" }]
[policies.prepend]
rules = [{ set = [{ prepend = { count = 1 } }], then = "accept" }]
"#;

const UNICAST: &[Family] = &[Family::Ipv4Unicast, Family::Ipv6Unicast];
const ALL: &[Family] = &[
    Family::Ipv4Unicast,
    Family::Ipv6Unicast,
    Family::Ipv4Labeled,
    Family::Vpnv4,
    Family::Evpn,
];
const CONSTRAINED: &[Family] = &[Family::Ipv4Unicast, Family::Vpnv4, Family::RouteTarget];
const UNCONSTRAINED: &[Family] = &[Family::Ipv4Unicast, Family::Vpnv4];

fn node(asn: u32) -> NodeSpec {
    NodeSpec {
        asn,
        routes: Vec::new(),
        targets: Vec::new(),
    }
}

fn link(ends: [NodeId; 2], families: &[Family], reflects: bool) -> Link {
    Link {
        ends,
        families: families.to_vec(),
        reflects,
        range: false,
        add_path: false,
        export: [Treatment::Nothing; 2],
    }
}

pub(super) fn treatment(random: &mut Random, external: bool) -> Treatment {
    match random.below(8) {
        0 => Treatment::Filter,
        1 => Treatment::Mark,
        2 if external => Treatment::Prepend,
        _ => Treatment::Nothing,
    }
}
