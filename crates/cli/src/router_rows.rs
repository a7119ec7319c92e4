//! What two routers chose in each row: the same, a tie, or something else.

use crate::difference::Equality;
use routefuse::Tensor;
use routefuse::diag::{Code, Diagnostic};
use routefuse::ir::Literal;

/// The ids that a router chose, a row for each token, with their weights if they are known.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    /// Integers, of rank 2.
    pub ids: &'a Tensor,
    /// As many, of any dtype.
    pub weights: Option<&'a Tensor>,
}

/// How many rows of two routers agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// All rows.
    pub rows: usize,
    /// The same ids in the same order, with equal weights.
    pub same: usize,
    /// The same pairs of ids and weights in another order, equal weights in each place; or ids of equal score for one another.
    pub ties: usize,
    /// The same pairs of ids and weights in another order.
    pub reordered: usize,
    /// Anything else.
    pub different: usize,
    /// The first row that is neither the same nor a tie.
    pub first: Option<usize>,
}

impl Rows {
    /// Compares row by row. `scores` has a column for each id.
    ///
    /// # Errors
    /// `RF0705`: shapes or dtypes that do not go together, in words that begin with the name of the tensor.
    pub fn of(a: Chosen<'_>, b: Chosen<'_>, scores: Option<&Tensor>, equality: Equality) -> Result<Rows, Diagnostic> {
        let wrong = |message: String| Err(Diagnostic::new(Code::FileTypeMismatch, message));
        let &[rows, columns] = a.ids.shape() else {
            return wrong(format!("the ids have rank {}, and a router's have rank 2", a.ids.shape().len()));
        };
        if a.ids.dtype().is_float() {
            return wrong(format!("the ids are {}, and a router's are integers", a.ids.dtype()));
        }
        if let Some(weights) = [a.weights, b.weights].into_iter().flatten().find(|w| w.shape() != a.ids.shape()) {
            let (ids, weights) = (a.ids.shape(), weights.shape());
            return wrong(format!("the weights have the shape {weights:?}, and the ids {ids:?}"));
        }
        if let Some(scores) = scores.filter(|s| s.shape().len() != 2 || s.shape()[0] != rows) {
            let shape = scores.shape();
            return wrong(format!("the scores have the shape {shape:?}, and not a row for each of {rows} rows of ids"));
        }
        let compared = Compared { a, b, scores, equality, columns: columns as usize };
        let mut all = Rows { rows: rows as usize, ..Rows::default() };
        for row in 0..all.rows {
            let count = match compared.row(row) {
                Row::Same => &mut all.same,
                Row::Tie => &mut all.ties,
                Row::Reordered => &mut all.reordered,
                Row::Different => &mut all.different,
            };
            *count += 1;
            if all.reordered + all.different == 1 {
                all.first.get_or_insert(row);
            }
        }
        Ok(all)
    }

    /// Whether all that differs is a tie.
    pub fn are_ties(&self) -> bool {
        self.same + self.ties == self.rows
    }
}

enum Row {
    Same,
    Tie,
    Reordered,
    Different,
}

struct Compared<'a> {
    a: Chosen<'a>,
    b: Chosen<'a>,
    scores: Option<&'a Tensor>,
    equality: Equality,
    columns: usize,
}

/// How many ids of a row stand in it before.
fn repeats(ids: &[Literal]) -> usize {
    let mut bits: Vec<u64> = ids.iter().map(|id| id.bits()).collect();
    bits.sort_unstable();
    bits.windows(2).filter(|two| two[0] == two[1]).count()
}

