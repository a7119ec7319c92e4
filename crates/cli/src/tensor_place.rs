//! Where a tensor is: in which file, by which name, and which of its columns.

use routefuse::Tensor;
use routefuse::diag::{Code, Diagnostic};
use std::fmt;
use std::path::{Path, PathBuf};

/// The ending of files with several tensors, each with a name.
const NAMED: &str = ".safetensors";

/// Where a tensor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The tensor's name, in a file of several.
    pub key: Option<String>,
    /// Columns of it, `:, 0:256`: what stands between the brackets.
    pub columns: Option<String>,
}

impl Place {
    /// The one tensor of a file.
    pub fn of_file(file: PathBuf) -> Place {
        Place { file, key: None, columns: None }
    }

    /// One tensor of a file of several.
    pub fn named(file: &Path, key: &str) -> Place {
        Place { file: file.to_owned(), key: Some(key.to_owned()), columns: None }
    }

    /// As users write it: `path.npy` or `file.safetensors:key`, with `[:, 0:256]` behind it for columns. What is the name of a
    /// file as a whole is that file.
    pub fn written(spec: &str) -> Place {
        if Path::new(spec).is_file() {
            return Place::of_file(spec.into());
        }
        // What has no colon is no range, but may be the end of a tensor's name.
        let range =
            spec.strip_suffix(']').and_then(|s| s.rsplit_once('[')).filter(|(_, columns)| columns.contains(':'));
        let (tensor, columns) = range.map_or((spec, None), |(tensor, columns)| (tensor, Some(columns.to_owned())));
        // A folder or a key may have the ending in its name too: the file is where there is one.
        let files = tensor.match_indices(NAMED).map(|(at, _)| tensor.split_at(at + NAMED.len()));
        let splits: Vec<(&str, &str)> =
            files.filter_map(|(file, rest)| Some((file, rest.strip_prefix(':')?))).collect();
        match splits.iter().find(|(file, _)| Path::new(file).is_file()).or(splits.first()) {
            Some((file, key)) => Place { file: file.into(), key: Some((*key).to_owned()), columns },
            None => Place { file: tensor.into(), key: None, columns },
        }
    }

    /// Whether its file is one of several tensors.
    pub fn is_of_several(&self) -> bool {
        self.file.as_os_str().as_encoded_bytes().ends_with(NAMED.as_bytes())
    }
}

/// The tensor, without its columns.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.key.iter().try_for_each(|key| write!(f, ":{key}"))
    }
}

/// That columns cannot be had of what is named.
pub fn bad_columns(of: &str, columns: &str, why: &str) -> Diagnostic {
    Diagnostic::new(Code::BadTensorFile, format!("`[{columns}]` of {of}: {why}"))
        .help("columns are written as in numpy, `wide.npy[:, 0:256]`: all rows, the columns from the first to before the second")
}

/// Columns of a tensor, or why it has them not.
pub fn columns_of(wide: &Tensor, columns: &str) -> Result<Tensor, String> {
    let &[rows, width] = wide.shape() else {
        return Err(format!("it has rank {}, and only a tensor of rank 2 has rows of columns", wide.shape().len()));
    };
    let bounds =
        columns.split_once(',').filter(|(all, _)| all.trim() == ":").and_then(|(_, range)| range.split_once(':'));
    let number = |text: &str, otherwise: u64| match text.trim() {
        "" => Some(otherwise),
        text => text.parse::<u64>().ok(),
    };
    let bounds = bounds.and_then(|(from, to)| number(from, 0).zip(number(to, width)));
    let Some((from, to)) = bounds else { return Err("this is no range of columns".to_owned()) };
    if from >= to || to > width {
        return Err(format!("it has the columns 0 to {width}"));
    }
    let size = wide.dtype().size() as usize;
    let row = width as usize * size;
    let (begin, end) = (from as usize * size, to as usize * size);
    let bytes = (0..rows as usize).flat_map(|r| &wide.bytes()[r * row + begin..r * row + end]).copied().collect();
    Tensor::from_bytes(wide.dtype(), &[rows, to - from], bytes)
        .ok_or_else(|| "it holds other elements than it says".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_users_write_them() {
        let parts = |spec: &str| {
            let Place { file, key, columns } = Place::written(spec);
            (file.display().to_string(), key, columns)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(parts("a.npy"), ("a.npy".to_owned(), None, None));
        assert_eq!(parts("a.npy[:, 0:4]"), ("a.npy".to_owned(), None, some(":, 0:4")));
        assert_eq!(parts("a.npy[4]"), ("a.npy[4]".to_owned(), None, None));
        assert_eq!(parts("a.safetensors:w"), ("a.safetensors".to_owned(), some("w"), None));
        assert_eq!(parts("a.safetensors:x:w[:,1:]"), ("a.safetensors".to_owned(), some("x:w"), some(":,1:")));
        assert_eq!(parts("a.safetensors:b.safetensors:w"), ("a.safetensors".to_owned(), some("b.safetensors:w"), None));
        assert_eq!(parts("a.safetensors"), ("a.safetensors".to_owned(), None, None));
        assert_eq!(Place::written("a.safetensors:w[:,1:]").to_string(), "a.safetensors:w");
        // The file that is there.
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("x.safetensors:y");
        std::fs::create_dir(&below).unwrap();
        let file = below.join("z.safetensors").display().to_string();
        std::fs::write(&file, "").unwrap();
        assert_eq!(parts(&format!("{file}:w")), (file.clone(), some("w"), None));
        let odd = folder.path().join("odd.npy[:,0:1]").display().to_string();
        std::fs::write(&odd, "").unwrap();
        assert_eq!(parts(&odd), (odd.clone(), None, None));
    }
}
