//! OpenStack by its APIs: Keystone v3, Nova, Neutron. Read-only: nothing but GET, and the POST that asks for a token.

mod client;
pub mod drafts;
pub mod paging;

pub use client::{Interface, OpenStack, Settings};

use crate::host::known::Known;
use crate::scan::{Context, Source, reading_of, source};
use crate::{Error, Result};
use futures::future::BoxFuture;
use paging::Pages;
use serde_json::Value;
use std::collections::BTreeSet;
use topology::{Draft, ObjectKey, Reading};

impl Source for OpenStack {
    fn name(&self) -> &str {
        "OpenStack"
    }

    fn readers(&self) -> &'static [&'static str] {
        &[
            "keystone-regions",
            "keystone-projects",
            "nova-zones",
            "nova-hosts",
            "nova-aggregates",
            "nova-instances",
            "neutron-networks",
            "neutron-routers",
            "neutron-ports",
            "neutron-agents",
        ]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            match reader {
                "keystone-regions" => self.regions(context).await,
                "keystone-projects" => self.projects(context).await,
                "nova-zones" => self.zones(context).await,
                "nova-hosts" => self.hosts(context).await,
                "nova-aggregates" => self.aggregates(context).await,
                "nova-instances" => self.instances(context).await,
                "neutron-networks" => self.networks(context).await,
                "neutron-routers" => self.routers(context).await,
                "neutron-ports" => self.ports(context).await,
                "neutron-agents" => self.agents(context).await,
                other => Err(Error::no_reader(self.name(), other)),
            }
        })
    }

    fn teach<'a>(&'a self, known: &'a mut Known) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            for region in self.region_names().await? {
                let routers = self
                    .list(&region, "network", "/v2.0/routers", "routers")
                    .await?;
                for router in &routers.items {
                    if let (Some(id), Some(row)) = (router["id"].as_str(), router.as_object()) {
                        known.add_router(id, row.clone());
                    }
                }
            }
            Ok(())
        })
    }
}

const OWN_PROJECTS: &str = "only the projects the user has a role in could be listed";

/// A whole list, or the reason it is not.
fn of(
    kind: &'static str,
    detail: &str,
    types: &[&str],
    drafts: Vec<Draft>,
    pages: &[Pages],
) -> Reading {
    let fault = pages.iter().find_map(|pages| pages.fault.clone());
    reading_of(source(kind, detail), types, None, drafts, fault)
}

impl OpenStack {
    fn detail(&self) -> String {
        self.url().to_owned()
    }

    async fn regions(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let catalogue = self.catalogue().await?;
        let drafts = drafts::regions(context.environment, &catalogue);
        Ok(vec![of(
            "keystone",
            &self.detail(),
            &["region"],
            drafts,
            &[],
        )])
    }

    async fn projects(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let all = self.all_projects().await?;
        let drafts = drafts::projects(context.environment, &all.items, None);
        Ok(vec![of(
            "keystone",
            &self.detail(),
            &["project"],
            drafts,
            &[all],
        )])
    }

    /// All projects where the user may list them; else those the user has a role in, which are not all.
    async fn all_projects(&self) -> Result<Pages> {
        match self.identity("/v3/projects", "projects").await {
            Err(Error::Status { status: 403, .. }) => {
                let mut own = self.identity("/v3/auth/projects", "projects").await?;
                own.fault.get_or_insert_with(|| OWN_PROJECTS.to_owned());
                Ok(own)
            }
            all => all,
        }
    }

    /// No rows, with the fault of lists that show a user only what is of his projects: Neutron leaves the others' rows out without
    /// a word, so that who may not list all projects is taken to see only some.
    async fn others(&self) -> Pages {
        let blind = self.blind.get_or_init(|| async {
            match self.all_projects().await {
                Ok(projects) => projects.fault,
                Err(error) => Some(format!("which projects are seen is not known: {error}")),
            }
        });
        Pages::none(blind.await.clone())
    }

