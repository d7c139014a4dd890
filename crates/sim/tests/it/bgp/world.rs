//! A world for one test: routers in namespaces and a scripted neighbour of theirs.

use sim::bgp::messages::{self, message};
use sim::bgp::{Kind, Load, Neighbor, Plan, Router, RouterConfig, Site, Software};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

pub(super) use bgp::Family;

/// When a test gives up: what it waits for takes a second, on a machine that does nothing else.
pub(super) const PATIENCE: Duration = Duration::from_secs(180);

/// The AS that internal sessions are in.
pub(super) const ASN: u32 = 65000;

pub(super) struct World {
    pub(super) site: Site,
    pub(super) load: Load,
    sources: usize,
}

impl World {
    pub(super) fn new() -> Self {
        let site = Site::new().expect("a site");
        site.add_sources(8).expect("addresses");
        Self {
            site,
            load: Load::new().expect("a load"),
            sources: 0,
        }
    }

    /// Starts a router with its number as address; `adjust` completes its configuration.
    pub(super) fn router(
        &self,
        number: u8,
        software: Software,
        asn: u32,
        neighbors: Vec<Neighbor>,
        adjust: impl FnOnce(&mut RouterConfig),
    ) -> Router {
        let mut config = RouterConfig::new(asn, Site::addresses(number));
        config.neighbors = neighbors;
        adjust(&mut config);
        let namespace = self.site.router_namespace(number).expect("a namespace");
        Router::start(software, namespace, config).expect("a router that listens")
    }

    /// The address that the next scripted neighbour will have.
    pub(super) fn next_source(&self) -> Ipv4Addr {
        Site::source(self.sources)
    }

    /// Opens a scripted session to a router and returns its number.
    pub(super) fn script(&mut self, router: u8, asn: u32, families: &[Family]) -> usize {
        self.script_with(router, asn, families, &[])
    }

    /// The same, counting numbered routes of a kind.
    pub(super) fn script_of(
        &mut self,
        router: u8,
        asn: u32,
        families: &[Family],
        kind: Kind,
    ) -> usize {
        self.open(router, asn, families, &[], kind)
    }

    /// The same with further capabilities.
    pub(super) fn script_with(
        &mut self,
        router: u8,
        asn: u32,
        families: &[Family],
        capabilities: &[u8],
    ) -> usize {
        self.open(router, asn, families, capabilities, Kind::Ipv4)
    }

    /// A scripted session from the first address, as often as one likes: the one before must be closed.
    pub(super) fn script_again(&mut self, router: u8, asn: u32, families: &[Family]) -> usize {
        self.sources = 0;
        self.script(router, asn, families)
    }

    fn open(
        &mut self,
        router: u8,
        asn: u32,
        families: &[Family],
        capabilities: &[u8],
        kind: Kind,
    ) -> usize {
        let source = self.next_source();
        self.sources += 1;
        let plan = Plan {
            local: source.into(),
            remote: Site::router(router).into(),
            asn,
            router_id: source,
            families: families.to_vec(),
            capabilities: capabilities.to_vec(),
            record: true,
            kind,
        };
        self.load
            .establish(self.site.load(), vec![plan], PATIENCE)
            .expect("an established session")
    }

    pub(super) fn send(&mut self, session: usize, message: Vec<u8>) {
        self.load.send(session, message.into()).expect("sent");
    }

    /// Waits until a scripted session has received what `wanted` finds in a message's type and body.
    pub(super) fn heard<R>(
        &mut self,
        session: usize,
        what: &str,
        wanted: impl Fn(u8, &[u8]) -> Option<R>,
    ) -> R {
        let started = Instant::now();
        loop {
            let recorded = self.load.sessions()[session].recorded();
            if let Some(found) = recorded.iter().find_map(|(kind, body)| wanted(*kind, body)) {
                return found;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{what} was not heard among {recorded:02x?}"
            );
            self.load.poll(Duration::from_millis(50)).expect("polled");
        }
    }

    /// Waits until a scripted session has heard it so often.
    pub(super) fn until_heard(
        &mut self,
        session: usize,
        what: &str,
        times: usize,
        wanted: impl Fn(u8, &[u8]) -> bool,
    ) {
        let started = Instant::now();
        while self.count(session, &wanted) < times {
            let recorded = self.load.sessions()[session].recorded();
            assert!(
                started.elapsed() < PATIENCE,
                "{what} was not heard {times} times among {recorded:02x?}"
            );
            self.load.poll(Duration::from_millis(50)).expect("polled");
        }
    }

