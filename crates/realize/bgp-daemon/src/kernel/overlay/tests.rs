//! The entries of tunnels against a kernel that is a few maps.

use super::*;
use proptest::prelude::*;

const OURS: u8 = 179;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    mac: Mac,
    protocol: u8,
}

#[derive(Debug, Default)]
struct FakeKernel {
    neighbors: BTreeMap<NeighborKey, Known>,
    forwards: BTreeMap<ForwardKey, Remote>,
    ports: BTreeSet<ForwardKey>,
}

impl FakeKernel {
    fn apply(&mut self, step: &Step) -> io::Result<()> {
        let gone = || io::Error::from_raw_os_error(libc::ENOENT);
        match *step {
            Step::SetNeighbor(neighbor) => {
                let key = (neighbor.interface, neighbor.address);
                let (mac, protocol) = (neighbor.mac.expect("a MAC"), neighbor.protocol);
                let before = self.neighbors.insert(key, Known { mac, protocol });
                let is_ours = before.is_none_or(|before| before.protocol == OURS);
                assert!(is_ours, "another's neighbour was overwritten");
            }
            Step::DeleteNeighbor(neighbor) => {
                let key = (neighbor.interface, neighbor.address);
                let before = self.neighbors.remove(&key).ok_or_else(gone)?;
                assert_eq!(before.protocol, OURS, "another's neighbour was deleted");
            }
            Step::SetForward {
                vxlan,
                mac,
                remote,
                port,
            } => {
                let mut marks = self.neighbors.values();
                let is_marked = marks.any(|known| known.mac == mac && known.protocol == OURS);
                assert!(is_marked, "a crash now would leave it for ever");
                self.forwards.insert((vxlan, mac), remote);
                if port {
                    self.ports.insert((vxlan, mac));
                }
            }
            Step::DeleteForward { vxlan, mac, port } => {
                let was_there = match port {
                    true => self.ports.remove(&(vxlan, mac)),
                    false => self.forwards.remove(&(vxlan, mac)).is_some(),
                };
                was_there.then_some(()).ok_or_else(gone)?;
            }
        }
        Ok(())
    }

    fn neighbors(&self) -> Vec<Neighbor> {
        let one = |((interface, address), known): (&NeighborKey, &Known)| Neighbor {
            interface: *interface,
            address: *address,
            mac: Some(known.mac),
            protocol: known.protocol,
            fixed: true,
        };
        self.neighbors.iter().map(one).collect()
    }

    fn forwards(&self) -> Vec<(Vxlan, Forward)> {
        let one = |(interface, mac): &ForwardKey, leads| {
            let device = device(*interface, *interface == 1);
            (device, forward(*interface, *mac, leads))
        };
        let forwards = self.forwards.iter();
        let into = forwards.map(|(key, remote)| one(key, Leads::Into(*remote)));
        into.chain(self.ports.iter().map(|key| one(key, Leads::Out)))
            .collect()
    }
}

fn forward(interface: u32, mac: Mac, leads: Leads) -> Forward {
    Forward {
        interface,
        mac,
        leads,
        external: true,
        fixed: true,
    }
}

/// The device of VNI `n` is interface `n`; its bridge, if it is a port, ten more.
fn device(n: u32, is_port: bool) -> Vxlan {
    let svi = if is_port { n + 10 } else { n };
    Vxlan::of(n, svi, mac(99))
}

const fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, n])
}

fn tunnel(vni: u32, vtep: u8, router: u8) -> Tunnel {
    let vtep = IpAddr::from([192, 0, 2, vtep]);
    Tunnel::new(router.is_multiple_of(2), (vni, vni), vtep, mac(router))
}

fn run(overlay: &mut Overlay, kernel: &mut FakeKernel) {
    let additions = overlay.additions();
    let removals = overlay.removals();
    for step in additions.into_iter().chain(removals) {
        if let Err(error) = kernel.apply(&step) {
            assert!(!overlay.refused(&step, &error), "{step:?}: {error}");
        }
    }
}

fn compare(overlay: &mut Overlay, kernel: &FakeKernel) {
    overlay.compare_neighbors(&kernel.neighbors());
    overlay.compare_forwards(&kernel.forwards());
}

