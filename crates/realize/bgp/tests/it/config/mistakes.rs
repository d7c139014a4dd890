//! Every kind of mistake: its line, its key, what it says.

use super::SAMPLE;
use bgp::config::Config;
use proptest::prelude::*;

const GLOBAL: &str = "[global]\nasn = 65000\nrouter-id = \"192.0.2.1\"\n";

/// All issues of a text that follows three lines of `[global]`, as `line: key: start of the problem`.
fn issues(text: &str) -> Vec<(usize, String, String)> {
    let errors = Config::parse(&format!("{GLOBAL}{text}")).expect_err(text);
    let issues = errors.issues.into_iter();
    issues
        .map(|issue| (issue.line, issue.key, issue.problem))
        .collect()
}

fn check(text: &str, line: usize, key: &str, problem: &str) {
    let issues = issues(text);
    let found = issues
        .iter()
        .any(|(at, name, what)| *at == line && name == key && what.contains(problem));
    assert!(
        found,
        "{text}\nexpected {line} {key} {problem}\nfound {issues:#?}"
    );
}

/// Lines of a neighbor (the first is line 7): line, key and part of the problem.
const OF_A_NEIGHBOR: &[(&str, usize, &str, &str)] = &[
    (
        "hold-tim = 3",
        7,
        "neighbors[0].hold-tim",
        "did you mean `hold-time`?",
    ),
    (
        "xyzzy = 3",
        7,
        "neighbors[0].xyzzy",
        "unknown key; known here: ",
    ),
    (
        "hold-time = 2",
        7,
        "neighbors[0].hold-time",
        "0 (no keepalives) or 3 to 65535",
    ),
    (
        "hold-time = \"3\"",
        7,
        "neighbors[0].hold-time",
        "must be a whole number",
    ),
    (
        "hold-time = -3",
        7,
        "neighbors[0].hold-time",
        "must be a whole number",
    ),
    (
        "hold-time = 65536",
        7,
        "neighbors[0].hold-time",
        "0 to 65535",
    ),
    ("keepalive = 31", 7, "neighbors[0].keepalive", "at most 30"),
    (
        "passive = 1",
        7,
        "neighbors[0].passive",
        "must be true or false",
    ),
    ("role = \"boss\"", 7, "neighbors[0].role", "\"customer\""),
    (
        "role-strict = true",
        7,
        "neighbors[0].role-strict",
        "needs a role",
    ),
    (
        "local-address = \"::1\"",
        7,
        "neighbors[0].local-address",
        "not of one IP version",
    ),
    (
        "import = \"nothing\"",
        7,
        "neighbors[0].import",
        "add [policies.nothing]",
    ),
    (
        "group = \"g\"",
        7,
        "neighbors[0].group",
        "there is no such group",
    ),
    (
        "families = [\"ipv5\"]",
        7,
        "neighbors[0].families",
        "unknown family ipv5",
    ),
    (
        "families.evpn.max-prefix = {}",
        7,
        "neighbors[0].families.evpn.max-prefix.limit",
        "is missing",
    ),
    (
        "families.evpn.default-originate = true",
        7,
        "neighbors[0].families.evpn.default-originate",
        "evpn has no default route",
    ),
    (
        "families.evpn.add-path = \"all\"",
        7,
        "neighbors[0].families.evpn.add-path",
        "\"receive\"",
    ),
    (
        "ttl-security = 1\nebgp-multihop = 2",
        8,
        "neighbors[0].ebgp-multihop",
        "exclude each other",
    ),
    (
        "ttl-security = 0",
        7,
        "neighbors[0].ttl-security",
        "1 to 254",
    ),
    (
        "password = \"a\"\npassword-file = \"b\"",
        8,
        "neighbors[0].password-file",
        "keep one",
    ),
    (
        "graceful-restart.restart-time = 4096",
        7,
        "neighbors[0].graceful-restart.restart-time",
        "1 to 4095",
    ),
    (
        "bfd = 3",
        7,
        "neighbors[0].bfd",
        "must be a table, not a integer",
    ),
    (
        "interface = \"a/b\"",
        7,
        "neighbors[0].interface",
        "no name of an interface",
    ),
    (
        "interface = \"eth0\"",
        7,
        "neighbors[0].interface",
        "for a link-local address",
    ),
    ("limit = 3", 7, "neighbors[0].limit", "for a range"),
    (
        "rr-client = true",
        7,
        "neighbors[0].rr-client",
        "iBGP neighbors only",
    ),
    (
        "local-as = 1\nrole = \"peer\"",
        8,
        "neighbors[0].role",
        "eBGP neighbors only",
    ),
    (
        "local-as = 1\nroute-server-client = true",
        8,
        "neighbors[0].route-server-client",
        "eBGP neighbors only",
    ),
    (
        "local-as = 1\nas-override = true",
        8,
        "neighbors[0].as-override",
        "eBGP neighbors only",
    ),
    (
        "replace-as = true",
        7,
        "neighbors[0].replace-as",
        "add that",
    ),
    (
        "next-hop = \"self\"\nfamilies = [\"vpnv4\", \"evpn\"]",
        7,
        "neighbors[0].next-hop",
        "for ipv4-unicast and ipv6-unicast",
    ),
    (
        "bfd = {}\nttl-security = 2",
        7,
        "neighbors[0].bfd",
        "on the same link",
    ),
    (
        "range = \"10.0.0.0/8\"",
        4,
        "neighbors[0]",
        "more than one of address, interface and range",
    ),
];

