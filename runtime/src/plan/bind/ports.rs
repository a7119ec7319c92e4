//! What a launch checks of one argument, in a form that takes a few nanoseconds.

use super::overlap::{Bounds, overlaps_itself};
use crate::args::{Location, View};
use routefuse_ir::program::Program;
use routefuse_ir::verify::MAX_RANK;
use routefuse_ir::{Alias, Code, DType, Diagnostic, Layout, TensorType};

/// The error word's name among the arguments.
pub(crate) const ERROR_WORD: &str = "error_word";

/// One argument that a launch takes: an input, an output, or the error word.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) name: Box<str>,
    pub(crate) writable: bool,
    pub(crate) alias: Alias,
    pub(crate) dtype: DType,
    pub(crate) rank: u8,
    pub(crate) layout: Layout,
    /// The symbol of the leading dim.
    pub(crate) symbol: Option<u32>,
    /// It is the first port with its symbol, and says the extent.
    defines: bool,
    /// Constant extents; 0 for a symbolic one.
    pub(crate) shape: [u64; MAX_RANK],
    /// The strides of a gapless row-major tensor.
    pub(crate) strides: [i64; MAX_RANK],
    /// Elements of all dims but a symbolic leading one.
    pub(crate) row_elements: u64,
    /// Elements of all dims but the leading one.
    pub(crate) inner_elements: u64,
}

/// What is wrong with one argument.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Device,
    DType,
    Rank,
    Extent(usize),
    Symbol,
    TooLarge,
    Stride(usize),
    Negative(usize),
    SelfOverlap,
    Misaligned,
    TooSmall(u64),
}

/// The ports of a program: inputs, outputs, the error word.
pub(crate) fn ports(program: &Program) -> Vec<Port> {
    let inputs = program.inputs.iter().map(|p| (p, false));
    let outputs = program.outputs.iter().map(|p| (p, true));
    let mut ports: Vec<Port> =
        inputs.chain(outputs).map(|(p, writable)| Port::new(&p.name, writable, &p.ty, p.layout, p.alias)).collect();
    if program.has_trap {
        let ty = TensorType::scalar(DType::U32);
        ports.push(Port::new(ERROR_WORD, true, &ty, Layout::Contiguous, Alias::None));
    }
    let mut defined = vec![false; program.symbols.len()];
    for port in &mut ports {
        if let Some(s) = port.symbol {
            port.defines = !std::mem::replace(&mut defined[s as usize], true);
        }
    }
    ports
}

impl Port {
    fn new(name: &str, writable: bool, ty: &TensorType, layout: Layout, alias: Alias) -> Port {
        let mut port = Port {
            name: name.into(),
            writable,
            alias,
            dtype: ty.dtype,
            rank: ty.shape.len() as u8,
            layout,
            symbol: ty.row_symbol().map(|s| s.0),
            defines: false,
            shape: [0; MAX_RANK],
            strides: [0; MAX_RANK],
            row_elements: ty.row_elements().unwrap_or(0),
            inner_elements: 1,
        };
        let mut stride = 1u64;
        for (d, dim) in ty.shape.iter().enumerate().rev() {
            port.strides[d] = stride as i64;
            if let Some(n) = dim.as_const() {
                port.shape[d] = n;
                // No overflow in what a launch uses: a verified shape's constant extents multiply to 63 bits, unless one
                // is 0; then no stride is looked at.
                stride = stride.wrapping_mul(n);
            }
            if d == 1 {
                port.inner_elements = stride;
            }
        }
        port
    }

