//! A thin builder over MLIR: one insertion point, scalars and 1-D vectors, one method per operation.
//!
//! A value is a scalar or a `vector<WxT>` of `W` lanes. Floats carry no fast-math flag, so that nothing is contracted
//! or reassociated. Arithmetic is the `arith` dialect, which takes vectors as they are; lanes and memory are reached
//! through the `llvm` dialect (`llvm.extractelement`, `llvm.load` on `!llvm.ptr`), control flow through `scf`.
//!
//! The builder trusts its caller to give operands of one type: MLIR's verifier, run on the finished module, is what
//! catches a mistake.

mod arithmetic;
mod control;
mod function;
mod locations;
mod memory;
mod shared;

pub use arithmetic::{FloatPredicate, IntPredicate};
pub use function::{Coordinate, Parameter};

use melior::{
    Context,
    ir::{
        Attribute, Block, BlockLike, BlockRef, Identifier, Location, Module, Region, RegionLike, Type, TypeLike, Value,
        ValueLike,
        attribute::{DenseElementsAttribute, FloatAttribute, IntegerAttribute},
        operation::OperationBuilder,
        r#type::IntegerType,
    },
};
use mlir_sys as sys;
use std::cell::Cell;

/// An SSA value of the module under construction.
pub type Val<'m> = Value<'m, 'm>;

/// Appends operations at the end of one block of a module.
///
/// `'m` is the borrow of the module, so that no value outlives it.
pub struct Builder<'m> {
    context: &'m Context,
    /// Of what is appended.
    location: Cell<Location<'m>>,
    /// Operations are given the places of [`Builder::made_for`].
    located: bool,
    block: Cell<BlockRef<'m, 'm>>,
    /// What each loop begins with, in assembly.
    in_loops: Cell<Option<&'static str>>,
}

impl<'m> Builder<'m> {
    /// A builder that appends to the body of `module`.
    pub fn new(context: &'m Context, module: &'m Module<'m>) -> Builder<'m> {
        let location = Cell::new(Location::unknown(context));
        Builder { context, location, located: false, block: Cell::new(module.body()), in_loops: Cell::new(None) }
    }

    /// The MLIR context.
    pub fn context(&self) -> &'m Context {
        self.context
    }

    // Types.

