//! The rules of schedules: what code generation relies on, checked where a schedule is made.

use super::block_rows::{BLOCK_ROWS, Division};
use super::in_chunks;
use super::room::{self, chosen_columns, needs, scratch_bytes};
use super::sorted::{FREE_IN_TABLE, most_words, words_of_block};
use super::{Domain, MOST_SHAPES, Piece, RowShape, Schedule, Scheduled, Selecting};
use crate::diag::{Code, Diagnostic};
use crate::kernel::analysis::{is_sparse, score_table};
use crate::kernel::phases::{FEW_THREADS, MOST_FEW, Phases};
use crate::kernel::{Kernel, ValueId};
use crate::target::TargetKind;
use crate::verify::Verified;

/// The most lanes of a piece.
const MOST_LANES: u32 = 64;

impl Scheduled {
    /// Checks that the schedule fits the kernel and the target.
    ///
    /// # Errors
    /// `RF0815`: a row of which more has to be kept at once than the target has room for. `RF0802`: a schedule that does not
    /// fit, which is a defect of who made it.
    pub fn verify(self) -> Result<Verified<Scheduled>, Diagnostic> {
        self.check()?;
        Ok(Verified::new_unchecked(self))
    }

    /// What [`Scheduled::verify`] reports, without consuming it.
    ///
    /// # Errors
    /// As [`Scheduled::verify`].
    pub fn check(&self) -> Result<(), Diagnostic> {
        let domains = match &self.schedule {
            Schedule::Flat { threads, domains } => {
                self.check_flat(*threads)?;
                domains
            }
            Schedule::Row { shapes, block_rows, held, domains } => {
                self.check_shapes(shapes)?;
                self.check_held(held)?;
                self.check_block_rows(*block_rows, held)?;
                if let Some(domain) = domains.iter().find(|d| !matches!(d.piece, Piece::InRow { .. })) {
                    return Err(self.unfit(&format!("its pieces of {} columns are not in a row", domain.cols)));
                }
                domains
            }
            Schedule::Phased { few_rows, threads, warps, domains, .. } => {
                self.check_few(*few_rows)?;
                self.check_phased(*threads, *warps, domains)?;
                return self.check_room();
            }
            Schedule::AtOnce { rows, shape, held, domains } => {
                self.check_few(Some(*rows))?;
                self.check_at_once(*rows, *shape, held, domains)?;
                return self.check_room();
            }
            Schedule::InChunks { rows_of_a_block: _, shape, threads, warps, held, domains } => {
                self.check_in_chunks(*shape, (*threads, *warps), held, domains)?;
                return self.check_room();
            }
        };
        if self.kernel.phases.is_some() {
            return Err(self.unfit("phases need a schedule of theirs"));
        }
        self.check_room()?;
        self.check_domains_of(&self.kernel, domains)
    }

    fn check_few(&self, rows: Option<u64>) -> Result<(), Diagnostic> {
        let (Some(rows), Some(phases)) = (rows, &self.kernel.phases) else { return Ok(()) };
        let items = rows.saturating_mul(phases.items());
        if items > MOST_FEW || !is_sparse(phases) || !FEW_THREADS.is_multiple_of(self.target.info().warp) {
            return Err(self.unfit(&format!("{rows} rows are not few, or take a look at every bin")));
        }
        Ok(())
    }

    fn check_phased(&self, threads: [u32; 2], warps: u32, domains: &[Vec<Domain>]) -> Result<(), Diagnostic> {
        let info = self.target.info();
        let Some(phases) = &self.kernel.phases else { return Err(self.unfit("it is for phases, and there are none")) };
        let is_whole = |n: &u32| *n > 0 && *n <= info.max_threads && n.is_multiple_of(info.warp);
        let whole = !self.is_host() && threads.iter().all(is_whole);
        if !whole || !warps.is_power_of_two() || warps > threads[1] / info.warp {
            return Err(self.unfit(&format!("{warps} warps that rank, and {threads:?} threads a block")));
        }
        if room::words_of_phases(phases, warps.into(), info.warp.into()) > room::MOST_SHARED_WORDS {
            return Err(self.unfit("its blocks share more memory than there is"));
        }
        if phases.rows().is_some() {
            return Err(self.unfit("rows are a phase of one block alone"));
        }
        self.check_domains_of_phases(phases, domains)
    }

