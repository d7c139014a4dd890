//! Containers of a node: `crictl inspect`/`crictl pods` (CRI), `docker inspect`, `docker network inspect`, and the `iflink` that
//! ties a container's eth0 to the node's interface.

use super::{ParseError, json};
use serde_json::Value;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub pod_uid: Option<String>,
    pub namespace: Option<String>,
    pub process: Option<u64>,
    /// The network namespace's path.
    pub network_namespace: Option<String>,
}

/// `docker inspect <ids>`: an array; `crictl inspect <id>`: an object with `status` and `info`.
pub fn containers(text: &str) -> Result<Vec<Container>, ParseError> {
    let value: Value = json::read(text, "container inspect")?;
    match &value {
        Value::Array(many) => Ok(many
            .iter()
            .take(super::MAX_ENTRIES)
            .filter_map(docker)
            .collect()),
        Value::Object(_) => cri(&value).map(|one| vec![one]).ok_or(ParseError::Shape {
            format: "crictl inspect",
            what: "status.id",
        }),
        _ => Err(ParseError::Shape {
            format: "container inspect",
            what: "object or array",
        }),
    }
}

const POD_UID: &str = "io.kubernetes.pod.uid";
const POD_NAMESPACE: &str = "io.kubernetes.pod.namespace";
const CONTAINER_NAME: &str = "io.kubernetes.container.name";

fn docker(value: &Value) -> Option<Container> {
    let labels = &value["Config"]["Labels"];
    Some(Container {
        id: json::text(value, "Id")?.to_owned(),
        name: json::text(labels, CONTAINER_NAME)
            .or_else(|| json::text(value, "Name").map(|name| name.trim_start_matches('/')))?
            .to_owned(),
        pod_uid: json::text(labels, POD_UID).map(str::to_owned),
        namespace: json::text(labels, POD_NAMESPACE).map(str::to_owned),
        process: value["State"]["Pid"].as_u64().filter(|pid| *pid > 0),
        network_namespace: json::text(&value["NetworkSettings"], "SandboxKey")
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    })
}

fn cri(value: &Value) -> Option<Container> {
    let status = &value["status"];
    let labels = &status["labels"];
    let namespaces = value["info"]["runtimeSpec"]["linux"]["namespaces"].as_array();
    Some(Container {
        id: json::text(status, "id")?.to_owned(),
        name: json::text(&status["metadata"], "name")?.to_owned(),
        pod_uid: json::text(labels, POD_UID).map(str::to_owned),
        namespace: json::text(labels, POD_NAMESPACE).map(str::to_owned),
        process: value["info"]["pid"].as_u64().filter(|pid| *pid > 0),
        network_namespace: namespaces.and_then(|all| {
            let network = all
                .iter()
                .find(|one| json::text(one, "type") == Some("network"))?;
            json::text(network, "path").map(str::to_owned)
        }),
    })
}

/// The number of `/sys/class/net/eth0/iflink`: the index of the peer on the node.
pub fn interface_link(text: &str) -> Option<u32> {
    text.trim().parse().ok()
}

/// A network of the container engine: its name, id, driver and subnets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineNetwork {
    pub id: String,
    pub name: String,
    pub driver: String,
    pub subnets: Vec<ipnet::IpNet>,
}

/// `docker network inspect $(docker network ls -q)`.
pub fn networks(text: &str) -> Result<Vec<EngineNetwork>, ParseError> {
    let values: Vec<Value> = json::array(text, "docker network inspect")?;
    Ok(values
        .iter()
        .filter_map(|value| {
            Some(EngineNetwork {
                id: json::text(value, "Id")?.to_owned(),
                name: json::text(value, "Name")?.to_owned(),
                driver: json::text(value, "Driver").unwrap_or("unknown").to_owned(),
                subnets: value["IPAM"]["Config"]
                    .as_array()
                    .map(|all| {
                        all.iter()
                            .filter_map(|one| json::text(one, "Subnet")?.parse().ok())
                            .collect()
                    })
                    .unwrap_or_default(),
            })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_say_the_same() {
        let docker = r#"[{"Id":"c1","Name":"/k8s_web_1","State":{"Pid":42},"Config":{"Labels":{"io.kubernetes.pod.uid":"u1",
            "io.kubernetes.container.name":"web","io.kubernetes.pod.namespace":"default"}},"NetworkSettings":{"SandboxKey":""}}]"#;
        let cri = r#"{"status":{"id":"c1","metadata":{"name":"web"},"labels":{"io.kubernetes.pod.uid":"u1",
            "io.kubernetes.pod.namespace":"default"}},"info":{"pid":42,"runtimeSpec":{"linux":{"namespaces":[{"type":"pid"}]}}}}"#;
        assert_eq!(
            containers(docker).expect("JSON"),
            containers(cri).expect("JSON")
        );
        assert_eq!(interface_link("17\n"), Some(17));
        let networks = networks(r#"[{"Id":"n","Name":"bridge","Driver":"bridge","IPAM":{"Config":[{"Subnet":"172.17.0.0/16"},{}]}}]"#).expect("JSON");
        assert_eq!(networks[0].subnets.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = (containers(&text), networks(&text), interface_link(&text));
        }
    }
}
