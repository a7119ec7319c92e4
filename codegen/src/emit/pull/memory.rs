//! Where the elements of parameters are in memory, and loads and stores of them.

use super::arguments::Arguments;
use super::arithmetic::Indexing;
use super::index::{Index, Ix, gcd, key, neighbours};
use super::job::Job;
use super::scopes::{ScopedMap, Scopes};
use super::types::memory_type;
use crate::machine::Machine;
use crate::mlir::builder::{Builder, IntPredicate, Val};
use melior::ir::Type;
use routefuse_ir::DType;
use routefuse_ir::Layout;
use routefuse_ir::dim::SymbolId;
use routefuse_ir::kernel::schedule::Variant;
use routefuse_ir::kernel::{Kernel, ParamId};
use std::rc::Rc;

/// Emits accesses to the kernel's parameters.
pub(in crate::emit) struct Memory<'a, 'm> {
    b: &'a Builder<'m>,
    kernel: &'a Kernel,
    machine: &'a dyn Machine,
    variant: Variant,
    ix: Rc<Indexing<'a, 'm>>,
    arguments: Arguments<'m>,
    /// By parameter and identity of the element's number, addresses that were emitted.
    addresses: ScopedMap<(ParamId, usize), Val<'m>>,
    /// By identity of an element's number, the number as addresses far from a base are computed from it.
    far: ScopedMap<usize, Val<'m>>,
}

impl<'a, 'm> Memory<'a, 'm> {
    /// For a kernel with these arguments.
    pub fn new(
        job: Job<'a, 'm>,
        arguments: Arguments<'m>,
        ix: &Rc<Indexing<'a, 'm>>,
        scopes: &Rc<Scopes>,
    ) -> Memory<'a, 'm> {
        let Job { b, kernel, machine, variant } = job;
        let (addresses, far) = (ScopedMap::new(scopes), ScopedMap::new(scopes));
        Memory { b, kernel, machine, variant, ix: Rc::clone(ix), arguments, addresses, far }
    }

    /// Another parameter may write what is read through this one.
    pub fn is_aliased(&self, param: ParamId) -> bool {
        self.kernel.is_aliased(param)
    }