#[test]
fn every_kind_of_mistake_has_its_line_and_its_remedy() {
    let neighbor =
        |rest: &str| format!("[[neighbors]]\naddress = \"192.0.2.2\"\nremote-as = 1\n{rest}\n");
    for (rest, line, key, problem) in OF_A_NEIGHBOR {
        check(&neighbor(rest), *line, key, problem);
    }
}

/// Texts (the first line is line 4): line, key and part of the problem.
const ELSEWHERE: &[(&str, usize, &str, &str)] = &[
    (
        "[[neighbors]]\nremote-as = 1",
        4,
        "neighbors[0]",
        "needs one of: address",
    ),
    (
        "[[neighbors]]\naddress = \"192.0.2.2\"",
        4,
        "neighbors[0].remote-as",
        "is missing",
    ),
    (
        "[[neighbors]]\naddress = \"fe80::1\"\nremote-as = 1",
        5,
        "neighbors[0].address",
        "link-local",
    ),
    (
        "[[neighbors]]\nrange = \"10.0.0.1/8\"\nremote-as = 1",
        5,
        "neighbors[0].range",
        "10.0.0.0/8",
    ),
    (
        "[groups.g]\naddress = \"192.0.2.2\"",
        5,
        "groups.g.address",
        "belongs to a neighbor",
    ),
    (
        "[groups.g]\nhold-time = 1",
        5,
        "groups.g.hold-time",
        "3 to 65535",
    ),
    (
        "[policies.p]\ndefault = \"maybe\"",
        5,
        "policies.p",
        "unknown variant",
    ),
    (
        "[policies.p]\nrules = [{ match = [{ prefix-list = \"l\" }], then = \"accept\" }]",
        4,
        "policies.p",
        "prefix list l",
    ),
    (
        "[policies.p]\nrules = [{ then = { jump = \"q\" } }]",
        5,
        "policies.p",
        "does not exist",
    ),
    (
        "[vrfs.v]\nrd = \"x\"",
        5,
        "vrfs.v.rd",
        "route distinguisher",
    ),
    (
        "[vrfs.v]\ntargets = [\"1:1\", \"x\"]\nrd = \"1:1\"",
        5,
        "vrfs.v.targets",
        "route target",
    ),
    (
        "[vrfs.v]\nrd = \"1:1\"\nlabel = 15",
        6,
        "vrfs.v.label",
        "16 to 1048575",
    ),
    ("[mac-vrfs.v]\nrd = \"1:1\"", 4, "mac-vrfs.v", "needs a vni"),
    (
        "[[networks]]\nvrf = \"v\"\nprefix = \"10.0.0.0/8\"",
        5,
        "networks[0].vrf",
        "add [vrfs.v]",
    ),
    (
        "[vrfs.v]\nrd = \"1:1\"\n[[networks]]\nvrf = \"v\"\nvni = 7\nevpn = \"1:1:[3]:[0]:[32]:[192.0.2.1]\"",
        7,
        "networks[0].vrf",
        "add [mac-vrfs.v]",
    ),
    (
        "[mac-vrfs.v]\nrd = \"1:1\"\nvni = 1\n[[networks]]\nvrf = \"v\"\nevpn = \"1:1:[5]:[0]:[24]:[192.0.2.0]\"",
        8,
        "networks[0].vrf",
        "write prefix",
    ),
    (
        "[[networks]]\nprefix = \"10.0.0.0/8\"\nrd = \"1:1\"",
        4,
        "networks[0].label",
        "is missing",
    ),
    (
        "[[networks]]\nevpn = \"1:1:[3]:[0]:[32]:[192.0.2.1]\"",
        4,
        "networks[0].vni",
        "is missing",
    ),
    (
        "[[kernel]]\ntable = 255",
        5,
        "kernel[0].table",
        "kept by the kernel",
    ),
    (
        "[[bmp]]\naddress = \"192.0.2.1\"",
        5,
        "bmp[0].address",
        "with its port",
    ),
    (
        "[api]\nlisten = true",
        5,
        "api.listen",
        "false switches it off",
    ),
    ("[neighbours]", 4, "neighbours", "did you mean `neighbors`?"),
    ("[[neighbors]\n", 4, "", "not TOML"),
];

