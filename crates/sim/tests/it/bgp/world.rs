//! A world for one test: routers in namespaces and a scripted neighbour of theirs.

use sim::bgp::messages::{self, message};
use sim::bgp::{Kind, Load, Neighbor, Plan, Router, RouterConfig, Site, Software};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

pub(super) use bgp::Family;

pub(super) const PATIENCE: Duration = Duration::from_secs(30);

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
        let source = self.next_source();
        self.sources += 1;
        let plan = Plan {
            local: source.into(),
            remote: Site::router(router).into(),
            asn,
            router_id: source,
            families: families.to_vec(),
            kind: Kind::Ipv4,
        };
        self.load
            .establish(self.site.load(), vec![plan], PATIENCE)
            .expect("an established session")
    }

    pub(super) fn send(&mut self, session: usize, message: Vec<u8>) {
        self.load.send(session, message.into()).expect("sent");
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

    /// What a router tells about a route, as text.
    pub(super) fn detail(&mut self, router: &Router, family: Family, shown: &str) -> String {
        self.route(router, family, shown, true);
        let routes = router.routes(family).expect("routes");
        let told = routes.iter().find(|(key, _)| contains(key, shown));
        told.map(|(key, value)| format!("{key} {value}"))
            .unwrap_or_default()
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

fn contains(key: &str, shown: &str) -> bool {
    key.to_lowercase().contains(&shown.to_lowercase())
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
