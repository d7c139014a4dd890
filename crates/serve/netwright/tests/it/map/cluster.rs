//! The API of a small Kubernetes cluster, as far as a map reads it. What is in it can be changed, and an answer can be held back.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// The token it lets in.
pub(super) const TOKEN: &str = "let-me-read";

pub(super) struct Cluster {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pods: Vec<String>,
    /// Requests of this path get no answer for now.
    held: Option<&'static str>,
    /// How many wait for one.
    waiting: usize,
    /// Everything is refused.
    down: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread of it panics")
    }
}

impl Cluster {
    /// A cluster of two nodes with a pod on each, both behind one service.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        shared.state().pods = vec!["web-0".to_owned(), "web-1".to_owned()];
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                // A client that goes away is its own affair.
                std::thread::spawn(move || answer(&shared, stream).ok());
            }
        });
        Self { address, shared }
    }

    pub(super) fn set_pods(&self, pods: &[&str]) {
        self.shared.state().pods = pods.iter().map(|pod| (*pod).to_owned()).collect();
    }

    pub(super) fn set_down(&self, down: bool) {
        self.shared.state().down = down;
    }

    /// From now on requests of `path` wait.
    pub(super) fn hold(&self, path: &'static str) {
        self.shared.state().held = Some(path);
    }

    /// Waits until one waits.
    pub(super) fn wait_until_held(&self) {
        let state = self.shared.state();
        let (state, late) = self
            .shared
            .changed
            .wait_timeout_while(state, crate::PATIENCE, |state| state.waiting == 0)
            .expect("no thread of it panics");
        assert!(!late.timed_out(), "nobody asks for {:?}", state.held);
    }

    pub(super) fn release(&self) {
        self.shared.state().held = None;
        self.shared.changed.notify_all();
    }

    /// The settings of an environment that is this cluster, as a file for `netwright env add`.
    pub(super) fn settings(&self, name: &str, token: &str) -> String {
        format!(
            "name = \"{name}\"\nfacts = {{ environment_type = \"Kubernetes\", distribution = \"Kubernetes\", \
             mechanism_drivers = [\"Flannel\"] }}\nkubernetes = {{ url = \"http://{}\" }}\n\
             [credentials]\nkubernetes_token = \"{token}\"\n",
            self.address
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.release();
    }
}

fn answer(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let target = head.split(' ').nth(1).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let stream = reader.get_mut();
    if !head.contains(&format!("Bearer {TOKEN}")) {
        return say(
            stream,
            "401 Unauthorized",
            &json!({"message": "Unauthorized"}),
        );
    }
    if query.contains("watch=1") {
        // A quiet watch: it stays open as long as the client wants, and tells nothing.
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
        )?;
        return reader.read_line(&mut head).map(drop);
    }
    let mut state = shared.state();
    if state.held == Some(path) {
        state.waiting += 1;
        shared.changed.notify_all();
        let wait = |state| {
            shared
                .changed
                .wait_while(state, |state: &mut State| state.held.is_some())
        };
        state = wait(state).expect("no thread of it panics");
        state.waiting -= 1;
    }
    let (down, items) = (state.down, items(path, &state.pods));
    drop(state);
    match items {
        _ if down => say(stream, "503 Service Unavailable", &json!({})),
        None => say(stream, "404 Not Found", &json!({"message": "no such path"})),
        Some(items) => say(
            stream,
            "200 OK",
            &json!({"metadata": {"resourceVersion": "7"}, "items": items}),
        ),
    }
}

fn say(stream: &mut TcpStream, status: &str, body: &Value) -> std::io::Result<()> {
    let (body, length) = (body.to_string(), body.to_string().len());
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn items(path: &str, pods: &[String]) -> Option<Vec<Value>> {
    let node = |place: usize| format!("node-{}", place % 2);
    let pods = pods.iter().enumerate();
    Some(match path {
        "/api/v1/nodes" => [0, 1].map(|n| {
            json!({
                "metadata": {"name": node(n), "uid": node(n)},
                "spec": {"podCIDR": format!("10.1.{n}.0/24")},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("192.0.2.{n}")}]},
            })
        }).to_vec(),
        "/api/v1/namespaces" => vec![json!({"metadata": {"name": "shop", "uid": "ns-shop"}})],
        "/api/v1/pods" => pods
            .map(|(place, name)| {
                json!({
                    "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}")},
                    "spec": {"nodeName": node(place), "containers": [{"name": "nginx", "image": "nginx:1"}]},
                    "status": {"podIP": format!("10.1.{}.{}", place % 2, 10 + place), "phase": "Running"},
                })
            })
            .collect(),
        "/api/v1/services" => vec![json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "svc-web"},
            "spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80, "protocol": "TCP"}]},
        })],
        "/apis/discovery.k8s.io/v1/endpointslices" => vec![json!({
            "metadata": {
                "name": "web-1", "namespace": "shop", "uid": "slice-web",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "endpoints": pods
                .map(|(place, name)| {
                    json!({
                        "addresses": [format!("10.1.{}.{}", place % 2, 10 + place)],
                        "targetRef": {"kind": "Pod", "name": name, "uid": format!("uid-{name}")},
                    })
                })
                .collect::<Vec<_>>(),
        })],
        "/apis/networking.k8s.io/v1/networkpolicies" => Vec::new(),
        _ => return None,
    })
}
