//! From tensor operations to one kernel: the values that its stores need, by row and column.
//!
//! A tensor's symbolic leading dim is the row; its other dims, flattened in row-major order, are the columns. So a reshape
//! is nothing at all, a broadcast or slice is a change of column or nothing, and a value that is the same in every column
//! has one. Zero-width parts and outputs without elements vanish.

mod builder;
pub(crate) mod columns;
pub(crate) mod cone;
mod finish;
mod index;
pub(crate) mod job;
mod node;
pub(crate) mod rowwise;

use builder::KernelBuilder;
use cone::cone;
use job::{Job, Lowered, internal};
use node::Lowering;
use routefuse_ir::kernel::ValueId;
use routefuse_ir::op::Op;
use routefuse_ir::{Diagnostics, NodeId};

/// Makes the kernel.
///
/// # Errors
/// Only by a defect of this crate (`RF0501`, `RF0901`).
pub(crate) fn lower(job: &Job) -> Result<Lowered, Diagnostics> {
    let rowwise = job.rowwise;
    // What is in a buffer already is copied.
    let updates = |id: NodeId| {
        job.memory[id.index()].is_none()
            && (rowwise.goes_on_from(id).is_some() || matches!(rowwise.node(id).op, Op::AtomicAdd))
    };
    let rows =
        job.stores.first().and_then(|(n, _)| if updates(*n) { rowwise.looped(*n).0 } else { rowwise.at(*n).rows });
    let mut lowering = Lowering { job, builder: KernelBuilder::new(rows) };
    let cone = cone(rowwise, job.memory, job.stores.iter().map(|s| s.0));
    let mut values: Vec<Option<ValueId>> = vec![None; rowwise.bound()];
    let mut ops = Vec::new();
    let mut made = Vec::new();
    for id in cone {
        let value = match job.memory[id.index()] {
            Some(buffer) => {
                let param = lowering.input(buffer);
                lowering.builder.load(param)
            }
            None => {
                if rowwise.is_op(id) {
                    ops.push(id);
                }
                if updates(id) {
                    continue;
                }
                lowering.node(rowwise, id, &values)?
            }
        };
        lowering.builder.name(value, &rowwise.node(id).name);
        values[id.index()] = Some(value);
        made.push((id, value));
    }
    for (id, buffer) in job.stores {
        if updates(*id) {
            lowering.update(*id, *buffer, &values)?;
            continue;
        }
        let value = values[id.index()].ok_or_else(|| internal("a stored value was not lowered"))?;
        lowering.store(*buffer, value);
    }
    let (step, numbers) = finish::finish(lowering.builder, job)?;
    let values = made.into_iter().filter_map(|(id, value)| Some((id, numbers[value.0 as usize]?)));
    Ok(Lowered { step, ops, values: values.collect() })
}
