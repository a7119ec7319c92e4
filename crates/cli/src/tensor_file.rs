//! Tensors in `.npy` and `.safetensors` files.
//!
//! `.npy` has no bf16: it is written, and may be read, as `u16` with its bits (numpy's own convention through
//! `ml_dtypes` is not portable). Everything else is the dtype of the same name.

use crate::input_file;
use crate::tensor_place::{Place, bad_columns, columns_of};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use ndarray_npy::{
    ReadNpyError, ReadNpyExt, ReadableElement, ViewElement, ViewNpyError, ViewNpyExt, WritableElement, WriteNpyExt,
};
use routefuse::diag::{Code, Diagnostic};
use routefuse::{DType, Tensor};
use safetensors::tensor::{Metadata, TensorView};
use safetensors::{Dtype, SafeTensors};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Reads the tensor at a place for an input of this dtype, and of this rank if one is given. Where the place names columns, their
/// rows lie as far apart as the file's: the distance is the second of what is given. `forms` is the help where the file is at fault: how
/// it should be named.
///
/// # Errors
/// `RF0701` the file cannot be read, `RF0703` it is not what it says or does not have the columns, `RF0704` no such tensor,
/// `RF0705` another dtype or rank.
pub fn read(
    input: &str,
    place: &Place,
    want: DType,
    rank: Option<usize>,
    forms: &str,
) -> Result<(Tensor, Option<u64>), Diagnostic> {
    let (tensor, columns) = stored(place, want == DType::Bf16).map_err(|d| with_help(d, forms))?;
    let wide = checked(input, &place.to_string(), tensor, want, rank)?;
    let Some(columns) = columns else { return Ok((wide, None)) };
    let view = columns_of(&wide, columns)
        .map_err(|why| bad_columns(&format!("`{place}` for input `{input}`"), columns, &why))?;
    Ok((view, wide.shape().get(1).copied()))
}

/// Reads the tensor at a place, whatever its dtype and shape are. With `bf16`, the `u16` of `.npy` files are the bits of bf16.
///
/// # Errors
/// As [`read`], but for `RF0705`.
pub fn read_any(place: &Place, bf16: bool) -> Result<Tensor, Diagnostic> {
    let (tensor, columns) = stored(place, bf16).map_err(|d| with_help(d, ANY))?;
    match columns {
        Some(columns) => columns_of(&tensor, columns).map_err(|why| bad_columns(&format!("`{place}`"), columns, &why)),
        None => Ok(tensor),
    }
}

/// How the files of inputs are named.
pub const INPUTS: &str = "inputs are name=path.npy or name=file.safetensors:key";
/// How tensors are named where they are for no input.
const ANY: &str = "a tensor is a.npy or a.safetensors:NAME; several are a folder of .npy files, or a .safetensors file";

fn with_help(d: Diagnostic, help: &str) -> Diagnostic {
    if d.help.is_some() { d } else { d.help(help) }
}

/// The tensor at a place, and the columns of it that are meant.
fn stored(place: &Place, bf16: bool) -> Result<(Tensor, Option<&str>), Diagnostic> {
    let Place { file, key, columns } = place;
    let columns = columns.as_deref();
    let Some(key) = key else {
        if place.is_of_several() {
            let keys = names(&Header::read(file)?.metadata).join(", ");
            return Err(Diagnostic::new(Code::NoSuchTensor, format!("`{place}` names no tensor"))
                .help(format!("write {place}:key; the keys are {keys}")));
        }
        return Ok((read_npy(file, bf16)?, columns));
    };
    let header = Header::read(file)?;
    // What looks like columns may be the end of the name.
    let whole = columns.map(|columns| format!("{key}[{columns}]")).filter(|name| header.metadata.info(name).is_some());
    Ok(match whole {
        Some(name) => (header.tensor(file, &name)?, None),
        None => (header.tensor(file, key)?, columns),
    })
}

/// Reads a tensor of a `.safetensors` file that the program carries.
///
/// # Errors
/// `RF0703` to `RF0705` as [`read`].
pub fn read_included(input: &str, data: &[u8], key: &str, want: DType) -> Result<Tensor, Diagnostic> {
    let spec = format!("the included trace:{key}");
    checked(input, &spec, from_safetensors(Path::new("the included trace"), data, key)?, want, None)
}

