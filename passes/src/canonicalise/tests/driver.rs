use super::{becomes, graph, same_bits, shown, stays};
use crate::canonicalise::{Cse, Dce, Pass, canonicalise, fingerprint};
use routefuse_ir::diag::{Code, Page};

#[test]
fn constants_fold() {
    becomes("%a = mul i32:6, i32:7\n%r = add %x, %a", "%r = add %x, %a\n-> %r");
    becomes("%r = exp f32:0.0", "-> %r");
    becomes("%a = broadcast i32:6 {shape = [T, 8]}\n%r = neg %a", "%r = broadcast %i32.m6 {shape = [T, 8]}\n-> %r");
    becomes("%r = div i32:1, i32:0", "-> %r");
    // Only the low bit is left, and it is masked away.
    becomes("%a = and %x, i32:1\n%r = shr %a, i32:1", "%r = broadcast %i32.0 {shape = [T, 8]}\n-> %r");
}

#[test]
fn look_ups_that_never_hit() {
    becomes("%r = gather %map, i32:16", "-> %r");
    becomes(
        "%i = or %x, i32:16\n%r = gather %map, %i {out_of_range = clamp}",
        "%i = or %x, %i32.16\n%r = gather %map, %i {out_of_range = clamp}\n-> %r",
    );
    becomes(
        "%a = and %x, i32:15\n%i = add %a, i32:16\n%r = gather %map, %i {out_of_range = fill(9)}",
        "%r = broadcast %i32.9 {shape = [T, 8]}\n-> %r",
    );
    stays("%a = and %x, i32:15\n%i = add %a, i32:15\n%r = gather %map, %i");
}

#[test]
fn equal_operations_are_one() {
    becomes("%a = add %x, %y\n%b = add %y, %x\n%r = mul %a, %b", "%a = add %x, %y\n%r = mul %a, %a\n-> %r");
    becomes("%a = lt %x, %y\n%b = gt %y, %x\n%r = xor %a, %b", "%r = broadcast %bool.false {shape = [T, 8]}\n-> %r");
    becomes("%a = fma %f, %g, %f\n%b = fma %g, %f, %f\n%r = div %a, %b", "%a = fma %f, %g, %f\n%r = div %a, %a\n-> %r");
    // The order of a subtraction is its meaning; so is a policy.
    stays("%a = sub %x, %y\n%b = sub %y, %x\n%r = mul %a, %b");
    stays("%a = gather %map, %x {out_of_range = clamp}\n%b = gather %map, %x\n%r = mul %a, %b");
}

#[test]
fn dead_operations_go_and_inputs_stay() {
    let g = graph("%a = add %x, %y\n%b = mul %a, %a\n%r = neg %x");
    let mut dead = routefuse_ir::Graph::clone(&g);
    assert!(Dce.run(&mut dead));
    assert!(!Dce.run(&mut dead));
    assert_eq!(shown(&dead), "%r = neg %x\n-> %r");
    assert_eq!(dead.inputs, g.inputs);
}

#[test]
fn names_that_people_gave_stay() {
    // Of two names of one value, the first stays, but a person's name wins over a numbered one and an input's over both.
    let gather = "gather %map, %x {out_of_range = pass}";
    becomes("%phys = gather %map, %x\n%r = add %phys, i32:0", &format!("%phys = {gather}\n-> %phys"));
    becomes(
        "%v7 = gather %map, %x\n%phys = copy %v7\n%r = neg %phys",
        &format!("%phys = {gather}\n%r = neg %phys\n-> %r"),
    );
    becomes("%v7 = copy %x\n%r = neg %v7", "%r = neg %x\n-> %r");
}

#[test]
fn traps_are_kept() {
    // The looked-up element is not used, but the error word is.
    stays("%a = gather %map, %x {out_of_range = trap}\n%b = mul %a, i32:0\n%r = add %b, %y");
    stays("%a = gather %map, %x {out_of_range = trap}\n%b = concat %a, %y\n%r = slice %b {start = 8, stop = 16}");
    stays("%r = gather %map, i32:99 {out_of_range = trap}");
    // Two equal ones trap as one; one that no output depends on does not trap.
    becomes(
        "%a = gather %map, %x {out_of_range = trap}\n%b = gather %map, %x {out_of_range = trap}\n%r = add %a, %b",
        "%a = gather %map, %x {out_of_range = trap}\n%r = add %a, %a\n-> %r",
    );
    becomes("%a = gather %map, %x {out_of_range = trap}\n%r = add %x, %y", "%r = add %x, %y\n-> %r");
}

