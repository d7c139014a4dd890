//! The decision process (RFC 4271 9.1.2.2 and what later RFCs added), as a comparison of two paths that names the step in
//! which one was better. Knows nothing of tables: it is given the few facts it compares.

use super::config::BestPathOptions;
use super::intern::AttributeSet;
use serde::Serialize;
use std::cmp::Ordering;
use std::net::IpAddr;

/// The step in which a path lost, in the order of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    #[error("it is long-lived stale (RFC 9494 4.3)")]
    LlgrStale,
    #[error("the other belongs to a default gateway (RFC 7432 10.1)")]
    DefaultGateway,
    #[error("the other MAC is sticky (RFC 7432 15.2)")]
    Sticky,
    #[error("the MAC moved: the other has a higher sequence number (RFC 7432 15)")]
    MobilitySequence,
    #[error("same mobility sequence number: the other's tunnel endpoint is lower (RFC 7432 15.1)")]
    MobilityEndpoint,
    #[error("lower weight")]
    Weight,
    #[error("lower LOCAL_PREF")]
    LocalPref,
    #[error("the other is originated here")]
    LocalOrigin,
    #[error("longer AS path")]
    AsPathLength,
    #[error("higher ORIGIN")]
    Origin,
    #[error("higher MED")]
    Med,
    #[error("internal, the other is external")]
    External,
    #[error("higher metric to the next hop")]
    NextHopMetric,
    #[error("learnt later")]
    Age,
    #[error("higher router id (or ORIGINATOR_ID)")]
    RouterId,
    #[error("longer CLUSTER_LIST")]
    ClusterList,
    #[error("higher peer address")]
    PeerAddress,
    #[error("higher path id")]
    PathId,
}

/// What a path is judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) set: &'a AttributeSet,
    /// Long-lived stale, by its own session or by its community.
    pub(crate) llgr_stale: bool,
    pub(crate) local: bool,
    pub(crate) external: bool,
    /// To the next hop.
    pub(crate) metric: u32,
    /// When it was learnt: smaller is earlier, wrapping.
    pub(crate) age: u32,
    pub(crate) router_id: u32,
    pub(crate) address: IpAddr,
    pub(crate) path_id: u32,
    /// MAC mobility applies (EVPN type 2).
    pub(crate) mobile: bool,
}

impl Candidate<'_> {
    fn med(&self, options: &BestPathOptions) -> u32 {
        let missing = if options.missing_med_as_worst {
            u32::MAX
        } else {
            0
        };
        self.set.attributes.med.unwrap_or(missing)
    }

    fn endpoint(&self) -> Option<IpAddr> {
        self.set.attributes.next_hop.map(|hop| hop.address())
    }

    fn identifier(&self) -> u32 {
        self.set
            .attributes
            .originator_id()
            .map_or(self.router_id, |id| id.to_bits())
    }
}

/// The steps up to and including the metric: paths equal in all of them may be used together.
fn preference(
    a: &Candidate<'_>,
    b: &Candidate<'_>,
    options: &BestPathOptions,
    med: bool,
) -> (Ordering, Reason) {
    let (x, y) = (&a.set.summary, &b.set.summary);
    let mut order = a.llgr_stale.cmp(&b.llgr_stale);
    let mut reason = Reason::LlgrStale;
    let mut step = |next: Ordering, name: Reason| {
        if order.is_eq() {
            order = next;
            reason = name;
        }
    };
    if a.mobile && b.mobile {
        step(
            y.default_gateway().cmp(&x.default_gateway()),
            Reason::DefaultGateway,
        );
        step(y.sticky().cmp(&x.sticky()), Reason::Sticky);
        step(y.mobility.cmp(&x.mobility), Reason::MobilitySequence);
        if x.mobility != 0 {
            step(a.endpoint().cmp(&b.endpoint()), Reason::MobilityEndpoint);
        }
    }
    step(y.weight.cmp(&x.weight), Reason::Weight);
    step(
        b.set.local_pref().cmp(&a.set.local_pref()),
        Reason::LocalPref,
    );
    step(b.local.cmp(&a.local), Reason::LocalOrigin);
    if !options.ignore_as_path_length {
        step(x.path_length.cmp(&y.path_length), Reason::AsPathLength);
    }
    step(
        a.set.attributes.origin.cmp(&b.set.attributes.origin),
        Reason::Origin,
    );
    if med && (options.always_compare_med || x.neighbor_as == y.neighbor_as) {
        step(a.med(options).cmp(&b.med(options)), Reason::Med);
    }
    step(b.external.cmp(&a.external), Reason::External);
    step(a.metric.cmp(&b.metric), Reason::NextHopMetric);
    (order, reason)
}

/// `Less`: `a` is preferred. The reason is the deciding step, the last one if they are equal throughout.
pub(crate) fn compare(
    a: &Candidate<'_>,
    b: &Candidate<'_>,
    options: &BestPathOptions,
) -> (Ordering, Reason) {
    compare_with(a, b, options, true)
}

fn compare_with(
    a: &Candidate<'_>,
    b: &Candidate<'_>,
    options: &BestPathOptions,
    med: bool,
) -> (Ordering, Reason) {
    let (order, reason) = preference(a, b, options, med);
    if order.is_ne() {
        return (order, reason);
    }
    if options.prefer_oldest && a.external && b.external {
        let order = 0.cmp(&(b.age.wrapping_sub(a.age) as i32));
        if order.is_ne() {
            return (order, Reason::Age);
        }
    }
    let steps = [
        (a.identifier().cmp(&b.identifier()), Reason::RouterId),
        (
            a.set
                .summary
                .cluster_length
                .cmp(&b.set.summary.cluster_length),
            Reason::ClusterList,
        ),
        (a.address.cmp(&b.address), Reason::PeerAddress),
    ];
    steps
        .into_iter()
        .find(|(order, _)| order.is_ne())
        .unwrap_or((a.path_id.cmp(&b.path_id), Reason::PathId))
}

