//! The agent's numbers in the text format of OpenMetrics 1.0. They are read from the board when asked for, so that
//! nothing has to be counted twice.

use crate::board::{Board, counter_name};
use crate::status::{State, Status};
use datapath::Counted;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;

#[derive(Debug)]
struct BoardMetrics(Arc<Board>);

/// All metrics of the agent as text.
pub(crate) fn text(board: &Arc<Board>) -> String {
    let mut registry = Registry::with_prefix("netwright_agent");
    registry.register_collector(Box::new(BoardMetrics(board.clone())));
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = encode(&mut text, &registry);
    text
}

impl Collector for BoardMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let status = self.0.status();
        self.health(&mut encoder, &status)?;
        self.states(&mut encoder, &status)?;
        self.ports(&mut encoder)?;
        self.services(&mut encoder)
    }
}

impl BoardMetrics {
    fn health(&self, encoder: &mut DescriptorEncoder, status: &Status) -> fmt::Result {
        let mut gauge = |name: &str, help: &str, value: u64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)
        };
        let connected = status.connection.controller.is_some();
        let help = "1 while a stream to a controller is open.";
        gauge("connected", help, connected.into())?;
        let help = "The revision the kernel holds.";
        gauge("applied_revision", help, status.applied)?;
        let help = "The newest revision received.";
        gauge("target_revision", help, status.target)?;
        let mut counter = |name: &str, help: &str, value: u64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(metric)
        };
        let help = "Rows of kernel maps written or deleted.";
        counter("map_writes", help, status.map_writes)?;
        let help = "Readings of the kernel's state.";
        counter("audits", help, status.audits.count)?;
        let help = "Units that could not be decoded.";
        counter("unreadable_units", help, status.unreadable_units)?;
        let help = "Streams opened to controllers.";
        counter("streams", help, status.connection.connects)
    }

    fn states(&self, encoder: &mut DescriptorEncoder, status: &Status) -> fmt::Result {
        let help = "What others changed and the agent put right, by kind.";
        let mut family = encoder.encode_descriptor("repairs", help, None, MetricType::Counter)?;
        for (kind, count) in status.repairs.by_kind() {
            let labels = [("kind", kind)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        let help = "Ports of this host by state.";
        let mut family = encoder.encode_descriptor("ports", help, None, MetricType::Gauge)?;
        for state in [State::Up, State::Down, State::Error] {
            let ports = status.ports.iter().filter(|port| port.state == state);
            let labels = [("state", state.as_str())];
            ConstGauge::new(ports.count() as i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn ports(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let totals = self.0.totals();
        let mut write = |name: &str, help: &str, drops: bool, bytes: bool| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (port, totals) in &totals {
                let port = port.map_or_else(String::new, |port| port.to_string());
                for (counted, (packets, octets)) in totals {
                    if matches!(counted, Counted::Dropped(_)) != drops {
                        continue;
                    }
                    let label = if drops { "reason" } else { "direction" };
                    let labels = [("port", port.as_str()), (label, counter_name(*counted))];
                    let value = if bytes { *octets } else { *packets };
                    ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
            Ok(())
        };
        let packets = "Packets of a port, directions as the workload sees them.";
        write("port_packets", packets, false, false)?;
        write("port_bytes", "Bytes of a port's frames.", false, true)?;
        let drops = "Packets dropped by port and reason; port is empty where none could be told.";
        write("port_drops", drops, true, false)
    }

    fn services(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let (answered, unanswered) = self.0.services();
        let help = "DHCP messages and router solicitations by what became of them.";
        let mut family =
            encoder.encode_descriptor("service_requests", help, None, MetricType::Counter)?;
        let mut write = |outcome: &str, count: u64| {
            let labels = [("outcome", outcome)];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)
        };
        write("answered", answered)?;
        for (reason, count) in unanswered {
            write(reason, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Repair;
    use datapath::Counter;
    use forwarding::DropReason;
    use model::PortId;
    use uuid::Uuid;

    #[test]
    fn metrics_name_ports_reasons_revisions_and_repairs() {
        let host = "host-1".parse().expect("a name");
        let board = Arc::new(Board::new(host, [192, 0, 2, 1].into(), Vec::new()));
        board.applied(7);
        board.repaired(Repair::Row, 3);
        board.answered(Some("relayed"));
        let counter = |counted, packets| Counter {
            port: Some(PortId(Uuid::nil())),
            ifindex: 4,
            counted,
            packets,
            bytes: packets * 100,
        };
        board.counters(&[
            counter(Counted::ToWorkload, 5),
            counter(Counted::Dropped(DropReason::SpoofedMac), 2),
        ]);
        let text = text(&board);
        let port = Uuid::nil();
        for line in [
            "netwright_agent_applied_revision 7".to_owned(),
            "netwright_agent_repairs_total{kind=\"row\"} 3".to_owned(),
            "netwright_agent_ports{state=\"up\"} 0".to_owned(),
            "netwright_agent_service_requests_total{outcome=\"relayed\"} 1".to_owned(),
            format!("netwright_agent_port_packets_total{{port=\"{port}\",direction=\"rx\"}} 5"),
            format!("netwright_agent_port_bytes_total{{port=\"{port}\",direction=\"rx\"}} 500"),
            format!("netwright_agent_port_drops_total{{port=\"{port}\",reason=\"spoofed-mac\"}} 2"),
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
