//! From changed entries to messages: decides for each entry who is to get what, then encodes it, withdraws first and routes
//! with equal attributes together. Decisions are made once per attribute set and source, not per route, and never per
//! peer: the peers of a subgroup that are to get a route are a set.

use super::audience::{AudienceId, Slot, Slots};
use super::config::AddPathSend;
use super::default_route::is_default;
use super::export::{Export, From};
use super::intern::{AttributeSet, AttributeSets, SetId};
use super::key::Space;
use super::path::{Freshness, Path, SourceId};
use super::peer::Peers;
use super::rtc::Subscriptions;
use super::shard::{Sent, Shard};
use super::view::Withheld;
use crate::Family;
use crate::attribute::Attributes;
use crate::message::{EncodedAttributes, UpdateBuilder};
use crate::nlri::{Nlri, Route};
use bytes::Bytes;
use hashbrown::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

/// What deciding needs beside the entries.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) export: Export<'a>,
    pub(crate) sets: &'a AttributeSets,
    pub(crate) peers: &'a Peers,
    /// Of families that route-target constraint filters.
    pub(crate) subscriptions: Option<&'a Subscriptions>,
}

impl Context<'_> {
    pub(crate) fn from(&self, source: SourceId) -> From {
        match source.slot().and_then(|slot| self.peers.get(slot)) {
            None => From::Local,
            Some(peer) => From::Peer(peer.info.kind, peer.info.router_id),
        }
    }

    /// The attributes to send, or why the path is not sent.
    pub(crate) fn decide<X>(&self, path: &Path<X>, nlri: &Nlri) -> Result<Attributes, Withheld> {
        self.decide_with(self.sets.get(path.used), path, nlri)
    }

    /// As if the path had these attributes.
    pub(super) fn decide_with<X>(
        &self,
        set: &AttributeSet,
        path: &Path<X>,
        nlri: &Nlri,
    ) -> Result<Attributes, Withheld> {
        if path.is_for_default_originate() {
            return self.export.default_route(set);
        }
        let long_lived = path.freshness == Freshness::LongLived;
        let from = self.from(path.source);
        self.export.decide(set, from, long_lived, nlri)
    }

    /// Whether a route's best path gives way to a default route of ours.
    pub(crate) fn replaces(&self, nlri: &Nlri) -> bool {
        self.export.key.default_originate && is_default(nlri)
    }

    /// The paths of an entry that members may be sent, in order of preference.
    pub(crate) fn offered<'s, S: Space>(
        &self,
        shard: &'s Shard<S>,
        index: u32,
    ) -> impl Iterator<Item = &'s Path<S::Extra>> + use<'s, S> {
        let replaced = self.export.key.default_originate && is_default(&shard.nlri(index));
        shard.paths_of(index).filter(move |path| match replaced {
            true => path.is_for_default_originate(),
            false => path.usable(),
        })
    }

    /// The members that may get the path, its source and those who want none of its targets left out.
    pub(crate) fn entitled<X>(&self, members: &Slots, path: &Path<X>) -> Slots {
        let mut entitled = match self.subscriptions {
            Some(subscriptions) => {
                let attributes = &self.sets.get(path.used).attributes;
                subscriptions.filter(members, attributes)
            }
            None => members.clone(),
        };
        if let Some(slot) = path.source.slot()
            && !self.export.key.tells_source()
        {
            entitled.remove(slot);
        }
        entitled
    }
}

/// Which of the entitled get an entry that is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Mode<'a> {
    /// All: it changed. (With add-path: those who do not have this version of the path.)
    Changed,
    /// All, again.
    Again,
    /// Those who do not have it: they have become entitled, or not any more.
    Missing,
    /// Those to whom something else was exported under these rules: policy changed.
    Differing(Export<'a>),
}

/// What a decision depends on.
type Cause = (SetId, SourceId, bool);

/// A decision that holds for the next entry too, if it is alike.
struct Memo {
    sent: AudienceId,
    cause: Option<Cause>,
    update: Option<(u32, u32)>,
    withdraw: Option<u32>,
    now: AudienceId,
}

struct Item {
    /// Audience, then what: 0 is a withdraw, else one more than the export.
    order: u64,
    index: u32,
    /// The path id it is sent with; 0 without add-path.
    sent_as: u16,
}

/// Work for one subgroup in one shard.
pub(crate) struct Plan<'a> {
    context: Context<'a>,
    members: &'a Slots,
    mode: Mode<'a>,
    exports: Vec<EncodedAttributes>,
    known: HashMap<Cause, Option<u32>, foldhash::fast::FixedState>,
    /// The latest export whose decision looked at the route.
    latest: Option<(Attributes, u32)>,
    audiences: Vec<Arc<Slots>>,
    items: Vec<Item>,
    memo: Option<Memo>,
}

