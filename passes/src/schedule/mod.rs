//! How a kernel's rows and columns meet threads on a target.
//!
//! Stores of one number of columns share a [`Domain`], and with it their threads and values. A kernel in which nothing
//! crosses columns gets the flat schedule (`flat`), one with row values the row schedule (`row`).

pub(crate) mod at_once;
mod flat;
pub(crate) mod in_chunks;
pub(crate) mod phased;
pub(crate) mod row;
mod search;
mod tuned;

pub use search::{Found, choose, search};
pub use tuned::{follow, other_blocks, tunable_shapes};

use routefuse_ir::kernel::Kernel;
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Scheduled};
use routefuse_ir::program::Step;
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic, Verified};

/// The kernel with its schedule for the target.
///
/// # Errors
/// `RF0815` if more of a row has to be kept at once than the target has room for ([`Scheduled::verify`]), or if it would take
/// too long to compile ([`Scheduled::check_code_size`]).
pub fn schedule(kernel: Verified<Kernel>, target: Target) -> Result<Verified<Scheduled>, Diagnostic> {
    schedule_in(kernel, target, None)
}

/// As [`schedule`]; on a GPU, row schedules have this shape alone, if one is given.
///
/// # Errors
/// Those of [`schedule`]; `RF0312` for a shape that does not fit the kernel or the target.
pub fn schedule_in(
    kernel: Verified<Kernel>,
    target: Target,
    shape: Option<RowShape>,
) -> Result<Verified<Scheduled>, Diagnostic> {
    let schedule = schedule_of(&kernel, target);
    let shape = shape.filter(|_| target.kind() != TargetKind::Host);
    let schedule = match shape {
        Some(shape) => schedule.with_shape(shape),
        None => schedule,
    };
    let verified = Scheduled { kernel, schedule, target }.verify();
    let scheduled = verified.map_err(|problem| match shape {
        Some(shape) if matches!(problem.code, Code::CompileFailed | Code::KernelTooLarge) => {
            let why = problem.message.split_once("does not fit: ").map_or(&*problem.message, |(_, why)| why);
            Diagnostic::new(Code::CountOutOfRange, format!("the shape `{shape}` does not fit `{target}`: {why}"))
                .help("a row has a power of two of lanes, and a block whole warps")
        }
        _ => problem,
    })?;
    scheduled.check_code_size()?;
    Ok(scheduled)
}

/// The schedule alone, not verified: a function of the kernel and the target.
pub fn schedule_of(kernel: &Kernel, target: Target) -> Schedule {
    match &kernel.phases {
        Some(phases) => match phases.rows() {
            Some(rows) if phases.chunks.is_some() => in_chunks::schedule(phases, &rows.kernel, target),
            Some(rows) => at_once::schedule(phases, &rows.kernel, target),
            None => phased::schedule(phases, target),
        },
        None if kernel.has_row_values() => row::schedule(kernel, target),
        None => flat::schedule(kernel, target),
    }
}

/// The kernel of a step of a program with its schedule for the target: for the rows of which it is taken.
///
/// # Errors
/// Those of [`schedule`].
pub fn schedule_step(step: &Step, target: Target) -> Result<Verified<Scheduled>, Diagnostic> {
    let scheduled = schedule(step.kernel.clone(), target)?.into_inner();
    Scheduled { schedule: scheduled.schedule.within(&step.rows_taken()), ..scheduled }.verify()
}

/// Every shape of row schedules that is worth a trial for the kernel on the target, whatever the number of rows: those of its
/// schedule, and several rows a warp with any number of lanes. None for the host, for kernels without row values, and for those of
/// one row.
pub fn candidate_shapes(kernel: &Verified<Kernel>, target: Target) -> Vec<RowShape> {
    if target.kind() == TargetKind::Host || !kernel.has_row_values() {
        return vec![];
    }
    let mut shapes = row::candidates(kernel, target);
    shapes.retain(|shape| schedule_in(kernel.clone(), target, Some(*shape)).is_ok());
    shapes
}

/// One for each number of columns that stores have, in the order of the stores.
fn domains(kernel: &Kernel, piece: impl Fn(&Domain) -> Piece) -> Vec<Domain> {
    let mut domains: Vec<Domain> = Vec::new();
    for (position, store) in kernel.stores.iter().enumerate() {
        let cols = kernel.store_cols(store);
        let known = domains.iter().position(|d| d.cols == cols);
        let domain = known.unwrap_or_else(|| {
            domains.push(Domain { cols, stores: vec![], piece: Piece::InRow { width: 1 } });
            domains.len() - 1
        });
        domains[domain].stores.push(position as u32);
    }
    for d in &mut domains {
        d.piece = piece(d);
    }
    domains
}

