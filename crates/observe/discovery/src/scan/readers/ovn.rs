//! OVN's databases, on the hosts that have them.

use super::{Reader, broken, host, nothing};
use crate::host::{Subject, ovn};
use crate::parse::ovn::{Row, rows};
use crate::ssh::script::{Answers, Gap};
use topology::Draft;

/// `--no-leader-only`: of a clustered database this host has one server, which may follow another; what it knows may be a moment old.
const fn list(program: &'static str, table: &'static str) -> [&'static str; 5] {
    [program, "--no-leader-only", "--format=json", "list", table]
}

const CHASSIS: &[&str] = &list("ovn-sbctl", "Chassis");
const BINDINGS: &[&str] = &list("ovn-sbctl", "Port_Binding");
const SWITCHES: &[&str] = &list("ovn-nbctl", "Logical_Switch");
const SWITCH_PORTS: &[&str] = &list("ovn-nbctl", "Logical_Switch_Port");
const ROUTERS: &[&str] = &list("ovn-nbctl", "Logical_Router");
const ROUTER_PORTS: &[&str] = &list("ovn-nbctl", "Logical_Router_Port");
const GROUPS: &[&str] = &list("ovn-nbctl", "Port_Group");
const ACLS: &[&str] = &list("ovn-nbctl", "ACL");

pub(super) const READERS: &[Reader] = &[
    host(
        "ovn-ports",
        &["port"],
        &[CHASSIS, BINDINGS],
        nothing,
        read_southbound,
    ),
    host(
        "ovn-northbound",
        &["network", "router", "port"],
        &[SWITCHES, SWITCH_PORTS, ROUTERS, ROUTER_PORTS, GROUPS, ACLS],
        nothing,
        read_northbound,
    ),
];

/// Whether the host has no such database: no client, or no server at its socket. Any other failure is one.
fn is_absent(answers: &Answers, words: &[&str]) -> bool {
    let says = |complaint: &str| {
        ["No such file", "Connection refused", "command not found"]
            .iter()
            .any(|reason| complaint.contains(reason))
    };
    answers.raw(words).is_some_and(|answer| {
        answer.status == 127 || (answer.status != 0 && says(&answer.complaint))
    })
}

fn table(answers: &Answers, words: &[&str]) -> Result<Vec<Row>, Gap> {
    rows(&answers.output(words)?).map_err(broken)
}

fn read_southbound(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    if is_absent(answers, BINDINGS) {
        return Ok(Vec::new());
    }
    let chassis = table(answers, CHASSIS)?;
    Ok(ovn::drafts(subject, &table(answers, BINDINGS)?, &chassis))
}

fn read_northbound(subject: &Subject<'_>, answers: &Answers) -> Result<Vec<Draft>, Gap> {
    if is_absent(answers, SWITCHES) {
        return Ok(Vec::new());
    }
    let northbound = ovn::Northbound {
        switches: table(answers, SWITCHES)?,
        switch_ports: table(answers, SWITCH_PORTS)?,
        routers: table(answers, ROUTERS)?,
        router_ports: table(answers, ROUTER_PORTS)?,
        port_groups: table(answers, GROUPS)?,
        acls: table(answers, ACLS)?,
    };
    Ok(northbound.drafts(subject))
}