/// Messages for some peers.
pub(crate) struct Block {
    pub(crate) audience: Arc<Slots>,
    pub(crate) bytes: Bytes,
}

fn cause<X>(path: &Path<X>) -> Cause {
    let long_lived = path.freshness == Freshness::LongLived;
    (path.used, path.source, long_lived)
}

impl<'a> Plan<'a> {
    pub(crate) fn new(context: Context<'a>, members: &'a Slots, mode: Mode<'a>) -> Self {
        Self {
            context,
            members,
            mode,
            exports: Vec::new(),
            known: HashMap::default(),
            latest: None,
            audiences: Vec::new(),
            items: Vec::new(),
            memo: None,
        }
    }

    pub(crate) const fn own(&self) -> &'a super::intern::Identity {
        self.context.export.own
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn set_mode(&mut self, mode: Mode<'a>) {
        self.mode = mode;
        self.memo = None;
    }

    /// Looks at an entry: notes what to send, and to whom it counts as sent from now on.
    pub(crate) fn visit<S: Space>(&mut self, shard: &mut Shard<S>, index: u32) {
        if let Some(limit) = self.context.export.key.add_path {
            return self.visit_paths(shard, index, limit);
        }
        let entry = &shard.entries[index];
        let special = self.is_special(shard, index);
        let best = match special || self.context.export.key.prefers_clients() {
            true => self.context.chosen(shard, index).copied(),
            false => entry.best().copied(),
        };
        let (sent, cause) = (entry.sent, best.as_ref().map(cause));
        let alone = special || self.context.export.key.per_route;
        let memo = match self.memo.take() {
            Some(memo) if memo.sent == sent && memo.cause == cause && !alone => memo,
            _ => self.decide(shard, index, best.as_ref()),
        };
        if let Some(audience) = memo.withdraw {
            self.note(audience, 0, index, 0);
        }
        if let Some((audience, export)) = memo.update {
            self.note(audience, export + 1, index, 0);
        }
        if memo.now != sent {
            let entry = &mut shard.entries[index];
            shard.audiences.replace(&mut entry.sent, memo.now);
            if entry.is_empty() && shard.audiences.is_empty(memo.now) {
                shard.bury(index);
            }
        }
        self.memo = Some(memo).filter(|_| !special);
    }

    /// Whether an entry is a default route that is or was replaced by ours: what holds for it holds for no other.
    fn is_special<S: Space>(&self, shard: &Shard<S>, index: u32) -> bool {
        let before = match &self.mode {
            Mode::Differing(before) => before.key.default_originate,
            Mode::Changed | Mode::Again | Mode::Missing => false,
        };
        (before || self.context.export.key.default_originate) && is_default(&shard.nlri(index))
    }

    fn note(&mut self, audience: u32, what: u32, index: u32, sent_as: u16) {
        self.items.push(Item {
            order: u64::from(audience) << 32 | u64::from(what),
            index,
            sent_as,
        });
    }

    fn decide<S: Space>(
        &mut self,
        shard: &mut Shard<S>,
        index: u32,
        best: Option<&Path<S::Extra>>,
    ) -> Memo {
        let sent = shard.entries[index].sent;
        let had_all = shard.audiences.get(sent).clone();
        let had = had_all.and(self.members);
        let nlri = S::nlri(&shard.entries[index].key);
        let export = best.and_then(|best| self.export(best, &nlri));
        let want = match (best, export) {
            (Some(best), Some(_)) => self.context.entitled(self.members, best),
            _ => Slots::default(),
        };
        let update = match (best, export) {
            (Some(best), Some(export)) => {
                let to = self.due(&want, &had, best, &nlri);
                (!to.is_empty()).then(|| (self.audience(to), export))
            }
            _ => None,
        };
        let lost = had.minus(&want);
        let withdraw = (!lost.is_empty()).then(|| self.audience(lost));
        let now = shard
            .audiences
            .intern(had_all.minus(self.members).or(&want));
        Memo {
            sent,
            cause: best.map(cause),
            update,
            withdraw,
            now,
        }
    }

    /// Of those who want it, those it must be sent to.
    fn due<X>(&self, want: &Slots, had: &Slots, best: &Path<X>, nlri: &Nlri) -> Slots {
        match self.mode {
            Mode::Changed | Mode::Again => want.clone(),
            Mode::Missing => want.minus(had),
            Mode::Differing(before) => {
                let context = Context {
                    export: before,
                    ..self.context
                };
                let same_path = context.replaces(nlri) == self.context.replaces(nlri);
                if same_path && context.decide(best, nlri) == self.context.decide(best, nlri) {
                    want.minus(had)
                } else {
                    want.clone()
                }
            }
        }
    }

