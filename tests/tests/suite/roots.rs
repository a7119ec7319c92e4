//! What NVIDIA's assembler makes of a root, which generated code does for several numbers at once.

use routefuse_tests::skips::skip;
use routefuse_tests::tools::{nvdisasm, output, ptxas};
use std::process::Command;

/// `routefuse_codegen`'s `machine/roots.rs` takes these steps for numbers from 2⁻¹⁰¹ to the largest. That the root is rounded once by them is
/// the assembler's word: so they are to be its own, for each processor.
#[test]
fn the_assembler_takes_roots_in_the_steps_of_generated_code() {
    let processors = ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    for sm in processors {
        let (Some(assembler), Some(disassembler)) = (ptxas(sm), nvdisasm()) else {
            skip("no ptxas or nvdisasm", 1, Some("REQUIRE_PTXAS"));
            continue;
        };
        let [source, cubin] = ["root.ptx", "root.cubin"].map(|name| folder.path().join(name));
        let version = "8.7";
        let ptx = format!(
            ".version {version}
.target {sm}
.address_size 64
.visible .entry root(.param .u64 p) {{
  .reg .b64 %a;
  .reg .f32 %x, %y;
  ld.param.u64 %a, [p];
  cvta.to.global.u64 %a, %a;
  ld.global.f32 %x, [%a];
  sqrt.rn.f32 %y, %x;
  st.global.f32 [%a], %y;
  ret;
}}
"
        );
        std::fs::write(&source, ptx).expect("written");
        let made = Command::new(assembler).arg(format!("-arch={sm}")).arg("-o").args([&cubin, &source]).output();
        let made = made.expect("it starts");
        assert!(made.status.success(), "{sm}: {}", String::from_utf8_lossy(&made.stderr));
        let code = output(Command::new(disassembler).arg("-c").arg(&cubin)).unwrap_or_else(|e| panic!("{sm}: {e}"));
        let operations = code.lines().filter_map(|l| l.trim().strip_prefix("/*")?.split_once("*/")).map(|l| l.1.trim());
        let operations: Vec<&str> = operations.collect();
        // Numbers whose bits are 0x0d000000 to 0x7f7fffff are not looked at further.
        for range in ["-0xd000000", "0x727fffff"] {
            assert!(operations.iter().any(|op| op.contains(range)), "{sm}: no {range}\n{code}");
        }
        let of_floats = |op: &&&str| ["MUFU", "FMUL", "FFMA"].iter().any(|name| op.starts_with(name));
        let steps: Vec<String> = operations.iter().filter(of_floats).take(5).map(|op| named(op)).collect();
        let expected = [
            "MUFU.RSQ rough, x",
            "FMUL.FTZ root, x, rough",
            "FMUL.FTZ half, rough, 0.5",
            "FFMA rest, -root, root, x",
            "FFMA y, rest, half, root",
        ];
        let expected: Vec<String> = expected.iter().map(|op| named(op)).collect();
        assert_eq!(names(&steps), names(&expected), "{sm}\n{code}");
    }
}

/// An instruction in words: the operation and its operands.
fn named(op: &str) -> String {
    op.replace([',', ';'], " ").replace(".reuse", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The steps with each register called after the step that made it, since the assembler uses registers again.
fn names(steps: &[String]) -> Vec<String> {
    let mut made: Vec<(String, String)> = vec![];
    let mut renamed = vec![];
    for (n, step) in steps.iter().enumerate() {
        let words: Vec<&str> = step.split(' ').collect();
        let operand = |word: &&str| {
            let (sign, register) = word.strip_prefix('-').map_or(("", *word), |register| ("-", register));
            let is_number = register.starts_with(|c: char| c.is_ascii_digit());
            let by = made.iter().rev().find(|(name, _)| name == register).map(|(_, by)| by.as_str());
            if is_number { (*word).to_owned() } else { format!("{sign}{}", by.unwrap_or("x")) }
        };
        let operands: Vec<String> = words[2..].iter().map(operand).collect();
        renamed.push(format!("{} {}", words[0], operands.join(" ")));
        made.push((words[1].to_owned(), format!("step {n}")));
    }
    renamed
}