    /// Waits until a scripted session has exactly so many numbered routes.
    pub(super) fn until_counted(&mut self, session: usize, wanted: usize) {
        let done = self
            .load
            .run(PATIENCE, |sessions| sessions[session].count() == wanted);
        let count = self.load.sessions()[session].count();
        assert!(
            done.expect("sessions stay up"),
            "{count} routes, not {wanted}"
        );
    }

    /// How often a scripted session has heard it so far.
    pub(super) fn count(&self, session: usize, wanted: impl Fn(u8, &[u8]) -> bool) -> usize {
        let recorded = self.load.sessions()[session].recorded();
        let found = recorded.iter().filter(|(kind, body)| wanted(*kind, body));
        found.count()
    }

    /// Keeps the scripted sessions alive and asks until `holds`.
    pub(super) fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            assert!(started.elapsed() < PATIENCE, "waited in vain for {what}");
            self.load.poll(Duration::from_millis(50)).expect("polled");
        }
    }

    /// Waits until a router has a route whose name contains `shown`, or has it no more.
    pub(super) fn route(&mut self, router: &Router, family: Family, shown: &str, present: bool) {
        let mut last = String::new();
        let started = Instant::now();
        loop {
            let routes = router.routes(family);
            let has = routes
                .as_ref()
                .is_ok_and(|routes| routes.keys().any(|key| contains(key, shown)));
            if routes.is_ok() && has == present {
                return;
            }
            if let Ok(routes) = &routes {
                last = format!("{:?}", routes.keys().collect::<Vec<_>>());
            }
            let verb = if present { "get" } else { "lose" };
            assert!(
                started.elapsed() < PATIENCE,
                "{} did not {verb} {shown} of {family}; it has {last}, {:?}",
                router.software(),
                routes.err(),
            );
            self.load.poll(Duration::from_millis(50)).expect("polled");
        }
    }

    /// Waits until what a router tells about a route contains all of `wanted`.
    pub(super) fn told(&mut self, router: &Router, family: Family, shown: &str, wanted: &[&str]) {
        let mut told = String::new();
        let started = Instant::now();
        loop {
            let routes = router.routes(family).unwrap_or_default();
            if let Some(name) = routes.keys().find(|key| contains(key, shown)) {
                told = router.detail(family, name).unwrap_or_default();
            }
            if wanted.iter().all(|text| contains(&told, text)) {
                return;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "{} does not tell {wanted:?} of {shown}, but {told}",
                router.software()
            );
            self.load.poll(Duration::from_millis(50)).expect("polled");
        }
    }

    /// Waits until a router's session with a neighbour is up, or is not.
    pub(super) fn session(&mut self, router: &Router, neighbor: impl Into<IpAddr>, up: bool) {
        let neighbor = neighbor.into();
        let what = format!("{} and {neighbor}: established {up}", router.software());
        self.until(&what, || {
            router
                .established()
                .is_ok_and(|established| established.contains(&neighbor) == up)
        });
    }
}

/// What a router has logged: in ours, why each session ended, while the last error may be that of an attempt since then.
pub(super) fn logged(router: &Router) -> String {
    std::fs::read_to_string(router.folder().join("log")).unwrap_or_default()
}

fn contains(key: &str, shown: &str) -> bool {
    key.to_lowercase().contains(&shown.to_lowercase())
}

/// The router that is tested: ours, or the one that `BGP_TEST_AS` names, by which the tests themselves can be tested.
pub(super) fn ours() -> Software {
    std::env::var("BGP_TEST_AS").map_or(Software::Netwright, |name| {
        name.parse().expect("the name of a program")
    })
}

pub(super) fn is_root() -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("skipped: network namespaces need root");
    }
    root
}

/// A ROUTE-REFRESH (RFC 2918; the subtype is of RFC 7313).
pub(super) fn refresh(family: Family, subtype: u8) -> Vec<u8> {
    let (afi, safi) = family.codes();
    let [high, low] = afi.to_be_bytes();
    message(5, &[high, low, subtype, safi])
}

/// A neighbour that is a route reflector's client.
pub(super) fn client(address: impl Into<IpAddr>, families: &[Family]) -> Neighbor {
    Neighbor {
        reflector_client: true,
        ..Neighbor::new(address, ASN, families)
    }
}

pub(super) fn passive(neighbor: Neighbor) -> Neighbor {
    Neighbor {
        passive: true,
        ..neighbor
    }
}

pub(super) fn end_of_rib(family: Family) -> Vec<u8> {
    messages::end_of_rib(family)
}
