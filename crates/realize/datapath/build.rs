//! Compiles the eBPF programs, and hashes what decides whether pinned programs and maps can be adopted.

use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, fs};

const SOURCE: &str = "bpf/datapath.c";

fn main() {
    println!("cargo:rerun-if-changed=bpf");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let object = out.join("datapath.o");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    // Debian keeps <asm/types.h> in the multiarch directory, which the bpf target does not search.
    let include = format!("/usr/include/{architecture}-linux-gnu");
    let status = Command::new("clang")
        .args([
            "-O2", "-g", "-target", "bpf", "-mcpu=v3", "-Wall", "-Wextra", "-Werror",
        ])
        .args(["-I", &include, "-c", SOURCE, "-o"])
        .arg(&object)
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) if !Path::new("/usr/include/bpf/bpf_helpers.h").exists() => {
            fail("the libbpf headers are missing: install the Debian package libbpf-dev");
        }
        Ok(_) => fail("clang could not compile bpf/datapath.c; its messages are above"),
        Err(_) => fail("clang is missing: install the Debian packages clang and libbpf-dev"),
    }
    let layout = hash(&["bpf/abi.h", "bpf/maps.h"].map(PathBuf::from));
    println!("cargo:rustc-env=NETWRIGHT_BPF_LAYOUT={layout:016x}");
    println!(
        "cargo:rustc-env=NETWRIGHT_BPF_PROGRAMS={:016x}",
        hash(&[object])
    );
}

/// FNV-1a 64 over the contents.
fn hash(files: &[PathBuf]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        let Ok(content) = fs::read(file) else {
            fail(&format!("cannot read {}", file.display()));
        };
        for byte in content {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

fn fail(message: &str) -> ! {
    eprintln!("datapath: {message}");
    exit(1)
}
