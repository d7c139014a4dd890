//! Writes `src/generated/` anew from `proto/agent.proto`: `cargo run -p wire --example generate`.
//! Normal builds generate nothing; `tests/generated.rs` fails when the checked-in code is out of date.

use std::path::{Path, PathBuf};

/// The one file the generator makes, named after the package.
pub(crate) const FILE: &str = "netwright.agent.v1.rs";

/// Where the generated code is checked in.
pub(crate) fn checked_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated")
}

/// Generates the code of the protocol into `out`.
pub(crate) fn generate(out: &Path) -> anyhow::Result<()> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let descriptors = protox::compile(["agent.proto"], [&proto])?;
    tonic_prost_build::configure()
        .out_dir(out)
        // Its inherent `connect` would collide with the call of that name; `AgentClient::new(channel)` serves.
        .build_transport(false)
        .bytes(".netwright.agent.v1.Delta.upserts")
        .compile_fds(descriptors)?;
    Ok(())
}

#[allow(
    dead_code,
    reason = "tests/generated.rs includes this file for `generate`"
)]
fn main() -> anyhow::Result<()> {
    let out = checked_in();
    generate(&out)?;
    println!("{}", out.join(FILE).display());
    Ok(())
}