fn checked(input: &str, spec: &str, tensor: Tensor, want: DType, rank: Option<usize>) -> Result<Tensor, Diagnostic> {
    if tensor.dtype() != want {
        let message = format!("input `{input}` is {want}, but `{spec}` holds {}", tensor.dtype());
        let mut help = format!("save it as {want}, or `cast` it in the graph");
        if input == "logits" && tensor.dtype().is_float() {
            help += &format!("; a preset takes it by `--option logits={}`", tensor.dtype());
        } else if want == DType::Bf16 {
            help += "; .npy has no bf16: save its bits as u16, in numpy `x.view(np.uint16)`";
        }
        return Err(Diagnostic::new(Code::FileTypeMismatch, message).help(help));
    }
    if let Some(rank) = rank.filter(|&r| r != tensor.shape().len()) {
        let shape = tensor.shape();
        let message = format!("input `{input}` has rank {rank}, but `{spec}` holds rank {}: {shape:?}", shape.len());
        return Err(Diagnostic::new(Code::FileTypeMismatch, message).help("reshape it before it is saved"));
    }
    Ok(tensor)
}

/// The most bytes of a `.npy` file, and of a tensor, that are read.
const MOST: u64 = 4 << 30;
/// The most bytes of the header of a `.safetensors` file.
const MOST_HEADER: u64 = 100_000_000;

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(Code::CannotRead, format!("cannot read `{}`: {why}", path.display()))
}

fn not_what_it_says(path: &Path, kind: &str, why: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(Code::BadTensorFile, format!("`{}` is not a {kind} file that can be read: {why}", path.display()))
}

/// The names of the tensors in a `.safetensors` file, sorted.
///
/// # Errors
/// `RF0701` and `RF0703` as [`read`].
pub fn keys(path: &Path) -> Result<Vec<String>, Diagnostic> {
    Ok(names(&Header::read(path).map_err(|d| with_help(d, ANY))?.metadata))
}

fn names(metadata: &Metadata) -> Vec<String> {
    let mut names: Vec<String> = metadata.tensors().into_keys().collect();
    names.sort_unstable();
    names
}

/// What a `.safetensors` file says of itself, and the file. The tensors are not read: a checkpoint may be larger than the memory.
struct Header {
    file: File,
    metadata: Metadata,
    /// Where the tensors begin.
    begin: u64,
}

impl Header {
    fn read(path: &Path) -> Result<Header, Diagnostic> {
        let (mut file, length) = input_file::open(path).map_err(|e| unreadable(path, &e))?;
        let wrong = |why: &dyn std::fmt::Display| not_what_it_says(path, "safetensors", why);
        let failed = |e: std::io::Error| unreadable(path, &e);
        let mut head = [0; 8];
        if length < 8 {
            return Err(wrong(&"it is too short for a header"));
        }
        file.read_exact(&mut head).map_err(failed)?;
        let size = u64::from_le_bytes(head);
        if size > MOST_HEADER || size > length - 8 {
            return Err(wrong(&format!("its header has {size} bytes by its first eight")));
        }
        let mut bytes = vec![0; size as usize];
        file.read_exact(&mut bytes).map_err(failed)?;
        let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|e| wrong(&e))?;
        let begin = 8 + size;
        let end = metadata.tensors().values().map(|t| t.data_offsets.1 as u64).max().unwrap_or(0);
        if begin.checked_add(end) != Some(length) {
            return Err(wrong(&format!("its header is one of a file of {} bytes", begin.saturating_add(end))));
        }
        Ok(Header { file, metadata, begin })
    }

    fn tensor(&self, path: &Path, key: &str) -> Result<Tensor, Diagnostic> {
        let Header { file, metadata, begin } = self;
        let wrong = |why: &dyn std::fmt::Display| not_what_it_says(path, "safetensors", why);
        let info = metadata.info(key).ok_or_else(|| no_such(path, key, metadata))?;
        let (start, end) = (info.data_offsets.0 as u64, info.data_offsets.1 as u64);
        let size = end
            .checked_sub(start)
            .ok_or_else(|| wrong(&format!("tensor `{key}` ends at byte {end} and begins at byte {start}")))?;
        if size > MOST {
            return Err(unreadable(path, &format!("tensor `{key}` has {size} bytes, and at most {MOST} are read")));
        }
        let mut data = vec![0; size as usize];
        file.read_exact_at(&mut data, begin + start).map_err(|e| unreadable(path, &e))?;
        let view = TensorView::new(info.dtype, info.shape.clone(), &data);
        tensor_of(path, key, &view.map_err(|e| wrong(&e))?)
    }
}

