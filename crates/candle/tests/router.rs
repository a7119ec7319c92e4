//! Routers on candle's CPU: the bits of the interpreter, candle's strides and dtypes, in place, and what is refused.

use candle_core::{CpuStorage, DType as Candle, Device, Storage, Tensor};
use routefuse_candle::routefuse::cache::Trust;
use routefuse_candle::routefuse::exec::random_inputs;
use routefuse_candle::routefuse::{
    self, DType, Engine, Graph, Options, Target, Verified, chains, ir::interp, models, text,
};
use routefuse_candle::{IntoGraph, Router, Routers, diagnostics};

/// The same elements as a tensor of candle's.
fn to_candle(t: &routefuse::Tensor) -> Tensor {
    let dtype = match t.dtype() {
        DType::Bool | DType::U8 => Candle::U8,
        DType::I16 => Candle::I16,
        DType::I32 | DType::U32 => Candle::U32,
        DType::I64 => Candle::I64,
        DType::F16 => Candle::F16,
        DType::Bf16 => Candle::BF16,
        DType::F32 => Candle::F32,
        other => panic!("candle has no {other}"),
    };
    let shape: Vec<usize> = t.shape().iter().map(|n| *n as usize).collect();
    Tensor::from_raw_buffer(t.bytes(), dtype, &shape, &Device::Cpu).expect("the bytes are the shape's")
}

