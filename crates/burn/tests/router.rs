//! Routers on burn's CPU backend: the bits of the interpreter, burn's strides and handles, and what is refused.

use burn_backend::{Bytes, DType as Burn, Shape};
use burn_flex::{FlexTensor, Layout};
use burn_tensor::{Bool, Device, FloatDType, Int, Tensor};
use routefuse_burn::routefuse::exec::random_inputs;
use routefuse_burn::routefuse::{self, DType, Graph, Verified, chains, ir::interp, text};
use routefuse_burn::{Argument, IntoGraph, Router, tensor};

fn burn_dtype(dtype: DType) -> Burn {
    match dtype {
        DType::Bool => Burn::Bool(burn_backend::BoolStore::Native),
        DType::I8 => Burn::I8,
        DType::I16 => Burn::I16,
        DType::I32 => Burn::I32,
        DType::I64 => Burn::I64,
        DType::U8 => Burn::U8,
        DType::U16 => Burn::U16,
        DType::U32 => Burn::U32,
        DType::U64 => Burn::U64,
        DType::F16 => Burn::F16,
        DType::Bf16 => Burn::BF16,
        DType::F32 => Burn::F32,
    }
}

/// The same elements as a tensor of burn's.
fn to_burn(t: &routefuse::Tensor) -> FlexTensor {
    let dims: Vec<usize> = t.shape().iter().map(|n| *n as usize).collect();
    let bytes = Bytes::from_bytes_vec(t.bytes().to_vec());
    FlexTensor::new(bytes, Layout::contiguous(Shape::from(dims)), burn_dtype(t.dtype()))
}

fn bytes_of(t: &FlexTensor) -> Vec<u8> {
    let size = t.dtype().size() * t.layout().num_elements();
    t.to_contiguous().bytes()[..size].to_vec()
}

fn graph(source: &str) -> Verified<Graph> {
    text::parse_verified(source).unwrap_or_else(|e| panic!("{e}"))
}

/// Launches a graph on random inputs, hostile ones among them, and compares every bit with the interpreter's.
fn agrees(graph: &Verified<Graph>, rows: u64) {
    let extents = vec![rows; graph.symbols.len()];
    let inputs = random_inputs(graph, &extents, 7 + rows);
    let given: Vec<(&str, u64)> = graph.symbols.iter().map(|s| (s.as_str(), rows)).collect();
    let expected = interp::run(graph, &inputs, &given).expect("the inputs fit");
    let router = Router::new(graph).expect("it compiles");
    let inputs: Vec<FlexTensor> = inputs.iter().map(to_burn).collect();
    let results = router.forward(inputs.iter().cloned().map(Argument::from)).expect("it runs");
    for ((result, expected), port) in results.iter().zip(&expected.outputs).zip(router.outputs()) {
        assert_eq!(result.dtype(), burn_dtype(expected.dtype()));
        let mut shape: Vec<usize> = expected.shape().iter().map(|n| *n as usize).collect();
        if shape.is_empty() {
            shape.push(1);
        }
        assert_eq!(result.layout().shape().to_vec(), shape, "{} {rows}", port.name);
        assert_eq!(bytes_of(result), expected.bytes(), "{} of {} at {rows} rows", port.name, graph.name);
    }
}

