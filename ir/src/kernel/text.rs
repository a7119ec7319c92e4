//! The kernel's text: with names for people, without for its identity.

use super::phases::{Phase, Phases, Place};
use super::{Bounds, ColumnMap, Kernel, Param, Role, RowOp, RowValue, Space, Store, Value, ValueId, ValueKind};
use crate::dtype::DType;
use crate::layout::Layout;
use crate::op::{OutOfRange, ScalarOp};
use crate::visible::visible;
use std::fmt::{self, Write};

impl Kernel {
    /// The text that identifies the kernel: equal kernels have equal text whatever their names, and whatever the order of
    /// values that do not need each other. Values have the numbers of [`Kernel::canonical_order`].
    pub fn canonical_text(&self) -> String {
        let mut s = String::new();
        // Writing to a String cannot fail.
        let _ = write(self, &mut s, false, &self.canonical_order());
        s
    }

    /// The values that the stores need, in the order in which they are found to be needed: each after its operands, the
    /// first store's first.
    pub fn canonical_order(&self) -> Vec<ValueId> {
        let mut order = Vec::with_capacity(self.values.len());
        let mut seen = vec![false; self.values.len()];
        for root in self.stores.iter().flat_map(Store::operands) {
            // Values whose operands are waited for, without recursion: chains of operations are long.
            let mut waiting = vec![(root, false)];
            while let Some((id, ready)) = waiting.pop() {
                if ready {
                    order.push(id);
                    continue;
                }
                let at = id.0 as usize;
                if seen.get(at).is_none_or(|s| *s) {
                    continue;
                }
                seen[at] = true;
                waiting.push((id, true));
                waiting.extend(self.values[at].kind.operands().into_iter().rev().map(|o| (o, false)));
            }
        }
        order
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, f, true, &(0..self.values.len() as u32).map(ValueId).collect::<Vec<_>>())
    }
}

fn bounds_text(bounds: Bounds) -> String {
    match bounds {
        Bounds::Proved => "proved".to_owned(),
        Bounds::Checked(OutOfRange::Pass) => "pass".to_owned(),
        Bounds::Checked(OutOfRange::Fill(l)) => format!("fill({:#x})", l.bits()),
        Bounds::Checked(OutOfRange::Clamp) => "clamp".to_owned(),
        Bounds::Checked(OutOfRange::Wrap) => "wrap".to_owned(),
        Bounds::Checked(OutOfRange::Trap) => "trap".to_owned(),
    }
}

/// The numbers that values have in a text.
struct Numbers(Vec<u32>);

impl Numbers {
    fn of(order: &[ValueId], values: usize) -> Numbers {
        let mut numbers: Vec<u32> = (0..values as u32).collect();
        for (number, id) in order.iter().enumerate() {
            numbers[id.0 as usize] = number as u32;
        }
        Numbers(numbers)
    }

    /// A text is printed of kernels that break the rules, too.
    fn get(&self, id: ValueId) -> u32 {
        self.0.get(id.0 as usize).copied().unwrap_or(id.0)
    }

    fn list(&self, ids: &[ValueId]) -> String {
        ids.iter().map(|v| format!("v{}", self.get(*v))).collect::<Vec<_>>().join(", ")
    }
}

fn write(k: &Kernel, f: &mut dyn Write, names: bool, order: &[ValueId]) -> fmt::Result {
    // Destructured, here and below, so that a new field cannot be forgotten: this text is the kernel's identity.
    let Kernel { name, symbols, rows, params, values, stores, phases } = k;
    let canonical: Vec<String> = (0..symbols.len()).map(|i| format!("s{i}")).collect();
    let rows = rows.map_or("1".to_owned(), |r| format!("s{}", r.0));
    let title = if names { format!(" @{}", visible(name)) } else { String::new() };
    writeln!(f, "kernel{title} rows={rows} symbols={} {{", symbols.len())?;
    let note = |n: &str| if names && !n.is_empty() { format!("  # {}", visible(n)) } else { String::new() };
    for (i, param) in params.iter().enumerate() {
        writeln!(f, "  p{i}: {}{}", param_text(param, &canonical), note(&param.name))?;
    }
    let numbers = Numbers::of(order, values.len());
    for (i, id) in order.iter().enumerate() {
        let Value { kind, dtype, space: Space { per_row, cols }, name } = &values[id.0 as usize];
        let row = if *per_row { "row" } else { "all" };
        writeln!(f, "  v{i} = {} : {dtype} {row}x{cols}{}", kind_text(kind, *dtype, &numbers, names), note(name))?;
    }
    for Store { param, value, add_at, put_at } in stores {
        match (add_at, put_at) {
            (None, None) => writeln!(f, "  store v{} to p{}", numbers.get(*value), param.0)?,
            (None, Some(at)) => writeln!(f, "  put v{} to p{} at v{}", numbers.get(*value), param.0, numbers.get(*at))?,
            (Some(at), _) => writeln!(f, "  add v{} to p{} at v{}", numbers.get(*value), param.0, numbers.get(*at))?,
        }
    }
    phases.iter().try_for_each(|phases| write_phases(phases, f, names, &canonical))?;
    writeln!(f, "}}")
}

