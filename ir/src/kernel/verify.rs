//! The rules of the kernel level. Breaking one is a defect of the compiler, so there is one code for all.

use super::{Bounds, Kernel, Role, RowValue, Space, Store, ValueId, ValueKind};
use crate::diag::{Code, Diagnostic, Diagnostics};
use crate::dtype::DType;
use crate::infer;
use crate::op::Op;
use crate::tensor_type::TensorType;
use crate::verify::Verified;

impl Kernel {
    /// Checks every rule of the kernel level.
    ///
    /// # Errors
    /// All that is wrong, each with the value's number.
    pub fn verify(self) -> Result<Verified<Kernel>, Diagnostics> {
        let mut problems = Vec::new();
        self.check_params(&mut problems);
        for (id, v) in self.values() {
            if v.kind.operands().iter().any(|o| *o >= id) {
                problems.push(format!("v{} uses a value that is not defined before it", id.0));
            } else if let Err(p) = self.check_value(id) {
                problems.push(format!("v{}: {p}", id.0));
            }
        }
        self.check_stores(&mut problems);
        let diagnostics = problems.into_iter().map(|p| {
            let message = format!("kernel `{}`: {p}", self.name);
            Diagnostic::new(Code::InvalidKernel, message)
                .help("this is a defect in the compiler; please report the graph")
        });
        diagnostics.collect::<Diagnostics>().into_result(()).map(|()| Verified::new_unchecked(self))
    }

    fn check_params(&self, problems: &mut Vec<String>) {
        for (i, p) in self.params.iter().enumerate() {
            if p.ty.row_elements().is_none_or(|n| n == 0) {
                problems.push(format!("p{i} has no elements in a row, or too many"));
            }
            if let Some(a) = p.aliases {
                let fits = p.role == Role::Output
                    && self.params.get(a.0 as usize).is_some_and(|q| q.role == Role::Input && q.ty == p.ty);
                if !fits {
                    problems.push(format!("p{i} is no output that can lie in p{}", a.0));
                }
            }
            if p.role == Role::ErrorWord && p.ty != TensorType::scalar(DType::U32) {
                problems.push(format!("p{i} is an error word but not a u32 scalar"));
            }
        }
    }

    fn check_value(&self, id: ValueId) -> Result<(), String> {
        let v = self.value(id);
        let operands = v.kind.operands();
        let spaces: Vec<Space> = operands.iter().map(|o| self.value(*o).space).collect();
        let pointwise = || -> Result<Space, String> {
            let cols = spaces.iter().map(|s| s.cols).max().unwrap_or(1);
            if spaces.iter().any(|s| s.cols != 1 && s.cols != cols) {
                return Err("operands have different numbers of columns".to_owned());
            }
            Ok(Space { per_row: spaces.iter().any(|s| s.per_row), cols })
        };
        let dtype_of = |i: usize| self.value(operands[i]).dtype;
        let integers = |from: usize| (from..operands.len()).all(|i| dtype_of(i).is_int());
        let (dtype, space) = match &v.kind {
            ValueKind::Const(l) => (l.dtype(), Space { per_row: false, cols: 1 }),
            ValueKind::Load(p) => {
                let param = self.params.get(p.0 as usize).ok_or("loads a parameter that does not exist")?;
                if param.role != Role::Input {
                    return Err("loads a parameter that is no input".to_owned());
                }
                if param.ty.row_symbol().is_some() && param.ty.row_symbol() != self.rows {
                    return Err("loads rows of another extent".to_owned());
                }
                (param.ty.dtype, self.param_space(*p))
            }
            ValueKind::Row if v.dtype.is_int() && self.rows.is_some() => (v.dtype, Space { per_row: true, cols: 1 }),
            ValueKind::Column if v.dtype.is_int() => (v.dtype, Space { per_row: false, cols: v.space.cols }),
            ValueKind::Row | ValueKind::Column => return Err("an index of a dtype that is no integer".to_owned()),
            ValueKind::Scalar(op, _) => {
                let types: Vec<TensorType> = (0..operands.len()).map(|i| TensorType::scalar(dtype_of(i))).collect();
                let ty = infer::infer(&Op::Scalar(*op), &types, &[]).map_err(|p| p.message)?;
                (ty.dtype, pointwise()?)
            }
            ValueKind::Remap(_, map) => {
                if map.terms.iter().any(|t| t.div == 0 || t.modulo == 0) || map.max() >= spaces[0].cols {
                    return Err("maps to columns that its operand does not have".to_owned());
                }
                (dtype_of(0), Space { per_row: spaces[0].per_row, cols: map.cols })
            }
            ValueKind::Concat(parts) => {
                let width: u64 = parts.iter().map(|p| p.1).sum();
                let groups = parts.first().map_or(0, |(_, w)| spaces[0].cols / (*w).max(1));
                let fits = parts.iter().zip(&spaces).all(|((_, w), s)| *w > 0 && s.cols == groups * w);
                if !fits || (1..operands.len()).any(|i| dtype_of(i) != dtype_of(0)) {
                    return Err("joins parts that do not fit".to_owned());
                }
                (dtype_of(0), Space { per_row: spaces.iter().any(|s| s.per_row), cols: groups * width })
            }
            ValueKind::Gather { table, indices, bounds } => {
                let param = self.params.get(table.0 as usize).ok_or("gathers from a parameter that does not exist")?;
                if param.role != Role::Input || param.ty.shape.len() != indices.len() || !integers(0) {
                    return Err("gathers by indices that do not fit its table".to_owned());
                }
                self.check_trap(*bounds)?;
                (param.ty.dtype, pointwise()?)
            }
            ValueKind::GatherRow { bounds, .. } => {
                if !integers(1) {
                    return Err("gathers by an index that is no integer".to_owned());
                }
                self.check_trap(*bounds)?;
                let per_row = spaces[0].per_row || spaces[1].per_row;
                (dtype_of(0), Space { per_row, cols: spaces[1].cols })
            }
            ValueKind::RowValue(row) => row_value(row, spaces[0], dtype_of(0))?,
        };
        if dtype != v.dtype || space != v.space || space.cols == 0 {
            return Err(format!("is {dtype} {space:?}, not {} {:?}", v.dtype, v.space));
        }
        Ok(())
    }

