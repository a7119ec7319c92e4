//! Phases on a GPU: kernels in one launch, with a barrier of each block between them.
//!
//! All blocks find out the same: how many items each bin has in all, and with that where bins begin. What differs is how many of a
//! bin's items lie before those that are a block's own, which is where their ranks begin.
//!
//! In one launch each block counts all items into two rows of counts, those before its own items and the rest ([`counting`]). A warp
//! then ranks the own ones, as many at a time as it has lanes, in order ([`ranking`]). Of two launches the first one counts chunks
//! ([`chunks`]), and the second one ranks its chunk while the first one still runs, puts it in the order of bins, and stores from there
//! ([`placing`]). Places that no item has are filled bin by bin ([`padding`]). Where items are few, one block does it all by itself
//! ([`few`]), and can do the rows that make the items before ([`first_rows`]). So can the blocks that count chunks. Where no row asks for
//! counts, no block has to know all of them ([`alone`]).
//!
//! Nothing whose order can be seen is what an atomic operation returns: they only add, and what they add to is read behind a barrier.

mod alone;
mod any_column;
mod chunks;
mod counting;
mod few;
mod first_rows;
mod one_row;
mod padding;
mod placing;
mod ranking;
mod room;
mod sums;
mod tables;

use crate::emit::entry_point;
use crate::emit::flat;
use crate::emit::peephole::Peepholes;
use crate::emit::pull::arguments::Arguments;
use crate::emit::pull::job::Job;
use crate::emit::pull::scopes::Scopes;
use crate::emit::pull::{Pull, Shortcut, Ways};
use crate::emit::row;
use crate::machine::Warps;
use crate::mlir::builder::{Builder, Coordinate, IntPredicate, Val};
use room::Room;
use routefuse_ir::kernel::abi::Slot;
use routefuse_ir::kernel::analysis::counts_alone;
use routefuse_ir::kernel::phases::{Phase, Phases, Place, Reach};
use routefuse_ir::kernel::schedule::{Domain, Part, Piece, RowShape};
use std::rc::Rc;

/// Emits one of the launches: blocks of so many threads, of which so many warps rank where there are two launches.
pub(in crate::emit) fn emit(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    phases: &Phases,
    (threads, ranking): (u32, u32),
    part: Part,
    domains: &[Vec<Domain>],
) {
    let room = Room::of(phases, part, ranking, warps.lanes());
    entry_point::gpu(job, (threads, room.words), None, |arguments| {
        Phased::new(job, warps, (phases, domains), (threads, ranking), (part, room, 0), arguments, None).run();
    });
}

/// Emits one block that does rows, which lanes share as the shape says, and then phases of few items.
pub(in crate::emit) fn emit_at_once(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    (phases, rows): (&Phases, u64),
    shape: RowShape,
    domains: &[Vec<Domain>],
    peepholes: Peepholes,
) {
    emit_behind_rows(job, warps, (phases, 1), (Part::Few, Room::at_once(phases, rows)), shape, domains, peepholes);
}

/// Emits the first of two launches: blocks that do the rows of their chunks, which lanes share as the shape says, and count the items.
pub(in crate::emit) fn emit_rows_of_chunks(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    (phases, ranking): (&Phases, u32),
    shape: RowShape,
    domains: &[Vec<Domain>],
    peepholes: Peepholes,
) {
    let room = Room::of(phases, Part::Counting, ranking, warps.lanes());
    emit_behind_rows(job, warps, (phases, ranking), (Part::Counting, room), shape, domains, peepholes);
}

/// Emits blocks that do rows, and then a part of the phases: its room is behind that of the rows.
fn emit_behind_rows(
    job: Job<'_, '_>,
    warps: &dyn Warps,
    (phases, ranking): (&Phases, u32),
    (part, room): (Part, Room),
    shape: RowShape,
    domains: &[Vec<Domain>],
    peepholes: Peepholes,
) {
    let of_rows = phases.rows().map_or(0, |p| row::gpu::shared_words(&p.kernel, warps, shape)).next_multiple_of(4);
    entry_point::gpu(job, (shape.threads, of_rows + room.words), None, |arguments| {
        let (first, room) = (Some((shape, peepholes)), (part, room, of_rows));
        Phased::new(job, warps, (phases, domains), (shape.threads, ranking), room, arguments, first).run();
    });
}

/// The owner.
struct Phased<'a, 'm> {
    job: Job<'a, 'm>,
    b: &'a Builder<'m>,
    warps: &'a dyn Warps,
    phases: &'a Phases,
    /// For each phase.
    domains: &'a [Vec<Domain>],
    /// Threads of a block.
    threads: u32,
    /// Warps that share the items of a block in the second of two launches.
    ranking: u32,
    part: Part,
    /// How lanes share the rows that are a phase.
    first: Option<(RowShape, Peepholes)>,
    room: Room,
    /// The block's memory, as the room has it.
    memory: Val<'m>,
    arguments: Arguments<'m>,
    /// The thread in the block; its lane and warp; the block in the grid, and the grid's blocks: `i64`.
    thread: Val<'m>,
    lane: Val<'m>,
    warp: Val<'m>,
    block: Val<'m>,
    blocks: Val<'m>,
}

