//! Cases that are skipped are counted and printed; `REQUIRE_…=1` turns a skip into a failure.

use std::io::Write;

/// Says that `cases` cases are skipped, and why. `make test` sums up what the file of `ROUTEFUSE_SKIPS` says.
///
/// # Panics
/// If the variable `required` is set to anything but 0: then what is missing must be there.
pub fn skip(reason: &str, cases: u64, required: Option<&str>) {
    let set = required.filter(|r| std::env::var(r).is_ok_and(|v| v != "0"));
    assert!(set.is_none(), "{reason}, and {} is set", set.unwrap_or_default());
    println!("skipped: {cases} cases: {reason}");
    let Some(path) = std::env::var_os("ROUTEFUSE_SKIPS") else { return };
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    if let Ok(mut file) = file {
        // An error has a line of help behind its own; a case is a line.
        let reason = reason.lines().next().unwrap_or_default();
        for _ in 0..cases {
            // Counting is not what the test is about.
            let _ = writeln!(file, "{reason}");
        }
    }
}
