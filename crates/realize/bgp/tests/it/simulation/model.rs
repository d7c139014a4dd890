//! What every node must hold once all is quiet, computed the naive way: in rounds, every node looks at the best routes of all
//! its neighbors and chooses anew, until a round changes nothing. Written from the RFCs; uses nothing of the speaker but the
//! names of routes.

use super::spec::{Kind, Link, MARK, NO_EXPORT, Spec, TAG, Treatment, rd};
use crate::world::{NodeId, address};
use bgp::Family;
use bgp::nlri::Nlri;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A route as a node uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// `None`: its own.
    pub(super) from: Option<NodeId>,
    /// How many ASes away the neighbor it came from is: 0 or 1.
    external: bool,
    pub(super) as_path: Vec<u32>,
    /// `None`: the node's own address towards whoever asks.
    pub(super) next_hop: Option<IpAddr>,
    pub(super) communities: Vec<u32>,
    /// Route targets of a VPN route.
    pub(super) targets: Vec<u32>,
    /// How often the MAC has moved.
    moved: u8,
    pub(super) originator: Option<Ipv4Addr>,
    pub(super) clusters: Vec<Ipv4Addr>,
}

/// The best routes of a table.
pub(super) type Table = BTreeMap<Nlri, Path>;

/// All routes a node could use, best first.
type Paths = BTreeMap<Nlri, Vec<Path>>;

/// The tables of all nodes.
pub(super) struct Model {
    pub(super) global: Vec<Table>,
    /// Of the VRF, if the node has one.
    pub(super) vrf: Vec<Table>,
}

impl Model {
    pub(super) fn of(spec: &Spec) -> Self {
        let nodes = 0..spec.nodes.len();
        let own: Vec<Paths> = nodes.clone().map(|node| originated(spec, node)).collect();
        let mut all = own.clone();
        for _ in 0..100 {
            let next: Vec<Paths> = nodes
                .clone()
                .map(|node| round(spec, node, &own[node], &all))
                .collect();
            if next == all {
                let global: Vec<Table> = all.iter().map(best).collect();
                let vrf = nodes.map(|node| leaked(spec, node, &global[node]));
                return Self {
                    vrf: vrf.collect(),
                    global,
                };
            }
            all = next;
        }
        panic!("the network has no stable state: {spec:#?}");
    }
}

fn own(communities: &[u32]) -> Path {
    Path {
        from: None,
        external: false,
        as_path: Vec::new(),
        next_hop: None,
        communities: communities.to_vec(),
        targets: Vec::new(),
        moved: 0,
        originator: None,
        clusters: Vec::new(),
    }
}

fn best(paths: &Paths) -> Table {
    let first = |(nlri, paths): (&Nlri, &Vec<Path>)| Some((*nlri, paths.first()?.clone()));
    paths.iter().filter_map(first).collect()
}

fn originated(spec: &Spec, id: NodeId) -> Paths {
    let node = &spec.nodes[id];
    let routes = node.routes.iter().map(|route| {
        let path = Path {
            moved: route.moved,
            ..own(&route.communities)
        };
        match route.kind {
            Kind::Vrf(_) => {
                let Nlri::Ipv4(prefix) = route.kind.nlri() else {
                    panic!("a VRF has IPv4 routes here");
                };
                let rd = rd(id).parse().expect("a route distinguisher");
                let path = Path {
                    next_hop: Some(address(id).into()),
                    targets: node.targets.clone(),
                    ..path
                };
                (Nlri::Vpnv4(rd, prefix), vec![path])
            }
            kind => (kind.nlri(), vec![path]),
        }
    });
    routes.collect()
}

/// What one node could use, given what all others could.
fn round(spec: &Spec, id: NodeId, own: &Paths, all: &[Paths]) -> Paths {
    let mut paths = own.clone();
    for link in spec.links.iter().filter(|link| link.ends.contains(&id)) {
        let side = usize::from(link.ends[0] == id);
        for (nlri, known) in &all[link.ends[side]] {
            // RFC 7911: all of them, or the best one.
            let shown = if link.add_path { known.len() } else { 1 };
            let sent = known.iter().take(shown);
            let sent = sent.filter_map(|path| export(spec, link, side, nlri, path));
            let sent = sent.filter(|path| accepted(spec, id, path));
            paths.entry(*nlri).or_default().extend(sent);
        }
    }
    for known in paths.values_mut() {
        known.sort_by_key(rank);
    }
    paths.retain(|_, known| !known.is_empty());
    paths
}

