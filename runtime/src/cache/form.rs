//! An artifact's fields but for its code, as bytes: fixed tags and little-endian integers.

use super::reader::{Malformed, Reader, Writer};
use routefuse_ir::SymbolId;
use routefuse_ir::artifact::{Artifact, CodeFormat};
use routefuse_ir::kernel::abi::Slot;
use routefuse_ir::kernel::schedule::{Domain, Launches, Piece, RowShape, Schedule, Selecting, Variant};
use routefuse_ir::kernel::{ParamId, ValueId};
use routefuse_ir::target::Target;

/// The bytes; `None` for a schedule or a format that this form does not have.
pub(super) fn encode(artifact: &Artifact) -> Option<Vec<u8>> {
    // Destructured, here and below, so that a new field cannot be forgotten.
    let Artifact { target, variant, schedule: how, slots, entry, format, code: _ } = artifact;
    let Variant { aligned, narrow, shape } = *variant;
    let mut w = Writer::default();
    w.text(target.name());
    [aligned, narrow].into_iter().for_each(|b| w.u8(b.into()));
    w.u8(shape);
    schedule(&mut w, how)?;
    w.list(slots, |w, slot| match *slot {
        Slot::Pointer(ParamId(p)) => {
            w.u8(0);
            w.u32(p);
        }
        Slot::Stride(ParamId(p), dim) => {
            w.u8(1);
            w.u32(p);
            w.u32(dim);
        }
        Slot::Extent(SymbolId(s)) => {
            w.u8(2);
            w.u32(s);
        }
    });
    w.text(entry);
    w.u8(match format {
        CodeFormat::SharedObject => 0,
        CodeFormat::Ptx => 1,
        CodeFormat::Hsaco => 2,
        CodeFormat::Cubin => 3,
    });
    Some(w.0)
}

/// A schedule's bytes; `None` for one of a kind that this form does not have.
pub(super) fn schedule(w: &mut Writer, schedule: &Schedule) -> Option<()> {
    match schedule {
        Schedule::Flat { threads, domains: list } => {
            w.u8(0);
            w.u32(*threads);
            domains(w, list);
        }
        Schedule::Row { shapes, block_rows, held, domains: list } => {
            w.u8(1);
            w.u32(*block_rows);
            w.u32(shapes.len() as u32);
            shapes.iter().try_for_each(|shape| write_shape(w, shape))?;
            w.list(held, |w, v| w.u32(v.0));
            domains(w, list);
        }
        Schedule::Phased {
            few_rows,
            threads,
            most_rows,
            launches,
            rows_of_a_block: [one, two],
            warps,
            domains: lists,
        } => {
            w.u8(match launches {
                Launches::Any => 2,
                Launches::One => 5,
                Launches::Two => 6,
            });
            w.u8(few_rows.is_some().into());
            few_rows.iter().for_each(|rows| w.u64(*rows));
            threads.iter().for_each(|n| w.u32(*n));
            [most_rows, one, two].into_iter().for_each(|n| w.u64(*n));
            w.u32(*warps);
            w.list(lists, |w, list| domains(w, list));
        }
        Schedule::InChunks { rows_of_a_block, shape, threads, warps, held, domains: lists } => {
            w.u8(4);
            w.u64(*rows_of_a_block);
            write_shape(w, shape)?;
            w.u32(*threads);
            w.u32(*warps);
            w.list(held, |w, v| w.u32(v.0));
            w.list(lists, |w, list| domains(w, list));
        }
        Schedule::AtOnce { rows, shape, held, domains: lists } => {
            w.u8(3);
            w.u64(*rows);
            write_shape(w, shape)?;
            w.list(held, |w, v| w.u32(v.0));
            w.list(lists, |w, list| domains(w, list));
        }
        _ => return None,
    }
    Some(())
}

fn write_shape(w: &mut Writer, shape: &RowShape) -> Option<()> {
    let RowShape { lanes, threads, persistent, selecting, table, most_rows } = shape;
    w.u32(*lanes);
    w.u32(*threads);
    w.u8((*persistent).into());
    w.u8(match selecting {
        Selecting::InRegisters => 0,
        Selecting::InMemory => 1,
        Selecting::Sorted => 2,
        _ => return None,
    });
    w.u32(*table);
    w.u8(most_rows.is_some().into());
    most_rows.iter().for_each(|most| w.u64(*most));
    Some(())
}

