//! LLVM IR of constants, as text: what describes code to the code around it.

use std::fmt::Write;

/// Constants of a module, one after the other.
#[derive(Default)]
pub(super) struct Constants {
    text: String,
    count: usize,
}

impl Constants {
    /// A constant of this type; its name.
    pub fn add(&mut self, ty: &str, value: &str) -> String {
        let name = format!("@c{}", self.count);
        self.count += 1;
        self.text += &format!("{name} = private constant {ty} {value}\n");
        name
    }

    /// A string that ends in a NUL byte; its name.
    pub fn string(&mut self, string: &str) -> String {
        let mut value = String::from("c\"");
        for byte in string.bytes() {
            let _ = write!(value, "\\{byte:02X}");
        }
        value += "\\00\"";
        self.add(&format!("[{} x i8]", string.len() + 1), &value)
    }

    /// An array of elements of one type, each written with its type; its name. Of none it is a null pointer.
    pub fn array(&mut self, ty: &str, elements: &[String]) -> String {
        if elements.is_empty() {
            return "null".to_owned();
        }
        let elements: Vec<String> = elements.iter().map(|e| format!("{ty} {e}")).collect();
        self.add(&format!("[{} x {ty}]", elements.len()), &format!("[{}]", elements.join(", ")))
    }

    /// The module's text so far.
    pub fn into_text(self) -> String {
        self.text
    }
}
