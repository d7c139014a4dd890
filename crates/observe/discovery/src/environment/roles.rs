//! Who may see and change an environment: everything of it, or what belongs to one tenant.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What someone may do. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// See objects, links, cliques, messages.
    View,
    /// Also start and cancel scans, take snapshots.
    Scan,
    /// Also change the configuration and the grants.
    Edit,
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Who {
    User(String),
    Project(String),
    Role(String),
    Everyone,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    pub to: Who,
    pub right: Right,
    /// Only what belongs to this tenant of the environment; only [`Right::View`] makes sense with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// The grants of an environment. Without any, nobody but an operator of Netwright itself sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub Vec<Grant>);

/// What someone sees of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    Nothing,
    /// What belongs to these tenants, and what they stand on.
    Tenants(BTreeSet<String>),
    All,
}

impl Roles {
    /// Whether one who is all of `identities` has the right to the whole environment.
    pub fn may(&self, identities: &[Who], right: Right) -> bool {
        self.of(identities)
            .any(|grant| grant.tenant.is_none() && grant.right >= right)
    }

    /// What one who is all of `identities` may see.
    pub fn sight(&self, identities: &[Who]) -> Sight {
        if self.may(identities, Right::View) {
            return Sight::All;
        }
        let tenants: BTreeSet<String> = self
            .of(identities)
            .filter_map(|grant| grant.tenant.clone())
            .collect();
        if tenants.is_empty() {
            Sight::Nothing
        } else {
            Sight::Tenants(tenants)
        }
    }

    fn of<'a>(&'a self, identities: &'a [Who]) -> impl Iterator<Item = &'a Grant> {
        self.0
            .iter()
            .filter(|grant| grant.to == Who::Everyone || identities.contains(&grant.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenants_grant_shows_only_the_tenant() {
        let roles: Roles = serde_json::from_str(
            r#"[{"to": {"user": "noc"}, "right": "scan"}, {"to": {"project": "p1"}, "right": "view", "tenant": "p1"}]"#,
        )
        .expect("JSON");
        let noc = [Who::User("noc".to_owned())];
        assert!(
            roles.may(&noc, Right::View)
                && roles.may(&noc, Right::Scan)
                && !roles.may(&noc, Right::Edit)
        );
        assert_eq!(roles.sight(&noc), Sight::All);
        let tenant = [Who::User("alice".to_owned()), Who::Project("p1".to_owned())];
        assert!(!roles.may(&tenant, Right::View));
        assert_eq!(
            roles.sight(&tenant),
            Sight::Tenants(["p1".to_owned()].into())
        );
        assert_eq!(roles.sight(&[]), Sight::Nothing);
    }
}