    /// The base address of a parameter.
    pub fn pointer(&self, param: ParamId) -> Val<'m> {
        self.arguments.pointer(param)
    }

    /// The extent of a symbol, in the index type.
    pub fn extent(&self, symbol: SymbolId) -> Val<'m> {
        self.ix.of_argument(self.arguments.extent(symbol))
    }

    /// The extent of a symbol as it was given, `i64`.
    pub fn extent_argument(&self, symbol: SymbolId) -> Val<'m> {
        self.arguments.extent(symbol)
    }

    /// The rows of the kernel, in the index type.
    pub fn rows(&self) -> Val<'m> {
        self.kernel.rows.map_or_else(|| self.ix.constant(1), |symbol| self.extent(symbol))
    }

    fn stride(&self, param: ParamId, dim: u32) -> Val<'m> {
        self.ix.of_argument(self.arguments.stride(param, dim))
    }

    /// A divisor, in elements, of the stride of dim 0 of a parameter with [`Layout::Rows`].
    fn row_multiple(&self, param: ParamId) -> u64 {
        if self.variant.aligned { 16 / self.kernel.param(param).ty.dtype.size() } else { 1 }
    }

    fn far_element(&self, number: Val<'m>) -> Val<'m> {
        self.far.get(&key(number)).unwrap_or_else(|| {
            let far = self.machine.far_element(self.b, number);
            self.far.insert(key(number), far);
            far
        })
    }

    /// Every element of a parameter is less than 2³¹ bytes from its base, whatever the extents are.
    fn is_small(&self, param: ParamId) -> bool {
        let p = self.kernel.param(param);
        let elements = p.ty.shape.iter().map(|d| d.as_const()).try_fold(1u64, |n, d| n.checked_mul(d?));
        let bytes = elements.and_then(|n| n.checked_mul(p.ty.dtype.size()));
        p.layout == Layout::Contiguous && bytes.is_some_and(|bytes| bytes <= 1 << 31)
    }

    /// The offset in elements of these indices, one a dim.
    pub fn table_offset(&self, table: ParamId, indices: &[Ix<'m>]) -> Ix<'m> {
        let param = self.kernel.param(table);
        let inner = |dim: usize| param.ty.shape[dim + 1..].iter().filter_map(|d| d.as_const()).product::<u64>();
        let terms = indices.iter().enumerate().map(|(dim, ix)| match param.layout {
            Layout::Rows if dim == 0 => self.ix.product(*ix, self.stride(table, 0), self.row_multiple(table)),
            Layout::Contiguous | Layout::Rows => self.ix.times(*ix, inner(dim)),
            Layout::Strided => self.ix.product(*ix, self.stride(table, dim as u32), 1),
        });
        terms.reduce(|x, y| self.ix.add(x, y)).unwrap_or(Ix::constant(0))
    }

    /// The offset in elements of every lane of a parameter's element `(row, column)`.
    pub fn offsets(&self, param: ParamId, index: &Index<'m>) -> Vec<Ix<'m>> {
        let space = self.kernel.param_space(param);
        let p = self.kernel.param(param);
        let lanes = index.lanes() as usize;
        if let (Layout::Contiguous, true, Some((first, cols))) = (p.layout, space.per_row, index.flat)
            && cols == space.cols
        {
            return (0..lanes as u64).map(|lane| first.offset(lane)).collect();
        }
        let dims: Vec<u64> = p.ty.shape[usize::from(space.per_row)..].iter().filter_map(|d| d.as_const()).collect();
        let offset = |lane: usize| {
            // A contiguous parameter is one row of elements; otherwise the column is taken apart into its dims.
            let mut indices = if space.per_row { vec![index.row_of(lane)] } else { vec![] };
            let mut inner: u64 = dims.iter().product();
            for (d, extent) in dims.iter().enumerate() {
                inner /= extent;
                let dim = self.ix.divide(index.column_of(lane), inner);
                indices.push(if d == 0 { dim } else { self.ix.remainder(dim, *extent) });
            }
            indices
        };
        (0..lanes)
            .map(|lane| match p.layout {
                Layout::Contiguous => {
                    let row = if space.per_row { index.row_of(lane) } else { Ix::constant(0) };
                    // Neighbours of one element are found by its address.
                    self.ix.add(self.ix.times(row, space.cols), self.ix.apart(index.column_of(lane)))
                }
                Layout::Rows if space.per_row => {
                    let row = self.ix.product(index.row_of(lane), self.stride(param, 0), self.row_multiple(param));
                    self.ix.add(row, index.column_of(lane))
                }
                // The dims behind the first are without gaps, so they are one.
                Layout::Rows if dims.len() > 1 => {
                    let inner: u64 = dims[1..].iter().product();
                    let column = index.column_of(lane);
                    let outer = self.ix.divide(column, inner);
                    let outer = self.ix.product(outer, self.stride(param, 0), self.row_multiple(param));
                    self.ix.add(outer, self.ix.remainder(column, inner))
                }
                Layout::Rows | Layout::Strided => self.table_offset(param, &offset(lane)),
            })
            .collect()
    }

    /// Loads the elements at these offsets: with one instruction if they are neighbours.
    pub fn load_at(&self, param: ParamId, offsets: &[Ix<'m>]) -> Val<'m> {
        let dtype = self.kernel.param(param).ty.dtype;
        let element = memory_type(self.b, dtype);
        // A kernel that begins before the one in front has ended may see its inputs change until its wait.
        let changes = self.is_aliased(param) || self.arguments.change();
        let invariant = !changes && !self.machine.waits_for_inputs();
        let load = |(pointer, align): (Val<'m>, u64), lanes: usize| {
            self.b.load(pointer, self.b.lanes_of(element, lanes as u32), align as u32, invariant)
        };
        let raw = if neighbours(offsets) {
            load(self.address(param, offsets[0], element), offsets.len())
        } else {
            let mut lanes = Vec::with_capacity(offsets.len());
            while let rest @ [first, ..] = &offsets[lanes.len()..] {
                let at = self.address(param, *first, element);
                let count = together(rest, at.1.min(self.machine.widest_load()) / dtype.size());
                let loaded = load(at, count);
                lanes.extend((0..count as u32).map(|lane| self.b.extract(loaded, lane)));
            }
            self.b.gather_lanes(&lanes)
        };
        match dtype {
            DType::Bool => {
                let zero = self.b.const_int(self.b.type_of(raw), 0);
                self.b.cmpi(IntPredicate::Ne, raw, zero)
            }
            _ => raw,
        }
    }

    /// Stores bits, a lane an element: with one instruction if the elements are neighbours.
    pub fn write(&self, param: ParamId, index: &Index<'m>, bits: Val<'m>) {
        let element = memory_type(self.b, self.kernel.param(param).ty.dtype);
        let offsets = self.offsets(param, index);
        if neighbours(&offsets) {
            let (pointer, align) = self.address(param, offsets[0], element);
            self.b.store(bits, pointer, align as u32);
        } else {
            for (lane, at) in offsets.iter().enumerate() {
                let (pointer, align) = self.address(param, *at, element);
                self.b.store(self.b.extract(bits, lane as u32), pointer, align as u32);
            }
        }
    }

    /// The address of element `at` of a parameter, and a divisor of the address in bytes, a power of two.
    pub fn address(&self, param: ParamId, at: Ix<'m>, element: Type<'m>) -> (Val<'m>, u64) {
        let size = self.kernel.param(param).ty.dtype.size();
        let aligned = if self.variant.aligned { 16 } else { size };
        let divisor = gcd(gcd(at.multiple.saturating_mul(size), at.plus.saturating_mul(size)), aligned);
        let align = 1 << divisor.trailing_zeros();
        // A constant index is 32 bits wide.
        let (dynamic, fixed) = match (at.base, i32::try_from(at.plus)) {
            (base, Ok(fixed)) => (base, fixed),
            (_, Err(_)) => (Some(self.ix.materialise(at)), 0),
        };
        let pointer = self.arguments.pointer(param);
        let pointer = match dynamic {
            None => pointer,
            Some(base) => self.addresses.get(&(param, key(base))).unwrap_or_else(|| {
                let number = if self.is_small(param) { base } else { self.far_element(base) };
                let address = self.b.gep(pointer, number, element);
                self.addresses.insert((param, key(base)), address);
                address
            }),
        };
        (self.b.gep_const(pointer, fixed, element), align)
    }
}

/// How many elements from the first on are neighbours: a power of two, `most` at most, and one at least.
fn together(offsets: &[Ix<'_>], most: u64) -> usize {
    let fits = |count: &usize| *count <= offsets.len() && *count as u64 <= most && neighbours(&offsets[..*count]);
    std::iter::successors(Some(1), |count| Some(2 * count).filter(fits)).last().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_come_together_by_powers_of_two_until_something_ends_them() {
        let columns = |numbers: &[u64]| numbers.iter().map(|n| Ix::constant(*n)).collect::<Vec<_>>();
        let run = columns(&[8, 9, 10, 11, 12, 13, 14, 15, 40]);
        assert_eq!(together(&run, 8), 8, "the run's end");
        assert_eq!(together(&run, 4), 4, "the widest load, or the alignment");
        assert_eq!(together(&run[2..], 8), 4, "six are no power of two");
        assert_eq!(together(&run[7..], 8), 1, "no neighbour");
        assert_eq!(together(&run[8..], 8), 1, "the last element");
        assert_eq!(together(&run, 0), 1, "a machine that has LLVM find them");
    }
}
