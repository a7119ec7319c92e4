//! Tensors of burn's on their way in and out.

use burn_backend::{DType, TensorMetadata};
use burn_flex::{Flex, FlexTensor};
use burn_tensor::kind::{Basic, Kind};
use burn_tensor::{BackendPrimitive, PrimitiveConversionError, Tensor};
use routefuse::Error;
use routefuse::diag::{Code, Diagnostic};

/// What a router is given: the memory of a tensor on the host.
#[derive(Clone, Debug)]
pub struct Argument(pub(crate) FlexTensor);

impl Argument {
    /// A tensor of burn's CPU backend; nothing is copied.
    ///
    /// # Errors
    /// `RF0611` for a tensor of another backend, or one that autodiff tracks.
    pub fn of<const D: usize, K>(tensor: Tensor<D, K>) -> Result<Argument, Error>
    where
        K: Basic + BackendPrimitive<Flex, Primitive = FlexTensor>,
    {
        let elsewhere = |e: PrimitiveConversionError| {
            let (PrimitiveConversionError::BackendMismatch(said) | PrimitiveConversionError::KindMismatch(said)) = e;
            Diagnostic::new(Code::WrongDevice, format!("a tensor is not on burn's Flex backend: {said}"))
                .help("give one of `Device::flex()` without gradients, or copy it to the host: `Argument::copied`")
        };
        Ok(Argument(tensor.try_into_primitive::<Flex>().map_err(elsewhere)?))
    }

    /// A copy of a tensor of any backend on the host. It waits for the tensor's device.
    ///
    /// # Errors
    /// `RF0611` if the device does not give its memory.
    pub fn copied<const D: usize, K: Basic>(tensor: Tensor<D, K>) -> Result<Argument, Error> {
        let failed = |e: burn_backend::ExecutionError| {
            Diagnostic::new(Code::WrongDevice, format!("a tensor cannot be read from its device: {e}"))
                .help("give one of `Device::flex()`")
        };
        Ok(Argument(FlexTensor::from_data(tensor.try_into_data().map_err(failed)?)))
    }
}

impl From<FlexTensor> for Argument {
    fn from(tensor: FlexTensor) -> Argument {
        Argument(tensor)
    }
}

/// A result as a tensor of burn's, of so many dims and this kind.
///
/// # Errors
/// `RF0604` for another number of dims; `RF0603` for another kind.
pub fn tensor<const D: usize, K>(primitive: FlexTensor) -> Result<Tensor<D, K>, Error>
where
    K: Basic + BackendPrimitive<Flex, Primitive = FlexTensor>,
{
    let rank = primitive.layout().num_dims();
    if rank != D {
        let message = format!("a result has {rank} dims, and is taken for a tensor of {D}");
        return Err(Diagnostic::new(Code::ArgumentRank, message).help("name the number of dims that it has").into());
    }
    let dtype = TensorMetadata::dtype(&primitive);
    if kind_of(dtype) != K::KIND {
        let message = format!("a result is of {dtype:?}, and is taken for a tensor of kind {:?}", K::KIND);
        return Err(Diagnostic::new(Code::ArgumentDType, message).help("name the kind that it has").into());
    }
    Ok(Tensor::from_primitive::<Flex>(primitive))
}

fn kind_of(dtype: DType) -> Kind {
    match dtype {
        DType::Bool(_) => Kind::Bool,
        d if d.is_int() || d.is_uint() => Kind::Int,
        _ => Kind::Float,
    }
}
