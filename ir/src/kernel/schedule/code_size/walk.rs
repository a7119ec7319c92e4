//! The walk from what is asked for to what is read.

use super::columns::{Columns, Numbering, Step, merged};
use crate::kernel::analysis::cost;
use crate::kernel::{Bounds, Kernel, Value, ValueId, ValueKind};
use crate::op::OutOfRange;
use crate::target::{Target, TargetKind, VectorRegisters};
use std::collections::{HashMap, HashSet};

/// A region of the code: what is written out in one is seen by those inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// Its number.
    pub(super) number: u32,
    /// Rows that its lanes are in; one serves all.
    pub(super) rows: u64,
}

/// The scope of what is the same in every row.
const LAUNCH: u32 = 0;
/// The scope of a row.
pub(super) const ROW: Scope = Scope { number: 1, rows: 1 };
/// The columns of a value that has one.
const ONE: u32 = 0;

/// A value and the numbers of its columns and its scope.
type Place = (ValueId, u32, u32);

pub(super) struct Walk<'k> {
    pub(super) kernel: &'k Kernel,
    /// The count ends where there are more instructions than this.
    limit: u64,
    /// Instructions so far.
    pub(super) total: u64,
    /// Of every value, its part of them.
    pub(super) of_value: Vec<u64>,
    pub(super) numbering: Numbering,
    /// Of every value, whether it is computed once a row and kept.
    kept: Vec<bool>,
    /// Of every value, whether its computation was asked for.
    wanted: Vec<bool>,
    /// Kept values that are still to be computed.
    pub(super) to_compute: Vec<ValueId>,
    /// By the columns of a domain, bytes that a piece of its stores has at once; and the most of any.
    stored: HashMap<u64, u64>,
    pub(super) most_stored: u64,
    /// The host's; none of a GPU.
    vectors: Option<VectorRegisters>,
    /// LLVM takes longer for as many instructions: its scheduler for AMD looks again and again at rows that lanes hold in many registers.
    is_slow: bool,
    scopes: u32,
    seen: HashSet<Place>,
    waiting: Vec<(ValueId, u32, Scope)>,
}