    fn export<X>(&mut self, path: &Path<X>, nlri: &Nlri) -> Option<u32> {
        let per_route = self.context.export.key.per_route || path.is_for_default_originate();
        let cause = cause(path);
        if !per_route && let Some(known) = self.known.get(&cause) {
            return *known;
        }
        let attributes = self.context.decide(path, nlri).ok();
        let export = attributes.map(|attributes| self.encoded(attributes));
        if !per_route {
            self.known.insert(cause, export);
        }
        export
    }

    fn encoded(&mut self, attributes: Attributes) -> u32 {
        if let Some((latest, export)) = &self.latest
            && *latest == attributes
        {
            return *export;
        }
        let context = &self.context.export.key.context;
        self.exports
            .push(EncodedAttributes::new(&attributes, context));
        let export = self.exports.len() as u32 - 1;
        self.latest = Some((attributes, export));
        export
    }

    fn audience(&mut self, slots: Slots) -> u32 {
        // Latest first: neighbours mostly share theirs.
        let known = self.audiences.iter().rposition(|known| **known == slots);
        known.unwrap_or_else(|| {
            self.audiences.push(Arc::new(slots));
            self.audiences.len() - 1
        }) as u32
    }

    /// With add-path each path has its own audience.
    fn visit_paths<S: Space>(&mut self, shard: &mut Shard<S>, index: u32, limit: AddPathSend) {
        let limit = match limit {
            AddPathSend::All => usize::MAX,
            AddPathSend::Best(count) => usize::from(count),
        };
        let offered = self.context.offered(shard, index);
        let paths: Vec<Path<S::Extra>> = offered.take(limit).copied().collect();
        let nlri = S::nlri(&shard.entries[index].key);
        let mut records = shard
            .all_paths
            .as_mut()
            .and_then(|all| all.sent.remove(&index))
            .unwrap_or_default();
        for path in &paths {
            let Some(export) = self.export(path, &nlri) else {
                continue;
            };
            let want = self.context.entitled(self.members, path);
            let version = self.version(path);
            let have = records
                .iter()
                .filter(|sent| sent.path == path.sent_as && sent.version == version)
                .fold(Slots::default(), |have, sent| {
                    have.or(shard.audiences.get(sent.who))
                });
            let to = match self.mode {
                Mode::Changed => want.minus(&have),
                _ => self.due(&want, &have, path, &nlri),
            };
            if !to.is_empty() {
                let audience = self.audience(to);
                self.note(audience, export + 1, index, path.sent_as);
            }
        }
        self.withdraw_paths(shard, index, &paths, &records, &nlri);
        let keep = self.records(shard, &paths, &mut records, &nlri);
        let entry_gone = keep.is_empty() && shard.entries[index].is_empty();
        if let Some(all) = shard.all_paths.as_mut().filter(|_| !keep.is_empty()) {
            all.sent.insert(index, keep);
        }
        if entry_gone {
            shard.bury(index);
        }
    }

    /// Who of the members gets the path with this id now.
    fn wanting<X>(&mut self, paths: &[Path<X>], id: u16, nlri: &Nlri) -> Slots {
        match paths.iter().find(|path| path.sent_as == id) {
            Some(path) if self.export(path, nlri).is_some() => {
                self.context.entitled(self.members, path)
            }
            _ => Slots::default(),
        }
    }

