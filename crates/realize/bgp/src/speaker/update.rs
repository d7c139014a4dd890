//! UPDATEs on their way to the RIB, what was wrong with them, and limits on what a neighbor may send.

use super::peer::{Idle, Phase};
use super::{ConnId, EventKind, Malformed, Speaker, Swept};
use crate::config::{AtLimit, MaxPrefix};
use crate::message::{Notification, NotificationCode, UpdateError, split};
use crate::rib::UpdateOutcome;
use crate::session::State;
use crate::{Family, FamilySet, PeerId, Time};
use bytes::Bytes;

impl Speaker {
    pub(super) fn update(&mut self, now: Time, conn: ConnId, body: &[u8]) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let id = connection.peer;
        let Some(mut codec) = connection.session.negotiated().map(|agreed| agreed.codec()) else {
            return;
        };
        if self.mirroring {
            self.event(now, id, EventKind::Mirror(Bytes::copy_from_slice(body)));
        }
        // Each turn but the last disables a family, so there are few.
        loop {
            match split(body, &codec) {
                Ok(parts) => {
                    let outcome = self.tables().update(id, &parts);
                    self.took(now, conn, id, body, outcome);
                    return;
                }
                // A session without a family would be up and deaf for good: a reset mends it.
                Err(UpdateError::DisableFamily { family, fault })
                    if codec.families == FamilySet::from_iter([family]) =>
                {
                    self.malformed(now, id, body, || {
                        format!("{fault}: {family} is all there is, so the session is reset")
                    });
                    self.close(now, conn, fault.notification(), &fault.to_string());
                    return;
                }
                Err(UpdateError::DisableFamily { family, fault }) => {
                    self.malformed(now, id, body, || format!("{fault}: {family} is disabled"));
                    codec.families.remove(family);
                    self.disable_family(now, conn, id, family);
                }
                Err(UpdateError::Reset {
                    notification,
                    fault,
                }) => {
                    let text = fault.to_string();
                    self.malformed(now, id, body, || format!("{fault}: the session is reset"));
                    self.close(now, conn, notification, &text);
                    return;
                }
            }
        }
    }

    fn took(&mut self, now: Time, conn: ConnId, id: PeerId, body: &[u8], outcome: UpdateOutcome) {
        if !outcome.faults.is_empty() {
            self.malformed(now, id, body, || {
                let faults = outcome.faults.iter();
                let texts: Vec<_> = faults
                    .map(|fault| format!("{fault} ({:?})", fault.disposition))
                    .collect();
                texts.join("; ")
            });
        }
        if let Some(family) = outcome.end_of_rib {
            self.end_of_rib(now, id, family);
        }
        if outcome.announced > 0 {
            self.check_limits(now, conn, id);
        }
    }

    fn malformed(&mut self, now: Time, id: PeerId, body: &[u8], fault: impl FnOnce() -> String) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        peer.history.malformed += 1;
        let Some(suppressed) = peer.history.reports.admit(now) else {
            return;
        };
        let malformed = Malformed {
            fault: fault(),
            bytes: Bytes::copy_from_slice(&body[..body.len().min(Malformed::KEPT)]),
            suppressed,
        };
        self.event(now, id, EventKind::Malformed(malformed));
    }

    fn disable_family(&mut self, now: Time, conn: ConnId, id: PeerId, family: Family) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            connection.session.disable(family);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.retention.end_of_rib(family);
        }
        self.tables().disable_family(id, family);
        self.nothing_more(id, family);
        self.event(now, id, EventKind::FamilyDisabled(family));
    }

    /// Whoever waits for a neighbor's routes of a family waits no more.
    fn nothing_more(&mut self, id: PeerId, family: Family) {
        let up = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.established.as_mut());
        if family == Family::RouteTarget
            && let Some(up) = up
            && up.membership.take().is_some()
        {
            self.tables().memberships_complete(id);
        }
        if let Some(deferral) = &mut self.deferral {
            deferral.end_of_rib(id, family);
        }
    }

    fn end_of_rib(&mut self, now: Time, id: PeerId, family: Family) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let was_stale = peer.retention.end_of_rib(family);
        self.nothing_more(id, family);
        self.event(now, id, EventKind::EndOfRib(family));
        if was_stale {
            let why = Swept::EndOfRib;
            self.event(now, id, EventKind::Swept { family, why });
        }
    }

    pub(super) fn check_limits(&mut self, now: Time, conn: ConnId, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else {
            return;
        };
        let families = peer.config.families.iter();
        let limits: Vec<(Family, MaxPrefix)> = families
            .filter_map(|(family, options)| Some((*family, options.max_prefix?)))
            .collect();
        for (family, limit) in limits {
            let count = self.rib.counts(id, family).received;
            if count > limit.limit && limit.at_limit != AtLimit::Warn {
                self.over_limit(now, conn, id, (family, count, limit));
                return;
            }
            self.warn(now, id, (family, count, limit));
        }
    }

    /// Once each time the warning level is passed.
    fn warn(&mut self, now: Time, id: PeerId, (family, count, limit): (Family, u32, MaxPrefix)) {
        let level = u64::from(limit.limit) * u64::from(limit.warning) / 100;
        let above = u64::from(count) > level;
        let Some(up) = self
            .peers
            .get_mut(&id)
            .and_then(|peer| peer.established.as_mut())
        else {
            return;
        };
        let warned = up.warned.contains(family);
        match above {
            true => up.warned.insert(family),
            false => up.warned.remove(family),
        }
        if above && !warned {
            let limit = limit.limit;
            let warning = EventKind::PrefixWarning {
                family,
                count,
                limit,
            };
            self.event(now, id, warning);
        }
    }

    fn over_limit(
        &mut self,
        now: Time,
        conn: ConnId,
        id: PeerId,
        (family, count, limit): (Family, u32, MaxPrefix),
    ) {
        let up = self
            .connections
            .get(&conn)
            .and_then(|connection| connection.session.state());
        let Some(peer) = self
            .peers
            .get_mut(&id)
            .filter(|_| up == Some(State::Established))
        else {
            return;
        };
        let until = match limit.at_limit {
            AtLimit::Restart(minutes) => Some(Time(now.0 + u64::from(minutes) * 60_000)),
            AtLimit::Warn | AtLimit::Stop => None,
        };
        peer.phase = Phase::Idle(Idle::PrefixLimit(until));
        let reached = EventKind::PrefixLimit {
            family,
            count,
            limit: limit.limit,
        };
        self.event(now, id, reached);
        // RFC 4486 4: AFI, SAFI and the limit.
        let (afi, safi) = family.codes();
        let mut data = afi.to_be_bytes().to_vec();
        data.push(safi);
        data.extend_from_slice(&limit.limit.to_be_bytes());
        let notification = Notification::new(NotificationCode::MAX_PREFIXES, &data);
        let text = format!("{count} prefixes of {family}, the limit is {}", limit.limit);
        self.close_hard(now, conn, notification, &text);
    }

    /// Ends a session whose routes are not to be kept (RFC 8538 3.1), on either side.
    pub(super) fn close_hard(&mut self, now: Time, conn: ConnId, why: Notification, text: &str) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let negotiated = connection.session.negotiated();
        let graceful = negotiated.and_then(|negotiated| negotiated.graceful);
        let why = match graceful.is_some_and(|graceful| graceful.notification) {
            true => why.into_hard_reset(),
            false => why,
        };
        self.close(now, conn, why, text);
    }
}
