//! Arguments become views, one a port, and every check of them. Nothing here allocates unless it fails.

mod overlap;
pub(crate) mod ports;
pub(crate) mod quick;
mod quick_args;
pub(crate) mod several;
pub(crate) mod slots;

use super::Plan;
use crate::args::{ABSENT, Args, Location, View, WORKSPACE_ALIGN};
use overlap::{Bounds, overlap, same_view};
use ports::Port;
use routefuse_ir::kernel::abi::NARROW_ELEMENTS as NARROW;
use routefuse_ir::program::Program;
use routefuse_ir::{Alias, Code, Diagnostic, DimBound};
use slots::{Offsets, Source, StepSlots};

/// Ports that have room on the stack; a graph with more of them allocates at launch.
const PORTS: usize = 32;
/// Symbols that have room on the stack.
const SYMBOLS: usize = 8;
/// Slots of one step that have room on the stack.
pub(crate) const SLOTS: usize = 80;

/// `n` elements, on the stack if there is room.
#[inline]
pub(crate) fn room<'r, T: Copy>(near: &'r mut [T], far: &'r mut Vec<T>, n: usize, fill: T) -> &'r mut [T] {
    if n <= near.len() {
        &mut near[..n]
    } else {
        far.resize(n, fill);
        far
    }
}

/// Memory between the kernels of a launch, wherever it is.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) begin: u64,
    pub(crate) bytes: u64,
}

/// The arguments of one launch, by port.
pub(crate) struct Bound<'r, 'v> {
    views: &'r mut [&'v View],
    bounds: &'r mut [Bounds],
    extents: &'r mut [u64],
    /// One bit for each guarded output that is its input's view.
    unchanged: u64,
    workspace: Span,
    /// Where in the workspace the intermediates are.
    offsets: Offsets,
}

impl Bound<'_, '_> {
    /// Whether a step has anything to do, and for how many rows.
    #[inline]
    pub(crate) fn rows(&self, step: &StepSlots) -> Option<u64> {
        let rows = step.rows.map_or(1, |s| self.extents[s as usize]);
        let unchanged = step.guarded.is_some_and(|bits| bits & self.unchanged == bits);
        let taken = step.taken.is_none_or(|t| t.by(self.extents[t.symbol.0 as usize]));
        ((rows > 0 || step.always) && !unchanged && taken).then_some(rows)
    }

    /// Hands on what a step's slots hold; `nothing` is the address of an empty tensor.
    #[inline]
    pub(crate) fn with_slots<R>(&self, step: &StepSlots, nothing: u64, then: impl FnOnce(&mut [u64]) -> R) -> R {
        let (mut near, mut far) = ([0u64; SLOTS], Vec::new());
        let slots = room(&mut near, &mut far, step.sources.len(), 0);
        for (slot, source) in slots.iter_mut().zip(&step.sources) {
            *slot = match *source {
                Source::Port(p) if self.bounds[p as usize].is_empty() => nothing,
                Source::Port(p) => self.views[p as usize].ptr.expose_provenance() as u64,
                Source::Intermediate(i) => self.workspace.begin + self.offsets[i as usize],
                Source::Stride(p, dim) => self.views[p as usize].strides[dim as usize] as u64,
                Source::Fixed(value) => value,
                Source::Extent(s) => self.extents[s as usize],
            };
        }
        then(slots)
    }

    /// Whether all that a step touches is aligned to 16 bytes, and whether 31 bits reach every element of it.
    #[inline]
    pub(crate) fn assumptions(&self, step: &StepSlots, rows: u64, program: &Program) -> (bool, bool) {
        let (mut low, mut most) = (0u64, rows);
        for source in &step.sources {
            match *source {
                Source::Port(p) => {
                    let (b, size) = (self.bounds[p as usize], self.views[p as usize].dtype.size());
                    low |= b.begin;
                    most = most.max((b.end - b.begin) / size);
                }
                Source::Stride(p, 0) => {
                    let view = self.views[p as usize];
                    // The stride of a single row means nothing.
                    if view.shape[0] > 1 {
                        low |= (view.strides[0] as u64).wrapping_mul(view.dtype.size());
                    }
                }
                Source::Intermediate(i) => {
                    let ty = &program.intermediates[i as usize].ty;
                    let rows = ty.row_symbol().map_or(1, |s| self.extents[s.0 as usize]);
                    most = most.max(rows.saturating_mul(ty.row_elements().unwrap_or(u64::MAX)));
                }
                Source::Stride(..) | Source::Fixed(_) | Source::Extent(_) => {}
            }
        }
        (low.is_multiple_of(16) && step.fixed_aligned, most <= NARROW)
    }
}

