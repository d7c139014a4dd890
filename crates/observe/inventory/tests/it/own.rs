//! The controller's own cloud: a real store and controller, and an agent that is its end of the stream.

use anyhow::{Context as _, Result, ensure};
use controller::{Config, Controller};
use inventory::{Inventory, InventoryError, LiveMap, OWN, ScanRequest, Secrets};
use model::{HostName, PortId, Timestamp};
use operations::networks::NewNetwork;
use operations::ports::{FixedIpRequest, NewPort};
use operations::subnets::NewSubnet;
use operations::{Context, Defaults, Expect, OpError, hosts, networks, ports, subnets};
use std::sync::Arc;
use store::{Options, Store, Tx};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use topology::{Environment, MessageQuery, ObjectRef, StatusLevel, Version};
use wire::proto::agent_client::AgentClient;
use wire::{AgentFrame, Hello, PROTOCOL, PortState, PortStatus, proto};

struct Cloud {
    store: Store,
    controller: Controller,
    inventory: Inventory,
    map: Arc<LiveMap>,
    _dir: TempDir,
}

/// An agent that says what it is told to say.
struct Agent {
    to: mpsc::Sender<proto::AgentFrame>,
    _from: Streaming<proto::ControllerFrame>,
}

impl Agent {
    async fn connect(cloud: &Cloud, host: &HostName) -> Result<Self> {
        let uri = format!("http://{}", cloud.controller.local_addr());
        let mut client = AgentClient::new(Channel::builder(uri.parse()?).connect().await?);
        let (to, frames) = mpsc::channel(16);
        let from = client.connect(ReceiverStream::new(frames)).await?;
        let agent = Self {
            to,
            _from: from.into_inner(),
        };
        agent
            .say(AgentFrame::Hello(Hello {
                protocol: PROTOCOL,
                host: host.clone(),
                agent_version: "1.2.3".into(),
                boot_id: uuid::Uuid::nil(),
                tunnel_address: [192, 0, 2, 1].into(),
                applied: 0,
            }))
            .await?;
        let last = true;
        let entries = Vec::new();
        agent
            .say(AgentFrame::Inventory(wire::Inventory { entries, last }))
            .await?;
        Ok(agent)
    }

    async fn say(&self, frame: AgentFrame) -> Result<()> {
        Ok(self.to.send((&frame).into()).await?)
    }

    async fn status(&self, port: PortId, state: PortState, reason: &str) -> Result<()> {
        let reason = reason.to_owned();
        let revision = 0;
        self.say(AgentFrame::Status(vec![PortStatus {
            port,
            state,
            reason,
            revision,
        }]))
        .await
    }
}

impl Cloud {
    async fn start() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let store = Store::in_memory(operations::schema(), Options::default());
        let config = Config {
            listen: "127.0.0.1:0".parse()?,
            tls: None,
        };
        let controller = Controller::start(store.clone(), config).await?;
        let inventory = Inventory::open(dir.path())?;
        inventory.map_own(store.clone(), controller.fleet())?;
        Ok(Self {
            map: inventory.map(&own())?,
            store,
            controller,
            inventory,
            _dir: dir,
        })
    }

    async fn transact<R>(
        &self,
        f: impl Fn(&mut Tx, &Context) -> Result<R, OpError> + Send + Sync,
    ) -> Result<R> {
        let defaults = Defaults::default();
        let context = Context::new(Timestamp::now(), "p".parse()?, true, &defaults);
        Ok(self.store.transact(|tx| f(tx, &context)).await?.value)
    }

    /// Until the map is as wanted.
    async fn until(&self, wanted: impl Fn(&Version) -> bool) -> Result<Arc<Version>> {
        let mut changes = self.map.subscribe();
        loop {
            let head = self.map.head();
            if wanted(&head) {
                return Ok(head);
            }
            changes.changed().await.context("the map is open")?;
        }
    }

    async fn network_with_port(&self, on: &HostName) -> Result<(model::NetworkId, PortId)> {
        self.transact(|tx, ctx| {
            let network = networks::create(tx, ctx, NewNetwork::default())?.id;
            let cidr = "10.0.0.0/24".parse().expect("a prefix");
            subnets::create(tx, ctx, NewSubnet::new(network, cidr))?;
            let address = "10.0.0.7".parse().expect("an address");
            let new = NewPort {
                host: Some(on.clone()),
                device_id: "vm-1".into(),
                device_owner: "compute:nova".into(),
                fixed_ips: Some(vec![FixedIpRequest::Address(address)]),
                ..NewPort::new(network)
            };
            Ok((network, ports::create(tx, ctx, new)?.id))
        })
        .await
    }
}

fn own() -> Environment {
    Environment::new(OWN).expect("a name")
}

fn key(object_type: &str, id: impl AsRef<str>) -> ObjectRef {
    ObjectRef::new(object_type, id).expect("a key")
}

