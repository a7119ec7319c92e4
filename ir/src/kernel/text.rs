//! The kernel's text: with names for people, without for its identity.

use super::{Bounds, Kernel, Role, RowOp, RowValue, Store, ValueId, ValueKind};
use crate::layout::Layout;
use crate::op::{OutOfRange, ScalarOp};
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

fn write(k: &Kernel, f: &mut dyn Write, names: bool, order: &[ValueId]) -> fmt::Result {
    // Destructured so that a new field cannot be forgotten here: this text is the kernel's identity.
    let Kernel { name, symbols, rows, params, values, stores } = k;
    let note = |n: &str| if names && !n.is_empty() { format!("  # {n}") } else { String::new() };
    let canonical: Vec<String> = (0..symbols.len()).map(|i| format!("s{i}")).collect();
    let rows = rows.map_or("1".to_owned(), |r| format!("s{}", r.0));
    let title = if names { format!(" @{name}") } else { String::new() };
    writeln!(f, "kernel{title} rows={rows} symbols={} {{", symbols.len())?;
    for (i, p) in params.iter().enumerate() {
        let role = match p.role {
            Role::Input => "in",
            Role::Output => "out",
            Role::ErrorWord => "error",
        };
        let layout = match p.layout {
            Layout::Contiguous => "",
            Layout::Rows => " rows",
            Layout::Strided => " strided",
        };
        let alias = p.aliases.map_or(String::new(), |a| format!(" aliases(p{})", a.0));
        writeln!(f, "  p{i}: {role} {}{layout}{alias}{}", p.ty.text(&canonical), note(&p.name))?;
    }
    let mut numbers: Vec<u32> = (0..values.len() as u32).collect();
    for (number, id) in order.iter().enumerate() {
        numbers[id.0 as usize] = number as u32;
    }
    // A text is printed of kernels that break the rules, too.
    let number = |id: &ValueId| numbers.get(id.0 as usize).copied().unwrap_or(id.0);
    for (i, id) in order.iter().enumerate() {
        let v = &values[id.0 as usize];
        let list = |ids: &[ValueId]| ids.iter().map(|v| format!("v{}", number(v))).collect::<Vec<_>>().join(", ");
        let text = match &v.kind {
            ValueKind::Const(l) => {
                let bits = if l.dtype().is_float() && names { format!("{l}") } else { format!("{:#x}", l.bits()) };
                format!("const {bits}")
            }
            ValueKind::Load(p) => format!("load p{}", p.0),
            ValueKind::Row => "row".to_owned(),
            ValueKind::Column => "column".to_owned(),
            ValueKind::Scalar(op @ (ScalarOp::Cast(_) | ScalarOp::Bitcast(_)), operands) => {
                format!("{} {} to {}", op.mnemonic(), list(operands), v.dtype)
            }
            ValueKind::Scalar(op, operands) => {
                format!("{} {}{}", op.mnemonic(), list(operands), op.choices_text())
            }
            ValueKind::Remap(value, map) => {
                let mut text = format!("remap v{} at {}", number(value), map.base);
                for t in &map.terms {
                    let _ = write!(text, " + j/{}%{}*{}", t.div, t.modulo, t.mul);
                }
                text
            }
            ValueKind::Concat(parts) => {
                let parts: Vec<String> = parts.iter().map(|(v, w)| format!("v{}:{w}", number(v))).collect();
                format!("concat {}", parts.join(", "))
            }
            ValueKind::Gather { table, indices, bounds } => {
                format!("gather p{}[{}] {}", table.0, list(indices), bounds_text(*bounds))
            }
            ValueKind::GatherRow { value, index, bounds } => {
                format!("gather_row v{}[v{}] {}", number(value), number(index), bounds_text(*bounds))
            }
            ValueKind::RowValue(RowValue { op, value, width }) => {
                let rest = match op {
                    RowOp::Reduce(_) | RowOp::CumSum => String::new(),
                    RowOp::TopK { k, candidates, order } => {
                        format!(" k={k} {} by_{}", candidates.name(), order.name())
                    }
                    RowOp::TopKMask { k, candidates } => format!(" k={k} {}", candidates.name()),
                };
                format!("{} v{} by {width}{rest}", op.mnemonic(), number(value))
            }
        };
        let row = if v.space.per_row { "row" } else { "all" };
        writeln!(f, "  v{i} = {text} : {} {row}x{}{}", v.dtype, v.space.cols, note(&v.name))?;
    }
    for s in stores {
        match s.add_at {
            None => writeln!(f, "  store v{} to p{}", number(&s.value), s.param.0)?,
            Some(index) => writeln!(f, "  add v{} to p{} at v{}", number(&s.value), s.param.0, number(&index))?,
        }
    }
    writeln!(f, "}}")
}
