//! Writes `src/gnmi/generated/` anew from `proto/gnmi.proto`: `cargo run -p discovery --example generate`.
//! Normal builds generate nothing; a test fails when the checked-in code is out of date.

use std::path::{Path, PathBuf};

/// The one file the generator makes, named after the package.
pub(crate) const FILE: &str = "gnmi.rs";

/// Where the generated code is checked in.
pub(crate) fn checked_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gnmi/generated")
}

/// Generates the code of the protocol into `out`.
pub(crate) fn generate(out: &Path) -> anyhow::Result<()> {
    let proto = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let descriptors = protox::compile(["gnmi.proto"], [&proto])?;
    tonic_prost_build::configure()
        .out_dir(out)
        .build_transport(false)
        .compile_fds(descriptors)?;
    Ok(())
}

#[allow(
    dead_code,
    reason = "the test of the generated code includes this file for `generate`"
)]
fn main() -> anyhow::Result<()> {
    let out = checked_in();
    std::fs::create_dir_all(&out)?;
    generate(&out)?;
    println!("{}", out.join(FILE).display());
    Ok(())
}
