//! The stable codes.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        /// A stable code: its first digits say which part of routefuse reports it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// `RF` and four digits.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// One sentence on what it means.
            pub const fn summary(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// Its page, as it stands in its file: [`super::Page`] takes it apart.
            pub(super) const fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("pages/", $text, ".md")),)+ }
            }
        }
    };
}

codes! {
    /// A character that no token begins with.
    UnexpectedCharacter = "RF0101";
    /// A token that does not fit here.
    UnexpectedToken = "RF0102";
    /// A number that cannot be read.
    BadNumber = "RF0103";
    /// The first line is not `route 1`, or names a version that this build does not read.
    BadHeader = "RF0104";
    /// The file is not UTF-8 text.
    NotUtf8 = "RF0105";
    /// The JSON form cannot be read.
    BadJson = "RF0106";
    /// No op has this name.
    UnknownOp = "RF0107";
    /// The op has no such attribute.
    UnknownAttribute = "RF0108";
    /// An attribute that the op needs is missing.
    MissingAttribute = "RF0109";
    /// The value of an attribute is not of the kind it takes.
    BadAttributeValue = "RF0110";
    /// No dtype has this name.
    UnknownDType = "RF0111";
    /// The text is larger or nested deeper than a graph may be.
    TooLarge = "RF0112";
    /// An attribute is given twice.
    DuplicateAttribute = "RF0113";

    /// Two values, inputs, symbols or outputs have one name.
    DuplicateName = "RF0201";
    /// A value is used that is not defined before.
    UndefinedValue = "RF0202";
    /// A dim is used that is not declared.
    UndefinedDim = "RF0203";
    /// The operations form a cycle.
    Cycle = "RF0204";
    /// An output's alias names no input.
    UndefinedInput = "RF0205";
    /// A dim that an output depends on is one of no input and no output.
    NoExtent = "RF0206";
    /// A dim is bounded by what no launch could check.
    BadBound = "RF0207";

    /// The operands' dtypes differ.
    DTypeMismatch = "RF0301";
    /// The operands' shapes do not fit.
    ShapeMismatch = "RF0302";
    /// The op takes another number of operands.
    WrongOperandCount = "RF0303";
    /// The op does not work on this dtype.
    UnsupportedDType = "RF0304";
    /// The literal does not fit its dtype.
    LiteralOutOfRange = "RF0305";
    /// The product of the constant dims does not fit 63 bits.
    ExtentOverflow = "RF0306";
    /// A symbolic dim anywhere but first.
    SymbolNotLeading = "RF0307";
    /// The rank is not one that the op takes.
    RankMismatch = "RF0308";
    /// The slice leaves its dim.
    SliceOutOfBounds = "RF0309";
    /// The declared type is not the type that the op gives.
    DeclaredTypeMismatch = "RF0310";
    /// The axis is not one of the shape's.
    AxisOutOfRange = "RF0311";
    /// A number that is out of its range: `k`, `keep`, `bins`.
    CountOutOfRange = "RF0312";
    /// Groups that do not divide the columns.
    UnevenGroups = "RF0313";

    /// The graph has no output.
    NoOutputs = "RF0401";
    /// An output's alias is of another dtype or shape.
    AliasTypeMismatch = "RF0402";
    /// Two outputs alias one input.
    AliasedTwice = "RF0403";
    /// A guarded output is not a plain copy of its input.
    GuardedNotCopy = "RF0405";
    /// An `atomic_add` that is anything but an output in place of its own counts.
    AtomicNotInPlace = "RF0406";
    /// Bins are laid out by starts that are no `bin_starts`.
    StartsOfNoBins = "RF0407";

    /// A kernel breaks a rule of its level (a defect in the compiler).
    InvalidKernel = "RF0501";

    /// An input or output has no argument.
    MissingArgument = "RF0601";
    /// An argument that the graph does not take.
    ExtraArgument = "RF0602";
    /// The argument has another dtype.
    ArgumentDType = "RF0603";
    /// The argument has another rank.
    ArgumentRank = "RF0604";
    /// The argument's constant dim has another extent.
    ArgumentExtent = "RF0605";
    /// Two arguments give one symbol different extents.
    SymbolConflict = "RF0606";
    /// The buffer is smaller than its shape and strides need.
    BufferTooSmall = "RF0607";
    /// Two arguments overlap in part, or overlap without a declared alias.
    PartialOverlap = "RF0608";
    /// The base address is not a multiple of the element size.
    Misaligned = "RF0609";
    /// The strides are not of the declared layout.
    BadStride = "RF0610";
    /// The argument is on another device than the plan.
    WrongDevice = "RF0611";
    /// An in-place output is not the same view as its input.
    NotInPlace = "RF0612";
    /// The workspace is missing or too small.
    WorkspaceTooSmall = "RF0613";
    /// The extent is larger than this build's limit.
    ExtentTooLarge = "RF0614";

    /// The file cannot be read.
    CannotRead = "RF0701";
    /// The file cannot be written.
    CannotWrite = "RF0702";
    /// The file is not what its name says (`.npy`, `.safetensors`).
    BadTensorFile = "RF0703";
    /// The file has no tensor of this name.
    NoSuchTensor = "RF0704";
    /// The tensor in the file has another dtype or rank than the input.
    FileTypeMismatch = "RF0705";

    /// No target has this name.
    UnknownTarget = "RF0801";
    /// The compiler failed (a defect, or a broken installation).
    CompileFailed = "RF0802";
    /// This host's processor lacks what compiled code needs.
    HostUnsupported = "RF0803";
    /// The machine code has an undefined symbol.
    UndefinedSymbol = "RF0804";
    /// The artifact cannot be loaded.
    CannotLoad = "RF0805";
    /// The artifact's target is not this machine's.
    TargetNotHere = "RF0806";
    /// A launch needs a variant that is not loaded on the GPU: the plan was not prepared there.
    NotPrepared = "RF0807";
    /// A call of the GPU's driver failed.
    DriverFailed = "RF0808";
    /// There is no such GPU, or no driver.
    NoDevice = "RF0809";
    /// The engine is sealed, and would have had to compile or load a kernel.
    Sealed = "RF0810";
    /// The bundle cannot be used.
    BadBundle = "RF0811";
    /// The kernel is not in the bundle, and there is no compiler.
    NotInBundle = "RF0812";
    /// Something is wrong with a cache of kernels.
    CacheTrouble = "RF0813";
    /// A signature that is required is not there or is another's, or a file of keys cannot be used.
    Untrusted = "RF0814";
    /// A kernel is larger than a limit of the compiler: of its code, or of what it keeps of a row at once.
    KernelTooLarge = "RF0815";
    /// Compiling was cancelled.
    Cancelled = "RF0816";
    /// A graph cannot be exported in this form.
    CannotExport = "RF0817";

    /// A defect in routefuse.
    Internal = "RF0901";

    /// No model preset has this name.
    UnknownModel = "RF1001";
    /// The model has no such option.
    UnknownOption = "RF1002";
    /// The option does not take this value.
    BadOptionValue = "RF1003";
    /// Options that exclude each other.
    OptionConflict = "RF1004";

    /// What a call of the C interface was given is no handle that is alive.
    BadHandle = "RF1101";
    /// What a call of the C interface was given is nothing that it takes.
    BadCall = "RF1102";
}

impl Code {
    /// The code of this text.
    pub fn from_text(text: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|c| c.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct() {
        let texts: HashSet<&str> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|c| Code::from_text(c.as_str()) == Some(*c)));
    }
}
