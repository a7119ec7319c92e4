//! Random verified kernels with schedules for the host and for GPUs.
//!
//! Values are proposed, and what does not fit is left out, so every kernel that is made has to verify.

mod lookup;
mod movement;
mod profile;
mod rows;
mod scalar;
mod schedule;
mod stores;

pub use profile::Profile;

use crate::Choices;
use crate::data::{Mood, element};
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::schedule::Schedule;
use routefuse_ir::kernel::{Kernel, Param, ParamId, Role, Space, Value, ValueId, ValueKind};
use routefuse_ir::{DType, Dim, Layout, Literal, TensorType, Verified};

/// A kernel and schedules of it.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The kernel. Its first symbol is the row dim; another one, if there is one, is an extent of tables.
    pub kernel: Verified<Kernel>,
    /// For the host: one lane.
    pub host: Schedule,
    /// For a GPU.
    pub gpu: Schedule,
}

/// The kernel that these choices make of the profile.
///
/// # Panics
/// If the kernel does not verify: then this generator is wrong.
pub fn generate(choices: &mut Choices, profile: &Profile) -> Generated {
    let mut g = Growing::new(choices, profile);
    for _ in 0..g.c.position(2..6) {
        g.input();
    }
    if g.c.percent(30) {
        g.param(Role::ErrorWord, TensorType::scalar(DType::U32), Layout::Contiguous);
    }
    for _ in 0..g.c.position(4..24) {
        g.value();
    }
    for _ in 0..g.c.position(1..4) {
        g.output();
    }
    if g.c.percent(30) {
        g.adding_output();
    }
    let (host, gpu) = (g.schedule(true), g.schedule(false));
    let kernel = g.kernel.verify().unwrap_or_else(|e| panic!("the generator made a wrong kernel: {e:?}"));
    Generated { kernel, host, gpu }
}

/// A kernel that is being made.
struct Growing<'a> {
    c: &'a mut Choices,
    profile: &'a Profile,
    kernel: Kernel,
}

impl<'a> Growing<'a> {
    fn new(choices: &'a mut Choices, profile: &'a Profile) -> Growing<'a> {
        let mut symbols = vec!["T".to_owned()];
        if choices.percent(30) {
            symbols.push("V".to_owned());
        }
        let kernel = Kernel { name: "random".to_owned(), symbols, rows: Some(SymbolId(0)), ..Kernel::default() };
        Growing { c: choices, profile, kernel }
    }

    fn param(&mut self, role: Role, ty: TensorType, layout: Layout) -> ParamId {
        let id = ParamId(self.kernel.params.len() as u32);
        self.kernel.params.push(Param { name: format!("p{}", id.0), role, ty, layout, aliases: None });
        id
    }

    fn layout(&mut self, rank: usize) -> Layout {
        if rank == 0 {
            return Layout::Contiguous;
        }
        self.c.of(&[Layout::Contiguous, Layout::Contiguous, Layout::Contiguous, Layout::Rows, Layout::Strided])
    }

    fn columns(&mut self) -> u64 {
        self.c.of(self.profile.columns)
    }

    fn input(&mut self) {
        let dtype = self.c.of(&DType::ALL);
        let mut shape: Vec<Dim> = vec![];
        match self.c.below(10) {
            0..5 => shape.push(SymbolId(0).into()),
            5 if self.kernel.symbols.len() > 1 => shape.push(SymbolId(1).into()),
            _ => {}
        }
        if self.c.percent(80) {
            shape.push(self.columns().into());
        }
        if self.c.percent(20) {
            shape.push(self.c.of(&[2u64, 3, 4]).into());
        }
        let layout = self.layout(shape.len());
        self.param(Role::Input, TensorType::new(dtype, shape), layout);
    }

    fn push(&mut self, kind: ValueKind, dtype: DType, space: Space) -> ValueId {
        self.kernel.values.push(Value { kind, dtype, space, name: String::new() });
        ValueId(self.kernel.values.len() as u32 - 1)
    }

    /// One of the last eight values, so that kernels get deep.
    fn any(&mut self) -> Option<ValueId> {
        let n = self.kernel.values.len();
        (n > 0).then(|| ValueId((n - 1 - self.c.below(n.min(8))) as u32))
    }

    /// A value of those that fit.
    fn value_where(&mut self, fits: impl Fn(&Value) -> bool) -> Option<ValueId> {
        let found: Vec<ValueId> = self.kernel.values().filter(|(_, v)| fits(v)).map(|(id, _)| id).collect();
        self.c.any_of(&found)
    }

    fn value(&mut self) {
        if self.profile.row_values && self.c.percent(35) {
            return self.row_value();
        }
        match self.c.below(20) {
            0 => {
                let dtype = self.c.of(&DType::ALL);
                self.constant(dtype);
            }
            1 => {
                let dtype = self.c.of(&[DType::I32, DType::I64, DType::U64, DType::U8]);
                self.push(ValueKind::Row, dtype, Space { per_row: true, cols: 1 });
            }
            2 => {
                let dtype = self.c.of(&[DType::I32, DType::I64, DType::U16]);
                if self.c.one_in(3) {
                    let symbol = SymbolId(self.c.below(self.kernel.symbols.len()) as u32);
                    self.push(ValueKind::Extent(symbol), dtype, Space { per_row: false, cols: 1 });
                    return;
                }
                let cols = self.columns();
                self.push(ValueKind::Column, dtype, Space { per_row: false, cols });
            }
            3..7 => self.load(),
            7 => self.remap(),
            8 => self.concat(),
            9 | 10 => self.gather(),
            11 => self.gather_row(),
            _ => self.scalar(),
        }
    }

    fn literal(&mut self, dtype: DType) -> Literal {
        Literal::from_bits(dtype, element(dtype, Mood::Hostile, self.c))
    }

    fn constant(&mut self, dtype: DType) -> ValueId {
        let literal = self.literal(dtype);
        self.push(ValueKind::Const(literal), dtype, Space { per_row: false, cols: 1 })
    }

    fn load(&mut self) {
        let p = ParamId(self.c.below(self.kernel.params.len()) as u32);
        let param = self.kernel.param(p);
        let foreign = param.ty.row_symbol().is_some_and(|s| s != SymbolId(0));
        if param.role == Role::Input && !foreign {
            let (dtype, space) = (param.ty.dtype, self.kernel.param_space(p));
            self.push(ValueKind::Load(p), dtype, space);
        }
    }

    /// The space of a value of operands that are taken element by element, if they fit.
    fn pointwise(&self, operands: &[ValueId]) -> Option<Space> {
        let spaces: Vec<Space> = operands.iter().map(|o| self.kernel.value(*o).space).collect();
        let cols = spaces.iter().map(|s| s.cols).max()?;
        let fits = spaces.iter().all(|s| s.cols == 1 || s.cols == cols);
        fits.then(|| Space { per_row: spaces.iter().any(|s| s.per_row), cols })
    }
}