/// Whether `other` may be used beside `best`, limits aside. `same_as_path` is asked only where it matters.
pub(crate) fn equal_cost(
    best: &Candidate<'_>,
    other: &Candidate<'_>,
    options: &BestPathOptions,
    same_as_path: impl FnOnce() -> bool,
) -> bool {
    preference(best, other, options, true).0.is_eq()
        && (options.multipath_relax_as_path || same_as_path())
}

/// Puts the paths in order of preference; the first is the best path.
///
/// MED is no total order across neighbour ASes, but mostly it decides nothing, and what is left is one. Where it does,
/// `deterministic_med` has each place filled by comparing the best of each neighbour AS; without it, by comparing in order
/// of arrival, newest first, as it was done of old.
pub(crate) fn rank<'c, T: Copy>(
    paths: &mut [T],
    options: &BestPathOptions,
    candidate: impl Fn(&T) -> Candidate<'c>,
) {
    let order = |a: &T, b: &T, med| compare_with(&candidate(a), &candidate(b), options, med).0;
    if options.always_compare_med || same_med(paths, options, &candidate) {
        paths.sort_by(|a, b| order(a, b, true));
    } else if options.deterministic_med {
        rank_by_group(paths, |path| candidate(path).set.summary.neighbor_as, order);
    } else {
        paths.sort_by(|a, b| 0.cmp(&(candidate(a).age.wrapping_sub(candidate(b).age) as i32)));
        rank_by_arrival(paths, order);
    }
}

fn same_med<'c, T>(
    paths: &[T],
    options: &BestPathOptions,
    candidate: impl Fn(&T) -> Candidate<'c>,
) -> bool {
    let mut meds = paths.iter().map(|path| candidate(path).med(options));
    let first = meds.next();
    meds.all(|med| Some(med) == first)
}

/// The groups, each in its own order with MED, merged without it: a path has the place it would have without MED, or
/// follows those of its group that come before it, if they are further back.
fn rank_by_group<T: Copy>(
    paths: &mut [T],
    group: impl Fn(&T) -> u32,
    order: impl Fn(&T, &T, bool) -> Ordering,
) {
    paths.sort_by(|a, b| order(a, b, false));
    let mut grouped: Vec<usize> = (0..paths.len()).collect();
    grouped.sort_by(|a, b| {
        let (a, b) = (&paths[*a], &paths[*b]);
        group(a).cmp(&group(b)).then_with(|| order(a, b, true))
    });
    let mut placed: Vec<(usize, T)> = Vec::with_capacity(paths.len());
    let mut last = None;
    for at in grouped {
        let of = group(&paths[at]);
        let place = match last {
            Some((same, place)) if same == of => at.max(place),
            _ => at,
        };
        last = Some((of, place));
        placed.push((place, paths[at]));
    }
    placed.sort_by_key(|(place, _)| *place);
    for (path, (_, ranked)) in paths.iter_mut().zip(placed) {
        *path = ranked;
    }
}

/// Each place goes to the winner of what is left, compared one after the other; the far ones are not worth that.
fn rank_by_arrival<T>(paths: &mut [T], order: impl Fn(&T, &T, bool) -> Ordering) {
    const THOROUGH: usize = 32;
    let places = paths.len().min(THOROUGH).saturating_sub(1);
    for place in 0..places {
        let winner = (place + 1..paths.len()).fold(place, |best, next| {
            let better = order(&paths[next], &paths[best], true).is_lt();
            if better { next } else { best }
        });
        paths[place..=winner].rotate_right(1);
    }
    if paths.len() > THOROUGH {
        paths[places..].sort_by(|a, b| order(a, b, false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// (neighbour AS, MED, what else counts)
    type Sample = (u32, u32, u32);

    fn order(a: &Sample, b: &Sample, med: bool) -> Ordering {
        let med = med && a.0 == b.0;
        let by_med = if med { a.1.cmp(&b.1) } else { Ordering::Equal };
        by_med.then(a.2.cmp(&b.2))
    }

    /// Each place goes to the best, without MED, of those that lead their AS, with it.
    fn place_by_place(mut left: Vec<Sample>) -> Vec<Sample> {
        let mut ranked = Vec::new();
        while !left.is_empty() {
            let leads = |path: &Sample| {
                let rivals = left.iter().filter(|other| other.0 == path.0);
                rivals
                    .into_iter()
                    .all(|other| order(path, other, true).is_le())
            };
            let leaders = left.iter().copied().filter(leads);
            let best = leaders
                .min_by(|a, b| order(a, b, false))
                .expect("one leads");
            left.retain(|path| *path != best);
            ranked.push(best);
        }
        ranked
    }

    proptest! {
        #[test]
        fn groups_are_ranked_as_if_each_place_were_judged_by_itself(
            paths in vec((0..4_u32, 0..3_u32), 0..40)
        ) {
            let numbered = paths.iter().zip(0..).map(|((asn, med), last)| (*asn, *med, last * 7 % 41));
            let mut paths: Vec<Sample> = numbered.collect();
            let expected = place_by_place(paths.clone());
            rank_by_group(&mut paths, |path| path.0, order);
            prop_assert_eq!(paths, expected);
        }
    }
}
