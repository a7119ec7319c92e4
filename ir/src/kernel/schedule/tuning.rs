//! What a card's own times say of a kernel's shapes: the record of a tuning, and its text.
//!
//! ```text
//! routefuse tuning 1
//! card NVIDIA H100 80GB HBM3
//! driver CUDA 13.0
//! shape up to 4096 rows: lanes=32 threads=64
//! shape more: lanes=8 threads=128 sorted
//! rows 1 4096 65536
//! ns 2100 5360 59100 lanes=32 threads=64
//! ns 3600 4690 41900 lanes=8 threads=128 sorted
//! ```
//! A record is data: the shapes that a schedule is to have, and what was measured. Any shape gives the same bits, so that a
//! wrong record costs time alone. Which kernel, which target and which compiler it is for says the key under which it is kept.

use super::shape_text::shape_text;
use super::{MOST_SHAPES, RowShape, shape_of};
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// The first line of a record, with the version of its text.
const FIRST: &str = "routefuse tuning 1";
/// A longer text is no record.
const MOST_BYTES: usize = 64 << 10;
/// The most numbers of rows that are measured.
pub const MOST_ROWS: usize = 64;
/// The most shapes that are measured.
pub const MOST_TRIALS: usize = 256;
/// The most characters of a card's or a driver's name.
const MOST_NAME: usize = 200;

/// The shapes that a row schedule takes instead of the built-in ones, and the times for which it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// The card on which it was measured, as its driver calls it.
    pub card: String,
    /// The driver, as it calls itself.
    pub driver: String,
    /// The chosen shapes, for more and more rows; the last is for any number. At most [`MOST_SHAPES`].
    pub shapes: Vec<RowShape>,
    /// The numbers of rows that were measured, ascending.
    pub rows: Vec<u64>,
    /// Every shape that was measured.
    pub trials: Vec<Trial>,
}

/// The times of one shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The shape, for any number of rows.
    pub shape: RowShape,
    /// Nanoseconds of one launch on the GPU, for each of [`Tuning::rows`].
    pub ns: Vec<u64>,
}

impl Tuning {
    /// The chosen shape for this many rows.
    pub fn shape_for(&self, rows: u64) -> Option<RowShape> {
        shape_of(&self.shapes, rows)
    }
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured so that a new field cannot be forgotten.
        let Tuning { card, driver, shapes, rows, trials } = self;
        writeln!(f, "{FIRST}\ncard {card}\ndriver {driver}")?;
        for at in 0..shapes.len() {
            writeln!(f, "shape {}", shape_text(shapes, at))?;
        }
        writeln!(f, "rows {}", numbers(rows))?;
        for Trial { shape, ns } in trials {
            writeln!(f, "ns {} {shape}", numbers(ns))?;
        }
        Ok(())
    }
}

fn numbers(list: &[u64]) -> String {
    let mut text = String::new();
    for (i, n) in list.iter().enumerate() {
        let gap = if i > 0 { " " } else { "" };
        // Writing to a text does not fail.
        let _ = write!(text, "{gap}{n}");
    }
    text
}

/// What is no record of a tuning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTuning(String);

impl fmt::Display for NoTuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoTuning {}

/// The record whose text this is: exactly as it is written. Whether its shapes fit a kernel and a target is for the verifier
/// of schedules to say.
impl FromStr for Tuning {
    type Err = NoTuning;