    fn check_at_once(
        &self,
        rows: u64,
        shape: RowShape,
        held: &[ValueId],
        domains: &[Vec<Domain>],
    ) -> Result<(), Diagnostic> {
        let Some((phases, first)) = self.kernel.phases.as_deref().and_then(|p| Some((p, p.rows()?))) else {
            return Err(self.unfit("it is for rows and phases of what they make, and there are none"));
        };
        let info = self.target.info();
        let RowShape { lanes, threads, persistent, selecting, table, most_rows } = shape;
        let is_plain = !persistent && table == 0 && selecting == Selecting::InRegisters && most_rows.is_none();
        let is_whole = lanes.is_power_of_two() && lanes <= info.warp && threads.is_multiple_of(info.warp);
        // Some warps have no row.
        let of_rows = rows.checked_mul(u64::from(lanes)).map(|n| n.next_multiple_of(u64::from(info.warp)));
        let has_room = of_rows.is_some_and(|n| n < u64::from(threads)) && threads <= info.max_threads;
        if self.is_host() || !is_plain || !is_whole || !has_room {
            return Err(self.unfit(&format!("`{shape}` for {rows} rows of one block")));
        }
        check_held_of(&first.kernel, held).map_err(|why| self.unfit(why))?;
        if !room::fits_at_once(phases, &first.kernel, rows, shape.rows().into()) {
            return Err(self.unfit("so many rows and what they leave have no room in a block"));
        }
        let in_row = |d: &&Domain| !matches!(d.piece, Piece::InRow { .. });
        if let Some(domain) = domains.first().and_then(|of_rows| of_rows.iter().find(in_row)) {
            return Err(self.unfit(&format!("its pieces of {} columns are not in a row", domain.cols)));
        }
        self.check_domains_of_phases(phases, domains)
    }

    fn check_in_chunks(
        &self,
        shape: RowShape,
        (threads, warps): (u32, u32),
        held: &[ValueId],
        domains: &[Vec<Domain>],
    ) -> Result<(), Diagnostic> {
        let Some((phases, first)) = self.kernel.phases.as_deref().and_then(|p| Some((p, p.rows()?))) else {
            return Err(self.unfit("it is for rows and phases of what they make, and there are none"));
        };
        if phases.chunks.is_none() {
            return Err(self.unfit("it has no room for counts of chunks"));
        }
        let info = self.target.info();
        let is_whole = |n: u32| n > 0 && n <= info.max_threads && n.is_multiple_of(info.warp);
        let is_plain = !shape.persistent && shape.most_rows.is_none();
        let shares = shape.lanes.is_power_of_two() && shape.lanes <= info.warp;
        if self.is_host() || !is_plain || !shares || !is_whole(shape.threads) || !is_whole(threads) {
            return Err(self.unfit(&format!("`{shape}` for rows of a chunk, and {threads} threads behind it")));
        }
        if !warps.is_power_of_two() || warps > threads / info.warp {
            return Err(self.unfit(&format!("{warps} warps that rank of {threads} threads a block")));
        }
        check_held_of(&first.kernel, held).map_err(|why| self.unfit(why))?;
        let in_registers = self.target.abilities().keys_in_registers;
        let places = room::words_of_phases(phases, warps.into(), info.warp.into());
        let counts = in_chunks::words_of_counting(phases, &first.kernel, shape, in_registers);
        if places.max(counts) > room::MOST_SHARED_WORDS {
            return Err(self.unfit("its blocks share more memory than there is"));
        }
        let in_row = |d: &&Domain| !matches!(d.piece, Piece::InRow { .. });
        if let Some(domain) = domains.first().and_then(|of_rows| of_rows.iter().find(in_row)) {
            return Err(self.unfit(&format!("its pieces of {} columns are not in a row", domain.cols)));
        }
        self.check_domains_of_phases(phases, domains)
    }

