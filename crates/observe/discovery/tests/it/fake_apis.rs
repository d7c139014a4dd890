//! APIs that behave badly: pages that repeat, tokens that end, watches that expire, certificates nobody vouches for.

use crate::fake::{Asked, Fake, json as answer, missing};
use anyhow::{Context as _, Result, ensure};
use axum::response::{IntoResponse, Response};
use discovery::kubernetes::watch::{Collection, follow};
use discovery::kubernetes::{Kubernetes, Settings as KubernetesSettings};
use discovery::openstack::{Interface, OpenStack, Settings};
use discovery::scan::{Context, Source};
use discovery::{Secret, Trust};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use topology::{Coverage, Environment, Scope};

fn pair<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let mut pairs = asked.query.iter();
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn token(url: &str) -> Response {
    let endpoints = json!([{"interface": "public", "region": "one", "url": url}]);
    let catalogue = json!([
        {"type": "network", "name": "neutron", "endpoints": endpoints},
        {"type": "compute", "name": "nova", "endpoints": endpoints},
    ]);
    let mut response = answer(&json!({"token": {"catalog": catalogue}}));
    let value = axum::http::HeaderValue::from_static("t");
    response.headers_mut().insert("x-subject-token", value);
    response
}

fn cloud(url: &str) -> Result<OpenStack> {
    Ok(OpenStack::new(Settings {
        url: url.to_owned(),
        user: "u".to_owned(),
        password: Secret::new("p"),
        user_domain: "Default".to_owned(),
        project: Some("admin".to_owned()),
        project_domain: "Default".to_owned(),
        interface: Interface::Public,
        trust: Trust::System,
        endpoint_host: None,
        region: None,
    })?)
}

/// A Neutron whose second page of ports is as given.
async fn neutron(second: Value) -> Result<Fake> {
    neutron_for(second, true).await
}

/// The same, for a user who may list all projects or only his own.
async fn neutron_for(second: Value, all_projects: bool) -> Result<Fake> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let elsewhere = listener.local_addr()?;
    let url = Arc::new(std::sync::OnceLock::<String>::new());
    let known = Arc::clone(&url);
    let refused = Arc::new(AtomicU32::new(0));
    let fake = Fake::start(move |asked| match (asked.path.as_str(), pair(asked, "marker")) {
        ("/v3/auth/tokens", _) => token(known.get().map_or("", String::as_str)),
        // The first token ends at once.
        ("/v2.0/ports", _) if refused.fetch_add(1, Ordering::Relaxed) == 0 => {
            axum::http::StatusCode::UNAUTHORIZED.into_response()
        }
        ("/v2.0/ports", None) => answer(&json!({
            "ports": [{"id": "a", "network_id": "n"}, {"id": "b", "network_id": "n"}],
            // A link to another server is not followed; only its marker counts.
            "ports_links": [{"rel": "next", "href": format!("http://{elsewhere}/v2.0/ports?marker=b")}],
        })),
        ("/v2.0/ports", Some("b")) => answer(&second),
        ("/v3/projects", _) if !all_projects => axum::http::StatusCode::FORBIDDEN.into_response(),
        ("/v3/projects" | "/v3/auth/projects", _) => answer(&json!({"projects": [{"id": "p", "name": "p"}]})),
        _ => missing(),
    })
    .await?;
    let _ = url.set(fake.url.clone());
    Ok(fake)
}