impl Plan {
    /// Checks every argument, which must be in this memory, and the workspace; hands them on if nothing is wrong.
    #[inline]
    pub(crate) fn bind(
        &self,
        args: &Args<'_>,
        location: Location,
        workspace: Span,
        then: impl FnOnce(&Bound<'_, '_>) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let (mut near, mut far) = ([&ABSENT; PORTS], Vec::new());
        let views = room(&mut near, &mut far, self.ports.len(), &ABSENT);
        let (mut near, mut far) = ([Bounds::default(); PORTS], Vec::new());
        let bounds = room(&mut near, &mut far, self.ports.len(), Bounds::default());
        let (mut near, mut far) = ([0; SYMBOLS], Vec::new());
        let extents = room(&mut near, &mut far, self.program.symbols.len(), 0);
        let mut bound = Bound { views, bounds, extents, unchanged: 0, workspace, offsets: Offsets::new() };
        self.assign(args, bound.views)?;
        for ((port, view), bounds) in self.ports.iter().zip(&*bound.views).zip(&mut *bound.bounds) {
            match port.check(view, location, bound.extents) {
                Ok(b) => *bounds = b,
                Err(fault) => {
                    let first = self.ports.iter().find(|p| p.symbol == port.symbol);
                    let first = first.zip(port.symbol).map(|(p, s)| (p, bound.extents[s as usize]));
                    return Err(port.diagnostic(fault, view, location, &self.program, first));
                }
            }
        }
        if let Some((symbol, most)) = self.most_rows.iter().find(|(s, most)| bound.extents[*s as usize] > *most) {
            return Err(too_many_items(&self.program, *symbol, bound.extents[*symbol as usize], *most));
        }
        if let Some(broken) = routefuse_ir::bound::broken(&self.bounds, bound.extents) {
            return Err(self.below_bound(broken, bound.extents));
        }
        self.check_overlap(&mut bound)?;
        if !self.program.intermediates.is_empty() {
            self.check_workspace(&mut bound)?;
        }
        then(&bound)
    }

