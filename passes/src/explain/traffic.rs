//! Bytes that kernels move.

use routefuse_ir::dim::const_product;
use routefuse_ir::kernel::{Kernel, Role, Store, ValueId, ValueKind};
use routefuse_ir::program::Program;
use serde::Serialize;
use std::ops::AddAssign;

/// Bytes from and to memory, each element counted once for each kernel that touches it. A table of constant extents counts
/// as a whole, once a launch, however many of its elements are gathered: it stays in a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Read for each row.
    pub read_per_row: u64,
    /// Written for each row.
    pub written_per_row: u64,
    /// Read once a launch.
    pub read_once: u64,
    /// Written once a launch.
    pub written_once: u64,
}

impl Traffic {
    /// All bytes of a launch over this many rows.
    pub fn bytes(&self, rows: u64) -> u64 {
        let Traffic { read_per_row, written_per_row, read_once, written_once } = self;
        rows.saturating_mul(read_per_row + written_per_row).saturating_add(read_once + written_once)
    }

    /// Of a kernel.
    pub fn of_kernel(kernel: &Kernel) -> Traffic {
        let mut traffic = Traffic::default();
        let reads = read_columns(kernel);
        for (i, p) in kernel.params.iter().enumerate() {
            let id = routefuse_ir::kernel::ParamId(i as u32);
            let (space, size) = (kernel.param_space(id), p.ty.dtype.size());
            match p.role {
                Role::Output if space.per_row => traffic.written_per_row += space.cols * size,
                Role::Output => traffic.written_once += space.cols * size,
                Role::Input => {
                    if space.per_row {
                        traffic.read_per_row += reads.loaded[i] * size;
                    } else {
                        traffic.read_once += reads.loaded[i] * size;
                    }
                    traffic.read_per_row += reads.gathered_per_row[i] * size;
                    traffic.read_once += reads.gathered_once[i] * size;
                }
                Role::ErrorWord => {}
            }
        }
        traffic
    }

    /// Of all kernels of a program. Rows of different symbols add up.
    pub fn of_program(program: &Program) -> Traffic {
        let mut sum = Traffic::default();
        program.steps.iter().for_each(|s| sum += Traffic::of_kernel(&s.kernel));
        sum
    }
}

impl AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.read_per_row += other.read_per_row;
        self.written_per_row += other.written_per_row;
        self.read_once += other.read_once;
        self.written_once += other.written_once;
    }
}

/// By parameter: elements that are read.
struct Reads {
    loaded: Vec<u64>,
    gathered_per_row: Vec<u64>,
    gathered_once: Vec<u64>,
}

/// Values of more columns than this count as asked for in full.
const WIDEST: u64 = 1 << 14;

/// Columns of one value or parameter that something asks for.
#[derive(Clone, Default)]
enum Asked {
    #[default]
    None,
    /// By column.
    These(Vec<bool>),
    /// So many: all there are.
    All(u64),
}

impl Asked {
    fn all(cols: u64) -> Asked {
        if cols > WIDEST { Asked::All(cols) } else { Asked::These(vec![true; cols as usize]) }
    }

    /// Column `at` of `cols`; one column serves all.
    fn add(&mut self, at: u64, cols: u64) {
        if cols > WIDEST {
            *self = Asked::All(cols);
            return;
        }
        if !matches!(self, Asked::These(_)) {
            *self = Asked::These(vec![false; cols as usize]);
        }
        if let Asked::These(columns) = self {
            columns[if cols == 1 { 0 } else { at as usize }] = true;
        }
    }

    /// What either asks for.
    fn or(self, other: Asked) -> Asked {
        match (self, other) {
            (Asked::All(n), _) | (_, Asked::All(n)) => Asked::All(n),
            (Asked::None, asked) | (asked, Asked::None) => asked,
            (Asked::These(x), Asked::These(y)) => Asked::These(x.iter().zip(&y).map(|(x, y)| *x || *y).collect()),
        }
    }

    fn count(&self) -> u64 {
        match self {
            Asked::None => 0,
            Asked::These(columns) => columns.iter().filter(|c| **c).count() as u64,
            Asked::All(n) => *n,
        }
    }
}

/// What a kernel's stores ask for, by value: users come before operands.
struct Asking<'k> {
    kernel: &'k Kernel,
    asked: Vec<Asked>,
}

