//! What is known of the machine, read from the kernel without any other program.

use std::collections::BTreeMap;
use std::fs;

use serde::Serialize;

use crate::Facts;

/// The answer to `/diag/system`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    info: Info,
    errors: BTreeMap<&'static str, Problem>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    #[serde(skip_serializing_if = "is_zero")]
    memory_maximum: u64,
    #[serde(skip_serializing_if = "is_zero")]
    memory_current: u64,
    #[serde(skip_serializing_if = "is_zero")]
    file_descriptor_maximum: u64,
    #[serde(skip_serializing_if = "is_zero")]
    file_descriptor_current: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_system: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    host_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_release: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    architecture: String,
    cloudflared_version: String,
    go_version: String,
    go_arch: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disk: Vec<Disk>,
}

/// A mounted file system; sizes in units of 1024 bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Disk {
    name: String,
    size_maximum: u64,
    size_current: u64,
}

/// Why something is not known.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    error: String,
    raw_info: String,
}

/// Looks at the machine.
pub(crate) fn report(facts: &Facts) -> Report {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let mut info = Info {
        os_system: text(system.sysname()),
        host_name: text(system.nodename()),
        os_version: text(system.version()),
        os_release: text(system.release()),
        architecture: text(system.machine()),
        cloudflared_version: facts.version.clone(),
        go_version: facts.compiler.clone(),
        go_arch: architecture(),
        ..Info::default()
    };
    let mut errors = BTreeMap::new();
    let mut note = |name, problem: Option<Problem>| {
        if let Some(problem) = problem {
            errors.insert(name, problem);
        }
    };
    note(
        "memoryInformationError",
        from_file("/proc/meminfo", |text| {
            let (total, free) = memory(text)?;
            info.memory_maximum = total;
            info.memory_current = total.saturating_sub(free);
            Some(())
        }),
    );
    note(
        "fileDescriptorsInformationError",
        from_file("/proc/sys/fs/file-nr", |text| {
            let mut numbers = text.split_whitespace().map(str::parse);
            info.file_descriptor_current = numbers.next()?.ok()?;
            info.file_descriptor_maximum = numbers.nth(1)?.ok()?;
            Some(())
        }),
    );
    note(
        "diskVolumeInformationError",
        from_file("/proc/self/mounts", |text| {
            info.disk = disks(text);
            Some(())
        }),
    );
    Report { info, errors }
}

/// Reads a file of the kernel; returns what is wrong with it, if anything.
fn from_file(path: &str, mut read: impl FnMut(&str) -> Option<()>) -> Option<Problem> {
    match fs::read_to_string(path) {
        Ok(text) if read(&text).is_some() => None,
        Ok(text) => Some(Problem {
            error: format!("{path} is not as expected"),
            raw_info: text,
        }),
        Err(error) => Some(Problem {
            error: format!("{path}: {error}"),
            raw_info: String::new(),
        }),
    }
}

/// Returns all memory and what is free of it, in units of 1024 bytes.
fn memory(text: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((number("MemTotal:")?, number("MemFree:")?))
}

/// Returns the file systems that have a size, each mount point once.
fn disks(mounts: &str) -> Vec<Disk> {
    let mut disks = BTreeMap::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ');
        let (Some(device), Some(point)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Ok(size) = rustix::fs::statvfs(point) else {
            continue;
        };
        let kilobytes = |blocks: u64| blocks.saturating_mul(size.f_frsize) / 1024;
        if size.f_blocks > 0 {
            disks.insert(
                point.to_owned(),
                Disk {
                    name: device.to_owned(),
                    size_maximum: kilobytes(size.f_blocks),
                    size_current: kilobytes(size.f_blocks.saturating_sub(size.f_bfree)),
                },
            );
        }
    }
    disks.into_values().collect()
}

/// Returns the architecture in the names that upstream uses.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