    /// Which argument is which port's.
    #[inline]
    fn assign<'v>(&self, args: &'v Args<'_>, views: &mut [&'v View]) -> Result<(), Diagnostic> {
        let inputs = self.program.inputs.len();
        let absent = |view: &View| std::ptr::eq(view, &raw const ABSENT);
        // By position, either every input is given or all but those that are an output's view.
        let positional = args.arguments().iter().filter(|a| !a.writable && args.name(a).is_none()).count();
        let skip_shared = positional > 0 && positional + self.shared_count == inputs;
        let (mut next_input, mut next_output) = (0, inputs);
        for (i, argument) in args.arguments().iter().enumerate() {
            let port = match (args.name(argument), argument.writable) {
                (Some(name), _) => self.named(name, i).ok_or_else(|| self.unknown(name))?,
                (None, false) => {
                    while skip_shared && next_input < inputs && self.shared[next_input].is_some() {
                        next_input += 1;
                    }
                    next_input += 1;
                    next_input - 1
                }
                (None, true) => {
                    next_output += 1;
                    next_output - 1
                }
            };
            let end = if argument.writable { self.ports.len() } else { inputs };
            if port >= end {
                return Err(self.left_over(args.name(argument), argument.writable));
            }
            if self.ports[port].writable != argument.writable {
                return Err(self.wrong_side(port));
            }
            if !absent(views[port]) {
                return Err(self.given_twice(port));
            }
            views[port] = &argument.view;
        }
        for port in 0..views.len() {
            if absent(views[port]) {
                match self.shared.get(port).copied().flatten().map(|o| views[o as usize]) {
                    Some(view) if !absent(view) => views[port] = view,
                    _ => return Err(self.missing(port)),
                }
            }
        }
        Ok(())
    }

    /// The port of this name; `hint` is tried first, because names mostly come in order.
    #[inline]
    fn named(&self, name: &str, hint: usize) -> Option<usize> {
        match self.ports.get(hint) {
            Some(port) if *port.name == *name => Some(hint),
            _ => self.ports.iter().position(|p| *p.name == *name),
        }
    }

    /// Nothing that is written meets another argument, but as its alias allows.
    #[inline]
    fn check_overlap(&self, bound: &mut Bound<'_, '_>) -> Result<(), Diagnostic> {
        let inputs = self.program.inputs.len();
        for (o, port) in self.ports.iter().enumerate().skip(inputs) {
            let (view, bounds) = (bound.views[o], bound.bounds[o]);
            let aliased = port.alias.input();
            if bounds.is_empty() {
                continue;
            }
            // Outputs are compared with those after them only.
            for (i, &other) in bound.bounds.iter().enumerate() {
                if (i >= inputs && i <= o) || Some(i) == aliased || !bounds.meets(other) {
                    continue;
                }
                if overlap(view, bounds, bound.views[i], other) {
                    return Err(self.overlapping(o, i, bound));
                }
            }
            let Some(i) = aliased else { continue };
            let same = same_view(view, bound.views[i]);
            match port.alias {
                Alias::InPlace(_) if !same => return Err(self.not_in_place(o, i)),
                Alias::Donates(_) | Alias::Guarded(_)
                    if !same && overlap(view, bounds, bound.views[i], bound.bounds[i]) =>
                {
                    return Err(self.overlapping(o, i, bound));
                }
                Alias::Guarded(_) if same && o - inputs < 64 => bound.unchanged |= 1 << (o - inputs),
                _ => {}
            }
        }
        Ok(())
    }

    /// Lays out the intermediates in the workspace, which is large enough and meets no argument.
    fn check_workspace(&self, bound: &mut Bound<'_, '_>) -> Result<(), Diagnostic> {
        let size = slots::workspace(&self.program, bound.extents, &mut bound.offsets);
        let size = size.ok_or_else(|| workspace_overflow(&self.program))?;
        if size == 0 {
            return Ok(());
        }
        let Span { begin, bytes } = bound.workspace;
        let refuse = |message: String| {
            let help = format!(
                "give the launch what `workspace_size` says, at an address that is a multiple of {WORKSPACE_ALIGN}"
            );
            Diagnostic::new(Code::WorkspaceTooSmall, message).help(help)
        };
        if bytes < size {
            let name = &self.program.name;
            return Err(refuse(format!("the plan of `{name}` needs {size} bytes of workspace, and there are {bytes}")));
        }
        if !begin.is_multiple_of(WORKSPACE_ALIGN as u64) {
            return Err(refuse(format!("the workspace begins at {begin:#x}, no multiple of {WORKSPACE_ALIGN}")));
        }
        let span = Bounds { begin, end: begin + size };
        match bound.bounds.iter().position(|b| b.meets(span)) {
            None => Ok(()),
            Some(port) => {
                let message = format!("{} overlaps the workspace", self.ports[port].text());
                Err(Diagnostic::new(Code::PartialOverlap, message).help("give the workspace memory of its own"))
            }
        }
    }

    #[cold]
    fn below_bound(&self, broken: &DimBound, extents: &[u64]) -> Diagnostic {
        let has = |p: &&Port| p.symbol == Some(broken.symbol().0);
        let places: Vec<&str> = self.ports.iter().filter(has).map(|p| &*p.name).collect();
        routefuse_ir::bound::too_small(&self.program.name, broken, &self.program.symbols, extents, &places)
    }

    #[cold]
    fn unknown(&self, name: &str) -> Diagnostic {
        let message = format!("`{}` has no input or output `{name}`", self.program.name);
        Diagnostic::new(Code::ExtraArgument, message).help(format!("it takes {}", self.signature()))
    }

    #[cold]
    fn left_over(&self, name: Option<&str>, writable: bool) -> Diagnostic {
        if let Some(name) = name {
            return self.wrong_side_text(name, writable);
        }
        let what = if writable { "outputs" } else { "inputs" };
        let message = format!("more {what} than `{}` takes", self.program.name);
        Diagnostic::new(Code::ExtraArgument, message).help(format!("it takes {}", self.signature()))
    }

    #[cold]
    fn wrong_side(&self, port: usize) -> Diagnostic {
        self.wrong_side_text(&self.ports[port].name, !self.ports[port].writable)
    }

    fn wrong_side_text(&self, name: &str, writable: bool) -> Diagnostic {
        let (given, is) = if writable { ("output", "input") } else { ("input", "output") };
        let message = format!("`{name}` is given as an {given}, and is an {is} of `{}`", self.program.name);
        Diagnostic::new(Code::ExtraArgument, message).help(format!("bind it by `named_{is}`"))
    }

    #[cold]
    fn given_twice(&self, port: usize) -> Diagnostic {
        Diagnostic::new(Code::ExtraArgument, format!("{} is given twice", self.ports[port].text()))
            .help("bind every input and output once")
    }

    #[cold]
    fn missing(&self, port: usize) -> Diagnostic {
        let message = format!("{} of `{}` has no argument", self.ports[port].text(), self.program.name);
        Diagnostic::new(Code::MissingArgument, message).help(format!("it takes {}", self.signature()))
    }

    #[cold]
    fn overlapping(&self, output: usize, other: usize, bound: &Bound<'_, '_>) -> Diagnostic {
        let (o, i) = (&self.ports[output], &self.ports[other]);
        let range = |p: usize| format!("{:#x}..{:#x}", bound.bounds[p].begin, bound.bounds[p].end);
        let message = format!("{} at {} overlaps {} at {}", o.text(), range(output), i.text(), range(other));
        let help = match o.alias {
            Alias::Donates(a) | Alias::Guarded(a) if a == other => {
                format!("give both the same view (address and strides), or memory apart from `{}`", i.name)
            }
            _ if i.writable => "give each output memory of its own".to_owned(),
            _ => format!(
                "give the output memory of its own, or declare it `in_place({0})`; where it is declared `donates({0})`, \
                 lying there would take another kernel, as `explain` says",
                i.name
            ),
        };
        Diagnostic::new(Code::PartialOverlap, message).help(help)
    }

    #[cold]
    fn not_in_place(&self, output: usize, input: usize) -> Diagnostic {
        let (o, i) = (&self.ports[output], &self.ports[input]);
        let message = format!("{} is declared in place of {}, and is another view", o.text(), i.text());
        Diagnostic::new(Code::NotInPlace, message)
            .help(format!("leave out the argument `{}`, or give both the same address and strides", i.name))
    }

    /// "inputs ids, map and outputs out", for help.
    fn signature(&self) -> String {
        let names = |writable: bool| {
            let names = self.ports.iter().filter(|p| p.writable == writable).map(|p: &Port| format!("`{}`", p.name));
            names.collect::<Vec<_>>().join(", ")
        };
        let outputs = format!("outputs {}", names(true));
        if self.program.inputs.is_empty() { outputs } else { format!("inputs {} and {outputs}", names(false)) }
    }
}

/// More items than a count or a rank can tell apart.
#[cold]
fn too_many_items(program: &Program, symbol: u32, rows: u64, most: u64) -> Diagnostic {
    let dim = &program.symbols[symbol as usize];
    let message =
        format!("`{}` counts the ids of {rows} rows, and counts of more than {most} do not fit an i32", program.name);
    Diagnostic::new(Code::ExtentTooLarge, message).help(format!("launch at most {most} of `{dim}` at once"))
}

/// The bytes of the intermediates do not fit.
#[cold]
pub(super) fn workspace_overflow(program: &Program) -> Diagnostic {
    let message = format!("the workspace of `{}` is larger than 2^63 - 1 bytes", program.name);
    Diagnostic::new(Code::ExtentTooLarge, message).help("give smaller extents")
}
