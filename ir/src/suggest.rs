//! "Did you mean": names near to one that is unknown.

use crate::dtype::DType;

/// Longer names get no suggestion: the search is quadratic.
const MAX_LENGTH: usize = 40;
/// Names after these are not looked at.
pub const MAX_CANDIDATES: usize = 256;

/// ``did you mean `a` or `b`?``, or `otherwise` if nothing is near.
pub fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    let mut near: Vec<(usize, &str)> = vec![];
    if name.len() <= MAX_LENGTH {
        let close = 1.max(name.chars().count() / 3);
        for candidate in candidates.into_iter().take(MAX_CANDIDATES).filter(|c| c.len() <= MAX_LENGTH) {
            let distance = strsim::damerau_levenshtein(name, candidate);
            if distance <= close && distance < candidate.chars().count() {
                near.push((distance, candidate));
            }
        }
    }
    near.sort_unstable();
    near.dedup();
    near.truncate(3);
    if near.is_empty() {
        return otherwise();
    }
    let names: Vec<String> = near.iter().map(|(_, n)| format!("`{n}`")).collect();
    format!("did you mean {}?", one_of(&names))
}

/// The help of [`Code::UnknownDType`](crate::Code::UnknownDType).
pub fn dtype_help(name: &str) -> String {
    let names: Vec<&str> = DType::ALL.iter().map(|d| d.name()).collect();
    did_you_mean(name, names.iter().copied(), || format!("the dtypes are {}", one_of(&names)))
}

/// `a`, `a or b`, `a, b or c`.
pub fn one_of<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} or {}", first.join(", "), last.as_ref())
        }
    }
}

/// The start of a text that comes from outside, short enough for a message.
pub fn excerpt(text: &str) -> String {
    const MAX: usize = 40;
    if text.chars().count() <= MAX {
        return text.to_owned();
    }
    text.chars().take(MAX).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_far_ones_not_at_all() {
        let names = ["gather", "gather_row", "add", "and", "abs"];
        assert_eq!(did_you_mean("gahter", names, String::new), "did you mean `gather`?");
        assert_eq!(did_you_mean("ad", names, String::new), "did you mean `add` or `and`?");
        assert_eq!(did_you_mean("softmax", names, || "no".to_owned()), "no");
        assert_eq!(did_you_mean(&"x".repeat(1000), names, || "no".to_owned()), "no");
    }
}