#[derive(Debug, Clone)]
enum Change {
    /// VNI, VTEP and router of each.
    Want(Vec<(u32, u8, u8)>),
    /// The devices of which VNIs are up.
    Devices([bool; 2]),
    /// The n-th entry is taken by somebody.
    TakeNeighbor(usize),
    TakeForward(usize),
    TakePort(usize),
    Compare,
    Restart,
    Sweep,
}

fn change() -> impl Strategy<Value = Change> {
    let one = (1..3_u32, 1..4_u8, 1..5_u8);
    prop_oneof![
        4 => proptest::collection::vec(one, 0..5).prop_map(Change::Want),
        1 => any::<[bool; 2]>().prop_map(Change::Devices),
        1 => any::<usize>().prop_map(Change::TakeNeighbor),
        1 => any::<usize>().prop_map(Change::TakeForward),
        1 => any::<usize>().prop_map(Change::TakePort),
        1 => Just(Change::Compare),
        1 => Just(Change::Restart),
        1 => Just(Change::Sweep),
    ]
}

struct World {
    overlay: Overlay,
    kernel: FakeKernel,
    tunnels: Vec<Tunnel>,
    up: [bool; 2],
}

impl World {
    fn new() -> Self {
        Self {
            overlay: Overlay::new(OURS),
            kernel: FakeKernel::default(),
            tunnels: Vec::new(),
            up: [true; 2],
        }
    }

    /// VNI 1 is a port of a bridge, VNI 2 is none.
    fn device(up: [bool; 2], vni: u32) -> Option<Vxlan> {
        up[vni as usize - 1].then(|| device(vni, vni == 1))
    }

    fn settle(&mut self) {
        let up = self.up;
        self.overlay
            .want(self.tunnels.iter(), |vni| Self::device(up, vni));
        run(&mut self.overlay, &mut self.kernel);
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Want(list) => {
                let list = list.into_iter();
                self.tunnels = list
                    .map(|(vni, vtep, router)| tunnel(vni, vtep, router))
                    .collect();
            }
            Change::Devices(up) => self.up = up,
            Change::TakeNeighbor(n) => {
                let neighbors = self.kernel.neighbors();
                if let Some(taken) = neighbors.get(n % neighbors.len().max(1)) {
                    self.kernel
                        .neighbors
                        .remove(&(taken.interface, taken.address));
                    self.overlay.neighbor_told(taken, false);
                }
            }
            Change::TakeForward(n) => {
                let keys: Vec<_> = self.kernel.forwards.keys().copied().collect();
                if let Some(key) = keys.get(n % keys.len().max(1)) {
                    let remote = self.kernel.forwards.remove(key).expect("there");
                    let taken = forward(key.0, key.1, Leads::Into(remote));
                    self.overlay.forward_told(&taken, false, false);
                }
            }
            Change::TakePort(n) => {
                let keys: Vec<_> = self.kernel.ports.iter().copied().collect();
                if let Some(key) = keys.get(n % keys.len().max(1)) {
                    self.kernel.ports.remove(key);
                    let taken = forward(key.0, key.1, Leads::Out);
                    self.overlay.forward_told(&taken, false, false);
                }
            }
            Change::Compare => compare(&mut self.overlay, &self.kernel),
            Change::Restart => {
                self.overlay = Overlay::new(OURS);
                compare(&mut self.overlay, &self.kernel);
            }
            Change::Sweep => self.overlay.sweep(),
        }
        self.settle();
    }

    /// Each name of a far end leads to a router MAC that a tunnel to it has, and each such MAC to a VTEP of it; nothing else
    /// is there.
    fn check(&self) {
        let up = self.up;
        let live = self.tunnels.iter().filter_map(|tunnel| {
            let device = Self::device(up, tunnel.vni)?;
            Some((device, tunnel))
        });
        let live: Vec<_> = live.collect();
        let names: BTreeSet<_> = live
            .iter()
            .map(|(device, tunnel)| (device.svi, tunnel.gateway()))
            .collect();
        let index = |svi: u32| if svi == 11 { 1 } else { svi };
        let neighbors = self.kernel.neighbors.iter();
        let macs: BTreeSet<_> = neighbors
            .map(|((svi, _), known)| (index(*svi), known.mac))
            .collect();
        assert!(names.iter().eq(self.kernel.neighbors.keys()));
        assert!(macs.iter().eq(self.kernel.forwards.keys()));
        let ports: BTreeSet<_> = macs.into_iter().filter(|(vxlan, _)| *vxlan == 1).collect();
        assert_eq!(self.kernel.ports, ports);
        for ((interface, address), known) in &self.kernel.neighbors {
            let fits = |(device, tunnel): &(Vxlan, &Tunnel)| {
                (device.svi, tunnel.gateway()) == (*interface, *address)
                    && tunnel.router_mac == known.mac
            };
            assert!(live.iter().any(fits), "{known:?}");
        }
        for ((interface, mac), remote) in &self.kernel.forwards {
            let fits = |(device, tunnel): &(Vxlan, &Tunnel)| {
                (device.index, tunnel.router_mac, tunnel.vtep) == (*interface, *mac, remote.vtep)
            };
            assert!(live.iter().any(fits), "{remote:?}");
        }
    }
}

