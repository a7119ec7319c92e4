//! What a device says it is, and what a code object asks for: `gfx942:sramecc+:xnack-`.

use crate::elf;
use crate::gpu::{Suits, best_target};
use routefuse_ir::target::{Target, TargetKind};
use routefuse_ir::{Code, Diagnostic};

/// `EM_AMDGPU`: `e_machine` of a code object.
const AMDGPU: u16 = 224;

/// Features of a processor that code may ask for, each with the mask of its two bits in a code object's `e_flags`, by LLVM's
/// manual of AMDGPU. In the place of the mask, 0 is no such feature, 1 any setting, 2 off and 3 on.
const FEATURES: [(&str, u32); 2] = [("xnack", 0x300), ("sramecc", 0xc00)];

/// A processor with the settings of its features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetId {
    /// "gfx942".
    pub(super) processor: String,
    /// The features that it has, and whether each is on.
    features: Vec<(String, bool)>,
}

impl TargetId {
    /// Of a text such as `gfx942:sramecc+:xnack-`.
    pub(super) fn parse(text: &str) -> TargetId {
        let mut parts = text.split(':');
        let processor = parts.next().unwrap_or_default().to_owned();
        let feature = |part: &str| match (part.strip_suffix('+'), part.strip_suffix('-')) {
            (Some(name), _) => Some((name.to_owned(), true)),
            (_, Some(name)) => Some((name.to_owned(), false)),
            _ => None,
        };
        TargetId { processor, features: parts.filter_map(feature).collect() }
    }

    /// How this processor takes code for a target: its own, or that of a generic target that has it. A processor that no
    /// target knows is taken for a relative of those whose names differ in the last digit alone; the loader refuses the
    /// code if it is none.
    pub(super) fn suits(&self, target: Target) -> Suits {
        if target.kind() != TargetKind::Amdgpu {
            return Suits::Not;
        }
        let processors = target.info().processors;
        let is = |name: &str| name == self.processor;
        if is(target.name()) {
            return Suits::Own;
        }
        let family = |name: &str| name.get(..name.len().saturating_sub(1)).unwrap_or_default().to_owned();
        let known = Target::all().any(|t| is(t.name()) || t.info().processors.iter().any(|p| is(p)));
        let relative = |name: &&&str| family(name) == family(&self.processor);
        let runs = processors.iter().any(|p| is(p)) || !known && processors.iter().any(|p| relative(&p));
        if runs { Suits::AsMachineCode } else { Suits::Not }
    }

    /// The name of what to compile for: its own, or that of a generic target.
    pub(super) fn to_compile_for(&self) -> &str {
        best_target(|target| self.suits(target)).map_or(self.processor.as_str(), |target| target.info().name)
    }

    /// Refuses what is no whole code object, and a code object that asks for another setting of a feature than the device's.
    ///
    /// # Errors
    /// `RF0805` and `RF0806`.
    pub(super) fn check(&self, code: &[u8], device: &str, about: &str) -> Result<(), Diagnostic> {
        let refuse =
            |why: String| Diagnostic::new(Code::CannotLoad, format!("the code of {about} cannot be loaded: {why}"));
        let machine = elf::machine(code).map_err(&refuse)?;
        if machine != AMDGPU {
            return Err(refuse("it is no code object of AMD's".to_owned()));
        }
        if !elf::is_whole(code) {
            return Err(refuse("the file is cut short".to_owned()));
        }
        let flags = u32::from_le_bytes([code[48], code[49], code[50], code[51]]);
        for (name, mask) in FEATURES {
            let on = match (flags & mask) / (mask & mask.wrapping_neg()) {
                2 => false,
                3 => true,
                _ => continue,
            };
            if self.features.iter().any(|(n, is_on)| n == name && *is_on == on) {
                continue;
            }
            let sign = if on { '+' } else { '-' };
            let message = format!("the code of {about} is for {name}{sign}, and {device} is {}", self.text());
            return Err(Diagnostic::new(Code::TargetNotHere, message).help(format!(
                "compile the graph for `{}`: that code runs with either setting",
                self.to_compile_for()
            )));
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut text = self.processor.clone();
        for (name, on) in &self.features {
            text += &format!(":{name}{}", if *on { '+' } else { '-' });
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::best_target;

    #[test]
    fn a_name_is_a_processor_and_its_features() {
        let id = TargetId::parse("gfx942:sramecc+:xnack-");
        assert_eq!(id.processor, "gfx942");
        assert_eq!(id.features, [("sramecc".to_owned(), true), ("xnack".to_owned(), false)]);
        assert_eq!(id.text(), "gfx942:sramecc+:xnack-");
        assert_eq!(TargetId::parse("gfx1100"), TargetId { processor: "gfx1100".to_owned(), features: vec![] });
    }

    #[test]
    fn generic_code_is_for_those_that_have_none_of_their_own() {
        let best = |name: &str| best_target(|t| TargetId::parse(name).suits(t)).map(Target::name);
        assert_eq!(best("gfx942:sramecc+:xnack-"), Some("gfx942"));
        assert_eq!([best("gfx1152"), best("gfx1104"), best("gfx1154")], [Some("gfx11-generic"); 3]);
        assert_eq!([best("gfx1202"), best("gfx951")], [Some("gfx12-generic"), Some("gfx9-4-generic")]);
        // Of none of those families.
        assert_eq!([best("gfx906"), best("gfx1252"), best("gfx1300"), best("sm_90"), best("")], [None; 5]);
        let id = TargetId::parse("gfx950");
        let target = |name| Target::named(name).expect("a target of the table");
        assert_eq!(id.suits(target("gfx9-4-generic")), Suits::AsMachineCode);
        assert_eq!([id.suits(target("gfx942")), id.suits(target("sm_90"))], [Suits::Not; 2]);
    }

    /// The header of a code object with these flags, and one segment.
    fn object(flags: u32) -> Vec<u8> {
        let mut code = vec![0; 120];
        code[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        code[16..20].copy_from_slice(&[3, 0, 224, 0]);
        code[32] = 64;
        code[48..52].copy_from_slice(&flags.to_le_bytes());
        code[54..58].copy_from_slice(&[56, 0, 1, 0]);
        code[64 + 32] = 120;
        code
    }

    #[test]
    fn a_code_object_asks_for_its_settings() {
        let check = |name: &str, code: &[u8]| TargetId::parse(name).check(code, "hip:0", "kernel `k`");
        for flags in [0x54c, 0x04c, 0x64c] {
            assert_eq!(check("gfx942:sramecc+:xnack-", &object(flags)), Ok(()), "{flags:x}");
        }
        let e = check("gfx942:sramecc+:xnack-", &object(0x74c)).unwrap_err();
        assert_eq!(e.code, Code::TargetNotHere);
        assert!(e.to_string().contains("is for xnack+, and hip:0 is gfx942:sramecc+:xnack-"), "{e}");
        let e = check("gfx942:sramecc+:xnack-", &object(0x94c)).unwrap_err();
        assert!(e.to_string().contains("sramecc-"), "{e}");
        for broken in [&object(0)[..119], &object(0)[..40], b"text", &[0; 200]] {
            assert_eq!(check("gfx942", broken).unwrap_err().code, Code::CannotLoad);
        }
        let mut host = object(0);
        host[18] = 62;
        assert!(check("gfx942", &host).unwrap_err().to_string().contains("no code object of AMD's"));
    }
}
