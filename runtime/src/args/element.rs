//! Rust types that a tensor's elements can be.

use routefuse_ir::DType;

mod sealed {
    pub trait Sealed {}
}

/// A Rust type of a dtype's size, alignment and meaning.
pub trait Element: Copy + sealed::Sealed + 'static {
    /// The dtype.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),+ $(,)?) => {
        $(
            impl sealed::Sealed for $rust {}
            impl Element for $rust {
                const DTYPE: DType = DType::$dtype;
            }
        )+
    };
}

elements! {
    bool => Bool,
    i8 => I8,
    i16 => I16,
    i32 => I32,
    i64 => I64,
    u8 => U8,
    u16 => U16,
    u32 => U32,
    u64 => U64,
    half::f16 => F16,
    half::bf16 => Bf16,
    f32 => F32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<T: Element>() {
        assert_eq!(size_of::<T>() as u64, T::DTYPE.size());
        assert_eq!(align_of::<T>() as u64, T::DTYPE.size());
    }

    #[test]
    fn sizes_are_the_dtypes() {
        size::<bool>();
        size::<i64>();
        size::<half::bf16>();
        size::<half::f16>();
        size::<f32>();
    }
}
