use super::{Interval, Ranges};
use routefuse_ir::{Graph, NodeId, text};

const INPUTS: &str =
    "  dim T\n  input %x : i32[T, 8]\n  input %w : u8[T, 8]\n  input %q : u64[T, 8]\n  input %f : f32[T, 8]
  input %map : i32[256]\n  input %replicas : i16[256, 4]\n  input %rows : f32[T]\n";

fn parse(statements: &str) -> Graph {
    let constants: String =
        [("zero", 0), ("three", 3), ("seven", 7), ("last", 255), ("e", 256), ("minus", -9), ("sh", 28)]
            .iter()
            .map(|(name, value)| format!("  %{name} = const {{dtype = i32, value = {value}}}\n"))
            .collect();
    let result = statements.lines().last().and_then(|l| l.trim().split(' ').next()).unwrap_or_default();
    let source = format!("route 1\ngraph @case {{\n{INPUTS}{constants}{statements}\n  output out = {result}\n}}\n");
    text::parse_verified(&source).unwrap_or_else(|d| panic!("{d}\nin\n{source}")).into_inner()
}

fn last(g: &Graph) -> NodeId {
    g.outputs[0].node
}

#[track_caller]
fn lies(statements: &str, lo: i128, hi: i128) {
    let g = parse(statements);
    assert_eq!(Ranges::of(&g).get(last(&g)), Some(Interval { lo, hi }), "{statements}");
}

const WHOLE: (i128, i128) = (i32::MIN as i128, i32::MAX as i128);

#[test]
fn of_what_is_given() {
    lies("%a = copy %x", WHOLE.0, WHOLE.1);
    lies("%a = copy %q", 0, i128::from(u64::MAX));
    lies("%a = is_nan %f", 0, 1);
    lies("%a = iota {dtype = i32, shape = [T, 8], axis = 1}", 0, 7);
    lies("%a = iota {dtype = i64, shape = [T, 8], axis = 0}", 0, i128::from(i64::MAX) - 1);
    // A row index wraps in fewer bits, a long axis in u8.
    lies("%a = iota {dtype = i32, shape = [T, 8], axis = 0}", WHOLE.0, WHOLE.1);
    lies("%a = iota {dtype = u8, shape = [T, 300], axis = 1}", 0, 255);
    let g = parse("%a = neg %f");
    assert_eq!(Ranges::of(&g).get(last(&g)), None);
}

#[test]
fn of_sums_and_products() {
    lies("%a = and %x, %seven\n%b = add %a, %minus", -9, -2);
    lies("%a = and %x, %seven\n%b = sub %minus, %a", -16, -9);
    lies("%a = and %x, %seven\n%b = mul %a, %minus", -63, 0);
    lies("%a = add %x, %seven", WHOLE.0, WHOLE.1);
    lies("%a = mul %q, %q", 0, i128::from(u64::MAX));
    lies("%a = neg %x", WHOLE.0, WHOLE.1);
    lies("%a = max %x, %minus\n%b = min %a, %three\n%c = neg %b", -3, 9);
    lies("%a = max %x, %minus\n%b = min %a, %three\n%c = abs %b", 0, 9);
    lies("%a = and %x, %seven\n%b = not %a", -8, -1);
    lies("%a = not %w", 0, 255);
}

#[test]
fn of_quotients() {
    lies("%a = and %x, %last\n%b = div %a, %seven", 0, 36);
    lies("%a = and %x, %last\n%b = div %a, %minus", -28, 0);
    // By 0 all ones, which is -1 here.
    lies("%a = and %x, %last\n%n = and %x, %three\n%b = div %a, %n", -1, 255);
    // MIN / -1 wraps.
    lies("%b = div %x, %x", WHOLE.0, WHOLE.1);
    lies("%b = rem %x, %seven", -6, 6);
    lies("%a = and %x, %last\n%b = rem %a, %seven", 0, 6);
    lies("%a = and %x, %three\n%b = rem %a, %seven", 0, 3);
    // x % 0 = x
    lies("%a = and %x, %last\n%n = and %x, %three\n%b = rem %a, %n", 0, 255);
    lies("%b = rem %seven, %x", 0, 7);
}

