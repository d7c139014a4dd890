//! A real MariaDB with the tables of Nova and Neutron: read, and not written.

use anyhow::{Context as _, Result, ensure};
use discovery::Secret;
use discovery::host::known::Known;
use discovery::scan::{Context, Source};
use discovery::sql::{Database, Engine, Settings};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use topology::Environment;

struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

const TABLES: &str = "
CREATE DATABASE nova_api; CREATE DATABASE nova; CREATE DATABASE neutron;
CREATE TABLE nova_api.aggregates (id INT, name VARCHAR(255));
CREATE TABLE nova_api.aggregate_hosts (aggregate_id INT, host VARCHAR(255));
INSERT INTO nova_api.aggregates VALUES (1, 'fast'); INSERT INTO nova_api.aggregate_hosts VALUES (1, 'cmp-1');
CREATE TABLE nova.instances (uuid VARCHAR(36), display_name VARCHAR(255), host VARCHAR(255), project_id VARCHAR(255), deleted INT);
CREATE TABLE nova.instance_info_caches (instance_uuid VARCHAR(36), network_info MEDIUMTEXT);
INSERT INTO nova.instances VALUES ('i1', 'web', 'cmp-1', 'p1', 0), ('i2', 'old', 'cmp-1', 'p1', 7);
INSERT INTO nova.instance_info_caches VALUES ('i1', '[{\"network\": {\"id\": \"n1\"}}]');
CREATE TABLE neutron.agents (id VARCHAR(36), host VARCHAR(255), agent_type VARCHAR(255), `binary` VARCHAR(255), configurations VARCHAR(4095));
INSERT INTO neutron.agents VALUES ('a1', 'cmp-1', 'Open vSwitch agent', 'neutron-openvswitch-agent', '{\"tunnel_types\": [\"vxlan\"]}');
CREATE TABLE neutron.ml2_vxlan_endpoints (ip_address VARCHAR(64), udp_port INT, host VARCHAR(255));
INSERT INTO neutron.ml2_vxlan_endpoints VALUES ('192.0.2.1', 4789, 'cmp-1');
CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON *.* TO reader@'127.0.0.1';
";

impl Server {
    fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--auth-root-authentication-method=normal",
            ])
            .arg(format!("--datadir={}", data.display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        ensure!(made.success(), "mariadb-install-db failed");
        let tables = folder.path().join("tables.sql");
        // One statement a line.
        std::fs::write(&tables, TABLES.replace("; ", ";\n"))?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let log = std::fs::File::create(folder.path().join("log"))?;
        let child = Command::new("mariadbd")
            .args([
                "--no-defaults",
                "--user=root",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
            ])
            .arg(format!("--port={port}"))
            .arg(format!("--datadir={}", data.display()))
            .arg(format!(
                "--socket={}",
                folder.path().join("socket").display()
            ))
            .arg(format!(
                "--pid-file={}",
                folder.path().join("pid").display()
            ))
            .arg(format!("--init-file={}", tables.display()))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut server = Self {
            child,
            port,
            folder,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = std::fs::read_to_string(server.folder.path().join("log"))?;
            ensure!(server.child.try_wait()?.is_none(), "MariaDB ended: {log}");
            ensure!(Instant::now() < deadline, "MariaDB does not listen: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_real_database_is_read_and_cannot_be_written() -> Result<()> {
    let server = Server::start()?;
    let database = Database::new(Settings {
        engine: Engine::Mysql,
        host: "127.0.0.1".to_owned(),
        port: server.port,
        user: "reader".to_owned(),
        password: Secret::new("secret"),
        nova: "nova".to_owned(),
        nova_api: "nova_api".to_owned(),
        neutron: "neutron".to_owned(),
    });
    let environment = Environment::new("env")?;
    let context = Context {
        environment: &environment,
        readings: &[],
    };
    let mut found = Vec::new();
    for reader in database.readers() {
        for reading in database.read(reader, context).await? {
            found.extend(reading.drafts);
        }
    }
    let find = |key: &str| {
        found
            .iter()
            .find(|draft| draft.key.to_string() == key)
            .with_context(|| format!("no {key} in {found:?}"))
    };
    ensure!(find("host_ref/aggregate-fast-cmp-1")?.attributes["ref_id"] == "cmp-1");
    ensure!(find("instance/i1")?.attributes["network"] == serde_json::json!(["n1"]));
    ensure!(
        find("instance/i2").is_err(),
        "deleted rows are no instances"
    );
    ensure!(
        find("network_agent/neutron-openvswitch-agent-a1")?.attributes["configurations"]["tunnel_types"]
            [0]
            == "vxlan"
    );
    let mut known = Known::default();
    database.teach(&mut known).await?;
    let endpoint = known.endpoint("vxlan", "cmp-1").context("an endpoint")?;
    ensure!(endpoint["ip_address"] == "192.0.2.1" && endpoint["udp_port"] == 4789);
    // The user might write; the session does not let it.
    let written = database
        .rows(
            "nova",
            "INSERT INTO instances VALUES ('x', 'x', 'x', 'x', 0)",
        )
        .await;
    let fault = written
        .err()
        .context("a scan wrote to a database")?
        .to_string();
    ensure!(fault.contains("READ ONLY"), "{fault}");
    Ok(())
}
