//! Tables whose columns are as wide as what stands in them, within the width of the terminal.

use crate::word_wrap::wrapped;
use routefuse::diag::visible;
use std::io::{IsTerminal, Write};

/// Columns of standard output, if that is a terminal: what is read by a program has no width.
pub fn terminal_width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let columns = rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col)).filter(|c| *c > 0);
    Some(columns.unwrap_or(80))
}

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// Rows of cells. The last column is broken into lines where the terminal is too narrow for it.
pub struct Table {
    sides: Vec<Side>,
    /// The heading first.
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns.
    pub fn new(columns: &[(&str, Side)]) -> Table {
        let heading = columns.iter().map(|c| c.0.to_owned()).collect();
        Table { sides: columns.iter().map(|c| c.1).collect(), rows: vec![heading] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| visible(&cell).into_owned()).collect());
    }

    /// Writes it, to a terminal of this width or to what has none.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn write(&self, out: &mut impl Write, width: Option<usize>) -> std::io::Result<()> {
        let Some(last) = self.sides.len().checked_sub(1) else { return Ok(()) };
        let widest = |column: usize| self.rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
        let widths: Vec<usize> = (0..last).map(widest).collect();
        let indent = widths.iter().map(|w| w + 2).sum::<usize>();
        // No narrower than a word or two.
        let room = width.map_or(usize::MAX, |w| w.saturating_sub(indent).max(16));
        for row in &self.rows {
            let mut line = String::new();
            for ((cell, side), width) in row.iter().zip(&self.sides).zip(&widths) {
                let gap = " ".repeat(width - length(cell));
                line += &match side {
                    Side::Left => format!("{cell}{gap}  "),
                    Side::Right => format!("{gap}{cell}  "),
                };
            }
            let words: Vec<&str> = row[last].split_whitespace().collect();
            let lines = if length(&row[last]) > room { wrapped(&words, room) } else { vec![row[last].clone()] };
            for (i, rest) in lines.iter().enumerate() {
                let begin = if i == 0 { line.clone() } else { " ".repeat(indent) };
                writeln!(out, "{}", format!("{begin}{rest}").trim_end())?;
            }
        }
        Ok(())
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: Option<usize>) -> String {
        let mut table = Table::new(&[("name", Side::Left), ("k", Side::Right), ("what", Side::Left)]);
        table.row(["a".to_owned(), "10".to_owned(), "one two three four five".to_owned()]);
        table.row(["bcdef".to_owned(), "1".to_owned(), String::new()]);
        let mut out = Vec::new();
        table.write(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        assert_eq!(written(None), "name    k  what\na      10  one two three four five\nbcdef   1\n");
    }

    #[test]
    fn the_last_column_is_broken() {
        let expected = "name    k  what\na      10  one two three\n           four five\nbcdef   1\n";
        assert_eq!(written(Some(28)), expected);
    }
}
