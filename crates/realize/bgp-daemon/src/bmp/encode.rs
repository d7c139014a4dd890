//! BMP messages of this daemon.

use bgp::attribute::Attributes;
use bgp::bmp::{
    Information, InformationKind, Instance, Message, Peer, PeerDown, RibView, Statistic,
    StatisticValue, Timestamp,
};
use bgp::config::Global;
use bgp::message::{
    Capability, CodecContext, EncodeContext, EncodedAttributes, MAX_EXTENDED_MESSAGE, Open,
    UpdateBuilder,
};
use bgp::nlri::{Route, RouteDistinguisher};
use bgp::session::Down;
use bgp::speaker::{FamilyReport, SessionReport};
use bgp::{Family, FamilySet};
use bytes::Bytes;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A session as stations see it.
#[derive(Debug, Clone)]
pub(crate) struct Monitored {
    peer: Peer,
    own_as: u32,
    local: SocketAddr,
    remote: SocketAddr,
    sent_open: Bytes,
    received_open: Bytes,
    pub(crate) families: FamilySet,
    /// How its UPDATEs are read.
    pub(crate) codec: CodecContext,
    context: EncodeContext,
}

/// Which of a session's tables a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    /// After import policy.
    After,
}

impl Monitored {
    pub(crate) fn new(session: &SessionReport, own_as: u32, opens: [Bytes; 2]) -> Self {
        let agreed = &session.negotiated;
        let [sent_open, received_open] = opens;
        Self {
            peer: Peer {
                instance: Instance::Global,
                view: RibView::AdjRibIn { post_policy: false },
                address: session.connection.remote.ip(),
                asn: agreed.asn,
                router_id: agreed.router_id,
                two_octet_as: !agreed.as4,
                timestamp: Timestamp::default(),
            },
            own_as,
            local: session.connection.local,
            remote: session.connection.remote,
            sent_open,
            received_open,
            families: agreed.families,
            codec: CodecContext {
                as4: agreed.as4,
                extended_message: agreed.extended_message,
                ebgp: agreed.asn != own_as,
                families: agreed.families,
                add_path_rx: agreed.add_path_rx,
                extended_next_hop: agreed.extended_next_hop,
            },
            context: EncodeContext {
                as4: agreed.as4,
                add_path_tx: agreed.add_path_rx,
                max_message: MAX_EXTENDED_MESSAGE,
            },
        }
    }

    pub(crate) const fn address(&self) -> IpAddr {
        self.peer.address
    }

    /// Between whom, as MRT has it.
    pub(crate) fn archived(&self) -> bgp::mrt::Session {
        bgp::mrt::Session {
            as4: self.codec.as4,
            peer_asn: self.peer.asn,
            local_asn: self.own_as,
            interface: 0,
            peer_address: self.remote.ip(),
            local_address: self.local.ip(),
        }
    }

    fn peer(&self, side: Side, at: Timestamp) -> Peer {
        Peer {
            view: RibView::AdjRibIn {
                post_policy: side == Side::After,
            },
            timestamp: at,
            ..self.peer
        }
    }

    pub(crate) fn up(&self, at: Timestamp) -> Bytes {
        encoded(&Message::PeerUp {
            peer: self.peer(Side::Before, at),
            local_address: self.local.ip(),
            local_port: self.local.port(),
            remote_port: self.remote.port(),
            sent_open: &self.sent_open,
            received_open: &self.received_open,
            information: Vec::new(),
        })
    }

    pub(crate) fn down(&self, down: &Down, at: Timestamp) -> Bytes {
        let mut notification = Vec::new();
        let reason = match down {
            Down::Sent {
                notification: sent, ..
            } => {
                sent.encode(&mut notification);
                PeerDown::LocalNotification(&notification)
            }
            Down::Received(received) => {
                received.encode(&mut notification);
                PeerDown::RemoteNotification(&notification)
            }
            Down::Lost(_) => PeerDown::RemoteClosed,
        };
        encoded(&Message::PeerDown {
            peer: self.peer(Side::Before, at),
            reason,
        })
    }

    /// An UPDATE, header included.
    pub(crate) fn update(&self, side: Side, update: &[u8], at: Timestamp) -> Bytes {
        encoded(&Message::RouteMonitoring {
            peer: self.peer(side, at),
            update,
        })
    }

