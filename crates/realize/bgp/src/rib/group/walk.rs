//! What a subgroup has not seen yet, from the tables to blocks of messages, a slice of every shard at a time.

use super::super::Rib;
use super::super::changes::Marker;
use super::super::executor::on_each;
use super::super::export::Export;
use super::super::key::Space;
use super::super::plan::{Block, Context, Mode, Plan};
use super::super::shard::Shard;
use super::super::tables::with_table;
use super::{Group, Walk, constrained_family};

impl Rib {
    /// Takes a subgroup one slice further. Shards are worked on at once if there is much to do, and their messages follow
    /// one another in the shards' order whoever did it.
    pub(super) fn slice(&mut self, at: usize, sub: usize) -> Vec<Block> {
        let group = &self.groups[at];
        let rules = &group.rules;
        let subgroup = &group.subgroups[sub];
        let family = rules.key.family;
        let own = *self.sets.own();
        let context = Context {
            export: Export {
                key: &rules.key,
                policies: &rules.policies,
                own: &own,
            },
            sets: &self.sets,
            peers: &self.peers,
            subscriptions: constrained_family(family)
                .then_some(&self.subscriptions)
                .filter(|subscriptions| subscriptions.any()),
        };
        let room = self.config.slice;
        let executor = self.executor.as_deref().filter(|_| subgroup.long);
        let blocks = with_table!(self.tables, family, table => {
            on_each(executor, &mut table.shards, |number, shard| {
                let mut plan = Plan::new(context, &subgroup.members, Mode::Changed);
                walk(shard, number, group, sub, &mut plan, room);
                if plan.len() == 0 { Vec::new() } else { plan.encode(shard) }
            })
        });
        blocks.into_iter().flatten().collect()
    }
}

/// Visits what a subgroup has not seen of a shard; stops where another subgroup stands, to join it.
fn walk<'a, S: Space>(
    shard: &mut Shard<S>,
    number: usize,
    group: &'a Group,
    sub: usize,
    plan: &mut Plan<'a>,
    room: u32,
) {
    let (_, add_path) = group.rules.key.list();
    let subgroup = &group.subgroups[sub];
    let marker = subgroup.markers[number];
    let others: Vec<Marker> = group
        .subgroups
        .iter()
        .enumerate()
        .filter(|(at, other)| *at != sub && matches!(other.walk, Walk::Changes))
        .map(|(_, other)| other.markers[number])
        .collect();
    let mut until = None;
    match &subgroup.walk {
        Walk::Changes => plan.set_mode(Mode::Changed),
        Walk::Again => plan.set_mode(Mode::Again),
        Walk::Differing {
            until: stop,
            before,
        } => {
            until = Some(stop[number]);
            plan.set_mode(Mode::Differing(before.export(plan.own())));
        }
    }
    let list = shard.list(add_path);
    if until.is_some_and(|until| list.same_place(until, marker)) {
        // What changed since was not sent under either rules.
        plan.set_mode(Mode::Again);
    }
    for _ in 0..room {
        let list = shard.list(add_path);
        let Some(index) = list.position(marker) else {
            return;
        };
        // From where the members stood, both markers go on together.
        let passed = until.filter(|until| list.same_place(*until, marker));
        list.advance(marker);
        if let Some(until) = passed {
            list.advance(until);
        }
        let meets = others.iter().any(|other| list.same_place(*other, marker));
        let arrives = passed.is_none() && until.is_some_and(|until| list.same_place(until, marker));
        plan.visit(shard, index);
        if arrives {
            plan.set_mode(Mode::Again);
        }
        if meets {
            return;
        }
    }
}
