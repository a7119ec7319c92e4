//! How far a compile is: a bar on standard error, after half a second, if that is a terminal.

use crate::interrupt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use routefuse::engine::Progress;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// What takes less needs no bar.
const PATIENCE: Duration = Duration::from_millis(500);

static QUIET: AtomicBool = AtomicBool::new(false);

/// With `quiet`, no bar is ever shown.
pub fn start(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Runs what compiles, with a bar; Ctrl-C ends it.
pub fn compiling<R>(work: impl FnOnce(&Bar) -> R) -> R {
    let bar = Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
        bar.0.set_style(style);
    }
    let (done, waits) = mpsc::channel::<()>();
    let shown = bar.0.clone();
    let result = std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Err(mpsc::RecvTimeoutError::Timeout) = waits.recv_timeout(PATIENCE)
                && !QUIET.load(Ordering::Relaxed)
            {
                // Of standard error that is no terminal, nothing is drawn.
                shown.set_draw_target(ProgressDrawTarget::stderr());
                shown.enable_steady_tick(Duration::from_millis(100));
            }
        });
        let result = interrupt::while_compiling(|| work(&bar));
        drop(done);
        result
    });
    bar.0.finish_and_clear();
    result
}

/// The bar.
pub struct Bar(ProgressBar);

impl Bar {
    /// So many of so many variants of kernels are ready, this one the last.
    pub fn show(&self, done: usize, total: usize, name: &str) {
        self.0.set_length(total as u64);
        self.0.set_position(done as u64);
        self.0.set_message(routefuse::diag::visible(name).into_owned());
    }

    /// What the library reports to.
    pub fn report(&self) -> impl Fn(Progress<'_>) + Sync + '_ {
        |p| self.show(p.done, p.total, p.kernel)
    }
}
