//! A gNMI target over real gRPC: its ports are read, a wrong password is told.

use anyhow::{Context as _, Result, ensure};
use discovery::gnmi::generated::g_nmi_server::{GNmi, GNmiServer};
use discovery::gnmi::generated::{
    CapabilityRequest, CapabilityResponse, GetRequest, GetResponse, Notification, TypedValue,
    Update, typed_value,
};
use discovery::gnmi::{Settings, SwitchTarget, Switches};
use discovery::scan::{Context, Source};
use discovery::{Error, Secret, Trust};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};
use topology::{Coverage, Environment};

struct Leaf;

fn admit<T>(request: &Request<T>) -> Result<(), Status> {
    let text = |name: &str| {
        request
            .metadata()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if text("username") == Some("admin") && text("password") == Some("right") {
        return Ok(());
    }
    Err(Status::unauthenticated("who are you?"))
}

fn state(path: &[&str]) -> Option<Value> {
    Some(match path {
        ["system", "state", "hostname"] => json!("leaf-1"),
        ["interfaces"] => json!({"openconfig-interfaces:interface": [
            {"name": "Ethernet0", "state": {"type": "iana-if-type:ethernetCsmacd", "oper-status": "UP"}}]}),
        _ => return None,
    })
}

#[tonic::async_trait]
impl GNmi for Leaf {
    async fn capabilities(
        &self,
        request: Request<CapabilityRequest>,
    ) -> Result<Response<CapabilityResponse>, Status> {
        admit(&request)?;
        Ok(Response::new(CapabilityResponse {
            g_nmi_version: "0.8.0".to_owned(),
            ..CapabilityResponse::default()
        }))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        admit(&request)?;
        let message = request.into_inner();
        let path: Vec<&str> = message
            .path
            .iter()
            .flat_map(|path| &path.elem)
            .map(|elem| elem.name.as_str())
            .collect();
        let value = state(&path).ok_or_else(|| Status::not_found("no LLDP here"))?;
        let value = typed_value::Value::JsonIetfVal(value.to_string().into_bytes());
        let update = Update {
            val: Some(TypedValue { value: Some(value) }),
            ..Update::default()
        };
        Ok(Response::new(GetResponse {
            notification: vec![Notification {
                update: vec![update],
                ..Notification::default()
            }],
        }))
    }
}

#[tokio::test]
async fn a_switch_is_read_over_grpc() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let server = tonic::transport::Server::builder();
    let serving = tokio::spawn(server.serve_with_incoming(GNmiServer::new(Leaf), incoming));
    let target = |name: &str, url: &str| SwitchTarget {
        name: name.to_owned(),
        url: url.to_owned(),
    };
    let switches = |password: &str, targets: Vec<SwitchTarget>| {
        Switches::new(Settings {
            targets,
            user: "admin".to_owned(),
            password: Secret::new(password),
            trust: Trust::System,
        })
    };
    let right = switches(
        "right",
        vec![
            target("leaf-1", &url),
            target("leaf-2", "http://127.0.0.1:1"),
        ],
    );
    ensure!(right.version(&url).await? == "0.8.0");
    let wrong = switches("wrong", Vec::new()).version(&url).await;
    ensure!(matches!(wrong, Err(Error::Login { .. })), "{wrong:?}");
    let environment = Environment::new("env")?;
    let context = Context {
        environment: &environment,
        readings: &[],
    };
    let readings = right.read("gnmi-ports", context).await?;
    let port = readings
        .iter()
        .flat_map(|reading| &reading.drafts)
        .find(|draft| draft.key.to_string() == "switch_pnic/switch-leaf-1-Ethernet0")
        .context("the port")?;
    ensure!(port.attributes["state"] == "UP");
    // The silent switch makes its own ports unknown, nobody else's.
    let silent = readings
        .iter()
        .find(|reading| reading.coverage != Coverage::Complete)
        .context("a gap")?;
    let topology::Scope::All {
        within: Some(within),
        ..
    } = &silent.scope
    else {
        anyhow::bail!("the gap is not of one switch")
    };
    ensure!(within.to_string() == "switch/switch-leaf-2");
    serving.abort();
    Ok(())
}
