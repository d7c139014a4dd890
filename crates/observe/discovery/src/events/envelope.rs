//! The envelope of oslo.messaging: a notification as plain JSON, or as JSON in a text under `oslo.message`.
//! Those of Nova that are versioned are given the form of the others. Pure. Whatever is in a message, reading it fails with a reason or succeeds; it never panics.

use super::versioned;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value;
use std::sync::Arc;
use topology::Notification;

/// Bytes one message may have; a notification with an instance's whole network information has some 20 KiB.
pub const MAX_MESSAGE: usize = 4 << 20;

/// Why a message is no notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("{0} bytes are more than the {MAX_MESSAGE} a notification may have")]
    TooLong(usize),
    #[error("it is no JSON: {0}")]
    Json(String),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("'{0}' is no time")]
    Time(String),
}

/// Opens a message.
///
/// # Errors
/// It is too long, no JSON, or lacks what every notification has.
pub fn open(body: &[u8]) -> Result<Notification, EnvelopeError> {
    if body.len() > MAX_MESSAGE {
        return Err(EnvelopeError::TooLong(body.len()));
    }
    let json = |error: serde_json::Error| EnvelopeError::Json(error.to_string());
    let outer: Value = serde_json::from_slice(body).map_err(json)?;
    let inner = match outer.get("oslo.message") {
        Some(Value::String(text)) => serde_json::from_str(text).map_err(json)?,
        // Some drivers leave it unpacked.
        Some(object @ Value::Object(_)) => object.clone(),
        Some(_) => return Err(EnvelopeError::Missing("text in 'oslo.message'")),
        None => outer,
    };
    notification(inner)
}

fn notification(mut message: Value) -> Result<Notification, EnvelopeError> {
    let text = |names: &[&str]| -> Option<Arc<str>> {
        names
            .iter()
            .find_map(|name| message.get(*name)?.as_str())
            .map(Arc::from)
    };
    let event_type = text(&["event_type"]).ok_or(EnvelopeError::Missing("'event_type'"))?;
    // Nova of old gave no message id, but one unique to the context.
    let message_id =
        text(&["message_id", "_unique_id"]).ok_or(EnvelopeError::Missing("'message_id'"))?;
    let publisher_id = text(&["publisher_id"]).ok_or(EnvelopeError::Missing("'publisher_id'"))?;
    let timestamp =
        text(&["timestamp", "_context_timestamp"]).ok_or(EnvelopeError::Missing("'timestamp'"))?;
    let project_id = text(&[
        "_context_project_id",
        "_context_tenant_id",
        "_context_tenant",
    ]);
    let project_name = text(&["_context_project_name", "_context_tenant_name"]);
    let timestamp = time(&timestamp)?;
    let payload = message
        .get_mut("payload")
        .map(Value::take)
        .filter(|payload| payload.is_object() || payload.is_array())
        .ok_or(EnvelopeError::Missing("'payload'"))?;
    let (event_type, payload) = match versioned::is(&payload) {
        true => versioned::unversioned(&event_type, payload),
        false => (event_type, payload),
    };
    Ok(Notification {
        event_type,
        message_id,
        publisher_id,
        timestamp,
        project_id,
        project_name,
        payload,
    })
}

/// A time as services print it: with or without zone, with a space or a `T`; without a zone it is UTC.
pub fn time(text: &str) -> Result<Timestamp, EnvelopeError> {
    let text = text.trim();
    text.parse::<Timestamp>()
        .or_else(|_| {
            let time: DateTime = text.parse()?;
            Ok::<_, jiff::Error>(time.to_zoned(TimeZone::UTC)?.timestamp())
        })
        .map_err(|_| EnvelopeError::Time(text.chars().take(60).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message() -> Value {
        json!({"event_type": "network.create.end", "message_id": "m1", "publisher_id": "network.node-6", "priority": "INFO",
               "timestamp": "2016-09-30 17:45:02.125633", "_context_project_id": "p1", "_context_auth_token": "hidden",
               "payload": {"network": {"id": "n1"}}})
    }

    #[test]
    fn plain_and_wrapped_messages_are_the_same() {
        let plain = open(message().to_string().as_bytes()).expect("a notification");
        let wrapped = json!({"oslo.version": "2.0", "oslo.message": message().to_string()});
        assert_eq!(
            open(wrapped.to_string().as_bytes()).expect("a notification"),
            plain
        );
        assert_eq!(
            plain.timestamp,
            "2016-09-30T17:45:02.125633Z".parse().expect("a time")
        );
        assert_eq!(plain.project_id.as_deref(), Some("p1"));
        assert!(
            !format!("{plain:?}").contains("hidden"),
            "the sender's token goes no further"
        );
    }

    #[test]
    fn what_is_missing_is_told() {
        for (member, what) in [
            ("event_type", "event_type"),
            ("publisher_id", "publisher_id"),
            ("payload", "payload"),
            ("timestamp", "timestamp"),
        ] {
            let mut broken = message();
            broken.as_object_mut().expect("an object").remove(member);
            let error = open(broken.to_string().as_bytes()).expect_err("not whole");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(matches!(open(b"\xff\xfe"), Err(EnvelopeError::Json(_))));
        assert!(matches!(
            open(&vec![b' '; MAX_MESSAGE + 1]),
            Err(EnvelopeError::TooLong(_))
        ));
    }

    #[test]
    fn times_of_all_services() {
        let utc = time("2016-09-08T22:01:41.724236").expect("Nova's");
        assert_eq!(time("2016-09-08 22:01:41.724236").expect("Neutron's"), utc);
        assert_eq!(
            time("2016-09-08T23:01:41.724236+01:00").expect("with a zone"),
            utc
        );
        assert!(time("yesterday").is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body: Vec<u8>) {
            let _ = open(&body);
        }

        #[test]
        fn any_member_may_be_anything(member in "event_type|message_id|publisher_id|timestamp|payload|oslo.message", value in ".{0,20}", number: i64) {
            for odd in [json!(value), json!(number), json!(null), json!([number]), json!({"a": value})] {
                let mut message = message();
                message[&member] = odd;
                let _ = open(message.to_string().as_bytes());
            }
        }
    }
}