fn write_phases(phases: &Phases, f: &mut dyn Write, names: bool, symbols: &[String]) -> fmt::Result {
    let Phases { shared, list, copied, chunks } = phases;
    for (i, ty) in shared.iter().enumerate() {
        writeln!(f, "  b{i}: {}", ty.text(symbols))?;
    }
    for Phase { kernel, places, symbols, reach } in list {
        let places: Vec<String> = places.iter().map(Place::to_string).collect();
        let dims: Vec<String> = symbols.iter().map(|s| format!("s{}", s.0)).collect();
        writeln!(f, "  phase {reach}({}) dims=[{}]", places.join(", "), dims.join(", "))?;
        let text = if names { kernel.to_string() } else { kernel.canonical_text() };
        text.lines().try_for_each(|line| writeln!(f, "    {line}"))?;
    }
    for (shared, param) in copied {
        writeln!(f, "  copy b{shared} to p{}", param.0)?;
    }
    chunks.iter().try_for_each(|chunks| writeln!(f, "  chunks p{}", chunks.0))
}

fn param_text(param: &Param, symbols: &[String]) -> String {
    let Param { name: _, role, ty, layout, aliases } = param;
    let role = match role {
        Role::Input => "in",
        Role::Output => "out",
        Role::ErrorWord => "error",
    };
    let layout = match layout {
        Layout::Contiguous => "",
        Layout::Rows => " rows",
        Layout::Strided => " strided",
    };
    let alias = aliases.map_or(String::new(), |a| format!(" aliases(p{})", a.0));
    format!("{role} {}{layout}{alias}", ty.text(symbols))
}

/// What a value of this dtype is. `readable` floats are decimal; for a kernel's identity they are bits.
fn kind_text(kind: &ValueKind, dtype: DType, numbers: &Numbers, readable: bool) -> String {
    match kind {
        ValueKind::Const(l) if l.dtype().is_float() && readable => format!("const {l}"),
        ValueKind::Const(l) => format!("const {:#x}", l.bits()),
        ValueKind::Load(p) => format!("load p{}", p.0),
        ValueKind::Row => "row".to_owned(),
        ValueKind::Column => "column".to_owned(),
        ValueKind::Extent(s) => format!("extent s{}", s.0),
        ValueKind::Scalar(op @ (ScalarOp::Cast(_) | ScalarOp::Bitcast(_)), operands) => {
            format!("{} {} to {dtype}", op.mnemonic(), numbers.list(operands))
        }
        ValueKind::Scalar(op, operands) => {
            format!("{} {}{}", op.mnemonic(), numbers.list(operands), op.choices_text())
        }
        ValueKind::Remap(value, ColumnMap { cols: _, base, terms }) => {
            let terms = terms.iter().map(|t| format!(" + j/{}%{}*{}", t.div, t.modulo, t.mul));
            format!("remap v{} at {base}{}", numbers.get(*value), terms.collect::<String>())
        }
        ValueKind::Concat(parts) => {
            let parts: Vec<String> = parts.iter().map(|(v, w)| format!("v{}:{w}", numbers.get(*v))).collect();
            format!("concat {}", parts.join(", "))
        }
        ValueKind::Gather { table, indices, bounds } => {
            format!("gather p{}[{}] {}", table.0, numbers.list(indices), bounds_text(*bounds))
        }
        ValueKind::GatherRow { value, index, bounds } => {
            format!("gather_row v{}[v{}] {}", numbers.get(*value), numbers.get(*index), bounds_text(*bounds))
        }
        ValueKind::RowValue(RowValue { op, value, width }) => {
            format!("{} v{} by {width}{}", op.mnemonic(), numbers.get(*value), row_op_text(*op))
        }
    }
}

/// What stands behind an operation on rows and its operand.
fn row_op_text(op: RowOp) -> String {
    match op {
        RowOp::Reduce(_) | RowOp::CumSum => String::new(),
        RowOp::TopK { k, candidates, order } => format!(" k={k} {} by_{}", candidates.name(), order.name()),
        RowOp::TopKMask { k, candidates } => format!(" k={k} {}", candidates.name()),
        RowOp::Rank { bins } => format!(" bins={bins}"),
    }
}