fn domains(w: &mut Writer, list: &[Domain]) {
    w.list(list, |w, Domain { cols, stores, piece }| {
        w.u64(*cols);
        w.list(stores, |w, s| w.u32(*s));
        let (tag, width) = match *piece {
            Piece::InRow { width } => (0, width),
            Piece::AcrossRows { width } => (1, width),
            Piece::Rows { width } => (2, width),
        };
        w.u8(tag);
        w.u32(width);
    });
}

/// The artifact of these bytes and this code.
pub(super) fn decode(bytes: &[u8], code: &[u8]) -> Result<Artifact, Malformed> {
    let mut r = Reader::new(bytes);
    let name = r.text("target")?;
    let target = Target::named(name).map_err(|_| Malformed::Target { name: name.to_owned() })?;
    let variant = Variant { aligned: r.bool("variant")?, narrow: r.bool("variant")?, shape: r.u8("variant")? };
    let schedule = read_schedule(&mut r)?;
    let slots = r.list("slots", |r| {
        Ok(match r.u8("slots")? {
            0 => Slot::Pointer(ParamId(r.u32("slots")?)),
            1 => Slot::Stride(ParamId(r.u32("slots")?), r.u32("slots")?),
            2 => Slot::Extent(SymbolId(r.u32("slots")?)),
            other => return Err(Malformed::Unknown { what: "slots", value: other.into() }),
        })
    })?;
    let entry = r.text("entry point")?.to_owned();
    let format = match r.u8("code format")? {
        0 => CodeFormat::SharedObject,
        1 => CodeFormat::Ptx,
        2 => CodeFormat::Hsaco,
        3 => CodeFormat::Cubin,
        other => return Err(Malformed::Unknown { what: "code format", value: other.into() }),
    };
    r.end()?;
    Ok(Artifact { target, variant, schedule, slots, entry, format, code: code.to_vec() })
}

/// A schedule of its bytes.
pub(super) fn read_schedule(r: &mut Reader<'_>) -> Result<Schedule, Malformed> {
    Ok(match r.u8("schedule")? {
        0 => Schedule::Flat { threads: r.positive("schedule's threads")?, domains: read_domains(r)? },
        1 => {
            let block_rows = r.positive("schedule's rows of a block")?;
            Schedule::Row {
                shapes: r.list("schedule", read_shape)?,
                block_rows,
                held: r.list("schedule", |r| r.u32("schedule").map(ValueId))?,
                domains: read_domains(r)?,
            }
        }
        tag @ (2 | 5 | 6) => Schedule::Phased {
            few_rows: if r.bool("schedule's rows")? { Some(r.u64("schedule's rows")?) } else { None },
            threads: [r.positive("schedule's threads")?, r.positive("schedule's threads")?],
            most_rows: r.u64("schedule's rows")?,
            rows_of_a_block: [r.u64("schedule's rows")?, r.u64("schedule's rows")?],
            launches: match tag {
                5 => Launches::One,
                6 => Launches::Two,
                _ => Launches::Any,
            },
            warps: r.positive("schedule's warps")?,
            domains: r.list("schedule's domains", read_domains)?,
        },
        3 => Schedule::AtOnce {
            rows: r.u64("schedule's rows")?,
            shape: read_shape(r)?,
            held: r.list("schedule", |r| r.u32("schedule").map(ValueId))?,
            domains: r.list("schedule's domains", read_domains)?,
        },
        4 => Schedule::InChunks {
            rows_of_a_block: r.u64("schedule's rows")?,
            shape: read_shape(r)?,
            threads: r.positive("schedule's threads")?,
            warps: r.positive("schedule's warps")?,
            held: r.list("schedule", |r| r.u32("schedule").map(ValueId))?,
            domains: r.list("schedule's domains", read_domains)?,
        },
        other => return Err(Malformed::Unknown { what: "schedule", value: other.into() }),
    })
}

fn read_shape(r: &mut Reader<'_>) -> Result<RowShape, Malformed> {
    Ok(RowShape {
        lanes: r.positive("schedule's lanes")?,
        threads: r.positive("schedule's threads")?,
        persistent: r.bool("schedule")?,
        selecting: match r.u8("schedule")? {
            0 => Selecting::InRegisters,
            1 => Selecting::InMemory,
            2 => Selecting::Sorted,
            other => return Err(Malformed::Unknown { what: "schedule", value: other.into() }),
        },
        table: r.u32("schedule")?,
        most_rows: if r.bool("schedule")? { Some(r.u64("schedule")?) } else { None },
    })
}