impl<'k> Walk<'k> {
    pub(super) fn new(kernel: &'k Kernel, target: Target, limit: u64) -> Walk<'k> {
        let mut numbering = Numbering::default();
        let one = numbering.id(Columns::Known(vec![0]));
        debug_assert_eq!(one, ONE);
        let count = kernel.values.len();
        Walk {
            kernel,
            limit,
            total: 0,
            of_value: vec![0; count],
            numbering,
            kept: kernel.values.iter().map(|v| v.kind.is_row_value()).collect(),
            wanted: vec![false; count],
            to_compute: vec![],
            stored: HashMap::new(),
            most_stored: 0,
            vectors: (target.kind() == TargetKind::Host).then_some(target.info().vectors),
            is_slow: target.kind() == TargetKind::Amdgpu && kernel.has_row_values(),
            scopes: ROW.number,
            seen: HashSet::new(),
            waiting: vec![],
        }
    }

    /// These values are computed once a row and kept, as row values are.
    pub(super) fn keep(&mut self, values: &[ValueId]) {
        values.iter().for_each(|v| self.kept[v.0 as usize] = true);
    }

    /// A piece of a domain of so many columns has so many bytes more before it stores them.
    pub(super) fn hold_for_stores(&mut self, cols: u64, bytes: u64) {
        let held = self.stored.entry(cols).or_default();
        *held += bytes;
        self.most_stored = self.most_stored.max(*held);
    }

    /// Whether counting goes on.
    pub(super) fn goes_on(&self) -> bool {
        self.total <= self.limit
    }

    /// Instructions for a value.
    pub(super) fn count(&mut self, id: ValueId, instructions: u64) {
        let instructions = if self.is_slow { instructions.saturating_mul(5).div_ceil(3) } else { instructions };
        self.total = self.total.saturating_add(instructions);
        let own = &mut self.of_value[id.0 as usize];
        *own = own.saturating_add(instructions);
    }

    /// A scope inside the row's.
    pub(super) fn scope(&mut self, rows: u64) -> Scope {
        self.scopes += 1;
        Scope { number: self.scopes, rows }
    }

    /// What one instruction on so many lanes is, in instructions.
    pub(super) fn on_lanes(&self, lanes: u64, bits: u32) -> u64 {
        self.vectors.map_or(lanes, |v| (lanes * u64::from(bits.max(32))).div_ceil(32 * u64::from(v.lanes())))
    }

    /// Lanes of a vector of 32-bit elements on the host.
    pub(super) fn vector(&self) -> u64 {
        self.vectors.map_or(1, |v| u64::from(v.lanes()))
    }

    /// Columns of a piece of a value that the host keeps.
    pub(super) fn kept_piece(&self) -> u64 {
        self.vectors.map_or(1, |v| u64::from(v.kept_piece()))
    }

    /// Asks for a value, which is computed where it is not kept, and all behind it.
    pub(super) fn ask(&mut self, id: ValueId, columns: &Columns, scope: Scope) {
        self.push(id, columns, scope);
        self.drain();
    }

    /// Asks for what a kept value is made of.
    pub(super) fn ask_for_kept(&mut self, id: ValueId, columns: &Columns, scope: Scope) {
        let columns = self.numbering.id(columns.clone());
        self.compute(id, columns, scope);
        self.drain();
    }

    fn drain(&mut self) {
        while self.goes_on()
            && let Some((id, columns, scope)) = self.waiting.pop()
        {
            if self.kept[id.0 as usize] { self.read(id, columns, scope) } else { self.compute(id, columns, scope) }
        }
        self.waiting.clear();
    }

    fn push(&mut self, id: ValueId, columns: &Columns, scope: Scope) {
        let space = self.kernel.value(id).space;
        let columns = if space.cols == 1 { ONE } else { self.numbering.id(columns.clone()) };
        let everywhere = !space.per_row && space.cols == 1;
        let scope = if everywhere { Scope { number: LAUNCH, rows: 1 } } else { scope };
        // What was written out around this scope is seen in it.
        let around = [LAUNCH, ROW.number];
        if around.iter().any(|s| *s != scope.number && self.seen.contains(&(id, columns, *s))) {
            return;
        }
        if self.seen.insert((id, columns, scope.number)) {
            self.waiting.push((id, columns, scope));
        }
    }

    /// Lanes of a value at these columns.
    fn lanes(&self, value: &Value, columns: &Columns, scope: Scope) -> u64 {
        let rows = if value.space.per_row { scope.rows } else { 1 };
        rows.max(columns.lanes())
    }

    /// Reads what is kept.
    fn read(&mut self, id: ValueId, columns: u32, scope: Scope) {
        if !std::mem::replace(&mut self.wanted[id.0 as usize], true) {
            self.to_compute.push(id);
        }
        let columns = self.numbering.get(columns).clone();
        let value = self.kernel.value(id);
        let lanes = self.lanes(value, &columns, scope);
        // Another lane's register comes by a shuffle for each that it may be in.
        let each = if self.vectors.is_some() { 3 } else { 3 * self.registers(value) };
        let instructions = match columns.are_neighbours() {
            true if self.vectors.is_some() => 1 + self.on_lanes(lanes, value.dtype.bits()),
            true => 1,
            false => lanes * each,
        };
        self.count(id, instructions);
    }

    /// About the registers of a lane for a kept value, of a team of a warp.
    fn registers(&self, value: &Value) -> u64 {
        value.space.cols.div_ceil(32).min(16)
    }

    fn compute(&mut self, id: ValueId, at: u32, scope: Scope) {
        let kernel = self.kernel;
        let value = kernel.value(id);
        let columns = self.numbering.get(at).clone();
        let lanes = self.lanes(value, &columns, scope);
        let moved = |bounds: Bounds| if bounds.policy() == OutOfRange::Trap { 2 } else { 0 };
        match &value.kind {
            ValueKind::Const(_) => {}
            ValueKind::Load(_) => {
                let wide = self.on_lanes(lanes, value.dtype.bits());
                let one = columns.are_neighbours() && (scope.rows == 1 || value.space.cols == 1);
                self.count(id, if one { 2 + wide } else { 3 * lanes });
            }
            ValueKind::Extent(_) => self.count(id, 1),
            ValueKind::Row | ValueKind::Column => {
                let known = matches!((&value.kind, &columns), (ValueKind::Column, Columns::Known(_)));
                self.count(id, if known { 0 } else { 2 * lanes });
            }
            ValueKind::Scalar(_, operands) => {
                // Of operands and result, the widest.
                let bits = operands.iter().map(|o| kernel.value(*o).dtype.bits()).max().unwrap_or(32);
                let one = self.on_lanes(lanes, bits.max(value.dtype.bits()));
                self.count(id, cost(value) * one);
                operands.iter().for_each(|o| self.push(*o, &columns, scope));
            }
            ValueKind::Remap(operand, map) => {
                let (mapped, arithmetic) = self.numbering.mapped(&columns, map);
                self.count(id, arithmetic);
                self.push(*operand, &mapped, scope);
            }
            ValueKind::Concat(parts) => self.concat(id, parts, &columns, scope),
            ValueKind::Gather { indices, bounds, .. } => {
                self.count(id, (8 + moved(*bounds)) * lanes * indices.len() as u64);
                indices.iter().for_each(|i| self.push(*i, &columns, scope));
            }
            ValueKind::GatherRow { value: operand, index, bounds } => {
                self.count(id, (5 + moved(*bounds)) * lanes);
                self.push(*index, &columns, scope);
                let space = kernel.value(*index).space;
                // As many columns as the index has values.
                let lanes = if space.cols > 1 { columns.lanes() } else { 1 };
                let lanes = if space.per_row { lanes.max(scope.rows) } else { lanes };
                let from = match columns {
                    Columns::Known(_) => Some((u32::MAX - at, 0)),
                    Columns::Dynamic { base, plus, .. } => Some((base, plus)),
                };
                let base = self.numbering.base(from.filter(|_| space.cols > 1), Step::Gathered(id.0));
                self.push(*operand, &Columns::Dynamic { base, plus: 0, lanes, aligned: false }, scope);
            }
            // Kept, so it is read.
            ValueKind::RowValue(_) => {}
        }
    }

    fn concat(&mut self, id: ValueId, parts: &[(ValueId, u64)], columns: &Columns, scope: Scope) {
        let width: u64 = parts.iter().map(|p| p.1).sum();
        let repeats = self.kernel.value(parts[0].0).space.cols / parts[0].1;
        let bits = self.kernel.value(id).dtype.bits();
        match columns {
            Columns::Known(known) => {
                // Each part is asked for its own lanes, in runs.
                let owner = |column: u64| {
                    let within = column % width;
                    let mut start = 0;
                    let part = parts.iter().position(|(_, w)| {
                        start += w;
                        within < start
                    });
                    let part = part.unwrap_or(0);
                    (part, column / width * parts[part].1 + within + parts[part].1 - start)
                };
                let owners: Vec<(usize, u64)> = known.iter().map(|c| owner(*c)).collect();
                let mut from = 0;
                while from < owners.len() {
                    let part = owners[from].0;
                    let same = owners[from..].iter().take_while(|o| o.0 == part).count();
                    let run = owners[from..from + same].iter().map(|o| o.1).collect();
                    self.push(parts[part].0, &merged(run), scope);
                    from += same;
                }
                let several = owners.iter().any(|o| o.0 != owners[0].0);
                self.count(id, if several { 2 * known.len() as u64 } else { 0 });
            }
            Columns::Dynamic { base, plus, lanes, aligned } => {
                let (base, plus) = match repeats {
                    1 => (*base, *plus),
                    _ => {
                        self.count(id, 4 * lanes);
                        (self.numbering.base(Some((*base, *plus)), Step::Repeat(width)), 0)
                    }
                };
                let mut start = 0;
                for (part, w) in parts {
                    let end = start + w;
                    // A column that is past the part whatever it begins with.
                    if plus < end {
                        let whole = |n: u64| n.is_multiple_of(*lanes);
                        let aligned = *aligned && repeats == 1 && whole(start) && whole(end) && whole(plus);
                        let base = self.numbering.base(Some((base, plus)), Step::Within(start, end));
                        let chosen = self.on_lanes(*lanes, bits);
                        self.count(id, if aligned { 3 + chosen } else { 3 * lanes + chosen });
                        self.push(*part, &Columns::Dynamic { base, plus: 0, lanes: *lanes, aligned }, scope);
                    }
                    start = end;
                }
            }
        }
    }
}
