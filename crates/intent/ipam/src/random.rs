//! Random choices whose source is given by the caller, so that a simulation repeats them from a seed.

/// 64 random bits per call: `&rand::random::<u64>` in a server, a seeded generator in a simulation.
pub type Random<'a> = &'a (dyn Fn() -> u64 + Sync);

/// A number below `bound`, which is not 0. Uniform to within 2^-64 for bounds up to 2^64.
pub(crate) fn below(random: Random, bound: u128) -> u128 {
    let wide = (u128::from(random()) << 64) | u128::from(random());
    wide % bound
}
