//! The forwarding table against a kernel that is a map.

use super::super::wire::TABLE_MAIN;
use super::*;
use ipnet::IpNet;
use proptest::prelude::*;
use std::net::IpAddr;

const OURS: u8 = 179;

#[derive(Debug, Default)]
struct FakeKernel {
    routes: BTreeMap<RouteKey, Route>,
    objects: BTreeMap<u32, Object>,
}

impl FakeKernel {
    fn apply(&mut self, step: &Step) -> io::Result<()> {
        let error = |code| Err(io::Error::from_raw_os_error(code));
        match step {
            Step::SetObject(object) => {
                if let ObjectContent::Group(members) = &object.content {
                    let known = members.iter().all(|(id, _)| self.objects.contains_key(id));
                    assert!(known && !members.is_empty(), "a group of nothing");
                }
                self.objects.insert(object.id, object.clone());
            }
            Step::DeleteObject(id) => {
                assert!(self.objects.remove(id).is_some(), "deleted twice");
                let used = self
                    .routes
                    .values()
                    .any(|route| route.way == Way::Object(*id));
                assert!(!used, "an object was deleted under its routes");
            }
            Step::SetRoute { route, replace } => {
                if let Way::Object(id) = route.way {
                    assert!(self.objects.contains_key(&id), "no such object");
                }
                match self.routes.get(&route.key) {
                    Some(_) if !replace => return error(libc::EEXIST),
                    Some(there) => assert_eq!(there.protocol, OURS, "another's route"),
                    None => {}
                }
                self.routes.insert(route.key, route.clone());
            }
            Step::DeleteRoute(route) => {
                let ours = |there: &&Route| there.protocol == OURS;
                if self.routes.get(&route.key).filter(ours).is_none() {
                    return error(libc::ESRCH);
                }
                self.routes.remove(&route.key);
            }
        }
        Ok(())
    }
}

fn run(fib: &mut Fib, kernel: &mut FakeKernel) {
    for step in fib.steps() {
        if let Err(error) = kernel.apply(&step) {
            fib.refused(&step, &error);
        }
    }
}

fn key(n: u8) -> RouteKey {
    RouteKey {
        table: TABLE_MAIN,
        prefix: IpNet::new([10, n, 0, 0].into(), 16).expect("a prefix"),
        metric: 512,
    }
}

fn next_hop(n: u8) -> NextHop {
    NextHop::Routed {
        table: TABLE_MAIN,
        address: [192, 0, 2, n].into(),
    }
}

fn way(n: u8, through: u32) -> Vec<(Hop, u16)> {
    let hop = Hop {
        gateway: Some([192, 0, 2, n].into()),
        interface: through,
        onlink: false,
    };
    match through {
        0 => Vec::new(),
        _ => vec![(hop, 1)],
    }
}

/// The interface each next hop is behind; zero: unreachable.
type Net = [u32; 4];

fn resolver(net: Net) -> impl Fn(&NextHop) -> Vec<(Hop, u16)> {
    move |next_hop| match next_hop {
        NextHop::Routed {
            address: IpAddr::V4(address),
            ..
        } => {
            let n = address.octets()[3];
            way(n, net[usize::from(n)])
        }
        _ => Vec::new(),
    }
}

#[derive(Debug, Clone)]
enum Change {
    Want(u8, Option<Vec<u8>>),
    Net(Net),
    ForeignDelete(u8),
    ForeignTakes(u8),
    ForeignLeaves(u8),
    LoseObjects,
    Compare,
    Restart,
}

fn change() -> impl Strategy<Value = Change> {
    let hops = proptest::sample::subsequence(vec![0_u8, 1, 2, 3], 0..4);
    prop_oneof![
        6 => (0..6_u8, proptest::option::of(hops)).prop_map(|(n, hops)| Change::Want(n, hops)),
        2 => proptest::array::uniform4(0..3_u32).prop_map(Change::Net),
        1 => (0..6_u8).prop_map(Change::ForeignDelete),
        1 => (0..6_u8).prop_map(Change::ForeignTakes),
        1 => (0..6_u8).prop_map(Change::ForeignLeaves),
        1 => Just(Change::LoseObjects),
        1 => Just(Change::Compare),
        1 => Just(Change::Restart),
    ]
}

