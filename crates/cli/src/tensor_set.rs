//! Several tensors by name: the `.npy` files of a folder, or a `.safetensors` file.

use crate::tensor_file;
use routefuse::diag::{Code, Diagnostic};
use std::collections::BTreeMap;
use std::path::Path;

/// The names of several tensors, each with what [`tensor_file::read_any`] reads it by; `None` if `spec` names one tensor.
///
/// # Errors
/// `RF0701` and `RF0703`: the folder or the file cannot be read, or has no tensors.
pub fn named(spec: &str) -> Result<Option<BTreeMap<String, String>>, Diagnostic> {
    let path = Path::new(spec);
    let set: BTreeMap<String, String> = if path.is_dir() {
        let unreadable = |e: std::io::Error| Diagnostic::new(Code::CannotRead, format!("cannot read `{spec}`: {e}"));
        let mut files = BTreeMap::new();
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if let (Some(stem), true) = (file.file_stem(), file.extension().is_some_and(|e| e == "npy")) {
                files.insert(stem.to_string_lossy().into_owned(), file.display().to_string());
            }
        }
        files
    } else if spec.ends_with(".safetensors") {
        tensor_file::keys(spec)?.into_iter().map(|key| (key.clone(), format!("{spec}:{key}"))).collect()
    } else {
        return Ok(None);
    };
    if set.is_empty() {
        return Err(Diagnostic::new(Code::BadTensorFile, format!("`{spec}` has no tensors"))
            .help("tensors are .npy files of a folder, or those of a .safetensors file"));
    }
    Ok(Some(set))
}