impl<'a, 'm> Phased<'a, 'm> {
    /// What is known of the thread and the block. The room begins at a word of the block's memory.
    fn new(
        job: Job<'a, 'm>,
        warps: &'a dyn Warps,
        (phases, domains): (&'a Phases, &'a [Vec<Domain>]),
        (threads, ranking): (u32, u32),
        (part, room, word): (Part, Room, u32),
        arguments: Arguments<'m>,
        first: Option<(RowShape, Peepholes)>,
    ) -> Self {
        let b = job.b;
        // Of what is gone through once or twice each instruction has to be fetched.
        b.direct_loops(job.machine.keeps_loop());
        let thread = b.coordinate(Coordinate::Thread);
        let long = |n: u32| b.const_int(b.int(64), i64::from(n));
        let (block, blocks) = (b.coordinate(Coordinate::Block), warps.blocks(b));
        let lane = b.andi(thread, long(warps.lanes() - 1));
        let warp = b.shrui(thread, long(warps.lanes().trailing_zeros()));
        let memory = match word {
            0 => b.shared_words(),
            _ => b.gep_const(b.shared_words(), word as i32, b.int(32)),
        };
        Phased {
            job,
            b,
            warps,
            phases,
            domains,
            threads,
            ranking,
            part,
            first,
            room,
            memory,
            arguments,
            thread,
            lane,
            warp,
            block,
            blocks,
        }
    }

    fn run(&self) {
        let domains = self.domains;
        let phases = || self.phases.list.iter().zip(domains);
        let with = |reach: Reach| phases().filter(move |(p, _)| p.reach == reach);
        let counted = with(Reach::Counted).next();
        let ranked = with(Reach::Ranked).next();
        let compute = || {
            for (phase, domains) in with(Reach::EveryBlock) {
                self.one_row(phase, domains);
            }
        };
        let is_alone = counts_alone(self.phases);
        match (self.part, counted) {
            (Part::Few, Some(_)) => return self.few(domains),
            (Part::Whole, Some(_)) if is_alone => return self.count_alone(domains),
            (Part::Counting, Some((phase, _))) if is_alone => return self.count_chunk_alone(phase, domains),
            (Part::Placing, Some(_)) if is_alone => return self.add_up_chunks(domains),
            (Part::Whole, Some((phase, domains))) => {
                self.warps.wait_for_inputs(self.b);
                self.where_counts_are_asked_for(&|| {
                    self.count_all(phase, domains);
                    compute();
                });
                if let Some((phase, domains)) = ranked {
                    self.rank(phase, domains);
                }
            }
            (Part::Counting, Some((phase, domains))) => return self.count_chunk(phase, domains),
            (Part::Placing, Some((counted, _))) => self.place(counted, ranked, &compute),
            (_, None) => {}
        }
        self.copy();
        self.warps.let_next_begin(self.b);
        self.divide(domains);
    }

    /// Does what makes counts and what is computed of them: in every block, or in the first one alone, where they are outputs and nobody
    /// else asks for them.
    pub(super) fn where_counts_are_asked_for(&self, body: &dyn Fn()) {
        let asks = |p: &Phase| {
            let of_counts = p.places.iter().any(|place| matches!(place, Place::Shared(_)));
            matches!(p.reach, Reach::Ranked | Reach::Padding { .. }) || p.reach == Reach::Divided && of_counts
        };
        if self.phases.list.iter().any(asks) {
            return body();
        }
        let is_first = self.b.cmpi(IntPredicate::Eq, self.block, self.long(0));
        self.b.if_then(is_first, |_| body());
    }

    /// What the blocks divide among them.
    fn divide(&self, domains: &[Vec<Domain>]) {
        let long = |n: u32| self.b.const_int(self.b.int(64), i64::from(n));
        // Neighbouring warps of numbers are of neighbouring blocks, so that all have a part of what is little; and the block's last warp
        // has the first ones, since the first warp still ranks where others do not.
        let behind = self.b.subi(long(self.threads / self.warps.lanes() - 1), self.warp);
        let warp = self.b.addi(self.b.muli(behind, self.blocks), self.block);
        let first = self.b.addi(self.b.muli(warp, long(self.warps.lanes())), self.lane);
        let all = self.b.muli(self.blocks, long(self.threads));
        for (phase, domains) in self.phases.list.iter().zip(domains) {
            match phase.reach {
                Reach::Padding { starts } => self.pad(phase, domains, starts),
                Reach::Divided => {
                    // In one launch there is less than a piece for each thread, and what is looked up in tables takes long.
                    let looks_up = phase.places.iter().any(|p| matches!(p, Place::Shared(_)));
                    let one_by_one = |d: &Domain| match d.piece {
                        Piece::Rows { .. } if self.part == Part::Whole || looks_up => {
                            Domain { piece: Piece::Rows { width: 1 }, ..d.clone() }
                        }
                        _ => d.clone(),
                    };
                    let domains: Vec<Domain> = domains.iter().map(one_by_one).collect();
                    flat::gpu::pieces(self.job_of(phase), &domains, self.arguments_of(phase), (first, all));
                }
                Reach::Rows | Reach::Counted | Reach::EveryBlock | Reach::Ranked => {}
            }
        }
    }

