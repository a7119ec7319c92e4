//! When to ask a remote cache, and when to leave it alone: one that is not there costs a start-up once, not once a kernel.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// So many quick failures in a row are as bad as a slow one.
const IN_A_ROW: u32 = 3;
/// A failure that took longer is slow.
const SLOW: Duration = Duration::from_secs(1);
/// The longest pause, as a multiple of the first.
const LONGEST: u32 = 32;

/// Counts failures, and says for how long nothing is asked.
#[derive(Debug, Default)]
pub(super) struct Patience {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// The last pause, as a multiple of the first; 0 if there was none since it last worked.
    pause: u32,
    /// When that began, and when it ends.
    paused: Option<(Instant, Instant)>,
}

impl Patience {
    /// Whether to ask now. After a pause one asks for all, for as long as asking may take.
    pub(super) fn ask(&self, now: Instant, longest: Duration) -> bool {
        let Ok(mut state) = self.state.lock() else { return false };
        match &mut state.paused {
            Some((_, until)) if now < *until => false,
            Some((_, until)) => {
                *until = now + longest;
                true
            }
            None => true,
        }
    }

    /// It answered, if only that it does not have what was asked for.
    pub(super) fn worked(&self) {
        if let Ok(mut state) = self.state.lock() {
            *state = State::default();
        }
    }

    /// What was begun then failed now.
    pub(super) fn failed(&self, began: Instant, now: Instant, first_pause: Duration) {
        let Ok(mut state) = self.state.lock() else { return };
        // Whoever asked before a pause tells nothing new after its beginning.
        if state.paused.is_some_and(|(paused, _)| began < paused) {
            return;
        }
        state.failures += 1;
        if state.pause > 0 || now - began >= SLOW || state.failures >= IN_A_ROW {
            state.pause = (state.pause * 2).clamp(1, LONGEST);
            state.paused = Some((now, now + first_pause * state.pause));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const FIRST: Duration = Duration::from_secs(10);
    const LONG: Duration = Duration::from_secs(5);

    #[test]
    fn a_slow_failure_or_three_quick_ones() {
        let (patience, start) = (Patience::default(), Instant::now());
        patience.failed(start, start + LONG, FIRST);
        assert!(!patience.ask(start + LONG + 9999 * MS, LONG));
        assert!(patience.ask(start + LONG + FIRST, LONG));
        let patience = Patience::default();
        for n in 0..3 {
            let now = start + n * MS;
            assert!(patience.ask(now, LONG));
            patience.failed(now, now + MS, FIRST);
        }
        assert!(!patience.ask(start + 3 * MS, LONG));
        patience.worked();
        assert!(patience.ask(start + 3 * MS, LONG));
    }

    #[test]
    fn those_who_asked_together_count_once() {
        let (patience, start) = (Patience::default(), Instant::now());
        for n in 0..16 {
            patience.failed(start, start + LONG + n * MS, FIRST);
        }
        assert!(patience.ask(start + LONG + FIRST, LONG));
    }

    /// One asks after a pause; as long as that fails, pauses double, up to a bound.
    #[test]
    fn pauses_grow() {
        let (patience, mut now) = (Patience::default(), Instant::now());
        for expected in [1, 2, 4, 8, 16, 32, 32] {
            assert!(patience.ask(now, LONG));
            assert!(expected == 1 || !patience.ask(now + MS, LONG), "another asks meanwhile");
            patience.failed(now, now + LONG, FIRST);
            now += LONG + FIRST * expected;
            assert!(!patience.ask(now - MS, LONG));
        }
    }
}
