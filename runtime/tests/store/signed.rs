//! Signatures: what is signed is used, and nothing else where a signature is required.

use crate::fake::{Fake, VARIANT, kernel, key};
use crate::trouble::skip;
use routefuse_ir::artifact::Artifact;
use routefuse_runtime::{
    BadKey, Bundle, BundleWriter, Compiler, Entry, Malformed, PublicKey, SigningKey, Trouble, Trust, Untrusted,
};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Bytes of a signature.
const SIGNATURE: usize = 112;

fn artifact(n: i32) -> Artifact {
    Fake::default().compile(&kernel(n), VARIANT).unwrap()
}

fn writer(kernels: &[i32]) -> BundleWriter {
    let mut writer = BundleWriter::new("fake 1", "none");
    writer.graph("layer", "route 1\n", &["sm_90"], true);
    kernels.iter().for_each(|&n| assert!(writer.kernel(&key(n), &artifact(n))));
    writer
}

fn entry(n: i32, by: &SigningKey) -> Vec<u8> {
    Entry::encode_signed(&key(n), &artifact(n), by).unwrap()
}

#[test]
fn a_signed_bundle() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let bytes = writer(&[1, 2]).finish_signed(&ours);
    assert_eq!(bytes, writer(&[2, 1]).finish_signed(&ours), "the same of the same");
    let bundle = Bundle::decode(bytes.clone()).unwrap();
    assert_eq!((bundle.signer(), bundle.len(), bundle.size()), (Some(ours.public()), 2, bytes.len()));
    assert!(bundle.find(&key(1)).is_some());
    assert!(bundle.entries().all(|(_, entry)| entry.unwrap().signer() == Some(ours.public())), "each by itself, too");
    let by = |keys: &[&SigningKey]| Trust::signed_by(keys.iter().map(|k| k.public()));
    assert_eq!(by(&[&other, &ours]).permits(&bundle), Ok(()));
    assert_eq!(by(&[&other]).permits(&bundle), Err(Untrusted::OtherKey { key: ours.public() }));
    assert!(by(&[]).permits(&bundle).is_err() && Trust::anyone().permits(&bundle).is_ok());
    let unsigned = Bundle::decode(writer(&[1, 2]).finish()).unwrap();
    assert_eq!(by(&[&ours]).permits(&unsigned), Err(Untrusted::Unsigned));
    assert!(Trust::anyone().permits(&unsigned).is_ok());

    // What someone else changed and hashed anew, under the old signature.
    let mut moved = writer(&[1, 3]).finish_signed(&other);
    let at = moved.len() - SIGNATURE;
    moved[at..].copy_from_slice(&bytes[bytes.len() - SIGNATURE..]);
    assert_eq!(Bundle::decode(moved.clone()).unwrap_err(), Malformed::Signature);
    // Our name over another's signature.
    let mut named = writer(&[1, 3]).finish_signed(&other);
    named[at + 16..at + 48].copy_from_slice(ours.public().as_bytes());
    assert_eq!(Bundle::decode(named).unwrap_err(), Malformed::Signature);
    // A signature of a kernel is none of a bundle.
    let kernel = entry(1, &ours);
    moved[at..].copy_from_slice(&kernel[kernel.len() - SIGNATURE..]);
    assert_eq!(Bundle::decode(moved).unwrap_err(), Malformed::Signature);
}