    fn withdraw_paths<S: Space>(
        &mut self,
        shard: &Shard<S>,
        index: u32,
        paths: &[Path<S::Extra>],
        records: &[Sent],
        nlri: &Nlri,
    ) {
        let mut ids: Vec<u16> = records.iter().map(|sent| sent.path).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let had = records
                .iter()
                .filter(|sent| sent.path == id)
                .fold(Slots::default(), |had, sent| {
                    had.or(shard.audiences.get(sent.who))
                });
            let lost = had.and(self.members).minus(&self.wanting(paths, id, nlri));
            if !lost.is_empty() {
                let audience = self.audience(lost);
                self.note(audience, 0, index, id);
            }
        }
    }

    /// What has been sent of an entry, after this visit.
    fn records<S: Space>(
        &mut self,
        shard: &mut Shard<S>,
        paths: &[Path<S::Extra>],
        records: &mut Vec<Sent>,
        nlri: &Nlri,
    ) -> Vec<Sent> {
        for sent in records.iter_mut() {
            let others = shard.audiences.get(sent.who).minus(self.members);
            let others = shard.audiences.intern(others);
            shard.audiences.replace(&mut sent.who, others);
        }
        let mut keep: Vec<Sent> = std::mem::take(records)
            .into_iter()
            .filter(|sent| sent.who != AudienceId::NOBODY)
            .collect();
        for path in paths {
            let want = self.wanting(paths, path.sent_as, nlri);
            let version = self.version(path);
            let at = keep
                .iter()
                .position(|sent| sent.path == path.sent_as && sent.version == version);
            let before = at.map_or(AudienceId::NOBODY, |at| keep[at].who);
            let all = shard.audiences.get(before).or(&want);
            let all = shard.audiences.intern(all);
            if all == AudienceId::NOBODY {
                continue;
            }
            let at = at.unwrap_or_else(|| {
                keep.push(Sent {
                    path: path.sent_as,
                    version,
                    who: AudienceId::NOBODY,
                });
                keep.len() - 1
            });
            shard.audiences.replace(&mut keep[at].who, all);
        }
        keep
    }

    /// Tells whether a path is still what was sent.
    fn version<X: std::hash::Hash>(&self, path: &Path<X>) -> u64 {
        let generation = self.context.sets.generation(path.used);
        let seen = (cause(path), generation, &path.extra);
        foldhash::fast::FixedState::default().hash_one(seen)
    }

    /// Encodes all that was noted.
    pub(crate) fn encode<S: Space>(mut self, shard: &Shard<S>) -> Vec<Block> {
        self.items.sort_by_key(|item| item.order);
        let mut blocks = Vec::new();
        let mut rest = &self.items[..];
        let mut out = Vec::new();
        let most = BLOCK / typical(S::FAMILY);
        while let Some(first) = rest.first() {
            let alike = rest
                .iter()
                .take(most)
                .take_while(|item| item.order == first.order)
                .count();
            let (run, after) = rest.split_at(alike);
            rest = after;
            if out.capacity() == 0 {
                out.reserve(256 + (alike + after.len().min(8192)) * 6);
            }
            self.run(shard, run, &mut out);
            let audience = (first.order >> 32) as usize;
            let ends = rest
                .first()
                .is_none_or(|next| (next.order >> 32) as usize != audience);
            if (ends || out.len() >= BLOCK) && !out.is_empty() {
                blocks.push(Block {
                    audience: self.audiences[audience].clone(),
                    bytes: std::mem::take(&mut out).into(),
                });
            }
        }
        blocks
    }

    /// Items of one audience with equal attributes.
    fn run<S: Space>(&self, shard: &Shard<S>, run: &[Item], out: &mut Vec<u8>) {
        let context = &self.context.export.key.context;
        let what = run.first().map_or(0, |item| item.order as u32);
        let mut too_long = Vec::new();
        if what > 0 {
            let attributes = &self.exports[what as usize - 1];
            let mut builder = UpdateBuilder::announce(S::FAMILY, attributes, context, out);
            for item in run {
                let route = route(shard, item);
                if builder.push(&route).is_err() {
                    too_long.push(route);
                }
            }
            builder.finish();
        }
        if what == 0 || !too_long.is_empty() {
            let mut builder = UpdateBuilder::withdraw(S::FAMILY, context, out);
            // A withdraw always fits.
            if what == 0 {
                for item in run {
                    let _ = builder.push(&route(shard, item));
                }
            }
            for route in &too_long {
                let _ = builder.push(route);
            }
            builder.finish();
        }
    }
}

/// Blocks are cut when they are about this long, in octets.
const BLOCK: usize = 60 << 10;

/// Octets of a route in a message, about.
const fn typical(family: Family) -> usize {
    match family {
        Family::Ipv4Unicast => 5,
        Family::Ipv6Unicast | Family::Ipv4Labeled => 9,
        Family::Ipv6Labeled | Family::RouteTarget => 14,
        Family::Vpnv4 => 16,
        Family::Vpnv6 => 22,
        Family::Evpn => 40,
    }
}

fn route<S: Space>(shard: &Shard<S>, item: &Item) -> Route {
    let entry = &shard.entries[item.index];
    let path = if item.sent_as == 0 {
        entry.best()
    } else {
        shard
            .paths_of(item.index)
            .find(|path| path.sent_as == item.sent_as)
    };
    Route {
        nlri: S::nlri(&entry.key),
        path_id: u32::from(item.sent_as),
        payload: path.map_or_else(Default::default, |path| S::payload(&path.extra)),
    }
}

/// A set of one.
pub(crate) fn only(slot: Slot) -> Slots {
    Slots::from_iter([slot])
}