async fn ports(fake: &Fake) -> Result<(usize, Coverage)> {
    let environment = Environment::new("env")?;
    let context = Context {
        environment: &environment,
        readings: &[],
    };
    let readings = cloud(&fake.url)?.read("neutron-ports", context).await?;
    let reading = readings.first().context("a reading")?;
    Ok((reading.drafts.len(), reading.coverage.clone()))
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_by_a_new_token() -> Result<()> {
    let fake = neutron(json!({"ports": [{"id": "c", "network_id": "n"}]})).await?;
    ensure!(ports(&fake).await? == (3, Coverage::Complete));
    let logins = fake
        .asked()
        .into_iter()
        .filter(|asked| asked.path == "/v3/auth/tokens");
    ensure!(logins.count() == 2, "the ended token was replaced");
    Ok(())
}

#[tokio::test]
async fn who_sees_only_some_projects_says_nothing_of_the_others() -> Result<()> {
    let fake = neutron_for(json!({"ports": [{"id": "c", "network_id": "n"}]}), false).await?;
    let environment = Environment::new("env")?;
    let context = Context {
        environment: &environment,
        readings: &[],
    };
    let cloud = cloud(&fake.url)?;
    for (reader, count) in [("keystone-projects", 1), ("neutron-ports", 3)] {
        let readings = cloud.read(reader, context).await?;
        let reading = readings.first().context("a reading")?;
        ensure!(reading.drafts.len() == count, "{reader}");
        let Coverage::Incomplete { reason } = &reading.coverage else {
            anyhow::bail!("{reader}: what a user is shown was taken for all there is")
        };
        ensure!(reason.contains("has a role in"), "{reason}");
    }
    Ok(())
}

/// What a Nova is asked for the servers of a hypervisor, by a user who is not told where they run.
async fn asked_nova(old: bool) -> Result<(usize, Vec<Asked>)> {
    let url = Arc::new(std::sync::OnceLock::<String>::new());
    let known = Arc::clone(&url);
    let servers = json!({"hypervisors": [
        {"hypervisor_hostname": "cmp-1", "servers": [{"uuid": "a", "name": "a"}]},
        {"hypervisor_hostname": "cmp-10", "servers": [{"uuid": "b", "name": "b"}]},
    ]});
    let fake = Fake::start(move |asked| match asked.path.as_str() {
        "/v3/auth/tokens" => token(known.get().map_or("", String::as_str)),
        "/v2.0/ports" => answer(&json!({"ports": []})),
        "/v2.0/networks" => answer(&json!({"networks": []})),
        _ if old && asked.version.is_some() => {
            axum::http::StatusCode::NOT_ACCEPTABLE.into_response()
        }
        "/servers/detail" => answer(&json!({"servers": [{"id": "a"}]})),
        "/os-hypervisors/cmp-1/servers" if old => answer(&servers),
        "/os-hypervisors" if !old => answer(&servers),
        _ => missing(),
    })
    .await?;
    let _ = url.set(fake.url.clone());
    let environment = Environment::new("env")?;
    let mut hosts = topology::Reading::named(topology::Source {
        kind: topology::SourceKind::new("nova")?,
        detail: "test".into(),
        read_at: "2026-01-01T00:00:00Z".parse()?,
    });
    for host in ["cmp-1", "net-1"] {
        let key = topology::ObjectKey::new(&environment, "host", host)?;
        hosts.drafts.push(topology::Draft::whole(key, host));
    }
    let context = Context {
        environment: &environment,
        readings: &[hosts],
    };
    let cloud = cloud(&fake.url)?;
    let readings = cloud.read("nova-instances", context).await?;
    Ok((readings[0].drafts.len(), fake.asked()))
}

#[tokio::test]
async fn novas_old_and_new_are_asked_as_they_understand() -> Result<()> {
    for old in [true, false] {
        // The network node is no hypervisor; a name that only begins alike is another host's.
        let (instances, asked) = asked_nova(old).await?;
        ensure!(instances == 1, "{asked:?}");
        let refused = asked.iter().filter(|asked| {
            asked.path == "/servers/detail" && asked.version.as_deref() == Some("compute 2.53")
        });
        ensure!(refused.count() == 1, "{asked:?}");
        let asked_hosts = asked
            .iter()
            .filter(|asked| old && asked.path.starts_with("/os-hyper"));
        ensure!(
            asked_hosts.clone().all(|asked| asked.version.is_none()),
            "{asked:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_page_that_repeats_makes_the_reading_incomplete() -> Result<()> {
    let fake = neutron(json!({"ports": [{"id": "a", "network_id": "n"}]})).await?;
    let (read, coverage) = ports(&fake).await?;
    ensure!(read == 2);
    let Coverage::Incomplete { reason } = coverage else {
        anyhow::bail!("a repeated page was taken for the end")
    };
    ensure!(reason.contains("repeats a"), "{reason}");
    Ok(())
}

fn pod(uid: &str, version: &str) -> Value {
    json!({"metadata": {"uid": uid, "name": format!("pod-{uid}"), "namespace": "default", "resourceVersion": version},
           "spec": {"nodeName": "node-1", "containers": []}, "status": {"phase": "Running"}})
}

/// The first list is at version 10, and its watch tells of a pod, then that the version is gone; the second list is at version 20.
async fn cluster() -> Result<Fake> {
    let lists = Arc::new(AtomicU32::new(0));
    Fake::start(move |asked| {
        let line =
            |kind: &str, object: Value| format!("{}\n", json!({"type": kind, "object": object}));
        match (pair(asked, "watch"), pair(asked, "resourceVersion")) {
            (None, _) if lists.fetch_add(1, Ordering::Relaxed) == 0 => {
                answer(&json!({"metadata": {"resourceVersion": "10"}, "items": [pod("a", "9")]}))
            }
            (None, _) => {
                answer(&json!({"metadata": {"resourceVersion": "20"}, "items": [pod("b", "19")]}))
            }
            (Some(_), Some("10")) => {
                let added = line("ADDED", pod("b", "11")) + &line("DELETED", pod("a", "12"));
                let bookmark = line("BOOKMARK", json!({"metadata": {"resourceVersion": "13"}}));
                (added + &bookmark).into_response()
            }
            // It went on from the bookmark.
            (Some(_), Some("13")) => {
                line("ERROR", json!({"code": 410, "message": "too old"})).into_response()
            }
            (Some(_), Some("20")) => line("MODIFIED", pod("b", "21")).into_response(),
            _ => missing(),
        }
    })
    .await
}

#[tokio::test]
async fn a_watch_that_expired_lists_again() -> Result<()> {
    let fake = cluster().await?;
    let kubernetes = Kubernetes::new(KubernetesSettings {
        url: fake.url.clone(),
        token: Secret::new("t"),
        trust: Trust::System,
    })?;
    let environment = Environment::new("env")?;
    let (sender, mut readings) = tokio::sync::mpsc::channel(16);
    let following = tokio::spawn(async move {
        let mut version = String::new();
        follow(
            &kubernetes,
            Collection::Pods,
            &environment,
            &mut version,
            &sender,
        )
        .await
    });
    let mut seen = Vec::new();
    // List, added, deleted, list again, modified.
    for _ in 0..5 {
        let reading = readings.recv().await.context("the watch ended early")?;
        let whole = matches!(reading.scope, Scope::All { .. });
        let ids: Vec<String> = reading
            .drafts
            .iter()
            .map(|draft| draft.key.id.to_string())
            .collect();
        let gone: Vec<String> = reading.gone.iter().map(|key| key.id.to_string()).collect();
        seen.push((whole, ids.concat(), gone.concat()));
    }
    let expected = [
        (true, "a", ""),
        (false, "b", ""),
        (false, "", "a"),
        (true, "b", ""),
        (false, "b", ""),
    ];
    let expected = expected.map(|(whole, ids, gone)| (whole, ids.to_owned(), gone.to_owned()));
    ensure!(seen == expected, "{seen:?}");
    following.abort();
    Ok(())
}

/// A service that leads to one pod when it is listed, and to another once the watch says that its endpoints changed.
async fn cluster_with_service() -> Result<Fake> {
    let service = json!({"metadata": {"uid": "s", "name": "web", "namespace": "shop", "resourceVersion": "9"}, "spec": {"clusterIP": "10.0.0.1"}});
    let slice = |address: &str| {
        json!({"metadata": {"uid": "e", "name": "web-1", "namespace": "shop", "resourceVersion": "9",
                            "labels": {"kubernetes.io/service-name": "web"},
                            "ownerReferences": [{"kind": "Service", "name": "web", "uid": "s"}]},
               "endpoints": [{"addresses": [address], "targetRef": {"kind": "Pod", "uid": address, "name": "p"}}]})
    };
    let list =
        |items: Value| answer(&json!({"metadata": {"resourceVersion": "10"}, "items": items}));
    Fake::start(
        move |asked| match (asked.path.as_str(), pair(asked, "watch")) {
            ("/api/v1/services", None) => list(json!([service])),
            ("/apis/discovery.k8s.io/v1/endpointslices", None) => list(json!([slice("10.1.0.1")])),
            ("/apis/discovery.k8s.io/v1/endpointslices", Some(_)) => {
                let event = json!({"type": "MODIFIED", "object": slice("10.1.0.2")});
                format!("{event}\n").into_response()
            }
            ("/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", _) => {
                list(json!([slice("10.1.0.2")]))
            }
            _ => missing(),
        },
    )
    .await
}

#[tokio::test]
async fn a_service_leads_where_its_endpoints_say_now() -> Result<()> {
    let fake = cluster_with_service().await?;
    let environment = Environment::new("env")?;
    let read = async |collection| -> Result<Value> {
        let kubernetes = Kubernetes::new(KubernetesSettings {
            url: fake.url.clone(),
            token: Secret::new("t"),
            trust: Trust::System,
        })?;
        let (sender, mut readings) = tokio::sync::mpsc::channel(1);
        let mut version = String::new();
        let following = follow(&kubernetes, collection, &environment, &mut version, &sender);
        let reading = tokio::select! {
            ended = following => anyhow::bail!("the watch ended early: {ended:?}"),
            reading = readings.recv() => reading.context("a reading")?,
        };
        let draft = reading.drafts.first().context("a draft")?;
        ensure!(draft.key.to_string() == "vservice/s");
        Ok(json!([
            draft.attributes["pods"][0]["id"],
            draft.attributes["endpoints"][0]["address"]
        ]))
    };
    ensure!(read(Collection::Services).await? == json!(["10.1.0.1", "10.1.0.1"]));
    ensure!(read(Collection::EndpointSlices).await? == json!(["10.1.0.2", "10.1.0.2"]));
    Ok(())
}

#[tokio::test]
async fn every_probe_says_what_to_do() -> Result<()> {
    use discovery::environment::{Config, CredentialName, Credentials, Probe};
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config: Config = serde_json::from_value(json!({
        "name": "env",
        "openstack": {"url": format!("http://{nobody}"), "user": "u", "project": "p"},
        "sql": {"engine": "mysql", "host": "127.0.0.1", "port": nobody.port(), "user": "u"},
        "ssh": {"user": "u", "known_hosts": "/nonexistent", "hosts": ["h"], "addresses": {"h": {"address": "127.0.0.1", "port": nobody.port()}}},
        "kubernetes": {"url": format!("http://{nobody}")},
        "aci": {"url": format!("http://{nobody}"), "user": "u"},
        "gnmi": {"targets": [{"name": "leaf-1", "url": format!("http://{nobody}")}], "user": "u"},
        "netwright": {"url": format!("http://{nobody}")},
        "amqp": {"host": "127.0.0.1", "port": nobody.port(), "user": "u"},
    }))?;
    let mut credentials = Credentials::default();
    for name in [
        CredentialName::OpenstackPassword,
        CredentialName::SqlPassword,
        CredentialName::SshPassword,
        CredentialName::KubernetesToken,
        CredentialName::AciPassword,
        CredentialName::GnmiPassword,
        CredentialName::AmqpPassword,
    ] {
        credentials.set(name, Secret::new("hunter2"));
    }
    ensure!(config.probes().len() == 8);
    for probe in config.probes() {
        let result = config.probe(&credentials, probe).await;
        ensure!(!result.reached, "{result:?}");
        ensure!(
            !result.detail.is_empty() && !result.detail.contains("hunter2"),
            "{result:?}"
        );
        let unset = config.probe(&Credentials::default(), probe).await;
        ensure!(
            probe == Probe::Netwright || unset.detail.contains("credential"),
            "{unset:?}"
        );
    }
    // What is shown of an environment holds no secret, whoever shows it.
    let shown = format!(
        "{config:?} {credentials:?} {}",
        serde_json::to_string(&config)?
    );
    ensure!(!shown.contains("hunter2"));
    Ok(())
}