#[test]
fn of_bits() {
    lies("%a = and %x, %last", 0, 255);
    lies("%a = and %x, %minus", WHOLE.0, WHOLE.1);
    lies("%a = and %x, %three\n%b = or %a, %seven", 7, 7);
    lies("%a = and %x, %e\n%b = or %a, %three", 3, 511);
    lies("%b = or %x, %minus", WHOLE.0, -1);
    lies("%a = and %x, %e\n%b = xor %a, %three", 0, 511);
    lies("%a = and %x, %seven\n%b = shl %a, %three", 0, 56);
    lies("%a = and %x, %last\n%b = shl %a, %sh", WHOLE.0, WHOLE.1);
    lies("%a = shr %x, %sh", -8, 7);
    // An amount that may be anything keeps the sign, and brings the number nearer to 0.
    lies("%a = and %x, %last\n%b = shr %a, %x", 0, 255);
    lies("%b = shr %minus, %x", -9, -1);
    lies("%b = shr %minus, %minus", -1, -1);
}

#[test]
fn of_casts() {
    lies("%a = cast %w {dtype = i32}", 0, 255);
    lies("%a = cast %x {dtype = u8}", 0, 255);
    lies("%a = and %x, %seven\n%b = cast %a {dtype = u8}", 0, 7);
    lies("%a = max %x, %three\n%b = cast %a {dtype = bool}", 1, 1);
    lies("%b = cast %x {dtype = bool}", 0, 1);
    lies("%b = cast %f {dtype = i32}", WHOLE.0, WHOLE.1);
    lies("%b = unpack_id %x", -32768, 32767);
}

#[test]
fn of_moves_and_look_ups() {
    lies("%a = and %x, %last\n%b = and %x, %seven\n%c = sub %b, %e\n%d = concat %a, %c", -256, 255);
    lies("%a = and %x, %last\n%b = slice %a {start = 1, stop = 3}", 0, 255);
    lies("%a = and %x, %last\n%b = gather_row %a, %x", -1, 255);
    lies("%a = and %x, %last\n%b = gather_row %a, %x {out_of_range = clamp}", 0, 255);
    // A table of no rows has no element to clamp to, and gives what is passed through; one of a constant extent has some.
    lies("%t = and %x, %last\n%b = gather %t, %map, %zero {out_of_range = clamp}", -1, 255);
    lies("%m = and %map, %seven\n%b = gather %m, %x {out_of_range = clamp}", 0, 7);
    lies("%a = and %x, %last\n%b = gather_row %a, %x {out_of_range = fill(999)}", 0, 999);
    lies("%a = and %x, %last\n%i = and %x, %seven\n%b = gather_row %a, %i", 0, 255);
    lies("%a = and %x, %last\n%b = mask_rows %a, %zero {fill = -1}", -1, 255);
}

#[test]
fn of_rows() {
    lies("%a = topk %f {k = 3}", 0, 7);
    lies("%a = topk %f {k = 3, candidates = above_neg_inf}", -1, 7);
    lies("%a = topk %x {k = 3, candidates = above_neg_inf}", 0, 7);
    lies("%a = argmax %f", 0, 7);
    lies("%a = topk_mask %f {k = 3}", 0, 1);
    lies("%m = topk_mask %f {k = 3}\n%a = cast %m {dtype = i32}\n%b = reduce_sum %a {axis = 1}", 0, 8);
    lies("%m = topk_mask %f {k = 3}\n%a = cast %m {dtype = i32}\n%b = cumsum %a", 0, 8);
    lies("%a = max %x, %minus\n%b = min %a, %three\n%c = reduce_sum %b {axis = 1}", -72, 24);
    lies("%a = max %x, %minus\n%b = min %a, %three\n%c = cumsum %b", -72, 24);
    lies("%a = and %x, %seven\n%b = reduce_max %a {axis = 1}", 0, 7);
    // Sums that may wrap.
    lies("%a = reduce_sum %x {axis = 1}", WHOLE.0, WHOLE.1);
    lies("%a = reduce_sum %w {axis = 1}", 0, 255);
    lies("%a = cumsum %w", 0, 255);
}