    /// Checks a view, and says which bytes it spans. `extents` has one entry a symbol; the first port with a symbol sets it.
    #[inline]
    pub(crate) fn check(&self, view: &View, location: Location, extents: &mut [u64]) -> Result<Bounds, Fault> {
        if view.location != location {
            return Err(Fault::Device);
        }
        if view.dtype != self.dtype {
            return Err(Fault::DType);
        }
        if view.rank != self.rank {
            return Err(Fault::Rank);
        }
        let rank = usize::from(self.rank);
        let size = self.dtype.size();
        let mut rows = 1;
        if let Some(s) = self.symbol {
            rows = view.shape[0];
            if self.defines {
                extents[s as usize] = rows;
            } else if extents[s as usize] != rows {
                return Err(Fault::Symbol);
            }
        }
        for d in usize::from(self.symbol.is_some())..rank {
            if view.shape[d] != self.shape[d] {
                return Err(Fault::Extent(d));
            }
        }
        let limit = |n: Option<u64>| n.filter(|&n| n <= i64::MAX as u64).ok_or(Fault::TooLarge);
        let rows = limit(Some(rows))?;
        let elements = limit(rows.checked_mul(self.row_elements))?;
        limit(elements.checked_mul(size))?;
        if elements == 0 {
            return Ok(Bounds::default());
        }
        let last = match self.layout {
            Layout::Contiguous => {
                self.gapless(view, 0)?;
                elements - 1
            }
            Layout::Rows => {
                self.gapless(view, 1)?;
                let (rows, stride) = (view.shape[0], view.strides[0]);
                let inner = self.inner_elements;
                if rows == 1 {
                    inner - 1
                } else {
                    let stride = u64::try_from(stride).map_err(|_| Fault::Negative(0))?;
                    if self.writable && stride < inner {
                        return Err(Fault::SelfOverlap);
                    }
                    limit((rows - 1).checked_mul(stride).and_then(|n| n.checked_add(inner - 1)))?
                }
            }
            Layout::Strided => self.last_strided(view)?,
        };
        let bytes = limit(last.checked_add(1).and_then(|n| n.checked_mul(size)))?;
        let begin = view.ptr.addr() as u64;
        if !begin.is_multiple_of(size) {
            return Err(Fault::Misaligned);
        }
        if bytes > view.bytes {
            return Err(Fault::TooSmall(bytes));
        }
        Ok(Bounds { begin, end: begin.saturating_add(bytes) })
    }

    /// The dims from `first` on are row-major without gaps. The stride of a dim of one element means nothing.
    #[inline]
    fn gapless(&self, view: &View, first: usize) -> Result<(), Fault> {
        for d in first..usize::from(self.rank) {
            if view.strides[d] != self.strides[d] && view.shape[d] > 1 {
                return Err(Fault::Stride(d));
            }
        }
        Ok(())
    }

    /// The position of the last element in memory, counted from the first.
    fn last_strided(&self, view: &View) -> Result<u64, Fault> {
        let mut last = 0u64;
        for d in 0..usize::from(self.rank) {
            if view.shape[d] > 1 {
                let stride = u64::try_from(view.strides[d]).map_err(|_| Fault::Negative(d))?;
                let reach = (view.shape[d] - 1).checked_mul(stride);
                last = reach.and_then(|n| last.checked_add(n)).ok_or(Fault::TooLarge)?;
            }
        }
        if self.writable && overlaps_itself(view) {
            return Err(Fault::SelfOverlap);
        }
        Ok(last)
    }

    /// "input `ids`".
    pub(crate) fn text(&self) -> String {
        match (&*self.name, self.writable, self.symbol, self.rank, self.dtype) {
            (ERROR_WORD, true, None, 0, DType::U32) => format!("the error word `{ERROR_WORD}`"),
            (name, true, ..) => format!("output `{name}`"),
            (name, false, ..) => format!("input `{name}`"),
        }
    }

