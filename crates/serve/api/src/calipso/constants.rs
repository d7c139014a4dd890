//! The lists of constants that parameters are held against, by the earlier system's names.

const LISTS: &[(&str, &[&str])] = &[
    ("constraints", &["network"]),
    (
        "env_types",
        &["development", "testing", "staging", "production"],
    ),
    (
        "log_levels",
        &["critical", "error", "warning", "info", "debug", "notset"],
    ),
    (
        "environment_types",
        &[
            "OpenStack",
            "Kubernetes",
            "VMware",
            "Bare-metal",
            "Netwright",
            "Hosts",
        ],
    ),
    (
        "mechanism_drivers",
        &[
            "OVS", "VPP", "LXB", "Arista", "Nexus", "OVN", "SRIOV", "Flannel", "Calico", "Cilium",
        ],
    ),
    (
        "type_drivers",
        &["local", "vlan", "vxlan", "gre", "flat", "geneve"],
    ),
    (
        "configuration_targets",
        &[
            "AMQP",
            "CLI",
            "ACI",
            "mysql",
            "OpenStack",
            "Monitoring",
            "Kubernetes",
        ],
    ),
    ("connection_test_statuses", &["request", "response"]),
    ("environment_monitoring_types", &["Sensu"]),
    ("link_states", &["up", "down"]),
    (
        "environment_provision_types",
        &["None", "Deploy", "Files", "DB"],
    ),
    (
        "environment_operational_status",
        &["stopped", "running", "error"],
    ),
    ("monitoring_sides", &["client", "server"]),
    (
        "messages_severity",
        &[
            "panic", "alert", "crit", "error", "warn", "notice", "info", "debug",
        ],
    ),
    (
        "scans_statuses",
        &[
            "draft",
            "pending",
            "running",
            "completed",
            "completed_with_errors",
            "failed",
            "aborted",
        ],
    ),
    (
        "scheduled_frequencies",
        &["HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"],
    ),
    (
        "message_source_systems",
        &["OpenStack", "Calipso", "Sensu", "Kubernetes", "Netwright"],
    ),
    (
        "distributions",
        &[
            "Mirantis",
            "RDO",
            "Devstack",
            "Canonical",
            "Apex",
            "Packstack",
            "Stratoscale",
            "Mercury",
            "Kolla",
            "Kubernetes",
        ],
    ),
    (
        "distribution_versions",
        &[
            "6.0",
            "7.0",
            "8.0",
            "9.0",
            "Mitaka",
            "Liberty",
            "Newton",
            "Ocata",
            "Juno",
            "Kilo",
            "Icehouse",
            "7.0.0-0.10.dev1682",
            "2.1.6",
            "9.1",
            "10.0",
            "Euphrates",
            "10239",
            "10307",
            "10918",
            "11190",
        ],
    ),
    (
        "object_types",
        &[
            "vnic",
            "vconnector",
            "vedge",
            "instance",
            "vservice",
            "host_pnic",
            "switch_pnic",
            "network",
            "switch",
            "port",
            "otep",
            "agent",
            "host",
            "pod",
            "container",
            "namespace",
        ],
    ),
    (
        "link_types",
        &[
            "instance-vnic",
            "vnic-instance",
            "vnic-vconnector",
            "vconnector-vnic",
            "vconnector-vedge",
            "vedge-vconnector",
            "vedge-host_pnic",
            "host_pnic-vedge",
            "host_pnic-network",
            "network-host_pnic",
            "vedge-otep",
            "otep-vedge",
            "otep-vconnector",
            "vconnector-otep",
            "otep-host_pnic",
            "host_pnic-otep",
            "vconnector-host_pnic",
            "host_pnic-vconnector",
            "vnic-vedge",
            "vedge-vnic",
            "vservice-vnic",
            "vnic-vservice",
            "switch_pnic-host_pnic",
            "host_pnic-switch_pnic",
            "switch_pnic-switch_pnic",
            "switch_pnic-switch",
            "switch-switch_pnic",
        ],
    ),
];

/// A list by name.
pub(super) fn list(name: &str) -> Option<&'static [&'static str]> {
    LISTS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, values)| *values)
}

pub(super) fn all() -> impl Iterator<Item = (&'static str, usize)> {
    LISTS.iter().map(|(name, values)| (*name, values.len()))
}

pub(super) fn holds(name: &str, value: &str) -> bool {
    list(name).is_some_and(|values| values.contains(&value))
}
