//! Reading bytes that may be anything.

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It does not begin with the format's eight letters.
    #[error("it is no {expected}")]
    Magic {
        /// What it should be.
        expected: &'static str,
    },
    /// Another version of the format.
    #[error("it is of version {found} of its format, and this build reads version {known}")]
    Version {
        /// Its version.
        found: u32,
        /// This build's.
        known: u32,
    },
    /// The end comes too early.
    #[error("it is cut short in its {what}")]
    CutShort {
        /// What was being read.
        what: &'static str,
    },
    /// It goes on after the end.
    #[error("{bytes} bytes follow its end")]
    TooLong {
        /// How many.
        bytes: u64,
    },
    /// The bytes are not those that were hashed.
    #[error("its hash is not that of its bytes")]
    Hash,
    /// Its signature was made of something else, or by another than it says.
    #[error("its signature is not one of its bytes by the key it names")]
    Signature,
    /// The key is not the hash of the key's text.
    #[error("its key is not the hash of its key text")]
    Key,
    /// A value that the format does not have.
    #[error("its {what} is {value}, which the format does not have")]
    Unknown {
        /// What was read.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A name that this build does not know.
    #[error("its {what} name `{name}`, which this build does not know")]
    Name {
        /// What was read.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The text of a tuning's record that is none.
    #[error("{why}")]
    Tuning {
        /// Why not.
        why: String,
    },
    /// A kernel that breaks the rules of its level.
    #[error("one of its kernels is not valid: {why}")]
    Kernel {
        /// The rule, and where it is broken.
        why: String,
    },
    /// A graph of a bundle that has not one plan for each target.
    #[error("the plans of one of its graphs are {plans}, and its targets {targets}")]
    Plans {
        /// Targets that it was compiled for.
        targets: usize,
        /// Plans beside them.
        plans: usize,
    },
    /// A plan whose parts do not fit each other.
    #[error("it names a dim, an argument or a buffer that it does not have, or one of another type")]
    Plan,
    /// Text that is not UTF-8.
    #[error("its {what} is no UTF-8 text")]
    NotText {
        /// What was read.
        what: &'static str,
    },
    /// A target that this build does not know.
    #[error("it is for the target `{name}`, which this build does not know")]
    Target {
        /// The name.
        name: String,
    },
}

/// What is left of some bytes. Nothing is taken that is not there, and nothing is allocated before it is known to be there.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn bytes(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], Malformed> {
        let split = usize::try_from(count).ok().and_then(|n| self.rest.split_at_checked(n));
        let (taken, rest) = split.ok_or(Malformed::CutShort { what })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed::CutShort { what })?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array::<1>(what).map(|b| b[0])
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub(crate) fn hash(&mut self, what: &'static str) -> Result<[u8; 32], Malformed> {
        self.array(what)
    }

    /// 0 or 1.
    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, Malformed> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed::Unknown { what, value: other.into() }),
        }
    }

    /// A `u32` other than 0.
    pub(crate) fn positive(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let value = self.u32(what)?;
        if value == 0 { Err(Malformed::Unknown { what, value: 0 }) } else { Ok(value) }
    }

    /// UTF-8 of a `u32` length.
    pub(crate) fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let length = self.u32(what)?;
        let bytes = self.bytes(length.into(), what)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::NotText { what })
    }

    /// A `u32` count, then as many items, each of at least one byte.
    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        mut item: impl FnMut(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u32(what)? as usize;
        if count > self.rest.len() {
            return Err(Malformed::CutShort { what });
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// The eight letters of a format and its version.
    pub(crate) fn version(&mut self, magic: &[u8; 8], known: u32, expected: &'static str) -> Result<(), Malformed> {
        match self.array::<8>("header") {
            Ok(found) if found == *magic => {}
            // A file that was never filled, or begins as one.
            Err(e) if magic.starts_with(self.rest) => return Err(e),
            _ => return Err(Malformed::Magic { expected }),
        }
        match self.u32("header")? {
            found if found == known => Ok(()),
            found => Err(Malformed::Version { found, known }),
        }
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            n => Err(Malformed::TooLong { bytes: n as u64 }),
        }
    }
}

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Writer, &T)) {
        self.u32(items.len() as u32);
        items.iter().for_each(|i| item(self, i));
    }
}