#[test]
fn mistakes_outside_of_neighbors() {
    for (text, line, key, problem) in ELSEWHERE {
        check(text, *line, key, problem);
    }
    let twice = "[[neighbors]]\naddress = \"192.0.2.2\"\nremote-as = 1\n".repeat(2);
    check(&twice, 7, "neighbors[1]", "configured twice");
    let vrf = |name: &str| format!("[vrfs.{name}]\nrd = \"65000:1\"\nvni = 50\n");
    let shared = vrf("a") + &vrf("b");
    check(&shared, 9, "vrfs.b.vni", "a has it already");
    let kernel = |table: u32, vrf: &str| format!("[[kernel]]\ntable = {table}\nvrf = \"{vrf}\"\n");
    let vrfs = "[vrfs.a]\nrd = \"65000:1\"\n[vrfs.b]\nrd = \"65000:2\"\n";
    let table_twice = vrfs.to_owned() + &kernel(10, "a") + &kernel(10, "b");
    check(
        &table_twice,
        11,
        "kernel[1]",
        "table 10 is configured twice",
    );
    let vrf_twice = vrfs.to_owned() + &kernel(10, "a") + &kernel(11, "a");
    check(&vrf_twice, 11, "kernel[1]", "a goes into table 10 already");
    let vrf = "[vrfs.a]\nrd = \"65000:1\"\nvni = 50\nrouter-mac = ";
    check(
        &format!("{vrf}\"x\""),
        7,
        "vrfs.a.router-mac",
        "must be a MAC address",
    );
    check(
        &format!("{vrf}\"01:00:5e:00:00:01\""),
        7,
        "vrfs.a.router-mac",
        "not of a group",
    );
    let no_vni = format!("{vrf}\"02:00:00:00:00:01\"").replace("vni = 50\n", "");
    check(&no_vni, 6, "vrfs.a.router-mac", "add the vni");
}

#[test]
fn all_mistakes_are_listed_at_once_in_the_order_of_their_lines() {
    let errors = Config::parse(
        "[global]\nasn = 0\nrouter-id = \"x\"\nport = 0\n[[neighbors]]\naddress = \"y\"\nremote-as = \"z\"\n",
    )
    .expect_err("five mistakes");
    let lines: Vec<_> = errors.issues.iter().map(|issue| issue.line).collect();
    assert_eq!(lines, [2, 3, 4, 6, 7], "{errors}");
    let shown = errors.to_string();
    assert!(
        shown.contains("line 6: neighbors[0].address = \"y\": must be an address"),
        "{shown}"
    );
}

#[test]
fn a_fault_of_a_group_is_told_once_whoever_inherits_it() {
    let member = "[[neighbors]]\naddress = \"192.0.2.N\"\nremote-as = 1\ngroup = \"g\"\n";
    let text = format!(
        "[groups.g]\nhold-time = 1\n{}{}",
        member.replace('N', "2"),
        member.replace('N', "3")
    );
    let issues = issues(&text);
    let about = issues
        .iter()
        .filter(|(_, key, _)| key == "groups.g.hold-time");
    assert_eq!(about.count(), 1, "{issues:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is done to a file, it is read or refused with lines that exist.
    #[test]
    fn no_file_is_too_broken(
        at in 0..SAMPLE.len(),
        length in 0usize..40,
        with in "[ -~\n]{0,12}",
    ) {
        let mut text = SAMPLE.to_owned();
        let start = text.floor_char_boundary(at);
        let end = text.floor_char_boundary((at + length).min(SAMPLE.len()));
        text.replace_range(start..end.max(start), &with);
        if let Err(errors) = Config::parse(&text) {
            prop_assert!(!errors.issues.is_empty());
            let lines = text.lines().count() + 1;
            for issue in errors.issues {
                prop_assert!((1..=lines).contains(&issue.line), "{issue}");
            }
        }
    }
}
