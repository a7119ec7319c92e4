//! How many kernels each engine's layout is on a GPU, from ids: one of phases, whatever its options.

use routefuse::chains::{Align, AlignEngine, Duplicates, LocalExperts, Tail};
use routefuse::{Engine, Options, Target};
use routefuse_ir::kernel::schedule::Schedule;

#[test]
fn layouts_are_one_kernel_of_phases() {
    use AlignEngine::Gshard;
    let plain = Align::default();
    let window = LocalExperts::Window { first: 8, end: 40, stride_log2: 1 };
    let map = LocalExperts::Map;
    let rows: [(&str, Align); 9] = [
        ("no option", plain.clone()),
        ("tail=keep", Align { tail: Tail::Keep, ..plain.clone() }),
        ("optional outputs", Align { optional: true, ..plain.clone() }),
        ("a window", Align { local: window, ..plain.clone() }),
        ("a map", Align { local: map, ..plain.clone() }),
        ("a map and optional outputs", Align { local: map, optional: true, ..plain.clone() }),
        ("a map of blocks", Align { local: LocalExperts::MapOfBlocks, ..plain.clone() }),
        ("16 ranks", Align { ranks: 16, ..plain.clone() }),
        ("counted rows", Align { counted_rows: true, ..plain }),
    ];
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("sm_90").expect("a known target");
    let kernels = |align: &Align| {
        let graph = align.graph().ok()?;
        let plan = engine.compile(&graph, &target, &Options::default()).expect("a plan");
        let phased = plan.kernels().iter().filter(|k| k.kernel.phases.is_some()).count();
        Some((plan.kernels().len(), phased))
    };
    let mut graphs = 0;
    for of in AlignEngine::ALL {
        for (name, align) in &rows {
            for duplicates in [Duplicates::Each, Duplicates::Once] {
                let capacity = (of == Gshard).then_some(64);
                let align = Align { engine: of, capacity, duplicates, ..align.clone() };
                let Some(kernels) = kernels(&align) else { continue };
                graphs += 1;
                assert_eq!(kernels, (1, 1), "{} with {name}, {duplicates:?}", of.name());
            }
        }
    }
    assert!(graphs > 90, "{graphs} graphs");
}

/// Slots of which each is compared with those before it one by one are so many; more are compared by lanes together, in a kernel in front.
#[test]
fn rows_of_many_slots_are_compared_in_front() {
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("sm_90").expect("a known target");
    let kernels = |top_k| {
        let graph = Align { top_k, duplicates: Duplicates::Once, ..Align::default() }.graph().expect("a graph");
        engine.compile(&graph, &target, &Options::default()).expect("a plan").kernels().len()
    };
    assert_eq!([1, 2, 32, 33].map(kernels), [1, 1, 1, 2]);
}

/// A block of two launches has some threads more where each then asks once for counts of chunks, but not so many that a second
/// block finds no room beside it.
#[test]
fn a_few_more_threads_ask_once_for_counts() {
    let engine = Engine::builder().build().expect("an engine");
    let target = Target::named("sm_90").expect("a known target");
    let threads = |experts| {
        let graph = Align { experts, ..Align::default() }.graph().expect("a graph");
        let plan = engine.compile(&graph, &target, &Options::default()).expect("a plan");
        let Schedule::Phased { threads, .. } = plan.kernels()[0].schedule else {
            panic!("{experts} experts: no phases")
        };
        threads
    };
    let expected = [[512, 512], [512, 544], [512, 576], [512, 512], [512, 512]];
    assert_eq!([256, 257, 288, 289, 512].map(threads), expected);
}
