//! `ip netns list`: the named network namespaces of a host, and what Neutron keeps in them.

use super::MAX_ENTRIES;

/// What Neutron's agents put in a namespace of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceKind {
    Dhcp,
    Router,
    /// The source-NAT half of a distributed router.
    Snat,
    /// The floating-IP half of a distributed router.
    FloatingIp,
    LoadBalancer,
    Metadata,
}

/// A namespace that belongs to a network service, with the id that follows the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub kind: ServiceKind,
    /// The namespace's whole name, e.g. `qdhcp-<network id>`.
    pub namespace: String,
    /// The id of the network or router.
    pub subject: String,
}

const PREFIXES: &[(&str, ServiceKind)] = &[
    ("qdhcp-", ServiceKind::Dhcp),
    ("qrouter-", ServiceKind::Router),
    ("snat-", ServiceKind::Snat),
    ("fip-", ServiceKind::FloatingIp),
    ("qlbaas-", ServiceKind::LoadBalancer),
    ("ovnmeta-", ServiceKind::Metadata),
];

impl ServiceKind {
    /// The service's type as the inventory names it.
    pub fn name(self) -> &'static str {
        match self {
            ServiceKind::Dhcp => "dhcp",
            ServiceKind::Router | ServiceKind::Snat | ServiceKind::FloatingIp => "router",
            ServiceKind::LoadBalancer => "load_balancer",
            ServiceKind::Metadata => "metadata",
        }
    }

    pub fn prefix(self) -> &'static str {
        PREFIXES
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(prefix, _)| prefix)
    }
}

/// Names of namespaces; `(id: 3)` behind a name is dropped, and so are names a shell could misread.
pub fn names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with(char::is_whitespace))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| is_name(name))
        .take(MAX_ENTRIES)
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// The services among the namespaces.
pub fn services(names: &[String]) -> Vec<Service> {
    names.iter().filter_map(|name| service(name)).collect()
}

fn service(name: &str) -> Option<Service> {
    PREFIXES.iter().find_map(|(prefix, kind)| {
        let subject = name.strip_prefix(prefix)?;
        (!subject.is_empty()).then(|| Service {
            kind: *kind,
            namespace: name.to_owned(),
            subject: subject.to_owned(),
        })
    })
}

/// Whether a namespace's name is one that may be put into a command: letters, digits, `-`, `_`, `.`, `:`, not starting with `-` or `.`.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with(['-', '.'])
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_hostile_names_are_dropped() {
        let names = names("qdhcp-1 (id: 0)\nqrouter-2\nx;reboot\n-rf\n$(id)\nvrouter\n");
        assert_eq!(names, ["qdhcp-1", "qrouter-2", "vrouter"]);
        let services = services(&names);
        assert_eq!(services.len(), 2);
        assert_eq!(services[0].kind, ServiceKind::Dhcp);
        assert_eq!(services[1].subject, "2");
    }

    proptest::proptest! {
        #[test]
        fn no_name_carries_shell_syntax(text in "(?s).{0,200}") {
            for name in names(&text) {
                proptest::prop_assert!(!name.contains([' ', ';', '$', '`', '\'', '"', '|', '&', '\n', '\\', '/']));
            }
        }
    }
}
