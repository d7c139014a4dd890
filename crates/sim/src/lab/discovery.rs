//! Discovery against real APIs: a real Keystone with its catalogue, and the controller's Neutron API behind its tokens.

use super::Openstack;
use anyhow::{Context, Result, bail, ensure};
use discovery::host::known::Known;
use discovery::openstack::{Interface, OpenStack, Settings};
use discovery::scan::tree::{Facts, Tree};
use discovery::scan::{Limits, Outcome, Request, Scan, Source};
use discovery::{Error, Secret, Trust};
use std::sync::Arc;
use tokio::sync::watch;
use topology::{Draft, Environment};

/// Scans the cloud as its administrator, and as one with a wrong password.
pub(super) async fn check(admin: &Openstack, keystone: &str, neutron: &str) -> Result<()> {
    admin.create("service create --name neutron network")?;
    admin.create(&format!(
        "endpoint create --region lab network public {neutron}"
    ))?;
    let outcome = scan(keystone, "admin-secret").await?;
    let drafts = || outcome.readings.iter().flat_map(|reading| &reading.drafts);
    let find = |object_type: &str, name: &str| -> Result<&Draft> {
        drafts()
            .find(|draft| {
                draft.key.object_type.as_str() == object_type && draft.name.as_deref() == Some(name)
            })
            .with_context(|| format!("no {object_type} {name}; faults: {:?}", outcome.faults))
    };
    let region = find("region", "lab")?;
    ensure!(region.attributes["endpoints"]["neutron"]["publicURL"] == neutron);
    let project = find("project", "blue")?;
    ensure!(
        find("project", "service").is_err(),
        "the services' own project is no tenant"
    );
    let network = find("network", "alices")?;
    ensure!(network.parent.as_ref() == Some(&project.key));
    ensure!(network.attributes["project"] == "blue");
    // There is no Nova: a gap with a reason.
    ensure!(
        outcome
            .faults
            .iter()
            .any(|(reader, reason)| reader == "nova-hosts" && reason.contains("compute"))
    );
    let refused = scan(keystone, "wrong").await?;
    ensure!(
        refused
            .readings
            .iter()
            .all(|reading| reading.drafts.is_empty())
    );
    let settings = settings(keystone, "wrong");
    match OpenStack::new(settings)?.catalogue().await {
        Err(Error::Login { .. }) => {}
        other => bail!("a wrong password gives {other:?}"),
    }
    println!("discovery: regions, projects and networks read through a real Keystone");
    Ok(())
}

fn settings(keystone: &str, password: &str) -> Settings {
    Settings {
        url: keystone.to_owned(),
        user: "admin".to_owned(),
        password: Secret::new(password),
        user_domain: "Default".to_owned(),
        project: Some("admin".to_owned()),
        project_domain: "Default".to_owned(),
        interface: Interface::Public,
        trust: Trust::System,
        endpoint_host: None,
        region: None,
    }
}

async fn scan(keystone: &str, password: &str) -> Result<Outcome> {
    let cloud: Arc<dyn Source> = Arc::new(OpenStack::new(settings(keystone, password))?);
    let environment = Environment::new("lab")?;
    let scan = Scan {
        environment: &environment,
        tree: &Tree::built_in(),
        sources: &[cloud],
        hosts: None,
        progress: &|_| {},
    };
    let request = Request {
        facts: Facts {
            environment_type: "OpenStack".to_owned(),
            ..Facts::default()
        },
        start: None,
        known: Known::default(),
        hosts: Vec::new(),
        limits: Limits::default(),
    };
    let (_cancel, cancelled) = watch::channel(false);
    Ok(scan.run(&request, cancelled).await?)
}
