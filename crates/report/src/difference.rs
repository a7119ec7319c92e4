//! Differences of two texts, line by line.

use crate::model::Diff;
use similar::{ChangeTag, TextDiff};

/// The most lines of both texts together that are compared: those of texts that have little in common take long.
const MOST_LINES: usize = 6000;

/// What changed from one text to another; `None` if nothing did, or if they are too long.
pub(crate) fn difference(from: &str, old: &str, new: &str) -> Option<Diff> {
    if old == new || old.lines().count() + new.lines().count() > MOST_LINES {
        return None;
    }
    let diff = TextDiff::from_lines(old, new);
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
