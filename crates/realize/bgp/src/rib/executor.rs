//! Work on several shards at once. The RIB has no threads: it cuts the work into jobs that depend on nothing of each other,
//! and whoever has threads runs them. What comes out is the same whoever does.

use super::key::Space;
use super::shard::Shard;
use std::fmt::Debug;

/// A part of some work.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Whoever has threads.
pub trait Executor: Debug + Send + Sync {
    /// Runs every job, in any order and as many at once as it likes, and returns when all are done.
    fn run(&self, jobs: Vec<Job<'_>>);
}

/// Does `work` on every shard, at once if there is an executor. What it gives is in the shards' order.
pub(super) fn on_each<S: Space, T: Send>(
    executor: Option<&dyn Executor>,
    shards: &mut [Shard<S>],
    work: impl Fn(usize, &mut Shard<S>) -> T + Sync,
) -> Vec<T> {
    let numbered = shards.iter_mut().enumerate();
    let Some(executor) = executor.filter(|_| numbered.len() > 1) else {
        return numbered.map(|(at, shard)| work(at, shard)).collect();
    };
    let mut results: Vec<Option<T>> = (0..numbered.len()).map(|_| None).collect();
    let work = &work;
    let jobs = numbered.zip(&mut results).map(|((at, shard), result)| {
        let job = move || *result = Some(work(at, shard));
        Box::new(job) as Job<'_>
    });
    executor.run(jobs.collect());
    results.into_iter().flatten().collect()
}
