//! Routes in, routes out: the time until every receiver has every route, the daemon's processor time until it is idle
//! again, and its peak memory.

use super::judge::{self, Figure};
use super::stage::{Layout, Stage};
use crate::bench::Measurement;
use crate::bgp::router::Software;
use crate::bgp::routes::Kind;
use anyhow::{Result, bail};
use std::time::Duration;

/// One row of the table.
pub(super) struct Case {
    name: &'static str,
    layout: Layout,
    /// Routes of each injector.
    each: u32,
    /// Routes that each receiver must have in the end.
    wanted: usize,
    rounds: usize,
    timeout: Duration,
    /// Seconds, processor seconds, MB.
    aims: [Option<f64>; 3],
}

impl Case {
    pub(super) const TRANSIT: Self = Self {
        name: "10 × 100,000 IPv4 to 20 sessions",
        layout: Layout {
            kind: Kind::Ipv4,
            injectors: 10,
            receivers: 10,
            late: 0,
            common: false,
            external: true,
            targets: 0,
            memberships: None,
        },
        each: 100_000,
        wanted: 1_000_000,
        rounds: 1,
        timeout: Duration::from_secs(60),
        aims: [Some(5.0), Some(6.0), Some(200.0)],
    };

    /// Nine of ten paths of each prefix are not the best: what choosing costs.
    pub(super) const MULTIHOMED: Self = Self {
        name: "10 × the same 100,000 IPv4 to 20 sessions",
        layout: Layout {
            common: true,
            ..Self::TRANSIT.layout
        },
        wanted: 100_000,
        aims: [None; 3],
        ..Self::TRANSIT
    };

    pub(super) const REFLECT: Self = Self {
        name: "1,000,000 IPv4 to 2 clients",
        layout: Layout {
            injectors: 1,
            receivers: 2,
            external: false,
            ..Self::TRANSIT.layout
        },
        each: 1_000_000,
        wanted: 1_000_000,
        rounds: 3,
        timeout: Duration::from_secs(90),
        aims: [Some(1.9), Some(1.6), Some(130.0)],
    };

    pub(super) const VPN: Self = Self {
        name: "100,000 VPNv4 to 2 clients",
        layout: Layout {
            kind: Kind::Vpnv4,
            targets: 1000,
            ..Self::REFLECT.layout
        },
        each: 100_000,
        wanted: 100_000,
        rounds: 3,
        timeout: Duration::from_secs(30),
        aims: [Some(0.3), Some(0.25), Some(30.0)],
    };

    pub(super) const RTC: Self = Self {
        name: "100,000 VPNv4 to 50 clients asking for 10 of 1,000 targets",
        layout: Layout {
            receivers: 50,
            memberships: Some(10),
            ..Self::VPN.layout
        },
        wanted: 1000,
        timeout: Duration::from_secs(60),
        aims: [Some(0.5), None, None],
        ..Self::VPN
    };

    pub(super) const fn evpn(kind: Kind) -> Self {
        Self {
            name: match kind {
                Kind::EvpnPrefix => "100,000 EVPN type 5 to 2 clients",
                _ => "100,000 EVPN type 2 to 2 clients",
            },
            layout: Layout {
                kind,
                ..Self::VPN.layout
            },
            aims: [Some(0.25), Some(0.4), None],
            ..Self::VPN
        }
    }
}

/// Runs a case with every program and judges it.
pub(super) fn measure(case: &Case, programs: &[Software]) -> Result<Vec<Measurement>> {
    eprintln!("  {}", case.name);
    let outcomes = judge::rounds(programs, case.rounds, |software| run(case, software));
    let figure = |name, unit, aim| Figure {
        name,
        unit,
        aim,
        first: true,
    };
    let figures = [
        figure("until the last route is received", "s", case.aims[0]),
        figure("processor time", "s", case.aims[1]),
        figure("peak memory", "MB", case.aims[2]),
    ];
    Ok(judge::rows(case.name, &figures, &outcomes))
}

fn run(case: &Case, software: Software) -> Result<Vec<f64>> {
    let mut stage = Stage::new(software, case.layout)?;
    let messages = stage.announcements(case.each, 0);
    let before = stage.router.usage()?;
    let Some(wall) = stage.inject(messages, case.wanted, case.timeout)? else {
        bail!(
            "did not converge in {} s: {} of {} routes",
            case.timeout.as_secs(),
            stage.least(),
            case.wanted
        );
    };
    let after = stage.settled_usage()?;
    if stage.least() != case.wanted {
        bail!(
            "sent routes and took them back: {} of {}",
            stage.least(),
            case.wanted
        );
    }
    Ok(vec![
        wall.as_secs_f64(),
        (after.cpu - before.cpu).as_secs_f64(),
        after.peak as f64 / 1e6,
    ])
}
