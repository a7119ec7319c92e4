//! How far something is that takes long: a bar on standard error, after half a second, if that is a terminal.

use crate::interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use routefuse::diag::visible;
use routefuse::engine::Progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// What takes less needs no bar. For tests, which cannot know how quick a machine is, ROUTEFUSE_PROGRESS_AFTER_MS says it.
const PATIENCE: Duration = Duration::from_millis(500);

fn patience() -> Duration {
    let said = std::env::var("ROUTEFUSE_PROGRESS_AFTER_MS").ok().and_then(|ms| ms.parse().ok());
    said.map_or(PATIENCE, Duration::from_millis)
}

static QUIET: AtomicBool = AtomicBool::new(false);

/// With `quiet`, no bar is ever shown.
pub fn start(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Runs what compiles, with a bar; Ctrl-C ends it.
pub fn compiling<R>(work: impl FnOnce(&Bar) -> R) -> R {
    showing(|bar| interrupt::while_compiling(|| work(bar)))
}

/// Runs what may take long, with a bar.
pub fn showing<R>(work: impl FnOnce(&Bar) -> R) -> R {
    let bar = Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
    bar.say("");
    let (done, waits) = mpsc::channel::<()>();
    let shown = bar.0.clone();
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(mpsc::RecvTimeoutError::Timeout) = waits.recv_timeout(patience())
                && !QUIET.load(Ordering::Relaxed)
            {
                // Of standard error that is no terminal, nothing is drawn.
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(100));
            }
        });
        let result = work(&bar);
        drop(done);
        result
    });
    bar.0.finish_and_clear();
    result
}

/// The bar.
pub struct Bar(ProgressBar);

impl Bar {
    /// So many of so many are ready, and this is what is done now.
    pub fn show(&self, done: usize, total: usize, name: &str) {
        // A template that is wrong would be seen by the tests.
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg} {elapsed}") {
            self.0.set_style(style);
        }
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
        self.0.set_message(visible(name).into_owned());
    }

    /// What is done now, where nothing is counted.
    pub fn say(&self, what: &str) {
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            self.0.set_style(style);
        }
        self.0.set_message(visible(what).into_owned());
    }

    /// Prints while the bar is out of the way: both may be on one terminal.
    pub fn aside<R>(&self, print: impl FnOnce() -> R) -> R {
        self.0.suspend(print)
    }

    /// What the library reports to.
    pub fn report(&self) -> impl Fn(Progress<'_>) + Sync + '_ {
        |p| self.show(p.done, p.total, p.kernel)
    }
}
