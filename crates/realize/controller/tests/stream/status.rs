//! What agents report becomes the status of ports, and nobody speaks for another's.

use crate::agent::{Agent, Held};
use crate::cloud::{Cloud, until};
use model::PortStatus;
use plan::UnitKey;
use wire::{AgentFrame, Counter, PortCounters, PortState, RejectCode};

#[tokio::test]
async fn a_port_is_active_when_its_agent_says_so_and_not_before() {
    let cloud = Cloud::new().await;
    let (mut agent, _) = Agent::connect(cloud.controller.local_addr(), "h1", Held::new()).await;
    let (port, revision) = cloud.port("h1", "10.0.0.1").await;
    agent.update_to(revision).await;
    assert_eq!(cloud.status(port), PortStatus::Down, "applied is not up");
    agent.status(port, PortState::Up, revision).await;
    cloud.until_status(port, PortStatus::Active).await;
    let report = cloud.fleet().port(port).expect("a report");
    assert_eq!((report.state, report.revision.0), (PortState::Up, revision));
    agent.status(port, PortState::Error, revision).await;
    cloud.until_status(port, PortStatus::Error).await;
}

/// The agent may never hear that a port was away. It is told of the endpoint again and answers, as the protocol asks.
#[tokio::test]
async fn a_port_that_came_back_is_told_again() {
    let cloud = Cloud::new().await;
    let (mut agent, _) = Agent::connect(cloud.controller.local_addr(), "h1", Held::new()).await;
    let (port, revision) = cloud.port("h1", "10.0.0.1").await;
    agent.update_to(revision).await;
    agent.status(port, PortState::Up, revision).await;
    cloud.until_status(port, PortStatus::Active).await;
    cloud.bind(port, None).await;
    let bound = cloud.bind(port, Some("h1")).await;
    assert_eq!(cloud.status(port), PortStatus::Down);
    let update = agent.update_to(bound).await;
    assert!(update.upserts.contains(&UnitKey::Endpoint(port)));
    agent.status(port, PortState::Up, bound).await;
    cloud.until_status(port, PortStatus::Active).await;
}

#[tokio::test]
async fn nobody_speaks_for_the_ports_of_another_host() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    let (foreign, _) = cloud.port("h2", "10.0.0.2").await;
    let (own, revision) = cloud.port("h1", "10.0.0.1").await;
    let (mut agent, _) = Agent::connect(address, "h1", Held::new()).await;
    agent.status(foreign, PortState::Up, revision).await;
    let reject = agent.rejection().await;
    assert_eq!(reject.code, RejectCode::ForeignPort);
    assert_eq!(
        reject.message,
        format!("1 ports are not bound to host h1: {foreign}")
    );
    let counters = PortCounters {
        port: foreign,
        counters: Vec::new(),
    };
    agent.send(AgentFrame::Counters(vec![counters])).await;
    assert_eq!(agent.rejection().await.code, RejectCode::ForeignPort);
    // The stream is open still, and what is the agent's own counts.
    agent.status(own, PortState::Up, revision).await;
    cloud.until_status(own, PortStatus::Active).await;
    assert_eq!(cloud.status(foreign), PortStatus::Down);
    assert_eq!(cloud.fleet().port(foreign), None);
}

#[tokio::test]
async fn reports_of_a_port_end_with_its_binding() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    let (port, revision) = cloud.port("h1", "10.0.0.1").await;
    let (mut agent, _) = Agent::connect(address, "h1", Held::new()).await;
    agent.status(port, PortState::Up, revision).await;
    cloud.until_status(port, PortStatus::Active).await;
    let counter = Counter {
        name: "rx".into(),
        packets: 3,
        bytes: 300,
    };
    let counters = PortCounters {
        port,
        counters: vec![counter.clone()],
    };
    agent.send(AgentFrame::Counters(vec![counters])).await;
    let fleet = cloud.fleet();
    until(&fleet, |fleet| {
        fleet
            .port(port)
            .is_some_and(|report| !report.counters.is_empty())
    })
    .await;
    assert_eq!(fleet.port(port).expect("a report").counters, [counter]);
    let revision = cloud.bind(port, Some("h2")).await;
    agent.update_to(revision).await;
    assert_eq!(fleet.port(port), None, "h2 has said nothing yet");
    assert_eq!(cloud.status(port), PortStatus::Down);
}
