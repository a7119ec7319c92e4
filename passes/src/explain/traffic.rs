//! Bytes that kernels move.

use routefuse_ir::kernel::{Kernel, Role, ValueId, ValueKind};
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

/// Columns of a value that something asks for. Wide values count as asked for in full.
type Asked = Vec<bool>;

const WIDEST: u64 = 1 << 14;

fn ask_all(asked: &mut [Asked], kernel: &Kernel, v: ValueId) {
    let cols = kernel.value(v).space.cols.min(WIDEST) as usize;
    asked[v.0 as usize] = vec![true; cols];
}

fn ask(asked: &mut [Asked], kernel: &Kernel, v: ValueId, column: u64) {
    let cols = kernel.value(v).space.cols;
    if cols > WIDEST {
        return ask_all(asked, kernel, v);
    }
    let set = &mut asked[v.0 as usize];
    if set.is_empty() {
        set.resize(cols as usize, false);
    }
    set[if cols == 1 { 0 } else { column as usize }] = true;
}

fn read_columns(kernel: &Kernel) -> Reads {
    let mut asked: Vec<Asked> = vec![vec![]; kernel.values.len()];
    for s in &kernel.stores {
        s.operands().for_each(|v| ask_all(&mut asked, kernel, v));
    }
    let params = kernel.params.len();
    let mut loaded: Vec<Asked> = vec![vec![]; params];
    let mut reads =
        Reads { loaded: vec![0; params], gathered_per_row: vec![0; params], gathered_once: vec![0; params] };
    for (id, value) in kernel.values().rev() {
        let columns = std::mem::take(&mut asked[id.0 as usize]);
        let wide = value.space.cols > WIDEST;
        let each = || (0..columns.len() as u64).filter(|c| columns[*c as usize]);
        if columns.is_empty() {
            continue;
        }
        match &value.kind {
            ValueKind::Const(_) | ValueKind::Row | ValueKind::Column => {}
            ValueKind::Load(p) if wide => reads.loaded[p.0 as usize] = value.space.cols,
            ValueKind::Load(p) => {
                let all = &mut loaded[p.0 as usize];
                all.resize(columns.len(), false);
                each().for_each(|c| all[c as usize] = true);
            }
            ValueKind::Scalar(_, operands) => {
                for o in operands {
                    if wide {
                        ask_all(&mut asked, kernel, *o)
                    } else {
                        each().for_each(|c| ask(&mut asked, kernel, *o, c))
                    }
                }
            }
            ValueKind::Remap(v, _) if wide => ask_all(&mut asked, kernel, *v),
            ValueKind::Remap(v, map) => each().for_each(|c| ask(&mut asked, kernel, *v, map.apply(c))),
            ValueKind::Concat(parts) if wide => parts.iter().for_each(|p| ask_all(&mut asked, kernel, p.0)),
            ValueKind::Concat(parts) => {
                let width: u64 = parts.iter().map(|p| p.1).sum();
                for c in each() {
                    let mut place = c % width;
                    for (v, w) in parts {
                        if place < *w {
                            ask(&mut asked, kernel, *v, c / width * w + place);
                            break;
                        }
                        place -= w;
                    }
                }
            }
            ValueKind::Gather { table, indices, .. } => {
                let count = if wide { value.space.cols } else { each().count() as u64 };
                let ty = &kernel.param(*table).ty;
                match routefuse_ir::dim::const_product(&ty.shape) {
                    Some(whole) => reads.gathered_once[table.0 as usize] = whole,
                    None if value.space.per_row => reads.gathered_per_row[table.0 as usize] += count,
                    None => reads.gathered_once[table.0 as usize] += count,
                }
                for o in indices {
                    if wide {
                        ask_all(&mut asked, kernel, *o)
                    } else {
                        each().for_each(|c| ask(&mut asked, kernel, *o, c))
                    }
                }
            }
            ValueKind::RowValue(row) => ask_all(&mut asked, kernel, row.value),
            ValueKind::GatherRow { value: x, index, .. } => {
                ask_all(&mut asked, kernel, *x);
                if wide {
                    ask_all(&mut asked, kernel, *index);
                } else {
                    each().for_each(|c| ask(&mut asked, kernel, *index, c));
                }
            }
        }
    }
    for (count, columns) in reads.loaded.iter_mut().zip(loaded) {
        *count = (*count).max(columns.iter().filter(|c| **c).count() as u64);
    }
    // A table that is also loaded as a whole is read once.
    for (gathered, loaded) in reads.gathered_once.iter_mut().zip(&reads.loaded) {
        *gathered = gathered.saturating_sub(*loaded);
    }
    reads
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
