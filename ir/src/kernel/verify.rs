//! The rules of the kernel level. Breaking one is a defect of the compiler, so there is one code for all.

use super::{Bounds, Kernel, ParamId, Role, RowValue, Space, Store, Value, ValueId, ValueKind};
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
        match &self.phases {
            Some(phases) => problems.extend(phases.check(&self).err()),
            None => self.check_stores(&mut problems),
        }
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
        let (dtype, space) = self.type_and_space(v)?;
        if dtype != v.dtype || space != v.space || space.cols == 0 {
            return Err(format!("is {dtype} {space:?}, not {} {:?}", v.dtype, v.space));
        }
        Ok(())
    }

    /// The dtype and space that a value has by its operands.
    fn type_and_space(&self, v: &Value) -> Result<(DType, Space), String> {
        let space = |id: ValueId| self.value(id).space;
        let dtype = |id: ValueId| self.value(id).dtype;
        Ok(match &v.kind {
            ValueKind::Const(l) => (l.dtype(), Space { per_row: false, cols: 1 }),
            ValueKind::Load(p) => self.load(*p)?,
            ValueKind::Row if v.dtype.is_int() && self.rows.is_some() => (v.dtype, Space { per_row: true, cols: 1 }),
            ValueKind::Column if v.dtype.is_int() => (v.dtype, Space { per_row: false, cols: v.space.cols }),
            ValueKind::Extent(s) if v.dtype.is_int() && (s.0 as usize) < self.symbols.len() => {
                (v.dtype, Space { per_row: false, cols: 1 })
            }
            ValueKind::Extent(_) => {
                return Err("an extent that there is not, or of a dtype that is no integer".to_owned());
            }
            ValueKind::Row | ValueKind::Column => return Err("an index of a dtype that is no integer".to_owned()),
            ValueKind::Scalar(op, operands) => {
                let types: Vec<TensorType> = operands.iter().map(|o| TensorType::scalar(dtype(*o))).collect();
                let ty = infer::infer(&Op::Scalar(*op), &types, &[]).map_err(|p| p.message)?;
                (ty.dtype, self.pointwise(operands)?)
            }
            ValueKind::Remap(x, map) => {
                if map.terms.iter().any(|t| t.div == 0 || t.modulo == 0) || map.max() >= space(*x).cols {
                    return Err("maps to columns that its operand does not have".to_owned());
                }
                (dtype(*x), Space { per_row: space(*x).per_row, cols: map.cols })
            }
            ValueKind::Concat(parts) => self.concat(parts)?,
            ValueKind::Gather { table, indices, bounds } => self.gather(*table, indices, *bounds)?,
            ValueKind::GatherRow { value, index, bounds } => {
                if !dtype(*index).is_int() {
                    return Err("gathers by an index that is no integer".to_owned());
                }
                self.check_trap(*bounds)?;
                let per_row = space(*value).per_row || space(*index).per_row;
                (dtype(*value), Space { per_row, cols: space(*index).cols })
            }
            ValueKind::RowValue(row) => {
                let (dtype, space) = row_value(row, space(row.value), dtype(row.value))?;
                // What is the same in every row has another rank in each, unless there is one row.
                let per_row = space.per_row || (row.op.crosses_rows() && v.space.per_row && self.rows.is_some());
                (dtype, Space { per_row, ..space })
            }
        })
    }

    /// The space of what is computed column by column.
    fn pointwise(&self, operands: &[ValueId]) -> Result<Space, String> {
        let spaces = || operands.iter().map(|o| self.value(*o).space);
        let cols = spaces().map(|s| s.cols).max().unwrap_or(1);
        if spaces().any(|s| s.cols != 1 && s.cols != cols) {
            return Err("operands have different numbers of columns".to_owned());
        }
        Ok(Space { per_row: spaces().any(|s| s.per_row), cols })
    }

    fn load(&self, id: ParamId) -> Result<(DType, Space), String> {
        let param = self.params.get(id.0 as usize).ok_or("loads a parameter that does not exist")?;
        if param.role != Role::Input {
            return Err("loads a parameter that is no input".to_owned());
        }
        if param.ty.row_symbol().is_some() && param.ty.row_symbol() != self.rows {
            return Err("loads rows of another extent".to_owned());
        }
        Ok((param.ty.dtype, self.param_space(id)))
    }

    fn concat(&self, parts: &[(ValueId, u64)]) -> Result<(DType, Space), String> {
        let unfit = || "joins parts that do not fit".to_owned();
        let part = |(id, _): &(ValueId, u64)| self.value(*id);
        let (first, (_, width)) = parts.first().map(|p| (part(p), p)).ok_or_else(unfit)?;
        let groups = first.space.cols / (*width).max(1);
        let fits = |p: &(ValueId, u64)| {
            p.1 > 0 && groups.checked_mul(p.1) == Some(part(p).space.cols) && part(p).dtype == first.dtype
        };
        if !parts.iter().all(fits) {
            return Err(unfit());
        }
        let cols = groups.checked_mul(parts.iter().map(|p| p.1).sum()).ok_or_else(unfit)?;
        Ok((first.dtype, Space { per_row: parts.iter().any(|p| part(p).space.per_row), cols }))
    }

    fn gather(&self, table: ParamId, indices: &[ValueId], bounds: Bounds) -> Result<(DType, Space), String> {
        let param = self.params.get(table.0 as usize).ok_or("gathers from a parameter that does not exist")?;
        let integers = indices.iter().all(|i| self.value(*i).dtype.is_int());
        if param.role != Role::Input || param.ty.shape.len() != indices.len() || !integers {
            return Err("gathers by indices that do not fit its table".to_owned());
        }
        self.check_trap(bounds)?;
        Ok((param.ty.dtype, self.pointwise(indices)?))
    }

    fn check_trap(&self, bounds: Bounds) -> Result<(), String> {
        if bounds.may_trap() && self.error_word().is_none() {
            return Err("traps without an error word".to_owned());
        }
        Ok(())
    }

    /// Whether a store may add to the element of this index, or put it.
    fn reaches(&self, store: &Store, index: ValueId) -> bool {
        let (param, value) = (self.param(store.param), self.value(store.value));
        let cols = self.store_cols(store);
        self.values.get(index.0 as usize).is_some_and(|i| {
            let one_or_all = |cols_of: u64| cols_of == 1 || cols_of == cols;
            i.dtype.is_int() && one_or_all(i.space.cols) && one_or_all(value.space.cols)
        }) && param.role == Role::Output
            && param.aliases.is_some()
            && param.ty.shape.len() == 1
            && param.ty.dtype == value.dtype
            && (store.put_at.is_some() != store.add_at.is_some())
            && (store.put_at.is_some() || param.ty.row_symbol().is_none())
            && (store.put_at.is_some() || matches!(value.dtype, DType::I32 | DType::U32 | DType::I64 | DType::U64))
    }

    fn check_stores(&self, problems: &mut Vec<String>) {
        for (i, s) in self.stores.iter().enumerate() {
            let (Some(p), Some(v)) = (self.params.get(s.param.0 as usize), self.values.get(s.value.0 as usize)) else {
                problems.push(format!("store {i} names what does not exist"));
                continue;
            };
            let space = self.param_space(s.param);
            if let Some(index) = s.element() {
                if !self.reaches(s, index) {
                    let does = if s.add_at.is_some() { "adds" } else { "puts" };
                    problems.push(format!("store {i} {does} what does not fit p{}", s.param.0));
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
    if op.crosses_rows() && operand.cols != width {
        return Err("crosses rows in segments of them".to_owned());
    }
    let dtype = op.dtype(dtype, width).ok_or("a row value of an operand that it does not take")?;
    let cols = (operand.cols / width).saturating_mul(op.columns(width));
    Ok((dtype, Space { per_row: operand.per_row, cols }))
}
