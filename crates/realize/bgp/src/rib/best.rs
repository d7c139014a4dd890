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
/// MED is no total order across neighbour ASes. With `deterministic_med` each place is filled by comparing the best of
/// each neighbour AS; without it, by comparing in order of arrival, newest first, as it was done of old.
pub(crate) fn rank<'c, T>(
    paths: &mut [T],
    options: &BestPathOptions,
    candidate: impl Fn(&T) -> Candidate<'c>,
) {
    const THOROUGH: usize = 32;
    if !options.deterministic_med || options.always_compare_med {
        if !options.deterministic_med {
            paths.sort_by(|a, b| 0.cmp(&(candidate(a).age.wrapping_sub(candidate(b).age) as i32)));
        } else {
            paths.sort_by(|a, b| compare(&candidate(a), &candidate(b), options).0);
            return;
        }
    }
    let places = paths.len().min(THOROUGH).saturating_sub(1);
    for place in 0..places {
        let rest = &paths[place..];
        let chosen = place + choose(rest, options, &candidate);
        paths[place..=chosen].rotate_right(1);
    }
    if paths.len() > THOROUGH {
        paths[places..]
            .sort_by(|a, b| compare_with(&candidate(a), &candidate(b), options, false).0);
    }
}

fn choose<'c, T>(
    paths: &[T],
    options: &BestPathOptions,
    candidate: &impl Fn(&T) -> Candidate<'c>,
) -> usize {
    let better = |a: usize, b: usize, med: bool| {
        compare_with(&candidate(&paths[a]), &candidate(&paths[b]), options, med)
            .0
            .is_lt()
    };
    if !options.deterministic_med {
        return (1..paths.len()).fold(
            0,
            |best, next| if better(next, best, true) { next } else { best },
        );
    }
    // The best of its neighbour AS wins against all others without MED.
    let leads = |index: usize| {
        let asn = candidate(&paths[index]).set.summary.neighbor_as;
        (0..paths.len()).all(|other| {
            other == index
                || candidate(&paths[other]).set.summary.neighbor_as != asn
                || !better(other, index, true)
        })
    };
    let mut best = None;
    for index in (0..paths.len()).filter(|index| leads(*index)) {
        if best.is_none_or(|chosen| better(index, chosen, false)) {
            best = Some(index);
        }
    }
    best.unwrap_or(0)
}
