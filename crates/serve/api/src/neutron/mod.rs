//! The Neutron v2.0 API. Paths are wired here; what a path does is one generic implementation
//! (`handlers`) over what each resource declares in the file of its name.

pub(crate) mod agents;
mod extensions;
mod handlers;
pub(crate) mod networks;
mod openapi;
pub(crate) mod ports;
mod quotas;
pub(crate) mod security_group_rules;
pub(crate) mod security_groups;
pub(crate) mod subnets;
mod tags;
mod versions;

use crate::App;
use crate::resource::Resource;
use axum::Router;
use axum::routing::{MethodRouter, get};

pub(crate) use versions::discovery;

/// Everything under `/v2.0`, and the OpenAPI document.
pub(crate) fn routes() -> Router<App> {
    let router = Router::new()
        .route("/v2.0", get(versions::resources))
        .route("/v2.0/", get(versions::resources))
        .route("/v2.0/openapi.json", get(openapi::document))
        .route("/openapi.json", get(openapi::document))
        .route("/v2.0/extensions", get(extensions::list))
        .route("/v2.0/extensions/{alias}", get(extensions::show))
        .route("/v2.0/quotas", get(quotas::list))
        .route("/v2.0/quotas/tenant", get(quotas::tenant))
        .route("/v2.0/quotas/{project}", get(quotas::show))
        .route("/v2.0/quotas/{project}/default", get(quotas::default))
        .route("/v2.0/agents", get(agents::list))
        .route(
            "/v2.0/agents/{id}",
            get(agents::show).put(agents::update).delete(agents::delete),
        );
    let router = resource::<networks::NetworkResource>(router);
    let router = resource::<subnets::SubnetResource>(router);
    let router = resource::<ports::PortResource>(router);
    let router = resource::<security_groups::SecurityGroupResource>(router);
    let rules = get(handlers::show::<security_group_rules::RuleResource>)
        .delete(handlers::delete::<security_group_rules::RuleResource>);
    collection::<security_group_rules::RuleResource>(router, rules)
}

fn resource<R: tags::Tagged>(router: Router<App>) -> Router<App> {
    let one = get(handlers::show::<R>)
        .put(handlers::update::<R>)
        .delete(handlers::delete::<R>);
    let all_tags = get(tags::list::<R>)
        .put(tags::replace::<R>)
        .post(tags::add_many::<R>)
        .delete(tags::clear::<R>);
    let one_tag = get(tags::check::<R>)
        .put(tags::add::<R>)
        .delete(tags::remove::<R>);
    collection::<R>(router, one)
        .route(&format!("/v2.0/{}/{{id}}/tags", R::PATH), all_tags)
        .route(&format!("/v2.0/{}/{{id}}/tags/{{tag}}", R::PATH), one_tag)
}

fn collection<R: Resource>(router: Router<App>, one: MethodRouter<App>) -> Router<App> {
    let all = get(handlers::list::<R>).post(handlers::create::<R>);
    router
        .route(&format!("/v2.0/{}", R::PATH), all)
        .route(&format!("/v2.0/{}/{{id}}", R::PATH), one)
}