impl Compared<'_> {
    fn row(&self, row: usize) -> Row {
        let places = row * self.columns..(row + 1) * self.columns;
        let ids = |chosen: &Chosen<'_>| places.clone().map(|i| chosen.ids.get(i)).collect::<Vec<_>>();
        let (ours, theirs) = (ids(&self.a), ids(&self.b));
        let weights_agree = places.clone().all(|i| self.weights_agree(i, i));
        if ours == theirs {
            return if weights_agree { Row::Same } else { Row::Different };
        }
        // One id in two places is no choice among equals.
        let scores_agree = self.scores.is_some()
            && repeats(&ours) == repeats(&theirs)
            && ours.iter().zip(&theirs).all(|(a, b)| a == b || self.scores_agree(row, *a, *b));
        if weights_agree && scores_agree {
            return Row::Tie;
        }
        if !self.same_pairs(places.clone()) {
            return Row::Different;
        }
        // Without weights nothing says that they are equal.
        if weights_agree && self.a.weights.is_some() && self.b.weights.is_some() { Row::Tie } else { Row::Reordered }
    }

    /// Whether the weights at two places are equal, if both are known.
    fn weights_agree(&self, i: usize, j: usize) -> bool {
        match (self.a.weights, self.b.weights) {
            (Some(a), Some(b)) => self.equality.holds(a.get(i), b.get(j)),
            _ => true,
        }
    }

    /// Whether two ids have one score. What is no column has none.
    fn scores_agree(&self, row: usize, a: Literal, b: Literal) -> bool {
        let Some(scores) = self.scores else { return false };
        let experts = scores.shape()[1];
        let score = |id: Literal| {
            let column = id.as_int().and_then(|c| u64::try_from(c).ok()).filter(|c| *c < experts)?;
            Some(scores.get(row * experts as usize + column as usize))
        };
        match (score(a), score(b)) {
            (Some(a), Some(b)) => a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b),
            _ => false,
        }
    }

    /// Whether both have the same ids, each with equal weights, in whatever order.
    fn same_pairs(&self, places: std::ops::Range<usize>) -> bool {
        let sorted = |chosen: &Chosen<'_>| {
            let mut order: Vec<usize> = places.clone().collect();
            order.sort_by_key(|&i| (chosen.ids.bits(i), chosen.weights.map(|w| w.bits(i))));
            order
        };
        let (ours, theirs) = (sorted(&self.a), sorted(&self.b));
        ours.iter().zip(&theirs).all(|(&i, &j)| self.a.ids.bits(i) == self.b.ids.bits(j) && self.weights_agree(i, j))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ids: (&[i32], &[f32]), others: (&[i32], &[f32]), scores: Option<&[f32]>) -> Rows {
        let shape = [1, ids.0.len() as u64];
        let tensors = [ids, others].map(|(i, w)| (Tensor::from_i32(&shape, i), Tensor::from_f32(&shape, w)));
        let [a, b] = &tensors;
        let scores = scores.map(|s| Tensor::from_f32(&[1, s.len() as u64], s));
        Rows::of(
            Chosen { ids: &a.0, weights: Some(&a.1) },
            Chosen { ids: &b.0, weights: Some(&b.1) },
            scores.as_ref(),
            Equality::Bits,
        )
        .unwrap()
    }

    #[test]
    fn rows_are_told_apart() {
        let ours = (&[3, 1][..], &[0.5, 0.5][..]);
        assert_eq!(row(ours, ours, None).same, 1);
        // The same experts with equal weights, in another order.
        assert_eq!(row(ours, (&[1, 3], &[0.5, 0.5]), None).ties, 1);
        assert_eq!(row((&[3, 1], &[0.6, 0.4]), (&[1, 3], &[0.4, 0.6]), None).reordered, 1);
        // Other experts: a tie where the scores say so, and only there.
        let scores = [0.1, 0.5, 0.5, 0.5];
        assert_eq!(row(ours, (&[3, 2], &[0.5, 0.5]), Some(&scores)).ties, 1);
        assert_eq!(row(ours, (&[3, 2], &[0.5, 0.5]), None).different, 1);
        // One expert twice is no tie.
        assert_eq!(row(ours, (&[3, 3], &[0.5, 0.5]), Some(&scores)).different, 1);
        assert_eq!(row(ours, (&[3, 0], &[0.5, 0.5]), Some(&scores)).different, 1);
        // The same ids with another weight, and an id that is no column.
        assert_eq!(row(ours, (&[3, 1], &[0.5, 0.25]), Some(&scores)).different, 1);
        let none = row(ours, (&[3, -1], &[0.5, 0.5]), Some(&scores));
        assert_eq!((none.different, none.first, none.are_ties()), (1, Some(0), false));
    }

    #[test]
    fn what_does_not_go_together() {
        let ids = Tensor::from_i32(&[2, 2], &[0; 4]);
        let refused = |chosen: Chosen<'_>, scores: Option<&Tensor>| {
            Rows::of(chosen, chosen, scores, Equality::Bits).unwrap_err().to_string()
        };
        let floats = Tensor::from_f32(&[2, 2], &[0.0; 4]);
        assert!(refused(Chosen { ids: &floats, weights: None }, None).contains("the ids are f32"));
        let few = Tensor::from_f32(&[2, 1], &[0.0; 2]);
        assert!(refused(Chosen { ids: &ids, weights: Some(&few) }, None).contains("shape [2, 1], and the ids [2, 2]"));
        let one = Tensor::from_f32(&[1, 4], &[0.0; 4]);
        assert!(refused(Chosen { ids: &ids, weights: None }, Some(&one)).contains("a row for each of 2 rows"));
    }
}
