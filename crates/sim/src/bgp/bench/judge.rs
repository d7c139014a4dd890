//! From what every program did to rows: ours beside its aim, ours beside the best peer, and the peers to be seen.

use crate::bench::{Aim, Measurement};
use crate::bgp::router::Software;
use anyhow::Result;
use std::collections::BTreeMap;

/// What one program did in one round: figures in the order of [`Figure`]s, or why not.
pub(super) type Outcome = std::result::Result<Vec<f64>, String>;

/// A figure of which less is better.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// What the issue asks of ours.
    pub(super) aim: Option<f64>,
    /// Whether ours must be first among all.
    pub(super) first: bool,
}

/// A program that needed longer than this in its first round has no further ones.
const WORTH_REPEATING: f64 = 5.0;

/// Runs every program in turn, `rounds` times around, and takes each figure's median. The first figure is a time in seconds.
pub(super) fn rounds(
    programs: &[Software],
    rounds: usize,
    mut run: impl FnMut(Software) -> Result<Vec<f64>>,
) -> BTreeMap<Software, Outcome> {
    let mut all: BTreeMap<Software, Vec<Vec<f64>>> = BTreeMap::new();
    let mut failed: BTreeMap<Software, String> = BTreeMap::new();
    for round in 0..rounds {
        for software in programs {
            let slow = all
                .get(software)
                .is_some_and(|rounds| rounds[0].first().is_some_and(|s| *s > WORTH_REPEATING));
            if failed.contains_key(software) || slow {
                continue;
            }
            match run(*software) {
                Ok(figures) => {
                    eprintln!("    {software}, round {}: {figures:.3?}", round + 1);
                    all.entry(*software).or_default().push(figures);
                }
                Err(error) => {
                    eprintln!("    {software}: {error:#}");
                    failed.insert(*software, format!("{error:#}"));
                }
            }
        }
    }
    let mut outcomes: BTreeMap<Software, Outcome> = all
        .into_iter()
        .map(|(software, rounds)| (software, Ok(medians(&rounds))))
        .collect();
    outcomes.extend(
        failed
            .into_iter()
            .map(|(software, why)| (software, Err(why))),
    );
    outcomes
}

fn medians(rounds: &[Vec<f64>]) -> Vec<f64> {
    let figures = rounds.first().map_or(0, Vec::len);
    (0..figures)
        .map(|figure| {
            let mut values: Vec<f64> = rounds.iter().map(|round| round[figure]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        })
        .collect()
}

/// The rows of a case.
pub(super) fn rows(
    case: &str,
    figures: &[Figure],
    outcomes: &BTreeMap<Software, Outcome>,
) -> Vec<Measurement> {
    let mut rows = Vec::new();
    for (index, figure) in figures.iter().enumerate() {
        let value = |outcome: &Outcome| outcome.as_ref().ok().map(|values| values[index]);
        let ours = outcomes.get(&Software::Netwright);
        let peers = outcomes.iter().filter(|(s, _)| **s != Software::Netwright);
        let best = peers
            .clone()
            .filter_map(|(software, outcome)| Some((*software, value(outcome)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        let own = ours.map(|outcome| value(outcome).unwrap_or(f64::NAN));
        if let Some(own) = own {
            rows.extend(judged(case, figure, own, best));
        }
        for (software, outcome) in peers {
            let shown = value(outcome).unwrap_or(f64::NAN);
            let name = match outcome {
                Ok(_) => format!("{case}, {}: {software}", figure.name),
                Err(why) => format!("{case}: {software}: {}", why.lines().next().unwrap_or(why)),
            };
            let reference = ("netwright", own.unwrap_or(f64::NAN));
            if outcome.is_ok() || index == 0 {
                rows.push(Measurement::new(
                    name,
                    (shown, figure.unit),
                    reference,
                    Aim::None,
                ));
            }
        }
    }
    rows
}

fn judged(
    case: &str,
    figure: &Figure,
    own: f64,
    best: Option<(Software, f64)>,
) -> Vec<Measurement> {
    let name = format!("{case}, {}", figure.name);
    let (reference, value) = match best {
        Some((software, value)) => (format!("best peer, {software}"), value),
        None => ("no peer can do it".to_owned(), 0.0),
    };
    let row = |aim| Measurement::new(&name, (own, figure.unit), (reference.clone(), value), aim);
    let mut rows = Vec::new();
    if let Some(aim) = figure.aim {
        rows.push(row(Aim::AtMost(aim)));
    }
    if figure.first && best.is_some() {
        rows.push(row(Aim::RatioAtMost(1.0)));
    }
    if rows.is_empty() {
        rows.push(row(Aim::None));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: Figure = Figure {
        name: "wall",
        unit: "s",
        aim: Some(2.0),
        first: true,
    };

    #[test]
    fn ours_is_judged_by_the_aim_and_by_the_best_peer() {
        let outcomes = BTreeMap::from([
            (Software::Netwright, Ok(vec![1.5])),
            (Software::Bird, Ok(vec![1.0])),
            (Software::Frr, Ok(vec![3.0])),
            (Software::Gobgp, Err("did not converge".to_owned())),
        ]);
        let rows = rows("case", &[WALL], &outcomes);
        let met: Vec<bool> = rows.iter().map(|row| row.met).collect();
        assert_eq!(met, [true, false, true, true, true]);
        assert_eq!(rows[1].reference, "best peer, BIRD");
        assert!(rows[4].value.is_nan() && rows[4].name.contains("did not converge"));
    }

    #[test]
    fn ours_that_fails_meets_nothing() {
        let outcomes = BTreeMap::from([
            (Software::Netwright, Err("crashed".to_owned())),
            (Software::Bird, Ok(vec![1.0])),
        ]);
        let rows = rows("case", &[WALL], &outcomes);
        assert!(!rows[0].met && !rows[1].met);
    }

    #[test]
    fn the_median_of_rounds_counts_and_slow_programs_run_once() {
        let mut ran = BTreeMap::new();
        let programs = [Software::Netwright, Software::Gobgp];
        let outcomes = rounds(&programs, 3, |software| {
            let round = ran.entry(software).or_insert(0);
            *round += 1;
            Ok(match software {
                Software::Gobgp => vec![9.0],
                _ => vec![[3.0, 1.0, 2.0][*round - 1]],
            })
        });
        assert_eq!(outcomes[&Software::Netwright], Ok(vec![2.0]));
        assert_eq!(ran[&Software::Gobgp], 1);
    }
}