    fn from_str(text: &str) -> Result<Tuning, NoTuning> {
        let wrong = |why: &str| NoTuning(format!("it is no record of a tuning: {why}"));
        if text.len() > MOST_BYTES {
            return Err(wrong("it is too long"));
        }
        let mut lines = text.lines();
        if lines.next() != Some(FIRST) {
            return Err(wrong("its first line is another"));
        }
        let mut named = |name: &str| {
            let line = lines.next().and_then(|l| l.strip_prefix(name)?.strip_prefix(' '));
            line.ok_or_else(|| wrong(&format!("its {name} is missing")))
        };
        let (card, driver) = (name(named("card")?)?, name(named("driver")?)?);
        let (mut shapes, mut rows, mut trials) = (Vec::new(), Vec::new(), Vec::new());
        for line in lines {
            match line.split_once(' ') {
                Some(("shape", rest)) if rows.is_empty() => shapes.push(chosen(rest)?),
                Some(("rows", rest)) if rows.is_empty() => {
                    let list: Result<Vec<u64>, _> = rest.split(' ').map(str::parse).collect();
                    rows = list.map_err(|_| wrong("its numbers of rows are none"))?;
                }
                Some(("ns", rest)) if !rows.is_empty() => trials.push(trial(rest, rows.len())?),
                _ => return Err(wrong(&format!("a line of it is `{}`", line.chars().take(60).collect::<String>()))),
            }
        }
        let ascending = rows.is_sorted_by(|a, b| a < b) && !rows.is_empty() && rows.len() <= MOST_ROWS;
        if !ascending || trials.len() > MOST_TRIALS {
            return Err(wrong("its numbers of rows do not ascend, or are too many, or its trials are"));
        }
        let most: Vec<Option<u64>> = shapes.iter().map(|s: &RowShape| s.most_rows).collect();
        let in_order = most.is_sorted_by(|a, b| a.is_some_and(|a| b.is_none_or(|b| a < b)));
        if shapes.is_empty() || shapes.len() > MOST_SHAPES || !in_order || most.last() != Some(&None) {
            let why = format!("its shapes are not 1 to {MOST_SHAPES} for more and more rows, the last for any number");
            return Err(wrong(&why));
        }
        let tuning = Tuning { card, driver, shapes, rows, trials };
        // One record has one text, and one hash.
        if tuning.to_string() == text { Ok(tuning) } else { Err(wrong("it is not as it would be written")) }
    }
}

/// A card's or a driver's name.
fn name(text: &str) -> Result<String, NoTuning> {
    if text.chars().count() > MOST_NAME || text.chars().any(char::is_control) {
        return Err(NoTuning("it is no record of a tuning: a name in it is no name".to_owned()));
    }
    Ok(text.to_owned())
}

/// `up to 4096 rows: lanes=32 threads=64`, `more: lanes=8 threads=128`, `lanes=8 threads=128`.
fn chosen(text: &str) -> Result<RowShape, NoTuning> {
    let wrong = |why: &dyn fmt::Display| NoTuning(format!("it is no record of a tuning: of `{text}`, {why}"));
    let (most_rows, shape) = match text.split_once(": ") {
        Some(("more", shape)) => (None, shape),
        Some((rows, shape)) => {
            let rows = rows.strip_prefix("up to ").and_then(|r| r.strip_suffix(" rows")?.parse().ok());
            (Some(rows.ok_or_else(|| wrong(&"the number of rows is none"))?), shape)
        }
        None => (None, text),
    };
    let shape: RowShape = shape.parse().map_err(|e| wrong(&e))?;
    Ok(RowShape { most_rows, ..shape })
}

/// `2100 5360 59100 lanes=32 threads=64`, of so many times.
fn trial(text: &str, rows: usize) -> Result<Trial, NoTuning> {
    let wrong = |why: &dyn fmt::Display| NoTuning(format!("it is no record of a tuning: of `{text}`, {why}"));
    let mut words = text.splitn(rows + 1, ' ');
    let ns: Vec<u64> = words.by_ref().take(rows).map_while(|w| w.parse().ok()).collect();
    if ns.len() != rows {
        return Err(wrong(&format!("the first {rows} words are not all times")));
    }
    let shape = words.next().unwrap_or_default().parse().map_err(|e| wrong(&e))?;
    Ok(Trial { shape, ns })
}

#[cfg(test)]
mod tests {
    use super::super::shapes_text;
    use super::*;

