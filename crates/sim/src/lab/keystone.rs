//! A real Keystone on SQLite, and the controller validating its tokens.

use super::process::{Daemon, finish};
use super::{Api, Openstack};
use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Proves that the API takes Keystone's tokens and refuses others. `programs` is the folder of Keystone's programs.
pub async fn keystone(programs: &Path) -> Result<bool> {
    let scratch = tempfile::tempdir()?;
    let keystone = Keystone::start(programs, scratch.path()).await?;
    keystone.create_users().with_context(|| {
        let log = std::fs::read_to_string(scratch.path().join("keystone.log")).unwrap_or_default();
        let from = log.len().saturating_sub(3000);
        format!("Keystone's log ends {}", log.get(from..).unwrap_or(&log))
    })?;
    let (url, mut controller) = start_controller(scratch.path(), &keystone).await?;

    let alice = keystone.token("alice", "alice-secret", "blue").await?;
    let bob = keystone.token("bob", "bob-secret", "red").await?;
    let [alice, bob, nobody] = [alice, bob, "0".repeat(32)].map(|token| Api::new(&url, &token));
    let (alice, bob, nobody) = (alice?, bob?, nobody?);
    let made = alice
        .post("/v2.0/networks", json!({"network": {"name": "alices"}}))
        .await?;
    let path = format!(
        "/v2.0/networks/{}",
        made["network"]["id"].as_str().context("no id")?
    );
    alice
        .get(&path)
        .await
        .context("alice must see her own network")?;

    for (who, answer, status) in [
        ("bob sees alice's network", bob.get(&path).await, "404"),
        (
            "a made-up token is taken",
            nobody.get("/v2.0/networks").await,
            "401",
        ),
        (
            "a member reads the operators' API",
            alice.get("/netwright/v1/hosts").await,
            "403",
        ),
    ] {
        match answer {
            Ok(answer) => bail!("{who}: {answer}"),
            Err(error) => ensure!(format!("{error:#}").contains(status), "{who}: {error:#}"),
        }
    }
    super::discovery::check(&keystone.admin(), &keystone.url, &url).await?;
    if let Some(ended) = controller.ended() {
        bail!("the controller ended: {ended}");
    }
    println!("keystone: tokens of two projects accepted, strangers refused");
    Ok(true)
}

struct Keystone {
    programs: PathBuf,
    url: String,
    server: Daemon,
}

impl Keystone {
    async fn start(programs: &Path, scratch: &Path) -> Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let url = format!("http://{address}");
        let config = scratch.join("keystone.conf");
        std::fs::write(&config, configuration(scratch))?;
        initialize(programs, &config, &url)?;
        // A write-ahead log, because Keystone writes on one connection while it reads on another.
        let wal =
            "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('PRAGMA journal_mode=WAL')";
        let python = programs.join("python");
        let database = scratch.join("keystone.db");
        finish(Command::new(&python).args(["-c", wal]).arg(database))?;
        // Keystone reads the command line when it is imported, so the address must be gone by then.
        let script = "import sys; listen = sys.argv.pop(); from keystone.wsgi.api import application; \
                      import waitress; waitress.serve(application, listen=listen)";
        let mut serve = Command::new(python);
        serve.env("OS_KEYSTONE_CONFIG_FILES", &config);
        serve.args(["-c", script, &address.to_string()]);
        let mut keystone = Self {
            programs: programs.to_owned(),
            url,
            server: Daemon::start(&mut serve, &scratch.join("keystone.log"))?,
        };
        keystone.wait().await?;
        Ok(keystone)
    }

    async fn wait(&mut self) -> Result<()> {
        let api = Api::new(&self.url, "none")?;
        let started = Instant::now();
        while api.get("/v3").await.is_err() {
            if let Some(ended) = self.server.ended() {
                bail!("Keystone ended: {ended}");
            }
            ensure!(
                started.elapsed() < Duration::from_secs(60),
                "Keystone did not answer within 60 s"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn admin(&self) -> Openstack {
        Openstack::with_password(
            self.programs.join("openstack"),
            &self.url,
            "admin",
            "admin-secret",
            "admin",
        )
    }

    /// Two projects with a member each, and the service user that validates tokens.
    fn create_users(&self) -> Result<()> {
        let admin = self.admin();
        for project in ["service", "blue", "red"] {
            admin.create(&format!("project create {project}"))?;
        }
        for (user, project, role) in [
            ("neutron", "service", "admin"),
            ("alice", "blue", "member"),
            ("bob", "red", "member"),
        ] {
            admin.create(&format!("user create {user} --password {user}-secret"))?;
            admin.run(&format!(
                "role add --user {user} --project {project} {role}"
            ))?;
        }
        Ok(())
    }

    async fn token(&self, user: &str, password: &str, project: &str) -> Result<String> {
        let domain = json!({"name": "Default"});
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {"name": user, "domain": domain, "password": password}}},
            "scope": {"project": {"name": project, "domain": domain}},
        }});
        let http = reqwest::Client::builder().no_proxy().build()?;
        let answer = http
            .post(format!("{}/v3/auth/tokens", self.url))
            .json(&body)
            .send()
            .await?;
        let token = answer
            .headers()
            .get("x-subject-token")
            .context("Keystone gave no token")?;
        Ok(token.to_str()?.to_owned())
    }
}

