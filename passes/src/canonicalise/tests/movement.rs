use super::{becomes, stays};

#[test]
fn to_the_same_shape() {
    becomes("%r = broadcast %x {shape = [T, 8]}", "-> %x");
    becomes("%r = reshape %x {shape = [T, 8]}", "-> %x");
    becomes("%r = slice %x {start = 0, stop = 8}", "-> %x");
    becomes("%r = concat %x", "-> %x");
}

#[test]
fn broadcasts_and_reshapes_of_themselves() {
    becomes(
        "%a = broadcast %bias {shape = [3, 8]}\n%r = broadcast %a {shape = [4, 3, 8]}",
        "%r = broadcast %bias {shape = [4, 3, 8]}\n-> %r",
    );
    becomes(
        "%a = reshape %x {shape = [T, 2, 4]}\n%r = reshape %a {shape = [T, 4, 2]}",
        "%r = reshape %x {shape = [T, 4, 2]}\n-> %r",
    );
    becomes("%a = reshape %x {shape = [T, 2, 4]}\n%r = reshape %a {shape = [T, 8]}", "-> %x");
    stays("%a = broadcast %row {shape = [T, 8]}\n%r = reshape %a {shape = [T, 2, 4]}");
}

#[test]
fn scalars_that_move() {
    let r = "%r = broadcast %s {shape = [T, 4]}\n-> %r";
    becomes("%a = broadcast %s {shape = [T, 8]}\n%r = slice %a {start = 1, stop = 5}", r);
    becomes("%a = broadcast %s {shape = [T, 2, 2]}\n%r = reshape %a {shape = [T, 4]}", r);
    becomes("%a = broadcast %s {shape = [T, 2]}\n%r = concat %a, %a", r);
    becomes(
        "%a = broadcast i32:5 {shape = [T, 2]}\n%b = broadcast i32:5 {shape = [T, 2]}\n%r = concat %a, %b",
        "%r = broadcast %i32.5 {shape = [T, 4]}\n-> %r",
    );
}

#[test]
fn iotas() {
    becomes(
        "%a = iota {dtype = i32, shape = [8], axis = 0}\n%r = broadcast %a {shape = [T, 8]}",
        "%r = iota {dtype = i32, shape = [T, 8], axis = 1}\n-> %r",
    );
    becomes(
        "%a = iota {dtype = i32, shape = [T, 8], axis = 1}\n%r = reshape %a {shape = [T, 8, 1]}",
        "%r = iota {dtype = i32, shape = [T, 8, 1], axis = 1}\n-> %r",
    );
    becomes(
        "%a = iota {dtype = i32, shape = [T, 8], axis = 0}\n%r = reshape %a {shape = [T, 2, 4]}",
        "%r = iota {dtype = i32, shape = [T, 2, 4], axis = 0}\n-> %r",
    );
    stays("%a = iota {dtype = i32, shape = [T, 8], axis = 1}\n%r = reshape %a {shape = [T, 2, 4]}");
    becomes(
        "%a = iota {dtype = i32, shape = [T, 8], axis = 0}\n%r = slice %a {start = 2, stop = 5}",
        "%r = iota {dtype = i32, shape = [T, 3], axis = 0}\n-> %r",
    );
    becomes(
        "%a = iota {dtype = u8, shape = [T, 300], axis = 1}\n%r = slice %a {start = 255, stop = 258}",
        "%r.iota = iota {dtype = u8, shape = [T, 3], axis = 1}\n%r = add %r.iota, %u8.255\n-> %r",
    );
    // One element has one index.
    becomes("%r = iota {dtype = i32, shape = [T, 1], axis = 1}", "%r = broadcast %i32.0 {shape = [T, 1]}\n-> %r");
}

#[test]
fn slices() {
    becomes(
        "%a = slice %x {start = 2, stop = 7}\n%r = slice %a {start = 1, stop = 3}",
        "%r = slice %x {start = 3, stop = 5}\n-> %r",
    );
    becomes(
        "%a = broadcast %row {shape = [T, 8]}\n%r = slice %a {start = 2, stop = 6}",
        "%r = broadcast %row {shape = [T, 4]}\n-> %r",
    );
    becomes(
        "%a = broadcast %bias {shape = [3, 8]}\n%r = slice %a {start = 2, stop = 6}",
        "%r.slice = slice %bias {start = 2, stop = 6}\n%r = broadcast %r.slice {shape = [3, 4]}\n-> %r",
    );
}

#[test]
fn slices_of_concats() {
    becomes("%a = concat %x, %y\n%r = slice %a {start = 8, stop = 16}", "-> %y");
    becomes("%a = concat %x, %y\n%r = slice %a {start = 9, stop = 12}", "%r = slice %y {start = 1, stop = 4}\n-> %r");
    becomes(
        "%a = concat %x, %y\n%r = slice %a {start = 6, stop = 16}",
        "%r.slice = slice %x {start = 6, stop = 8}\n%r = concat %r.slice, %y\n-> %r",
    );
}

#[test]
fn concats() {
    becomes("%a = concat %x, %y\n%r = concat %a, %x", "%r = concat %x, %y, %x\n-> %r");
    becomes("%a = slice %x {start = 0, stop = 3}\n%b = slice %x {start = 3, stop = 8}\n%r = concat %a, %b", "-> %x");
    becomes(
        "%a = slice %x {start = 1, stop = 3}\n%b = slice %x {start = 3, stop = 8}\n%r = concat %y, %a, %b",
        "%r.slice = slice %x {start = 1, stop = 8}\n%r = concat %y, %r.slice\n-> %r",
    );
    becomes(
        "%a = broadcast %s {shape = [T, 1]}\n%b = broadcast %s {shape = [T, 2]}\n%r = concat %x, %a, %b",
        "%r.broadcast = broadcast %s {shape = [T, 3]}\n%r = concat %x, %r.broadcast\n-> %r",
    );
    becomes("%r = concat %x, %none, %y", "%r = concat %x, %y\n-> %r");
    becomes("%r = concat %none, %none", "-> %none");
    // The gap between slices is not theirs.
    stays("%a = slice %x {start = 0, stop = 3}\n%b = slice %x {start = 4, stop = 8}\n%r = concat %a, %b");
}

#[test]
fn broadcasts_move_to_the_outputs() {
    becomes("%a = broadcast %s {shape = [T, 8]}\n%r = add %x, %a", "%r = add %x, %s\n-> %r");
    becomes(
        "%a = broadcast %s {shape = [T, 8]}\n%b = neg %a\n%r = mul %b, %a",
        "%b.neg = neg %s\n%r.mul = mul %b.neg, %s\n%r = broadcast %r.mul {shape = [T, 8]}\n-> %r",
    );
    becomes(
        "%a = broadcast %row {shape = [T, 8]}\n%b = sigmoid %a\n%r = mul %b, %f",
        "%b.sigmoid = sigmoid %row\n%b = broadcast %b.sigmoid {shape = [T, 8]}\n%r = mul %b, %f\n-> %r",
    );
    becomes(
        "%a = broadcast %s {shape = [T, 8]}\n%r = gather %map, %a {out_of_range = clamp}",
        "%r.gather = gather %map, %s {out_of_range = clamp}\n%r = broadcast %r.gather {shape = [T, 8]}\n-> %r",
    );
    // With no rows, nothing traps; one look-up would.
    stays("%a = broadcast %s {shape = [T, 8]}\n%r = gather %map, %a {out_of_range = trap}");
}
