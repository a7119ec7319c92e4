//! Dims of capacity: a launch with fewer places than the bound says is refused, by the interpreter and by a plan alike.

use routefuse::exec::HostExecution;
use routefuse::ir::interp;
use routefuse::{Args, HostPlan, Tensor, TensorMut, TensorRef, text};

#[test]
fn fewer_places_than_the_bound_says_are_refused() {
    let path = routefuse_tests::corpus::root().join("tests/corpus/bins_bounded.route");
    let graph = text::parse_verified(&std::fs::read_to_string(path).expect("a file")).expect("a right graph");
    let host = HostPlan::new(super::plan(&graph)).expect("a host plan");
    let ids = [3i32; 20];
    let launch = |places: usize, blocks: usize| {
        let (mut sorted, mut expert) = (vec![7i32; places], vec![7i32; blocks]);
        let mut args = Args::new();
        args.input(TensorRef::new(&ids, &[5, 4]))
            .output(TensorMut::new(&mut sorted, &[places as u64]))
            .output(TensorMut::new(&mut expert, &[blocks as u64]));
        let size = host.plan().workspace_size(&[5, places as u64, blocks as u64]).expect("a size");
        let mut workspace = routefuse_runtime::Workspace::new(size as usize);
        host.launch_with(&args, &mut workspace).map(|()| (sorted, expert)).map_err(|e| e.to_string())
    };
    let input = [Tensor::from_i32(&[5, 4], &ids)];
    for (places, blocks) in [(68, 17), (69, 17), (200, 99)] {
        let (sorted, expert) = launch(places, blocks).expect("a launch");
        let given = [("C", places as u64), ("J", blocks as u64)];
        let want = interp::run(&graph, &input, &given).expect("a run").outputs;
        assert_eq!(
            [Tensor::from_i32(&[places as u64], &sorted), Tensor::from_i32(&[blocks as u64], &expert)],
            want[..]
        );
    }
    let too_few_places = "RF0607: the dim `C` of `bounded` is 67, and must be at least 68: \
                          C >= min(4 * T + 48, 16 * T), and T is 5\n  help: give `sorted` at least 68 rows";
    let too_few_blocks = "RF0607: the dim `J` of `bounded` is 16, and must be at least 17: \
                          J >= min(T + 12, 4 * T), and T is 5\n  help: give `expert_ids` at least 17 rows";
    for (places, blocks, text) in [(67, 17, too_few_places), (68, 16, too_few_blocks)] {
        assert_eq!(launch(places, blocks).expect_err("refused"), text);
        let given = [("C", places as u64), ("J", blocks as u64)];
        assert_eq!(interp::run(&graph, &input, &given).map(|_| ()).expect_err("refused").to_string(), text);
    }
    // What makes outputs makes them as large as the bound says.
    let execution = HostExecution::new(host, &input, &[]).expect("an execution");
    let shapes: Vec<u64> = execution.outcome().outputs.iter().map(|t| t.1.shape()[0]).collect();
    assert_eq!(shapes, [68, 17]);
}