fn no_such(path: &Path, key: &str, metadata: &Metadata) -> Diagnostic {
    Diagnostic::new(Code::NoSuchTensor, format!("`{}` has no tensor `{key}`", path.display()))
        .help(format!("it has {}", names(metadata).join(", ")))
}

fn from_safetensors(path: &Path, data: &[u8], key: &str) -> Result<Tensor, Diagnostic> {
    let wrong = |e| not_what_it_says(path, "safetensors", &e);
    let (_, metadata) = SafeTensors::read_metadata(data).map_err(wrong)?;
    let file = SafeTensors::deserialize(data).map_err(wrong)?;
    tensor_of(path, key, &file.tensor(key).map_err(|_| no_such(path, key, &metadata))?)
}

fn tensor_of(path: &Path, key: &str, view: &TensorView<'_>) -> Result<Tensor, Diagnostic> {
    let dtype = match view.dtype() {
        Dtype::BOOL => DType::Bool,
        Dtype::I8 => DType::I8,
        Dtype::I16 => DType::I16,
        Dtype::I32 => DType::I32,
        Dtype::I64 => DType::I64,
        Dtype::U8 => DType::U8,
        Dtype::U16 => DType::U16,
        Dtype::U32 => DType::U32,
        Dtype::U64 => DType::U64,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::Bf16,
        Dtype::F32 => DType::F32,
        other => {
            let instead = if other == Dtype::F64 { "; save it as f32" } else { "" };
            let why = format!("tensor `{key}` is {other:?}, which is no dtype of a graph{instead}");
            return Err(not_what_it_says(path, "safetensors", &why));
        }
    };
    let shape: Vec<u64> = view.shape().iter().map(|&d| d as u64).collect();
    Tensor::from_bytes(dtype, &shape, view.data().to_vec()).ok_or_else(|| {
        not_what_it_says(path, "safetensors", &format!("tensor `{key}` holds a bool that is not 0 or 1"))
    })
}

/// The dtype in a `.npy` header, as numpy writes it: `<f4`.
fn descr(data: &[u8]) -> Option<String> {
    let header = String::from_utf8_lossy(data.get(..data.len().min(256))?).into_owned();
    Some(header.split("'descr'").nth(1)?.split('\'').nth(1)?.to_owned())
}

/// Why a dtype of numpy's is none of a graph's, and what to save instead.
fn foreign(descr: &str) -> String {
    let swapped = || descr.replacen('>', "<", 1);
    match descr {
        "<V2" | "|V2" => "its elements are two bytes without a dtype, as bf16 of `ml_dtypes` is saved; save the bits, \
                          `x.view(np.uint16)`"
            .to_owned(),
        "<f8" => "its elements are float64, which is no dtype of a graph; save `x.astype(np.float32)`".to_owned(),
        _ if npy_dtype(&swapped()).is_some() => {
            format!("its elements are big-endian; save `x.astype('{}')`", swapped())
        }
        _ => format!("its elements are `{descr}`, which is no dtype of a graph"),
    }
}

/// The dtype that numpy writes so.
fn npy_dtype(descr: &str) -> Option<DType> {
    let all = [
        ("|b1", DType::Bool),
        ("|i1", DType::I8),
        ("<i2", DType::I16),
        ("<i4", DType::I32),
        ("<i8", DType::I64),
        ("|u1", DType::U8),
        ("<u2", DType::U16),
        ("<u4", DType::U32),
        ("<u8", DType::U64),
        ("<f2", DType::F16),
        ("<f4", DType::F32),
    ];
    all.iter().find(|(name, _)| *name == descr).map(|(_, d)| *d)
}

/// With `bf16`, `u16` is the bits of bf16.
fn read_npy(path: &Path, bf16: bool) -> Result<Tensor, Diagnostic> {
    let data = input_file::read(path, MOST).map_err(|e| unreadable(path, &e))?;
    if data.get(..6) != Some(b"\x93NUMPY") {
        return Err(not_what_it_says(path, ".npy", &"it does not begin with the numpy magic"));
    }
    let Some(descr) = descr(&data) else {
        return Err(not_what_it_says(path, ".npy", &"it has no header with a dtype, `'descr'`"));
    };
    let found = npy_dtype(&descr).ok_or_else(|| not_what_it_says(path, ".npy", &foreign(&descr)))?;
    let read = match found {
        DType::Bool => array::<bool>(&data).map(|(s, v)| (s, v.iter().map(|&b| u8::from(b)).collect())),
        DType::I8 => raw::<i8>(&data),
        DType::I16 => raw::<i16>(&data),
        DType::I32 => raw::<i32>(&data),
        DType::I64 => raw::<i64>(&data),
        DType::U8 => raw::<u8>(&data),
        DType::U16 => raw::<u16>(&data),
        DType::U32 => raw::<u32>(&data),
        DType::U64 => raw::<u64>(&data),
        DType::F32 => raw::<f32>(&data),
        // The reader knows no 16-bit floats; their bytes are those of u16 under another name in the header.
        DType::F16 | DType::Bf16 => raw::<u16>(&renamed(&data, "<f2", "<u2")),
    };
    let (shape, elements) = read.map_err(|e| not_what_it_says(path, ".npy", &e))?;
    let dtype = if found == DType::U16 && bf16 { DType::Bf16 } else { found };
    Tensor::from_bytes(dtype, &shape, elements)
        .ok_or_else(|| not_what_it_says(path, ".npy", &"its size is not its shape's"))
}

