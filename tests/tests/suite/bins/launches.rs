//! How many kernels each engine's layout is on a GPU, from ids: one of phases, unless an option needs more.

use routefuse::chains::{Align, AlignEngine, Duplicates, LocalExperts, Tail};
use routefuse::{Engine, Options, Target};

/// Options, and the engines that are more than one kernel with them.
type Row<'a> = (&'a str, Align, &'a [(AlignEngine, usize)]);

#[test]
fn layouts_are_one_kernel_of_phases() {
    use AlignEngine::{Aiter, Gshard};
    let plain = Align::default();
    let window = LocalExperts::Window { first: 8, end: 40, stride_log2: 1 };
    let rows: [Row<'_>; 7] = [
        ("no option", plain.clone(), &[]),
        ("tail=keep", Align { tail: Tail::Keep, ..plain.clone() }, &[]),
        ("optional outputs", Align { optional: true, ..plain.clone() }, &[]),
        ("a window", Align { local: window, ..plain.clone() }, &[]),
        // The experts of a mask are numbered by a sum, which crosses columns in every row that asks for one.
        ("a map", Align { local: LocalExperts::Map, ..plain.clone() }, &[(Aiter, 7)]),
        ("16 ranks", Align { ranks: 16, ..plain.clone() }, &[]),
        ("counted rows", Align { counted_rows: true, ..plain.clone() }, &[]),
    ];
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("sm_90").expect("a known target");
    let kernels = |align: &Align| {
        let graph = align.graph().ok()?;
        let plan = engine.compile(&graph, &target, &Options::default()).expect("a plan");
        let phased = plan.kernels().iter().filter(|k| k.kernel.phases.is_some()).count();
        Some((plan.kernels().len(), phased))
    };
    for of in AlignEngine::ALL {
        for (name, align, more) in &rows {
            let align = Align { engine: of, capacity: (of == Gshard).then_some(64), ..align.clone() };
            let wanted = more.iter().find(|(engine, _)| *engine == of).map_or((1, 1), |m| (m.1, 0));
            assert!(kernels(&align).is_none_or(|of| of == wanted), "{} with {name}: {:?}", of.name(), kernels(&align));
        }
    }
    // An id that was there before is found by the lanes of a row together, which is a kernel of its own; few rows are one block of
    // both, a third kernel beside the two.
    let once = Align { duplicates: Duplicates::Once, ..plain };
    assert_eq!(kernels(&once), Some((3, 2)));
}
