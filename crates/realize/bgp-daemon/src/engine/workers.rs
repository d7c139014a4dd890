//! Threads for large work on tables of several shards. They live as long as the work: it is milliseconds long, their start
//! is not a hundredth of that, and nothing waits or is torn down between.

use bgp::rib::{Executor, Job};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, available_parallelism, scope};

/// At most this many threads, the calling one included.
#[derive(Debug)]
pub(super) struct Workers(usize);

impl Workers {
    /// As many as there are shards and processors for; none if that is one.
    pub(super) fn new(shards: usize) -> Option<Self> {
        let processors = available_parallelism().map_or(1, usize::from);
        let threads = shards.min(processors);
        (threads > 1).then_some(Self(threads))
    }
}

impl Executor for Workers {
    fn run(&self, jobs: Vec<Job<'_>>) {
        let queue = Mutex::new(jobs);
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                match next {
                    Some(job) => job(),
                    None => break,
                }
            }
        };
        scope(|scope| {
            for _ in 1..self.0 {
                // Where no thread can be had, the work takes longer.
                let _ = Builder::new()
                    .name("bgp-shards".into())
                    .spawn_scoped(scope, work);
            }
            work();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_job_is_done_once_before_it_returns() {
        let counts: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
        let jobs = counts.iter().map(|count| {
            let job = || {
                count.fetch_add(1, Ordering::Relaxed);
            };
            Box::new(job) as Job<'_>
        });
        Workers(3).run(jobs.collect());
        assert!(
            counts
                .iter()
                .all(|count| count.load(Ordering::Relaxed) == 1)
        );
    }
}
