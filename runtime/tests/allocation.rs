//! A launch allocates nothing. Alone in its process, because it counts every allocation of this thread.

mod fixture;

use fixture::*;
use routefuse_allocations::{Counting, during};
use routefuse_ir::Alias;
use routefuse_runtime::{Args, TensorMut, TensorRef, Workspace};

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn launches_allocate_nothing() {
    assert_eq!(during(|| drop(std::hint::black_box(Box::new(1)))), 1);
    let (one, two, place) =
        (plan(two_outputs_program()), plan(two_step_program()), plan(increment_program(Alias::InPlace(0))));
    [&one, &two, &place].iter().for_each(|p| p.prepare().unwrap());
    let (ids, map) = (ids(64), squares());
    let (mut out, mut again) = (vec![0; 256], vec![0; 256]);
    let mut workspace = Workspace::new(two.plan().workspace_size(&[64]).unwrap() as usize);
    for t in [0u64, 1, 17, 64] {
        let n = during(|| {
            let mut args = Args::new();
            args.input(TensorRef::new(&ids, &[t, K]));
            args.input(TensorRef::new(&map, &[E]));
            args.output(TensorMut::new(&mut out, &[t, K]));
            args.named_output("again", TensorMut::new(&mut again, &[t, K]));
            one.launch(&args).unwrap();
            let mut args = Args::new();
            args.input(TensorRef::new(&ids, &[t, K])).output(TensorMut::new(&mut out, &[t, K]));
            two.launch_with(&args, &mut workspace).unwrap();
            place.launch(Args::new().output(TensorMut::new(&mut out, &[t, K]))).unwrap();
        });
        assert_eq!(n, 0, "T = {t}");
    }
}
