//! A real MariaDB and a real PostgreSQL with the tables of Nova and Neutron: read, over TLS, and not written.

use crate::certificates::Certificates;
use anyhow::{Context as _, Result, bail, ensure};
use discovery::host::known::Known;
use discovery::scan::{Context, Source};
use discovery::sql::{Database, Engine, Settings};
use discovery::{Secret, Trust};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use topology::Environment;

struct Server {
    child: Child,
    settings: Settings,
    authority: String,
    folder: tempfile::TempDir,
}

/// Tables by database; one statement a line.
const TABLES: [(&str, &str); 3] = [
    (
        "nova_api",
        "CREATE TABLE aggregates (id INT, name VARCHAR(255));
CREATE TABLE aggregate_hosts (aggregate_id INT, host VARCHAR(255));
INSERT INTO aggregates VALUES (1, 'fast');
INSERT INTO aggregate_hosts VALUES (1, 'cmp-1');
",
    ),
    (
        "nova",
        "CREATE TABLE instances (uuid VARCHAR(36), display_name VARCHAR(255), host VARCHAR(255), project_id VARCHAR(255), deleted INT);
CREATE TABLE instance_info_caches (instance_uuid VARCHAR(36), network_info TEXT);
INSERT INTO instances VALUES ('i1', 'web', 'cmp-1', 'p1', 0), ('i2', 'old', 'cmp-1', 'p1', 7);
INSERT INTO instance_info_caches VALUES ('i1', '[{\"network\": {\"id\": \"n1\"}}]');
",
    ),
    (
        "neutron",
        "CREATE TABLE agents (id VARCHAR(36), host VARCHAR(255), agent_type VARCHAR(255), QbinaryQ VARCHAR(255), configurations VARCHAR(4095));
INSERT INTO agents VALUES ('a1', 'cmp-1', 'Open vSwitch agent', 'neutron-openvswitch-agent', '{\"tunnel_types\": [\"vxlan\"]}');
CREATE TABLE ml2_vxlan_endpoints (ip_address VARCHAR(64), udp_port INT, host VARCHAR(255));
INSERT INTO ml2_vxlan_endpoints VALUES ('192.0.2.1', 4789, 'cmp-1');
",
    ),
];

fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}

/// Waits until the server says that it is ready, and goes on reading what it says.
fn until_it_says(mut command: Command, ready: &str) -> Result<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(child.stderr.take().context("piped")?);
    let mut said = String::new();
    while !said.contains(ready) {
        if output.read_line(&mut said)? == 0 {
            bail!("{command:?} ended ({}): {said}", child.wait()?);
        }
    }
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    Ok(child)
}

fn settings(engine: Engine, port: u16, authority: &str) -> Settings {
    Settings {
        engine,
        host: "127.0.0.1".to_owned(),
        port,
        user: "reader".to_owned(),
        password: Secret::new("secret"),
        tls: Some(Trust::Only(authority.to_owned())),
        nova: "nova".to_owned(),
        nova_api: "nova_api".to_owned(),
        neutron: "neutron".to_owned(),
    }
}

fn mariadb() -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let certificates = Certificates::make(folder.path())?;
    let made = Command::new("mariadb-install-db")
        .args([
            "--no-defaults",
            "--user=root",
            "--auth-root-authentication-method=normal",
        ])
        .arg(format!("--datadir={}", at("data")))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(made.success(), "mariadb-install-db failed");
    let mut sql = String::new();
    for (database, tables) in TABLES {
        sql += &format!(
            "CREATE DATABASE {database};\nUSE {database};\n{}",
            tables.replace('Q', "`")
        );
    }
    sql += "CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SSL;\nGRANT ALL ON *.* TO reader@'127.0.0.1';\n";
    std::fs::write(at("tables.sql"), sql)?;
    let port = free_port()?;
    let mut command = Command::new("mariadbd");
    command
        .args([
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
        ])
        .arg(format!("--port={port}"))
        .arg(format!("--datadir={}", at("data")))
        .arg(format!("--socket={}", at("socket")))
        .arg(format!("--pid-file={}", at("pid")))
        .arg(format!("--init-file={}", at("tables.sql")))
        .arg(format!("--ssl-cert={}", certificates.certificate.display()))
        .arg(format!("--ssl-key={}", certificates.key.display()));
    Ok(Server {
        child: until_it_says(command, "ready for connections")?,
        settings: settings(Engine::Mysql, port, &certificates.authority),
        authority: certificates.authority,
        folder,
    })
}

