//! Names that other frameworks have for what the ops here do: PyTorch's, NumPy's, JAX's, Triton's and ONNX's.

/// Names, and what is written here instead.
const NAMES: &[(&[&str], &str)] = &[
    (
        &["sort", "argsort", "top_k", "nonzero"],
        "`topk` ranks the columns of a row and gives their ids; `gather_row` reads the values",
    ),
    (&["cat", "concatenate", "stack", "hstack", "append"], "`concat` joins operands along the inner dim"),
    (&["sum", "reduce_add"], "`reduce_sum` sums along an axis"),
    (&["amax", "max_reduce"], "`reduce_max` is the largest along an axis, `max` the larger of two"),
    (&["amin", "min_reduce"], "`reduce_min` is the least along an axis, `min` the lesser of two"),
    (&["mean", "avg"], "`reduce_sum`, and then `mul` by one over the extent"),
    (
        &["where", "cond", "masked_fill", "masked_fill_", "which"],
        "`select %condition, %a, %b` chooses by a bool; `mask_rows` masks whole rows",
    ),
    (
        &["index_select", "take", "embedding", "index", "lookup", "getitem"],
        "`gather %table, %ids` reads a table; `gather_row` reads the own row",
    ),
    (
        &["take_along_axis", "take_along_dim", "gather_elements", "gather_nd"],
        "`gather_row %x, %ids` reads the own row; `gather` reads a table",
    ),
    (
        &["scatter_add", "index_add"],
        "`atomic_add %counts, %ids, %amounts` counts in place, `bin_count %ids {bins = …}` anew",
    ),
    (
        &["bincount", "histc", "histogram"],
        "`bin_count %ids {bins = …}` counts the ids of all rows; `atomic_add` counts in place",
    ),
    (
        &["scatter", "index_put", "moe_align_block_size", "moe_permute", "moe_sorting"],
        "`bin_scatter %values, %ids, %starts, %fill {shape = […]}` lays values out by `bin_starts`",
    ),
    (&["clamp", "clip", "clamp_", "relu"], "`min` and `max`, as in `max %x, 0`"),
    (
        &["to", "type", "astype", "convert", "float", "int", "long", "half", "bfloat16"],
        "`cast %x {dtype = …}` converts, `bitcast` keeps the bits",
    ),
    (&["view", "unsqueeze", "squeeze", "flatten", "expand_dims", "resize"], "`reshape %x {shape = […]}`"),
    (&["expand", "repeat", "tile", "broadcast_to", "repeat_interleave", "expand_as"], "`broadcast %x {shape = […]}`"),
    (&["arange", "range", "linspace"], "`iota {dtype = …, shape = […], axis = …}`"),
    (
        &["full", "fill", "zeros", "ones", "zeros_like", "ones_like", "scalar", "constant", "tensor"],
        "`const {dtype = …, value = …}`, a scalar; `broadcast` repeats it",
    ),
    (
        &["split", "chunk", "narrow", "unbind", "select_slice"],
        "`slice %x {start = …, stop = …}` takes columns of the inner dim",
    ),
    (&["mod", "remainder", "fmod"], "`rem` has the sign of the dividend, `rem_floor` that of the divisor"),
    (
        &["floordiv", "floor_divide", "truediv", "true_divide", "reciprocal"],
        "`div` divides floats exactly and truncates integers; `div_floor` rounds down",
    ),
    (&["bitwise_and", "logical_and"], "`and`"),
    (&["bitwise_or", "logical_or"], "`or`"),
    (&["bitwise_xor", "logical_xor"], "`xor`"),
    (&["bitwise_not", "logical_not", "invert"], "`not`"),
    (&["lshift", "shift_left", "bitwise_left_shift"], "`shl`"),
    (&["rshift", "shift_right", "bitwise_right_shift"], "`shr`"),
    (&["equal", "eq_"], "`eq`"),
    (&["less", "less_equal", "greater", "greater_equal"], "`lt`, `le`, `gt` and `ge`"),
    (&["multiply", "times"], "`mul`"),
    (&["subtract", "minus", "rsub"], "`sub`"),
    (&["maximum", "fmax"], "`max`, whose attribute `nan` says what a NaN does"),
    (&["minimum", "fmin"], "`min`, whose attribute `nan` says what a NaN does"),
    (&["logistic", "hard_sigmoid", "silu", "swish"], "`sigmoid`; silu is `mul %x, %s` with `%s = sigmoid %x`"),
    (&["ln", "log_e"], "`log` is the natural logarithm"),
    (&["pow", "power", "square"], "`mul` for a small power; `exp2` of `mul` with `log2` for others"),
    (
        &["matmul", "mm", "bmm", "einsum", "linear", "inner"],
        "`dot` is the inner product of rows; a matrix product is no routing op",
    ),
    (&["normalize", "l1_normalize", "norm"], "`renorm %w {denominator = sum}` divides a row by its sum"),
    (&["cum_sum", "prefix_sum", "scan"], "`cumsum` sums along a row; nothing here sums across rows"),
    (&["addmm", "mad", "muladd", "multiply_add"], "`fma` rounds once; `mul` and `add` round twice"),
    (&["clone", "contiguous", "identity", "detach"], "`copy`"),
    (&["isnan"], "`is_nan`"),
    (&["negative"], "`neg`"),
    (&["dropout", "rand", "randint", "uniform", "normal"], "`philox` gives random bits from a seed and a counter"),
];

/// What an op of another framework is here.
pub(crate) fn help(name: &str) -> Option<String> {
    let name = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let (_, here) = NAMES.iter().find(|(names, _)| names.contains(&name.as_str()))?;
    Some(format!("here: {here}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::table::{OPS, lookup};

    #[test]
    fn every_name_is_elsewhere_only_and_every_help_names_ops_of_here() {
        let mut seen = std::collections::HashSet::new();
        for (names, here) in NAMES {
            for name in *names {
                assert!(lookup(name).is_none(), "`{name}` is an op");
                assert!(seen.insert(*name), "`{name}` twice");
            }
            assert!(OPS.iter().any(|op| here.contains(op.mnemonic)), "{here}");
            for quoted in here.split('`').skip(1).step_by(2) {
                let first = quoted.split(' ').next().unwrap_or_default();
                let op = lookup(first).is_some();
                assert!(op || first == "nan" || first == "%s", "`{first}` is no op: {here}");
            }
        }
    }

    #[test]
    fn f16_names_of_other_frameworks_lead_to_ours() {
        let named = |name| help(name).unwrap_or_default();
        assert!(named("sort").contains("`topk`"));
        assert!(named("torch.cat").contains("`concat`"));
        assert!(named("sum").contains("`reduce_sum`"));
        assert!(named("where").contains("`select") && named("masked_fill").contains("`select"));
        assert!(named("index_select").contains("`gather"));
        assert_eq!(help("gahter"), None);
    }
}
