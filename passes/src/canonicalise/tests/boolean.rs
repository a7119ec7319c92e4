use super::{becomes, stays};

#[test]
fn negations() {
    becomes("%a = not %c\n%r = not %a", "-> %c");
    becomes("%a = not %x\n%r = not %a", "-> %x");
    becomes("%a = lt %x, %y\n%r = not %a", "%r = ge %x, %y\n-> %r");
    becomes("%a = le %x, %y\n%r = not %a", "%r = gt %x, %y\n-> %r");
    becomes("%a = gt %x, %y\n%r = not %a", "%r = le %x, %y\n-> %r");
    becomes("%a = ge %x, %y\n%r = not %a", "%r = lt %x, %y\n-> %r");
    becomes("%a = eq %f, %g\n%r = not %a", "%r = ne %f, %g\n-> %r");
    becomes("%a = ne %f, %g\n%r = not %a", "%r = eq %f, %g\n-> %r");
    // With a NaN, a < b and a >= b are both false.
    stays("%a = lt %f, %g\n%r = not %a");
    becomes("%r = xor %c, bool:true", "%r = not %c\n-> %r");
    becomes("%r = xor %x, i32:-1", "%r = not %x\n-> %r");
    stays("%r = xor %x, i32:1");
}

#[test]
fn extremes() {
    becomes("%r = min %c, %d", "%r = and %c, %d\n-> %r");
    becomes("%r = max %c, %d", "%r = or %c, %d\n-> %r");
    becomes("%r = and %c, bool:true", "-> %c");
    becomes("%r = or %c, bool:true", "%r = broadcast %bool.true {shape = [T, 8]}\n-> %r");
}

#[test]
fn comparisons_known_by_range() {
    let always = "%r = broadcast %bool.true {shape = [T, 8]}\n-> %r";
    let never = "%r = broadcast %bool.false {shape = [T, 8]}\n-> %r";
    becomes("%a = and %x, i32:7\n%r = lt %a, i32:8", always);
    becomes("%a = and %x, i32:7\n%r = ge %a, i32:8", never);
    becomes("%r = ge %u, u32:0", always);
    becomes("%r = lt i32:2147483647, %x", never);
    becomes("%a = and %x, i32:7\n%b = add %a, i32:8\n%r = ne %a, %b", always);
    stays("%a = and %x, i32:7\n%r = lt %a, i32:7");
}

#[test]
fn comparisons_with_itself() {
    let always = "%r = broadcast %bool.true {shape = [T, 8]}\n-> %r";
    let never = "%r = broadcast %bool.false {shape = [T, 8]}\n-> %r";
    becomes("%r = le %x, %x", always);
    becomes("%r = ne %x, %x", never);
    becomes("%r = lt %f, %f", never);
    becomes("%r = ne %f, %f", "%r = is_nan %f\n-> %r");
    stays("%r = eq %f, %f");
    stays("%r = le %f, %f");
}

#[test]
fn comparisons_of_bool() {
    becomes("%r = eq %c, bool:true", "-> %c");
    becomes("%r = ne bool:true, %c", "%r = not %c\n-> %r");
    becomes("%r = eq %c, bool:false", "%r = not %c\n-> %r");
    becomes("%a = cast %c {dtype = i32}\n%r = ne %a, i32:0", "-> %c");
    becomes("%a = cast %c {dtype = i32}\n%r = eq %a, i32:0", "%r = not %c\n-> %r");
    stays("%a = cast %c {dtype = i32}\n%r = eq %a, i32:1");
}

#[test]
fn constants_go_right() {
    becomes("%r = lt i32:3, %x", "%r = gt %x, %i32.3\n-> %r");
    becomes("%r = ge f32:3.0, %f", "%r = le %f, %f32.3.0\n-> %r");
    becomes("%r = eq f32:3.0, %f", "%r = eq %f, %f32.3.0\n-> %r");
    stays("%r = sub i32:3, %x");
}

#[test]
fn selects() {
    becomes("%r = select bool:true, %f, %g", "-> %f");
    becomes("%r = select bool:false, %f, %g", "-> %g");
    // Moves: even a NaN's payload stays.
    becomes("%r = select %c, %f, %f", "-> %f");
    becomes("%r = select %c, f32:1.0, f32:1.0", "%r = broadcast %f32.1.0 {shape = [T, 8]}\n-> %r");
    becomes("%a = not %c\n%r = select %a, %x, %y", "%r = select %c, %y, %x\n-> %r");
    becomes("%a = select %c, %x, i32:3\n%r = select %c, %a, %y", "%r = select %c, %x, %y\n-> %r");
    becomes("%a = select %c, i32:3, %x\n%r = select %c, %y, %a", "%r = select %c, %y, %x\n-> %r");
    stays("%a = select %c, i32:3, %x\n%r = select %d, %y, %a");
}

#[test]
fn selects_of_bool() {
    becomes("%r = select %c, bool:true, bool:false", "-> %c");
    becomes("%r = select %c, bool:false, bool:true", "%r = not %c\n-> %r");
    becomes("%r = select %c, bool:true, %d", "%r = or %c, %d\n-> %r");
    becomes("%r = select %c, %d, bool:false", "%r = and %c, %d\n-> %r");
    becomes("%r = select %c, u8:1, u8:0", "%r = cast %c {dtype = u8}\n-> %r");
    stays("%r = select %c, i32:-1, i32:0");
}