fn configuration(scratch: &Path) -> String {
    let path = scratch.display();
    format!(
        "[database]\nconnection = sqlite:///{path}/keystone.db\n\
         [token]\nprovider = fernet\n\
         [fernet_tokens]\nkey_repository = {path}/fernet\n\
         [fernet_receipts]\nkey_repository = {path}/fernet\n\
         [credential]\nkey_repository = {path}/credential\n\
         [identity]\npassword_hash_rounds = 4\n"
    )
}

/// Makes tables and keys, and the first administrator.
fn initialize(programs: &Path, config: &Path, url: &str) -> Result<()> {
    let user = "--keystone-user root --keystone-group root";
    for words in [
        "db_sync".to_owned(),
        format!("fernet_setup {user}"),
        format!("credential_setup {user}"),
        format!(
            "bootstrap --bootstrap-password admin-secret --bootstrap-region-id lab \
             --bootstrap-public-url {url}/v3"
        ),
    ] {
        let mut manage = Command::new(programs.join("keystone-manage"));
        manage.arg("--config-file").arg(config);
        finish(manage.args(words.split_whitespace()))?;
    }
    Ok(())
}

async fn start_controller(scratch: &Path, keystone: &Keystone) -> Result<(String, Daemon)> {
    let [api, agents] =
        [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()));
    let (api, agents) = (api?, agents?);
    let password = scratch.join("password");
    std::fs::write(&password, "neutron-secret\n")?;
    let config = scratch.join("netwright.toml");
    std::fs::write(
        &config,
        format!(
            "data_dir = \"{0}/data\"\n[api]\nlisten = \"{api}\"\n[agents]\nlisten = \"{agents}\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
             [auth]\nmode = \"keystone\"\n[auth.keystone]\nurl = \"{1}\"\nusername = \"neutron\"\npassword_file = \"{2}\"\nproject = \"service\"\n",
            scratch.display(),
            keystone.url,
            password.display()
        ),
    )?;
    let netwright = std::env::current_exe()?.with_file_name("netwright");
    let mut controller = Daemon::start(
        Command::new(netwright)
            .args(["up", "--config"])
            .arg(&config),
        &scratch.join("controller.log"),
    )?;
    let url = format!("http://{api}");
    let probe = Api::new(&url, "none")?;
    let started = Instant::now();
    while probe.get("/").await.is_err() {
        if let Some(ended) = controller.ended() {
            bail!("the controller ended: {ended}");
        }
        ensure!(
            started.elapsed() < Duration::from_secs(20),
            "the controller did not answer within 20 s"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((url, controller))
}
