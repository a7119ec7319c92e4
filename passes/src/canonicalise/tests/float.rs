use super::{becomes, stays};

/// `%a` is arithmetic, so its NaN is canonical.
fn arithmetic(case: &str) -> String {
    format!("%a = add %f, %g\n%r = {case}")
}

#[test]
fn identities() {
    for case in
        ["mul %a, f32:1.0", "div %a, f32:1.0", "add %a, f32:-0.0", "sub %a, f32:0.0", "min %a, %a", "max %a, %a"]
    {
        becomes(&arithmetic(case), "%a = add %f, %g\n-> %a");
    }
    // On an input's NaN they are no identities, unless arithmetic follows.
    stays("%r = mul %f, f32:1.0");
    stays("%r = min %f, %f");
    becomes("%a = mul %f, f32:1.0\n%r = div %a, %g", "%r = div %f, %g\n-> %r");
    becomes("%a = mul %f, f32:1.0\n%r = lt %a, %g", "%r = lt %f, %g\n-> %r");
    // +0 is the identity of no sum: -0 + 0 = 0. Nor is x * 0 = 0, nor x - x.
    stays(&arithmetic("add %a, f32:0.0"));
    stays(&arithmetic("sub %a, f32:-0.0"));
    stays(&arithmetic("mul %a, f32:0.0"));
    stays(&arithmetic("sub %a, %a"));
    stays(&arithmetic("div %a, %a"));
    // The constants of two multiplications stay apart: each rounds.
    stays("%a = mul %f, f32:3.0\n%r = mul %a, f32:0.1");
    stays("%a = mul %f, f32:2.0\n%r = mul %a, f32:0.5");
}

#[test]
fn one_payload_seen_is_enough() {
    // The first use is arithmetic, the second a move.
    stays("%a = mul %f, f32:1.0\n%b = div %a, %g\n%r = select %c, %a, %b");
}

#[test]
fn negations() {
    becomes("%r = mul %f, f32:-1.0", "%r = neg %f\n-> %r");
    becomes("%r = div %f, f32:-1.0", "%r = neg %f\n-> %r");
    becomes("%r = sub f32:-0.0, %f", "%r = neg %f\n-> %r");
    stays("%r = sub f32:0.0, %f");
    becomes("%a = neg %g\n%r = add %f, %a", "%r = sub %f, %g\n-> %r");
    becomes("%a = neg %g\n%r = add %a, %f", "%r = sub %f, %g\n-> %r");
    becomes("%a = neg %g\n%r = sub %f, %a", "%r = add %f, %g\n-> %r");
    becomes("%a = add %f, %g\n%b = neg %a\n%r = neg %b", "%a = add %f, %g\n-> %a");
    stays("%a = neg %f\n%r = neg %a");
    // -(a - b) is -0 where a = b, b - a is +0.
    stays("%a = sub %f, %g\n%r = neg %a");
}

#[test]
fn absolutes() {
    becomes("%a = neg %f\n%r = abs %a", "%r = abs %f\n-> %r");
    becomes("%a = abs %f\n%r = abs %a", "%a = abs %f\n-> %a");
}

#[test]
fn division_by_powers_of_two() {
    becomes("%r = div %f, f32:8.0", "%r = mul %f, %f32.0.125\n-> %r");
    becomes("%r = div %f, f32:-0.5", "%r = mul %f, %f32.m2.0\n-> %r");
    becomes("%r = div %f, f32:1.1754944e-38", "%r = mul %f, %f32.8.507059e37\n-> %r");
    stays("%r = div %f, f32:3.0");
    // 2 to the 127th has no normal inverse; 0 and infinity have none at all.
    stays("%r = div %f, f32:1.7014118e38");
    stays("%r = div %f, f32:0.0");
    stays("%r = div %f, f32:inf");
}

#[test]
fn fused() {
    becomes("%r = fma %f, f32:1.0, %g", "%r = add %f, %g\n-> %r");
    becomes("%r = fma f32:-1.0, %f, %g", "%r = sub %g, %f\n-> %r");
    becomes("%r = fma %f, %g, f32:-0.0", "%r = mul %f, %g\n-> %r");
    stays("%r = fma %f, %g, f32:0.0");
    // Two roundings do not become one.
    stays("%a = mul %f, %g\n%r = add %a, %g");
}

#[test]
fn roundings_of_integers() {
    for (first, second) in [("floor", "ceil"), ("ceil", "round"), ("round", "trunc"), ("trunc", "floor")] {
        becomes(&format!("%a = {first} %f\n%r = {second} %a"), &format!("%a = {first} %f\n-> %a"));
    }
    stays("%a = add %f, %g\n%r = floor %a");
}

#[test]
fn constants_of_new_functions_are_folded() {
    becomes("%r = exp2 f32:10.0", "-> %r");
    becomes(
        "%a = round f32:2.5\n%b = broadcast %a {shape = [T, 8]}\n%r = log2 %b",
        "%r = broadcast %f32.1.0 {shape = [T, 8]}\n-> %r",
    );
}

#[test]
fn nan_rules_are_kept_apart() {
    stays("%r = min %f, %g {nan = propagate}");
    stays("%a = min %f, %g {nan = propagate}\n%b = min %f, %g\n%r = add %a, %b");
    becomes("%a = abs %f\n%r = max %a, %a {nan = propagate}", "%a = abs %f\n-> %a");
}
