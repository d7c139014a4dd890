//! What another set of policies would change, without changing it: a page of one neighbour, direction and family at a
//! time, so that a dry run over a million routes stops no session.

use super::route as json;
use super::{Answer, Context, Refusal, body};
use crate::daemon;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use bgp::nlri::Nlri;
use bgp::policy::Policies;
use bgp::rib::{Direction, Effect, PolicyEffect};
use bgp::{Family, PeerId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Effects of one page.
const PAGE: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    /// A configuration; its policies count.
    config: String,
    neighbor: Option<String>,
    /// Effects that are shown; all are counted.
    #[serde(default = "default_limit")]
    limit: usize,
}

const fn default_limit() -> usize {
    100
}

/// One neighbour with the families that are spoken with it.
struct Subject {
    peer: PeerId,
    name: String,
    families: Vec<Family>,
}

pub(super) async fn test(State(context): State<Context>, bytes: Bytes) -> Answer {
    let test: Test = body(&bytes)?;
    let config = daemon::parse(&context.config, &test.config)?;
    let policies = Arc::new(config.policies);
    let subjects = subjects(&context, test.neighbor).await?;
    let limit = test.limit.min(10 * PAGE);
    let (mut shown, mut total) = (Vec::new(), 0_u64);
    for subject in subjects {
        for direction in [Direction::Import, Direction::Export] {
            for family in &subject.families {
                let mut from = None;
                loop {
                    let (effects, next) =
                        page(&context, &policies, &subject, direction, *family, from).await?;
                    total += effects.len() as u64;
                    let room = limit.saturating_sub(shown.len());
                    let effects = effects.iter().take(room);
                    shown.extend(effects.map(|effect| effect_shown(effect, &subject.name)));
                    from = next;
                    if from.is_none() {
                        break;
                    }
                }
            }
        }
    }
    Ok(Json(json!({"effects": shown, "total": total})))
}

async fn subjects(context: &Context, neighbor: Option<String>) -> Result<Vec<Subject>, Refusal> {
    let asked = context.engine.ask(move |core| {
        let only = neighbor
            .as_deref()
            .map(|name| core.peer_named(name))
            .transpose()?;
        let peers = core
            .speaker
            .peers()
            .filter(|report| only.is_none_or(|only| report.id == only));
        let subjects = peers.map(|report| Subject {
            peer: report.id,
            name: report.endpoint.to_string(),
            families: report.families.iter().map(|family| family.family).collect(),
        });
        Ok(subjects.collect())
    });
    asked.await?
}

async fn page(
    context: &Context,
    policies: &Arc<Policies>,
    subject: &Subject,
    direction: Direction,
    family: Family,
    from: Option<Nlri>,
) -> Result<(Vec<PolicyEffect>, Option<Nlri>), Refusal> {
    let (policies, peer) = (policies.clone(), subject.peer);
    let asked = context.engine.ask(move |core| {
        let rib = core.speaker.rib();
        let page = rib.policy_effects(&policies, peer, direction, family, from.as_ref(), PAGE);
        (page.items, page.next)
    });
    Ok(asked.await?)
}

fn effect_shown(effect: &PolicyEffect, neighbor: &str) -> Value {
    let mut json = json!({
        "neighbor": neighbor,
        "direction": match effect.direction {
            Direction::Import => "import",
            Direction::Export => "export",
        },
        "route": effect.nlri.to_string(),
    });
    let (kind, before, after) = match &effect.effect {
        Effect::Added(after) => ("added", None, Some(after)),
        Effect::Removed(before) => ("removed", Some(before), None),
        Effect::Changed { before, after } => ("changed", Some(before), Some(after)),
    };
    json["effect"] = kind.into();
    for (key, attributes) in [("before", before), ("after", after)] {
        if let Some(attributes) = attributes {
            json[key] = json::attributes(attributes);
        }
    }
    json
}