/// The bits of a tensor's elements in their order.
fn bits(t: &Tensor) -> Vec<u64> {
    let t = t.force_contiguous().expect("it fits memory");
    let (storage, _) = t.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { panic!("it is on the CPU") };
    match storage {
        CpuStorage::U8(v) => v.iter().map(|x| u64::from(*x)).collect(),
        CpuStorage::U32(v) => v.iter().map(|x| u64::from(*x)).collect(),
        CpuStorage::I16(v) => v.iter().map(|x| *x as u16 as u64).collect(),
        CpuStorage::I32(v) => v.iter().map(|x| *x as u32 as u64).collect(),
        CpuStorage::I64(v) => v.iter().map(|x| *x as u64).collect(),
        CpuStorage::BF16(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        CpuStorage::F16(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        CpuStorage::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        other => panic!("no graph has {other:?}"),
    }
}

fn graph(source: &str) -> Verified<Graph> {
    text::parse_verified(source).unwrap_or_else(|e| panic!("{e}"))
}

fn routers() -> Routers {
    Routers::new(Engine::builder().build().expect("it has a compiler"), &Device::Cpu).expect("it runs on the CPU")
}

/// Launches a graph on random inputs, hostile ones among them, and compares every bit with the interpreter's.
fn agrees(routers: &Routers, graph: &Verified<Graph>, rows: u64) {
    let extents = vec![rows; graph.symbols.len()];
    let inputs = random_inputs(graph, &extents, 7 + rows);
    let given: Vec<(&str, u64)> = graph.symbols.iter().map(|s| (s.as_str(), rows)).collect();
    let expected = interp::run(graph, &inputs, &given).expect("the inputs fit");
    let router = routers.router(graph).expect("it compiles");
    let inputs: Vec<Tensor> = inputs.iter().map(to_candle).collect();
    let before: Vec<Vec<u64>> = inputs.iter().map(bits).collect();
    let borrowed: Vec<&Tensor> = inputs.iter().collect();
    let results = router.forward(&borrowed).expect("it runs");
    assert_eq!(results.len(), expected.outputs.len());
    for ((result, expected), port) in results.iter().zip(&expected.outputs).zip(router.outputs()) {
        let shape: Vec<usize> = expected.shape().iter().map(|n| *n as usize).collect();
        assert_eq!(result.dims(), shape, "{} {rows}", port.name);
        let expected: Vec<u64> = (0..expected.len()).map(|i| expected.bits(i)).collect();
        assert_eq!(bits(result), expected, "{} of {} at {rows} rows", port.name, graph.name);
    }
    assert_eq!(inputs.iter().map(bits).collect::<Vec<_>>(), before, "{}: `forward` changes no input", graph.name);
}

/// Routers of several ways to choose, and the chains behind them, at no rows, one, and numbers that are no multiple of anything.
#[test]
fn results_are_the_interpreters() {
    let routers = routers();
    for preset in ["qwen3-moe", "deepseek-v3", "gpt-oss", "llama-4"] {
        let graph = preset.into_graph().expect("it is there");
        for rows in [0, 1, 17] {
            agrees(&routers, &graph, rows);
        }
    }
    for (name, graph) in chains::examples() {
        agrees(&routers, &graph.unwrap_or_else(|e| panic!("{name}: {e}")), 17);
    }
}

const WAYS: &str = "route 1
graph @ways {
  dim T
  input %plain : f32[T, 4]
  input %rows : f32[T, 4] rows
  input %strided : f32[T, 4] strided
  %a = add %plain, %rows
  %b = add %a, %strided
  output sum = %b
}";

/// Slices, transposes and broadcasts come with their offset and strides, or are copied, and mean what they mean to candle.
#[test]
fn strides_are_candles() -> candle_core::Result<()> {
    let router = Router::new(graph(WAYS), &Device::Cpu)?;
    let wide = Tensor::arange(0f32, 60., &Device::Cpu)?.reshape((5, 12))?;
    let views = [
        wide.narrow(1, 3, 4)?,
        wide.narrow(1, 8, 4)?.contiguous()?,
        wide.reshape((12, 5))?.t()?.narrow(1, 2, 4)?,
        wide.narrow(0, 2, 1)?.narrow(1, 1, 4)?.broadcast_as((5, 4))?,
        wide.narrow(1, 0, 1)?.broadcast_as((5, 4))?,
    ];
    for plain in &views {
        for rows in &views {
            for strided in &views {
                let [sum] = &router.forward(&[plain, rows, strided])?[..] else { panic!("one output") };
                assert_eq!(bits(sum), bits(&((plain + rows)? + strided)?));
            }
        }
    }
    // One tensor may be several inputs.
    let twice = router.forward(&[&views[0], &views[0], &views[0]])?;
    assert_eq!(bits(&twice[0]), bits(&(&views[0] * 3.)?));
    Ok(())
}

/// Ids are `u32`, or `i32` if asked for; both are taken; −1 is the number that candle's gathers take 0 for.
#[test]
fn ids_are_u32() -> candle_core::Result<()> {
    let router = Router::new(graph(&std::fs::read_to_string("../../examples/a_remap_static.route")?), &Device::Cpu)?;
    let ids = Tensor::new(&[[3u32, 1, 2, 0, 7, 6, 5, 4], [9, 9, 9, 9, 9, 9, 9, 9]], &Device::Cpu)?;
    let map = (Tensor::arange(0u32, 256, &Device::Cpu)? + 10.)?;
    let n = Tensor::new(1u32, &Device::Cpu)?;
    let [physical] = &router.forward(&[&ids, &map, &n])?[..] else { panic!("one output") };
    let expected = [[13, 11, 12, 10, 17, 16, 15, 14], [u32::MAX; 8]];
    assert_eq!(physical.to_vec2::<u32>()?, expected);
    let signed = router.clone().gives_i32(true);
    let [physical_i32] = &signed.forward(&[&ids.to_dtype(Candle::I32)?, &map, &n])?[..] else { panic!("one output") };
    assert_eq!(physical_i32.dtype(), Candle::I32);
    assert_eq!(physical_i32.to_vec2::<i32>()?[1], [-1; 8]);
    let scores = Tensor::arange(0f32, 256., &Device::Cpu)?.reshape((1, 256))?.broadcast_as((2, 256))?.contiguous()?;
    assert_eq!(scores.gather(physical, 1)?.to_vec2::<f32>()?[1], [0.; 8]);
    assert_eq!(scores.gather(physical, 1)?.to_vec2::<f32>()?[0][0], 13.);
    Ok(())
}

const BUMP: &str = "route 1
graph @bump {
  dim T
  input %x : f32[T, 4] rows
  input %by : f32[T, 4]
  %sum = add %x, %by
  %double = add %sum, %sum
  output x_out = %sum rows in_place(x)
  output double = %double
}";

/// What a graph writes in place is written there when asked, and into a copy otherwise.
#[test]
fn in_place_where_asked() -> candle_core::Result<()> {
    let router = Router::new(graph(BUMP), &Device::Cpu)?;
    let wide = Tensor::zeros((3, 8), Candle::F32, &Device::Cpu)?;
    let (x, by) = (wide.narrow(1, 2, 4)?, Tensor::ones((3, 4), Candle::F32, &Device::Cpu)?);
    let results = router.forward(&[&x, &by])?;
    assert_eq!(
        (results[0].to_vec2::<f32>()?, results[1].to_vec2::<f32>()?),
        (vec![vec![1.; 4]; 3], vec![vec![2.; 4]; 3])
    );
    assert_eq!(wide.sum_all()?.to_scalar::<f32>()?, 0.);

    let results = router.forward_in_place(&[&x, &by])?;
    assert_eq!(results[0].id(), x.id());
    assert_eq!(results[1].to_vec2::<f32>()?, vec![vec![2.; 4]; 3]);
    assert_eq!(wide.to_vec2::<f32>()?, vec![vec![0., 0., 1., 1., 1., 1., 0., 0.]; 3]);

    let double = Tensor::zeros((3, 4), Candle::F32, &Device::Cpu)?;
    router.forward_into(&[&x, &by], &[&x, &double])?;
    assert_eq!(double.to_vec2::<f32>()?, vec![vec![4.; 4]; 3]);

    // An addend that has to be copied to be contiguous is copied before its memory is written.
    router.forward_into(&[&x, &wide.narrow(1, 3, 4)?], &[&x, &double])?;
    assert_eq!(wide.to_vec2::<f32>()?, vec![vec![0., 0., 4., 4., 4., 2., 0., 0.]; 3]);
    // One that is not copied may not lie in what is written: that is refused, and nothing is written.
    let before = bits(&wide);
    let contiguous = Tensor::zeros((4, 4), Candle::F32, &Device::Cpu)?;
    let (x, by) = (contiguous.narrow(0, 0, 3)?, contiguous.narrow(0, 1, 3)?);
    let error = router.forward_into(&[&x, &by], &[&x, &double]).unwrap_err();
    assert_eq!(diagnostics(&error)[0].code.as_str(), "RF0608", "{error}");
    assert_eq!(bits(&wide), before);
    // Elements of one place are candle's to refuse, or ours.
    let one = Tensor::zeros((1, 4), Candle::F32, &Device::Cpu)?.broadcast_as((3, 4))?;
    assert!(router.forward_in_place(&[&one, &double]).is_err());
    Ok(())
}

/// A copy onto itself is left alone, onto other memory is made.
#[test]
fn a_guarded_output_may_be_its_input() -> candle_core::Result<()> {
    let router = Router::new(graph(&std::fs::read_to_string("../../examples/d_copy_back.route")?), &Device::Cpu)?;
    let source = Tensor::ones((3, 64), Candle::BF16, &Device::Cpu)?;
    router.forward_into(&[&source], &[&source])?;
    let wide = Tensor::zeros((3, 128), Candle::BF16, &Device::Cpu)?;
    router.forward_into(&[&source], &[&wide.narrow(1, 64, 64)?])?;
    assert_eq!(wide.to_dtype(Candle::F32)?.sum_all()?.to_scalar::<f32>()?, 192.);
    Ok(())
}

/// Two threads that write into each other's inputs lock in one order.
#[test]
fn threads_do_not_wait_for_each_other() -> candle_core::Result<()> {
    let router = Router::new(graph(BUMP), &Device::Cpu)?;
    let tensors = [0, 1].map(|_| Tensor::zeros((3, 4), Candle::F32, &Device::Cpu).expect("it is small"));
    std::thread::scope(|scope| {
        for (a, b) in [(0, 1), (1, 0)] {
            let (router, a, b) = (router.clone(), &tensors[a], &tensors[b]);
            scope.spawn(move || (0..2000).for_each(|_| drop(router.forward_in_place(&[a, b]).expect("it runs"))));
        }
    });
    assert!(tensors.iter().all(|t| bits(t).iter().all(|b| *b == bits(t)[0])), "a launch is whole");
    Ok(())
}

/// A router is an op of candle's, of one tensor or two.
#[test]
fn a_router_is_a_custom_op() -> candle_core::Result<()> {
    let router = Router::new(
        chains::Pack { top_k: 2, ..chains::Pack::default() }.graph().map_err(candle_core::Error::wrap)?,
        &Device::Cpu,
    )?;
    let (ids, weights) = (Tensor::new(&[[7u32, 9]], &Device::Cpu)?, Tensor::new(&[[1f32, 2.]], &Device::Cpu)?);
    let packed = ids.apply_op2_no_bwd(&weights, &router)?;
    assert_eq!(packed.to_vec2::<u32>()?, [[7 << 16 | 0x3f80, 9 << 16 | 0x4000]]);
    assert_eq!(bits(&packed), bits(&router.forward(&[&ids, &weights])?[0]));
    let error = ids.apply_op1_no_bwd(&router).unwrap_err();
    assert_eq!(diagnostics(&error)[0].code.as_str(), "RF0601", "{error}");
    let two = Router::new("qwen3-moe", &Device::Cpu)?;
    let error = Tensor::zeros((1, 128), Candle::BF16, &Device::Cpu)?.apply_op1_no_bwd(&two).unwrap_err();
    assert!(error.to_string().contains("an op of candle's gives one tensor, and the graph has 2"), "{error}");
    Ok(())
}

/// Each refusal names the thing and carries its code.
#[test]
fn what_does_not_fit_is_refused() -> candle_core::Result<()> {
    let cpu = &Device::Cpu;
    let code = |e: &candle_core::Error| diagnostics(e).first().map(|d| d.code.as_str()).unwrap_or_default();
    let error = Router::new("qwen4-moe", cpu).unwrap_err();
    assert_eq!(code(&error), "RF1001", "{error}");
    let unsigned =
        "route 1\ngraph @g {\n  dim T\n  input %x : u16[T, 2]\n  %y = cast %x {dtype = i32}\n  output y = %y\n}";
    let error = Router::new(graph(unsigned), cpu).unwrap_err();
    assert_eq!(code(&error), "RF0304", "{error}");
    assert!(error.to_string().contains("input `x` is of u16, which candle lacks"), "{error}");

    let router = Router::new("qwen3-moe", cpu)?;
    let zeros = |shape: &[usize], dtype| Tensor::zeros(shape, dtype, cpu);
    let good = zeros(&[5, 128], Candle::BF16)?;
    let cases: [(&str, &[&Tensor]); 5] = [
        ("RF0601", &[]),
        ("RF0602", &[&good, &good]),
        ("RF0603", &[&zeros(&[5, 128], Candle::F64)?]),
        ("RF0603", &[&zeros(&[5, 128], Candle::F32)?]),
        ("RF0605", &[&zeros(&[5, 64], Candle::BF16)?]),
    ];
    for (expected, inputs) in cases {
        let error = router.forward(inputs).unwrap_err();
        assert_eq!(code(&error), expected, "{error}");
        assert!(error.to_string().contains("in router `qwen3_moe`"), "{error}");
        assert!(diagnostics(&error)[0].help.is_some(), "{error}");
    }
    assert_eq!(code(&router.forward(&[&zeros(&[128], Candle::BF16)?]).unwrap_err()), "RF0604");
    assert_eq!(code(&router.forward(&[&zeros(&[], Candle::BF16)?]).unwrap_err()), "RF0604");
    let error = router.forward_with_dims(&[&good], &[("N", 5)]).unwrap_err();
    assert_eq!(code(&error), "RF0606", "{error}");
    let ids = zeros(&[5, 8], Candle::U32)?;
    let error = router.forward_into(&[&good], &[&ids, &ids]).unwrap_err();
    assert_eq!(code(&error), "RF0603", "{error}");
    assert!(diagnostics(&candle_core::Error::Msg("another".to_owned())).is_empty());
    Ok(())
}

/// A dim that no input has is given; an index that traps is an error on the CPU.
#[test]
fn dims_and_traps() -> candle_core::Result<()> {
    let counted =
        "route 1\ngraph @g {\n  dim T\n  %y = iota {dtype = i32, shape = [T, 3], axis = 0}\n  output y = %y\n}";
    let router = Router::new(graph(counted), &Device::Cpu)?;
    let results = router.forward_with_dims(&[], &[("T", 2)])?;
    assert_eq!(results[0].to_vec2::<u32>()?, [[0; 3], [1; 3]]);
    let error = router.forward(&[]).unwrap_err();
    assert_eq!(diagnostics(&error)[0].code.as_str(), "RF0606", "{error}");

    let trap = "route 1\ngraph @g {\n  dim T\n  input %map : i32[4]\n  input %ids : i32[T]\n  %y = gather %map, %ids {out_of_range = trap}\n  output y = %y\n}";
    let router = Router::new(graph(trap), &Device::Cpu)?;
    let map = Tensor::new(&[5u32, 6, 7, 8], &Device::Cpu)?;
    assert_eq!(router.forward(&[&map, &Tensor::new(&[3u32], &Device::Cpu)?])?[0].to_vec1::<u32>()?, [8]);
    let error = router.forward(&[&map, &Tensor::new(&[4u32], &Device::Cpu)?]).unwrap_err();
    assert!(error.to_string().contains("met an index out of range"), "{error}");
    assert!(!router.take_trap()?);
    Ok(())
}

/// A bundle's plan is a router too, and a pool's threads change no bit.
#[test]
fn bundles_and_pools() -> Result<(), Box<dyn std::error::Error>> {
    let graph = models::named("qwen3-moe")?.graph(&models::ModelOptions::default())?;
    let engine = Engine::builder().build()?;
    let bundle =
        engine.bundle(&[("qwen3".to_owned(), graph)], &[Target::host()], &Options::default(), None, &|_| ())?;
    let path = std::env::temp_dir().join(format!("routefuse-candle-{}.rfb", std::process::id()));
    std::fs::write(&path, bundle.finish())?;
    let engine = Engine::from_bundle(&path, &Trust::anyone());
    std::fs::remove_file(&path)?;
    let router = Routers::new(engine?, &Device::Cpu)?.bundled("qwen3")?;
    let logits = Tensor::randn(0f32, 1., (700, 128), &Device::Cpu)?.to_dtype(Candle::BF16)?;
    let pool = std::sync::Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);
    let expected = Router::new("qwen3-moe", &Device::Cpu)?.forward(&[&logits])?;
    for router in [router.clone(), router.on_pool(pool)] {
        let results = router.forward(&[&logits])?;
        assert_eq!(results.iter().map(bits).collect::<Vec<_>>(), expected.iter().map(bits).collect::<Vec<_>>());
    }
    Ok(())
}
