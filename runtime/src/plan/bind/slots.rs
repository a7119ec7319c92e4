//! Where each 8-byte argument of a kernel comes from.

use routefuse_ir::program::{self, Buffer, Program, Step, Taken};
use routefuse_ir::target::{Target, TargetKind};
use smallvec::SmallVec;

/// Offsets of the intermediates in the workspace, in bytes.
pub(crate) type Offsets = SmallVec<[u64; 16]>;

/// One slot's value at launch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// The address of a port.
    Port(u32),
    /// The address of an intermediate.
    Intermediate(u32),
    /// The stride of a port's dim, in elements.
    Stride(u32, u32),
    /// Known beforehand: a stride of an intermediate.
    Fixed(u64),
    /// The extent of one of the program's symbols.
    Extent(u32),
}

/// The arguments of one step.
#[derive(Debug)]
pub(crate) struct StepSlots {
    pub(crate) sources: Box<[Source]>,
    /// The program's symbol that counts the rows.
    pub(crate) rows: Option<u32>,
    /// For which extents of a symbol of the program it runs; none if for all.
    pub(crate) taken: Option<Taken>,
    /// Bytes that one row reads and writes, without tables.
    pub(crate) row_bytes: u64,
    /// Every fixed row stride is a multiple of 16 bytes.
    pub(crate) fixed_aligned: bool,
    /// If all that it stores are guarded outputs: which, one bit an output. It has nothing to do when each is its input's
    /// view.
    pub(crate) guarded: Option<u64>,
    /// It has something to do where there are no rows: it says so.
    pub(crate) always: bool,
    /// One call has all rows: they are done in order.
    pub(crate) ordered: bool,
    /// Where rows that are done in order can be shared all the same: bins of which it is to be known how many ids of the rows before
    /// each has.
    pub(crate) counted: Option<u64>,
    /// Bytes of scratch memory that a call of its code takes: as its schedule says, once it has one.
    pub(crate) scratch: u64,
}

impl StepSlots {
    /// `None` if the step names what the program does not have.
    pub(crate) fn new(step: &Step, program: &Program, target: Target) -> Option<StepSlots> {
        let (inputs, outputs) = (program.inputs.len(), program.outputs.len());
        let kernel = &*step.kernel;
        let port = |buffer: Buffer| match buffer {
            Buffer::Input(i) => Some(i as u32),
            Buffer::Output(o) => Some((inputs + o) as u32),
            Buffer::ErrorWord => Some((inputs + outputs) as u32),
            Buffer::Intermediate(_) => None,
        };
        let sources = step.sources(program, target)?.into_iter().map(|source| {
            Some(match source {
                program::Source::Address(Buffer::Intermediate(i)) => Source::Intermediate(i as u32),
                program::Source::Address(buffer) => Source::Port(port(buffer)?),
                program::Source::Stride(buffer, dim) => Source::Stride(port(buffer)?, dim),
                program::Source::Fixed(stride) => Source::Fixed(stride),
                program::Source::Extent(s) => Source::Extent(s.0),
            })
        });
        let sources = sources.collect::<Option<Box<[Source]>>>()?;
        let fixed_aligned = step.fixed_strides_are_aligned(target);
        let row_bytes = kernel
            .params
            .iter()
            .filter(|p| kernel.rows.is_some() && p.ty.row_symbol() == kernel.rows)
            .map(|p| p.ty.row_elements().unwrap_or(0).saturating_mul(p.ty.dtype.size()))
            .fold(0, u64::saturating_add);
        // One bit an output, of as many as there are bits.
        let guarded = step.guarded_outputs(program).filter(|outputs| outputs.iter().all(|&o| o < 64));
        let guarded = guarded.map(|outputs| outputs.iter().fold(0u64, |bits, o| bits | 1 << o));
        let always = kernel.phases.is_some();
        let guarded = guarded.filter(|_| !always);
        let (rows, ordered) = (step.rows().map(|s| s.0), kernel.is_ordered());
        let counted = kernel.counted_for_parts().filter(|_| target.kind() == TargetKind::Host);
        let taken = step.taken;
        Some(StepSlots {
            sources,
            rows,
            taken,
            row_bytes,
            fixed_aligned,
            guarded,
            always,
            ordered,
            counted,
            scratch: 0,
        })
    }

    /// The program's symbols that are passed, and the one that says whether it runs.
    pub(crate) fn symbols(&self) -> impl Iterator<Item = u32> {
        let passed = self.sources.iter().filter_map(|s| if let Source::Extent(s) = s { Some(*s) } else { None });
        passed.chain(self.taken.map(|taken| taken.symbol.0))
    }
}

/// Lays out the intermediates and gives the workspace's bytes; `None` past 63 bits.
pub(crate) fn workspace(program: &Program, extents: &[u64], offsets: &mut Offsets) -> Option<u64> {
    program.lay_out(|symbol| extents[symbol.0 as usize], |offset, _| offsets.push(offset))
}