    /// The fault in words; `first` is the port that says the symbol's extent, and that extent.
    #[cold]
    pub(crate) fn diagnostic(
        &self,
        fault: Fault,
        view: &View,
        location: Location,
        program: &Program,
        first: Option<(&Port, u64)>,
    ) -> Diagnostic {
        let name = self.text();
        let ty = self.type_text(program);
        let (rank, here) = (usize::from(self.rank), location.device());
        if let Some((dims, strides)) = view.unfit_strides() {
            let count = |n: u64, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
            let message = format!("{name} has {} and {}", count(dims, "dim"), count(strides, "stride"));
            return Diagnostic::new(Code::BadStride, message).help("give one stride a dim, in elements");
        }
        let (code, message, help) = match fault {
            Fault::Device => (
                Code::WrongDevice,
                format!("{name} is in the memory of {}, and the plan runs on {here}", view.location.device()),
                format!("copy it to {here}, or compile the graph for where it is"),
            ),
            Fault::DType => (
                Code::ArgumentDType,
                format!("{name} is {ty}, and the argument's elements are {}", view.dtype),
                format!("give elements of dtype {}", self.dtype),
            ),
            Fault::Rank => (
                Code::ArgumentRank,
                format!("{name} is {ty}, of rank {rank}, and the argument's rank is {}", view.rank),
                "give one extent for each dim".to_owned(),
            ),
            Fault::Extent(d) => (
                Code::ArgumentExtent,
                format!("{name} is {ty}, and dim {d} of the argument is {}", view.shape[d]),
                format!("dim {d} is {} in every launch", self.shape[d]),
            ),
            Fault::Symbol => {
                let symbol = self.symbol.map_or("", |s| &program.symbols[s as usize]);
                let (first, extent) = first.map_or((String::new(), 0), |(p, n)| (p.text(), n));
                (
                    Code::SymbolConflict,
                    format!("`{symbol}` is {extent} in {first}, and {} in {name}", view.shape[0]),
                    format!("dim 0 of both is `{symbol}`, which has one value a launch"),
                )
            }
            Fault::TooLarge => (
                Code::ExtentTooLarge,
                format!("{name} is {ty}, and with {} rows it spans more than 2^63 - 1 bytes", view.shape[0]),
                "give smaller extents or strides".to_owned(),
            ),
            Fault::Stride(d) => {
                let layout = if self.layout == Layout::Rows { "of gapless rows" } else { "contiguous" };
                (
                    Code::BadStride,
                    format!(
                        "{name} is declared {layout}, and dim {d} has stride {} instead of {}",
                        view.strides[d], self.strides[d]
                    ),
                    "copy the tensor, or declare the layout `rows` or `strided` in the graph".to_owned(),
                )
            }
            Fault::Negative(d) => (
                Code::BadStride,
                format!("{name} has stride {} in dim {d}", view.strides[d]),
                "give one stride a dim, in elements, none negative".to_owned(),
            ),
            Fault::SelfOverlap => (
                Code::BadStride,
                format!("elements of {name} overlap each other: strides {:?}", &view.strides[..rank]),
                format!("rows of {} elements need a stride of at least that", self.inner_elements),
            ),
            Fault::Misaligned => (
                Code::Misaligned,
                format!("{name} begins at {:#x}, which is no multiple of {} bytes", view.ptr.addr(), self.dtype.size()),
                format!("align it to the size of {}", self.dtype),
            ),
            Fault::TooSmall(bytes) if view.ptr.is_null() => (
                Code::BufferTooSmall,
                format!("{name} needs {bytes} bytes, and its address is null"),
                "give the address of memory that holds them; only a tensor without elements needs none".to_owned(),
            ),
            Fault::TooSmall(bytes) => (
                Code::BufferTooSmall,
                format!("{name} needs {bytes} bytes, and its buffer has {}", view.bytes),
                format!(
                    "the argument's shape is {:?}, its strides are {:?}",
                    &view.shape[..rank],
                    &view.strides[..rank]
                ),
            ),
        };
        Diagnostic::new(code, message).help(help)
    }

    /// `i32[T, 8]`.
    fn type_text(&self, program: &Program) -> String {
        let inputs = program.inputs.iter().chain(&program.outputs);
        let port = inputs.into_iter().find(|p| *p.name == *self.name);
        port.map_or_else(|| "u32[]".to_owned(), |p| p.ty.text(&program.symbols))
    }
}
