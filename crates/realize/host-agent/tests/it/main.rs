//! Agents on real kernels: hosts are network namespaces, workloads have stock DHCP clients, packets are packets.
//! Needs root; the data path is eBPF.

mod cloud;
#[allow(dead_code, reason = "shared with the unit tests of the stream")]
mod controller;
mod faults;
mod lab;
mod lifecycle;
mod plug;
mod services;
mod traffic;

/// Not a test by itself: this is the agent that the other tests start as a process, told by its environment.
#[test]
fn agent_process() {
    let Ok(host) = std::env::var("NETWRIGHT_TEST_AGENT_HOST") else {
        return;
    };
    // Shown with the test's own output when it fails, or always with --nocapture.
    let filter = std::env::var("NETWRIGHT_TEST_LOG").unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let variable = |name: &str| std::env::var(format!("NETWRIGHT_TEST_AGENT_{name}")).expect("set");
    let dir = std::path::PathBuf::from(variable("DIR"));
    let mut config = host_agent::Config::new(
        host.parse().expect("a host name"),
        variable("ADDRESS").parse().expect("an address"),
        dir.join("state"),
        dir.join("bpf"),
    );
    config.controllers = variable("CONTROLLERS")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    if let Ok(rows) = std::env::var("NETWRIGHT_TEST_AGENT_ROWS") {
        config.limits.rows = rows.parse().expect("a number");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                .expect("signals");
        let shutdown = async {
            terminate.recv().await;
        };
        host_agent::run(config, shutdown).await
    });
    if let Err(error) = outcome {
        panic!("the agent of {host} failed: {error}");
    }
}
