//! Plans reach agents whole, and then only what differs.

use crate::agent::{Agent, Held, PLENTY};
use crate::cloud::{Cloud, host, start, until};
use operations::ports::PortChanges;
use plan::UnitKey;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use store::{Options, Store};
use wire::{AgentFrame, ControllerFrame, GoAwayReason, PortState};

fn admin(up: bool) -> PortChanges {
    PortChanges {
        admin_state_up: Some(up),
        ..PortChanges::default()
    }
}

#[tokio::test]
async fn a_fresh_agent_gets_its_whole_plan_and_then_changes() {
    let cloud = Cloud::new().await;
    cloud.port("h1", "10.0.0.1").await;
    cloud.port("h2", "10.0.0.2").await;
    let address = cloud.controller.local_addr();
    let (mut agent, first) = Agent::connect(address, "h1", Held::new()).await;
    let snapshot = first.snapshot.expect("a snapshot");
    assert_eq!(snapshot.upserts, first.upserts.len() as u64);
    assert_eq!(snapshot.deletes, 0);
    assert!(first.upserts.is_sorted(), "what is referred to comes first");
    assert_eq!(agent.plan(), cloud.expected("h1"));

    let (third, revision) = cloud.port("h3", "10.0.0.3").await;
    let update = agent.update_to(revision).await;
    assert_eq!(
        update.upserts,
        [
            UnitKey::Tunnel(host("h3")),
            UnitKey::SetMember(cloud.group, third),
            UnitKey::Member(cloud.network, third),
        ]
    );
    let revision = cloud.delete(third).await;
    let update = agent.update_to(revision).await;
    let mut gone = update.deletes.clone();
    gone.sort();
    assert_eq!(gone.len(), 3);
    assert!(
        update.deletes.is_sorted_by(|a, b| a > b),
        "references go before what they refer to"
    );
    assert_eq!(agent.plan(), cloud.expected("h1"));

    let fleet = cloud.fleet();
    until(&fleet, |fleet| {
        fleet
            .host(&host("h1"))
            .is_some_and(|h| h.applied.0 == revision)
    })
    .await;
    let report = fleet.host(&host("h1")).expect("h1");
    assert_eq!(report.applied, report.target);
    assert!(report.connected);
    assert_eq!(fleet.hosts().len(), 1, "h2 and h3 have not connected");
}

#[tokio::test]
async fn an_agent_that_was_away_gets_the_difference_only() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    let (kept, _) = cloud.port("h1", "10.0.0.1").await;
    let (doomed, _) = cloud.port("h2", "10.0.0.2").await;
    let (agent, _) = Agent::connect(address, "h1", Held::new()).await;
    let held = agent.leave();

    let (agent, nothing) = Agent::connect(address, "h1", held).await;
    assert_eq!((nothing.upserts, nothing.deletes), (vec![], vec![]));
    let held = agent.leave();

    cloud.delete(doomed).await;
    cloud.update(kept, admin(false)).await;
    let (agent, update) = Agent::connect(address, "h1", held).await;
    assert_eq!(update.upserts, [UnitKey::Endpoint(kept)]);
    assert_eq!(
        update.deletes,
        [
            UnitKey::Member(cloud.network, doomed),
            UnitKey::SetMember(cloud.group, doomed),
            UnitKey::Tunnel(host("h2")),
        ]
    );
    assert_eq!(agent.plan(), cloud.expected("h1"));
}

#[tokio::test]
async fn another_controller_on_the_same_store_sends_nothing_new() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path(), operations::schema(), Options::default()).expect("a store");
    let cloud = Cloud::on(store).await;
    cloud.port("h1", "10.0.0.1").await;
    let (mut agent, _) = Agent::connect(cloud.controller.local_addr(), "h1", Held::new()).await;
    cloud.controller.drain().await;
    assert_eq!(
        agent.next().await,
        Some(ControllerFrame::GoAway(GoAwayReason::Draining))
    );
    assert_eq!(agent.next().await, None);
    let held = agent.leave();
    let Cloud {
        store, controller, ..
    } = cloud;
    drop(controller);
    store.close().await;

    let store = Store::open(dir.path(), operations::schema(), Options::default());
    let store = store.expect("the store again");
    let controller = start(&store).await;
    let (agent, update) = Agent::connect(controller.local_addr(), "h1", held).await;
    assert_eq!((update.upserts, update.deletes), (vec![], vec![]));
    assert_eq!(
        agent.plan(),
        controller.with_planner(|planner| planner.host_plan(&host("h1")))
    );
}

