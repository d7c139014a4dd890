//! Bytes in any shape: one at a time, all at once, or none that mean anything.

use super::{counterpart, encoded, session_in};
use bgp::Time;
use bgp::message::{KEEPALIVE, MAX_MESSAGE};
use bgp::session::{Inbox, Session, State};
use proptest::collection::vec;
use proptest::prelude::*;

/// The messages cut from a stream that comes in these chunks.
fn cut(stream: &[u8], chunks: &[usize]) -> Result<Vec<Vec<u8>>, String> {
    let mut inbox = Inbox::default();
    let mut messages = Vec::new();
    let mut left = stream;
    let mut sizes = chunks.iter().copied().cycle();
    while !left.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, left.len());
        let (chunk, after) = left.split_at(size);
        left = after;
        let mut rest = chunk;
        while let Some(frame) = inbox
            .next(&mut rest, MAX_MESSAGE)
            .map_err(|error| error.to_string())?
        {
            messages.push(frame.bytes.to_vec());
        }
    }
    Ok(messages)
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let update = vec(any::<u8>(), 4..300).prop_map(|body| {
        let mut message = vec![0xff; 16];
        let length = u16::try_from(body.len() + 19).expect("it is short");
        message.extend_from_slice(&length.to_be_bytes());
        message.push(2);
        message.extend_from_slice(&body);
        message
    });
    prop_oneof![Just(KEEPALIVE.to_vec()), update]
}

fn feed(session: &mut Session, bytes: &[u8], chunk: usize) {
    let mut inbox = Inbox::default();
    for (index, chunk) in bytes.chunks(chunk.max(1)).enumerate() {
        let now = Time(index as u64 * 100);
        let mut rest = chunk;
        loop {
            let _ = match inbox.next(&mut rest, session.max_message()) {
                Ok(Some(frame)) => session.receive(frame, now),
                Ok(None) => break,
                Err(error) => session.desynchronized(error),
            };
            session.accept(now);
            if session.state().is_none() {
                return;
            }
        }
        let _ = session.tick(now);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn chunks_make_no_difference(messages in vec(message(), 1..8), chunks in vec(1usize..64, 1..8)) {
        let stream = messages.concat();
        prop_assert_eq!(cut(&stream, &[stream.len()]), Ok(messages.clone()));
        prop_assert_eq!(cut(&stream, &[1]), Ok(messages.clone()));
        prop_assert_eq!(cut(&stream, &chunks), Ok(messages));
    }

    #[test]
    fn no_bytes_are_too_odd(
        state in prop_oneof![Just(State::OpenSent), Just(State::OpenConfirm), Just(State::Established)],
        bytes in vec(any::<u8>(), 0..300),
        chunk in 1usize..40,
    ) {
        let mut session = session_in(state);
        feed(&mut session, &bytes, chunk);
    }

    /// Frames that are right with bodies that are not reach further than noise does.
    #[test]
    fn no_message_is_too_odd(
        state in prop_oneof![Just(State::OpenSent), Just(State::OpenConfirm), Just(State::Established)],
        messages in vec((1u8..=5, vec(any::<u8>(), 0..80)), 1..6),
        chunk in 1usize..400,
    ) {
        let mut stream = Vec::new();
        for (kind, body) in messages {
            stream.extend_from_slice(&[0xff; 16]);
            let length = u16::try_from(body.len() + 19).expect("it is short");
            stream.extend_from_slice(&length.to_be_bytes());
            stream.push(kind);
            stream.extend_from_slice(&body);
        }
        let mut session = session_in(state);
        feed(&mut session, &stream, chunk);
    }

    /// One octet of an OPEN changed: accepted or refused, with an answer in either case.
    #[test]
    fn an_open_with_a_fault_is_answered(at in 19usize..100, value: u8) {
        let mut open = encoded(&counterpart().open());
        let at = at.min(open.len() - 1);
        open[at] = value;
        let mut session = session_in(State::OpenSent);
        feed(&mut session, &open, 7);
        prop_assert!(session.has_output());
    }
}