/// Why a `.npy` file cannot be read.
#[derive(Debug, thiserror::Error)]
enum NpyError {
    #[error(transparent)]
    Read(#[from] ReadNpyError),
    #[error(transparent)]
    View(#[from] ViewNpyError),
}

fn renamed(data: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut data = data.to_vec();
    if let Some(at) = data.windows(from.len()).take(256).position(|w| w == from.as_bytes()) {
        data[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    data
}

fn array<A: ReadableElement + ViewElement + Clone>(data: &[u8]) -> Result<(Vec<u64>, Vec<A>), NpyError> {
    let array = match ArrayViewD::<A>::view_npy(data) {
        Ok(view) => view.to_owned(),
        // A header of an odd length. The size was checked before the alignment; reading without that check would allocate
        // whatever the header says.
        Err(ViewNpyError::MisalignedData) => ArrayD::<A>::read_npy(data)?,
        Err(e) => return Err(e.into()),
    };
    let shape = array.shape().iter().map(|&d| d as u64).collect();
    // Fortran order is read as such; iteration is in logical, row-major order.
    Ok((shape, array.iter().cloned().collect()))
}

fn raw<A: ReadableElement + ViewElement + bytemuck::Pod>(data: &[u8]) -> Result<(Vec<u64>, Vec<u8>), NpyError> {
    let (shape, elements) = array::<A>(data)?;
    Ok((shape, bytemuck::cast_slice(&elements).to_vec()))
}

/// A tensor of this name as the bytes of a `.npy` file; bf16 as `u16` bits.
///
/// # Errors
/// `RF0702` if numpy's format does not have it.
pub fn npy(name: &str, tensor: &Tensor) -> Result<Vec<u8>, Diagnostic> {
    let mut out = Vec::new();
    let shape: Vec<usize> = tensor.shape().iter().map(|&d| d as usize).collect();
    let result = match tensor.dtype() {
        DType::Bool => write_all::<bool>(&mut out, &shape, tensor.bytes().iter().map(|&b| b == 1).collect()),
        DType::I8 => write_raw::<i8>(&mut out, &shape, tensor),
        DType::I16 => write_raw::<i16>(&mut out, &shape, tensor),
        DType::I32 => write_raw::<i32>(&mut out, &shape, tensor),
        DType::I64 => write_raw::<i64>(&mut out, &shape, tensor),
        DType::U8 => write_raw::<u8>(&mut out, &shape, tensor),
        DType::U16 | DType::F16 | DType::Bf16 => write_raw::<u16>(&mut out, &shape, tensor),
        DType::U32 => write_raw::<u32>(&mut out, &shape, tensor),
        DType::U64 => write_raw::<u64>(&mut out, &shape, tensor),
        DType::F32 => write_raw::<f32>(&mut out, &shape, tensor),
    };
    result.map_err(|why| Diagnostic::new(Code::CannotWrite, format!("cannot write `{name}` as .npy: {why}")))?;
    if tensor.dtype() == DType::F16 {
        out = renamed(&out, "<u2", "<f2");
    }
    Ok(out)
}

fn write_raw<A: WritableElement + bytemuck::Pod>(out: &mut Vec<u8>, shape: &[usize], t: &Tensor) -> Result<(), String> {
    write_all::<A>(out, shape, bytemuck::allocation::pod_collect_to_vec(t.bytes()))
}

fn write_all<A: WritableElement>(out: &mut Vec<u8>, shape: &[usize], elements: Vec<A>) -> Result<(), String> {
    let array = ArrayD::from_shape_vec(IxDyn(shape), elements).map_err(|e| e.to_string())?;
    array.write_npy(out).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_npy(path: &Path, tensor: &Tensor) -> std::io::Result<()> {
        std::fs::write(path, npy("x", tensor).unwrap())
    }

    fn read(input: &str, file: &str, want: DType, rank: Option<usize>) -> Result<Tensor, Diagnostic> {
        super::read(input, &Place::written(file), want, rank, INPUTS).map(|(tensor, _)| tensor)
    }

    fn path(name: &str) -> String {
        format!("{}/routefuse-{}-{name}", std::env::temp_dir().display(), std::process::id())
    }

    #[test]
    fn npy_round_trips_every_dtype() {
        for dtype in DType::ALL {
            let t = Tensor::from_bits(dtype, &[2, 3], [0u64, 1, 1, 0, 1, 0]);
            let file = path(&format!("{dtype}.npy"));
            write_npy(Path::new(&file), &t).unwrap();
            assert_eq!(read("x", &file, dtype, Some(2)).unwrap(), t, "{dtype}");
            std::fs::remove_file(&file).unwrap();
        }
    }

    #[test]
    fn odd_headers_are_read() {
        // One more space in the header than the format asks for: the elements are not aligned.
        let file = path("odd.npy");
        let t = Tensor::from_f32(&[2], &[1.0, 2.0]);
        write_npy(Path::new(&file), &t).unwrap();
        let mut data = std::fs::read(&file).unwrap();
        data[8] += 1;
        let newline = data.iter().position(|&b| b == b'\n').unwrap();
        data.insert(newline, b' ');
        std::fs::write(&file, &data).unwrap();
        assert_eq!(read("x", &file, DType::F32, None).unwrap(), t);
        data.pop();
        std::fs::write(&file, &data).unwrap();
        assert_eq!(read("x", &file, DType::F32, None).unwrap_err().code, Code::BadTensorFile);
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn wrong_files_are_named() {
        let file = path("wrong.npy");
        std::fs::write(&file, b"no tensor at all").unwrap();
        assert_eq!(read("x", &file, DType::I32, None).unwrap_err().code, Code::BadTensorFile);
        write_npy(Path::new(&file), &Tensor::from_f32(&[1], &[1.0])).unwrap();
        let e = read("x", &file, DType::I32, None).unwrap_err();
        assert_eq!(e.code, Code::FileTypeMismatch);
        assert!(e.message.contains("input `x` is i32") && e.message.contains("f32"), "{e}");
        let e = read("x", &file, DType::F32, Some(2)).unwrap_err();
        assert_eq!(e.code, Code::FileTypeMismatch);
        assert!(e.message.contains("input `x` has rank 2") && e.message.contains("rank 1: [1]"), "{e}");
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        assert_eq!(read("x", &file, DType::F32, None).unwrap_err().code, Code::BadTensorFile);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read("x", &file, DType::F32, None).unwrap_err().code, Code::CannotRead);
    }

    #[test]
    fn f16_arrays_of_other_dtypes_say_how_to_save_them() {
        let file = path("foreign.npy");
        let said = |descr: &str| {
            let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}\n");
            let mut data = b"\x93NUMPY\x01\x00".to_vec();
            data.extend_from_slice(&(header.len() as u16).to_le_bytes());
            data.extend_from_slice(header.as_bytes());
            data.extend_from_slice(&[0; 8]);
            std::fs::write(&file, data).unwrap();
            read("x", &file, DType::Bf16, None).unwrap_err().to_string()
        };
        assert!(said("<V2").contains("x.view(np.uint16)"), "{}", said("<V2"));
        assert!(said("<f8").contains("x.astype(np.float32)"));
        assert!(said(">f4").contains("big-endian; save `x.astype('<f4')`"));
        assert!(said("<c8").contains("`<c8`, which is no dtype of a graph"));
        std::fs::write(&file, b"\x93NUMPY\x01\x00\x02\x00{}").unwrap();
        let e = read("x", &file, DType::F32, None).unwrap_err();
        assert!(e.to_string().contains("no header with a dtype"), "{e}");
        // Logits of another float have an option of the presets.
        write_npy(Path::new(&file), &Tensor::from_f32(&[1], &[1.0])).unwrap();
        let e = read("logits", &file, DType::Bf16, None).unwrap_err();
        assert!(e.to_string().contains("`--option logits=f32`"), "{e}");
        let e = read("w", &file, DType::Bf16, None).unwrap_err();
        assert!(e.to_string().contains("x.view(np.uint16)"), "{e}");
        std::fs::remove_file(&file).unwrap();
    }
}
