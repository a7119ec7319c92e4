//! Inputs of what is timed: ordinary ones, or such that no row is what a quick way is for.

use crate::args::{Bench, IdsOf, RowsOf};
use routefuse::exec::{Ids, ordinary_inputs, spread_ids};
use routefuse::ir::Literal;
use routefuse::{Graph, Tensor, Verified};

/// Inputs for so many rows, of which ids, and floats of several columns, are as they are asked for.
pub fn inputs(graph: &Verified<Graph>, rows: u64, a: &Bench) -> Vec<Tensor> {
    let mut inputs = ordinary_inputs(graph, rows, a.seed);
    let ids = match a.ids {
        IdsOf::Even => Ids::Even,
        IdsOf::One => Ids::OneBin,
        IdsOf::Zipf => Ids::Zipf,
    };
    spread_ids(graph, &mut inputs, ids, a.seed);
    for (i, input) in inputs.iter_mut().enumerate() {
        let ty = graph.input_type(i);
        if ty.row_symbol().is_some() && ty.shape.len() == 2 && ty.dtype.is_float() && input.shape()[1] > 1 {
            make_rows(input, a.rows);
        }
    }
    inputs
}

/// Makes every row of floats what it is asked to be.
fn make_rows(input: &mut Tensor, rows: RowsOf) {
    let (dtype, columns) = (input.dtype(), input.shape()[1] as usize);
    let bits = |x: f64| Literal::from_f64(dtype, x).map_or(0, Literal::bits);
    for at in 0..input.len() {
        let element = match rows {
            RowsOf::Ordinary => return,
            RowsOf::Tied => bits(0.5),
            RowsOf::NegInf => bits(f64::NEG_INFINITY),
            RowsOf::Huge => input.get(at).as_f64().map_or(0, |x| bits(64.0 * x)),
            // In another column of each row.
            RowsOf::Nan if at % columns == (at / columns * 7) % columns => bits(f64::NAN),
            RowsOf::Nan => continue,
        };
        input.set_bits(at, element);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use routefuse::DType;

    #[test]
    fn rows_are_what_they_are_asked_to_be() {
        let columns = 7;
        let first: Vec<f32> = (0..5 * columns).map(|i| i as f32 / 8.0 - 2.0).collect();
        let made = |rows| {
            let mut input = Tensor::from_f32(&[5, columns], &first);
            assert_eq!(input.dtype(), DType::F32);
            make_rows(&mut input, rows);
            (0..input.len()).map(|i| input.get(i).as_f64().expect("a float") as f32).collect::<Vec<f32>>()
        };
        assert_eq!(made(RowsOf::Ordinary), first);
        assert!(made(RowsOf::Tied).iter().all(|x| *x == 0.5));
        assert!(made(RowsOf::NegInf).iter().all(|x| *x == f32::NEG_INFINITY));
        assert!(first.iter().zip(made(RowsOf::Huge)).all(|(x, y)| 64.0 * x == y));
        for (before, row) in first.chunks(columns as usize).zip(made(RowsOf::Nan).chunks(columns as usize)) {
            assert_eq!(row.iter().filter(|x| x.is_nan()).count(), 1);
            assert!(before.iter().zip(row).all(|(x, y)| y.is_nan() || x == y));
        }
    }
}
