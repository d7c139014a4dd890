//! The bpffs directory: maps by layout and programs by build, so that a new agent adopts what it understands and
//! never misreads what it does not.
//!
//! ```text
//! PIN_DIR/maps_LAYOUT/NAME       maps of one layout; one directory, older ones are removed
//! PIN_DIR/programs_BUILD/NAME    programs of one build; likewise
//! ```

use crate::Error;
use crate::config::{Config, Limits};
use crate::tables::Map;
use aya::programs::{ProgramFd, SchedClassifier};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/datapath.o"));
const LAYOUT: &str = env!("NETWRIGHT_BPF_LAYOUT");
const BUILD: &str = env!("NETWRIGHT_BPF_PROGRAMS");
/// The maps that the programs write to, beside the policy maps.
const STATE: [&str; 5] = ["connections", "fragments", "settings", "counters", "punts"];
/// statfs(2) of bpffs.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// A program in the kernel.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) id: u32,
    fd: ProgramFd,
}

impl Program {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn new(name: &'static str, program: &SchedClassifier) -> Result<Self, Error> {
        let failed = |error: &dyn std::fmt::Display| Error::Load {
            program: name.to_owned(),
            detail: error.to_string(),
        };
        let fd = program.fd().map_err(|e| failed(&e))?;
        Ok(Self {
            name,
            id: program.info().map_err(|e| failed(&e))?.id(),
            fd: fd.try_clone().map_err(|e| failed(&e))?,
        })
    }
}

/// The three hooks.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) from_port: Program,
    pub(crate) to_port: Program,
    pub(crate) from_tunnel: Program,
}

impl Programs {
    fn try_each(
        mut get: impl FnMut(&'static str) -> Result<Program, Error>,
    ) -> Result<Self, Error> {
        Ok(Self {
            from_port: get("from_port")?,
            to_port: get("to_port")?,
            from_tunnel: get("from_tunnel")?,
        })
    }
}

/// What stands in the directory now.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) maps: PathBuf,
    pub(crate) programs: Programs,
    pub(crate) adopted_maps: bool,
    pub(crate) adopted_programs: bool,
}

/// Adopts or loads.
pub(crate) fn open(config: &Config) -> Result<Pinned, Error> {
    prepare(&config.pin_dir)?;
    let maps = config.pin_dir.join(format!("maps_{LAYOUT}"));
    let programs = config.pin_dir.join(format!("programs_{BUILD}"));
    let adopted_maps = maps.is_dir();
    if adopted_maps && let Ok(programs) = adopt(&programs) {
        return Ok(Pinned {
            maps,
            programs,
            adopted_maps,
            adopted_programs: true,
        });
    }
    make_directory(&maps)?;
    let mut ebpf = load(Some(&maps), &config.limits, false)?;
    let loaded = loaded_programs(&mut ebpf)?;
    remove_others(&config.pin_dir, &maps)?;
    make_directory(&programs)?;
    for name in ["from_port", "to_port", "from_tunnel"] {
        let program = classifier(&mut ebpf, name)?;
        let path = programs.join(name);
        program.pin(&path).map_err(|error| Error::Load {
            program: name.to_owned(),
            detail: format!("cannot pin it at {}: {error}", path.display()),
        })?;
    }
    Ok(Pinned {
        maps,
        programs: loaded,
        adopted_maps,
        adopted_programs: false,
    })
}

/// Loads the programs. With `recording` they say what they would do instead of doing it.
pub(crate) fn load(maps: Option<&Path>, limits: &Limits, recording: bool) -> Result<Ebpf, Error> {
    let mut loader = EbpfLoader::new();
    let recording = u32::from(recording);
    loader.override_global("testing", &recording, true);
    let policy = Map::ALL.map(Map::name);
    for name in policy {
        loader.map_max_entries(name, limits.rows);
    }
    if let Some(maps) = maps {
        for name in policy.into_iter().chain(STATE) {
            loader.map_pin_path(name, maps.join(name));
        }
    }
    loader.map_max_entries("connections", limits.connections);
    loader.map_max_entries("fragments", (limits.connections / 8).max(1024));
    loader.load(OBJECT).map_err(|error| Error::Load {
        program: "netwright".to_owned(),
        detail: explain(&error),
    })
}

pub(crate) fn loaded_programs(ebpf: &mut Ebpf) -> Result<Programs, Error> {
    Programs::try_each(|name| {
        let program = classifier(ebpf, name)?;
        program.load().map_err(|error| Error::Load {
            program: name.to_owned(),
            detail: explain(&error),
        })?;
        Program::new(name, program)
    })
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut SchedClassifier, Error> {
    let missing = || Error::Load {
        program: name.to_owned(),
        detail: "the object does not hold it".to_owned(),
    };
    let program = ebpf.program_mut(name).ok_or_else(missing)?;
    program.try_into().map_err(|_| missing())
}

fn adopt(directory: &Path) -> Result<Programs, Error> {
    Programs::try_each(|name| {
        let program =
            SchedClassifier::from_pin(directory.join(name)).map_err(|error| Error::Load {
                program: name.to_owned(),
                detail: explain(&error),
            })?;
        Program::new(name, &program)
    })
}

/// Makes the directory, on a bpffs.
fn prepare(directory: &Path) -> Result<(), Error> {
    if directory.to_string_lossy().contains('.') {
        return Err(Error::PinDirectory(directory.to_owned()));
    }
    let failed = |action| {
        move |error: io::Error| Error::Path {
            action,
            path: directory.to_owned(),
            source: error,
        }
    };
    // In sysfs no directory can be made, only mounted on.
    let usual = Path::new("/sys/fs/bpf");
    if directory.starts_with(usual) && !is_bpffs(usual).map_err(failed("inspect"))? {
        mount(usual).map_err(failed("mount bpffs above"))?;
    }
    make_directory(directory)?;
    if is_bpffs(directory).map_err(failed("inspect"))? {
        return Ok(());
    }
    mount(directory).map_err(failed("mount bpffs on"))
}

fn is_bpffs(directory: &Path) -> io::Result<bool> {
    let kind = nix::sys::statfs::statfs(directory)?.filesystem_type();
    Ok(kind.0 as i64 & 0xffff_ffff == BPF_FS_MAGIC)
}

fn mount(directory: &Path) -> io::Result<()> {
    let bpf = Some("bpf");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(bpf, directory, bpf, flags, Some("mode=0700"))?;
    Ok(())
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::Path {
        action: "make the directory",
        path: path.to_owned(),
        source,
    })
}

/// Unpins programs of other builds and maps of other layouts. What is attached stays until it is replaced.
fn remove_others(directory: &Path, maps: &Path) -> Result<(), Error> {
    let remove = || -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = name.starts_with("maps_") || name.starts_with("programs_");
            if is_ours && path != maps {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    };
    remove().map_err(|source| Error::Path {
        action: "remove what older builds pinned in",
        path: directory.to_owned(),
        source,
    })
}

/// An error with its causes: the verifier's log is in the innermost.
fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
