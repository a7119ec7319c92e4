//! The flat schedule: nothing crosses lanes.
//!
//! On a GPU a thread owns 16 bytes of the widest output of its domain:
//! - where that divides a row, neighbouring columns of one row ([`Piece::InRow`]);
//! - where it does not but no output has gaps, 8 bytes of neighbouring elements, which may lie in two rows
//!   ([`Piece::AcrossRows`]), or one of them where threads with little work are as quick;
//! - where each row has one element, made of no wider values, and no output has gaps, neighbouring rows
//!   ([`Piece::Rows`]);
//! - else one element.
//!
//! On the host one thread loops over rows, and code generation cuts each into pieces as the target's vector registers are and
//! falling powers of two.

use super::domains;
use routefuse_ir::graph::Layout;
use routefuse_ir::kernel::analysis::reached_from;
use routefuse_ir::kernel::schedule::{Domain, Piece, Schedule};
use routefuse_ir::kernel::{Kernel, Store, Value};
use routefuse_ir::target::{Target, TargetKind};

/// Bytes that one thread of a GPU owns of each output: its widest load and store.
const PIECE_BYTES: u64 = 16;

/// Of neighbours that may lie in two rows. Every one of them has a row and a column of its own to compute, so two are as much
/// for a thread as four in a row: on an H100 the long chain takes 1.24 µs with two, 1.31 with four, at most as long for every
/// number of rows, for 121 instructions instead of 195. On AMD's GPUs 64 threads with one element each take fewer instructions in all than 32
/// with two.
const ACROSS_BYTES: u64 = 8;

/// Threads of a block: enough for every target to fill a multiprocessor, few enough for any register use.
const GPU_THREADS: u32 = 256;

/// Threads of a block where small blocks fill a multiprocessor as well: one row of a chain needs no more, and warps without a piece
/// are not begun.
const SMALL_BLOCK: u32 = 64;

pub(super) fn schedule(kernel: &Kernel, target: Target) -> Schedule {
    let host = target.kind() == TargetKind::Host;
    let piece = |d: &Domain| {
        if host { host_piece(kernel, d, target.info().vectors.stored_piece()) } else { gpu_piece(kernel, d, target) }
    };
    let threads = match target.abilities().small_blocks {
        _ if host => 1,
        true => SMALL_BLOCK,
        false => GPU_THREADS.min(target.info().max_threads),
    };
    Schedule::Flat { threads, domains: domains(kernel, piece) }
}

fn host_piece(kernel: &Kernel, d: &Domain, width: u32) -> Piece {
    if d.cols == 1 && one_column_each(kernel, d) { Piece::Rows { width } } else { Piece::InRow { width } }
}

/// Whether no value behind the domain's stores has several columns of a row. Where one has, as a row's sum, neighbouring
/// rows are far apart in memory and each is better read on its own.
fn one_column_each(kernel: &Kernel, d: &Domain) -> bool {
    let reached = reached_from(&kernel.values, d.stores.iter().flat_map(|s| kernel.stores[*s as usize].operands()));
    let is_wide = |v: &Value| v.space.per_row && v.space.cols > 1;
    !kernel.values.iter().zip(reached).any(|(v, reached)| reached && is_wide(v))
}

fn gpu_piece(kernel: &Kernel, d: &Domain, target: Target) -> Piece {
    let stores = || d.stores.iter().map(|s| &kernel.stores[*s as usize]);
    // What is added goes wherever its index says, element by element.
    let adds = |s: &&Store| s.element().is_some();
    let params = || stores().filter(|s| !adds(s)).map(|s| kernel.param(s.param));
    let Some(widest) = params().map(|p| p.ty.dtype.size()).max() else { return Piece::InRow { width: 1 } };
    let width = (PIECE_BYTES / widest).max(1) as u32;
    let contiguous = params().all(|p| p.layout == Layout::Contiguous);
    if stores().any(|s| adds(&s)) {
        let fits = d.cols.is_multiple_of(u64::from(width));
        return Piece::InRow { width: if fits { width } else { 1 } };
    }
    if d.cols == 1 {
        // Neighbouring rows are neighbours in memory only without gaps; one row has no neighbour.
        return Piece::Rows {
            width: if contiguous && kernel.rows.is_some() && one_column_each(kernel, d) { width } else { 1 },
        };
    }
    if d.cols.is_multiple_of(u64::from(width)) {
        return Piece::InRow { width };
    }
    if contiguous {
        let width = if target.abilities().small_blocks { 1 } else { (ACROSS_BYTES / widest).max(1) as u32 };
        Piece::AcrossRows { width }
    } else {
        Piece::InRow { width: 1 }
    }
}