#[cfg(test)]
mod tests {
    use super::*;
    use routefuse_ir::graph::{Alias, Layout};
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
        let scheduled = schedule(program.steps[0].kernel.clone(), target).unwrap().into_inner();
        let Schedule::Flat { threads, domains } = scheduled.schedule else { panic!("not flat") };
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
        assert_eq!(pieces(&[(DType::I32, 9, Contiguous)], sm), [(9, vec![0], Piece::AcrossRows { width: 2 })]);
        assert_eq!(pieces(&[(DType::I32, 9, Rows)], sm), [(9, vec![0], Piece::InRow { width: 1 })]);
        // One column: neighbouring rows.
        assert_eq!(pieces(&[(DType::I16, 1, Contiguous)], sm), [(1, vec![0], Piece::Rows { width: 8 })]);
        assert_eq!(pieces(&[(DType::I16, 1, Rows)], sm), [(1, vec![0], Piece::Rows { width: 1 })]);
        // The widest dtype of a domain decides; other numbers of columns are other domains.
        assert_eq!(
            pieces(&[(DType::I32, 8, Contiguous), (DType::I64, 8, Contiguous), (DType::I8, 6, Contiguous)], sm),
            [(8, vec![0, 1], Piece::InRow { width: 2 }), (6, vec![2], Piece::AcrossRows { width: 8 })]
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

    /// Routers of so many columns: of a softmax, of sigmoids with a bias, of logits as they are, and of groups; and the kernel of each.
    fn routers(dtype: &str, columns: u64) -> Vec<Verified<Kernel>> {
        let scores = [
            "%biased = softmax %x",
            "%s = sigmoid %x\n  %b = broadcast %bias {shape = [T, COLUMNS]}\n  %biased = add %s, %b",
            "%biased = copy %x",
            "%s = sigmoid %x\n  %g = group_score %s {groups = 8, score = top2_sum}\n  \
             %biased = group_mask %s, %g {keep = 4, masked = neg_inf}",
        ];
        let kernel = |score: &&str| {
            let bias = if score.contains("%bias ") { "input %bias : f32[COLUMNS]" } else { "" };
            let text = format!(
                "route 1\ngraph @router {{\n  dim T\n  input %logits : {dtype}[T, COLUMNS]\n  {bias}\n  %x = cast %logits {{dtype = f32}}\n  \
                 {score}\n  %ids = topk %biased {{k = 8, candidates = above_neg_inf}}\n  output ids = %ids\n}}\n"
            );
            let text = text.replace("COLUMNS", &columns.to_string());
            let graph = routefuse_ir::text::parse_verified(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            crate::fuse::fuse(&graph, |_| false).expect("kernels").program.steps[0].kernel.clone()
        };
        scores.iter().map(kernel).collect()
    }

    /// Two GPUs that can do the same have the same schedules, whatever their names are.
    #[test]
    fn schedules_depend_on_what_a_target_can_do() {
        let can = |target: &Target| {
            let info = target.info();
            (info.kind, info.warp, info.max_threads, info.abilities)
        };
        let gpus: Vec<Target> = Target::all().filter(|target| target.kind() != TargetKind::Host).collect();
        let (mut alike, mut tables) = (0, vec![]);
        for (dtype, columns) in [("bf16", 64), ("bf16", 128), ("bf16", 256), ("f16", 128), ("f32", 256), ("bf16", 768)]
        {
            for kernel in routers(dtype, columns) {
                let schedule_of =
                    |target: &Target| schedule(kernel.clone(), *target).expect("a schedule").into_inner().schedule;
                let schedules: Vec<Schedule> = gpus.iter().map(schedule_of).collect();
                for (i, one) in gpus.iter().enumerate() {
                    for (j, other) in gpus[..i].iter().enumerate().filter(|(_, other)| can(one) == can(other)) {
                        assert_eq!(schedules[i], schedules[j], "{one} and {other}: {dtype} of {columns} columns");
                        alike += 1;
                    }
                    if schedules[i].shapes().iter().any(|shape| shape.table > 0) {
                        tables.push(one.abilities());
                    }
                }
            }
        }
        assert!(alike > 100, "{alike} pairs");
        assert!(!tables.is_empty() && tables.iter().all(|can| can.pairs_of_16 && can.block_kib > 128), "{tables:?}");
    }
}