impl Asking<'_> {
    fn ask_all(&mut self, v: ValueId) {
        self.asked[v.0 as usize] = Asked::all(self.kernel.value(v).space.cols);
    }

    /// Asks the operand for the columns that these are at: all of them, where they are all.
    fn ask(&mut self, v: ValueId, columns: &Asked, at: impl Fn(u64) -> Option<u64>) {
        match columns {
            Asked::None => {}
            Asked::All(_) => self.ask_all(v),
            Asked::These(columns) => {
                let cols = self.kernel.value(v).space.cols;
                for c in (0..columns.len() as u64).filter(|c| columns[*c as usize]).filter_map(at) {
                    self.asked[v.0 as usize].add(c, cols);
                }
            }
        }
    }

    /// What the value asks its operands for these columns of itself.
    fn ask_operands(&mut self, kind: &ValueKind, columns: &Asked) {
        match kind {
            ValueKind::Const(_) | ValueKind::Row | ValueKind::Column | ValueKind::Extent(_) | ValueKind::Load(_) => {}
            ValueKind::Scalar(_, operands) | ValueKind::Gather { indices: operands, .. } => {
                operands.iter().for_each(|o| self.ask(*o, columns, Some));
            }
            ValueKind::Remap(v, map) => self.ask(*v, columns, |c| Some(map.apply(c))),
            ValueKind::Concat(parts) => {
                let width: u64 = parts.iter().map(|p| p.1).sum();
                let mut begin = 0;
                for (v, w) in parts {
                    let within = |c: u64| (c % width).checked_sub(begin).filter(|place| place < w);
                    self.ask(*v, columns, |c| within(c).map(|place| c / width * w + place));
                    begin += w;
                }
            }
            ValueKind::GatherRow { value, index, .. } => {
                self.ask_all(*value);
                self.ask(*index, columns, Some);
            }
            ValueKind::RowValue(row) => self.ask_all(row.value),
        }
    }
}

fn read_columns(kernel: &Kernel) -> Reads {
    let mut asking = Asking { kernel, asked: vec![Asked::None; kernel.values.len()] };
    for v in kernel.stores.iter().flat_map(Store::operands) {
        asking.ask_all(v);
    }
    let params = kernel.params.len();
    let mut loaded = vec![Asked::None; params];
    let (mut gathered_per_row, mut gathered_once) = (vec![0; params], vec![0; params]);
    for (id, value) in kernel.values().rev() {
        let columns = std::mem::take(&mut asking.asked[id.0 as usize]);
        if let Asked::None = columns {
            continue;
        }
        asking.ask_operands(&value.kind, &columns);
        match &value.kind {
            ValueKind::Load(p) => {
                let before = std::mem::take(&mut loaded[p.0 as usize]);
                loaded[p.0 as usize] = before.or(columns);
            }
            ValueKind::Gather { table, .. } => match const_product(&kernel.param(*table).ty.shape) {
                Some(whole) => gathered_once[table.0 as usize] = whole,
                None if value.space.per_row => gathered_per_row[table.0 as usize] += columns.count(),
                None => gathered_once[table.0 as usize] += columns.count(),
            },
            _ => {}
        }
    }
    let loaded: Vec<u64> = loaded.iter().map(Asked::count).collect();
    // A table that is also loaded as a whole is read once.
    for (gathered, loaded) in gathered_once.iter_mut().zip(&loaded) {
        *gathered = gathered.saturating_sub(*loaded);
    }
    Reads { loaded, gathered_per_row, gathered_once }
}

#[cfg(test)]
mod tests {
    use super::*;
    use routefuse_ir::op::OutOfRange;
    use routefuse_ir::{DType, Dim, GraphBuilder};

    #[test]
    fn only_what_is_asked_for_counts() {
        let mut b = GraphBuilder::new("g");
        let t = Dim::Sym(b.symbol("T"));
        let ids = b.input("ids", DType::I32, [t, 8.into()]);
        let weights = b.input("weights", DType::F32, [t, 8.into()]);
        let map = b.input("map", DType::I32, [256.into()]);
        let rows = b.input("rows", DType::I64, [Dim::Sym(routefuse_ir::SymbolId(0))]);
        let first = b.slice(ids, 0, 3);
        let mapped = b.gather(map, &[first]);
        let far = b.gather(rows, &[mapped]);
        b.output("mapped", mapped);
        b.output("far", far);
        let picked = b.gather_row(weights, first, OutOfRange::Clamp);
        b.output("picked", picked);
        let g = b.finish().unwrap();
        let kernel = &crate::fuse::fuse(&g, |_| false).unwrap().program.steps[0].kernel;
        let expected = Traffic {
            // Three ids, three gathered elements of `rows`, all weights, since any may be picked.
            read_per_row: 3 * 4 + 3 * 8 + 8 * 4,
            written_per_row: 3 * 4 + 3 * 8 + 3 * 4,
            read_once: 256 * 4,
            written_once: 0,
        };
        assert_eq!(Traffic::of_kernel(kernel), expected);
        assert_eq!(expected.bytes(10), 10 * (68 + 48) + 1024);
    }
}
