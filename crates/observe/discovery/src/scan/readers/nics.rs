//! Network cards of hosts with their bonds and teams, and who is at the other end of their cables.

use super::{
    IP_ADDRESS, IP_LINK, Reader, SYSFS, VPP_HARDWARE, broken, each, host, interfaces, names_of,
    nothing,
};
use crate::host::{Subject, bonds, lldp, pnics};
use crate::parse::{bond, ethtool, sysfs, team, vpp};
use crate::ssh::command::Command;
use crate::ssh::script::{Answers, Gap};
use std::collections::BTreeMap;
use topology::Draft;

const BONDS: &[&str] = &["ls", "-1", "/proc/net/bonding"];
const TEAMS: &[&str] = &[
    "systemctl",
    "list-units",
    "--plain",
    "--no-legend",
    "teamd@*",
];
const VPP_ADDRESSES: &[&str] = &["vppctl", "show", "interface", "addr"];
const VPP_BONDS: &[&str] = &["vppctl", "show", "bond", "details"];
const LLDP: &[&str] = &["lldpcli", "-f", "json", "show", "neighbors"];

pub(super) const READERS: &[Reader] = &[
    host(
        "linux-pnics",
        &["host_pnic"],
        &[SYSFS, IP_ADDRESS, IP_LINK, BONDS, TEAMS],
        second_pnics,
        read_pnics,
    ),
    host(
        "vpp-pnics",
        &["host_pnic", "bond"],
        &[VPP_HARDWARE, VPP_ADDRESSES, VPP_BONDS],
        nothing,
        read_vpp_pnics,
    ),
    host(
        "lldp",
        &["switch", "switch_pnic"],
        &[LLDP, IP_ADDRESS],
        nothing,
        read_lldp,
    ),
];

fn second_pnics(answers: &Answers) -> Vec<Command> {
    let physical = names_of(sysfs::physical(&answers.output(SYSFS).unwrap_or_default()));
    let bonds = bond_files(answers).unwrap_or_default();
    let teams = team::names(&answers.output(TEAMS).unwrap_or_default());
    let mut commands = each(&physical, |name| vec!["ethtool", name]);
    commands.extend(each(&bonds, |file| vec!["cat", file]));
    commands.extend(each(&teams, |name| vec!["teamdctl", name, "state", "dump"]));
    commands
}

fn bond_files(answers: &Answers) -> Result<Vec<String>, Gap> {
    let listing = answers.listing(BONDS)?;
    let names = bond::names(&listing).into_iter();
    Ok(names
        .map(|name| format!("/proc/net/bonding/{name}"))
        .collect())
}

fn read_pnics(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let physical = sysfs::physical(&answers.output(SYSFS)?);
    let mut interfaces = interfaces(answers, IP_ADDRESS)?;
    // Virtual functions are told by `ip link` alone.
    for link in super::interfaces(answers, IP_LINK)? {
        if let Some(known) = interfaces.iter_mut().find(|known| known.name == link.name) {
            known.virtual_functions = link.virtual_functions;
        }
    }
    let mut settings = BTreeMap::new();
    for nic in &physical {
        // ethtool adds detail to what the kernel said already; without it nothing is missing that others rely on.
        if let Ok(text) = answers.output(&["ethtool", &nic.name]) {
            settings.insert(nic.name.clone(), ethtool::settings(&text));
        }
    }
    let mut drafts = pnics::drafts(subject, &physical, &interfaces, &settings);
    let mut found = Vec::new();
    for file in bond_files(answers)? {
        let name = file.rsplit('/').next().unwrap_or_default().to_owned();
        found.push((name, bond::bond(&answers.output(&["cat", &file])?)));
    }
    let mut teams = Vec::new();
    // A host without systemd or teamd has no teams.
    for name in team::names(&answers.output(TEAMS).unwrap_or_default()) {
        let text = answers.output(&["teamdctl", &name, "state", "dump"])?;
        teams.push(team::state(&text).map_err(broken)?);
    }
    let mut aggregates = bonds::drafts(subject, &found, &interfaces, &mut drafts);
    let of_teams = bonds::team_drafts(subject, &teams, &interfaces, &mut drafts);
    aggregates.extend(of_teams);
    drafts.extend(aggregates);
    Ok(drafts)
}

fn read_vpp_pnics(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let hardware = vpp::hardware(&answers.output(VPP_HARDWARE)?);
    let addresses = vpp::addresses(&answers.output(VPP_ADDRESSES)?);
    // Bonds came with 18.07; an older VPP does not know the command.
    let bonds = vpp::bonds(&answers.output(VPP_BONDS).unwrap_or_default());
    let mut found = pnics::vpp_drafts(subject, &hardware, &addresses);
    let of_bonds = bonds::vpp_drafts(subject, &bonds, &hardware, &addresses, &mut found);
    found.extend(of_bonds);
    Ok(found)
}

fn read_lldp(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    let neighbours = crate::parse::lldp::neighbours(&answers.output(LLDP)?).map_err(broken)?;
    let interfaces = interfaces(answers, IP_ADDRESS)?;
    Ok(lldp::drafts(subject, &neighbours, &interfaces))
}
