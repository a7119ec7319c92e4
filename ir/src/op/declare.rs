//! The macro that makes everything out of the op table.
//!
//! A row of the sections `unary`, `binary` and `compare` is also the variant of [`UnaryOp`](super::UnaryOp) and its like, whose
//! doc comment stands above it. A row of the section `others` names the variant of [`Op`](super::Op) that it describes, as a
//! form that serves as a pattern and as an expression: its names are those of the attributes.
//!
//! ```text
//! Abs "abs" (x: SIGNED_OR_F32) -> Operand(0), cost Each(1), sign Always, nan Always, "…";
//!
//! "topk" [Op::TopK { k, candidates, order, nan }] (x: KEYS)
//!     {k: u64, candidates: Candidates = Candidates::All, order: TopKOrder = TopKOrder::Value, nan: NanOrder = NanOrder::Last}
//!     -> Is(DType::I32), cost Each(1), sign Unknown, nan Unknown, "…";
//! ```
//!
//! - Behind an operand's name stand the [dtypes](super::info::DTypes) that it may have, and in brackets what may follow it.
//! - `name: Type = default`: an attribute, and what it is where it is not given. `=> value` says how it is read from an op whose
//!   form has no such name, and `build { … }` how such an op is made.
//! - `->` is the dtype of the result, `cost` what an element of it costs; `sign` when no element that is a float is below 0.0
//!   or −0.0, and `nan` when every NaN of it is canonical.
//!
//! A variant of an op without a row is an error of the compiler's: the row's form is a pattern of each `match` made here.

