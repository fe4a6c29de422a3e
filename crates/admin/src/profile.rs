//! Profiles, as far as a program without a runtime has any.
//!
//! Tools that collect a bundle ask for a heap and a goroutine profile. They get valid ones that
//! say nothing, so that the bundle is complete.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::page::Page;

/// The profiles that tools ask for, with what they count.
const PROFILES: [(&str, &str, &str); 6] = [
    ("heap", "inuse_space", "bytes"),
    ("goroutine", "goroutine", "count"),
    ("allocs", "alloc_space", "bytes"),
    ("block", "delay", "nanoseconds"),
    ("mutex", "delay", "nanoseconds"),
    ("threadcreate", "threadcreate", "count"),
];

/// Answers `/debug/pprof/NAME`.
pub(crate) fn page(name: &str, as_text: bool) -> Page {
    match name {
        "" => Page::new(200, "text/html; charset=utf-8", index()),
        "cmdline" => Page::complaint(403, "forbidden\n"),
        "symbol" => Page::complaint(200, "num_symbols: 1\n"),
        _ => match PROFILES.iter().find(|(known, ..)| *known == name) {
            Some(_) if as_text => Page::complaint(200, "no samples\n"),
            Some((name, what, unit)) => profile(name, what, unit),
            None => Page::complaint(404, "Unknown profile\n"),
        },
    }
}

fn profile(name: &str, what: &str, unit: &str) -> Page {
    Page::new(200, "application/octet-stream", gzip(&empty(what, unit)))
        .streamed()
        .with("X-Content-Type-Options", "nosniff")
        .with("Content-Disposition", format!("attachment; filename=\"{name}\""))
}

fn index() -> String {
    let line = |(name, ..): &(&str, &str, &str)| format!("<li><a href=\"{name}\">{name}</a>\n");
    let lines: String = PROFILES.iter().map(line).collect();
    format!("<!DOCTYPE html>\n<title>Profiles</title>\n<p>All of them are empty.</p>\n<ul>\n{lines}</ul>\n")
}

/// Returns a profile without samples, as a protocol buffer: one value type and the table of texts.
fn empty(what: &str, unit: &str) -> Vec<u8> {
    // Field 1, a message of 4 bytes: type is text 1, unit is text 2.
    let mut profile = vec![0x0a, 4, 0x08, 1, 0x10, 2];
    for text in ["", what, unit] {
        // Field 6, a text shorter than 128 bytes.
        profile.push(0x32);
        profile.push(u8::try_from(text.len()).expect("the names above are short"));
        profile.extend_from_slice(text.as_bytes());
    }
    profile
}

/// Compresses bytes.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("memory takes any bytes")
}
