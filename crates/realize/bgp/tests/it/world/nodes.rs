//! Speakers start, die and are asked about.

use super::{NodeId, World, address};
use bgp::config::{Config, ConfigDiff};
use bgp::nlri::Nlri;
use bgp::rib::{BestPath, TableId};
use bgp::session::State;
use bgp::speaker::{EventKind, PeerReport, Speaker, Start};
use bgp::{PeerId, Time};
use std::collections::BTreeMap;

impl World {
    pub(crate) fn start(&mut self, id: NodeId, start: Start) {
        let text = &self.nodes[id].config;
        let config = Config::parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let seed = self.random.number();
        let mut config = config;
        config.global.seed = seed;
        let mut speaker = Speaker::new(config, start, Time(self.now));
        for table in &self.followed {
            speaker.rib_mut().subscribe(*table);
        }
        self.nodes[id].speaker = Some(speaker);
        self.nodes[id].tables.clear();
        self.settle(id);
    }

    /// The speaker dies; `silent`: its neighbors hear nothing, not even that connections are closed.
    pub(crate) fn crash(&mut self, id: NodeId, silent: bool) {
        self.nodes[id].speaker = None;
        self.nodes[id].listening = false;
        self.drop_wires(id, silent);
    }

    /// Keeps a copy of these tables of every node that starts from now on.
    pub(crate) fn follow(&mut self, tables: Vec<TableId>) {
        self.followed = tables;
    }

    /// Takes the changes of followed tables; none while the speaker has not chosen yet.
    pub(crate) fn drain(&mut self, id: NodeId) {
        let node = &mut self.nodes[id];
        let Some(speaker) = &mut node.speaker else {
            return;
        };
        loop {
            let changes = speaker.table_changes(3);
            if changes.is_empty() {
                return;
            }
            for change in changes {
                let table = node.tables.entry(change.table).or_default();
                match change.paths.into_iter().next() {
                    Some(best) => table.insert(change.nlri, best),
                    None => table.remove(&change.nlri),
                };
            }
        }
    }

    /// The copy of a followed table.
    pub(crate) fn table(&self, id: NodeId, table: TableId) -> BTreeMap<Nlri, BestPath> {
        self.nodes[id]
            .tables
            .get(&table)
            .cloned()
            .unwrap_or_default()
    }

    /// The node a neighbor is.
    pub(crate) fn node_of(&self, id: NodeId, peer: PeerId) -> Option<NodeId> {
        let report = self.nodes[id].speaker.as_ref()?.peer(peer)?;
        super::node_at(report.session?.connection.remote.ip())
    }

    pub(crate) fn configure(&mut self, id: NodeId, text: String) -> ConfigDiff {
        let mut config = Config::parse(&text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let now = Time(self.now);
        self.nodes[id].config = text;
        let diff = match &mut self.nodes[id].speaker {
            Some(speaker) => {
                config.global.seed = speaker.config().global.seed;
                speaker.configure(now, config)
            }
            None => ConfigDiff::default(),
        };
        self.settle(id);
        diff
    }

    /// Does something to a speaker.
    pub(crate) fn tell<T>(&mut self, id: NodeId, what: impl FnOnce(&mut Speaker, Time) -> T) -> T {
        let now = Time(self.now);
        let speaker = self.nodes[id].speaker.as_mut().expect("the node is up");
        let said = what(speaker, now);
        self.settle(id);
        said
    }

    pub(crate) fn speaker(&self, id: NodeId) -> &Speaker {
        self.nodes[id].speaker.as_ref().expect("the node is up")
    }

    /// What a node knows of another as its neighbor.
    pub(crate) fn report(&self, id: NodeId, neighbor: NodeId) -> Option<PeerReport> {
        let wanted = address(neighbor).to_string();
        let mut peers = self.nodes[id].speaker.as_ref()?.peers();
        peers.find(|peer| peer.endpoint.to_string() == wanted)
    }

    pub(crate) fn peer(&self, id: NodeId, neighbor: NodeId) -> PeerId {
        self.report(id, neighbor).expect("it is a neighbor").id
    }

    pub(crate) fn state(&self, id: NodeId, neighbor: NodeId) -> State {
        self.report(id, neighbor)
            .map_or(State::Idle, |report| report.state)
    }

    /// Both ends think so.
    pub(crate) fn is_up(&self, one: NodeId, other: NodeId) -> bool {
        let up = |a, b| self.state(a, b) == State::Established;
        up(one, other) && up(other, one)
    }

    /// Packets between two nodes are lost from now on, or are not.
    pub(crate) fn lose(&mut self, one: NodeId, other: NodeId, lost: bool) {
        let pairs = [(one, other), (other, one)];
        self.cut_off.retain(|pair| !pairs.contains(pair));
        if lost {
            self.cut_off.extend(pairs);
        }
    }

    /// How often something happened at a node.
    pub(crate) fn count(&self, id: NodeId, what: impl Fn(&EventKind) -> bool) -> usize {
        let of_node = self.log.iter().filter(|(_, node, _, _)| *node == id);
        of_node.filter(|(_, _, _, kind)| what(kind)).count()
    }
}