    fn check_domains_of_phases(&self, phases: &Phases, domains: &[Vec<Domain>]) -> Result<(), Diagnostic> {
        if domains.len() != phases.list.len() {
            return Err(self.unfit("there are not as many lists of domains as phases"));
        }
        let kernels = phases.list.iter().map(|p| &p.kernel);
        kernels.zip(domains).try_for_each(|(kernel, domains)| self.check_domains_of(kernel, domains))
    }

    fn is_host(&self) -> bool {
        self.target.kind() == TargetKind::Host
    }

    fn unfit(&self, message: &str) -> Diagnostic {
        let (kernel, target) = (&self.kernel.name, self.target.name());
        let message = format!("the schedule of kernel `{kernel}` for `{target}` does not fit: {message}");
        Diagnostic::new(Code::CompileFailed, message)
            .help("this is a defect in routefuse; please report the graph and the target")
    }

    fn check_flat(&self, threads: u32) -> Result<(), Diagnostic> {
        let most = self.target.info().max_threads;
        if self.kernel.has_row_values() {
            return Err(self.unfit("row values need a row schedule"));
        }
        if threads == 0 || threads > most {
            return Err(self.unfit(&format!("{threads} threads a block, but the most are {most}")));
        }
        Ok(())
    }

    fn check_shapes(&self, shapes: &[RowShape]) -> Result<(), Diagnostic> {
        let (most, warp) = (self.target.info().max_threads, self.target.info().warp);
        let most_shapes = if self.is_host() { 1 } else { MOST_SHAPES };
        if shapes.is_empty() || shapes.len() > most_shapes {
            return Err(self.unfit(&format!("{} shapes; it must be 1 to {most_shapes}", shapes.len())));
        }
        // A launch of any number of rows finds one, and each is found by some.
        let ascending = shapes.is_sorted_by(|a, b| a.most_rows.is_some_and(|a| b.most_rows.is_none_or(|b| a < b)));
        if !ascending || shapes[shapes.len() - 1].most_rows.is_some() {
            return Err(self.unfit("its shapes are not for more and more rows, the last one for any number"));
        }
        for shape @ RowShape { lanes, threads, persistent: _, selecting, table: _, most_rows: _ } in shapes {
            let whole = lanes.is_power_of_two() && *threads > 0 && threads.is_multiple_of(*lanes);
            if !whole || *threads > most || (self.is_host() && *lanes != 1) {
                return Err(
                    self.unfit(&format!("{lanes} lanes a row and {threads} threads a block, of {most} at most"))
                );
            }
            // More lanes than a warp's talk through memory that a block has for one row.
            if !self.is_host() && !(threads.is_multiple_of(warp) && (*lanes <= warp || lanes == threads)) {
                return Err(self.unfit(&format!(
                    "{lanes} lanes a row and {threads} threads a block, of whole warps of {warp}, one of which has a row or all have"
                )));
            }
            if *selecting == Selecting::Sorted && *lanes > warp {
                return Err(self.unfit(&format!("lists are exchanged by {lanes} lanes, but a warp has {warp}")));
            }
            let in_registers = self.target.abilities().keys_in_registers;
            let sorts = *selecting == Selecting::Sorted;
            let words = if sorts { words_of_block(&self.kernel, *shape, in_registers) } else { 0 };
            if words > most_words(*shape) {
                let most = most_words(*shape);
                return Err(self.unfit(&format!("a block of `{shape}` shares {words} words, and may {most}")));
            }
            self.check_table(*shape)?;
        }
        Ok(())
    }

    fn check_table(&self, shape: RowShape) -> Result<(), Diagnostic> {
        let most = self.target.abilities().block_kib;
        let (cells, [_, free]) = (u64::from(shape.rows()) * chosen_columns(&self.kernel), FREE_IN_TABLE);
        let problem = match shape.table {
            0 => return Ok(()),
            kib if kib > most => format!("a block has {most} KiB of shared memory, not {kib}"),
            _ if !shape.persistent || shape.selecting != Selecting::Sorted => {
                "a table is for blocks that go on with further rows and sort keys: `persistent sorted`".to_owned()
            }
            _ if cells > free => format!("the chosen columns of a block are {cells}, and may be {free}"),
            _ if score_table(&self.kernel).is_none() => {
                "no value is a dear function of a `bf16` column whose scores a table has room for".to_owned()
            }
            _ => return Ok(()),
        };
        Err(self.unfit(&format!("`{shape}`: {problem}")))
    }

