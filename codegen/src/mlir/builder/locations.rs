//! Which value of a kernel each operation was made for, as MLIR's locations: only when somebody asks.
//!
//! A location is a place in a file that does not exist, the line being the value's number and one. Functions get a subprogram of
//! debug information that asks for directives alone, so that locations arrive in LLVM IR and in assembly text and no section of
//! debug information does.

use super::Builder;
use melior::ir::Location;

/// The name of the file that locations are places of.
const FILE: &str = "kernel";

impl<'m> Builder<'m> {
    /// The same builder, which gives every operation a location from now on.
    #[must_use]
    pub fn with_locations(mut self) -> Self {
        self.located = true;
        self.location.set(self.place(0));
        self
    }

    /// Does some work, and says of every operation that it appends that it was made for the kernel's value of this number, unless
    /// it says otherwise itself.
    pub fn made_for<R>(&self, value: u32, work: impl FnOnce() -> R) -> R {
        if !self.located {
            return work();
        }
        let outer = self.location.replace(self.place(value as usize + 1));
        let result = work();
        self.location.set(outer);
        result
    }

    /// Does the work that appends a function, which then may hold operations with locations.
    pub(super) fn as_function<R>(&self, name: &str, work: impl FnOnce() -> R) -> R {
        if !self.located {
            return work();
        }
        let file = format!("#llvm.di_file<\"{FILE}\" in \"\">");
        let unit = format!(
            "#llvm.di_compile_unit<id = distinct[0]<>, sourceLanguage = DW_LANG_C, file = {file}, isOptimized = true, \
             emissionKind = DebugDirectivesOnly>"
        );
        let number = if name == FILE { 1 } else { 2 };
        let subprogram = self.attribute(&format!(
            "#llvm.di_subprogram<id = distinct[{number}]<>, compileUnit = {unit}, scope = {file}, name = \"{name}\", \
             file = {file}, subprogramFlags = \"Definition|Optimized\", type = #llvm.di_subroutine_type<>>"
        ));
        let place = self.place(0);
        let outer = self.location.replace(Location::fused(self.context, &[place], subprogram));
        let result = work();
        self.location.set(outer);
        result
    }

    fn place(&self, line: usize) -> Location<'m> {
        Location::new(self.context, FILE, line, 0)
    }
}