#[test]
fn reports_say_what_happened() {
    let (g, reports) = canonicalise(graph("%a = mask_rows %x, %n {fill = 0}\n%r = add %a, i32:0")).unwrap();
    assert_eq!((reports[0].name, reports[0].changed), ("expand", true));
    assert_eq!((reports[0].ops_before, reports[0].ops_after), (2, 4));
    assert!(reports.iter().any(|r| r.name == "algebra" && r.changed && r.ops_after == 3));
    // Canonical is a fixpoint: a second time, no pass changes anything, and the graph is the same.
    let before = fingerprint(&g);
    let (g, reports) = canonicalise(g).unwrap();
    assert!(reports.iter().all(|r| !r.changed));
    assert_eq!(fingerprint(&g), before);
}

#[test]
fn a_pass_says_truthfully_that_it_changed_nothing() {
    let mut g = graph("%r = add %x, %y").into_inner();
    let before = fingerprint(&g);
    assert!(!Cse.run(&mut g));
    assert_eq!(fingerprint(&g), before);
}

/// A pass with a defect.
struct Broken;

impl Pass for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn run(&self, g: &mut routefuse_ir::Graph) -> bool {
        g.outputs.clear();
        true
    }
}

#[test]
fn a_pass_that_breaks_the_graph_is_named() {
    let mut g = graph("%r = add %x, %y").into_inner();
    let text = crate::canonicalise::run(&Broken, &mut g).unwrap_err().to_string();
    assert!(text.contains("RF0401") && text.contains("RF0901: `broken` has left a graph"), "{text}");
    assert!(text.contains(Page::of(Code::Internal).message), "{text}");
}

/// Statements that a rule could take apart one by one, again and again.
fn long(statement: impl Fn(usize) -> String, n: usize) -> routefuse_ir::Verified<routefuse_ir::Graph> {
    let lines: Vec<String> = (1..=n).map(statement).collect();
    graph(&format!("%v0 = neg %x\n{}\n%r = copy %v{n}", lines.join("\n")))
}

#[test]
fn long_graphs_take_their_time_and_no_more() {
    let n = 4000;
    let nested = |i| format!("%v{i} = concat %v{}, %y", i - 1);
    let slices = |i| format!("%v{i} = slice %v{} {{start = 0, stop = 8}}", i - 1);
    let trapping = |i| format!("%v{i} = gather %map, %v{} {{out_of_range = trap}}", i - 1);
    let casts = |i| format!("%v{i} = cast %v{} {{dtype = {}}}", i - 1, ["i32", "i64"][i % 2]);
    let sums = |i| format!("%v{i} = add %v{}, i32:1", i - 1);
    for g in [long(nested, n), long(slices, n), long(trapping, 300), long(casts, n), long(sums, n)] {
        let began = std::time::Instant::now();
        let (canonical, _) = canonicalise(g.clone()).unwrap();
        assert!(canonical.op_count() <= g.op_count());
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }
}

#[test]
fn equalities_found_one_a_round_stop_at_the_bound() {
    // %n1 = %base, so %d1 = 0, so %v1 = %v0, so %n2 = %base: each is found when the one before is gone.
    let step = |i| format!("%n{i} = not %v{}\n%d{i} = sub %n{i}, %base\n%v{i} = add %v0, %d{i}", i - 1);
    let g = long(|i| if i == 1 { format!("%base = not %v0\n{}", step(i)) } else { step(i) }, 100);
    let (canonical, reports) = canonicalise(g.clone()).unwrap();
    assert!(reports.iter().rev().take(5).any(|r| r.changed));
    assert!(canonical.op_count() > 2);
    same_bits(&g, &canonical);
    // Where it was left, it goes on.
    assert_eq!(canonicalise(canonical).unwrap().0.op_count(), 1);
}
