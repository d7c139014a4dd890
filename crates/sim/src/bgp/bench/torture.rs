//! `bgp-torture`: the corpus of malformed and unusual messages, sent to every program over TCP. Counted is what RFC 7606 asks for:
//! sessions that live on, and routes that are used or withdrawn as they must be.
//!
//! For each case: a valid announcement of its prefix, then the message, then a marker. When a second neighbour has the marker,
//! the daemon is through with the message.

use crate::bench::{Aim, Measurement};
use crate::bgp::load::{Load, Plan, State};
use crate::bgp::router::{Neighbor, Router, RouterConfig, Software};
use crate::bgp::routes::{Kind, SLOTS, Source, slot_of_prefix};
use crate::bgp::site::Site;
use anyhow::{Context, Result};
use bgp::nlri::Nlri;
use bgp::torture::{Case, Session, corpus};
use bgp::{Family, FamilySet};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const ASN: u32 = 65000;
const SENDER: u32 = 100_001;
const OBSERVER: u32 = 100_002;
const PATIENCE: Duration = Duration::from_secs(20);
/// What a marker overtakes: programs that sort what they send do so within one batch.
const STRAGGLERS: Duration = Duration::from_millis(10);

/// What a program made of the corpus; each a count and of how many.
#[derive(Debug, Clone, Copy, Default)]
struct Score {
    sessions: (u32, u32),
    outcomes: (u32, u32),
}

pub(super) fn measure(programs: &[Software]) -> Result<Vec<Measurement>> {
    let mut rows = Vec::new();
    for software in programs {
        let score = run(*software).with_context(|| format!("{software} in the torture"))?;
        eprintln!("    {software}: {score:?}");
        let mut row = |what: &str, (right, all): (u32, u32)| {
            let aim = match software {
                Software::Netwright => Aim::RatioAtLeast(1.0),
                _ => Aim::None,
            };
            rows.push(Measurement::new(
                format!("{software}: {what}"),
                (right.into(), "cases"),
                ("all", all.into()),
                aim,
            ));
        };
        row("sessions that must survive and do", score.sessions);
        row("messages handled as the RFCs ask", score.outcomes);
    }
    Ok(rows)
}

struct Rack {
    load: Load,
    _site: Site,
    _router: Router,
    markers: u32,
}

const SENDER_SESSION: usize = 0;
const OBSERVER_SESSION: usize = 1;

impl Rack {
    fn new(software: Software) -> Result<Self> {
        let site = Site::new()?;
        site.add_sources(2)?;
        let mut config = RouterConfig::new(ASN, Site::addresses(0));
        config.neighbors = [(0, SENDER), (1, OBSERVER)]
            .map(|(number, asn)| Neighbor {
                passive: true,
                ..Neighbor::new(Site::source(number), asn, &[Family::Ipv4Unicast])
            })
            .to_vec();
        let router = Router::start(software, site.router_namespace(0)?, config)?;
        let plan = |number, asn| Plan {
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
        let plans = vec![plan(0, SENDER), plan(1, OBSERVER)];
        load.establish(site.load(), plans, PATIENCE)?;
        Ok(Self {
            load,
            _site: site,
            _router: router,
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
            if sessions[OBSERVER_SESSION].has(slot) {
                self.load.run(STRAGGLERS, |_| false)?;
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

    fn observed(&self, slot: u32) -> bool {
        self.load.sessions()[OBSERVER_SESSION].has(slot)
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
    let mut rack = Rack::new(software)?;
    let mut score = Score::default();
    for case in &cases {
        let lives =
            one(&mut rack, case, &mut score).with_context(|| format!("case {}", case.name))?;
        if !lives {
            // A fresh daemon: one that damps a neighbour of many resets is right to, and not what is judged here.
            rack = Rack::new(software)?;
        }
    }
    Ok(score)
}

/// The slot of the route that a case is about.
fn slot_of(case: &Case) -> Option<u32> {
    match case.route? {
        Nlri::Ipv4(prefix) => slot_of_prefix(prefix),
        _ => None,
    }
}

fn one(rack: &mut Rack, case: &Case, score: &mut Score) -> Result<bool> {
    let lives = rack.survives(&[&case.good[..], &case.message].concat())?;
    let slot = slot_of(case);
    let there = slot.is_some_and(|slot| rack.observed(slot));
    let right = case.passes(lives, there);
    let mut count = |of: fn(&mut Score) -> &mut (u32, u32), right: bool| {
        let (rights, all) = of(score);
        *rights += u32::from(right);
        *all += 1;
    };
    // What became of a route that is not numbered cannot be seen here.
    let judged = case.route.is_none() || slot.is_some();
    if judged {
        count(|score| &mut score.outcomes, right);
    }
    if case.expected.session_stays() {
        count(|score| &mut score.sessions, lives || right);
    }
    if judged && !right {
        let how = if lives { "lives" } else { "ended" };
        eprintln!(
            "    {}: expected {:?} ({}), but the session {how} and the route is there: {}",
            case.name, case.expected, case.source, there
        );
    }
    Ok(lives)
}
