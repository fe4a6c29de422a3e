//! What must hold for any bytes: nothing panics, and reading and printing agree.

use std::time::Duration;

use adit_dialect::json::{Document, Value};
use adit_dialect::regex::{NEST_LIMIT, Pattern, SIZE_LIMIT, subject};
use adit_dialect::url::Url;
use adit_dialect::{duration, hostport};

/// A path that is sent means the path that was read.
pub(crate) fn url(data: &[u8]) {
    if let Ok(url) = Url::parse(data) {
        let escaped = url.escaped_path();
        if escaped.starts_with(b"/") {
            let again = Url::parse_target(&escaped).expect("an escaped path is a path");
            assert_eq!(again.path(), url.path());
        }
        assert!(url.host().len() >= url.hostname().len() + url.port().len());
        assert!(!url.to_bytes().iter().any(u8::is_ascii_control));
        assert!(!url.request_target().is_empty());
    }
    if let Ok((host, port)) = hostport::split(data) {
        assert!(host.len() + port.len() < data.len());
    }
}

/// What is accepted compiles, and is searched for in any text.
pub(crate) fn regex(data: &[u8]) {
    let Ok(pattern) = Pattern::parse(&String::from_utf8_lossy(data)) else {
        return;
    };
    let built = regex::RegexBuilder::new(pattern.translated())
        .nest_limit(NEST_LIMIT)
        .size_limit(SIZE_LIMIT / 64)
        .build();
    match built {
        Ok(regex) => {
            let found = regex.is_match(&subject(data));
            assert_eq!(found, regex.find(&subject(data)).is_some());
        }
        Err(regex::Error::CompiledTooBig(_)) => {}
        Err(error) => panic!("{}: {error}", pattern.translated()),
    }
}

/// What another reader accepts is accepted, and every value can be reached.
pub(crate) fn json(data: &[u8]) {
    let document = Document::parse(data);
    if serde_json::from_slice::<serde_json::Value>(data).is_ok() {
        assert!(document.is_ok());
    }
    if let Ok(document) = document {
        assert!(values(document.root(), 64) > 0);
    }
}

fn values(value: Value<'_>, depth: u32) -> usize {
    let Some(depth) = depth.checked_sub(1) else {
        return 1;
    };
    let entries: usize = value.entries().map(|(_, value)| values(value, depth)).sum();
    let items: usize = value.items().map(|value| values(value, depth)).sum();
    let own = value.as_str().is_some() || value.as_number().is_some() || !value.raw().is_empty();
    usize::from(own) + entries + items
}

/// What is printed reads as what was read.
pub(crate) fn duration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(nanos) = duration::parse(&text) {
        assert_eq!(duration::parse(&duration::print(nanos)), Ok(nanos));
        assert!(
            duration::seconds(nanos).abs() <= Duration::from_nanos(nanos.unsigned_abs()).as_secs_f64() + 1e-6
        );
    }
}
