//! Speakers start, die and are asked about.

use super::{NodeId, World, address};
use bgp::config::{Config, ConfigDiff};
use bgp::session::State;
use bgp::speaker::{EventKind, PeerReport, Speaker, Start};
use bgp::{PeerId, Time};

impl World {
    pub(crate) fn start(&mut self, id: NodeId, start: Start) {
        let text = &self.nodes[id].config;
        let config = Config::parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let seed = self.random.number();
        let mut config = config;
        config.global.seed = seed;
        self.nodes[id].speaker = Some(Speaker::new(config, start, Time(self.now)));
        self.settle(id);
    }

    /// The speaker dies; `silent`: its neighbors hear nothing, not even that connections are closed.
    pub(crate) fn crash(&mut self, id: NodeId, silent: bool) {
        self.nodes[id].speaker = None;
        self.nodes[id].listening = false;
        self.drop_wires(id, silent);
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