    /// The same as it came, for debugging (RFC 7854 4.7).
    pub(crate) fn mirrored(&self, update: &[u8], at: Timestamp) -> Bytes {
        let mut tlvs = vec![0, 0];
        tlvs.extend(
            u16::try_from(update.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes(),
        );
        tlvs.extend_from_slice(update);
        encoded(&Message::RouteMirroring {
            peer: self.peer(Side::Before, at),
            tlvs: &tlvs,
        })
    }

    /// One route as an UPDATE: announced with attributes, or withdrawn.
    pub(crate) fn route(
        &self,
        side: Side,
        route: &Route,
        attributes: Option<&Attributes>,
        at: Timestamp,
    ) -> Option<Bytes> {
        let update = update_of(route, attributes, &self.context)?;
        Some(self.update(side, &update, at))
    }

    pub(crate) fn end_of_rib(&self, side: Side, family: Family, at: Timestamp) -> Bytes {
        let mut update = Vec::new();
        UpdateBuilder::end_of_rib(family, &mut update);
        self.update(side, &update, at)
    }

    pub(crate) fn statistics(&self, families: &[FamilyReport], at: Timestamp) -> Bytes {
        let gauge = |code, family: Family, value: u32| Statistic {
            code,
            value: StatisticValue::FamilyGauge {
                family: family.into(),
                value: value.into(),
            },
        };
        let total: u64 = families
            .iter()
            .map(|report| u64::from(report.counts.received))
            .sum();
        let mut values = vec![Statistic {
            code: Statistic::ADJ_RIB_IN,
            value: StatisticValue::Gauge(total),
        }];
        for report in families {
            let (family, counts) = (report.family, report.counts);
            values.push(gauge(
                Statistic::ADJ_RIB_IN_OF_FAMILY,
                family,
                counts.received,
            ));
            values.push(gauge(Statistic::LOC_RIB_OF_FAMILY, family, counts.accepted));
            let sent = Statistic::ADJ_RIB_OUT_POST_POLICY_OF_FAMILY;
            values.push(gauge(sent, family, counts.advertised));
        }
        encoded(&Message::Statistics {
            peer: self.peer(Side::Before, at),
            values,
        })
    }
}

fn update_of(
    route: &Route,
    attributes: Option<&Attributes>,
    context: &EncodeContext,
) -> Option<Vec<u8>> {
    let mut update = Vec::new();
    let family = route.nlri.family();
    let encoded = attributes.map(|attributes| EncodedAttributes::new(attributes, context));
    let mut builder = match &encoded {
        Some(attributes) => UpdateBuilder::announce(family, attributes, context, &mut update),
        None => UpdateBuilder::withdraw(family, context, &mut update),
    };
    builder.push(route).ok()?;
    builder.finish();
    Some(update)
}

pub(crate) fn initiation() -> Bytes {
    let name = nix::unistd::gethostname().ok();
    let name = name.map(|name| name.to_string_lossy().into_owned());
    let information = |kind, text| Information { kind, text };
    encoded(&Message::Initiation(vec![
        information(
            InformationKind::SysDescr,
            concat!("Netwright BGP ", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        information(InformationKind::SysName, name.unwrap_or_default()),
    ]))
}

// ---- the local RIB (RFC 9069) ----

const LOCAL: EncodeContext = EncodeContext {
    as4: true,
    add_path_tx: FamilySet::EMPTY,
    max_message: MAX_EXTENDED_MESSAGE,
};

fn local_peer(global: &Global, at: Timestamp) -> Peer {
    Peer {
        instance: Instance::Table(RouteDistinguisher([0; 8])),
        view: RibView::LocRib { filtered: false },
        address: Ipv6Addr::UNSPECIFIED.into(),
        asn: global.asn,
        router_id: global.router_id,
        two_octet_as: false,
        timestamp: at,
    }
}

/// An OPEN that says what the local RIB's UPDATEs may have: every family, and AS numbers of four octets.
fn own_open(global: &Global) -> Bytes {
    let mut capabilities = vec![Capability::FourOctetAs(global.asn)];
    capabilities.extend(
        Family::ALL
            .into_iter()
            .map(|family| Capability::Multiprotocol(family.into())),
    );
    let open = Open {
        asn: global.asn,
        hold_time: 0,
        router_id: global.router_id,
        capabilities,
    };
    let mut octets = Vec::new();
    open.encode(&mut octets);
    octets.into()
}

pub(crate) fn local_up(global: &Global, at: Timestamp) -> Bytes {
    let open = own_open(global);
    encoded(&Message::PeerUp {
        peer: local_peer(global, at),
        local_address: Ipv6Addr::UNSPECIFIED.into(),
        local_port: 0,
        remote_port: 0,
        sent_open: &open,
        received_open: &open,
        information: vec![Information {
            kind: InformationKind::TableName,
            text: "global".to_owned(),
        }],
    })
}

pub(crate) fn local_route(
    global: &Global,
    route: &Route,
    attributes: Option<&Attributes>,
    at: Timestamp,
) -> Option<Bytes> {
    let route = Route {
        path_id: 0,
        ..*route
    };
    let update = update_of(&route, attributes, &LOCAL)?;
    Some(encoded(&Message::RouteMonitoring {
        peer: local_peer(global, at),
        update: &update,
    }))
}

pub(crate) fn local_end_of_rib(global: &Global, family: Family, at: Timestamp) -> Bytes {
    let mut update = Vec::new();
    UpdateBuilder::end_of_rib(family, &mut update);
    encoded(&Message::RouteMonitoring {
        peer: local_peer(global, at),
        update: &update,
    })
}

fn encoded(message: &Message<'_>) -> Bytes {
    let mut octets = Vec::new();
    message.encode(&mut octets);
    octets.into()
}
