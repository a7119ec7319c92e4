//! Differences of two texts, line by line.

use crate::model::Diff;
use similar::{ChangeTag, TextDiff};
use std::time::Duration;

/// Texts that have nothing in common take long to compare; after this, what is left counts as different.
const PATIENCE: Duration = Duration::from_millis(500);

/// What changed from one text to another; `None` if nothing did.
pub(crate) fn difference(from: &str, old: &str, new: &str) -> Option<Diff> {
    if old == new {
        return None;
    }
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let mut runs: Vec<(char, usize)> = Vec::new();
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => '=',
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        match runs.last_mut() {
            Some((last, n)) if *last == sign => *n += 1,
            _ => runs.push((sign, 1)),
        }
    }
    Some(Diff { from: from.to_owned(), runs })
}