#[test]
fn no_changed_bit_or_cut_of_a_signed_bundle_goes_unseen() {
    let bytes = writer(&[1]).finish_signed(&SigningKey::generate().unwrap());
    for at in 0..bytes.len() {
        // Every bit of the header and of the signature, one of each byte between.
        let every = at < 48 || at >= bytes.len() - SIGNATURE;
        for bit in if every { 0..8 } else { at % 8..at % 8 + 1 } {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Bundle::decode(changed).is_err(), "bit {bit} of byte {at}");
        }
        assert!(Bundle::decode(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    assert!(Bundle::decode([&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_signed_kernel() {
    let (ours, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let bytes = entry(1, &ours);
    let read = Entry::decode(&bytes).unwrap();
    assert_eq!((read.key, read.artifact(), read.signer()), (key(1).key(), Some(&artifact(1)), Some(ours.public())));
    assert_eq!((read.to_bytes().unwrap(), read.to_signed_bytes(&ours).unwrap()), (bytes.clone(), bytes.clone()));
    assert_eq!(read.to_signed_bytes(&other).unwrap(), entry(1, &other), "one signature, the last");
    let plain = bytes[..bytes.len() - SIGNATURE].to_vec();
    let unsigned = Entry::decode(&plain).unwrap();
    assert_eq!((unsigned.signer(), unsigned.to_bytes().unwrap()), (None, plain.clone()));

    // The signature of one kernel after another, of a bundle after a kernel, and under another's name.
    let signature = |bytes: &[u8]| bytes[bytes.len() - SIGNATURE..].to_vec();
    let moved = [plain.clone(), signature(&entry(2, &ours))].concat();
    assert_eq!(Entry::decode(&moved), Err(Malformed::Signature));
    let moved = [plain.clone(), signature(&writer(&[1]).finish_signed(&ours))].concat();
    assert_eq!(Entry::decode(&moved), Err(Malformed::Signature));
    let mut named = entry(1, &other);
    let at = named.len() - SIGNATURE;
    named[at + 16..at + 48].copy_from_slice(ours.public().as_bytes());
    assert_eq!(Entry::decode(&named), Err(Malformed::Signature));
    let twice = [bytes.clone(), signature(&bytes)].concat();
    assert_eq!(Entry::decode(&twice), Err(Malformed::TooLong { bytes: SIGNATURE as u64 }));
    let unknown = [&bytes[..at], b"RFSIGNED\x02\0\0\0", &bytes[at + 12..]].concat();
    assert_eq!(Entry::decode(&unknown), Err(Malformed::Version { found: 2, known: 1 }));
}

#[test]
fn no_changed_bit_or_cut_of_a_signed_kernel_goes_unseen() {
    let bytes = entry(1, &SigningKey::generate().unwrap());
    let end = bytes.len() - SIGNATURE;
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Entry::decode(&changed).is_err(), "bit {bit} of byte {at}");
        }
        match Entry::decode(&bytes[..at]) {
            // Without its signature it is whole, and unsigned.
            Ok(entry) => assert!(at == end && entry.signer().is_none(), "cut at {at}"),
            Err(_) => assert_ne!(at, end),
        }
    }
}

#[test]
fn files_of_keys() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let put = |name: &str, text: &str, mode| {
        fs::write(path(name), text).unwrap();
        fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        path(name)
    };
    let (first, second) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    assert_ne!(first, second);
    first.write(&path("key")).unwrap();
    assert_eq!(fs::metadata(path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(SigningKey::read(&path("key")).unwrap(), first);
    assert!(matches!(second.write(&path("key")), Err(Trouble::Io { .. })), "no key is lost");
    assert!(matches!(second.write_pair(&path("key")), Err(Trouble::Io { .. })), "no key is lost");
    assert!(!path("key.pub").exists());
    let beside = first.write_pair(&path("pair")).unwrap();
    assert_eq!((beside.clone(), PublicKey::read(&beside).unwrap()), (path("pair.pub"), vec![first.public()]));
    assert_eq!(SigningKey::read(&path("pair")).unwrap(), first);
    fs::remove_file(path("pair")).unwrap();
    assert!(matches!(second.write_pair(&path("pair")), Err(Trouble::Io { .. })), "no public key is lost");
    assert!(!path("pair").exists(), "a key without its public key stays nowhere");
    for mode in [0o604, 0o640, 0o620] {
        let shown = SigningKey::read(&put("shown", &first.to_pem(), mode)).unwrap_err().to_string();
        assert!(shown.contains("is secret") && shown.ends_with("with chmod 600"), "{shown}");
    }
    let public = first.public().to_pem();
    let both = format!("# whose they are\n{public}\nand another's\n{}", second.public().to_pem());
    assert_eq!(PublicKey::read(&put("both", &both, 0o644)).unwrap(), [first.public(), second.public()]);
    assert!(matches!(PublicKey::read(&put("open", &public, 0o666)), Err(Trouble::WorldWritable { .. })));
    assert!(matches!(PublicKey::read(&path("none")), Err(Trouble::Io { .. })));
    assert!(matches!(SigningKey::read(&put("swapped", &public, 0o600)), Err(Trouble::BadKey { .. })));
    assert_eq!(PublicKey::from_pem(&first.to_pem()), Err(BadKey::Public));
    assert_eq!(PublicKey::from_pem(&public[..public.len() - 30]), Err(BadKey::Public));
    for text in ["", "key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
        assert_eq!(
            (SigningKey::from_pem(text), PublicKey::from_pem(text)),
            (Err(BadKey::Signing), Err(BadKey::Public))
        );
    }
    // The neutral element verifies what nobody signed.
    let mut weak = [0; 32];
    weak[0] = 1;
    assert_eq!(PublicKey::from_bytes(weak), None);
    weak[0] = 2;
    assert_eq!(PublicKey::from_bytes(weak), None, "no point of the curve");
    let said = format!("{first:?}");
    assert!(said.contains(&first.public().to_string()) && said.len() < 100, "{said}");
}

/// Another program's keys are read, and it verifies our signatures: of the text that the documentation says is signed.
#[test]
fn another_program_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let openssl = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(dir.path()).output();
        output.is_ok_and(|o| o.status.success())
    };
    if !openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs"]) {
        return skip("signatures: no openssl that has ed25519");
    }
    let path = |name: &str| dir.path().join(name);
    fs::set_permissions(path("theirs"), Permissions::from_mode(0o600)).unwrap();
    let theirs = SigningKey::read(&path("theirs")).unwrap();
    assert!(openssl(&["pkey", "-in", "theirs", "-pubout", "-out", "theirs.pub"]));
    assert_eq!(PublicKey::read(&path("theirs.pub")).unwrap(), [theirs.public()]);
    let ours = SigningKey::generate().unwrap();
    ours.write(&path("ours")).unwrap();
    assert!(openssl(&["pkey", "-in", "ours", "-pubout", "-out", "ours.pub"]), "it reads our key");
    assert_eq!(fs::read_to_string(path("ours.pub")).unwrap(), ours.public().to_pem());
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let verified = |text: String, signature: &[u8], at: &Path| {
        fs::write(at.join("text"), text).unwrap();
        fs::write(at.join("signature"), signature).unwrap();
        let args =
            ["pkeyutl", "-verify", "-pubin", "-inkey", "ours.pub", "-rawin", "-in", "text", "-sigfile", "signature"];
        openssl(&args)
    };
    let bytes = entry(1, &ours);
    let signature = &bytes[bytes.len() - 64..];
    assert!(verified(format!("routefuse kernel 3\n{}\n", hex(&bytes[72..104])), signature, dir.path()));
    assert!(!verified(format!("routefuse bundle 3\n{}\n", hex(&bytes[72..104])), signature, dir.path()));
    let bytes = writer(&[1]).finish_signed(&ours);
    let text = format!("routefuse bundle 3\n{}\n", hex(&bytes[16..48]));
    assert!(verified(text, &bytes[bytes.len() - 64..], dir.path()));
}
