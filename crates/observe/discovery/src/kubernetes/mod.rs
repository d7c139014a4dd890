//! Kubernetes by its API: nodes, namespaces, pods and containers, services, and what Flannel, Calico and Cilium write on nodes.
//! They also tell the networks pods get addresses from, and the policies that guard them. Lists are read in pages that belong to one resource version; the version is where a watch goes on.

mod client;
pub mod drafts;
pub mod networks;
pub mod watch;

pub use client::{Kubernetes, Settings};
pub use networks::Plugins;

use crate::scan::{Context, Source, reading_of, source};
use crate::{Error, Result};
use futures::future::BoxFuture;
use serde_json::Value;
use topology::{Draft, Reading};

const ENDPOINT_SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";

/// Where Flannel's manifests put it, now and before.
const FLANNEL: [&str; 2] = ["kube-flannel", "kube-system"];

impl Source for Kubernetes {
    fn name(&self) -> &str {
        "Kubernetes"
    }

    fn readers(&self) -> &'static [&'static str] {
        &[
            "kubernetes-nodes",
            "kubernetes-namespaces",
            "kubernetes-pods",
            "kubernetes-services",
            "kubernetes-edges",
            "kubernetes-networks",
            "kubernetes-policies",
        ]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            let environment = context.environment;
            let each =
                |items: &[Value], draft: fn(&topology::Environment, &Value) -> Vec<Draft>| {
                    items
                        .iter()
                        .flat_map(|item| draft(environment, item))
                        .collect()
                };
            let (types, drafts): (&[&str], Vec<Draft>) = match reader {
                "kubernetes-nodes" => {
                    let nodes = self.list("/api/v1/nodes").await?.items;
                    (&["host"], each(&nodes, drafts::node))
                }
                "kubernetes-namespaces" => {
                    let namespaces = self.list("/api/v1/namespaces").await?.items;
                    (&["namespace"], each(&namespaces, drafts::namespace))
                }
                "kubernetes-pods" => {
                    let pods = self.list("/api/v1/pods").await?.items;
                    (&["pod", "container"], each(&pods, drafts::pod))
                }
                "kubernetes-services" => {
                    let services = self.list("/api/v1/services").await?.items;
                    let slices = self.list(ENDPOINT_SLICES).await?.items;
                    let drafts = services
                        .iter()
                        .flat_map(|service| drafts::service(environment, service, &slices))
                        .collect();
                    (&["vservice"], drafts)
                }
                "kubernetes-edges" => {
                    let pods: Vec<&Draft> = context.drafts("pod").collect();
                    let nodes: Vec<&Draft> = context.drafts("host").collect();
                    let mut found = drafts::edges(environment, &pods);
                    let endpoints = drafts::oteps(environment, &nodes, &found);
                    found.extend(endpoints);
                    (&["vedge", "otep"], found)
                }
                "kubernetes-networks" => {
                    let plugins = self.plugins().await?;
                    let nodes: Vec<&Draft> = context.drafts("host").collect();
                    let containers: Vec<&Draft> = context.drafts("container").collect();
                    let found = networks::drafts(environment, &plugins, &nodes, &containers);
                    (&["network"], found)
                }
                "kubernetes-policies" => {
                    let pods: Vec<&Draft> = context.drafts("pod").collect();
                    let path = "/apis/networking.k8s.io/v1/networkpolicies";
                    let policies = self.list(path).await?.items;
                    let found = policies
                        .iter()
                        .filter_map(|policy| networks::policy(environment, policy, &pods))
                        .collect();
                    (&["network_policy"], found)
                }
                other => {
                    return Err(Error::no_reader(self.name(), other));
                }
            };
            let source = source("kubernetes", self.url());
            Ok(vec![reading_of(source, types, None, drafts, None)])
        })
    }
}

impl Kubernetes {
    async fn plugins(&self) -> Result<Plugins> {
        let mut flannel = Vec::new();
        for namespace in FLANNEL {
            let path = format!("/api/v1/namespaces/{namespace}/configmaps/kube-flannel-cfg");
            flannel.extend(self.find(&path).await?);
        }
        Ok(Plugins {
            calico_pools: self
                .installed("/apis/crd.projectcalico.org/v1/ippools")
                .await?,
            cilium_nodes: self.installed("/apis/cilium.io/v2/ciliumnodes").await?,
            flannel,
        })
    }

    /// A collection of a plug-in; one that is not installed has nothing in it.
    async fn installed(&self, path: &str) -> Result<Vec<Value>> {
        match self.list(path).await {
            Err(Error::Status { status: 404, .. }) => Ok(Vec::new()),
            list => Ok(list?.items),
        }
    }
}