/// The server refuses to run as root, so it runs as nobody, who owns its files.
fn postgresql() -> Result<Server> {
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::make(folder.path())?;
    let nobody = nix::unistd::User::from_name("nobody")?.context("the user nobody")?;
    let (user, group) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let own = |path: &Path, mode: u32| -> Result<()> {
        chown(path, Some(user), Some(group))?;
        Ok(std::fs::set_permissions(
            path,
            std::fs::Permissions::from_mode(mode),
        )?)
    };
    own(folder.path(), 0o700)?;
    own(&certificates.key, 0o600)?;
    own(&certificates.certificate, 0o600)?;
    let data = folder.path().join("data");
    let program = |name: &str| -> Result<Command> {
        let mut command = Command::new(postgresql_program(name)?);
        command
            .uid(user)
            .gid(group)
            .current_dir(folder.path())
            .arg("-D")
            .arg(&data);
        Ok(command)
    };
    let made = program("initdb")?
        .args([
            "--auth=scram-sha-256",
            "--username=reader",
            "--no-sync",
            "--pwfile=/dev/stdin",
        ])
        .stdin(password()?)
        .output()?;
    ensure!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::write(
        data.join("pg_hba.conf"),
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
    )?;
    let mut sql = String::new();
    for (database, tables) in TABLES {
        sql += &format!(
            "CREATE DATABASE {database};\n\\c {database}\n{}",
            tables.replace('Q', "\"")
        );
    }
    let port = free_port()?;
    let mut command = program("postgres")?;
    command.args([
        "-p",
        &port.to_string(),
        "-F",
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "ssl=on",
    ]);
    for (setting, path) in [
        ("unix_socket_directories", folder.path()),
        ("ssl_cert_file", &certificates.certificate),
        ("ssl_key_file", &certificates.key),
    ] {
        command
            .arg("-c")
            .arg(format!("{setting}={}", path.display()));
    }
    let server = Server {
        child: until_it_says(command, "ready to accept connections")?,
        settings: settings(Engine::Postgresql, port, &certificates.authority),
        authority: certificates.authority,
        folder,
    };
    server.fill(port, &sql)?;
    Ok(server)
}

/// Debian keeps the server's programs apart by version.
fn postgresql_program(name: &str) -> Result<std::path::PathBuf> {
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed")?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)));
    found
        .filter(|path| path.exists())
        .max()
        .with_context(|| format!("no {name}"))
}

/// Something to read the password from.
fn password() -> Result<Stdio> {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile()?;
    file.write_all(b"secret\n")?;
    file.rewind()?;
    Ok(file.into())
}

impl Server {
    fn fill(&self, port: u16, sql: &str) -> Result<()> {
        let tables = self.folder.path().join("tables.sql");
        std::fs::write(&tables, sql)?;
        let filled = Command::new(postgresql_program("psql")?)
            .args([
                "-X",
                "-q",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "reader",
                "-d",
                "postgres",
            ])
            .args(["-p", &port.to_string()])
            .arg("-h")
            .arg(self.folder.path())
            .arg("-f")
            .arg(&tables)
            .output()?;
        ensure!(
            filled.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&filled.stderr)
        );
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same from every engine.
async fn is_read_and_cannot_be_written(server: &Server, refusal: &str) -> Result<()> {
    let database = Database::new(server.settings.clone());
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
    let agent = find("network_agent/neutron-openvswitch-agent-a1")?;
    ensure!(agent.attributes["configurations"]["tunnel_types"][0] == "vxlan");
    let mut known = Known::default();
    database.teach(&mut known).await?;
    let endpoint = known.endpoint("vxlan", "cmp-1").context("an endpoint")?;
    ensure!(endpoint["ip_address"] == "192.0.2.1" && endpoint["udp_port"] == 4789);
    // The user might write; the session does not let it.
    let written = match server.settings.engine {
        Engine::Mysql => "INSERT INTO instances VALUES ('x', 'x', 'x', 'x', 0)",
        // Where a query can stand at all, it can call what writes.
        Engine::Postgresql => "SELECT pg_catalog.nextval('counted')",
    };
    let fault = database
        .rows("nova", written)
        .await
        .err()
        .context("a scan wrote to a database")?;
    ensure!(fault.to_string().contains(refusal), "{fault}");
    Ok(())
}

/// Whom the certificate does not convince, nothing is told: no password either.
async fn strangers_are_refused(server: &Server) -> Result<()> {
    let other = Certificates::make(tempfile::tempdir()?.path())?;
    ensure!(other.authority != server.authority);
    let mut settings = server.settings.clone();
    settings.tls = Some(Trust::Only(other.authority));
    let fault = Database::new(settings)
        .rows("nova", "SELECT 1 AS one")
        .await;
    let fault = fault
        .err()
        .context("a server of nobody's was trusted")?
        .to_string();
    ensure!(fault.contains("certificate"), "{fault}");
    Ok(())
}

#[tokio::test]
async fn a_real_mariadb_is_read_over_tls_and_cannot_be_written() -> Result<()> {
    let server = mariadb()?;
    is_read_and_cannot_be_written(&server, "READ ONLY").await?;
    strangers_are_refused(&server).await
}

#[tokio::test]
async fn a_real_postgresql_is_read_over_tls_and_cannot_be_written() -> Result<()> {
    let server = postgresql()?;
    server.fill(server.settings.port, "\\c nova\nCREATE SEQUENCE counted;\n")?;
    is_read_and_cannot_be_written(&server, "read-only transaction").await?;
    strangers_are_refused(&server).await
}