fn want(hops: &[u8]) -> Want {
    match hops {
        [] => Want::Blackhole,
        hops => Want::Forward(hops.iter().map(|n| (next_hop(*n), 1)).collect()),
    }
}

fn compare(fib: &mut Fib, kernel: &FakeKernel) {
    let routes = kernel
        .routes
        .values()
        .filter(|route| route.protocol == OURS)
        .cloned();
    fib.compare(routes.collect(), kernel.objects.values().cloned().collect());
}

/// What a route does in the end, object by object.
fn meaning(kernel: &FakeKernel, route: &Route) -> Vec<(Hop, u16)> {
    let mut hops = match &route.way {
        Way::Hops(hops) => hops.clone(),
        Way::Object(id) => match &kernel.objects[id].content {
            ObjectContent::Hop(hop) => vec![(*hop, 1)],
            ObjectContent::Group(members) => members
                .iter()
                .map(|(id, weight)| match &kernel.objects[id].content {
                    ObjectContent::Hop(hop) => (*hop, *weight),
                    ObjectContent::Group(_) => panic!("a group in a group"),
                })
                .collect(),
        },
    };
    hops.sort_unstable();
    hops
}

fn check(kernel: &FakeKernel, wanted: &BTreeMap<u8, Vec<u8>>, net: Net) {
    for n in 0..6 {
        let route = kernel.routes.get(&key(n));
        let foreign = route.is_some_and(|route| route.protocol != OURS);
        let ours = route.filter(|route| route.protocol == OURS);
        let mut expected = None;
        if let Some(hops) = wanted.get(&n) {
            let mut ways: Vec<_> = hops
                .iter()
                .flat_map(|n| way(*n, net[usize::from(*n)]))
                .collect();
            ways.sort_unstable();
            if hops.is_empty() || !ways.is_empty() {
                expected = Some(ways);
            }
        }
        match expected {
            Some(ways) if !foreign => {
                let ours = ours.unwrap_or_else(|| panic!("route {n} is missing"));
                assert_eq!(meaning(kernel, ours), ways);
                assert_eq!(ours.kind == RouteKind::Blackhole, ways.is_empty());
            }
            _ => assert!(ours.is_none(), "route {n} is too much"),
        }
    }
}

