//! The client against a real server, without a kernel behind it.

use super::*;
use controller::{Controller, Heard};
use plan::{Tunnel, Unit, UnitKey};
use std::net::TcpListener;
use wire::{Reject, RejectCode};

#[path = "../../tests/it/controller.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "shared with the integration tests"
)]
mod controller;

fn controller() -> Controller {
    Controller::start(TcpListener::bind("127.0.0.1:0").expect("a port"))
}

fn host() -> HostName {
    "host-1".parse().expect("a name")
}

fn tunnel(n: u8) -> Arc<Unit> {
    Arc::new(Unit::Tunnel(Tunnel {
        host: format!("peer-{n}").parse().expect("a name"),
        address: [192, 0, 2, n].into(),
    }))
}

fn plan(tunnels: impl IntoIterator<Item = u8>) -> HostPlan {
    tunnels.into_iter().map(tunnel).collect()
}

/// A client whose realizer is the test.
struct Agent {
    events: mpsc::Receiver<Event>,
    board: Arc<Board>,
    plan: HostPlan,
    staged: Vec<Delta>,
}

impl Agent {
    fn start(controllers: &[&Controller]) -> Self {
        let uris: Vec<String> = controllers
            .iter()
            .map(|controller| controller.uri())
            .collect();
        let address: IpAddr = [192, 0, 2, 100].into();
        let mut config = crate::Config::new(host(), address, "/nonexistent", "/nonexistent");
        config.controllers = uris.clone();
        let board = Arc::new(Board::new(host(), address, uris));
        let (sender, events) = mpsc::channel(4);
        let client = Client::new(&config, sender, board.clone()).expect("valid addresses");
        tokio::spawn(client.run());
        Self {
            events,
            board,
            plan: HostPlan::default(),
            staged: Vec::new(),
        }
    }

    /// Follows the stream as the realizer does, until the plan is complete at some revision.
    async fn end(&mut self) -> u64 {
        loop {
            match self.events.recv().await.expect("a client") {
                Event::StreamOpened(reply) => {
                    self.staged.clear();
                    let _ = reply.send(self.plan.clone());
                }
                Event::Delta(delta) => self.staged.push(delta),
                Event::End(revision) => {
                    for delta in self.staged.drain(..) {
                        self.plan.apply(&delta);
                    }
                    self.board.applied(revision);
                    return revision;
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    async fn end_at(&mut self, revision: u64) {
        while self.end().await != revision {}
    }
}

/// Waiting for the controller blocks; the client must go on meanwhile.
async fn until(
    controller: Controller,
    what: &'static str,
    wanted: fn(&Heard) -> bool,
) -> (Controller, Heard) {
    let waiting = tokio::task::spawn_blocking(move || {
        let heard = controller.until(&host(), what, wanted);
        (controller, heard)
    });
    waiting.await.expect("heard")
}

#[tokio::test]
async fn a_plan_arrives_and_is_acknowledged_and_changes_follow() {
    let controller = controller();
    let first = controller.set(&host(), plan([1, 2]));
    let mut agent = Agent::start(&[&controller]);
    agent.end_at(first).await;
    assert_eq!(agent.plan, plan([1, 2]));
    let second = controller.set(&host(), plan([2, 3]));
    agent.end_at(second).await;
    assert_eq!(agent.plan, plan([2, 3]));
    let (_controller, heard) = until(controller, "applied 2", |heard| heard.applied == 2).await;
    assert_eq!(heard.hellos[0].host, host());
    assert!(heard.credit >= u64::from(WINDOW));
}

#[tokio::test]
async fn after_a_restart_of_the_controller_only_the_difference_comes() {
    let old = controller();
    let revision = old.set(&host(), plan([1, 2, 3]));
    let address = old.address;
    let mut agent = Agent::start(&[&old]);
    agent.end_at(revision).await;
    drop(old);
    let new = Controller::start(TcpListener::bind(address).expect("the same port"));
    new.resume_at(revision);
    let revision = new.set(&host(), plan([1, 2, 4]));
    agent.end_at(revision).await;
    assert_eq!(agent.plan, plan([1, 2, 4]));
    assert_eq!(new.heard(&host()).sent, 2, "one unit more, one less");
}

#[tokio::test]
async fn silence_deletes_nothing_and_half_a_change_is_forgotten() {
    let first = controller();
    let revision = first.set(&host(), plan([1]));
    let second = controller();
    second.resume_at(revision);
    let mut agent = Agent::start(&[&first, &second]);
    agent.end_at(revision).await;
    let half = ControllerFrame::Delta(wire::Delta {
        upserts: vec![wire::encode_unit(&tunnel(9))],
        deletes: vec![UnitKey::Tunnel("peer-1".parse().expect("a name"))],
    });
    let (first, half) = tokio::task::spawn_blocking(move || {
        first.send(&host(), &half);
        (first, half)
    })
    .await
    .expect("sent");
    assert!(
        matches!(agent.events.recv().await, Some(Event::Delta(_))),
        "{half:?}"
    );
    second.set(&host(), plan([1, 2]));
    drop(first);
    agent.end_at(revision + 1).await;
    assert_eq!(agent.plan, plan([1, 2]), "the other controller took over");
}

#[tokio::test]
async fn a_unit_that_cannot_be_read_harms_only_itself() {
    let controller = controller();
    let mut agent = Agent::start(&[&controller]);
    agent.end().await;
    let controller = tokio::task::spawn_blocking(move || {
        let delta = wire::Delta {
            upserts: vec![vec![0xff, 0xff].into(), wire::encode_unit(&tunnel(5))],
            deletes: Vec::new(),
        };
        controller.send(&host(), &ControllerFrame::Delta(delta));
        controller.send(&host(), &ControllerFrame::End(7));
        controller
    })
    .await
    .expect("sent");
    agent.end_at(7).await;
    assert_eq!(agent.plan, plan([5]));
    assert_eq!(agent.board.status().unreadable_units, 1);
    drop(controller);
}

#[tokio::test]
async fn a_refusal_is_told_to_the_operator_and_tried_again() {
    let controller = controller();
    controller.refuse(Some(ControllerFrame::Reject(Reject {
        code: RejectCode::Identity,
        message: "the certificate is for host-9".into(),
    })));
    let revision = controller.set(&host(), plan([1]));
    let mut agent = Agent::start(&[&controller]);
    let (controller, _) = until(controller, "hello twice", |heard| heard.hellos.len() >= 2).await;
    let status = agent.board.status();
    assert_eq!(status.connection.controller, None);
    let error = status.connection.error.expect("a reason");
    assert!(error.contains("the certificate is for host-9"), "{error}");
    controller.refuse(None);
    agent.end_at(revision).await;
    assert_eq!(agent.board.status().connection.error, None);
}

#[test]
fn an_address_that_is_none_is_refused_at_the_start() {
    let mut config = crate::Config::new(
        host(),
        [192, 0, 2, 1].into(),
        "/nonexistent",
        "/nonexistent",
    );
    for uri in [
        "http://[nonsense",
        "controller",
        "controller:9697",
        "ftp://controller",
    ] {
        config.controllers = vec![uri.into()];
        let board = Arc::new(Board::new(host(), config.tunnel_address, Vec::new()));
        let error = Client::new(&config, mpsc::channel(1).0, board)
            .err()
            .expect("refused");
        assert!(error.to_string().contains(uri), "{error}");
    }
}
