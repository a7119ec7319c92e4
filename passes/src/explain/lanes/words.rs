//! What the words of a schedule's notation mean.

use super::{Word, count, label};
use routefuse_ir::kernel::schedule::block_rows::NARROW;
use routefuse_ir::kernel::schedule::{Domain, Piece, RowShape, Schedule, Selecting, Variant};
use routefuse_ir::kernel::{Kernel, ValueId};
use routefuse_ir::target::{Target, TargetKind};

/// Every word of a schedule, each once.
pub(super) fn of(kernel: &Kernel, schedule: &Schedule, target: Target) -> Vec<Word> {
    let is_host = target.kind() == TargetKind::Host;
    let mut words = Words::default();
    if schedule.shapes().is_empty() {
        words.add("flat", "Nothing crosses lanes: each thread computes what it stores.".to_owned());
        words.threads(schedule.threads(Variant::HOST[0]), is_host);
    } else {
        let meaning =
            "Some values need a whole row. The lanes of a row compute them once a row together, and keep them.";
        words.add("row", meaning.to_owned());
        for (i, shape) in schedule.shapes().iter().enumerate() {
            words.shape(*shape, i > 0, target);
        }
        let block_rows = schedule.block_rows();
        if block_rows > 1 {
            words.add(
                &format!("block_rows={block_rows}"),
                format!(
                    "The host does {block_rows} rows together. Values of at most {NARROW} columns that no wider value needs have a \
                     row in each lane of a vector; the rest is done row by row."
                ),
            );
        }
        words.held(kernel, schedule.held());
    }
    schedule.domains().iter().for_each(|d| words.domain(kernel, d, is_host));
    words.0
}

#[derive(Default)]
struct Words(Vec<Word>);

impl Words {
    fn add(&mut self, term: &str, meaning: String) {
        if self.0.iter().all(|w| w.term != term) {
            self.0.push(Word { term: term.to_owned(), meaning });
        }
    }

    fn threads(&mut self, threads: u32, is_host: bool) {
        let meaning = match is_host {
            true => "One thread goes through the rows that a launch gives it.".to_owned(),
            false => format!("A block has {}.", count(u64::from(threads), "thread")),
        };
        self.add(&format!("threads={threads}"), meaning);
    }

    fn shape(&mut self, shape: RowShape, is_next: bool, target: Target) {
        let RowShape { lanes, threads, persistent, selecting, table, most_rows } = shape;
        let is_host = target.kind() == TargetKind::Host;
        match most_rows {
            Some(most) => self.add(
                &format!("up to {most} rows"),
                format!("A launch over at most {most} rows takes the shape behind the colon."),
            ),
            None if is_next => self.add("more", "A launch over more rows takes the shape behind the colon.".to_owned()),
            None => {}
        }
        let of_row = match lanes {
            1 => "One lane has a row by itself.".to_owned(),
            n if n > target.info().warp => {
                format!("All {n} threads of a block share a row, and hear of each other through shared memory.")
            }
            n => format!(
                "{n} lanes share a row, and hear of each other by exchanges within their {}.",
                if target.kind() == TargetKind::Amdgpu { "wavefront" } else { "warp" }
            ),
        };
        self.add(&format!("lanes={lanes}"), of_row);
        self.threads(threads, is_host);
        if persistent {
            self.add("persistent", "A block goes on with rows that lie a whole grid further.".to_owned());
        }
        if table > 0 {
            self.add(
                &format!("table={table}"),
                format!(
                    "A block fills a table of scores when it begins, for each `bf16` that has one of its own, and looks them up. It lies \
                     in shared memory, of which the launch asks for {table} KiB."
                ),
            );
        }
        match selecting {
            Selecting::InMemory => self.add(
                "lists_in_memory",
                "The best columns are found in a round for each of them, over sorted lists of keys and columns, which lie in shared \
                 memory where they are of a length for which that is shorter."
                    .to_owned(),
            ),
            Selecting::Sorted => self.add(
                "sorted",
                "The best columns are found by sorted lists of keys alone, which lanes merge; the columns of the best keys are found \
                 afterwards."
                    .to_owned(),
            ),
            _ => {}
        }
    }

    fn held(&mut self, kernel: &Kernel, held: &[ValueId]) {
        let numbers: Vec<String> = held.iter().map(|v| format!("v{}", v.0)).collect();
        let names: Vec<String> = held.iter().map(|v| label(kernel, *v)).collect();
        let meaning = if held.is_empty() {
            "Beside the values that need a whole row, no value is kept: each is computed where it is asked for."
                .to_owned()
        } else {
            let (verb, those) = if held.len() == 1 { ("is", "it needs") } else { ("are", "they need") };
            format!(
                "{} {verb} computed once a row and kept, beside the values that need a whole row, because {those} much work and several \
                 ask, or because such a value is made of them.",
                names.join(", ")
            )
        };
        self.add(&format!("held={}", numbers.join(",")), meaning);
    }

    fn domain(&mut self, kernel: &Kernel, domain: &Domain, is_host: bool) {
        let cols = domain.cols;
        self.add(
            &format!("cols={cols}"),
            format!("The stores in these brackets have {} each, and share one loop.", count(cols, "column")),
        );
        let width = domain.piece.width();
        let (term, meaning) = match domain.piece {
            Piece::InRow { width: 1 } => ("in_row", "One column of one row is loaded and stored at a time.".to_owned()),
            Piece::InRow { .. } => (
                "in_row",
                format!(
                    "Up to {width} neighbouring columns of one row are loaded and stored at a time{}.",
                    if is_host { ", and what is left in falling powers of two" } else { "" }
                ),
            ),
            Piece::AcrossRows { width: 1 } => ("across", "A thread has one element.".to_owned()),
            Piece::AcrossRows { .. } => (
                "across",
                format!(
                    "A thread has {} in row-major order, which may lie in two rows.",
                    count(u64::from(width), "neighbour")
                ),
            ),
            Piece::Rows { .. } => (
                "rows",
                format!("The one column of {} is done at a time.", count(u64::from(width), "neighbouring row")),
            ),
        };
        self.add(&format!("{term}={width}"), meaning);
        let numbers: Vec<String> = domain.stores.iter().map(u32::to_string).collect();
        let outputs = domain.stores.iter().map(|s| kernel.param(kernel.stores[*s as usize].param).name.as_str());
        let outputs: Vec<String> = outputs.map(|name| format!("%{name}")).collect();
        self.add(&format!("stores={}", numbers.join(",")), format!("These stores write {}.", outputs.join(", ")));
    }
}
