//! How other threads ask the engine: jobs that run between two rounds of its loop. The queue is bounded, so a flood of
//! questions waits with those who ask.

use super::Core;
use crate::Error;
use mio::Waker;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

pub(super) type Job = Box<dyn FnOnce(&mut Core) + Send>;

/// Jobs that may wait.
const QUEUE: usize = 256;

#[derive(Debug, Clone)]
pub(crate) struct Handle {
    jobs: mpsc::Sender<Job>,
    waker: Arc<Waker>,
}

pub(super) fn channel(waker: Arc<Waker>) -> (Handle, mpsc::Receiver<Job>) {
    let (jobs, receiver) = mpsc::channel(QUEUE);
    (Handle { jobs, waker }, receiver)
}

impl Handle {
    /// Runs a job in the engine and returns what it returns. The job must be short: no session is served meanwhile.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Core) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |core| {
            // Who asked may be gone.
            let _ = answer.send(job(core));
        });
        self.jobs.send(job).await.map_err(|_| Error::Stopped)?;
        self.wake();
        answered.await.map_err(|_| Error::Stopped)
    }

    /// The same for threads without a runtime; waits while the queue is full, and for no answer.
    pub(crate) fn tell(&self, job: impl FnOnce(&mut Core) + Send + 'static) -> Result<(), Error> {
        let sent = self.jobs.blocking_send(Box::new(job));
        sent.map_err(|_| Error::Stopped)?;
        self.wake();
        Ok(())
    }

    /// Makes the engine look for what there is to do.
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake the sessions' thread");
        }
    }
}
