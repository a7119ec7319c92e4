//! Ctrl-C: while kernels are compiled it ends that with an error, and a second one ends the program; elsewhere it ends the
//! program at once.

use routefuse::engine::Cancel;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a shell gives a program that Ctrl-C has ended.
pub const EXIT_CODE: u8 = 130;

/// How many compile.
static COMPILING: AtomicUsize = AtomicUsize::new(0);

/// What every engine of the program is given.
pub fn cancel() -> &'static Cancel {
    static CANCEL: OnceLock<Cancel> = OnceLock::new();
    CANCEL.get_or_init(Cancel::default)
}

/// Runs what compiles.
pub fn while_compiling<R>(work: impl FnOnce() -> R) -> R {
    static WATCHED: OnceLock<()> = OnceLock::new();
    WATCHED.get_or_init(watch);
    COMPILING.fetch_add(1, Ordering::SeqCst);
    let result = work();
    COMPILING.fetch_sub(1, Ordering::SeqCst);
    result
}

fn watch() {
    // Without a handler Ctrl-C ends the program, which will do too.
    let Ok(mut signals) = Signals::new([SIGINT]) else { return };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if COMPILING.load(Ordering::SeqCst) == 0 || cancel().is_cancelled() {
                std::process::exit(i32::from(EXIT_CODE));
            }
            cancel().cancel();
        }
    });
}
