//! `teamdctl <team> state dump`: the runner and the ports of a team device, and the team units of `systemctl`.

use super::{ParseError, json};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    pub name: String,
    /// `lacp`, `activebackup`, `roundrobin`, ...
    pub runner: String,
    pub ports: Vec<TeamPort>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamPort {
    pub name: String,
    pub up: bool,
    /// Megabits a second.
    pub speed: Option<u64>,
    pub aggregator: Option<u64>,
}

/// Names of the teams with a running unit: `teamd@team0.service loaded active running ...`.
pub fn names(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            let unit = line
                .split_whitespace()
                .find(|word| word.starts_with("teamd@"))?;
            let name = unit.strip_prefix("teamd@")?.strip_suffix(".service")?;
            (!name.is_empty() && name.len() <= 15 && !name.contains('/')).then(|| name.to_owned())
        })
        .collect()
}

/// The state of one team.
pub fn state(text: &str) -> Result<Team, ParseError> {
    const FORMAT: &str = "teamdctl state dump";
    let value: Value = json::read(text, FORMAT)?;
    let setup = &value["setup"];
    let name = json::text(&value["team_device"]["ifinfo"], "ifname")
        .or_else(|| json::text(setup, "ifname"))
        .ok_or(ParseError::Shape {
            format: FORMAT,
            what: "team_device.ifinfo.ifname",
        })?;
    let ports = value["ports"]
        .as_object()
        .map(|ports| {
            ports
                .iter()
                .map(|(name, port)| TeamPort {
                    name: name.clone(),
                    up: port["link"]["up"]
                        .as_bool()
                        .or_else(|| port["link_watches"]["up"].as_bool())
                        .unwrap_or(false),
                    speed: port["link"]["speed"].as_u64(),
                    aggregator: port["runner"]["aggregator"]["id"].as_u64(),
                })
                .collect()
        })
        .unwrap_or_default();
    Ok(Team {
        name: name.to_owned(),
        runner: json::text(setup, "runner_name")
            .unwrap_or("unknown")
            .to_owned(),
        ports,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_with_link_state() {
        let team = state(
            r#"{"ports":{"eth1":{"link":{"up":true,"speed":10000,"duplex":"full"},"runner":{"aggregator":{"id":3}}},
            "eth2":{"link":{"up":false,"speed":0}}},"setup":{"runner_name":"lacp"},"team_device":{"ifinfo":{"ifname":"team0","ifindex":7}}}"#,
        )
        .expect("JSON");
        assert_eq!(
            (team.name.as_str(), team.runner.as_str()),
            ("team0", "lacp")
        );
        assert_eq!(team.ports.iter().filter(|port| port.up).count(), 1);
        assert_eq!(
            names("teamd@team0.service loaded active running Team\n● teamd@t1.service"),
            ["team0", "t1"]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = state(&text);
            let _ = names(&text);
        }
    }
}
