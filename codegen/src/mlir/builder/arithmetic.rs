//! Arithmetic, comparison, casts and lane access.

use super::{Builder, Val};
use melior::ir::{
    Type,
    attribute::{DenseI32ArrayAttribute, IntegerAttribute, StringAttribute},
};

/// Integer comparisons, with MLIR's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // MLIR's own names
pub enum IntPredicate {
    Eq = 0,
    Ne = 1,
    Slt = 2,
    Sle = 3,
    Sgt = 4,
    Sge = 5,
    Ult = 6,
    Ule = 7,
    Ugt = 8,
    Uge = 9,
}

/// Float comparisons, with MLIR's codes. Ordered ones are false on NaN, unordered ones true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // MLIR's own names
pub enum FloatPredicate {
    Oeq = 1,
    Ogt = 2,
    Oge = 3,
    Olt = 4,
    Ole = 5,
    Une = 13,
    Uno = 14,
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        impl<'m> Builder<'m> {
            $($(#[$doc])*
            pub fn $name(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
                self.op($op, &[x, y], &[], self.type_of(x))
            })*
        }
    };
}

binary! {
    /// Wrapping integer sum.
    addi = "arith.addi";
    /// Wrapping integer difference.
    subi = "arith.subi";
    /// Wrapping integer product.
    muli = "arith.muli";
    /// Signed quotient towards zero; division by zero and overflow are undefined.
    divsi = "arith.divsi";
    /// Unsigned quotient; division by zero is undefined.
    divui = "arith.divui";
    /// Signed remainder with the sign of `x`; division by zero and overflow are undefined.
    remsi = "arith.remsi";
    /// Unsigned remainder; division by zero is undefined.
    remui = "arith.remui";
    /// Bitwise and.
    andi = "arith.andi";
    /// Bitwise or.
    ori = "arith.ori";
    /// Bitwise exclusive or.
    xori = "arith.xori";
    /// Left shift; a count of the width or more is undefined.
    shli = "arith.shli";
    /// Arithmetic right shift; a count of the width or more is undefined.
    shrsi = "arith.shrsi";
    /// Logical right shift; a count of the width or more is undefined.
    shrui = "arith.shrui";
    /// Signed minimum.
    minsi = "arith.minsi";
    /// Signed maximum.
    maxsi = "arith.maxsi";
    /// Unsigned minimum.
    minui = "arith.minui";
    /// Unsigned maximum.
    maxui = "arith.maxui";
    /// IEEE sum.
    addf = "arith.addf";
    /// IEEE difference.
    subf = "arith.subf";
    /// IEEE product.
    mulf = "arith.mulf";
    /// IEEE quotient, correctly rounded.
    divf = "arith.divf";
}

macro_rules! cast {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        impl<'m> Builder<'m> {
            $($(#[$doc])*
            ///
            /// `element` is the element type of the result, which keeps the lanes of `x`.
            pub fn $name(&self, x: Val<'m>, element: Type<'m>) -> Val<'m> {
                let result = self.with_lanes(element, self.type_of(x));
                self.op($op, &[x], &[], result)
            })*
        }
    };
}

cast! {
    /// Sign extension to a wider integer.
    extsi = "arith.extsi";
    /// Zero extension to a wider integer.
    extui = "arith.extui";
    /// The low bits, as a narrower integer.
    trunci = "arith.trunci";
    /// Signed integer to float, nearest even.
    sitofp = "arith.sitofp";
    /// Unsigned integer to float, nearest even.
    uitofp = "arith.uitofp";
    /// Float to a wider float, exactly.
    extf = "arith.extf";
    /// Float to a narrower float, nearest even.
    truncf = "arith.truncf";
}

impl<'m> Builder<'m> {
    /// IEEE negation: flips the sign bit, of NaN as well.
    pub fn negf(&self, x: Val<'m>) -> Val<'m> {
        self.op("arith.negf", &[x], &[], self.type_of(x))
    }

    /// Reinterprets the bits of `x` as the scalar or vector type `ty`.
    pub fn bitcast(&self, x: Val<'m>, ty: Type<'m>) -> Val<'m> {
        if self.type_of(x) == ty {
            return x;
        }
        // Lanes of another width need the llvm dialect's cast, which knows only the total.
        let name = if self.lanes(ty) == self.lanes(self.type_of(x)) { "arith.bitcast" } else { "llvm.bitcast" };
        self.op(name, &[x], &[], ty)
    }