    async fn zones(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let mut found = Vec::new();
        for region in self.region_names().await? {
            let answer = self
                .get(&region, "compute", "/os-availability-zone/detail")
                .await?;
            found.extend(drafts::zones(context.environment, &region, &answer));
        }
        Ok(vec![of(
            "nova",
            &self.detail(),
            &["availability_zone"],
            found,
            &[],
        )])
    }

    async fn hosts(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let mut found: Vec<Draft> = Vec::new();
        let mut fault = None;
        for region in self.region_names().await? {
            let zones = self
                .get(&region, "compute", "/os-availability-zone/detail")
                .await?;
            let hypervisors = self
                .list(&region, "compute", "/os-hypervisors/detail", "hypervisors")
                .await?;
            let agents = self
                .list(&region, "network", "/v2.0/agents", "agents")
                .await?;
            let drafts = drafts::hosts(
                context.environment,
                &zones,
                &hypervisors.items,
                &agents.items,
            );
            fault = fault.or(hypervisors.fault).or(agents.fault);
            for draft in drafts {
                // Two hosts of one name, in two regions or cells: which one a session would reach is not known.
                if found.iter().any(|known| known.key == draft.key) {
                    fault = Some(format!("two hosts are called {}; rename one", draft.key.id));
                    continue;
                }
                found.push(draft);
            }
        }
        let source = source("nova", &self.detail());
        Ok(vec![reading_of(source, &["host"], None, found, fault)])
    }

    async fn aggregates(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let mut found = Vec::new();
        for region in self.region_names().await? {
            let answer = self.get(&region, "compute", "/os-aggregates").await?;
            found.extend(drafts::aggregates(context.environment, &region, &answer));
        }
        let types = ["aggregate", "host_ref"];
        Ok(vec![of("nova", &self.detail(), &types, found, &[])])
    }

    async fn instances(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let (mut found, mut pages) = (Vec::new(), Vec::new());
        for region in self.region_names().await? {
            let servers = self
                .list(
                    &region,
                    "compute",
                    "/servers/detail?all_tenants=1",
                    "servers",
                )
                .await?;
            let ports = self
                .list(&region, "network", "/v2.0/ports", "ports")
                .await?;
            let networks = self
                .list(&region, "network", "/v2.0/networks", "networks")
                .await?;
            let told = servers
                .items
                .iter()
                .any(|server| server["OS-EXT-SRV-ATTR:host"].is_string());
            if told || servers.items.is_empty() {
                let joined = drafts::Joined::new(&ports.items, &networks.items);
                found.extend(drafts::instances(
                    context.environment,
                    &servers.items,
                    &joined,
                ));
            } else {
                // A user who is not told where servers run asks each hypervisor.
                for host in context.drafts("host") {
                    let host = host.key.id.as_str();
                    let answer = match self.servers_of(&region, host).await {
                        // A host that is no hypervisor.
                        Err(Error::Status { status: 404, .. }) => continue,
                        answer => answer?,
                    };
                    found.extend(drafts::host_instances(context.environment, host, &answer));
                }
            }
            pages.extend([servers, ports, networks]);
        }
        Ok(vec![of(
            "nova",
            &self.detail(),
            &["instance"],
            found,
            &pages,
        )])
    }

    /// The hypervisors whose names hold the host's, with their servers. What 2.53 took away was another path for the same.
    async fn servers_of(&self, region: &str, host: &str) -> Result<Value> {
        let path = if self.is_old_nova() {
            format!("/os-hypervisors/{host}/servers")
        } else {
            let host: String = paging::escaped(host).collect();
            format!("/os-hypervisors?hypervisor_hostname_pattern={host}&with_servers=true")
        };
        self.get(region, "compute", &path).await
    }

