//! Layouts that were made before: most edits of a graph change no box's size and no arrow.

use super::drawing::Drawing;
use super::layout::{Geometry, Layout, layout};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// So many layouts are kept, the last used ones.
const MOST: usize = 64;

/// Widths of boxes are multiples of so many characters.
const STEP: usize = 6;

/// Layouts to use again, for [`Picture::drawn_with`](super::Picture::drawn_with). A layout depends on the sizes of boxes and on the
/// arrows alone; boxes are a little wider than what stands in them, so that most other names have the same size.
#[derive(Debug, Default)]
pub struct Layouts {
    /// The last used is the last.
    kept: Mutex<VecDeque<(Geometry, Arc<Layout>)>>,
    made: AtomicUsize,
}

impl Layouts {
    /// How many drawings were laid out so far.
    pub fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// The layout of a drawing.
    pub(super) fn of(&self, d: &Drawing) -> Arc<Layout> {
        let geometry = Geometry::of(d, STEP);
        if let Some(known) = self.find(&geometry) {
            return known;
        }
        // Without the lock: whoever needs another one does not wait.
        let made = Arc::new(layout(&geometry));
        self.made.fetch_add(1, Ordering::Relaxed);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back((geometry, Arc::clone(&made)));
        made
    }

    /// The layout of a drawing, if it was made before.
    pub(super) fn known(&self, d: &Drawing) -> Option<Arc<Layout>> {
        self.find(&Geometry::of(d, STEP))
    }

    fn find(&self, geometry: &Geometry) -> Option<Arc<Layout>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(g, _)| g == geometry)?;
        let found = kept.remove(at)?;
        let layout = Arc::clone(&found.1);
        kept.push_back(found);
        Some(layout)
    }
}