fn scenario(changes: Vec<Change>, objects: bool) {
    let mut kernel = FakeKernel::default();
    let mut fib = Fib::new(OURS, objects);
    fib.sweep();
    let mut wanted = BTreeMap::new();
    let mut net: Net = [1; 4];
    for change in changes {
        match change {
            Change::Want(n, hops) => {
                fib.want(key(n), hops.as_deref().map(want), resolver(net));
                match hops {
                    Some(hops) => wanted.insert(n, hops),
                    None => wanted.remove(&n),
                };
            }
            Change::Net(new) => {
                net = new;
                fib.resolve(resolver(net));
            }
            Change::ForeignDelete(n) => {
                if kernel
                    .routes
                    .get(&key(n))
                    .is_some_and(|route| route.protocol == OURS)
                {
                    kernel.routes.remove(&key(n));
                    fib.vanished(key(n));
                }
            }
            Change::ForeignTakes(n) => {
                let route = Route {
                    key: key(n),
                    protocol: 3,
                    kind: RouteKind::Unicast,
                    way: Way::Hops(way(1, 1)),
                };
                if kernel
                    .routes
                    .insert(key(n), route)
                    .is_some_and(|route| route.protocol == OURS)
                {
                    fib.vanished(key(n));
                }
            }
            Change::ForeignLeaves(n) => {
                if kernel
                    .routes
                    .get(&key(n))
                    .is_some_and(|route| route.protocol != OURS)
                {
                    kernel.routes.remove(&key(n));
                    fib.freed(key(n));
                }
            }
            Change::LoseObjects => {
                kernel.objects.clear();
                kernel
                    .routes
                    .retain(|_, route| matches!(route.way, Way::Hops(_)));
                compare(&mut fib, &kernel);
            }
            Change::Compare => compare(&mut fib, &kernel),
            Change::Restart => {
                run(&mut fib, &mut kernel);
                fib = Fib::new(OURS, objects);
                compare(&mut fib, &kernel);
                for (n, hops) in &wanted {
                    fib.want(key(*n), Some(want(hops)), resolver(net));
                }
                let steps = fib.steps();
                // Only what another program's route kept out may be tried again.
                let new = |step: &Step| match step {
                    Step::SetRoute { replace, .. } => !replace,
                    Step::SetObject(object) => !kernel.objects.contains_key(&object.id),
                    _ => false,
                };
                assert!(
                    steps.iter().all(new),
                    "a restart rewrote something: {steps:?}"
                );
                for step in steps {
                    if let Err(error) = kernel.apply(&step) {
                        fib.refused(&step, &error);
                    }
                }
                fib.sweep();
            }
        }
        run(&mut fib, &mut kernel);
        check(&kernel, &wanted, net);
        let ours = kernel
            .routes
            .values()
            .filter(|route| route.protocol == OURS);
        assert_eq!(ours.count(), fib.installed());
    }
    fib.clear();
    run(&mut fib, &mut kernel);
    assert!(kernel.routes.values().all(|route| route.protocol != OURS));
    assert!(
        kernel.objects.is_empty(),
        "objects are left: {:?}",
        kernel.objects
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_kernel_gets_what_is_wanted_by_objects(changes in prop::collection::vec(change(), 0..40)) {
        scenario(changes, true);
    }

    #[test]
    fn the_kernel_gets_what_is_wanted_by_hops(changes in prop::collection::vec(change(), 0..40)) {
        scenario(changes, false);
    }
}

#[test]
fn the_longest_route_of_ours_that_covers_an_address_leads_to_it_or_not() {
    let mut fib = Fib::new(OURS, true);
    let address = IpAddr::from([10, 1, 2, 3]);
    let leads = |fib: &Fib| fib.leads_to(TABLE_MAIN, key(1).metric, address);
    let through = |n| Some(Want::Forward(vec![(next_hop(n), 1)]));
    let net = [1, 0, 0, 0];
    assert!(!leads(&fib));
    fib.want(key(1), through(0), resolver(net));
    assert!(leads(&fib));
    let longer = RouteKey {
        prefix: IpNet::new([10, 1, 2, 0].into(), 24).expect("a prefix"),
        ..key(1)
    };
    fib.want(longer, through(1), resolver(net));
    assert!(!leads(&fib), "its own next hop has no way");
    fib.resolve(resolver([1, 1, 0, 0]));
    assert!(leads(&fib));
    fib.want(longer, Some(Want::Blackhole), resolver(net));
    assert!(!leads(&fib));
    fib.want(longer, None, resolver(net));
    assert!(leads(&fib));
    fib.forget_table(TABLE_MAIN);
    assert!(!leads(&fib));
}

#[test]
fn one_object_changes_when_the_way_of_many_routes_changes() {
    let mut kernel = FakeKernel::default();
    let mut fib = Fib::new(OURS, true);
    for n in 0..200 {
        fib.want(key(n), Some(want(&[1, 2])), resolver([1; 4]));
    }
    run(&mut fib, &mut kernel);
    assert_eq!(kernel.routes.len(), 200);
    fib.resolve(resolver([1, 2, 1, 1]));
    let steps = fib.steps();
    assert!(steps.len() <= 3, "{steps:?}");
    assert!(
        steps.iter().all(|step| matches!(step, Step::SetObject(_))),
        "{steps:?}"
    );
}

#[test]
fn before_the_sweep_an_earlier_runs_routes_stay_and_our_own_withdrawals_count() {
    let mut kernel = FakeKernel::default();
    let mut fib = Fib::new(OURS, true);
    for n in 0..3 {
        fib.want(key(n), Some(want(&[1])), resolver([1; 4]));
    }
    run(&mut fib, &mut kernel);
    let mut fib = Fib::new(OURS, true);
    compare(&mut fib, &kernel);
    fib.want(key(0), Some(want(&[1])), resolver([1; 4]));
    run(&mut fib, &mut kernel);
    fib.want(key(0), None, resolver([1; 4]));
    run(&mut fib, &mut kernel);
    assert_eq!(
        kernel.routes.keys().copied().collect::<Vec<_>>(),
        [key(1), key(2)]
    );
    fib.sweep();
    run(&mut fib, &mut kernel);
    assert!(kernel.routes.is_empty() && kernel.objects.is_empty());
}