    fn check_held(&self, held: &[ValueId]) -> Result<(), Diagnostic> {
        check_held_of(&self.kernel, held).map_err(|why| self.unfit(why))
    }

    fn check_block_rows(&self, rows: u32, held: &[ValueId]) -> Result<(), Diagnostic> {
        let may = || Division::of(&self.kernel, held).is_some() && scratch_bytes(&self.kernel, held, rows) == 0;
        match rows {
            1 => Ok(()),
            BLOCK_ROWS if self.is_host() && may() => Ok(()),
            _ => Err(self.unfit(&format!("{rows} rows cannot be done together"))),
        }
    }

    fn check_room(&self) -> Result<(), Diagnostic> {
        let needs = needs(&self.kernel, &self.schedule, self.target);
        let Some(need) = needs.iter().find(|need| need.amount > need.most) else { return Ok(()) };
        let (kernel, target) = (&self.kernel.name, self.target.name());
        let message = format!(
            "kernel `{kernel}` for `{target}` takes too much at once: {} {}, and there is room for {}",
            need.amount, need.unit, need.most
        );
        let help = "this is a defect in routefuse, which cuts such kernels; please report the graph";
        Err(Diagnostic::new(Code::KernelTooLarge, message).help(help))
    }

    /// Every store is in one domain, of its own number of columns, in pieces that fit.
    fn check_domains_of(&self, kernel: &Kernel, domains: &[Domain]) -> Result<(), Diagnostic> {
        let stores = &kernel.stores;
        let mut times = vec![0; stores.len()];
        for domain in domains {
            for position in &domain.stores {
                let Some(store) = stores.get(*position as usize) else {
                    return Err(self.unfit(&format!("it names store {position}, but there are {}", stores.len())));
                };
                times[*position as usize] += 1;
                let cols = kernel.store_cols(store);
                if cols != domain.cols {
                    return Err(self.unfit(&format!("store {position} has {cols} columns, not {}", domain.cols)));
                }
            }
            self.check_piece(domain)?;
        }
        match times.iter().position(|&n| n != 1) {
            Some(store) => Err(self.unfit(&format!("store {store} is in {} domains, not in one", times[store]))),
            None => Ok(()),
        }
    }

    fn check_piece(&self, domain: &Domain) -> Result<(), Diagnostic> {
        let width = domain.piece.width();
        if !width.is_power_of_two() || width > MOST_LANES {
            return Err(self.unfit(&format!("a piece of {width} lanes; it must be a power of two up to {MOST_LANES}")));
        }
        match domain.piece {
            Piece::InRow { width } if !self.is_host() && !domain.cols.is_multiple_of(u64::from(width)) => {
                Err(self.unfit(&format!("pieces of {width} columns do not divide rows of {}", domain.cols)))
            }
            Piece::AcrossRows { .. } if self.is_host() => Err(self.unfit("pieces across rows are for GPUs")),
            Piece::Rows { .. } if domain.cols != 1 => {
                Err(self.unfit(&format!("pieces of rows need one column, not {}", domain.cols)))
            }
            Piece::InRow { .. } | Piece::AcrossRows { .. } | Piece::Rows { .. } => Ok(()),
        }
    }
}

fn check_held_of(kernel: &Kernel, held: &[ValueId]) -> Result<(), &'static str> {
    let can_be = |id: &ValueId| kernel.values.get(id.0 as usize).is_some_and(|v| !v.kind.is_row_value());
    if !held.is_sorted_by(|a, b| a < b) || !held.iter().all(can_be) {
        return Err("what it holds is not an ascending list of values other than row values");
    }
    Ok(())
}
