//! Cisco ACI by its controller (APIC): the leaf port behind each host interface, and the spine ports behind each leaf.

mod client;
pub mod drafts;

pub use client::{Aci, Settings};

use crate::scan::{Context, Source, source};
use crate::{Error, Result};
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeSet;
use topology::{Draft, ObjectKey, Reading};

impl Source for Aci {
    fn name(&self) -> &str {
        "ACI"
    }

    fn readers(&self) -> &'static [&'static str] {
        &["aci-ports"]
    }

    fn read<'a>(
        &'a self,
        reader: &'a str,
        context: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<Reading>>> {
        Box::pin(async move {
            if reader != "aci-ports" {
                return Err(Error::no_reader(self.name(), reader));
            }
            let region = context
                .drafts("region")
                .next()
                .map(|draft| draft.key.clone());
            let macs: BTreeSet<&str> = context
                .drafts("host_pnic")
                .filter_map(|draft| draft.attributes.get("mac_address")?.as_str())
                .collect();
            let drafts = self
                .ports(context.environment, region.as_ref(), &macs)
                .await?;
            // The fabric is asked by the MACs of the interfaces that were read, so it speaks only for what it names.
            let mut reading = Reading::named(source("aci", self.url()));
            reading.drafts = drafts;
            Ok(vec![reading])
        })
    }
}

impl Aci {
    async fn ports(
        &self,
        environment: &topology::Environment,
        region: Option<&ObjectKey>,
        macs: &BTreeSet<&str>,
    ) -> Result<Vec<Draft>> {
        let mut found: Vec<Draft> = Vec::new();
        let mut leaves = BTreeSet::new();
        for mac in macs {
            let hostlink = self.hostlink(environment, region, mac).await?;
            leaves.extend(hostlink.iter().filter_map(drafts::leaf_of));
            found.extend(hostlink);
        }
        for leaf in &leaves {
            found.extend(self.uplinks(environment, region, leaf).await?);
        }
        let mut keys = BTreeSet::new();
        found.retain(|draft| keys.insert(draft.key.clone()));
        Ok(found)
    }

    /// Nodes of the fabric: a connection test.
    pub async fn count_nodes(&self) -> Result<usize> {
        let nodes = self.get("/api/class/fabricNode.json", &[]).await?;
        Ok(nodes["imdata"].as_array().map_or(0, Vec::len))
    }

    /// The leaf port a MAC is learnt on, and the leaf.
    pub async fn hostlink(
        &self,
        environment: &topology::Environment,
        region: Option<&ObjectKey>,
        mac: &str,
    ) -> Result<Vec<Draft>> {
        let learnt = format!("and(eq(epmMacEp.addr,\"{mac}\"),wcard(epmMacEp.ifId, \"eth\"))");
        let learnt = self
            .get(
                "/api/class/epmMacEp.json",
                &[("query-target-filter", &learnt)],
            )
            .await?;
        let Some((node, endpoint)) = drafts::learnt_on(&learnt) else {
            return Ok(Vec::new());
        };
        let system = self
            .get(&format!("/api/mo/topology/{node}/sys.json"), &[])
            .await?;
        let filter = format!("eq(fvCEp.mac,\"{mac}\")");
        let query = [
            ("rsp-subtree", "children"),
            ("query-target-filter", filter.as_str()),
        ];
        let tenant = self.get("/api/class/fvCEp.json", &query).await?;
        Ok(drafts::hostlink(
            environment,
            region,
            mac,
            &node,
            &endpoint,
            &system,
            &tenant,
        ))
    }

    /// The cables between a leaf (`pod-1/node-103`) and the spines: both ends, and the spines.
    pub async fn uplinks(
        &self,
        environment: &topology::Environment,
        region: Option<&ObjectKey>,
        leaf: &str,
    ) -> Result<Vec<Draft>> {
        let spines = [("query-target-filter", "eq(fabricNode.role, \"spine\")")];
        let spines: Value = self.get("/api/class/fabricNode.json", &spines).await?;
        let query = [
            ("query-target", "subtree"),
            ("target-subtree-class", "lldpAdjEp"),
        ];
        let neighbours = self
            .get(&format!("/api/mo/topology/{leaf}/sys.json"), &query)
            .await?;
        Ok(drafts::uplinks(
            environment,
            region,
            leaf,
            &spines,
            &neighbours,
        ))
    }
}
