//! The committed code is the code that the compiler makes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The release of the schema compiler that made the committed code. Others describe the same
/// schema in other bytes.
const COMPILER: &str = "Cap'n Proto version 0.9.2";

/// The schemas, without their extension.
const SCHEMAS: [&str; 2] = ["connect", "calls"];

#[test]
fn the_committed_code_is_fresh() {
    let Some(found) = compiler() else {
        return say("schema compiler not found: the committed code was not compared with a fresh one");
    };
    if found != COMPILER {
        return say(&format!(
            "{found} found, not {COMPILER}: the committed code was not compared with a fresh one"
        ));
    }
    let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schema");
    generate(&fresh);
    for schema in SCHEMAS {
        let name = format!("{schema}_capnp.rs");
        let made = std::fs::read_to_string(fresh.join(&name)).expect("it was just made");
        let kept = std::fs::read_to_string(committed().join(&name)).expect("it is committed");
        assert!(
            made == kept,
            "{name} is stale: copy {}",
            fresh.join(&name).display()
        );
    }
}

#[test]
fn every_id_of_the_schemas_is_in_the_code() {
    for schema in SCHEMAS {
        let text =
            std::fs::read_to_string(proto().join(schema).with_extension("capnp")).expect("it is there");
        let code =
            std::fs::read_to_string(committed().join(format!("{schema}_capnp.rs"))).expect("it is there");
        let lines = text.lines().filter(|line| !line.starts_with("@0x"));
        let ids = lines.filter_map(|line| Some(line.split_once(" @0x")?.1.split_once(' ')?.0));
        let mut count = 0;
        for id in ids {
            let id = u64::from_str_radix(id, 16).expect("an id");
            assert!(code.contains(&grouped(id)), "{schema}: 0x{id:x}");
            count += 1;
        }
        assert!(count > 3, "{schema}: {count}");
    }
}

/// Returns an id as the compiler writes it: in groups of four digits.
fn grouped(id: u64) -> String {
    let group = |shift: u32| (id >> shift) as u16;
    format!(
        "0x{:x}_{:04x}_{:04x}_{:04x}",
        group(48),
        group(32),
        group(16),
        group(0)
    )
}

fn generate(into: &Path) {
    std::fs::create_dir_all(into).expect("a folder of this test's own");
    let mut command = capnpc::CompilerCommand::new();
    command.src_prefix(proto()).output_path(into);
    command.default_parent_module(vec!["schema".into()]);
    for schema in SCHEMAS {
        command.file(proto().join(schema).with_extension("capnp"));
    }
    command.run().expect("the schemas compile");
    // No code is made of what is retired, but it is checked like the rest.
    let retired = proto().join("retired.capnp");
    let checked = Command::new("capnp")
        .args(["compile", "-o-"])
        .arg(retired)
        .output();
    assert!(
        checked.expect("the compiler runs").status.success(),
        "retired.capnp"
    );
}

fn compiler() -> Option<String> {
    let output = Command::new("capnp").arg("--version").output().ok()?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|version| version.trim().to_owned())
}

fn proto() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto")
}

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema")
}

/// Prints a line that the test harness does not hold back.
fn say(line: &str) {
    let told = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
    told.expect("standard output takes a line");
}
