//! Gathers: elements of a table, and columns of the same row, by indices that are data.

use super::index::Ix;
use super::known::Lanes;
use super::types::value_type;
use super::{Index, Pull, Wanted};
use crate::machine::Checkable;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::dim::Dim;
use routefuse_ir::kernel::{Bounds, ParamId, ValueId};
use routefuse_ir::op::OutOfRange;

/// One index after its check.
pub(in crate::emit) struct Checked<'m> {
    /// A safe index for every lane, or one for all; in range unless the extent is 0.
    pub safe: Vec<Ix<'m>>,
    /// Whether there is an element, if that is not certain.
    pub inside: Option<Val<'m>>,
}

impl<'m> Pull<'_, 'm> {
    /// An element of a table.
    pub fn gather(&self, table: ParamId, indices: &[ValueId], bounds: Bounds, index: &Index<'m>) -> Lanes<'m> {
        let param = self.kernel.param(table);
        let (mut checked, mut trap) = (Vec::new(), None);
        for (id, extent) in indices.iter().zip(&param.ty.shape) {
            let dtype = self.kernel.value(*id).dtype;
            let wanted = Wanted { id: *id, extent: *extent, bounds };
            let apart = self.shortcuts.iter().find_map(|s| s.addresses(self, wanted, index));
            let at = self.evaluate(*id, index);
            trap = self.lanewise.either(trap, at.trap);
            let all = self.checked(at, dtype, *extent, bounds);
            checked.push(match apart {
                Some(safe) => Checked { safe, ..all },
                None => all,
            });
        }
        let inside = checked.iter().filter_map(|c| c.inside).reduce(|x, y| {
            let lanes = self.b.lanes(self.b.type_of(x)).max(self.b.lanes(self.b.type_of(y)));
            self.b.andi(self.lanewise.spread(x, lanes), self.lanewise.spread(y, lanes))
        });
        let lanes = checked.iter().map(|c| c.safe.len()).max().unwrap_or(1);
        let offsets: Vec<Ix<'m>> = (0..lanes)
            .map(|lane| {
                let at = |c: &Checked<'m>| c.safe[if c.safe.len() == 1 { 0 } else { lane }];
                self.memory.table_offset(table, &checked.iter().map(at).collect::<Vec<_>>())
            })
            .collect();
        let held = self.held_tables.get(&table).filter(|_| lanes == 1);
        let may_be_empty = bounds != Bounds::Proved && param.ty.row_symbol().is_some();
        let element = held.and_then(|held| held.read(&Index::new(vec![Ix::constant(0)], offsets.clone(), None)));
        let element = element.unwrap_or_else(|| {
            let element = match inside {
                Some(inside) if may_be_empty => self.load_inside(table, &offsets, inside),
                _ => self.memory.load_at(table, &offsets),
            };
            Lanes::exact(element, lanes as u32)
        });
        let result = self.or_replacement(element, inside, bounds.policy(), param.ty.dtype);
        // An index that trapped has trapped wherever it leads.
        Lanes { trap: self.lanewise.either(trap, result.trap), ..result }
    }

    /// The first operand at the column that the second names.
    pub fn gather_row(&self, value: ValueId, column: ValueId, bounds: Bounds, index: &Index<'m>) -> Lanes<'m> {
        let extent = Dim::Const(self.kernel.value(value).space.cols);
        let at = self.evaluate(column, index);
        let checked = self.checked(at, self.kernel.value(column).dtype, extent, bounds);
        let there = index.at(checked.safe);
        if let Some(elements) = self.at_columns.get(&(column, self.seen_by(column, index).key())) {
            elements.iter().for_each(|(of, lanes)| self.remember(*of, &there, *lanes));
        }
        let element = self.evaluate(value, &there);
        // An element that is not there does not trap, but its index may have.
        let dtype = self.kernel.value(value).dtype;
        let result = self.or_replacement(element, checked.inside, bounds.policy(), dtype);
        Lanes { trap: self.lanewise.either(at.trap, result.trap), ..result }
    }

    /// What a gather within a row gives, where this is its element on lanes whose column is inside.
    pub fn gathered_row(
        &self,
        (at, dtype): (Lanes<'m>, DType),
        (value, bounds): (ValueId, Bounds),
        element: Lanes<'m>,
    ) -> Lanes<'m> {
        let extent = Dim::Const(self.kernel.value(value).space.cols);
        let inside = self.checked(at, dtype, extent, bounds).inside;
        let result = self.or_replacement(element, inside, bounds.policy(), self.kernel.value(value).dtype);
        Lanes { trap: self.lanewise.either(at.trap, result.trap), ..result }
    }

    /// The element where it is inside, else the policy's replacement.
    fn or_replacement(
        &self,
        element: Lanes<'m>,
        inside: Option<Val<'m>>,
        policy: OutOfRange,
        dtype: DType,
    ) -> Lanes<'m> {
        let Some(inside) = inside else { return element };
        let mut replacement = self.lanewise.constant(policy.replacement(dtype));
        if policy == OutOfRange::Trap {
            replacement.trap = Some(self.b.const_bool(true));
        }
        self.lanewise.choose(inside, element, replacement)
    }

    /// Loads only the lanes that are inside, for a table that may have no element at all.
    fn load_inside(&self, table: ParamId, offsets: &[Ix<'m>], inside: Val<'m>) -> Val<'m> {
        let ty = value_type(self.b, self.kernel.param(table).ty.dtype);
        let one = |lane: usize| {
            let at = offsets[lane];
            let inside = self.b.extract(inside, lane as u32);
            let load = |_: &_| self.scopes.scoped(|| vec![self.memory.load_at(table, &[at])]);
            self.b.if_then_else(inside, &[ty], load, |b| vec![b.const_zero(ty)])[0]
        };
        if self.b.lanes(self.b.type_of(inside)) == 1 {
            let load = |_: &_| self.scopes.scoped(|| vec![self.memory.load_at(table, offsets)]);
            let ty = self.b.lanes_of(ty, offsets.len() as u32);
            return self.b.if_then_else(inside, &[ty], load, |b| vec![b.const_zero(ty)])[0];
        }
        self.b.gather_lanes(&(0..offsets.len()).map(one).collect::<Vec<_>>())
    }

    /// Checks the index `at` of a dim of this extent.
    pub fn checked(&self, at: Lanes<'m>, dtype: DType, extent: Dim, bounds: Bounds) -> Checked<'m> {
        let Bounds::Checked(policy) = bounds else {
            return Checked { safe: self.indices(at, dtype.is_signed()), inside: None };
        };
        let b = self.b;
        let (symbolic, known) = (extent.as_sym().is_some(), extent.as_const());
        // Wide enough for the index and the extent.
        let long = dtype.bits() > 32
            || match extent {
                Dim::Const(n) => n > i32::MAX as u64,
                Dim::Sym(_) => self.ix.bits() == 64,
            };
        let bits = if long { 64 } else { 32 };
        let mut wide = at.value;
        if dtype.bits() < bits {
            wide = if dtype.is_signed() { b.extsi(wide, b.int(bits)) } else { b.extui(wide, b.int(bits)) };
        }
        let ty = b.type_of(wide);
        let extent = match extent {
            Dim::Const(n) => b.const_int(ty, n as i64),
            Dim::Sym(symbol) => {
                let given = self.memory.extent(symbol);
                let given = if self.ix.bits() < bits { b.extui(given, b.int(bits)) } else { given };
                b.splat(given, at.lanes)
            }
        };
        let zero = b.const_int(ty, 0);
        let (safe, inside) = match policy {
            OutOfRange::Clamp => {
                let last = b.subi(extent, b.const_int(ty, 1));
                let safe = if dtype.is_signed() { b.maxsi(b.minsi(wide, last), zero) } else { b.minui(wide, last) };
                // Without elements there is none to clamp to.
                (safe, symbolic.then(|| b.cmpi(IntPredicate::Ne, extent, zero)))
            }
            OutOfRange::Pass | OutOfRange::Fill(_) | OutOfRange::Trap | OutOfRange::Wrap => {
                if policy == OutOfRange::Wrap && dtype.is_signed() {
                    let negative = b.cmpi(IntPredicate::Slt, wide, zero);
                    wide = b.select(negative, b.addi(wide, extent), wide);
                }
                // Unsigned, so that a negative index is far behind the end.
                let inside = b.cmpi(IntPredicate::Ult, wide, extent);
                let safe = self.machine.safe_index(b, Checkable { index: wide, inside, extent, known, zero });
                (safe, Some(inside))
            }
        };
        Checked { safe: self.indices(Lanes { value: safe, ..at }, false), inside }
    }

    /// The bin that an integer of this dtype on one lane names, and of one that names none the number behind the last.
    pub fn bin_or_last(&self, id: Lanes<'m>, dtype: DType, bins: u64) -> Ix<'m> {
        let b = self.b;
        let bits = dtype.bits().max(32);
        let wide = match dtype.bits() < bits {
            true if dtype.is_signed() => b.extsi(id.value, b.int(bits)),
            true => b.extui(id.value, b.int(bits)),
            false => id.value,
        };
        // Unsigned, so that a negative one is far behind the end.
        let bin = b.minui(wide, b.const_int(b.type_of(wide), bins as i64));
        self.indices(Lanes { value: bin, ..id }, false)[0]
    }

    /// Integers as indices, a lane each.
    fn indices(&self, at: Lanes<'m>, signed: bool) -> Vec<Ix<'m>> {
        let bits = self.ix.bits();
        (0..at.lanes)
            .map(|lane| {
                let at_lane = self.b.extract(at.value, lane);
                let width = self.b.width(self.b.type_of(at_lane));
                let at_lane = match width.cmp(&bits) {
                    std::cmp::Ordering::Greater => self.b.trunci(at_lane, self.ix.ty()),
                    std::cmp::Ordering::Equal => at_lane,
                    std::cmp::Ordering::Less if signed => self.b.extsi(at_lane, self.ix.ty()),
                    std::cmp::Ordering::Less => self.b.extui(at_lane, self.ix.ty()),
                };
                Ix::value(at_lane, 1)
            })
            .collect()
    }
}
