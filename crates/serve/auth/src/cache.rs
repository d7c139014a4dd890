//! What is known about tokens: bounded, forgetful, and asked once per token however many wait.

use crate::{AuthError, Identity, Secret};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is remembered about a token.
pub(crate) type Answer = Result<Arc<Identity>, AuthError>;

/// An answer and how long it may be given again.
pub(crate) struct Known {
    pub(crate) answer: Answer,
    pub(crate) keep: Duration,
}

#[derive(Default)]
struct Entry {
    known: Mutex<Option<(Answer, Instant)>>,
    /// Held by the one who asks; the others wait here and then find the answer.
    flight: tokio::sync::Mutex<()>,
}

impl Entry {
    fn fresh(&self, now: Instant) -> Option<Answer> {
        match &*self.known.lock() {
            Some((answer, until)) if now < *until => Some(answer.clone()),
            _ => None,
        }
    }
}

#[derive(Default)]
struct Entries {
    by_token: HashMap<Secret, Arc<Entry>>,
    /// In order of arrival; the oldest goes first when there are too many.
    order: VecDeque<Secret>,
}

/// Answers by token, at most `capacity` of them.
pub(crate) struct TokenCache {
    capacity: usize,
    entries: Mutex<Entries>,
}

impl TokenCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: Mutex::default(),
        }
    }

    /// The remembered answer, or that of `ask`, which runs once for all who want the same token.
    pub(crate) async fn get_or_ask<F>(&self, token: &str, ask: impl FnOnce() -> F) -> Answer
    where
        F: Future<Output = Known>,
    {
        let entry = self.entry(token);
        if let Some(answer) = entry.fresh(Instant::now()) {
            return answer;
        }
        let _flight = entry.flight.lock().await;
        if let Some(answer) = entry.fresh(Instant::now()) {
            return answer;
        }
        let Known { answer, keep } = ask().await;
        *entry.known.lock() = Some((answer.clone(), Instant::now() + keep));
        answer
    }

    fn entry(&self, token: &str) -> Arc<Entry> {
        let token = Secret::new(token);
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.by_token.get(&token) {
            return entry.clone();
        }
        while entries.order.len() >= self.capacity {
            let Some(oldest) = entries.order.pop_front() else {
                break;
            };
            entries.by_token.remove(&oldest);
        }
        let entry = Arc::new(Entry::default());
        entries.by_token.insert(token.clone(), entry.clone());
        entries.order.push_back(token);
        entry
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.lock().by_token.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn refused(keep: Duration) -> Known {
        Known {
            answer: Err(AuthError::Unauthorized),
            keep,
        }
    }

    #[tokio::test]
    async fn many_tokens_stay_within_the_bound() {
        let cache = TokenCache::new(3);
        for n in 0..100 {
            let answer = cache
                .get_or_ask(&n.to_string(), || async {
                    refused(Duration::from_secs(60))
                })
                .await;
            assert_eq!(answer, Err(AuthError::Unauthorized));
            assert!(cache.len() <= 3);
        }
    }

    #[tokio::test]
    async fn one_question_for_all_who_wait() {
        let cache = TokenCache::new(3);
        let asked = AtomicUsize::new(0);
        let gate = tokio::sync::Semaphore::new(0);
        let one = || {
            cache.get_or_ask("t", || async {
                asked.fetch_add(1, Ordering::SeqCst);
                let _open = gate.acquire().await;
                refused(Duration::from_secs(60))
            })
        };
        let open = async { gate.add_permits(1) };
        let _ = tokio::join!(one(), one(), one(), open);
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_answer_not_to_be_kept_is_asked_for_again() {
        let cache = TokenCache::new(3);
        let asked = AtomicUsize::new(0);
        for _ in 0..2 {
            let _ = cache
                .get_or_ask("t", || async {
                    asked.fetch_add(1, Ordering::SeqCst);
                    refused(Duration::ZERO)
                })
                .await;
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