#[tokio::test]
async fn a_slow_agent_gets_each_unit_once_and_delays_nobody() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    let (port, _) = cloud.port("h1", "10.0.0.1").await;
    cloud.port("h2", "10.0.0.2").await;
    let mut slow = Agent::greet(address, "h1").await;
    slow.send_inventory().await;
    let Some(ControllerFrame::Snapshot(snapshot)) = slow.next().await else {
        panic!("a snapshot, which needs no credit");
    };
    let (mut quick, _) = Agent::connect(address, "h2", Held::new()).await;
    for round in 0..20 {
        cloud.update(port, admin(round % 2 == 0)).await;
        let (passing, _) = cloud.port("h3", "10.0.0.3").await;
        let revision = cloud.delete(passing).await;
        quick.update_to(revision).await;
    }
    assert_eq!(quick.plan(), cloud.expected("h2"));

    slow.send(AgentFrame::Credit(PLENTY)).await;
    let first = slow.update().await;
    assert_eq!(first.upserts.len() as u64, snapshot.upserts);
    assert_eq!(first.revision, snapshot.revision);
    let second = slow.update().await;
    assert_eq!(
        second.upserts,
        [UnitKey::Endpoint(port)],
        "forty changes, one unit"
    );
    assert_eq!(second.deletes, [], "what came and went was never heard of");
    assert_eq!(slow.plan(), cloud.expected("h1"));
}

#[tokio::test]
async fn no_more_is_sent_than_the_agent_takes() {
    let cloud = Cloud::new().await;
    for number in 1..=50 {
        cloud.port("h2", &format!("10.0.1.{number}")).await;
    }
    let (other_port, _) = cloud.port("h2", "10.0.2.2").await;
    cloud.port("h1", "10.0.0.1").await;
    let mut agent = Agent::greet(cloud.controller.local_addr(), "h1").await;
    agent.send_inventory().await;
    agent.send(AgentFrame::Credit(1)).await;
    assert!(matches!(
        agent.next().await,
        Some(ControllerFrame::Snapshot(_))
    ));
    let Some(ControllerFrame::Delta(delta)) = agent.next().await else {
        panic!("one frame on a credit of one byte");
    };
    assert!(!delta.upserts.is_empty());
    assert!(matches!(agent.next().await, Some(ControllerFrame::End(_))));
    // The debt is not paid: what changes now stays with the controller, and only free frames come.
    let (mut other, _) = Agent::connect(cloud.controller.local_addr(), "h2", Held::new()).await;
    let (_, revision) = cloud.port("h2", "10.0.2.1").await;
    other.update_to(revision).await;
    agent.status(other_port, PortState::Up, revision).await;
    let next = agent.next().await;
    assert!(matches!(next, Some(ControllerFrame::Reject(_))), "{next:?}");
    agent.send(AgentFrame::Credit(PLENTY)).await;
    assert_eq!(agent.update().await.revision, revision);
}

#[tokio::test]
async fn the_newest_stream_of_a_host_wins() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    cloud.port("h1", "10.0.0.1").await;
    let (mut old, _) = Agent::connect(address, "h1", Held::new()).await;
    let (mut new, _) = Agent::connect(address, "h1", Held::new()).await;
    assert_eq!(
        old.next().await,
        Some(ControllerFrame::GoAway(GoAwayReason::Replaced))
    );
    assert_eq!(old.next().await, None);
    let (_, revision) = cloud.port("h1", "10.0.0.2").await;
    new.update_to(revision).await;
    assert_eq!(new.plan(), cloud.expected("h1"));
    assert!(
        cloud
            .fleet()
            .host(&host("h1"))
            .is_some_and(|report| report.connected)
    );
}

#[tokio::test]
async fn an_agent_that_is_gone_is_seen_as_gone() {
    let cloud = Cloud::new().await;
    let fleet = cloud.fleet();
    let (agent, _) = Agent::connect(cloud.controller.local_addr(), "h9", Held::new()).await;
    let report = fleet.host(&host("h9")).expect("registered by its agent");
    assert!(report.connected);
    assert_eq!(report.tunnel_address.to_string(), "192.0.2.9");
    drop(agent);
    until(&fleet, |fleet| {
        fleet.host(&host("h9")).is_some_and(|h| !h.connected)
    })
    .await;
    let mut registry = Registry::default();
    cloud.controller.register_metrics(&mut registry);
    let mut figures = String::new();
    encode(&mut figures, &registry).expect("figures");
    assert!(
        figures.contains("controller_agents_connected 0"),
        "{figures}"
    );
    assert!(
        !figures.contains("code="),
        "a broken connection is no offence: {figures}"
    );
}
