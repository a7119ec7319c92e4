use super::{becomes, graph, same_bits, stays};
use crate::canonicalise::canonicalise;

#[test]
fn packs() {
    becomes(
        "%r = pack %x, %f",
        "%r.shl = shl %x, %i32.16
         %r.cast = cast %f {dtype = bf16}
         %r.bitcast = bitcast %r.cast {dtype = u16}
         %r.cast.2 = cast %r.bitcast {dtype = i32}
         %r = or %r.shl, %r.cast.2
         -> %r",
    );
    becomes(
        "%r = pack %q, %h {form = sign_extended}",
        "%r.cast = cast %q {dtype = i32}
         %r.shl = shl %r.cast, %i32.16
         %r.bitcast = bitcast %h {dtype = i16}
         %r.cast.2 = cast %r.bitcast {dtype = i32}
         %r = or %r.shl, %r.cast.2
         -> %r",
    );
}

#[test]
fn unpacks() {
    becomes("%r = unpack_id %x", "%r = shr %x, %i32.16\n-> %r");
    becomes("%r = unpack_weight %x", "%r.cast = cast %x {dtype = u16}\n%r = bitcast %r.cast {dtype = bf16}\n-> %r");
}

#[test]
fn what_was_packed_is_unpacked_by_nobody() {
    for form in ["masked", "sign_extended"] {
        becomes(&format!("%p = pack %x, %h {{form = {form}}}\n%r = unpack_weight %p"), "-> %h");
        becomes(&format!("%p = pack %w, %h {{form = {form}}}\n%q2 = unpack_weight %p\n%r = copy %q2"), "-> %h");
    }
    becomes("%p = pack %w, %f\n%r = unpack_id %p", "%r = cast %w {dtype = i32}\n-> %r");
    // An i32 id keeps its low 16 bits.
    becomes("%p = pack %x, %f\n%r = unpack_id %p", "%p.shl = shl %x, %i32.16\n%r = shr %p.shl, %i32.16\n-> %r");
}

#[test]
fn masks() {
    let rows = "%r.iota = iota {dtype = i64, shape = [T, 8], axis = 0}";
    becomes(
        "%r = mask_rows %f, %n {fill = 0.5}",
        &format!("{rows}\n%r.lt = lt %r.iota, %n\n%r = select %r.lt, %f, %f32.0.5\n-> %r"),
    );
    becomes(
        "%r = mask_rows %x, %s {fill = -1}",
        &format!(
            "{rows}\n%r.cast = cast %s {{dtype = i64}}\n%r.lt = lt %r.iota, %r.cast\n%r = select %r.lt, %x, %i32.m1\n-> %r"
        ),
    );
    // A u64 above 2^63 - 1 would be negative.
    becomes(
        "%r = mask_rows %x, %many {fill = -1}",
        &format!(
            "{rows}\n%r.min = min %many, %u64.9223372036854775807\n%r.cast = cast %r.min {{dtype = i64}}
             %r.lt = lt %r.iota, %r.cast\n%r = select %r.lt, %x, %i32.m1\n-> %r"
        ),
    );
}

#[test]
fn masks_of_constant_n() {
    becomes("%r = mask_rows %x, i32:-4 {fill = 7}", "%r = broadcast %i32.7 {shape = [T, 8]}\n-> %r");
    becomes("%r = mask_rows %x, u64:18446744073709551615 {fill = 7}", "-> %x");
}

#[test]
fn copies_go_unless_guarded() {
    becomes("%r = copy %f", "-> %f");
    let source = "route 1\ngraph @back {\n  dim T\n  input %x : f32[T, 8] rows\n  %y = copy %x\n  %z = mul %y, %y\n  \
                  output back = %y guarded(x)\n  output z = %z\n}\n";
    let before = routefuse_ir::text::parse_verified(source).unwrap();
    let (after, _) = canonicalise(before.clone()).unwrap();
    assert_eq!(super::shown(&after), "%y = copy %x\n%z = mul %y, %y\n-> %y\n-> %z");
    same_bits(&before, &after);
}

#[test]
fn copies_of_copies() {
    becomes("%a = copy %x\n%b = copy %a\n%r = add %b, %a", "%r = add %x, %x\n-> %r");
    let g = graph("%r = add %x, %y");
    assert_eq!(canonicalise(g.clone()).unwrap().0.node_count(), g.node_count());
    stays("%r = add %x, %y");
}
