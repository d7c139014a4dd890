//! The rows of the table, by what they are about.

use super::super::{
    cliques, compare, environments, history, impact, messages, objects, openapi, pictures, reports,
    scans, schedules, stream,
};
use super::{Endpoint, Field, Kind, many, need, need_many, some};

const AT: Field = some("at", Kind::Text);
const PAGE: &[Field] = &[some("limit", Kind::Number), some("cursor", Kind::Text)];
const LIMIT: Field = some("limit", Kind::Number);
const FORMAT: Field = some("format", Kind::OneOf(&["json", "csv", "markdown", "html"]));
const SHAPE: Field = some("format", Kind::OneOf(&["json", "graphml", "svg"]));
const LEVEL: Kind = Kind::OneOf(&["ok", "warning", "error", "unknown"]);
const SEVERITY: Kind = Kind::OneOf(&["debug", "info", "warning", "error", "critical"]);
const CONFIG: &[Field] = &[need("config", Kind::Any), some("credentials", Kind::Any)];
const TEST: &[Field] = &[
    some("config", Kind::Any),
    some("credentials", Kind::Any),
    some("only", Kind::Text),
];
const COMPARED: &[Field] = &[
    need("from", Kind::Text),
    some("to", Kind::Text),
    many("tenant", Kind::Text),
];
const SCHEDULE: &[Field] = &[
    need("name", Kind::Text),
    need("environment", Kind::Text),
    need("pattern", Kind::Text),
    some("zone", Kind::Text),
    some("paused", Kind::Flag),
    some("start", Kind::Key),
    some("snapshot", Kind::Flag),
    some("report", Kind::Any),
];
const CLIQUE_TYPE: &[Field] = &[
    need("name", Kind::Text),
    need("focal", Kind::Text),
    need_many("links", Kind::Text),
    some("environment", Kind::Text),
    some("distribution", Kind::Text),
    some("distribution_version", Kind::Text),
    some("implicit", Kind::Flag),
];

pub(super) fn groups() -> [Vec<Endpoint>; 8] {
    [
        of_environments(),
        of_objects(),
        of_pictures(),
        of_versions(),
        of_messages(),
        of_scans(),
        of_schedules(),
        of_declarations(),
    ]
}

fn of_environments() -> Vec<Endpoint> {
    const ONE: &str = "/environments/{environment}";
    vec![
        Endpoint::new(
            "GET",
            "/openapi.json",
            openapi::document,
            "This document.",
            &["openapi"],
        ),
        Endpoint::new(
            "GET",
            "/environments",
            environments::list,
            "Environments that are seen.",
            &["environments"],
        ),
        Endpoint::new(
            "POST",
            "/environments",
            environments::add,
            "Adds one; credentials are sealed and never given out.",
            &["environment"],
        )
        .body(CONFIG),
        Endpoint::new(
            "GET",
            ONE,
            environments::show,
            "One environment.",
            &["environment"],
        ),
        Endpoint::new(
            "PUT",
            ONE,
            environments::update,
            "Replaces its settings; credentials that are not given stay.",
            &["environment"],
        )
        .body(CONFIG),
        Endpoint::new(
            "DELETE",
            ONE,
            environments::remove,
            "Takes it, its map, schedules and reports away.",
            &[],
        ),
        Endpoint::new(
            "POST",
            "/environments/{environment}/test",
            environments::test,
            "Tries each way it is reached.",
            &["results"],
        )
        .body(TEST)
        .status(200),
        Endpoint::new(
            "POST",
            "/test",
            environments::test_new,
            "The same before it is added.",
            &["results"],
        )
        .body(TEST)
        .status(200),
    ]
}

fn of_objects() -> Vec<Endpoint> {
    const LIST: &[Field] = &[
        AT,
        many("type", Kind::Text),
        some("host", Kind::Text),
        some("tenant", Kind::Text),
        some("status", LEVEL),
        some("stale", Kind::Flag),
        some("q", Kind::Text),
        some("below", Kind::Key),
        many("fields", Kind::Text),
    ];
    const LINKS: &[Field] = &[
        AT,
        many("type", Kind::Text),
        some("object", Kind::Key),
        some("host", Kind::Text),
    ];
    const TREE: &[Field] = &[AT, some("key", Kind::Key), many("folder", Kind::Text)];
    const SEARCH: &[Field] = &[AT, need("q", Kind::Text), many("type", Kind::Text), LIMIT];
    vec![
        Endpoint::new(
            "GET",
            "/environments/{environment}/summary",
            objects::summary,
            "Counts by type, health, what is stale.",
            &[
                "environment",
                "version",
                "at",
                "cause",
                "objects",
                "links",
                "status",
                "stale",
                "messages",
                "listener",
            ],
        )
        .query(&[AT]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/objects",
            objects::list,
            "Objects that match.",
            &["version", "objects", "next", "total"],
        )
        .query(LIST)
        .query(PAGE),
        Endpoint::new(
            "GET",
            "/environments/{environment}/object",
            objects::show,
            "One object whole.",
            &["version", "object"],
        )
        .query(&[AT, need("key", Kind::Key)]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/tree",
            objects::tree,
            "Rows at a place, folders first.",
            &["version", "rows", "next", "total"],
        )
        .query(TREE)
        .query(PAGE),
        Endpoint::new(
            "GET",
            "/environments/{environment}/links",
            objects::links,
            "Links that match.",
            &["version", "links", "next", "total"],
        )
        .query(LINKS)
        .query(PAGE),
        Endpoint::new(
            "GET",
            "/environments/{environment}/search",
            objects::search,
            "By name, id, MAC, address or CIDR; best first.",
            &["version", "results", "total"],
        )
        .query(SEARCH),
    ]
}

