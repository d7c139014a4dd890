//! Frames that are wrong: each gets a precise refusal, and nothing else happens.

use crate::agent::{Agent, Held, hello};
use crate::cloud::Cloud;
use plan::UnitKey;
use wire::{AgentFrame, Digest, Inventory, Reject, RejectCode, proto};

/// The refusal of the frames, after which the stream has ended.
async fn refusal(cloud: &Cloud, frames: Vec<proto::AgentFrame>) -> Reject {
    let before = cloud.store.snapshot().revision();
    let mut agent = Agent::dial(cloud.controller.local_addr(), "h1").await;
    for frame in frames {
        agent.send_raw(frame).await;
    }
    let reject = agent.rejection().await;
    assert!(reject.code.ends_stream());
    assert_eq!(agent.next().await, None);
    assert_eq!(
        cloud.store.snapshot().revision(),
        before,
        "nothing was written"
    );
    reject
}

fn frames(frames: &[AgentFrame]) -> Vec<proto::AgentFrame> {
    frames.iter().map(Into::into).collect()
}

fn inventory(entries: Vec<(UnitKey, Digest)>, last: bool) -> AgentFrame {
    AgentFrame::Inventory(Inventory { entries, last })
}

#[tokio::test]
async fn frames_out_of_turn_are_refused() {
    let cloud = Cloud::new().await;
    let hi = AgentFrame::Hello(hello(&"h1".parse().expect("a host name")));
    let cases = [
        (vec![AgentFrame::Applied(1)], "the first frame is not Hello"),
        (vec![hi.clone(), hi.clone()], "a second Hello"),
        (
            vec![hi.clone(), inventory(vec![], true), inventory(vec![], true)],
            "an Inventory after the last one",
        ),
        (
            vec![hi.clone(), AgentFrame::Applied(9999)],
            "Applied(9999) before End(9999)",
        ),
    ];
    for (sent, message) in cases {
        let reject = refusal(&cloud, frames(&sent)).await;
        assert_eq!(
            (reject.code, reject.message.as_str()),
            (RejectCode::Protocol, message)
        );
    }
}

#[tokio::test]
async fn frames_that_do_not_decode_are_refused() {
    let cloud = Cloud::new().await;
    let hi = proto::AgentFrame::from(&AgentFrame::Hello(hello(&"h1".parse().expect("a name"))));
    let empty = refusal(&cloud, vec![proto::AgentFrame { frame: None }]).await;
    assert_eq!(empty.message, "agent_frame.frame is missing");
    let mut newer = hello(&"h1".parse().expect("a name"));
    newer.protocol = 99;
    let future = refusal(&cloud, frames(&[AgentFrame::Hello(newer)])).await;
    assert_eq!(future.code, RejectCode::Protocol);
    assert!(future.message.contains("version 99"), "{}", future.message);
    let status = proto::AgentFrame {
        frame: Some(proto::agent_frame::Frame::Status(proto::Status {
            ports: vec![proto::PortStatus {
                port: vec![1; 15],
                state: proto::PortState::Up.into(),
                ..Default::default()
            }],
        })),
    };
    let short = refusal(&cloud, vec![hi.clone(), status]).await;
    assert_eq!(short.code, RejectCode::Malformed);
    assert_eq!(short.message, "status.port has 15 bytes instead of 16");
    let key = UnitKey::Endpoint(model::PortId(uuid::Uuid::nil()));
    let twice = inventory(
        vec![
            (key.clone(), Digest([0; 16])),
            (key.clone(), Digest([1; 16])),
        ],
        false,
    );
    let twice = refusal(&cloud, vec![hi, (&twice).into()]).await;
    assert_eq!(twice.message, format!("the inventory has {key} twice"));
}

#[tokio::test]
async fn a_tunnel_address_of_another_host_is_refused() {
    let cloud = Cloud::new().await;
    let mut taken = hello(&"h9".parse().expect("a name"));
    taken.tunnel_address = [192, 0, 2, 1].into();
    let reject = refusal(&cloud, frames(&[AgentFrame::Hello(taken)])).await;
    assert_eq!(reject.code, RejectCode::Registration);
    assert!(reject.message.contains("192.0.2.1"), "{}", reject.message);
}

#[tokio::test]
async fn a_frame_too_large_ends_the_stream_and_only_this_one() {
    let cloud = Cloud::new().await;
    let address = cloud.controller.local_addr();
    let mut big = hello(&"h1".parse().expect("a name"));
    big.agent_version = "x".repeat(wire::MAX_FRAME);
    let mut agent = Agent::dial(address, "h1").await;
    agent.send(AgentFrame::Hello(big)).await;
    assert_eq!(agent.rejection().await.code, RejectCode::Malformed);
    let (_, update) = Agent::connect(address, "h1", Held::new()).await;
    assert_eq!(update.upserts, []);
}