proptest! {
    #[test]
    fn the_kernel_has_what_tunnels_need_and_nothing_else_after_any_history(
        changes in proptest::collection::vec(change(), 1..30)
    ) {
        let mut world = World::new();
        for change in changes {
            world.change(change);
        }
        world.change(Change::Sweep);
        world.check();
    }
}

fn leads(world: &World, n: u8) -> Option<Mac> {
    let key = (11, IpAddr::from([192, 0, 2, n]));
    world.kernel.neighbors.get(&key).map(|known| known.mac)
}

#[test]
fn a_router_that_changes_its_mac_is_believed_at_once() {
    let mut world = World::new();
    world.change(Change::Want(vec![(1, 1, 3)]));
    assert_eq!(leads(&world, 1), Some(mac(3)));
    // One of its routes has the new one already.
    world.change(Change::Want(vec![(1, 1, 3), (1, 1, 1)]));
    assert_eq!(leads(&world, 1), Some(mac(1)));
    world.change(Change::Want(vec![(1, 1, 1)]));
    world.check();
}

#[test]
fn an_earlier_runs_entries_stay_until_the_sweep() {
    let mut world = World::new();
    world.change(Change::Want(vec![(1, 1, 1), (2, 2, 3)]));
    world.tunnels.clear();
    world.change(Change::Restart);
    assert_eq!(world.kernel.neighbors.len(), 2);
    assert_eq!(world.kernel.forwards.len(), 2);
    world.change(Change::Want(vec![(1, 1, 1)]));
    assert_eq!(world.kernel.neighbors.len(), 2);
    // What this run has wanted itself goes at once.
    world.change(Change::Want(Vec::new()));
    assert_eq!(world.kernel.neighbors.len(), 1);
    world.change(Change::Sweep);
    assert_eq!(world.kernel.neighbors.len(), 0);
    assert_eq!(world.kernel.forwards.len(), 0);
}

#[test]
fn a_neighbour_of_the_operator_is_left_alone() {
    let mut world = World::new();
    let theirs = Neighbor {
        interface: 11,
        address: [192, 0, 2, 1].into(),
        mac: Some(mac(50)),
        protocol: 0,
        fixed: true,
    };
    let key = (theirs.interface, theirs.address);
    let known = Known {
        mac: mac(50),
        protocol: 0,
    };
    world.kernel.neighbors.insert(key, known);
    world.overlay.neighbor_told(&theirs, true);
    world.tunnels = vec![tunnel(1, 1, 1)];
    world
        .overlay
        .want(world.tunnels.iter(), |vni| World::device([true; 2], vni));
    let sets_it = |step: &Step| matches!(step, Step::SetNeighbor(_));
    assert!(!world.overlay.additions().iter().any(sets_it));
    assert!(!world.overlay.neighbor_told(&theirs, false));
    assert!(
        world.overlay.additions().iter().any(sets_it),
        "theirs has gone"
    );
}