    /// The signless integer type of `bits` bits.
    pub fn int(&self, bits: u32) -> Type<'m> {
        IntegerType::new(self.context, bits).into()
    }

    /// `f32`.
    pub fn f32(&self) -> Type<'m> {
        Type::float32(self.context)
    }

    /// `f64`.
    pub fn f64(&self) -> Type<'m> {
        Type::float64(self.context)
    }

    /// `f16`.
    pub fn f16(&self) -> Type<'m> {
        Type::float16(self.context)
    }

    /// `!llvm.ptr`.
    pub fn pointer(&self) -> Type<'m> {
        melior::dialect::llvm::r#type::pointer(self.context, 0)
    }

    /// `element` itself for one lane, else `vector<lanes x element>`.
    pub fn lanes_of(&self, element: Type<'m>, lanes: u32) -> Type<'m> {
        match lanes {
            1 => element,
            _ => Type::vector(&[u64::from(lanes)], element),
        }
    }

    /// Lanes of a type: 1 for a scalar.
    pub fn lanes(&self, ty: Type<'m>) -> u32 {
        // SAFETY: `ty` is live; the size of dimension 0 is only asked of a vector, which has one.
        unsafe {
            match sys::mlirTypeIsAVector(ty.to_raw()) {
                true => sys::mlirShapedTypeGetDimSize(ty.to_raw(), 0) as u32,
                false => 1,
            }
        }
    }

    /// The element type of a vector, or the scalar type itself.
    pub fn element(&self, ty: Type<'m>) -> Type<'m> {
        // SAFETY: `ty` is live, and the element type is only asked of a vector.
        unsafe {
            match sys::mlirTypeIsAVector(ty.to_raw()) {
                true => Type::from_raw(sys::mlirShapedTypeGetElementType(ty.to_raw())),
                false => ty,
            }
        }
    }

    /// `element` with as many lanes as `like` has.
    pub fn with_lanes(&self, element: Type<'m>, like: Type<'m>) -> Type<'m> {
        self.lanes_of(element, self.lanes(like))
    }

    /// Bits of an integer type.
    pub fn width(&self, ty: Type<'m>) -> u32 {
        IntegerType::try_from(ty).map_or(0, |ty| ty.width())
    }

    // Constants. A vector type gives a splat.

    /// An integer constant of a scalar or vector type; the value wraps to the type's width.
    pub fn const_int(&self, ty: Type<'m>, value: i64) -> Val<'m> {
        let scalar: Attribute<'m> = IntegerAttribute::new(self.element(ty), value).into();
        self.constant(ty, self.splat_attribute(ty, scalar))
    }

    /// An integer constant with a value per lane.
    pub fn const_ints(&self, element: Type<'m>, values: &[i64]) -> Val<'m> {
        let ty = self.lanes_of(element, values.len() as u32);
        match values {
            [one] => self.const_int(element, *one),
            _ => {
                let lanes: Vec<Attribute<'m>> =
                    values.iter().map(|v| IntegerAttribute::new(element, *v).into()).collect();
                let dense =
                    DenseElementsAttribute::new(ty, &lanes).expect("one attribute of the element type per lane");
                self.constant(ty, dense.into())
            }
        }
    }

    /// Zero of an integer or float type.
    pub fn const_zero(&self, ty: Type<'m>) -> Val<'m> {
        if self.element(ty) == self.f32() { self.const_f32(0.0, self.lanes(ty)) } else { self.const_int(ty, 0) }
    }

    /// An `i1` constant of one lane.
    pub fn const_bool(&self, value: bool) -> Val<'m> {
        self.const_int(self.int(1), i64::from(value))
    }

    /// An `f32` constant with exactly these bits (NaN payloads included), with `lanes` lanes.
    pub fn const_f32_bits(&self, bits: u32, lanes: u32) -> Val<'m> {
        let value = f32::from_bits(bits);
        let ty = self.lanes_of(self.f32(), lanes);
        if value.is_nan() {
            // Through f64, as MLIR's C interface takes floats, a signalling NaN would lose its payload.
            let raw = self.const_int(self.lanes_of(self.int(32), lanes), i64::from(bits as i32));
            return self.bitcast(raw, ty);
        }
        let scalar: Attribute<'m> = FloatAttribute::new(self.context, self.f32(), f64::from(value)).into();
        self.constant(ty, self.splat_attribute(ty, scalar))
    }

    /// An `f32` constant.
    pub fn const_f32(&self, value: f32, lanes: u32) -> Val<'m> {
        self.const_f32_bits(value.to_bits(), lanes)
    }

    fn splat_attribute(&self, ty: Type<'m>, scalar: Attribute<'m>) -> Attribute<'m> {
        match self.lanes(ty) {
            1 => scalar,
            _ => DenseElementsAttribute::splat(ty, scalar).into(),
        }
    }

    fn constant(&self, ty: Type<'m>, value: Attribute<'m>) -> Val<'m> {
        self.op("arith.constant", &[], &[("value", value)], ty)
    }

    // Plumbing.

    /// The attribute of this text; only ever given text written in this crate.
    pub fn attribute(&self, text: &str) -> Attribute<'m> {
        Attribute::parse(self.context, text).unwrap_or_else(|| unreachable!("`{text}` is an MLIR attribute"))
    }

    fn named(&self, attributes: &[(&str, Attribute<'m>)]) -> Vec<(Identifier<'m>, Attribute<'m>)> {
        attributes.iter().map(|(name, value)| (Identifier::new(self.context, name), *value)).collect()
    }

    /// Appends an operation of one result.
    pub fn op(
        &self,
        name: &str,
        operands: &[Val<'m>],
        attributes: &[(&str, Attribute<'m>)],
        result: Type<'m>,
    ) -> Val<'m> {
        self.append(name, operands, attributes, &[result], vec![])[0]
    }

    /// Appends an operation and returns its results.
    pub fn append(
        &self,
        name: &str,
        operands: &[Val<'m>],
        attributes: &[(&str, Attribute<'m>)],
        results: &[Type<'m>],
        regions: Vec<Region<'m>>,
    ) -> Vec<Val<'m>> {
        let operation = OperationBuilder::new(name, self.location.get())
            .add_operands(operands)
            .add_attributes(&self.named(attributes))
            .add_results(results)
            .add_regions_vec(regions)
            .build()
            .expect("an operation with explicit result types is always built");
        let operation = self.block.get().append_operation(operation);
        (0..results.len())
            .map(|i| {
                let result = operation.result(i).expect("as many results as types were given");
                result.into()
            })
            .collect()
    }

    /// A region of one block with these arguments, filled by `body` with the insertion point inside.
    pub fn region(&self, arguments: &[Type<'m>], body: impl FnOnce(&[Val<'m>])) -> Region<'m> {
        let arguments: Vec<_> = arguments.iter().map(|ty| (*ty, self.location.get())).collect();
        let region = Region::new();
        let block = region.append_block(Block::new(&arguments));
        // SAFETY: the region, and with it the block, becomes part of the module when the caller builds its operation;
        // values of the block that were leaked out of `body` would not dominate any later use and fail verification.
        let block: BlockRef<'m, 'm> = unsafe { BlockRef::from_raw(block.to_raw()) };
        let values: Vec<Val<'m>> = (0..arguments.len())
            .map(|i| block.argument(i).expect("as many arguments as types were given").into())
            .collect();
        let outer = self.block.replace(block);
        body(&values);
        self.block.set(outer);
        region
    }

    /// The type of a value.
    pub fn type_of(&self, value: Val<'m>) -> Type<'m> {
        value.r#type()
    }
}