/// What the node at `side` of a link sends of a route it uses, as the other side takes it.
fn export(spec: &Spec, link: &Link, side: usize, nlri: &Nlri, path: &Path) -> Option<Path> {
    let (sender, receiver) = (link.ends[side], link.ends[1 - side]);
    let (asn, other) = (spec.nodes[sender].asn, spec.nodes[receiver].asn);
    let external = asn != other;
    if !link.families.contains(&nlri.family()) || path.from == Some(receiver) {
        return None;
    }
    if external && path.communities.contains(&NO_EXPORT) {
        return None;
    }
    let reflected = !external && path.from.is_some() && !path.external;
    if reflected && !(link.reflects && side == 0) && !is_client(spec, sender, path.from) {
        return None;
    }
    let mut sent = Path {
        from: Some(sender),
        external,
        ..path.clone()
    };
    match link.export[side] {
        Treatment::Filter if path.communities.contains(&TAG) => return None,
        Treatment::Mark if !sent.communities.contains(&MARK) => sent.communities.push(MARK),
        Treatment::Prepend => sent.as_path.insert(0, asn),
        Treatment::Nothing | Treatment::Filter | Treatment::Mark => {}
    }
    if external {
        sent.as_path.insert(0, asn);
        sent.next_hop = Some(own_address(sender, nlri));
        sent.originator = None;
        sent.clusters.clear();
    } else {
        sent.next_hop = sent.next_hop.or(Some(own_address(sender, nlri)));
    }
    if reflected {
        let source = path.from.map(address);
        sent.originator = sent.originator.or(source);
        sent.clusters.insert(0, address(sender));
    }
    Some(sent)
}

fn is_client(spec: &Spec, of: NodeId, node: Option<NodeId>) -> bool {
    let mut links = spec.links.iter();
    node.is_some_and(|node| links.any(|link| link.reflects && link.ends == [of, node]))
}

fn own_address(node: NodeId, nlri: &Nlri) -> IpAddr {
    match nlri.family() {
        Family::Ipv6Unicast => {
            let last = u16::try_from(node + 1).expect("few nodes");
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into()
        }
        _ => address(node).into(),
    }
}

fn accepted(spec: &Spec, id: NodeId, path: &Path) -> bool {
    let own = address(id);
    let loops = path.external && path.as_path.contains(&spec.nodes[id].asn);
    !loops && path.originator != Some(own) && !path.clusters.contains(&own)
}

/// RFC 7432 15, RFC 4271 9.1.2.2 and RFC 4456 9, without what is equal for all routes here; lower is better.
fn rank(path: &Path) -> impl Ord + use<> {
    let neighbor = path.from.map(address);
    (
        std::cmp::Reverse(path.moved),
        path.next_hop.filter(|_| path.moved > 0),
        path.from.is_some(),
        path.as_path.len(),
        !path.external,
        path.originator.or(neighbor),
        path.clusters.len(),
        neighbor,
    )
}

/// The VRF of a node: its own routes, and the VPN routes that have one of its targets.
fn leaked(spec: &Spec, id: NodeId, global: &Table) -> Table {
    let node = &spec.nodes[id];
    let mut table = Table::new();
    for route in &node.routes {
        if matches!(route.kind, Kind::Vrf(_)) {
            table.insert(route.kind.nlri(), own(&route.communities));
        }
    }
    for (nlri, path) in global {
        let Nlri::Vpnv4(_, prefix) = nlri else {
            continue;
        };
        let wanted = path
            .targets
            .iter()
            .any(|target| node.targets.contains(target));
        if !wanted || path.from.is_none() {
            continue;
        }
        match table.get(&Nlri::Ipv4(*prefix)) {
            Some(other) if rank(path) >= rank(other) => {}
            _ => {
                table.insert(Nlri::Ipv4(*prefix), path.clone());
            }
        }
    }
    table
}
