use super::{becomes, stays};

#[test]
fn to_the_same_dtype() {
    becomes("%r = cast %x {dtype = i32}", "-> %x");
    becomes("%r = bitcast %f {dtype = f32}", "-> %f");
    // A cast makes a NaN canonical: an input may hold another one, arithmetic does not.
    stays("%r = cast %f {dtype = f32}");
    becomes("%a = add %f, %g\n%r = cast %a {dtype = f32}", "%a = add %f, %g\n-> %a");
    // Nor does anyone see it behind arithmetic.
    becomes("%a = cast %f {dtype = f32}\n%r = mul %a, %g", "%r = mul %f, %g\n-> %r");
    // A select is no arithmetic.
    stays("%a = cast %f {dtype = f32}\n%r = select %c, %a, %g");
}

#[test]
fn of_casts() {
    becomes("%a = cast %x {dtype = i64}\n%r = cast %a {dtype = i32}", "-> %x");
    becomes("%a = cast %w {dtype = i32}\n%r = cast %a {dtype = u32}", "%r = cast %w {dtype = u32}\n-> %r");
    becomes("%a = cast %q {dtype = i32}\n%r = cast %a {dtype = u8}", "%r = cast %q {dtype = u8}\n-> %r");
    becomes("%a = cast %x {dtype = i64}\n%r = cast %a {dtype = f32}", "%r = cast %x {dtype = f32}\n-> %r");
    becomes("%a = cast %c {dtype = i32}\n%r = cast %a {dtype = bool}", "-> %c");
    // By range: what is below 256 survives a byte.
    becomes(
        "%b = and %x, i32:255\n%a = cast %b {dtype = u8}\n%r = cast %a {dtype = i64}",
        "%b = and %x, %i32.255\n%r = cast %b {dtype = i64}\n-> %r",
    );
    // Through fewer bits, through the other sign to more bits, through bool, through f32: all lose something.
    stays("%a = cast %x {dtype = u8}\n%r = cast %a {dtype = i32}");
    stays("%a = cast %x {dtype = u32}\n%r = cast %a {dtype = i64}");
    stays("%a = cast %x {dtype = bool}\n%r = cast %a {dtype = i32}");
    stays("%a = cast %x {dtype = f32}\n%r = cast %a {dtype = i32}");
    stays("%a = cast %q {dtype = i32}\n%r = cast %a {dtype = bool}");
}

#[test]
fn of_widened_floats() {
    stays("%a = cast %h {dtype = f32}\n%r = cast %a {dtype = bf16}");
    becomes(
        "%b = cast %f {dtype = bf16}\n%a = cast %b {dtype = f32}\n%r = cast %a {dtype = bf16}",
        "%b = cast %f {dtype = bf16}\n-> %b",
    );
    // A rounding point is never removed.
    stays("%a = cast %f {dtype = bf16}\n%r = cast %a {dtype = f32}");
    stays("%a = cast %f {dtype = bf16}\n%r = cast %a {dtype = f16}");
}

#[test]
fn of_words() {
    becomes("%a = shl %x, i32:16\n%b = or %a, %y\n%r = cast %b {dtype = u16}", "%r = cast %y {dtype = u16}\n-> %r");
    stays("%a = shl %x, i32:15\n%b = or %a, %y\n%r = cast %b {dtype = u16}");
}

#[test]
fn of_bits() {
    becomes("%a = bitcast %f {dtype = i32}\n%r = bitcast %a {dtype = f32}", "-> %f");
    becomes("%r = bitcast %x {dtype = u32}", "%r = cast %x {dtype = u32}\n-> %r");
    becomes("%a = bitcast %f {dtype = i32}\n%r = cast %a {dtype = u32}", "%r = bitcast %f {dtype = u32}\n-> %r");
    becomes("%a = cast %x {dtype = u32}\n%r = bitcast %a {dtype = f32}", "%r = bitcast %x {dtype = f32}\n-> %r");
    stays("%a = bitcast %f {dtype = i32}\n%r = cast %a {dtype = i64}");
}