    fn job_of<'p>(&self, phase: &'p Phase) -> Job<'p, 'm>
    where
        'a: 'p,
    {
        Job { kernel: &phase.kernel, ..self.job }
    }

    /// What the slots of a phase are.
    fn arguments_of(&self, phase: &Phase) -> Arguments<'m> {
        self.arguments_with(phase, |shared| self.words_at(self.room.shared[shared as usize]))
    }

    /// The same, where what the phases name is elsewhere.
    fn arguments_with(&self, phase: &Phase, shared: impl Fn(u32) -> Val<'m>) -> Arguments<'m> {
        let of = |slot: Slot| match slot {
            Slot::Pointer(p) => match phase.places[p.0 as usize] {
                Place::Param(whole) => self.arguments.pointer(whole),
                Place::Shared(at) => shared(at),
            },
            Slot::Stride(p, dim) => match phase.places[p.0 as usize] {
                Place::Param(whole) => self.arguments.stride(whole, dim),
                Place::Shared(_) => self.b.const_int(self.b.int(64), 1),
            },
            Slot::Extent(symbol) => self.arguments.extent(phase.symbols[symbol.0 as usize]),
        };
        Arguments::of_phase(self.job_of(phase), of)
    }

    /// What pulls the values of a phase, in scopes of its own.
    fn pull_of<'p>(&self, phase: &'p Phase) -> Pull<'p, 'm>
    where
        'a: 'p,
    {
        self.pull_in(phase, (&[], Scopes::new()), self.arguments_of(phase))
    }

    /// What pulls them by these shortcuts in these scopes, of these arguments.
    fn pull_in<'p>(
        &self,
        phase: &'p Phase,
        (shortcuts, scopes): (&'p [&'p dyn Shortcut<'m>], Rc<Scopes>),
        arguments: Arguments<'m>,
    ) -> Pull<'p, 'm>
    where
        'a: 'p,
    {
        let ways = Ways { shortcuts, widen_bf16: None };
        Pull::new(self.job_of(phase), scopes, arguments, ways)
    }

    /// The address of this word of the block's memory.
    fn words_at(&self, word: u32) -> Val<'m> {
        self.b.gep_const(self.memory, word as i32, self.b.int(32))
    }

    /// The address of the word that lies so many, `i32`, behind one of the block's memory.
    fn word_at(&self, word: u32, more: Val<'m>) -> Val<'m> {
        self.b.gep(self.words_at(word), more, self.b.int(32))
    }

    fn word(&self, n: u32) -> Val<'m> {
        self.b.const_int(self.b.int(32), i64::from(n as i32))
    }

    fn long(&self, n: u64) -> Val<'m> {
        self.b.const_int(self.b.int(64), n as i64)
    }

    /// A small number of 64 bits as 32.
    fn short(&self, long: Val<'m>) -> Val<'m> {
        self.b.trunci(long, self.b.int(32))
    }

    fn load_word(&self, at: Val<'m>) -> Val<'m> {
        self.b.load(at, self.b.int(32), 4, false)
    }

    /// Goes through `count` numbers, `i32`, a thread of the block each.
    fn each(&self, count: u64, body: impl FnOnce(Val<'m>)) {
        let (b, thread) = (self.b, self.short(self.thread));
        let end = self.word(count as u32);
        if count == u64::from(self.threads) {
            return body(thread);
        }
        if count < u64::from(self.threads) {
            return b.if_then(b.cmpi(IntPredicate::Ult, thread, end), |_| body(thread));
        }
        b.for_loop(thread, end, self.word(self.threads), |_, at| body(at));
    }

    /// Stores zeros to so many words, a multiple of four, from a multiple of four on.
    fn clear(&self, word: u32, count: u32) {
        let b = self.b;
        let four = b.const_zero(b.lanes_of(b.int(32), 4));
        self.each(u64::from(count.div_ceil(4)), |at| b.store(four, self.word_at(word, b.shli(at, self.word(2))), 16));
    }

    /// What is in memory of every block and is an output as well: the first block stores it.
    fn copy(&self) {
        let b = self.b;
        if self.phases.copied.is_empty() {
            return;
        }
        let is_first = b.cmpi(IntPredicate::Eq, self.block, self.long(0));
        b.if_then(is_first, |_| {
            for (shared, param) in &self.phases.copied {
                let ty = &self.phases.shared[*shared as usize];
                let (size, element) = (ty.dtype.size(), b.int(8 * ty.dtype.size() as u32));
                let (from, to) = (self.words_at(self.room.shared[*shared as usize]), self.arguments.pointer(*param));
                self.each(ty.row_elements().unwrap_or(0), |at| {
                    let value = b.load(b.gep(from, at, element), element, size as u32, false);
                    b.store(value, b.gep(to, at, element), size as u32);
                });
            }
        });
    }
}
