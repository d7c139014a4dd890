//! `bgp-torture`: the corpus of malformed and unusual messages, sent to every program over TCP. Counted is what RFC 7606 asks for:
//! sessions that live on, and routes that are used or withdrawn as they must be.
//!
//! For each case: a valid announcement of its prefix, then the message, then a marker. When a second neighbour has the marker,
//! the daemon is through with the message. A session that ends is followed by a fresh daemon: one that damps a neighbour of many
//! resets is right to, and that is not what is judged here. Several daemons of a program are at work at once, each on cases of
//! its own, since most of the time is spent waiting for them to start and to pass things on.

use crate::bench::{Aim, Measurement};
use crate::bgp::load::{Load, Plan, State};
use crate::bgp::router::{Neighbor, Router, RouterConfig, Software};
use crate::bgp::routes::{Kind, SLOTS, Source, prefix_of_slot, slot_of_prefix};
use crate::bgp::site::Site;
use anyhow::{Context, Result, anyhow};
use bgp::nlri::Nlri;
use bgp::torture::{Case, Session, corpus};
use bgp::{Family, FamilySet};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const ASN: u32 = 65000;
const SENDER: u32 = 100_001;
const OBSERVER: u32 = 100_002;
const PATIENCE: Duration = Duration::from_secs(20);
/// Daemons at work at once.
const RACKS: usize = 8;

/// How many of how many.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    right: u32,
    all: u32,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.right += u32::from(right);
        self.all += 1;
    }
}

/// What a program made of the corpus.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    /// Sessions that must survive and do.
    sessions: Count,
    /// Routes that must stay and do.
    routes: Count,
    /// Messages after which session and route are as the RFCs ask, whatever that is.
    outcomes: Count,
}

