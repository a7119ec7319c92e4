//! The thread that talks to a remote cache.
//!
//! It has a runtime of its own, so that callers wait for an answer and no longer than they want to: whatever hangs (a
//! resolver, a mount) hangs there. A caller may itself be within a runtime, which could not run another one.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// A worker that, when it is dropped, goes on with what it began for no longer than `linger`.
    pub(super) fn start(linger: Duration) -> io::Result<Worker> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (jobs, mut queue) = unbounded_channel::<Job>();
        let thread = Builder::new().name("routefuse-remote".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut running = JoinSet::new();
                while let Some(job) = queue.recv().await {
                    while running.try_join_next().is_some() {}
                    running.spawn(job);
                }
                let _ = tokio::time::timeout(linger, async { while running.join_next().await.is_some() {} }).await;
            });
            // Not waiting for a resolver or a file system that hangs.
            runtime.shutdown_background();
        })?;
        Ok(Worker { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Lets it do this meanwhile.
    pub(super) fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // Nobody listens only after a panic there; then nothing is done.
            let _ = jobs.send(Box::pin(job));
        }
    }

    /// Has it do this, and waits for the result for no longer than `limit`.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        job: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, RecvTimeoutError> {
        let (send, receive) = sync_channel(1);
        self.spawn(async move {
            if let Ok(result) = tokio::time::timeout(limit, job).await {
                let _ = send.send(result);
            }
        });
        // A little more, so that the worker itself can give up first and close what it opened.
        receive.recv_timeout(limit + Duration::from_millis(100)).map_err(|_| RecvTimeoutError::Timeout)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
