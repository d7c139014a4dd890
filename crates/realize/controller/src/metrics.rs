//! What a controller counts about itself.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use wire::RejectCode;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Refusal {
    code: &'static str,
}

#[derive(Clone, Default)]
pub(crate) struct Metrics {
    pub(crate) connected: Gauge,
    pub(crate) refused: Family<Refusal, Counter>,
    pub(crate) units: Counter,
    pub(crate) bytes: Counter,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "controller_agents_connected",
            "Agents with a live stream to this controller",
            self.connected.clone(),
        );
        registry.register(
            "controller_refused",
            "Frames and ports in frames refused, by reason",
            self.refused.clone(),
        );
        registry.register(
            "controller_units_sent",
            "Plan units sent to agents",
            self.units.clone(),
        );
        registry.register(
            "controller_delta_bytes",
            "Bytes of plan deltas sent to agents",
            self.bytes.clone(),
        );
    }

    pub(crate) fn refuse(&self, code: RejectCode, count: usize) {
        let code = match code {
            RejectCode::Protocol => "protocol",
            RejectCode::Identity => "identity",
            RejectCode::Malformed => "malformed",
            RejectCode::Registration => "registration",
            RejectCode::ForeignPort => "foreign_port",
        };
        self.refused
            .get_or_create(&Refusal { code })
            .inc_by(count as u64);
    }
}
