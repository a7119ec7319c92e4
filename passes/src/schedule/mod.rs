//! How a kernel's rows and columns meet threads on a target.
//!
//! Stores of one number of columns share a [`Domain`], and with it their threads and values. On a GPU a thread owns 16
//! bytes of the widest output of its domain:
//! - where that divides a row, neighbouring columns of one row ([`Piece::InRow`]);
//! - where it does not but no output has gaps, neighbouring elements that may cross rows ([`Piece::Flat`]);
//! - where each row has one element, made of no wider values, and no output has gaps, neighbouring rows
//!   ([`Piece::Rows`]);
//! - else one element.
//!
//! On the host one thread loops over rows, and code generation cuts each into pieces of 16 and falling powers of two.

use routefuse_ir::Verified;
use routefuse_ir::graph::Layout;
use routefuse_ir::kernel::schedule::{Domain, Piece, Schedule, Scheduled};
use routefuse_ir::kernel::{Kernel, ValueId};
use routefuse_ir::target::{Target, TargetKind};

/// Bytes that one thread of a GPU owns of each output: its widest load and store.
const PIECE_BYTES: u64 = 16;

/// Threads of a block: enough for every target to fill a multiprocessor, few enough for any register use.
const GPU_THREADS: u32 = 256;

/// Elements of a piece on the host: a vector of 64 bytes of `f32`.
const HOST_WIDTH: u32 = 16;

/// The kernel with its schedule for the target.
pub fn schedule(kernel: Verified<Kernel>, target: Target) -> Scheduled {
    let schedule = schedule_of(&kernel, target);
    Scheduled { kernel, schedule, target }
}

/// The schedule alone.
pub fn schedule_of(kernel: &Kernel, target: Target) -> Schedule {
    let host = target.kind() == TargetKind::Host;
    let mut domains: Vec<Domain> = Vec::new();
    for (position, store) in kernel.stores.iter().enumerate() {
        let cols = kernel.param_space(store.param).cols;
        let known = domains.iter().position(|d| d.cols == cols);
        let domain = known.unwrap_or_else(|| {
            domains.push(Domain { cols, stores: vec![], piece: Piece::InRow { width: 1 } });
            domains.len() - 1
        });
        domains[domain].stores.push(position as u32);
    }
    for d in &mut domains {
        d.piece = if host { host_piece(kernel, d) } else { gpu_piece(kernel, d) };
    }
    let threads = if host { 1 } else { GPU_THREADS.min(target.info().max_threads) };
    Schedule::Flat { threads, domains }
}

fn host_piece(kernel: &Kernel, d: &Domain) -> Piece {
    if d.cols == 1 && one_column_each(kernel, d) {
        Piece::Rows { width: HOST_WIDTH }
    } else {
        Piece::InRow { width: HOST_WIDTH }
    }
}

/// Whether no value behind the domain's stores has several columns of a row. Where one has, as a row's sum, neighbouring
/// rows are far apart in memory and each is better read on its own.
fn one_column_each(kernel: &Kernel, d: &Domain) -> bool {
    let mut waiting: Vec<ValueId> = d.stores.iter().map(|s| kernel.stores[*s as usize].value).collect();
    let mut seen = vec![false; kernel.values.len()];
    while let Some(id) = waiting.pop() {
        if !std::mem::replace(&mut seen[id.0 as usize], true) {
            let value = kernel.value(id);
            if value.space.per_row && value.space.cols > 1 {
                return false;
            }
            waiting.extend(value.kind.operands());
        }
    }
    true
}

fn gpu_piece(kernel: &Kernel, d: &Domain) -> Piece {
    let params = || d.stores.iter().map(|s| kernel.param(kernel.stores[*s as usize].param));
    let widest = params().map(|p| p.ty.dtype.size()).max().unwrap_or(1);
    let width = (PIECE_BYTES / widest).max(1) as u32;
    let contiguous = params().all(|p| p.layout == Layout::Contiguous);
    if d.cols == 1 {
        // Neighbouring rows are neighbours in memory only without gaps; one row has no neighbour.
        return Piece::Rows {
            width: if contiguous && kernel.rows.is_some() && one_column_each(kernel, d) { width } else { 1 },
        };
    }
    if d.cols.is_multiple_of(u64::from(width)) {
        return Piece::InRow { width };
    }
    if contiguous { Piece::Flat { width } } else { Piece::InRow { width: 1 } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use routefuse_ir::graph::Alias;
    use routefuse_ir::{DType, Dim, GraphBuilder};

    /// Outputs of these dtypes, columns and layouts, all zero, scheduled.
    fn pieces(outputs: &[(DType, u64, Layout)], target: Target) -> Vec<(u64, Vec<u32>, Piece)> {
        let mut b = GraphBuilder::new("g");
        let t = b.symbol("T");
        for (i, (dtype, cols, layout)) in outputs.iter().enumerate() {
            let zero = b.iota(*dtype, [Dim::Sym(t), Dim::Const(*cols)], 0);
            b.output_with(&format!("o{i}"), zero, *layout, Alias::None);
        }
        let g = b.finish().unwrap();
        let program = crate::fuse::fuse(&g, |_| false).unwrap().program;
        let Schedule::Flat { threads, domains } = schedule(program.steps[0].kernel.clone(), target).schedule else {
            panic!("not flat")
        };
        assert_eq!(threads, if target == Target::host() { 1 } else { 256 });
        domains.into_iter().map(|d| (d.cols, d.stores, d.piece)).collect()
    }

    #[test]
    fn a_gpu_thread_owns_sixteen_bytes_where_they_lie_side_by_side() {
        use Layout::{Contiguous, Rows};
        let sm = Target::named("sm_90").unwrap();
        // Four i32 divide 8 columns, with gaps between rows or without.
        assert_eq!(pieces(&[(DType::I32, 8, Rows)], sm), [(8, vec![0], Piece::InRow { width: 4 })]);
        // 9 columns: pieces cross rows if there are no gaps, else there is no vector.
        assert_eq!(pieces(&[(DType::I32, 9, Contiguous)], sm), [(9, vec![0], Piece::Flat { width: 4 })]);
        assert_eq!(pieces(&[(DType::I32, 9, Rows)], sm), [(9, vec![0], Piece::InRow { width: 1 })]);
        // One column: neighbouring rows.
        assert_eq!(pieces(&[(DType::I16, 1, Contiguous)], sm), [(1, vec![0], Piece::Rows { width: 8 })]);
        assert_eq!(pieces(&[(DType::I16, 1, Rows)], sm), [(1, vec![0], Piece::Rows { width: 1 })]);
        // The widest dtype of a domain decides; other numbers of columns are other domains.
        assert_eq!(
            pieces(&[(DType::I32, 8, Contiguous), (DType::I64, 8, Contiguous), (DType::I8, 6, Contiguous)], sm),
            [(8, vec![0, 1], Piece::InRow { width: 2 }), (6, vec![2], Piece::Flat { width: 16 })]
        );
    }

    #[test]
    fn the_host_loops_over_rows() {
        let outputs = [(DType::I32, 9, Layout::Rows), (DType::I32, 1, Layout::Rows)];
        assert_eq!(
            pieces(&outputs, Target::host()),
            [(9, vec![0], Piece::InRow { width: 16 }), (1, vec![1], Piece::Rows { width: 16 })]
        );
    }
}
