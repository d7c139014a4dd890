//! What of Neutron beyond its core is served. A client asks by alias and relies on a yes, so an alias stands
//! here only when all of it works.

use crate::error::ApiError;
use crate::who::Who;
use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

struct Extension {
    alias: &'static str,
    name: &'static str,
    description: &'static str,
}

const fn extension(
    alias: &'static str,
    name: &'static str,
    description: &'static str,
) -> Extension {
    Extension {
        alias,
        name,
        description,
    }
}

const EXTENSIONS: &[Extension] = &[
    extension(
        "agent",
        "agent",
        "The hosts' agents, whether they are alive, and their administrative state.",
    ),
    extension(
        "allowed-address-pairs",
        "Allowed Address Pairs",
        "Sources a port may use beside its own.",
    ),
    extension("binding", "Port Binding", "The host a port is bound to."),
    extension(
        "empty-string-filtering",
        "Empty String Filtering",
        "Filters by the empty text.",
    ),
    extension(
        "extra_dhcp_opt",
        "Neutron Extra DHCP options",
        "DHCP options of a port.",
    ),
    extension(
        "filter-validation",
        "Filter parameters validation",
        "Unknown filters are refused.",
    ),
    extension(
        "ip-substring-filtering",
        "IP address substring filtering",
        "Ports by part of an address.",
    ),
    extension("net-mtu", "Network MTU", "The MTU of a network."),
    extension(
        "net-mtu-writable",
        "Network MTU (writable)",
        "The MTU of a network can be set.",
    ),
    extension(
        "pagination",
        "Pagination support",
        "limit, marker and page_reverse.",
    ),
    extension(
        "port-security",
        "Port Security",
        "Anti-spoofing and security groups can be switched off.",
    ),
    extension(
        "port-security-groups-filtering",
        "Port filtering on security groups",
        "Ports by security group.",
    ),
    extension(
        "project-id",
        "project_id field enabled",
        "project_id stands for tenant_id.",
    ),
    extension(
        "provider",
        "Provider Network",
        "What a network is realized as.",
    ),
    extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "Writes on a condition.",
    ),
    extension(
        "security-group",
        "security-group",
        "Security groups and their rules.",
    ),
    extension(
        "security-groups-normalized-cidr",
        "Normalized CIDR field for security group rules",
        "A rule's prefix without host bits.",
    ),
    extension(
        "security-groups-rules-belongs-to-default-sg",
        "Security group rule belongs to the project's default security group",
        "belongs_to_default_sg of a rule.",
    ),
    extension(
        "sort-key-validation",
        "Sort key validation",
        "Unknown sort keys are refused.",
    ),
    extension("sorting", "Sorting support", "sort_key and sort_dir."),
    extension(
        "standard-attr-description",
        "standard-attr-description",
        "A description of every resource.",
    ),
    extension(
        "standard-attr-revisions",
        "Resource revision numbers",
        "revision_number of every resource.",
    ),
    extension(
        "standard-attr-tag",
        "Tag support for resources with standard attribute",
        "Tags, and filters by them.",
    ),
    extension(
        "standard-attr-timestamp",
        "Resource timestamps",
        "created_at and updated_at.",
    ),
    extension(
        "stateful-security-group",
        "Stateful security group",
        "A group whose replies are allowed, or not.",
    ),
    extension(
        "tag-creation",
        "Tag creation",
        "Several tags in one request.",
    ),
    extension(
        "tag-ports-during-bulk-creation",
        "Tag Ports During Bulk Creation",
        "Tags in a create request.",
    ),
    extension(
        "netwright-allocation-strategy",
        "Allocation strategy of subnets",
        "allocation_strategy: random, sequential or lowest.",
    ),
];

impl Extension {
    fn json(&self) -> Value {
        json!({
            "alias": self.alias,
            "name": self.name,
            "description": self.description,
            "updated": "2026-01-01T00:00:00-00:00",
            "links": [],
        })
    }
}

pub(crate) async fn list(_: Who) -> Json<Value> {
    let extensions: Vec<Value> = EXTENSIONS.iter().map(Extension::json).collect();
    Json(json!({"extensions": extensions}))
}

pub(crate) async fn show(_: Who, Path(alias): Path<String>) -> Result<Json<Value>, ApiError> {
    EXTENSIONS
        .iter()
        .find(|extension| extension.alias == alias)
        .map(|extension| Json(json!({"extension": extension.json()})))
        .ok_or_else(|| ApiError::NotFound {
            kind: "ExtensionNotFound",
            message: format!("Extension with alias {alias} does not exist"),
        })
}