fn of_pictures() -> Vec<Endpoint> {
    const PICTURE: &[&str] = &["version", "nodes", "links", "truncated"];
    const GRAPH: &[Field] = &[
        AT,
        need_many("around", Kind::Key),
        some("depth", Kind::Number),
        many("link_type", Kind::Text),
        LIMIT,
    ];
    const OVERVIEW: &[Field] = &[many("open", Kind::Key), LIMIT];
    vec![
        Endpoint::new(
            "GET",
            "/environments/{environment}/cliques",
            pictures::cliques,
            "The cliques of a focal object.",
            &["version", "cliques"],
        )
        .query(&[AT, need("focal", Kind::Key), SHAPE]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/graph",
            pictures::graph,
            "What is within some links of objects.",
            PICTURE,
        )
        .query(GRAPH)
        .query(&[SHAPE]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/overview",
            pictures::overview,
            "All that is seen in at most `limit` nodes.",
            &["version", "nodes", "links"],
        )
        .query(&[AT])
        .query(OVERVIEW)
        .query(&[SHAPE]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/path",
            pictures::path,
            "The shortest ways from one object to another.",
            &["version", "paths"],
        )
        .query(&[AT, need("from", Kind::Key), need("to", Kind::Key), LIMIT]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/impact",
            impact::impact,
            "What the failure of objects, together, hits.",
            &["version", "failed", "counts", "hit"],
        )
        .query(&[AT, need_many("objects", Kind::Key), FORMAT, LIMIT]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/causes",
            impact::causes,
            "What explains present trouble, worst first.",
            &["version", "causes"],
        )
        .query(&[AT]),
    ]
}

fn of_versions() -> Vec<Endpoint> {
    const LISTS: Kind = Kind::OneOf(&["objects", "links", "health", "cliques"]);
    const DIFF: &[Field] = &[some("list", LISTS), some("cliques", Kind::Flag), FORMAT];
    vec![
        Endpoint::new(
            "GET",
            "/environments/{environment}/versions",
            history::list,
            "Versions, newest first.",
            &["versions", "total"],
        )
        .query(&[
            some("named", Kind::Flag),
            some("before", Kind::Number),
            LIMIT,
        ]),
        Endpoint::new(
            "DELETE",
            "/environments/{environment}/versions/{number}",
            history::forget,
            "Forgets a version; the last one stays.",
            &[],
        ),
        Endpoint::new(
            "POST",
            "/environments/{environment}/snapshots",
            history::snapshot,
            "Names the present state.",
            &["version"],
        )
        .body(&[need("name", Kind::Text), some("pinned", Kind::Flag)]),
        Endpoint::new(
            "GET",
            "/environments/{environment}/diff",
            compare::diff,
            "What differs between two versions: totals, and a page of one list.",
            &[
                "before",
                "after",
                "totals",
                "by_tenant",
                "list",
                "rows",
                "next",
                "total",
                "more_cliques",
            ],
        )
        .query(COMPARED)
        .query(DIFF)
        .query(PAGE),
        Endpoint::new(
            "GET",
            "/environments/{environment}/diff/picture",
            compare::picture,
            "All that differs in at most `limit` nodes.",
            &["before", "after", "nodes", "links"],
        )
        .query(COMPARED)
        .query(&[many("open", Kind::Key), LIMIT, SHAPE]),
    ]
}

fn of_messages() -> Vec<Endpoint> {
    const LIST: &[Field] = &[
        many("objects", Kind::Key),
        many("severity", SEVERITY),
        some("source", Kind::Text),
        some("q", Kind::Text),
        some("from", Kind::Time),
        some("until", Kind::Time),
        some("before", Kind::Number),
        LIMIT,
    ];
    const MESSAGE: &[Field] = &[
        need("severity", SEVERITY),
        need("text", Kind::Text),
        many("objects", Kind::Key),
        some("source", Kind::Text),
        some("at", Kind::Time),
    ];
    vec![
        Endpoint::new(
            "GET",
            "/environments/{environment}/messages",
            messages::list,
            "Messages that match, newest first.",
            &["messages", "next", "total"],
        )
        .query(LIST),
        Endpoint::new(
            "POST",
            "/environments/{environment}/messages",
            messages::post,
            "Keeps a message.",
            &["message"],
        )
        .body(MESSAGE),
        Endpoint::new(
            "POST",
            "/environments/{environment}/messages/{id}/viewed",
            messages::viewed,
            "Marks it as read.",
            &[],
        ),
        Endpoint::new(
            "POST",
            "/environments/{environment}/checks",
            messages::checks,
            "Takes check results: `results`, a Sensu event, or an Alertmanager notification.",
            &["version", "taken", "ignored", "refused"],
        )
        .body(&[many("results", Kind::Any)])
        .status(200),
        Endpoint::new(
            "GET",
            "/events",
            stream::follow,
            "Server-sent events: hello, version, messages, scan.",
            &[],
        )
        .query(&[some("environment", Kind::Text)]),
    ]
}