    async fn networks(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let (mut found, mut pages) = (Vec::new(), vec![self.others().await]);
        let projects = names(context.drafts("project"));
        for region in self.region_names().await? {
            let networks = self
                .list(&region, "network", "/v2.0/networks", "networks")
                .await?;
            let subnets = self
                .list(&region, "network", "/v2.0/subnets", "subnets")
                .await?;
            found.extend(drafts::networks(
                context.environment,
                &networks.items,
                &subnets.items,
                &|id| {
                    projects
                        .iter()
                        .find(|(known, _)| known == id)
                        .map(|(_, name)| name.clone())
                },
            ));
            found.extend(drafts::subnets(context.environment, &subnets.items));
            pages.extend([networks, subnets]);
        }
        let types = ["network", "subnet"];
        Ok(vec![of("neutron", &self.detail(), &types, found, &pages)])
    }

    async fn routers(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let (mut found, mut pages) = (Vec::new(), vec![self.others().await]);
        for region in self.region_names().await? {
            let routers = self
                .list(&region, "network", "/v2.0/routers", "routers")
                .await?;
            found.extend(drafts::routers(context.environment, &routers.items));
            pages.push(routers);
        }
        let types = ["router"];
        Ok(vec![of("neutron", &self.detail(), &types, found, &pages)])
    }

    async fn ports(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let (mut found, mut pages) = (Vec::new(), vec![self.others().await]);
        let projects = names(context.drafts("project"));
        let networks: BTreeSet<&ObjectKey> =
            context.drafts("network").map(|draft| &draft.key).collect();
        for region in self.region_names().await? {
            let ports = self
                .list(&region, "network", "/v2.0/ports", "ports")
                .await?;
            found.extend(drafts::ports(
                context.environment,
                &ports.items,
                &|id| networks.iter().any(|key| key.id.as_str() == id),
                &|id| {
                    projects
                        .iter()
                        .find(|(known, _)| known == id)
                        .map(|(_, name)| name.clone())
                },
            ));
            pages.push(ports);
        }
        Ok(vec![of(
            "neutron",
            &self.detail(),
            &["port"],
            found,
            &pages,
        )])
    }

    async fn agents(&self, context: Context<'_>) -> Result<Vec<Reading>> {
        let (mut found, mut pages) = (Vec::new(), Vec::new());
        for region in self.region_names().await? {
            let agents = self
                .list(&region, "network", "/v2.0/agents", "agents")
                .await?;
            found.extend(drafts::agents(context.environment, None, &agents.items));
            pages.push(agents);
        }
        let types = ["network_agent"];
        Ok(vec![of("neutron", &self.detail(), &types, found, &pages)])
    }

    /// The rows of a collection; what is wrong with the paging is told with it.
    async fn list(
        &self,
        region: &str,
        service: &str,
        path: &str,
        collection: &str,
    ) -> Result<Pages> {
        let mut pages = Pages::default();
        let mut marker: Option<String> = None;
        loop {
            let separator = if path.contains('?') { '&' } else { '?' };
            let mut query = format!("{path}{separator}limit={}", paging::LIMIT);
            if let Some(marker) = &marker {
                query.push_str("&marker=");
                query.extend(paging::escaped(marker));
            }
            let page = self.get(region, service, &query).await?;
            match pages.take(&page, collection) {
                Some(next) => marker = Some(next),
                None => return Ok(pages),
            }
        }
    }

    async fn identity(&self, path: &str, collection: &str) -> Result<Pages> {
        let answer = self.get_identity(path).await?;
        let mut pages = Pages::default();
        pages.take(&without_links(answer), collection);
        Ok(pages)
    }
}

/// Keystone truncates rather than pages, and says so.
fn without_links(mut answer: Value) -> Value {
    if let Some(map) = answer.as_object_mut() {
        map.remove("links");
    }
    answer
}

fn names<'a>(drafts: impl Iterator<Item = &'a Draft>) -> Vec<(String, String)> {
    drafts
        .map(|draft| {
            let id = draft.key.id.as_str();
            (
                id.to_owned(),
                draft.name.as_deref().unwrap_or(id).to_owned(),
            )
        })
        .collect()
}