    fn check_trap(&self, bounds: Bounds) -> Result<(), String> {
        if bounds.may_trap() && self.error_word().is_none() {
            return Err("traps without an error word".to_owned());
        }
        Ok(())
    }

    /// Whether a store may add at this index.
    fn adds(&self, store: &Store, index: ValueId) -> bool {
        let (param, value) = (self.param(store.param), self.value(store.value));
        let cols = self.store_cols(store);
        self.values.get(index.0 as usize).is_some_and(|i| {
            let one_or_all = |cols_of: u64| cols_of == 1 || cols_of == cols;
            i.dtype.is_int() && one_or_all(i.space.cols) && one_or_all(value.space.cols)
        }) && param.role == Role::Output
            && param.aliases.is_some()
            && param.ty.shape.len() == 1
            && param.ty.row_symbol().is_none()
            && param.ty.dtype == value.dtype
            && matches!(value.dtype, DType::I32 | DType::U32 | DType::I64 | DType::U64)
    }

    fn check_stores(&self, problems: &mut Vec<String>) {
        for (i, s) in self.stores.iter().enumerate() {
            let (Some(p), Some(v)) = (self.params.get(s.param.0 as usize), self.values.get(s.value.0 as usize)) else {
                problems.push(format!("store {i} names what does not exist"));
                continue;
            };
            let space = self.param_space(s.param);
            if let Some(index) = s.add_at {
                if !self.adds(s, index) {
                    problems.push(format!("store {i} adds what does not fit p{}", s.param.0));
                }
                continue;
            }
            let fits = p.role == Role::Output
                && p.ty.dtype == v.dtype
                && p.ty.row_symbol() == self.rows
                && (v.space.cols == space.cols || v.space.cols == 1)
                && (space.per_row || !v.space.per_row);
            if !fits {
                problems.push(format!("store {i} of v{} does not fit p{}", s.value.0, s.param.0));
            }
        }
        for (i, p) in self.params.iter().enumerate() {
            let stores = self.stores.iter().filter(|s| s.param.0 as usize == i).count();
            if p.role == Role::Output && stores != 1 {
                problems.push(format!("p{i} is an output with {stores} stores"));
            }
        }
    }
}

/// The dtype and space of a row value over segments of an operand.
fn row_value(row: &RowValue, operand: Space, dtype: DType) -> Result<(DType, Space), String> {
    let RowValue { op, width, .. } = *row;
    if width == 0 || !operand.cols.is_multiple_of(width) {
        return Err(format!("segments of {width} columns of {}", operand.cols));
    }
    let dtype = op.dtype(dtype, width).ok_or("a row value of an operand that it does not take")?;
    let cols = (operand.cols / width).saturating_mul(op.columns(width));
    Ok((dtype, Space { per_row: operand.per_row, cols }))
}