#[test]
fn results_are_the_interpreters() {
    for preset in ["qwen3-moe", "deepseek-v3"] {
        let graph = preset.into_graph().expect("it is there");
        for rows in [0, 1, 17] {
            agrees(&graph, rows);
        }
    }
    for (name, graph) in chains::examples() {
        agrees(&graph.unwrap_or_else(|e| panic!("{name}: {e}")), 17);
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

/// Slices, transposes and flips come with their strides, or are copied, and mean what they mean to burn.
#[test]
fn strides_are_burns() -> Result<(), routefuse_burn::Error> {
    let router = Router::new(graph(WAYS))?;
    let wide: Tensor<2> = Tensor::<1, Int>::arange(0..60, &Device::flex()).float().reshape([5, 12]);
    let views: [Tensor<2>; 4] = [
        wide.clone().slice([0..5, 3..7]),
        wide.clone().reshape([12, 5]).swap_dims(0, 1).slice([0..5, 2..6]),
        wide.clone().slice([0..5, 4..8]).flip([0, 1]),
        wide.slice([2..3, 1..5]).expand([5, 4]),
    ];
    for plain in &views {
        for rows in &views {
            for strided in &views {
                let arguments = [plain, rows, strided].map(|t| Argument::of(t.clone()));
                let [a, b, c] = arguments;
                let results = router.forward([a?, b?, c?])?;
                let sum: Tensor<2> = tensor(results.into_iter().next().expect("one output"))?;
                let expected = plain.clone() + rows.clone() + strided.clone();
                assert_eq!(sum.into_data(), expected.into_data());
            }
        }
    }
    Ok(())
}

const BUMP: &str = "route 1
graph @bump {
  dim T
  input %x : f32[T, 4]
  input %by : f32[T, 4]
  %sum = add %x, %by
  output x_out = %sum in_place(x)
}";

/// The last handle is written in place, any other is copied first: as burn's own ops do.
#[test]
fn in_place_if_the_argument_is_the_last_handle() -> Result<(), routefuse_burn::Error> {
    let router = Router::new(graph(BUMP))?;
    let ones = || Tensor::<2>::ones([3, 4], &Device::flex());
    let (kept, by) = (ones(), ones());
    let results = router.forward([Argument::of(kept.clone())?, Argument::of(by.clone())?])?;
    let sum: Tensor<2> = tensor(results[0].clone())?;
    assert_eq!(sum.into_data(), (ones() + ones()).into_data());
    assert_eq!(kept.clone().into_data(), ones().into_data());

    let last = FlexTensor::from_data((ones() * 3.).into_data());
    let place = last.bytes().as_ptr();
    let results = router.forward([last.into(), Argument::of(by.clone())?])?;
    assert_eq!(results[0].bytes().as_ptr(), place);
    assert_eq!(tensor::<2, burn_tensor::Float>(results[0].clone())?.into_data(), (ones() * 4.).into_data());
    // One tensor twice: what is written is a copy.
    let results = router.forward([Argument::of(by.clone())?, Argument::of(by.clone())?])?;
    assert_eq!(tensor::<2, burn_tensor::Float>(results[0].clone())?.into_data(), (ones() * 2.).into_data());
    assert_eq!(by.into_data(), ones().into_data());
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<(), routefuse_burn::Error> {
    let code = |e: routefuse_burn::Error| e.code().as_str();
    assert_eq!(code(Router::new("qwen4-moe").unwrap_err()), "RF1001");
    let router = Router::new("qwen3-moe")?;
    let logits = |columns: usize, dtype| Argument::of(Tensor::<2>::zeros([5, columns], &Device::flex()).cast(dtype));
    assert_eq!(code(router.forward([]).unwrap_err()), "RF0601");
    let two = [logits(128, FloatDType::BF16)?, logits(128, FloatDType::BF16)?];
    assert_eq!(code(router.forward(two).unwrap_err()), "RF0602");
    assert_eq!(code(router.forward([logits(128, FloatDType::F64)?]).unwrap_err()), "RF0603");
    assert_eq!(code(router.forward([logits(128, FloatDType::F32)?]).unwrap_err()), "RF0603");
    assert_eq!(code(router.forward([logits(64, FloatDType::BF16)?]).unwrap_err()), "RF0605");
    let flat = Argument::of(Tensor::<1>::zeros([128], &Device::flex()).cast(FloatDType::BF16))?;
    assert_eq!(code(router.forward([flat]).unwrap_err()), "RF0604");
    let dims = router.forward_with_dims([logits(128, FloatDType::BF16)?], &[("N", 5)]);
    assert_eq!(code(dims.unwrap_err()), "RF0606");

    let results = router.forward([logits(128, FloatDType::BF16)?])?;
    assert_eq!(code(tensor::<3, Int>(results[0].clone()).unwrap_err()), "RF0604");
    assert_eq!(code(tensor::<2, Bool>(results[0].clone()).unwrap_err()), "RF0603");
    let copied = Argument::copied(Tensor::<2>::zeros([5, 128], &Device::flex()).cast(FloatDType::BF16))?;
    assert_eq!(bytes_of(&router.forward([copied])?[0]), bytes_of(&results[0]));
    Ok(())
}
