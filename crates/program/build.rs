//! Notes what the program is built with, for the line that says so.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ADIT_BUILD_TIME");
    if let Some(version) = compiler() {
        println!("cargo::rustc-env=ADIT_COMPILER={version}");
    }
}

/// Returns the compiler in the form in which upstream names its own, such as `rust1.95.0`.
fn compiler() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "cargo tells a build script so")]
    let compiler = std::env::var_os("RUSTC")?;
    let output = Command::new(compiler).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split(' ').nth(1)?;
    Some(format!("rust{version}"))
}
