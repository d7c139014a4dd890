//! The daemon's numbers in the text format of OpenMetrics 1.0. A snapshot is taken in the engine, and written as text
//! outside of it.

use crate::engine::{Core, Counters, Traffic};
use crate::observe::EventCounts;
use bgp::session::State;
use bgp::speaker::PeerReport;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// Everything at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    peers: Vec<(PeerReport, Option<Traffic>)>,
    events: EventCounts,
    sockets: Counters,
    half_open: usize,
    deferring: bool,
    tables: Vec<(String, u64, u64)>,
    attribute_sets: usize,
    kernel: Option<crate::kernel::Status>,
    mrt_dropped: u64,
}

impl Snapshot {
    pub(crate) fn take(core: &Core) -> Self {
        let peers = core.speaker.peers().map(|peer| {
            let traffic = peer
                .session
                .as_ref()
                .and_then(|session| core.io.traffic(session.conn));
            (peer, traffic)
        });
        let rib = core.speaker.rib();
        let tables = rib.tables().into_iter().filter_map(|table| {
            let counts = rib.table_counts(table)?;
            let name = crate::api::table_name(core, table);
            Some((name, counts.prefixes as u64, counts.paths as u64))
        });
        Self {
            peers: peers.collect(),
            events: core.observers.counts.clone(),
            sockets: core.io.counters.clone(),
            half_open: core.io.half_open(),
            deferring: core.speaker.is_deferring(),
            tables: tables.collect(),
            attribute_sets: rib.attribute_sets(),
            kernel: core.kernel_status(),
            mrt_dropped: core.mrt_dropped(),
        }
    }

    pub(crate) fn text(self) -> String {
        let mut registry = Registry::with_prefix("netwright_bgp");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        self.sessions(&mut encoder)?;
        self.prefixes(&mut encoder)?;
        self.messages(&mut encoder)?;
        self.events(&mut encoder)?;
        self.sockets(&mut encoder)?;
        self.tables(&mut encoder)?;
        self.kernel(&mut encoder)
    }
}

type Labels<'a> = [(&'static str, &'a str)];

/// One family of gauges or counters with labels.
fn family<'a>(
    encoder: &mut DescriptorEncoder,
    (name, help, kind): (&str, &str, MetricType),
    values: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, u64)>,
) -> fmt::Result {
    let counter = matches!(kind, MetricType::Counter);
    let mut family = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        let labels: &Labels<'_> = &labels;
        let metric = family.encode_family(&labels)?;
        match counter {
            true => ConstCounter::new(value).encode(metric)?,
            false => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric)?,
        }
    }
    Ok(())
}

fn single(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    kind: MetricType,
    value: u64,
) -> fmt::Result {
    let counter = matches!(kind, MetricType::Counter);
    let metric = encoder.encode_descriptor(name, help, None, kind)?;
    match counter {
        true => ConstCounter::new(value).encode(metric),
        false => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(metric),
    }
}

impl Snapshot {
    fn sessions(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        const STATES: [State; 6] = [
            State::Idle,
            State::Connect,
            State::Active,
            State::OpenSent,
            State::OpenConfirm,
            State::Established,
        ];
        let names = STATES.map(|state| state.to_string());
        let counts = STATES.iter().zip(&names).map(|(state, name)| {
            let count = self
                .peers
                .iter()
                .filter(|(peer, _)| peer.state == *state)
                .count();
            (vec![("state", name.as_str())], count as u64)
        });
        let gauge = MetricType::Gauge;
        family(
            encoder,
            (
                "sessions",
                "Neighbours by the state of their session.",
                gauge,
            ),
            counts,
        )?;
        let neighbors = self.names();
        let each = |value: fn(&PeerReport) -> u64| {
            let peers = self.peers.iter().zip(&neighbors);
            peers.map(move |((peer, _), name)| (vec![("neighbor", name.as_str())], value(peer)))
        };
        let up = each(|peer| u64::from(peer.state == State::Established));
        family(
            encoder,
            ("session_up", "1 while the session is established.", gauge),
            up,
        )?;
        let counter = MetricType::Counter;
        let flaps = each(|peer| peer.flaps);
        family(
            encoder,
            ("session_flaps", "Sessions that ended.", counter),
            flaps,
        )?;
        let malformed = each(|peer| peer.malformed);
        let help = "UPDATEs with a fault (RFC 7606).";
        family(encoder, ("malformed_updates", help, counter), malformed)?;
        let waiting = self
            .peers
            .iter()
            .zip(&neighbors)
            .filter_map(|((_, traffic), name)| {
                let waiting = traffic.as_ref()?.waiting;
                Some((vec![("neighbor", name.as_str())], waiting as u64))
            });
        let help = "Octets encoded for a neighbour that its socket has not taken.";
        family(encoder, ("waiting_octets", help, gauge), waiting)
    }

    fn names(&self) -> Vec<String> {
        self.peers
            .iter()
            .map(|(peer, _)| peer.endpoint.to_string())
            .collect()
    }

    fn prefixes(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let names = self.names();
        let mut values = Vec::new();
        for ((peer, _), name) in self.peers.iter().zip(&names) {
            for report in &peer.families {
                let counts = report.counts;
                for (kind, count) in [
                    ("received", counts.received),
                    ("accepted", counts.accepted),
                    ("advertised", counts.advertised),
                    ("stale", counts.stale),
                ] {
                    let family = report.family.name();
                    let labels = vec![
                        ("neighbor", name.as_str()),
                        ("family", family),
                        ("kind", kind),
                    ];
                    values.push((labels, u64::from(count)));
                }
            }
        }
        let help = "Routes of a neighbour by family: received before policy, accepted, advertised, kept as stale.";
        family(encoder, ("prefixes", help, MetricType::Gauge), values)
    }

