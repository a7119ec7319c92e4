//! Runs a graph, its canonical form, and both as fused and unfused programs, on hostile values, and compares the bits.

use routefuse_generate::Choices;
use routefuse_generate::data::{Rule, inputs};
use routefuse_generate::graph::within_bounds;
use routefuse_ir::interp;
use routefuse_ir::kernel::{Bounds, Kernel, Param, ParamId, Role, Store, ValueKind};
use routefuse_ir::program::{Buffer, Program};
use routefuse_ir::{Dim, Graph, Layout, Tensor, TensorType, Verified};
use routefuse_passes::canonicalise::{as_written, canonicalise};
use routefuse_passes::fuse::{Fusion, fuse, unfused};
use routefuse_passes::range::Ranges;

/// Asserts that all forms of the graph give the same bits; returns the fused canonical form.
pub fn agree(g: &Verified<Graph>, extents: &[(&str, u64)], seed: u64) -> Fusion {
    let extent = |name: &String| extents.iter().find(|e| e.0 == name).map_or(3, |e| e.1);
    let mut all: Vec<u64> = g.symbols.iter().map(extent).collect();
    within_bounds(g, &mut all);
    let inputs = inputs(g, &all, Rule::Rows, seed);
    let used: Vec<(&str, u64)> = g.symbols.iter().map(String::as_str).zip(all.iter().copied()).collect();
    let expected = interp::run(g, &inputs, &used).unwrap_or_else(|d| panic!("{d}"));
    let (canonical, _) = canonicalise(g.clone()).unwrap_or_else(|d| panic!("{d}"));
    let ranges = Ranges::of(&canonical);
    let written = &as_written(g).unwrap_or_else(|d| panic!("{d}"));
    let forms = [
        ("fused", fuse(&canonical, |id| ranges.prove_gather(&canonical, id).is_ok())),
        ("unfused", unfused(written, |_| false)),
        ("fused as written", fuse(written, |_| false)),
        ("unfused canonical", unfused(&canonical, |_| false)),
    ];
    let forms = forms.map(|(name, f)| (name, f.unwrap_or_else(|d| panic!("{name}: {d}\n{}", text(g)))));
    for (name, fusion) in &forms {
        let got = interp::program::run(&fusion.program, &inputs, &used);
        let got = got.unwrap_or_else(|d| panic!("{name}: {d}\n{}\n{}", text(g), kernels(fusion)));
        for (i, (a, b)) in expected.outputs.iter().zip(&got.outputs).enumerate() {
            let output = &g.outputs[i].name;
            assert_eq!(a, b, "{name}, output {output}, seed {seed}, {extents:?}\n{}\n{}", text(g), kernels(fusion));
        }
        let symbols = interp::extents(g, &inputs, &used).unwrap_or_else(|d| panic!("{d}"));
        let in_place = run_in_place(&fusion.program, &inputs, &symbols, seed);
        let (text, kernels) = (text(g), kernels(fusion));
        assert_eq!(expected.outputs, in_place, "{name}, in place, seed {seed}, {extents:?}\n{text}\n{kernels}");
        // A fused kernel asks for fewer elements: it may miss a trap behind a slice, never add one.
        assert!(expected.trapped || !got.trapped, "{name} traps\n{text}");
        if name.starts_with("unfused") && !name.contains("canonical") {
            assert_eq!(expected.trapped, got.trapped, "{name}\n{text}");
        }
    }
    let [(_, fused), ..] = forms;
    fused
}

/// Runs a program as its threads might: outputs share the memory of the inputs that they alias, and the elements of a
/// kernel that overwrites an input are computed one by one in random order, with what is in memory at that time. Stores of
/// one number of columns are computed together before any of them is written; the row values of a row are computed before
/// the first of its elements is.
fn run_in_place(program: &Program, inputs: &[Tensor], extents: &[u64], seed: u64) -> Vec<Tensor> {
    let zeros = |ty: &TensorType| {
        let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(extents)).collect();
        Tensor::zeros(ty.dtype, &shape)
    };
    let mut memory: Vec<Tensor> = inputs.to_vec();
    memory.extend(program.outputs.iter().map(|p| zeros(&p.ty)));
    memory.extend(program.intermediates.iter().map(|p| zeros(&p.ty)));
    let place = |b: Buffer| match b {
        Buffer::Input(i) => i,
        Buffer::Output(o) => program.outputs[o].alias.input().unwrap_or(inputs.len() + o),
        Buffer::Intermediate(i) => inputs.len() + program.outputs.len() + i,
        Buffer::ErrorWord => usize::MAX,
    };
    for step in &program.steps {
        let k = &step.kernel;
        let symbols: Vec<u64> = step.symbols.iter().map(|s| extents[s.0 as usize]).collect();
        let run = |memory: &[Tensor]| {
            let reads = k.params.iter().zip(&step.buffers).filter(|(p, _)| p.role == Role::Input);
            let reads: Vec<&Tensor> = reads.map(|(_, b)| &memory[place(*b)]).collect();
            interp::kernel::run(k, &symbols, &reads).unwrap_or_else(|d| panic!("{d}")).outputs
        };
        // Outputs come in the order of parameters, and so do stores.
        let stores: Vec<usize> = k.stores.iter().map(|s| place(step.buffers[s.param.0 as usize])).collect();
        let cols: Vec<u64> = k.stores.iter().map(|s| if s.element().is_some() { 0 } else { k.store_cols(s) }).collect();
        // Nothing else reads or writes what is added to, so the order does not matter.
        let before = run(&memory);
        for (i, _) in k.stores.iter().enumerate().filter(|(_, s)| s.element().is_some()) {
            memory[stores[i]] = before[i].clone();
        }
        let rows = k.rows.map_or(1, |r| symbols[r.0 as usize]);
        let mut elements: Vec<(u64, u64)> = Vec::new();
        let mut domains = cols.clone();
        domains.sort_unstable();
        domains.dedup();
        for n in domains {
            elements.extend((0..rows * n).map(|e| (n, e)));
        }
        let stored = || stores.iter().zip(&k.stores).filter(|(_, s)| s.element().is_none()).map(|(to, _)| *to);
        if stored().all(|s| s >= inputs.len()) {
            for (i, tensor) in before.into_iter().enumerate().filter(|(i, _)| k.stores[*i].element().is_none()) {
                memory[stores[i]] = tensor;
            }
            continue;
        }
        let mut choices = Choices::seeded(seed);
        let mut row_values = RowValues::of(k, &symbols);
        if k.stores.iter().any(|s| s.put_at.is_some()) {
            // Where values go is known of all rows or of none.
            let reads = k.params.iter().zip(&step.buffers).filter(|(p, _)| p.role == Role::Input);
            row_values.compute_all(&reads.map(|(_, b)| &memory[place(*b)]).collect::<Vec<_>>());
        }
        while !elements.is_empty() {
            let (n, element) = elements.swap_remove(choices.below(elements.len()));
            let reads = k.params.iter().zip(&step.buffers).filter(|(p, _)| p.role == Role::Input);
            let reads: Vec<&Tensor> = reads.map(|(_, b)| &memory[place(*b)]).collect();
            let outputs = row_values.run(&reads, element / n);
            for (i, to) in stores.iter().enumerate().filter(|(i, _)| cols[*i] == n) {
                memory[*to].set_bits(element as usize, outputs[i].bits(element as usize));
            }
        }
    }
    (0..program.outputs.len()).map(|o| memory[place(Buffer::Output(o))].clone()).collect()
}

