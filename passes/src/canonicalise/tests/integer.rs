use super::{becomes, stays};

#[test]
fn identities() {
    becomes("%r = div_floor %x, i32:1", "-> %x");
    for case in ["add %x, i32:0", "sub %x, i32:0", "mul %x, i32:1", "div %x, i32:1", "or %x, i32:0", "xor %x, i32:0"] {
        becomes(&format!("%r = {case}"), "-> %x");
    }
    for case in ["shl %x, i32:0", "shr %x, i32:0", "and %x, i32:-1", "min %x, %x", "max %x, %x", "and %x, %x"] {
        becomes(&format!("%r = {case}"), "-> %x");
    }
    // The constant may come first, or be broadcast.
    becomes("%r = add i32:0, %x", "-> %x");
    becomes("%z = broadcast i32:0 {shape = [T, 8]}\n%r = or %z, %x", "-> %x");
    // A scalar that stands for a tensor is broadcast.
    becomes("%z = broadcast i32:0 {shape = [T, 8]}\n%r = add %s, %z", "%r = broadcast %s {shape = [T, 8]}\n-> %r");
    // 0 - x is no x, 1 / x no x, 0 << x no x.
    stays("%r = div i32:1, %x");
}

#[test]
fn absorbed() {
    for case in ["mul %x, i32:0", "and %x, i32:0", "rem %x, i32:1", "rem %x, i32:-1", "shl i32:0, %x", "shr i32:0, %x"]
    {
        becomes(&format!("%r = {case}"), "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
    }
    for case in ["rem_floor %x, i32:1", "rem_floor %x, i32:-1"] {
        becomes(&format!("%r = {case}"), "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
    }
    for case in ["sub %x, %x", "xor %x, %x", "rem %x, %x", "rem_floor %x, %x"] {
        becomes(&format!("%r = {case}"), "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
    }
    becomes("%r = or %x, i32:-1", "%r = broadcast %i32.m1 {shape = [T, 8]}\n-> %r");
    // x / x is all ones where x is 0.
    stays("%r = div %x, %x");
    // All ones is no -1 in an unsigned remainder.
    stays("%r = rem %u, u32:4294967295");
}

#[test]
fn minima_of_ranges_apart() {
    becomes("%b = and %x, i32:15\n%r = min %b, i32:15", "%b = and %x, %i32.15\n-> %b");
    becomes("%b = and %x, i32:15\n%r = max %b, i32:0", "%b = and %x, %i32.15\n-> %b");
    becomes("%b = and %x, i32:15\n%r = max %b, i32:99", "%r = broadcast %i32.99 {shape = [T, 8]}\n-> %r");
    stays("%b = and %x, i32:15\n%r = min %b, i32:14");
}

#[test]
fn negations() {
    becomes("%a = neg %x\n%r = neg %a", "-> %x");
    becomes("%r = sub i32:0, %x", "%r = neg %x\n-> %r");
    becomes("%a = neg %y\n%r = add %x, %a", "%r = sub %x, %y\n-> %r");
    becomes("%a = neg %y\n%r = add %a, %x", "%r = sub %x, %y\n-> %r");
    becomes("%a = neg %y\n%r = sub %x, %a", "%r = add %x, %y\n-> %r");
    becomes("%a = shr %q, i64:60\n%b = and %a, i64:7\n%r = abs %b", "%a = shr %q, %i64.60\n%b = and %a, %i64.7\n-> %b");
    // |MIN| wraps to MIN, so a sign that is not known stays.
    stays("%r = abs %x");
}

#[test]
fn constants_meet() {
    becomes("%a = add %x, i32:2147483647\n%r = add %a, i32:3", "%r = add %x, %i32.m2147483646\n-> %r");
    becomes("%a = mul %x, i32:3\n%r = mul %a, i32:5", "%r = mul %x, %i32.15\n-> %r");
    becomes("%a = sub %u, u32:3\n%r = sub %a, u32:4294967295", "%r = sub %u, %u32.2\n-> %r");
    becomes("%a = max %x, i32:3\n%r = max %a, i32:5", "%r = max %x, %i32.5\n-> %r");
    becomes("%a = xor %x, i32:3\n%r = xor %a, i32:3", "-> %x");
    stays("%a = div %x, i32:3\n%r = div %a, i32:5");
}

#[test]
fn shifts() {
    becomes("%a = shl %x, i32:3\n%r = shl %a, i32:5", "%r = shl %x, %i32.8\n-> %r");
    becomes("%a = shr %u, u32:3\n%r = shr %a, u32:5", "%r = shr %u, %u32.8\n-> %r");
    becomes("%a = shr %x, i32:20\n%r = shr %a, i32:20", "%r = shr %x, %i32.31\n-> %r");
    becomes("%a = shl %w, u8:6\n%r = shl %a, u8:6", "%r = broadcast %u8.0 {shape = [T, 8]}\n-> %r");
    // An amount is unsigned: -1 is more than any width.
    becomes("%r = shr %x, i32:-1", "%r = shr %x, %i32.31\n-> %r");
    becomes("%r = shl %x, i32:32", "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
    becomes("%r = shr %u, u32:32", "%r = broadcast %u32.0 {shape = [T, 8]}\n-> %r");
    // Left and right do not cancel unless x fits.
    becomes("%b = and %x, i32:255\n%a = shl %b, i32:16\n%r = shr %a, i32:16", "%b = and %x, %i32.255\n-> %b");
    stays("%b = and %x, i32:65535\n%a = shl %b, i32:16\n%r = shr %a, i32:16");
    stays("%a = shr %x, i32:3\n%r = shl %a, i32:3");
}

#[test]
fn words_taken_apart() {
    becomes(
        "%low = and %y, i32:65535\n%high = shl %x, i32:16\n%a = or %low, %high\n%r = shr %a, i32:16",
        "%high = shl %x, %i32.16\n%r = shr %high, %i32.16\n-> %r",
    );
    stays("%low = and %y, i32:65536\n%high = shl %x, i32:16\n%a = or %low, %high\n%r = shr %a, i32:16");
}

#[test]
fn division_by_powers_of_two() {
    becomes("%r = div %u, u32:8", "%r = shr %u, %u32.3\n-> %r");
    becomes("%r = rem %u, u32:8", "%r = and %u, %u32.7\n-> %r");
    becomes("%a = max %x, i32:0\n%r = rem %a, i32:32", "%a = max %x, %i32.0\n%r = and %a, %i32.31\n-> %r");
    becomes("%a = max %x, i32:0\n%r = div %a, i32:32", "%a = max %x, %i32.0\n%r = shr %a, %i32.5\n-> %r");
    // A shift rounds down, a division towards 0.
    stays("%r = div %x, i32:8");
    stays("%r = rem %x, i32:8");
    stays("%r = rem %u, u32:12");
}

#[test]
fn floor_division() {
    // By a power of two it is a shift of numbers of either sign.
    becomes("%r = div_floor %x, i32:8", "%r = shr %x, %i32.3\n-> %r");
    becomes("%r = rem_floor %x, i32:8", "%r = and %x, %i32.7\n-> %r");
    // What is not negative is rounded alike.
    becomes("%r = div_floor %u, u32:12", "%r = div %u, %u32.12\n-> %r");
    becomes("%r = rem_floor %u, u32:12", "%r = rem %u, %u32.12\n-> %r");
    becomes(
        "%a = and %x, i32:255\n%b = and %y, i32:7\n%r = div_floor %a, %b",
        "%a = and %x, %i32.255\n%b = and %y, %i32.7\n%r = div %a, %b\n-> %r",
    );
    stays("%r = div_floor %x, i32:12");
    stays("%r = div_floor %x, i32:-8");
    stays("%r = rem_floor %x, %y");
    // A remainder is between 0 and its divisor, whatever the sign of what is divided.
    becomes("%a = rem_floor %x, i32:12\n%r = max %a, i32:0", "%a = rem_floor %x, %i32.12\n-> %a");
    becomes("%a = rem_floor %x, i32:-12\n%r = min %a, i32:0", "%a = rem_floor %x, %i32.m12\n-> %a");
    stays("%a = rem_floor %x, i32:12\n%r = max %a, i32:1");
    // A quotient's bounds are rounded down.
    becomes(
        "%a = shr %x, i32:28\n%b = div_floor %a, i32:5\n%r = max %b, i32:-2",
        "%a = shr %x, %i32.28\n%b = div_floor %a, %i32.5\n-> %b",
    );
    stays("%a = shr %x, i32:28\n%b = div_floor %a, i32:5\n%r = max %b, i32:-1");
}

#[test]
fn integers_have_no_nan_to_propagate() {
    becomes("%r = min %x, %y {nan = propagate}", "%r = min %x, %y\n-> %r");
    becomes("%r = max %w, u8:7 {nan = propagate}", "%r = max %w, %u8.7\n-> %r");
    becomes("%r = max %c, %d {nan = propagate}", "%r = or %c, %d\n-> %r");
}

#[test]
fn already_below() {
    becomes("%a = and %x, i32:7\n%r = rem %a, i32:12", "%a = and %x, %i32.7\n-> %a");
    becomes("%a = and %x, i32:7\n%r = div %a, i32:12", "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
    becomes("%a = and %x, i32:7\n%r = and %a, i32:15", "%a = and %x, %i32.7\n-> %a");
    // A bound that its own range gives.
    becomes(
        "%a = and %y, i32:3\n%b = add %a, i32:8\n%i = and %x, i32:7\n%r = rem %i, %b",
        "%i = and %x, %i32.7\n-> %i",
    );
    stays("%a = and %x, i32:7\n%r = rem %a, %y");
    stays("%a = and %x, i32:15\n%r = and %a, %y");
}
