//! Scratch memory of host kernels: made when a plan is prepared, lent to one call at a time.
//!
//! There is a piece for each processor. More calls than that cannot run at once; one that finds none free waits until another
//! call ends, which it does without waiting for anything.

use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};

/// A cache line: pieces begin at one.
#[repr(align(64))]
#[derive(Clone, Copy)]
struct Line(#[allow(dead_code)] [u8; 64]);

/// Pieces of one size.
pub(crate) struct Scratch {
    bytes: u64,
    /// Those that are free. There is room for all of them, so giving one back allocates nothing.
    free: Mutex<Vec<Box<[Line]>>>,
    given_back: Condvar,
}

impl Scratch {
    /// As many pieces of so many bytes as there are processors; none if there are no bytes.
    pub(crate) fn new(bytes: u64) -> Scratch {
        Scratch::of(bytes, std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// So many pieces of so many bytes; none if there are no bytes.
    pub(crate) fn of(bytes: u64, count: usize) -> Scratch {
        let count = if bytes == 0 { 0 } else { count };
        let lines = usize::try_from(bytes.div_ceil(64)).unwrap_or(usize::MAX);
        let free = (0..count).map(|_| vec![Line([0; 64]); lines].into_boxed_slice()).collect();
        Scratch { bytes, free: Mutex::new(free), given_back: Condvar::new() }
    }

    /// Bytes of a piece.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Runs `call` with the address of a piece of at least so many bytes, which nobody else has until it ends; null for 0
    /// bytes. More than the pieces have is a defect of the caller, who gets the address of none.
    #[inline]
    pub(crate) fn lend<R>(&self, bytes: u64, call: impl FnOnce(*mut u8) -> R) -> R {
        if bytes == 0 {
            return call(std::ptr::null_mut());
        }
        self.lend_some(bytes, call)
    }

    fn lend_some<R>(&self, bytes: u64, call: impl FnOnce(*mut u8) -> R) -> R {
        assert!(bytes <= self.bytes, "a kernel takes {bytes} bytes of scratch memory, and its plan has {}", self.bytes);
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut piece = loop {
            match free.pop() {
                Some(piece) => break piece,
                None => free = self.given_back.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        let result = call(piece.as_mut_ptr().cast());
        self.give_back(piece);
        result
    }

    /// As [`Scratch::lend`], but nobody waits: where no piece is free, or none has so many bytes, `call` is given back.
    pub(crate) fn try_lend<R, F: FnOnce(*mut u8) -> R>(&self, bytes: u64, call: F) -> Result<R, F> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(mut piece) = (bytes <= self.bytes).then(free).flatten() else { return Err(call) };
        let result = call(piece.as_mut_ptr().cast());
        self.give_back(piece);
        Ok(result)
    }

    fn give_back(&self, piece: Box<[Line]>) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        self.given_back.notify_one();
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nobody_has_the_piece_of_another() {
        let scratch = Scratch::new(100);
        let busy: Mutex<HashSet<usize>> = Mutex::default();
        let threads = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        std::thread::scope(|s| {
            for _ in 0..threads {
                s.spawn(|| {
                    for _ in 0..100 {
                        scratch.lend(100, |piece| {
                            assert!(piece.addr().is_multiple_of(64) && busy.lock().unwrap().insert(piece.addr()));
                            std::thread::yield_now();
                            assert!(busy.lock().unwrap().remove(&piece.addr()));
                        });
                    }
                });
            }
        });
        assert!(scratch.lend(0, <*mut u8>::is_null));
    }

    #[test]
    fn who_does_not_wait_goes_without() {
        let scratch = Scratch::of(100, 1);
        let inner = |_| scratch.try_lend(100, |_| ()).is_err();
        assert!(matches!(scratch.try_lend(100, inner), Ok(true)), "the one piece is lent");
        assert!(scratch.try_lend(100, |_| ()).is_ok(), "it was given back");
        assert!(scratch.try_lend(101, |_| ()).is_err() && Scratch::of(0, 2).try_lend(1, |_| ()).is_err());
    }
}
