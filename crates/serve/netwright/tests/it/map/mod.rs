//! The map's commands against a running controller that reads a small cluster.

mod cluster;
mod commands;
mod killed;

use crate::{Up, scratch};
use cluster::Cluster;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The commands, as an operator of one controller runs them.
struct Operator {
    url: String,
    home: TempDir,
}

/// What a command said and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Operator {
    fn of(up: &Up) -> Self {
        Self {
            url: format!("http://{}", up.api),
            home: tempfile::tempdir().expect("a folder"),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netwright"));
        command
            .args(args)
            .env("NETWRIGHT_URL", &self.url)
            .env_remove("NETWRIGHT_ENVIRONMENT")
            .env_remove("OS_TOKEN");
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().expect("netwright runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code().expect("it ends by itself"),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// What a command prints that ends with `code` and complains of nothing.
    fn ends(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert!(
            said.code == code && said.err.is_empty(),
            "{args:?}: {said:?}"
        );
        said.out
    }

    fn ok(&self, args: &[&str]) -> String {
        self.ends(0, args)
    }

    fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// What a command complains of that fails.
    fn refused(&self, code: i32, args: &[&str]) -> String {
        let said = self.run(args);
        assert!(
            said.code == code && said.out.is_empty(),
            "{args:?}: {said:?}"
        );
        said.err
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    }
}

/// A controller, an operator, and a cluster that is its environment `shop`.
struct Site {
    up: Up,
    operator: Operator,
    cluster: Cluster,
    data: PathBuf,
    _dir: TempDir,
}

impl Site {
    fn start() -> Self {
        let (dir, data) = scratch();
        let up = Up::start(&data);
        let site = Self {
            operator: Operator::of(&up),
            cluster: Cluster::start(),
            up,
            data,
            _dir: dir,
        };
        let settings = site.cluster.settings("shop", cluster::TOKEN);
        let file = site.operator.file("shop.toml", &settings);
        site.operator.ok(&["env", "add", "--file", &file]);
        site
    }

    fn scanned() -> Self {
        let site = Self::start();
        site.operator.ok(&["scan", "run", "--env", "shop"]);
        site
    }
}