fn of_scans() -> Vec<Endpoint> {
    const SCAN: &[Field] = &[
        need("environment", Kind::Text),
        some("start", Kind::Key),
        some("snapshot", Kind::Text),
    ];
    vec![
        Endpoint::new(
            "GET",
            "/scans",
            scans::list,
            "Scans, newest first.",
            &["scans"],
        )
        .query(&[some("environment", Kind::Text), LIMIT]),
        Endpoint::new(
            "POST",
            "/scans",
            scans::submit,
            "Puts a scan into the queue.",
            &["scan"],
        )
        .body(SCAN)
        .status(202),
        Endpoint::new(
            "GET",
            "/scans/{id}",
            scans::show,
            "One scan with its progress and faults.",
            &["scan"],
        ),
        Endpoint::new(
            "DELETE",
            "/scans/{id}",
            scans::cancel,
            "Stops it; nothing of it is kept.",
            &["scan"],
        )
        .status(200),
    ]
}

fn of_schedules() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/schedules",
            schedules::list,
            "Schedules, each with its next time.",
            &["schedules"],
        ),
        Endpoint::new(
            "POST",
            "/schedules",
            schedules::add,
            "Adds a schedule of a scan or a report.",
            &["schedule"],
        )
        .body(SCHEDULE),
        Endpoint::new(
            "PUT",
            "/schedules/{name}",
            schedules::change,
            "Replaces one.",
            &["schedule"],
        )
        .body(SCHEDULE),
        Endpoint::new(
            "DELETE",
            "/schedules/{name}",
            schedules::remove,
            "Removes one; what it made stays.",
            &[],
        ),
        Endpoint::new(
            "POST",
            "/schedules/{name}/pause",
            schedules::pause,
            "From now on its due times pass.",
            &["schedule"],
        )
        .status(200),
        Endpoint::new(
            "POST",
            "/schedules/{name}/resume",
            schedules::resume,
            "It runs again at its due times; those that passed are not made up for.",
            &["schedule"],
        )
        .status(200),
        Endpoint::new(
            "POST",
            "/schedules/{name}/run",
            schedules::run,
            "Does now what it does when it is due.",
            &[],
        )
        .status(202),
        Endpoint::new(
            "GET",
            "/reports",
            reports::list,
            "Reports that schedules made, newest first.",
            &["reports", "next", "total"],
        )
        .query(&[
            some("environment", Kind::Text),
            some("schedule", Kind::Text),
        ])
        .query(PAGE),
        Endpoint::new(
            "GET",
            "/reports/{id}",
            reports::show,
            "One report's row.",
            &["report"],
        ),
        Endpoint::new(
            "DELETE",
            "/reports/{id}",
            reports::remove,
            "Deletes it.",
            &[],
        ),
        Endpoint::new(
            "GET",
            "/reports/{id}/content",
            reports::content,
            "The document, in the format that was ordered or another.",
            &[],
        )
        .query(&[FORMAT]),
    ]
}

fn of_declarations() -> Vec<Endpoint> {
    vec![
        Endpoint::new(
            "GET",
            "/declarations",
            cliques::declarations,
            "Object types, link rules and cause rules.",
            &["object_types", "link_types", "cause_rules"],
        ),
        Endpoint::new(
            "GET",
            "/clique-types",
            cliques::types,
            "Clique types.",
            &["clique_types"],
        ),
        Endpoint::new(
            "POST",
            "/clique-types",
            cliques::add_type,
            "Adds one.",
            &["clique_type"],
        )
        .body(CLIQUE_TYPE),
        Endpoint::new(
            "PUT",
            "/clique-types/{name}",
            cliques::change_type,
            "Replaces one.",
            &["clique_type"],
        )
        .body(CLIQUE_TYPE),
        Endpoint::new(
            "DELETE",
            "/clique-types/{name}",
            cliques::remove_type,
            "Removes one.",
            &[],
        ),
        Endpoint::new(
            "GET",
            "/clique-constraints",
            cliques::constraints,
            "Which attributes constrain cliques.",
            &["clique_constraints"],
        ),
        Endpoint::new(
            "PUT",
            "/clique-constraints",
            cliques::put_constraints,
            "Replaces all: a list of `focal` and `attributes`.",
            &["clique_constraints"],
        ),
    ]
}