fn read_domains(r: &mut Reader<'_>) -> Result<Vec<Domain>, Malformed> {
    r.list("schedule's domains", |r| {
        let cols = r.u64("schedule's domains")?;
        let stores = r.list("schedule's stores", |r| r.u32("schedule's stores"))?;
        let tag = r.u8("schedule's pieces")?;
        let width = r.positive("schedule's pieces")?;
        let piece = match tag {
            0 => Piece::InRow { width },
            1 => Piece::AcrossRows { width },
            2 => Piece::Rows { width },
            other => return Err(Malformed::Unknown { what: "schedule's pieces", value: other.into() }),
        };
        Ok(Domain { cols, stores, piece })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(target: &str, schedule: Schedule, format: CodeFormat) -> Artifact {
        Artifact {
            target: Target::named(target).unwrap(),
            variant: Variant { aligned: true, narrow: false, shape: 1 },
            schedule,
            slots: vec![Slot::Pointer(ParamId(3)), Slot::Stride(ParamId(1), 2), Slot::Extent(SymbolId(7))],
            entry: "entry".to_owned(),
            format,
            code: b"code".to_vec(),
        }
    }

    fn all() -> Vec<Artifact> {
        let pieces = [Piece::InRow { width: 4 }, Piece::AcrossRows { width: 8 }, Piece::Rows { width: 2 }];
        let domains: Vec<Domain> = pieces
            .into_iter()
            .zip([1, 9, u64::MAX])
            .map(|(piece, cols)| Domain { cols, stores: vec![0, 5], piece })
            .collect();
        let shape = |lanes, persistent, selecting, table, most_rows| RowShape {
            lanes,
            threads: 256,
            persistent,
            selecting,
            table,
            most_rows,
        };
        let row = Schedule::Row {
            shapes: vec![
                shape(64, false, Selecting::InRegisters, 0, Some(9)),
                shape(32, false, Selecting::InMemory, 0, Some(1 << 40)),
                shape(8, true, Selecting::Sorted, 192, None),
            ],
            block_rows: 1,
            held: vec![ValueId(2), ValueId(9)],
            domains: domains.clone(),
        };
        let mut blocks = row.clone();
        if let Schedule::Row { block_rows, .. } = &mut blocks {
            *block_rows = 8;
        }
        let phased = Schedule::Phased {
            few_rows: Some(4),
            threads: [256, 512],
            most_rows: 1 << 40,
            launches: Launches::Two,
            rows_of_a_block: [1, 64],
            warps: 16,
            domains: vec![domains.clone(), vec![]],
        };
        let at_once = Schedule::AtOnce {
            rows: 4,
            shape: shape(32, false, Selecting::InRegisters, 0, None),
            held: vec![ValueId(3)],
            domains: vec![domains.clone(), vec![]],
        };
        let in_chunks = Schedule::InChunks {
            rows_of_a_block: 32,
            shape: shape(8, false, Selecting::Sorted, 0, None),
            threads: 512,
            warps: 16,
            held: vec![ValueId(3)],
            domains: vec![domains.clone(), vec![]],
        };
        vec![
            artifact("sm_90", in_chunks, CodeFormat::Ptx),
            artifact("sm_90", at_once, CodeFormat::Ptx),
            artifact("gfx90a", phased, CodeFormat::Hsaco),
            artifact("sm_90", Schedule::Flat { threads: 256, domains }, CodeFormat::Ptx),
            artifact("host", blocks, CodeFormat::SharedObject),
            artifact("gfx942", row, CodeFormat::Hsaco),
            artifact("host", Schedule::Flat { threads: 1, domains: vec![] }, CodeFormat::SharedObject),
        ]
    }

    #[test]
    fn nothing_is_lost() {
        for artifact in all() {
            let bytes = encode(&artifact).unwrap();
            assert_eq!(decode(&bytes, &artifact.code), Ok(artifact));
        }
    }

    /// A list that says it is long allocates nothing; what is cut is refused; every byte means something.
    #[test]
    fn any_bytes_are_read_or_refused() {
        for artifact in all() {
            let bytes = encode(&artifact).unwrap();
            for end in 0..bytes.len() {
                assert!(decode(&bytes[..end], &[]).is_err(), "cut at {end}");
            }
            for at in 0..bytes.len() {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[at] ^= 1 << bit;
                    if let Ok(read) = decode(&changed, &artifact.code) {
                        assert_ne!(read, artifact, "byte {at} means nothing");
                    }
                }
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(decode(&longer, &[]), Err(Malformed::TooLong { bytes: 1 }));
        }
    }
}