pub(super) fn measure(programs: &[Software]) -> Result<Vec<Measurement>> {
    let mut rows = Vec::new();
    for software in programs {
        let started = Instant::now();
        match run(*software) {
            Ok(score) => {
                eprintln!("    {software}, {:.0?}: {score:?}", started.elapsed());
                rows.extend(rows_of(*software, &score));
            }
            // Without ours there is nothing to compare with; a peer that cannot be run is a row that says so.
            Err(error) if *software != Software::Netwright => {
                let name = format!("{software}: {error:#}");
                rows.push(Measurement::new(
                    name,
                    (f64::NAN, "cases"),
                    ("all", f64::NAN),
                    Aim::None,
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

fn rows_of(software: Software, score: &Score) -> Vec<Measurement> {
    let aim = || match software {
        Software::Netwright => Aim::RatioAtLeast(1.0),
        _ => Aim::None,
    };
    [
        ("sessions that must survive and do", score.sessions),
        ("routes that must stay and do", score.routes),
        ("messages handled as the RFCs ask", score.outcomes),
    ]
    .map(|(what, count)| {
        let name = format!("{software}: {what}");
        let value = (count.right.into(), "cases");
        Measurement::new(name, value, ("all", count.all.into()), aim())
    })
    .into()
}

/// A daemon between a neighbour that sends the corpus and one that sees what comes of it.
struct Rack {
    load: Load,
    _site: Site,
    router: Router,
    markers: u32,
}

const SENDER_SESSION: usize = 0;
const OBSERVER_SESSION: usize = 1;

impl Rack {
    fn new(software: Software) -> Result<Self> {
        let site = Site::new()?;
        site.add_sources(2)?;
        let mut config = RouterConfig::new(ASN, Site::addresses(0));
        let mut ends = vec![(0, SENDER)];
        if software.passes_routes_on() {
            ends.push((1, OBSERVER));
        }
        config.neighbors = ends
            .iter()
            .map(|(number, asn)| Neighbor {
                passive: true,
                ..Neighbor::new(Site::source(*number), *asn, &[Family::Ipv4Unicast])
            })
            .collect();
        let router = Router::start(software, site.router_namespace(0)?, config)?;
        let plan = |(number, asn)| Plan {
            local: Site::source(number).into(),
            remote: Site::router(0).into(),
            asn,
            router_id: Site::source(number),
            families: vec![Family::Ipv4Unicast],
            capabilities: Vec::new(),
            kind: Kind::Ipv4,
            record: false,
        };
        let mut load = Load::new()?;
        let plans = ends.into_iter().map(plan).collect();
        load.establish(site.load(), plans, PATIENCE)?;
        Ok(Self {
            load,
            _site: site,
            router,
            markers: 0,
        })
    }

    /// Sends messages and a marker; `true` if the session lives, with the marker at the observer.
    fn survives(&mut self, messages: &[u8]) -> Result<bool> {
        self.load.send(SENDER_SESSION, messages.to_vec().into())?;
        let source = Source {
            kind: Kind::Ipv4,
            asn: SENDER,
            external: true,
            next_hop: Site::source(0),
            targets: 0,
        };
        // Markers are the last slots, each used once.
        let slot = SLOTS - 1 - self.markers;
        self.markers += 1;
        let marker = source.announce_slot(slot);
        self.load.send(SENDER_SESSION, marker.into())?;
        let started = Instant::now();
        loop {
            let sessions = self.load.sessions();
            if matches!(sessions[SENDER_SESSION].state(), State::Closed(_)) {
                return Ok(false);
            }
            if self.observed(slot)? {
                return Ok(true);
            }
            if started.elapsed() > PATIENCE {
                // A session that lives but takes nothing more: as good as dead.
                self.load.close(SENDER_SESSION);
                return Ok(false);
            }
            self.load.poll(Duration::from_millis(20))?;
        }
    }

    /// Whether the daemon uses the route of a slot: whether it passed it on, or, if it passes nothing on, says it has it.
    fn observed(&self, slot: u32) -> Result<bool> {
        if let Some(session) = self.load.sessions().get(OBSERVER_SESSION) {
            return Ok(session.has(slot));
        }
        let routes = self.router.routes(Family::Ipv4Unicast)?;
        Ok(routes.contains_key(&prefix_of_slot(slot).to_string()))
    }
}

fn run(software: Software) -> Result<Score> {
    let session = Session {
        families: FamilySet::from_iter([Family::Ipv4Unicast]),
        // The slots from 0 on.
        first_prefix: Ipv4Net::new(Ipv4Addr::new(16, 0, 0, 0), 24)?,
        ..Session::external(SENDER, Site::source(0))
    };
    let cases = corpus(&session);
    eprintln!("    {software}: {} messages", cases.len());
    let next = AtomicUsize::new(0);
    let score = Mutex::new(Score::default());
    std::thread::scope(|scope| {
        let work = || {
            let cases = || cases.get(next.fetch_add(1, Ordering::Relaxed));
            work(software, cases, &score)
        };
        let racks: Vec<_> = (0..RACKS).map(|_| scope.spawn(work)).collect();
        racks
            .into_iter()
            .try_for_each(|rack| rack.join().map_err(|_| anyhow!("a rack panicked"))?)
    })?;
    score.into_inner().map_err(|_| anyhow!("a rack panicked"))
}

/// Sends one case after the other, to one daemon until its session ends, then to the next.
fn work<'a>(
    software: Software,
    mut next: impl FnMut() -> Option<&'a Case>,
    score: &Mutex<Score>,
) -> Result<()> {
    let mut rack = None;
    while let Some(case) = next() {
        let on = match &mut rack {
            Some(rack) => rack,
            None => rack.insert(Rack::new(software)?),
        };
        // A daemon that passes on what cannot be framed, or dies: nothing of this case is as it must be.
        let seen = see(on, case).unwrap_or_else(|error| {
            eprintln!("    {}: {error:#}", case.name);
            Seen {
                lives: false,
                route: None,
                sound: false,
            }
        });
        let mut score = score.lock().map_err(|_| anyhow!("a rack panicked"))?;
        judge(case, &seen, &mut score);
        drop(score);
        if !seen.lives {
            rack = None;
        }
    }
    Ok(())
}

/// What became of a case.
struct Seen {
    /// The session lives.
    lives: bool,
    /// Whether the route is there, if it is one that can be seen.
    route: Option<bool>,
    /// The daemon did nothing else that is wrong.
    sound: bool,
}

fn see(rack: &mut Rack, case: &Case) -> Result<Seen> {
    // Some programs sort what they send, within a batch: a first marker may overtake what is before it, a second one cannot.
    let lives = rack.survives(&[&case.good[..], &case.message].concat())? && rack.survives(&[])?;
    let slot = match case.route {
        Some(Nlri::Ipv4(prefix)) => slot_of_prefix(prefix),
        _ => None,
    };
    rack.router.check().context("the daemon ended")?;
    Ok(Seen {
        lives,
        route: slot.map(|slot| rack.observed(slot)).transpose()?,
        sound: true,
    })
}

fn judge(case: &Case, seen: &Seen, score: &mut Score) {
    // A session that ended took its routes along, even if a program without a RIB still tells of them.
    let there = seen.lives && seen.route.unwrap_or_default();
    let right = seen.sound && case.passes(seen.lives, there);
    score.outcomes.add(right);
    if case.expected.session_stays() {
        score.sessions.add(seen.lives || right);
    }
    if case.expected.route_stays() {
        score.routes.add(there || right);
    }
    if !right {
        let how = if seen.lives { "lives" } else { "ended" };
        eprintln!(
            "    {}: expected {:?} ({}), but the session {how} and the route is there: {there}",
            case.name, case.expected, case.source
        );
    }
}