    fn messages(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let names = self.names();
        let mut values = Vec::new();
        for ((peer, _), name) in self.peers.iter().zip(&names) {
            let Some(session) = &peer.session else {
                continue;
            };
            for (direction, counts) in [("in", &session.received), ("out", &session.sent)] {
                for (kind, count) in [
                    ("open", counts.opens),
                    ("update", counts.updates),
                    ("notification", counts.notifications),
                    ("keepalive", counts.keepalives),
                    ("refresh", counts.refreshes),
                ] {
                    let labels = vec![
                        ("neighbor", name.as_str()),
                        ("direction", direction),
                        ("type", kind),
                    ];
                    values.push((labels, count));
                }
            }
        }
        let help = "Messages of the present session by direction and type.";
        family(encoder, ("messages", help, MetricType::Counter), values)
    }

    fn events(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let counter = MetricType::Counter;
        let events = &self.events;
        for (name, help, value) in [
            (
                "sessions_established",
                "Sessions that came up.",
                events.sessions_up,
            ),
            (
                "sessions_lost",
                "Sessions that went down.",
                events.sessions_down,
            ),
            (
                "connect_failures",
                "Outgoing connections that failed.",
                events.connect_failures,
            ),
            (
                "families_disabled",
                "Families given up in a session (RFC 7606).",
                events.families_disabled,
            ),
            (
                "prefix_limits",
                "Prefix limits exceeded.",
                events.prefix_limits,
            ),
            (
                "bfd_changes",
                "State changes of BFD sessions.",
                events.bfd_changes,
            ),
        ] {
            single(encoder, name, help, counter, value)?;
        }
        let refused = self.sockets.refused.iter().chain(&events.refused);
        let refused = refused.map(|(reason, count)| (vec![("reason", *reason)], *count));
        family(
            encoder,
            (
                "refused_connections",
                "Incoming connections that were turned away.",
                counter,
            ),
            refused,
        )
    }

    fn sockets(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        let open = || {
            self.peers
                .iter()
                .filter_map(|(_, traffic)| traffic.as_ref())
        };
        let octets_in: u64 = open().map(|traffic| traffic.octets_in).sum();
        let octets_out: u64 = open().map(|traffic| traffic.octets_out).sum();
        single(
            encoder,
            "received_octets",
            "Octets read from neighbours.",
            counter,
            self.sockets.octets_in + octets_in,
        )?;
        single(
            encoder,
            "sent_octets",
            "Octets written to neighbours.",
            counter,
            self.sockets.octets_out + octets_out,
        )?;
        let help = "Wake-ups of the sessions' thread.";
        single(encoder, "rounds", help, counter, self.sockets.rounds)?;
        let help = "BFD packets from beyond the link, dropped (RFC 5881 section 5).";
        single(
            encoder,
            "bfd_far_packets",
            help,
            counter,
            self.sockets.bfd_far,
        )?;
        let help = "Incoming connections without an established session.";
        single(
            encoder,
            "half_open_connections",
            help,
            gauge,
            self.half_open as u64,
        )?;
        let help = "1 while routes are held back after a restart (RFC 4724 section 4.1).";
        single(encoder, "deferring", help, gauge, u64::from(self.deferring))
    }

    fn tables(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let counts = |which: fn(&(String, u64, u64)) -> u64| {
            self.tables
                .iter()
                .map(move |table| (vec![("table", table.0.as_str())], which(table)))
        };
        let help = "Prefixes in a table.";
        family(
            encoder,
            ("table_prefixes", help, gauge),
            counts(|table| table.1),
        )?;
        let help = "Paths in a table, those that are not used included.";
        family(
            encoder,
            ("table_paths", help, gauge),
            counts(|table| table.2),
        )?;
        let help = "Different attribute sets of all routes.";
        single(
            encoder,
            "attribute_sets",
            help,
            gauge,
            self.attribute_sets as u64,
        )?;
        let help = "MRT records that the disk was too slow for.";
        single(
            encoder,
            "mrt_dropped_records",
            help,
            MetricType::Counter,
            self.mrt_dropped,
        )
    }

    fn kernel(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let Some(kernel) = &self.kernel else {
            return Ok(());
        };
        let (counter, gauge) = (MetricType::Counter, MetricType::Gauge);
        let help = "Routes of ours in the kernel.";
        single(encoder, "kernel_routes", help, gauge, kernel.installed)?;
        let help = "Routes that should be in the kernel, as far as they have a way.";
        single(encoder, "kernel_routes_wanted", help, gauge, kernel.wanted)?;
        let help = "Routers behind VXLAN tunnels that the kernel has a neighbour of ours for.";
        single(encoder, "kernel_tunnels", help, gauge, kernel.tunnels)?;
        let help = "Changes of routes, next-hop objects and tunnels that the kernel took.";
        single(encoder, "kernel_writes", help, counter, kernel.written)?;
        let help = "Changes that the kernel refused.";
        single(encoder, "kernel_refusals", help, counter, kernel.refused)?;
        let help = "Routes of ours that others deleted and that were put back.";
        single(encoder, "kernel_repairs", help, counter, kernel.repaired)?;
        let help = "Complete comparisons with the kernel's tables.";
        single(encoder, "kernel_comparisons", help, counter, kernel.resyncs)
    }
}
