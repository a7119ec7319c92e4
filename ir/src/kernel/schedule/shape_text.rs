//! Shapes as text: `lanes=4 threads=128 sorted`.

use super::{RowShape, Selecting};
use std::fmt;
use std::str::FromStr;

impl fmt::Display for RowShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Destructured so that a new field cannot be forgotten; for which rows it is taken is said by the schedule.
        let RowShape { lanes, threads, persistent, selecting, table, most_rows: _ } = self;
        let grid = if *persistent { " persistent" } else { "" };
        let selecting = match selecting {
            Selecting::InRegisters => "",
            Selecting::InMemory => " lists_in_memory",
            Selecting::Sorted => " sorted",
        };
        write!(f, "lanes={lanes} threads={threads}{grid}{selecting}")?;
        if *table > 0 { write!(f, " table={table}") } else { Ok(()) }
    }
}

/// The one of several shapes, for more and more rows, that a launch over this many takes.
pub fn shape_of(shapes: &[RowShape], rows: u64) -> Option<RowShape> {
    shapes.iter().find(|shape| shape.most_rows.is_none_or(|most| rows <= most)).copied()
}

/// Shapes as a schedule has them: `up to 2048 rows: lanes=32 threads=64; more: lanes=4 threads=128 sorted`.
pub fn shapes_text(shapes: &[RowShape]) -> String {
    let texts: Vec<String> = (0..shapes.len()).map(|i| shape_text(shapes, i)).collect();
    texts.join("; ")
}

/// One of several shapes, with the rows that it is for.
pub(super) fn shape_text(shapes: &[RowShape], at: usize) -> String {
    let shape = &shapes[at];
    match shape.most_rows {
        Some(most) => format!("up to {most} rows: {shape}"),
        None if at > 0 => format!("more: {shape}"),
        None => shape.to_string(),
    }
}

/// KiB of shared memory that a shape may name: more than any GPU's block has, and no bytes beyond 32 bits.
const MOST_KIB: u32 = 1024;

/// What is no shape, and what one is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoShape {
    word: String,
}

impl fmt::Display for NoShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self.word.as_str() {
            "" => "lanes or threads are missing".to_owned(),
            word => format!("`{word}` is no part of a shape"),
        };
        write!(
            f,
            "{wrong}; a shape is like `lanes=4 threads=128 sorted`, also with `lists_in_memory`, `persistent` or `table=192`"
        )
    }
}

impl std::error::Error for NoShape {}

/// The shape for any number of rows whose text this is. Whether it fits a kernel and a target is for the schedule's verifier
/// to say.
impl FromStr for RowShape {
    type Err = NoShape;

    fn from_str(text: &str) -> Result<RowShape, NoShape> {
        let (mut persistent, mut selecting, mut lanes, mut threads) = (false, Selecting::InRegisters, None, None);
        let mut table = None;
        for word in text.split_whitespace() {
            let no_shape = || NoShape { word: word.to_owned() };
            match word.split_once('=') {
                Some(("lanes", n)) if lanes.is_none() => lanes = Some(n.parse().map_err(|_| no_shape())?),
                Some(("threads", n)) if threads.is_none() => threads = Some(n.parse().map_err(|_| no_shape())?),
                Some(("table", n)) if table.is_none() => {
                    table = Some(n.parse().ok().filter(|kib| (1..=MOST_KIB).contains(kib)).ok_or_else(no_shape)?);
                }
                None if word == "persistent" => persistent = true,
                None if word == "lists_in_memory" => selecting = Selecting::InMemory,
                None if word == "sorted" => selecting = Selecting::Sorted,
                _ => return Err(no_shape()),
            }
        }
        match (lanes, threads) {
            (Some(lanes), Some(threads)) => {
                Ok(RowShape { lanes, threads, persistent, selecting, table: table.unwrap_or(0), most_rows: None })
            }
            _ => Err(NoShape { word: String::new() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_as_they_are_written() {
        for selecting in [Selecting::InRegisters, Selecting::InMemory, Selecting::Sorted] {
            for persistent in [false, true] {
                for table in [0, 192] {
                    let shape = RowShape { lanes: 4, threads: 96, persistent, selecting, table, most_rows: None };
                    assert_eq!(shape.to_string().parse(), Ok(shape));
                }
            }
        }
    }

    #[test]
    fn what_is_no_shape_is_told_so() {
        let told = |text: &str| text.parse::<RowShape>().unwrap_err().to_string();
        let like =
            "; a shape is like `lanes=4 threads=128 sorted`, also with `lists_in_memory`, `persistent` or `table=192`";
        assert_eq!(told(""), format!("lanes or threads are missing{like}"));
        assert_eq!(told("lanes=4 sorted"), format!("lanes or threads are missing{like}"));
        for word in [
            "lanes=four",
            "lanes=-1",
            "lane=4",
            "quick",
            "lanes",
            "threads=1=2",
            "table",
            "table=0",
            "table=-1",
            "table=99999",
        ] {
            assert_eq!(told(&format!("sorted {word} threads=64")), format!("`{word}` is no part of a shape{like}"));
        }
        assert_eq!(told("lanes=4 lanes=8 threads=64"), format!("`lanes=8` is no part of a shape{like}"));
    }
}