#[test]
fn of_selects() {
    lies("%c = lt %x, %zero\n%a = select %c, %seven, %last", 7, 255);
    // Each arm under its condition.
    lies("%c = lt %x, %zero\n%a = select %c, %zero, %x", 0, WHOLE.1);
    lies("%c = gt %zero, %x\n%a = select %c, %zero, %x", 0, WHOLE.1);
    lies("%c = ge %x, %zero\n%d = lt %x, %e\n%b = and %c, %d\n%a = select %b, %x, %zero", 0, 255);
    lies("%c = lt %x, %zero\n%d = ge %x, %e\n%b = or %c, %d\n%a = select %b, %seven, %x", 0, 255);
    lies("%c = lt %x, %zero\n%d = ge %x, %e\n%b = or %c, %d\n%n = not %b\n%a = select %n, %x, %seven", 0, 255);
    lies("%b = max %x, %minus\n%c = eq %b, %minus\n%a = select %c, %zero, %b", -8, WHOLE.1);
    lies("%c = eq %x, %seven\n%a = select %c, %x, %three", 3, 7);
    // Through a cast that loses nothing.
    lies("%l = cast %w {dtype = i32}\n%c = lt %l, %seven\n%a = select %c, %w, %w", 0, 255);
    lies(
        "%l = cast %w {dtype = i32}\n%m = cast %w {dtype = i16}\n%z = cast %zero {dtype = i16}
          %c = lt %l, %seven\n%a = select %c, %m, %z",
        0,
        6,
    );
    // Or, when it holds, says nothing of either side alone.
    lies("%c = ge %x, %zero\n%d = lt %x, %e\n%b = or %c, %d\n%a = select %b, %x, %zero", WHOLE.0, WHOLE.1);
    // An arm that cannot be taken does not count.
    lies("%b = max %x, %zero\n%c = lt %b, %zero\n%a = select %c, %minus, %three", 3, 3);
}

#[test]
fn proofs_are_worded_for_people() {
    let proof = |statements: &str| {
        let g = parse(statements);
        Ranges::of(&g).prove_gather(&g, last(&g))
    };
    assert_eq!(
        proof("%a = max %x, %zero\n%phys = min %a, %last\n%r = gather %map, %phys"),
        Ok(vec!["index `%phys` is min(%a, 255): in [0, 255], and `%map` has 256 elements".to_owned()])
    );
    assert_eq!(
        proof("%r = gather %map, %x"),
        Err("index `%x` is an input of i32: in [-2147483648, 2147483647], but `%map` has 256 elements".to_owned())
    );
    assert_eq!(
        proof("%c = iota {dtype = i32, shape = [T, 8], axis = 1}\n%k = and %x, %three\n%r = gather %replicas, %c, %k"),
        Ok(vec![
            "index `%c` is the index along axis 1: in [0, 7], and `%replicas` has 256 rows".to_owned(),
            "index `%k` is %x & 3: in [0, 3], and `%replicas` has 4 columns".to_owned(),
        ])
    );
    assert_eq!(
        proof("%p = gather %map, %x\n%r = gather_row %f, %p"),
        Err("index `%p` is looked up in `%map`: in [-2147483648, 2147483647], but `%f` has 8 columns".to_owned())
    );
    assert_eq!(
        proof("%t = iota {dtype = i64, shape = [T, 8], axis = 0}\n%r = gather %rows, %t"),
        Ok(vec!["index `%t` is the row index: below T, and `%rows` has T elements".to_owned()])
    );
    assert_eq!(
        proof("%t = iota {dtype = u8, shape = [T, 8], axis = 0}\n%r = gather %rows, %t"),
        Err("index `%t` is the row index: in [0, 255], but `%rows` has T elements, known only at launch".to_owned())
    );
    assert_eq!(
        proof("%k = topk %f {k = 2}\n%r = gather %map, %k"),
        Ok(vec!["index `%k` is one of the 2 best columns of %f: in [0, 7], and `%map` has 256 elements".to_owned()])
    );
    assert_eq!(
        proof("%k = topk %f {k = 2, candidates = above_neg_inf}\n%r = gather_row %f, %k"),
        Err("index `%k` is one of the 2 best columns of %f, or -1 where candidates run out: in [-1, 7], but `%f` has 8 columns"
            .to_owned())
    );
    assert_eq!(proof("%r = neg %x"), Err("`%r = neg %x` is no gather".to_owned()));
}
