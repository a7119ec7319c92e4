//! Gathers: elements of a table, and columns of the same row, by indices that are data.

use crate::emit::pull::Emitter;
use crate::emit::pull::index::{Index, Ix, neighbours};
use crate::emit::pull::known::Lanes;
use crate::mlir::builder::{IntPredicate, Val};
use routefuse_ir::DType;
use routefuse_ir::dim::Dim;
use routefuse_ir::kernel::{ParamId, ValueId, ValueKind};
use routefuse_ir::op::OutOfRange;
use routefuse_ir::target::TargetKind;

/// One index after its check.
pub(in crate::emit) struct Checked<'m> {
    /// A safe index for every lane, or one for all; in range unless the extent is 0.
    pub safe: Vec<Ix<'m>>,
    /// Whether there is an element, if that is not certain.
    pub inside: Option<Val<'m>>,
}

impl<'m> Emitter<'_, 'm> {
    /// An element of a table.
    pub fn gather(
        &self,
        table: ParamId,
        indices: &[ValueId],
        policy: OutOfRange,
        proved: bool,
        index: &Index<'m>,
    ) -> Lanes<'m> {
        let param = self.kernel.param(table);
        let (mut checked, mut trap) = (Vec::new(), None);
        for (id, extent) in indices.iter().zip(&param.ty.shape) {
            let dtype = self.kernel.value(*id).dtype;
            let apart = self.low_bits_apart(*id, *extent, policy, index).unwrap_or_else(|| {
                let apart = self.lanes_apart(*id, index);
                apart.into_iter().map(|at| self.checked(at, dtype, *extent, policy, proved).safe[0]).collect()
            });
            let at = self.evaluate(*id, index);
            trap = self.either(trap, at.trap);
            let all = self.checked(at, dtype, *extent, policy, proved);
            checked.push(if apart.is_empty() { all } else { Checked { safe: apart, ..all } });
        }
        let inside = checked.iter().filter_map(|c| c.inside).reduce(|x, y| {
            let lanes = self.b.lanes(self.b.type_of(x)).max(self.b.lanes(self.b.type_of(y)));
            self.b.andi(self.spread(x, lanes), self.spread(y, lanes))
        });
        let lanes = checked.iter().map(|c| c.safe.len()).max().unwrap_or(1);
        let offsets: Vec<Ix<'m>> = (0..lanes)
            .map(|lane| {
                let at = |c: &Checked<'m>| c.safe[if c.safe.len() == 1 { 0 } else { lane }];
                self.table_offset(table, &checked.iter().map(at).collect::<Vec<_>>())
            })
            .collect();
        let may_be_empty = !proved && param.ty.row_symbol().is_some();
        let element = match inside {
            Some(inside) if may_be_empty => self.load_inside(table, &offsets, inside),
            _ => self.load_at(table, &offsets),
        };
        let element = Lanes::exact(element, lanes as u32);
        let result = self.or_replacement(element, inside, policy, param.ty.dtype);
        // An index that trapped has trapped wherever it leads.
        Lanes { trap: self.either(trap, result.trap), ..result }
    }

    /// The low bits of an index that the host reads from memory, a lane at a time, where the extent is a power of two: they
    /// are the index if that is in range, and safe if it is not. It does without a comparison on each lane. They are loaded
    /// as 64 bits wherever so many neighbours are in them, because looking up is bound by the number of loads; others as no
    /// more bytes than they need, which LLVM does not make a vector of and take apart again.
    fn low_bits_apart(&self, id: ValueId, extent: Dim, policy: OutOfRange, index: &Index<'m>) -> Option<Vec<Ix<'m>>> {
        let extent = extent.as_const().filter(|n| n.is_power_of_two() && *n <= 1 << 16)?;
        let value = self.kernel.value(id);
        let ValueKind::Load(param) = value.kind else { return None };
        let bits = if extent <= 1 << 8 { 8 } else { 16 };
        if policy == OutOfRange::Clamp
            || value.dtype.bits() < bits
            || self.keeps(id).is_some()
            || !self.is_apart(id, index)
        {
            return None;
        }
        let offsets = self.offsets(param, &self.seen_by(id, index));
        let in_a_word = (64 / value.dtype.bits()) as usize;
        let low = offsets.chunks(in_a_word).flat_map(|lanes| {
            if lanes.len() == in_a_word && lanes.len() > 1 && neighbours(lanes) {
                return self.low_bits_of_word(param, lanes, extent);
            }
            lanes.iter().map(|at| self.low_bits(param, *at, bits, extent)).collect()
        });
        Some(low.collect())
    }

    /// An element of a parameter modulo a power of two, of which no more than `bits` are loaded.
    fn low_bits(&self, param: ParamId, at: Ix<'m>, bits: u32, extent: u64) -> Ix<'m> {
        let (b, element) = (self.b, self.memory_type(self.kernel.param(param).ty.dtype));
        let (pointer, align) = self.address(param, at, element);
        let low = b.load(pointer, b.int(bits), align.min(u64::from(bits / 8)) as u32, !self.is_aliased(param));
        let place = b.extui(low, self.index_type());
        let known = extent == 1 << bits;
        Ix::value(if known { place } else { b.andi(place, self.index_const(extent - 1)) }, 1)
    }

    /// Neighbouring elements of a parameter, 64 bits in all, each modulo a power of two.
    fn low_bits_of_word(&self, param: ParamId, lanes: &[Ix<'m>], extent: u64) -> Vec<Ix<'m>> {
        let (b, dtype) = (self.b, self.kernel.param(param).ty.dtype);
        let long = b.int(64);
        let (pointer, align) = self.address(param, lanes[0], self.memory_type(dtype));
        let word = b.load(pointer, long, align.min(8) as u32, !self.is_aliased(param));
        let place = |lane: usize| {
            let shift = (lane * dtype.bits() as usize) as i64;
            let low = if lane == 0 { word } else { b.shrui(word, b.const_int(long, shift)) };
            let low = b.andi(low, b.const_int(long, extent as i64 - 1));
            Ix::value(if self.index_bits() < 64 { b.trunci(low, self.index_type()) } else { low }, 1)
        };
        (0..lanes.len()).map(place).collect()
    }

    /// Whether the index is one that the host reads from memory, at a place for each lane.
    fn is_apart(&self, id: ValueId, index: &Index<'m>) -> bool {
        let value = self.kernel.value(id);
        let lanes = index.lanes() as usize;
        let each =
            (value.space.cols > 1 && index.column.len() == lanes) || (value.space.per_row && index.row.len() == lanes);
        self.kind == TargetKind::Host && matches!(value.kind, ValueKind::Load(_)) && lanes > 1 && each
    }

    /// An index that the host reads from memory, a lane at a time; none if it is anything else. As addresses they are wanted
    /// in general registers, and reading them twice costs less than taking a vector apart. (They come before the vector:
    /// LLVM would make them of a vector that is there already.)
    fn lanes_apart(&self, id: ValueId, index: &Index<'m>) -> Vec<Lanes<'m>> {
        if !self.is_apart(id, index) {
            return vec![];
        }
        let lanes = index.lanes() as usize;
        (0..lanes).map(|lane| self.evaluate(id, &index.slice(lane, lane + 1))).collect()
    }

    /// The first operand at the column that the second names.
    pub fn gather_row(
        &self,
        value: ValueId,
        column: ValueId,
        policy: OutOfRange,
        proved: bool,
        index: &Index<'m>,
    ) -> Lanes<'m> {
        let extent = Dim::Const(self.kernel.value(value).space.cols);
        let at = self.evaluate(column, index);
        let checked = self.checked(at, self.kernel.value(column).dtype, extent, policy, proved);
        let element = self.evaluate(value, &index.at(checked.safe));
        // An element that is not there does not trap, but its index may have.
        let dtype = self.kernel.value(value).dtype;
        let result = self.or_replacement(element, checked.inside, policy, dtype);
        Lanes { trap: self.either(at.trap, result.trap), ..result }
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
        let mut replacement = self.constant(policy.replacement(dtype));
        if policy == OutOfRange::Trap {
            replacement.trap = Some(self.b.const_bool(true));
        }
        self.choose(inside, element, replacement)
    }

    /// Loads only the lanes that are inside, for a table that may have no element at all.
    fn load_inside(&self, table: ParamId, offsets: &[Ix<'m>], inside: Val<'m>) -> Val<'m> {
        let ty = self.value_type(self.kernel.param(table).ty.dtype);
        let one = |lane: usize| {
            let at = offsets[lane];
            let inside = self.b.extract(inside, lane as u32);
            let load = |_: &_| self.scoped(|| vec![self.load_at(table, &[at])]);
            self.b.if_then_else(inside, &[ty], load, |b| vec![b.const_zero(ty)])[0]
        };
        if self.b.lanes(self.b.type_of(inside)) == 1 {
            let load = |_: &_| self.scoped(|| vec![self.load_at(table, offsets)]);
            let ty = self.b.lanes_of(ty, offsets.len() as u32);
            return self.b.if_then_else(inside, &[ty], load, |b| vec![b.const_zero(ty)])[0];
        }
        self.b.gather_lanes(&(0..offsets.len()).map(one).collect::<Vec<_>>())
    }

    /// Checks the index `at` of a dim of this extent.
    pub fn checked(&self, at: Lanes<'m>, dtype: DType, extent: Dim, policy: OutOfRange, proved: bool) -> Checked<'m> {
        if proved {
            return Checked { safe: self.places(at, dtype.is_signed()), inside: None };
        }
        let b = self.b;
        let (symbolic, known) = (extent.as_sym().is_some(), extent.as_const());
        // Wide enough for the index and the extent.
        let long = dtype.bits() > 32
            || match extent {
                Dim::Const(n) => n > i32::MAX as u64,
                Dim::Sym(_) => !self.variant.narrow,
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
                let given = self.extent(symbol);
                let given = if self.index_bits() < bits { b.extui(given, b.int(bits)) } else { given };
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
                let safe = match known {
                    _ if self.kind == TargetKind::Host => b.select(inside, wide, zero),
                    // Not a selection by `inside`, whose answer would take one of a GPU's seven predicates until all lanes
                    // are loaded: with many lanes the assembler then loads them one after the other.
                    Some(n) if n.is_power_of_two() => b.andi(wide, b.const_int(ty, n as i64 - 1)),
                    _ => b.minui(wide, b.subi(extent, b.const_int(ty, 1))),
                };
                (safe, Some(inside))
            }
        };
        Checked { safe: self.places(Lanes { value: safe, ..at }, false), inside }
    }

    /// Integers as indices, a lane each.
    fn places(&self, at: Lanes<'m>, signed: bool) -> Vec<Ix<'m>> {
        let bits = self.index_bits();
        (0..at.lanes)
            .map(|lane| {
                let place = self.b.extract(at.value, lane);
                let width = self.b.width(self.b.type_of(place));
                let place = match width.cmp(&bits) {
                    std::cmp::Ordering::Greater => self.b.trunci(place, self.index_type()),
                    std::cmp::Ordering::Equal => place,
                    std::cmp::Ordering::Less if signed => self.b.extsi(place, self.index_type()),
                    std::cmp::Ordering::Less => self.b.extui(place, self.index_type()),
                };
                Ix::value(place, 1)
            })
            .collect()
    }
}
