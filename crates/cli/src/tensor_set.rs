//! Several tensors by name: the `.npy` files of a folder, or a `.safetensors` file.

use crate::tensor_file;
use crate::tensor_place::Place;
use routefuse::diag::{Code, Diagnostic};
use std::collections::BTreeMap;
use std::path::Path;

/// The names of several tensors, each with its place; `None` if `spec` names one tensor.
///
/// # Errors
/// `RF0701` and `RF0703`: the folder or the file cannot be read, has no tensors, or has two of one name.
pub fn named(spec: &str) -> Result<Option<BTreeMap<String, Place>>, Diagnostic> {
    let path = Path::new(spec);
    let mut set = BTreeMap::new();
    if path.is_dir() {
        let unreadable = |e: std::io::Error| Diagnostic::new(Code::CannotRead, format!("cannot read `{spec}`: {e}"));
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            let (Some(stem), true) = (file.file_stem(), file.extension().is_some_and(|e| e == "npy")) else { continue };
            let name = stem.to_string_lossy().into_owned();
            if set.insert(name.clone(), Place::of_file(file.clone())).is_some() {
                let message = format!("`{spec}` has two files of the name `{name}`, as far as it is text");
                return Err(Diagnostic::new(Code::BadTensorFile, message).help("rename one of them"));
            }
        }
    } else if Place::of_file(path.to_owned()).is_of_several() {
        set = tensor_file::keys(path)?.into_iter().map(|key| (key.clone(), Place::named(path, &key))).collect();
    } else {
        return Ok(None);
    }
    if set.is_empty() {
        return Err(Diagnostic::new(Code::BadTensorFile, format!("`{spec}` has no tensors"))
            .help("tensors are .npy files of a folder, or those of a .safetensors file"));
    }
    Ok(Some(set))
}