    fn shape(text: &str, most_rows: Option<u64>) -> RowShape {
        RowShape { most_rows, ..text.parse().expect("a shape") }
    }

    fn tuning() -> Tuning {
        let trial = |text: &str, ns: [u64; 3]| Trial { shape: shape(text, None), ns: ns.to_vec() };
        Tuning {
            card: "NVIDIA H100 80GB HBM3".to_owned(),
            driver: "CUDA 13.0".to_owned(),
            shapes: vec![shape("lanes=32 threads=64", Some(4096)), shape("lanes=8 threads=128 sorted", None)],
            rows: vec![1, 4096, 65_536],
            trials: vec![
                trial("lanes=32 threads=64", [2100, 5360, 59_100]),
                trial("lanes=8 threads=128 sorted", [3600, 4690, 41_900]),
            ],
        }
    }

    #[test]
    fn records_are_read_as_they_are_written() {
        let tuning = tuning();
        let text = "routefuse tuning 1\ncard NVIDIA H100 80GB HBM3\ndriver CUDA 13.0\n\
                    shape up to 4096 rows: lanes=32 threads=64\nshape more: lanes=8 threads=128 sorted\nrows 1 4096 65536\n\
                    ns 2100 5360 59100 lanes=32 threads=64\nns 3600 4690 41900 lanes=8 threads=128 sorted\n";
        assert_eq!((tuning.to_string().as_str(), text.parse()), (text, Ok(tuning.clone())));
        let one = Tuning { shapes: vec![shape("lanes=1 threads=64", None)], ..tuning.clone() };
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(tuning.shape_for(4096), Some(tuning.shapes[0]));
        assert_eq!(tuning.shape_for(4097), Some(tuning.shapes[1]));
        assert_eq!(
            shapes_text(&tuning.shapes),
            "up to 4096 rows: lanes=32 threads=64; more: lanes=8 threads=128 sorted"
        );
    }

    /// What is changed anywhere is another record or none; nothing panics.
    #[test]
    fn any_text_is_read_or_refused() {
        let (tuning, text) = (tuning(), tuning().to_string());
        for at in 0..text.len() {
            if let Ok(read) = text[..at].parse::<Tuning>() {
                assert_ne!(read, tuning, "cut at {at}");
                assert_eq!(read.to_string(), text[..at]);
            }
            for with in ["0", "9", " ", "\n", "x", "\u{7}", "é"] {
                let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
                if let Ok(read) = changed.parse::<Tuning>() {
                    assert_eq!(read.to_string(), changed);
                }
            }
        }
    }

    #[test]
    fn what_is_no_record_is_told_so() {
        let text = tuning().to_string();
        let told = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1).parse::<Tuning>().expect_err(to).to_string()
        };
        for (from, to, why) in [
            ("tuning 1", "tuning 2", "its first line is another"),
            ("card ", "cart ", "its card is missing"),
            ("driver CUDA", "driver CU\u{1b}DA", "a name in it is no name"),
            ("up to 4096 rows", "up to many rows", "the number of rows is none"),
            ("up to 4096 rows: ", "", "the last for any number"),
            ("lanes=32", "lanes=x", "`lanes=x` is no part of a shape"),
            ("rows 1 4096", "rows 4096 1", "do not ascend"),
            ("rows 1 ", "rows 1  ", "its numbers of rows are none"),
            ("5360 ", "", "the first 3 words are not all times"),
            ("ns 3600", "us 3600", "a line of it is `us 3600"),
            ("ns 3600", "ns 03600", "it is not as it would be written"),
        ] {
            let told = told(from, to);
            assert!(told.starts_with("it is no record of a tuning") && told.contains(why), "{told}");
        }
        assert!("x".repeat(MOST_BYTES + 1).parse::<Tuning>().is_err());
        assert!("".parse::<Tuning>().is_err());
    }
}