    /// Integer comparison: `i1` per lane.
    pub fn cmpi(&self, predicate: IntPredicate, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.compare("arith.cmpi", predicate as i64, x, y)
    }

    /// Float comparison: `i1` per lane.
    pub fn cmpf(&self, predicate: FloatPredicate, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.compare("arith.cmpf", predicate as i64, x, y)
    }

    fn compare(&self, name: &str, code: i64, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        let code = IntegerAttribute::new(self.int(64), code).into();
        let result = self.with_lanes(self.int(1), self.type_of(x));
        self.op(name, &[x, y], &[("predicate", code)], result)
    }

    /// `x` where `condition`, else `y`; the condition is one `i1` or one per lane.
    pub fn select(&self, condition: Val<'m>, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.op("arith.select", &[condition, x, y], &[], self.type_of(x))
    }

    /// Logical not of `i1`.
    pub fn not(&self, x: Val<'m>) -> Val<'m> {
        let ones = self.const_int(self.type_of(x), -1);
        self.xori(x, ones)
    }

    /// `x*y + z` with one rounding.
    pub fn fma(&self, x: Val<'m>, y: Val<'m>, z: Val<'m>) -> Val<'m> {
        self.op("llvm.intr.fma", &[x, y, z], &[], self.type_of(x))
    }

    /// Magnitude of a float: clears the sign bit.
    pub fn absf(&self, x: Val<'m>) -> Val<'m> {
        self.intrinsic("fabs", &[x], self.type_of(x))
    }

    /// Square root of `f32`, correctly rounded.
    pub fn sqrt(&self, x: Val<'m>) -> Val<'m> {
        self.intrinsic("sqrt", &[x], self.type_of(x))
    }

    /// The lesser of two floats, the number where one is a NaN; −0.0 is below 0.0.
    pub fn lesser_number(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.intrinsic("minimumnum", &[x, y], self.type_of(x))
    }

    /// The greater of two floats, the number where one is a NaN; −0.0 is below 0.0.
    pub fn greater_number(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.intrinsic("maximumnum", &[x, y], self.type_of(x))
    }

    /// The lesser of two floats, a NaN where one is.
    pub fn lesser_or_nan(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.intrinsic("minimum", &[x, y], self.type_of(x))
    }

    /// The greater of two floats, a NaN where one is.
    pub fn greater_or_nan(&self, x: Val<'m>, y: Val<'m>) -> Val<'m> {
        self.intrinsic("maximum", &[x, y], self.type_of(x))
    }

    /// Float to signed integer towards zero, saturating, NaN to 0.
    pub fn fptosi_sat(&self, x: Val<'m>, element: Type<'m>) -> Val<'m> {
        self.saturating("fptosi.sat", x, element)
    }

    /// Float to unsigned integer towards zero, saturating, NaN to 0.
    pub fn fptoui_sat(&self, x: Val<'m>, element: Type<'m>) -> Val<'m> {
        self.saturating("fptoui.sat", x, element)
    }

    fn saturating(&self, name: &str, x: Val<'m>, element: Type<'m>) -> Val<'m> {
        let result = self.with_lanes(element, self.type_of(x));
        let full = format!("llvm.{name}.{}.{}", self.mangled(result), self.mangled(self.type_of(x)));
        self.call_intrinsic(&full, &[x], result)
    }

    /// Calls an overloaded LLVM intrinsic of one type. MLIR's own operations for these are not used, since the GPU
    /// conversions turn them into calls of vendor libraries.
    fn intrinsic(&self, name: &str, operands: &[Val<'m>], result: Type<'m>) -> Val<'m> {
        let full = format!("llvm.{name}.{}", self.mangled(result));
        self.call_intrinsic(&full, operands, result)
    }

