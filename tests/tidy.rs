//! House rules that no compiler checks: who imports whom, what a sans-IO file may name, file heads.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Words that a file headed `//! Sans-IO.` does not contain outside its tests.
const IMPURE: [&str; 12] = [
    "async fn",
    "async move",
    ".await",
    "tokio::",
    "std::net::Tcp",
    "std::net::Udp",
    "Instant::now",
    "SystemTime::now",
    "fastrand::",
    "rand::",
    "std::env",
    "std::fs",
];

#[test]
fn every_crate_imports_what_the_map_allows() {
    let map = fs::read_to_string(root().join("crates/README.md")).expect("the map of the crates");
    let allowed = allowed_imports(&map);
    let mut wrong = Vec::new();
    for (name, imports) in actual_imports() {
        let Some(allowed) = allowed.get(&name) else {
            wrong.push(format!("{name} is not on the map"));
            continue;
        };
        wrong.extend(
            imports
                .iter()
                .filter(|import| !allowed.contains(import))
                .map(|import| format!("{name} imports {import}")),
        );
    }
    assert!(
        wrong.is_empty(),
        "crates/README.md says otherwise:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn sans_io_files_are_pure() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//! Sans-IO.") {
            continue;
        }
        let product = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in product.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in IMPURE {
                if code.contains(word) {
                    wrong.push(format!("{}:{}: {word}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "sans-IO files with IO in them:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn every_file_says_what_is_in_it() {
    let silent: Vec<_> = sources()
        .into_iter()
        .filter(|(path, text)| {
            !text.starts_with("//!") && !path.components().any(|part| part.as_os_str() == "schema")
        })
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "files without a `//!` head:\n{}",
        silent.join("\n")
    );
}

/// Reads the last column of the table: crate → what it may import.
fn allowed_imports(map: &str) -> BTreeMap<String, Vec<String>> {
    let rows = map.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let names =
            |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        let name = names(cells[0]).remove(0);
        (name, names(cells.last().copied().unwrap_or_default()))
    })
    .collect()
}

/// Asks cargo: crate → which of its neighbours it imports (outside its tests).
fn actual_imports() -> BTreeMap<String, Vec<String>> {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value =
        serde_json::from_slice(&cargo.stdout).expect("cargo describes the workspace");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"]
                .as_array()
                .expect("a list of dependencies");
            let own = dependencies
                .iter()
                .filter(|dependency| dependency["kind"].is_null());
            let names = own.filter_map(|dependency| dependency["name"].as_str()?.strip_prefix("adit-"));
            (short(&package["name"]), names.map(str::to_owned).collect())
        })
        .collect()
}

fn short(name: &serde_json::Value) -> String {
    let name = name.as_str().expect("a package has a name");
    name.strip_prefix("adit-").unwrap_or(name).to_owned()
}

/// Returns every Rust file of the crates with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the crates") {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is text");
                found.push((
                    path.strip_prefix(root()).expect("below the root").to_owned(),
                    text,
                ));
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    let program = Path::new(env!("CARGO_MANIFEST_DIR"));
    program
        .ancestors()
        .nth(2)
        .expect("the program lies two folders below the root")
}
