//! Which clique types are for an environment: the most exact ones.

use crate::ObjectType;
use crate::declare::{CliqueScope, CliqueType};
use crate::version::{Profile, Version};

/// How exactly a scope fits an environment; 0 is not at all. An environment's name counts 64, its distribution 32 and that version 16 more,
/// a mechanism driver 8, a type driver 4, the environment type alone 2, `ANY` 1. One thing that does not fit voids it. A whole number as
/// version means at least that version.
pub fn score(profile: &Profile, scope: &CliqueScope) -> u32 {
    if let Some(environment) = &scope.environment {
        return if *environment == profile.name { 64 } else { 0 };
    }
    let mut score = 0;
    let mut fits = true;
    let mut count = |wanted: bool, points: u32| {
        fits &= wanted;
        score += points;
    };
    if let Some(wanted) = &scope.distribution {
        count(*wanted == profile.distribution, 32);
    }
    if let Some(wanted) = &scope.distribution_version {
        let version = &profile.distribution_version;
        let at_least = match (wanted.parse::<u64>(), version.parse::<u64>()) {
            (Ok(wanted), Ok(version)) => version >= wanted,
            _ => wanted == version,
        };
        count(at_least, 16);
    }
    if let Some(wanted) = &scope.mechanism_driver {
        count(profile.mechanism_drivers.contains(wanted), 8);
    }
    if let Some(wanted) = &scope.type_driver {
        count(profile.type_drivers.contains(wanted), 4);
    }
    if let Some(wanted) = &scope.environment_type
        && *wanted != profile.environment_type
    {
        return 0;
    }
    match (fits, score) {
        (false, _) => 0,
        (true, 0) if scope.environment_type.is_some() => 2,
        (true, 0) if scope.any => 1,
        (true, score) => score,
    }
}

impl Version {
    /// The clique types that fit this environment best for focal objects of a type; all of those equally good.
    pub fn clique_types_for(&self, focal: &ObjectType) -> Vec<&CliqueType> {
        let scored: Vec<(u32, &CliqueType)> = self
            .state
            .declarations
            .cliques
            .iter()
            .filter(|clique| clique.focal == *focal)
            .map(|clique| (score(&self.profile, &clique.scope), clique))
            .filter(|(score, _)| *score > 0)
            .collect();
        let best = scored.iter().map(|(score, _)| *score).max();
        scored
            .into_iter()
            .filter(|(score, _)| Some(*score) == best)
            .map(|(_, clique)| clique)
            .collect()
    }
}