    /// A value itself, by way of an empty piece of assembly with these constraints, which the optimiser does not see through.
    pub fn through_assembly(&self, x: Val<'m>, constraints: &str) -> Val<'m> {
        let attributes = [
            ("asm_string", StringAttribute::new(self.context, "").into()),
            ("constraints", StringAttribute::new(self.context, constraints).into()),
        ];
        self.op("llvm.inline_asm", &[x], &attributes, self.type_of(x))
    }

    /// Calls the LLVM intrinsic of this full name.
    pub fn call_intrinsic(&self, name: &str, operands: &[Val<'m>], result: Type<'m>) -> Val<'m> {
        let segments = DenseI32ArrayAttribute::new(self.context, &[operands.len() as i32, 0]).into();
        let bundles = DenseI32ArrayAttribute::new(self.context, &[]).into();
        let attributes = [
            ("intrin", StringAttribute::new(self.context, name).into()),
            ("op_bundle_sizes", bundles),
            ("operandSegmentSizes", segments),
        ];
        self.op("llvm.call_intrinsic", operands, &attributes, result)
    }

    /// LLVM's mangling of a type in intrinsic names: `f32`, `v4f32`.
    fn mangled(&self, ty: Type<'m>) -> String {
        let element = self.element(ty).to_string();
        match self.lanes(ty) {
            1 => element,
            lanes => format!("v{lanes}{element}"),
        }
    }

    /// A word with its bits one further up, and behind them the highest bit of another.
    pub fn shift_in_sign(&self, word: Val<'m>, other: Val<'m>) -> Val<'m> {
        self.intrinsic("fshl", &[word, other, self.const_int(self.type_of(word), 1)], self.type_of(word))
    }

    /// The number of ones of an integer.
    pub fn count_ones(&self, x: Val<'m>) -> Val<'m> {
        self.op("llvm.intr.ctpop", &[x], &[], self.type_of(x))
    }

    /// The number of low zero bits of a scalar integer; its width for 0.
    pub fn trailing_zeros(&self, x: Val<'m>) -> Val<'m> {
        let of_zero = ("is_zero_poison", IntegerAttribute::new(self.int(1), 0).into());
        self.op("llvm.intr.cttz", &[x], &[of_zero], self.type_of(x))
    }

    /// The number of low zero bits of a scalar integer that is not 0.
    pub fn trailing_zeros_of_some(&self, x: Val<'m>) -> Val<'m> {
        let of_zero = ("is_zero_poison", IntegerAttribute::new(self.int(1), 1).into());
        self.op("llvm.intr.cttz", &[x], &[of_zero], self.type_of(x))
    }

    // Lanes.

    /// Lane `lane` of a vector; a scalar is its own lane 0.
    pub fn extract(&self, vector: Val<'m>, lane: u32) -> Val<'m> {
        let ty = self.type_of(vector);
        if self.lanes(ty) == 1 {
            return vector;
        }
        let lane = self.const_int(self.int(32), i64::from(lane));
        self.op("llvm.extractelement", &[vector, lane], &[], self.element(ty))
    }

    /// `vector` with lane `lane` replaced.
    pub fn insert(&self, vector: Val<'m>, scalar: Val<'m>, lane: u32) -> Val<'m> {
        let lane = self.const_int(self.int(32), i64::from(lane));
        self.op("llvm.insertelement", &[vector, scalar, lane], &[], self.type_of(vector))
    }

    /// The vector of these scalars; one scalar stays a scalar.
    pub fn gather_lanes(&self, scalars: &[Val<'m>]) -> Val<'m> {
        if let [one] = scalars {
            return *one;
        }
        let ty = self.lanes_of(self.type_of(scalars[0]), scalars.len() as u32);
        let mut vector = self.op("llvm.mlir.poison", &[], &[], ty);
        for (lane, scalar) in scalars.iter().enumerate() {
            vector = self.insert(vector, *scalar, lane as u32);
        }
        vector
    }

    /// `scalar` in each of `lanes` lanes.
    pub fn splat(&self, scalar: Val<'m>, lanes: u32) -> Val<'m> {
        if lanes == 1 {
            return scalar;
        }
        let ty = self.lanes_of(self.type_of(scalar), lanes);
        let poison = self.op("llvm.mlir.poison", &[], &[], ty);
        let first = self.insert(poison, scalar, 0);
        self.shuffle(first, first, &vec![0; lanes as usize])
    }

    /// Lanes of `x` (0…n−1) and `y` (n…2n−1) in the order of `mask`.
    pub fn shuffle(&self, x: Val<'m>, y: Val<'m>, mask: &[i32]) -> Val<'m> {
        let ty = self.lanes_of(self.element(self.type_of(x)), mask.len() as u32);
        let mask = DenseI32ArrayAttribute::new(self.context, mask).into();
        self.op("llvm.shufflevector", &[x, y], &[("mask", mask)], ty)
    }
}
