//! A drawing of columns and the lanes that have them, with characters.

use super::super::{LaneIs, SpreadLanes};

/// Lines of a drawing that are shown at most; of more, the first ones and the last.
const MOST_LINES: usize = 9;

/// Cells of neighbouring columns, each with the number of the lane that has them; where one lane is all there is, nothing.
pub(crate) fn grid(spread: &SpreadLanes, width: usize) -> Vec<String> {
    let elements = spread.rows * spread.columns;
    if spread.lane == LaneIs::Loop || elements == 0 {
        return vec![];
    }
    // The widest cells of which each belongs to one lane and one row.
    let bounds = spread.owner.iter().flatten().flat_map(|[first, last]| [*first, *last + 1]);
    let unit = bounds.chain([spread.columns]).fold(0, gcd).max(1);
    let cells = spread.columns / unit;
    let digits = (spread.owner.len().max(2) - 1).to_string().len();
    let label = (elements.max(1) - 1).to_string().len().max(if spread.rows > 1 { 6 } else { 1 });
    let room = (width.saturating_sub(label + 6) / (digits + 3)).max(1) as u64;
    // A line has as many cells as a row, or a power of two of them.
    let in_line = if cells <= room { cells } else { 1 << room.ilog2() };
    let mut lines = vec![];
    for row in 0..spread.rows {
        for first in (0..cells).step_by(in_line.max(1) as usize) {
            let count = in_line.min(cells - first);
            let of = |cell: u64| {
                let element = row * spread.columns + (first + cell) * unit;
                let has = |ranges: &Vec<[u64; 2]>| ranges.iter().any(|[a, b]| (*a..=*b).contains(&element));
                spread.owner.iter().position(has).map_or_else(|| "…".to_owned(), |lane| lane.to_string())
            };
            let body: Vec<String> = (0..count).map(|cell| format!(" {:>digits$} ", of(cell))).collect();
            let name = match (spread.rows, first) {
                (1, _) => (first * unit).to_string(),
                (_, 0) => format!("row {row}"),
                _ => String::new(),
            };
            lines.push((name, body.join("│"), count));
        }
    }
    let rule = |left: &str, between: &str, right: &str, count: u64| {
        let cell = "─".repeat(digits + 2);
        format!("{:label$} {left}{}{right}", "", vec![cell; count as usize].join(between))
    };
    let (shown, hidden) = if lines.len() > MOST_LINES {
        let last = lines.split_off(lines.len() - 1);
        let hidden = lines.len() - (MOST_LINES - 2);
        lines.truncate(MOST_LINES - 2);
        (lines.len(), Some((hidden, last)))
    } else {
        (lines.len(), None)
    };
    let widest = lines.iter().map(|l| l.2).max().unwrap_or(1);
    let mut drawn = vec![rule("┌", "┬", "┐", widest)];
    let line = |(name, body, _): &(String, String, u64)| format!("{name:>label$} │{body}│");
    drawn.extend(lines[..shown].iter().map(line));
    let mut end = lines.last().map_or(widest, |l| l.2);
    if let Some((hidden, last)) = hidden {
        drawn.push(format!("{:>label$} ⋮ {hidden} lines like these", ""));
        drawn.extend(last.iter().map(line));
        end = last.last().map_or(end, |l| l.2);
    }
    drawn.push(rule("└", "┴", "┘", end));
    drawn
}

/// What the cells of a drawing are, in words.
pub(crate) fn caption(spread: &SpreadLanes) -> String {
    let values = if spread.values.is_empty() { String::new() } else { format!(" ({})", spread.values.join(", ")) };
    let lanes = match spread.lane {
        LaneIs::Loop => "one thread goes through them".to_owned(),
        LaneIs::VectorLane => "a cell says which lane of the vector has the row".to_owned(),
        LaneIs::Thread if spread.owner.len() as u64 + spread.more_lanes == 1 => "one lane has them".to_owned(),
        LaneIs::Thread => "a cell says which lane has its columns".to_owned(),
    };
    let mut more = String::new();
    let bounds = spread.owner.iter().flatten().flat_map(|[first, last]| [*first, *last + 1]);
    let unit = bounds.chain([spread.columns]).fold(0, gcd).max(1);
    if spread.lane == LaneIs::Thread && unit > 1 {
        more.push_str(&format!(", {unit} to a cell"));
    }
    if spread.times > 1 {
        more.push_str(&format!("; the lanes of a row have them {} times over", spread.times));
    }
    if spread.more_lanes > 0 {
        more.push_str(&format!("; {} further lanes go on like this", spread.more_lanes));
    }
    format!("{}{values}: {lanes}{more}", spread.what)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(columns: u64, rows: u64, owner: Vec<Vec<[u64; 2]>>) -> SpreadLanes {
        SpreadLanes {
            what: format!("{columns} columns"),
            values: vec![],
            columns,
            segment: columns,
            rows,
            lane: LaneIs::Thread,
            owner,
            more_lanes: 0,
            times: 1,
            interleaved: false,
        }
    }

    #[test]
    fn cells_are_as_wide_as_lanes_have_neighbours() {
        let runs = spread(32, 1, vec![vec![[0, 7], [16, 23]], vec![[8, 15], [24, 31]]]);
        assert_eq!(grid(&runs, 80), ["   ┌───┬───┬───┬───┐", " 0 │ 0 │ 1 │ 0 │ 1 │", "   └───┴───┴───┴───┘"]);
        assert_eq!(caption(&runs), "32 columns: a cell says which lane has its columns, 8 to a cell");
    }

    #[test]
    fn a_lane_may_have_elements_of_two_rows() {
        let across = spread(3, 2, (0..3).map(|i| vec![[2 * i, 2 * i + 1]]).collect());
        let drawn = ["       ┌───┬───┬───┐", " row 0 │ 0 │ 0 │ 1 │", " row 1 │ 1 │ 2 │ 2 │", "       └───┴───┴───┘"];
        assert_eq!(grid(&across, 80), drawn);
    }

    #[test]
    fn long_drawings_show_the_first_lines_and_the_last() {
        let wide = spread(1024, 1, (0..1024).map(|i| vec![[i, i]]).collect());
        let drawn = grid(&wide, 80);
        assert_eq!(drawn.len(), 9 + 2, "{drawn:#?}");
        assert!(drawn.iter().all(|line| line.chars().count() <= 80), "{drawn:#?}");
        assert!(drawn[8].contains("lines like these") && drawn[9].contains("1023"), "{drawn:#?}");
    }
}