/// A kernel in two halves: its row values, and the rest, which is given them.
struct RowValues<'s> {
    symbols: &'s [u64],
    /// Stores the row values behind the kernel's own outputs.
    first: Verified<Kernel>,
    /// Loads them.
    second: Verified<Kernel>,
    /// What the first has computed.
    values: Vec<Tensor>,
    /// By row, whether its row values are there.
    computed: Vec<bool>,
}

impl<'s> RowValues<'s> {
    fn of(kernel: &Kernel, symbols: &'s [u64]) -> RowValues<'s> {
        let (mut first, mut second) = (kernel.clone(), kernel.clone());
        let mut values = vec![];
        let rows = kernel.rows.map_or(1, |r| symbols[r.0 as usize]);
        for (id, value) in kernel.values() {
            if !value.kind.is_row_value() || value.space.per_row != kernel.rows.is_some() {
                continue;
            }
            let dims: Vec<Dim> = kernel.rows.map(Dim::Sym).into_iter().chain([Dim::from(value.space.cols)]).collect();
            let ty = TensorType::new(value.dtype, dims);
            let param = |role| Param {
                name: format!("v{}", id.0),
                role,
                ty: ty.clone(),
                layout: Layout::Contiguous,
                aliases: None,
            };
            let end = ParamId(kernel.params.len() as u32 + values.len() as u32);
            first.params.push(param(Role::Output));
            first.stores.push(Store { param: end, value: id, add_at: None, put_at: None });
            second.params.push(param(Role::Input));
            second.values[id.0 as usize].kind = ValueKind::Load(end);
            let shape: Vec<u64> = ty.shape.iter().map(|d| d.resolve(symbols)).collect();
            values.push(Tensor::zeros(value.dtype, &shape));
        }
        // What proved an index may have been a row value that is loaded now.
        for value in &mut second.values {
            if let ValueKind::Gather { bounds, .. } | ValueKind::GatherRow { bounds, .. } = &mut value.kind
                && *bounds == Bounds::Proved
            {
                *bounds = Bounds::Checked(bounds.policy());
            }
        }
        let verified = |k: Kernel| k.verify().unwrap_or_else(|d| panic!("{d}"));
        let (first, second) = (verified(first), verified(second));
        RowValues { symbols, first, second, values, computed: vec![false; rows as usize] }
    }

    /// The row values of every row, with what is in memory now.
    fn compute_all(&mut self, reads: &[&Tensor]) {
        let outputs = interp::kernel::run(&self.first, self.symbols, reads).unwrap_or_else(|d| panic!("{d}")).outputs;
        let count = self.values.len();
        self.values = outputs.into_iter().rev().take(count).rev().collect();
        self.computed.fill(true);
    }

    /// The kernel's outputs with what is in memory now; row values of this row as they were at its first element.
    fn run(&mut self, reads: &[&Tensor], row: u64) -> Vec<Tensor> {
        let run = |kernel: &Verified<Kernel>, reads: &[&Tensor]| {
            interp::kernel::run(kernel, self.symbols, reads).unwrap_or_else(|d| panic!("{d}")).outputs
        };
        if !std::mem::replace(&mut self.computed[row as usize], true) {
            let outputs = run(&self.first, reads);
            let all = &outputs[outputs.len() - self.values.len()..];
            for (value, now) in self.values.iter_mut().zip(all) {
                let cols = value.len() / self.computed.len();
                for element in row as usize * cols..(row as usize + 1) * cols {
                    value.set_bits(element, now.bits(element));
                }
            }
        }
        let reads: Vec<&Tensor> = reads.iter().copied().chain(&self.values).collect();
        run(&self.second, &reads)
    }
}

fn text(g: &Graph) -> String {
    routefuse_ir::text::print(g)
}

fn kernels(fusion: &Fusion) -> String {
    fusion.program.steps.iter().map(|s| s.kernel.to_string()).collect()
}
