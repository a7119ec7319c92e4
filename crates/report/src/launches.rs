//! What is launched, with the bytes that it moves and the variants that are compiled of it.

use crate::lines::insert;
use crate::model::{Launch, Launches, Variant};
use crate::origin::Origin;
use routefuse::diag::visible;
use routefuse::inspect::{Lowering, Traffic};
use routefuse::ir::Scheduled;

pub(crate) fn launches(before: &Lowering, after: &Lowering, origin: &Origin<'_>) -> Launches {
    let without_variants = |l: Launch| Launch { variants: vec![], ..l };
    Launches { before: of(before, origin).into_iter().map(without_variants).collect(), after: of(after, origin) }
}

fn of(lowering: &Lowering, origin: &Origin<'_>) -> Vec<Launch> {
    let kernels = lowering.kernels().iter().zip(lowering.operations());
    let launch = |(scheduled, operations): (&routefuse::Verified<Scheduled>, Vec<&str>)| {
        let kernel = &scheduled.kernel;
        let Traffic { read_per_row, written_per_row, read_once, written_once } = Traffic::of_kernel(kernel);
        let mut values = Vec::new();
        operations.iter().filter_map(|name| origin.find(name)).for_each(|id| insert(&mut values, id));
        Launch {
            name: visible(&kernel.name).into_owned(),
            rows: kernel.rows.map(|r| visible(&kernel.symbols[r.0 as usize]).into_owned()),
            read_row: read_per_row,
            written_row: written_per_row,
            read_once,
            written_once,
            values,
            variants: variants(scheduled),
        }
    };
    kernels.map(launch).collect()
}

fn variants(scheduled: &Scheduled) -> Vec<Variant> {
    let shapes = scheduled.schedule.shapes();
    let variant = |v: &routefuse::ir::Variant| {
        let shape = usize::from(v.shape);
        let rows_from = shape.checked_sub(1).and_then(|s| shapes.get(s)?.most_rows).map_or(0, |most| most + 1);
        let rows_to = shapes.get(shape).and_then(|s| s.most_rows);
        let addresses = if v.aligned { "every address and row stride is a multiple of 16 bytes" } else { "" };
        let offsets = if v.narrow { "offsets fit 31 bits" } else { "" };
        let when: Vec<&str> = [addresses, offsets].into_iter().filter(|w| !w.is_empty()).collect();
        let when = if when.is_empty() { "always".to_owned() } else { when.join("; ") };
        Variant { name: v.to_string(), when, rows_from, rows_to }
    };
    scheduled.variants().iter().map(variant).collect()
}