/// Makes the scalar ops and the table of rows.
macro_rules! ops {
    (
        unary {$(
            $(#[$unary_doc:meta])+
            $unary:ident $unary_name:literal ($x:ident: $unary_dtypes:ident) -> $unary_result:expr,
            cost $unary_cost:expr, sign $unary_sign:expr, nan $unary_nan:expr, $unary_summary:literal;
        )+}
        binary {$(
            $(#[$binary_doc:meta])+
            $binary:ident $({$attribute:ident: $ty:ty = $default:expr})? $binary_name:literal
            ($a:ident, $b:ident: $binary_dtypes:ident) -> $binary_result:expr,
            cost $binary_cost:expr, sign $binary_sign:expr, nan $binary_nan:expr, $binary_summary:literal;
        )+}
        compare {$(
            $(#[$compare_doc:meta])+
            $compare:ident $compare_name:literal, $compare_summary:literal;
        )+}
        others {$($others:tt)+}
    ) => {
        /// One operand, one result of the same dtype (`is_nan`: bool).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum UnaryOp {
            $($(#[$unary_doc])+ $unary,)+
        }

        /// Two operands of one dtype, one result of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum BinaryOp {
            $($(#[$binary_doc])+ $binary $(($ty))?,)+
        }

        /// Two operands of one dtype to bool; ordered, so false with a NaN, but for `Ne`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum CompareOp {
            $($(#[$compare_doc])+ $compare,)+
        }

        impl UnaryOp {
            /// Every one, with its mnemonic.
            pub const ALL: [(UnaryOp, &'static str); [$($unary_name),+].len()] =
                [$((UnaryOp::$unary, $unary_name)),+];
        }

        impl BinaryOp {
            /// Every one, with its mnemonic; its attributes have their defaults.
            pub const ALL: [(BinaryOp, &'static str); [$($binary_name),+].len()] =
                [$((BinaryOp::$binary $(($default))?, $binary_name)),+];
        }

        impl CompareOp {
            /// Every one, with its mnemonic.
            pub const ALL: [(CompareOp, &'static str); [$($compare_name),+].len()] =
                [$((CompareOp::$compare, $compare_name)),+];
        }

        $crate::op::declare::rows! {
            $(
                $unary_name [Op::Scalar(ScalarOp::Unary(UnaryOp::$unary))] ($x: $unary_dtypes) {} -> $unary_result,
                cost $unary_cost, sign $unary_sign, nan $unary_nan, $unary_summary;
            )+
            $(
                $binary_name [Op::Scalar(ScalarOp::Binary(BinaryOp::$binary $(($attribute))?))]
                ($a, $b: $binary_dtypes) {$($attribute: $ty = $default)?} -> $binary_result,
                cost $binary_cost, sign $binary_sign, nan $binary_nan, $binary_summary;
            )+
            $(
                $compare_name [Op::Scalar(ScalarOp::Compare(CompareOp::$compare))] (a, b: COMPUTED) {}
                -> Gives::Is(DType::Bool), cost Cost::Each(1), sign Fact::Unknown, nan Fact::Unknown, $compare_summary;
            )+
            $($others)+
        }
    };
}

/// Makes [`OPS`](super::table::OPS) and what [`Op`](super::Op) knows of itself.
macro_rules! rows {
    ($(
        $mnemonic:literal [$($form:tt)+]
        ($($($operand:ident),+: $dtypes:ident $([, $more:ident $(, $many:tt)?])?);*)
        {$($attribute:ident: $ty:ty $(= $default:expr)? $(=> $value:expr)?),*} $(build $build:block)?
        -> $result:expr, cost $cost:expr, sign $sign:expr, nan $nan:expr, $summary:literal;
    )+) => {
        /// Every operation but `input` (which is a declaration), in the order of the reference.
        pub const OPS: &[OpInfo] = &[$(OpInfo {
            mnemonic: $mnemonic,
            operands: &[$(Operands {
                names: &[$(stringify!($operand)),+],
                dtypes: DTypes::$dtypes,
                more: $crate::op::declare::more!($($more $(, $many)?)?),
            }),*],
            attributes: &[$(AttributeInfo {
                name: stringify!($attribute),
                kind: <$ty as Attribute>::KIND,
                default: $crate::op::declare::optional!($(|| <$ty as Attribute>::value(&$default))?),
            }),*],
            summary: $summary,
        }),+];

        // A form names the attributes, of which not everything that is asked of an op makes use.
        #[allow(unused_variables, unused_mut)]
        impl Op {
            /// The name in text, JSON and dumps.
            pub fn mnemonic(&self) -> &'static str {
                match self {
                    Op::Input(_) => "input",
                    $($($form)+ => $mnemonic,)+
                }
            }

            /// The attributes, in the order in which they are printed. Defaults are printed too, so that text shows every
            /// choice.
            pub fn attributes(&self) -> Vec<(&'static str, AttributeValue)> {
                match self {
                    Op::Input(_) => vec![],
                    $($($form)+ => {
                        let mut all = vec![];
                        $(if let Some(value) = Attribute::value($crate::op::declare::value!($attribute $(, $value)?)) {
                            all.push((stringify!($attribute), value));
                        })*
                        all
                    })+
                }
            }

            /// The op of this mnemonic with these attributes.
            ///
            /// # Errors
            /// An unknown mnemonic, and the first attribute that is unknown, missing or of the wrong kind.
            pub fn from_attributes(
                mnemonic: &str,
                attributes: &[(String, AttributeValue)],
            ) -> Result<Op, AttributeError> {
                let Some(info) = lookup(mnemonic) else { return Err(AttributeError::UnknownOp(mnemonic.to_owned())) };
                if let Some((name, _)) = attributes.iter().find(|(n, _)| info.attribute(n).is_none()) {
                    return Err(AttributeError::Unknown { op: mnemonic.to_owned(), attribute: name.clone() });
                }
                let given = Given { op: mnemonic, list: attributes };
                match mnemonic {
                    $($mnemonic => {
                        $(let $attribute: $ty =
                            given.read(stringify!($attribute), $crate::op::declare::optional!($($default)?))?;)*
                        $crate::op::declare::built!({$($form)+} $($build)?)
                    })+
                    // The table has its row.
                    _ => Err(AttributeError::UnknownOp(mnemonic.to_owned())),
                }
            }

            /// The dtype of the result; `None` of an input, whose type is declared.
            pub fn gives(&self) -> Option<Gives> {
                match self {
                    Op::Input(_) => None,
                    $($($form)+ => Some($result),)+
                }
            }

            /// What an element of the result costs.
            pub fn cost(&self) -> Cost {
                match self {
                    Op::Input(_) => Cost::Each(1),
                    $($($form)+ => $cost,)+
                }
            }

            /// When no element of a float result is below 0.0: each is 0.0, above it, or a NaN, and none is −0.0.
            pub fn sign(&self) -> Fact {
                match self {
                    Op::Input(_) => Fact::Unknown,
                    $($($form)+ => $sign,)+
                }
            }

            /// When every NaN of a float result is the canonical one.
            pub fn nan(&self) -> Fact {
                match self {
                    Op::Input(_) => Fact::Unknown,
                    $($($form)+ => $nan,)+
                }
            }
        }
    };
}

/// What may follow a group of operands.
macro_rules! more {
    () => {
        None
    };
    ($name:ident) => {
        Some((stringify!($name), false))
    };
    ($name:ident, $many:tt) => {
        Some((stringify!($name), true))
    };
}

/// Some, if there is one.
macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// An attribute of an op: what the form calls so, or what was written in its place.
macro_rules! value {
    ($name:ident) => {
        $name
    };
    ($name:ident, $value:expr) => {
        &$value
    };
}

/// The op of its attributes: the form, or what was written in its place.
macro_rules! built {
    ({$($form:tt)+}) => {
        Ok($($form)+)
    };
    ({$($form:tt)+} $build:block) => {
        $build
    };
}

pub(super) use {built, more, ops, optional, rows, value};