fn level(version: &Version, object: &ObjectRef) -> Option<StatusLevel> {
    Some(version.level(version.find(object)?, Timestamp::now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn intent_is_on_the_map_as_it_changes_with_its_links_cliques_and_impact() -> Result<()> {
    let cloud = Cloud::start().await?;
    let host: HostName = "h1".parse()?;
    cloud
        .transact(|tx, ctx| hosts::register(tx, ctx, &host, [192, 0, 2, 1].into()).map(drop))
        .await?;
    let (network, port) = cloud.network_with_port(&host).await?;
    let instance = key("instance", "vm-1");
    let map = cloud.until(|map| map.find(&instance).is_some()).await?;
    let focal = map.find(&instance).context("the instance")?;
    let cliques = map.cliques(focal);
    let types: Vec<&str> = cliques[0]
        .links
        .iter()
        .map(|link| link.link_type.as_str())
        .collect();
    ensure!(
        types
            == [
                "instance-vnic",
                "port-vnic",
                "vnic-vedge",
                "vedge-otep",
                "otep-network"
            ],
        "{types:?}"
    );
    let failed = map.find(&key("host", "h1")).context("the host")?;
    let impact = map.impact(&[failed]);
    for hit in [
        instance.clone(),
        key("port", port.to_string()),
        key("vedge", "h1-netwright"),
    ] {
        let handle = map.find(&hit);
        ensure!(
            impact.hit.iter().any(|hurt| Some(hurt.handle) == handle),
            "{hit} is not hit"
        );
    }
    let from = map
        .find(&key("network", network.to_string()))
        .context("the network")?;
    ensure!(map.cliques(from)[0].nodes.contains(&focal));

    let second: HostName = "h2".parse()?;
    cloud
        .transact(|tx, ctx| {
            hosts::register(tx, ctx, &second, [192, 0, 2, 2].into())?;
            let changes = operations::ports::PortChanges {
                host: Some(Some(second.clone())),
                ..Default::default()
            };
            ports::update(tx, ctx, port, Expect::default(), changes).map(drop)
        })
        .await?;
    let device = model::Port::device_name(port);
    let (old, new) = (
        key("vnic", format!("h1-{device}")),
        key("vnic", format!("h2-{device}")),
    );
    let map = cloud.until(|map| map.find(&new).is_some()).await?;
    ensure!(map.find(&old).is_none(), "a vNIC stays where its port was");
    ensure!(map.get(&instance).and_then(|vm| vm.parent.clone()) == Some(key("host", "h2")));

    cloud
        .transact(|tx, _| ports::delete(tx, port, Expect::default()))
        .await?;
    let gone = [instance, new, key("port", port.to_string())];
    cloud
        .until(|map| gone.iter().all(|key| map.find(key).is_none()))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_word_is_health_as_long_as_it_is_there() -> Result<()> {
    let cloud = Cloud::start().await?;
    let host: HostName = "h1".parse()?;
    let agent = Agent::connect(&cloud, &host).await?;
    let machine = key("host", "h1");
    let up = |map: &Version| level(map, &machine) == Some(StatusLevel::Ok);
    cloud.until(up).await?;
    let (_, port) = cloud.network_with_port(&host).await?;
    let vnic = key("vnic", format!("h1-{}", model::Port::device_name(port)));
    let reached = async |wanted| {
        cloud
            .until(|map| level(map, &vnic) == Some(wanted))
            .await
            .map(drop)
    };
    agent.status(port, PortState::Up, "").await?;
    reached(StatusLevel::Ok).await?;
    agent
        .status(port, PortState::Error, "no such device")
        .await?;
    reached(StatusLevel::Error).await?;
    drop(agent);
    let lost = |map: &Version| level(map, &machine) == Some(StatusLevel::Error);
    let map = cloud.until(lost).await?;
    ensure!(level(&map, &vnic) == Some(StatusLevel::Unknown));
    let (told, _) = cloud.map.find_messages(&MessageQuery {
        limit: 10,
        ..MessageQuery::default()
    });
    let told: Vec<&str> = told.iter().map(|message| &*message.text).collect();
    ensure!(told.contains(&"no such device"), "{told:?}");
    Ok(())
}

#[tokio::test]
async fn nobody_configures_scans_or_removes_the_own_cloud() -> Result<()> {
    let cloud = Cloud::start().await?;
    let inventory = &cloud.inventory;
    let view = inventory.environment(&own())?;
    ensure!(view.own && inventory.environments().len() == 1);
    let request = ScanRequest {
        environment: own(),
        start: None,
        schedule: None,
        snapshot: None,
    };
    let refused = [
        inventory.submit_scan(request).map(drop),
        inventory.remove_environment(&own()),
        inventory
            .add_environment(view.config.clone(), &Default::default())
            .map(drop),
        inventory
            .update_environment(view.config, Default::default(), Secrets::Follow)
            .map(drop),
    ];
    for refused in refused {
        ensure!(
            matches!(refused, Err(InventoryError::OwnEnvironment(_))),
            "{refused:?}"
        );
    }
    Ok(())
}
