//! Which of the shapes that were measured a schedule has, and from how many rows on.

use super::{candidate_shapes, other_blocks, schedule_of};
use routefuse_ir::Verified;
use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::tuning::Trial;
use routefuse_ir::kernel::schedule::{MOST_SHAPES, RowShape, shape_of};
use routefuse_ir::target::Target;
use std::cmp::Ordering;

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The built-in shapes.
    pub built_in: Vec<RowShape>,
    /// The chosen shapes, for more and more rows; the built-in ones if no others are better by the margin.
    pub shapes: Vec<RowShape>,
    /// Every shape that was measured, the built-in ones first.
    pub trials: Vec<Trial>,
}

/// Measures shapes of the kernel on the target, and chooses among them: first the shapes of its schedule and those with other
/// lanes, then the best ones in other blocks. `measure` gives, for the first of some shapes, as many as it has time for, the
/// nanoseconds of a launch over each of `rows`, which ascend. Each round measures the built-in shapes too, by whose times those of
/// later rounds are made comparable: the card's clocks may have changed since. Times that differ by a share of less than `margin`
/// are equal, and of equals the built-in shape is taken, so that noise chooses nothing. `None` if there is nothing to choose: on
/// the host, and without row values.
///
/// # Errors
/// Those of `measure`.
pub fn search<E>(
    kernel: &Verified<Kernel>,
    target: Target,
    rows: &[u64],
    margin: f64,
    mut measure: impl FnMut(&[RowShape]) -> Result<Vec<Vec<u64>>, E>,
) -> Result<Option<Found>, E> {
    let candidates = candidate_shapes(kernel, target);
    if candidates.is_empty() || rows.is_empty() {
        return Ok(None);
    }
    let built_in = schedule_of(kernel, target).shapes().to_vec();
    let mut own: Vec<RowShape> = Vec::new();
    for shape in built_in.iter().map(|s| s.any_rows()) {
        if !own.contains(&shape) {
            own.push(shape);
        }
    }
    let mut trials: Vec<Trial> = Vec::new();
    let mut tried = own.clone();
    let mut wanted: Vec<RowShape> = Vec::new();
    for shape in candidates {
        if !tried.contains(&shape) && !wanted.contains(&shape) {
            wanted.push(shape);
        }
    }
    loop {
        let asked = [&own[..], &wanted].concat();
        let times = measure(&asked)?;
        let scales = scales(&built_in, rows, &trials, &asked, &times);
        for (shape, ns) in asked.into_iter().zip(times) {
            if !trials.iter().any(|t| t.shape == shape) {
                let ns = ns.iter().zip(&scales).map(|(ns, scale)| (*ns as f64 * scale).round() as u64);
                trials.push(Trial { shape, ns: ns.collect() });
            }
        }
        tried.append(&mut wanted);
        let shapes = choose(&built_in, rows, &trials, margin);
        // The best ones in other blocks, until all of those were measured.
        for shape in &shapes {
            for other in other_blocks(kernel, target, shape.any_rows()) {
                if !wanted.contains(&other) && !tried.contains(&other) {
                    wanted.push(other);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(Some(Found { built_in, shapes, trials }));
        }
    }
}

/// For each number of rows, the time of the built-in shape as it was first measured over its time now; 1 in the first round.
fn scales(built_in: &[RowShape], rows: &[u64], before: &[Trial], asked: &[RowShape], times: &[Vec<u64>]) -> Vec<f64> {
    let scale = |(at, rows): (usize, &u64)| {
        let shape = shape_of(built_in, *rows)?.any_rows();
        let then = before.iter().find(|t| t.shape == shape)?.ns[at];
        let now = times.get(asked.iter().position(|s| *s == shape)?)?[at];
        Some(then.max(1) as f64 / now.max(1) as f64)
    };
    rows.iter().enumerate().map(|row| scale(row).unwrap_or(1.0)).collect()
}

/// What a choice of shapes costs, less being better; the parts are compared in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Sum over the numbers of rows of the logarithm of the time over that of the built-in shape, in millionths; what is within
    /// the margin counts as nothing.
    beyond_margin: i64,
    /// Numbers of rows with another shape than the built-in one.
    others: u32,
    /// Shapes.
    shapes: u32,
    /// The sum again, of all differences.
    difference: i64,
}

/// A choice: what it costs, and the trial for each number of rows so far.
type Way = (Cost, Vec<usize>);

impl Cost {
    fn plus(self, other: Cost) -> Cost {
        Cost {
            beyond_margin: self.beyond_margin + other.beyond_margin,
            others: self.others + other.others,
            shapes: self.shapes + other.shapes,
            difference: self.difference + other.difference,
        }
    }
}

/// The shapes of a schedule, of those that were measured: at most as many as the built-in ones, or two where there is one. A
/// built-in shape that is only for fewer rows than were measured, or only for more, stays beside them. Every built-in shape was
/// measured.
pub fn choose(built_in: &[RowShape], rows: &[u64], trials: &[Trial], margin: f64) -> Vec<RowShape> {
    let position = |rows: u64| {
        let shape = shape_of(built_in, rows)?.any_rows();
        trials.iter().position(|t| t.shape == shape)
    };
    let Some(own) = rows.iter().map(|r| position(*r)).collect::<Option<Vec<usize>>>() else {
        return built_in.to_vec();
    };
    let time = |trial: usize, row: usize| trials[trial].ns[row].max(1) as f64;
    let within = (1.0 + margin.max(0.0)).ln();
    let cost = |trial: usize, row: usize| {
        let difference = (time(trial, row) / time(own[row], row)).ln();
        let millionths = (difference * 1e6) as i64;
        let beyond_margin = if difference.abs() < within { 0 } else { millionths };
        Cost { beyond_margin, others: u32::from(trial != own[row]), shapes: 0, difference: millionths }
    };
    let (first, last) = (rows.first().copied().unwrap_or(0), rows.last().copied().unwrap_or(0));
    let fewer = built_in.iter().filter(|s| s.most_rows.is_some_and(|most| most < first)).count();
    let beyond = built_in.iter().position(|s| s.most_rows.is_none_or(|most| last <= most)).map_or(0, |at| at + 1);
    let until = built_in[..beyond].last().and_then(|s| s.most_rows);
    let (fewer, beyond) = (&built_in[..fewer], &built_in[beyond..]);
    let room = MOST_SHAPES.saturating_sub(fewer.len() + beyond.len()).max(1);
    let most = built_in.len().clamp(2, MOST_SHAPES).min(room);
    // By number of shapes less one and by the last one: the best choice so far, and its shape for each number of rows.
    let mut best: Vec<Vec<Option<Way>>> = vec![vec![None; trials.len()]; most];
    for row in 0..rows.len() {
        let mut next = vec![vec![None; trials.len()]; most];
        for count in 0..most {
            for trial in 0..trials.len() {
                let own_cost = cost(trial, row);
                let begins = Cost { shapes: 1, ..Cost::default() };
                let mut ways: Vec<Way> = Vec::new();
                if row == 0 && count == 0 {
                    ways.push((begins.plus(own_cost), vec![trial]));
                }
                let goes_on = best[count][trial].as_ref();
                ways.extend(goes_on.map(|(c, path)| (c.plus(own_cost), [&path[..], &[trial]].concat())));
                let before = if count > 0 { &best[count - 1][..] } else { &[] };
                let changes = before.iter().enumerate().filter(|(other, _)| *other != trial);
                ways.extend(
                    changes
                        .filter_map(|(_, way)| way.as_ref())
                        .map(|(c, path)| (c.plus(begins).plus(own_cost), [&path[..], &[trial]].concat())),
                );
                next[count][trial] = ways.into_iter().min_by(|a, b| a.0.cmp(&b.0));
            }
        }
        best = next;
    }
    let best = best.into_iter().flatten().flatten().min_by(|a, b| a.0.cmp(&b.0));
    let Some((_, path)) = best else { return built_in.to_vec() };
    if path == own {
        return built_in.to_vec();
    }
    let mut shapes = fewer.to_vec();
    for row in 1..rows.len() {
        let (few, many) = (path[row - 1], path[row]);
        if few != many {
            let crossing = || {
                let ahead = |row: usize| (time(many, row) / time(few, row)).ln();
                crossing((rows[row - 1], ahead(row - 1)), (rows[row], ahead(row)))
            };
            let pair = (trials[few].shape, trials[many].shape);
            let most = built_in_threshold(built_in, pair, rows[row - 1]..rows[row]).unwrap_or_else(crossing);
            shapes.push(RowShape { most_rows: Some(most), ..trials[few].shape });
        }
    }
    shapes.extend(path.last().map(|last| RowShape { most_rows: until, ..trials[*last].shape }));
    shapes.extend(beyond);
    // One shape is not taken twice in a row.
    let mut merged: Vec<RowShape> = Vec::new();
    for shape in shapes {
        match merged.last_mut().filter(|before| before.any_rows() == shape.any_rows()) {
            Some(before) => *before = shape,
            None => merged.push(shape),
        }
    }
    merged
}

/// Where the built-in choice goes from one shape to the other, if that is within these rows.
fn built_in_threshold(
    built_in: &[RowShape],
    (few, many): (RowShape, RowShape),
    within: std::ops::Range<u64>,
) -> Option<u64> {
    let pair = built_in.windows(2).find(|pair| pair[0].any_rows() == few && pair[1].any_rows() == many)?;
    pair[0].most_rows.filter(|most| within.contains(most))
}

/// The most rows for which the first shape is taken: where two straight lines of the logarithms of both times meet. `few` and
/// `many` are numbers of rows, each with how far the first is ahead there.
fn crossing((few, ahead): (u64, f64), (many, behind): (u64, f64)) -> u64 {
    let (from, to) = ((few.max(1) as f64).ln(), (many as f64).ln());
    let share = match (ahead.total_cmp(&0.0), behind.total_cmp(&0.0)) {
        (Ordering::Greater, Ordering::Less) => ahead / (ahead - behind),
        // Within the margin one of them is ahead at both.
        (Ordering::Greater, _) => 1.0,
        _ => 0.0,
    };
    let rows = (from + (to - from) * share).exp().round() as u64;
    // No threshold is known to a row.
    let rows = if rows >= 64 { rows / 32 * 32 } else { rows };
    rows.clamp(few, many - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str, most_rows: Option<u64>) -> RowShape {
        RowShape { most_rows, ..text.parse().expect("a shape") }
    }

    const ROWS: [u64; 5] = [1, 1024, 2048, 8192, 65_536];
    const WARP: &str = "lanes=32 threads=64";
    const EIGHT: &str = "lanes=8 threads=128 sorted";
    const FOUR: &str = "lanes=4 threads=128 sorted";

    fn built_in() -> Vec<RowShape> {
        vec![shape(WARP, Some(2048)), shape(EIGHT, None)]
    }

    /// What is chosen of these times.
    fn chosen(trials: &[(&str, [u64; 5])]) -> Vec<RowShape> {
        let trials: Vec<Trial> =
            trials.iter().map(|(text, ns)| Trial { shape: shape(text, None), ns: ns.to_vec() }).collect();
        choose(&built_in(), &ROWS, &trials, 0.03)
    }

    #[test]
    fn noise_chooses_nothing() {
        let measured = [
            (WARP, [2000, 2500, 3600, 9000, 60_000]),
            (EIGHT, [3600, 3700, 3900, 7000, 42_000]),
            (FOUR, [1950, 2430, 3500, 6850, 40_900]),
        ];
        assert_eq!(chosen(&measured), built_in());
    }

    #[test]
    fn another_shape_is_taken_where_it_is_better() {
        let measured = [
            (WARP, [2000, 2500, 3600, 9000, 60_000]),
            (EIGHT, [3600, 3700, 3900, 7000, 42_000]),
            (FOUR, [4000, 4000, 4000, 6000, 30_000]),
        ];
        // The threshold stays if both would be as good there: here four lanes meet a warp a row between 2,048 and 8,192.
        let found = chosen(&measured);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].any_rows(), found[1]), (shape(WARP, None), shape(FOUR, None)));
        let most = found[0].most_rows.expect("a threshold");
        // (3600, 4000) and (9000, 6000): the logarithms meet after 0.206 of the way.
        assert_eq!(most, 2720);
    }

    #[test]
    fn the_threshold_moves() {
        let measured = [(WARP, [2000, 2500, 3600, 9000, 60_000]), (EIGHT, [1500, 2450, 3300, 7000, 42_000])];
        // Better with one row and with 2,048, and no worse between: then for any number of rows.
        assert_eq!(chosen(&measured), [shape(EIGHT, None)]);
        let measured = [(WARP, [2000, 2500, 3600, 6000, 60_000]), (EIGHT, [3600, 3700, 3900, 7000, 42_000])];
        let found = chosen(&measured);
        assert_eq!((found[0].any_rows(), found[1]), (shape(WARP, None), shape(EIGHT, None)));
        assert!(found[0].most_rows.is_some_and(|most| most > 8192 && most < 65_536), "{found:?}");
    }

    /// No more shapes than the built-in schedule has are compiled, whatever a third one would gain.
    #[test]
    fn two_of_three() {
        let measured = [
            (WARP, [2000, 2500, 3600, 9000, 60_000]),
            (EIGHT, [3600, 3700, 3900, 7000, 42_000]),
            (FOUR, [2100, 2000, 1000, 8000, 60_000]),
        ];
        let found = chosen(&measured);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].any_rows(), found[1]), (shape(FOUR, None), shape(EIGHT, None)));
    }

    /// What was measured up to some number of rows says nothing of a shape that is built in for more.
    #[test]
    fn beyond_what_was_measured_the_choice_is_built_in() {
        let (rows, trial) = ([1, 512], |text: &str, ns: [u64; 2]| Trial { shape: shape(text, None), ns: ns.to_vec() });
        let trials = [trial(WARP, [2000, 2400]), trial(EIGHT, [3600, 3700]), trial(FOUR, [1500, 1600])];
        assert_eq!(choose(&built_in(), &rows, &trials, 0.03), [shape(FOUR, Some(2048)), shape(EIGHT, None)]);
        let trials = [trial(WARP, [2000, 2400]), trial(EIGHT, [1500, 1600])];
        assert_eq!(choose(&built_in(), &rows, &trials, 0.03), [shape(EIGHT, None)]);
        // Four shapes are the most.
        let third = shape(FOUR, Some(4096));
        let four = [shape(WARP, Some(2048)), third, shape(WARP, Some(8192)), shape(EIGHT, None)];
        let trials = [trial(WARP, [2000, 2400]), trial(EIGHT, [1500, 1600]), trial(FOUR, [9000, 1000])];
        assert_eq!(choose(&four, &rows, &trials, 0.03).len(), 4);
    }

    /// Nor does it of one that is built in for fewer.
    #[test]
    fn below_what_was_measured_the_choice_is_built_in() {
        let trial = |text: &str, ns: &[u64]| Trial { shape: shape(text, None), ns: ns.to_vec() };
        let trials = [trial(WARP, &[60_000]), trial(EIGHT, &[42_000]), trial(FOUR, &[30_000])];
        assert_eq!(choose(&built_in(), &[65_536], &trials, 0.03), [shape(WARP, Some(2048)), shape(FOUR, None)]);
        let trials = [trial(WARP, &[5400, 30_000]), trial(EIGHT, &[4700, 42_000]), trial(FOUR, &[9000, 43_000])];
        let found = choose(&built_in(), &[4096, 65_536], &trials, 0.03);
        assert_eq!((found.len(), found[0], found[2]), (3, shape(WARP, Some(2048)), shape(WARP, None)));
        // The same shape before and after is one.
        let trials = [trial(WARP, &[30_000]), trial(EIGHT, &[42_000])];
        assert_eq!(choose(&built_in(), &[65_536], &trials, 0.03), [shape(WARP, None)]);
    }

    #[test]
    fn crossings_lie_between() {
        assert_eq!(crossing((1024, 0.1), (4096, -0.1)), 2048);
        assert_eq!(crossing((1024, 0.1), (4096, 0.1)), 4095);
        assert_eq!(crossing((1024, -0.1), (4096, -0.1)), 1024);
        assert_eq!(crossing((1, 1.0), (2, -1.0)), 1);
        assert_eq!(crossing((0, 1.0), (64, -1.0)), 8);
    }
}
